//! Admission: how many bytes of commands may wait to be proposed.
//!
//! The number of commands is bounded by the queue itself; this bounds their bytes. What is proposed is bounded by
//! `ENTRIES_IN_FLIGHT_MAX` batches, and no longer counts here.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that wait. A command larger than the limit is admitted when nothing else waits.
pub struct Admission {
    size_bytes: AtomicUsize,
    size_bytes_max: usize,
}

impl Admission {
    /// Nothing waits yet.
    pub fn new(size_bytes_max: usize) -> Admission {
        Admission { size_bytes: AtomicUsize::new(0), size_bytes_max }
    }

    /// Counts `size_bytes` in; `false`, and not counted, if that would be too much.
    pub fn admit(&self, size_bytes: usize) -> bool {
        let before = self.size_bytes.fetch_add(size_bytes, Ordering::Relaxed);
        let admitted = before == 0 || before.saturating_add(size_bytes) <= self.size_bytes_max;
        if !admitted {
            self.size_bytes.fetch_sub(size_bytes, Ordering::Relaxed);
        }
        admitted
    }

    /// Counts them out again.
    pub fn release(&self, size_bytes: usize) {
        self.size_bytes.fetch_sub(size_bytes, Ordering::Relaxed);
    }

    /// Bytes that wait now.
    pub fn waiting_size_bytes(&self) -> usize {
        self.size_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_limit_is_refused_and_not_counted() {
        let admission = Admission::new(10);
        assert!(admission.admit(10));
        assert!(!admission.admit(1));
        admission.release(10);
        assert!(admission.admit(1));
        assert_eq!(admission.waiting_size_bytes(), 1);
    }

    #[test]
    fn one_command_larger_than_the_limit_passes_when_it_is_alone() {
        let admission = Admission::new(10);
        assert!(admission.admit(100));
        assert!(!admission.admit(1));
    }
}
