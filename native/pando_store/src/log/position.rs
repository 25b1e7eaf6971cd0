//! Where an entry stands in the log, and what the log must know of an entry.

use crate::bytes::ByteReader;

/// The bytes of an encoded position.
pub(super) const POSITION_BYTES: usize = 24;

/// The Raft identity of an entry: the leader (term and node) that made it, and its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LogPosition {
    /// The term of the leader that proposed the entry.
    pub term: u64,
    /// The leader that proposed the entry.
    pub node_id: u64,
    /// The place in the log; consecutive.
    pub index: u64,
}

impl LogPosition {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.term.to_le_bytes());
        out.extend_from_slice(&self.node_id.to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
    }

    pub(super) fn decode(reader: &mut ByteReader<'_>) -> Option<LogPosition> {
        let position = LogPosition { term: reader.u64()?, node_id: reader.u64()?, index: reader.u64()? };
        // There is always a next index.
        (position.index < u64::MAX).then_some(position)
    }

    /// A position as the whole body of a record; an empty body is `None`.
    pub(super) fn decode_optional(body: &[u8]) -> Option<Option<LogPosition>> {
        let mut reader = ByteReader::new(body);
        match body.len() {
            0 => Some(None),
            POSITION_BYTES => LogPosition::decode(&mut reader).map(Some),
            _ => None,
        }
    }
}

/// An entry of the log. Clones are made for the cache and for readers: share the payload behind an `Arc`.
pub trait LogEntry: Clone + Send + Sync + 'static {
    /// Where the entry stands. Must never change.
    fn position(&self) -> LogPosition;
    /// Appends the bytes of the entry, without its position, to `out`. Runs on the writer thread.
    fn encode(&self, out: &mut Vec<u8>);
    /// The entry that `encode` wrote, or in words why these are not its bytes.
    fn decode(position: LogPosition, body: &[u8]) -> Result<Self, String>;
    /// About how much memory the entry takes; also the measure for limits. Must never change.
    fn size_bytes(&self) -> usize;
}
