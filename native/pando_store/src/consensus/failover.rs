//! When the connection to the leader's node goes, or the leader is silent for some rounds: voters ask for votes at once, instead
//! of waiting until the lease ends that they granted it.
//!
//! A voter that misses the leader no longer keeps the others from being elected (it gives up the lease that it granted
//! the leader). Those that still hear the leader do, so who alone has lost its connection deposes nobody: it asks by
//! pre-votes, which change nothing.

use std::sync::Arc;
use std::time::Duration;

use openraft::Raft;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::TransferLeaderRequest;

use super::frame::Presence;
use super::peers::Peers;
use super::state_machine::StateMachine;
use super::type_config::PandoTypes;

/// The voter with the best reason asks at once, each other one so much later than the one before it: else they might all ask
/// together, and none win.
const TURN_MS: u64 = 60;
/// How often one asks again while nobody leads: the others may have heard a little later that the leader is gone.
const ASK_AGAIN_MS: u64 = 60;
/// How often one asks. Then the election time-out is waited for.
const ASKED_MAX: u32 = 12;
/// No member: whom nobody is asked to elect.
const NOBODY: u64 = 0;

/// This member misses the leader: gets another one elected.
pub async fn leader_lost(raft: Raft<PandoTypes, StateMachine>, peers: Arc<Peers>, own: Presence) {
    let metrics = raft.server_metrics().borrow_watched().clone();
    let membership = peers.membership();
    let Some(leader) = metrics.current_leader.filter(|leader| *leader != peers.me()) else { return };
    let gives_up_lease = TransferLeaderRequest::new(metrics.vote, NOBODY, None);
    if raft.handle_transfer_leader(gives_up_lease).await.is_err() || !membership.is_voter(peers.me()) {
        return;
    }
    let rank = peers.board().rank(&own, leader, &membership);
    tokio::time::sleep(Duration::from_millis(TURN_MS) * rank).await;
    for _ in 0..ASKED_MAX {
        let now = raft.server_metrics().borrow_watched().clone();
        if now.vote != metrics.vote || now.current_leader.is_some_and(|now| now != leader) {
            // Somebody else asks for votes, or leads.
            return;
        }
        if raft.trigger().elect(true).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(ASK_AGAIN_MS)).await;
    }
}
