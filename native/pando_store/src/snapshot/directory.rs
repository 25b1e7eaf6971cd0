//! The snapshots of a store: which there are, which is the newest that can be trusted, which may go.

use super::error::SnapshotError;
use super::reader::SnapshotReader;
use super::transfer::{ReceivedSnapshot, SnapshotContent};
use super::writer::SnapshotWriter;
use crate::directory::StoreId;
use crate::disk::{Access, Disk, create_dir_durably};
use crate::log::LogPosition;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SNAPSHOT_SUFFIX: &str = ".snapshot";
const TEMPORARY_SUFFIX: &str = ".tmp";
const FIELD_DIGITS: usize = 16;

/// The name of a snapshot file. Names sort as their positions do in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SnapshotName {
    /// The index of the last entry that is in it.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
}

impl SnapshotName {
    pub(super) fn new(position: LogPosition) -> SnapshotName {
        SnapshotName { index: position.index, term: position.term }
    }

    /// `<index>-<term>.snapshot`, both as 16 hex digits.
    pub fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{:016x}-{:016x}{SNAPSHOT_SUFFIX}", self.index, self.term))
    }

    /// The name of a snapshot's file; `None` for any other file.
    pub(crate) fn parse(name: &str) -> Option<SnapshotName> {
        let (index, term) = name.strip_suffix(SNAPSHOT_SUFFIX)?.split_once('-')?;
        Some(SnapshotName { index: parse_field(index)?, term: parse_field(term)? })
    }
}

fn parse_field(digits: &str) -> Option<u64> {
    let lower_case_hex = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    (digits.len() == FIELD_DIGITS && lower_case_hex).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

pub(super) fn temporary_path(directory: &Path, position: LogPosition) -> PathBuf {
    directory.join(format!("{:016x}-{:016x}{TEMPORARY_SUFFIX}", position.index, position.term))
}

pub(super) fn received_path(directory: &Path, position: LogPosition) -> PathBuf {
    directory.join(format!("{:016x}-{:016x}.received{TEMPORARY_SUFFIX}", position.index, position.term))
}

/// The newest snapshot that is whole, and those that were passed over because they are not.
pub struct NewestSnapshot {
    /// The snapshot, at its first record.
    pub reader: Option<SnapshotReader>,
    /// Why newer ones were passed over; to be logged.
    pub refused: Vec<SnapshotError>,
}

/// The directory of snapshots of one store. Only one writer at a time may write the same position.
#[derive(Clone)]
pub struct SnapshotDirectory {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    store_id: StoreId,
}

impl SnapshotDirectory {
    /// Opens the directory, which is made if it is not there. What a crash left unfinished is removed.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        store_id: StoreId,
    ) -> Result<SnapshotDirectory, SnapshotError> {
        create_dir_durably(disk.as_ref(), directory)?;
        for name in disk.list(directory)?.iter().filter(|name| name.ends_with(TEMPORARY_SUFFIX)) {
            disk.remove_file(&directory.join(name))?;
        }
        // A crash may have come between the last renaming and its sync.
        disk.sync_dir(directory)?;
        Ok(SnapshotDirectory { disk, directory: directory.to_path_buf(), store_id })
    }

    /// The directory of a store that is not opened: for reading only.
    pub fn at(disk: Arc<dyn Disk>, directory: &Path, store_id: StoreId) -> SnapshotDirectory {
        SnapshotDirectory { disk, directory: directory.to_path_buf(), store_id }
    }

    /// Begins a snapshot of the state after `position`. The metadata is stored in the header.
    pub fn create(&self, position: LogPosition, metadata: &[u8]) -> Result<SnapshotWriter, SnapshotError> {
        SnapshotWriter::create(self.disk.clone(), &self.directory, self.store_id, position, metadata)
    }

    /// Begins to take a snapshot from another member.
    pub fn receive(&self, position: LogPosition) -> Result<ReceivedSnapshot, SnapshotError> {
        ReceivedSnapshot::create(self.disk.clone(), &self.directory, self.store_id, position)
    }

    /// The bytes of a snapshot, to be sent to another member, which checks them.
    pub fn content(&self, name: SnapshotName) -> Result<SnapshotContent, SnapshotError> {
        SnapshotContent::new(self.disk.open(&name.path(&self.directory), Access::Read)?)
    }

    /// All snapshots, the newest first. They are complete, but only reading tells whether they are still undamaged.
    pub fn list(&self) -> Result<Vec<SnapshotName>, SnapshotError> {
        let names = self.disk.list(&self.directory)?;
        let mut snapshots: Vec<_> = names.iter().filter_map(|name| SnapshotName::parse(name)).collect();
        snapshots.sort_unstable_by(|left, right| right.cmp(left));
        Ok(snapshots)
    }

    /// Opens one snapshot and checks its header.
    pub fn read(&self, name: SnapshotName) -> Result<SnapshotReader, SnapshotError> {
        let path = name.path(&self.directory);
        let reader = SnapshotReader::open(self.disk.as_ref(), &path, self.store_id)?;
        if SnapshotName::new(reader.position()) != name {
            return Err(SnapshotError::damaged(
                &path,
                0,
                "the header is that of another snapshot: files were renamed",
            ));
        }
        Ok(reader)
    }

    /// The newest snapshot whose every byte is as it was written. Damaged ones are passed over; anything else that is
    /// wrong, above all a disk that does not read, is an error: it may pass.
    pub fn newest_valid(&self) -> Result<NewestSnapshot, SnapshotError> {
        let mut refused = Vec::new();
        for name in self.list()? {
            let verified = self.read(name).and_then(|mut reader| reader.verify().map(|()| reader));
            match verified {
                Ok(reader) => return Ok(NewestSnapshot { reader: Some(reader), refused }),
                Err(error @ SnapshotError::Damaged { .. }) => refused.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(NewestSnapshot { reader: None, refused })
    }

    /// Removes all snapshots but these. Readers that are open go on.
    pub fn retain(&self, kept: &[SnapshotName]) -> Result<(), SnapshotError> {
        for name in self.list()?.into_iter().filter(|name| !kept.contains(name)) {
            self.disk.remove_file(&name.path(&self.directory))?;
        }
        Ok(self.disk.sync_dir(&self.directory)?)
    }
}
