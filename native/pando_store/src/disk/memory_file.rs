//! One file of a [`MemoryDisk`](super::MemoryDisk): what is on the platter and what is only in the cache.
//!
//! 1. The cache goes to the platter by sectors, each as it was after one of the unsynced writes to it: a sector may come
//!    late or never while later ones come, but an earlier state of it never replaces a later one.
//! 2. The length goes its own way. Sectors behind a length that came are zeros if they did not come; sectors that came
//!    behind a length that did not are not seen. So a file that was never synced is empty, short, full of zeros, or whole.
//! 3. After a sync that failed and gave its sectors up, they may have come to the platter or not, and no later sync
//!    brings them: only writing them again does. What the cache shows of them meanwhile is one or the other ([`Cache`]).

use super::SECTOR_BYTES;
use super::content::Content;
use std::hash::{DefaultHasher, Hash};
use std::sync::Arc;

/// What readers see of the sectors that a failed sync has given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cache {
    /// What was written, as if it were synced (ext4).
    KeepsThem,
    /// What was there before: they were thrown away (XFS, btrfs).
    DropsThem,
}

/// One file: `current` is what a reader sees, `durable` what a power cut leaves, `unsynced` the way from one to the other.
#[derive(Clone, Default)]
pub(super) struct MemoryFile {
    current: Content,
    durable: Content,
    unsynced: Vec<Unsynced>,
    pub(super) locked: bool,
}

#[derive(Clone)]
struct Unsynced {
    change: Change,
    /// By a sync that failed.
    is_given_up: bool,
}

#[derive(Clone, Hash)]
enum Change {
    Sector { number: usize, bytes: Arc<[u8; SECTOR_BYTES]> },
    Cut(usize),
    Extend(usize),
}

impl MemoryFile {
    pub(super) fn size_bytes(&self) -> usize {
        self.current.size_bytes()
    }

    /// Fills the buffer. False: the file ends before.
    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) -> bool {
        let is_inside = offset.checked_add(buffer.len()).is_some_and(|end| end <= self.current.size_bytes());
        if is_inside {
            self.current.read(offset, buffer);
        }
        is_inside
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let (size_before, end) = (self.current.size_bytes(), offset + bytes.len());
        let sectors = offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        let before: Vec<_> = sectors.clone().map(|number| sector(&self.current, number)).collect();
        self.current.write(offset, bytes);
        for (number, before) in sectors.zip(before) {
            let after = sector(&self.current, number);
            // One that says what it said already leaves nothing open, unless that was given up.
            if before != after || self.is_given_up(number) {
                self.push(Change::Sector { number, bytes: Arc::new(after) });
            }
        }
        if end > size_before {
            self.push(Change::Extend(end));
        }
    }

    pub(super) fn set_len(&mut self, size_bytes: usize) {
        let before = self.current.size_bytes();
        self.current.set_len(size_bytes);
        if size_bytes < before {
            self.push(Change::Cut(size_bytes));
        } else if size_bytes > before {
            self.push(Change::Extend(size_bytes));
        }
    }

    pub(super) fn sync(&mut self) {
        let (given_up, synced): (Vec<_>, _) =
            std::mem::take(&mut self.unsynced).into_iter().partition(|unsynced| unsynced.is_given_up);
        self.unsynced = given_up;
        for Unsynced { change, .. } in &synced {
            self.unsynced.retain(|given_up| !given_up.change.is_superseded_by(change));
        }
        self.durable = brought_to(&self.durable, synced.iter().map(|unsynced| &unsynced.change));
    }

    /// A sync that fails and marks what it had to bring as clean all the same. Lengths are metadata: they stay unsynced.
    pub(super) fn give_up(&mut self, cache: Cache) {
        match cache {
            Cache::KeepsThem => {
                for unsynced in &mut self.unsynced {
                    unsynced.is_given_up |= matches!(unsynced.change, Change::Sector { .. });
                }
            }
            Cache::DropsThem => {
                self.unsynced.retain(|unsynced| !matches!(unsynced.change, Change::Sector { .. }));
                let size_bytes = self.current.size_bytes();
                self.current =
                    brought_to(&self.durable, self.unsynced.iter().map(|unsynced| &unsynced.change));
                self.current.set_len(size_bytes);
            }
        }
    }

    /// Sectors and changes of length that a power cut may keep or lose.
    pub(super) fn unsynced_count(&self) -> usize {
        self.unsynced.len()
    }

    /// The file after a power cut that kept the unsynced sectors and lengths that `keep` says yes to.
    pub(super) fn after_power_cut(&self, keep: &mut dyn FnMut() -> bool) -> MemoryFile {
        let kept: Vec<_> = self.unsynced.iter().filter(|_| keep()).collect();
        let durable = brought_to(&self.durable, kept.into_iter().map(|unsynced| &unsynced.change));
        MemoryFile { current: durable.clone(), durable, unsynced: Vec::new(), locked: false }
    }

    /// The file after its process was killed: the cache of the system is still there.
    pub(super) fn after_kill(&self) -> MemoryFile {
        MemoryFile { locked: false, ..self.clone() }
    }

    /// Changes one byte on the platter and in the cache, as a decaying disk does.
    pub(super) fn flip_bits(&mut self, offset: usize, mask: u8) {
        for content in [&mut self.current, &mut self.durable] {
            if offset < content.size_bytes() {
                let mut byte = [0];
                content.read(offset, &mut byte);
                content.write(offset, &byte.map(|byte| byte ^ mask));
            }
        }
    }

    /// Feeds all that can be told of the file from now on, after whatever cut.
    pub(super) fn digest(&self, hasher: &mut DefaultHasher) {
        self.durable.digest(hasher);
        if !self.unsynced.is_empty() {
            self.current.digest(hasher);
        }
        for unsynced in &self.unsynced {
            unsynced.is_given_up.hash(hasher);
            unsynced.change.hash(hasher);
        }
    }

    fn push(&mut self, change: Change) {
        self.unsynced.push(Unsynced { change, is_given_up: false });
    }

    fn is_given_up(&self, wanted: usize) -> bool {
        let mut newest_first = self.unsynced.iter().rev();
        let newest = newest_first
            .find(|unsynced| matches!(unsynced.change, Change::Sector { number, .. } if number == wanted));
        newest.is_some_and(|unsynced| unsynced.is_given_up)
    }
}

impl Change {
    fn is_superseded_by(&self, later: &Change) -> bool {
        match (self, later) {
            (Change::Sector { number, .. }, Change::Sector { number: later, .. }) => number == later,
            (Change::Sector { number, .. }, Change::Cut(size_bytes)) => number * SECTOR_BYTES >= *size_bytes,
            _ => false,
        }
    }
}

fn sector(content: &Content, number: usize) -> [u8; SECTOR_BYTES] {
    let mut bytes = [0; SECTOR_BYTES];
    content.read(number * SECTOR_BYTES, &mut bytes);
    bytes
}

/// The platter when these changes have come to it, in this order.
fn brought_to<'a>(platter: &Content, changes: impl Iterator<Item = &'a Change>) -> Content {
    let mut content = platter.clone();
    let mut size_bytes = platter.size_bytes();
    for change in changes {
        match change {
            Change::Sector { number, bytes } => content.write(number * SECTOR_BYTES, bytes.as_slice()),
            Change::Cut(cut) => {
                content.set_len((*cut).min(content.size_bytes()));
                size_bytes = *cut;
            }
            Change::Extend(extended) => size_bytes = *extended,
        }
    }
    content.set_len(size_bytes);
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(file: &MemoryFile) -> Vec<u8> {
        let mut bytes = vec![0; file.size_bytes()];
        assert!(file.read(0, &mut bytes));
        bytes
    }

    /// The file after a cut that kept those whose number is in the list.
    fn cut(file: &MemoryFile, kept: &[usize]) -> Vec<u8> {
        let mut number = 0;
        let after = file.after_power_cut(&mut || {
            number += 1;
            kept.contains(&(number - 1))
        });
        bytes(&after)
    }

    fn synced(content: &[u8]) -> MemoryFile {
        let mut file = MemoryFile::default();
        file.write(0, content);
        file.sync();
        file
    }

    #[test]
    fn a_power_cut_keeps_exactly_the_sectors_it_is_told_to() {
        let mut file = synced(&[1; 1024]);
        file.write(500, &[2; 100]);
        assert_eq!(file.unsynced_count(), 2);
        let mut expected = vec![1; 1024];
        expected[512..600].fill(2);
        assert_eq!(cut(&file, &[1]), expected);
    }

    #[test]
    fn a_later_write_may_come_and_an_earlier_one_not() {
        let mut file = synced(&[1; 1024]);
        file.write(0, &[2; 10]);
        file.write(512, &[3; 10]);
        assert_eq!(cut(&file, &[1])[..10], [1; 10]);
        assert_eq!(cut(&file, &[1])[512..522], [3; 10]);
    }

    #[test]
    fn a_sector_comes_as_it_was_after_one_of_the_writes_to_it() {
        let mut file = synced(&[1; 512]);
        file.write(0, &[2; 10]);
        file.write(100, &[3; 10]);
        let newer = cut(&file, &[1]);
        assert_eq!((newer[0], newer[100]), (2, 3), "the sector in the cache held both");
        let older = cut(&file, &[0]);
        assert_eq!((older[0], older[100]), (2, 1));
    }

    #[test]
    fn a_file_that_was_never_synced_is_empty_short_zeros_or_has_any_of_its_sectors() {
        let mut file = MemoryFile::default();
        file.write(0, &[7; 600]);
        file.write(600, &[7; 600]);
        // Sectors 0 and 1, the length 600; sectors 1 and 2, the length 1200.
        assert_eq!(file.unsynced_count(), 6);
        assert_eq!(cut(&file, &[]), []);
        assert_eq!(cut(&file, &[0, 1, 3, 4]), [], "without its length nothing is seen");
        assert_eq!(cut(&file, &[0, 1, 2, 3, 4]), [7; 600]);
        assert_eq!(cut(&file, &[5]), [0; 1200]);
        assert_eq!(cut(&file, &[0, 5])[..512], [7; 512]);
        assert_eq!(cut(&file, &[0, 5])[512..], [0; 688]);
        assert_eq!(bytes(&file.after_kill()), [7; 1200]);
    }

    #[test]
    fn a_cut_of_the_file_may_come_or_not_and_what_it_cut_off_does_not_come_back() {
        let mut file = synced(&[1; 1500]);
        file.set_len(100);
        file.set_len(1500);
        assert_eq!(cut(&file, &[]), [1; 1500]);
        assert_eq!(cut(&file, &[0]), [1; 100]);
        assert_eq!(cut(&file, &[0, 1])[100..], [0; 1400]);
        assert_eq!(cut(&file, &[1]), [1; 1500]);
    }

    #[test]
    fn zeros_over_zeros_leave_only_the_length_open() {
        let mut file = MemoryFile::default();
        file.write(0, &[0; 100_000]);
        assert_eq!(file.unsynced_count(), 1);
    }

    #[test]
    fn what_a_failed_sync_gave_up_is_not_brought_by_a_later_one() {
        for cache in [Cache::KeepsThem, Cache::DropsThem] {
            let mut file = synced(&[1; 1024]);
            file.write(0, &[2; 512]);
            file.give_up(cache);
            assert_eq!(bytes(&file)[0], if cache == Cache::KeepsThem { 2 } else { 1 });
            file.write(512, &[3; 512]);
            file.sync();
            let after = cut(&file, &[]);
            assert_eq!((after[0], after[512]), (1, 3), "{cache:?}");
            if cache == Cache::KeepsThem {
                assert_eq!(cut(&file, &[0])[0], 2, "it may have come");
            }
        }
    }

    #[test]
    fn what_was_given_up_and_is_written_again_is_synced_again() {
        let mut file = synced(&[1; 512]);
        file.write(0, &[2; 512]);
        file.give_up(Cache::KeepsThem);
        file.write(0, &[2; 512]);
        file.sync();
        assert_eq!(file.unsynced_count(), 0);
        assert_eq!(cut(&file, &[]), [2; 512]);
    }
}
