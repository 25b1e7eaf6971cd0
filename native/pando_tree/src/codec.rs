//! Commands, answers and trees as bytes: for the log and for snapshots.
//!
//! Invariants:
//! 1. What is encoded decodes to an equal value, and one value has one encoding.
//! 2. Decoding never panics, believes no count further than the bytes reach, and checks every limit.
//! 3. A layout is never changed, only joined by another one under a new tag: old logs stay readable.

mod answer;
mod command;
mod reader;
mod tree;

use std::fmt;

use crate::limits::Limit;

pub(crate) use command::put_names;
pub use tree::{TreeBuilder, TreeRecords};

/// Why bytes were not decoded. They are damaged, or were written by a newer version; nothing was taken from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end too early.
    Truncated,
    /// There are bytes behind what was expected.
    TrailingBytes,
    /// A tag without meaning.
    UnknownTag {
        /// What the tag is of.
        of: &'static str,
        /// Its value.
        tag: u8,
    },
    /// A number is not spelled in the shortest way or does not fit.
    MalformedNumber,
    /// The text of an atom is not UTF-8.
    MalformedAtom,
    /// A condition is none.
    MalformedCondition,
    /// Something is too large.
    LimitExceeded(Limit),
    /// A node is deeper than one below the node before it, or is a second root.
    WrongDepth,
    /// A node does not follow its elder sibling in the order of names.
    WrongOrder,
    /// A counter or a revision of a node contradicts those around it.
    WrongCounters,
    /// Conditions of a node that cannot have any.
    WrongConditions,
    /// Requests that cannot be known to have been applied: too many, one twice, or with an answer that none gives.
    WrongRequests,
    /// There is no root.
    NoRoot,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Truncated => f.write_str("the bytes are cut off"),
            DecodeError::TrailingBytes => f.write_str("there are bytes behind the end"),
            DecodeError::UnknownTag { of, tag } => write!(f, "unknown tag {tag} of a {of}"),
            DecodeError::MalformedNumber => f.write_str("a number is malformed"),
            DecodeError::MalformedAtom => f.write_str("the text of an atom is not UTF-8"),
            DecodeError::MalformedCondition => f.write_str("a condition is malformed"),
            DecodeError::LimitExceeded(limit) => write!(f, "limit exceeded: {limit}"),
            DecodeError::WrongDepth => f.write_str("a node has no parent"),
            DecodeError::WrongOrder => f.write_str("the nodes are not sorted"),
            DecodeError::WrongCounters => f.write_str("the counters of a node are impossible"),
            DecodeError::WrongConditions => f.write_str("conditions belong to no node"),
            DecodeError::WrongRequests => f.write_str("requests cannot be known so"),
            DecodeError::NoRoot => f.write_str("there is no root"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<Limit> for DecodeError {
    fn from(limit: Limit) -> DecodeError {
        DecodeError::LimitExceeded(limit)
    }
}
