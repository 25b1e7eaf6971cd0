//! The apply thread of a store: committed entries in, a new published view and answers out.
//!
//! Invariants
//! 1. A view is published before any answer that it holds is given: a caller that has its answer can read its write.
//!    A barrier is answered after them, and so is who waited for a log index.
//! 2. One publish for all entries handed over together.
//! 3. Old views and detached subtrees are never freed by a reader: this thread keeps each old view until it is the last
//!    holder, or leaves it to the reaper.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::consensus::{Done, SnapshotFile};
use crate::entry::Entry;
use crate::log::LogEntry;
use crate::machine::Machine;
use crate::opening_progress::{OpeningProgress, OpeningStep};
use crate::own_batches::{OwnBatches, Settled};
use crate::reaper::Garbage;
use crate::replay::Replay;
use crate::shared::Shared;
use crate::snapshot_thread::{self, SnapshotJob, load_received};
use crate::ticket::Ticket;
use crate::view::View;

/// Old views kept here, waiting for short reads to end; more go to the reaper.
const RETIRED_VIEWS_MAX: usize = 32;

/// Work for the thread.
pub enum ApplyJob {
    /// Apply these, in order.
    Entries(Vec<Entry>, Done),
    /// Replace everything by a snapshot's content.
    Install(SnapshotFile, Done),
    /// All that the log held when the store opened has been handed over: from now on there are readers.
    Opened(Done),
    /// End.
    End,
    /// Panic, to show that a panic is survived (`Store::provoke_panic`).
    Panic,
}

/// What the thread owns.
pub struct ApplyThread<T> {
    shared: Arc<Shared<T>>,
    machine: Machine,
    snapshots: Sender<SnapshotJob>,
    retired: VecDeque<Arc<View>>,
    /// While the store opens.
    opening: Option<Opening>,
}

struct Opening {
    replay: Replay,
    progress: OpeningProgress,
    entries: u64,
    entries_whole: u64,
}

impl<T: Ticket> ApplyThread<T> {
    /// Continues from the view that `shared` has published. `last_index` is that of the log.
    pub fn new(
        shared: Arc<Shared<T>>,
        snapshots: Sender<SnapshotJob>,
        progress: OpeningProgress,
        last_index: Option<u64>,
    ) -> ApplyThread<T> {
        let view = shared.view();
        let entries_whole = last_index.unwrap_or(0).saturating_sub(view.applied_index());
        let machine = Machine::new(View::clone(&view));
        let opening = Some(Opening { replay: Replay::default(), progress, entries: 0, entries_whole });
        ApplyThread { shared, machine, snapshots, retired: VecDeque::new(), opening }
    }

    /// Runs until nobody can hand over work any more.
    pub fn run(mut self, jobs: &Receiver<ApplyJob>) {
        while let Ok(job) = jobs.recv() {
            match job {
                ApplyJob::Entries(entries, done) if self.opening.is_some() => {
                    self.replay(entries);
                    done(Ok(()));
                }
                ApplyJob::Opened(done) => {
                    self.end_stride();
                    self.opening = None;
                    self.let_go_of_views();
                    done(Ok(()));
                }
                ApplyJob::Entries(entries, done) => {
                    self.apply(entries, done);
                    if jobs.is_empty() {
                        self.let_go_of_views();
                    }
                }
                ApplyJob::Install(file, done) => done(self.install(&file)),
                ApplyJob::End => break,
                #[allow(clippy::panic, reason = "asked for, to test that the store survives it")]
                ApplyJob::Panic => panic!("provoked in the apply thread"),
            }
        }
        self.let_go_of_views();
    }

    /// No publish may follow soon that would look at them again.
    fn let_go_of_views(&mut self) {
        for view in self.retired.drain(..) {
            self.shared.engine.reaper().free(Garbage::View(view));
        }
    }

    /// Nobody waits for an answer yet, and nobody reads.
    fn replay(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.shared.count_log_bytes(entry.size_bytes() as u64);
            let before = self.shared.view();
            let Some(opening) = &mut self.opening else { return };
            opening.entries += 1;
            if opening.replay.apply(&mut self.machine, entry, &before) {
                drop(before);
                self.end_stride();
            }
        }
        self.free_detached();
        if let Some(opening) = &self.opening {
            // Entries of this opening come behind those that were there.
            let (entries, entries_whole) =
                (opening.entries.min(opening.entries_whole), opening.entries_whole);
            opening.progress.note(&OpeningStep::Log { entries, entries_whole });
        }
    }

    fn end_stride(&mut self) {
        self.free_detached();
        self.publish();
        if let Some(opening) = &mut self.opening {
            opening.replay.begin();
        }
        self.take_snapshot_if_due();
    }

    fn apply(&mut self, entries: Vec<Entry>, done: Done) {
        let mut settled = Vec::with_capacity(entries.len());
        for entry in &entries {
            self.shared.count_log_bytes(entry.size_bytes() as u64);
            own_batches(&self.shared).apply(&mut self.machine, entry, &mut settled);
        }
        self.publish();
        self.tell(settled);
        self.shared.answer_applied();
        done(Ok(()));
        // Only now: where processors are few, the reaper's waking up would come before the answers.
        self.free_detached();
        self.take_snapshot_if_due();
    }

    fn tell(&self, settled: Vec<Settled<T>>) {
        for Settled { first_sequence, replies } in settled {
            if !replies.is_empty() {
                self.shared.replies.deliver(replies);
            }
            self.shared.wait_for_index(self.shared.pending.answered(first_sequence));
        }
    }

    fn publish(&mut self) {
        let old = self.shared.publish(Arc::new(self.machine.view().clone()));
        self.retired.push_back(old);
        self.retired.retain(|view| Arc::strong_count(view) > 1);
        while self.retired.len() > RETIRED_VIEWS_MAX {
            if let Some(view) = self.retired.pop_front() {
                self.shared.engine.reaper().free(Garbage::View(view));
            }
        }
    }

    fn free_detached(&mut self) {
        for subtree in self.machine.take_detached() {
            self.shared.engine.reaper().free(Garbage::Subtree(subtree));
        }
    }

    fn install(&mut self, file: &SnapshotFile) -> Result<(), String> {
        let newer = file.covers.index > self.machine.view().applied_index();
        if newer {
            let (view, size_bytes) = load_received(&self.shared.snapshots, &self.shared.directory, file)
                .map_err(|error| error.to_string())?;
            let _ = snapshot_thread::note_newest(&self.shared, file.clone(), size_bytes);
            self.shared.forget_log_bytes();
            let settled = own_batches(&self.shared).install(&mut self.machine, view);
            self.publish();
            self.tell(settled);
            if let Some(opening) = &mut self.opening {
                opening.replay.begin();
            }
            self.shared.answer_applied();
        }
        Ok(())
    }

    fn take_snapshot_if_due(&mut self) {
        if self.shared.log_bytes_since_snapshot() >= self.shared.snapshot_due_bytes() {
            // While one is being written: the next entry asks again.
            snapshot_thread::begin(&self.shared, &self.snapshots);
        }
    }
}

fn own_batches<T: Ticket>(shared: &Shared<T>) -> OwnBatches<'_, T> {
    OwnBatches { pending: &shared.pending, member_id: shared.member_id, incarnation: shared.incarnation }
}
