//! [`Consensus`] by openraft.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::error::{ClientWriteError, RaftError};
use openraft::{Config, Raft, ReadPolicy, SnapshotPolicy};
use tokio::runtime::Handle;

use super::log_storage::RaftLog;
use super::network::NoPeers;
use super::state_machine::StateMachine;
use super::type_config::{PandoTypes, Proposal, ProposalEnd};
use super::{Applier, Consensus, ConsensusStatus, ReadIndex, Refusal, Refused, ServerState};
use crate::batch::Batch;
use crate::cluster::{ClusterDone, ClusterError, ClusterRequest, MemberStatus};
use crate::entry::Entry;
use crate::log::{Log, LogPosition};
use crate::membership::{Member, Role};
use crate::peers::{Lane, NodeState};

/// A leader says that it lives this often. Wide, because a busy VM and a slow disk delay messages (pitfall 14).
const HEARTBEAT_INTERVAL_MS: u64 = 250;
/// A follower that hears nothing for a random time between these two asks for votes.
const ELECTION_TIMEOUT_MIN_MS: u64 = 1_000;
/// See [`ELECTION_TIMEOUT_MIN_MS`].
const ELECTION_TIMEOUT_MAX_MS: u64 = 2_000;
/// Proposals that may wait for the library; ours are limited long before (`ENTRIES_IN_FLIGHT_MAX`).
const API_CHANNEL_SIZE: u64 = 1_024;
/// Entries that a member may be behind before it is sent a snapshot instead.
const REPLICATION_LAG_ENTRIES_MAX: u64 = 100_000;

type PandoRaft = Raft<PandoTypes, StateMachine>;

/// What starting consensus needs.
pub struct RaftOptions {
    /// This member.
    pub member_id: u64,
    /// The name of its Erlang node.
    pub node_name: String,
    /// For messages.
    pub store_name: String,
    /// How long to wait for a leader and for the log to be applied.
    pub recovery_timeout: Duration,
}

/// See the module.
pub struct RaftConsensus {
    raft: PandoRaft,
    runtime: Handle,
}

impl RaftConsensus {
    /// Starts consensus over `log`, and waits until this member leads its cluster of one and has applied its log.
    pub fn start(
        runtime: &Handle,
        log: Log<Entry>,
        applier: Arc<dyn Applier>,
        options: RaftOptions,
    ) -> Result<RaftConsensus, String> {
        runtime.block_on(start(runtime.clone(), log, applier, options))
    }
}

async fn start(
    runtime: Handle,
    log: Log<Entry>,
    applier: Arc<dyn Applier>,
    options: RaftOptions,
) -> Result<RaftConsensus, String> {
    let config = Config {
        cluster_name: options.store_name.clone(),
        heartbeat_interval: HEARTBEAT_INTERVAL_MS,
        election_timeout_min: ELECTION_TIMEOUT_MIN_MS,
        election_timeout_max: ELECTION_TIMEOUT_MAX_MS,
        // The store decides by bytes when to take one, and what to purge.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        replication_lag_threshold: REPLICATION_LAG_ENTRIES_MAX,
        api_channel_size: Some(API_CHANNEL_SIZE),
        enable_pre_vote: Some(true),
        // The state machine is in memory: a leader that comes back must be elected again (pitfall 4).
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    let config = config.validate().map_err(|error| error.to_string())?;
    let raft = PandoRaft::new(
        options.member_id,
        Arc::new(config),
        NoPeers,
        RaftLog::new(log),
        StateMachine::new(applier.clone()),
    )
    .await
    .map_err(|error| error.to_string())?;
    let consensus = RaftConsensus { raft: raft.clone(), runtime };
    if let Err(reason) = lead(&raft, &options).await {
        // Nothing of a store that is not opened may go on running.
        let _ = raft.shutdown().await;
        return Err(reason);
    }
    tokio::spawn(watch_for_fatal(raft, applier));
    Ok(consensus)
}

/// Founds the cluster if there is none, and waits until this member leads it and has applied its log.
async fn lead(raft: &PandoRaft, options: &RaftOptions) -> Result<(), String> {
    if raft.is_initialized().await.map_err(|error| error.to_string())? {
        if raft.voter_ids().eq([options.member_id]) {
            // Nobody else could win: waiting for the election timeout would only delay the opening.
            raft.trigger().elect(false).await.map_err(|error| error.to_string())?;
        }
    } else {
        let members = BTreeMap::from([(
            options.member_id,
            Member { node_name: options.node_name.clone(), role: Role::Voter },
        )]);
        raft.initialize(members).await.map_err(|error| error.to_string())?;
    }
    raft.wait(Some(options.recovery_timeout))
        .current_leader(options.member_id, "opening: this member leads")
        .await
        .map_err(|error| error.to_string())?;
    raft.wait_for_recovery(Some(options.recovery_timeout)).await.map_err(|error| error.to_string())?;
    Ok(())
}

/// How long the cause of a stop is waited for before it is told without.
const CAUSE_WAIT_MS: u64 = 500;

/// Ends when the library stops, and says so to the store if that was not asked for.
async fn watch_for_fatal(raft: PandoRaft, applier: Arc<dyn Applier>) {
    let mut metrics = raft.server_metrics();
    drop(raft);
    while metrics.changed().await.is_ok() {}
    // It stops because something of the store's has failed, which mostly knows more about it.
    tokio::time::sleep(Duration::from_millis(CAUSE_WAIT_MS)).await;
    applier.fatal("consensus has stopped".to_owned());
}

impl Consensus for RaftConsensus {
    fn propose(&self, batch: Batch, refused: Refused) {
        // Exactly one of two may use it: the responder, or the failure to hand the proposal over.
        let refused = Arc::new(std::sync::Mutex::new(Some(refused)));
        let refuse = move |refusal| {
            let taken = refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            if let Some(refused) = taken {
                refused(refusal);
            }
        };
        let on_end = refuse.clone();
        let end = ProposalEnd::new(move |result: Result<_, ClientWriteError<PandoTypes>>| {
            if result.is_err() {
                on_end(Refusal::NotLeader);
            }
        });
        let handed_over =
            self.runtime.block_on(self.raft.client_write_ff(Proposal(Arc::new(batch)), Some(end)));
        if handed_over.is_err() {
            refuse(Refusal::Stopped);
        }
    }

    fn read_index(&self, done: ReadIndex) {
        let raft = self.raft.clone();
        self.runtime.spawn(async move {
            done(match raft.get_read_log_id(ReadPolicy::ReadIndex).await {
                Ok((read_log_id, _)) => Ok(read_log_id.index()),
                Err(RaftError::APIError(_)) => Err(Refusal::NotLeader),
                Err(RaftError::Fatal(_)) => Err(Refusal::Stopped),
            });
        });
    }

    fn snapshot_written(&self, covered: LogPosition, purge_through: Option<u64>) {
        let raft = self.raft.clone();
        self.runtime.spawn(async move {
            // A stopped library has nothing to purge.
            let _ = raft.trigger().snapshot().await;
            let known = raft
                .wait(Some(Duration::from_millis(ELECTION_TIMEOUT_MAX_MS)))
                .metrics(
                    |metrics| metrics.snapshot.as_ref().is_some_and(|id| id.index >= covered.index),
                    "the snapshot is known to consensus",
                )
                .await;
            if let (Ok(_), Some(through)) = (known, purge_through) {
                let _ = raft.trigger().purge_log(through).await;
            }
        });
    }

    fn status(&self) -> ConsensusStatus {
        // Cloned at once: holding the reference would hold a lock of the library's core (pitfall 9).
        let metrics = self.raft.metrics().borrow_watched().clone();
        ConsensusStatus {
            term: metrics.current_term,
            leader: metrics.current_leader,
            server_state: ServerState::Leader,
            has_quorum: true,
        }
    }

    fn members(&self) -> Vec<MemberStatus> {
        Vec::new()
    }

    fn frames_refused(&self) -> u64 {
        0
    }

    fn cluster_request(&self, _request: ClusterRequest, done: ClusterDone) {
        done(Err(ClusterError::Stopped));
    }

    fn peer_frame(&self, _lane: Lane, _frame: Vec<u8>) {}

    fn node_state(&self, _node_name: &str, _state: NodeState) {}

    fn shut_down(&self) {
        // The only error is that its task had ended before.
        let _ = self.runtime.block_on(self.raft.shutdown());
    }
}
