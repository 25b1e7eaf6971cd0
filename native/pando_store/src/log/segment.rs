//! One segment file: its header, and how a new one is made so that writing into it needs no allocation.

use super::names::{segment_path, temporary_path};
use super::options::ZERO_FILL_BYTES;
use crate::bytes::ByteReader;
use crate::directory::StoreId;
use crate::disk::{Access, Disk, DiskError, DiskFile};
use std::path::{Path, PathBuf};

/// The header takes a whole page, so that batches never share a sector with it.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 4096;
pub(super) const SEGMENT_FORMAT_VERSION: u32 = 1;
const SEGMENT_MAGIC: &[u8; 8] = b"PANDOLOG";

/// An open segment.
pub(super) struct Segment {
    pub(super) sequence: u64,
    pub(super) size_bytes: u64,
    pub(super) path: PathBuf,
    pub(super) file: Box<dyn DiskFile>,
}

/// Why a header was not accepted.
pub(super) enum HeaderError {
    NewerFormat(u32),
    OtherStore(StoreId),
    Damaged(&'static str),
}

/// {magic 8, version u32, reserved u32, store id 16, sequence u64, size u64, crc32 of all before u32}, then zeros.
fn encode_header(store_id: StoreId, sequence: u64, size_bytes: u64) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend_from_slice(SEGMENT_MAGIC);
    header.extend_from_slice(&SEGMENT_FORMAT_VERSION.to_le_bytes());
    header.extend_from_slice(&0u32.to_le_bytes());
    header.extend_from_slice(&store_id.0);
    header.extend_from_slice(&sequence.to_le_bytes());
    header.extend_from_slice(&size_bytes.to_le_bytes());
    let crc = crc32fast::hash(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    header
}

/// The size that the header promises.
fn decode_header(header: &[u8], store_id: StoreId, sequence: u64) -> Result<u64, HeaderError> {
    let mut reader = ByteReader::new(header);
    let too_short = HeaderError::Damaged("the segment header is incomplete");
    let fields =
        (reader.array::<8>(), reader.u32(), reader.u32(), reader.array(), reader.u64(), reader.u64());
    let (Some(magic), Some(version), Some(_), Some(found), Some(found_sequence), Some(size_bytes)) = fields
    else {
        return Err(too_short);
    };
    if &magic != SEGMENT_MAGIC {
        return Err(HeaderError::Damaged("this is not a segment header"));
    }
    let covered_bytes = header.len() - reader.rest().len();
    let covered = header.get(..covered_bytes).unwrap_or_default();
    if reader.u32() != Some(crc32fast::hash(covered)) {
        return Err(HeaderError::Damaged("the checksum of the segment header is wrong"));
    }
    // Every version has these fields and this checksum, so a flipped bit is not taken for a newer release.
    if version > SEGMENT_FORMAT_VERSION {
        return Err(HeaderError::NewerFormat(version));
    }
    if found != store_id.0 {
        return Err(HeaderError::OtherStore(StoreId(found)));
    }
    if found_sequence != sequence {
        return Err(HeaderError::Damaged(
            "the segment header is that of another segment: files were renamed",
        ));
    }
    Ok(size_bytes)
}

impl Segment {
    /// Opens a segment that is there and checks its header.
    pub(super) fn open(
        disk: &dyn Disk,
        directory: &Path,
        store_id: StoreId,
        sequence: u64,
        access: Access,
    ) -> Result<Result<Segment, HeaderError>, DiskError> {
        let path = segment_path(directory, sequence);
        let file = disk.open(&path, access)?;
        let file_bytes = file.size_bytes()?;
        if file_bytes < SEGMENT_HEADER_BYTES {
            return Ok(Err(HeaderError::Damaged("the file is shorter than its header")));
        }
        let mut header = [0; 64];
        file.read_exact_at(&mut header, 0)?;
        Ok(match decode_header(&header, store_id, sequence) {
            Ok(size_bytes) if size_bytes != file_bytes => {
                Err(HeaderError::Damaged("the file does not have the length that its header says"))
            }
            Ok(size_bytes) => Ok(Segment { sequence, size_bytes, path, file }),
            Err(error) => Err(error),
        })
    }

    /// Makes a segment full of zeros, durable under its name when this returns. `None`: `go_on` said to give up.
    ///
    /// Real zeros, not a hole: so that a later `fdatasync` of a batch has no metadata to write.
    pub(super) fn create(
        disk: &dyn Disk,
        directory: &Path,
        store_id: StoreId,
        sequence: u64,
        size_bytes: u64,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Segment>, DiskError> {
        let temporary = temporary_path(directory, sequence);
        let made = fill(disk, &temporary, &encode_header(store_id, sequence, size_bytes), size_bytes, go_on);
        let file = match made {
            Ok(Some(file)) => file,
            unfinished => {
                // Its space may be what others are waiting for. If this fails too, the next open removes the file.
                let _ = disk.remove_file(&temporary);
                return unfinished.map(|_| None);
            }
        };
        let path = segment_path(directory, sequence);
        disk.rename(&temporary, &path)?;
        disk.sync_dir(directory)?;
        Ok(Some(Segment { sequence, size_bytes, path, file }))
    }
}

fn fill(
    disk: &dyn Disk,
    path: &Path,
    header: &[u8],
    size_bytes: u64,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<Box<dyn DiskFile>>, DiskError> {
    let file = disk.create(path)?;
    let zeros = vec![0; ZERO_FILL_BYTES.min(usize::try_from(size_bytes).unwrap_or(ZERO_FILL_BYTES))];
    let mut offset = 0;
    while offset < size_bytes {
        if !go_on() {
            return Ok(None);
        }
        let piece_bytes = (size_bytes - offset).min(zeros.len() as u64);
        let piece = zeros.get(..usize::try_from(piece_bytes).unwrap_or(zeros.len())).unwrap_or(&zeros);
        file.write_all_at(piece, offset)?;
        offset += piece_bytes;
        if offset < size_bytes {
            file.sync_data()?;
        }
    }
    file.write_all_at(header, 0)?;
    file.sync_all()?;
    Ok(Some(file))
}
