//! What happens in the cluster, told as it is seen here: by comparing what was with what is.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::ClusterEvent;
use crate::membership::Membership;

/// Entries that a member lacks before it counts as far behind.
const LAGGING_ENTRIES_MIN: u64 = 20_000;
/// Entries that it may still lack when it has caught up.
const CAUGHT_UP_ENTRIES_MAX: u64 = 1_000;

/// What is seen at one moment.
#[derive(Clone, Default)]
pub struct Seen {
    pub term: u64,
    /// Member id and Erlang node.
    pub leader: Option<(u64, String)>,
    pub membership: Arc<Membership>,
    pub has_quorum: bool,
    /// Where this member leads: what each other one lacks.
    pub entries_behind: Vec<(u64, u64)>,
}

/// What was seen before.
pub struct Watch {
    before: Option<Seen>,
    lagging: BTreeSet<u64>,
}

impl Watch {
    pub fn new() -> Watch {
        Watch { before: None, lagging: BTreeSet::new() }
    }

    /// What has happened since the last time. The first time nothing has, but that there is a leader.
    pub fn note(&mut self, seen: Seen) -> Vec<ClusterEvent> {
        let mut events = Vec::new();
        let before = self.before.take();
        let is_first = before.is_none();
        let before = before.unwrap_or(Seen {
            membership: seen.membership.clone(),
            has_quorum: seen.has_quorum,
            ..Seen::default()
        });
        if seen.leader != before.leader {
            events.push(ClusterEvent::LeaderChanged { leader: seen.leader.clone(), term: seen.term });
        }
        match (before.has_quorum, seen.has_quorum) {
            (true, false) => events.push(ClusterEvent::QuorumLost),
            (false, true) => events.push(ClusterEvent::QuorumRegained),
            _ => {}
        }
        if !is_first {
            compare_members(&before.membership, &seen.membership, &mut events);
        }
        self.note_lag(&seen, &mut events);
        self.before = Some(seen);
        events
    }

    fn note_lag(&mut self, seen: &Seen, events: &mut Vec<ClusterEvent>) {
        let members = &seen.membership.members;
        self.lagging.retain(|member_id| members.contains_key(member_id));
        for (member_id, entries) in seen.entries_behind.iter().copied() {
            let Some(member) = members.get(&member_id) else { continue };
            let node_name = member.node_name.clone();
            if entries >= LAGGING_ENTRIES_MIN && self.lagging.insert(member_id) {
                events.push(ClusterEvent::MemberLagging { member_id, node_name, entries });
            } else if entries <= CAUGHT_UP_ENTRIES_MAX && self.lagging.remove(&member_id) {
                events.push(ClusterEvent::MemberCaughtUp { member_id, node_name });
            }
        }
    }
}

fn compare_members(before: &Membership, after: &Membership, events: &mut Vec<ClusterEvent>) {
    for (member_id, member) in &after.members {
        let (member_id, node_name) = (*member_id, member.node_name.clone());
        if !before.members.contains_key(&member_id) {
            events.push(ClusterEvent::MemberJoined { member_id, node_name: node_name.clone() });
        }
        let is_voter = after.is_voter(member_id);
        if is_voter != before.is_voter(member_id) {
            events.push(ClusterEvent::RoleChanged { member_id, node_name, is_voter });
        }
    }
    for (member_id, member) in &before.members {
        if !after.members.contains_key(member_id) {
            let (member_id, node_name) = (*member_id, member.node_name.clone());
            events.push(ClusterEvent::MemberLeft { member_id, node_name });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::{Member, Role};

    fn seen(voters: &[u64], members: &[u64]) -> Seen {
        let member = |id: &u64| (*id, Member { node_name: format!("n{id}"), role: Role::Voter });
        let membership = Membership {
            voter_sets: vec![voters.iter().copied().collect()],
            members: members.iter().map(member).collect(),
        };
        Seen { membership: Arc::new(membership), has_quorum: true, ..Seen::default() }
    }

    #[test]
    fn nothing_has_happened_while_all_is_as_it_was() {
        let mut watch = Watch::new();
        assert!(watch.note(seen(&[1], &[1])).is_empty());
        assert!(watch.note(seen(&[1], &[1])).is_empty());
    }

    #[test]
    fn members_come_vote_and_go() {
        let (member_id, node_name) = (2, "n2".to_owned());
        let mut watch = Watch::new();
        watch.note(seen(&[1], &[1]));
        let joined = ClusterEvent::MemberJoined { member_id, node_name: node_name.clone() };
        assert_eq!(watch.note(seen(&[1], &[1, 2])), [joined]);
        let votes = ClusterEvent::RoleChanged { member_id, node_name: node_name.clone(), is_voter: true };
        assert_eq!(watch.note(seen(&[1, 2], &[1, 2])), [votes]);
        assert_eq!(watch.note(seen(&[1], &[1])), [ClusterEvent::MemberLeft { member_id, node_name }]);
    }

    #[test]
    fn leaders_and_quorums_come_and_go() {
        let mut watch = Watch::new();
        let led = Seen { leader: Some((1, "n1".to_owned())), term: 3, ..seen(&[1], &[1]) };
        let leader = led.leader.clone();
        assert_eq!(watch.note(led.clone()), [ClusterEvent::LeaderChanged { leader, term: 3 }]);
        let cut_off = Seen { leader: None, has_quorum: false, ..led.clone() };
        let events = watch.note(cut_off);
        assert_eq!(events, [ClusterEvent::LeaderChanged { leader: None, term: 3 }, ClusterEvent::QuorumLost]);
        assert!(watch.note(led).contains(&ClusterEvent::QuorumRegained));
    }

    #[test]
    fn a_member_lags_once_and_catches_up_once() {
        let mut watch = Watch::new();
        let behind = |entries| Seen { entries_behind: vec![(2, entries)], ..seen(&[1, 2], &[1, 2]) };
        assert!(watch.note(behind(LAGGING_ENTRIES_MIN - 1)).is_empty());
        assert_eq!(watch.note(behind(LAGGING_ENTRIES_MIN)).len(), 1);
        assert!(watch.note(behind(2 * LAGGING_ENTRIES_MIN)).is_empty());
        assert!(watch.note(behind(CAUGHT_UP_ENTRIES_MAX + 1)).is_empty());
        assert_eq!(
            watch.note(behind(0)),
            [ClusterEvent::MemberCaughtUp { member_id: 2, node_name: "n2".to_owned() }]
        );
    }
}
