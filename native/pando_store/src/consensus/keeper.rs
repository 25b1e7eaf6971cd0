//! The leader's care for its members: requests to change them, and what follows from a change by itself.
//!
//! Invariants
//! 1. One change at a time; nothing here is remembered: what is to be done next is read from the membership, so that another
//!    leader goes on where one was lost.
//! 2. A member votes only once it has caught up, and in the step that makes a voter of it, older members of the same Erlang
//!    node go: a member that lost its disk is never counted twice, and its amnesiac self has no vote.
//! 3. Ids are indexes of entries that were committed for them, so none is given twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::async_runtime::WatchReceiver;
use openraft::error::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{ChangeMembers, Raft};

use super::peers::Peers;
use super::state_machine::StateMachine;
use super::type_config::PandoTypes;
use crate::cluster::{ClusterAnswer, ClusterError, ClusterRequest};
use crate::entry::Entry;
use crate::log::Log;
use crate::membership::{Member, Membership, Role};

/// How often the leader looks after its members.
const LOOK_INTERVAL_MS: u64 = 100;
/// A change of members is committed within this time, or its outcome is unknown.
const CHANGE_TIMEOUT_MS: u64 = 10_000;
/// How long handing over leadership may take.
const TRANSFER_TIMEOUT_MS: u64 = 3_000;
/// Entries that a member that has caught up may still be behind.
const CAUGHT_UP_ENTRIES_MAX: u64 = 64;
/// A voter of higher priority must have been ready for so long.
const PRIORITY_READY_MS: u64 = 2_000;
/// One that was to be a voter, and was not heard of for so long since this member leads, has given up joining.
const JOIN_ABANDONED_MS: u64 = 600_000;

type PandoRaft = Raft<PandoTypes, StateMachine>;
type Change = ChangeMembers<u64, Member>;

/// See the module.
pub struct Keeper {
    raft: PandoRaft,
    peers: Arc<Peers>,
    log: Log<Entry>,
    priority: i64,
    /// Held during a change.
    changing: tokio::sync::Mutex<()>,
}

/// What the leader would do next, by itself.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    /// Finish a change that was begun: these are the voters, and who goes stays as a learner.
    Finish {
        voters: BTreeSet<u64>,
        retain: bool,
    },
    /// Make these the voters; others of them go.
    Promote {
        voters: BTreeSet<u64>,
    },
    /// These go.
    Remove(BTreeSet<u64>),
}

/// What is known of a learner: how far it is, and for how long it was not heard of.
#[derive(Clone, Copy)]
struct Learner {
    is_caught_up: bool,
    silent_ms: u64,
}

/// A pure function of what is there.
fn next(membership: &Membership, learner: impl Fn(u64) -> Learner) -> Next {
    if let [old, new, ..] = membership.voter_sets.as_slice() {
        let is_observer =
            |id: &u64| membership.members.get(id).is_some_and(|member| member.role == Role::Observer);
        let retain = old.difference(new).any(is_observer);
        return Next::Finish { voters: new.clone(), retain };
    }
    let Some(voters) = membership.voter_sets.first() else { return Next::Nothing };
    for (id, member) in membership.members.iter().filter(|(id, _)| !voters.contains(id)) {
        let seen = learner(*id);
        let older: BTreeSet<u64> = membership
            .members
            .range(..*id)
            .filter(|(_, other)| other.node_name == member.node_name)
            .map(|(other, _)| *other)
            .collect();
        if seen.is_caught_up && member.role == Role::Voter {
            let mut voters: BTreeSet<u64> = voters.difference(&older).copied().collect();
            voters.insert(*id);
            return Next::Promote { voters };
        }
        let older_learners: BTreeSet<u64> = older.difference(voters).copied().collect();
        if seen.is_caught_up && !older_learners.is_empty() {
            return Next::Remove(older_learners);
        }
        if seen.is_caught_up && !older.is_empty() {
            let voters: BTreeSet<u64> = voters.difference(&older).copied().collect();
            return if voters.is_empty() { Next::Nothing } else { Next::Promote { voters } };
        }
        if member.role == Role::Voter && seen.silent_ms >= JOIN_ABANDONED_MS {
            return Next::Remove(BTreeSet::from([*id]));
        }
    }
    // A learner that an older member of its node was replaced by.
    for (id, member) in membership.members.iter().filter(|(id, _)| !voters.contains(id)) {
        let newer_votes = membership
            .members
            .range(id + 1..)
            .any(|(other, newer)| newer.node_name == member.node_name && voters.contains(other));
        if newer_votes {
            return Next::Remove(BTreeSet::from([*id]));
        }
    }
    Next::Nothing
}

/// Whether an Erlang node has a member with a newer id. The older one has given its place up: it must not come back and count
/// beside that.
fn has_newer(membership: &Membership, member_id: u64, node_name: &str) -> bool {
    let mut newer = membership.members.range(member_id.saturating_add(1)..);
    newer.any(|(_, member)| member.node_name == node_name)
}

impl Keeper {
    pub fn new(raft: PandoRaft, peers: Arc<Peers>, log: Log<Entry>, priority: i64) -> Keeper {
        Keeper { raft, peers, log, priority, changing: tokio::sync::Mutex::new(()) }
    }

    /// Looks after the members, whenever this one leads, until consensus ends.
    pub async fn run(self: Arc<Keeper>) {
        let mut metrics = self.raft.server_metrics();
        let mut look = tokio::time::interval(Duration::from_millis(LOOK_INTERVAL_MS));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut leads_since: Option<Instant> = None;
        let mut better_since: Option<(u64, Instant)> = None;
        loop {
            tokio::select! {
                changed = metrics.changed() => if changed.is_err() { return },
                _ = look.tick() => {}
            }
            if !self.leads() {
                (leads_since, better_since) = (None, None);
                continue;
            }
            let now = Instant::now();
            let since = *leads_since.get_or_insert(now);
            let _ = self.look_after_members(since).await;
            // A leader whose disk is full would keep all from writing.
            if self.log.state().reserve_error.is_some() && self.best_successor().is_some() {
                let _ = self.transfer_leadership(None).await;
                continue;
            }
            match self.better_leader() {
                Some(better) => {
                    let (known, at) = better_since.unwrap_or((better, now));
                    let at = if known == better { at } else { now };
                    better_since = Some((better, at));
                    if now.saturating_duration_since(at) >= Duration::from_millis(PRIORITY_READY_MS) {
                        let _ = self.transfer_leadership(Some(better)).await;
                    }
                }
                None => better_since = None,
            }
        }
    }

    fn leads(&self) -> bool {
        self.raft.server_metrics().borrow_watched().current_leader == Some(self.peers.me())
    }

    /// Entries that a member lacks; `None` if nothing is known of it. Only where this member leads.
    pub fn entries_behind(&self, member_id: u64) -> Option<u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let last = metrics.last_log_index.unwrap_or(0);
        let matching = metrics.replication.as_ref()?.get(&member_id)?.as_ref()?.index;
        Some(last.saturating_sub(matching))
    }

    fn is_ready(&self, member_id: u64) -> bool {
        let membership = self.peers.membership();
        self.peers.board().is_there(member_id, &membership)
            && self.entries_behind(member_id).is_some_and(|behind| behind <= CAUGHT_UP_ENTRIES_MAX)
    }

    async fn look_after_members(&self, leads_since: Instant) -> Result<(), ClusterError> {
        let Ok(_changing) = self.changing.try_lock() else { return Ok(()) };
        let membership = self.peers.membership();
        let now = Instant::now();
        let learner = |id| {
            let silence = self.peers.board().of(id, now).map_or(Duration::MAX, |(_, silence)| silence);
            let silence = silence.min(now.saturating_duration_since(leads_since));
            Learner {
                is_caught_up: self.is_ready(id),
                silent_ms: u64::try_from(silence.as_millis()).unwrap_or(u64::MAX),
            }
        };
        match next(&membership, learner) {
            Next::Nothing => Ok(()),
            Next::Finish { voters, retain } => self.change(Change::ReplaceAllVoters(voters), retain).await,
            Next::Promote { voters } => self.change(Change::ReplaceAllVoters(voters), false).await,
            Next::Remove(ids) => self.change(Change::RemoveNodes(ids), true).await,
        }
    }

    /// A voter of higher priority that could lead as well.
    fn better_leader(&self) -> Option<u64> {
        let membership = self.peers.membership();
        let now = Instant::now();
        let mut best: Option<(i64, u64)> = None;
        for voter in membership.voter_sets.iter().flatten().filter(|voter| **voter != self.peers.me()) {
            let said = self.peers.board().of(*voter, now).map(|(said, _)| said);
            let Some(said) = said.filter(|said| said.priority > self.priority && !said.declines_to_lead)
            else {
                continue;
            };
            if self.is_ready(*voter) && best.is_none_or(|(priority, _)| said.priority > priority) {
                best = Some((said.priority, *voter));
            }
        }
        best.map(|(_, voter)| voter)
    }

    /// The voter that should lead if this one does not: of those that are ready the one of the highest priority, then the
    /// one with the longest log.
    fn best_successor(&self) -> Option<u64> {
        let membership = self.peers.membership();
        let now = Instant::now();
        let voters: BTreeSet<u64> = membership.voter_sets.iter().flatten().copied().collect();
        voters
            .into_iter()
            .filter(|voter| *voter != self.peers.me() && self.is_ready(*voter))
            .filter_map(|voter| self.peers.board().of(voter, now).map(|(said, _)| (voter, said)))
            .filter(|(_, said)| !said.declines_to_lead)
            .max_by_key(|(_, said)| (said.priority, said.last_log_index))
            .map(|(voter, _)| voter)
    }

    /// Carries a request out.
    pub async fn carry_out(&self, request: ClusterRequest) -> Result<ClusterAnswer, ClusterError> {
        if !self.leads() {
            return Err(self.not_leader());
        }
        match request {
            ClusterRequest::AllocateMemberId => self.allocate().await,
            ClusterRequest::TransferLeadership { member_id } => {
                self.transfer_leadership(member_id).await.map(|()| ClusterAnswer::Done)
            }
            ClusterRequest::AddMember { member_id, node_name, role } => {
                let _changing = self.changing.lock().await;
                self.add(member_id, node_name, role).await.map(|()| ClusterAnswer::Done)
            }
            ClusterRequest::RemoveMember { member_id } => {
                if member_id == self.peers.me() {
                    // Whoever leads next carries it out.
                    if self.peers.membership().is_only_voter(member_id) {
                        return Err(ClusterError::LastVoter);
                    }
                    self.transfer_leadership(None).await?;
                    return Err(self.not_leader());
                }
                let _changing = self.changing.lock().await;
                self.remove(member_id).await.map(|()| ClusterAnswer::Done)
            }
            ClusterRequest::ChangeRole { member_id, role } => {
                if member_id == self.peers.me() && role == Role::Observer {
                    if self.peers.membership().is_only_voter(member_id) {
                        return Err(ClusterError::LastVoter);
                    }
                    self.transfer_leadership(None).await?;
                    return Err(self.not_leader());
                }
                let _changing = self.changing.lock().await;
                self.change_role(member_id, role).await.map(|()| ClusterAnswer::Done)
            }
        }
    }

    fn not_leader(&self) -> ClusterError {
        let leader = self.raft.server_metrics().borrow_watched().current_leader;
        ClusterError::NotLeader(
            leader.filter(|leader| *leader != self.peers.me()).and_then(|leader| self.peers.node_of(leader)),
        )
    }

    async fn allocate(&self) -> Result<ClusterAnswer, ClusterError> {
        let written = limited(self.raft.write_blank()).await?;
        written
            .map(|written| ClusterAnswer::MemberId(written.log_id.index))
            .map_err(|error| self.failure(error))
    }

    async fn add(&self, member_id: u64, node_name: String, role: Role) -> Result<(), ClusterError> {
        let membership = self.peers.membership();
        if membership.members.contains_key(&member_id) {
            return Ok(());
        }
        if has_newer(&membership, member_id, &node_name) {
            return Err(ClusterError::NoSuchMember);
        }
        let member = Member { node_name, role };
        self.change(Change::AddNodes(BTreeMap::from([(member_id, member)])), true).await
    }

    async fn remove(&self, member_id: u64) -> Result<(), ClusterError> {
        let membership = self.peers.membership();
        if !membership.members.contains_key(&member_id) {
            return Ok(());
        }
        if membership.is_only_voter(member_id) {
            return Err(ClusterError::LastVoter);
        }
        let ids = BTreeSet::from([member_id]);
        if membership.is_voter(member_id) {
            self.change(Change::RemoveVoters(ids), false).await
        } else {
            self.change(Change::RemoveNodes(ids), true).await
        }
    }

    async fn change_role(&self, member_id: u64, role: Role) -> Result<(), ClusterError> {
        let membership = self.peers.membership();
        let Some(member) = membership.members.get(&member_id) else {
            return Err(ClusterError::NoSuchMember);
        };
        if role == Role::Observer && membership.is_only_voter(member_id) {
            return Err(ClusterError::LastVoter);
        }
        if member.role != role {
            let member = Member { role, ..member.clone() };
            self.change(Change::SetNodes(BTreeMap::from([(member_id, member)])), true).await?;
        }
        if role == Role::Observer && membership.is_voter(member_id) {
            self.change(Change::RemoveVoters(BTreeSet::from([member_id])), true).await?;
        }
        Ok(())
    }

    async fn change(&self, change: Change, retain: bool) -> Result<(), ClusterError> {
        let changed = limited(self.raft.change_membership(change, retain)).await?;
        changed.map(drop).map_err(|error| self.failure(error))
    }

    fn failure(&self, error: RaftError<PandoTypes, ClientWriteError<PandoTypes>>) -> ClusterError {
        match error {
            RaftError::Fatal(_) => ClusterError::Stopped,
            RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => self.not_leader(),
            RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => match error {
                ChangeMembershipError::EmptyMembership(_) => ClusterError::LastVoter,
                ChangeMembershipError::LearnerNotFound(_) => ClusterError::NoSuchMember,
                _ => ClusterError::Busy,
            },
            RaftError::APIError(_) => ClusterError::NoQuorum("leadership was lost meanwhile".to_owned()),
        }
    }

    /// Hands leadership over, and waits until somebody else leads.
    pub async fn transfer_leadership(&self, to: Option<u64>) -> Result<(), ClusterError> {
        let membership = self.peers.membership();
        let me = self.peers.me();
        if !self.leads() {
            return Err(self.not_leader());
        }
        if to == Some(me) {
            return Ok(());
        }
        let to = match to {
            Some(to) if !membership.is_voter(to) => return Err(ClusterError::NoSuchMember),
            Some(to) if self.is_ready(to) => to,
            Some(_) => return Err(ClusterError::Busy),
            None if membership.is_only_voter(me) => return Err(ClusterError::LastVoter),
            None => self.best_successor().ok_or(ClusterError::Busy)?,
        };
        self.raft.trigger().transfer_leader(to).await.map_err(|_| ClusterError::Stopped)?;
        let others_leads = self
            .raft
            .wait(Some(Duration::from_millis(TRANSFER_TIMEOUT_MS)))
            .metrics(
                |metrics| metrics.current_leader.is_some_and(|leader| leader != me),
                "another member leads",
            )
            .await;
        match others_leads {
            Ok(metrics) if metrics.current_leader == Some(to) => Ok(()),
            Ok(_) => Err(self.not_leader()),
            Err(_) => Err(ClusterError::NoQuorum("nobody has taken over leadership".to_owned())),
        }
    }
}

/// Gives up waiting after [`CHANGE_TIMEOUT_MS`].
async fn limited<V>(change: impl Future<Output = V>) -> Result<V, ClusterError> {
    tokio::time::timeout(Duration::from_millis(CHANGE_TIMEOUT_MS), change)
        .await
        .map_err(|_| ClusterError::NoQuorum("the change was not committed in time".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(voter_sets: &[&[u64]], members: &[(u64, &str, Role)]) -> Membership {
        let member = |(id, node, role): &(u64, &str, Role)| {
            (*id, Member { node_name: (*node).to_owned(), role: *role })
        };
        Membership {
            voter_sets: voter_sets.iter().map(|voters| voters.iter().copied().collect()).collect(),
            members: members.iter().map(member).collect(),
        }
    }

    const READY: Learner = Learner { is_caught_up: true, silent_ms: 0 };
    const BEHIND: Learner = Learner { is_caught_up: false, silent_ms: 0 };

    #[test]
    fn a_learner_that_has_caught_up_votes_and_its_older_self_goes() {
        let members =
            [(1, "a", Role::Voter), (2, "b", Role::Voter), (3, "c", Role::Voter), (9, "b", Role::Voter)];
        let membership = membership(&[&[1, 2, 3]], &members);
        assert_eq!(next(&membership, |_| BEHIND), Next::Nothing);
        assert_eq!(next(&membership, |_| READY), Next::Promote { voters: [1, 3, 9].into() });
    }

    #[test]
    fn an_observer_never_votes_and_takes_the_place_of_its_older_self() {
        let alone = membership(&[&[1]], &[(1, "a", Role::Voter), (5, "b", Role::Observer)]);
        assert_eq!(next(&alone, |_| READY), Next::Nothing);
        let twice =
            membership(&[&[1]], &[(1, "a", Role::Voter), (5, "b", Role::Observer), (6, "b", Role::Observer)]);
        assert_eq!(next(&twice, |id| if id == 6 { READY } else { BEHIND }), Next::Remove([5].into()));
    }

    #[test]
    fn a_change_that_another_leader_began_is_finished() {
        let members = [(1, "a", Role::Voter), (2, "b", Role::Voter), (3, "c", Role::Voter)];
        let joint = membership(&[&[1, 2], &[1, 3]], &members);
        assert_eq!(next(&joint, |_| BEHIND), Next::Finish { voters: [1, 3].into(), retain: false });
        let members = [(1, "a", Role::Voter), (2, "b", Role::Observer)];
        let demoting = membership(&[&[1, 2], &[1]], &members);
        assert_eq!(next(&demoting, |_| BEHIND), Next::Finish { voters: [1].into(), retain: true });
    }

    #[test]
    fn who_gave_up_joining_goes_after_a_while() {
        let membership = membership(&[&[1]], &[(1, "a", Role::Voter), (5, "b", Role::Voter)]);
        let silent = |silent_ms| move |_| Learner { is_caught_up: false, silent_ms };
        assert_eq!(next(&membership, silent(JOIN_ABANDONED_MS - 1)), Next::Nothing);
        assert_eq!(next(&membership, silent(JOIN_ABANDONED_MS)), Next::Remove([5].into()));
    }
}
