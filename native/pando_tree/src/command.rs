//! The commands that change the tree.

use std::sync::Arc;

use crate::condition::Condition;
use crate::limits::REQUEST_ANSWER_SIZE_BYTES_MAX;
use crate::payload::Payload;
use crate::props::PropsMask;
use crate::request_window::RequestId;
use crate::step::Step;
use crate::transaction::Transaction;

/// Which nodes a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Exactly one: a path that may lead to many is refused.
    One,
    /// All that match; none is no error.
    Many,
    /// The same, and the root besides, when the path begins with a condition.
    ManyAndRoot,
}

/// A condition on which the existence of a node depends: it must hold of the nodes that the path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Absolute, or relative to the node that is kept.
    pub path: Vec<Step>,
    /// What must hold there.
    pub condition: Condition,
}

/// A change of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Create nodes or replace their payload, creating missing parents.
    Put {
        /// The targets.
        path: Vec<Step>,
        /// Which of them.
        scope: Scope,
        /// Their new payload.
        payload: Payload,
        /// What each depends on from now on; `None` leaves that as it is.
        keep_while: Option<Box<[Watched]>>,
        /// What the caller wants to know.
        wanted: Option<Wanted>,
    },
    /// Take the payload off nodes that exist. One that is missing is no error.
    Clear {
        /// The targets.
        path: Vec<Step>,
        /// Which of them.
        scope: Scope,
        /// What each depends on from now on; `None` leaves that as it is.
        keep_while: Option<Box<[Watched]>>,
        /// What the caller wants to know.
        wanted: Option<Wanted>,
    },
    /// Remove nodes and everything below them; at the root, the payload and everything below. One that is missing, or
    /// does not meet a condition, is no error.
    Delete {
        /// The targets.
        path: Vec<Step>,
        /// Which of them.
        scope: Scope,
        /// What the caller wants to know.
        wanted: Option<Wanted>,
    },
    /// Several commands that take effect together, or none of them.
    Transaction(Box<Transaction>),
    /// A command that is applied once, however often it is sent.
    Once(Box<Once>),
}

/// A command with the id of the request it is for. While the tree keeps that id, any command with it is told what became
/// of the first and changes nothing. A refusal is not kept: nothing happened, so it may be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// What names the request.
    pub id: RequestId,
    /// What to do; never one of this kind.
    pub command: Command,
    /// What the caller leaves with the request for whoever sends it again.
    pub note: Option<Arc<[u8]>>,
}

impl Once {
    /// A note too large to be kept is left out.
    pub fn new(id: RequestId, command: Command, note: Option<Arc<[u8]>>) -> Once {
        Once { id, command, note: note.filter(|note| note.len() <= REQUEST_ANSWER_SIZE_BYTES_MAX) }
    }
}

/// The node properties a caller wants back. A command with `None` in its place collects nothing at all, which
/// makes the removal of a subtree independent of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The properties of each node of the answer.
    pub props: PropsMask,
    /// Whether nodes that went because a condition of theirs ceased to hold are listed too.
    pub indirect_deletes: bool,
}

impl Command {
    /// A put to one node, of which the caller wants to know only whether it worked.
    pub fn put(path: Vec<Step>, payload: Payload) -> Command {
        Command::Put { path, scope: Scope::One, payload, keep_while: None, wanted: None }
    }

    /// A removal of one node, of which the caller wants to know only whether it worked.
    pub fn delete(path: Vec<Step>) -> Command {
        Command::Delete { path, scope: Scope::One, wanted: None }
    }
}
