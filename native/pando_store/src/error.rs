//! Errors of a store, each saying what its caller may conclude.

use std::fmt;
use std::path::PathBuf;

use crate::consensus::Refusal;
use crate::directory::DirectoryError;
use crate::disk::DiskError;
use crate::log::OpenError as LogOpenError;
use crate::repair_hint::REPAIR_HINT;
use crate::snapshot::SnapshotError;
use crate::snapshot_thread::LoadError;

/// Why a command has no answer from the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The store is not open. Not applied.
    NotRunning,
    /// Too many commands, or too many bytes of commands, are waiting. Not applied; try again later.
    Overloaded,
    /// The store closed while the command was under way. Unknown: it may be applied when the store opens again.
    Closed,
    /// The store halted because of a fault, while the command was under way. Unknown.
    Halted(String),
    /// The disk has no room for more of the log. Not applied; writes are taken again when there is room.
    DiskFull(String),
    /// The command made the tree's code panic, and was left out. Not applied, on no member.
    CommandFailed(String),
    /// No majority of the members answers.
    NoQuorum {
        /// What is missing, in words.
        reason: String,
        /// Whether it may be applied all the same, when a majority is there again.
        outcome: OutcomeKnown,
    },
    /// Leadership changed while the command was under way, and it was left out. Not applied.
    LeaderChanged,
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> StoreError {
        match refusal {
            Refusal::NoQuorum { was_sent } => {
                let outcome = if was_sent { OutcomeKnown::Unknown } else { OutcomeKnown::NotApplied };
                let reason = "this member cannot reach enough of the others".to_owned();
                StoreError::NoQuorum { reason, outcome }
            }
            Refusal::Stopped => StoreError::Closed,
        }
    }
}

/// Whether a failed command may have been applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKnown {
    /// It was not, and never will be.
    NotApplied,
    /// It may have been, or may be later.
    Unknown,
}

impl StoreError {
    /// What the caller may conclude.
    pub fn outcome(&self) -> OutcomeKnown {
        match self {
            StoreError::NotRunning
            | StoreError::Overloaded
            | StoreError::DiskFull(_)
            | StoreError::LeaderChanged
            | StoreError::CommandFailed(_) => OutcomeKnown::NotApplied,
            StoreError::NoQuorum { outcome, .. } => *outcome,
            StoreError::Closed | StoreError::Halted(_) => OutcomeKnown::Unknown,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::NotRunning => write!(f, "the store is not open"),
            StoreError::Overloaded => write!(f, "too many commands are waiting; try again later"),
            StoreError::Closed => write!(f, "the store closed while the command was under way"),
            StoreError::Halted(reason) => write!(f, "the store has halted: {reason}"),
            StoreError::DiskFull(reason) => write!(f, "there is no room for more of the log: {reason}"),
            StoreError::CommandFailed(text) => write!(f, "the command was left out, it hit a fault: {text}"),
            StoreError::NoQuorum { reason, .. } => write!(f, "no majority of the members answers: {reason}"),
            StoreError::LeaderChanged => {
                write!(f, "leadership changed while the command was under way, and it was left out")
            }
        }
    }
}

impl std::error::Error for StoreError {}

/// Why a store could not be opened. Nothing was changed on disk, unless the text says so.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The data directory: locked, not a directory, unreadable, of a newer format.
    Directory(DirectoryError),
    /// The log.
    Log(LogOpenError),
    /// The snapshots.
    Snapshot(LoadError),
    /// The log does not reach back to the newest readable snapshot: entries between them are missing.
    Gap {
        /// Where the snapshots are.
        directory: PathBuf,
        /// Why newer ones were passed over.
        refused: Vec<String>,
        /// The first entry that the log has.
        log_starts_at: u64,
        /// The last entry in the newest readable snapshot.
        snapshot_ends_at: u64,
    },
    /// A thread could not be started.
    Thread(std::io::Error),
    /// The consensus part did not come up.
    Consensus(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Directory(error) => write!(f, "{error}"),
            OpenError::Log(error) => write!(f, "{error}"),
            OpenError::Snapshot(error) => write!(f, "{error}"),
            OpenError::Gap { directory, refused, log_starts_at, snapshot_ends_at } => {
                let shown = directory.display();
                match snapshot_ends_at {
                    0 => write!(
                        f,
                        "there is no readable snapshot in {shown}, but the log starts at entry {log_starts_at}"
                    )?,
                    end => write!(
                        f,
                        "the log starts at entry {log_starts_at}, but the newest readable snapshot in {shown} ends at {end}"
                    )?,
                }
                write!(f, ": the entries before are missing. ")?;
                refused.iter().try_for_each(|text| write!(f, "{text}. "))?;
                write!(f, "{REPAIR_HINT}")
            }
            OpenError::Thread(error) => write!(f, "could not start a thread: {error}"),
            OpenError::Consensus(text) => write!(f, "consensus did not start: {text}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<DirectoryError> for OpenError {
    fn from(error: DirectoryError) -> OpenError {
        OpenError::Directory(error)
    }
}

impl From<LogOpenError> for OpenError {
    fn from(error: LogOpenError) -> OpenError {
        OpenError::Log(error)
    }
}

impl From<LoadError> for OpenError {
    fn from(error: LoadError) -> OpenError {
        OpenError::Snapshot(error)
    }
}

impl From<SnapshotError> for OpenError {
    fn from(error: SnapshotError) -> OpenError {
        OpenError::Snapshot(LoadError::Snapshot(error))
    }
}

/// What kind of trouble an opening has had, for programs; the text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenTrouble {
    /// Somebody else has the directory open.
    Locked,
    /// A file stands where the directory should be.
    NotADirectory,
    /// The disk refused to read or write.
    Unreadable,
    /// The disk is full.
    DiskFull,
    /// A newer release has written it.
    NewerFormat,
    /// Something is not as it was written.
    Damaged,
    /// Files of another store are among its own.
    OtherStore,
    /// A recovery was interrupted and has to go on first.
    RecoveryInterrupted,
    /// Anything else.
    Other,
}

impl OpenTrouble {
    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            OpenTrouble::Locked => "locked",
            OpenTrouble::NotADirectory => "not_a_directory",
            OpenTrouble::Unreadable => "unreadable",
            OpenTrouble::DiskFull => "disk_full",
            OpenTrouble::NewerFormat => "newer_format",
            OpenTrouble::Damaged => "damaged",
            OpenTrouble::OtherStore => "other_store",
            OpenTrouble::RecoveryInterrupted => "recovery_interrupted",
            OpenTrouble::Other => "other",
        }
    }

    fn of_disk(error: &DiskError) -> OpenTrouble {
        match error.source.kind() {
            // A part of the path is a file.
            std::io::ErrorKind::NotADirectory => OpenTrouble::NotADirectory,
            _ if error.is_out_of_space() => OpenTrouble::DiskFull,
            _ => OpenTrouble::Unreadable,
        }
    }
}

impl OpenError {
    /// What kind of trouble it is.
    pub fn trouble(&self) -> OpenTrouble {
        match self {
            OpenError::Directory(error) => match error {
                DirectoryError::Disk(error) => OpenTrouble::of_disk(error),
                DirectoryError::NotADirectory { .. } => OpenTrouble::NotADirectory,
                DirectoryError::Locked { .. } => OpenTrouble::Locked,
                DirectoryError::NewerFormat { .. } => OpenTrouble::NewerFormat,
                DirectoryError::RecoveryInterrupted { .. } => OpenTrouble::RecoveryInterrupted,
                DirectoryError::Damaged { .. } | DirectoryError::IdentityMissing { .. } => {
                    OpenTrouble::Damaged
                }
            },
            OpenError::Log(error) => match error {
                LogOpenError::Disk(error) => OpenTrouble::of_disk(error),
                LogOpenError::Thread(_) | LogOpenError::Stopped { .. } => OpenTrouble::Other,
                LogOpenError::OtherStore { .. } => OpenTrouble::OtherStore,
                LogOpenError::NewerFormat { .. } => OpenTrouble::NewerFormat,
                LogOpenError::Empty { .. }
                | LogOpenError::MissingSegment { .. }
                | LogOpenError::Damaged { .. } => OpenTrouble::Damaged,
            },
            OpenError::Snapshot(LoadError::Snapshot(error)) => match error {
                SnapshotError::Disk(error) => OpenTrouble::of_disk(error),
                SnapshotError::Damaged { .. }
                | SnapshotError::Unreadable { .. }
                | SnapshotError::TooLarge { .. } => OpenTrouble::Damaged,
                SnapshotError::NewerFormat { .. } => OpenTrouble::NewerFormat,
                SnapshotError::OtherStore { .. } => OpenTrouble::OtherStore,
            },
            OpenError::Snapshot(LoadError::Content { .. }) | OpenError::Gap { .. } => OpenTrouble::Damaged,
            OpenError::Thread(_)
            | OpenError::Consensus(_)
            | OpenError::Snapshot(LoadError::Stopped { .. }) => OpenTrouble::Other,
        }
    }
}
