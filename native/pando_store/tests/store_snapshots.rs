//! Snapshots of a whole store: when they are written, what is kept, how far a long opening is.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod store_support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pando_store::disk::{Access, Disk, MemoryDisk};
use pando_store::{Clock, OPENING_PROGRESS_INTERVAL_MS, StoreOptions};
use store_support::*;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

fn files(disk: &MemoryDisk, directory: &str) -> Vec<String> {
    disk.list(Path::new(directory)).unwrap()
}

/// A file may go between the listing and the look at it.
fn size_bytes(disk: &MemoryDisk, directory: &str) -> u64 {
    let size_of =
        |name: &String| disk.open(&Path::new(directory).join(name), Access::Read).ok()?.size_bytes().ok();
    files(disk, directory).iter().filter_map(size_of).sum()
}

/// Writes a snapshot of what is applied and waits for it.
fn take_snapshot(store: &TestStore) {
    let applied = store.status().applied_index;
    assert!(store.take_snapshot());
    wait_until("a snapshot is written", || {
        let status = store.status();
        status.snapshot_written_percent.is_none() && status.snapshot_index >= Some(applied)
    });
}

#[test]
fn a_snapshot_is_written_when_asked_for_and_not_again_while_nothing_has_changed() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    run(&store, put(&["a"], "1")).unwrap();
    assert!(store.status().log_bytes_since_snapshot > 0);
    take_snapshot(&store);
    assert_eq!(store.status().log_bytes_since_snapshot, 0);
    take_snapshot(&store);
    assert_eq!(files(&disk, "/data/stock/snapshot").len(), 1);
    run(&store, put(&["b"], "2")).unwrap();
    take_snapshot(&store);
    assert_eq!(files(&disk, "/data/stock/snapshot").len(), 2);
    store.close();
    assert!(!store.take_snapshot());
}

#[test]
fn a_damaged_snapshot_does_not_take_the_place_of_one_that_can_be_read() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    for name in ["a", "b"] {
        run(&store, put(&[name], "1")).unwrap();
        take_snapshot(&store);
    }
    store.close();
    let [older, damaged] = files(&disk, "/data/stock/snapshot").try_into().unwrap();
    let path = Path::new("/data/stock/snapshot").join(&damaged);
    disk.open(&path, Access::ReadWrite).unwrap().write_all_at(&[0xff; 16], 100).unwrap();

    let events = Arc::new(Events::default());
    let store = try_open(&disk, options(), &events).unwrap();
    assert_eq!(events.notices.lock().unwrap().len(), 1);
    run(&store, put(&["c"], "1")).unwrap();
    take_snapshot(&store);
    store.close();
    let kept = files(&disk, "/data/stock/snapshot");
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept.contains(&older) && !kept.contains(&damaged), "{kept:?}");
}

/// docs/operations.md, "Where the files are". The writers let each snapshot be finished, as a disk does that is fast
/// enough; what has to go goes in the background, and is waited for.
#[test]
fn the_bytes_kept_on_the_disk_are_bounded_however_much_is_written() {
    const ROUND_PUTS: u64 = 512;
    const VALUE_BYTES: usize = 1_000;
    const WRITTEN_BYTES: u64 = 50_000_000;
    let (due_bytes, segment_bytes) = (MIB, 256 * KIB);
    let disk = MemoryDisk::new();
    let small =
        StoreOptions { snapshot_log_bytes_min: due_bytes, segment_bytes_max: segment_bytes, ..options() };
    let store = try_open(&disk, small, &Arc::default()).unwrap();
    let value = "x".repeat(VALUE_BYTES);
    let snapshot_bytes = 64 * 2 * VALUE_BYTES as u64;
    // What one round brings beyond the limit before anybody looks.
    let round_bytes = 2 * ROUND_PUTS * VALUE_BYTES as u64;
    let snapshots_max = 2 * snapshot_bytes;
    // From the older snapshot to the newer, and from that on; the first segment, the one in use and the one prepared.
    let log_max = 2 * (due_bytes + round_bytes) + 3 * segment_bytes;
    let (mut written_bytes, mut number) = (0, 0_u64);
    while written_bytes < WRITTEN_BYTES {
        let answers: Vec<_> = (0..ROUND_PUTS)
            .map(|_| {
                number += 1;
                written_bytes += VALUE_BYTES as u64;
                submit(&store, put(&["wood", &format!("n{}", number % 64)], &value)).unwrap()
            })
            .collect();
        for answer in answers {
            answer.recv_timeout(WAIT_MAX).unwrap().unwrap();
        }
        wait_until("the log and the snapshots are within their bounds", || {
            store.status().snapshot_written_percent.is_none()
                && size_bytes(&disk, "/data/stock/snapshot") <= snapshots_max
                && size_bytes(&disk, "/data/stock/log") <= log_max
        });
    }
    assert!(store.status().snapshot_index > Some(1));
    store.close();
}

/// A clock that goes on by some seconds whenever it is looked at.
struct Hasty {
    now_ms: AtomicU64,
    step_ms: u64,
}

impl Clock for Hasty {
    fn now_ms(&self) -> u64 {
        self.now_ms.fetch_add(self.step_ms, Ordering::Relaxed)
    }
}

/// Opens with such a clock: what is said meanwhile.
fn progress_of_opening(disk: &MemoryDisk, step_ms: u64) -> Vec<String> {
    let events = Arc::new(Events::default());
    let clock = Arc::new(Hasty { now_ms: AtomicU64::new(43_200_000), step_ms });
    let store = try_open(disk, StoreOptions { clock, ..options() }, &events).unwrap();
    store.close();
    let progress = events.progress.lock().unwrap();
    progress.clone()
}

#[test]
fn a_long_opening_says_how_far_it_is_in_the_snapshot_and_in_the_log() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    let load = |names: std::ops::Range<u64>| {
        for name in names {
            submit(&store, put(&["wood", &format!("n{name}")], "x"))
                .unwrap()
                .recv_timeout(WAIT_MAX)
                .unwrap()
                .unwrap();
        }
    };
    load(0..3_000);
    take_snapshot(&store);
    load(0..200);
    let node_count = store.status().node_count;
    store.close();

    let said = progress_of_opening(&disk, OPENING_PROGRESS_INTERVAL_MS);
    let snapshot: Vec<_> = said.iter().filter(|text| text.contains("nodes of the snapshot")).collect();
    assert_eq!(snapshot.len(), 2, "{said:?}");
    assert!(snapshot[0].starts_with("opening since 5 s: read 1024 of"), "{said:?}");
    assert!(snapshot[0].contains(&format!("of {node_count} nodes")), "{said:?}");
    assert!(snapshot[0].contains(".snapshot, 34 %"), "{said:?}");
    let log: Vec<_> = said.iter().filter(|text| text.contains("entries of the log")).collect();
    assert!(log.len() > 1 && log.last().unwrap().ends_with(" 100 %"), "{said:?}");

    assert_eq!(progress_of_opening(&disk, 0), Vec::<String>::new());
}
