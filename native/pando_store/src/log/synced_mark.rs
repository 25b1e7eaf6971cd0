//! How far the log was synced at least: the content of the file `SYNCED`.
//!
//! {magic 8, version u32, flags u32, store id 16, sequence of the last synced batch u64, crc32 of all before u32}
//!
//! Without it, the last batch of a log that vanishes (a block of zeros, an older copy of the file) looks like one that was never
//! synced: no later one proves that it was there.
//!
//! 1. It is written only after the batch that it names was synced, and is itself synced only when the log is opened or closed:
//!    it may lag, and is never ahead.
//! 2. It is smaller than a sector and overwritten in place: it is the old one or the new one, and needs no space.
//! 3. "Closed" is taken back, durably, before anything is written to the log.
//! 4. The log is whole without it: that it is damaged or gone refuses nothing. One of another store or of a newer release does: then
//!    files were mixed.

use super::error::OpenError;
use crate::bytes::ByteReader;
use crate::directory::StoreId;
use crate::disk::{Access, Disk, DiskError, DiskFile, read_small_file, write_file_atomically};
use std::path::Path;

pub(super) const SYNCED_FILE: &str = "SYNCED";
const MAGIC: [u8; 8] = *b"PANDOSYN";
const FORMAT_VERSION: u32 = 1;
const FLAG_CLOSED: u32 = 1;
const MARK_BYTES: usize = 44;

/// What the file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SyncedMark {
    /// This batch was synced; 0: none was.
    pub(super) batch_sequence: u64,
    /// The log was closed in order: nothing was written behind that batch.
    pub(super) is_closed: bool,
}

/// What was found of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum FoundMark {
    Valid(SyncedMark),
    /// Not there: the log was never closed or idle since it was made.
    Missing,
    /// Not what was written.
    Damaged(&'static str),
}

impl SyncedMark {
    pub(super) fn encode(&self, store_id: StoreId) -> Vec<u8> {
        let flags = if self.is_closed { FLAG_CLOSED } else { 0 };
        let mut content = MAGIC.to_vec();
        content.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        content.extend_from_slice(&flags.to_le_bytes());
        content.extend_from_slice(&store_id.0);
        content.extend_from_slice(&self.batch_sequence.to_le_bytes());
        let crc = crc32fast::hash(&content);
        content.extend_from_slice(&crc.to_le_bytes());
        content
    }

    /// Reads the mark of a log, which refuses the log if it is that of another store or of a newer release.
    pub(super) fn read(disk: &dyn Disk, directory: &Path, store_id: StoreId) -> Result<FoundMark, OpenError> {
        let path = directory.join(SYNCED_FILE);
        if disk.kind(&path)?.is_none() {
            return Ok(FoundMark::Missing);
        }
        // One byte more than it has tells that something stands behind it.
        let content = read_small_file(disk, &path, MARK_BYTES + 1)?;
        let mut reader = ByteReader::new(&content);
        if reader.array() != Some(MAGIC) {
            return Ok(FoundMark::Damaged("this is no mark of a log"));
        }
        let fields = (reader.u32(), reader.u32(), reader.array(), reader.u64());
        let (Some(found_version), Some(flags), Some(found_store), Some(batch_sequence)) = fields else {
            return Ok(FoundMark::Damaged("it is too short"));
        };
        let covered = content.len() - reader.rest().len();
        if reader.u32() != Some(crc32fast::hash(content.get(..covered).unwrap_or_default())) {
            return Ok(FoundMark::Damaged("its checksum is wrong"));
        }
        if found_version > FORMAT_VERSION {
            return Err(OpenError::NewerFormat { path, found: found_version, supported: FORMAT_VERSION });
        }
        if found_store != store_id.0 {
            return Err(OpenError::OtherStore { path, found: StoreId(found_store), expected: store_id });
        }
        let mark = SyncedMark { batch_sequence, is_closed: flags & FLAG_CLOSED != 0 };
        // A flag that is not known, or something behind it.
        if mark.encode(store_id) != content {
            return Ok(FoundMark::Damaged("it has more than this format version knows"));
        }
        Ok(FoundMark::Valid(mark))
    }
}

/// Writes the marks of an open log.
pub(super) struct MarkWriter {
    store_id: StoreId,
    /// `None`: there was no room for it.
    file: Option<Box<dyn DiskFile>>,
    written: SyncedMark,
}

impl MarkWriter {
    /// Says that the log is open and reaches so far. Durable when it returns. A disk that is too full for a file of 44 bytes
    /// is no reason to refuse a log.
    pub(super) fn open(
        disk: &dyn Disk,
        directory: &Path,
        store_id: StoreId,
        found: &FoundMark,
        batch_sequence: u64,
    ) -> Result<MarkWriter, DiskError> {
        let path = directory.join(SYNCED_FILE);
        let mark = SyncedMark { batch_sequence, is_closed: false };
        let content = mark.encode(store_id);
        let file = match found {
            FoundMark::Valid(_) => match overwrite(disk, &path, &content) {
                Ok(file) => Some(file),
                // Some file systems need space to overwrite. Gone, it says nothing wrong.
                Err(error) if error.is_out_of_space() => {
                    disk.remove_file(&path)?;
                    disk.sync_dir(directory)?;
                    None
                }
                Err(error) => return Err(error),
            },
            FoundMark::Missing | FoundMark::Damaged(_) => {
                match write_file_atomically(disk, &path, &content) {
                    Ok(()) => Some(disk.open(&path, Access::ReadWrite)?),
                    Err(error) if error.is_out_of_space() => None,
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(MarkWriter { store_id, file, written: mark })
    }

    /// Whether the mark lags behind this batch.
    pub(super) fn lags(&self, batch_sequence: u64) -> bool {
        self.file.is_some() && self.written.batch_sequence != batch_sequence
    }

    /// Says that the log was synced so far. Not synced itself. It is a help, so its failing is no failure of the log.
    pub(super) fn advance(&mut self, batch_sequence: u64) {
        self.write(SyncedMark { batch_sequence, is_closed: false });
    }

    /// Says that the log was closed behind this batch, durably.
    pub(super) fn close(&mut self, batch_sequence: u64) {
        self.write(SyncedMark { batch_sequence, is_closed: true });
        if let Some(file) = &self.file {
            let _ = file.sync_data();
        }
    }

    fn write(&mut self, mark: SyncedMark) {
        let content = mark.encode(self.store_id);
        if let Some(file) = self.file.take()
            && file.write_all_at(&content, 0).is_ok()
        {
            self.written = mark;
            self.file = Some(file);
        }
    }
}

fn overwrite(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<Box<dyn DiskFile>, DiskError> {
    let file = disk.open(path, Access::ReadWrite)?;
    file.write_all_at(content, 0)?;
    file.sync_data()?;
    Ok(file)
}
