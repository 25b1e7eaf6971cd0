//! A record: one thing that happened to the log. A batch holds one or more.
//!
//! Header of 16 bytes: {body length u32, crc32 u32, kind u8, 7 zeros}; then the body, then zeros up to a multiple of 8.
//! The checksum covers length, kind, zeros and body: a single entry is read and checked without its batch.

use super::batch::ALIGNMENT_BYTES;
use super::checkpoint::Checkpoint;
use super::position::LogPosition;
use crate::bytes::ByteReader;

pub(super) const RECORD_HEADER_BYTES: usize = 16;
const KIND_PADDING: [u8; 7] = [0; 7];

const KIND_CHECKPOINT: u8 = 1;
const KIND_ENTRY: u8 = 2;
const KIND_VOTE: u8 = 3;
const KIND_COMMITTED: u8 = 4;
const KIND_TRUNCATE_AFTER: u8 = 5;
const KIND_PURGE: u8 = 6;

/// A record as it was read.
#[derive(PartialEq, Debug)]
pub(super) enum Record<'a> {
    Checkpoint(Checkpoint),
    Entry { position: LogPosition, body: &'a [u8] },
    Vote(&'a [u8]),
    Committed(Option<LogPosition>),
    TruncateAfter(Option<LogPosition>),
    Purge(LogPosition),
}

/// Appends one record whose body `write_body` appends, and says how long it is without padding. `None`: the body is
/// longer than a record can say.
fn append(out: &mut Vec<u8>, kind: u8, write_body: impl FnOnce(&mut Vec<u8>)) -> Option<usize> {
    let begin = out.len();
    out.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
    write_body(out);
    let record = out.get_mut(begin..)?;
    let (header, body) = record.split_first_chunk_mut::<RECORD_HEADER_BYTES>()?;
    let length = u32::try_from(body.len()).ok()?.to_le_bytes();
    let crc = crc(length, kind, body).to_le_bytes();
    let fields = length.into_iter().chain(crc).chain([kind]).chain(KIND_PADDING);
    header.iter_mut().zip(fields).for_each(|(place, byte)| *place = byte);
    let size_bytes = record.len();
    out.resize(out.len().next_multiple_of(ALIGNMENT_BYTES), 0);
    Some(size_bytes)
}

fn crc(length: [u8; 4], kind: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(&[kind]);
    hasher.update(&KIND_PADDING);
    hasher.update(body);
    hasher.finalize()
}

pub(super) fn append_checkpoint(out: &mut Vec<u8>, checkpoint: &Checkpoint) -> Option<usize> {
    append(out, KIND_CHECKPOINT, |out| checkpoint.encode(out))
}

pub(super) fn append_entry(
    out: &mut Vec<u8>,
    position: LogPosition,
    write_body: impl FnOnce(&mut Vec<u8>),
) -> Option<usize> {
    append(out, KIND_ENTRY, |out| {
        position.encode(out);
        write_body(out);
    })
}

pub(super) fn append_vote(out: &mut Vec<u8>, vote: &[u8]) -> Option<usize> {
    append(out, KIND_VOTE, |out| out.extend_from_slice(vote))
}

pub(super) fn append_committed(out: &mut Vec<u8>, committed: Option<LogPosition>) -> Option<usize> {
    append(out, KIND_COMMITTED, |out| committed.iter().for_each(|position| position.encode(out)))
}

pub(super) fn append_truncate_after(out: &mut Vec<u8>, last: Option<LogPosition>) -> Option<usize> {
    append(out, KIND_TRUNCATE_AFTER, |out| last.iter().for_each(|position| position.encode(out)))
}

pub(super) fn append_purge(out: &mut Vec<u8>, upto: LogPosition) -> Option<usize> {
    append(out, KIND_PURGE, |out| upto.encode(out))
}

/// Reads the record at the front. On success also says how many bytes it takes without and with its padding.
pub(super) fn parse(bytes: &[u8]) -> Result<(Record<'_>, usize, usize), &'static str> {
    let mut reader = ByteReader::new(bytes);
    let fields = (reader.array::<4>(), reader.u32(), reader.u8(), reader.array::<7>());
    let (Some(length), Some(expected_crc), Some(kind), Some(_)) = fields else {
        return Err("a record header is incomplete");
    };
    let body_bytes = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    let Some(body) = reader.take(body_bytes) else { return Err("a record is longer than its batch") };
    if crc(length, kind, body) != expected_crc {
        return Err("the checksum of a record is wrong");
    }
    let size_bytes = RECORD_HEADER_BYTES + body_bytes;
    Ok((parse_body(kind, body)?, size_bytes, size_bytes.next_multiple_of(ALIGNMENT_BYTES)))
}

fn parse_body(kind: u8, body: &[u8]) -> Result<Record<'_>, &'static str> {
    let mut reader = ByteReader::new(body);
    let record = match kind {
        KIND_CHECKPOINT => Checkpoint::decode(body).map(Record::Checkpoint),
        KIND_ENTRY => {
            LogPosition::decode(&mut reader).map(|position| Record::Entry { position, body: reader.rest() })
        }
        KIND_VOTE => Some(Record::Vote(body)),
        KIND_COMMITTED => LogPosition::decode_optional(body).map(Record::Committed),
        KIND_TRUNCATE_AFTER => LogPosition::decode_optional(body).map(Record::TruncateAfter),
        KIND_PURGE => LogPosition::decode_optional(body).flatten().map(Record::Purge),
        _ => return Err("a record has a kind that this format version does not know"),
    };
    record.ok_or("the body of a record is not what its kind asks for")
}
