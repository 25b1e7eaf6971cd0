//! A batch: what one write and one sync bring to the disk. It counts only if all of it is there.
//!
//! Header of 32 bytes: {magic u32, body length u32, sequence u64, record count u32, crc32 of the body u32, blank sectors
//! u32, crc32 of the place u32}; the body; a trailer of 8 bytes: {crc32 of the body u32, magic u32}. The checksum of the place is
//! taken over store id, segment sequence, offset of the batch and the header up to there, so the body is only looked at where
//! a batch really begins: bytes that a user chose cannot make a search for batches slow.
//!
//! A batch that is not valid was torn, or it was whole and has decayed. A disk writes a sector whole or not at all, and a
//! segment is full of zeros before: so of a torn one either a sector is blank that was not meant to be, or the end is missing.

use crate::bytes::ByteReader;
use crate::directory::StoreId;
use crate::disk::SECTOR_BYTES;
use crc32fast::Hasher;

pub(super) const BATCH_HEADER_BYTES: usize = 32;
pub(super) const BATCH_TRAILER_BYTES: usize = 8;
/// Batches and records begin at multiples of this.
pub(super) const ALIGNMENT_BYTES: usize = 8;
const BATCH_MAGIC: [u8; 4] = *b"PBAT";
/// Its last byte has more than one bit: no single flip makes it look unwritten.
const TRAILER_MAGIC: [u8; 4] = *b"PBTE";

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

/// A header that is as it was written.
struct Header {
    body_bytes: usize,
    sequence: u64,
    record_count: u32,
    body_crc: u32,
    blank_sectors: u32,
}

/// What bytes are that stand where a batch should begin, and are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Invalid {
    /// A batch of which a part never reached the disk.
    Torn,
    /// All of it had reached the disk.
    Decayed,
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

    /// Fills in the header in front of a body, and appends the trailer. `buffer` begins with room for the header. `None`: the
    /// body is too long.
    pub(super) fn seal(
        &self,
        buffer: &mut Vec<u8>,
        offset: u64,
        sequence: u64,
        record_count: u32,
    ) -> Option<()> {
        let body = buffer.get(BATCH_HEADER_BYTES..)?;
        let body_bytes = u32::try_from(body.len()).ok()?;
        let body_crc = crc32fast::hash(body);
        buffer.extend_from_slice(&trailer(body_crc));
        let blank_sectors = blank_sectors(buffer, usize::try_from(offset).ok()?);
        let mut fields = Vec::with_capacity(BATCH_HEADER_BYTES);
        fields.extend_from_slice(&BATCH_MAGIC);
        fields.extend_from_slice(&body_bytes.to_le_bytes());
        fields.extend_from_slice(&sequence.to_le_bytes());
        fields.extend_from_slice(&record_count.to_le_bytes());
        fields.extend_from_slice(&body_crc.to_le_bytes());
        fields.extend_from_slice(&blank_sectors.to_le_bytes());
        let place_crc = self.place_crc(offset, &fields);
        fields.extend_from_slice(&place_crc.to_le_bytes());
        buffer.get_mut(..BATCH_HEADER_BYTES)?.copy_from_slice(&fields);
        Some(())
    }

    fn parse_header(&self, segment: &[u8], offset: usize) -> Option<Header> {
        let rest = segment.get(offset..)?;
        let mut reader = ByteReader::new(rest);
        if reader.array()? != BATCH_MAGIC {
            return None;
        }
        let body_bytes = usize::try_from(reader.u32()?).ok()?;
        // There is always a next one.
        let sequence = reader.u64().filter(|sequence| *sequence < u64::MAX)?;
        let record_count = reader.u32()?;
        let (body_crc, blank_sectors) = (reader.u32()?, reader.u32()?);
        let (head, _) = rest.split_at_checked(rest.len() - reader.rest().len())?;
        let is_valid = reader.u32()? == self.place_crc(u64::try_from(offset).ok()?, head);
        is_valid.then_some(Header { body_bytes, sequence, record_count, body_crc, blank_sectors })
    }

    /// The batch at the offset of a whole segment, if it is valid there.
    pub(super) fn parse<'a>(&self, segment: &'a [u8], offset: usize) -> Option<Batch<'a>> {
        let header = self.parse_header(segment, offset)?;
        let Header { body_bytes, sequence, record_count, body_crc, .. } = header;
        let mut reader = ByteReader::new(segment.get(offset + BATCH_HEADER_BYTES..)?);
        let body = reader.take(body_bytes)?;
        let is_whole = reader.array() == Some(trailer(body_crc)) && crc32fast::hash(body) == body_crc;
        is_whole.then_some(Batch { sequence, record_count, body })
    }

    /// What stands at the offset, where no batch is valid.
    pub(super) fn judge(&self, segment: &[u8], offset: usize) -> Invalid {
        // The trailer is not blank: so short is only what was cut short.
        if segment.get(offset + BATCH_HEADER_BYTES..).is_none_or(is_blank) {
            return Invalid::Torn;
        }
        let sector = |number: usize| {
            let begin = (number * SECTOR_BYTES).max(offset);
            segment.get(begin..((number + 1) * SECTOR_BYTES).min(segment.len())).unwrap_or_default()
        };
        let (first, last) = (offset / SECTOR_BYTES, (offset + BATCH_HEADER_BYTES - 1) / SECTOR_BYTES);
        if (first..=last).any(|number| is_blank(sector(number))) {
            return Invalid::Torn;
        }
        let batch = self.parse_header(segment, offset).and_then(|header| {
            let size_bytes =
                BATCH_HEADER_BYTES.checked_add(header.body_bytes)?.checked_add(BATCH_TRAILER_BYTES)?;
            Some((segment.get(offset..offset.checked_add(size_bytes)?)?, header))
        });
        match batch {
            Some((batch, header)) if blank_sectors(batch, offset) > header.blank_sectors => Invalid::Torn,
            Some((batch, header)) if ends_early(batch, trailer(header.body_crc)) => Invalid::Torn,
            _ => Invalid::Decayed,
        }
    }

    /// The offset of the first valid batch at or after `from`, looking at every aligned place.
    pub(super) fn find_from(&self, segment: &[u8], from: usize) -> Option<usize> {
        let begin = from.next_multiple_of(ALIGNMENT_BYTES);
        (begin..segment.len()).step_by(ALIGNMENT_BYTES).find(|offset| self.parse(segment, *offset).is_some())
    }
}

fn trailer(body_crc: u32) -> [u8; BATCH_TRAILER_BYTES] {
    let mut trailer = [0; BATCH_TRAILER_BYTES];
    let fields = body_crc.to_le_bytes().into_iter().chain(TRAILER_MAGIC);
    trailer.iter_mut().zip(fields).for_each(|(place, byte)| *place = byte);
    trailer
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// How many sectors behind those of its header a batch fills with nothing but zeros, as far as they belong to it.
fn blank_sectors(batch: &[u8], offset: usize) -> u32 {
    let header_end = offset + BATCH_HEADER_BYTES;
    let begin = header_end.next_multiple_of(SECTOR_BYTES) - offset;
    let blank = batch.get(begin..).unwrap_or_default().chunks(SECTOR_BYTES).filter(|part| is_blank(part));
    u32::try_from(blank.count()).unwrap_or(u32::MAX)
}

/// Whether the batch has the bytes of a write that ended within its last eight: the first of its trailer, then zeros.
fn ends_early(batch: &[u8], trailer: [u8; BATCH_TRAILER_BYTES]) -> bool {
    let Some((_, found)) = batch.split_last_chunk::<BATCH_TRAILER_BYTES>() else { return false };
    let written = found.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    written < BATCH_TRAILER_BYTES && found.get(..written) == trailer.get(..written)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment of 16 sectors that is blank but for a batch whose body has these bytes.
    fn segment_with(offset: usize, body: &[u8]) -> Vec<u8> {
        let mut segment = vec![0; 16 * SECTOR_BYTES];
        let batch = sealed(offset as u64, 9, body);
        segment[offset..offset + batch.len()].copy_from_slice(&batch);
        segment
    }

    fn seal() -> BatchSeal {
        BatchSeal::new(StoreId([7; 16]), 3)
    }

    /// Bodies with sectors of zeros in the middle and at the end, at offsets with the header in one sector and in two.
    fn cases() -> Vec<(usize, Vec<u8>)> {
        let bodies = [vec![1; 8], vec![1; 2_000], [vec![1; 900], vec![0; 1_600], vec![2; 600]].concat(), {
            [vec![1; 900], vec![0; 1_600]].concat()
        }];
        let offsets = [0, 8, 480, 488, 504, 512, 1_000];
        let pairs =
            offsets.into_iter().flat_map(|offset| bodies.iter().map(move |body| (offset, body.clone())));
        pairs.collect()
    }

    #[test]
    fn a_batch_of_which_any_sectors_are_missing_is_torn() {
        for (offset, body) in cases() {
            let whole = segment_with(offset, &body);
            let end = offset + BATCH_HEADER_BYTES + body.len() + BATCH_TRAILER_BYTES;
            let sectors: Vec<usize> = (offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES)).collect();
            for missing in 1u32..1 << sectors.len() {
                let mut torn = whole.clone();
                for (bit, sector) in sectors.iter().enumerate() {
                    if missing & (1 << bit) != 0 {
                        torn[sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES].fill(0);
                    }
                }
                // Sectors that hold nothing but zeros are not missed.
                if torn != whole {
                    assert!(seal().parse(&torn, offset).is_none());
                    assert_eq!(
                        seal().judge(&torn, offset),
                        Invalid::Torn,
                        "{offset} {} {missing:b}",
                        body.len()
                    );
                }
            }
        }
    }

    #[test]
    fn a_batch_whose_write_ended_early_anywhere_is_torn() {
        for (offset, body) in cases() {
            let whole = segment_with(offset, &body);
            let end = offset + BATCH_HEADER_BYTES + body.len() + BATCH_TRAILER_BYTES;
            for stop in offset + 1..end {
                let mut torn = whole.clone();
                torn[stop..].fill(0);
                assert!(seal().parse(&torn, offset).is_none());
                assert_eq!(seal().judge(&torn, offset), Invalid::Torn, "{offset} {} {stop}", body.len());
            }
        }
    }

    #[test]
    fn a_batch_of_which_any_bit_is_flipped_is_not_torn() {
        for (offset, body) in cases() {
            let mut segment = segment_with(offset, &body);
            let end = offset + BATCH_HEADER_BYTES + body.len() + BATCH_TRAILER_BYTES;
            for bit in offset * 8..end * 8 {
                segment[bit / 8] ^= 1 << (bit % 8);
                assert!(seal().parse(&segment, offset).is_none());
                assert_eq!(seal().judge(&segment, offset), Invalid::Decayed, "{offset} {} {bit}", body.len());
                segment[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

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
