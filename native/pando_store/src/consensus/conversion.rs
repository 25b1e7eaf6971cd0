//! Between the library's types and the store's own, which are the ones on disk.

use std::sync::Arc;

use openraft::type_config::alias::{CommittedLeaderIdOf, EntryOf, LogIdOf, StoredMembershipOf, VoteOf};
use openraft::{EntryPayload, LogId, StoredMembership};

use super::type_config::{PandoTypes, Proposal};
use crate::bytes::{ByteReader, put_u64};
use crate::entry::{Change, Entry};
use crate::log::LogPosition;
use crate::membership::{Member, Membership};

pub fn position_of(id: &LogIdOf<PandoTypes>) -> LogPosition {
    LogPosition { term: id.leader_id.term, node_id: id.leader_id.node_id, index: id.index }
}

pub fn log_id_of(position: LogPosition) -> LogIdOf<PandoTypes> {
    let leader = CommittedLeaderIdOf::<PandoTypes> { term: position.term, node_id: position.node_id };
    LogId::new(leader, position.index)
}

pub fn entry_from_raft(entry: EntryOf<PandoTypes>) -> Entry {
    let change = match entry.payload {
        EntryPayload::Blank => Change::Blank,
        EntryPayload::Normal(Proposal(batch)) => Change::Commands(batch),
        EntryPayload::Membership(membership) => {
            Change::Membership(Arc::new(membership_from_raft(&membership)))
        }
    };
    Entry { position: position_of(&entry.log_id), change }
}

pub fn entry_to_raft(entry: Entry) -> Result<EntryOf<PandoTypes>, String> {
    let payload = match entry.change {
        Change::Blank => EntryPayload::Blank,
        Change::Commands(batch) => EntryPayload::Normal(Proposal(batch)),
        Change::Membership(membership) => EntryPayload::Membership(membership_to_raft(&membership)?),
    };
    Ok(EntryOf::<PandoTypes> { log_id: log_id_of(entry.position), payload })
}

pub fn membership_from_raft(membership: &openraft::Membership<u64, Member>) -> Membership {
    Membership {
        voter_sets: membership.get_joint_config().clone(),
        members: membership.nodes().map(|(id, member)| (*id, member.clone())).collect(),
    }
}

pub fn membership_to_raft(membership: &Membership) -> Result<openraft::Membership<u64, Member>, String> {
    openraft::Membership::new(membership.voter_sets.clone(), membership.members.clone())
        .map_err(|error| error.to_string())
}

pub fn stored_membership_to_raft(
    membership: &Option<(LogPosition, Arc<Membership>)>,
) -> Result<StoredMembershipOf<PandoTypes>, String> {
    match membership {
        None => Ok(StoredMembership::default()),
        Some((position, membership)) => {
            Ok(StoredMembership::new(Some(log_id_of(*position)), membership_to_raft(membership)?))
        }
    }
}

pub fn vote_to_bytes(vote: &VoteOf<PandoTypes>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(18);
    bytes.push(1);
    put_u64(&mut bytes, vote.leader_id.term);
    put_u64(&mut bytes, vote.leader_id.node_id);
    bytes.push(u8::from(vote.committed));
    bytes
}

pub fn vote_from_bytes(bytes: &[u8]) -> Result<VoteOf<PandoTypes>, String> {
    let mut reader = ByteReader::new(bytes);
    let read = |reader: &mut ByteReader<'_>| {
        let version = reader.u8()?;
        Some((version, reader.u64()?, reader.u64()?, reader.u8()?))
    };
    match read(&mut reader) {
        Some((1, term, node_id, 0)) if reader.rest().is_empty() => {
            Ok(VoteOf::<PandoTypes>::new(term, node_id))
        }
        Some((1, term, node_id, 1)) if bytes.len() == 18 => {
            Ok(VoteOf::<PandoTypes>::new_committed(term, node_id))
        }
        _ => Err(format!("not a vote record: {bytes:?}")),
    }
}

/// A vote as the log keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Vote {
    /// The term.
    pub term: u64,
    /// For whom.
    pub member_id: u64,
    /// Whether a majority voted so: that member led in the term.
    pub has_won: bool,
}

impl Vote {
    /// As it stands in the log.
    pub fn encode(self) -> Vec<u8> {
        vote_to_bytes(&match self.has_won {
            true => VoteOf::<PandoTypes>::new_committed(self.term, self.member_id),
            false => VoteOf::<PandoTypes>::new(self.term, self.member_id),
        })
    }
}

/// Reads a vote that the log has kept.
pub(crate) fn read_vote(bytes: &[u8]) -> Result<Vote, String> {
    let vote = vote_from_bytes(bytes)?;
    Ok(Vote { term: vote.leader_id.term, member_id: vote.leader_id.node_id, has_won: vote.committed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_is_read_as_it_was_written_and_nothing_else_is_a_vote() {
        for vote in [VoteOf::<PandoTypes>::new(3, 9), VoteOf::<PandoTypes>::new_committed(4, 1)] {
            let mut bytes = vote_to_bytes(&vote);
            assert_eq!(vote_from_bytes(&bytes), Ok(vote));
            assert!(vote_from_bytes(&bytes[..17]).is_err());
            bytes.push(0);
            assert!(vote_from_bytes(&bytes).is_err());
            bytes.pop();
            bytes[17] = 2;
            assert!(vote_from_bytes(&bytes).is_err());
        }
    }

    #[test]
    fn a_membership_survives_the_way_through_the_library() {
        let membership = Membership::of_one(5, "a@b");
        assert_eq!(membership_from_raft(&membership_to_raft(&membership).unwrap()), membership);
    }
}
