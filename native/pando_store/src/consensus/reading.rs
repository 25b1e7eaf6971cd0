//! How far one must have applied to read all that is committed: asked of the library where this member leads, and of the
//! leader otherwise (Raft dissertation, section 6.4).
//!
//! Invariant: a question is answered by one that was put to the leader after it was asked. Those that come while others are
//! under way are put together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::async_runtime::WatchReceiver;
use openraft::error::RaftError;
use openraft::{Raft, ReadPolicy};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

use super::frame::Body;
use super::peers::Peers;
use super::state_machine::StateMachine;
use super::type_config::PandoTypes;
use super::{ReadIndex, Refusal};
use crate::peers::Lane;

/// Questions to the leader that are under way at a time, each for all that were asked before it was put.
const QUESTIONS_UNDER_WAY_MAX: usize = 2;
/// How long the leader may take.
const REPLY_TIMEOUT_MS: u64 = 1_000;
/// A question that failed is put again after so long.
const RETRY_AFTER_MS: u64 = 20;
/// How long a question is put again while a majority is within reach, but no leader answers.
const LEADER_WAIT_MS_MAX: u64 = 15_000;

/// Puts questions until nobody can ask any more.
pub async fn answer_questions(
    raft: Raft<PandoTypes, StateMachine>,
    peers: Arc<Peers>,
    mut questions: UnboundedReceiver<ReadIndex>,
) {
    let places = Arc::new(Semaphore::new(QUESTIONS_UNDER_WAY_MAX));
    while let Some(first) = questions.recv().await {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let mut asked = vec![first];
        while let Ok(question) = questions.try_recv() {
            asked.push(question);
        }
        let (raft, peers) = (raft.clone(), peers.clone());
        tokio::spawn(async move {
            let answer = read_index(&raft, &peers).await;
            drop(place);
            asked.into_iter().for_each(|question| question(answer));
        });
    }
}

async fn read_index(raft: &Raft<PandoTypes, StateMachine>, peers: &Arc<Peers>) -> Result<u64, Refusal> {
    let begin = Instant::now();
    loop {
        if !peers.has_quorum() {
            return Err(Refusal::NoQuorum { was_sent: false });
        }
        let leader = raft.server_metrics().borrow_watched().current_leader;
        if leader == Some(peers.me()) {
            match own_read_index(raft).await {
                Ok(Some(index)) => return Ok(index),
                Ok(None) => {}
                Err(()) => return Err(Refusal::Stopped),
            }
        } else if let Some(leader) = leader
            && let Some(node_name) = peers.node_of(leader)
        {
            let asking = peers.ask(leader, &node_name, Lane::Consensus, Body::ReadIndex);
            if let Ok(Body::ReadIndexReply(Some(index))) =
                asking.reply(Duration::from_millis(REPLY_TIMEOUT_MS)).await
            {
                return Ok(index);
            }
        }
        if begin.elapsed() >= Duration::from_millis(LEADER_WAIT_MS_MAX) {
            return Err(Refusal::NoQuorum { was_sent: false });
        }
        tokio::time::sleep(Duration::from_millis(RETRY_AFTER_MS)).await;
    }
}

/// The index where this member leads; `None` if it cannot make sure that it does; an error when consensus has ended.
pub async fn own_read_index(raft: &Raft<PandoTypes, StateMachine>) -> Result<Option<u64>, ()> {
    match raft.get_read_log_id(ReadPolicy::ReadIndex).await {
        Ok((read_log_id, _)) => Ok(Some(read_log_id.index())),
        Err(RaftError::APIError(_)) => Ok(None),
        Err(RaftError::Fatal(_)) => Err(()),
    }
}
