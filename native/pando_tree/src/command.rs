//! The commands that change the tree.

use crate::payload::Payload;
use crate::props::PropsMask;
use crate::step::Step;

/// What a put demands of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing: create or replace.
    Anything,
    /// The target must not exist.
    Absent,
    /// The target must exist.
    Present,
}

/// A change of the tree. The path must name one node: wildcards are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Create the node or replace its payload, creating missing parents.
    Put {
        /// The target.
        path: Vec<Step>,
        /// Its new payload.
        payload: Payload,
        /// What must hold of the target.
        expectation: Expectation,
        /// What the caller wants to know.
        wanted: Option<Wanted>,
    },
    /// Remove the node and everything below it; at the root, the payload and everything below.
    Delete {
        /// The target.
        path: Vec<Step>,
        /// What the caller wants to know.
        wanted: Option<Wanted>,
    },
    /// Take the payload off an existing node.
    Clear {
        /// The target.
        path: Vec<Step>,
        /// What the caller wants to know.
        wanted: Option<Wanted>,
    },
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
