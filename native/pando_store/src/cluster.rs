//! What can be asked of a cluster as a whole, and what it says: changes of its members, transfers of leadership, events.
//!
//! Invariants
//! 1. Only the leader carries out a [`ClusterRequest`]; anybody else says who leads, and nothing has happened.
//! 2. A member id is the index of a log entry that was committed for it alone, so it is never given twice.

use std::fmt;

use crate::membership::Role;

/// What the leader can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterRequest {
    /// A new member id. Nothing else changes: an id that is not used leaves no trace.
    AllocateMemberId,
    /// Makes a member of an allocated id. It gets the log, and is made a voter by the leader when it has caught up, if that
    /// is its role; members of the same Erlang node go in the same step. Asked again for a member that is there: done.
    AddMember {
        /// From [`ClusterRequest::AllocateMemberId`].
        member_id: u64,
        /// Its Erlang node.
        node_name: String,
        /// What it is to be.
        role: Role,
    },
    /// Takes a member out, dead or alive. One that is not there: done.
    RemoveMember {
        /// Which.
        member_id: u64,
    },
    /// Makes an observer of a voter, or has it made a voter.
    ChangeRole {
        /// Which.
        member_id: u64,
        /// What it is to be.
        role: Role,
    },
    /// Hands leadership to a voter; to the best one if none is named. Done when it leads.
    TransferLeadership {
        /// To whom.
        member_id: Option<u64>,
    },
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterAnswer {
    /// It is so, on a majority's disks.
    Done,
    /// The new id.
    MemberId(u64),
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterError {
    /// This member does not lead. Nothing has happened. The leader's Erlang node, if it is known.
    NotLeader(Option<String>),
    /// There is no such member, or none that can do that. Nothing has happened.
    NoSuchMember,
    /// It would leave the cluster without a voter. Nothing has happened.
    LastVoter,
    /// Another change of members is under way. Nothing has happened: ask again.
    Busy,
    /// No majority answers. Whether it will happen is unknown.
    NoQuorum(String),
    /// The store is closing or has halted. Unknown.
    Stopped,
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterError::NotLeader(Some(node)) => write!(f, "this member does not lead, {node} does"),
            ClusterError::NotLeader(None) => write!(f, "this member does not lead, and knows no leader"),
            ClusterError::NoSuchMember => write!(f, "there is no such member, or it cannot do that"),
            ClusterError::LastVoter => write!(f, "the cluster would have no voter left"),
            ClusterError::Busy => write!(f, "another change of members is under way"),
            ClusterError::NoQuorum(text) => write!(f, "no majority of the members answers: {text}"),
            ClusterError::Stopped => write!(f, "the store has stopped"),
        }
    }
}

impl std::error::Error for ClusterError {}

/// Called once with what became of a request.
pub type ClusterDone = Box<dyn FnOnce(Result<ClusterAnswer, ClusterError>) + Send>;

/// A member as another one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its id.
    pub member_id: u64,
    /// Its Erlang node.
    pub node_name: String,
    /// What it is, or is to be.
    pub role: Role,
    /// Whether it votes now: one that is to be a voter does so once it has caught up.
    pub is_voter: bool,
    /// What it said last that it has applied; `None` if it has said nothing yet.
    pub applied_index: Option<u64>,
    /// How long ago it was heard of; 0 for this member itself, `None` for never.
    pub last_contact_ms: Option<u64>,
}

/// What happens in a cluster, as this member sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterEvent {
    /// There is another leader, or none.
    LeaderChanged {
        /// Member id and Erlang node.
        leader: Option<(u64, String)>,
        /// The term.
        term: u64,
    },
    /// This member cannot reach a majority any more.
    QuorumLost,
    /// It can again.
    QuorumRegained,
    /// There is a new member.
    MemberJoined {
        /// Its id.
        member_id: u64,
        /// Its Erlang node.
        node_name: String,
    },
    /// A member is gone for good.
    MemberLeft {
        /// Its id.
        member_id: u64,
        /// Its Erlang node.
        node_name: String,
    },
    /// A member votes from now on, or no longer.
    RoleChanged {
        /// Its id.
        member_id: u64,
        /// Its Erlang node.
        node_name: String,
        /// Whether it votes now.
        is_voter: bool,
    },
    /// A member is far behind, or is not heard of.
    MemberLagging {
        /// Its id.
        member_id: u64,
        /// Its Erlang node.
        node_name: String,
        /// Entries that it lacks.
        entries: u64,
    },
    /// A member that was far behind has caught up.
    MemberCaughtUp {
        /// Its id.
        member_id: u64,
        /// Its Erlang node.
        node_name: String,
    },
    /// This member has replaced its state by a snapshot from the leader.
    SnapshotInstalled {
        /// The last log index in it.
        index: u64,
    },
    /// The others say that this member is none any more: its store halts.
    Removed,
}
