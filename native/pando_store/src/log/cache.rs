//! The entries at the end of the log, decoded: what replication and apply read most.
//!
//! 1. The cached entries are consecutive and end with the last entry of the log, or there are none.
//! 2. Only entries that are on the disk are evicted, so an entry that is not is always here.

use super::position::LogEntry;
use std::collections::VecDeque;

/// Decoded entries by index, the newest last.
pub(super) struct TailCache<E> {
    entries: VecDeque<(usize, E)>,
    first: u64,
    size_bytes: usize,
    size_bytes_max: usize,
}

impl<E: LogEntry> TailCache<E> {
    pub(super) fn new(size_bytes_max: usize) -> TailCache<E> {
        TailCache { entries: VecDeque::new(), first: 0, size_bytes: 0, size_bytes_max }
    }

    /// The index of the first cached entry; means nothing while there is none.
    pub(super) fn first(&self) -> Option<u64> {
        (!self.entries.is_empty()).then_some(self.first)
    }

    pub(super) fn get(&self, index: u64) -> Option<&E> {
        let number = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.entries.get(number).map(|(_, entry)| entry)
    }

    pub(super) fn push(&mut self, entry: E) {
        if self.entries.is_empty() {
            self.first = entry.position().index;
        }
        let size_bytes = entry.size_bytes();
        self.size_bytes += size_bytes;
        self.entries.push_back((size_bytes, entry));
    }

    /// Drops entries from the front until the limit is kept or the next one is not on the disk.
    pub(super) fn evict(&mut self, is_written: impl Fn(u64) -> bool) {
        while self.size_bytes > self.size_bytes_max && is_written(self.first) && self.pop_front() {}
    }

    pub(super) fn truncate_from(&mut self, index: u64) {
        while !self.entries.is_empty() && self.first + self.entries.len() as u64 > index {
            if let Some((size_bytes, _)) = self.entries.pop_back() {
                self.size_bytes -= size_bytes;
            }
        }
    }

    pub(super) fn purge_before(&mut self, index: u64) {
        while self.first < index && self.pop_front() {}
    }

    fn pop_front(&mut self) -> bool {
        let Some((size_bytes, _)) = self.entries.pop_front() else { return false };
        self.size_bytes -= size_bytes;
        self.first += 1;
        true
    }
}
