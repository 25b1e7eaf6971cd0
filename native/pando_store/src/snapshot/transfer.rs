//! A snapshot file as bytes: read in parts, and taken in parts from another member.

use super::directory::{SnapshotName, received_path};
use super::error::SnapshotError;
use super::reader::SnapshotReader;
use crate::directory::StoreId;
use crate::disk::{Disk, DiskFile};
use crate::log::LogPosition;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The bytes of a snapshot. It stays readable when its file is removed.
pub struct SnapshotContent {
    file: Box<dyn DiskFile>,
    size_bytes: u64,
}

impl SnapshotContent {
    pub(super) fn new(file: Box<dyn DiskFile>) -> Result<SnapshotContent, SnapshotError> {
        let size_bytes = file.size_bytes()?;
        Ok(SnapshotContent { file, size_bytes })
    }

    /// The length of the file.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Up to so many bytes from an offset on; fewer only at the end.
    pub fn read_part(&self, offset: u64, size_bytes_max: usize) -> Result<Vec<u8>, SnapshotError> {
        let left = usize::try_from(self.size_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut part = vec![0; left.min(size_bytes_max)];
        self.file.read_exact_at(&mut part, offset)?;
        Ok(part)
    }
}

/// A snapshot that comes from another member. Dropped without [`ReceivedSnapshot::finish`], it leaves nothing behind.
pub struct ReceivedSnapshot {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    store_id: StoreId,
    temporary: PathBuf,
    file: Box<dyn DiskFile>,
    position: LogPosition,
    is_finished: bool,
}

impl ReceivedSnapshot {
    pub(super) fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        store_id: StoreId,
        position: LogPosition,
    ) -> Result<ReceivedSnapshot, SnapshotError> {
        let temporary = received_path(directory, position);
        let file = disk.create(&temporary)?;
        let directory = directory.to_path_buf();
        Ok(ReceivedSnapshot { disk, directory, store_id, temporary, file, position, is_finished: false })
    }

    /// Takes a part.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.file.write_all_at(bytes, offset)?;
        self.file.begin_writing_back(offset, bytes.len() as u64);
        Ok(())
    }

    /// All parts are there: checks every byte, asks `is_readable` about the metadata, and gives the file its name. When this returns
    /// it is durable.
    pub fn finish(
        mut self,
        is_readable: impl FnOnce(&[u8]) -> Result<(), String>,
    ) -> Result<SnapshotName, SnapshotError> {
        self.file.sync_all()?;
        let mut reader = SnapshotReader::open(self.disk.as_ref(), &self.temporary, self.store_id)?;
        if reader.position() != self.position {
            return Err(SnapshotError::damaged(
                &self.temporary,
                0,
                "it is another snapshot than was announced",
            ));
        }
        reader.verify()?;
        is_readable(reader.metadata())
            .map_err(|text| SnapshotError::Unreadable { path: self.temporary.clone(), text })?;
        let name = SnapshotName::new(self.position);
        self.disk.rename(&self.temporary, &name.path(&self.directory))?;
        self.is_finished = true;
        self.disk.sync_dir(&self.directory)?;
        Ok(name)
    }
}

impl Drop for ReceivedSnapshot {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed now is removed when the directory is opened next.
            let _ = self.disk.remove_file(&self.temporary);
        }
    }
}
