//! Opening a log: reads every segment, tells a torn tail from damage, and finds where to go on.

use super::batch::{ALIGNMENT_BYTES, BATCH_HEADER_BYTES, BatchSeal};
use super::error::OpenError;
use super::index::Location;
use super::names::{is_temporary_name, parse_segment_name, segment_path};
use super::options::LogOptions;
use super::position::LogPosition;
use super::record::{self, Record};
use super::replay::Replay;
use super::segment::{HeaderError, SEGMENT_FORMAT_VERSION, SEGMENT_HEADER_BYTES, Segment};
use super::shared::UsedSegment;
use super::writer::WritePoint;
use crate::directory::StoreId;
use crate::disk::{Disk, DiskError, create_dir_durably};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was found in a log when it was opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// The vote that was saved last.
    pub vote: Option<Vec<u8>>,
    /// The committed position that came to the disk last; the true one may be higher.
    pub committed: Option<LogPosition>,
    /// All entries up to this one were purged.
    pub purged: Option<LogPosition>,
    /// The last entry, or the purge point.
    pub last: Option<LogPosition>,
    /// How many entries can be read.
    pub entry_count: usize,
    /// A batch that was being written when the power failed, and was cut off. Nothing in it had been acknowledged.
    pub torn_tail: Option<TornTail>,
}

/// Bytes that were cut off the end of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// In which file.
    pub path: PathBuf,
    /// Where they began.
    pub offset: u64,
    /// How many there were, zeros at the end not counted.
    pub size_bytes: u64,
}

/// All that the open log is made of.
pub(super) struct Opened {
    pub(super) replay: Replay,
    pub(super) segments: BTreeMap<u64, UsedSegment>,
    pub(super) point: WritePoint,
    pub(super) torn_tail: Option<TornTail>,
    /// Batches of the segments that are left.
    pub(super) used_bytes: u64,
}

const SEQUENCE_FIRST: u64 = 1;

pub(super) fn open(
    disk: &dyn Disk,
    directory: &Path,
    store_id: StoreId,
    options: &LogOptions,
) -> Result<Opened, OpenError> {
    create_dir_durably(disk, directory)?;
    let mut sequences = find_segments(disk, directory)?;
    if sequences.is_empty() {
        if options.must_exist {
            return Err(OpenError::Empty { directory: directory.to_path_buf() });
        }
        Segment::create(disk, directory, store_id, SEQUENCE_FIRST, options.segment_bytes_first, &|| true)?;
        sequences.push(SEQUENCE_FIRST);
    }
    // A crash may have come between the last renaming and its sync.
    disk.sync_dir(directory)?;
    let mut scanner = Scanner::default();
    let mut segments = Vec::with_capacity(sequences.len());
    for sequence in sequences {
        let segment = open_segment(disk, directory, store_id, sequence)?;
        scanner.scan(&segment, store_id)?;
        segments.push(segment);
    }
    if let Some(index) = scanner.replay.index.missing_before_first() {
        let first = segments.first().map_or(SEQUENCE_FIRST, |segment| segment.sequence);
        let path = segment_path(directory, first.saturating_sub(1));
        return Err(match first {
            SEQUENCE_FIRST => OpenError::Damaged {
                path: segment_path(directory, first),
                offset: SEGMENT_HEADER_BYTES,
                detail: format!("the log begins after entry {index}, which was not purged"),
            },
            _ => OpenError::MissingSegment { path },
        });
    }
    finish(disk, directory, segments, scanner)
}

/// The sequences of all segments, which must be consecutive. Leftovers of a crash are removed.
fn find_segments(disk: &dyn Disk, directory: &Path) -> Result<Vec<u64>, OpenError> {
    let mut sequences = Vec::new();
    for name in disk.list(directory)? {
        if is_temporary_name(&name) {
            disk.remove_file(&directory.join(&name))?;
        }
        sequences.extend(parse_segment_name(&name));
    }
    sequences.sort_unstable();
    for (sequence, next) in sequences.iter().zip(sequences.iter().skip(1)) {
        if sequence + 1 != *next {
            return Err(OpenError::MissingSegment { path: segment_path(directory, sequence + 1) });
        }
    }
    Ok(sequences)
}

fn open_segment(
    disk: &dyn Disk,
    directory: &Path,
    store_id: StoreId,
    sequence: u64,
) -> Result<Segment, OpenError> {
    Segment::open(disk, directory, store_id, sequence)?.map_err(|error| {
        let path = segment_path(directory, sequence);
        match error {
            HeaderError::NewerFormat(found) => {
                OpenError::NewerFormat { path, found, supported: SEGMENT_FORMAT_VERSION }
            }
            HeaderError::OtherStore(found) => OpenError::OtherStore { path, found, expected: store_id },
            HeaderError::Damaged(detail) => OpenError::Damaged { path, offset: 0, detail: detail.to_owned() },
        }
    })
}

/// Goes through the segments from the oldest to the newest.
#[derive(Default)]
struct Scanner {
    replay: Replay,
    next_batch_sequence: Option<u64>,
    used: Vec<UsedTo>,
    /// The first place where something other than a valid batch or zeros stands.
    bad: Option<TornTail>,
    /// A segment without a batch was seen: all that follow must be like it.
    prepared_path: Option<PathBuf>,
    content: Vec<u8>,
}

/// How far a segment is used.
struct UsedTo {
    offset: u64,
    index_max: Option<u64>,
}

impl Scanner {
    fn scan(&mut self, segment: &Segment, store_id: StoreId) -> Result<(), OpenError> {
        let mut content = std::mem::take(&mut self.content);
        content.resize(usize::try_from(segment.size_bytes).unwrap_or(usize::MAX), 0);
        segment.file.read_exact_at(&mut content, 0)?;
        let scanned = self.scan_content(segment, &content, &BatchSeal::new(store_id, segment.sequence));
        self.content = content;
        scanned
    }

    fn scan_content(&mut self, segment: &Segment, content: &[u8], seal: &BatchSeal) -> Result<(), OpenError> {
        let begin = usize::try_from(SEGMENT_HEADER_BYTES).unwrap_or(usize::MAX);
        let mut offset = begin;
        let mut index_max = None;
        while let Some(batch) = seal.parse(content, offset) {
            if self.next_batch_sequence.is_some_and(|expected| expected != batch.sequence) {
                break;
            }
            self.refuse_after_end(segment)?;
            self.next_batch_sequence = Some(batch.sequence + 1);
            let body_offset = offset + BATCH_HEADER_BYTES;
            self.replay_batch(segment, body_offset, batch.body, batch.record_count, &mut index_max)?;
            offset = body_offset + batch.body.len();
        }
        let rest = content.get(offset..).unwrap_or_default();
        if let Some(size_bytes) = used_length(rest) {
            self.refuse_after_end(segment)?;
            if let Some(valid) = seal.find_from(content, offset) {
                let detail = format!("a batch is not valid although a later one, at offset {valid}, is");
                return Err(damaged(segment, offset, detail));
            }
            let (path, offset) = (segment.path.clone(), offset as u64);
            self.bad = Some(TornTail { path, offset, size_bytes: size_bytes as u64 });
        }
        if offset == begin && self.bad.is_none() {
            self.prepared_path.get_or_insert_with(|| segment.path.clone());
        }
        self.used.push(UsedTo { offset: offset as u64, index_max });
        Ok(())
    }

    /// Something stands in this segment: then everything before it must be whole.
    fn refuse_after_end(&self, segment: &Segment) -> Result<(), OpenError> {
        if let Some(TornTail { path, offset, .. }) = &self.bad {
            let detail =
                format!("a batch is not valid although {} was written after it", segment.path.display());
            return Err(OpenError::Damaged { path: path.clone(), offset: *offset, detail });
        }
        match &self.prepared_path {
            None => Ok(()),
            Some(path) => Err(OpenError::Damaged {
                path: path.clone(),
                offset: SEGMENT_HEADER_BYTES,
                detail: format!(
                    "the segment is empty although {} was written after it",
                    segment.path.display()
                ),
            }),
        }
    }

    fn replay_batch(
        &mut self,
        segment: &Segment,
        body_offset: usize,
        body: &[u8],
        record_count: u32,
        index_max: &mut Option<u64>,
    ) -> Result<(), OpenError> {
        if record_count == 0 {
            return Err(damaged(segment, body_offset, "a batch holds no record".to_owned()));
        }
        let mut at = 0;
        let is_first_batch = body_offset as u64 == SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES as u64;
        for number in 0..record_count {
            let bytes = body.get(at..).unwrap_or_default();
            let offset = body_offset + at;
            let wrong = |detail: &str| damaged(segment, offset, detail.to_owned());
            let (record, size_bytes, padded_bytes) = record::parse(bytes).map_err(wrong)?;
            let is_checkpoint = matches!(record, Record::Checkpoint(_));
            if is_checkpoint != (is_first_batch && number == 0) {
                return Err(wrong(
                    "a checkpoint must be the first record of a segment and stand nowhere else",
                ));
            }
            if let Record::Entry { position, .. } = &record {
                *index_max = (*index_max).max(Some(position.index));
            }
            let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
            let location =
                Location { segment: segment.sequence, offset: small(offset), size_bytes: small(size_bytes) };
            self.replay.apply(record, location).map_err(wrong)?;
            at += padded_bytes;
        }
        if at != body.len() {
            return Err(damaged(
                segment,
                body_offset + at,
                "a batch has bytes after its last record".to_owned(),
            ));
        }
        Ok(())
    }
}

fn damaged(segment: &Segment, offset: usize, detail: String) -> OpenError {
    OpenError::Damaged { path: segment.path.clone(), offset: offset as u64, detail }
}

/// The bytes up to and with the last that is not zero.
fn used_length(bytes: &[u8]) -> Option<usize> {
    // Eight at a time from the end: a prepared segment has 64 MiB of zeros.
    let (words, tail) = bytes.as_chunks::<ALIGNMENT_BYTES>();
    if let Some(last) = tail.iter().rposition(|byte| *byte != 0) {
        return Some(words.len() * ALIGNMENT_BYTES + last + 1);
    }
    let word = words.iter().rposition(|word| u64::from_ne_bytes(*word) != 0)?;
    let last = words.get(word)?.iter().rposition(|byte| *byte != 0)?;
    Some(word * ALIGNMENT_BYTES + last + 1)
}

/// Cuts off a torn tail, makes durable what was found, and removes segments that a crash kept from being unlinked.
fn finish(
    disk: &dyn Disk,
    directory: &Path,
    segments: Vec<Segment>,
    scanner: Scanner,
) -> Result<Opened, OpenError> {
    let Scanner { replay, next_batch_sequence, used, bad: torn_tail, .. } = scanner;
    let begin = SEGMENT_HEADER_BYTES;
    let last_used = used.iter().rposition(|used| used.offset > begin);
    if let Some(torn) = &torn_tail {
        let segment = segments.iter().find(|segment| segment.path == torn.path);
        segment.map_or(Ok(()), |segment| cut_off(segment, torn))?;
    }
    let active_number = last_used.unwrap_or(0);
    if let Some(active) = segments.get(active_number) {
        // The process may have died between a write and its sync. What was found counts from here on: before anything
        // is written after it or unlinked because of it, it must be on the disk.
        active.file.sync_data()?;
    }
    let purged = replay.state.purged.map(|position| position.index);
    let mut opened = BTreeMap::new();
    let mut prepared = VecDeque::new();
    let (mut write_offset, mut used_bytes) = (begin, 0);
    for (number, (segment, used)) in segments.into_iter().zip(used).enumerate() {
        if number > active_number {
            prepared.push_back(segment);
            continue;
        }
        if number < active_number && opened.is_empty() && used.index_max <= purged {
            disk.remove_file(&segment.path)?;
            disk.sync_dir(directory)?;
            continue;
        }
        if number == active_number {
            write_offset = used.offset;
        }
        used_bytes += used.offset - begin;
        let UsedTo { index_max, .. } = used;
        opened.insert(segment.sequence, UsedSegment { segment: Arc::new(segment), index_max });
    }
    let Some(active) = opened.last_entry().map(|active| active.get().segment.clone()) else {
        return Err(OpenError::Empty { directory: directory.to_path_buf() });
    };
    let point = WritePoint {
        segment: active,
        offset: write_offset,
        batch_sequence: next_batch_sequence.unwrap_or(1),
        written: replay.state.clone(),
        prepared,
    };
    Ok(Opened { replay, segments: opened, point, torn_tail, used_bytes })
}

fn cut_off(segment: &Segment, torn: &TornTail) -> Result<(), DiskError> {
    let zeros = vec![0; usize::try_from(torn.size_bytes).unwrap_or(usize::MAX)];
    segment.file.write_all_at(&zeros, torn.offset)?;
    segment.file.sync_data()
}
