//! The disk as this crate sees it: few operations, each of which a test can fail, lose or tear.
//!
//! 1. No module of this crate touches a file except through [`Disk`] and [`DiskFile`].
//! 2. What was written is durable only after a sync of the file; what was created, renamed or removed only after a sync
//!    of its directory. In a power cut [`MemoryDisk`] keeps of everything else whatever a test tells it to.
//! 3. The unit that the hardware writes whole is a sector of [`SECTOR_BYTES`]; unsynced sectors may reach the disk in
//!    any order, or not at all.

mod content;
mod fault;
mod memory_disk;
mod memory_file;
mod memory_names;
mod real_disk;

pub use fault::{Effect, Failure, Fault};
pub use memory_disk::{MemoryDisk, Moment};
pub use memory_file::Cache;
pub use real_disk::RealDisk;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The unit of an atomic hardware write that the file formats rely on.
pub const SECTOR_BYTES: usize = 512;

/// Levels of missing parent directories that are created for a path.
const DIRECTORY_LEVELS_MAX: usize = 64;

/// What a file system does for a store.
pub trait Disk: Send + Sync + 'static {
    /// Opens an existing file.
    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn DiskFile>, DiskError>;
    /// Creates a file for reading and writing; one that is there is emptied.
    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError>;
    /// Renames within one directory, replacing what is there. Durable after [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;
    /// Removes a file. Handles that are open keep reading it.
    fn remove_file(&self, path: &Path) -> Result<(), DiskError>;
    /// The names in a directory, sorted; names that are not UTF-8 are left out (no file of ours has one).
    fn list(&self, directory: &Path) -> Result<Vec<String>, DiskError>;
    /// Creates one directory whose parent is there. A directory that is there already is fine.
    fn create_dir(&self, path: &Path) -> Result<(), DiskError>;
    /// Makes creations, renames and removals in the directory durable.
    fn sync_dir(&self, directory: &Path) -> Result<(), DiskError>;
    /// What is at the path, if anything.
    fn kind(&self, path: &Path) -> Result<Option<PathKind>, DiskError>;
    /// Opens (or creates) a file and locks it exclusively until the handle is dropped. `None`: someone else holds it.
    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn DiskFile>>, DiskError>;
}

/// An open file. Offsets are absolute: there is no cursor.
pub trait DiskFile: Send + Sync {
    /// Fills the buffer from the offset; a file that ends before that is an error of kind `UnexpectedEof`.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), DiskError>;
    /// Writes all bytes at the offset, extending the file as needed.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError>;
    /// Makes the content durable, and of the metadata only what is needed to read it.
    fn sync_data(&self) -> Result<(), DiskError>;
    /// Has the system begin to write these bytes to the disk, in its own time: a hint that makes a later sync shorter. It
    /// makes nothing durable. False: this disk cannot be asked.
    fn begin_writing_back(&self, _offset: u64, _size_bytes: u64) -> bool {
        false
    }
    /// Makes content and metadata durable.
    fn sync_all(&self) -> Result<(), DiskError>;
    /// Cuts or extends the file (with zeros).
    fn set_len(&self, size_bytes: u64) -> Result<(), DiskError>;
    /// The length of the file.
    fn size_bytes(&self) -> Result<u64, DiskError>;
}

/// What an opened file is wanted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// What a path names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A socket, a device, or anything else that a store never makes.
    Other,
}

/// The operations of a disk, as errors, counters and staged failures name them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Operation {
    /// [`Disk::open`]
    Open,
    /// [`Disk::create`]
    Create,
    /// [`Disk::rename`]
    Rename,
    /// [`Disk::remove_file`]
    Remove,
    /// [`Disk::list`]
    List,
    /// [`Disk::create_dir`]
    CreateDir,
    /// [`Disk::sync_dir`]
    SyncDir,
    /// [`Disk::kind`]
    Kind,
    /// [`Disk::try_lock`]
    Lock,
    /// [`DiskFile::read_exact_at`]
    Read,
    /// [`DiskFile::write_all_at`]
    Write,
    /// [`DiskFile::sync_data`]
    SyncData,
    /// [`DiskFile::sync_all`]
    SyncAll,
    /// [`DiskFile::set_len`]
    SetLen,
    /// [`DiskFile::size_bytes`]
    Size,
}

impl Operation {
    fn words(self) -> &'static str {
        match self {
            Operation::Open => "open",
            Operation::Create => "create",
            Operation::Rename => "rename",
            Operation::Remove => "remove",
            Operation::List => "list",
            Operation::CreateDir => "create directory",
            Operation::SyncDir => "sync directory",
            Operation::Kind => "look at",
            Operation::Lock => "lock",
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::SyncData | Operation::SyncAll => "sync",
            Operation::SetLen => "set the length of",
            Operation::Size => "ask the length of",
        }
    }
}

/// An operation that the disk refused. After a failed write or sync nothing may be concluded about the bytes of the file.
#[derive(Debug)]
pub struct DiskError {
    /// What was tried.
    pub operation: Operation,
    /// On which path.
    pub path: PathBuf,
    /// What the system answered.
    pub source: io::Error,
}

impl DiskError {
    /// Joins an answer of the system with what was tried.
    pub fn new(operation: Operation, path: &Path, source: io::Error) -> DiskError {
        DiskError { operation, path: path.to_path_buf(), source }
    }

    /// True when the disk is full or a quota is used up: worth trying again after space was made.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// True when it is not for this process or this file system to do, however well the disk works.
    fn is_refused_to_us(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::Unsupported
        )
    }

    /// True when there is nothing at the path.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.operation.words(), self.path.display(), self.source)
    }
}

impl Error for DiskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

fn is_root(path: &Path) -> bool {
    path.parent().is_none()
}

/// Makes a directory durable, which is created with its missing parents if it is not there.
pub fn create_dir_durably(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    let mut missing = Vec::new();
    let mut level = Some(path);
    while let Some(directory) = level {
        if directory.as_os_str().is_empty() {
            break;
        }
        if disk.kind(directory)?.is_some() {
            sync_found_directory(disk, directory)?;
            break;
        }
        if missing.len() == DIRECTORY_LEVELS_MAX {
            let too_deep = io::Error::new(io::ErrorKind::InvalidInput, "too many missing parent directories");
            return Err(DiskError::new(Operation::CreateDir, path, too_deep));
        }
        missing.push(directory);
        level = directory.parent();
    }
    for directory in missing.into_iter().rev() {
        disk.create_dir(directory)?;
        sync_parent(disk, directory)?;
    }
    Ok(())
}

/// Makes a directory durable that was found: who created it may have died, or failed, before that. Those above it were
/// durable before it was created.
fn sync_found_directory(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    match sync_parent(disk, path) {
        // Then it was not created by us, and is not ours to make durable: a mount point, or a directory of others.
        Err(error) if error.is_refused_to_us() => Ok(()),
        synced => synced,
    }
}

/// Makes the entry of a path in its directory durable.
pub(crate) fn sync_parent(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => disk.sync_dir(Path::new(".")),
        Some(parent) => disk.sync_dir(parent),
        None => Ok(()),
    }
}

/// Puts a small file in place so that after a crash either the old content or all of the new is there.
pub(crate) fn write_file_atomically(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), DiskError> {
    let temporary = path.with_extension("tmp");
    // A crash may have left the file in place under this name, too, where renaming is two steps: creating would empty it.
    match disk.remove_file(&temporary) {
        Err(error) if !error.is_not_found() => return Err(error),
        _ => {}
    }
    let file = disk.create(&temporary)?;
    file.write_all_at(content, 0)?;
    file.sync_all()?;
    disk.rename(&temporary, path)?;
    sync_parent(disk, path)
}

/// Reads a small file whole; one that is longer than `size_bytes_max` is cut there (and fails its checksum later).
pub(crate) fn read_small_file(
    disk: &dyn Disk,
    path: &Path,
    size_bytes_max: usize,
) -> Result<Vec<u8>, DiskError> {
    let file = disk.open(path, Access::Read)?;
    let size_bytes = usize::try_from(file.size_bytes()?).unwrap_or(usize::MAX).min(size_bytes_max);
    let mut content = vec![0; size_bytes];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}
