//! The content of one file of a [`MemoryDisk`](super::MemoryDisk): what is on the platter and what is only in the cache.

use super::SECTOR_BYTES;

/// One file: `current` is what a reader sees, `durable` what a power cut leaves, `unsynced` the way from one to the other.
#[derive(Default)]
pub(super) struct MemoryFile {
    current: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    pub(super) locked: bool,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl MemoryFile {
    pub(super) fn size_bytes(&self) -> usize {
        self.current.len()
    }

    pub(super) fn read(&self, offset: usize, size_bytes: usize) -> Option<&[u8]> {
        self.current.get(offset..offset.checked_add(size_bytes)?)
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let change = Change::Write { offset, bytes: bytes.to_vec() };
        apply(&mut self.current, &change);
        self.unsynced.push(change);
    }

    pub(super) fn set_len(&mut self, size_bytes: usize) {
        let change = Change::SetLen(size_bytes);
        apply(&mut self.current, &change);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// Sectors (and changes of length) that a power cut may keep or lose.
    pub(super) fn unsynced_sector_count(&self) -> usize {
        self.unsynced.iter().map(|change| sectors(change).count()).sum()
    }

    /// The file after a power cut that kept the unsynced sectors that `keep` says yes to.
    pub(super) fn after_power_cut(&self, keep: &mut dyn FnMut() -> bool) -> MemoryFile {
        let mut durable = self.durable.clone();
        for part in self.unsynced.iter().flat_map(sectors) {
            if keep() {
                apply(&mut durable, &part);
            }
        }
        MemoryFile { current: durable.clone(), durable, unsynced: Vec::new(), locked: false }
    }

    /// The file after its process was killed: the cache of the system is still there.
    pub(super) fn after_kill(&self) -> MemoryFile {
        MemoryFile {
            current: self.current.clone(),
            durable: self.durable.clone(),
            unsynced: self.unsynced.clone(),
            locked: false,
        }
    }

    /// Changes one byte on the platter and in the cache, as a decaying disk does.
    pub(super) fn flip_bits(&mut self, offset: usize, mask: u8) {
        for content in [&mut self.current, &mut self.durable] {
            if let Some(byte) = content.get_mut(offset) {
                *byte ^= mask;
            }
        }
    }
}

/// A change cut at the borders of sectors.
fn sectors(change: &Change) -> impl Iterator<Item = Change> + '_ {
    let (offset, bytes, set_len) = match change {
        Change::Write { offset, bytes } => (*offset, bytes.as_slice(), None),
        Change::SetLen(size_bytes) => (0, [].as_slice(), Some(Change::SetLen(*size_bytes))),
    };
    let head_size = (SECTOR_BYTES - offset % SECTOR_BYTES).min(bytes.len());
    let (head, tail) = bytes.split_at_checked(head_size).unwrap_or((bytes, &[]));
    let pieces = [head].into_iter().filter(|head| !head.is_empty()).chain(tail.chunks(SECTOR_BYTES));
    let writes = pieces.scan(offset, |at, piece| {
        let offset = *at;
        *at += piece.len();
        Some(Change::Write { offset, bytes: piece.to_vec() })
    });
    writes.chain(set_len)
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::SetLen(size_bytes) => content.resize(*size_bytes, 0),
        Change::Write { offset, bytes } => {
            let end = offset + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            if let Some(target) = content.get_mut(*offset..end) {
                target.copy_from_slice(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cut_keeps_exactly_the_sectors_it_is_told_to() {
        let mut file = MemoryFile::default();
        file.write(0, &[1; 1024]);
        file.sync();
        file.write(500, &[2; 100]);
        assert_eq!(file.unsynced_sector_count(), 2);
        let mut sector = 0;
        let cut = file.after_power_cut(&mut || {
            sector += 1;
            sector == 2
        });
        assert_eq!(cut.read(0, 512), Some([1; 512].as_slice()));
        assert_eq!(cut.read(512, 88), Some([2; 88].as_slice()));
        assert_eq!(cut.read(600, 424), Some([1; 424].as_slice()));
    }

    #[test]
    fn an_unsynced_extension_is_lost_with_its_bytes() {
        let mut file = MemoryFile::default();
        file.write(0, &[1; 10]);
        file.set_len(2000);
        assert_eq!(file.after_power_cut(&mut || false).size_bytes(), 0);
        assert_eq!(file.after_kill().size_bytes(), 2000);
    }
}
