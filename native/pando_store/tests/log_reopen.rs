//! What was written comes back: over reopening, rolling, truncation and purging, without any fault.

mod support;

use pando_store::disk::{Operation, RealDisk};
use pando_store::log::{Log, LogError, LogOptions};
use std::sync::Arc;
use support::*;

#[test]
fn reopening_returns_everything_that_was_durable() {
    let disk = pando_store::disk::MemoryDisk::new();
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.last, recovered.vote, recovered.tail), (None, None, None));
    save_vote(&log, b"vote 1").unwrap();
    append(&log, entries(1, 0..10, 50)).unwrap();
    log.save_committed(Some(at(1, 7)));
    append(&log, entries(1, 10..12, 50)).unwrap();
    log.close().unwrap();

    let (log, recovered) = open(&disk);
    assert_eq!(recovered.vote.as_deref(), Some(b"vote 1".as_slice()));
    assert_eq!((recovered.last, recovered.committed), (Some(at(1, 11)), Some(at(1, 7))));
    assert_eq!((recovered.purged, recovered.entry_count), (None, 12));
    assert_eq!(read_all(&log), entries(1, 0..12, 50));
}

#[test]
fn the_committed_position_of_the_last_moment_comes_back_after_an_orderly_close() {
    let disk = pando_store::disk::MemoryDisk::new();
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..3, 50)).unwrap();
    let syncs = disk.count(Operation::SyncData);
    log.save_committed(Some(at(1, 2)));
    assert_eq!(log.committed(), Some(at(1, 2)));
    assert_eq!(disk.count(Operation::SyncData), syncs, "the committed position does not ask for a sync");
    log.close().unwrap();
    assert_eq!(open(&disk).1.committed, Some(at(1, 2)));
}

#[test]
fn entries_can_be_read_before_they_are_durable() {
    let disk = pando_store::disk::MemoryDisk::new();
    let (log, _) = open(&disk);
    let (gate_open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    disk.before_sync(move |_| {
        let _ = gate.lock().unwrap().recv();
    });
    let (callback, outcome) = durable();
    log.append(entries(1, 0..200, 100), callback).unwrap();
    assert_eq!(read_all(&log), entries(1, 0..200, 100));
    assert!(outcome.try_recv().is_err());
    drop(gate_open);
    wait(outcome).unwrap();
    assert_eq!(read_all(&log), entries(1, 0..200, 100));
}

#[test]
fn entries_that_left_the_cache_are_read_from_many_segments_and_also_after_reopening() {
    let disk = pando_store::disk::MemoryDisk::new();
    let (log, _) = open(&disk);
    let mut expected = Vec::new();
    for begin in (0..300).step_by(10) {
        let chunk = entries(1, begin..begin + 10, 700);
        append(&log, chunk.clone()).unwrap();
        expected.extend(chunk);
    }
    assert_eq!(read_all(&log), expected);
    log.close().unwrap();
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.entry_count, 300);
    assert_eq!(read_all(&log), expected);
    assert_eq!(log.read(150, 160, usize::MAX).unwrap(), entries(1, 150..160, 700));
    let limited = log.read(150, 300, 3000).unwrap();
    assert_eq!(limited, entries(1, 150..150 + limited.len() as u64, 700));
    assert!((2..=4).contains(&limited.len()));
    assert_eq!(log.read(150, 300, 0).unwrap(), entries(1, 150..151, 700), "at least one");
    assert_eq!(log.read(300, 400, usize::MAX).unwrap(), []);
}

#[test]
fn an_entry_larger_than_a_segment_gets_a_segment_of_its_size() {
    for first_size in [20, 100_000] {
        let disk = pando_store::disk::MemoryDisk::new();
        let (log, _) = open(&disk);
        let mut expected = Vec::new();
        for (index, size_bytes) in
            [first_size, 20, 200_000, 10, 9_000, 9_000, 50_000, 16_000].into_iter().enumerate()
        {
            let one = entry(1, index as u64, size_bytes);
            append(&log, vec![one.clone()]).unwrap();
            expected.push(one);
        }
        assert_eq!(read_all(&log), expected);
        log.close().unwrap();
        let (log, _) = open(&disk);
        assert_eq!(read_all(&log), expected);
    }
}

#[test]
fn what_was_cut_off_stays_cut_off_and_its_place_is_taken_by_others() {
    let disk = pando_store::disk::MemoryDisk::new();
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..40, 1000)).unwrap();
    truncate_after(&log, Some(19)).unwrap();
    assert_eq!(log.state().last, Some(at(1, 19)));
    append(&log, entries(2, 20..25, 300)).unwrap();
    let expected = [entries(1, 0..20, 1000), entries(2, 20..25, 300)].concat();
    assert_eq!(read_all(&log), expected);
    log.close().unwrap();
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.last, Some(at(2, 24)));
    assert_eq!(read_all(&log), expected);
    truncate_after(&log, None).unwrap();
    assert_eq!(log.state().last, None);
    append(&log, entries(3, 0..2, 10)).unwrap();
    log.close().unwrap();
    assert_eq!(read_all(&open(&disk).0), entries(3, 0..2, 10));
}

#[test]
fn a_purge_unlinks_whole_segments_and_survives_reopening() {
    let disk = pando_store::disk::MemoryDisk::new();
    let (log, _) = open(&disk);
    save_vote(&log, b"kept").unwrap();
    for index in 0..100 {
        append(&log, entries(1, index..index + 1, 1000)).unwrap();
    }
    let before = log.size_on_disk_bytes();
    purge(&log, at(1, 89)).unwrap();
    assert!(log.size_on_disk_bytes() < before / 2);
    let soft = log.read(50, 60, usize::MAX).unwrap_err();
    assert!(matches!(soft, LogError::Purged { from: 50, first_available: 90 }), "{soft}");
    assert_eq!(read_all(&log), entries(1, 90..100, 1000));
    log.close().unwrap();

    let (log, recovered) = open(&disk);
    assert_eq!((recovered.purged, recovered.last), (Some(at(1, 89)), Some(at(1, 99))));
    assert_eq!(
        recovered.vote.as_deref(),
        Some(b"kept".as_slice()),
        "the vote stood in a segment that is gone"
    );
    assert_eq!(read_all(&log), entries(1, 90..100, 1000));
    assert!(matches!(log.read(89, 90, 1), Err(LogError::Purged { first_available: 90, .. })));
    let names = pando_store::disk::Disk::list(&disk, log_path()).unwrap();
    assert!(!names.contains(&"0000000000000001.segment".to_owned()), "{names:?}");
}

#[test]
fn a_purge_beyond_the_end_lets_the_log_go_on_after_it() {
    let disk = pando_store::disk::MemoryDisk::new();
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..5, 100)).unwrap();
    purge(&log, at(4, 1000)).unwrap();
    let state = log.state();
    assert_eq!((state.purged, state.last, state.entry_count), (Some(at(4, 1000)), Some(at(4, 1000)), 0));
    assert!(matches!(append(&log, entries(4, 5..6, 1)), Err(LogError::OutOfOrder { .. })));
    append(&log, entries(4, 1001..1003, 100)).unwrap();
    log.close().unwrap();
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.purged, recovered.last), (Some(at(4, 1000)), Some(at(4, 1002))));
    assert_eq!(read_all(&log), entries(4, 1001..1003, 100));
    assert!(matches!(truncate_after(&log, Some(900)), Err(LogError::OutOfOrder { .. })));
    truncate_after(&log, Some(1000)).unwrap();
    assert_eq!(log.state().last, Some(at(4, 1000)));
}

#[test]
fn a_log_on_the_real_file_system_comes_back() {
    let directory = TempDirectory::new();
    let open =
        || Log::open(Arc::new(RealDisk), &directory.0.join("a/log"), STORE, LogOptions::default()).unwrap();
    let (log, _) = open();
    for begin in 0..10 {
        append(&log, entries(1, begin * 10..begin * 10 + 10, 40_000)).unwrap();
    }
    purge(&log, at(1, 9)).unwrap();
    assert_eq!(log.read(10, 100, usize::MAX).unwrap(), entries(1, 10..100, 40_000));
    log.close().unwrap();
    let (log, recovered) = open();
    assert_eq!((recovered.purged, recovered.last), (Some(at(1, 9)), Some(at(1, 99))));
    assert_eq!(log.read(10, 100, usize::MAX).unwrap(), entries(1, 10..100, 40_000));
}
