//! The writer: how often it syncs, in which order it answers, and what it does when the disk fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use pando_store::disk::{Disk, Failure, MemoryDisk, Operation};
use pando_store::log::{Log, LogEntry, LogError, LogOptions, LogPosition};
use std::io::ErrorKind;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use support::*;

fn failure(operation: Operation, path_suffix: &str, kind: ErrorKind) -> Failure {
    Failure { operation, path_suffix: path_suffix.to_owned(), after: 0, times: 1, kind }
}

#[test]
fn all_that_queues_up_during_a_sync_shares_the_next_one() {
    let disk = MemoryDisk::new();
    let (log, _) = open_with(&disk, LogOptions::default()).unwrap();
    let (entered, has_entered) = channel();
    let (gate_open, gate) = channel::<()>();
    let hook = Mutex::new((Some(entered), gate));
    disk.before_sync(move |_| {
        let mut hook = hook.lock().unwrap();
        if let Some(entered) = hook.0.take() {
            entered.send(()).unwrap();
            let _ = hook.1.recv();
        }
    });
    let order = Arc::new(Mutex::new(Vec::new()));
    let syncs_before = disk.count(Operation::SyncData);
    let mut outcomes = Vec::new();
    for index in 0..100 {
        let (callback, outcome) = durable();
        let order = order.clone();
        let callback = Box::new(move |answer| {
            order.lock().unwrap().push(index);
            callback(answer);
        });
        log.append(entries(1, index..index + 1, 100), callback).unwrap();
        outcomes.push(outcome);
        if index == 0 {
            // From here on the writer stands in its first sync.
            has_entered.recv().unwrap();
        }
    }
    drop(gate_open);
    for outcome in outcomes {
        wait(outcome).unwrap();
    }
    assert_eq!(disk.count(Operation::SyncData) - syncs_before, 2);
    assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn one_operation_at_a_time_costs_one_write_and_one_sync_each() {
    let disk = MemoryDisk::new();
    let (log, _) = open_with(&disk, LogOptions::default()).unwrap();
    append(&log, entries(1, 0..1, 100)).unwrap();
    let (writes, syncs) = (disk.count(Operation::Write), disk.count(Operation::SyncData));
    for index in 1..21 {
        append(&log, entries(1, index..index + 1, 100)).unwrap();
        log.save_committed(Some(at(1, index)));
    }
    assert_eq!(disk.count(Operation::Write) - writes, 20);
    assert_eq!(disk.count(Operation::SyncData) - syncs, 20);
}

#[test]
fn an_append_of_nothing_is_answered_in_its_turn_without_a_sync() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let syncs = disk.count(Operation::SyncData);
    append(&log, Vec::new()).unwrap();
    truncate_after(&log, Some(5)).unwrap();
    assert_eq!(disk.count(Operation::SyncData), syncs);
}

#[test]
fn a_failed_sync_or_write_poisons_the_log_and_nothing_is_tried_again() {
    for operation in [Operation::SyncData, Operation::Write] {
        let disk = MemoryDisk::new();
        let (log, _) = open(&disk);
        append(&log, entries(1, 0..2, 100)).unwrap();
        disk.fail(failure(operation, ".segment", ErrorKind::Other));
        let error = append(&log, entries(1, 2..3, 100)).unwrap_err();
        assert!(matches!(error, LogError::Poisoned { .. }), "{error}");
        let (writes, syncs) = (disk.count(Operation::Write), disk.count(Operation::SyncData));
        assert!(matches!(append(&log, entries(1, 3..4, 100)), Err(LogError::Poisoned { .. })));
        assert!(matches!(save_vote(&log, b"v"), Err(LogError::Poisoned { .. })));
        assert_eq!((disk.count(Operation::Write), disk.count(Operation::SyncData)), (writes, syncs));
        let reason = log.state().poisoned.unwrap();
        assert!(reason.contains("0000000000000001.segment"), "{reason}");
        assert!(matches!(log.close(), Err(LogError::Poisoned { .. })));
        let (log, recovered) = open(&disk.after_power_cut(|_| false));
        assert_eq!(recovered.last, Some(at(1, 1)));
        assert_eq!(read_all(&log), entries(1, 0..2, 100));
    }
}

#[test]
fn callbacks_that_wait_when_the_log_is_poisoned_all_hear_of_it() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let (gate_open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    disk.before_sync(move |_| {
        let _ = gate.lock().unwrap().recv();
    });
    disk.fail(failure(Operation::SyncData, ".segment", ErrorKind::Other));
    let outcomes: Vec<_> = (0..20)
        .map(|index| {
            let (callback, outcome) = durable();
            let _ = log.append(entries(1, index..index + 1, 100), callback);
            outcome
        })
        .collect();
    drop(gate_open);
    for outcome in outcomes {
        assert!(matches!(wait(outcome), Err(LogError::Poisoned { .. })));
    }
}

#[test]
fn a_panicking_callback_poisons_the_log_and_the_others_hear_of_it() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    log.append(entries(1, 0..1, 10), Box::new(|_| panic!("staged"))).unwrap();
    let error = append(&log, entries(1, 1..2, 10)).unwrap_err();
    assert!(matches!(&error, LogError::Poisoned { reason } if reason.contains("staged")), "{error}");
}

/// An entry that cannot be encoded.
#[derive(Clone)]
struct Unwritable;

impl LogEntry for Unwritable {
    fn position(&self) -> LogPosition {
        at(1, 0)
    }
    fn encode(&self, _: &mut Vec<u8>) {
        panic!("staged in encode");
    }
    fn decode(_: LogPosition, _: &[u8]) -> Result<Unwritable, String> {
        Ok(Unwritable)
    }
    fn size_bytes(&self) -> usize {
        1
    }
}

#[test]
fn a_panic_while_encoding_reaches_the_callback_as_an_error() {
    let disk = MemoryDisk::new();
    let (log, _) = Log::<Unwritable>::open(Arc::new(disk), log_path(), STORE, small()).unwrap();
    let (callback, outcome) = durable();
    log.append(vec![Unwritable], callback).unwrap();
    assert!(
        matches!(wait(outcome), Err(LogError::Poisoned { reason }) if reason.contains("staged in encode"))
    );
}

#[test]
fn a_closed_log_refuses_and_still_calls_back() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let other = log.clone();
    log.close().unwrap();
    assert!(matches!(append(&other, entries(1, 0..1, 10)), Err(LogError::Closed)));
}

#[test]
fn a_log_dropped_by_its_own_callback_ends_without_a_deadlock() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let (sender, dropped) = channel();
    let (hand_over, taken) = channel::<Log<TestEntry>>();
    let callback = Box::new(move |_| {
        drop(taken.recv().unwrap());
        sender.send(()).unwrap();
    });
    log.append(entries(1, 0..1, 10), callback).unwrap();
    hand_over.send(log).unwrap();
    dropped.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
}

#[test]
fn entries_out_of_order_are_refused_and_change_nothing() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..3, 10)).unwrap();
    assert!(matches!(append(&log, entries(1, 4..5, 10)), Err(LogError::OutOfOrder { .. })));
    let with_hole = [entries(1, 3..4, 10), entries(1, 5..6, 10)].concat();
    assert!(matches!(append(&log, with_hole), Err(LogError::OutOfOrder { .. })));
    append(&log, entries(1, 3..4, 10)).unwrap();
    assert_eq!(read_all(&log), entries(1, 0..4, 10));
}

#[test]
fn limits_of_a_vote_are_kept_on_both_sides() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let max = pando_store::log::VOTE_BYTES_MAX;
    save_vote(&log, &vec![1; max]).unwrap();
    assert!(matches!(save_vote(&log, &vec![1; max + 1]), Err(LogError::TooLarge { .. })));
    log.close().unwrap();
    assert_eq!(open(&disk).1.vote.map(|vote| vote.len()), Some(max));
}

#[test]
fn a_full_disk_is_reported_before_the_log_has_to_stop_and_forgotten_when_there_is_space() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    disk.set_capacity_bytes(Some(20 * 1024));
    let mut index = 0;
    // The segment is more than half full, so the next one was asked for and could not be made.
    while log.state().reserve_error.is_none() {
        if index < 9 {
            append(&log, entries(1, index..index + 1, 1000)).unwrap();
            index += 1;
        }
        std::thread::yield_now();
    }
    append(&log, entries(1, index..index + 1, 1000)).unwrap();
    assert_eq!(log.state().poisoned, None, "there is still room for what is under way");
    disk.set_capacity_bytes(None);
    for index in index + 1..40 {
        append(&log, entries(1, index..index + 1, 1000)).unwrap();
    }
    assert_eq!(log.state().reserve_error, None);
}

#[test]
fn a_disk_that_stays_full_stops_the_log_and_what_was_acknowledged_can_be_opened_on_it() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    disk.set_capacity_bytes(Some(20 * 1024));
    let mut count = 0;
    let error = loop {
        match append(&log, entries(1, count..count + 1, 1000)) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("no room for the next segment"), "{error}");
    drop(log);
    let image = disk.after_kill();
    image.set_capacity_bytes(Some(20 * 1024));
    let (log, _) = open(&image);
    assert_eq!(read_all(&log), entries(1, 0..count, 1000));
}

#[test]
fn a_segment_that_cannot_be_unlinked_refuses_no_write_and_goes_when_it_can() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    for index in 0..50 {
        append(&log, entries(1, index..index + 1, 1000)).unwrap();
    }
    disk.fail(Failure {
        operation: Operation::Remove,
        path_suffix: ".segment".to_owned(),
        after: 0,
        times: 2,
        kind: std::io::ErrorKind::PermissionDenied,
    });
    purge(&log, at(1, 39)).unwrap();
    let begin = std::time::Instant::now();
    let waits_long = || begin.elapsed() > std::time::Duration::from_secs(60);
    while log.state().unlink_error.is_none() {
        assert!(!waits_long(), "the failure is not told");
        std::thread::yield_now();
    }
    assert_eq!(log.state().reserve_error, None, "writes would be refused");
    append(&log, entries(1, 50..51, 1000)).unwrap();
    let is_there = || disk.list(log_path()).unwrap().contains(&"0000000000000001.segment".to_owned());
    while is_there() || log.state().unlink_error.is_some() {
        assert!(!waits_long(), "it is not tried again");
        std::thread::yield_now();
    }
    assert_eq!(read_all(&log), entries(1, 40..51, 1000));
}

/// Asks the log for room.
fn reserve(log: &Log<TestEntry>, size_bytes: u64) -> Result<(), LogError> {
    let (callback, outcome) = durable();
    let answer = log.reserve(size_bytes, callback);
    wait(outcome).and(answer)
}

#[test]
fn room_that_was_made_is_there_for_a_batch_of_that_size_and_for_nothing_less_is_made() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    assert!(log.room_bytes() > 10_000 && log.room_bytes() < 16_000);
    let paths = Arc::new(Mutex::new(Vec::new()));
    let created = paths.clone();
    disk.on_operation(move |_, moment| {
        if moment.operation == Operation::Create && !moment.is_after {
            created.lock().unwrap().push(moment.path.clone());
        }
    });
    reserve(&log, 5_000).unwrap();
    assert!(paths.lock().unwrap().is_empty(), "there was room");
    reserve(&log, 50_000).unwrap();
    assert!(log.room_bytes() >= 50_000);
    reserve(&log, 40_000).unwrap();
    append(&log, entries(1, 0..1, 50_000)).unwrap();
    log.close().unwrap();
    // The one behind it may have been made since.
    let made = paths.lock().unwrap().iter().filter(|path| path.ends_with("0000000000000002.tmp")).count();
    assert_eq!(made, 1, "it went into what was made for it");
    assert_eq!(read_all(&open(&disk).0), entries(1, 0..1, 50_000));
}

#[test]
fn a_disk_without_room_for_what_is_to_come_is_said_so_and_the_log_goes_on() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..1, 100)).unwrap();
    disk.set_capacity_bytes(Some(60_000));
    for _ in 0..3 {
        assert!(matches!(reserve(&log, 50_000), Err(LogError::NoRoom { .. })));
    }
    append(&log, entries(1, 1..5, 100)).unwrap();
    disk.set_capacity_bytes(None);
    reserve(&log, 50_000).unwrap();
    append(&log, entries(1, 5..6, 50_000)).unwrap();
    log.close().unwrap();
    assert_eq!(open(&disk).1.entry_count, 6);
}
