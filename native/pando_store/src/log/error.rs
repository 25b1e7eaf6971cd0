//! What a log answers when it cannot do what it was asked for.

use crate::directory::StoreId;
use crate::disk::DiskError;
use crate::repair_hint::REPAIR_HINT;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An operation on an open log that was not done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LogError {
    /// A write, a sync or a thread failed earlier. Whether the operation will be found after reopening is unknown.
    Poisoned {
        /// What failed first.
        reason: Arc<str>,
    },
    /// The log was closed. The operation was not done.
    Closed,
    /// The entries are below the purge point: the reader needs a snapshot. Nothing is wrong with the log.
    Purged {
        /// What was asked for.
        from: u64,
        /// The first index that the log still has or will have.
        first_available: u64,
    },
    /// The caller broke the order of the log. The operation was not done.
    OutOfOrder {
        /// What is wrong with it.
        detail: String,
    },
    /// An entry or a vote is larger than the limit. The operation was not done.
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// The writer did not make room within the limit: the disk hangs. The operation was not done.
    Stalled {
        /// How long was waited.
        waited_ms: u64,
    },
    /// The disk did not give back what is in the log. Nothing was changed.
    Read(Arc<DiskError>),
    /// Bytes that were valid when the log was opened are not any more. Nothing was changed.
    Damaged {
        /// In which file.
        path: PathBuf,
        /// At which offset.
        offset: u64,
        /// What is wrong there.
        detail: String,
    },
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Poisoned { reason } => {
                write!(f, "the log has stopped after a failure and must be reopened: {reason}")
            }
            LogError::Closed => write!(f, "the log is closed"),
            LogError::Purged { from, first_available } => {
                write!(f, "entry {from} was purged, the log begins at {first_available}: use a snapshot")
            }
            LogError::OutOfOrder { detail } => {
                write!(f, "refused, it would break the order of the log: {detail}")
            }
            LogError::TooLarge { size_bytes, size_bytes_max } => {
                write!(f, "{size_bytes} bytes are more than the log takes at once ({size_bytes_max})")
            }
            LogError::Stalled { waited_ms } => {
                write!(f, "the log has not written anything for {waited_ms} ms: look at the disk")
            }
            LogError::Read(error) => write!(f, "the log cannot be read: {error}"),
            LogError::Damaged { path, offset, detail } => {
                write!(f, "{} is damaged at offset {offset}: {detail}", path.display())
            }
        }
    }
}

impl Error for LogError {}

/// Why a log was not opened. Nothing on the disk was changed, except that an unfinished temporary file may be gone.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The disk refused an operation. Reopening may work when the cause is gone.
    Disk(DiskError),
    /// A thread could not be started.
    Thread(std::io::Error),
    /// The log should be there and is not.
    Empty {
        /// Where it should be.
        directory: PathBuf,
    },
    /// A segment is not there although entries of it are needed.
    MissingSegment {
        /// The file that should be there.
        path: PathBuf,
    },
    /// A segment belongs to another store.
    OtherStore {
        /// The segment.
        path: PathBuf,
        /// The store it belongs to.
        found: StoreId,
        /// The store that is being opened.
        expected: StoreId,
    },
    /// A segment was written by a newer version of this library.
    NewerFormat {
        /// The segment.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version that is understood here.
        supported: u32,
    },
    /// Bytes that had been synced are not what was written.
    Damaged {
        /// In which file.
        path: PathBuf,
        /// At which offset.
        offset: u64,
        /// What is wrong there.
        detail: String,
    },
}

impl OpenError {
    /// The file or directory that it is about.
    pub fn path(&self) -> Option<&Path> {
        match self {
            OpenError::Disk(error) => Some(&error.path),
            OpenError::Thread(_) => None,
            OpenError::Empty { directory: path }
            | OpenError::MissingSegment { path }
            | OpenError::OtherStore { path, .. }
            | OpenError::NewerFormat { path, .. }
            | OpenError::Damaged { path, .. } => Some(path),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Disk(error) => write!(f, "the log cannot be opened: {error}"),
            OpenError::Thread(error) => {
                write!(f, "the log cannot be opened, no thread could be started: {error}")
            }
            OpenError::Empty { directory } => {
                write!(
                    f,
                    "there is no log in {} although this store had one. {REPAIR_HINT}",
                    directory.display()
                )
            }
            OpenError::MissingSegment { path } => {
                write!(
                    f,
                    "the log segment {} is missing, and its entries are needed. {REPAIR_HINT}",
                    path.display()
                )
            }
            OpenError::OtherStore { path, found, expected } => write!(
                f,
                "{} belongs to the store {found}, not to {expected}: files of two stores were mixed. {REPAIR_HINT}",
                path.display()
            ),
            OpenError::NewerFormat { path, found, supported } => write!(
                f,
                "{} has format version {found}, this release reads up to {supported}: use the release that wrote it",
                path.display()
            ),
            OpenError::Damaged { path, offset, detail } => write!(
                f,
                "{} is damaged at offset {offset}: {detail}. Bytes that had been synced are lost, so acknowledged \
                 writes may be. {REPAIR_HINT}",
                path.display()
            ),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OpenError::Disk(error) => Some(error),
            OpenError::Thread(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DiskError> for OpenError {
    fn from(error: DiskError) -> OpenError {
        OpenError::Disk(error)
    }
}
