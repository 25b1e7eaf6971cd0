//! What a reset has still to do: the content of the file `RESET`.
//!
//! {magic 8, version u32, reserved u32, store id 16 and member id u64 to come, store id 16 and member id u64 that go,
//! crc32 of all before u32}
//!
//! It names whose data are to go, so that a file that was copied from elsewhere removes nothing.

use super::identity::check_head;
use super::{DirectoryError, Identity};
use crate::bytes::ByteReader;
use crate::disk::{Disk, read_small_file, write_file_atomically};
use std::path::Path;

const MAGIC: [u8; 8] = *b"PANDORST";
const FORMAT_VERSION: u32 = 1;
/// More than any version of the file will have.
const FILE_BYTES_MAX: usize = 4096;

/// One member becomes another one, in an empty directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reset {
    pub(super) from: Identity,
    pub(super) to: Identity,
}

impl Reset {
    fn encode(&self) -> Vec<u8> {
        let mut content = MAGIC.to_vec();
        content.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        content.extend_from_slice(&0u32.to_le_bytes());
        self.to.encode_fields(&mut content);
        self.from.encode_fields(&mut content);
        let crc = crc32fast::hash(&content);
        content.extend_from_slice(&crc.to_le_bytes());
        content
    }

    fn decode(content: &[u8], path: &Path) -> Result<Reset, DirectoryError> {
        let damaged = |detail| DirectoryError::Damaged { path: path.to_path_buf(), detail };
        let mut reader = ByteReader::new(content);
        if reader.array() != Some(MAGIC) {
            return Err(damaged("this is not a reset"));
        }
        let version = (reader.u32(), reader.u32());
        let fields = (Identity::decode_fields(&mut reader), Identity::decode_fields(&mut reader));
        let ((Some(found), Some(_)), (Some(to), Some(from))) = (version, fields) else {
            return Err(damaged("it is too short"));
        };
        check_head(content, &mut reader, found, FORMAT_VERSION, path)?;
        let reset = Reset { from, to };
        if reset.encode() != content {
            return Err(damaged("something stands behind it"));
        }
        Ok(reset)
    }

    pub(super) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Reset>, DirectoryError> {
        if disk.kind(path)?.is_none() {
            return Ok(None);
        }
        let content = read_small_file(disk, path, FILE_BYTES_MAX)?;
        Reset::decode(&content, path).map(Some)
    }

    pub(super) fn write(&self, disk: &dyn Disk, path: &Path) -> Result<(), DirectoryError> {
        Ok(write_file_atomically(disk, path, &self.encode())?)
    }
}
