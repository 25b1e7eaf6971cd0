//! What the callers, the writer and the preparer have in common: the state of the log under one short lock.

use super::Durable;
use super::cache::TailCache;
use super::error::LogError;
use super::index::LogIndex;
use super::position::{LogEntry, LogPosition};
use super::segment::Segment;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a log can say about itself without reading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogState {
    /// All entries up to this one were purged.
    pub purged: Option<LogPosition>,
    /// The last entry, or the purge point if nothing stands after it. It need not be durable yet.
    pub last: Option<LogPosition>,
    /// Entries that can be read.
    pub entry_count: usize,
    /// Why nothing is written any more, if so.
    pub poisoned: Option<Arc<str>>,
    /// Why the next segment could not be made in advance, if so. The current one still takes writes: stop taking
    /// proposals now, before the log has to stop. The log keeps trying.
    pub reserve_error: Option<Arc<str>>,
    /// Why an old segment could not be unlinked, if so: it takes room, and nothing else. The log keeps trying.
    pub unlink_error: Option<Arc<str>>,
}

/// An operation on its way to the disk.
pub(super) struct Job<E> {
    pub(super) kind: JobKind<E>,
    pub(super) durable: Durable,
}

pub(super) enum JobKind<E> {
    Append {
        entries: Vec<E>,
        generation: u64,
    },
    Vote(Vec<u8>),
    TruncateAfter(Option<LogPosition>),
    Purge(LogPosition),
    /// Make sure that so much can be written, in one batch or in several.
    Reserve(u64),
    /// Nothing to write; completed in its turn.
    Nothing,
    /// A drill: the writer panics.
    Panic,
}

/// A segment that holds batches.
pub(super) struct UsedSegment {
    pub(super) segment: Arc<Segment>,
    /// The highest index of any entry that was ever written to it.
    pub(super) index_max: Option<u64>,
}

pub(super) enum Lifecycle {
    Open,
    Closing,
    Poisoned(Arc<str>),
}

pub(super) struct State<E> {
    pub(super) index: LogIndex,
    pub(super) cache: TailCache<E>,
    pub(super) vote: Option<Vec<u8>>,
    pub(super) committed: Option<LogPosition>,
    /// The committed position is newer than what was queued for the disk.
    pub(super) committed_is_new: bool,
    pub(super) queue: VecDeque<Job<E>>,
    pub(super) queue_bytes: usize,
    pub(super) segments: BTreeMap<u64, UsedSegment>,
    pub(super) prepared_bytes: u64,
    /// What the rest of the current segment takes, or the next one if it is there and takes more.
    pub(super) room_bytes: u64,
    pub(super) lifecycle: Lifecycle,
    pub(super) writer_is_idle: bool,
    pub(super) writer_is_gone: bool,
}

pub(super) struct Shared<E> {
    state: Mutex<State<E>>,
    /// The writer waits here for jobs.
    pub(super) work: Condvar,
    /// Callers wait here for room in the queue and for the end of the writer.
    pub(super) progress: Condvar,
    pub(super) bytes_appended: AtomicU64,
}

impl<E: LogEntry> Shared<E> {
    pub(super) fn new(state: State<E>, bytes_appended: u64) -> Shared<E> {
        Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            progress: Condvar::new(),
            bytes_appended: AtomicU64::new(bytes_appended),
        }
    }

    /// No caller's code runs under this lock except `Clone`, `position` and `size_bytes` of entries, so a panic under
    /// it leaves nothing half done.
    pub(super) fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> State<E> {
    /// Whether the log takes operations.
    pub(super) fn check_open(&self) -> Result<(), LogError> {
        match &self.lifecycle {
            Lifecycle::Open => Ok(()),
            Lifecycle::Closing => Err(LogError::Closed),
            Lifecycle::Poisoned(reason) => Err(LogError::Poisoned { reason: reason.clone() }),
        }
    }
}
