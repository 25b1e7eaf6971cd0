//! Reading a log: every segment from the oldest to the newest, and where it ends. Changes nothing on the disk.
//!
//! 1. What looks like a torn batch is one only if no valid batch follows it, nothing says that it was synced, and a part of it is
//!    missing as a write that was cut short leaves it. Anything else is damage.
//! 2. Behind the end of a log that was closed in order nothing was ever written: what stands there has decayed, and is harmless.

use super::batch::{ALIGNMENT_BYTES, BATCH_HEADER_BYTES, BATCH_TRAILER_BYTES, Batch, BatchSeal, Invalid};
use super::error::OpenError;
use super::index::Location;
use super::names::{is_temporary_name, parse_segment_name, segment_path};
use super::position::LogPosition;
use super::record::{self, Record};
use super::replay::Replay;
use super::segment::{HeaderError, SEGMENT_FORMAT_VERSION, SEGMENT_HEADER_BYTES, Segment};
use super::synced_mark::{FoundMark, SYNCED_FILE, SyncedMark};
use crate::directory::StoreId;
use crate::disk::{Access, Disk};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The first segment of a log.
pub(super) const SEQUENCE_FIRST: u64 = 1;

/// Bytes at the end of the log that count for nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tail {
    /// In which file.
    pub path: PathBuf,
    /// Where they begin.
    pub offset: u64,
    /// How many there are, zeros at the end not counted.
    pub size_bytes: u64,
    /// What they are.
    pub kind: TailKind,
}

/// How bytes got to the end of a log that count for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TailKind {
    /// A batch that was being written when the power failed or the process died. Nothing in it had been acknowledged.
    Torn,
    /// Nothing was written there: the log had been closed before. Zeros that have decayed.
    Decayed,
}

/// Who looks on while a log is read.
pub trait ScanObserver {
    /// An entry was read. It may be taken back by what follows.
    fn entry(&mut self, _position: LogPosition, _body: &[u8]) {}
    /// So much of the log has been read. `Break`: no more of it is wanted, and the reading ends with [`OpenError::Stopped`].
    fn progress(&mut self, _read_bytes: u64, _size_bytes: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Nobody looks on.
impl ScanObserver for () {}

/// The files of a log directory.
pub(super) struct Listing {
    /// Of the segments, consecutive.
    pub(super) sequences: Vec<u64>,
    /// What a crash left unfinished.
    pub(super) temporary: Vec<PathBuf>,
}

/// All that was read.
pub(super) struct Scan {
    pub(super) replay: Replay,
    /// With how far each is used.
    pub(super) segments: Vec<(Segment, UsedTo)>,
    /// The last batch; 0 if there is none.
    pub(super) batch_sequence: u64,
    pub(super) tail: Option<Tail>,
    pub(super) mark: FoundMark,
}

/// The segments of a log, which must be consecutive.
pub(super) fn list(disk: &dyn Disk, directory: &Path) -> Result<Listing, OpenError> {
    let (mut sequences, mut temporary) = (Vec::new(), Vec::new());
    for name in disk.list(directory)? {
        if is_temporary_name(&name) {
            temporary.push(directory.join(&name));
        }
        sequences.extend(parse_segment_name(&name));
    }
    sequences.sort_unstable();
    for (sequence, next) in sequences.iter().zip(sequences.iter().skip(1)) {
        if sequence + 1 != *next {
            return Err(OpenError::MissingSegment { path: segment_path(directory, sequence + 1) });
        }
    }
    Ok(Listing { sequences, temporary })
}

/// Reads the segments with these sequences.
pub(super) fn scan(
    disk: &dyn Disk,
    directory: &Path,
    store_id: StoreId,
    sequences: Vec<u64>,
    access: Access,
    observer: &mut dyn ScanObserver,
) -> Result<Scan, OpenError> {
    let mark = SyncedMark::read(disk, directory, store_id)?;
    let mut segments = Vec::with_capacity(sequences.len());
    for sequence in sequences {
        segments.push(open_segment(disk, directory, store_id, sequence, access)?);
    }
    let mut scanner = Scanner::default();
    let size_bytes = segments.iter().map(|segment| segment.size_bytes).sum();
    let mut read_bytes = 0;
    for segment in &segments {
        scanner.scan(segment, store_id, observer)?;
        read_bytes += segment.size_bytes;
        if observer.progress(read_bytes, size_bytes).is_break() {
            return Err(OpenError::Stopped { directory: directory.to_path_buf() });
        }
    }
    // First: if the end of the log is gone, and with it a purge, the beginning looks as if something were missing there.
    let tail = judge_end(&scanner, &segments, &mark)?;
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
    let Scanner { replay, next_batch_sequence, used, .. } = scanner;
    Ok(Scan {
        replay,
        segments: segments.into_iter().zip(used).collect(),
        batch_sequence: next_batch_sequence.map_or(0, |next| next - 1),
        tail,
        mark,
    })
}

/// Whether the log may end where it does.
fn judge_end(scanner: &Scanner, segments: &[Segment], mark: &FoundMark) -> Result<Option<Tail>, OpenError> {
    let last = scanner.next_batch_sequence.map_or(0, |next| next - 1);
    let (synced, is_closed) = match mark {
        FoundMark::Valid(mark) => (mark.batch_sequence, mark.is_closed),
        FoundMark::Missing | FoundMark::Damaged(_) => (0, false),
    };
    let end = || {
        let used = segments.iter().zip(&scanner.used);
        let last_used = used.rev().find(|(_, used)| used.offset > SEGMENT_HEADER_BYTES);
        let place = last_used.map(|(segment, used)| (segment.path.clone(), used.offset));
        place.or_else(|| segments.first().map(|segment| (segment.path.clone(), SEGMENT_HEADER_BYTES)))
    };
    if synced > last {
        let place = scanner.bad.as_ref().map(|bad| (bad.tail.path.clone(), bad.tail.offset)).or_else(end);
        let (path, offset) = place.unwrap_or_default();
        let detail = format!(
            "the log ends there with batch {last}, but {SYNCED_FILE} says that batch {synced} was synced"
        );
        return Err(OpenError::Damaged { path, offset, detail });
    }
    match &scanner.bad {
        None => Ok(None),
        Some(bad) if is_closed && synced == last => {
            Ok(Some(Tail { kind: TailKind::Decayed, ..bad.tail.clone() }))
        }
        Some(bad) if bad.invalid == Invalid::Torn => Ok(Some(bad.tail.clone())),
        Some(bad) => Err(OpenError::Damaged {
            path: bad.tail.path.clone(),
            offset: bad.tail.offset,
            detail: "a batch is not valid although all of it had reached the disk".to_owned(),
        }),
    }
}

fn open_segment(
    disk: &dyn Disk,
    directory: &Path,
    store_id: StoreId,
    sequence: u64,
    access: Access,
) -> Result<Segment, OpenError> {
    Segment::open(disk, directory, store_id, sequence, access)?.map_err(|error| {
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
    bad: Option<Bad>,
    /// A segment without a batch was seen: all that follow must be like it.
    prepared_path: Option<PathBuf>,
    content: Vec<u8>,
}

struct Bad {
    tail: Tail,
    invalid: Invalid,
}

/// How far a segment is used.
pub(super) struct UsedTo {
    pub(super) offset: u64,
    /// Where its last batch begins; the end of the header if it has none.
    pub(super) last_batch_offset: u64,
    /// Of the entries in it, also of those that are gone.
    pub(super) index_max: Option<u64>,
}

impl Scanner {
    fn scan(
        &mut self,
        segment: &Segment,
        store_id: StoreId,
        observer: &mut dyn ScanObserver,
    ) -> Result<(), OpenError> {
        let mut content = std::mem::take(&mut self.content);
        content.resize(usize::try_from(segment.size_bytes).unwrap_or(usize::MAX), 0);
        segment.file.read_exact_at(&mut content, 0)?;
        let scanned =
            self.scan_content(segment, &content, &BatchSeal::new(store_id, segment.sequence), observer);
        self.content = content;
        scanned
    }

    fn scan_content(
        &mut self,
        segment: &Segment,
        content: &[u8],
        seal: &BatchSeal,
        observer: &mut dyn ScanObserver,
    ) -> Result<(), OpenError> {
        let begin = usize::try_from(SEGMENT_HEADER_BYTES).unwrap_or(usize::MAX);
        let mut offset = begin;
        let mut last_batch_offset = begin;
        let mut index_max = None;
        while let Some(batch) = seal.parse(content, offset) {
            if self.next_batch_sequence.is_some_and(|expected| expected != batch.sequence) {
                break;
            }
            self.refuse_after_end(segment)?;
            self.next_batch_sequence = Some(batch.sequence + 1);
            let body_offset = offset + BATCH_HEADER_BYTES;
            last_batch_offset = offset;
            offset = body_offset + batch.body.len() + BATCH_TRAILER_BYTES;
            self.replay_batch(segment, body_offset, &batch, &mut index_max, observer)?;
        }
        let rest = content.get(offset..).unwrap_or_default();
        if let Some(size_bytes) = used_length(rest) {
            self.refuse_after_end(segment)?;
            if let Some(valid) = seal.find_from(content, offset) {
                let detail = format!("a batch is not valid although a later one, at offset {valid}, is");
                return Err(damaged(segment, offset, detail));
            }
            let invalid = seal.judge(content, offset);
            let (path, offset, size_bytes) = (segment.path.clone(), offset as u64, size_bytes as u64);
            let tail = Tail { path, offset, size_bytes, kind: TailKind::Torn };
            self.bad = Some(Bad { tail, invalid });
        }
        if offset == begin && self.bad.is_none() {
            self.prepared_path.get_or_insert_with(|| segment.path.clone());
        }
        let last_batch_offset = last_batch_offset as u64;
        self.used.push(UsedTo { offset: offset as u64, last_batch_offset, index_max });
        Ok(())
    }

    /// Something stands in this segment: then everything before it must be whole.
    fn refuse_after_end(&self, segment: &Segment) -> Result<(), OpenError> {
        if let Some(Bad { tail: Tail { path, offset, .. }, .. }) = &self.bad {
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
        batch: &Batch<'_>,
        index_max: &mut Option<u64>,
        observer: &mut dyn ScanObserver,
    ) -> Result<(), OpenError> {
        let Batch { body, record_count, .. } = *batch;
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
            if let Record::Entry { position, body } = &record {
                *index_max = (*index_max).max(Some(position.index));
                observer.entry(*position, body);
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
