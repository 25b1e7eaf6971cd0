//! The way to the other members: who carries frames, and on which lane.

use std::fmt::Debug;

/// Frames of different lanes do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Consensus: small, and urgent.
    Consensus,
    /// Snapshots.
    Bulk,
}

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// It is connected.
    Up,
    /// The connection is gone.
    Down,
    /// A frame of this lane could not be sent now: no connection, or too much waits.
    Refused(Lane),
}

/// Carries frames to the stores of the same name on other nodes.
pub trait PeerTransport: Send + Sync + 'static {
    /// Hands a frame over. Never blocks, and promises nothing; frames that arrive on one lane arrive in order. Called on threads
    /// of the store, never on a scheduler's.
    fn send(&self, node_name: &str, lane: Lane, frame: Vec<u8>);
}

/// Carries nothing: for a store that has no peers.
#[derive(Debug)]
pub struct NoTransport;

impl PeerTransport for NoTransport {
    fn send(&self, _node_name: &str, _lane: Lane, _frame: Vec<u8>) {}
}
