//! The file system of the machine.

use crate::operating_system::begin_writing_back;

use super::{Access, Disk, DiskError, DiskFile, Operation, PathKind};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A [`Disk`] that is the file system of the machine.
#[derive(Clone, Copy, Default, Debug)]
pub struct RealDisk;

struct RealFile {
    file: File,
    path: PathBuf,
}

fn fail(operation: Operation, path: &Path) -> impl FnOnce(io::Error) -> DiskError + '_ {
    move |source| DiskError::new(operation, path, source)
}

fn boxed(file: File, path: &Path) -> Box<dyn DiskFile> {
    Box::new(RealFile { file, path: path.to_path_buf() })
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn DiskFile>, DiskError> {
        let write = access == Access::ReadWrite;
        let file =
            OpenOptions::new().read(true).write(write).open(path).map_err(fail(Operation::Open, path))?;
        Ok(boxed(file, path))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(boxed(options.open(path).map_err(fail(Operation::Create, path))?, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        fs::rename(from, to).map_err(fail(Operation::Rename, from))
    }

    fn remove_file(&self, path: &Path) -> Result<(), DiskError> {
        fs::remove_file(path).map_err(fail(Operation::Remove, path))
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, DiskError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(fail(Operation::List, directory))? {
            let entry = entry.map_err(fail(Operation::List, directory))?;
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other.map_err(fail(Operation::CreateDir, path)),
        }
    }

    fn sync_dir(&self, directory: &Path) -> Result<(), DiskError> {
        let opened = File::open(directory).map_err(fail(Operation::SyncDir, directory))?;
        opened.sync_all().map_err(fail(Operation::SyncDir, directory))
    }

    fn kind(&self, path: &Path) -> Result<Option<PathKind>, DiskError> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(PathKind::File)),
            Ok(metadata) if metadata.is_dir() => Ok(Some(PathKind::Directory)),
            Ok(_) => Ok(Some(PathKind::Other)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DiskError::new(Operation::Kind, path, error)),
        }
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn DiskFile>>, DiskError> {
        let mut options = OpenOptions::new();
        // Not truncated: until the lock is ours the text inside belongs to its holder.
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(fail(Operation::Lock, path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(boxed(file, path))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(DiskError::new(Operation::Lock, path, error)),
        }
    }
}

impl RealFile {
    fn fail(&self, operation: Operation) -> impl FnOnce(io::Error) -> DiskError + '_ {
        fail(operation, &self.path)
    }
}

impl DiskFile for RealFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), DiskError> {
        self.file.read_exact_at(buffer, offset).map_err(self.fail(Operation::Read))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        self.file.write_all_at(bytes, offset).map_err(self.fail(Operation::Write))
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(self.fail(Operation::SyncData))
    }

    fn begin_writing_back(&self, offset: u64, size_bytes: u64) -> bool {
        begin_writing_back(&self.file, offset, size_bytes)
    }

    fn sync_all(&self) -> Result<(), DiskError> {
        self.file.sync_all().map_err(self.fail(Operation::SyncAll))
    }

    fn set_len(&self, size_bytes: u64) -> Result<(), DiskError> {
        self.file.set_len(size_bytes).map_err(self.fail(Operation::SetLen))
    }

    fn size_bytes(&self) -> Result<u64, DiskError> {
        Ok(self.file.metadata().map_err(self.fail(Operation::Size))?.len())
    }
}
