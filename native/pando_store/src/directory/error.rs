//! Why a directory was not opened.

use crate::disk::DiskError;
use crate::repair_hint::REPAIR_HINT;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// The directory of a store was not opened or not changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The disk refused an operation, for instance for lack of permission.
    Disk(DiskError),
    /// The path is a file.
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Another process, or another store of this one, has it open.
    Locked {
        /// The directory.
        path: PathBuf,
        /// How the holder described itself; empty if it has just begun.
        holder: String,
    },
    /// A file was written by a newer version of this library.
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version that is understood here.
        supported: u32,
    },
    /// The bytes of a file are not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: &'static str,
    },
    /// A recovery was interrupted between the last two steps: the new store is whole and not in its place yet.
    RecoveryInterrupted {
        /// Where the store belongs.
        path: PathBuf,
        /// Where it is.
        made: PathBuf,
    },
    /// There are a log or snapshots, but nothing says whose they are.
    IdentityMissing {
        /// The file that should be there.
        path: PathBuf,
    },
}

impl DirectoryError {
    /// The file or directory that it is about.
    pub fn path(&self) -> &Path {
        match self {
            DirectoryError::Disk(error) => &error.path,
            DirectoryError::NotADirectory { path }
            | DirectoryError::Locked { path, .. }
            | DirectoryError::NewerFormat { path, .. }
            | DirectoryError::Damaged { path, .. }
            | DirectoryError::RecoveryInterrupted { path, .. }
            | DirectoryError::IdentityMissing { path } => path,
        }
    }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DirectoryError::Disk(error) => write!(f, "the data directory cannot be used: {error}"),
            DirectoryError::NotADirectory { path } => {
                write!(f, "{} is a file, a data directory is needed there", path.display())
            }
            DirectoryError::Locked { path, holder } => {
                let holder = if holder.is_empty() { "someone who has not said its name yet" } else { holder };
                write!(f, "{} is in use by {holder}: only one may have it open", path.display())
            }
            DirectoryError::NewerFormat { path, found, supported } => write!(
                f,
                "{} has format version {found}, this release reads up to {supported}: use the release that wrote it",
                path.display()
            ),
            DirectoryError::Damaged { path, detail } => write!(
                f,
                "{} is damaged at offset 0: {detail}. Whose data the directory holds cannot be known without it. {REPAIR_HINT}",
                path.display()
            ),
            DirectoryError::RecoveryInterrupted { path, made } => write!(
                f,
                "{} is not there because its recovery was interrupted: what was recovered is whole, in {}. \
                 Run the recovery of {} once more, and it takes its place",
                path.display(),
                made.display(),
                path.display()
            ),
            DirectoryError::IdentityMissing { path } => write!(
                f,
                "{} is missing although the directory holds data: whose they are cannot be known without it. {REPAIR_HINT}",
                path.display()
            ),
        }
    }
}

impl Error for DirectoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DirectoryError::Disk(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DiskError> for DirectoryError {
    fn from(error: DiskError) -> DirectoryError {
        DirectoryError::Disk(error)
    }
}
