//! A disk in memory that loses what was not synced, tears writes, fills up and fails on command. For tests.
//!
//! 1. A power cut keeps what was synced, and of the rest (sectors and lengths: `memory_file`; names: `memory_names`)
//!    only what it is told to.
//! 2. A cut or kill gives a *new* disk; threads that still write go on with the old one and can harm nothing.
//! 3. Each operation has a number, and a hook that is called before and after it, on the thread that asked for it.
//! 4. A failing operation has done what its [`Effect`] says, and nothing else.

use super::fault::{Effect, Fault};
use super::memory_file::MemoryFile;
use super::memory_names::{FileNumber, Names, Node};
use super::{Access, Disk, DiskError, DiskFile, Operation, PathKind};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type SyncHook = Arc<dyn Fn(&MemoryDisk) + Send + Sync>;
type OperationHook = Arc<dyn Fn(&MemoryDisk, &Moment) + Send + Sync>;

/// Before or after an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Counts all operations of the disk, from 1.
    pub number: u64,
    /// What is done.
    pub operation: Operation,
    /// To what, by the name that it has now; of a renaming, the old name.
    pub path: PathBuf,
    /// Whether it has been done, or has failed.
    pub is_after: bool,
}

/// A [`Disk`] in memory. Clones are handles of the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    state: State,
    next_file: FileNumber,
    /// Open handles of each file: one without a name goes with the last.
    handles: HashMap<FileNumber, usize>,
    faults: Vec<Fault>,
    counts: HashMap<Operation, u64>,
    operation_count: u64,
    capacity_bytes: Option<usize>,
    before_sync: Option<SyncHook>,
    on_operation: Option<OperationHook>,
}

/// What is on the disk and in its cache.
#[derive(Default)]
struct State {
    names: Names,
    files: BTreeMap<FileNumber, MemoryFile>,
}

struct MemoryHandle {
    disk: MemoryDisk,
    file: FileNumber,
    path: PathBuf,
    access: Access,
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

    /// Makes operations fail later. Several faults may be under way; the first that is due counts.
    pub fn fail(&self, fault: impl Into<Fault>) {
        locked(&self.shared).faults.push(fault.into());
    }

    /// Forgets all faults that were staged.
    pub fn heal(&self) {
        locked(&self.shared).faults.clear();
    }

    /// How often the operation was asked for, failed ones included.
    pub fn count(&self, operation: Operation) -> u64 {
        locked(&self.shared).counts.get(&operation).copied().unwrap_or(0)
    }

    /// How many operations were asked for, failed ones included.
    pub fn operation_count(&self) -> u64 {
        locked(&self.shared).operation_count
    }

    /// Writes that would make all files together larger fail with `StorageFull`, after the bytes that still fit; `None`
    /// lifts the limit.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<usize>) {
        locked(&self.shared).capacity_bytes = capacity_bytes;
    }

    /// Calls `hook` before every sync of a file, on the thread that syncs: the moment at which a power cut hurts most.
    pub fn before_sync(&self, hook: impl Fn(&MemoryDisk) + Send + Sync + 'static) {
        locked(&self.shared).before_sync = Some(Arc::new(hook));
    }

    /// Calls `hook` before and after every operation, on the thread that asked for it.
    pub fn on_operation(&self, hook: impl Fn(&MemoryDisk, &Moment) + Send + Sync + 'static) {
        locked(&self.shared).on_operation = Some(Arc::new(hook));
    }

    /// Calls no hook any more.
    pub fn unhook(&self) {
        let mut shared = locked(&self.shared);
        (shared.before_sync, shared.on_operation) = (None, None);
    }

    /// How many unsynced sectors and lengths a power cut would have to decide about now, over all files that have a
    /// durable name.
    pub fn unsynced_sector_count(&self) -> usize {
        let shared = locked(&self.shared);
        let (durable, _) = shared.state.names.reachable();
        shared.state.unsynced_count(&durable)
    }

    /// How many pieces a power cut would have to decide about now: sectors and lengths of files that have a durable
    /// name, then names, then sectors and lengths of other files.
    pub fn unsynced_count(&self) -> usize {
        let state = &locked(&self.shared).state;
        let (durable, other) = state.names.reachable();
        state.unsynced_count(&durable) + state.names.unsynced_count() + state.unsynced_count(&other)
    }

    /// The pieces of [`MemoryDisk::unsynced_count`], in their order: what file or name each is about.
    pub fn unsynced_pieces(&self) -> Vec<PathBuf> {
        let state = &locked(&self.shared).state;
        let (durable, other) = state.names.reachable();
        let of_files = |numbers: Vec<FileNumber>| {
            let pieces = numbers.into_iter().map(|number| {
                let count = state.unsynced_count(&[number]);
                std::iter::repeat_n(state.names.path_of(number), count)
            });
            pieces.flatten().collect::<Vec<_>>()
        };
        let mut pieces = of_files(durable);
        pieces.extend(state.names.unsynced_pieces());
        pieces.extend(of_files(other));
        pieces
    }

    /// The disk as it is after a power cut that kept the n-th unsynced piece where `keep(n)`.
    pub fn after_power_cut(&self, keep: impl Fn(usize) -> bool) -> MemoryDisk {
        let mut piece = 0;
        let mut keep_next = || {
            piece += 1;
            keep(piece - 1)
        };
        let shared = locked(&self.shared);
        let State { names, files } = &shared.state;
        let (durable, other) = names.reachable();
        let mut survivors = BTreeMap::new();
        let mut cut = |number: FileNumber, keep_next: &mut dyn FnMut() -> bool| {
            let survivor = files.get(&number).map(|file| file.after_power_cut(keep_next));
            survivors.extend(survivor.map(|file| (number, file)));
        };
        durable.into_iter().for_each(|number| cut(number, &mut keep_next));
        let names = names.after_power_cut(&mut keep_next);
        other.into_iter().for_each(|number| cut(number, &mut keep_next));
        MemoryDisk::with(names, survivors, shared.next_file)
    }

    /// The disk as the next process finds it after this one was killed: nothing is lost, nothing is synced, no lock is held.
    pub fn after_kill(&self) -> MemoryDisk {
        let shared = locked(&self.shared);
        let State { names, files } = &shared.state;
        let files = files.iter().map(|(number, file)| (*number, file.after_kill())).collect();
        MemoryDisk::with(names.clone(), files, shared.next_file)
    }

    /// The same for disks that no reader could tell apart, now or after whatever cut; practically never the same for others.
    pub fn fingerprint(&self) -> u64 {
        let State { names, files } = &locked(&self.shared).state;
        let mut hasher = DefaultHasher::new();
        let (mut reachable, other) = names.reachable();
        reachable.extend(other);
        names.digest(&mut hasher, &|number| reachable.iter().position(|file| *file == number));
        reachable.iter().filter_map(|number| files.get(number)).for_each(|file| file.digest(&mut hasher));
        hasher.finish()
    }

    /// Flips bits of one byte of a file, synced or not.
    pub fn flip_bits(&self, path: &Path, offset: u64, mask: u8) -> Result<(), DiskError> {
        let mut shared = locked(&self.shared);
        let flipped = shared
            .state
            .find(path)
            .and_then(|number| shared.state.file(number).map(|file| file.flip_bits(to_usize(offset), mask)));
        flipped.map_err(|kind| error(Operation::Write, path, kind))
    }

    /// A disk with these names, and of the files those that the names lead to.
    fn with(names: Names, mut files: BTreeMap<FileNumber, MemoryFile>, next_file: FileNumber) -> MemoryDisk {
        let (durable, other) = names.reachable();
        files.retain(|number, _| durable.contains(number) || other.contains(number));
        let shared = Shared { state: State { names, files }, next_file, ..Shared::default() };
        MemoryDisk { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Counts an operation, calls the hooks, and does it, unless it is to fail: then it does what is to have happened.
    fn perform<T>(
        &self,
        operation: Operation,
        path: &Path,
        file: Option<FileNumber>,
        body: impl FnOnce(&mut Shared, Option<Effect>) -> Result<T, io::ErrorKind>,
    ) -> Result<T, DiskError> {
        let (number, before_sync, on_operation) = {
            let mut shared = locked(&self.shared);
            shared.operation_count += 1;
            let is_sync = matches!(operation, Operation::SyncData | Operation::SyncAll);
            let before_sync = shared.before_sync.clone().filter(|_| is_sync);
            (shared.operation_count, before_sync, shared.on_operation.clone())
        };
        if let Some(hook) = before_sync {
            hook(self);
        }
        let call = |is_after| {
            if let Some(hook) = &on_operation {
                let renamed = file.and_then(|file| locked(&self.shared).state.names.path_now(file));
                let path = renamed.unwrap_or_else(|| path.to_path_buf());
                hook(self, &Moment { number, operation, path, is_after });
            }
        };
        call(false);
        let outcome = {
            let mut shared = locked(&self.shared);
            *shared.counts.entry(operation).or_insert(0) += 1;
            let mut due = None;
            for fault in &mut shared.faults {
                if fault.is_due(operation, path) {
                    due = Some((fault.kind, fault.effect));
                    break;
                }
            }
            match due {
                None => body(&mut shared, None).map_err(|kind| error(operation, path, kind)),
                Some((kind, effect)) => {
                    let has_effect = match effect {
                        Effect::Nothing => false,
                        Effect::Everything => true,
                        Effect::FirstBytes(_) | Effect::FirstHalf => operation == Operation::Write,
                        Effect::GivesUp(_) => matches!(operation, Operation::SyncData | Operation::SyncAll),
                    };
                    if has_effect {
                        // What comes of it nobody hears of.
                        let _ = body(&mut shared, Some(effect));
                    }
                    Err(DiskError::new(operation, path, io::Error::new(kind, "staged failure")))
                }
            }
        };
        call(true);
        outcome
    }

    fn handle(&self, file: FileNumber, path: &Path, access: Access, owns_lock: bool) -> Box<dyn DiskFile> {
        *locked(&self.shared).handles.entry(file).or_insert(0) += 1;
        Box::new(MemoryHandle { disk: self.clone(), file, path: path.to_path_buf(), access, owns_lock })
    }
}

impl State {
    fn find(&self, path: &Path) -> Result<FileNumber, io::ErrorKind> {
        match self.names.get(path) {
            Some(Node::File(number)) => Ok(number),
            Some(Node::Directory) => Err(io::ErrorKind::IsADirectory),
            None => Err(io::ErrorKind::NotFound),
        }
    }

    fn file(&mut self, number: FileNumber) -> Result<&mut MemoryFile, io::ErrorKind> {
        self.files.get_mut(&number).ok_or(io::ErrorKind::NotFound)
    }

    fn unsynced_count(&self, files: &[FileNumber]) -> usize {
        files.iter().filter_map(|number| self.files.get(number)).map(MemoryFile::unsynced_count).sum()
    }

    fn used_bytes(&self) -> usize {
        self.names.files().filter_map(|number| self.files.get(&number)).map(MemoryFile::size_bytes).sum()
    }
}

impl Shared {
    /// Finds the file or makes an empty one in a directory that is there.
    fn find_or_make(&mut self, path: &Path) -> Result<FileNumber, io::ErrorKind> {
        match self.state.find(path) {
            Err(io::ErrorKind::NotFound) => self.state.names.check_parent(path)?,
            found => return found,
        }
        self.next_file += 1;
        self.state.files.insert(self.next_file, MemoryFile::default());
        self.state.names.link(path, Node::File(self.next_file));
        Ok(self.next_file)
    }

    fn write(&mut self, number: FileNumber, bytes: &[u8], offset: usize) -> Result<(), io::ErrorKind> {
        let mut arriving = bytes;
        if let Some(capacity_bytes) = self.capacity_bytes {
            let size_bytes = self.state.file(number)?.size_bytes();
            let growth = (offset + bytes.len()).saturating_sub(size_bytes);
            let room_bytes = capacity_bytes.saturating_sub(self.state.used_bytes());
            if growth > room_bytes {
                let arriving_bytes = (size_bytes + room_bytes).saturating_sub(offset);
                arriving = bytes.get(..arriving_bytes).unwrap_or_default();
            }
        }
        self.state.file(number)?.write(offset, arriving);
        if arriving.len() < bytes.len() { Err(io::ErrorKind::StorageFull) } else { Ok(()) }
    }

    fn release(&mut self, number: FileNumber) {
        let Some(count) = self.handles.get_mut(&number) else { return };
        *count -= 1;
        if *count == 0 {
            self.handles.remove(&number);
            let (durable, other) = self.state.names.reachable();
            if !durable.contains(&number) && !other.contains(&number) {
                self.state.files.remove(&number);
            }
        }
    }
}

fn error(operation: Operation, path: &Path, kind: io::ErrorKind) -> DiskError {
    DiskError::new(operation, path, io::Error::from(kind))
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn DiskFile>, DiskError> {
        let file = self.perform(Operation::Open, path, None, |shared, _| shared.state.find(path))?;
        Ok(self.handle(file, path, access, false))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>, DiskError> {
        let file = self.perform(Operation::Create, path, None, |shared, _| {
            let number = shared.find_or_make(path)?;
            shared.state.file(number)?.set_len(0);
            Ok(number)
        })?;
        Ok(self.handle(file, path, Access::ReadWrite, false))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.perform(Operation::Rename, from, None, |shared, _| {
            let names = &mut shared.state.names;
            names.check_parent(to)?;
            let node = names.get(from).ok_or(io::ErrorKind::NotFound)?;
            names.check_renaming(from, to, node)?;
            names.rename(from, to, node);
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> Result<(), DiskError> {
        self.perform(Operation::Remove, path, None, |shared, _| {
            shared.state.find(path)?;
            shared.state.names.unlink(path);
            Ok(())
        })
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, DiskError> {
        self.perform(Operation::List, directory, None, |shared, _| match shared.state.names.get(directory) {
            Some(Node::Directory) => Ok(shared.state.names.list(directory)),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory),
            None => Err(io::ErrorKind::NotFound),
        })
    }

    fn create_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.perform(Operation::CreateDir, path, None, |shared, _| {
            let names = &mut shared.state.names;
            match names.get(path) {
                Some(Node::Directory) => return Ok(()),
                Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists),
                None => names.check_parent(path)?,
            }
            names.link(path, Node::Directory);
            Ok(())
        })
    }

    fn sync_dir(&self, directory: &Path) -> Result<(), DiskError> {
        self.perform(Operation::SyncDir, directory, None, |shared, _| {
            shared.state.names.sync(directory);
            Ok(())
        })
    }

    fn kind(&self, path: &Path) -> Result<Option<PathKind>, DiskError> {
        self.perform(Operation::Kind, path, None, |shared, _| {
            Ok(shared.state.names.get(path).map(|node| match node {
                Node::File(_) => PathKind::File,
                Node::Directory => PathKind::Directory,
            }))
        })
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Box<dyn DiskFile>>, DiskError> {
        let free = self.perform(Operation::Lock, path, None, |shared, effect| {
            let number = shared.find_or_make(path)?;
            // A lock that was not got goes with the handle that nobody has.
            let takes = effect.is_none();
            let file = shared.state.file(number)?;
            let is_free = !file.locked;
            file.locked |= takes;
            Ok(is_free.then_some(number))
        })?;
        Ok(free.map(|file| self.handle(file, path, Access::ReadWrite, true)))
    }
}

impl MemoryHandle {
    fn perform<T>(
        &self,
        operation: Operation,
        body: impl FnOnce(&mut Shared, Option<Effect>) -> Result<T, io::ErrorKind>,
    ) -> Result<T, DiskError> {
        let is_change = matches!(operation, Operation::Write | Operation::SetLen);
        self.disk.perform(operation, &self.path, Some(self.file), |shared, effect| {
            if is_change && self.access == Access::Read {
                return Err(io::ErrorKind::PermissionDenied);
            }
            body(shared, effect)
        })
    }

    fn sync(&self, operation: Operation) -> Result<(), DiskError> {
        self.perform(operation, |shared, effect| {
            let file = shared.state.file(self.file)?;
            match effect {
                Some(Effect::GivesUp(cache)) => file.give_up(cache),
                _ => file.sync(),
            }
            Ok(())
        })
    }
}

impl DiskFile for MemoryHandle {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), DiskError> {
        self.perform(Operation::Read, |shared, _| {
            let is_inside = shared.state.file(self.file)?.read(to_usize(offset), buffer);
            if is_inside { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof) }
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        self.perform(Operation::Write, |shared, effect| {
            let arriving_bytes = match effect {
                Some(Effect::FirstBytes(count)) => count.min(bytes.len()),
                Some(Effect::FirstHalf) => bytes.len() / 2,
                _ => bytes.len(),
            };
            shared.write(self.file, bytes.get(..arriving_bytes).unwrap_or_default(), to_usize(offset))
        })
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.sync(Operation::SyncData)
    }

    fn sync_all(&self) -> Result<(), DiskError> {
        self.sync(Operation::SyncAll)
    }

    fn set_len(&self, size_bytes: u64) -> Result<(), DiskError> {
        self.perform(Operation::SetLen, |shared, _| {
            shared.state.file(self.file)?.set_len(to_usize(size_bytes));
            Ok(())
        })
    }

    fn size_bytes(&self) -> Result<u64, DiskError> {
        self.perform(Operation::Size, |shared, _| Ok(shared.state.file(self.file)?.size_bytes() as u64))
    }
}

impl Drop for MemoryHandle {
    fn drop(&mut self) {
        let mut shared = locked(&self.disk.shared);
        if self.owns_lock
            && let Ok(file) = shared.state.file(self.file)
        {
            file.locked = false;
        }
        shared.release(self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory_file::Cache;
    use super::*;

    const DIRECTORY: &str = "/d";

    fn path(name: &str) -> PathBuf {
        Path::new(DIRECTORY).join(name)
    }

    fn disk() -> MemoryDisk {
        let disk = MemoryDisk::new();
        disk.create_dir(Path::new(DIRECTORY)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk
    }

    fn content(disk: &MemoryDisk, name: &str) -> Option<Vec<u8>> {
        let file = disk.open(&path(name), Access::Read).ok()?;
        let mut bytes = vec![0; to_usize(file.size_bytes().unwrap())];
        file.read_exact_at(&mut bytes, 0).unwrap();
        Some(bytes)
    }

    fn write(disk: &MemoryDisk, name: &str, bytes: &[u8]) -> Box<dyn DiskFile> {
        let file = disk.create(&path(name)).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    #[test]
    fn a_name_may_survive_without_its_content_and_content_only_with_its_name() {
        let disk = disk();
        write(&disk, "x", &[5; 600]);
        // The name, two sectors, the length.
        assert_eq!(disk.unsynced_pieces(), [path("x"), path("x"), path("x"), path("x")]);
        assert_eq!((disk.unsynced_sector_count(), disk.unsynced_count()), (0, 4));
        assert_eq!(content(&disk.after_power_cut(|_| false), "x"), None);
        assert_eq!(content(&disk.after_power_cut(|piece| piece > 0), "x"), None);
        assert_eq!(content(&disk.after_power_cut(|piece| piece == 0), "x"), Some(Vec::new()));
        assert_eq!(content(&disk.after_power_cut(|piece| piece != 1 && piece != 2), "x"), Some(vec![0; 600]));
        assert_eq!(content(&disk.after_power_cut(|_| true), "x"), Some(vec![5; 600]));
    }

    #[test]
    fn a_kill_leaves_open_what_a_later_power_cut_decides() {
        let disk = disk();
        write(&disk, "x", b"new");
        let killed = disk.after_kill();
        assert_eq!(content(&killed, "x"), Some(b"new".to_vec()));
        assert_eq!(killed.unsynced_count(), disk.unsynced_count());
        assert_eq!(killed.fingerprint(), disk.fingerprint());
        assert_eq!(content(&killed.after_power_cut(|_| false), "x"), None);
    }

    #[test]
    fn an_operation_of_any_kind_fails_by_its_number_once_or_from_there_on() {
        for goes_on in [false, true] {
            let disk = disk();
            disk.fail(Fault::of_number(3, &[], goes_on, io::ErrorKind::Other, Effect::Nothing));
            let file = disk.create(&path("x")).unwrap();
            file.write_all_at(b"1", 0).unwrap();
            assert!(file.sync_data().is_err());
            assert_eq!(file.sync_data().is_err(), goes_on);
            assert_eq!(disk.sync_dir(Path::new(DIRECTORY)).is_err(), goes_on);
            disk.heal();
            file.sync_all().unwrap();
        }
    }

    #[test]
    fn an_operation_of_one_kind_fails_by_its_number_among_them() {
        let disk = disk();
        disk.fail(Fault::of_number(
            2,
            &[Operation::Write],
            false,
            io::ErrorKind::StorageFull,
            Effect::Nothing,
        ));
        let file = write(&disk, "x", b"1");
        file.sync_data().unwrap();
        assert!(file.write_all_at(b"2", 1).unwrap_err().is_out_of_space());
        file.write_all_at(b"3", 1).unwrap();
        assert_eq!(content(&disk, "x"), Some(b"13".to_vec()));
    }

    #[test]
    fn a_failing_operation_has_done_what_its_effect_says() {
        let fails = |operation, effect| {
            let disk = disk();
            let file = write(&disk, "x", b"old");
            disk.fail(Fault::of_number(1, &[operation], false, io::ErrorKind::Other, effect));
            (disk, file)
        };
        for (effect, expected) in [
            (Effect::Nothing, "old"),
            (Effect::FirstBytes(1), "nld"),
            (Effect::FirstHalf, "ned"),
            (Effect::Everything, "newer"),
        ] {
            let (disk, file) = fails(Operation::Write, effect);
            assert!(file.write_all_at(b"newer", 0).is_err());
            assert_eq!(content(&disk, "x"), Some(expected.as_bytes().to_vec()), "{effect:?}");
        }
        for (effect, is_there) in [(Effect::FirstHalf, true), (Effect::Everything, false)] {
            let (disk, _file) = fails(Operation::Remove, effect);
            assert!(disk.remove_file(&path("x")).is_err());
            assert_eq!(content(&disk, "x").is_some(), is_there, "{effect:?}");
        }
    }

    #[test]
    fn a_sync_that_gives_up_takes_the_data_with_it_and_the_next_one_succeeds_without_it() {
        for (cache, seen) in [(Cache::KeepsThem, b"new"), (Cache::DropsThem, b"old")] {
            let disk = disk();
            let file = write(&disk, "x", b"old");
            file.sync_all().unwrap();
            disk.sync_dir(Path::new(DIRECTORY)).unwrap();
            file.write_all_at(b"new", 0).unwrap();
            disk.fail(Fault::of_number(1, &[], false, io::ErrorKind::Other, Effect::GivesUp(cache)));
            assert!(file.sync_data().is_err());
            file.sync_data().unwrap();
            assert_eq!(content(&disk, "x"), Some(seen.to_vec()));
            assert_eq!(content(&disk.after_power_cut(|_| false), "x"), Some(b"old".to_vec()));
        }
    }

    #[test]
    fn a_full_disk_takes_what_still_fits() {
        let disk = disk();
        let file = write(&disk, "x", b"123");
        disk.set_capacity_bytes(Some(5));
        assert!(file.write_all_at(b"4567", 3).unwrap_err().is_out_of_space());
        assert_eq!(content(&disk, "x"), Some(b"12345".to_vec()));
        file.write_all_at(b"54321", 0).unwrap();
        disk.set_capacity_bytes(None);
        file.write_all_at(b"4567", 3).unwrap();
    }

    #[test]
    fn the_hook_is_called_before_and_after_each_operation_with_its_number() {
        let disk = disk();
        let first = disk.operation_count();
        type Seen = (u64, Operation, bool, usize);
        let moments: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let seen = moments.clone();
        disk.on_operation(move |disk, moment| {
            let entry = (moment.number - first, moment.operation, moment.is_after, disk.unsynced_count());
            locked(&seen).push(entry);
        });
        let file = write(&disk, "x", b"1");
        file.sync_all().unwrap();
        disk.unhook();
        file.sync_all().unwrap();
        let expected = [
            (1, Operation::Create, false, 0),
            (1, Operation::Create, true, 1),
            (2, Operation::Write, false, 1),
            (2, Operation::Write, true, 3),
            (3, Operation::SyncAll, false, 3),
            (3, Operation::SyncAll, true, 1),
        ];
        assert_eq!(*locked(&moments), expected);
    }

    #[test]
    fn a_removed_file_can_be_read_until_its_last_handle_is_dropped() {
        let disk = disk();
        let file = write(&disk, "x", b"1");
        disk.remove_file(&path("x")).unwrap();
        disk.sync_dir(Path::new(DIRECTORY)).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 0).unwrap();
        assert_eq!(byte, *b"1");
        drop(file);
        assert!(locked(&disk.shared).state.files.is_empty());
    }
}
