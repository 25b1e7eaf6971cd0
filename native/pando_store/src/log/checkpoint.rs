//! What the segments before a segment say, entries aside: the first record of every segment.

use super::position::LogPosition;
use crate::bytes::ByteReader;

const HAS_VOTE: u32 = 1;
const HAS_COMMITTED: u32 = 2;
const HAS_PURGED: u32 = 4;
const HAS_LAST: u32 = 8;
const NO_POSITION: LogPosition = LogPosition { term: 0, node_id: 0, index: 0 };

/// The state of the log between two batches.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Checkpoint {
    pub(super) vote: Option<Vec<u8>>,
    pub(super) committed: Option<LogPosition>,
    pub(super) purged: Option<LogPosition>,
    /// The last entry, or the purge point if there is no entry after it.
    pub(super) last: Option<LogPosition>,
}

impl Checkpoint {
    /// {flags u32, vote length u32, committed 24, purged 24, last 24, vote}; what is absent is zero.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |is_there: bool, bit: u32| if is_there { bit } else { 0 };
        let flags = flag(self.vote.is_some(), HAS_VOTE)
            | flag(self.committed.is_some(), HAS_COMMITTED)
            | flag(self.purged.is_some(), HAS_PURGED)
            | flag(self.last.is_some(), HAS_LAST);
        let vote = self.vote.as_deref().unwrap_or_default();
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&u32::try_from(vote.len()).unwrap_or(u32::MAX).to_le_bytes());
        for position in [self.committed, self.purged, self.last] {
            position.unwrap_or(NO_POSITION).encode(out);
        }
        out.extend_from_slice(vote);
    }

    pub(super) fn decode(body: &[u8]) -> Option<Checkpoint> {
        let mut reader = ByteReader::new(body);
        let flags = reader.u32()?;
        let vote_bytes = reader.u32()?;
        let mut position = |bit: u32| {
            let position = LogPosition::decode(&mut reader)?;
            Some((flags & bit != 0).then_some(position))
        };
        let (committed, purged, last) =
            (position(HAS_COMMITTED)?, position(HAS_PURGED)?, position(HAS_LAST)?);
        let vote = reader.rest();
        if vote.len() != usize::try_from(vote_bytes).ok()? {
            return None;
        }
        let vote = (flags & HAS_VOTE != 0).then(|| vote.to_vec());
        Some(Checkpoint { vote, committed, purged, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_with_any_part_absent() {
        let position = |index| LogPosition { term: 3, node_id: 5, index };
        for mask in 0u64..16 {
            let part = |bit: u64| (mask & bit != 0).then(|| position(bit));
            let vote = (mask & 8 != 0).then(|| b"vote".to_vec());
            let checkpoint = Checkpoint { vote, committed: part(1), purged: part(2), last: part(4) };
            let mut body = Vec::new();
            checkpoint.encode(&mut body);
            assert_eq!(Checkpoint::decode(&body), Some(checkpoint));
            body.push(0);
            assert_eq!(Checkpoint::decode(&body), None);
        }
    }
}
