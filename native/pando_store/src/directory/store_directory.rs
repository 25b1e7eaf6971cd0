//! The directory of a store, open and locked.

use super::reset::Reset;
use super::{DirectoryError, Identity, RecoveryPlaces};
use crate::disk::{Disk, DiskFile, PathKind, create_dir_durably, read_small_file};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const IDENTITY_FILE: &str = "IDENTITY";
pub(crate) const RESET_FILE: &str = "RESET";
pub(crate) const LOCK_FILE: &str = "LOCK";
pub(crate) const LOG_DIRECTORY: &str = "log";
pub(crate) const SNAPSHOT_DIRECTORY: &str = "snapshot";
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
            None => StoreDirectory::refuse_half_recovered(disk.as_ref(), path)?,
            Some(_) => return Err(DirectoryError::NotADirectory { path: path.to_path_buf() }),
        }
        create_dir_durably(disk.as_ref(), path)?;
        let lock = lock(disk.as_ref(), path, holder)?;
        let mut directory = StoreDirectory { disk, path: path.to_path_buf(), identity: None, _lock: lock };
        let (identity, reset) = read_checked(directory.disk.as_ref(), path)?;
        directory.identity = identity;
        if let Some(reset) = reset {
            directory.resume_reset(reset)?;
        }
        Ok(directory)
    }

    /// Looks at a directory that is not opened. Errors are those that opening it would answer; nothing is changed.
    pub fn inspect(disk: &dyn Disk, path: &Path) -> Result<DirectoryFacts, DirectoryError> {
        let (identity, reset) = read_checked(disk, path)?;
        // The data of the one that comes stay.
        let reset_to = reset.filter(|reset| identity == Some(reset.from)).map(|reset| reset.to);
        Ok(DirectoryFacts { identity, is_reset_pending: reset.is_some(), reset_to })
    }

    /// Holds the lock of a directory that somebody looks at, if it has ever had one. The file is not changed.
    pub fn lock_if_there(disk: &dyn Disk, path: &Path) -> Result<Option<Box<dyn DiskFile>>, DirectoryError> {
        match disk.kind(&path.join(LOCK_FILE))? {
            None => Ok(None),
            Some(_) => take_lock(disk, path).map(Some),
        }
    }

    /// Locks a directory that somebody is to work on, who says with `holder` who he is.
    pub(crate) fn lock(
        disk: &dyn Disk,
        path: &Path,
        holder: &str,
    ) -> Result<Box<dyn DiskFile>, DirectoryError> {
        lock(disk, path, holder)
    }

    /// Refuses a directory that is not there because a recovery is half done: an empty store would be founded in its place.
    pub(crate) fn refuse_half_recovered(disk: &dyn Disk, path: &Path) -> Result<(), DirectoryError> {
        let Some(places) = RecoveryPlaces::of(path) else { return Ok(()) };
        match disk.kind(&places.made.join(IDENTITY_FILE))? {
            None => Ok(()),
            Some(_) => {
                Err(DirectoryError::RecoveryInterrupted { path: path.to_path_buf(), made: places.made })
            }
        }
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

    /// Goes on with a reset that a crash has interrupted, and that was checked.
    fn resume_reset(&mut self, reset: Reset) -> Result<(), DirectoryError> {
        // A crash may have come between its renaming and its sync: nothing may be removed before it is durable.
        self.disk.sync_dir(&self.path)?;
        // The data go before the identity is written: what is there afterwards is that of the new member.
        if self.identity == Some(reset.from) {
            self.remove_data()?;
        }
        self.become_another(reset.to)
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

    fn remove_data(&self) -> Result<(), DirectoryError> {
        for directory in data_directories(self.disk.as_ref(), &self.path)? {
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

/// What a directory says that is not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DirectoryFacts {
    /// Who the member is.
    pub identity: Option<Identity>,
    /// A reset was interrupted, and goes on at the next opening.
    pub is_reset_pending: bool,
    /// Then all data go, and the member is this one.
    pub reset_to: Option<Identity>,
}

/// Whose directory it is, and the reset that is under way.
fn read_checked(disk: &dyn Disk, path: &Path) -> Result<(Option<Identity>, Option<Reset>), DirectoryError> {
    let identity = Identity::read(disk, &path.join(IDENTITY_FILE))?;
    let reset = Reset::read(disk, &path.join(RESET_FILE))?;
    if let Some(reset) = reset {
        check_reset(identity, reset, path)?;
    } else if identity.is_none() && holds_data(disk, path)? {
        return Err(DirectoryError::IdentityMissing { path: path.join(IDENTITY_FILE) });
    }
    Ok((identity, reset))
}

fn check_reset(identity: Option<Identity>, reset: Reset, directory: &Path) -> Result<(), DirectoryError> {
    if identity.is_some_and(|identity| identity == reset.from || identity == reset.to) {
        return Ok(());
    }
    Err(DirectoryError::Damaged {
        path: directory.join(RESET_FILE),
        detail: "it is about another member than IDENTITY names, so nothing was removed: files of two directories were mixed",
    })
}

fn data_directories(disk: &dyn Disk, path: &Path) -> Result<Vec<PathBuf>, DirectoryError> {
    let mut there = Vec::new();
    for path in [path.join(LOG_DIRECTORY), path.join(SNAPSHOT_DIRECTORY)] {
        if disk.kind(&path)? == Some(PathKind::Directory) {
            there.push(path);
        }
    }
    Ok(there)
}

fn holds_data(disk: &dyn Disk, path: &Path) -> Result<bool, DirectoryError> {
    for directory in data_directories(disk, path)? {
        if !disk.list(&directory)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn take_lock(disk: &dyn Disk, directory: &Path) -> Result<Box<dyn DiskFile>, DirectoryError> {
    let path = directory.join(LOCK_FILE);
    if let Some(lock) = disk.try_lock(&path)? {
        return Ok(lock);
    }
    // Who may not read the text may still know that the directory is in use.
    let text = read_small_file(disk, &path, HOLDER_BYTES_MAX).unwrap_or_default();
    let holder = String::from_utf8_lossy(&text).trim().to_owned();
    Err(DirectoryError::Locked { path: directory.to_path_buf(), holder })
}

fn lock(disk: &dyn Disk, directory: &Path, holder: &str) -> Result<Box<dyn DiskFile>, DirectoryError> {
    let lock = take_lock(disk, directory)?;
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
