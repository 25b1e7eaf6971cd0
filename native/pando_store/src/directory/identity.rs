//! Who this member is: the content of the file `IDENTITY`.
//!
//! {magic 8, version u32, reserved u32, store id 16, member id u64, crc32 of all before u32}

use super::{DirectoryError, StoreId};
use crate::bytes::ByteReader;
use crate::disk::{Disk, read_small_file, write_file_atomically};
use std::path::Path;

const MAGIC: [u8; 8] = *b"PANDOIDN";
const FORMAT_VERSION: u32 = 1;
/// More than any version of the file will have.
const FILE_BYTES_MAX: usize = 4096;

/// A member of a cluster. Member ids are never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The cluster.
    pub store_id: StoreId,
    /// The member.
    pub member_id: u64,
}

/// In an identity: this store is being founded, and nothing in it was ever acknowledged. Replaced once the log is there,
/// so that a log which is missing later is known to be lost.
pub(crate) const FOUNDING_MEMBER_ID: u64 = 0;

impl Identity {
    /// Whether the store is being founded: nothing in it was ever acknowledged.
    pub(crate) fn is_founding(&self) -> bool {
        self.member_id == FOUNDING_MEMBER_ID
    }

    fn encode(&self) -> Vec<u8> {
        let mut content = MAGIC.to_vec();
        content.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        content.extend_from_slice(&0u32.to_le_bytes());
        self.encode_fields(&mut content);
        let crc = crc32fast::hash(&content);
        content.extend_from_slice(&crc.to_le_bytes());
        content
    }

    /// {store id 16, member id u64}
    pub(super) fn encode_fields(&self, content: &mut Vec<u8>) {
        content.extend_from_slice(&self.store_id.0);
        content.extend_from_slice(&self.member_id.to_le_bytes());
    }

    pub(super) fn decode_fields(reader: &mut ByteReader<'_>) -> Option<Identity> {
        Some(Identity { store_id: StoreId(reader.array()?), member_id: reader.u64()? })
    }

    fn decode(content: &[u8], path: &Path) -> Result<Identity, DirectoryError> {
        let damaged = |detail| DirectoryError::Damaged { path: path.to_path_buf(), detail };
        let mut reader = ByteReader::new(content);
        if reader.array() != Some(MAGIC) {
            return Err(damaged("this is not an identity"));
        }
        let fields = (reader.u32(), reader.u32(), Identity::decode_fields(&mut reader));
        let (Some(found), Some(_), Some(identity)) = fields else {
            return Err(damaged("it is too short"));
        };
        check_head(content, &mut reader, found, FORMAT_VERSION, path)?;
        if identity.encode() != content {
            return Err(damaged("something stands behind it"));
        }
        Ok(identity)
    }

    pub(super) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Identity>, DirectoryError> {
        if disk.kind(path)?.is_none() {
            return Ok(None);
        }
        let content = read_small_file(disk, path, FILE_BYTES_MAX)?;
        Identity::decode(&content, path).map(Some)
    }

    pub(super) fn write(&self, disk: &dyn Disk, path: &Path) -> Result<(), DirectoryError> {
        Ok(write_file_atomically(disk, path, &self.encode())?)
    }
}

/// Checks the checksum that stands behind what was read of a file, and only then its version: every version has that
/// checksum in that place, so a flipped bit is not taken for a newer release.
pub(super) fn check_head(
    content: &[u8],
    reader: &mut ByteReader<'_>,
    found: u32,
    supported: u32,
    path: &Path,
) -> Result<(), DirectoryError> {
    let covered = content.get(..content.len() - reader.rest().len()).unwrap_or_default();
    if reader.u32() != Some(crc32fast::hash(covered)) {
        return Err(DirectoryError::Damaged { path: path.to_path_buf(), detail: "its checksum is wrong" });
    }
    if found > supported {
        return Err(DirectoryError::NewerFormat { path: path.to_path_buf(), found, supported });
    }
    Ok(())
}
