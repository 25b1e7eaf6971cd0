//! Snapshots: what was finished comes back byte for byte, what was not is never taken for one.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use pando_store::directory::StoreId;
use pando_store::disk::{Access, Disk, Failure, MemoryDisk, Operation, RealDisk};
use pando_store::log::LogPosition;
use pando_store::snapshot::{
    METADATA_BYTES_MAX, RECORD_BYTES_MAX, SnapshotDirectory, SnapshotError, SnapshotReader,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::*;

fn path() -> &'static Path {
    Path::new("/store/snapshot")
}

fn open_on(disk: &MemoryDisk) -> SnapshotDirectory {
    SnapshotDirectory::open(Arc::new(disk.clone()), path(), STORE).unwrap()
}

/// Small ones, an empty one, and one larger than a block.
fn records() -> Vec<Vec<u8>> {
    let mut records: Vec<Vec<u8>> =
        (0..3000u32).map(|number| vec![number as u8; 700 + number as usize % 90]).collect();
    records.push(Vec::new());
    records.push(vec![9; 3 * 1024 * 1024]);
    records.push(b"last".to_vec());
    records
}

fn write(directory: &SnapshotDirectory, position: LogPosition, records: &[Vec<u8>]) -> PathBuf {
    let mut writer = directory.create(position, b"metadata").unwrap();
    records.iter().for_each(|record| writer.append(record).unwrap());
    writer.finish().unwrap().path(path())
}

fn read(reader: &mut SnapshotReader) -> Result<Vec<Vec<u8>>, SnapshotError> {
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record.to_vec());
    }
    Ok(records)
}

#[test]
fn a_snapshot_comes_back_record_by_record() {
    let disk = MemoryDisk::new();
    let directory = open_on(&disk);
    write(&directory, at(3, 77), &records());
    let after = disk.after_power_cut(|_| false);
    let newest = open_on(&after).newest_valid().unwrap();
    assert!(newest.refused.is_empty());
    let mut reader = newest.reader.unwrap();
    assert_eq!((reader.position(), reader.metadata()), (at(3, 77), b"metadata".as_slice()));
    assert_eq!(read(&mut reader).unwrap(), records());
    assert_eq!(reader.next_record().unwrap(), None, "the end stays the end");
}

#[test]
fn a_snapshot_of_nothing_is_a_snapshot() {
    let disk = MemoryDisk::new();
    let directory = open_on(&disk);
    write(&directory, at(1, 0), &[]);
    assert_eq!(read(&mut directory.newest_valid().unwrap().reader.unwrap()).unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_flipped_bit_anywhere_is_refused_with_file_and_offset() {
    let disk = MemoryDisk::new();
    let directory = open_on(&disk);
    let file = write(&directory, at(1, 5), &[b"one".to_vec(), b"two".to_vec()]);
    let size_bytes = content(&disk, &file).len() as u64;
    for offset in 0..size_bytes {
        disk.flip_bits(&file, offset, 0x40).unwrap();
        let answer = directory.read(directory.list().unwrap()[0]).and_then(|mut reader| read(&mut reader));
        match answer {
            Err(SnapshotError::Damaged { path, offset: found, .. }) => {
                assert_eq!(path, file);
                assert!(found <= offset, "byte {offset} reported at {found}");
            }
            Err(SnapshotError::NewerFormat { .. }) => assert!((8..12).contains(&offset)),
            other => panic!("byte {offset}: {other:?}"),
        }
        disk.flip_bits(&file, offset, 0x40).unwrap();
    }
}

#[test]
fn a_snapshot_that_ends_before_its_footer_is_refused_wherever_it_ends() {
    let disk = MemoryDisk::new();
    let directory = open_on(&disk);
    let file = write(&directory, at(1, 5), &[b"one".to_vec(), b"two".to_vec()]);
    let handle = disk.open(&file, Access::ReadWrite).unwrap();
    for size_bytes in (0..handle.size_bytes().unwrap()).rev() {
        handle.set_len(size_bytes).unwrap();
        let newest = directory.newest_valid().unwrap();
        assert!(newest.reader.is_none());
        assert_eq!(newest.refused.len(), 1, "{size_bytes}");
    }
}

#[test]
fn the_older_snapshot_is_chosen_when_the_newest_is_damaged() {
    let disk = MemoryDisk::new();
    let directory = open_on(&disk);
    write(&directory, at(1, 5), &[b"old".to_vec()]);
    let newest = write(&directory, at(1, 300), &[b"new".to_vec()]);
    disk.flip_bits(&newest, 90, 1).unwrap();
    let chosen = directory.newest_valid().unwrap();
    assert_eq!(chosen.reader.unwrap().position(), at(1, 5));
    assert!(matches!(&chosen.refused[..], [SnapshotError::Damaged { path, .. }] if *path == newest));
}

#[test]
fn a_disk_that_does_not_read_is_not_taken_for_a_damaged_snapshot() {
    let disk = MemoryDisk::new();
    let directory = open_on(&disk);
    write(&directory, at(1, 5), &[b"old".to_vec()]);
    let (operation, kind) = (Operation::Read, std::io::ErrorKind::Other);
    disk.fail(Failure { operation, path_suffix: String::new(), after: 0, times: 1, kind });
    assert!(matches!(directory.newest_valid(), Err(SnapshotError::Disk(_))));
}

#[test]
fn all_but_those_named_are_removed_and_open_readers_go_on() {
    let disk = MemoryDisk::new();
    let directory = open_on(&disk);
    for index in [16, 5, 300, 40] {
        write(&directory, at(1, index), &[vec![1; 100]]);
    }
    let mut reader = directory.read(directory.list().unwrap()[3]).unwrap();
    let names = directory.list().unwrap();
    directory.retain(&[names[0], names[2]]).unwrap();
    let indexes: Vec<_> = directory.list().unwrap().into_iter().map(|name| name.index).collect();
    assert_eq!(indexes, [300, 16]);
    assert_eq!((reader.position(), read(&mut reader).unwrap()), (at(1, 5), vec![vec![1; 100]]));
}

#[test]
fn what_a_crash_left_unfinished_is_removed_and_an_abandoned_one_leaves_nothing() {
    let disk = MemoryDisk::new();
    let directory = open_on(&disk);
    let mut writer = directory.create(at(1, 9), b"").unwrap();
    writer.append(&[1; 100]).unwrap();
    let killed = disk.after_kill();
    assert_eq!(killed.list(path()).unwrap().len(), 1);
    assert!(open_on(&killed).list().unwrap().is_empty());
    assert!(killed.list(path()).unwrap().is_empty());
    drop(writer);
    assert!(disk.list(path()).unwrap().is_empty());
}

#[test]
fn a_failure_while_writing_leaves_the_older_snapshot_as_it_is() {
    for operation in [Operation::Create, Operation::Write, Operation::SyncAll, Operation::Rename] {
        let disk = MemoryDisk::new();
        let directory = open_on(&disk);
        write(&directory, at(1, 5), &[b"old".to_vec()]);
        let kind = std::io::ErrorKind::StorageFull;
        disk.fail(Failure { operation, path_suffix: ".tmp".to_owned(), after: 0, times: 1, kind });
        let written = directory.create(at(1, 6), b"").and_then(|mut writer| {
            writer.append(b"new")?;
            writer.finish()
        });
        assert!(matches!(written, Err(SnapshotError::Disk(_))), "{operation:?}");
        assert_eq!(directory.newest_valid().unwrap().reader.unwrap().position(), at(1, 5));
        assert_eq!(disk.list(path()).unwrap().len(), 1);
    }
}

#[test]
fn snapshots_of_another_store_or_a_newer_format_are_refused() {
    let disk = MemoryDisk::new();
    let file = write(&open_on(&disk), at(1, 5), &[]);
    let other = SnapshotDirectory::open(Arc::new(disk.clone()), path(), StoreId([1; 16])).unwrap();
    assert!(matches!(other.newest_valid(), Err(SnapshotError::OtherStore { found: STORE, .. })));
    let mut header = content(&disk, &file)[..60].to_vec();
    header[8..12].copy_from_slice(&9u32.to_le_bytes());
    let metadata_bytes = usize::try_from(u32::from_le_bytes(header[12..16].try_into().unwrap())).unwrap();
    let metadata = &content(&disk, &file)[60..60 + metadata_bytes];
    let crc = crc32fast::hash(&[&header[..56], metadata].concat());
    header[56..60].copy_from_slice(&crc.to_le_bytes());
    disk.open(&file, Access::ReadWrite).unwrap().write_all_at(&header, 0).unwrap();
    assert!(matches!(open_on(&disk).newest_valid(), Err(SnapshotError::NewerFormat { found: 9, .. })));
}

#[test]
fn a_snapshot_on_the_real_file_system_comes_back() {
    let temporary = TempDirectory::new();
    let open = || SnapshotDirectory::open(Arc::new(RealDisk), &temporary.0.join("snapshot"), STORE).unwrap();
    let mut writer = open().create(at(2, 8), b"m").unwrap();
    records().iter().for_each(|record| writer.append(record).unwrap());
    writer.finish().unwrap();
    assert_eq!(read(&mut open().newest_valid().unwrap().reader.unwrap()).unwrap(), records());
}

#[test]
fn limits_of_the_metadata_are_kept_on_both_sides() {
    let directory = open_on(&MemoryDisk::new());
    let largest = vec![7; METADATA_BYTES_MAX];
    let mut writer = directory.create(at(1, 1), &largest).unwrap();
    writer.append(b"a record").unwrap();
    let name = writer.finish().unwrap();
    assert_eq!(directory.read(name).unwrap().metadata(), largest);
    let too_large = directory.create(at(1, 2), &vec![7; METADATA_BYTES_MAX + 1]).map(|_| ());
    assert!(matches!(too_large, Err(SnapshotError::TooLarge { .. })));
    assert_eq!(directory.list().unwrap(), vec![name]);
}

#[test]
fn a_record_over_the_limit_is_refused_and_leaves_no_file() {
    let disk = MemoryDisk::new();
    let directory = open_on(&disk);
    let mut writer = directory.create(at(1, 1), b"").unwrap();
    let refused = writer.append(&vec![0; RECORD_BYTES_MAX + 1]);
    assert!(matches!(refused, Err(SnapshotError::TooLarge { .. })));
    drop(writer);
    assert_eq!(disk.list(path()).unwrap(), Vec::<String>::new());
}
