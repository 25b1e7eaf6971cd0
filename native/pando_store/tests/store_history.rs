//! Strict serializability of a store: histories of concurrent transactions, commands and reads, checked exactly; and
//! validations that are broken on purpose, which the check must find.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "store_support/attempts.rs"]
mod attempts;
#[path = "store_support/history.rs"]
mod history;
#[path = "store_support/programs.rs"]
mod programs;
mod store_support;

use attempts::Manner;
use history::{Violation, check};
use pando_store::ProvokedThread;
use pando_tree::{Command, Expected, Extent, Transaction};
use programs::{Interruption, Run, Sum, run_programs};

/// A run with few keys, all of them contended.
fn contended(seed: u64) -> Run {
    Run {
        seed,
        callers: 4 + usize::try_from(seed % 5).unwrap(),
        operations: 2_000,
        keys: 3,
        groups: 1 + u8::try_from(seed % 2).unwrap(),
        snapshot_log_bytes_min: 1024 * 1024,
        interruptions: Vec::new(),
        manner: Manner { is_quick: seed % 2 == 1, ..Manner::default() },
    }
}

fn uncontended(seed: u64) -> Run {
    Run { keys: 40, groups: 5, ..contended(seed) }
}

fn check_all(runs: impl Iterator<Item = Run>) -> Sum {
    let mut all = Sum::default();
    for run in runs {
        let (history, sum) = run_programs(&run);
        if let Err(violation) = check(&history) {
            panic!("seed {}: {violation:#?}", run.seed);
        }
        all.add(&sum);
    }
    all
}

#[test]
fn contended_histories_are_strictly_serializable() {
    let sum = check_all((0..40).map(contended));
    let way = &sum.way;
    assert!(way.predicted > 0 && way.waits > 0 && way.conflicts_early > 0);
    // Nobody waits for one who waits for him. (A computer that stands still for a while may bring some about.)
    assert!(way.waits_given_up * 4 <= way.waits, "{} of {}", way.waits_given_up, way.waits);
}

#[test]
fn uncontended_histories_are_strictly_serializable() {
    check_all((100..130).map(uncontended));
}

#[test]
fn histories_with_snapshots_and_closings_are_strictly_serializable() {
    let run = |seed| {
        let base = if seed % 3 == 0 { uncontended(seed) } else { contended(seed) };
        Run { snapshot_log_bytes_min: 16 * 1024, interruptions: vec![Interruption::Close; 2], ..base }
    };
    assert!(check_all((200..220).map(run)).has_snapshot);
}

#[test]
fn histories_of_stores_that_halt_are_strictly_serializable() {
    let threads = [ProvokedThread::Ingest, ProvokedThread::Apply, ProvokedThread::Log];
    let run = |seed: u64| {
        let thread = threads[usize::try_from(seed % 3).unwrap()];
        Run { interruptions: vec![Interruption::Panic(thread); 2], ..contended(seed) }
    };
    assert!(check_all((300..315).map(run)).unknown > 0);
}

/// Changes what is committed; everything else is as it should be.
fn broken(command: Command, change: impl FnOnce(&mut Transaction)) -> Command {
    let Command::Transaction(mut transaction) = command else { panic!("not a transaction") };
    change(&mut transaction);
    Command::Transaction(transaction)
}

fn without_reads(command: Command) -> Command {
    broken(command, |transaction| {
        transaction.reads.clear();
        transaction.writes.iter_mut().for_each(|write| write.expected = Expected::Success);
    })
}

fn without_absent_nodes(command: Command) -> Command {
    broken(command, |transaction| transaction.reads.retain(|scope| scope.was_present))
}

fn without_subtrees(command: Command) -> Command {
    broken(command, |transaction| {
        for scope in &mut transaction.reads {
            scope.extent = scope.extent.min(Extent::Payload);
        }
    })
}

fn with_a_base_that_never_ages(command: Command) -> Command {
    broken(command, |transaction| transaction.base_revision = u64::MAX)
}

fn without_answers(command: Command) -> Command {
    broken(command, |transaction| {
        transaction.reads.clear();
    })
}

/// The violation that some run shows, of so many.
fn found(wrap: fn(Command) -> Command) -> Option<Violation> {
    (400..420).find_map(|seed| {
        let run = Run { manner: Manner { wrap, ..Manner::default() }, ..contended(seed) };
        check(&run_programs(&run).0).err()
    })
}

#[test]
fn a_validation_that_is_broken_on_purpose_is_found() {
    for (what, wrap) in [
        ("nothing that was read", without_reads as fn(Command) -> Command),
        ("only what the writes answered", without_answers),
        ("only nodes that were there", without_absent_nodes),
        ("no lists of children", without_subtrees),
        ("only whether nodes are there", with_a_base_that_never_ages),
    ] {
        assert!(found(wrap).is_some(), "validating {what} is not seen");
    }
}
