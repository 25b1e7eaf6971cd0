//! A store's life: opening, answering, refusing, closing, opening again.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod store_support;

use pando_store::disk::{Disk, MemoryDisk, Operation};
use pando_store::{OpenError, OpenTrouble, ProvokedThread, StoreError};
use pando_tree::{Answer, Command};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store_support::*;

#[test]
fn what_was_written_is_there_after_closing_and_opening_again() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    for number in 0..200 {
        run(&store, put(&["wood", &number.to_string()], &format!("{number} planks"))).unwrap();
    }
    run(&store, Command::delete(steps(&["wood", "7"]))).unwrap();
    store.close();
    drop(store);
    let store = open(&disk);
    assert_eq!(get(&store, &["wood", "8"]), Some("8 planks".to_owned()));
    assert_eq!(get(&store, &["wood", "7"]), None);
    assert_eq!(store.view().state.node_count(), 1 + 1 + 199);
}

#[test]
fn counters_and_revisions_are_the_same_after_a_replay() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    for text in ["1", "2", "2", "3"] {
        run(&store, put(&["a", "b"], text)).unwrap();
    }
    let before = store.view();
    store.close();
    drop(store);
    let after = open(&disk).view();
    let names = [pando_tree::Name::binary(b"a"), pando_tree::Name::binary(b"b")];
    let (before, after) = (before.state.lookup(&names).unwrap(), after.state.lookup(&names).unwrap());
    assert_eq!(after.payload_version(), 3);
    assert_eq!(after.payload_version(), before.payload_version());
    assert_eq!(after.revision(), before.revision());
}

#[test]
fn a_write_is_seen_by_every_read_after_its_answer() {
    let store = open(&MemoryDisk::new());
    for number in 0..500 {
        run(&store, put(&["a"], &number.to_string())).unwrap();
        assert_eq!(get(&store, &["a"]), Some(number.to_string()));
    }
}

#[test]
fn answers_come_in_the_order_of_the_commands_of_one_caller() {
    let store = open(&MemoryDisk::new());
    let waiting: Vec<_> =
        (0..300).map(|number| submit(&store, put(&["a"], &number.to_string())).unwrap()).collect();
    let indexes: Vec<u64> =
        waiting.iter().map(|answer| answer.recv_timeout(WAIT_MAX).unwrap().unwrap().log_index).collect();
    assert!(indexes.is_sorted());
    assert_eq!(get(&store, &["a"]), Some("299".to_owned()));
}

#[test]
fn a_refusal_of_the_tree_is_an_answer_and_changes_nothing() {
    let store = open(&MemoryDisk::new());
    let update = Command::put(vec![pando_tree::Step::AnyChild], data("x"));
    let outcome = submit(&store, update).unwrap().recv_timeout(WAIT_MAX).unwrap().unwrap();
    assert!(matches!(outcome.answer, Answer::Refused(_)));
    assert_eq!(store.view().state.node_count(), 1);
}

#[test]
fn a_command_whose_caller_gave_up_before_it_was_proposed_is_not_applied() {
    let store = open(&MemoryDisk::new());
    let caller = Caller::silent();
    caller.cancelled.store(true, Ordering::Release);
    assert!(store.submit(put(&["never"], "x"), caller).is_ok());
    run(&store, put(&["after"], "x")).unwrap();
    assert_eq!(get(&store, &["never"]), None);
    assert_eq!(get(&store, &["after"]), Some("x".to_owned()));
}

#[test]
fn more_than_the_queue_holds_is_refused_at_once_and_taken_again_later() {
    let disk = MemoryDisk::new();
    let mut small = options();
    small.queued_commands_max = 8;
    let gate = Gate::new();
    let store = try_open(&disk, small, &Arc::default()).unwrap();
    let closed = gate.clone();
    disk.before_sync(move |_| closed.pass());
    gate.shut();
    let mut waiting = Vec::new();
    let refused = loop {
        match submit(&store, put(&["a"], "x")) {
            Ok(answer) => waiting.push(answer),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10_000, "the queue has no bound");
    };
    assert_eq!(refused, StoreError::Overloaded);
    gate.open();
    for answer in waiting {
        answer.recv_timeout(WAIT_MAX).unwrap().unwrap();
    }
    run(&store, put(&["a"], "y")).unwrap();
}

#[test]
fn closing_answers_everybody_who_waits() {
    let store = open(&MemoryDisk::new());
    let waiting: Vec<_> = (0..500).filter_map(|_| submit(&store, put(&["a"], "x")).ok()).collect();
    store.close();
    let mut applied = 0;
    for answer in waiting {
        match answer.recv_timeout(WAIT_MAX).unwrap() {
            Ok(_) => applied += 1,
            Err(error) => assert!(matches!(error, StoreError::NotRunning | StoreError::Closed), "{error}"),
        }
    }
    assert!(applied > 0);
    assert_eq!(submit(&store, put(&["a"], "x")).unwrap_err(), StoreError::NotRunning);
}

#[test]
fn a_panic_of_any_thread_halts_the_store_answers_everybody_and_loses_nothing() {
    for thread in [ProvokedThread::Ingest, ProvokedThread::Apply, ProvokedThread::Log] {
        let disk = MemoryDisk::new();
        let events = Arc::new(Events::default());
        let store = try_open(&disk, options(), &events).unwrap();
        run(&store, put(&["acknowledged"], "x")).unwrap();
        assert!(store.status().consensus.has_quorum);
        let before: Vec<_> = (0..50).map(|_| submit(&store, put(&["a"], "x")).unwrap()).collect();
        store.provoke_panic(thread);
        let after: Vec<_> = (0..50).filter_map(|_| submit(&store, put(&["b"], "x")).ok()).collect();
        for answer in before.into_iter().chain(after) {
            // Applied, refused or unknown, but answered.
            let _ = answer.recv_timeout(WAIT_MAX).unwrap();
        }
        wait_until("the store has halted", || !events.halts.lock().unwrap().is_empty());
        assert_eq!(events.halts.lock().unwrap().len(), 1, "{thread:?}");
        assert!(events.halts.lock().unwrap()[0].contains("panicked"), "{:?}", events.halts.lock().unwrap());
        assert_eq!(submit(&store, put(&["a"], "x")).unwrap_err(), StoreError::NotRunning);
        assert!(!store.status().consensus.has_quorum, "{thread:?}");
        store.close();
        drop(store);
        assert_eq!(get(&open(&disk), &["acknowledged"]), Some("x".to_owned()), "{thread:?}");
    }
}

#[test]
fn a_second_opener_learns_who_holds_the_directory() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    let error = try_open(&disk, options(), &Arc::default()).map(|_| ()).unwrap_err();
    assert_eq!(error.trouble(), OpenTrouble::Locked);
    assert!(error.to_string().contains("a test"), "{error}");
    store.close();
    drop(store);
    open(&disk);
}

#[test]
fn a_log_that_vanished_is_not_taken_for_a_new_store() {
    let disk = MemoryDisk::new();
    open(&disk).close();
    for name in disk.list(Path::new("/data/stock/log")).unwrap() {
        disk.remove_file(&Path::new("/data/stock/log").join(name)).unwrap();
    }
    let error = try_open(&disk, options(), &Arc::default()).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Log(_)), "{error}");
    assert_eq!(error.trouble(), OpenTrouble::Damaged);
}

#[test]
fn a_store_whose_founding_was_cut_short_anywhere_opens_as_a_new_one() {
    let syncs: u64 = {
        let disk = MemoryDisk::new();
        open(&disk).close();
        [Operation::SyncData, Operation::SyncAll, Operation::SyncDir]
            .into_iter()
            .map(|kind| disk.count(kind))
            .sum()
    };
    assert!(syncs > 3);
    for cut in 0..syncs {
        let disk = MemoryDisk::new();
        let image = std::sync::Arc::new(std::sync::Mutex::new((0, None)));
        let taken = image.clone();
        disk.before_sync(move |disk| {
            let mut taken = taken.lock().unwrap();
            if taken.0 == cut {
                taken.1 = Some(disk.after_power_cut(|_| false));
            }
            taken.0 += 1;
        });
        open(&disk).close();
        let Some(image) = image.lock().unwrap().1.take() else { continue };
        let store = open(&image);
        run(&store, put(&["a"], "x")).unwrap();
        assert_eq!(get(&store, &["a"]), Some("x".to_owned()), "cut at sync {cut}");
    }
}
