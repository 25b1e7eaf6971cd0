//! The bytes of version 1, so that no change of the formats goes unnoticed. A new version gets new ones; these stay.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use pando_store::directory::{Identity, StoreDirectory};
use pando_store::disk::MemoryDisk;
use pando_store::snapshot::SnapshotDirectory;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use support::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn the_bytes_of_an_identity_of_version_1_stay() {
    let disk = MemoryDisk::new();
    let mut directory = StoreDirectory::open(Arc::new(disk.clone()), Path::new("/store"), "").unwrap();
    directory.set_identity(Identity { store_id: STORE, member_id: 5 }).unwrap();
    assert_eq!(hex(&content(&disk, Path::new("/store/IDENTITY"))), IDENTITY);
}

#[test]
fn the_bytes_of_a_segment_of_version_1_stay() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    save_vote(&log, b"vote").unwrap();
    append(&log, entries(3, 0..2, 0)).unwrap();
    log.save_committed(Some(at(3, 0)));
    truncate_after(&log, Some(0)).unwrap();
    purge(&log, at(3, 0)).unwrap();
    log.close().unwrap();
    let segment = content(&disk, &segment_path(1));
    let end = segment.iter().rposition(|byte| *byte != 0).unwrap();
    assert_eq!(hex(&segment[..52]), SEGMENT_HEADER);
    assert_eq!(hex(&segment[4096..=end]), SEGMENT_BATCHES);
}

#[test]
fn the_bytes_of_a_snapshot_of_version_1_stay() {
    let disk = MemoryDisk::new();
    let path = Path::new("/store/snapshot");
    let directory = SnapshotDirectory::open(Arc::new(disk.clone()), path, STORE).unwrap();
    let mut writer = directory.create(at(3, 9), b"meta").unwrap();
    writer.append(b"one").unwrap();
    writer.append(b"").unwrap();
    let name = writer.finish().unwrap();
    assert_eq!(hex(&content(&disk, &name.path(path))), SNAPSHOT);
}

const IDENTITY: &str =
    "50414e444f49444e0100000000000000070707070707070707070707070707070500000000000000aa76469e";
const SEGMENT_HEADER: &str = "\
    50414e444f4c4f4701000000000000000707070707070707070707070707070701000000000000000040000000000000\
    fd10f882";
const SEGMENT_BATCHES: &str = "\
    5042415478000000010000000000000002000000fe55486200000000c4c654755000000069820d920100000000000000\
    000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
    0000000000000000000000000000000000000000000000000000000000000000040000005a8f40340300000000000000\
    766f746500000000fe554862504254455042415480000000020000000000000002000000a6a30c090000000083195267\
    2a00000095b6be3a0200000000000000030000000000000001000000000000000000000000000000656e747279203020\
    6f66207465726d2033200000000000002a0000006d5c0646020000000000000003000000000000000100000000000000\
    0100000000000000656e7472792031206f66207465726d203320000000000000a6a30c09504254455042415450000000\
    0300000000000000020000007a3e33e50000000027537b23180000009e46718d05000000000000000300000000000000\
    01000000000000000000000000000000180000003443ab7c040000000000000003000000000000000100000000000000\
    00000000000000007a3e33e5504254455042415428000000040000000000000001000000483716450000000002c094a2\
    18000000214e6e4406000000000000000300000000000000010000000000000000000000000000004837164550425445";
const SNAPSHOT: &str = "\
    50414e444f534e5001000000040000000707070707070707070707070707070703000000000000000100000000000000\
    09000000000000003079bbb86d65746150424c4b0b00000002000000c82f495f030000006f6e650000000050454e4400\
    000000020000000000000092c6229362086384";
