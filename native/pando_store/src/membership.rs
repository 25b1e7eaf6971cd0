//! Who the members of a store's cluster are: sets of voters (two while a change is under way), and every member's node name.
//!
//! Kept apart from the consensus library's own type, so that what is on disk does not change with that library.

use std::collections::{BTreeMap, BTreeSet};

use bincode::Options;
use serde::{Deserialize, Serialize};

/// More than any cluster will have; a bound for the decoder.
const MEMBERSHIP_SIZE_BYTES_MAX: u64 = 1024 * 1024;

/// What a member is, or is to be once it has caught up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Role {
    /// It votes.
    #[default]
    Voter,
    /// It has everything and never votes.
    Observer,
}

/// One member.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// Its Erlang node.
    pub node_name: String,
    /// One that is to be a voter is in no set of voters before it has caught up.
    pub role: Role,
}

/// The members of a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Membership {
    /// One set of voters, or two while one replaces the other (Raft paper, section 6: joint consensus).
    pub voter_sets: Vec<BTreeSet<u64>>,
    /// Every member, voter or not.
    pub members: BTreeMap<u64, Member>,
}

/// The form on disk before there were roles: all are voters. Never changed: a new form gets a new name and version byte.
#[derive(Serialize, Deserialize)]
struct MembershipV1 {
    voter_sets: Vec<BTreeSet<u64>>,
    members: BTreeMap<u64, String>,
}

/// The form on disk. Role: 0 voter, 1 observer.
#[derive(Serialize, Deserialize)]
struct MembershipV2 {
    voter_sets: Vec<BTreeSet<u64>>,
    members: BTreeMap<u64, (String, u8)>,
}

fn codec() -> impl Options {
    bincode::DefaultOptions::new()
        .with_limit(MEMBERSHIP_SIZE_BYTES_MAX)
        .with_fixint_encoding()
        .reject_trailing_bytes()
}

impl Membership {
    /// A cluster of one voter.
    pub fn of_one(member_id: u64, node_name: &str) -> Membership {
        Membership {
            voter_sets: vec![BTreeSet::from([member_id])],
            members: BTreeMap::from([(
                member_id,
                Member { node_name: node_name.to_owned(), role: Role::Voter },
            )]),
        }
    }

    /// True when `member_id` is the only voter, so that it may elect itself without asking anybody.
    pub fn is_only_voter(&self, member_id: u64) -> bool {
        let mut voters = self.voter_sets.iter().flatten().peekable();
        voters.peek().is_some() && voters.all(|voter| *voter == member_id)
    }

    /// Whether a member votes.
    pub fn is_voter(&self, member_id: u64) -> bool {
        self.voter_sets.iter().any(|voters| voters.contains(&member_id))
    }

    /// Whether it names a member, voter or not; of two sets of voters, in either.
    pub fn has(&self, member_id: u64) -> bool {
        self.members.contains_key(&member_id) || self.is_voter(member_id)
    }

    /// Appends a version byte and the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(2);
        let member = |(id, member): (&u64, &Member)| {
            let role = match member.role {
                Role::Voter => 0,
                Role::Observer => 1,
            };
            (*id, (member.node_name.clone(), role))
        };
        let record = MembershipV2 {
            voter_sets: self.voter_sets.clone(),
            members: self.members.iter().map(member).collect(),
        };
        // Writing to a Vec fails only over the size limit, which a decoder would refuse too: the entry then reads as damage.
        let _ = codec().serialize_into(out, &record);
    }

    /// Reads what [`Membership::encode`] wrote, and what it wrote before there were roles.
    pub fn decode(bytes: &[u8]) -> Result<Membership, String> {
        match bytes.split_first() {
            Some((1, body)) => {
                let record: MembershipV1 = read(body)?;
                let member = |(id, node_name)| (id, Member { node_name, role: Role::Voter });
                let members = record.members.into_iter().map(member).collect();
                Ok(Membership { voter_sets: record.voter_sets, members })
            }
            Some((2, body)) => {
                let record: MembershipV2 = read(body)?;
                let member = |(id, (node_name, role))| {
                    let role = match role {
                        0 => Role::Voter,
                        1 => Role::Observer,
                        _ => return Err(format!("membership record: role {role}")),
                    };
                    Ok((id, Member { node_name, role }))
                };
                let members = record.members.into_iter().map(member).collect::<Result<_, _>>()?;
                Ok(Membership { voter_sets: record.voter_sets, members })
            }
            Some((version, _)) => {
                Err(format!("membership record of version {version}, this code reads 1 and 2"))
            }
            None => Err("empty membership record".to_owned()),
        }
    }
}

/// Reads a record that is written as it would be written again: ids sorted, and none twice.
fn read<R: Serialize + for<'de> Deserialize<'de>>(body: &[u8]) -> Result<R, String> {
    let record: R = codec().deserialize(body).map_err(|error| format!("membership record: {error}"))?;
    let mut again = Vec::with_capacity(body.len());
    let _ = codec().serialize_into(&mut again, &record);
    if again == body { Ok(record) } else { Err("membership record: its ids are not sorted".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_is_read_as_it_was_written() {
        let mut membership = Membership::of_one(7, "a@b");
        membership.voter_sets.push(BTreeSet::from([7, 8]));
        membership.members.insert(8, Member { node_name: "c@d".to_owned(), role: Role::Observer });
        let mut bytes = Vec::new();
        membership.encode(&mut bytes);
        assert_eq!(Membership::decode(&bytes), Ok(membership));
        for length in 0..bytes.len() {
            assert!(Membership::decode(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn members_that_are_not_sorted_or_stand_there_twice_are_refused() {
        let mut membership = Membership::of_one(7, "a@b");
        membership.voter_sets = vec![BTreeSet::from([1, 2])];
        let mut bytes = Vec::new();
        membership.encode(&mut bytes);
        // Version, number of sets, number of ids, the ids.
        let ids = 1 + 8 + 8;
        for (first, second, is_read) in [(1u64, 2u64, true), (2, 1, false), (2, 2, false)] {
            bytes[ids..ids + 8].copy_from_slice(&first.to_le_bytes());
            bytes[ids + 8..ids + 16].copy_from_slice(&second.to_le_bytes());
            assert_eq!(Membership::decode(&bytes).is_ok(), is_read, "{first}, {second}");
        }
    }

    #[test]
    fn only_a_sole_voter_may_elect_itself() {
        assert!(Membership::of_one(7, "a@b").is_only_voter(7));
        assert!(!Membership::of_one(7, "a@b").is_only_voter(8));
        assert!(!Membership::default().is_only_voter(7));
        let mut joint = Membership::of_one(7, "a@b");
        joint.voter_sets.push(BTreeSet::from([7, 8]));
        assert!(!joint.is_only_voter(7));
    }
}
