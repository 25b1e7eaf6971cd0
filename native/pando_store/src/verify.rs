//! Looking at the directory of a store that is not open: what is in it, and whether it would open.
//!
//! 1. Nothing on the disk is changed.
//! 2. A store whose report has no fault opens with all that is in it; one whose report has a fault is refused at opening with
//!    the same words, or passes over what is at fault, which the report says.
//! 3. All is read: every record of every snapshot, every batch and entry of the log.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directory::{
    DirectoryError, FOUNDING_MEMBER_ID, IDENTITY_FILE, Identity, LOCK_FILE, LOG_DIRECTORY, RESET_FILE,
    RecoveryPlaces, SNAPSHOT_DIRECTORY, StoreDirectory,
};
use crate::disk::{Disk, DiskError, PathKind};
use crate::entry::Entry;
use crate::error::OpenError;
use crate::log::{LogEntry, LogFacts, LogPosition, ScanObserver};
use crate::snapshot::{SnapshotDirectory, SnapshotName};
use crate::snapshot_thread::{self, LoadError, LoadStep};

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// As it should be.
    Fact,
    /// Worth knowing, and no harm.
    Remark,
    /// Bytes are not what was written, or files are missing.
    Fault,
}

/// One thing that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// About which file or directory.
    pub path: PathBuf,
    /// How much it matters.
    pub severity: Severity,
    /// In words.
    pub text: String,
}

/// What would happen at an opening.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It would open with everything; nothing is amiss.
    Sound,
    /// It would open with everything that was acknowledged; something is worth knowing.
    Remarks,
    /// It would open with everything that was acknowledged, but has lost what it had in reserve: files are damaged.
    Damaged,
    /// It would be refused.
    Refused,
    /// There is no store.
    Absent,
    /// It is open: nothing was read.
    InUse,
}

impl Verdict {
    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Sound => "sound",
            Verdict::Remarks => "remarks",
            Verdict::Damaged => "damaged",
            Verdict::Refused => "refused",
            Verdict::Absent => "absent",
            Verdict::InUse => "in_use",
        }
    }
}

/// What was found in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The directory.
    pub directory: PathBuf,
    /// What would happen at an opening.
    pub verdict: Verdict,
    /// In the order in which a store reads.
    pub findings: Vec<Finding>,
}

/// Who is told how far the reading has come: the file or directory, how many of its bytes were read, how many there are. `Break`
/// ends the looking, and is not called again.
pub type Progress<'a> = &'a mut dyn FnMut(&Path, u64, u64) -> ControlFlow<()>;

/// Looks at the directory of one store. `None`: `progress` wanted no more.
pub fn verify(disk: &Arc<dyn Disk>, directory: &Path, progress: Progress<'_>) -> Option<Report> {
    report(disk, directory, progress, |verifier| verifier.run())
}

/// The same, for a caller who holds the lock of the directory.
pub(crate) fn verify_held(disk: &Arc<dyn Disk>, directory: &Path, progress: Progress<'_>) -> Option<Report> {
    report(disk, directory, progress, |verifier| verifier.read_all())
}

fn report(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    progress: Progress<'_>,
    look: impl FnOnce(&mut Verifier<'_>) -> Verdict,
) -> Option<Report> {
    let (findings, is_refused, is_stopped) = (Vec::new(), false, false);
    let mut verifier = Verifier { disk, directory, findings, is_refused, is_stopped, progress };
    let verdict = look(&mut verifier);
    let Verifier { findings, is_stopped, .. } = verifier;
    (!is_stopped).then(|| Report { directory: directory.to_path_buf(), verdict, findings })
}

/// Looks at a directory that is that of one store, or that holds those of several. `None`: `progress` wanted no more.
pub fn verify_all(disk: &Arc<dyn Disk>, directory: &Path, progress: Progress<'_>) -> Option<Vec<Report>> {
    let stores = match stores_in(disk.as_ref(), directory) {
        Ok(stores) => stores,
        // Then it is looked at as one store, and that says what is wrong with it.
        Err(_) => vec![directory.to_path_buf()],
    };
    stores.iter().map(|store| verify(disk, store, &mut *progress)).collect()
}

/// The directories of stores: this one, or those in it, in the order of their names. This one also if there are none.
pub(crate) fn stores_in(disk: &dyn Disk, directory: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let mut stores = Vec::new();
    if disk.kind(directory)? == Some(PathKind::Directory) && !is_store(disk, directory)? {
        for name in disk.list(directory)? {
            let path = directory.join(&name);
            // One that cannot be looked at is looked at as a store, and that says why.
            let is_directory = disk.kind(&path).map_or(true, |kind| kind == Some(PathKind::Directory));
            let is_left = LEFT_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            if let Some(absent) = RecoveryPlaces::of_made(&path).filter(|_| is_directory) {
                // Half recovered: that is said of where the store belongs.
                if disk.kind(&absent)?.is_none()
                    && StoreDirectory::refuse_half_recovered(disk, &absent).is_err()
                {
                    stores.push(absent);
                }
            }
            if !is_left && is_directory && is_store(disk, &path).unwrap_or(true) {
                stores.push(path);
            }
        }
    }
    if stores.is_empty() {
        stores.push(directory.to_path_buf());
    }
    Ok(stores)
}

/// Whether a directory has something that only the directory of a store has.
fn is_store(disk: &dyn Disk, directory: &Path) -> Result<bool, DiskError> {
    if has_store_file(disk, directory)? {
        return Ok(true);
    }
    for name in [LOG_DIRECTORY, SNAPSHOT_DIRECTORY] {
        let path = directory.join(name);
        // There may be stores of these names.
        if disk.kind(&path)? == Some(PathKind::Directory) && !has_store_file(disk, &path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_store_file(disk: &dyn Disk, directory: &Path) -> Result<bool, DiskError> {
    for name in [LOCK_FILE, IDENTITY_FILE, RESET_FILE, JOINING_FILE] {
        if disk.kind(&directory.join(name))? == Some(PathKind::File) {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Verifier<'a> {
    disk: &'a Arc<dyn Disk>,
    directory: &'a Path,
    findings: Vec<Finding>,
    is_refused: bool,
    is_stopped: bool,
    progress: Progress<'a>,
}

/// What the Erlang side writes while a store is on its way into a cluster (`pando_joining.erl`), and reports on.
const JOINING_FILE: &str = "JOINING";

/// What begins the names of directories beside those of stores, and no store's: what is left of removed ones
/// (`pando_directory:remove/1`), what a recovery has replaced or makes (`directory/recovery_places.rs`).
const LEFT_PREFIXES: [&str; 3] = ["%removed-", "%recovered-", "%recovering-"];

impl Verifier<'_> {
    fn find(&mut self, path: &Path, severity: Severity, text: impl Into<String>) {
        self.findings.push(Finding { path: path.to_path_buf(), severity, text: text.into() });
    }

    fn refuse(&mut self, path: &Path, error: &OpenError) {
        self.is_refused = true;
        self.find(path, Severity::Fault, error.to_string());
    }

    fn run(&mut self) -> Verdict {
        match self.disk.kind(self.directory) {
            Ok(Some(PathKind::Directory)) => {}
            Ok(None) => match StoreDirectory::refuse_half_recovered(self.disk.as_ref(), self.directory) {
                Ok(()) => {
                    self.find(self.directory, Severity::Remark, "there is no such directory");
                    return Verdict::Absent;
                }
                Err(error) => {
                    self.refuse(self.directory, &error.into());
                    return Verdict::Refused;
                }
            },
            Ok(Some(_)) => {
                let path = self.directory.to_path_buf();
                self.refuse(self.directory, &DirectoryError::NotADirectory { path }.into());
                return Verdict::Refused;
            }
            Err(error) => {
                self.refuse(self.directory, &DirectoryError::Disk(error).into());
                return Verdict::Refused;
            }
        }
        // Held until all is read.
        let _lock = match StoreDirectory::lock_if_there(self.disk.as_ref(), self.directory) {
            Ok(lock) => lock,
            Err(DirectoryError::Disk(error)) => {
                let text = format!("{error}; make sure that nobody has the store open");
                self.find(self.directory, Severity::Remark, text);
                None
            }
            Err(error) => {
                self.find(self.directory, Severity::Remark, error.to_string());
                return Verdict::InUse;
            }
        };
        self.read_all()
    }

    fn read_all(&mut self) -> Verdict {
        let found = match StoreDirectory::inspect(self.disk.as_ref(), self.directory) {
            Ok(found) => found,
            Err(error) => {
                let path = error.path().to_path_buf();
                self.refuse(&path, &error.into());
                return Verdict::Refused;
            }
        };
        let Some(identity) = found.identity else {
            self.find(
                self.directory,
                Severity::Remark,
                "there is no store: the directory holds nothing of one",
            );
            return Verdict::Absent;
        };
        if found.is_reset_pending {
            let text = "a reset was interrupted: opening the store removes what is left of its data, as it was asked to";
            self.find(&self.directory.join(RESET_FILE), Severity::Remark, text);
        }
        if let Some(to) = found.reset_to {
            return self.read_nothing(to);
        }
        let text = match identity.member_id {
            FOUNDING_MEMBER_ID => {
                format!("the store {} is being founded, and holds nothing yet", identity.store_id)
            }
            member_id => format!("member {member_id} of the store {}", identity.store_id),
        };
        self.find(&self.directory.join(IDENTITY_FILE), Severity::Fact, text);
        let snapshot_path = self.directory.join(SNAPSHOT_DIRECTORY);
        let snapshots = SnapshotDirectory::at(self.disk.clone(), &snapshot_path, identity.store_id);
        let covered = self.read_snapshots(&snapshots, &snapshot_path);
        if !self.is_stopped {
            self.read_log(identity, &snapshot_path, covered);
        }
        match self.findings.iter().map(|finding| finding.severity).max() {
            _ if self.is_refused => Verdict::Refused,
            Some(Severity::Fault) => Verdict::Damaged,
            Some(Severity::Remark) => Verdict::Remarks,
            Some(Severity::Fact) | None => Verdict::Sound,
        }
    }

    /// All that is there goes when the store opens: what it is does not matter.
    fn read_nothing(&mut self, to: Identity) -> Verdict {
        if to.is_founding() {
            return Verdict::Remarks;
        }
        // A member that is not being founded gets its log from others.
        let directory = self.directory.join(LOG_DIRECTORY);
        let error = crate::log::OpenError::Empty { directory: directory.clone() };
        self.refuse(&directory, &error.into());
        Verdict::Refused
    }

    /// Reads every snapshot. Gives the index up to which the newest readable one goes, and why newer ones are not readable.
    fn read_snapshots(&mut self, snapshots: &SnapshotDirectory, directory: &Path) -> (u64, Vec<String>) {
        let (mut newest, mut refused) = (None, Vec::new());
        match self.disk.kind(directory) {
            Ok(Some(PathKind::Directory)) => {}
            // Made when the store opens.
            Ok(_) => return (0, refused),
            Err(error) => {
                self.refuse(directory, &DirectoryError::Disk(error).into());
                return (0, refused);
            }
        }
        self.note_strangers(directory, |name| SnapshotName::parse(name).is_some());
        let names = match snapshots.list() {
            Ok(names) => names,
            Err(error) => {
                self.refuse(directory, &error.into());
                return (0, refused);
            }
        };
        for name in names {
            let path = name.path(directory);
            let progress = &mut *self.progress;
            let mut go_on = |step: LoadStep| progress(&path, step.read_bytes, step.size_bytes);
            match snapshot_thread::load(snapshots, directory, name, &mut go_on) {
                Ok((view, covers, size_bytes)) => {
                    let text = format!(
                        "{} nodes as of entry {}, {size_bytes} bytes, every record of them read",
                        view.state.node_count(),
                        covers.index
                    );
                    self.find(&path, Severity::Fact, text);
                    newest = newest.or(Some(covers.index));
                }
                Err(LoadError::Stopped { .. }) => {
                    self.is_stopped = true;
                    break;
                }
                Err(error) if error.is_damage() => {
                    self.find(&path, Severity::Fault, error.to_string());
                    if newest.is_none() {
                        refused.push(error.to_string());
                    }
                }
                // Older ones are not looked at when a store opens.
                Err(error) if newest.is_some() => self.find(&path, Severity::Fault, error.to_string()),
                Err(error) => self.refuse(&path, &error.into()),
            }
        }
        (newest.unwrap_or(0), refused)
    }

    fn read_log(&mut self, identity: Identity, snapshots: &Path, covered: (u64, Vec<String>)) {
        let directory = self.directory.join(LOG_DIRECTORY);
        let is_founding = identity.is_founding();
        if is_founding && !matches!(self.disk.kind(&directory), Ok(Some(PathKind::Directory))) {
            return;
        }
        let mut reader =
            EntryReader { directory: &directory, faults: Vec::new(), progress: &mut *self.progress };
        let inspected = crate::log::inspect(self.disk.as_ref(), &directory, identity.store_id, &mut reader);
        let faults = reader.faults;
        for (position, text) in faults {
            self.is_refused = true;
            let text = format!("entry {} is as it was written, but cannot be read: {text}", position.index);
            self.find(&directory, Severity::Fault, text);
        }
        match inspected {
            Ok(facts) => self.note_log(&directory, snapshots, &facts, covered),
            Err(crate::log::OpenError::Stopped { .. }) => self.is_stopped = true,
            Err(crate::log::OpenError::Empty { .. }) if is_founding => {}
            Err(error) => {
                let path = error.path().unwrap_or(&directory).to_path_buf();
                self.refuse(&path, &error.into());
            }
        }
    }

    fn note_log(
        &mut self,
        directory: &Path,
        snapshots: &Path,
        facts: &LogFacts,
        (snapshot_ends_at, refused): (u64, Vec<String>),
    ) {
        self.note_strangers(directory, crate::log::is_file_name);
        for segment in &facts.segments {
            let text = format!("{} of {} bytes used", segment.used_bytes, segment.size_bytes);
            self.find(&segment.path, Severity::Fact, text);
        }
        let text = match (facts.entry_count, facts.last) {
            (0, None) => "no entries so far".to_owned(),
            (0, Some(last)) => format!("all entries up to {} are in snapshots", last.index),
            (count, last) => {
                format!("{count} entries, the last is {}", last.map_or(0, |position| position.index))
            }
        };
        self.find(directory, Severity::Fact, text);
        for notice in &facts.notices {
            self.find(directory, Severity::Remark, notice.clone());
        }
        if let Some(purged) = facts.purged.filter(|purged| purged.index > snapshot_ends_at) {
            let (directory, log_starts_at) = (snapshots.to_path_buf(), purged.index + 1);
            let gap = OpenError::Gap { directory, refused, log_starts_at, snapshot_ends_at };
            self.refuse(snapshots, &gap);
        }
    }

    /// Files that are not ours, and what a crash has left.
    fn note_strangers(&mut self, directory: &Path, is_ours: impl Fn(&str) -> bool) {
        for name in self.disk.list(directory).unwrap_or_default() {
            if name.ends_with(".tmp") {
                let text = "left unfinished by a crash; opening the store removes it";
                self.find(&directory.join(&name), Severity::Remark, text);
            } else if !is_ours(&name) {
                self.find(&directory.join(&name), Severity::Remark, "not a file of Pando; it is left alone");
            }
        }
    }
}

/// Decodes every entry.
struct EntryReader<'a, 'b> {
    directory: &'a Path,
    faults: Vec<(LogPosition, String)>,
    progress: Progress<'b>,
}

/// Of many entries that cannot be read, so many are told.
const FAULTS_MAX: usize = 10;

impl ScanObserver for EntryReader<'_, '_> {
    fn entry(&mut self, position: LogPosition, body: &[u8]) {
        if self.faults.len() < FAULTS_MAX
            && let Err(text) = Entry::decode(position, body)
        {
            self.faults.push((position, text));
        }
    }

    fn progress(&mut self, read_bytes: u64, size_bytes: u64) -> ControlFlow<()> {
        (self.progress)(self.directory, read_bytes, size_bytes)
    }
}
