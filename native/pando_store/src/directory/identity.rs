//! Who this member is: the content of the files `IDENTITY` and `RESET`.
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

impl Identity {
    fn encode(&self) -> Vec<u8> {
        let mut content = MAGIC.to_vec();
        content.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        content.extend_from_slice(&0u32.to_le_bytes());
        content.extend_from_slice(&self.store_id.0);
        content.extend_from_slice(&self.member_id.to_le_bytes());
        let crc = crc32fast::hash(&content);
        content.extend_from_slice(&crc.to_le_bytes());
        content
    }

    fn decode(content: &[u8], path: &Path) -> Result<Identity, DirectoryError> {
        let damaged = |detail| DirectoryError::Damaged { path: path.to_path_buf(), detail };
        let mut reader = ByteReader::new(content);
        if reader.array() != Some(MAGIC) {
            return Err(damaged("this is not an identity"));
        }
        match reader.u32() {
            Some(found) if found > FORMAT_VERSION => {
                let path = path.to_path_buf();
                return Err(DirectoryError::NewerFormat { path, found, supported: FORMAT_VERSION });
            }
            _ => {}
        }
        let fields = (reader.u32(), reader.array(), reader.u64());
        let (Some(_), Some(store_id), Some(member_id)) = fields else {
            return Err(damaged("it is too short"));
        };
        let identity = Identity { store_id: StoreId(store_id), member_id };
        if identity.encode() != content {
            return Err(damaged("its checksum or its length is wrong"));
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
