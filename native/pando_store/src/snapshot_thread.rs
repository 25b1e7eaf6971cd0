//! The snapshot thread of a store, and the reading of snapshots when a store opens.
//!
//! Invariants
//! 1. A snapshot is written from an immutable view: no writer waits for it, and it holds one point of the log.
//! 2. A snapshot that cannot be written is an operator's notice, never a halt: the log still holds everything.
//! 3. The newest two are kept, and the log back to the older one: one damaged snapshot loses nothing.

use std::path::Path;
use std::sync::{Arc, Weak};

use bincode::Options;
use crossbeam_channel::Receiver;
use pando_tree::{TreeBuilder, TreeRecords};
use serde::{Deserialize, Serialize};

use crate::consensus::{Consensus, SnapshotFile};
use crate::directory::StoreId;
use crate::disk::Disk;
use crate::log::LogPosition;
use crate::membership::Membership;
use crate::reaper::Garbage;
use crate::shared::Shared;
use crate::snapshot::{SnapshotError, SnapshotReader, SnapshotWriter, list_snapshots, retain_newest};
use crate::view::View;

/// Snapshots kept.
const SNAPSHOTS_KEPT: usize = 2;
/// Records between two looks at whether the store closes meanwhile.
const RECORDS_BETWEEN_LOOKS: u64 = 1_024;
/// More than the metadata of any snapshot; a bound for the decoder.
const METADATA_SIZE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Work for the thread.
pub enum SnapshotJob {
    /// Whom to tell of finished snapshots.
    Consensus(Weak<dyn Consensus>),
    /// Write this.
    Write(Arc<View>),
}

/// What a snapshot says besides the tree. Never changed: a new form gets a new name and version.
#[derive(Serialize, Deserialize)]
struct MetadataV1 {
    node_count: u64,
    membership_position: Option<(u64, u64, u64)>,
    membership: Vec<u8>,
}

fn codec() -> impl Options {
    bincode::DefaultOptions::new().with_limit(METADATA_SIZE_BYTES_MAX).with_fixint_encoding().reject_trailing_bytes()
}

/// What the thread owns.
pub struct SnapshotThread<T> {
    shared: Arc<Shared<T>>,
    consensus: Option<Weak<dyn Consensus>>,
}

impl<T: Send + 'static> SnapshotThread<T> {
    /// Writes into the directory of `shared`.
    pub fn new(shared: Arc<Shared<T>>) -> SnapshotThread<T> {
        SnapshotThread { shared, consensus: None }
    }

    /// Runs until nobody can hand over work any more.
    pub fn run(mut self, jobs: &Receiver<SnapshotJob>) {
        while let Ok(job) = jobs.recv() {
            match job {
                SnapshotJob::Consensus(consensus) => self.consensus = Some(consensus),
                SnapshotJob::Write(view) => {
                    if !self.shared.is_closing() {
                        self.write(&view);
                    }
                    self.shared.engine.reaper().free(Garbage::View(view));
                }
            }
        }
    }

    fn write(&self, view: &View) {
        let closing = || self.shared.is_closing();
        match write_snapshot(&*self.shared.disk, &self.shared.directory, self.shared.store_id, view, &closing) {
            Ok(None) => {}
            Ok(Some((file, size_bytes))) => {
                let covers = file.covers;
                let before = self.shared.set_snapshot(file, size_bytes);
                let directory = self.shared.directory.join("snapshot");
                if let Err(error) = retain_newest(&*self.shared.disk, &directory, SNAPSHOTS_KEPT) {
                    self.shared.notice(&format!("an old snapshot could not be removed: {error}"));
                }
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

/// Writes `view` into `directory`; `None` when there is nothing in it yet, or when `give_up` says so meanwhile.
pub fn write_snapshot(
    disk: &dyn Disk,
    directory: &Path,
    store_id: StoreId,
    view: &View,
    give_up: &dyn Fn() -> bool,
) -> Result<Option<(SnapshotFile, u64)>, SnapshotError> {
    let Some(covers) = view.applied else { return Ok(None) };
    let mut membership = Vec::new();
    if let Some((_, members)) = &view.membership {
        members.encode(&mut membership);
    }
    let metadata = MetadataV1 {
        node_count: view.state.node_count(),
        membership_position: view.membership.as_ref().map(|(at, _)| (at.term, at.node_id, at.index)),
        membership,
    };
    let metadata = codec().serialize(&metadata).unwrap_or_default();
    let mut writer = SnapshotWriter::create(disk, &directory.join("snapshot"), store_id, covers, &metadata)?;
    let mut records = TreeRecords::new(&view.state);
    let mut record = Vec::new();
    let mut written: u64 = 0;
    while records.next_into(&mut record) {
        writer.append(&record)?;
        record.clear();
        written += 1;
        if written.is_multiple_of(RECORDS_BETWEEN_LOOKS) && give_up() {
            return Ok(None);
        }
    }
    let (path, size_bytes) = writer.finish()?;
    Ok(Some((SnapshotFile { path, covers, membership: view.membership.clone() }, size_bytes)))
}

/// What [`load_newest`] found.
pub struct Loaded {
    /// The view of the newest readable snapshot, or the empty one.
    pub view: View,
    /// That snapshot, and its size.
    pub snapshot: Option<(SnapshotFile, u64)>,
}

/// Reads the newest readable snapshot. Damaged ones are passed over with a notice: whether the log reaches back to
/// the next older one is for the caller to check.
pub fn load_newest(
    disk: &dyn Disk,
    directory: &Path,
    store_id: StoreId,
    notice: &dyn Fn(&str),
) -> Result<Loaded, SnapshotError> {
    for found in list_snapshots(disk, &directory.join("snapshot"))? {
        match load(disk, &found.path, found.position, store_id) {
            Ok(view) => {
                let file =
                    SnapshotFile { path: found.path, covers: found.position, membership: view.membership.clone() };
                return Ok(Loaded { view, snapshot: Some((file, found.size_bytes)) });
            }
            Err(error) if error.is_damage() => {
                notice(&format!("{error}; trying the one before"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Loaded { view: View::empty(), snapshot: None })
}

/// Reads a snapshot that another member sent.
pub fn load_snapshot_file(disk: &dyn Disk, file: &SnapshotFile, store_id: StoreId) -> Result<View, SnapshotError> {
    let mut view = load(disk, &file.path, file.covers, store_id)?;
    // Newer than the one in the file, if the leader says so (pitfall 6).
    view.membership = file.membership.clone().or(view.membership);
    Ok(view)
}

fn load(disk: &dyn Disk, path: &Path, position: LogPosition, store_id: StoreId) -> Result<View, SnapshotError> {
    let mut reader = SnapshotReader::open(disk, path, store_id)?;
    let damage = |text: String| SnapshotError::damaged(path, 0, text);
    let metadata: MetadataV1 =
        codec().deserialize(reader.metadata()).map_err(|error| damage(format!("metadata: {error}")))?;
    let mut builder = TreeBuilder::new();
    while let Some(record) = reader.next_record()? {
        builder.push(record).map_err(|error| damage(format!("tree record: {error}")))?;
    }
    let state = builder.finish(position.index).map_err(|error| damage(format!("tree: {error}")))?;
    if state.node_count() != metadata.node_count {
        return Err(damage(format!("{} nodes instead of {}", state.node_count(), metadata.node_count)));
    }
    let membership = match metadata.membership_position {
        None => None,
        Some((term, node_id, index)) => {
            let members = Membership::decode(&metadata.membership).map_err(damage)?;
            Some((LogPosition { term, node_id, index }, Arc::new(members)))
        }
    };
    Ok(View { state, applied: Some(position), membership })
}
