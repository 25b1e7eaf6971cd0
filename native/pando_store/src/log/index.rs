//! Where every entry of the log stands on the disk. No I/O, no entries.
//!
//! 1. The slots are consecutive; the one at the front stands right after `before_first`, if that is known.
//! 2. Locations never go backwards: an entry with a higher index stands in the same or a later segment.
//! 3. A slot is `Pending` until its bytes were synced. The generation tells a slot from an earlier one of the same index
//!    that was truncated while its bytes were on the way.

use super::position::LogPosition;
use std::collections::VecDeque;

/// Where the record of an entry stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Location {
    pub(super) segment: u64,
    pub(super) offset: u32,
    /// Header and body of the record, without padding.
    pub(super) size_bytes: u32,
}

/// Whether an entry is on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Pending { generation: u64 },
    Written(Location),
}

#[derive(Clone, Copy)]
struct Slot {
    term: u64,
    node_id: u64,
    place: Place,
}

/// The entries of the log by index, and what was purged.
#[derive(Default)]
pub(super) struct LogIndex {
    slots: VecDeque<Slot>,
    before_first: Option<LogPosition>,
    /// The index of the front slot; means nothing while there is none.
    first: u64,
    purged: Option<LogPosition>,
    generation: u64,
}

impl LogIndex {
    /// A log whose entries up to `last` are not here (they should have been purged).
    pub(super) fn after(purged: Option<LogPosition>, last: Option<LogPosition>) -> LogIndex {
        LogIndex { purged, before_first: last, ..LogIndex::default() }
    }

    pub(super) fn purged(&self) -> Option<LogPosition> {
        self.purged
    }

    pub(super) fn entry_count(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The last entry, or what stood before the first if there is none.
    pub(super) fn last(&self) -> Option<LogPosition> {
        match self.slots.len() {
            0 => self.before_first,
            count => self.position(self.first + count as u64 - 1),
        }
    }

    /// The first index that is here or will be, if that is decided.
    pub(super) fn first_available(&self) -> Option<u64> {
        if self.slots.is_empty() {
            self.before_first.map(|position| position.index + 1)
        } else {
            Some(self.first)
        }
    }

    /// One past the last entry, if that is decided: an empty log that was never purged may begin anywhere.
    pub(super) fn next_index(&self) -> Option<u64> {
        self.last().map(|position| position.index + 1)
    }

    fn slot_number(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.first)?).ok().filter(|number| *number < self.slots.len())
    }

    fn slot(&self, index: u64) -> Option<&Slot> {
        self.slots.get(self.slot_number(index)?)
    }

    /// The position of the entry at the index; also that of the purge point.
    pub(super) fn position(&self, index: u64) -> Option<LogPosition> {
        match self.slot(index) {
            Some(slot) => Some(LogPosition { term: slot.term, node_id: slot.node_id, index }),
            None => self.before_first.filter(|position| position.index == index),
        }
    }

    pub(super) fn place(&self, index: u64) -> Option<Place> {
        self.slot(index).map(|slot| slot.place)
    }

    pub(super) fn is_written(&self, index: u64) -> bool {
        matches!(self.place(index), Some(Place::Written(_)))
    }

    /// Adds an entry. False: it would leave a hole or overwrite one.
    pub(super) fn push(&mut self, position: LogPosition, place: Place) -> bool {
        if self.next_index().is_some_and(|next| next != position.index) {
            return false;
        }
        if self.slots.is_empty() {
            self.first = position.index;
        }
        self.slots.push_back(Slot { term: position.term, node_id: position.node_id, place });
        true
    }

    /// Notes that an entry is on the disk, unless it was truncated or purged meanwhile.
    pub(super) fn written(&mut self, index: u64, generation: u64, location: Location) {
        let number = self.slot_number(index);
        let slot = number.and_then(|number| self.slots.get_mut(number));
        if let Some(slot) = slot.filter(|slot| slot.place == Place::Pending { generation }) {
            slot.place = Place::Written(location);
        }
    }

    /// Drops all entries after `last`.
    pub(super) fn truncate_after(&mut self, last: Option<LogPosition>) {
        let keep_count = match last {
            None => 0,
            Some(last) if self.slots.is_empty() || last.index < self.first => 0,
            Some(last) => usize::try_from(last.index - self.first + 1).unwrap_or(usize::MAX),
        };
        self.generation += 1;
        self.slots.truncate(keep_count);
        if self.slots.is_empty() {
            self.before_first = last;
        }
    }

    /// Drops all entries up to and with `upto`, which may lie beyond the last.
    pub(super) fn purge(&mut self, upto: LogPosition) {
        if self.purged.is_some_and(|purged| purged.index >= upto.index) {
            return;
        }
        self.purged = Some(upto);
        if self.before_first.is_some_and(|before| before.index >= upto.index) {
            return;
        }
        if self.next_index().is_none_or(|next| next <= upto.index + 1) {
            self.slots.clear();
        } else if upto.index >= self.first {
            let drop_count = usize::try_from(upto.index + 1 - self.first).unwrap_or(usize::MAX);
            self.slots.drain(..drop_count.min(self.slots.len()));
            self.first = upto.index + 1;
        } else {
            // A log that begins after the purge point, with nothing known before it.
            return;
        }
        self.before_first = Some(upto);
    }

    /// The first index whose entry should be here but is not.
    pub(super) fn missing_before_first(&self) -> Option<u64> {
        let before = self.before_first?;
        let needed = self.purged.map_or(0, |purged| purged.index + 1);
        (needed <= before.index).then_some(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(term: u64, index: u64) -> LogPosition {
        LogPosition { term, node_id: 1, index }
    }

    fn filled(range: std::ops::Range<u64>) -> LogIndex {
        let mut index = LogIndex::default();
        for i in range {
            assert!(index.push(at(1, i), Place::Pending { generation: 0 }));
        }
        index
    }

    #[test]
    fn an_entry_that_would_leave_a_hole_is_refused() {
        let mut index = filled(4..8);
        assert!(!index.push(at(1, 9), Place::Pending { generation: 0 }));
        assert!(!index.push(at(1, 7), Place::Pending { generation: 0 }));
        assert_eq!(index.last(), Some(at(1, 7)));
    }

    #[test]
    fn bytes_of_a_truncated_entry_are_not_taken_for_those_of_its_successor() {
        let mut index = filled(0..3);
        index.truncate_after(Some(at(1, 1)));
        index.push(at(2, 2), Place::Pending { generation: index.generation() });
        let location = Location { segment: 1, offset: 0, size_bytes: 1 };
        index.written(2, 0, location);
        assert!(!index.is_written(2));
        index.written(2, index.generation(), location);
        assert!(index.is_written(2));
    }

    #[test]
    fn a_purge_beyond_the_end_moves_the_beginning() {
        let mut index = filled(0..3);
        index.purge(at(5, 10));
        assert_eq!((index.last(), index.next_index(), index.entry_count()), (Some(at(5, 10)), Some(11), 0));
        assert_eq!(index.missing_before_first(), None);
    }

    #[test]
    fn a_purge_in_the_middle_keeps_the_rest() {
        let mut index = filled(0..10);
        index.purge(at(1, 6));
        index.purge(at(1, 3));
        assert_eq!((index.first_available(), index.entry_count()), (Some(7), 3));
        assert_eq!((index.purged(), index.position(6)), (Some(at(1, 6)), Some(at(1, 6))));
    }

    #[test]
    fn entries_that_are_neither_here_nor_purged_are_missed() {
        let mut index = LogIndex::after(Some(at(1, 3)), Some(at(1, 9)));
        assert_eq!(index.missing_before_first(), Some(4));
        index.truncate_after(Some(at(1, 5)));
        assert_eq!(index.missing_before_first(), Some(4));
        index.purge(at(1, 5));
        assert_eq!(index.missing_before_first(), None);
    }
}
