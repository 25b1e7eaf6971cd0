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
/// A member that was silent while this one has spoken so often is taken to be out of reach: after 600 to 800 ms. Counted, and
/// not measured, so that nobody is missed only because this member itself was held up.
const SILENT_ROUNDS_MAX: u64 = 4;
/// A leader that was silent for so many rounds is to be replaced: after 1 to 1.2 seconds.
const LEADER_SILENT_ROUNDS: u64 = 6;
/// After opening, members are given so many rounds to speak for the first time.
const FIRST_ROUNDS: u64 = 8;

#[derive(Clone, Copy)]
struct Heard {
    at: Instant,
    round: u64,
    said: Presence,
}

/// See the module.
pub struct Board {
    me: u64,
    /// How often this member has spoken.
    round: u64,
    heard: BTreeMap<u64, Heard>,
    down: BTreeSet<String>,
}

impl Board {
    /// Nobody has spoken yet.
    pub fn new(me: u64) -> Board {
        Board { me, round: 0, heard: BTreeMap::new(), down: BTreeSet::new() }
    }

    /// This member speaks.
    pub fn note_round(&mut self) {
        self.round += 1;
    }

    /// A member has said how far it is.
    pub fn note(&mut self, member_id: u64, said: Presence, now: Instant) {
        self.heard.insert(member_id, Heard { at: now, round: self.round, said });
    }

    /// A member has said something else.
    pub fn note_alive(&mut self, member_id: u64, now: Instant) {
        let first = Heard { at: now, round: self.round, said: Presence::default() };
        let heard = self.heard.entry(member_id).or_insert(first);
        (heard.at, heard.round) = (now, self.round);
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
    pub fn is_there(&self, member_id: u64, membership: &Membership) -> bool {
        let is_down =
            membership.members.get(&member_id).is_some_and(|member| self.down.contains(&member.node_name));
        let is_heard =
            self.heard.get(&member_id).is_some_and(|heard| self.round - heard.round < SILENT_ROUNDS_MAX);
        member_id == self.me || !is_down && is_heard
    }

    /// Whether a member that was heard before is missed so much that it should not lead.
    pub fn is_silent(&self, member_id: u64) -> bool {
        self.heard.get(&member_id).is_some_and(|heard| self.round - heard.round >= LEADER_SILENT_ROUNDS)
    }

    /// Whether a majority of each set of voters is within reach.
    pub fn has_quorum(&self, membership: &Membership) -> bool {
        if self.round < FIRST_ROUNDS {
            return true;
        }
        membership.voter_sets.iter().all(|voters| {
            let there = voters.iter().filter(|voter| self.is_there(**voter, membership)).count();
            there > voters.len() / 2
        })
    }

    /// How many voters that are there have better reason than this member to lead next: the end of their logs, their priority,
    /// and then their ids decide.
    pub fn rank(&self, own: &Presence, leader: u64, membership: &Membership) -> u32 {
        let key = |member_id: u64, said: &Presence| {
            (!said.declines_to_lead, said.last_log_index, said.priority, std::cmp::Reverse(member_id))
        };
        let own_key = key(self.me, own);
        let voters: BTreeSet<u64> = membership.voter_sets.iter().flatten().copied().collect();
        let better = voters
            .iter()
            .filter(|voter| **voter != self.me && **voter != leader)
            .filter(|voter| self.is_there(**voter, membership))
            .filter_map(|voter| self.heard.get(voter).map(|heard| key(*voter, &heard.said)))
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

    /// After it has given others time to speak.
    fn board(me: u64) -> Board {
        let mut board = Board::new(me);
        (0..FIRST_ROUNDS).for_each(|_| board.note_round());
        board
    }

    #[test]
    fn a_majority_that_speaks_is_a_quorum_and_silence_ends_it() {
        let now = Instant::now();
        let mut board = board(1);
        let three = members(&[1, 2, 3], &[4]);
        assert!(!board.has_quorum(&three));
        board.note(4, Presence::default(), now);
        assert!(!board.has_quorum(&three), "observers do not count");
        board.note_alive(2, now);
        assert!(board.has_quorum(&three));
        (1..SILENT_ROUNDS_MAX).for_each(|_| board.note_round());
        assert!(board.has_quorum(&three));
        board.note_round();
        assert!(!board.has_quorum(&three));
        board.note_alive(2, now);
        board.note_node("n2@h", false);
        assert!(!board.has_quorum(&three), "its connection is gone");
        board.note_node("n2@h", true);
        assert!(board.has_quorum(&three));
    }

    #[test]
    fn both_sets_of_voters_need_their_majority() {
        let now = Instant::now();
        let mut board = board(1);
        let mut joint = members(&[1, 2, 3, 4, 5], &[]);
        joint.voter_sets = vec![[1, 2, 3].into(), [3, 4, 5].into()];
        board.note_alive(2, now);
        assert!(!board.has_quorum(&joint));
        board.note_alive(4, now);
        board.note_alive(5, now);
        assert!(board.has_quorum(&joint));
    }

    #[test]
    fn a_sole_voter_is_its_own_quorum_and_members_are_waited_for_after_opening() {
        assert!(board(1).has_quorum(&members(&[1], &[])));
        assert!(Board::new(1).has_quorum(&members(&[1, 2, 3], &[])));
    }

    #[test]
    fn the_longest_log_comes_first_then_priority_then_the_smallest_id() {
        let now = Instant::now();
        let five = members(&[1, 2, 3, 4, 5], &[]);
        let mut board = board(3);
        // 1 leads and is gone.
        board.note(1, said(99, 9), now);
        assert_eq!(board.rank(&said(10, 0), 1, &five), 0);
        board.note(2, said(10, 0), now);
        assert_eq!(board.rank(&said(10, 0), 1, &five), 1);
        board.note(4, said(10, 0), now);
        assert_eq!(board.rank(&said(10, 0), 1, &five), 1);
        board.note(4, said(10, 1), now);
        assert_eq!(board.rank(&said(10, 0), 1, &five), 2);
        board.note(5, said(11, 0), now);
        assert_eq!(board.rank(&said(10, 0), 1, &five), 3);
        assert_eq!(board.rank(&said(12, 0), 1, &five), 0);
    }
}
