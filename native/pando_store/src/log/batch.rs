//! A batch: what one write and one sync bring to the disk. It counts only if all of it is there.
//!
//! Header of 32 bytes: {magic u32, body length u32, sequence u64, record count u32, crc32 of the body u32, crc32 of the
//! place u32, reserved u32}. The checksum of the place is taken over store id, segment sequence, offset of the batch
//! and the header up to there, so the body is only looked at where a batch really begins: bytes that a user chose cannot
//! make a search for batches slow.

use crate::bytes::ByteReader;
use crate::directory::StoreId;
use crc32fast::Hasher;

pub(super) const BATCH_HEADER_BYTES: usize = 32;
/// Batches and records begin at multiples of this.
pub(super) const ALIGNMENT_BYTES: usize = 8;
const BATCH_MAGIC: [u8; 4] = *b"PBAT";
const RESERVED: [u8; 4] = [0; 4];

/// Makes checksums that hold in one segment of one store only.
#[derive(Clone)]
pub(super) struct BatchSeal {
    place: Hasher,
}

/// A batch that is wholly there.
pub(super) struct Batch<'a> {
    pub(super) sequence: u64,
    pub(super) record_count: u32,
    pub(super) body: &'a [u8],
}

impl BatchSeal {
    pub(super) fn new(store_id: StoreId, segment_sequence: u64) -> BatchSeal {
        let mut place = Hasher::new();
        place.update(&store_id.0);
        place.update(&segment_sequence.to_le_bytes());
        BatchSeal { place }
    }

    fn place_crc(&self, offset: u64, header_head: &[u8]) -> u32 {
        let mut hasher = self.place.clone();
        hasher.update(&offset.to_le_bytes());
        hasher.update(header_head);
        hasher.finalize()
    }

    /// Fills in the header in front of a body. `buffer` begins with room for the header. `None`: the body is too long.
    pub(super) fn seal(
        &self,
        buffer: &mut [u8],
        offset: u64,
        sequence: u64,
        record_count: u32,
    ) -> Option<()> {
        let (header, body) = buffer.split_first_chunk_mut::<BATCH_HEADER_BYTES>()?;
        let mut fields = Vec::with_capacity(BATCH_HEADER_BYTES);
        fields.extend_from_slice(&BATCH_MAGIC);
        fields.extend_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
        fields.extend_from_slice(&sequence.to_le_bytes());
        fields.extend_from_slice(&record_count.to_le_bytes());
        fields.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
        let place_crc = self.place_crc(offset, &fields);
        fields.extend_from_slice(&place_crc.to_le_bytes());
        fields.extend_from_slice(&RESERVED);
        header.copy_from_slice(&fields);
        Some(())
    }

    /// The batch at the offset of a whole segment, if it is valid there.
    pub(super) fn parse<'a>(&self, segment: &'a [u8], offset: usize) -> Option<Batch<'a>> {
        let rest = segment.get(offset..)?;
        let mut reader = ByteReader::new(rest);
        if reader.array()? != BATCH_MAGIC {
            return None;
        }
        let body_bytes = reader.u32()?;
        // There is always a next one.
        let sequence = reader.u64().filter(|sequence| *sequence < u64::MAX)?;
        let record_count = reader.u32()?;
        let body_crc = reader.u32()?;
        let (head, _) = rest.split_at_checked(rest.len() - reader.rest().len())?;
        if reader.u32()? != self.place_crc(u64::try_from(offset).ok()?, head) || reader.array()? != RESERVED {
            return None;
        }
        let body = reader.take(usize::try_from(body_bytes).ok()?)?;
        (crc32fast::hash(body) == body_crc).then_some(Batch { sequence, record_count, body })
    }

    /// The offset of the first valid batch at or after `from`, looking at every aligned place.
    pub(super) fn find_from(&self, segment: &[u8], from: usize) -> Option<usize> {
        let begin = from.next_multiple_of(ALIGNMENT_BYTES);
        (begin..segment.len()).step_by(ALIGNMENT_BYTES).find(|offset| self.parse(segment, *offset).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(offset: u64, sequence: u64, body: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; BATCH_HEADER_BYTES];
        buffer.extend_from_slice(body);
        BatchSeal::new(StoreId([7; 16]), 3).seal(&mut buffer, offset, sequence, 1).unwrap();
        buffer
    }

    #[test]
    fn a_batch_counts_only_at_its_own_place_in_its_own_segment_and_store() {
        let mut segment = vec![0; 64];
        segment.extend_from_slice(&sealed(64, 9, b"somebody"));
        let seal = BatchSeal::new(StoreId([7; 16]), 3);
        let batch = seal.parse(&segment, 64).unwrap();
        assert_eq!((batch.sequence, batch.record_count, batch.body), (9, 1, b"somebody".as_slice()));
        assert_eq!(seal.find_from(&segment, 0), Some(64));
        assert!(BatchSeal::new(StoreId([7; 16]), 4).parse(&segment, 64).is_none());
        assert!(BatchSeal::new(StoreId([8; 16]), 3).parse(&segment, 64).is_none());
        segment.drain(..8);
        assert_eq!(seal.find_from(&segment, 0), None);
    }

    #[test]
    fn a_batch_that_none_could_follow_is_none() {
        let seal = BatchSeal::new(StoreId([7; 16]), 3);
        assert!(seal.parse(&sealed(0, u64::MAX - 1, b"somebody"), 0).is_some());
        assert!(seal.parse(&sealed(0, u64::MAX, b"somebody"), 0).is_none());
    }

    #[test]
    fn any_flipped_bit_makes_a_batch_invalid() {
        let good = sealed(0, 1, b"0123456789abcdef");
        let seal = BatchSeal::new(StoreId([7; 16]), 3);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(seal.parse(&bad, 0).is_none(), "bit {bit}");
        }
    }
}
