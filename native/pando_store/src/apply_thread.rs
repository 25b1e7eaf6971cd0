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
use crate::entry::{Change, Entry};
use crate::error::StoreError;
use crate::log::LogEntry;
use crate::machine::{Answers, CommandAnswer, Machine};
use crate::reaper::Garbage;
use crate::shared::Shared;
use crate::snapshot_thread::{self, SnapshotJob, load_received};
use crate::ticket::{Applied, Outcome, Ticket};
use crate::view::View;

/// Old views kept here, waiting for short reads to end; more go to the reaper.
const RETIRED_VIEWS_MAX: usize = 32;

/// Work for the thread.
pub enum ApplyJob {
    /// Apply these, in order.
    Entries(Vec<Entry>, Done),
    /// Replace everything by a snapshot's content.
    Install(SnapshotFile, Done),
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
}

impl<T: Ticket> ApplyThread<T> {
    /// Continues from the view that `shared` has published.
    pub fn new(shared: Arc<Shared<T>>, snapshots: Sender<SnapshotJob>) -> ApplyThread<T> {
        let machine = Machine::new(View::clone(&shared.view()));
        ApplyThread { shared, machine, snapshots, retired: VecDeque::new() }
    }

    /// Runs until nobody can hand over work any more.
    pub fn run(mut self, jobs: &Receiver<ApplyJob>) {
        while let Ok(job) = jobs.recv() {
            match job {
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

    fn apply(&mut self, entries: Vec<Entry>, done: Done) {
        let mut answered = Vec::with_capacity(entries.len());
        for entry in &entries {
            self.shared.count_log_bytes(entry.size_bytes() as u64);
            let applied = self.machine.apply(entry);
            if let Change::Commands(batch) = &entry.change
                && self.shared.is_own(&batch.origin)
            {
                self.machine.set_own_sequence(batch.origin.first_sequence + batch.commands.len() as u64);
                answered.push((batch.origin.first_sequence, applied, entry.position.index));
            }
        }
        self.publish();
        for (first_sequence, applied, log_index) in answered {
            if !applied.came_true {
                self.shared.take_back(first_sequence);
            }
            if let Some(callers) = self.shared.pending.take(first_sequence) {
                self.shared.replies.deliver(pair(callers, applied, log_index));
            }
            self.shared.wait_for_index(self.shared.pending.answered(first_sequence));
        }
        self.shared.answer_applied();
        done(Ok(()));
        // Only now: where processors are few, the reaper's waking up would come before the answers.
        self.free_detached();
        self.take_snapshot_if_due();
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
            let view = load_received(&self.shared.snapshots, &self.shared.directory, file)
                .map_err(|error| error.to_string())?;
            self.machine = Machine::new(view);
            self.publish();
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

/// Each caller with the answer to its command. Lengths differ only if a member's batch was changed on the way, which
/// checksums exclude; callers left over drop their tickets, and so learn that the outcome is unknown.
fn pair<T>(callers: Vec<T>, applied: Answers, log_index: u64) -> Vec<(T, Outcome)> {
    callers
        .into_iter()
        .zip(applied.answers.into_iter().zip(applied.first_revision..))
        .map(|(caller, (answer, revision))| {
            let outcome = match answer {
                CommandAnswer::Answer(answer) => Ok(Applied { answer, log_index, revision }),
                CommandAnswer::Failed(text) => Err(StoreError::CommandFailed(text)),
            };
            (caller, outcome)
        })
        .collect()
}
