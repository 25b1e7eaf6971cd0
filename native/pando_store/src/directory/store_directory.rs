//! The directory of a store, open and locked.

use super::{DirectoryError, Identity};
use crate::disk::{Disk, DiskFile, PathKind, create_dir_durably, read_small_file};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const IDENTITY_FILE: &str = "IDENTITY";
const RESET_FILE: &str = "RESET";
const LOCK_FILE: &str = "LOCK";
const LOG_DIRECTORY: &str = "log";
const SNAPSHOT_DIRECTORY: &str = "snapshot";
/// What is kept of the holder's description.
const HOLDER_BYTES_MAX: usize = 1024;

/// The directory of a store. Locked until it is dropped.
pub struct StoreDirectory {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    identity: Option<Identity>,
    _lock: Box<dyn DiskFile>,
}

impl StoreDirectory {
    /// Opens and locks the directory, which is made if it is not there. `holder` says who we are to those who come
    /// second. A reset that was interrupted is completed.
    pub fn open(disk: Arc<dyn Disk>, path: &Path, holder: &str) -> Result<StoreDirectory, DirectoryError> {
        match disk.kind(path)? {
            Some(PathKind::Directory) | None => create_dir_durably(disk.as_ref(), path)?,
            Some(_) => return Err(DirectoryError::NotADirectory { path: path.to_path_buf() }),
        }
        let lock = lock(disk.as_ref(), path, holder)?;
        let mut directory = StoreDirectory { disk, path: path.to_path_buf(), identity: None, _lock: lock };
        if let Some(identity) = Identity::read(directory.disk.as_ref(), &directory.file(RESET_FILE))? {
            // A crash may have come between its renaming and its sync: nothing may be removed before it is durable.
            directory.disk.sync_dir(&directory.path)?;
            directory.finish_reset(identity)?;
        }
        directory.identity = Identity::read(directory.disk.as_ref(), &directory.file(IDENTITY_FILE))?;
        if directory.identity.is_none() && directory.holds_data()? {
            return Err(DirectoryError::IdentityMissing { path: directory.file(IDENTITY_FILE) });
        }
        Ok(directory)
    }

    /// Who this member is; `None` in a directory that nobody has used yet.
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Says who this member is, before the first segment or snapshot is made. Durable when it returns. Data that is
    /// there stays: to let go of it use [`StoreDirectory::reset`].
    pub fn set_identity(&mut self, identity: Identity) -> Result<(), DirectoryError> {
        identity.write(self.disk.as_ref(), &self.file(IDENTITY_FILE))?;
        self.identity = Some(identity);
        Ok(())
    }

    /// Forgets log and snapshots and becomes another member. They must not be open. After a crash at any point the
    /// directory is, at the next open, what it was or what it should become.
    pub fn reset(&mut self, identity: Identity) -> Result<(), DirectoryError> {
        identity.write(self.disk.as_ref(), &self.file(RESET_FILE))?;
        self.finish_reset(identity)
    }

    /// Where the log belongs.
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG_DIRECTORY)
    }

    /// Where the snapshots belong.
    pub fn snapshot_path(&self) -> PathBuf {
        self.path.join(SNAPSHOT_DIRECTORY)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn data_directories(&self) -> Result<Vec<PathBuf>, DirectoryError> {
        let mut there = Vec::new();
        for path in [self.log_path(), self.snapshot_path()] {
            if self.disk.kind(&path)? == Some(PathKind::Directory) {
                there.push(path);
            }
        }
        Ok(there)
    }

    fn holds_data(&self) -> Result<bool, DirectoryError> {
        for path in self.data_directories()? {
            if !self.disk.list(&path)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn finish_reset(&mut self, identity: Identity) -> Result<(), DirectoryError> {
        for directory in self.data_directories()? {
            for name in self.disk.list(&directory)? {
                self.disk.remove_file(&directory.join(name))?;
            }
            self.disk.sync_dir(&directory)?;
        }
        self.set_identity(identity)?;
        self.disk.remove_file(&self.file(RESET_FILE))?;
        Ok(self.disk.sync_dir(&self.path)?)
    }
}

fn lock(disk: &dyn Disk, directory: &Path, holder: &str) -> Result<Box<dyn DiskFile>, DirectoryError> {
    let path = directory.join(LOCK_FILE);
    let Some(lock) = disk.try_lock(&path)? else {
        // Who may not read the text may still know that the directory is in use.
        let text = read_small_file(disk, &path, HOLDER_BYTES_MAX).unwrap_or_default();
        let holder = String::from_utf8_lossy(&text).trim().to_owned();
        return Err(DirectoryError::Locked { path: directory.to_path_buf(), holder });
    };
    let text = holder.as_bytes();
    lock.set_len(0)?;
    match lock.write_all_at(text.get(..text.len().min(HOLDER_BYTES_MAX)).unwrap_or_default(), 0) {
        // The lock holds without its text, and on a full disk a store is still to be opened and read.
        Err(error) if !error.is_out_of_space() => Err(error.into()),
        _ => Ok(lock),
    }
}
