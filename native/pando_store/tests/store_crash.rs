//! Power cuts, failing disks and damage under a whole store: what was acknowledged is there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod store_support;

use pando_store::disk::{Disk, Failure, MemoryDisk, Operation};
use pando_store::{OpenTrouble, StoreError, StoreOptions};
use pando_tree::Command;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use store_support::*;

fn small_snapshots() -> StoreOptions {
    StoreOptions { snapshot_log_bytes_min: 16 * 1024, ..options() }
}

fn snapshot_files(disk: &MemoryDisk) -> Vec<PathBuf> {
    let directory = Path::new("/data/stock/snapshot");
    let mut names = disk.list(directory).unwrap();
    names.retain(|name| name.ends_with(".snapshot"));
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}

/// Writes until two snapshots are there, and gives what should be in the store.
fn write_until_two_snapshots(disk: &MemoryDisk) -> BTreeMap<String, String> {
    let store = try_open(disk, small_snapshots(), &Arc::default()).unwrap();
    let mut expected = BTreeMap::new();
    let mut number = 0;
    let mut newest = None;
    let mut taken = 0;
    while taken < 3 {
        let (name, text) = (format!("n{}", number % 500), format!("value {number} {}", "x".repeat(100)));
        run(&store, put(&["wood", &name], &text)).unwrap();
        expected.insert(name, text);
        number += 1;
        let snapshot_index = store.status().snapshot_index;
        if snapshot_index != newest {
            newest = snapshot_index;
            taken += 1;
        }
        assert!(number < 100_000, "no snapshots are taken");
    }
    store.close();
    expected
}

fn check(disk: &MemoryDisk, expected: &BTreeMap<String, String>, events: &Arc<Events>) {
    let store = try_open(disk, small_snapshots(), events).unwrap();
    for (name, text) in expected {
        assert_eq!(get(&store, &["wood", name]).as_ref(), Some(text), "{name}");
    }
    run(&store, put(&["after"], "x")).unwrap();
    assert_eq!(get(&store, &["after"]), Some("x".to_owned()));
    store.close();
}

#[test]
fn a_store_opens_from_its_newest_snapshot_and_the_log_behind_it() {
    let disk = MemoryDisk::new();
    let expected = write_until_two_snapshots(&disk);
    assert_eq!(snapshot_files(&disk).len(), 2);
    check(&disk, &expected, &Arc::default());
}

#[test]
fn a_damaged_newest_snapshot_is_told_and_the_one_before_serves() {
    let disk = MemoryDisk::new();
    let expected = write_until_two_snapshots(&disk);
    let newest = snapshot_files(&disk).pop().unwrap();
    disk.flip_bits(&newest, 300, 0x10).unwrap();
    let events = Arc::new(Events::default());
    check(&disk, &expected, &events);
    let notices = events.notices.lock().unwrap();
    assert!(notices.iter().any(|text| text.contains("damaged")), "{notices:?}");
}

#[test]
fn with_both_snapshots_damaged_the_store_refuses_instead_of_forgetting() {
    let disk = MemoryDisk::new();
    write_until_two_snapshots(&disk);
    for path in snapshot_files(&disk) {
        disk.flip_bits(&path, 300, 0x10).unwrap();
    }
    let error = try_open(&disk, small_snapshots(), &Arc::default()).map(|_| ()).unwrap_err();
    assert_eq!(error.trouble(), OpenTrouble::Damaged);
}

#[test]
fn a_snapshot_that_cannot_be_written_is_a_notice_and_the_store_goes_on() {
    let disk = MemoryDisk::new();
    disk.fail(Failure {
        operation: Operation::Write,
        path_suffix: ".tmp".to_owned(),
        after: 5,
        times: u64::MAX,
        kind: std::io::ErrorKind::StorageFull,
    });
    let events = Arc::new(Events::default());
    let store = try_open(&disk, small_snapshots(), &events).unwrap();
    let mut number = 0;
    while events.notices.lock().unwrap().is_empty() {
        match run(&store, put(&["a"], &format!("{number}{}", "x".repeat(500)))) {
            // The next segment of the log is written under the same ending.
            Ok(()) | Err(StoreError::DiskFull(_)) => number += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(number < 100_000, "nothing was said of the failed snapshot");
    }
    assert!(events.halts.lock().unwrap().is_empty());
    store.close();
}

/// Every acknowledged write survives a power cut at any sync, with and without what was not yet synced.
#[test]
fn every_acknowledged_write_survives_a_power_cut_at_any_sync() {
    let disk = MemoryDisk::new();
    let acknowledged: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
    type Image = (MemoryDisk, BTreeMap<String, String>);
    let images: Arc<Mutex<Vec<Image>>> = Arc::default();
    let (so_far, taken) = (acknowledged.clone(), images.clone());
    disk.before_sync(move |disk| {
        let so_far = so_far.lock().unwrap().clone();
        let mut images = taken.lock().unwrap();
        images.push((disk.after_power_cut(|_| false), so_far.clone()));
        images.push((disk.after_power_cut(|sector| sector % 2 == 0), so_far.clone()));
        images.push((disk.after_kill(), so_far));
    });
    let store = try_open(&disk, small_snapshots(), &Arc::default()).unwrap();
    for number in 0..60 {
        let (name, text) = (format!("n{}", number % 20), format!("{number} {}", "y".repeat(800)));
        run(&store, put(&["wood", &name], &text)).unwrap();
        acknowledged.lock().unwrap().insert(name, text);
    }
    store.close();
    drop(store);
    disk.before_sync(|_| {});
    let images = std::mem::take(&mut *images.lock().unwrap());
    assert!(images.len() > 150, "only {} images", images.len());
    for (number, (image, acknowledged)) in images.iter().enumerate() {
        let store = try_open(image, small_snapshots(), &Arc::default())
            .unwrap_or_else(|error| panic!("image {number}: {error}"));
        for (name, text) in acknowledged {
            let found =
                get(&store, &["wood", name]).unwrap_or_else(|| panic!("image {number}: {name} is lost"));
            // It may be a later, not yet acknowledged value; never an earlier one.
            let version = |text: &str| text.split(' ').next().unwrap().parse::<u32>().unwrap();
            assert!(version(&found) >= version(text), "image {number}: {name} is old");
        }
        store.close();
    }
}

#[test]
fn a_failing_sync_acknowledges_nothing_halts_the_store_and_reopening_works() {
    let disk = MemoryDisk::new();
    let events = Arc::new(Events::default());
    let store = try_open(&disk, options(), &events).unwrap();
    run(&store, put(&["before"], "x")).unwrap();
    disk.fail(Failure {
        operation: Operation::SyncData,
        path_suffix: ".segment".to_owned(),
        after: 0,
        times: 1,
        kind: std::io::ErrorKind::Other,
    });
    let outcome = run(&store, put(&["during"], "x"));
    assert!(matches!(outcome, Err(StoreError::Halted(_) | StoreError::Closed)), "{outcome:?}");
    wait_until("the store has halted", || !events.halts.lock().unwrap().is_empty());
    store.close();
    drop(store);
    let store = open(&disk);
    assert_eq!(get(&store, &["before"]), Some("x".to_owned()));
    run(&store, put(&["after"], "x")).unwrap();
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers_by_itself() {
    let disk = MemoryDisk::new();
    let store = try_open(&disk, options(), &Arc::default()).unwrap();
    run(&store, put(&["kept"], "x")).unwrap();
    disk.set_capacity_bytes(Some(1_200_000));
    let mut written = 0;
    let refused = loop {
        match run(&store, put(&["big", &written.to_string()], &"z".repeat(20_000))) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1_000, "the disk never gets full");
    };
    assert!(matches!(refused, StoreError::DiskFull(_)), "{refused}");
    assert_eq!(get(&store, &["kept"]), Some("x".to_owned()));
    assert!(store.halt_reason().is_none());
    disk.set_capacity_bytes(None);
    wait_until("writes are taken again", || run(&store, Command::delete(steps(&["big"]))).is_ok());
    assert_eq!(get(&store, &["kept"]), Some("x".to_owned()));
    store.close();
}
