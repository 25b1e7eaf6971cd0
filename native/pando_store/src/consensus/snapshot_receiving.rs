//! Taking a snapshot file that the leader sends, part by part.
//!
//! Invariants
//! 1. Parts are taken in order and without a gap; a part from the beginning begins anew.
//! 2. The file has the name of a snapshot only once every byte of it was checked and synced.
//! 3. One is taken at a time: another one that begins ends it.

use crate::log::LogPosition;
use crate::snapshot::{ReceivedSnapshot, SnapshotDirectory, SnapshotError, SnapshotName};

use super::frame::SnapshotChunk;

/// See the module.
pub struct SnapshotReceiver {
    snapshots: SnapshotDirectory,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    covers: LogPosition,
    next_offset: u64,
    file_size_bytes: u64,
    file: ReceivedSnapshot,
}

impl SnapshotReceiver {
    /// Nothing has come yet.
    pub fn new(snapshots: SnapshotDirectory) -> SnapshotReceiver {
        SnapshotReceiver { snapshots, under_way: None }
    }

    /// Takes a part; `false`: the sender must begin anew. Blocks on the disk.
    pub fn take(&mut self, chunk: &SnapshotChunk) -> Result<bool, SnapshotError> {
        if chunk.offset == 0 {
            // Its file goes first, for it may have the same name.
            self.under_way = None;
            self.under_way = Some(UnderWay {
                covers: chunk.covers,
                next_offset: 0,
                file_size_bytes: chunk.file_size_bytes,
                file: self.snapshots.receive(chunk.covers)?,
            });
        }
        let Some(under_way) = &mut self.under_way else { return Ok(false) };
        let end = chunk.offset.saturating_add(chunk.bytes.len() as u64);
        let follows = under_way.covers == chunk.covers
            && under_way.next_offset == chunk.offset
            && under_way.file_size_bytes == chunk.file_size_bytes
            && end <= chunk.file_size_bytes;
        if !follows {
            return Ok(false);
        }
        under_way.file.write(chunk.offset, &chunk.bytes)?;
        under_way.next_offset = end;
        Ok(true)
    }

    /// All of it has come: checks it, syncs it, gives it its name. `None`: it has not. Blocks on the disk.
    pub fn finish(&mut self, covers: LogPosition) -> Result<Option<SnapshotName>, SnapshotError> {
        match self.under_way.take() {
            Some(taken) if taken.covers == covers && taken.next_offset == taken.file_size_bytes => {
                taken.file.finish().map(Some)
            }
            _ => Ok(None),
        }
    }
}
