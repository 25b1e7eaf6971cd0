//! Opening a log: makes it if it is not there, reads it, cuts off what was torn, and finds where to go on. In two steps, so that
//! whoever finds fault with what was read has changed nothing.

use super::batch::BATCH_HEADER_BYTES;
use super::error::OpenError;
use super::index::Place;
use super::options::LogOptions;
use super::position::LogPosition;
use super::record::{self, Record};
use super::replay::Replay;
use super::scan::{Listing, SEQUENCE_FIRST, Scan, ScanObserver, Tail, TailKind, UsedTo, list, scan};
use super::segment::{SEGMENT_HEADER_BYTES, Segment};
use super::shared::UsedSegment;
use super::synced_mark::{FoundMark, MarkWriter, SYNCED_FILE};
use super::writer::WritePoint;
use crate::directory::StoreId;
use crate::disk::{Access, Disk, DiskError, create_dir_durably};
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
    /// What stood behind the last batch, and was cut off.
    pub tail: Option<Tail>,
    /// What was found amiss and is harmless, in words.
    pub notices: Vec<String>,
}

/// All that the open log is made of.
pub(super) struct Opened {
    pub(super) replay: Replay,
    pub(super) segments: BTreeMap<u64, UsedSegment>,
    pub(super) point: WritePoint,
    pub(super) tail: Option<Tail>,
    pub(super) notices: Vec<String>,
    /// Batches of the segments that are left.
    pub(super) used_bytes: u64,
}

/// A log that was read and is not open yet. So far nothing was changed, but that it is there, and that unfinished files are gone.
pub struct ScannedLog {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    store_id: StoreId,
    scan: Scan,
}

impl ScannedLog {
    /// Reads the log in a directory, which is made if it is not there. The caller holds the lock of the store.
    pub fn read(
        disk: Arc<dyn Disk>,
        directory: &Path,
        store_id: StoreId,
        options: &LogOptions,
        observer: &mut dyn ScanObserver,
    ) -> Result<ScannedLog, OpenError> {
        create_dir_durably(disk.as_ref(), directory)?;
        let listing = list(disk.as_ref(), directory)?;
        for path in listing.temporary {
            disk.remove_file(&path)?;
        }
        let mut sequences = listing.sequences;
        if sequences.is_empty() {
            if options.must_exist {
                return Err(OpenError::Empty { directory: directory.to_path_buf() });
            }
            let size_bytes = options.segment_bytes_first;
            Segment::create(disk.as_ref(), directory, store_id, SEQUENCE_FIRST, size_bytes, &|| true)?;
            sequences.push(SEQUENCE_FIRST);
        }
        // A crash may have come between the last renaming and its sync.
        disk.sync_dir(directory)?;
        let scan = scan(disk.as_ref(), directory, store_id, sequences, Access::ReadWrite, observer)?;
        Ok(ScannedLog { disk, directory: directory.to_path_buf(), store_id, scan })
    }

    /// All entries up to this one were purged: a snapshot must have them.
    pub fn purged(&self) -> Option<LogPosition> {
        self.scan.replay.state.purged
    }

    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn store_id(&self) -> StoreId {
        self.store_id
    }

    /// Makes it ready to be written to.
    pub(super) fn finish(self) -> Result<Opened, OpenError> {
        finish(self.disk.as_ref(), &self.directory, self.store_id, self.scan)
    }
}

/// One segment of a log that is not open.
#[derive(Clone, Debug)]
pub struct SegmentFacts {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// How far it is used.
    pub used_bytes: u64,
}

/// What a log that is not open holds.
#[derive(Clone, Debug)]
pub struct LogFacts {
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
    /// The segments from the oldest to the newest.
    pub segments: Vec<SegmentFacts>,
    /// What opening it would tell.
    pub notices: Vec<String>,
}

impl SegmentFacts {
    fn of((segment, used): &(Segment, UsedTo)) -> SegmentFacts {
        SegmentFacts { path: segment.path.clone(), size_bytes: segment.size_bytes, used_bytes: used.offset }
    }
}

/// Reads a log and changes nothing on the disk. Errors are those that opening it would answer.
pub fn inspect(
    disk: &dyn Disk,
    directory: &Path,
    store_id: StoreId,
    observer: &mut dyn ScanObserver,
) -> Result<LogFacts, OpenError> {
    ClosedLog::read(disk, directory, store_id, observer).map(|log| log.facts())
}

/// Who is shown an entry: its position and its body.
pub type EntryVisitor<'a, X> = &'a mut dyn FnMut(LogPosition, &[u8]) -> Result<(), X>;

/// A log that was read and is not opened: nothing on the disk is changed.
pub struct ClosedLog {
    directory: PathBuf,
    scan: Scan,
}

impl ClosedLog {
    /// Reads the log in a directory. Errors are those that opening it would answer.
    pub fn read(
        disk: &dyn Disk,
        directory: &Path,
        store_id: StoreId,
        observer: &mut dyn ScanObserver,
    ) -> Result<ClosedLog, OpenError> {
        let Listing { sequences, .. } = list(disk, directory)?;
        if sequences.is_empty() {
            return Err(OpenError::Empty { directory: directory.to_path_buf() });
        }
        let scan = scan(disk, directory, store_id, sequences, Access::Read, observer)?;
        Ok(ClosedLog { directory: directory.to_path_buf(), scan })
    }

    /// What it holds.
    pub fn facts(&self) -> LogFacts {
        let Scan { replay, segments, tail, mark, .. } = &self.scan;
        LogFacts {
            vote: replay.state.vote.clone(),
            committed: replay.state.committed,
            purged: replay.state.purged,
            last: replay.state.last,
            entry_count: replay.index.entry_count(),
            segments: segments.iter().map(SegmentFacts::of).collect(),
            notices: notices(&self.directory, tail.as_ref(), mark, ("would be", "would be")),
        }
    }

    /// Shows each entry from this index on that was not taken back, in order.
    pub fn each_entry<X: From<OpenError>>(&self, from: u64, visit: EntryVisitor<'_, X>) -> Result<(), X> {
        let index = &self.scan.replay.index;
        let end = index.next_index().unwrap_or(0);
        let mut next = from.max(index.first_available().unwrap_or(end));
        let mut content = Vec::new();
        // An entry never stands in an earlier segment than the one before it.
        for (segment, used) in &self.scan.segments {
            content.clear();
            while next < end {
                let Some(Place::Written(location)) = index.place(next) else { break };
                if location.segment != segment.sequence {
                    break;
                }
                if content.is_empty() {
                    content.resize(usize::try_from(used.offset).unwrap_or(usize::MAX), 0);
                    segment.file.read_exact_at(&mut content, 0).map_err(OpenError::from)?;
                }
                let at = usize::try_from(location.offset).unwrap_or(usize::MAX);
                match record::parse(content.get(at..).unwrap_or_default()) {
                    Ok((Record::Entry { position, body }, ..)) if index.position(next) == Some(position) => {
                        visit(position, body)?;
                    }
                    _ => return Err(changed(segment, u64::from(location.offset)).into()),
                }
                next += 1;
            }
        }
        match end.checked_sub(next) {
            None | Some(0) => Ok(()),
            Some(_) => Err(OpenError::MissingSegment { path: self.directory.clone() }.into()),
        }
    }
}

fn changed(segment: &Segment, offset: u64) -> OpenError {
    let detail =
        "the entry there is not the one that was read before: somebody writes to the file".to_owned();
    OpenError::Damaged { path: segment.path.clone(), offset, detail }
}

/// Cuts off a torn tail, makes durable what was found, and removes segments that a crash kept from being unlinked.
fn finish(disk: &dyn Disk, directory: &Path, store_id: StoreId, scan: Scan) -> Result<Opened, OpenError> {
    let Scan { replay, segments, batch_sequence, tail, mark } = scan;
    let notices = notices(directory, tail.as_ref(), &mark, ("were", "was"));
    let begin = SEGMENT_HEADER_BYTES;
    let last_used = segments.iter().rposition(|(_, used)| used.offset > begin);
    if let Some(tail) = &tail {
        let segment = segments.iter().find(|(segment, _)| segment.path == tail.path);
        segment.map_or(Ok(()), |(segment, _)| cut_off(segment, tail))?;
    }
    let active_number = last_used.unwrap_or(0);
    if let Some((active, used)) = segments.get(active_number) {
        // The process may have died between a write and its sync. What was found counts from here on: before anything
        // is written after it or unlinked because of it, it must be on the disk.
        write_again(active, used)?;
        active.file.sync_data()?;
    }
    let mark = MarkWriter::open(disk, directory, store_id, &mark, batch_sequence)?;
    let purged = replay.state.purged.map(|position| position.index);
    let mut opened = BTreeMap::new();
    let mut prepared = VecDeque::new();
    let (mut write_offset, mut used_bytes) = (begin, 0);
    for (number, (segment, used)) in segments.into_iter().enumerate() {
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
        let index_max = used.index_max;
        opened.insert(segment.sequence, UsedSegment { segment: Arc::new(segment), index_max });
    }
    let Some(active) = opened.last_entry().map(|active| active.get().segment.clone()) else {
        return Err(OpenError::Empty { directory: directory.to_path_buf() });
    };
    let point = WritePoint {
        segment: active,
        offset: write_offset,
        batch_sequence: batch_sequence + 1,
        written: replay.state.clone(),
        prepared,
        mark,
    };
    Ok(Opened { replay, segments: opened, point, tail, notices, used_bytes })
}

/// Writes the last batch where it stands. Its sync may have failed under the process before: the system may then show it
/// although it is not on the disk, and count it as synced, so that only writing it again brings it there. (No batch was
/// written after one whose sync failed.)
fn write_again(segment: &Segment, used: &UsedTo) -> Result<(), DiskError> {
    let size_bytes = used.offset.saturating_sub(used.last_batch_offset);
    let mut batch = vec![0; usize::try_from(size_bytes).unwrap_or(usize::MAX)];
    segment.file.read_exact_at(&mut batch, used.last_batch_offset)?;
    segment.file.write_all_at(&batch, used.last_batch_offset)
}

/// Makes zeros of what stands behind the last batch. The first bytes last: however far the writes come, what is left still
/// looks torn.
fn cut_off(segment: &Segment, tail: &Tail) -> Result<(), DiskError> {
    let zeros = vec![0; usize::try_from(tail.size_bytes).unwrap_or(usize::MAX)];
    let (head, rest) = zeros.split_at_checked(BATCH_HEADER_BYTES).unwrap_or((&zeros, &[]));
    let write = || {
        segment.file.write_all_at(rest, tail.offset + head.len() as u64)?;
        segment.file.write_all_at(head, tail.offset)
    };
    write()?;
    segment.file.sync_data().inspect_err(|_| {
        // The system may show zeros now that are not on the disk and count them as synced: the next opening finds nothing to
        // cut off. Written again, they are synced then.
        let _ = write();
    })
}

/// What an operator should know, in words. `were` and `was`, or what would be.
fn notices(
    directory: &Path,
    tail: Option<&Tail>,
    mark: &FoundMark,
    (were, was): (&str, &str),
) -> Vec<String> {
    let mut notices = Vec::new();
    if let Some(Tail { path, offset, size_bytes, kind }) = tail {
        let why = match kind {
            TailKind::Torn => {
                "a write that was under way when the computer or the VM stopped, and was never acknowledged"
            }
            TailKind::Decayed => {
                "nothing was ever written there, so nothing is lost; but the disk does not keep what it was given: look at it"
            }
        };
        notices.push(format!(
            "{size_bytes} bytes at offset {offset} of {} {were} cut off: {why}",
            path.display()
        ));
    }
    if let FoundMark::Damaged(detail) = mark {
        notices.push(format!(
            "{} is damaged: {detail}. It {was} written anew, and nothing is lost; but the disk does not keep what it was \
             given: look at it",
            directory.join(SYNCED_FILE).display()
        ));
    }
    notices
}
