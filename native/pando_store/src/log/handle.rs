//! The log as its callers see it.

use super::Durable;
use super::cache::TailCache;
use super::error::{LogError, OpenError};
use super::open::{Opened, Recovered, ScannedLog};
use super::options::{
    CLOSE_WAIT_MS_MAX, ENTRY_BYTES_MAX, LogOptions, QUEUE_BYTES_MAX, QUEUE_WAIT_MS_MAX, ROOM_OVERHEAD_BYTES,
    VOTE_BYTES_MAX,
};
use super::position::{LogEntry, LogPosition};
use super::preparer::Preparer;
use super::reader::ReadPlan;
use super::shared::{Job, JobKind, Lifecycle, LogState, Shared, State};
use super::writer::Writer;
use crate::directory::StoreId;
use crate::disk::Disk;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A handle of an open log. Clones are cheap and mean the same log; when the last one is dropped the log is closed.
///
/// Every `durable` callback is called exactly once, also when the method itself answers an error (then with that error).
pub struct Log<E: LogEntry> {
    inner: Arc<Inner<E>>,
}

struct Inner<E: LogEntry> {
    shared: Arc<Shared<E>>,
    preparer: Arc<Preparer>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<E: LogEntry> Clone for Log<E> {
    fn clone(&self) -> Log<E> {
        Log { inner: self.inner.clone() }
    }
}

impl<E: LogEntry> Log<E> {
    /// Opens the log in a directory, which is made if it is not there. The caller holds the lock of the store.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        store_id: StoreId,
        mut options: LogOptions,
    ) -> Result<(Log<E>, Recovered), OpenError> {
        options.clamp();
        Log::start(ScannedLog::read(disk, directory, store_id, &options, &mut ())?, options)
    }

    /// Opens a log that was read.
    pub fn start(scanned: ScannedLog, mut options: LogOptions) -> Result<(Log<E>, Recovered), OpenError> {
        options.clamp();
        let (disk, store_id) = (scanned.disk().clone(), scanned.store_id());
        let directory = scanned.directory().to_path_buf();
        let Opened { replay, segments, point, tail, notices, used_bytes } = scanned.finish()?;
        let recovered = Recovered {
            vote: replay.state.vote.clone(),
            committed: replay.state.committed,
            purged: replay.state.purged,
            last: replay.state.last,
            entry_count: replay.index.entry_count(),
            tail,
            notices,
        };
        let state = State {
            index: replay.index,
            cache: TailCache::new(options.cache_bytes_max),
            vote: replay.state.vote,
            committed: replay.state.committed,
            committed_is_new: false,
            queue: VecDeque::new(),
            queue_bytes: 0,
            segments,
            prepared_bytes: point.prepared_bytes(),
            room_bytes: point.room_bytes(),
            lifecycle: Lifecycle::Open,
            writer_is_idle: false,
            writer_is_gone: false,
        };
        let shared = Arc::new(Shared::new(state, used_bytes));
        let preparer = Preparer::new(disk.clone(), directory.clone(), store_id, options.segment_bytes_first);
        let preparer = Arc::new(preparer);
        let prefix = options.thread_name_prefix.clone();
        let writer = Writer::new(shared.clone(), preparer.clone(), disk, directory, store_id, options, point);
        let inner = Inner { shared, preparer: preparer.clone(), threads: Mutex::default() };
        // If the second thread cannot be started, dropping `inner` ends the first.
        inner.start(format!("{prefix}-prep"), move || preparer.run())?;
        if let Err(error) = inner.start(format!("{prefix}-log"), move || writer.run()) {
            inner.shared.lock().writer_is_gone = true;
            inner.preparer.close();
            return Err(error);
        }
        Ok((Log { inner: Arc::new(inner) }, recovered))
    }

    /// Appends entries, which must follow the last one. They can be read when this returns, and are durable when the
    /// callback runs.
    pub fn append(&self, entries: Vec<E>, durable: Durable) -> Result<(), LogError> {
        let size_bytes = entries.iter().map(E::size_bytes).fold(0, usize::saturating_add);
        if let Some(largest) = entries.iter().map(E::size_bytes).max().filter(|size| *size > ENTRY_BYTES_MAX)
        {
            return refuse(too_large(largest, ENTRY_BYTES_MAX), durable);
        }
        self.submit(size_bytes, durable, |state| {
            let mut next = state.index.next_index();
            for entry in &entries {
                let index = entry.position().index;
                if next.is_some_and(|next| next != index) {
                    let detail = format!("entry {index} was appended where {} is due", next.unwrap_or(index));
                    return Err(LogError::OutOfOrder { detail });
                }
                next = Some(index + 1);
            }
            if entries.is_empty() {
                return Ok(JobKind::Nothing);
            }
            let generation = state.index.generation();
            for entry in &entries {
                state.index.push(entry.position(), super::index::Place::Pending { generation });
                state.cache.push(entry.clone());
            }
            Ok(JobKind::Append { entries, generation })
        })
    }

    /// Saves the vote, in order with the entries.
    pub fn save_vote(&self, vote: Vec<u8>, durable: Durable) -> Result<(), LogError> {
        if vote.len() > VOTE_BYTES_MAX {
            return refuse(too_large(vote.len(), VOTE_BYTES_MAX), durable);
        }
        self.submit(vote.len(), durable, |state| {
            state.vote = Some(vote.clone());
            Ok(JobKind::Vote(vote))
        })
    }

    /// The vote that was saved last, durable or not.
    pub fn vote(&self) -> Option<Vec<u8>> {
        self.inner.shared.lock().vote.clone()
    }

    /// Notes what is committed. It comes to the disk with the next operation, or when the log is closed.
    pub fn save_committed(&self, committed: Option<LogPosition>) {
        let mut state = self.inner.shared.lock();
        if state.committed != committed {
            state.committed = committed;
            state.committed_is_new = true;
        }
    }

    /// What was noted last.
    pub fn committed(&self) -> Option<LogPosition> {
        self.inner.shared.lock().committed
    }

    /// Drops all entries after the index; `None` drops all. What was purged cannot be cut off.
    pub fn truncate_after(&self, last: Option<u64>, durable: Durable) -> Result<(), LogError> {
        self.submit(0, durable, |state| {
            let purged = state.index.purged().map(|position| position.index);
            if last < purged {
                let detail = format!("cannot cut after {last:?}, which is below the purge point {purged:?}");
                return Err(LogError::OutOfOrder { detail });
            }
            let next = state.index.next_index().unwrap_or(0);
            let cut = last.map_or(0, |last| last.saturating_add(1));
            if cut >= next {
                return Ok(JobKind::Nothing);
            }
            let last = last.and_then(|last| state.index.position(last));
            state.index.truncate_after(last);
            state.cache.truncate_from(cut);
            Ok(JobKind::TruncateAfter(last))
        })
    }

    /// Drops all entries up to and with this one, which may lie beyond the last: then the log goes on after it.
    pub fn purge(&self, upto: LogPosition, durable: Durable) -> Result<(), LogError> {
        self.submit(0, durable, |state| {
            if state.index.purged().is_some_and(|purged| purged.index >= upto.index) {
                return Ok(JobKind::Nothing);
            }
            state.index.purge(upto);
            state.cache.purge_before(upto.index.saturating_add(1));
            Ok(JobKind::Purge(upto))
        })
    }

    /// Entries from `from` to before `end`, consecutive, of about `size_bytes_max` together, but at least one if there
    /// is one. May read from the disk.
    pub fn read(&self, from: u64, end: u64, size_bytes_max: usize) -> Result<Vec<E>, LogError> {
        let plan = ReadPlan::new(&self.inner.shared.lock(), from, end, size_bytes_max)?;
        plan.run()
    }

    /// How much can surely be written: entries of so many bytes together, beside those that are queued or written already.
    pub fn room_bytes(&self) -> u64 {
        let ready_bytes = self.inner.preparer.ready_bytes();
        let state = self.inner.shared.lock();
        let overhead_bytes = ROOM_OVERHEAD_BYTES + state.vote.as_ref().map_or(0, Vec::len) as u64;
        state.room_bytes.max(ready_bytes).saturating_sub(overhead_bytes)
    }

    /// Makes room for entries of so many bytes, in order with what was queued before: then [`Log::room_bytes`] is at least that.
    /// The callback answers [`LogError::NoRoom`] if the disk has none, and the log goes on.
    pub fn reserve(&self, size_bytes: u64, durable: Durable) -> Result<(), LogError> {
        self.submit(0, durable, |_| Ok(JobKind::Reserve(size_bytes)))
    }

    /// A drill: makes the writer panic, which poisons the log. The callback is told so.
    pub fn provoke_panic(&self, durable: Durable) -> Result<(), LogError> {
        self.submit(0, durable, |_| Ok(JobKind::Panic))
    }

    /// What there is.
    pub fn state(&self) -> LogState {
        let reserve_error = self.inner.preparer.last_error();
        let unlink_error = self.inner.preparer.unlink_error();
        let state = self.inner.shared.lock();
        let poisoned = match &state.lifecycle {
            Lifecycle::Poisoned(reason) => Some(reason.clone()),
            Lifecycle::Open | Lifecycle::Closing => None,
        };
        let (purged, last) = (state.index.purged(), state.index.last());
        LogState {
            purged,
            last,
            entry_count: state.index.entry_count(),
            poisoned,
            reserve_error,
            unlink_error,
        }
    }

    /// Bytes written since the log was opened, and those it held then: grows, and never shrinks while it is open.
    pub fn bytes_appended_total(&self) -> u64 {
        self.inner.shared.bytes_appended.load(Ordering::Relaxed)
    }

    /// What the segments take on the disk, those prepared included.
    pub fn size_on_disk_bytes(&self) -> u64 {
        let state = self.inner.shared.lock();
        let used: u64 = state.segments.values().map(|used| used.segment.size_bytes).sum();
        used + state.prepared_bytes
    }

    /// Writes what is queued, then ends the threads. All handles are closed by it. An error: the log had failed, or
    /// the disk hangs and the threads were left behind.
    pub fn close(self) -> Result<(), LogError> {
        self.inner.close()
    }

    /// Changes the state and queues what the disk must hear of it, or refuses both.
    fn submit(
        &self,
        size_bytes: usize,
        durable: Durable,
        change: impl FnOnce(&mut State<E>) -> Result<JobKind<E>, LogError>,
    ) -> Result<(), LogError> {
        let shared = &self.inner.shared;
        let mut state = match self.wait_for_room(size_bytes) {
            Ok(state) => state,
            Err(error) => return refuse(error, durable),
        };
        let kind = match change(&mut state) {
            Ok(kind) => kind,
            Err(error) => {
                drop(state);
                return refuse(error, durable);
            }
        };
        state.queue.push_back(Job { kind, durable });
        state.queue_bytes += size_bytes;
        let wake = std::mem::replace(&mut state.writer_is_idle, false);
        drop(state);
        if wake {
            shared.work.notify_one();
        }
        Ok(())
    }

    fn wait_for_room(&self, size_bytes: usize) -> Result<MutexGuard<'_, State<E>>, LogError> {
        let state = self.inner.shared.lock();
        let is_full = |state: &mut State<E>| {
            let is_open = matches!(state.lifecycle, Lifecycle::Open);
            is_open && state.queue_bytes > 0 && state.queue_bytes.saturating_add(size_bytes) > QUEUE_BYTES_MAX
        };
        let limit = Duration::from_millis(QUEUE_WAIT_MS_MAX);
        let waited = self.inner.shared.progress.wait_timeout_while(state, limit, is_full);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(LogError::Stalled { waited_ms: QUEUE_WAIT_MS_MAX });
        }
        state.check_open()?;
        Ok(state)
    }
}

fn too_large(size_bytes: usize, size_bytes_max: usize) -> LogError {
    LogError::TooLarge { size_bytes, size_bytes_max }
}

fn refuse(error: LogError, durable: Durable) -> Result<(), LogError> {
    durable(Err(error.clone()));
    Err(error)
}

impl<E: LogEntry> Inner<E> {
    fn start(&self, name: String, body: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let thread = thread::Builder::new().name(name).spawn(body).map_err(OpenError::Thread)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    fn close(&self) -> Result<(), LogError> {
        let mut state = self.shared.lock();
        if matches!(state.lifecycle, Lifecycle::Open) {
            state.lifecycle = Lifecycle::Closing;
        }
        self.shared.work.notify_one();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        if threads.iter().any(|thread| thread.thread().id() == thread::current().id()) {
            // The last handle was dropped by a callback: the thread ends by itself when it comes back from it.
            return Ok(());
        }
        let limit = Duration::from_millis(CLOSE_WAIT_MS_MAX);
        let is_writing = |state: &mut State<E>| !state.writer_is_gone;
        let waited = self.shared.progress.wait_timeout_while(state, limit, is_writing);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let outcome = match &state.lifecycle {
            _ if timeout.timed_out() => return Err(LogError::Stalled { waited_ms: CLOSE_WAIT_MS_MAX }),
            Lifecycle::Poisoned(reason) => Err(LogError::Poisoned { reason: reason.clone() }),
            Lifecycle::Open | Lifecycle::Closing => Ok(()),
        };
        drop(state);
        for thread in threads {
            // Both catch their panics, and the preparer was told to end by the writer.
            let _ = thread.join();
        }
        outcome
    }
}

impl<E: LogEntry> Drop for Inner<E> {
    fn drop(&mut self) {
        // A failure was told to everybody who waited for something.
        let _ = self.close();
    }
}
