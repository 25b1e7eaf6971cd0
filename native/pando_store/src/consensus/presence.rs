//! What this member knows of the others from what they say at intervals: how far they are, and whether a majority is there.
//!
//! Nothing is decided by it but how soon a caller is told that no majority answers, and who asks for votes first when the
//! leader's node goes: both matter for liveness alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::frame::Presence;
use crate::membership::Membership;

/// Members say that they are there this often.
pub const PRESENCE_INTERVAL_MS: u64 = 200;
/// A member that was silent for so long is taken to be out of reach.
pub const SILENCE_MS_MAX: u64 = 700;
/// So long after opening, members are given time to speak for the first time.
const FIRST_WORDS_MS: u64 = 1_500;

#[derive(Clone, Copy)]
struct Heard {
    at: Instant,
    said: Presence,
}

/// See the module.
pub struct Board {
    me: u64,
    opened_at: Instant,
    heard: BTreeMap<u64, Heard>,
    down: BTreeSet<String>,
}

impl Board {
    /// Nobody has spoken yet.
    pub fn new(me: u64, now: Instant) -> Board {
        Board { me, opened_at: now, heard: BTreeMap::new(), down: BTreeSet::new() }
    }

    /// A member has said how far it is.
    pub fn note(&mut self, member_id: u64, said: Presence, now: Instant) {
        self.heard.insert(member_id, Heard { at: now, said });
    }

    /// A member has said something else.
    pub fn note_alive(&mut self, member_id: u64, now: Instant) {
        let heard = self.heard.entry(member_id).or_insert(Heard { at: now, said: Presence::default() });
        heard.at = now;
    }

    /// The connection to a node is there, or gone.
    pub fn note_node(&mut self, node_name: &str, is_up: bool) {
        if is_up {
            self.down.remove(node_name);
        } else {
            self.down.insert(node_name.to_owned());
        }
    }

    /// Forgets those that are no members.
    pub fn retain(&mut self, membership: &Membership) {
        self.heard.retain(|member_id, _| membership.members.contains_key(member_id));
        self.down.retain(|node| membership.members.values().any(|member| member.node_name == *node));
    }

    /// What a member has said last, and how long ago it said anything.
    pub fn of(&self, member_id: u64, now: Instant) -> Option<(Presence, Duration)> {
        self.heard.get(&member_id).map(|heard| (heard.said, now.saturating_duration_since(heard.at)))
    }

    /// Whether a member is within reach.
    pub fn is_there(&self, member_id: u64, membership: &Membership, now: Instant) -> bool {
        let is_down =
            membership.members.get(&member_id).is_some_and(|member| self.down.contains(&member.node_name));
        let silence_max = Duration::from_millis(SILENCE_MS_MAX);
        member_id == self.me
            || !is_down && self.of(member_id, now).is_some_and(|(_, silence)| silence < silence_max)
    }

    /// Whether a majority of each set of voters is within reach.
    pub fn has_quorum(&self, membership: &Membership, now: Instant) -> bool {
        if now.saturating_duration_since(self.opened_at) < Duration::from_millis(FIRST_WORDS_MS) {
            return true;
        }
        membership.voter_sets.iter().all(|voters| {
            let there = voters.iter().filter(|voter| self.is_there(**voter, membership, now)).count();
            there > voters.len() / 2
        })
    }

    /// How many voters that are there have better reason than this member to lead next: the end of their logs, their priority,
    /// and then their ids decide.
    pub fn rank(&self, own: &Presence, leader: u64, membership: &Membership, now: Instant) -> u32 {
        let key = |member_id: u64, said: &Presence| {
            (said.last_log_index, said.priority, std::cmp::Reverse(member_id))
        };
        let own_key = key(self.me, own);
        let voters: BTreeSet<u64> = membership.voter_sets.iter().flatten().copied().collect();
        let better = voters
            .iter()
            .filter(|voter| **voter != self.me && **voter != leader)
            .filter(|voter| self.is_there(**voter, membership, now))
            .filter_map(|voter| self.of(*voter, now).map(|(said, _)| key(*voter, &said)))
            .filter(|other| *other > own_key)
            .count();
        u32::try_from(better).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::{Member, Role};

    fn members(voters: &[u64], observers: &[u64]) -> Membership {
        let member = |id: &u64, role| (*id, Member { node_name: format!("n{id}@h"), role });
        Membership {
            voter_sets: vec![voters.iter().copied().collect()],
            members: voters
                .iter()
                .map(|id| member(id, Role::Voter))
                .chain(observers.iter().map(|id| member(id, Role::Observer)))
                .collect(),
        }
    }

    fn said(last_log_index: u64, priority: i64) -> Presence {
        Presence { last_log_index, priority, ..Presence::default() }
    }

    const AGES: Duration = Duration::from_secs(60);

    #[test]
    fn a_majority_that_speaks_is_a_quorum_and_silence_ends_it() {
        let begin = Instant::now();
        let now = begin + AGES;
        let mut board = Board::new(1, begin);
        let three = members(&[1, 2, 3], &[4]);
        assert!(!board.has_quorum(&three, now));
        board.note(4, Presence::default(), now);
        assert!(!board.has_quorum(&three, now), "observers do not count");
        board.note_alive(2, now);
        assert!(board.has_quorum(&three, now));
        assert!(!board.has_quorum(&three, now + Duration::from_millis(SILENCE_MS_MAX)));
        board.note_node("n2@h", false);
        assert!(!board.has_quorum(&three, now), "its connection is gone");
        board.note_node("n2@h", true);
        assert!(board.has_quorum(&three, now));
    }

    #[test]
    fn both_sets_of_voters_need_their_majority() {
        let begin = Instant::now();
        let now = begin + AGES;
        let mut board = Board::new(1, begin);
        let mut joint = members(&[1, 2, 3, 4, 5], &[]);
        joint.voter_sets = vec![[1, 2, 3].into(), [3, 4, 5].into()];
        board.note_alive(2, now);
        assert!(!board.has_quorum(&joint, now));
        board.note_alive(4, now);
        board.note_alive(5, now);
        assert!(board.has_quorum(&joint, now));
    }

    #[test]
    fn a_sole_voter_is_its_own_quorum_and_members_are_waited_for_after_opening() {
        let begin = Instant::now();
        assert!(Board::new(1, begin).has_quorum(&members(&[1], &[]), begin + AGES));
        assert!(Board::new(1, begin).has_quorum(&members(&[1, 2, 3], &[]), begin));
    }

    #[test]
    fn the_longest_log_comes_first_then_priority_then_the_smallest_id() {
        let begin = Instant::now();
        let five = members(&[1, 2, 3, 4, 5], &[]);
        let mut board = Board::new(3, begin);
        // 1 leads and is gone.
        board.note(1, said(99, 9), begin);
        assert_eq!(board.rank(&said(10, 0), 1, &five, begin), 0);
        board.note(2, said(10, 0), begin);
        assert_eq!(board.rank(&said(10, 0), 1, &five, begin), 1);
        board.note(4, said(10, 0), begin);
        assert_eq!(board.rank(&said(10, 0), 1, &five, begin), 1);
        board.note(4, said(10, 1), begin);
        assert_eq!(board.rank(&said(10, 0), 1, &five, begin), 2);
        board.note(5, said(11, 0), begin);
        assert_eq!(board.rank(&said(10, 0), 1, &five, begin), 3);
        assert_eq!(board.rank(&said(12, 0), 1, &five, begin), 0);
    }
}
