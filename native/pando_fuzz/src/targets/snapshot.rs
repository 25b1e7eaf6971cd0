//! A snapshot: the file with its metadata, and the tree in it.
//!
//! Input: a byte that says what is put right, and the file. Nothing damaged gets past the checksums, so they are put right, and
//! with them what the header says of the store and what the footer counts: bits of the byte say what is left as it is.

use std::path::Path;
use std::sync::Arc;

use pando_store::View;
use pando_store::directory::StoreId;
use pando_store::disk::{Access, Disk, MemoryDisk};
use pando_store::fuzzing::{Membership, Session, Sessions, load_snapshot, write_snapshot};
use pando_store::log::LogPosition;
use pando_store::snapshot::{SnapshotDirectory, SnapshotError, SnapshotName};

use super::command::{records, small_tree};
use crate::Outcome;
use crate::memory::bounded;

const STORE: StoreId = StoreId([7; 16]);
const DIRECTORY: &str = "/snapshot";
const HEADER_BYTES: usize = 60;
const BLOCK_HEADER_BYTES: usize = 16;
const FOOTER_BYTES: usize = 24;
const MEMORY_FIXED: usize = 64 * 1024 * 1024;
const MEMORY_PER_BYTE: usize = 1024;

/// Bits of the first byte: what is left as it is.
mod left {
    pub(super) const HEADER: u8 = 1;
    pub(super) const BLOCKS: u8 = 2;
    pub(super) const COUNTS: u8 = 4;
    pub(super) const FOOTER: u8 = 8;
}

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let Some((selector, bytes)) = input.split_first() else { return Outcome::Refused };
    let mut content = bytes.to_vec();
    put_right(&mut content, *selector);
    let field = |at: usize| {
        content.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
    };
    let name = SnapshotName { term: field(32), index: field(48) };
    let (disk, snapshots) = directory();
    let file = disk.create(&name.path(Path::new(DIRECTORY))).expect("a file");
    file.write_all_at(&content, 0).expect("a write");
    file.sync_all().expect("a sync");

    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * bytes.len();
    let read = bounded("reading", memory, || read_all(&snapshots, name));
    let loaded = bounded("loading", memory, || load_snapshot(&snapshots, Path::new(DIRECTORY)));
    let mut after = vec![0; content.len()];
    file.read_exact_at(&mut after, 0).expect("a read");
    assert_eq!(after, content, "reading changes nothing");
    let (read, view) = match (read, loaded) {
        (Ok(read), Ok(view)) => (read, view),
        // It is whole, but holds no tree.
        (Ok(_), Err(text)) => {
            assert!(text.contains("holds no tree"), "{text}");
            return Outcome::Refused;
        }
        (Err(error), Err(text)) => {
            assert!(!matches!(error, SnapshotError::Disk(_)), "{error}");
            // What was read before may have been no tree already.
            assert!(
                text.contains(&error.to_string()) || text.contains("holds no tree"),
                "{error}, but {text}"
            );
            return Outcome::Refused;
        }
        (Err(error), Ok(_)) => panic!("loaded, although {error}"),
    };
    assert_eq!(records(&view.state), read, "the tree has the records of the file");
    let once = written(&view);
    let again = written(&load(&once, name));
    assert_eq!(again, once, "written again");
    Outcome::Read
}

fn directory() -> (Arc<MemoryDisk>, SnapshotDirectory) {
    let disk = Arc::new(MemoryDisk::new());
    let snapshots =
        SnapshotDirectory::open(disk.clone(), Path::new(DIRECTORY), STORE).expect("a directory of snapshots");
    (disk, snapshots)
}

fn read_all(snapshots: &SnapshotDirectory, name: SnapshotName) -> Result<Vec<Vec<u8>>, SnapshotError> {
    let mut reader = snapshots.read(name)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record.to_vec());
    }
    Ok(records)
}

/// The file that a view becomes.
fn written(view: &View) -> Vec<u8> {
    let (disk, snapshots) = directory();
    assert_eq!(write_snapshot(&snapshots, view), Ok(true));
    let applied = view.applied.expect("a view of a snapshot has a position");
    let path = SnapshotName { term: applied.term, index: applied.index }.path(Path::new(DIRECTORY));
    let file = disk.open(&path, Access::Read).expect("a snapshot");
    let mut content = vec![0; usize::try_from(file.size_bytes().expect("a size")).expect("a size")];
    file.read_exact_at(&mut content, 0).expect("a read");
    content
}

fn load(content: &[u8], name: SnapshotName) -> View {
    let (disk, snapshots) = directory();
    let file = disk.create(&name.path(Path::new(DIRECTORY))).expect("a file");
    file.write_all_at(content, 0).expect("a write");
    load_snapshot(&snapshots, Path::new(DIRECTORY)).expect("what was written can be loaded")
}

fn number_at(content: &[u8], at: usize) -> usize {
    content[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

fn put(content: &mut [u8], at: usize, bytes: &[u8]) {
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

fn put_right(content: &mut [u8], selector: u8) {
    if content.len() < HEADER_BYTES {
        return;
    }
    let metadata = number_at(content, 12).min(content.len() - HEADER_BYTES);
    if selector & left::HEADER == 0 {
        put(content, 0, b"PANDOSNP\x01\0\0\0");
        put(content, 12, &(metadata as u32).to_le_bytes());
        put(content, 16, &STORE.0);
        let covered = [&content[..56], &content[HEADER_BYTES..HEADER_BYTES + metadata]].concat();
        put(content, 56, &crc32fast::hash(&covered).to_le_bytes());
    }
    let mut checksums = content[56..60].to_vec();
    let mut record_count = 0u64;
    let mut offset = HEADER_BYTES + metadata;
    while content.len() >= offset + BLOCK_HEADER_BYTES && content[offset..].starts_with(b"PBLK") {
        let body = offset + BLOCK_HEADER_BYTES;
        let length = number_at(content, offset + 4).min(content.len() - body);
        if selector & left::BLOCKS == 0 {
            put(content, offset + 4, &(length as u32).to_le_bytes());
            if selector & left::COUNTS == 0 {
                let count = record_count_of(&content[body..body + length]);
                put(content, offset + 8, &count.to_le_bytes());
            }
            let covered = [&content[offset + 4..offset + 12], &content[body..body + length]].concat();
            put(content, offset + 12, &crc32fast::hash(&covered).to_le_bytes());
        }
        record_count = record_count.wrapping_add(number_at(content, offset + 8) as u64);
        checksums.extend(&content[offset + 12..offset + 16]);
        offset = body + length;
    }
    if selector & left::FOOTER == 0 && content.len() >= offset + FOOTER_BYTES {
        put(content, offset, b"PEND\0\0\0\0");
        put(content, offset + 8, &record_count.to_le_bytes());
        put(content, offset + 16, &crc32fast::hash(&checksums).to_le_bytes());
        let crc = crc32fast::hash(&content[offset..offset + 20]);
        put(content, offset + 20, &crc.to_le_bytes());
    }
}

fn record_count_of(mut body: &[u8]) -> u32 {
    let mut count = 0;
    while let Some((length, rest)) = body.split_first_chunk::<4>() {
        body = rest.get(u32::from_le_bytes(*length) as usize..).unwrap_or_default();
        count += 1;
    }
    count
}

/// A snapshot without members and sessions, as it was written before there were sessions.
fn as_version_1(content: &[u8]) -> Vec<u8> {
    let metadata = HEADER_BYTES..HEADER_BYTES + number_at(content, 12);
    // Mark and version; node count, no position, no members; the count of sessions.
    let sessions_at = 9 + 8 + 1 + 8;
    let body = &content[metadata.clone()];
    let body = [&body[9..sessions_at], &body[sessions_at + 8..]].concat();
    let mut header = content[..HEADER_BYTES].to_vec();
    put(&mut header, 12, &(body.len() as u32).to_le_bytes());
    [&header[..], &body, &content[metadata.end..]].concat()
}

/// Snapshots of small trees, with and without members and sessions.
pub fn seeds() -> Vec<Vec<u8>> {
    let position = |index| LogPosition { term: 3, node_id: 1, index };
    let mut seeds = Vec::new();
    for (number, state) in
        [pando_tree::State::new(), small_tree(), super::tree::large_sample()].into_iter().enumerate()
    {
        let mut view = View::empty();
        view.state = state;
        view.applied = Some(position(9));
        let members = Membership::of_one(1, "a@b");
        view.membership = (number > 0).then(|| (position(2), Arc::new(members)));
        if number == 0 {
            seeds.push([&[0], &as_version_1(&written(&view))[..]].concat());
        }
        let session = |(member_id, incarnation)| Session { member_id, incarnation, next_sequence: 9 };
        let sessions = [(1, 4), (1, 3), (2, 9)].into_iter().take(number * 2).map(session).collect();
        view.sessions = Sessions::from_stored(sessions).expect("sessions");
        seeds.push([&[0], &written(&view)[..]].concat());
    }
    seeds
}
