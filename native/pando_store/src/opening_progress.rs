//! Says at intervals how far the opening of a store has come, if it takes long.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::log::ScanObserver;
use crate::options::Clock;
use crate::ticket::StoreEvents;

/// How often something is said, in milliseconds; of an opening that is shorter, nothing.
pub const OPENING_PROGRESS_INTERVAL_MS: u64 = 5_000;

/// What of the opening is under way.
pub enum OpeningStep<'a> {
    /// Reading this snapshot.
    Snapshot {
        /// Which.
        path: &'a Path,
        /// Nodes read.
        nodes: u64,
        /// Nodes in it.
        nodes_whole: u64,
    },
    /// Reading the files of the log.
    Segments {
        /// Bytes read.
        read_bytes: u64,
        /// Bytes of all of them.
        size_bytes: u64,
    },
    /// Applying the log behind the snapshot.
    Log {
        /// Entries applied.
        entries: u64,
        /// Entries to apply.
        entries_whole: u64,
    },
}

impl fmt::Display for OpeningStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |done: u64, whole: u64| done.saturating_mul(100).checked_div(whole).unwrap_or(100);
        match self {
            OpeningStep::Snapshot { path, nodes, nodes_whole } => write!(
                f,
                "read {nodes} of {nodes_whole} nodes of the snapshot {}, {} %",
                path.display(),
                percent(*nodes, *nodes_whole)
            ),
            OpeningStep::Segments { read_bytes, size_bytes } => write!(
                f,
                "read {read_bytes} of {size_bytes} bytes of the log, {} %",
                percent(*read_bytes, *size_bytes)
            ),
            OpeningStep::Log { entries, entries_whole } => write!(
                f,
                "applied {entries} of {entries_whole} entries of the log behind the snapshot, {} %",
                percent(*entries, *entries_whole)
            ),
        }
    }
}

/// Notes how much of the log was read.
pub struct SegmentsNoted<'a>(pub &'a OpeningProgress);

impl ScanObserver for SegmentsNoted<'_> {
    fn progress(&mut self, read_bytes: u64, size_bytes: u64) -> ControlFlow<()> {
        self.0.note(&OpeningStep::Segments { read_bytes, size_bytes });
        ControlFlow::Continue(())
    }
}

/// See the module.
pub struct OpeningProgress {
    clock: Arc<dyn Clock>,
    events: Arc<dyn StoreEvents>,
    begin_ms: u64,
    next_ms: AtomicU64,
}

impl OpeningProgress {
    /// Begins now.
    pub fn new(clock: Arc<dyn Clock>, events: Arc<dyn StoreEvents>) -> OpeningProgress {
        let begin_ms = clock.now_ms();
        let next_ms = AtomicU64::new(begin_ms.saturating_add(OPENING_PROGRESS_INTERVAL_MS));
        OpeningProgress { clock, events, begin_ms, next_ms }
    }

    /// Notes how far it is, and says so if it is time. Called by one thread after the other.
    pub fn note(&self, step: &OpeningStep<'_>) {
        let now_ms = self.clock.now_ms();
        if now_ms < self.next_ms.load(Ordering::Relaxed) {
            return;
        }
        self.next_ms.store(now_ms.saturating_add(OPENING_PROGRESS_INTERVAL_MS), Ordering::Relaxed);
        let elapsed_s = now_ms.saturating_sub(self.begin_ms) / 1_000;
        self.events.progress(&format!("opening since {elapsed_s} s: {step}"));
    }
}
