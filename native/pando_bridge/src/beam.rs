//! What the bridge needs from whatever connects it to the BEAM: a NIF library, or a program behind a port.

use std::fmt::Debug;
use std::hash::Hash;

use pando_store::cluster::{ClusterAnswer, ClusterError, ClusterEvent};
use pando_store::{OpenError, Outcome};

/// The way to Erlang processes. All functions that send are called on threads of the bridge or of a store, never on a
/// scheduler.
pub trait Beam: Send + Sync + Sized + 'static {
    /// How a store is named in requests: small, quick to compare.
    type Key: Copy + Eq + Hash + Debug + Send + Sync + 'static;
    /// Where the reply to one request goes; it may be that nobody wants it.
    type Address: Send + 'static;
    /// The process that opened a store and hears of its end.
    type Owner: Send + Sync + 'static;

    /// Whether the calling thread is a scheduler's.
    fn is_scheduler() -> bool;
    /// Calls `replies`, which sends several, so that they can go together.
    fn in_batch(replies: impl FnOnce());
    /// Sends the outcome of a command, or of a wait.
    fn reply(address: Self::Address, outcome: Outcome);
    /// Sends what became of a request of the cluster.
    fn cluster_reply(address: Self::Address, result: Result<ClusterAnswer, ClusterError>);
    /// The store is open, or could not be opened.
    fn opened(owner: &Self::Owner, key: Self::Key, result: Result<(), OpenFailure>);
    /// The store has been closed; its directory is free.
    fn closed(owner: &Self::Owner, key: Self::Key);
    /// The store has halted by itself.
    fn halted(owner: &Self::Owner, key: Self::Key, reason: &str);
    /// Something an operator should read.
    fn notice(owner: &Self::Owner, key: Self::Key, text: &str);
    /// How far something has come that takes long.
    fn progress(owner: &Self::Owner, key: Self::Key, text: &str);
    /// Something has happened in the store's cluster.
    fn cluster_event(owner: &Self::Owner, key: Self::Key, event: &ClusterEvent);
}

/// Why a store was not opened.
#[derive(Debug)]
pub enum OpenFailure {
    /// The store said so.
    Store(OpenError),
    /// A store of this name is open, opening, or has been closing for too long.
    Busy,
    /// Opening panicked.
    Panicked(String),
}
