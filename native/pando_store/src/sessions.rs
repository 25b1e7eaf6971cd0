//! How far each opening of each member has come with its batches, so that a batch which is sent again is applied once.
//!
//! Invariants
//! 1. It is a function of the entries that were applied, so every member has the same; snapshots hold it.
//! 2. The batches of one opening are applied in ascending order of their numbers, each once: one that comes after a later one
//!    comes too late for ever. Numbers may be left out.
//! 3. Only members have sessions, each at most [`SESSIONS_PER_MEMBER_MAX`]; a new one takes the place of the oldest. So a
//!    batch can come twice only if as many openings have written in between.
//! 4. Ordered by member id, and of one member by when they began.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::batch::Origin;
use crate::membership::Membership;

/// Openings of one member that are kept in mind.
pub const SESSIONS_PER_MEMBER_MAX: usize = 4;

/// How far one opening has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The member.
    pub member_id: u64,
    /// Its opening.
    pub incarnation: u64,
    /// A batch that begins below this number was applied, or never will be.
    pub next_sequence: u64,
}

/// See the module. A clone costs a reference count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    all: Arc<Vec<Session>>,
}

impl Sessions {
    /// All, in their order.
    pub fn all(&self) -> &[Session] {
        &self.all
    }

    /// What a snapshot holds; why it cannot be, in words, otherwise.
    pub fn from_stored(all: Vec<Session>) -> Result<Sessions, String> {
        if !all.is_sorted_by_key(|session| session.member_id) {
            return Err("sessions: members are not sorted".to_owned());
        }
        for of_member in all.chunk_by(|one, next| one.member_id == next.member_id) {
            if of_member.len() > SESSIONS_PER_MEMBER_MAX {
                return Err(format!("{} sessions of one member", of_member.len()));
            }
            let mut rest = of_member;
            while let Some((one, behind)) = rest.split_first() {
                if behind.iter().any(|other| other.incarnation == one.incarnation) {
                    return Err("a session that stands there twice".to_owned());
                }
                rest = behind;
            }
        }
        Ok(Sessions { all: Arc::new(all) })
    }

    /// The number below which nothing of this opening will be applied any more; 0 if nothing of it was.
    pub fn next_sequence(&self, member_id: u64, incarnation: u64) -> u64 {
        let is_it = |session: &&Session| session.member_id == member_id && session.incarnation == incarnation;
        self.all.iter().find(is_it).map_or(0, |session| session.next_sequence)
    }

    /// Whether a batch of so many commands is to be applied now; if so, this is noted.
    pub fn admit(&mut self, origin: &Origin, commands: usize) -> bool {
        let Origin { member_id, incarnation, first_sequence } = *origin;
        if first_sequence < self.next_sequence(member_id, incarnation) {
            return false;
        }
        let next_sequence = first_sequence.saturating_add(commands as u64);
        let all = Arc::make_mut(&mut self.all);
        let begin = all.partition_point(|session| session.member_id < member_id);
        let end = all.partition_point(|session| session.member_id <= member_id);
        let of_member = all.get_mut(begin..end).unwrap_or_default();
        if let Some(session) = of_member.iter_mut().find(|session| session.incarnation == incarnation) {
            session.next_sequence = next_sequence;
        } else {
            all.insert(end, Session { member_id, incarnation, next_sequence });
            if end - begin >= SESSIONS_PER_MEMBER_MAX {
                all.remove(begin);
            }
        }
        true
    }

    /// Forgets those who are not among these any more. While one set of voters replaces another, all of both are.
    pub fn retain(&mut self, membership: &Membership) {
        if !self.all.iter().all(|session| membership.has(session.member_id)) {
            Arc::make_mut(&mut self.all).retain(|session| membership.has(session.member_id));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn origin(member_id: u64, incarnation: u64, first_sequence: u64) -> Origin {
        Origin { member_id, incarnation, first_sequence }
    }

    fn incarnations(sessions: &Sessions, member_id: u64) -> Vec<u64> {
        let of_member = sessions.all().iter().filter(|session| session.member_id == member_id);
        of_member.map(|session| session.incarnation).collect()
    }

    #[test]
    fn a_batch_is_admitted_once_and_never_after_a_later_one_and_numbers_may_be_left_out() {
        let mut sessions = Sessions::default();
        assert!(sessions.admit(&origin(1, 7, 1), 2));
        assert!(!sessions.admit(&origin(1, 7, 1), 2));
        assert!(!sessions.admit(&origin(1, 7, 2), 1));
        assert!(sessions.admit(&origin(1, 7, 6), 3));
        assert!(!sessions.admit(&origin(1, 7, 3), 3));
        assert!(sessions.admit(&origin(1, 7, 9), 1));
        assert_eq!(sessions.next_sequence(1, 7), 10);
    }

    #[test]
    fn openings_and_members_have_nothing_to_do_with_each_other() {
        let mut sessions = Sessions::default();
        for (member_id, incarnation) in [(2, 7), (1, 7), (1, 8), (3, 1), (2, 6)] {
            assert!(sessions.admit(&origin(member_id, incarnation, 5), 1));
            assert!(!sessions.admit(&origin(member_id, incarnation, 5), 1));
        }
        assert_eq!(incarnations(&sessions, 1), [7, 8]);
        assert_eq!(incarnations(&sessions, 2), [7, 6]);
        assert_eq!(Sessions::from_stored(sessions.all().to_vec()), Ok(sessions));
    }

    #[test]
    fn of_each_member_the_newest_openings_are_kept() {
        let mut sessions = Sessions::default();
        assert!(sessions.admit(&origin(2, 1, 1), 1));
        for incarnation in [9, 3, 5, 1, 7, 2] {
            assert!(sessions.admit(&origin(1, incarnation, 1), 1));
        }
        assert_eq!(incarnations(&sessions, 1), [5, 1, 7, 2]);
        assert_eq!(incarnations(&sessions, 2), [1]);
        assert_eq!(sessions.next_sequence(1, 9), 0);
    }

    #[test]
    fn who_is_no_member_any_more_is_forgotten_and_a_change_under_way_forgets_nobody() {
        let mut sessions = Sessions::default();
        for member_id in [1, 2, 3] {
            assert!(sessions.admit(&origin(member_id, 1, 1), 1));
        }
        let mut membership = Membership::of_one(1, "a@b");
        membership.voter_sets = vec![BTreeSet::from([1, 2]), BTreeSet::from([1, 3])];
        sessions.retain(&membership);
        assert_eq!(sessions.all().len(), 3);
        membership.voter_sets = vec![BTreeSet::from([1, 3])];
        sessions.retain(&membership);
        assert_eq!(incarnations(&sessions, 2), [0; 0]);
        assert_eq!(sessions.all().len(), 2);
    }

    #[test]
    fn stored_sessions_that_no_entries_can_have_made_are_refused() {
        let session = |(member_id, incarnation)| Session { member_id, incarnation, next_sequence: 9 };
        let stored = |of: &[(u64, u64)]| Sessions::from_stored(of.iter().copied().map(session).collect());
        assert!(stored(&[]).is_ok());
        assert!(stored(&[(1, 4), (1, 3), (1, 2), (1, 1), (2, 4)]).is_ok());
        assert!(stored(&[(2, 1), (1, 1)]).is_err());
        assert!(stored(&[(1, 2), (1, 1), (1, 2)]).is_err());
        assert!(stored(&[(1, 5), (1, 4), (1, 3), (1, 2), (1, 1)]).is_err());
    }

    #[test]
    fn a_number_at_the_end_of_all_numbers_is_the_last_one() {
        let mut sessions = Sessions::default();
        assert!(sessions.admit(&origin(1, 1, u64::MAX - 1), 5));
        assert!(!sessions.admit(&origin(1, 1, u64::MAX - 1), 5));
        assert_eq!(sessions.next_sequence(1, 1), u64::MAX);
    }
}
