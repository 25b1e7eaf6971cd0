//! The bytes of a snapshot file: header, blocks, footer. No I/O.
//!
//! header {magic 8, version u32, metadata length u32, store id 16, term u64, node id u64, index u64, crc32 u32 of all
//! before and the metadata, metadata}; block {magic 4, body length u32, record count u32, crc32 u32, body}; footer {magic
//! 4, reserved u32, record count u64, crc32 u32 of the checksums of header and blocks in order, crc32 u32 of the footer before it}.

use crate::bytes::ByteReader;
use crate::directory::StoreId;
use crate::log::LogPosition;
use crc32fast::Hasher;

/// The longest metadata.
pub const METADATA_BYTES_MAX: usize = 1024 * 1024;
/// The longest record.
pub const RECORD_BYTES_MAX: usize = 256 * 1024 * 1024;
/// A block is closed before the record that would make it longer; a longer record has a block to itself.
pub(super) const BLOCK_BODY_BYTES: usize = 64 * 1024;
/// What no block exceeds.
pub(super) const BLOCK_BODY_BYTES_MAX: usize = RECORD_BYTES_MAX + RECORD_LENGTH_BYTES;

pub(super) const HEADER_BYTES: usize = 60;
pub(super) const BLOCK_HEADER_BYTES: usize = 16;
pub(super) const FOOTER_BYTES: usize = 24;
pub(super) const RECORD_LENGTH_BYTES: usize = size_of::<u32>();
pub(super) const FORMAT_VERSION: u32 = 1;

const FILE_MAGIC: [u8; 8] = *b"PANDOSNP";
const BLOCK_MAGIC: [u8; 4] = *b"PBLK";
const FOOTER_MAGIC: [u8; 4] = *b"PEND";

/// What a header says, once it was checked.
pub(super) struct Header {
    pub(super) store_id: StoreId,
    pub(super) position: LogPosition,
    pub(super) crc: u32,
}

/// Why a header was not accepted.
pub(super) enum HeaderError {
    NewerFormat(u32),
    Damaged(&'static str),
}

/// The header with its metadata, and its checksum.
pub(super) fn encode_header(store_id: StoreId, position: LogPosition, metadata: &[u8]) -> (Vec<u8>, u32) {
    let mut header = Vec::with_capacity(HEADER_BYTES + metadata.len());
    header.extend_from_slice(&FILE_MAGIC);
    header.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    header.extend_from_slice(&u32::try_from(metadata.len()).unwrap_or(u32::MAX).to_le_bytes());
    header.extend_from_slice(&store_id.0);
    for field in [position.term, position.node_id, position.index] {
        header.extend_from_slice(&field.to_le_bytes());
    }
    let crc = hash_of([&header, metadata]);
    header.extend_from_slice(&crc.to_le_bytes());
    header.extend_from_slice(metadata);
    (header, crc)
}

/// How long the metadata behind this header is.
pub(super) fn metadata_length(header: &[u8; HEADER_BYTES]) -> Result<usize, HeaderError> {
    let mut reader = ByteReader::new(header);
    if reader.array() != Some(FILE_MAGIC) {
        return Err(HeaderError::Damaged("this is not a snapshot header"));
    }
    match (reader.u32(), reader.u32().and_then(|length| usize::try_from(length).ok())) {
        (Some(_), Some(length)) if length <= METADATA_BYTES_MAX => Ok(length),
        _ => Err(HeaderError::Damaged("the length of the metadata is impossible")),
    }
}

pub(super) fn decode_header(header: &[u8; HEADER_BYTES], metadata: &[u8]) -> Result<Header, HeaderError> {
    let damaged = HeaderError::Damaged("the checksum of the header is wrong");
    let Some((covered, stored_crc)) = header.split_last_chunk::<4>() else { return Err(damaged) };
    let crc = hash_of([covered, metadata]);
    if u32::from_le_bytes(*stored_crc) != crc {
        return Err(damaged);
    }
    let mut reader = ByteReader::new(covered);
    let versions = (reader.array::<{ FILE_MAGIC.len() }>(), reader.u32(), reader.u32());
    let fields = (reader.array(), reader.u64(), reader.u64(), reader.u64());
    let ((Some(_), Some(version), Some(_)), (Some(store_id), Some(term), Some(node_id), Some(index))) =
        (versions, fields)
    else {
        return Err(damaged);
    };
    // Every version has these fields and this checksum, so a flipped bit is not taken for a newer release.
    if version > FORMAT_VERSION {
        return Err(HeaderError::NewerFormat(version));
    }
    Ok(Header { store_id: StoreId(store_id), position: LogPosition { term, node_id, index }, crc })
}

pub(super) fn encode_block_header(body: &[u8], record_count: u32) -> ([u8; BLOCK_HEADER_BYTES], u32) {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let crc = block_crc(length, record_count, body);
    let mut header = [0; BLOCK_HEADER_BYTES];
    let fields =
        BLOCK_MAGIC.into_iter().chain(length).chain(record_count.to_le_bytes()).chain(crc.to_le_bytes());
    header.iter_mut().zip(fields).for_each(|(place, byte)| *place = byte);
    (header, crc)
}

/// What stands after a block or the header.
pub(super) enum Next {
    Block { body_bytes: usize, record_count: u32, crc: u32 },
    Footer,
}

/// Reads the header of a block; the first bytes of a footer are recognised.
pub(super) fn decode_next(header: &[u8; BLOCK_HEADER_BYTES]) -> Option<Next> {
    let mut reader = ByteReader::new(header);
    match reader.array()? {
        FOOTER_MAGIC => Some(Next::Footer),
        BLOCK_MAGIC => {
            let body_bytes =
                usize::try_from(reader.u32()?).ok().filter(|length| *length <= BLOCK_BODY_BYTES_MAX)?;
            Some(Next::Block { body_bytes, record_count: reader.u32()?, crc: reader.u32()? })
        }
        _ => None,
    }
}

pub(super) fn block_crc(length: [u8; 4], record_count: u32, body: &[u8]) -> u32 {
    hash_of([&length, &record_count.to_le_bytes(), body])
}

pub(super) fn encode_footer(record_count: u64, total_crc: u32) -> [u8; FOOTER_BYTES] {
    let mut head = [0; FOOTER_BYTES];
    let fields = FOOTER_MAGIC.into_iter().chain([0; 4]).chain(record_count.to_le_bytes());
    let mut covered: Vec<u8> = fields.chain(total_crc.to_le_bytes()).collect();
    let crc = crc32fast::hash(&covered);
    covered.extend_from_slice(&crc.to_le_bytes());
    head.iter_mut().zip(covered).for_each(|(place, byte)| *place = byte);
    head
}

fn hash_of<const N: usize>(parts: [&[u8]; N]) -> u32 {
    let mut hasher = Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}
