//! [`Consensus`] by openraft.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openraft::async_runtime::WatchReceiver;
use openraft::{Config, Raft, SnapshotPolicy};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::conversion::membership_from_raft;
use super::failover::leader_lost;
use super::forwarding::{Forwarder, ToForwarder};
use super::frame::{Body, Presence};
use super::keeper::Keeper;
use super::log_storage::RaftLog;
use super::network::Network;
use super::peers::{Peers, PeersOptions};
use super::presence::PRESENCE_INTERVAL_MS;
use super::reading::answer_questions;
use super::serving::{Inbox, Server, inbox};
use super::snapshot_receiving::SnapshotReceiver;
use super::state_machine::{OwnBatches, StateMachine};
use super::type_config::PandoTypes;
use super::watching::{Seen, Watch};
use super::{Applier, Consensus, ConsensusStatus, ReadIndex, Refusal, Refused, ServerState};
use crate::batch::Batch;
use crate::cluster::{ClusterDone, ClusterError, ClusterRequest, MemberStatus};
use crate::entry::Entry;
use crate::log::{Log, LogPosition};
use crate::membership::{Member, Role};
use crate::peers::{Lane, NodeState, PeerTransport};
use crate::snapshot::SnapshotDirectory;

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
/// How long a member may take to receive and to install a snapshot.
const SNAPSHOT_TIMEOUT_MS: u64 = 3_600_000;
/// How often what happens in the cluster is looked at.
const WATCH_INTERVAL_MS: u64 = 100;

type PandoRaft = Raft<PandoTypes, StateMachine>;

/// What starting consensus needs.
pub struct RaftOptions {
    /// The cluster.
    pub cluster_id: [u8; 16],
    /// This member.
    pub member_id: u64,
    /// This opening of the store.
    pub incarnation: u64,
    /// The name of its Erlang node.
    pub node_name: String,
    /// The store's name: the same on all nodes.
    pub store_name: String,
    /// Whether an empty log is that of a new cluster, with this member alone. Otherwise a leader will send it.
    pub founds: bool,
    /// How long to wait for a leader and for the log to be applied.
    pub recovery_timeout: Duration,
    /// The way to the other members.
    pub transport: Arc<dyn PeerTransport>,
    /// Where snapshots are, to be sent and to be taken.
    pub snapshots: SnapshotDirectory,
    /// See `StoreOptions`.
    pub priority: i64,
}

/// See the module.
pub struct RaftConsensus {
    raft: PandoRaft,
    runtime: Handle,
    peers: Arc<Peers>,
    applier: Arc<dyn Applier>,
    keeper: Arc<Keeper>,
    herald: Arc<Herald>,
    forwarder: UnboundedSender<ToForwarder>,
    questions: UnboundedSender<ReadIndex>,
    consensus_inbox: Inbox,
    bulk_inbox: Inbox,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl RaftConsensus {
    /// Starts consensus over `log`. Returns when what this member knows to be committed is applied; where it is the only
    /// voter, when it leads.
    pub fn start(
        runtime: &Handle,
        log: Log<Entry>,
        applier: Arc<dyn Applier>,
        options: RaftOptions,
    ) -> Result<RaftConsensus, String> {
        runtime.block_on(start(runtime.clone(), log, applier, options))
    }

    /// Ends all tasks but those of the library.
    fn end_tasks(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
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
        install_snapshot_timeout: SNAPSHOT_TIMEOUT_MS,
        api_channel_size: Some(API_CHANNEL_SIZE),
        enable_pre_vote: Some(true),
        // The state machine is in memory: a leader that comes back must be elected again (pitfall 4).
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    let config = config.validate().map_err(|error| error.to_string())?;
    let peers = Arc::new(Peers::new(PeersOptions {
        cluster_id: options.cluster_id,
        store_name: options.store_name.clone(),
        node_name: options.node_name.clone(),
        member_id: options.member_id,
        transport: options.transport.clone(),
    }));
    let (forwarder, forwarder_jobs) = unbounded_channel();
    let own = OwnBatches {
        member_id: options.member_id,
        incarnation: options.incarnation,
        forwarder: forwarder.clone(),
    };
    let committed = log.committed();
    let raft = PandoRaft::new(
        options.member_id,
        Arc::new(config),
        Network { peers: peers.clone(), snapshots: options.snapshots.clone() },
        RaftLog::new(log.clone()),
        StateMachine::new(applier.clone(), Some(own)),
    )
    .await
    .map_err(|error| error.to_string())?;
    let keeper = Arc::new(Keeper::new(raft.clone(), peers.clone(), log.clone(), options.priority));
    let herald = Arc::new(Herald {
        raft: raft.clone(),
        peers: peers.clone(),
        applier: applier.clone(),
        keeper: keeper.clone(),
        log: log.clone(),
        priority: options.priority,
        is_leaving: AtomicBool::new(false),
    });
    herald.note_membership();
    let (said, is_removed) = (Arc::default(), Arc::default());
    let receiver = Arc::new(tokio::sync::Mutex::new(SnapshotReceiver::new(options.snapshots.clone())));
    let server = || Server {
        raft: raft.clone(),
        peers: peers.clone(),
        forwarder: forwarder.clone(),
        applier: applier.clone(),
        log: log.clone(),
        said: Arc::clone(&said),
        is_removed: Arc::clone(&is_removed),
        receiver: receiver.clone(),
    };
    let (consensus_inbox, consensus_outlet) = inbox(peers.clone());
    let (bulk_inbox, bulk_outlet) = inbox(peers.clone());
    let (questions, questions_asked) = unbounded_channel();
    let tasks = vec![
        tokio::spawn(server().run(consensus_outlet)),
        tokio::spawn(server().run(bulk_outlet)),
        tokio::spawn(Forwarder::new(raft.clone(), peers.clone(), forwarder.clone()).run(forwarder_jobs)),
        tokio::spawn(answer_questions(raft.clone(), peers.clone(), questions_asked)),
        tokio::spawn(keeper.clone().run()),
        tokio::spawn(herald.clone().tell_presence()),
        tokio::spawn(herald.clone().watch()),
    ];
    let consensus = RaftConsensus {
        raft: raft.clone(),
        runtime,
        peers,
        applier: applier.clone(),
        keeper,
        herald,
        forwarder,
        questions,
        consensus_inbox,
        bulk_inbox,
        tasks: Mutex::new(tasks),
    };
    if let Err(reason) = begin(&raft, committed, &options).await {
        // Nothing of a store that is not opened may go on running.
        let _ = raft.shutdown().await;
        consensus.end_tasks();
        return Err(reason);
    }
    consensus.herald.note_membership();
    tokio::spawn(watch_for_fatal(raft, applier));
    Ok(consensus)
}

/// Founds the cluster if there is none and this member is to; waits until what is known to be committed is applied, and
/// where nobody else votes, until this member leads.
async fn begin(
    raft: &PandoRaft,
    committed: Option<LogPosition>,
    options: &RaftOptions,
) -> Result<(), String> {
    let limit = Some(options.recovery_timeout);
    if raft.is_initialized().await.map_err(|error| error.to_string())? {
        if !raft.voter_ids().eq([options.member_id]) {
            let known = committed.map(|position| position.index);
            raft.wait(limit)
                .applied_index_at_least(known, "opening: what is known to be committed is applied")
                .await
                .map_err(|error| error.to_string())?;
            return Ok(());
        }
        // Nobody else could win: waiting for the election timeout would only delay the opening.
        raft.trigger().elect(false).await.map_err(|error| error.to_string())?;
    } else if options.founds {
        let member = Member { node_name: options.node_name.clone(), role: Role::Voter };
        let members = BTreeMap::from([(options.member_id, member)]);
        raft.initialize(members).await.map_err(|error| error.to_string())?;
    } else {
        return Ok(());
    }
    raft.wait(limit)
        .current_leader(options.member_id, "opening: this member leads")
        .await
        .map_err(|error| error.to_string())?;
    raft.wait_for_recovery(limit).await.map_err(|error| error.to_string())?;
    Ok(())
}

/// Says to the others how far this member is, and to the store what happens in the cluster.
struct Herald {
    raft: PandoRaft,
    peers: Arc<Peers>,
    applier: Arc<dyn Applier>,
    keeper: Arc<Keeper>,
    log: Log<Entry>,
    priority: i64,
    is_leaving: AtomicBool,
}

impl Herald {
    fn presence(&self) -> Presence {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        Presence {
            term: metrics.current_term,
            applied_index: self.applier.view().applied_index(),
            last_log_index: metrics.last_log_index.unwrap_or(0),
            priority: self.priority,
            declines_to_lead: self.is_leaving.load(Ordering::Relaxed)
                || self.log.state().reserve_error.is_some(),
        }
    }

    fn tell_all(&self) {
        let presence = self.presence();
        for (member_id, member) in &self.peers.membership().members {
            if *member_id != self.peers.me() {
                let body = Body::Presence(presence);
                self.peers.tell(*member_id, &member.node_name, Lane::Consensus, 0, body);
            }
        }
    }

    async fn tell_presence(self: Arc<Herald>) {
        let mut interval = tokio::time::interval(Duration::from_millis(PRESENCE_INTERVAL_MS));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut missed = None;
        loop {
            interval.tick().await;
            self.peers.board().note_round();
            self.tell_all();
            self.look_after_leader(&mut missed);
        }
    }

    /// Has a leader replaced that is silent; once for each term. `missed` is the term of the last one.
    fn look_after_leader(&self, missed: &mut Option<u64>) {
        let (leader, term) = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            (metrics.current_leader, metrics.vote.leader_id.term)
        };
        let is_silent = |leader| leader != self.peers.me() && self.peers.board().is_silent(leader);
        if leader.is_some_and(is_silent) && *missed != Some(term) {
            *missed = Some(term);
            tokio::spawn(leader_lost(self.raft.clone(), self.peers.clone(), self.presence()));
        } else if !leader.is_some_and(is_silent) {
            *missed = None;
        }
    }

    /// Makes the members known that consensus goes by.
    fn note_membership(&self) {
        let metrics = self.raft.server_metrics();
        let membership = metrics.borrow_watched().membership_config.clone();
        let membership = membership_from_raft(membership.membership());
        if *self.peers.membership() != membership {
            self.peers.set_membership(Arc::new(membership));
            // Those that are new hear of this member at once.
            self.tell_all();
        }
    }

    async fn watch(self: Arc<Herald>) {
        let mut metrics = self.raft.server_metrics();
        let mut interval = tokio::time::interval(Duration::from_millis(WATCH_INTERVAL_MS));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut watch = Watch::new();
        loop {
            tokio::select! {
                changed = metrics.changed() => if changed.is_err() { return },
                _ = interval.tick() => {}
            }
            self.note_membership();
            for event in watch.note(self.seen()) {
                self.applier.cluster_event(&event);
            }
        }
    }

    fn seen(&self) -> Seen {
        let membership = self.peers.membership();
        let (leader, term) = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            (metrics.current_leader, metrics.vote.leader_id.term)
        };
        let others = membership.members.keys().filter(|id| **id != self.peers.me());
        Seen {
            term,
            leader: leader.map(|id| (id, self.peers.node_of(id).unwrap_or_default())),
            has_quorum: self.peers.has_quorum(),
            entries_behind: if leader == Some(self.peers.me()) {
                others.filter_map(|id| Some((*id, self.keeper.entries_behind(*id)?))).collect()
            } else {
                Vec::new()
            },
            membership,
        }
    }
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
        let job = ToForwarder::Propose(Arc::new(batch), refused);
        if let Err(unsent) = self.forwarder.send(job)
            && let ToForwarder::Propose(_, refused) = unsent.0
        {
            refused(Refusal::Stopped);
        }
    }

    fn read_index(&self, done: ReadIndex) {
        if let Err(unsent) = self.questions.send(done) {
            (unsent.0)(Err(Refusal::Stopped));
        }
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
        let metrics = self.raft.server_metrics().borrow_watched().clone();
        ConsensusStatus {
            term: metrics.vote.leader_id.term,
            leader: metrics.current_leader,
            server_state: match metrics.state {
                openraft::ServerState::Leader => ServerState::Leader,
                openraft::ServerState::Candidate => ServerState::Candidate,
                openraft::ServerState::Learner | openraft::ServerState::Shutdown => ServerState::Learner,
                openraft::ServerState::Follower => ServerState::Follower,
            },
            has_quorum: self.peers.has_quorum(),
        }
    }

    fn members(&self) -> Vec<MemberStatus> {
        // What is applied: a change that may still be undone has not happened. (The library's own notion of what is committed
        // stays behind after a restart, until the next entry is.)
        let view = self.applier.view();
        let membership =
            view.membership.as_ref().map_or_else(Arc::default, |(_, membership)| membership.clone());
        let board = self.peers.board();
        let now = Instant::now();
        let status = |(id, member): (&u64, &Member)| {
            let is_own = *id == self.peers.me();
            let said = board.of(*id, now);
            MemberStatus {
                member_id: *id,
                node_name: member.node_name.clone(),
                role: member.role,
                // While sets of voters change, who is in one alone is about to come or to go.
                is_voter: membership.voter_sets.iter().all(|voters| voters.contains(id)),
                applied_index: if is_own {
                    Some(view.applied_index())
                } else {
                    said.map(|(said, _)| said.applied_index)
                },
                last_contact_ms: if is_own {
                    Some(0)
                } else {
                    said.map(|(_, silence)| u64::try_from(silence.as_millis()).unwrap_or(u64::MAX))
                },
            }
        };
        membership.members.iter().map(status).collect()
    }

    fn frames_refused(&self) -> u64 {
        self.peers.refused()
    }

    fn cluster_request(&self, request: ClusterRequest, done: ClusterDone) {
        let keeper = self.keeper.clone();
        self.runtime.spawn(async move { done(keeper.carry_out(request).await) });
    }

    fn peer_frame(&self, lane: Lane, frame: Vec<u8>) {
        match lane {
            Lane::Consensus => self.consensus_inbox.put(lane, frame),
            Lane::Bulk => self.bulk_inbox.put(lane, frame),
        }
    }

    fn node_state(&self, node_name: &str, state: NodeState) {
        self.peers.node_state(node_name, state);
        let node_name = node_name.to_owned();
        let raft = self.raft.clone();
        match state {
            NodeState::Up => {
                let membership = self.peers.membership();
                let there = membership.members.iter().filter(|(_, member)| member.node_name == node_name);
                let ids: Vec<u64> = there.map(|(id, _)| *id).collect();
                let herald = self.herald.clone();
                self.runtime.spawn(async move {
                    herald.tell_all();
                    let _ = raft.trigger().reset_backoff(ids).await;
                });
            }
            NodeState::Down => {
                let _ = self.forwarder.send(ToForwarder::NodeLost(node_name.clone()));
                let leader = self.raft.server_metrics().borrow_watched().current_leader;
                let is_leaders = |leader| self.peers.node_of(leader).is_some_and(|node| node == node_name);
                if leader.is_some_and(is_leaders) {
                    let own = self.herald.presence();
                    self.runtime.spawn(leader_lost(raft, self.peers.clone(), own));
                }
            }
            NodeState::Refused(Lane::Bulk) => {}
            NodeState::Refused(Lane::Consensus) => {
                let _ = self.forwarder.send(ToForwarder::NodeLost(node_name));
            }
        }
    }

    fn leave(&self) {
        self.herald.is_leaving.store(true, Ordering::Relaxed);
        let membership = self.peers.membership();
        let voters = membership.voter_sets.iter().flatten().filter(|voter| **voter != self.peers.me());
        if voters.count() > 0 {
            self.herald.tell_all();
            match self.runtime.block_on(self.keeper.transfer_leadership(None)) {
                Ok(()) | Err(ClusterError::NotLeader(_)) => {}
                Err(error) => self.applier.notice(&format!("leadership was not handed over: {error}")),
            }
        }
    }

    fn shut_down(&self) {
        // The only error is that its task had ended before.
        let _ = self.runtime.block_on(self.raft.shutdown());
        self.end_tasks();
    }
}
