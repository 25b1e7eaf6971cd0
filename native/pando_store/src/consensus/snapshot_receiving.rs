//! Taking a snapshot file that the leader sends, part by part.
//!
//! Invariants
//! 1. Parts are taken in order and without a gap; a part from the beginning begins anew.
//! 2. The file has the name of a snapshot only once every byte of it was checked and synced, and this release can read what it says of
//!    itself: what cannot be read would halt the store when it is installed, and again when it is opened.
//! 3. One is taken at a time: another one that begins ends it.

use crate::log::LogPosition;
use crate::snapshot::{ReceivedSnapshot, SnapshotDirectory, SnapshotError, SnapshotName};
use crate::snapshot_thread::check_metadata;

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
                taken.file.finish(check_metadata).map(Some)
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::StoreId;
    use crate::disk::{Disk, MemoryDisk};
    use std::path::Path;
    use std::sync::Arc;

    fn snapshots(disk: &MemoryDisk) -> SnapshotDirectory {
        let path = Path::new("/snapshot");
        disk.create_dir(path).unwrap();
        SnapshotDirectory::open(Arc::new(disk.clone()), path, StoreId([7; 16])).unwrap()
    }

    #[test]
    fn a_snapshot_whose_metadata_are_of_another_version_is_not_taken_and_leaves_nothing() {
        let covers = LogPosition { term: 1, node_id: 1, index: 5 };
        let sender = snapshots(&MemoryDisk::new());
        // As a later release would begin them.
        let mut writer =
            sender.create(covers, &[[0xff; 8].as_slice(), &[9], b"something else"].concat()).unwrap();
        writer.append(b"a record").unwrap();
        let content = sender.content(writer.finish().unwrap()).unwrap();
        let file_size_bytes = content.size_bytes();
        let bytes = content.read_part(0, usize::MAX).unwrap();
        let disk = MemoryDisk::new();
        let mut receiver = SnapshotReceiver::new(snapshots(&disk));
        assert!(receiver.take(&SnapshotChunk { covers, offset: 0, file_size_bytes, bytes }).unwrap());
        let refused = receiver.finish(covers).unwrap_err().to_string();
        assert!(refused.contains("version 9"), "{refused}");
        assert!(disk.list(Path::new("/snapshot")).unwrap().is_empty());
    }
}
