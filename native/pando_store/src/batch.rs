//! A batch: the commands that one member proposed together, as one entry of the Raft log.
//!
//! One entry for many commands, because consensus costs per entry (a round through its task, a responder, an index
//! in the log) are several times the cost of applying a small command (docs/decisions/0003).
//!
//! Invariants
//! 1. Commands are applied in the order of the batch, and nobody sees a state between two of them: readers get a
//!    new root once an entry is applied.
//! 2. The command number `n` (from 0) of a batch is identified, for ever, by (member id, incarnation,
//!    first sequence + n). An incarnation is one opening of a store by one member, so that a number is never used twice.
//! 3. Encoding is hand-written, little-endian, versioned, and drawn in docs/formats.md.

use std::sync::Arc;

use pando_tree::Command;

use crate::bytes::{ByteReader, put_u32, put_u64};
use crate::history::PredictedFrom;

/// Version of the encoding that this code writes.
const BATCH_VERSION: u8 = 3;
/// version, member id, incarnation, first sequence, clock, predicted from, number of commands
const BATCH_HEADER_SIZE_BYTES: usize = 1 + 8 * 6 + 4;

/// Who proposed a batch, and which number its first command has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The member that took the commands from its callers.
    pub member_id: u64,
    /// Which opening of the store by that member: a random number drawn at each opening.
    pub incarnation: u64,
    /// The number of the first command; the others follow without a gap.
    pub first_sequence: u64,
}

/// Commands proposed together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Who proposed it.
    pub origin: Origin,
    /// The proposer's clock when it proposed, in milliseconds since the Unix epoch. Replicas use this, never their own.
    pub clock_ms: u64,
    /// The commands, in the order in which they are applied. Shared, because the log's cache and apply both hold them.
    pub commands: Arc<[Command]>,
    /// What the proposer predicted the state from that the commands are applied to, if it did.
    pub predicted_from: Option<PredictedFrom>,
    size_bytes: usize,
}

impl Batch {
    /// A batch of `commands`; `size_bytes` is computed here, once.
    pub fn new(
        origin: Origin,
        clock_ms: u64,
        commands: Vec<Command>,
        predicted_from: Option<PredictedFrom>,
    ) -> Batch {
        let size_bytes = BATCH_HEADER_SIZE_BYTES + commands.iter().map(Command::size_bytes).sum::<usize>();
        Batch { origin, clock_ms, commands: commands.into(), predicted_from, size_bytes }
    }

    /// About how many bytes it takes, in memory as in the log.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Appends the encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(BATCH_VERSION);
        put_u64(out, self.origin.member_id);
        put_u64(out, self.origin.incarnation);
        put_u64(out, self.origin.first_sequence);
        put_u64(out, self.clock_ms);
        // Sequence numbers start at 1.
        let from = self.predicted_from.unwrap_or(PredictedFrom { last_index: 0, sequence: 0 });
        put_u64(out, from.last_index);
        put_u64(out, from.sequence);
        put_u32(out, u32::try_from(self.commands.len()).unwrap_or(u32::MAX));
        for command in self.commands.iter() {
            command.encode(out);
        }
    }

    /// Reads what [`Batch::encode`] wrote; the reason why not, in words, otherwise.
    pub fn decode(bytes: &[u8]) -> Result<Batch, String> {
        let mut reader = ByteReader::new(bytes);
        let version = reader.u8().ok_or("batch without a version")?;
        if version != BATCH_VERSION {
            return Err(format!("batch of version {version}, this code reads {BATCH_VERSION}"));
        }
        let mut next = || reader.u64().ok_or("batch header cut short");
        let origin = Origin { member_id: next()?, incarnation: next()?, first_sequence: next()? };
        let clock_ms = next()?;
        let from = PredictedFrom { last_index: next()?, sequence: next()? };
        let predicted_from = (from.sequence != 0).then_some(from);
        if predicted_from.is_none() && from.last_index != 0 {
            return Err("a batch that was predicted from nothing, after an entry".to_owned());
        }
        let count = reader.u32().ok_or("batch header cut short")?;
        let mut rest = reader.rest();
        // A count that cannot be true must not reserve more memory than there are bytes.
        let mut commands = Vec::with_capacity((count as usize).min(rest.len() / size_of::<Command>()));
        for number in 0..count {
            let (command, used) =
                Command::decode(rest).map_err(|error| format!("command {number} of {count}: {error}"))?;
            commands.push(command);
            rest = rest.get(used..).ok_or("a command longer than its batch")?;
        }
        if !rest.is_empty() {
            return Err(format!("{} bytes after the last command of a batch", rest.len()));
        }
        Ok(Batch::new(origin, clock_ms, commands, predicted_from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pando_tree::{Name, Payload, Step};

    fn batch(count: u8) -> Batch {
        let origin = Origin { member_id: 1, incarnation: 99, first_sequence: 7 };
        let commands = (0..count)
            .map(|number| {
                Command::put(
                    vec![Step::Child(Name::atom("stock")), Step::Child(Name::binary(&[number]))],
                    Payload::Data(Arc::from(vec![131, 97, number])),
                )
            })
            .collect();
        let predicted_from = (count > 1).then_some(PredictedFrom { last_index: 5, sequence: 6 });
        Batch::new(origin, 1_234, commands, predicted_from)
    }

    #[test]
    fn a_batch_is_read_as_it_was_written() {
        for count in [0, 1, 200] {
            let written = batch(count);
            let mut bytes = Vec::new();
            written.encode(&mut bytes);
            let read = Batch::decode(&bytes).unwrap();
            assert_eq!(read.origin, written.origin);
            assert_eq!(read.clock_ms, written.clock_ms);
            assert_eq!(read.predicted_from, written.predicted_from);
            assert_eq!(format!("{:?}", read.commands), format!("{:?}", written.commands));
        }
    }

    #[test]
    fn a_batch_cut_short_or_too_long_is_refused_at_every_length() {
        let mut bytes = Vec::new();
        batch(3).encode(&mut bytes);
        for length in 0..bytes.len() {
            assert!(Batch::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        bytes.push(0);
        assert!(Batch::decode(&bytes).is_err());
    }

    #[test]
    fn a_batch_predicted_from_nothing_has_no_entry_that_it_was_predicted_after() {
        let mut bytes = Vec::new();
        batch(0).encode(&mut bytes);
        assert!(Batch::decode(&bytes).is_ok());
        let at = BATCH_HEADER_SIZE_BYTES - 4 - 16;
        bytes[at..at + 8].copy_from_slice(&5u64.to_le_bytes());
        assert!(Batch::decode(&bytes).is_err());
    }

    #[test]
    fn a_count_that_cannot_be_true_reserves_no_memory() {
        let mut bytes = Vec::new();
        batch(0).encode(&mut bytes);
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Batch::decode(&bytes).is_err());
    }
}
