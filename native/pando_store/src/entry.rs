//! An entry of the Raft log as the store knows it: a position and what changes there.
//!
//! The body in the log is a kind byte and the kind's own encoding (docs/formats.md).

use std::sync::Arc;

use crate::batch::Batch;
use crate::log::{LogEntry, LogPosition};
use crate::membership::Membership;

const KIND_BLANK: u8 = 0;
const KIND_COMMANDS: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

/// What an entry changes.
#[derive(Clone, Debug)]
pub enum Change {
    /// Nothing: a new leader's first entry (Raft paper, section 8).
    Blank,
    /// Commands to the tree.
    Commands(Arc<Batch>),
    /// The cluster's members.
    Membership(Arc<Membership>),
}

/// A position in the log and what changes there.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it stands.
    pub position: LogPosition,
    /// What it does.
    pub change: Change,
}

impl LogEntry for Entry {
    fn position(&self) -> LogPosition {
        self.position
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match &self.change {
            Change::Blank => out.push(KIND_BLANK),
            Change::Commands(batch) => {
                out.push(KIND_COMMANDS);
                batch.encode(out);
            }
            Change::Membership(membership) => {
                out.push(KIND_MEMBERSHIP);
                membership.encode(out);
            }
        }
    }

    fn decode(position: LogPosition, body: &[u8]) -> Result<Entry, String> {
        let change = match body.split_first() {
            Some((&KIND_BLANK, [])) => Change::Blank,
            Some((&KIND_COMMANDS, rest)) => Change::Commands(Arc::new(Batch::decode(rest)?)),
            Some((&KIND_MEMBERSHIP, rest)) => Change::Membership(Arc::new(Membership::decode(rest)?)),
            Some((kind, _)) => return Err(format!("entry of unknown kind {kind}")),
            None => return Err("empty entry".to_owned()),
        };
        Ok(Entry { position, change })
    }

    fn size_bytes(&self) -> usize {
        const FIXED: usize = size_of::<Entry>();
        match &self.change {
            Change::Blank => FIXED,
            Change::Commands(batch) => FIXED + batch.size_bytes(),
            Change::Membership(membership) => FIXED + 64 * membership.members.len(),
        }
    }
}

/// The members that an entry sets, if it is one that sets them.
pub(crate) fn members_set_by(body: &[u8]) -> Option<Result<Membership, String>> {
    match body.split_first() {
        Some((&KIND_MEMBERSHIP, rest)) => Some(Membership::decode(rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_an_unknown_kind_is_refused_and_none_is_guessed() {
        let position = LogPosition { term: 1, node_id: 1, index: 1 };
        for body in [&[][..], &[3], &[0, 0], &[255, 1, 2]] {
            assert!(Entry::decode(position, body).is_err(), "{body:?}");
        }
        assert!(Entry::decode(position, &[KIND_BLANK]).is_ok());
    }
}
