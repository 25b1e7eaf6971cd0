//! The way of this member's batches to the leader, whoever that is: handed to the library here, or sent in a frame.
//!
//! A batch is sent again when leadership moves, when it was refused, or when nothing was heard of it for a while: applying
//! drops what it has applied before (`sessions.rs`), so that is harmless.
//!
//! Invariants
//! 1. Batches are sent in the order in which they were proposed; behind one that is sent again follow all others.
//! 2. A batch leaves when it was applied, or when its proposer is told that it will not be waited for. It is never sent
//!    afterwards.
//! 3. Nobody waits for a majority that is not there: see [`QUORUM_WAIT_MS_MAX`] and [`LEADER_WAIT_MS_MAX`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::Raft;
use openraft::async_runtime::WatchReceiver;
use openraft::error::ClientWriteError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::frame::Body;
use super::peers::Peers;
use super::state_machine::StateMachine;
use super::type_config::{PandoTypes, Proposal, ProposalEnd};
use super::{Refusal, Refused};
use crate::batch::Batch;
use crate::peers::Lane;

/// How long a batch is kept while no majority is within reach: as long as members may be silent before they are missed.
const QUORUM_WAIT_MS_MAX: u64 = 100;
/// How long a batch is kept while a majority is within reach, but nobody leads.
const LEADER_WAIT_MS_MAX: u64 = 15_000;
/// A batch of which nothing was heard for so long is sent again.
const SILENCE_MS_MAX: u64 = 1_000;
/// How often batches under way are looked at.
const LOOK_INTERVAL_MS: u64 = 50;

type PandoRaft = Raft<PandoTypes, StateMachine>;

/// What the forwarder is told.
pub enum ToForwarder {
    /// Have this applied.
    Propose(Arc<Batch>, Refused),
    /// The batch of this number was handed over to be applied.
    Applied(u64),
    /// The batch of this number was not proposed by who was asked.
    NotProposed(u64),
    /// Who was asked may not have heard of it.
    NodeLost(String),
}

/// Who leads, and in which term.
type Leadership = (u64, u64);

struct UnderWay {
    batch: Arc<Batch>,
    refused: Refused,
    since: Instant,
    /// Whether anybody was ever asked: then it may be applied.
    was_sent: bool,
    sent: Option<(Leadership, Instant)>,
    /// Who would not take it, and when: asked again a little later.
    refused_by: Option<(Leadership, Instant)>,
}

/// See the module.
pub struct Forwarder {
    raft: PandoRaft,
    peers: Arc<Peers>,
    own: UnboundedSender<ToForwarder>,
    under_way: VecDeque<UnderWay>,
    /// The last time a majority was within reach.
    quorum_at: Instant,
}

impl Forwarder {
    pub fn new(raft: PandoRaft, peers: Arc<Peers>, own: UnboundedSender<ToForwarder>) -> Forwarder {
        Forwarder { raft, peers, own, under_way: VecDeque::new(), quorum_at: Instant::now() }
    }

    /// Runs until consensus ends.
    pub async fn run(mut self, mut jobs: UnboundedReceiver<ToForwarder>) {
        let mut metrics = self.raft.server_metrics();
        let mut look = tokio::time::interval(Duration::from_millis(LOOK_INTERVAL_MS));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let goes_on = tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => {
                        self.take(job);
                        // What is there already is taken together.
                        while let Ok(job) = jobs.try_recv() {
                            self.take(job);
                        }
                        true
                    }
                    None => false,
                },
                changed = metrics.changed() => changed.is_ok(),
                _ = look.tick(), if !self.under_way.is_empty() => {
                    self.look();
                    true
                }
            };
            if !goes_on || !self.send().await {
                break;
            }
        }
        // Consensus has ended, and so the store closes, or halts: that answers all that is under way, and says why.
    }

    fn take(&mut self, job: ToForwarder) {
        match job {
            ToForwarder::Propose(batch, refused) => {
                let since = Instant::now();
                if self.peers.has_quorum() {
                    self.quorum_at = since;
                } else if self.is_cut_off(since) {
                    refused(Refusal::NoQuorum { was_sent: false });
                    return;
                }
                let (was_sent, sent, refused_by) = (false, None, None);
                self.under_way.push_back(UnderWay { batch, refused, since, was_sent, sent, refused_by });
            }
            ToForwarder::Applied(first_sequence) => {
                self.under_way.retain(|batch| batch.batch.origin.first_sequence != first_sequence);
            }
            ToForwarder::NotProposed(first_sequence) => {
                let now = Instant::now();
                let is_one = |batch: &UnderWay| batch.batch.origin.first_sequence == first_sequence;
                if let Some(batch) = self.under_way.iter_mut().find(|batch| is_one(batch)) {
                    batch.refused_by = batch.sent.map(|(leadership, _)| (leadership, now));
                }
                self.send_again(is_one);
            }
            ToForwarder::NodeLost(node_name) => {
                let leader = self.leadership().map(|(leader, _)| leader);
                let is_leader = leader.is_some_and(|leader| {
                    leader != self.peers.me()
                        && self.peers.node_of(leader).is_some_and(|node| node == node_name)
                });
                if is_leader {
                    self.send_again(|_| true);
                }
            }
        }
    }

    /// The first of these, and all behind it, are sent again: their order must not change.
    fn send_again(&mut self, is_one: impl Fn(&UnderWay) -> bool) {
        for batch in self.under_way.iter_mut().skip_while(|batch| !is_one(batch)) {
            batch.sent = None;
        }
    }

    fn is_cut_off(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.quorum_at) >= Duration::from_millis(QUORUM_WAIT_MS_MAX)
    }

    fn look(&mut self) {
        let now = Instant::now();
        let has_quorum = self.peers.has_quorum();
        if has_quorum {
            self.quorum_at = now;
        }
        let silence_max = Duration::from_millis(SILENCE_MS_MAX);
        let me = self.peers.me();
        self.send_again(|batch| {
            batch.sent.is_some_and(|((leader, _), at)| {
                leader != me && now.saturating_duration_since(at) >= silence_max
            })
        });
        let leader_wait = Duration::from_millis(LEADER_WAIT_MS_MAX);
        let gives_up = |batch: &UnderWay| {
            !has_quorum || batch.sent.is_none() && now.saturating_duration_since(batch.since) >= leader_wait
        };
        if has_quorum || self.is_cut_off(now) {
            for batch in std::mem::take(&mut self.under_way) {
                if gives_up(&batch) {
                    (batch.refused)(Refusal::NoQuorum { was_sent: batch.was_sent });
                } else {
                    self.under_way.push_back(batch);
                }
            }
        }
    }

    fn leadership(&self) -> Option<Leadership> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.current_leader.map(|leader| (leader, metrics.vote.leader_id.term))
    }

    /// Sends what has not been sent to who leads now; `false`: consensus has ended.
    async fn send(&mut self) -> bool {
        let Some(leadership) = self.leadership() else { return true };
        let (leader, _) = leadership;
        let me = self.peers.me();
        let node_name = self.peers.node_of(leader);
        let now = Instant::now();
        let mut is_behind = false;
        for batch in &mut self.under_way {
            is_behind |= batch.sent.is_none_or(|(sent, _)| sent != leadership);
            if !is_behind {
                continue;
            }
            let retry_after = Duration::from_millis(LOOK_INTERVAL_MS);
            let is_too_early = batch.refused_by.is_some_and(|(refused_by, at)| {
                refused_by == leadership && now.saturating_duration_since(at) < retry_after
            });
            if is_too_early {
                break;
            }
            batch.sent = Some((leadership, now));
            batch.was_sent = true;
            if leader == me {
                let told = self.own.clone();
                let first_sequence = batch.batch.origin.first_sequence;
                let end = ProposalEnd::new(move |result: Result<_, ClientWriteError<PandoTypes>>| {
                    if result.is_err() {
                        let _ = told.send(ToForwarder::NotProposed(first_sequence));
                    }
                });
                let proposal = Proposal(batch.batch.clone());
                if self.raft.client_write_ff(proposal, Some(end)).await.is_err() {
                    return false;
                }
            } else if let Some(node_name) = &node_name {
                let body = Body::Forward(Batch::clone(&batch.batch));
                self.peers.tell(leader, node_name, Lane::Consensus, 0, body);
            }
        }
        true
    }
}
