//! Consensus: an ordered log of entries that a majority of the members has on disk.
//!
//! openraft is imported in this folder and nowhere else. The rest of the store sees the trait [`Consensus`] below it,
//! and gives it an [`Applier`] to hand committed entries to.
//!
//! Invariants (numbers in brackets: pitfalls of the library, `docs/decisions/0002`)
//! 1. Committed entries are handed over in order, without a gap, and are durable here before (2).
//! 2. The library never resumes as leader without a vote, because the state machine is in memory (4).
//! 3. A failure of log or apply is final: the store halts and is opened again from disk (1).
//! 4. A batch is proposed by whoever leads, whichever member it comes from, and answered where it comes from.

mod conversion;
mod failover;
mod forwarding;
mod frame;
mod keeper;
mod log_storage;
mod network;
mod peers;
mod presence;
mod raft;
mod reading;
mod serving;
mod snapshot_receiving;
mod snapshot_sending;
mod state_machine;
#[cfg(test)]
mod suite_test;
mod type_config;
mod watching;

use std::sync::Arc;

use crate::batch::Batch;
use crate::cluster::{ClusterDone, ClusterEvent, ClusterRequest, MemberStatus};
use crate::entry::Entry;
use crate::log::LogPosition;
use crate::membership::Membership;
use crate::peers::{Lane, NodeState};
use crate::snapshot::SnapshotName;
use crate::view::View;

pub use raft::{RaftConsensus, RaftOptions};

pub(crate) use conversion::{Vote, read_vote};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use frame::{Frame, FrameError};

#[cfg(feature = "fuzzing")]
pub(crate) use conversion::{membership_from_raft, membership_to_raft, vote_from_bytes, vote_to_bytes};

/// Called once, with `Err` in words if what was asked for did not happen.
pub type Done = Box<dyn FnOnce(Result<(), String>) + Send>;

/// Called if, and only if, a proposed batch will not be applied on behalf of this proposal.
pub type Refused = Box<dyn FnOnce(Refusal) + Send>;

/// Called once with the index that must be applied for a read that sees all that was committed when it was asked for.
pub type ReadIndex = Box<dyn FnOnce(Result<u64, Refusal>) + Send>;

/// Why a proposal, or a question for the index of a read, was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No majority is within reach, or none has found a leader for long.
    NoQuorum {
        /// Whether a leader was asked to propose the batch: then it may be applied all the same, later.
        was_sent: bool,
    },
    /// Consensus has stopped. The batch may be in the log.
    Stopped,
}

/// What a member does just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// It leads.
    Leader,
    /// It votes, and follows.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It does not vote.
    Learner,
}

/// How consensus sees itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsensusStatus {
    /// The current term.
    pub term: u64,
    /// The leader, if this member knows one.
    pub leader: Option<u64>,
    /// What this member does.
    pub server_state: ServerState,
    /// Whether this member reaches a majority of the voters. A store that has halted does not, whatever it knew before.
    pub has_quorum: bool,
}

/// What a store asks of consensus.
pub trait Consensus: Send + Sync + 'static {
    /// Proposes a batch. Returns before it is durable; the [`Applier`] gets it when it is committed.
    fn propose(&self, batch: Batch, refused: Refused);
    /// Has the leader make sure that it leads, and tells how far one must have applied to read all that is committed now.
    /// Nothing is written. `done` is dropped uncalled only when consensus has ended.
    fn read_index(&self, done: ReadIndex);
    /// A snapshot was written that ends at `covered`; entries up to `purge_through` are no longer needed.
    fn snapshot_written(&self, covered: LogPosition, purge_through: Option<u64>);
    /// What can be told at any time.
    fn status(&self) -> ConsensusStatus;
    /// All members as this one sees them, in the order of their ids.
    fn members(&self) -> Vec<MemberStatus>;
    /// Frames that were dropped.
    fn frames_refused(&self) -> u64;
    /// Changes members, or moves leadership; `done` is called once.
    fn cluster_request(&self, request: ClusterRequest, done: ClusterDone);
    /// A frame from another node.
    fn peer_frame(&self, lane: Lane, frame: Vec<u8>);
    /// What is known of another node.
    fn node_state(&self, node_name: &str, state: NodeState);
    /// This member is about to stop: if it leads, another one is asked to, and waited for a moment. Blocks.
    fn leave(&self);
    /// Stops and waits until nothing of it runs.
    fn shut_down(&self);
}

/// What consensus asks of a store.
pub trait Applier: Send + Sync + 'static {
    /// Applies committed entries, in order; `done` is called when readers can see them.
    fn apply(&self, entries: Vec<Entry>, done: Done);
    /// Replaces all state by that of a snapshot file received from the leader.
    fn install(&self, snapshot: SnapshotFile, done: Done);
    /// The newest view.
    fn view(&self) -> Arc<View>;
    /// The newest complete snapshot file.
    fn newest_snapshot(&self) -> Option<SnapshotFile>;
    /// Consensus has stopped because of a fault: the store must halt.
    fn fatal(&self, reason: String);
    /// Something an operator should read.
    fn notice(&self, text: &str);
    /// Something has happened in the cluster.
    fn cluster_event(&self, event: &ClusterEvent);
}

/// A complete snapshot file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Which.
    pub name: SnapshotName,
    /// The last entry in it.
    pub covers: LogPosition,
    /// The members at that point.
    pub membership: Option<(LogPosition, Arc<Membership>)>,
}
