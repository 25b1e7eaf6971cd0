//! What the store knows of a caller: who gets the answer, and whether anybody still waits for it.

use crate::cluster::ClusterEvent;
use crate::error::StoreError;
use pando_tree::Answer;

/// The revision of what has no place among the commands: a barrier, a turn, a transaction that was never proposed. Commands
/// count from 1.
pub const NO_REVISION: u64 = 0;

/// The outcome of one command.
#[derive(Debug)]
pub struct Applied {
    /// The tree's answer.
    pub answer: Answer,
    /// The log index at which the command was applied; of what is no command, or was never proposed, an index that was
    /// applied when it was answered.
    pub log_index: u64,
    /// The revision of the tree with it: its place in the order of all commands. [`NO_REVISION`] for what has none.
    pub revision: u64,
}

/// What a caller is told.
pub type Outcome = Result<Applied, StoreError>;

/// A caller of one command. Dropping a ticket without an answer must tell the caller that the outcome is unknown:
/// that is the implementer's duty, and makes "nobody waits for ever" hold on every path, panics included.
pub trait Ticket: Send + 'static {
    /// True when the caller no longer waits; a command not yet proposed is then dropped.
    fn is_cancelled(&self) -> bool;

    /// Lets the caller go without a word: it waits no more.
    fn dismiss(self);
}

/// Takes answers away from the threads of a store. Must not block for longer than a push on a queue.
pub trait Replies<T>: Send + Sync + 'static {
    /// Delivers the outcomes of the commands of one log entry, in their order.
    fn deliver(&self, replies: Vec<(T, Outcome)>);
}

/// What a store has to say without being asked.
pub trait StoreEvents: Send + Sync + 'static {
    /// The store has stopped by itself and must be opened again. Said once.
    fn halted(&self, reason: &str);
    /// Something an operator should read: a torn tail that was cut off, a snapshot that could not be written.
    fn notice(&self, text: &str);
    /// How far something has come that takes long, for whoever waits for it.
    fn progress(&self, _text: &str) {}
    /// Something has happened in the cluster.
    fn cluster_event(&self, _event: &ClusterEvent) {}
}
