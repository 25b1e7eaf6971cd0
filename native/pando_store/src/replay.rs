//! Applying the log when a store opens: the same as later, in long strides.
//!
//! Nobody reads yet, so a view is published at the end of a stride only. Between two of them the machine changes its tree
//! in place: to copy the way to each changed node for every batch, as is done while readers look on, took most of the
//! time of an opening.
//!
//! Invariant: a command that panics changes nothing and its neighbours are applied, as at any other time (`machine.rs`).
//! The machine cannot go back by one batch here, so the stride is applied once more from the view before it, with care.

use crate::entry::Entry;
use crate::log::LogEntry;
use crate::machine::Machine;
use crate::view::View;

/// Bytes of log in a stride. Its entries are kept, and what they replace, until it ends.
const STRIDE_SIZE_BYTES: usize = 32 * 1024 * 1024;

/// The stride under way.
#[derive(Default)]
pub struct Replay {
    entries: Vec<Entry>,
    size_bytes: usize,
}

impl Replay {
    /// Applies an entry. `before` is the view with which the stride was begun. True: the stride is to end now, by
    /// publishing the machine's view and [`Replay::begin`].
    pub fn apply(&mut self, machine: &mut Machine, entry: Entry, before: &View) -> bool {
        self.apply_by(machine, entry, before, Machine::apply_in_place)
    }

    fn apply_by(
        &mut self,
        machine: &mut Machine,
        entry: Entry,
        before: &View,
        apply_in_place: impl FnOnce(&mut Machine, &Entry) -> bool,
    ) -> bool {
        self.size_bytes = self.size_bytes.saturating_add(entry.size_bytes());
        let is_applied = apply_in_place(machine, &entry);
        self.entries.push(entry);
        if !is_applied {
            *machine = Machine::new(before.clone());
            for entry in &self.entries {
                machine.apply(entry);
            }
        }
        // After a panic at once, so that not every other one has the whole stride applied again.
        !is_applied || self.size_bytes >= STRIDE_SIZE_BYTES
    }

    /// Begins the next stride.
    pub fn begin(&mut self) {
        *self = Replay::default();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pando_tree::{Command, Name, Payload, Step, TreeRecords};

    use super::*;
    use crate::batch::{Batch, Origin};
    use crate::entry::Change;
    use crate::log::LogPosition;

    fn entry(index: u64) -> Entry {
        let path =
            |number: u64| vec![Step::Child(Name::atom("a")), Step::Child(Name::atom(&format!("n{number}")))];
        let commands = (0..5)
            .map(|number| Command::put(path(index * number % 7), Payload::Data(vec![131, 97, 1].into())))
            .collect();
        let origin = Origin { member_id: 1, incarnation: 1, first_sequence: index * 5 };
        Entry {
            position: LogPosition { term: 1, node_id: 1, index },
            change: Change::Commands(Arc::new(Batch::new(origin, 0, commands, None))),
        }
    }

    fn records(view: &View) -> Vec<Vec<u8>> {
        let mut records = TreeRecords::new(&view.state);
        let mut all = Vec::new();
        let mut record = Vec::new();
        while records.next_into(&mut record) {
            all.push(std::mem::take(&mut record));
        }
        all
    }

    #[test]
    fn after_a_panic_the_stride_is_applied_again_from_the_view_before_it_and_ends() {
        let before = View::empty();
        let mut machine = Machine::new(before.clone());
        let mut replay = Replay::default();
        assert!(!replay.apply(&mut machine, entry(1), &before));
        assert!(!replay.apply(&mut machine, entry(2), &before));
        // Half of it done, and then a panic.
        let panics = |machine: &mut Machine, _: &Entry| {
            machine.apply(&entry(77));
            false
        };
        assert!(replay.apply_by(&mut machine, entry(3), &before, panics));
        let mut expected = Machine::new(View::empty());
        for index in 1..=3 {
            expected.apply(&entry(index));
        }
        assert_eq!(records(machine.view()), records(expected.view()));
        assert_eq!(machine.view().applied_index(), 3);
        assert_eq!(machine.view().state.revision(), expected.view().state.revision());
    }

    #[test]
    fn a_stride_ends_when_its_entries_have_so_many_bytes_and_the_next_one_begins_from_nothing() {
        let before = View::empty();
        let mut machine = Machine::new(before.clone());
        let mut replay = Replay { size_bytes: STRIDE_SIZE_BYTES - 1, ..Replay::default() };
        assert!(replay.apply(&mut machine, entry(1), &before));
        replay.begin();
        assert!(!replay.apply(&mut machine, entry(2), &before));
    }
}
