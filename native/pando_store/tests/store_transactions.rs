//! Transactions of a store: who waits for whom, who is told what, and what is left behind when something fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "store_support/attempts.rs"]
mod attempts;
mod store_support;

use attempts::*;
use pando_store::disk::MemoryDisk;
use store_support::*;

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
        let (commit, _) = store.commit(attempt, |command| command, ticket, pando_store::Haste::Unhurried);
        assert!(matches!(commit, pando_store::Commit::Queued));
        gate.open();
        let places: Vec<u64> =
            queued.iter().map(|answer| answer.recv_timeout(WAIT_MAX).unwrap().unwrap().revision).collect();
        let last = answer.recv_timeout(WAIT_MAX).unwrap().unwrap().revision;
        assert!(places.is_sorted(), "{places:?}");
        assert!(places.iter().all(|place| *place < last), "{places:?} {last}");
        assert_eq!(get(&store, &["a"]), Some("transaction".to_owned()));
    }
}
