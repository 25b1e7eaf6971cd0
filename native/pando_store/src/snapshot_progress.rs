//! Whether a snapshot is being written, and how much of it is.
//!
//! At most one is under way at a time: who begins one is told so, and only that one ends it.

use std::sync::atomic::{AtomicU64, Ordering};

const IDLE: u64 = u64::MAX;
const WHOLE_PERCENT: u64 = 100;

/// See the module.
pub struct SnapshotProgress {
    percent: AtomicU64,
}

impl SnapshotProgress {
    /// None is under way.
    pub fn new() -> SnapshotProgress {
        SnapshotProgress { percent: AtomicU64::new(IDLE) }
    }

    /// Begins one; `false`: one is under way already.
    pub fn begin(&self) -> bool {
        self.percent.compare_exchange(IDLE, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Notes that `done` of `whole` is written.
    pub fn note(&self, done: u64, whole: u64) {
        let percent = done.saturating_mul(WHOLE_PERCENT).checked_div(whole).unwrap_or(WHOLE_PERCENT);
        self.percent.store(percent.min(WHOLE_PERCENT), Ordering::Release);
    }

    /// Ends the one under way, finished or not.
    pub fn end(&self) {
        self.percent.store(IDLE, Ordering::Release);
    }

    /// How much of the one under way is written, in percent.
    pub fn percent(&self) -> Option<u64> {
        Some(self.percent.load(Ordering::Acquire)).filter(|percent| *percent != IDLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_snapshot_is_under_way_at_a_time_and_says_how_far_it_is() {
        let progress = SnapshotProgress::new();
        assert_eq!(progress.percent(), None);
        assert!(progress.begin());
        assert!(!progress.begin());
        assert_eq!(progress.percent(), Some(0));
        progress.note(1, 3);
        assert_eq!(progress.percent(), Some(33));
        // More than was counted beforehand, and a count of nothing, are all of it.
        progress.note(4, 3);
        assert_eq!(progress.percent(), Some(100));
        progress.note(0, 0);
        assert_eq!(progress.percent(), Some(100));
        progress.end();
        assert_eq!(progress.percent(), None);
        assert!(progress.begin());
    }
}
