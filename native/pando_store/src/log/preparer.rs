//! The background thread that makes the next segment before it is needed and unlinks the old ones.
//!
//! 1. At most one segment is asked for at a time; the writer takes it before it asks for the next.
//! 2. What could not be made is tried again, with a smaller size if space is short; nothing is given up for good.
//! 3. Segments are unlinked oldest first, each made durable before the next: a crash never leaves a gap. One that cannot
//!    be unlinked is tried again, and those after it wait; no write is refused for it.

use super::options::{PREPARE_RETRY_MS, PREPARE_WAIT_MS_MAX, SEGMENT_GROWTH};
use super::segment::Segment;
use crate::directory::StoreId;
use crate::disk::{Disk, DiskError};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Shared by the thread and the writer.
pub(super) struct Preparer {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    store_id: StoreId,
    segment_bytes_min: u64,
    state: Mutex<State>,
    /// The thread waits here.
    wanted: Condvar,
    /// The writer waits here.
    done: Condvar,
}

#[derive(Default)]
struct State {
    request: Option<Request>,
    ready: Option<Segment>,
    /// How many attempts have failed; the reason of the last, until one succeeds.
    failure_count: u64,
    last_error: Option<Arc<str>>,
    try_now: bool,
    unlink: VecDeque<PathBuf>,
    unlink_now: bool,
    unlink_error: Option<Arc<str>>,
    is_closing: bool,
    is_gone: bool,
}

#[derive(Clone, Copy)]
struct Request {
    sequence: u64,
    size_bytes: u64,
}

impl Preparer {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        store_id: StoreId,
        segment_bytes_min: u64,
    ) -> Preparer {
        let (state, wanted, done) = (Mutex::new(State::default()), Condvar::new(), Condvar::new());
        Preparer { disk, directory, store_id, segment_bytes_min, state, wanted, done }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a segment. Returns at once.
    pub(super) fn request(&self, sequence: u64, size_bytes: u64) {
        let mut state = self.lock();
        state.request = Some(Request { sequence, size_bytes });
        state.try_now = true;
        self.wanted.notify_one();
    }

    /// Waits for the segment that was asked for. An attempt that has failed is repeated once, now.
    pub(super) fn take(&self) -> Result<Segment, String> {
        let mut state = self.lock();
        let failures_before = state.failure_count;
        state.try_now = true;
        self.wanted.notify_one();
        let limit = Duration::from_millis(PREPARE_WAIT_MS_MAX);
        let waits = |state: &mut State| {
            state.ready.is_none() && !state.is_gone && state.failure_count == failures_before
        };
        let (mut state, _) =
            self.done.wait_timeout_while(state, limit, waits).unwrap_or_else(PoisonError::into_inner);
        state.ready.take().ok_or_else(|| match &state.last_error {
            Some(reason) => format!("no room for the next segment of the log: {reason}"),
            None => format!("the next segment of the log was not made within {PREPARE_WAIT_MS_MAX} ms"),
        })
    }

    /// What the segment takes that is ready and was not taken.
    pub(super) fn ready_bytes(&self) -> u64 {
        self.lock().ready.as_ref().map_or(0, Segment::capacity_bytes)
    }

    /// Unlinks segments, in this order.
    pub(super) fn unlink(&self, paths: impl IntoIterator<Item = PathBuf>) {
        let mut state = self.lock();
        state.unlink.extend(paths);
        state.unlink_now = true;
        self.wanted.notify_one();
    }

    pub(super) fn unlink_error(&self) -> Option<Arc<str>> {
        self.lock().unlink_error.clone()
    }

    pub(super) fn last_error(&self) -> Option<Arc<str>> {
        self.lock().last_error.clone()
    }

    /// Makes the thread end, in the middle of a segment if need be.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.wanted.notify_one();
    }

    /// The body of the thread.
    pub(super) fn run(&self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.work()));
        let mut state = self.lock();
        if outcome.is_err() {
            state.last_error = Some(Arc::from("the thread that makes segments has panicked"));
        }
        state.is_gone = true;
        self.done.notify_all();
    }

    fn work(&self) {
        let mut state = self.lock();
        while !state.is_closing {
            if let Some(path) = state.unlink.front().filter(|_| state.unlink_now).cloned() {
                drop(state);
                let removed = self.remove(&path);
                state = self.lock();
                match removed {
                    Ok(()) => {
                        state.unlink.pop_front();
                        state.unlink_error = None;
                    }
                    Err(error) => {
                        state.unlink_now = false;
                        state.unlink_error = Some(Arc::from(error.to_string()));
                    }
                }
            } else if let Some(request) = state.request.filter(|_| state.try_now) {
                state.try_now = false;
                drop(state);
                let made = self.make(request);
                state = self.lock();
                self.note(&mut state, made);
            } else if state.request.is_some() || !state.unlink.is_empty() {
                let retry = Duration::from_millis(PREPARE_RETRY_MS);
                let (waited, timeout) =
                    self.wanted.wait_timeout(state, retry).unwrap_or_else(PoisonError::into_inner);
                state = waited;
                state.try_now |= timeout.timed_out();
                state.unlink_now |= timeout.timed_out();
            } else {
                state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn note(&self, state: &mut State, made: Result<Option<Segment>, DiskError>) {
        match made {
            Ok(None) => {}
            Ok(Some(segment)) => {
                state.request = None;
                state.ready = Some(segment);
                state.last_error = None;
            }
            Err(error) => {
                state.failure_count += 1;
                state.last_error = Some(Arc::from(error.to_string()));
            }
        }
        self.done.notify_all();
    }

    fn make(&self, request: Request) -> Result<Option<Segment>, DiskError> {
        let Request { sequence, mut size_bytes } = request;
        let go_on = || !self.lock().is_closing;
        loop {
            let disk = self.disk.as_ref();
            match Segment::create(disk, &self.directory, self.store_id, sequence, size_bytes, &go_on) {
                Err(error) if error.is_out_of_space() && size_bytes > self.segment_bytes_min => {
                    size_bytes = (size_bytes / SEGMENT_GROWTH).max(self.segment_bytes_min);
                }
                made => return made,
            }
        }
    }

    fn remove(&self, path: &std::path::Path) -> Result<(), DiskError> {
        match self.disk.remove_file(path) {
            // Gone already: it was the sync that failed the last time.
            Err(error) if error.is_not_found() => {}
            removed => removed?,
        }
        self.disk.sync_dir(&self.directory)
    }
}
