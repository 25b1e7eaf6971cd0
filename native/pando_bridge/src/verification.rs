//! Looking at stores that are not open, on a thread of its own.
//!
//! Invariants
//! 1. Who asked is told the end exactly once, unless it was cancelled; then it may be told nothing.
//! 2. Progress is told at most every `PROGRESS_INTERVAL_MS_MIN`: a process that does not look at its messages is not flooded.
//! 3. One that is cancelled ends at the next look, which comes at every 1,024 records of a snapshot and every segment of a log.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pando_store::disk::Disk;
use pando_store::verify::{Progress, Report, verify_all};

/// The time between two messages about progress, in milliseconds.
pub const PROGRESS_INTERVAL_MS_MIN: u64 = 100;

/// Who has asked for a verification.
pub trait VerificationObserver: Send + Sync + 'static {
    /// So many bytes of a file or directory were read, of so many. `Break`: nobody is there any more.
    fn progress(&self, path: &Path, read_bytes: u64, size_bytes: u64) -> ControlFlow<()>;
    /// What was found, or why nothing was looked at.
    fn ended(&self, result: Result<Vec<Report>, String>);
}

/// A verification under way. Dropping it cancels it.
pub struct Verification(Looking);

impl Verification {
    /// Looks at the stores at or in `directory`. `now` tells the time.
    pub fn start(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        observer: Arc<dyn VerificationObserver>,
        now: impl Fn() -> Instant + Send + 'static,
    ) -> Verification {
        let to_tell = observer.clone();
        let progress = move |path: &Path, read, size| to_tell.progress(path, read, size);
        let run = move |look: Progress<'_>| verify_all(&disk, &directory, look);
        Verification(Looking::start("pando-verify", now, progress, run, move |result| observer.ended(result)))
    }

    /// Nobody wants to know any more.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// Something that reads long on a thread of its own, and may be cancelled. Dropping it cancels it.
pub(crate) struct Looking {
    is_cancelled: Arc<AtomicBool>,
}

impl Looking {
    /// Runs `run` on a thread. `progress` hears of it at intervals, `ended` of its end, unless that is `None`: then nobody is
    /// there any more. `now` tells the time.
    pub(crate) fn start<R>(
        thread_name: &str,
        now: impl Fn() -> Instant + Send + 'static,
        progress: impl Fn(&Path, u64, u64) -> ControlFlow<()> + Send + 'static,
        run: impl FnOnce(Progress<'_>) -> Option<R> + Send + 'static,
        ended: impl Fn(Result<R, String>) + Send + Sync + 'static,
    ) -> Looking {
        let is_cancelled = Arc::<AtomicBool>::default();
        let looking = Looking { is_cancelled: is_cancelled.clone() };
        let ended = Arc::new(ended);
        let to_tell = ended.clone();
        let body = move || {
            let mut pace = Pace::default();
            let mut look = |path: &Path, read_bytes, size_bytes| {
                let is_due = pace.is_due(now());
                if is_cancelled.load(Ordering::Relaxed) {
                    ControlFlow::Break(())
                } else if is_due {
                    progress(path, read_bytes, size_bytes)
                } else {
                    ControlFlow::Continue(())
                }
            };
            match catch_unwind(AssertUnwindSafe(|| run(&mut look))) {
                Ok(None) => {}
                Ok(Some(result)) => ended(Ok(result)),
                Err(_) => ended(Err("a fault of Pando, details are on standard error".to_owned())),
            }
        };
        if let Err(error) = std::thread::Builder::new().name(thread_name.to_owned()).spawn(body) {
            to_tell(Err(format!("could not start a thread: {error}")));
        }
        looking
    }

    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Lets something through at intervals, the first time an interval after the first question: what is quick tells nothing.
#[derive(Default)]
struct Pace {
    last: Option<Instant>,
}

impl Pace {
    fn is_due(&mut self, now: Instant) -> bool {
        let last = *self.last.get_or_insert(now);
        let is_due = now.saturating_duration_since(last) >= Duration::from_millis(PROGRESS_INTERVAL_MS_MIN);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
#[path = "verification_test.rs"]
mod tests;
