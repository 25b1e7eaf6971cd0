//! The directory of a store: one holder at a time, one identity, and a reset that survives any crash.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use pando_store::directory::{DirectoryError, Identity, StoreDirectory, StoreId};
use pando_store::disk::{Access, Disk, Failure, MemoryDisk, Operation, RealDisk};
use std::path::Path;
use std::sync::{Arc, Mutex};
use support::*;

const FIRST: Identity = Identity { store_id: STORE, member_id: 1 };
const SECOND: Identity = Identity { store_id: StoreId([9; 16]), member_id: 44 };

fn path() -> &'static Path {
    Path::new("/store")
}

fn open_on(disk: &MemoryDisk) -> Result<StoreDirectory, DirectoryError> {
    StoreDirectory::open(Arc::new(disk.clone()), path(), "os pid 123, node a@b")
}

/// A store with an identity and a log.
fn used() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut directory = open_on(&disk).unwrap();
    directory.set_identity(FIRST).unwrap();
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..3, 10)).unwrap();
    log.close().unwrap();
    disk
}

#[test]
fn a_second_opener_learns_who_holds_the_directory() {
    let disk = MemoryDisk::new();
    let first = open_on(&disk).unwrap();
    let error = open_on(&disk).err().unwrap();
    assert!(
        matches!(&error, DirectoryError::Locked { holder, .. } if holder == "os pid 123, node a@b"),
        "{error}"
    );
    assert!(error.to_string().contains("os pid 123, node a@b"));
    drop(first);
    open_on(&disk).unwrap();
}

#[test]
fn a_second_opener_on_the_real_file_system_learns_who_holds_the_directory() {
    let temporary = TempDirectory::new();
    let open = |holder| StoreDirectory::open(Arc::new(RealDisk), &temporary.0.join("x/y"), holder);
    let mut first = open("the first").unwrap();
    let error = open("the second").err().unwrap();
    assert!(matches!(&error, DirectoryError::Locked { holder, .. } if holder == "the first"), "{error}");
    first.set_identity(FIRST).unwrap();
    drop(first);
    let second = open("2").unwrap();
    assert_eq!(second.identity(), Some(FIRST));
    assert!(matches!(open("third").err(), Some(DirectoryError::Locked { holder, .. }) if holder == "2"));
}

#[test]
fn a_full_disk_that_has_no_room_for_the_name_of_the_holder_keeps_nobody_out() {
    let disk = used();
    disk.set_capacity_bytes(Some(0));
    // What the one before has left is written over, without more room.
    drop(open_on(&disk).unwrap());
    disk.open(&path().join("LOCK"), Access::ReadWrite).unwrap().set_len(0).unwrap();
    let directory = open_on(&disk).unwrap();
    assert_eq!(directory.identity(), Some(FIRST));
    let error = open_on(&disk).err().unwrap();
    assert!(matches!(&error, DirectoryError::Locked { holder, .. } if holder.is_empty()), "{error}");
}

#[test]
fn an_identity_survives_a_power_cut_right_after_it_was_set() {
    let disk = MemoryDisk::new();
    let mut directory = open_on(&disk).unwrap();
    assert_eq!(directory.identity(), None);
    directory.set_identity(FIRST).unwrap();
    assert_eq!(open_on(&disk.after_power_cut(|_| false)).unwrap().identity(), Some(FIRST));
}

#[test]
fn any_flipped_bit_of_an_identity_is_noticed() {
    let disk = used();
    let file = path().join("IDENTITY");
    for offset in 0..content(&disk, &file).len() as u64 {
        disk.flip_bits(&file, offset, 2).unwrap();
        let error = open_on(&disk).err().unwrap();
        assert!(matches!(error, DirectoryError::Damaged { .. }), "{offset}: {error}");
        disk.flip_bits(&file, offset, 2).unwrap();
    }
    assert_eq!(open_on(&disk).unwrap().identity(), Some(FIRST));
}

#[test]
fn a_newer_format_is_refused() {
    let disk = used();
    let mut identity = content(&disk, &path().join("IDENTITY"));
    identity[8..12].copy_from_slice(&5u32.to_le_bytes());
    let crc = crc32fast::hash(&identity[..40]);
    identity[40..44].copy_from_slice(&crc.to_le_bytes());
    // What a newer release has added.
    identity.extend_from_slice(b"more");
    let file = disk.open(&path().join("IDENTITY"), Access::ReadWrite).unwrap();
    file.write_all_at(&identity, 0).unwrap();
    assert!(matches!(open_on(&disk).err(), Some(DirectoryError::NewerFormat { found: 5, supported: 1, .. })));
}

#[test]
fn data_without_an_identity_is_refused() {
    let disk = used();
    disk.remove_file(&path().join("IDENTITY")).unwrap();
    assert!(matches!(open_on(&disk).err(), Some(DirectoryError::IdentityMissing { .. })));
}

#[test]
fn a_file_in_the_place_of_the_directory_is_refused() {
    let disk = MemoryDisk::new();
    disk.create(path()).unwrap();
    assert!(matches!(open_on(&disk).err(), Some(DirectoryError::NotADirectory { .. })));
}

#[test]
fn a_directory_that_may_not_be_read_is_refused_as_the_disk_says() {
    let disk = MemoryDisk::new();
    let (operation, kind) = (Operation::Lock, std::io::ErrorKind::PermissionDenied);
    disk.fail(Failure { operation, path_suffix: "LOCK".to_owned(), after: 0, times: 1, kind });
    let error = open_on(&disk).err().unwrap();
    assert!(
        matches!(&error, DirectoryError::Disk(_)) && error.to_string().contains("/store/LOCK"),
        "{error}"
    );
}

#[test]
fn a_reset_that_fails_anywhere_is_undone_or_completed_by_the_next_open() {
    let kind = std::io::ErrorKind::Other;
    let operations = [
        Operation::Create,
        Operation::Write,
        Operation::SyncAll,
        Operation::SyncDir,
        Operation::Rename,
        Operation::List,
        Operation::Remove,
    ];
    let (mut kept_count, mut reset_count) = (0, 0);
    for operation in operations {
        for after in 0..6 {
            let disk = used();
            let mut directory = open_on(&disk).unwrap();
            disk.fail(Failure { operation, path_suffix: String::new(), after, times: 1, kind });
            let answer = directory.reset(SECOND);
            for image in [disk.after_power_cut(|_| false), disk.after_power_cut(|_| true), disk.after_kill()]
            {
                let reopened = open_on(&image).unwrap();
                let holds_log = !image.list(&reopened.log_path()).unwrap().is_empty();
                match reopened.identity() {
                    Some(FIRST) => {
                        assert!(answer.is_err() && holds_log);
                        kept_count += 1;
                    }
                    identity => {
                        assert_eq!((identity, holds_log), (Some(SECOND), false));
                        reset_count += 1;
                    }
                }
            }
        }
    }
    assert!(kept_count > 5 && reset_count > 5, "both outcomes must be reached: {kept_count}, {reset_count}");
}

/// The file `RESET` of a directory whose reset from the first to the second identity was interrupted.
fn interrupted_reset() -> Vec<u8> {
    let disk = used();
    let mut directory = open_on(&disk).unwrap();
    let (operation, kind) = (Operation::List, std::io::ErrorKind::Other);
    disk.fail(Failure { operation, path_suffix: String::new(), after: 0, times: 1, kind });
    directory.reset(SECOND).unwrap_err();
    content(&disk, &path().join("RESET"))
}

fn place(disk: &MemoryDisk, name: &str, bytes: &[u8]) {
    let file = disk.create(&path().join(name)).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync_all().unwrap();
}

#[test]
fn a_reset_of_another_member_that_got_into_the_directory_removes_nothing() {
    let disk = used();
    let mut directory = open_on(&disk).unwrap();
    directory.set_identity(Identity { member_id: 2, ..FIRST }).unwrap();
    drop(directory);
    place(&disk, "RESET", &interrupted_reset());
    let error = open_on(&disk).err().unwrap();
    assert!(matches!(&error, DirectoryError::Damaged { path, .. } if path.ends_with("RESET")), "{error}");
    assert_eq!(read_all(&open(&disk).0), entries(1, 0..3, 10));
}

#[test]
fn a_reset_that_comes_back_after_it_was_done_removes_nothing() {
    let disk = used();
    open_on(&disk).unwrap().set_identity(SECOND).unwrap();
    place(&disk, "RESET", &interrupted_reset());
    assert_eq!(open_on(&disk).unwrap().identity(), Some(SECOND));
    assert_eq!(read_all(&open(&disk).0), entries(1, 0..3, 10));
    assert_eq!(disk.kind(&path().join("RESET")).unwrap(), None);
}

#[test]
fn any_flipped_bit_of_a_reset_is_noticed() {
    let reset = interrupted_reset();
    for bit in 0..reset.len() * 8 {
        let disk = used();
        let mut flipped = reset.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        place(&disk, "RESET", &flipped);
        assert!(matches!(open_on(&disk).err(), Some(DirectoryError::Damaged { .. })), "{bit}");
        assert_eq!(read_all(&open(&disk).0), entries(1, 0..3, 10));
    }
}
#[test]
fn a_reset_whose_note_was_not_yet_durable_removes_nothing_before_it_is() {
    let disk = used();
    let killed: Arc<Mutex<Option<MemoryDisk>>> = Arc::default();
    let taken = killed.clone();
    disk.on_operation(move |disk, moment| {
        if moment.operation == Operation::Rename && moment.is_after {
            taken.lock().unwrap().get_or_insert_with(|| disk.after_kill());
        }
    });
    open_on(&disk).unwrap().reset(SECOND).unwrap();
    let killed = killed.lock().unwrap().take().unwrap();
    let cuts: Arc<Mutex<Vec<MemoryDisk>>> = Arc::default();
    let taken = cuts.clone();
    killed.on_operation(move |disk, moment| {
        if moment.operation == Operation::Remove && moment.is_after {
            // Of all that is not durable only the removals of data survive.
            let pieces = disk.unsynced_pieces();
            let log = path().join("log");
            let cut =
                disk.after_power_cut(|piece| pieces.get(piece).is_some_and(|path| path.starts_with(&log)));
            taken.lock().unwrap().push(cut);
        }
    });
    assert_eq!(open_on(&killed).unwrap().identity(), Some(SECOND));
    let cuts = std::mem::take(&mut *cuts.lock().unwrap());
    assert!(cuts.len() > 1, "a segment and the note were removed");
    for cut in cuts {
        assert_eq!(open_on(&cut).unwrap().identity(), Some(SECOND));
    }
}

#[test]
fn a_directory_whose_name_was_not_yet_durable_is_made_so_by_the_next_open() {
    // Its creation failed half-way, or its creator was killed there.
    for after in 0..2 {
        let disk = MemoryDisk::new();
        let (operation, kind) = (Operation::SyncDir, std::io::ErrorKind::Other);
        disk.fail(Failure { operation, path_suffix: String::new(), after, times: 1, kind });
        let deep = Path::new("/data/stores");
        let open = |disk: &MemoryDisk| StoreDirectory::open(Arc::new(disk.clone()), deep, "a test");
        open(&disk).map(|_| ()).unwrap_err();
        for disk in [disk.after_kill(), disk] {
            open(&disk).unwrap().set_identity(FIRST).unwrap();
            let cut = disk.after_power_cut(|_| false);
            assert_eq!(open(&cut).unwrap().identity(), Some(FIRST), "{after} syncs before");
        }
    }
}

#[test]
fn a_directory_above_that_is_not_ours_to_sync_is_no_reason_not_to_open() {
    let disk = used();
    let (operation, kind) = (Operation::SyncDir, std::io::ErrorKind::PermissionDenied);
    disk.fail(Failure { operation, path_suffix: "/".to_owned(), after: 0, times: u64::MAX, kind });
    assert_eq!(open_on(&disk).unwrap().identity(), Some(FIRST));
}

#[test]
fn an_identity_that_a_crash_left_under_two_names_is_not_emptied_by_the_next() {
    let disk = MemoryDisk::new();
    let two_names: Arc<Mutex<Option<MemoryDisk>>> = Arc::default();
    let taken = two_names.clone();
    disk.on_operation(move |disk, moment| {
        if moment.operation == Operation::Rename && moment.is_after {
            let last = disk.unsynced_pieces().iter().rposition(|path| path.ends_with("IDENTITY.tmp"));
            *taken.lock().unwrap() = Some(disk.after_power_cut(|piece| Some(piece) != last));
        }
    });
    open_on(&disk).unwrap().set_identity(FIRST).unwrap();
    let disk = two_names.lock().unwrap().take().unwrap();
    assert_eq!(disk.list(path()).unwrap(), ["IDENTITY", "IDENTITY.tmp", "LOCK"]);
    let cuts: Arc<Mutex<Vec<MemoryDisk>>> = Arc::default();
    let taken = cuts.clone();
    disk.on_operation(move |disk, moment| {
        if moment.operation == Operation::Create && moment.is_after {
            taken.lock().unwrap().extend([disk.after_kill(), disk.after_power_cut(|_| true)]);
        }
    });
    open_on(&disk).unwrap().set_identity(SECOND).unwrap();
    let cuts = std::mem::take(&mut *cuts.lock().unwrap());
    assert_eq!(cuts.len(), 2);
    for cut in cuts {
        assert_eq!(open_on(&cut).unwrap().identity(), Some(FIRST));
    }
}
