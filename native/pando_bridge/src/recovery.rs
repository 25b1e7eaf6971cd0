//! The last resort for stores whose majority is gone, on a thread of its own.
//!
//! Invariants
//! 1. Who asked is told the end exactly once, unless it was cancelled; then it may be told nothing.
//! 2. A recovery that is cancelled has changed nothing, or is done: see `pando_store::recover`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pando_store::disk::Disk;
use pando_store::recover::{RecoverError, RecoverOptions, Recovery, Survivor, inspect_all, recover};
use pando_store::verify::Progress;

use crate::verification::Looking;

/// What is asked for.
#[derive(Clone, Debug)]
pub enum RecoveryRequest {
    /// What is in these directories.
    Inspect(Vec<PathBuf>),
    /// A new cluster of what is in this one.
    Recover(PathBuf, RecoverOptions),
}

/// What became of it.
#[derive(Debug)]
pub enum RecoveryEnd {
    /// What was found.
    Inspected(Vec<Survivor>),
    /// The new cluster, or why there is none.
    Recovered(Result<Recovery, RecoverError>),
}

/// Who has asked.
pub trait RecoveryObserver: Send + Sync + 'static {
    /// So much of a file or directory was read or written, of so much. `Break`: nobody is there any more.
    fn progress(&self, path: &Path, done: u64, whole: u64) -> ControlFlow<()>;
    /// What became of it, or why nothing was begun.
    fn ended(&self, result: Result<RecoveryEnd, String>);
}

/// Under way. Dropping it cancels it.
pub struct RecoveryTask(Looking);

impl RecoveryTask {
    /// Begins. `now` tells the time.
    pub fn start(
        disk: Arc<dyn Disk>,
        request: RecoveryRequest,
        observer: Arc<dyn RecoveryObserver>,
        now: impl Fn() -> Instant + Send + 'static,
    ) -> RecoveryTask {
        let to_tell = observer.clone();
        let progress = move |path: &Path, done, whole| to_tell.progress(path, done, whole);
        let run = move |look: Progress<'_>| match request {
            RecoveryRequest::Inspect(directories) => {
                inspect_all(&disk, &directories, look).map(RecoveryEnd::Inspected)
            }
            RecoveryRequest::Recover(directory, options) => {
                match recover(&disk, &directory, &options, look) {
                    Err(RecoverError::Stopped) => None,
                    result => Some(RecoveryEnd::Recovered(result)),
                }
            }
        };
        RecoveryTask(Looking::start("pando-recover", now, progress, run, move |end| observer.ended(end)))
    }

    /// Nobody wants it any more.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}
