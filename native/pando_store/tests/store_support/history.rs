//! Histories of concurrent operations on a store, and whether they are strictly serializable.
//!
//! The store tells where each operation has its place: a write is a command and has its number (no two have the same, and
//! the numbers have no gaps), whatever only read has the revision of the tree that it read. So nothing has to be searched
//! for: the operations are done again in that order on a model of our own, and everything that they saw must be seen again;
//! and what had ended before another began must have the earlier place.
//!
//! Operations whose outcome nobody was told (the store closed) may have happened or not: the numbers that nobody else has
//! are theirs, and all ways to give them out are tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::result_large_err, reason = "an error ends the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// A node that holds data: the group that it is in, and its number there.
pub type Key = (u8, u8);

/// One thing that an operation did, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It saw this at a key.
    Read(Key, Option<u64>),
    /// It saw whether there is a node at a key.
    Exists(Key, bool),
    /// It saw so many keys in a group.
    Count(u8, usize),
    Put(Key, u64),
    /// It was told what was there before.
    Swap(Key, u64, Option<u64>),
    Delete(Key),
    DeleteGroup(u8),
}

impl Step {
    fn is_write(&self) -> bool {
        !matches!(self, Step::Read(..) | Step::Exists(..) | Step::Count(..))
    }
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the command of this number.
    Command(u64),
    /// It read the tree as it was after this command.
    After(u64),
    /// It may be a command, or not have happened.
    Unknown,
}

/// What one caller did. Its instants come from one counter that all callers share. One whose outcome is unknown has ended
/// when nothing can happen of it any more: when the store was open again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub caller: usize,
    pub start: u64,
    pub end: u64,
    pub place: Place,
    pub steps: Vec<Step>,
}

/// All that was done on one store, from its founding on.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub operations: Vec<Operation>,
    /// Numbers of commands that were applied and had no effect, as they answered themselves.
    pub without_effect: BTreeSet<u64>,
    /// The number of the last command.
    pub last_command: u64,
}

/// Why a history is not strictly serializable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two commands have the same number.
    SameNumber(u64),
    /// A command that nobody gave.
    NobodysCommand(u64),
    /// A number beyond the last command, or a place of something that cannot have it.
    NoSuchPlace(u64),
    /// An operation saw what was not there.
    WrongStep { place: u64, operation: Operation, step: Step, truth: String },
    /// An operation had ended before another began, and stands behind it.
    OutOfTime { first: Operation, second: Operation },
}

type Model = BTreeMap<Key, u64>;

/// Whether the history is strictly serializable. Gives the tree at its end: of all that there may be, if the outcome of
/// something is unknown.
pub fn check(history: &History) -> Result<Vec<Model>, Violation> {
    let mut commands: BTreeMap<u64, usize> = BTreeMap::new();
    let mut reads: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    let mut unknown: BTreeSet<usize> = BTreeSet::new();
    for (index, operation) in history.operations.iter().enumerate() {
        match operation.place {
            Place::Command(number) => {
                if number == 0 || number > history.last_command {
                    return Err(Violation::NoSuchPlace(number));
                }
                if commands.insert(number, index).is_some() || history.without_effect.contains(&number) {
                    return Err(Violation::SameNumber(number));
                }
            }
            Place::After(number) => {
                if number > history.last_command || operation.steps.iter().any(Step::is_write) {
                    return Err(Violation::NoSuchPlace(number));
                }
                reads.entry(number).or_default().push(index);
            }
            Place::Unknown => drop(unknown.insert(index)),
        }
    }
    let mut ends = Vec::new();
    let spans = unknown.iter().map(|index| (*index, span(history, &history.operations[*index]))).collect();
    let mut search = Search { history, commands: &commands, reads: &reads, spans, tried: BTreeSet::new() };
    let start = Partial { next: 0, model: Model::new(), unknown, found: BTreeMap::new() };
    match search.go_on(start, &mut ends) {
        Err(violation) if ends.is_empty() => Err(violation),
        _ => Ok(ends),
    }
}

struct Search<'history> {
    history: &'history History,
    commands: &'history BTreeMap<u64, usize>,
    reads: &'history BTreeMap<u64, Vec<usize>>,
    /// The numbers that operations whose outcome is unknown can have, as their times tell.
    spans: BTreeMap<usize, RangeInclusive<u64>>,
    /// What was tried already: a number, the operations that had none, and those that had one, and the tree.
    tried: BTreeSet<(u64, Vec<usize>, Vec<usize>, Model)>,
}

/// The numbers that an operation can have, for it stands behind all that had ended before it began, and before all that
/// began after it had ended.
fn span(history: &History, operation: &Operation) -> RangeInclusive<u64> {
    let (mut first, mut last) = (1, history.last_command);
    for other in &history.operations {
        let (at, before) = match other.place {
            Place::Command(number) => (number, number - 1),
            Place::After(number) => (number, number),
            Place::Unknown => continue,
        };
        if other.end < operation.start {
            first = first.max(at + 1);
        }
        if operation.end < other.start {
            last = last.min(before);
        }
    }
    first..=last
}

/// How far the commands are done again.
#[derive(Clone)]
struct Partial {
    next: u64,
    model: Model,
    /// Operations of which nobody knows, that were given no number so far.
    unknown: BTreeSet<usize>,
    /// The numbers that they were given.
    found: BTreeMap<usize, u64>,
}

impl Search<'_> {
    // It recurs once for each operation whose outcome is unknown: at most one of each caller at each closing.
    fn go_on(&mut self, mut partial: Partial, ends: &mut Vec<Model>) -> Result<(), Violation> {
        let history = self.history;
        while partial.next <= self.history.last_command {
            let number = partial.next;
            partial.next += 1;
            match self.commands.get(&number) {
                Some(index) => redo(&mut partial.model, number, &history.operations[*index])?,
                None if number == 0 || self.history.without_effect.contains(&number) => {}
                None => return self.try_all(&partial, number, ends),
            }
            self.redo_reads(&mut partial.model, number)?;
        }
        self.check_times(&partial.found)?;
        if !ends.contains(&partial.model) {
            ends.push(partial.model);
        }
        Ok(())
    }

    fn redo_reads(&self, model: &mut Model, number: u64) -> Result<(), Violation> {
        let reads = self.reads.get(&number).into_iter().flatten();
        reads.copied().try_for_each(|index| redo(model, number, &self.history.operations[index]))
    }

    /// A command that nobody was told of: one of those whose outcome is unknown, with or without an effect.
    fn try_all(&mut self, partial: &Partial, number: u64, ends: &mut Vec<Model>) -> Result<(), Violation> {
        let mut first_violation = Violation::NobodysCommand(number);
        let mut is_possible = false;
        let unknown = partial.unknown.iter().copied().collect();
        if !self.tried.insert((
            number,
            unknown,
            partial.found.keys().copied().collect(),
            partial.model.clone(),
        )) {
            return Err(first_violation);
        }
        for index in &partial.unknown {
            if !self.spans[index].contains(&number) {
                continue;
            }
            let operation = &self.history.operations[*index];
            // Only a transaction that has read can conflict.
            let may_conflict = !operation.steps.iter().all(Step::is_write);
            for has_effect in [true, false].into_iter().filter(|has_effect| *has_effect || may_conflict) {
                let mut with = partial.clone();
                with.unknown.remove(index);
                let attempt = || {
                    if has_effect {
                        with.found.insert(*index, number);
                        redo(&mut with.model, number, operation)?;
                    }
                    self.redo_reads(&mut with.model, number)?;
                    self.go_on(with, ends)
                };
                match attempt() {
                    Ok(()) => is_possible = true,
                    Err(violation) => first_violation = violation,
                }
            }
        }
        if is_possible { Ok(()) } else { Err(first_violation) }
    }

    fn check_times(&self, found: &BTreeMap<usize, u64>) -> Result<(), Violation> {
        // Twice the number for the command, and one more for what read after it.
        let place = |index: usize, operation: &Operation| match operation.place {
            Place::Command(number) => Some(2 * number),
            Place::After(number) => Some(2 * number + 1),
            Place::Unknown => found.get(&index).map(|number| 2 * number),
        };
        let operations = self.history.operations.iter().enumerate();
        let placed: Vec<(&Operation, u64)> = operations
            .filter_map(|(index, operation)| place(index, operation).map(|at| (operation, at)))
            .collect();
        let mut by_start: Vec<_> = placed.iter().collect();
        by_start.sort_by_key(|(operation, _)| operation.start);
        let mut by_end: Vec<_> = placed.iter().collect();
        by_end.sort_by_key(|(operation, _)| operation.end);
        let mut ended = by_end.into_iter().peekable();
        let mut latest: Option<(&Operation, u64)> = None;
        for (second, at) in by_start {
            while let Some((first, place)) = ended.next_if(|(first, _)| first.end < second.start) {
                if latest.is_none_or(|(_, latest)| latest < *place) {
                    latest = Some((first, *place));
                }
            }
            if let Some((first, _)) = latest.filter(|(_, latest)| latest > at) {
                return Err(Violation::OutOfTime { first: first.clone(), second: (*second).clone() });
            }
        }
        Ok(())
    }
}

/// Does an operation again; what it saw must be seen again.
fn redo(model: &mut Model, place: u64, operation: &Operation) -> Result<(), Violation> {
    for step in &operation.steps {
        let wrong = |truth: String| {
            Err(Violation::WrongStep { place, operation: operation.clone(), step: step.clone(), truth })
        };
        match step {
            Step::Read(key, seen) if model.get(key) != seen.as_ref() => {
                return wrong(format!("{:?}", model.get(key)));
            }
            Step::Exists(key, seen) if model.contains_key(key) != *seen => return wrong((!seen).to_string()),
            Step::Count(group, seen) => {
                let count = model.keys().filter(|(of, _)| of == group).count();
                if count != *seen {
                    return wrong(count.to_string());
                }
            }
            Step::Read(..) | Step::Exists(..) => {}
            Step::Put(key, value) => drop(model.insert(*key, *value)),
            Step::Swap(key, value, seen) => {
                let before = model.insert(*key, *value);
                if before != *seen {
                    return wrong(format!("{before:?}"));
                }
            }
            Step::Delete(key) => drop(model.remove(key)),
            Step::DeleteGroup(group) => model.retain(|(of, _), _| of != group),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Key = (0, 1);
    const B: Key = (0, 2);

    fn operation(times: (u64, u64), place: Place, steps: &[Step]) -> Operation {
        Operation { caller: 0, start: times.0, end: times.1, place, steps: steps.to_vec() }
    }

    fn history(operations: &[Operation]) -> History {
        let number = |operation: &Operation| match operation.place {
            Place::Command(number) => number,
            Place::After(_) | Place::Unknown => 0,
        };
        History {
            last_command: operations.iter().map(number).max().unwrap_or(0),
            operations: operations.to_vec(),
            without_effect: BTreeSet::new(),
        }
    }

    /// Two increments, one after the other, and a reader at the same time as the second.
    fn increments() -> [Operation; 3] {
        [
            operation((1, 2), Place::Command(1), &[Step::Read(A, None), Step::Put(A, 10)]),
            operation((3, 6), Place::Command(2), &[Step::Read(A, Some(10)), Step::Put(A, 20)]),
            operation((4, 5), Place::After(1), &[Step::Read(A, Some(10)), Step::Count(0, 1)]),
        ]
    }

    #[test]
    fn a_serial_history_is_serializable() {
        assert_eq!(check(&history(&increments())), Ok(vec![Model::from([(A, 20)])]));
        assert_eq!(check(&History::default()), Ok(vec![Model::new()]));
    }

    #[test]
    fn commands_in_the_wrong_order_are_seen() {
        let mut operations = increments();
        (operations[0].place, operations[1].place) = (operations[1].place, operations[0].place);
        assert!(matches!(check(&history(&operations)), Err(Violation::WrongStep { place: 1, .. })));
        // Also where nobody has read anything: only the times tell.
        let blind = [
            operation((1, 2), Place::Command(2), &[Step::Put(A, 1)]),
            operation((3, 4), Place::Command(1), &[Step::Put(B, 2)]),
        ];
        assert!(matches!(check(&history(&blind)), Err(Violation::OutOfTime { .. })));
    }

    #[test]
    fn one_read_that_is_not_so_is_seen_whatever_kind_it_is() {
        let truths = [
            Step::Read(A, Some(20)),
            Step::Read(B, None),
            Step::Exists(A, true),
            Step::Exists(B, false),
            Step::Count(0, 1),
            Step::Count(1, 0),
        ];
        let lies = [
            Step::Read(A, Some(10)),
            Step::Read(A, None),
            Step::Read(B, Some(20)),
            Step::Exists(A, false),
            Step::Exists(B, true),
            Step::Count(0, 2),
            Step::Count(1, 1),
        ];
        let with = |step: &Step| {
            let mut operations = increments().to_vec();
            operations.push(operation((7, 8), Place::After(2), std::slice::from_ref(step)));
            check(&history(&operations))
        };
        truths.iter().for_each(|step| assert!(with(step).is_ok(), "{step:?}"));
        lies.iter().for_each(|step| {
            assert!(matches!(with(step), Err(Violation::WrongStep { .. })), "{step:?}");
        });
    }

    #[test]
    fn what_a_swap_was_told_is_checked() {
        let swap = |told| {
            let mut operations = increments().to_vec();
            operations.push(operation((7, 8), Place::Command(3), &[Step::Swap(A, 30, told)]));
            check(&history(&operations)).is_ok()
        };
        assert!(swap(Some(20)));
        assert!(!swap(Some(10)));
        assert!(!swap(None));
    }

    #[test]
    fn a_stale_read_is_seen() {
        let mut operations = increments();
        (operations[2].start, operations[2].end) = (7, 8);
        assert!(matches!(check(&history(&operations)), Err(Violation::OutOfTime { .. })));
    }

    #[test]
    fn a_read_of_what_was_written_only_later_is_seen() {
        let mut operations = increments();
        operations[2] = operation((1, 2), Place::After(2), &[]);
        assert!(matches!(check(&history(&operations)), Err(Violation::OutOfTime { .. })));
    }

    #[test]
    fn a_number_given_twice_or_not_at_all_is_seen() {
        let mut operations = increments();
        operations[1].place = Place::Command(1);
        assert_eq!(check(&history(&operations)), Err(Violation::SameNumber(1)));
        operations[1].place = Place::Command(3);
        assert_eq!(check(&history(&operations)), Err(Violation::NobodysCommand(2)));
        let mut explained = history(&operations);
        explained.without_effect.insert(2);
        assert!(check(&explained).is_ok());
        explained.last_command = 2;
        assert_eq!(check(&explained), Err(Violation::NoSuchPlace(3)));
    }

    #[test]
    fn an_operation_of_which_nobody_knows_may_have_happened_or_not() {
        let [first, second, _] = increments();
        let unknown = operation((3, 6), Place::Unknown, &[Step::Read(A, Some(10)), Step::Put(B, 1)]);
        let with =
            |operations: &[Operation], last_command| check(&History { last_command, ..history(operations) });
        let did_not = with(&[first.clone(), unknown.clone()], 1);
        assert_eq!(did_not, Ok(vec![Model::from([(A, 10)])]));
        let may_have = with(&[first.clone(), unknown.clone()], 2);
        assert_eq!(may_have, Ok(vec![Model::from([(A, 10), (B, 1)]), Model::from([(A, 10)])]));
        // Somebody saw what it did: so it did.
        let seen = operation((5, 7), Place::After(2), &[Step::Read(B, Some(1))]);
        let did = with(&[first.clone(), unknown.clone(), seen], 2);
        assert_eq!(did, Ok(vec![Model::from([(A, 10), (B, 1)])]));
        // It cannot have happened before it began, nor after its end, nor after another one has changed what it read.
        let reader = |start| operation((start, start + 1), Place::After(2), &[Step::Read(B, Some(1))]);
        let late = Operation { start: 20, end: 21, ..unknown.clone() };
        assert!(with(&[first.clone(), late, reader(7)], 2).is_err());
        let blind = |start| operation((start, 8), Place::Command(2), &[Step::Put(B, 5)]);
        assert!(with(&[first.clone(), blind(5), unknown.clone()], 3).is_ok_and(|ends| ends.len() == 2));
        assert!(with(&[first.clone(), blind(7), unknown.clone()], 3).is_err());
        let behind = operation((7, 8), Place::After(3), &[Step::Read(B, Some(1))]);
        assert!(with(&[first, second, unknown, behind], 3).is_err());
    }
}
