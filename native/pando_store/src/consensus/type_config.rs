//! The types that openraft is parametrised with.

use std::fmt;

use openraft::RaftTypeConfig;
use openraft::impls::BasicNode;
use openraft::raft::responder::Responder;

use crate::batch::Batch;

/// A batch as the library's "application data": shared, because cache, apply and replication all hold it.
#[derive(Clone, Debug)]
pub struct Proposal(pub std::sync::Arc<Batch>);

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch of {} commands", self.0.commands.len())
    }
}

/// Told how a proposal ended. Answers to callers do not come this way: apply gives them (see `pending.rs`).
pub struct ProposalEnd<T>(Box<dyn FnOnce(T) + Send>);

impl<T> ProposalEnd<T> {
    /// `end` is called once.
    pub fn new(end: impl FnOnce(T) + Send + 'static) -> ProposalEnd<T> {
        ProposalEnd(Box::new(end))
    }
}

impl<C: RaftTypeConfig, T: Send + 'static> Responder<C, T> for ProposalEnd<T> {
    fn on_complete(self, result: T) {
        (self.0)(result);
    }
}

openraft::declare_raft_types!(
    /// The types of Pando's consensus: members are numbers, their node data is the name of the Erlang node.
    pub PandoTypes:
        D = Proposal,
        R = (),
        NodeId = u64,
        Node = BasicNode,
        Responder<T> = ProposalEnd<T> where T: Send + 'static,
);
