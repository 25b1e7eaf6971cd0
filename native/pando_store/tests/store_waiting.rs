//! Who waits without a command: barriers, and callers that wait for a log index.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod store_support;

use pando_store::disk::MemoryDisk;
use pando_store::options::WAITERS_MAX;
use pando_store::{Outcome, ProvokedThread, StoreError};
use pando_tree::Answer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use store_support::*;

/// Waits for an answer that must be a success, and gives the index it holds.
fn done(answer: &Receiver<Outcome>) -> u64 {
    let applied = answer.recv_timeout(WAIT_MAX).unwrap().unwrap();
    assert_eq!(applied.answer, Answer::Done);
    applied.log_index
}

fn error(answer: &Receiver<Outcome>) -> StoreError {
    answer.recv_timeout(WAIT_MAX).unwrap().unwrap_err()
}

/// A store whose disk stands still while the gate is shut.
fn open_with_gate() -> (TestStore, Gate) {
    let (disk, gate) = (MemoryDisk::new(), Gate::new());
    let store = open(&disk);
    let closed = gate.clone();
    disk.before_sync(move |_| closed.pass());
    (store, gate)
}

#[test]
fn a_barrier_is_answered_after_every_command_that_was_queued_before_it() {
    let (store, gate) = open_with_gate();
    for round in 0..20 {
        gate.shut();
        let commands: Vec<_> = (0..100)
            .map(|number| submit(&store, put(&["a", &number.to_string()], &round.to_string())).unwrap())
            .collect();
        let waiting = barrier(&store).unwrap();
        assert_eq!(waiting.try_recv().unwrap_err(), TryRecvError::Empty);
        gate.open();
        let index = done(&waiting);
        for command in commands {
            let applied = command.try_recv().expect("its answer before that of the barrier").unwrap();
            assert!(applied.log_index <= index);
        }
        assert!(store.view().applied_index() >= index);
        assert_eq!(get(&store, &["a", "99"]), Some(round.to_string()));
    }
}

#[test]
fn a_barrier_on_an_idle_store_is_answered_with_what_is_applied_and_writes_nothing() {
    let store = open(&MemoryDisk::new());
    run(&store, put(&["a"], "x")).unwrap();
    let before = store.status();
    for _ in 0..50 {
        assert_eq!(done(&barrier(&store).unwrap()), store.view().applied_index());
    }
    assert_eq!(store.status().last_log_index, before.last_log_index);
    assert_eq!(store.status().log_size_bytes, before.log_size_bytes);
}

#[test]
fn of_many_barriers_among_commands_each_waits_for_the_commands_before_it() {
    let store = open(&MemoryDisk::new());
    let mut asked = Vec::new();
    for number in 0..400 {
        let command = submit(&store, put(&["a"], &number.to_string())).unwrap();
        asked.push((command, barrier(&store).unwrap()));
    }
    for (command, barrier) in asked {
        done(&barrier);
        command.try_recv().expect("its answer before that of the barrier").unwrap();
    }
}

#[test]
fn a_barrier_behind_refused_commands_is_answered_all_the_same() {
    let store = open(&MemoryDisk::new());
    let caller = Caller::silent();
    caller.cancelled.store(true, Ordering::Release);
    assert!(store.submit(put(&["never"], "x"), caller).is_ok());
    done(&barrier(&store).unwrap());
    assert_eq!(get(&store, &["never"]), None);
}

#[test]
fn more_barriers_than_the_queue_holds_are_refused_at_once_and_taken_again_later() {
    let (disk, gate) = (MemoryDisk::new(), Gate::new());
    let mut small = options();
    small.queued_commands_max = 8;
    let store = try_open(&disk, small, &Arc::default()).unwrap();
    let closed = gate.clone();
    disk.before_sync(move |_| closed.pass());
    gate.shut();
    // Two entries under way: then the thread that takes from the queue waits.
    let mut commands = Vec::new();
    while let Ok(command) = submit(&store, put(&["a"], "x")) {
        commands.push(command);
        assert!(commands.len() < 10_000, "the queue has no bound");
    }
    let mut barriers = Vec::new();
    let refused = loop {
        match barrier(&store) {
            Ok(waiting) => barriers.push(waiting),
            Err(error) => break error,
        }
        assert!(barriers.len() < 10_000, "the queue has no bound");
    };
    assert_eq!(refused, StoreError::Overloaded);
    gate.open();
    barriers.iter().for_each(|barrier| assert!(done(barrier) > 0));
    commands.iter().for_each(|command| assert!(done(command) > 0));
    done(&barrier(&store).unwrap());
}

#[test]
fn an_index_that_is_applied_already_is_answered_at_once() {
    let store = open(&MemoryDisk::new());
    let index = done(&submit(&store, put(&["a"], "x")).unwrap());
    for index in [0, 1, index] {
        let applied = await_applied(&store, index).unwrap().try_recv().unwrap().unwrap();
        assert!(applied.log_index >= index);
    }
}

#[test]
fn the_status_tells_of_a_write_that_was_answered() {
    let store = open(&MemoryDisk::new());
    for number in 0..200 {
        let index = done(&submit(&store, put(&["a"], &number.to_string())).unwrap());
        let status = store.status();
        assert!(status.applied_index >= index);
        assert!(status.last_log_index.unwrap() >= status.applied_index);
    }
}

#[test]
fn an_index_that_comes_later_is_answered_when_readers_can_see_it() {
    let store = open(&MemoryDisk::new());
    let begin = store.view().applied_index();
    let waiting: Vec<_> =
        (1..=100).map(|ahead| (begin + ahead, await_applied(&store, begin + ahead).unwrap())).collect();
    for (index, answer) in &waiting {
        assert_eq!(answer.try_recv().unwrap_err(), TryRecvError::Empty);
        run(&store, put(&["a"], &index.to_string())).unwrap();
        assert!(done(answer) >= *index);
        assert!(store.view().applied_index() >= *index);
    }
}

#[test]
fn callers_that_gave_up_waiting_for_an_index_that_never_comes_make_room_for_others() {
    let store = open(&MemoryDisk::new());
    let cancelled = Arc::new(AtomicBool::new(false));
    for _ in 0..WAITERS_MAX {
        assert!(store.await_applied(u64::MAX - 1, Caller::silent_with(&cancelled)).is_ok());
    }
    assert_eq!(await_applied(&store, u64::MAX - 1).unwrap_err(), StoreError::Overloaded);
    assert_eq!(barrier(&store).unwrap_err(), StoreError::Overloaded);
    cancelled.store(true, Ordering::Release);
    let mut attempts = 0;
    let index = store.view().applied_index();
    while await_applied(&store, index).is_err() {
        attempts += 1;
        assert!(attempts < 1_000, "cancelled callers keep their places");
    }
    done(&barrier(&store).unwrap());
}

#[test]
fn closing_answers_everybody_who_waits() {
    let store = open(&MemoryDisk::new());
    let never = await_applied(&store, u64::MAX).unwrap();
    let mut asked = Vec::new();
    for _ in 0..300 {
        let command = submit(&store, put(&["a"], "x")).unwrap();
        asked.push((command, barrier(&store).unwrap()));
    }
    store.close();
    assert_eq!(error(&never), StoreError::Closed);
    // All was queued before the end, so all of it was done.
    for (command, barrier) in &asked {
        assert!(done(command) <= done(barrier));
    }
    assert_eq!(barrier(&store).unwrap_err(), StoreError::NotRunning);
    assert_eq!(await_applied(&store, 0).unwrap_err(), StoreError::NotRunning);
}

#[test]
fn a_halt_answers_everybody_who_waits() {
    let (store, gate) = open_with_gate();
    gate.shut();
    let command = submit(&store, put(&["a"], "x")).unwrap();
    let (fenced, never) = (barrier(&store).unwrap(), await_applied(&store, u64::MAX).unwrap());
    wait_until("the command is under way", || store.status().waiting_size_bytes == 0);
    store.halt("a drill");
    assert_eq!(error(&command), StoreError::Halted("a drill".to_owned()));
    assert_eq!(error(&never), StoreError::Halted("a drill".to_owned()));
    // Told by the halt, or, when it was still in the queue, by the thread that took it from there.
    assert!(matches!(error(&fenced), StoreError::Halted(_) | StoreError::NotRunning));
    assert_eq!(barrier(&store).unwrap_err(), StoreError::NotRunning);
    assert_eq!(await_applied(&store, 0).unwrap_err(), StoreError::NotRunning);
    gate.open();
}

#[test]
fn a_panic_of_any_thread_answers_everybody_who_waits() {
    for thread in [ProvokedThread::Ingest, ProvokedThread::Apply, ProvokedThread::Log] {
        let events = Arc::new(Events::default());
        let store = try_open(&MemoryDisk::new(), options(), &events).unwrap();
        let never = await_applied(&store, u64::MAX).unwrap();
        let mut asked = Vec::new();
        let mut ask = || {
            for _ in 0..50 {
                asked.extend(submit(&store, put(&["a"], "x")).into_iter().chain(barrier(&store)));
            }
        };
        ask();
        store.provoke_panic(thread);
        ask();
        for answer in asked {
            // Done, refused or unknown, but answered.
            let _ = answer.recv_timeout(WAIT_MAX).unwrap();
        }
        assert!(matches!(error(&never), StoreError::Halted(_)), "{thread:?}");
        wait_until("the store has halted", || !events.halts.lock().unwrap().is_empty());
    }
}
