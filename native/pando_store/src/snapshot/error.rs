//! Why a snapshot was not written or not read.

use crate::directory::StoreId;
use crate::disk::DiskError;
use crate::repair_hint::REPAIR_HINT;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// A snapshot that was not written or not read. The files that were there before are untouched.
#[derive(Debug)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The disk refused an operation.
    Disk(DiskError),
    /// Bytes of the file are not what was written: use an older snapshot, or one of a peer.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong there.
        detail: &'static str,
    },
    /// The file was written by a newer version of this library.
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version that is understood here.
        supported: u32,
    },
    /// The file belongs to another store.
    OtherStore {
        /// The file.
        path: PathBuf,
        /// The store it belongs to.
        found: StoreId,
        /// The store that is open.
        expected: StoreId,
    },
    /// Every byte of the file is as it was written, but it is not what this release writes.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        text: String,
    },
    /// A record or the metadata is larger than the limit; the snapshot was given up.
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
}

impl SnapshotError {
    pub(super) fn damaged(path: &Path, offset: u64, detail: &'static str) -> SnapshotError {
        SnapshotError::Damaged { path: path.to_path_buf(), offset, detail }
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Disk(error) => write!(f, "snapshot: {error}"),
            SnapshotError::Damaged { path, offset, detail } => write!(
                f,
                "the snapshot {} is damaged at offset {offset}: {detail}. An older snapshot or one of a peer is needed",
                path.display()
            ),
            SnapshotError::NewerFormat { path, found, supported } => write!(
                f,
                "the snapshot {} has format version {found}, this release reads up to {supported}: use the release \
                 that wrote it",
                path.display()
            ),
            SnapshotError::OtherStore { path, found, expected } => write!(
                f,
                "the snapshot {} belongs to the store {found}, not to {expected}: files of two stores were mixed. \
                 {REPAIR_HINT}",
                path.display()
            ),
            SnapshotError::Unreadable { path, text } => write!(
                f,
                "the snapshot {} is as it was written, but this release cannot read it: {text}",
                path.display()
            ),
            SnapshotError::TooLarge { size_bytes, size_bytes_max } => {
                write!(
                    f,
                    "{size_bytes} bytes are more than a record of a snapshot may have ({size_bytes_max})"
                )
            }
        }
    }
}

impl Error for SnapshotError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SnapshotError::Disk(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DiskError> for SnapshotError {
    fn from(error: DiskError) -> SnapshotError {
        SnapshotError::Disk(error)
    }
}
