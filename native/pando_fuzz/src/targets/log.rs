//! A log: its segments, batches, records and entries.
//!
//! Input: a byte that says what is put right, perhaps the file `SYNCED`, and what follows the header of each segment as parts. Nothing damaged gets past the
//! checksums, so they are put right, and with them lengths and numbers: bits of the byte say what is left as it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use pando_store::batch::{Batch, Origin};
use pando_store::directory::StoreId;
use pando_store::disk::{Access, Disk, MemoryDisk};
use pando_store::fuzzing::{Change, Entry, Membership};
use pando_store::log::{Log, LogOptions, LogPosition, OpenError, Recovered, inspect};

use crate::Outcome;
use crate::input::{Parts, put_part};
use crate::memory::bounded;

const STORE: StoreId = StoreId([7; 16]);
const DIRECTORY: &str = "/log";
const HEADER_BYTES: usize = 4096;
const BATCH_HEADER_BYTES: usize = 32;
const BATCH_TRAILER_BYTES: usize = 8;
const SECTOR_BYTES: usize = 512;
const MARK_BYTES: usize = 44;
const RECORD_HEADER_BYTES: usize = 16;
const SEGMENTS_MAX: usize = 4;
/// Threads, segments that are prepared, zeros to fill them with.
const MEMORY_FIXED: usize = 8 * 1024 * 1024;
const MEMORY_PER_BYTE: usize = 64;

/// Bits of the first byte: what is left as it is.
mod left {
    pub(super) const RECORDS: u8 = 1;
    pub(super) const BATCHES: u8 = 2;
    pub(super) const COUNTS: u8 = 4;
    pub(super) const SEQUENCES: u8 = 8;
    pub(super) const LAST_BATCH: u8 = 16;
    /// Nothing is appended afterwards.
    pub(super) const AS_OPENED: u8 = 32;
}

/// A bit of the first byte: the first part is the file `SYNCED`. Another: its checksum is left as it is.
const HAS_MARK: u8 = 64;
const MARK_IS_LEFT: u8 = 128;

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let mut from = Parts::new(input);
    let selector = from.byte();
    let mark = (selector & HAS_MARK != 0).then(|| {
        let mut mark = from.part().to_vec();
        if selector & MARK_IS_LEFT == 0
            && let Some((covered, [a, b, c, d])) = mark.split_at_mut_checked(MARK_BYTES - 4)
        {
            [*a, *b, *c, *d] = crc32fast::hash(covered).to_le_bytes();
        }
        mark
    });
    let mut segments: Vec<Vec<u8>> = Vec::new();
    while !from.is_empty() && segments.len() < SEGMENTS_MAX {
        let mut content = from.part().to_vec();
        // No segment is made smaller.
        content.resize(content.len().next_multiple_of(8).max(HEADER_BYTES), 0);
        segments.push(content);
    }
    let count = segments.len();
    if count == 0 {
        return Outcome::Refused;
    }
    let mut next_sequence = None;
    for (number, content) in segments.iter_mut().enumerate() {
        let is_last = number + 1 == count;
        put_right(content, number as u64 + 1, selector, is_last, &mut next_sequence);
    }
    let disk = MemoryDisk::new();
    disk.create_dir(Path::new(DIRECTORY)).expect("a directory");
    for (number, content) in segments.iter().enumerate() {
        let file = disk.create(&segment_path(number)).expect("a file");
        file.write_all_at(&header(number as u64 + 1, HEADER_BYTES + content.len()), 0).expect("a write");
        file.write_all_at(content, HEADER_BYTES as u64).expect("a write");
        file.sync_all().expect("a sync");
    }
    if let Some(mark) = &mark {
        let file = disk.create(&mark_path()).expect("a file");
        file.write_all_at(mark, 0).expect("a write");
        file.sync_all().expect("a sync");
    }
    disk.sync_dir(Path::new(DIRECTORY)).expect("a sync");

    let inspected = inspect(&disk, Path::new(DIRECTORY), STORE, &mut ());
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * input.len();
    let (log, recovered) = match bounded("opening", memory, || open(&disk)) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!matches!(error, OpenError::Disk(_) | OpenError::Thread(_)), "{error}");
            let again = open(&disk).map(drop).expect_err("what was refused is refused again");
            assert_eq!(error.to_string(), again.to_string());
            let inspected = inspected.map(drop).expect_err("what is refused is at fault");
            assert_eq!(error.to_string(), inspected.to_string());
            for (number, content) in segments.iter().enumerate() {
                assert_eq!(
                    content_of(&disk, &segment_path(number))[HEADER_BYTES..],
                    content[..],
                    "refused, but changed"
                );
            }
            assert_eq!(mark.is_some().then(|| content_of(&disk, &mark_path())), mark);
            return Outcome::Refused;
        }
    };
    let facts = inspected.unwrap_or_else(|error| panic!("opened, although {error}"));
    let seen = (facts.purged, facts.last, facts.entry_count, in_the_past(&facts.notices));
    let found = (recovered.purged, recovered.last, recovered.entry_count, recovered.notices.clone());
    assert_eq!(seen, found, "inspected");
    let entries = entries(&log, &recovered);
    log.close().expect("a log is closed");

    let (log, reopened) = open(&disk).unwrap_or_else(|error| panic!("opened before, but then: {error}"));
    assert_eq!(reopened, Recovered { tail: None, notices: Vec::new(), ..recovered.clone() }, "opened again");
    assert_eq!(self::entries(&log, &reopened), entries, "read again");
    let next = recovered.last.map_or(Some(0), |last| last.index.checked_add(1));
    // Numbers end where nothing can come to.
    let next = next.filter(|index| *index < u64::MAX && selector & left::SEQUENCES == 0);
    if let (Some(index), 0) = (next, selector & left::AS_OPENED) {
        append(&log, index);
        log.close().expect("a log is closed");
        let (log, grown) = open(&disk).unwrap_or_else(|error| panic!("appended to, but then: {error}"));
        assert_eq!(grown.entry_count, recovered.entry_count + 1);
        let last = grown.last.expect("an entry was appended");
        assert_eq!(last.index, index);
        let again = self::entries(&log, &grown);
        if let (Ok(before), Ok(after)) = (&entries, &again) {
            assert_eq!(after[..before.len()], before[..]);
        }
        log.close().expect("a log is closed");
    }
    if entries.is_ok() { Outcome::Read } else { Outcome::Refused }
}

/// Inspecting says what an opening would do; opening says what it did.
fn in_the_past(notices: &[String]) -> Vec<String> {
    notices
        .iter()
        .map(|notice| notice.replace(" would be cut off", " were cut off").replace("It would be ", "It was "))
        .collect()
}

fn open(disk: &MemoryDisk) -> Result<(Log<Entry>, Recovered), OpenError> {
    let options = LogOptions {
        thread_name_prefix: "fuzz".to_owned(),
        cache_bytes_max: 0,
        segment_bytes_first: 2 * HEADER_BYTES as u64,
        segment_bytes_max: 2 * HEADER_BYTES as u64,
        must_exist: false,
    };
    Log::open(Arc::new(disk.clone()), Path::new(DIRECTORY), STORE, options)
}

/// All entries as they are encoded, with their positions; or why they cannot be read.
fn entries(log: &Log<Entry>, recovered: &Recovered) -> Result<Vec<(LogPosition, Vec<u8>)>, String> {
    let Some(last) = recovered.last else { return Ok(Vec::new()) };
    let Some(first) =
        last.index.checked_sub(recovered.entry_count as u64).and_then(|before| before.checked_add(1))
    else {
        return Ok(Vec::new());
    };
    let read =
        log.read(first, last.index.saturating_add(1), usize::MAX).map_err(|error| error.to_string())?;
    let encode = |entry: Entry| {
        let mut bytes = Vec::new();
        pando_store::log::LogEntry::encode(&entry, &mut bytes);
        (entry.position, bytes)
    };
    let entries: Vec<_> = read.into_iter().map(encode).collect();
    assert_eq!(entries.len(), recovered.entry_count, "as many as were found");
    for (number, (position, _)) in entries.iter().enumerate() {
        assert_eq!(position.index, first + number as u64);
    }
    assert!(entries.last().is_none_or(|(position, _)| *position == last), "{last:?} is not the last");
    Ok(entries)
}

fn append(log: &Log<Entry>, index: u64) {
    let (sender, receiver) = channel();
    let entry = Entry { position: LogPosition { term: u64::MAX, node_id: 1, index }, change: Change::Blank };
    let durable = Box::new(move |outcome: Result<(), _>| sender.send(outcome).expect("somebody waits"));
    log.append(vec![entry], durable).expect("a log that was opened can be appended to");
    receiver.recv().expect("a callback is called").expect("the disk is well");
}

fn segment_path(number: usize) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{:016x}.segment", number + 1))
}

fn mark_path() -> PathBuf {
    Path::new(DIRECTORY).join("SYNCED")
}

fn content_of(disk: &MemoryDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, Access::Read).expect("the file is there");
    let mut content = vec![0; usize::try_from(file.size_bytes().expect("a size")).expect("a size")];
    file.read_exact_at(&mut content, 0).expect("a read");
    content
}

fn header(sequence: u64, size: usize) -> Vec<u8> {
    let mut header = b"PANDOLOG\x01\0\0\0\0\0\0\0".to_vec();
    header.extend(STORE.0);
    header.extend(sequence.to_le_bytes());
    header.extend((size as u64).to_le_bytes());
    header.extend(crc32fast::hash(&header).to_le_bytes());
    header.resize(HEADER_BYTES, 0);
    header
}

fn number_at(content: &[u8], at: usize) -> usize {
    content[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

fn put(content: &mut [u8], at: usize, bytes: &[u8]) {
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Makes batches of what begins like some, from the front.
fn put_right(content: &mut [u8], segment: u64, selector: u8, is_last: bool, next_sequence: &mut Option<u64>) {
    let mut offset = 0;
    while content.len() >= offset + BATCH_HEADER_BYTES + BATCH_TRAILER_BYTES
        && content[offset..].starts_with(b"PBAT")
    {
        if selector & left::BATCHES != 0 {
            return;
        }
        let room = content.len() - offset - BATCH_HEADER_BYTES - BATCH_TRAILER_BYTES;
        let length = number_at(content, offset + 4).min(room) / 8 * 8;
        let end = offset + BATCH_HEADER_BYTES + length;
        let behind = end + BATCH_TRAILER_BYTES;
        let is_torn = is_last && selector & left::LAST_BATCH != 0 && !content[behind..].starts_with(b"PBAT");
        if is_torn {
            return;
        }
        put(content, offset + 4, &(length as u32).to_le_bytes());
        let count = put_records_right(&mut content[offset + BATCH_HEADER_BYTES..end], selector);
        if selector & left::COUNTS == 0 {
            put(content, offset + 16, &count.to_le_bytes());
        }
        let own = u64::from_le_bytes(*content[offset + 8..].first_chunk().expect("a header"));
        let sequence = if selector & left::SEQUENCES == 0 {
            next_sequence.unwrap_or(own & (u64::MAX >> 8))
        } else {
            own
        };
        *next_sequence = Some(sequence.wrapping_add(1));
        put(content, offset + 8, &sequence.to_le_bytes());
        let body_crc = crc32fast::hash(&content[offset + BATCH_HEADER_BYTES..end]);
        put(content, offset + 20, &body_crc.to_le_bytes());
        put(content, end, &body_crc.to_le_bytes());
        put(content, end + 4, b"PBTE");
        // The header of the file is whole sectors.
        let sectors_begin = (offset + BATCH_HEADER_BYTES).next_multiple_of(SECTOR_BYTES).min(behind);
        let sectors = content[sectors_begin..behind].chunks(SECTOR_BYTES);
        let blank = sectors.filter(|sector| sector.iter().all(|byte| *byte == 0)).count() as u32;
        put(content, offset + 24, &blank.to_le_bytes());
        let place = [
            &STORE.0[..],
            &segment.to_le_bytes(),
            &((HEADER_BYTES + offset) as u64).to_le_bytes(),
            &content[offset..offset + 28],
        ];
        put(content, offset + 28, &crc32fast::hash(&place.concat()).to_le_bytes());
        offset = behind;
    }
}

/// How many records there are then.
fn put_records_right(body: &mut [u8], selector: u8) -> u32 {
    let (mut at, mut count) = (0, 0);
    while body.len() >= at + RECORD_HEADER_BYTES {
        let length = number_at(body, at).min(body.len() - at - RECORD_HEADER_BYTES);
        if selector & left::RECORDS == 0 {
            put(body, at, &(length as u32).to_le_bytes());
            put(body, at + 9, &[0; 7]);
            let end = at + RECORD_HEADER_BYTES + length;
            let covered = [&body[at..at + 4], &body[at + 8..end]].concat();
            put(body, at + 4, &crc32fast::hash(&covered).to_le_bytes());
        }
        at = (at + RECORD_HEADER_BYTES + length).next_multiple_of(8);
        count += 1;
    }
    count
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = (body.len() as u32).to_le_bytes().to_vec();
    record.extend([0, 0, 0, 0, kind, 0, 0, 0, 0, 0, 0, 0]);
    record.extend(body);
    record.resize(record.len().next_multiple_of(8), 0);
    record
}

fn batch(sequence: u64, records: &[Vec<u8>]) -> Vec<u8> {
    let body = records.concat();
    let mut batch = b"PBAT".to_vec();
    batch.extend((body.len() as u32).to_le_bytes());
    batch.extend(sequence.to_le_bytes());
    batch.resize(BATCH_HEADER_BYTES, 0);
    batch.extend(body);
    batch.resize(batch.len() + BATCH_TRAILER_BYTES, 0);
    batch
}

fn position(index: u64) -> Vec<u8> {
    [1, 1, index].iter().flat_map(|field: &u64| field.to_le_bytes()).collect()
}

fn entry_record(index: u64, change: Change) -> Vec<u8> {
    let mut body = position(index);
    let entry = Entry { position: LogPosition { term: 1, node_id: 1, index }, change };
    pando_store::log::LogEntry::encode(&entry, &mut body);
    record(2, &body)
}

fn mark(batch_sequence: u64, flags: u32) -> Vec<u8> {
    let mut mark = b"PANDOSYN\x01\0\0\0".to_vec();
    mark.extend(flags.to_le_bytes());
    mark.extend(STORE.0);
    mark.extend(batch_sequence.to_le_bytes());
    mark.extend([0; 4]);
    mark
}

/// `{flags, vote length, committed, purged, last, vote}`.
fn checkpoint(flags: u32, committed: u64, purged: u64, last: u64, vote: &[u8]) -> Vec<u8> {
    let positions =
        [committed, purged, last].map(|index| if index == 0 { vec![0; 24] } else { position(index) });
    let head = [flags.to_le_bytes(), (vote.len() as u32).to_le_bytes()].concat();
    record(1, &[head, positions.concat(), vote.to_vec()].concat())
}

/// Logs of one and of two segments with records of each kind, whole, with a torn tail, and with a prepared segment.
pub fn seeds() -> Vec<Vec<u8>> {
    let vote = [&[1][..], &3u64.to_le_bytes(), &1u64.to_le_bytes(), &[1]].concat();
    let commands = |number: u64| {
        let origin = Origin { member_id: 1, incarnation: 2, first_sequence: number };
        let samples = super::command::samples();
        let commands = samples.into_iter().skip(number as usize).take(2).collect();
        Change::Commands(Arc::new(Batch::new(origin, 5, commands, None)))
    };
    let members = Change::Membership(Arc::new(Membership::of_one(1, "a@b")));
    let first = [
        batch(1, &[checkpoint(0, 0, 0, 0, &[]), record(3, &vote)]),
        batch(2, &[entry_record(1, members), entry_record(2, Change::Blank)]),
        batch(3, &[entry_record(3, commands(0)), record(4, &position(2))]),
        batch(4, &[entry_record(4, commands(2)), entry_record(5, commands(4)), record(5, &position(4))]),
        batch(5, &[entry_record(5, commands(6)), record(6, &position(2)), record(4, &position(5))]),
    ]
    .concat();
    let second = [
        batch(6, &[checkpoint(15, 5, 2, 5, &vote), entry_record(6, commands(1))]),
        batch(7, &[record(5, &position(5)), entry_record(6, Change::Blank)]),
    ]
    .concat();
    let emptied = [
        batch(9, &[checkpoint(14, 7, 7, 7, &[]), entry_record(8, Change::Blank)]),
        batch(10, &[record(6, &position(20)), record(4, &position(20)), entry_record(21, Change::Blank)]),
    ]
    .concat();
    let all_gone = batch(1, &[checkpoint(0, 0, 0, 0, &[]), entry_record(1, Change::Blank), record(5, &[])]);
    let seed = |selector: u8, segments: &[&[u8]]| {
        let mut seed = vec![selector];
        segments.iter().for_each(|segment| put_part(&mut seed, segment));
        seed
    };
    let zeros = [0; 128];
    // Of a sixth batch no more than a part of its header.
    let torn = [&first[..], b"PBAT", &[9; 20]].concat();
    vec![
        seed(0, &[&first]),
        seed(0, &[&[&first[..], &zeros].concat(), &second]),
        seed(0, &[&first, &[&second[..], &zeros].concat(), &zeros]),
        seed(left::LAST_BATCH, &[&torn]),
        seed(left::AS_OPENED, &[&emptied]),
        seed(0, &[&all_gone]),
        seed(0, &[&zeros]),
        seed(HAS_MARK, &[&mark(5, 1), &first]),
        seed(HAS_MARK, &[&mark(4, 0), &first, &second]),
        seed(HAS_MARK | left::LAST_BATCH, &[&mark(5, 0), &torn]),
        seed(HAS_MARK | MARK_IS_LEFT, &[&mark(4, 0), &first]),
    ]
}
