//! Looking at stores that are not open: it ends when nobody wants more, and agrees with what opening does. That it agrees about
//! damage of every kind is shown in `torture_damage.rs`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod store_support;

use pando_store::directory::{Identity, StoreDirectory, StoreId};
use pando_store::disk::{Access, Disk, MemoryDisk};
use pando_store::verify::{Report, Verdict, verify, verify_all};
use pando_store::{OpenTrouble, StoreOptions};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use store_support::*;

fn look_at(disk: &MemoryDisk) -> Report {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    verify(&disk, Path::new(DIRECTORY), &mut |_, _, _| ControlFlow::Continue(())).unwrap()
}

#[test]
fn looking_at_a_store_ends_where_nobody_wants_more_of_it() {
    let disk = MemoryDisk::new();
    let small = StoreOptions {
        snapshot_log_bytes_min: 8 * 1024,
        queued_commands_max: 10_000,
        segment_bytes_first: 32 * 1024,
        segment_bytes_max: 32 * 1024,
        ..options()
    };
    let store = try_open(&disk, small, &Arc::default()).unwrap();
    // Enough for one look at records of a snapshot, and more than one segment.
    let told: Vec<_> = (0..2_500)
        .map(|number| submit(&store, put(&["n", &number.to_string()], "x")).unwrap_or_else(|_| panic!()))
        .collect();
    told.into_iter().for_each(|told| {
        told.recv_timeout(WAIT_MAX).unwrap().unwrap();
    });
    let all_written_at = store.status().applied_index;
    wait_until("there is a snapshot of all of it", || {
        run(&store, put(&["last"], &"x".repeat(1_000))).unwrap();
        store.status().snapshot_index.is_some_and(|index| index >= all_written_at)
    });
    store.close();
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let look = |calls_max: usize| {
        let mut paths = Vec::new();
        let report = verify(&disk, Path::new(DIRECTORY), &mut |path: &Path, read, of| {
            assert!(read <= of && paths.len() < calls_max, "asked again after it had said no");
            paths.push(path.to_path_buf());
            if paths.len() == calls_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (report, paths)
    };
    let (report, paths) = look(usize::MAX);
    assert_eq!(report.unwrap().verdict, Verdict::Sound);
    let of_snapshots = paths.iter().filter(|path| path.extension().is_some()).count();
    assert!(of_snapshots > 0 && of_snapshots < paths.len(), "{paths:?}");
    for calls_max in 1..=paths.len() {
        let (report, asked) = look(calls_max);
        assert_eq!((report, asked.len()), (None, calls_max));
    }
    // It let go of the lock.
    assert!(StoreDirectory::open(disk.clone(), Path::new(DIRECTORY), "").is_ok());
}

/// A store with some data, and a reset to another member that was interrupted before anything was removed.
fn resetting(to_member_id: u64) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    run(&store, put(&["a"], "x")).unwrap();
    store.close();
    let removal_fails = Arc::new(disk.clone());
    let mut directory = StoreDirectory::open(removal_fails, Path::new(DIRECTORY), "").unwrap();
    let log = Path::new(DIRECTORY).join("log");
    // A directory among the files cannot be removed as one.
    disk.create_dir(&log.join("0")).unwrap();
    let to = Identity { store_id: StoreId([5; 16]), member_id: to_member_id };
    assert!(directory.reset(to).is_err());
    drop(directory);
    disk
}

#[test]
fn a_reset_under_way_is_looked_at_as_what_opening_makes_of_it() {
    // Without the directory that was in its way: as after a power cut.
    let without_obstacle = |to_member_id| {
        let before = resetting(to_member_id);
        let disk = MemoryDisk::new();
        for directory in ["/data", DIRECTORY, "/data/stock/log", "/data/stock/snapshot"] {
            disk.create_dir(Path::new(directory)).unwrap();
        }
        for name in ["LOCK", "IDENTITY", "RESET", "log/0000000000000001.segment", "log/SYNCED"] {
            let path = Path::new(DIRECTORY).join(name);
            let file = before.open(&path, Access::Read).unwrap();
            let mut content = vec![0; usize::try_from(file.size_bytes().unwrap()).unwrap()];
            file.read_exact_at(&mut content, 0).unwrap();
            disk.create(&path).unwrap().write_all_at(&content, 0).unwrap();
        }
        disk
    };
    // What goes may be damaged.
    for damaged in [false, true] {
        let disk = without_obstacle(0);
        if damaged {
            let segment = Path::new(DIRECTORY).join("log/0000000000000001.segment");
            disk.open(&segment, Access::ReadWrite).unwrap().write_all_at(&[7; 4200], 0).unwrap();
        }
        let report = look_at(&disk);
        assert_eq!(report.verdict, Verdict::Remarks, "{report:?}");
        let store = open(&disk);
        assert_eq!(get(&store, &["a"]), None);
        store.close();
        assert_eq!(look_at(&disk).verdict, Verdict::Sound);
    }
    // A member that is not being founded would get its log from others, which this release cannot.
    let disk = without_obstacle(3);
    let report = look_at(&disk);
    assert_eq!(report.verdict, Verdict::Refused, "{report:?}");
    let error = try_open(&disk, options(), &Arc::default()).map(|_| ()).unwrap_err();
    assert_eq!(error.trouble(), OpenTrouble::Damaged);
    assert!(report.findings.iter().any(|finding| finding.text == error.to_string()), "{report:?}: {error}");
}

#[test]
fn a_directory_that_is_on_its_way_into_a_cluster_and_holds_nothing_else_is_that_of_a_store() {
    let disk = MemoryDisk::new();
    for directory in ["/data", DIRECTORY] {
        disk.create_dir(Path::new(directory)).unwrap();
    }
    disk.create(&Path::new(DIRECTORY).join("JOINING")).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let reports = verify_all(&disk, Path::new("/data"), &mut |_, _, _| ControlFlow::Continue(())).unwrap();
    let found: Vec<_> = reports.iter().map(|report| (report.directory.as_path(), report.verdict)).collect();
    assert_eq!(found, [(Path::new(DIRECTORY), Verdict::Absent)]);
}
