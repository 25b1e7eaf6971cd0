//! The types that openraft is parametrised with.

use std::fmt;

use openraft::RaftTypeConfig;
use openraft::impls::{
    BoxedErrorSource, Entry, EntryPayload, InlineBatch, TokioRuntime, Vote, leader_id_adv,
};
use openraft::raft::responder::Responder;
use openraft::vote::RaftLeaderId;

use crate::batch::Batch;
use crate::membership::Member;

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

/// The types of Pando's consensus: members are numbers, their node data is the Erlang node and the role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PandoTypes;

// Written out, because the library's macro takes no generic type for `Responder`.
impl RaftTypeConfig for PandoTypes {
    type D = Proposal;
    type R = ();
    type NodeId = u64;
    type Node = Member;
    type Term = u64;
    type LeaderId = leader_id_adv::LeaderId<u64, u64>;
    type Vote = Vote<Self::LeaderId>;
    type Payload = EntryPayload<Proposal, u64, Member>;
    type Entry = Entry<<Self::LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type Responder<T>
        = ProposalEnd<T>
    where
        T: Send + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: Send + 'static;
    type AsyncRuntime = TokioRuntime;
    type ErrorSource = BoxedErrorSource;
}
