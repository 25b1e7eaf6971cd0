//! The snapshot thread of a store, and the reading of snapshots when a store opens.
//!
//! Invariants
//! 1. A snapshot is written from an immutable view: no writer waits for it, and it holds one point of the log.
//! 2. A snapshot that cannot be written is an operator's notice, never a halt: the log still holds everything.
//! 3. The newest two are kept, and the log back to the older one: one damaged snapshot loses nothing.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Instant;

use bincode::Options;
use crossbeam_channel::{Receiver, Sender};
use pando_tree::{TreeBuilder, TreeRecords};
use serde::{Deserialize, Serialize};

use crate::consensus::{Consensus, SnapshotFile};
use crate::history::History;
use crate::log::LogPosition;
use crate::membership::Membership;
use crate::operating_system::let_others_go_first;
use crate::own_progress::OwnProgress;
use crate::reaper::Garbage;
use crate::sessions::{Session, Sessions};
use crate::shared::Shared;
use crate::snapshot::{METADATA_BYTES_MAX, SnapshotDirectory, SnapshotError, SnapshotName, SnapshotReader};
use crate::snapshot_pace;
use crate::ticket::Ticket;
use crate::view::View;

/// Records, or bytes of them, between two looks at the time and at whether the store closes meanwhile.
const RECORDS_BETWEEN_LOOKS: u64 = 1_024;
/// See [`RECORDS_BETWEEN_LOOKS`].
const BYTES_BETWEEN_LOOKS: u64 = 32 * 1024;
/// Work for the thread.
pub enum SnapshotJob {
    /// Whom to tell of finished snapshots.
    Consensus(Weak<dyn Consensus>),
    /// Write this.
    Write(Arc<View>),
}

/// Has the newest view written, in the background; `false`: a snapshot is being written already.
///
/// None is queued behind another: it would show an older moment than need be, and hold that in memory meanwhile.
pub fn begin<T: Ticket>(shared: &Shared<T>, jobs: &Sender<SnapshotJob>) -> bool {
    if !shared.snapshot_progress().begin() {
        return false;
    }
    // Before the view is taken: what is applied meanwhile is counted for the next one, though it may be in this.
    shared.forget_log_bytes();
    let is_begun = jobs.try_send(SnapshotJob::Write(shared.view())).is_ok();
    if !is_begun {
        shared.snapshot_progress().end();
    }
    is_begun
}

/// What a snapshot says besides the tree, before it held sessions. Never changed: a new form gets a new name and version.
#[derive(Serialize, Deserialize)]
struct MetadataV1 {
    node_count: u64,
    membership_position: Option<(u64, u64, u64)>,
    membership: Vec<u8>,
    revision: u64,
    history: History,
}

/// What stands before metadata of a version. Without it, it is version 1, which begins with a node count: no tree has so many.
const VERSION_MARK: [u8; 8] = [0xff; 8];
const METADATA_VERSION: u8 = 2;

/// What a snapshot says besides the tree.
#[derive(Serialize, Deserialize)]
struct MetadataV2 {
    node_count: u64,
    membership_position: Option<(u64, u64, u64)>,
    membership: Vec<u8>,
    sessions: Vec<Session>,
    revision: u64,
    history: History,
}

impl MetadataV2 {
    fn encode(&self) -> Vec<u8> {
        let mut out = VERSION_MARK.to_vec();
        out.push(METADATA_VERSION);
        // Writing to a Vec fails only over the size limit, which a reader would refuse too.
        let _ = codec().serialize_into(&mut out, self);
        out
    }

    fn decode(bytes: &[u8]) -> Result<MetadataV2, String> {
        let text = |error: bincode::Error| format!("metadata: {error}");
        let Some(versioned) = bytes.strip_prefix(&VERSION_MARK) else {
            let MetadataV1 { node_count, membership_position, membership, revision, history } =
                codec().deserialize(bytes).map_err(text)?;
            // There was one member. Of its openings before the last one nothing is sent again.
            let sessions = history.last_session().into_iter().collect();
            return Ok(MetadataV2 {
                node_count,
                membership_position,
                membership,
                sessions,
                revision,
                history,
            });
        };
        match versioned.split_first() {
            Some((&METADATA_VERSION, body)) => codec().deserialize(body).map_err(text),
            Some((version, _)) => {
                Err(format!("metadata of version {version}, this code reads 1 and {METADATA_VERSION}"))
            }
            None => Err("metadata without a version".to_owned()),
        }
    }
}

fn codec() -> impl Options {
    bincode::DefaultOptions::new()
        .with_limit(METADATA_BYTES_MAX as u64)
        .with_fixint_encoding()
        .reject_trailing_bytes()
}

/// What the thread owns.
pub struct SnapshotThread<T> {
    shared: Arc<Shared<T>>,
    consensus: Option<Weak<dyn Consensus>>,
}

impl<T: Ticket> SnapshotThread<T> {
    /// Writes into the directory of `shared`.
    pub fn new(shared: Arc<Shared<T>>) -> SnapshotThread<T> {
        SnapshotThread { shared, consensus: None }
    }

    /// Runs until nobody can hand over work any more.
    pub fn run(mut self, jobs: &Receiver<SnapshotJob>) {
        let_others_go_first();
        while let Ok(job) = jobs.recv() {
            match job {
                SnapshotJob::Consensus(consensus) => self.consensus = Some(consensus),
                SnapshotJob::Write(view) => {
                    if !self.shared.is_closing() {
                        self.write(&view);
                    }
                    self.shared.engine.reaper().free(Garbage::View(view));
                    self.shared.snapshot_progress().end();
                }
            }
        }
    }

    fn write(&self, view: &View) {
        if self.shared.snapshot().is_some_and(|newest| Some(newest.covers) == view.applied) {
            return;
        }
        let begin = Instant::now();
        let go_on = |written: &Written| {
            self.shared.snapshot_progress().note(written.records, written.records_whole);
            while !self.shared.is_closing() {
                let log_bytes = self.shared.log_bytes_since_snapshot();
                match snapshot_pace::pause(written.size_bytes, log_bytes, begin.elapsed()) {
                    Some(pause) => std::thread::sleep(pause),
                    None => return true,
                }
            }
            false
        };
        match write_snapshot(&self.shared.snapshots, view, &go_on) {
            Ok(None) => {}
            Ok(Some((file, size_bytes))) => {
                let covers = file.covers;
                let before = note_newest(&self.shared, file, size_bytes);
                if let Some(consensus) = self.consensus.as_ref().and_then(Weak::upgrade) {
                    consensus.snapshot_written(covers, before.map(|file| file.covers.index));
                }
            }
            Err(error) => self.shared.notice(&format!(
                "a snapshot could not be written, the log is kept instead and the next attempt follows: {error}"
            )),
        }
    }
}

/// A snapshot is there; gives the one before. Older ones are removed, by name, not by age: one that was found damaged must not
/// take the place of one that can be read.
pub fn note_newest<T: Ticket>(
    shared: &Shared<T>,
    file: SnapshotFile,
    size_bytes: u64,
) -> Option<SnapshotFile> {
    let newest = file.name;
    let before = shared.set_snapshot(file, size_bytes);
    let kept: Vec<_> = before.iter().map(|file| file.name).chain([newest]).collect();
    if let Err(error) = shared.snapshots.retain(&kept) {
        shared.notice(&format!("an old snapshot could not be removed: {error}"));
    }
    before
}

/// How much of a snapshot is written.
#[derive(Default)]
pub struct Written {
    /// Records.
    pub records: u64,
    /// Records that it will have.
    pub records_whole: u64,
    /// Bytes of those written.
    pub size_bytes: u64,
}

/// Writes `view`; `None` when there is nothing in it yet, or when `go_on`, asked at intervals, says no.
pub fn write_snapshot(
    snapshots: &SnapshotDirectory,
    view: &View,
    go_on: &dyn Fn(&Written) -> bool,
) -> Result<Option<(SnapshotFile, u64)>, SnapshotError> {
    let Some(covers) = view.applied else { return Ok(None) };
    let mut membership = Vec::new();
    if let Some((_, members)) = &view.membership {
        members.encode(&mut membership);
    }
    let metadata = MetadataV2 {
        node_count: view.state.node_count(),
        membership_position: view.membership.as_ref().map(|(at, _)| (at.term, at.node_id, at.index)),
        membership,
        sessions: view.sessions.all().to_vec(),
        revision: view.state.revision(),
        history: view.history,
    };
    let mut writer = snapshots.create(covers, &metadata.encode())?;
    let mut records = TreeRecords::new(&view.state);
    let mut record = Vec::new();
    let mut written = Written { records_whole: records.count(), ..Written::default() };
    let mut looked_at = (0, 0);
    while records.next_into(&mut record) {
        writer.append(&record)?;
        written.size_bytes += record.len() as u64;
        record.clear();
        written.records += 1;
        let is_far = written.size_bytes - looked_at.1 >= BYTES_BETWEEN_LOOKS;
        if is_far || written.records - looked_at.0 >= RECORDS_BETWEEN_LOOKS {
            looked_at = (written.records, written.size_bytes);
            if !go_on(&written) {
                return Ok(None);
            }
        }
    }
    let name = writer.finish()?;
    Ok(Some((SnapshotFile { name, covers, membership: view.membership.clone() }, written.size_bytes)))
}

/// Why a snapshot was not read.
#[derive(Debug)]
pub enum LoadError {
    /// The file.
    Snapshot(SnapshotError),
    /// The file is as it was written, but what is in it is no tree: a fault of this library.
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        text: String,
    },
    /// Who looked on while it was read wanted no more.
    Stopped {
        /// Which.
        path: PathBuf,
    },
}

impl LoadError {
    /// Whether an older snapshot can help.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, LoadError::Snapshot(SnapshotError::Damaged { .. }) | LoadError::Content { .. })
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Snapshot(error) => write!(f, "{error}"),
            LoadError::Content { path, text } => {
                write!(f, "the snapshot {} is whole, but holds no tree: {text}", path.display())
            }
            LoadError::Stopped { path } => {
                write!(f, "the snapshot {} was not read to its end: nobody wanted more", path.display())
            }
        }
    }
}

impl std::error::Error for LoadError {}

impl From<SnapshotError> for LoadError {
    fn from(error: SnapshotError) -> LoadError {
        LoadError::Snapshot(error)
    }
}

/// What [`load_newest`] found.
pub struct Loaded {
    /// The view of the newest readable snapshot, or the empty one.
    pub view: View,
    /// That snapshot, and its size.
    pub snapshot: Option<(SnapshotFile, u64)>,
    /// Why newer ones were passed over.
    pub refused: Vec<String>,
}

/// Reads the newest readable snapshot. Damaged ones are passed over: whether the log reaches back to the next older one is
/// for the caller to check.
pub fn load_newest(
    snapshots: &SnapshotDirectory,
    directory: &Path,
    on_step: &mut dyn FnMut(&Path, LoadStep),
) -> Result<Loaded, LoadError> {
    let mut refused = Vec::new();
    for name in snapshots.list()? {
        let path = name.path(directory);
        let mut note = |step| {
            on_step(&path, step);
            ControlFlow::Continue(())
        };
        match load(snapshots, directory, name, &mut note) {
            Ok((view, covers, size_bytes)) => {
                let file = SnapshotFile { name, covers, membership: view.membership.clone() };
                return Ok(Loaded { view, snapshot: Some((file, size_bytes)), refused });
            }
            Err(error) if error.is_damage() => refused.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(Loaded { view: View::empty(), snapshot: None, refused })
}

/// Reads a snapshot that another member sent; its view, and the size of the file.
pub fn load_received(
    snapshots: &SnapshotDirectory,
    directory: &Path,
    file: &SnapshotFile,
) -> Result<(View, u64), LoadError> {
    let mut go_on = |_| ControlFlow::Continue(());
    let (mut view, _, size_bytes) = load(snapshots, directory, file.name, &mut go_on)?;
    // Newer than the one in the file, if the leader says so (pitfall 6).
    view.membership = file.membership.clone().or(view.membership);
    Ok((view, size_bytes))
}

/// How much of a snapshot was read.
#[derive(Clone, Copy)]
pub struct LoadStep {
    /// Nodes read.
    pub nodes: u64,
    /// How many there are.
    pub nodes_whole: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// How many there are.
    pub size_bytes: u64,
}

/// Who is told how much of a snapshot was read; `Break`: no more of it is wanted.
pub(crate) type LoadProgress<'a> = &'a mut dyn FnMut(LoadStep) -> ControlFlow<()>;

/// Reads one snapshot, all of it: the view, the position that it covers, and the size of the file.
pub(crate) fn load(
    snapshots: &SnapshotDirectory,
    directory: &Path,
    name: SnapshotName,
    progress: LoadProgress<'_>,
) -> Result<(View, LogPosition, u64), LoadError> {
    let mut reader = snapshots.read(name)?;
    let view = read_view(&mut reader, progress).map_err(|error| match error {
        ReadError::Stopped => LoadError::Stopped { path: name.path(directory) },
        ReadError::Snapshot(error) => LoadError::Snapshot(error),
        ReadError::Content(text) => LoadError::Content { path: name.path(directory), text },
    })?;
    Ok((view, reader.position(), reader.size_bytes()))
}

/// The members that a snapshot's metadata name, and where they were set.
pub(crate) fn members_in(reader: &SnapshotReader) -> Result<Option<(LogPosition, Membership)>, String> {
    MetadataV2::decode(reader.metadata()).and_then(|metadata| members_of(&metadata))
}

fn members_of(metadata: &MetadataV2) -> Result<Option<(LogPosition, Membership)>, String> {
    let Some((term, node_id, index)) = metadata.membership_position else { return Ok(None) };
    let members = Membership::decode(&metadata.membership)?;
    Ok(Some((LogPosition { term, node_id, index }, members)))
}

/// Whether this code can read what a snapshot says of itself. Its records are of the version of its file.
pub(crate) fn check_metadata(bytes: &[u8]) -> Result<(), String> {
    let metadata = MetadataV2::decode(bytes)?;
    members_of(&metadata)?;
    Sessions::from_stored(metadata.sessions).map(drop)
}

enum ReadError {
    Stopped,
    Snapshot(SnapshotError),
    Content(String),
}

fn read_view(reader: &mut SnapshotReader, progress: LoadProgress<'_>) -> Result<View, ReadError> {
    let position = reader.position();
    let metadata = MetadataV2::decode(reader.metadata()).map_err(ReadError::Content)?;
    let membership = members_of(&metadata).map_err(ReadError::Content)?;
    let membership = membership.map(|(position, members)| (position, Arc::new(members)));
    let sessions = Sessions::from_stored(metadata.sessions).map_err(ReadError::Content)?;
    let mut builder = TreeBuilder::new();
    let mut records_read: u64 = 0;
    while let Some(record) = reader.next_record().map_err(ReadError::Snapshot)? {
        builder.push(record).map_err(|error| ReadError::Content(error.to_string()))?;
        records_read += 1;
        if !records_read.is_multiple_of(RECORDS_BETWEEN_LOOKS) {
            continue;
        }
        let step = LoadStep {
            // Behind the nodes stand a few records of other kinds.
            nodes: records_read.min(metadata.node_count),
            nodes_whole: metadata.node_count,
            read_bytes: reader.read_bytes(),
            size_bytes: reader.size_bytes(),
        };
        if progress(step).is_break() {
            return Err(ReadError::Stopped);
        }
    }
    let state = builder.finish(metadata.revision).map_err(|error| ReadError::Content(error.to_string()))?;
    if state.node_count() != metadata.node_count {
        let (found, expected) = (state.node_count(), metadata.node_count);
        return Err(ReadError::Content(format!("{found} nodes instead of {expected}")));
    }
    let (history, own) = (metadata.history, OwnProgress::default());
    Ok(View { state, applied: Some(position), membership, history, sessions, own })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> MetadataV2 {
        MetadataV2 {
            node_count: 5,
            membership_position: Some((1, 2, 3)),
            membership: vec![2, 0],
            sessions: vec![Session { member_id: 1, incarnation: 7, next_sequence: 9 }],
            revision: 8,
            history: History::default(),
        }
    }

    #[test]
    fn metadata_are_read_as_they_were_written_and_refused_at_every_other_length() {
        let mut bytes = metadata().encode();
        let read = MetadataV2::decode(&bytes).unwrap();
        assert_eq!(read.encode(), bytes);
        assert_eq!((read.node_count, read.revision, read.sessions), (5, 8, metadata().sessions));
        for length in 0..bytes.len() {
            assert!(MetadataV2::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        bytes.push(0);
        assert!(MetadataV2::decode(&bytes).is_err());
    }

    #[test]
    fn metadata_of_another_version_are_refused_and_not_guessed() {
        let mut bytes = metadata().encode();
        for version in [0, 1, 3, 255] {
            bytes[VERSION_MARK.len()] = version;
            let error = MetadataV2::decode(&bytes).err().unwrap();
            assert!(error.contains(&format!("version {version}")), "{error}");
        }
    }

    #[test]
    fn metadata_of_version_1_have_the_session_of_the_last_batch() {
        let mut history = History::default();
        let none = History::default();
        let origin = crate::batch::Origin { member_id: 1, incarnation: 7, first_sequence: 3 };
        let command = pando_tree::Command::delete(Vec::new());
        history.note(&crate::batch::Batch::new(origin, 0, vec![command; 2], None), 4);
        let session = Session { member_id: 1, incarnation: 7, next_sequence: 5 };
        for (history, expected) in [(history, vec![session]), (none, vec![])] {
            let (membership_position, membership) = (None, Vec::new());
            let old = MetadataV1 { node_count: 5, membership_position, membership, revision: 8, history };
            let read = MetadataV2::decode(&codec().serialize(&old).unwrap()).unwrap();
            assert_eq!((read.node_count, read.revision, read.history), (5, 8, history));
            assert_eq!(read.sessions, expected);
        }
    }
}
