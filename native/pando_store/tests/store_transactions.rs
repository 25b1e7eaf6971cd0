//! Transactions of a store: who waits for whom, who is told what, and what is left behind when something fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "store_support/attempts.rs"]
mod attempts;
mod store_support;

use attempts::*;
use pando_store::disk::MemoryDisk;
use pando_store::{Commit, Haste, NO_REVISION, Outcome, Standing, StoreError};
use pando_tree::{Answer, Extent, Name, OpenTransaction, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use store_support::*;

/// More than a batch takes before it is full, and than the log's first segment has room for.
const LARGE_SIZE_BYTES: usize = 3 * 1024 * 1024;

/// A store whose disk stands still while the gate is shut.
fn open_with_gate() -> (TestStore, Gate) {
    let (disk, gate) = (MemoryDisk::new(), Gate::new());
    let store = open(&disk);
    let closed = gate.clone();
    disk.before_sync(move |_| closed.pass());
    (store, gate)
}

/// A transaction that writes without having read.
fn write(store: &TestStore, path: &[&str], text: &str) -> Ended {
    transaction(store, &Manner::default(), &mut Way::default(), |open| {
        open.write(put(path, text));
        Verdict::Commit
    })
    .unwrap()
}

#[test]
fn a_transaction_after_a_batch_that_was_full_is_proposed_without_anything_being_queued() {
    let store = open(&MemoryDisk::new());
    let large = "x".repeat(1024 * 1024);
    for number in 0..3 {
        run(&store, put(&["large"], &large)).unwrap();
        write(&store, &["a"], &number.to_string());
    }
    assert_eq!(get(&store, &["a"]), Some("2".to_owned()));
}

#[test]
fn what_was_queued_stands_before_a_transaction_that_was_committed_after_it() {
    for _ in 0..20 {
        let (store, gate) = open_with_gate();
        gate.shut();
        let mut queued = Vec::new();
        for number in 0..8 {
            queued.push(submit(&store, put(&["a"], &number.to_string())).unwrap());
            // Time for the thread to get as far as it can: two batches are under way, and it waits for room for the next.
            (0..200).for_each(|_| std::thread::yield_now());
        }
        let mut attempt = store.begin();
        attempt.open().write(put(&["a"], "transaction"));
        let (ticket, answer) = caller();
        let (commit, _) = store.commit(attempt, |command| command, ticket, Haste::Unhurried);
        assert!(matches!(commit, Commit::Queued));
        gate.open();
        let places: Vec<u64> =
            queued.iter().map(|answer| answer.recv_timeout(WAIT_MAX).unwrap().unwrap().revision).collect();
        let last = answer.recv_timeout(WAIT_MAX).unwrap().unwrap().revision;
        assert!(places.is_sorted(), "{places:?}");
        assert!(places.iter().all(|place| *place < last), "{places:?} {last}");
        assert_eq!(get(&store, &["a"]), Some("transaction".to_owned()));
    }
}

fn path(names: &[&str]) -> Path {
    names.iter().map(|name| Name::binary(name.as_bytes())).collect()
}

/// Reads the number at a path, inside a transaction.
fn number_at(open: &mut OpenTransaction, names: &[&str]) -> u64 {
    let node = open.lookup(&path(names), Extent::Payload);
    let bytes = node.and_then(|node| node.payload().bytes());
    bytes.map_or(0, |bytes| std::str::from_utf8(&bytes[6..]).unwrap().parse().unwrap())
}

fn increment(open: &mut OpenTransaction) -> Verdict {
    let number = number_at(open, &["n"]);
    open.write(put(&["n"], &(number + 1).to_string()));
    Verdict::Commit
}

/// Opens the lane of `n`: an attempt is lost on it.
fn make_contended(store: &TestStore) {
    let mut attempt = store.begin();
    increment(attempt.open());
    run(store, put(&["n"], "0")).unwrap();
    assert!(matches!(
        commit(store, attempt, &Manner::default(), &mut Way::default()),
        End::Lost(on) if on == path(&["n"])
    ));
    assert!(store.is_contended(&path(&["n"])));
}

/// An attempt whose turn it is on `n`.
fn begin_with_turn(store: &TestStore) -> pando_store::StoreTransaction {
    let mut attempt = store.begin();
    let (ticket, _answer) = caller();
    match store.stand_in_line(&mut attempt, &path(&["n"]), ticket) {
        Standing::Turn(ticket) => ticket.forget(),
        Standing::InLine => panic!("another one has its turn"),
    }
    attempt
}

/// Like it, and sees this number at `n`. An attempt that finds the proposer busy for long, as on a machine with much else to
/// do, begins with the newest view instead and would lose: it is begun anew.
fn begin_with_turn_on_newest(store: &TestStore, number: u64) -> pando_store::StoreTransaction {
    let mut newest = None;
    wait_until("an attempt begins with the prediction", || {
        let mut attempt = begin_with_turn(store);
        if number_at(attempt.open(), &["n"]) == number {
            newest = Some(attempt);
        } else {
            assert!(!attempt.opened().is_predicted());
            tell(store.end(attempt));
        }
        newest.is_some()
    });
    newest.unwrap()
}

/// An attempt that stands in line for `n`, and where it will be told of its turn.
fn begin_in_line_for_n(store: &TestStore) -> (pando_store::StoreTransaction, Receiver<Outcome>) {
    let mut attempt = store.begin();
    let (ticket, answer) = caller();
    assert!(matches!(store.stand_in_line(&mut attempt, &path(&["n"]), ticket), Standing::InLine));
    (attempt, answer)
}

/// Commits without waiting for the answer.
fn start_commit(store: &TestStore, attempt: pando_store::StoreTransaction) -> Receiver<Outcome> {
    let (ticket, answer) = caller();
    let (commit, turns) = store.commit(attempt, |command| command, ticket, Haste::Unhurried);
    tell(turns);
    assert!(matches!(commit, Commit::Queued));
    answer
}

fn assert_nothing_is_left(store: &TestStore) {
    assert_eq!(store.status().transactions_in_line, 0);
    wait_until("nothing waits", || store.status().waiting_size_bytes == 0);
}

#[test]
fn a_commit_that_takes_over_what_was_queued_and_conflicts_has_it_proposed_all_the_same() {
    let store = open(&MemoryDisk::new());
    run(&store, put(&["n"], "0")).unwrap();
    for round in 0..300 {
        let mut attempt = store.begin();
        increment(attempt.open());
        let queued = submit(&store, put(&["n"], &round.to_string())).unwrap();
        // It may win, if the thread was quick.
        commit(&store, attempt, &Manner::default(), &mut Way::default());
        queued.recv_timeout(WAIT_MAX).expect("an answer").unwrap();
    }
    assert_nothing_is_left(&store);
}

#[test]
fn commits_of_many_callers_are_all_answered_though_they_take_from_each_others_queue() {
    let store = &open(&MemoryDisk::new());
    std::thread::scope(|scope| {
        for caller in 0..8 {
            scope.spawn(move || {
                let name = format!("own{caller}");
                for number in 0..200 {
                    write(store, &[&name], &number.to_string());
                }
            });
        }
    });
    assert_nothing_is_left(store);
}

#[test]
fn an_attempt_that_ends_passes_its_turn_on() {
    let store = open(&MemoryDisk::new());
    make_contended(&store);
    let first = begin_with_turn(&store);
    let (second, second_turn) = begin_in_line_for_n(&store);
    let (third, third_turn) = begin_in_line_for_n(&store);
    assert_eq!(store.status().transactions_in_line, 3);
    tell(store.end(first));
    assert_eq!(second_turn.try_recv().unwrap().unwrap().answer, Answer::Done);
    assert!(third_turn.try_recv().is_err());
    tell(store.end(second));
    assert_eq!(third_turn.try_recv().unwrap().unwrap().answer, Answer::Done);
    tell(store.end(third));
    assert_nothing_is_left(&store);
}

#[test]
fn one_who_gives_up_in_line_is_passed_over() {
    let store = open(&MemoryDisk::new());
    make_contended(&store);
    let first = begin_with_turn(&store);
    let (mut second, second_turn) = begin_in_line_for_n(&store);
    let (third, third_turn) = begin_in_line_for_n(&store);
    assert!(store.go_on(&mut second).1.is_empty());
    tell(store.end(first));
    // Its ticket was dropped; it has no turn.
    assert!(!matches!(second_turn.try_recv(), Ok(Ok(_))));
    assert!(third_turn.try_recv().unwrap().is_ok());
    // It commits without its turn, and is told nothing of lines.
    increment(second.open());
    start_commit(&store, second).recv_timeout(WAIT_MAX).unwrap().unwrap();
    tell(store.end(third));
    assert_nothing_is_left(&store);
}

#[test]
fn the_next_in_line_sees_what_the_one_before_it_has_committed_and_nobody_has_written_yet() {
    let (store, gate) = open_with_gate();
    make_contended(&store);
    gate.shut();
    let mut answers = Vec::new();
    for number in 0..20 {
        let mut attempt = begin_with_turn_on_newest(&store, number);
        assert_eq!(attempt.opened().is_predicted(), number > 0);
        increment(attempt.open());
        answers.push(start_commit(&store, attempt));
    }
    assert_eq!(get(&store, &["n"]), Some("0".to_owned()));
    gate.open();
    for answer in answers {
        assert_eq!(answer.recv_timeout(WAIT_MAX).unwrap().unwrap().answer, Answer::Done);
    }
    assert_eq!(get(&store, &["n"]), Some("20".to_owned()));
    assert_nothing_is_left(&store);
}

#[test]
fn attempts_that_are_open_when_the_store_closes_are_refused_and_leave_nothing() {
    let store = open(&MemoryDisk::new());
    make_contended(&store);
    let mut first = begin_with_turn(&store);
    let (second, second_turn) = begin_in_line_for_n(&store);
    let mut third = store.begin();
    increment(first.open());
    third.open().write(put(&["other"], "x"));
    store.close();
    assert_eq!(second_turn.recv_timeout(WAIT_MAX).unwrap().unwrap_err(), StoreError::NotRunning);
    for attempt in [first, third] {
        let end = commit(&store, attempt, &Manner::default(), &mut Way::default());
        assert!(matches!(end, End::Failed(StoreError::NotRunning)));
    }
    tell(store.end(second));
    // Those that come now, too.
    let late = transaction(&store, &Manner::default(), &mut Way::default(), increment);
    assert_eq!(late, Err(StoreError::NotRunning));
    assert_nothing_is_left(&store);
}

#[test]
fn whoever_commits_while_the_store_closes_is_answered() {
    for _ in 0..20 {
        let disk = MemoryDisk::new();
        let store = open(&disk);
        make_contended(&store);
        let known: usize = std::thread::scope(|scope| {
            let store = &store;
            let threads: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(move || {
                        let mut done = 0;
                        loop {
                            let manner = Manner { is_quick: done % 2 == 0, ..Manner::default() };
                            match transaction(store, &manner, &mut Way::default(), increment) {
                                Ok(_) => done += 1,
                                // Closing waits for what is under way, so nobody's outcome is unknown.
                                Err(error) => break assert_eq!(error, StoreError::NotRunning),
                            }
                        }
                        done
                    })
                })
                .collect();
            wait_until("some are done", || get(store, &["n"]).unwrap().parse::<u64>().unwrap() > 20);
            store.close();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_nothing_is_left(&store);
        drop(store);
        assert_eq!(get(&open(&disk), &["n"]), Some(known.to_string()));
    }
}

#[test]
fn of_many_callers_of_one_key_none_is_left_behind() {
    const CALLERS: usize = 12;
    const OPERATIONS: usize = 3_000;
    let store = &open(&MemoryDisk::new());
    let begun = &std::sync::atomic::AtomicUsize::new(0);
    let mut successes: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CALLERS)
            .map(|_| {
                scope.spawn(move || {
                    let mut done = 0;
                    while begun.load(std::sync::atomic::Ordering::SeqCst) < OPERATIONS {
                        transaction(store, &Manner::default(), &mut Way::default(), increment).unwrap();
                        begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let total: usize = successes.iter().sum();
    assert_eq!(get(store, &["n"]), Some(total.to_string()));
    assert_nothing_is_left(store);
    successes.sort_unstable();
    assert!(successes[0] * 4 >= successes[CALLERS / 2], "{successes:?}");
}

/// A store whose disk has no room for another segment of the log: what is proposed from now on is refused.
fn fill(disk: &MemoryDisk, store: &TestStore) {
    disk.set_capacity_bytes(Some(1_200_000));
    let mut number = 0;
    let refused = loop {
        match run(store, put(&["big", &number.to_string()], &"z".repeat(20_000))) {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 1_000, "the disk never gets full");
    };
    assert!(matches!(refused, StoreError::DiskFull(_)), "{refused}");
}

#[test]
fn what_was_read_from_a_prediction_that_did_not_come_true_counts_for_nothing() {
    let disk = MemoryDisk::new();
    let store = try_open(&disk, options(), &Arc::default()).unwrap();
    make_contended(&store);
    fill(&disk, &store);
    let mut refused = 0;
    for _ in 0..50 {
        let mut first = begin_with_turn(&store);
        let before = number_at(first.open(), &["n"]);
        first.open().write(put(&["n"], &(before + 1_000).to_string()));
        let first_answer = start_commit(&store, first);
        // These read what will not be, unless it is refused already.
        let mut reader = begin_with_turn(&store);
        let read = number_at(reader.open(), &["n"]);
        assert!(reader.opened().is_predicted() || read == 0);
        let was_to_be = end(&store, reader).unwrap();
        assert!(!was_to_be || read == 0, "{read} was never there");
        let mut writer = begin_with_turn(&store);
        let read = number_at(writer.open(), &["n"]);
        writer.open().write(put(&["derived"], &read.to_string()));
        let committed = commit(&store, writer, &Manner::default(), &mut Way::default());
        assert!(matches!(committed, End::Failed(StoreError::DiskFull(_)) | End::Lost(_)));
        let outcome = first_answer.recv_timeout(WAIT_MAX).unwrap();
        refused += usize::from(matches!(outcome, Err(StoreError::DiskFull(_))));
    }
    assert_eq!(refused, 50);
    assert_eq!(get(&store, &["derived"]), None);
    disk.set_capacity_bytes(None);
    wait_until("writes are taken again", || run(&store, put(&["n"], "7")).is_ok());
    transaction(&store, &Manner::default(), &mut Way::default(), increment).unwrap();
    assert_eq!(get(&store, &["n"]), Some("8".to_owned()));
    assert_nothing_is_left(&store);
}

#[test]
fn who_has_read_what_was_not_to_be_is_told_no_place_among_the_commands() {
    let (disk, gate) = (MemoryDisk::new(), Gate::new());
    let store = open(&disk);
    make_contended(&store);
    let syncs = Arc::new(AtomicUsize::new(0));
    disk.before_sync({
        let (closed, begun) = (gate.clone(), syncs.clone());
        move |_| {
            begun.fetch_add(1, Ordering::SeqCst);
            closed.pass();
        }
    });
    gate.shut();
    let held = submit(&store, put(&["held"], "x")).unwrap();
    wait_until("the log stands still", || syncs.load(Ordering::SeqCst) > 0);
    // Alone in its batch, which is not proposed before the log has made room for it.
    let mut first = begin_with_turn(&store);
    first.open().write(put(&["n"], "1000"));
    first.open().write(put(&["large"], &"z".repeat(LARGE_SIZE_BYTES)));
    let first_answer = start_commit(&store, first);
    let mut second = begin_with_turn_on_newest(&store, 1000);
    second.open().write(put(&["derived"], "1000"));
    let second_answer = start_commit(&store, second);
    disk.set_capacity_bytes(Some(0));
    gate.open();
    assert!(held.recv_timeout(WAIT_MAX).unwrap().unwrap().revision > NO_REVISION);
    let refused = first_answer.recv_timeout(WAIT_MAX).unwrap().unwrap_err();
    assert!(matches!(refused, StoreError::DiskFull(_)), "{refused}");
    let lost = second_answer.recv_timeout(WAIT_MAX).unwrap().unwrap();
    assert!(matches!(lost.answer, Answer::Conflict(_)), "{lost:?}");
    assert_eq!(lost.revision, NO_REVISION);
    assert_eq!(get(&store, &["derived"]), None);
    assert_nothing_is_left(&store);
}

#[test]
fn an_attempt_that_outlives_a_prediction_that_did_not_come_true_loses_when_it_commits() {
    let disk = MemoryDisk::new();
    let store = try_open(&disk, options(), &Arc::default()).unwrap();
    make_contended(&store);
    fill(&disk, &store);
    let mut predicted = 0;
    while predicted == 0 {
        let mut first = begin_with_turn(&store);
        first.open().write(put(&["n"], "1000"));
        let first_answer = start_commit(&store, first);
        let mut writer = begin_with_turn(&store);
        let read = number_at(writer.open(), &["n"]);
        writer.open().write(put(&["derived"], &read.to_string()));
        let refused = first_answer.recv_timeout(WAIT_MAX).unwrap().unwrap_err();
        assert!(matches!(refused, StoreError::DiskFull(_)), "{refused}");
        if read == 0 {
            // The refusal came first: there was nothing to read.
            tell(store.end(writer));
            continue;
        }
        predicted += 1;
        disk.set_capacity_bytes(None);
        wait_until("writes are taken again", || run(&store, put(&["other"], "x")).is_ok());
        // A prediction again, that this attempt has not read.
        write(&store, &["other"], "y");
        let committed = commit(&store, writer, &Manner::default(), &mut Way::default());
        assert!(matches!(committed, End::Lost(_)));
    }
    assert_eq!(get(&store, &["n"]), Some("0".to_owned()));
    assert_eq!(get(&store, &["derived"]), None);
    assert_nothing_is_left(&store);
}
