//! The last resort for a store whose majority is gone for good: what a survivor has, and a new cluster made of it.
//!
//! 1. Looking changes nothing on the disk.
//! 2. The new cluster has all that the survivor's snapshot and log hold, to the end of the log: what was acknowledged and
//!    reached this member is in it, and what was not acknowledged may be. It has a new id, and one member.
//! 3. The new store is made whole in a directory beside, verified and synced before anything else is touched; then the old
//!    directory is renamed, and the new one takes its place. A crash leaves the old store in its place, or the new one, or, between
//!    the two renamings, none: then opening is refused with what to do, and the next recovery does it.
//! 4. Nothing of the old store is changed or removed.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use crate::consensus::{Vote, read_vote};
use crate::directory::{
    DirectoryError, IDENTITY_FILE, Identity, LOG_DIRECTORY, RecoveryPlaces, SNAPSHOT_DIRECTORY,
    StoreDirectory, StoreId,
};
use crate::disk::{Disk, DiskError, PathKind, sync_parent};
use crate::entry::{Entry, members_set_by};
use crate::error::OpenError;
use crate::log::{ClosedLog, Durable, Log, LogEntry, LogError, LogOptions, LogPosition, ScanObserver};
use crate::machine::Machine;
use crate::membership::Membership;
use crate::replay::Replay;
use crate::sessions::Sessions;
use crate::snapshot::SnapshotDirectory;
use crate::snapshot_thread::{self, members_in};
use crate::verify::{Progress, Report, Severity, Verdict, stores_in, verify, verify_held};
use crate::view::View;

/// The member of a cluster that a recovery founds.
const RECOVERED_MEMBER_ID: u64 = 1;

/// What one survivor has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Survivor {
    /// Whether its files are whole.
    pub report: Report,
    /// Who it is.
    pub identity: Option<Identity>,
    /// What its files hold, if they can be read.
    pub contents: Option<Contents>,
}

/// What the files of a survivor hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contents {
    /// The newest members that it knows of.
    pub membership: Option<Membership>,
    /// The last entry that it has.
    pub last: Option<LogPosition>,
    /// The last entry of which its files say that it is committed. More may be.
    pub committed: Option<LogPosition>,
    /// The last entry in its newest readable snapshot.
    pub snapshot: Option<LogPosition>,
    /// Its last vote.
    pub vote: Option<SurvivorVote>,
}

/// How a survivor has voted last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SurvivorVote {
    /// In which term.
    pub term: u64,
    /// For whom.
    pub member_id: u64,
    /// Whether it knows that this member then led.
    pub has_won: bool,
}

/// What to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecoverOptions {
    /// Of the new cluster: 128 random bits.
    pub cluster_id: StoreId,
    /// The Erlang node of its one member.
    pub node: NodeName,
    /// Also of a cluster of one, and of one whose files are damaged where nothing is lost by it.
    pub is_forced: bool,
    /// For the lock of the directory.
    pub holder: String,
}

/// Which Erlang node a recovered store is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeName {
    /// This one.
    Given(String),
    /// That of the survivor, as the survivor's list of members has it.
    AsBefore {
        /// This one if that list does not have it.
        or: String,
    },
}

/// How a store came to be recovered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecoveredBy {
    /// By this call.
    ThisCall,
    /// By one before, that was interrupted; this one has put it in its place.
    OneInterrupted,
    /// By one before. Nothing was done.
    OneBefore,
}

impl RecoveredBy {
    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            RecoveredBy::ThisCall => "this_call",
            RecoveredBy::OneInterrupted => "one_interrupted",
            RecoveredBy::OneBefore => "one_before",
        }
    }
}

/// A store that was recovered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// By whom.
    pub by: RecoveredBy,
    /// Its cluster.
    pub cluster_id: StoreId,
    /// Its members.
    pub membership: Option<Membership>,
    /// The last entry that is in it.
    pub last: Option<LogPosition>,
    /// Where the old files are.
    pub kept: PathBuf,
}

/// Why nothing was recovered.
#[derive(Debug)]
pub enum RecoverError {
    /// Somebody has the store open.
    InUse(DirectoryError),
    /// There is no store in the directory.
    Absent(PathBuf),
    /// Files are damaged, so that it would not open, or would only with what is kept in reserve.
    Damaged(Box<Report>),
    /// It is a cluster of one, which needs nobody else.
    OnlyVoter(StoreId),
    /// The store holds nothing.
    Empty(PathBuf),
    /// A reset was interrupted: what is there is to go.
    ResetPending(PathBuf),
    /// The directory cannot be replaced: nothing can be beside it.
    NoPlace(PathBuf),
    /// Reading or writing failed. The old store is in its place.
    Failed(OpenError),
    /// What was made is not what it should be: a fault of this library or of the disk. The old store is in its place.
    Wrong(String),
    /// The old store was renamed, and the new one has not taken its place: to be called again.
    Interrupted {
        /// Where it belongs.
        directory: PathBuf,
        /// Where the new one is.
        made: PathBuf,
        /// Where the old one is.
        kept: PathBuf,
        /// What has failed.
        error: DiskError,
    },
    /// Who looked on wanted no more. The old store is in its place.
    Stopped,
}

impl RecoverError {
    /// As a word.
    pub fn name(&self) -> &'static str {
        match self {
            RecoverError::InUse(_) => "in_use",
            RecoverError::Absent(_) => "absent",
            RecoverError::Damaged(_) => "damaged",
            RecoverError::OnlyVoter(_) => "only_voter",
            RecoverError::Empty(_) => "empty",
            RecoverError::ResetPending(_) => "reset_pending",
            RecoverError::NoPlace(_) => "no_place",
            RecoverError::Failed(error) => error.trouble().name(),
            RecoverError::Wrong(_) => "wrong",
            RecoverError::Interrupted { .. } => "interrupted",
            RecoverError::Stopped => "stopped",
        }
    }
}

impl fmt::Display for RecoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecoverError::InUse(error) => write!(f, "{error}. Stop the store first"),
            RecoverError::Absent(directory) => write!(f, "there is no store in {}", directory.display()),
            RecoverError::Damaged(report) => {
                write!(f, "files of {} are damaged, and nothing was changed: ", report.directory.display())?;
                let faults = report.findings.iter().filter(|finding| finding.severity == Severity::Fault);
                for (number, fault) in faults.enumerate() {
                    let separator = if number == 0 { "" } else { "; " };
                    write!(f, "{separator}{}", fault.text)?;
                }
                if report.verdict == Verdict::Damaged {
                    write!(f, ". All that it holds can be read all the same: forced, it is recovered")?;
                }
                Ok(())
            }
            RecoverError::OnlyVoter(cluster_id) => write!(
                f,
                "there is nothing to recover: it is the only voter of its cluster {cluster_id}, so it needs nobody else. Start it"
            ),
            RecoverError::Empty(directory) => {
                write!(f, "the store in {} holds nothing that could be recovered", directory.display())
            }
            RecoverError::ResetPending(directory) => write!(
                f,
                "a reset of the store in {} was interrupted: what it holds was to be removed, and is when it is opened",
                directory.display()
            ),
            RecoverError::NoPlace(directory) => write!(
                f,
                "{} cannot be replaced: it is no directory with a name in another one",
                directory.display()
            ),
            RecoverError::Failed(error) => write!(f, "{error}. The store is as it was"),
            RecoverError::Wrong(text) => {
                write!(f, "what was made is not what was to be made: {text}. The store is as it was")
            }
            RecoverError::Interrupted { directory, made, kept, error } => write!(
                f,
                "{error}. What was recovered is whole, in {}, and the old files are in {}: recover {} once more, \
                 which only has to put it in its place",
                made.display(),
                kept.display(),
                directory.display()
            ),
            RecoverError::Stopped => write!(f, "it was stopped. The store is as it was"),
        }
    }
}

impl std::error::Error for RecoverError {}

impl From<OpenError> for RecoverError {
    fn from(error: OpenError) -> RecoverError {
        match error {
            OpenError::Log(crate::log::OpenError::Stopped { .. })
            | OpenError::Snapshot(snapshot_thread::LoadError::Stopped { .. }) => RecoverError::Stopped,
            error => RecoverError::Failed(error),
        }
    }
}

impl From<DirectoryError> for RecoverError {
    fn from(error: DirectoryError) -> RecoverError {
        match error {
            DirectoryError::Locked { .. } => RecoverError::InUse(error),
            error => RecoverError::Failed(error.into()),
        }
    }
}

impl From<DiskError> for RecoverError {
    fn from(error: DiskError) -> RecoverError {
        DirectoryError::Disk(error).into()
    }
}

impl From<crate::log::OpenError> for RecoverError {
    fn from(error: crate::log::OpenError) -> RecoverError {
        OpenError::Log(error).into()
    }
}

impl From<crate::snapshot::SnapshotError> for RecoverError {
    fn from(error: crate::snapshot::SnapshotError) -> RecoverError {
        OpenError::from(error).into()
    }
}

impl From<LogError> for RecoverError {
    fn from(error: LogError) -> RecoverError {
        RecoverError::Wrong(format!("the new log could not be written: {error}"))
    }
}

/// Looks at what a store has that is not open; all of it is read. `None`: `progress` wanted no more.
pub fn inspect(disk: &Arc<dyn Disk>, directory: &Path, progress: Progress<'_>) -> Option<Survivor> {
    let report = verify(disk, directory, &mut *progress)?;
    let (mut identity, mut contents) = (None, None);
    // Opened meanwhile: what is told of it is what its files held before.
    if !matches!(report.verdict, Verdict::Absent | Verdict::InUse)
        && let Ok(_lock) = StoreDirectory::lock_if_there(disk.as_ref(), directory)
    {
        let found = StoreDirectory::inspect(disk.as_ref(), directory).ok();
        // Data that are to go are nobody's.
        let found = found.filter(|found| !found.is_reset_pending);
        identity = found.and_then(|found| found.identity);
        match identity.map(|identity| Contents::read(disk, directory, identity, &mut *progress)) {
            Some(Err(RecoverError::Stopped)) => return None,
            // What is wrong the report says.
            read => contents = read.and_then(Result::ok),
        }
    }
    Some(Survivor { report, identity, contents })
}

/// Looks at directories, each of which is that of one store or holds those of several. `None`: `progress` wanted no more.
pub fn inspect_all(
    disk: &Arc<dyn Disk>,
    directories: &[PathBuf],
    progress: Progress<'_>,
) -> Option<Vec<Survivor>> {
    let mut survivors = Vec::new();
    for directory in directories {
        // One that cannot be listed is looked at as one store, and that says what is wrong with it.
        let stores = stores_in(disk.as_ref(), directory).unwrap_or_else(|_| vec![directory.clone()]);
        for store in stores {
            survivors.push(inspect(disk, &store, &mut *progress)?);
        }
    }
    Some(survivors)
}

impl Contents {
    /// Who calls holds the lock.
    fn read(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        identity: Identity,
        progress: Progress<'_>,
    ) -> Result<Contents, RecoverError> {
        let (mut membership, mut snapshot) = (None, None);
        let snapshots = snapshots_of(disk, directory, identity.store_id)?;
        if let Some(snapshots) = &snapshots
            && let Some(reader) = snapshots.newest_valid()?.reader
        {
            snapshot = Some(reader.position());
            membership = members_in(&reader).map_err(unreadable)?.map(|(_, members)| members);
        }
        let log = read_log(disk, directory, identity.store_id, progress)?;
        let facts = log.facts();
        let from = snapshot.map_or(0, |snapshot| snapshot.index + 1);
        log.each_entry::<RecoverError>(from, &mut |_, body| {
            if let Some(members) = members_set_by(body) {
                membership = Some(members.map_err(unreadable)?);
            }
            Ok(())
        })?;
        Ok(Contents {
            membership,
            last: further(facts.last, snapshot),
            committed: further(further(facts.committed, facts.purged), snapshot),
            snapshot,
            vote: facts.vote.as_deref().map(read_vote).transpose().map_err(unreadable)?.map(SurvivorVote::of),
        })
    }
}

impl SurvivorVote {
    fn of(vote: Vote) -> SurvivorVote {
        SurvivorVote { term: vote.term, member_id: vote.member_id, has_won: vote.has_won }
    }
}

/// The one that stands further behind in the log.
fn further(one: Option<LogPosition>, other: Option<LogPosition>) -> Option<LogPosition> {
    one.into_iter().chain(other).max_by_key(|position| position.index)
}

fn unreadable(text: String) -> RecoverError {
    RecoverError::Wrong(text)
}

fn snapshots_of(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    store_id: StoreId,
) -> Result<Option<SnapshotDirectory>, RecoverError> {
    let path = directory.join(SNAPSHOT_DIRECTORY);
    let is_there = disk.kind(&path)? == Some(PathKind::Directory);
    Ok(is_there.then(|| SnapshotDirectory::at(disk.clone(), &path, store_id)))
}

/// Tells how far the reading of a log has come.
struct LogRead<'a, 'b> {
    directory: &'a Path,
    progress: Progress<'b>,
}

impl ScanObserver for LogRead<'_, '_> {
    fn progress(&mut self, read_bytes: u64, size_bytes: u64) -> ControlFlow<()> {
        (self.progress)(self.directory, read_bytes, size_bytes)
    }
}

fn read_log(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    store_id: StoreId,
    progress: Progress<'_>,
) -> Result<ClosedLog, RecoverError> {
    let path = directory.join(LOG_DIRECTORY);
    let mut observer = LogRead { directory: &path, progress };
    Ok(ClosedLog::read(disk.as_ref(), &path, store_id, &mut observer)?)
}

/// Makes a new cluster of one of what the store in `directory` holds, which must not be open.
///
/// Of a directory that was recovered before nothing is done, and of one whose recovery was interrupted what is left to do.
pub fn recover(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    options: &RecoverOptions,
    progress: Progress<'_>,
) -> Result<Recovery, RecoverError> {
    let no_place = || RecoverError::NoPlace(directory.to_path_buf());
    let places = RecoveryPlaces::of(directory).ok_or_else(no_place)?;
    let mut recovering = Recovering { disk, directory, options, places, progress };
    match disk.kind(directory)? {
        Some(PathKind::Directory) => recovering.recover(),
        Some(_) => Err(DirectoryError::NotADirectory { path: directory.to_path_buf() }.into()),
        None if StoreDirectory::refuse_half_recovered(disk.as_ref(), directory).is_err() => {
            recovering.go_on()
        }
        None => Err(RecoverError::Absent(directory.to_path_buf())),
    }
}

struct Recovering<'a> {
    disk: &'a Arc<dyn Disk>,
    directory: &'a Path,
    options: &'a RecoverOptions,
    places: RecoveryPlaces,
    progress: Progress<'a>,
}

impl Recovering<'_> {
    fn recover(&mut self) -> Result<Recovery, RecoverError> {
        let disk = self.disk;
        let absent = || RecoverError::Absent(self.directory.to_path_buf());
        // First, so that no file is made where there is no store.
        StoreDirectory::inspect(disk.as_ref(), self.directory)?.identity.ok_or_else(absent)?;
        // Held until the new store has taken the place.
        let _lock = StoreDirectory::lock(disk.as_ref(), self.directory, &self.options.holder)?;
        let found = StoreDirectory::inspect(disk.as_ref(), self.directory)?;
        let identity = found.identity.ok_or_else(absent)?;
        if found.is_reset_pending {
            return Err(RecoverError::ResetPending(self.directory.to_path_buf()));
        }
        if identity.is_founding() {
            return Err(RecoverError::Empty(self.directory.to_path_buf()));
        }
        let report = verify_held(disk, self.directory, &mut *self.progress).ok_or(RecoverError::Stopped)?;
        match report.verdict {
            Verdict::Sound | Verdict::Remarks => {}
            Verdict::Damaged if self.options.is_forced => {}
            Verdict::Damaged | Verdict::Refused => return Err(RecoverError::Damaged(Box::new(report))),
            Verdict::Absent | Verdict::InUse => {
                return Err(RecoverError::Absent(self.directory.to_path_buf()));
            }
        }
        let (view, vote) = self.read_all(self.directory, identity)?;
        if view.applied.is_none() {
            return Err(RecoverError::Empty(self.directory.to_path_buf()));
        }
        let is_only_voter = members(&view).is_some_and(|members| members.is_only_voter(identity.member_id));
        if is_only_voter && !self.options.is_forced {
            return self.recovered_before(identity, &view);
        }
        let made =
            self.make(self.as_new(&view, identity), vote).and_then(|made| self.take_place().map(|()| made));
        match made {
            Ok(made) => Ok(self.recovery(RecoveredBy::ThisCall, &made)),
            Err(error @ RecoverError::Interrupted { .. }) => Err(error),
            Err(error) => {
                // What is left of it counts for nothing without an identity, and only takes room.
                let _ = self.clear_made();
                Err(error)
            }
        }
    }

    fn recovery(&self, by: RecoveredBy, made: &Made) -> Recovery {
        Recovery {
            by,
            cluster_id: made.cluster_id,
            membership: made.membership.clone(),
            last: made.last,
            kept: self.places.kept(made.cluster_id),
        }
    }

    /// It needs nobody else: that was so ever since, or a recovery made it so.
    fn recovered_before(&self, identity: Identity, view: &View) -> Result<Recovery, RecoverError> {
        match self.disk.kind(&self.places.kept(identity.store_id))? {
            None => Err(RecoverError::OnlyVoter(identity.store_id)),
            Some(_) => Ok(self.recovery(RecoveredBy::OneBefore, &Made::of(identity.store_id, view))),
        }
    }

    /// The view behind the last entry of the log, and the last vote.
    fn read_all(
        &mut self,
        directory: &Path,
        identity: Identity,
    ) -> Result<(View, Option<Vote>), RecoverError> {
        let path = directory.join(SNAPSHOT_DIRECTORY);
        let mut before = View::empty();
        let is_stopped = Cell::new(false);
        if let Some(snapshots) = snapshots_of(self.disk, directory, identity.store_id)? {
            let progress = &mut *self.progress;
            let loaded = snapshot_thread::load_newest(&snapshots, &path, &mut |path, step| {
                is_stopped
                    .set(is_stopped.get() || progress(path, step.read_bytes, step.size_bytes).is_break());
            });
            before = loaded.map_err(OpenError::from)?.view;
        }
        if is_stopped.get() {
            return Err(RecoverError::Stopped);
        }
        let log = read_log(self.disk, directory, identity.store_id, &mut *self.progress)?;
        let vote = log.facts().vote.as_deref().map(read_vote).transpose().map_err(unreadable)?;
        let mut machine = Machine::new(before.clone());
        let mut replay = Replay::default();
        let from = before.applied.map_or(0, |applied| applied.index + 1);
        let mut next = before.applied.map(|applied| applied.index + 1);
        let (progress, path) = (&mut *self.progress, directory.join(LOG_DIRECTORY));
        let last = log.facts().last.map_or(0, |last| last.index);
        log.each_entry::<RecoverError>(from, &mut |position, body| {
            if next.is_some_and(|next| next != position.index) {
                return Err(unreadable(format!(
                    "entry {} does not follow the one before it",
                    position.index
                )));
            }
            next = Some(position.index + 1);
            let entry = Entry::decode(position, body).map_err(unreadable)?;
            if replay.apply(&mut machine, entry, &before) {
                drop(machine.take_detached());
                before = machine.view().clone();
                replay.begin();
                if progress(&path, position.index, last).is_break() {
                    return Err(RecoverError::Stopped);
                }
            }
            Ok(())
        })?;
        drop(machine.take_detached());
        Ok((machine.view().clone(), vote))
    }

    /// The same tree in a cluster of one.
    fn as_new(&self, view: &View, survivor: Identity) -> View {
        let before = members(view).and_then(|members| members.members.get(&survivor.member_id));
        let node_name = match (&self.options.node, before) {
            (NodeName::Given(name), _) => name,
            (NodeName::AsBefore { .. }, Some(member)) => &member.node_name,
            (NodeName::AsBefore { or }, None) => or,
        };
        let members = Membership::of_one(RECOVERED_MEMBER_ID, node_name);
        let membership = view.applied.map(|applied| (applied, Arc::new(members)));
        // Nothing that was sent in the old cluster is sent again in this one.
        View { membership, sessions: Sessions::default(), ..view.clone() }
    }

    /// Makes the new store beside. Its identity comes last: what has one is whole.
    fn make(&mut self, view: View, vote: Option<Vote>) -> Result<Made, RecoverError> {
        let (disk, cluster_id) = (self.disk, self.options.cluster_id);
        self.clear_made()?;
        let mut directory = StoreDirectory::open(disk.clone(), &self.places.made, &self.options.holder)?;
        let snapshots = SnapshotDirectory::open(disk.clone(), &directory.snapshot_path(), cluster_id)?;
        let path = directory.snapshot_path();
        let progress = RefCell::new(&mut *self.progress);
        let go_on = |written: &snapshot_thread::Written| {
            (progress.borrow_mut())(&path, written.records, written.records_whole).is_continue()
        };
        let written = snapshot_thread::write_snapshot(&snapshots, &view, &go_on)?;
        let (file, _) = written.ok_or(RecoverError::Stopped)?;
        let expected = Made::of(cluster_id, &view);
        // The tree is read again below: one is in memory at a time.
        drop(view);
        start_log(disk, &directory.log_path(), cluster_id, file.covers, vote)?;
        directory.set_identity(Identity { store_id: cluster_id, member_id: RECOVERED_MEMBER_ID })?;
        drop(directory);
        let made = self.verify_made()?;
        if made != expected {
            return Err(RecoverError::Wrong(format!("{made:?} instead of {expected:?}")));
        }
        Ok(made)
    }

    /// Reads all of the new store.
    fn verify_made(&mut self) -> Result<Made, RecoverError> {
        let made = self.places.made.clone();
        let report = verify(self.disk, &made, &mut *self.progress).ok_or(RecoverError::Stopped)?;
        let identity = StoreDirectory::inspect(self.disk.as_ref(), &made)?.identity;
        let Some(identity) = identity.filter(|_| report.verdict == Verdict::Sound) else {
            return Err(RecoverError::Wrong(format!("{} is {report:?}", made.display())));
        };
        self.read_all(&made, identity).map(|(view, _)| Made::of(identity.store_id, &view))
    }

    /// Removes the files of an attempt that did not come to its end.
    fn clear_made(&self) -> Result<(), RecoverError> {
        let (disk, made) = (self.disk.as_ref(), &self.places.made);
        if disk.kind(made)?.is_none() {
            return Ok(());
        }
        // First of all it is no whole store any more.
        let identity = made.join(IDENTITY_FILE);
        if disk.kind(&identity)?.is_some() {
            disk.remove_file(&identity)?;
            disk.sync_dir(made)?;
        }
        let inside = [LOG_DIRECTORY, SNAPSHOT_DIRECTORY];
        for directory in inside.iter().map(|name| made.join(name)).chain([made.clone()]) {
            if disk.kind(&directory)? != Some(PathKind::Directory) {
                continue;
            }
            for path in disk.list(&directory)?.iter().map(|name| directory.join(name)) {
                if disk.kind(&path)? == Some(PathKind::File) {
                    disk.remove_file(&path)?;
                }
            }
            disk.sync_dir(&directory)?;
        }
        Ok(())
    }

    /// The two renamings. The locks go with the directories.
    fn take_place(&self) -> Result<(), RecoverError> {
        let disk = self.disk.as_ref();
        let _lock = StoreDirectory::lock(disk, &self.places.made, &self.options.holder)?;
        // A directory is renamed with names that are durable.
        disk.sync_dir(&self.places.made)?;
        let kept = self.places.kept(self.options.cluster_id);
        for directory in [LOG_DIRECTORY, SNAPSHOT_DIRECTORY] {
            let path = self.directory.join(directory);
            if disk.kind(&path)?.is_some() {
                disk.sync_dir(&path)?;
            }
        }
        disk.sync_dir(self.directory)?;
        if let Err(error) = disk.rename(self.directory, &kept) {
            return match disk.kind(self.directory) {
                Ok(Some(_)) => Err(error.into()),
                _ => Err(self.interrupted(kept, error)),
            };
        }
        let renamed = sync_parent(disk, self.directory).and_then(|()| self.move_made());
        renamed.map_err(|error| self.interrupted(kept, error))
    }

    fn move_made(&self) -> Result<(), DiskError> {
        self.disk.rename(&self.places.made, self.directory)?;
        sync_parent(self.disk.as_ref(), self.directory)
    }

    fn interrupted(&self, kept: PathBuf, error: DiskError) -> RecoverError {
        let (directory, made) = (self.directory.to_path_buf(), self.places.made.clone());
        RecoverError::Interrupted { directory, made, kept, error }
    }

    /// The old store was renamed by a recovery that was interrupted then.
    fn go_on(&mut self) -> Result<Recovery, RecoverError> {
        let made = self.verify_made()?;
        let _lock = StoreDirectory::lock(self.disk.as_ref(), &self.places.made, &self.options.holder)?;
        self.disk.sync_dir(&self.places.made)?;
        let kept = self.places.kept(made.cluster_id);
        self.move_made().map_err(|error| self.interrupted(kept, error))?;
        Ok(self.recovery(RecoveredBy::OneInterrupted, &made))
    }
}

/// What a store has that a recovery has made.
#[derive(PartialEq, Eq, Debug)]
struct Made {
    cluster_id: StoreId,
    membership: Option<Membership>,
    last: Option<LogPosition>,
    node_count: u64,
    revision: u64,
}

impl Made {
    fn of(cluster_id: StoreId, view: &View) -> Made {
        let membership = members(view).cloned();
        let (node_count, revision) = (view.state.node_count(), view.state.revision());
        Made { cluster_id, membership, last: view.applied, node_count, revision }
    }
}

fn members(view: &View) -> Option<&Membership> {
    view.membership.as_ref().map(|(_, members)| members.as_ref())
}

/// A log that begins behind `covers`, and in which nobody can be elected in a term that there was.
fn start_log(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    store_id: StoreId,
    covers: LogPosition,
    vote: Option<Vote>,
) -> Result<(), RecoverError> {
    let term = vote.map_or(0, |vote| vote.term).max(covers.term);
    let vote = Vote { term, member_id: RECOVERED_MEMBER_ID, has_won: false };
    let options = LogOptions::default();
    let (log, _) = Log::<Entry>::open(disk.clone(), directory, store_id, options)?;
    log.save_committed(Some(covers));
    durably(|durable| log.purge(covers, durable))?;
    durably(|durable| log.save_vote(vote.encode(), durable))?;
    Ok(log.close()?)
}

fn durably(begin: impl FnOnce(Durable) -> Result<(), LogError>) -> Result<(), RecoverError> {
    let (sender, receiver) = channel();
    begin(Box::new(move |result| {
        let _ = sender.send(result);
    }))?;
    // No answer: its writer has ended, which closing tells.
    receiver.recv().unwrap_or(Ok(())).map_err(RecoverError::from)
}
