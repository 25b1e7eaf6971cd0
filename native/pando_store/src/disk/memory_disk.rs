//! A disk in memory that loses what was not synced, tears writes, fills up and fails on command. For tests.
//!
//! 1. A power cut keeps: synced content, names whose directory was synced, and of the rest only the sectors it is told to.
//! 2. A cut or kill gives a *new* disk; threads that still write go on with the old one and can harm nothing.
//! 3. A write that is made to fail has left the first half of its bytes behind.

use super::memory_file::MemoryFile;
use super::{Access, Disk, DiskError, DiskFile, Operation, PathKind};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type SharedFile = Arc<Mutex<MemoryFile>>;
type SyncHook = Arc<dyn Fn(&MemoryDisk) + Send + Sync>;

/// A failure to come: operations that match are let through `after` times, then `times` of them fail.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which operation fails.
    pub operation: Operation,
    /// Only on paths that end so; the empty text matches all.
    pub path_suffix: String,
    /// How many matching operations succeed before.
    pub after: u64,
    /// How many fail then.
    pub times: u64,
    /// What the system answers.
    pub kind: io::ErrorKind,
}

/// A [`Disk`] in memory. Clones are handles of the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Clone)]
enum Node {
    File(SharedFile),
    Directory,
}

#[derive(Default)]
struct Shared {
    current: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    failures: Vec<Failure>,
    counts: HashMap<Operation, u64>,
    capacity_bytes: Option<usize>,
    before_sync: Option<SyncHook>,
}

struct MemoryHandle {
    disk: MemoryDisk,
    file: SharedFile,
    path: PathBuf,
    owns_lock: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> MemoryDisk {
        MemoryDisk::default()
    }

    /// Makes an operation fail later. Several failures may be under way.
    pub fn fail(&self, failure: Failure) {
        locked(&self.shared).failures.push(failure);
    }

    /// How often the operation was asked for, failed ones included.
    pub fn count(&self, operation: Operation) -> u64 {
        locked(&self.shared).counts.get(&operation).copied().unwrap_or(0)
    }

    /// Writes that would make all files together larger fail with `StorageFull`; `None` lifts the limit.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<usize>) {
        locked(&self.shared).capacity_bytes = capacity_bytes;
    }

    /// Calls `hook` before every sync of a file, on the thread that syncs: the moment at which a power cut hurts most.
    pub fn before_sync(&self, hook: impl Fn(&MemoryDisk) + Send + Sync + 'static) {
        locked(&self.shared).before_sync = Some(Arc::new(hook));
    }

    /// How many unsynced sectors a power cut would have to decide about now, over all files.
    pub fn unsynced_sector_count(&self) -> usize {
        let shared = locked(&self.shared);
        shared
            .durable
            .values()
            .map(|node| node.file().map_or(0, |file| locked(file).unsynced_sector_count()))
            .sum()
    }

    /// The disk as it is after a power cut that kept the n-th unsynced sector where `keep(n)`.
    pub fn after_power_cut(&self, keep: impl Fn(usize) -> bool) -> MemoryDisk {
        let mut sector = 0;
        let mut keep_next = || {
            sector += 1;
            keep(sector - 1)
        };
        let shared = locked(&self.shared);
        let survivors = shared.durable.iter().filter(|(path, _)| {
            // A directory that was never made durable takes what is in it along.
            path.ancestors().skip(1).all(|up| is_root(up) || shared.durable.contains_key(up))
        });
        MemoryDisk::from_nodes(survivors, &mut |file| file.after_power_cut(&mut keep_next))
    }

    /// The disk as the next process finds it after this one was killed: nothing is lost, nothing is synced, no lock is held.
    pub fn after_kill(&self) -> MemoryDisk {
        let shared = locked(&self.shared);
        let disk = MemoryDisk::from_nodes(shared.current.iter(), &mut MemoryFile::after_kill);
        let mut durable = BTreeMap::new();
        for (path, node) in &shared.durable {
            // Names that were never synced must stay unsynced; contents are shared with the current names.
            let current = locked(&disk.shared).current.get(path).cloned();
            let node = match (node, current) {
                (Node::Directory, _) => Node::Directory,
                (Node::File(_), Some(same)) => same,
                (Node::File(file), None) => Node::File(Arc::new(Mutex::new(locked(file).after_kill()))),
            };
            durable.insert(path.clone(), node);
        }
        locked(&disk.shared).durable = durable;
        disk
    }

    /// Flips bits of one byte of a file, synced or not.
    pub fn flip_bits(&self, path: &Path, offset: u64, mask: u8) -> Result<(), DiskError> {
        let file = self.find(path, Operation::Write)?;
        locked(&file).flip_bits(to_usize(offset), mask);
        Ok(())
    }

    fn from_nodes<'a>(
        nodes: impl Iterator<Item = (&'a PathBuf, &'a Node)>,
        copy: &mut dyn FnMut(&MemoryFile) -> MemoryFile,
    ) -> MemoryDisk {
        let mut current = BTreeMap::new();
        for (path, node) in nodes {
            let copied = match node {
                Node::Directory => Node::Directory,
                Node::File(file) => Node::File(Arc::new(Mutex::new(copy(&locked(file))))),
            };
            current.insert(path.clone(), copied);
        }
        let durable = current.clone();
        MemoryDisk { shared: Arc::new(Mutex::new(Shared { current, durable, ..Shared::default() })) }
    }

    /// Counts the operation and fails it if a failure is due.
    fn begin(&self, operation: Operation, path: &Path) -> Result<(), DiskError> {
        let mut shared = locked(&self.shared);
        *shared.counts.entry(operation).or_insert(0) += 1;
        let text = path.to_string_lossy();
        for failure in &mut shared.failures {
            if failure.operation != operation || !text.ends_with(failure.path_suffix.as_str()) {
                continue;
            }
            if failure.after > 0 {
                failure.after -= 1;
            } else if failure.times > 0 {
                failure.times -= 1;
                return Err(DiskError::new(operation, path, io::Error::new(failure.kind, "staged failure")));
            }
        }
        Ok(())
    }

    fn find(&self, path: &Path, operation: Operation) -> Result<SharedFile, DiskError> {
        match locked(&self.shared).current.get(path) {
            Some(Node::File(file)) => Ok(file.clone()),
            Some(Node::Directory) => Err(error(operation, path, io::ErrorKind::IsADirectory)),
            None => Err(error(operation, path, io::ErrorKind::NotFound)),
        }
    }

    fn handle(&self, file: SharedFile, path: &Path, owns_lock: bool) -> Box<dyn DiskFile> {
        Box::new(MemoryHandle { disk: self.clone(), file, path: path.to_path_buf(), owns_lock })
    }

    /// Finds the file or makes an empty one in a directory that is there.
    fn find_or_make(&self, path: &Path, operation: Operation) -> Result<SharedFile, DiskError> {
        let mut shared = locked(&self.shared);
        match shared.current.get(path) {
            Some(Node::File(file)) => return Ok(file.clone()),
            Some(Node::Directory) => return Err(error(operation, path, io::ErrorKind::IsADirectory)),
            None => shared.check_parent(operation, path)?,
        }
        let file = SharedFile::default();
        shared.current.insert(path.to_path_buf(), Node::File(file.clone()));
        Ok(file)
    }
}

impl Node {
    fn file(&self) -> Option<&SharedFile> {
        match self {
            Node::File(file) => Some(file),
            Node::Directory => None,
        }
    }
}

impl Shared {
    fn check_parent(&self, operation: Operation, path: &Path) -> Result<(), DiskError> {
        match path.parent() {
            None => Ok(()),
            Some(parent) if is_root(parent) => Ok(()),
            Some(parent) => match self.current.get(parent) {
                Some(Node::Directory) => Ok(()),
                Some(Node::File(_)) => Err(error(operation, path, io::ErrorKind::NotADirectory)),
                None => Err(error(operation, path, io::ErrorKind::NotFound)),
            },
        }
    }

    fn used_bytes(&self) -> usize {
        self.current.values().filter_map(Node::file).map(|file| locked(file).size_bytes()).sum()
    }
}

fn is_root(path: &Path) -> bool {
    path.parent().is_none()
}

fn error(operation: Operation, path: &Path, kind: io::ErrorKind) -> DiskError {
    DiskError::new(operation, path, io::Error::from(kind))
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, _access: Access) -> Result<Box<dyn DiskFile>, DiskError> {
        self.begin(Operation::Open, path)?;
        Ok(self.handle(self.find(path, Operation::Open)?, path, false))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
        self.begin(Operation::Create, path)?;
        let file = self.find_or_make(path, Operation::Create)?;
        locked(&file).set_len(0);
        Ok(self.handle(file, path, false))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.begin(Operation::Rename, from)?;
        let mut shared = locked(&self.shared);
        shared.check_parent(Operation::Rename, to)?;
        match shared.current.remove(from) {
            Some(node) => shared.current.insert(to.to_path_buf(), node),
            None => return Err(error(Operation::Rename, from, io::ErrorKind::NotFound)),
        };
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> Result<(), DiskError> {
        self.begin(Operation::Remove, path)?;
        self.find(path, Operation::Remove)?;
        locked(&self.shared).current.remove(path);
        Ok(())
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, DiskError> {
        self.begin(Operation::List, directory)?;
        let shared = locked(&self.shared);
        match shared.current.get(directory) {
            Some(Node::Directory) => {}
            Some(Node::File(_)) => {
                return Err(error(Operation::List, directory, io::ErrorKind::NotADirectory));
            }
            None => return Err(error(Operation::List, directory, io::ErrorKind::NotFound)),
        }
        let inside = shared.current.keys().filter(|path| path.parent() == Some(directory));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.begin(Operation::CreateDir, path)?;
        let mut shared = locked(&self.shared);
        match shared.current.get(path) {
            Some(Node::Directory) => return Ok(()),
            Some(Node::File(_)) => {
                return Err(error(Operation::CreateDir, path, io::ErrorKind::AlreadyExists));
            }
            None => shared.check_parent(Operation::CreateDir, path)?,
        }
        shared.current.insert(path.to_path_buf(), Node::Directory);
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> Result<(), DiskError> {
        self.begin(Operation::SyncDir, directory)?;
        let mut shared = locked(&self.shared);
        let inside = |path: &PathBuf| path.parent() == Some(directory);
        shared.durable.retain(|path, _| !inside(path));
        let names: Vec<_> = shared.current.iter().filter(|(path, _)| inside(path)).collect();
        let names: Vec<_> = names.into_iter().map(|(path, node)| (path.clone(), node.clone())).collect();
        shared.durable.extend(names);
        Ok(())
    }

    fn kind(&self, path: &Path) -> Result<Option<PathKind>, DiskError> {
        self.begin(Operation::Kind, path)?;
        if is_root(path) {
            return Ok(Some(PathKind::Directory));
        }
        Ok(locked(&self.shared).current.get(path).map(|node| match node {
            Node::File(_) => PathKind::File,
            Node::Directory => PathKind::Directory,
        }))
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn DiskFile>>, DiskError> {
        self.begin(Operation::Lock, path)?;
        let file = self.find_or_make(path, Operation::Lock)?;
        if std::mem::replace(&mut locked(&file).locked, true) {
            return Ok(None);
        }
        Ok(Some(self.handle(file, path, true)))
    }
}

impl MemoryHandle {
    fn sync(&self, operation: Operation) -> Result<(), DiskError> {
        let hook = locked(&self.disk.shared).before_sync.clone();
        if let Some(hook) = hook {
            hook(&self.disk);
        }
        self.disk.begin(operation, &self.path)?;
        locked(&self.file).sync();
        Ok(())
    }
}

impl DiskFile for MemoryHandle {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), DiskError> {
        self.disk.begin(Operation::Read, &self.path)?;
        let file = locked(&self.file);
        match file.read(to_usize(offset), buffer.len()) {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None => return Err(error(Operation::Read, &self.path, io::ErrorKind::UnexpectedEof)),
        }
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        let offset = to_usize(offset);
        if let Err(failed) = self.disk.begin(Operation::Write, &self.path) {
            let (half, _) = bytes.split_at_checked(bytes.len() / 2).unwrap_or_default();
            locked(&self.file).write(offset, half);
            return Err(failed);
        }
        let shared = locked(&self.disk.shared);
        if let Some(capacity_bytes) = shared.capacity_bytes {
            let growth = (offset + bytes.len()).saturating_sub(locked(&self.file).size_bytes());
            if growth > 0 && shared.used_bytes() + growth > capacity_bytes {
                return Err(error(Operation::Write, &self.path, io::ErrorKind::StorageFull));
            }
        }
        locked(&self.file).write(offset, bytes);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.sync(Operation::SyncData)
    }

    fn sync_all(&self) -> Result<(), DiskError> {
        self.sync(Operation::SyncAll)
    }

    fn set_len(&self, size_bytes: u64) -> Result<(), DiskError> {
        self.disk.begin(Operation::SetLen, &self.path)?;
        locked(&self.file).set_len(to_usize(size_bytes));
        Ok(())
    }

    fn size_bytes(&self) -> Result<u64, DiskError> {
        self.disk.begin(Operation::Size, &self.path)?;
        Ok(locked(&self.file).size_bytes() as u64)
    }
}

impl Drop for MemoryHandle {
    fn drop(&mut self) {
        if self.owns_lock {
            locked(&self.file).locked = false;
        }
    }
}
