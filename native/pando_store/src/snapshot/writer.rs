//! Writes one snapshot: block by block, under a temporary name until it is whole.

use super::directory::{SnapshotName, temporary_path};
use super::error::SnapshotError;
use super::format::{
    BLOCK_BODY_BYTES, BLOCK_HEADER_BYTES, METADATA_BYTES_MAX, RECORD_BYTES_MAX, RECORD_LENGTH_BYTES,
    encode_block_header, encode_footer, encode_header,
};
use crate::directory::StoreId;
use crate::disk::{Disk, DiskFile};
use crate::log::LogPosition;
use crc32fast::Hasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that may pile up in the system's memory before they are on their way to the disk. With many, whatever syncs
/// another file on that disk, above all the log, would wait for them.
const BYTES_BEHIND_MAX: u64 = 64 * 1024;
/// The same where the system cannot be asked to begin by itself, and a sync, which costs much more, must do.
const UNSYNCED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A snapshot that is being written. Dropped without [`SnapshotWriter::finish`], it leaves nothing behind.
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    temporary: PathBuf,
    file: Box<dyn DiskFile>,
    position: LogPosition,
    offset: u64,
    /// What is on its way to the disk, or there.
    pushed_offset: u64,
    /// Room for the header of the block, then its records.
    block: Vec<u8>,
    block_record_count: u32,
    record_count: u64,
    total: Hasher,
    is_finished: bool,
}

impl SnapshotWriter {
    pub(super) fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        store_id: StoreId,
        position: LogPosition,
        metadata: &[u8],
    ) -> Result<SnapshotWriter, SnapshotError> {
        check_size(metadata.len(), METADATA_BYTES_MAX)?;
        let temporary = temporary_path(directory, position);
        let file = disk.create(&temporary)?;
        let mut writer = SnapshotWriter {
            disk,
            directory: directory.to_path_buf(),
            temporary,
            file,
            position,
            offset: 0,
            pushed_offset: 0,
            block: vec![0; BLOCK_HEADER_BYTES],
            block_record_count: 0,
            record_count: 0,
            total: Hasher::new(),
            is_finished: false,
        };
        let (header, crc) = encode_header(store_id, position, metadata);
        writer.total.update(&crc.to_le_bytes());
        writer.write(&header)?;
        Ok(writer)
    }

    /// Adds a record. After an error the snapshot must be given up.
    pub fn append(&mut self, record: &[u8]) -> Result<(), SnapshotError> {
        check_size(record.len(), RECORD_BYTES_MAX)?;
        let body_bytes = self.block.len() - BLOCK_HEADER_BYTES;
        if body_bytes > 0 && body_bytes + RECORD_LENGTH_BYTES + record.len() > BLOCK_BODY_BYTES {
            self.write_block()?;
        }
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        self.block.extend_from_slice(&length.to_le_bytes());
        self.block.extend_from_slice(record);
        self.block_record_count += 1;
        self.record_count += 1;
        Ok(())
    }

    /// Completes the snapshot. When this returns it is durable under its name.
    pub fn finish(mut self) -> Result<SnapshotName, SnapshotError> {
        if self.block_record_count > 0 {
            self.write_block()?;
        }
        let footer = encode_footer(self.record_count, self.total.clone().finalize());
        self.write(&footer)?;
        self.file.sync_all()?;
        let name = SnapshotName::new(self.position);
        self.disk.rename(&self.temporary, &name.path(&self.directory))?;
        self.is_finished = true;
        self.disk.sync_dir(&self.directory)?;
        Ok(name)
    }

    fn write_block(&mut self) -> Result<(), SnapshotError> {
        if let Some((place, body)) = self.block.split_first_chunk_mut::<BLOCK_HEADER_BYTES>() {
            let (header, crc) = encode_block_header(body, self.block_record_count);
            *place = header;
            self.total.update(&crc.to_le_bytes());
        }
        let mut block = std::mem::take(&mut self.block);
        self.write(&block)?;
        block.truncate(BLOCK_HEADER_BYTES);
        block.shrink_to(2 * BLOCK_BODY_BYTES);
        self.block = block;
        self.block_record_count = 0;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.file.write_all_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        let behind_bytes = self.offset - self.pushed_offset;
        if behind_bytes >= BYTES_BEHIND_MAX && self.file.begin_writing_back(self.pushed_offset, behind_bytes)
        {
            self.pushed_offset = self.offset;
        } else if behind_bytes >= UNSYNCED_BYTES_MAX {
            self.file.sync_data()?;
            self.pushed_offset = self.offset;
        }
        Ok(())
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed now is removed when the directory is opened next.
            let _ = self.disk.remove_file(&self.temporary);
        }
    }
}

fn check_size(size_bytes: usize, size_bytes_max: usize) -> Result<(), SnapshotError> {
    if size_bytes > size_bytes_max {
        return Err(SnapshotError::TooLarge { size_bytes, size_bytes_max });
    }
    Ok(())
}
