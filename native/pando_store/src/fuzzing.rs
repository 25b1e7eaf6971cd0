//! Private decoders for the fuzz targets (`native/pando_fuzz`). Only there with the feature `fuzzing`, which no build of the
//! library has.

use std::path::Path;

use crate::consensus::{membership_from_raft, membership_to_raft, vote_from_bytes, vote_to_bytes};
use crate::snapshot::SnapshotDirectory;
use crate::view::View;

pub use crate::consensus::{Frame, FrameError};
pub use crate::entry::{Change, Entry};
pub use crate::membership::Membership;
pub use crate::sessions::{Session, Sessions};

/// Reads a vote and writes it again.
pub fn vote_again(bytes: &[u8]) -> Result<Vec<u8>, String> {
    vote_from_bytes(bytes).map(|vote| vote_to_bytes(&vote))
}

/// Brings members through the consensus library and back.
pub fn membership_through_raft(membership: &Membership) -> Result<Membership, String> {
    membership_to_raft(membership).map(|membership| membership_from_raft(&membership))
}

/// The view that the newest readable snapshot holds, as an opening store reads it; what it would tell of those that it passed
/// over otherwise.
pub fn load_snapshot(snapshots: &SnapshotDirectory, directory: &Path) -> Result<View, String> {
    match crate::snapshot_thread::load_newest(snapshots, directory, &mut |_, _| {}) {
        Ok(loaded) if loaded.snapshot.is_some() => Ok(loaded.view),
        Ok(loaded) => Err(loaded.refused.concat()),
        Err(error) => Err(error.to_string()),
    }
}

/// Writes a view as a snapshot. Whether there was anything to write.
pub fn write_snapshot(snapshots: &SnapshotDirectory, view: &View) -> Result<bool, String> {
    crate::snapshot_thread::write_snapshot(snapshots, view, &|_| true)
        .map(|written| written.is_some())
        .map_err(|error| error.to_string())
}
