//! The directory of a store, open and locked.

use super::reset::Reset;
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
            Some(PathKind::Directory) => {}
            Some(_) => return Err(DirectoryError::NotADirectory { path: path.to_path_buf() }),
            None => create_dir_durably(disk.as_ref(), path)?,
        }
        let lock = lock(disk.as_ref(), path, holder)?;
        let mut directory = StoreDirectory { disk, path: path.to_path_buf(), identity: None, _lock: lock };
        directory.identity = Identity::read(directory.disk.as_ref(), &directory.file(IDENTITY_FILE))?;
        if let Some(reset) = Reset::read(directory.disk.as_ref(), &directory.file(RESET_FILE))? {
            directory.resume_reset(reset)?;
        }
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
        let Some(from) = self.identity else { return self.set_identity(identity) };
        let reset = Reset { from, to: identity };
        reset.write(self.disk.as_ref(), &self.file(RESET_FILE))?;
        self.remove_data()?;
        self.become_another(reset.to)
    }

    /// Goes on with a reset that a crash has interrupted.
    fn resume_reset(&mut self, reset: Reset) -> Result<(), DirectoryError> {
        match self.identity {
            Some(identity) if identity == reset.from => {
                self.remove_data()?;
                self.become_another(reset.to)
            }
            // The data went before the identity was written: what is there now is that of the new member.
            Some(identity) if identity == reset.to => self.become_another(reset.to),
            _ => Err(DirectoryError::Damaged {
                path: self.file(RESET_FILE),
                detail: "it is about another member than IDENTITY names, so nothing was removed: files of two directories \
                         were mixed",
            }),
        }
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

    fn remove_data(&self) -> Result<(), DirectoryError> {
        for directory in self.data_directories()? {
            for name in self.disk.list(&directory)? {
                self.disk.remove_file(&directory.join(name))?;
            }
            self.disk.sync_dir(&directory)?;
        }
        Ok(())
    }

    fn become_another(&mut self, identity: Identity) -> Result<(), DirectoryError> {
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
    let text = text.get(..text.len().min(HOLDER_BYTES_MAX)).unwrap_or_default();
    // Cut off afterwards: on a full disk the room that the text before had must not be lost to others in between.
    match lock.write_all_at(text, 0).and_then(|()| lock.set_len(text.len() as u64)) {
        // It is for people: a store can be opened and read on a disk that has no room for it. Nothing is better than
        // what is left of the name of another.
        Err(error) if error.is_out_of_space() => drop(lock.set_len(0)),
        written => written?,
    }
    Ok(lock)
}
