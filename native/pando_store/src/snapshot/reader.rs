//! Reads one snapshot, a checked block at a time.

use super::error::SnapshotError;
use super::format::{
    BLOCK_HEADER_BYTES, FOOTER_BYTES, FORMAT_VERSION, HEADER_BYTES, HeaderError, Next, RECORD_LENGTH_BYTES,
    block_crc, decode_header, decode_next, encode_footer, metadata_length,
};
use crate::bytes::ByteReader;
use crate::directory::StoreId;
use crate::disk::{Access, Disk, DiskFile};
use crate::log::LogPosition;
use crc32fast::Hasher;
use std::path::{Path, PathBuf};

/// An open snapshot. It stays readable when its file is removed.
pub struct SnapshotReader {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    size_bytes: u64,
    position: LogPosition,
    metadata: Vec<u8>,
    header_crc: u32,
    cursor: Cursor,
}

/// How far the file was read.
struct Cursor {
    /// Where the next block or the footer begins.
    offset: u64,
    /// The body of the current block, and how much of it was handed out.
    block: Vec<u8>,
    block_at: usize,
    block_records_left: u32,
    record_count: u64,
    total: Hasher,
    is_at_end: bool,
}

impl Cursor {
    fn new(offset: u64, header_crc: u32) -> Cursor {
        let mut total = Hasher::new();
        total.update(&header_crc.to_le_bytes());
        let (block, block_at, block_records_left) = (Vec::new(), 0, 0);
        Cursor { offset, block, block_at, block_records_left, record_count: 0, total, is_at_end: false }
    }
}

impl SnapshotReader {
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        store_id: StoreId,
    ) -> Result<SnapshotReader, SnapshotError> {
        let file = disk.open(path, Access::Read)?;
        let size_bytes = file.size_bytes()?;
        let damaged = |detail| SnapshotError::damaged(path, 0, detail);
        let refused = |error| match error {
            HeaderError::Damaged(detail) => damaged(detail),
            HeaderError::NewerFormat(found) => {
                SnapshotError::NewerFormat { path: path.to_path_buf(), found, supported: FORMAT_VERSION }
            }
        };
        let mut header = [0; HEADER_BYTES];
        if size_bytes < HEADER_BYTES as u64 {
            return Err(damaged("the file is shorter than its header"));
        }
        file.read_exact_at(&mut header, 0)?;
        let metadata_bytes = metadata_length(&header).map_err(refused)?;
        let blocks_offset = HEADER_BYTES as u64 + metadata_bytes as u64;
        if size_bytes < blocks_offset {
            return Err(damaged("the file ends within its metadata"));
        }
        let mut metadata = vec![0; metadata_bytes];
        file.read_exact_at(&mut metadata, HEADER_BYTES as u64)?;
        let header = decode_header(&header, &metadata).map_err(refused)?;
        if header.store_id != store_id {
            let (path, found) = (path.to_path_buf(), header.store_id);
            return Err(SnapshotError::OtherStore { path, found, expected: store_id });
        }
        let cursor = Cursor::new(blocks_offset, header.crc);
        let (path, position, header_crc) = (path.to_path_buf(), header.position, header.crc);
        Ok(SnapshotReader { path, file, size_bytes, position, metadata, header_crc, cursor })
    }

    /// The log position that the snapshot reflects.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// What the writer was given as metadata.
    pub fn metadata(&self) -> &[u8] {
        &self.metadata
    }

    /// The length of the file.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How far the file was read.
    pub fn read_bytes(&self) -> u64 {
        self.cursor.offset
    }

    /// The next record; `None` after the last, when the footer has confirmed that nothing is missing.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, SnapshotError> {
        while self.cursor.block_records_left == 0 {
            if self.cursor.is_at_end || !self.read_block()? {
                return Ok(None);
            }
        }
        let begin = self.cursor.block_at;
        let record = split_record(&self.cursor.block, begin);
        let Some(record) = record else {
            let offset = self.cursor.offset - self.cursor.block.len() as u64 + begin as u64;
            return Err(SnapshotError::damaged(&self.path, offset, "a record is longer than its block"));
        };
        self.cursor.block_at = begin + RECORD_LENGTH_BYTES + record.len();
        self.cursor.block_records_left -= 1;
        self.cursor.record_count += 1;
        Ok(Some(record))
    }

    /// Reads all from the first to the last byte, and goes back to the first record.
    pub fn verify(&mut self) -> Result<(), SnapshotError> {
        self.rewind();
        while self.next_record()?.is_some() {}
        self.rewind();
        Ok(())
    }

    /// Goes back to the first record.
    pub fn rewind(&mut self) {
        let blocks_offset = HEADER_BYTES as u64 + self.metadata.len() as u64;
        self.cursor = Cursor::new(blocks_offset, self.header_crc);
    }

    /// Reads and checks the next block. False: it was the footer, and all is well.
    fn read_block(&mut self) -> Result<bool, SnapshotError> {
        let offset = self.cursor.offset;
        let damaged = |detail| Err(SnapshotError::damaged(&self.path, offset, detail));
        if self.cursor.block_at != self.cursor.block.len() {
            return damaged("the block before has bytes after its last record");
        }
        let rest_bytes = self.size_bytes.saturating_sub(offset);
        if rest_bytes < FOOTER_BYTES as u64 {
            return damaged("the file ends without its footer");
        }
        let mut header = [0; BLOCK_HEADER_BYTES];
        self.file.read_exact_at(&mut header, offset)?;
        let (body_bytes, record_count, crc) = match decode_next(&header) {
            None => return damaged("neither a block nor the footer begins here"),
            Some(Next::Footer) => return self.check_footer(),
            Some(Next::Block { body_bytes, record_count, crc }) => (body_bytes, record_count, crc),
        };
        if rest_bytes < (BLOCK_HEADER_BYTES + body_bytes) as u64 {
            return damaged("the file ends within a block");
        }
        let mut block = std::mem::take(&mut self.cursor.block);
        block.resize(body_bytes, 0);
        self.file.read_exact_at(&mut block, offset + BLOCK_HEADER_BYTES as u64)?;
        let length = u32::try_from(body_bytes).unwrap_or(u32::MAX).to_le_bytes();
        if block_crc(length, record_count, &block) != crc {
            return damaged("the checksum of a block is wrong");
        }
        self.cursor.total.update(&crc.to_le_bytes());
        self.cursor.offset = offset + (BLOCK_HEADER_BYTES + body_bytes) as u64;
        self.cursor.block = block;
        self.cursor.block_at = 0;
        self.cursor.block_records_left = record_count;
        Ok(true)
    }

    fn check_footer(&mut self) -> Result<bool, SnapshotError> {
        let offset = self.cursor.offset;
        let mut footer = [0; FOOTER_BYTES];
        self.file.read_exact_at(&mut footer, offset)?;
        if footer != encode_footer(self.cursor.record_count, self.cursor.total.clone().finalize()) {
            return Err(SnapshotError::damaged(
                &self.path,
                offset,
                "the footer does not agree with the blocks",
            ));
        }
        if self.size_bytes != offset + FOOTER_BYTES as u64 {
            return Err(SnapshotError::damaged(&self.path, offset, "something stands behind the footer"));
        }
        self.cursor.is_at_end = true;
        Ok(false)
    }
}

fn split_record(block: &[u8], begin: usize) -> Option<&[u8]> {
    let mut reader = ByteReader::new(block.get(begin..)?);
    let size_bytes = usize::try_from(reader.u32()?).ok()?;
    reader.take(size_bytes)
}
