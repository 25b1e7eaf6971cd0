//! The ingest thread of a store: waiting commands in, proposed batches out.
//!
//! Barriers come through the same queue, so that they are ordered behind the commands before them; they cost no log entry.
//!
//! Invariants
//! 1. A command is proposed at most once, in the order in which it was queued.
//! 2. A command whose caller has given up before it is proposed is dropped, so it is certainly not applied.
//! 3. A batch takes all that waits, up to the limits of `options.rs`. There is no waiting for company: batches grow
//!    by themselves while earlier ones are on their way to the disk.
//! 4. Consensus is asked for the index of a barrier after the barrier was taken from the queue, and once for all that were
//!    taken together.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Receiver;
use pando_tree::Command;

use crate::batch::{Batch, Origin};
use crate::consensus::Consensus;
use crate::entry::Entry;
use crate::error::StoreError;
use crate::log::Log;
use crate::options::{BATCH_COMMANDS_MAX, BATCH_SIZE_BYTES_MAX};
use crate::shared::Shared;
use crate::ticket::Ticket;
use crate::waiter::Waiter;

/// Work for the thread.
pub enum IngestJob<T> {
    /// Propose this.
    Command(Command, T),
    /// Answer when all that was queued before is answered, and all that is committed now is applied here.
    Barrier(Waiter<T>),
    /// End, after what is queued before it.
    End,
    /// Panic, to show that a panic is survived (`Store::provoke_panic`).
    Panic,
}

/// What the thread owns.
pub struct IngestThread<T> {
    shared: Arc<Shared<T>>,
    consensus: Arc<dyn Consensus>,
    log: Log<Entry>,
    next_sequence: u64,
}

impl<T: Ticket> IngestThread<T> {
    /// Proposes to `consensus` as long as `log` has room; sequence numbers start at 1.
    pub fn new(shared: Arc<Shared<T>>, consensus: Arc<dyn Consensus>, log: Log<Entry>) -> IngestThread<T> {
        IngestThread { shared, consensus, log, next_sequence: 1 }
    }

    /// Runs until it is told to end. What is still queued then, or when it panics, is refused.
    pub fn run(mut self, jobs: &Receiver<IngestJob<T>>) {
        let _end = IngestEnd { shared: self.shared.clone(), jobs };
        let mut ended = false;
        while !ended {
            let Ok(first) = jobs.recv() else { break };
            if !self.shared.pending.wait_for_room() {
                refuse(&self.shared, first);
                break;
            }
            let mut commands = Vec::new();
            let mut callers = Vec::new();
            let mut barriers = Vec::new();
            let mut size_bytes = 0;
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    IngestJob::Command(command, caller) if caller.is_cancelled() => {
                        self.shared.admission.release(command.size_bytes());
                        drop(caller);
                    }
                    IngestJob::Command(command, caller) => {
                        size_bytes += command.size_bytes();
                        commands.push(command);
                        callers.push(caller);
                    }
                    IngestJob::Barrier(waiter) if waiter.ticket().is_cancelled() => drop(waiter),
                    IngestJob::Barrier(waiter) => barriers.push(waiter),
                    IngestJob::End => {
                        ended = true;
                        break;
                    }
                    #[allow(clippy::panic, reason = "asked for, to test that the store survives it")]
                    IngestJob::Panic => panic!("provoked in the ingest thread"),
                }
                if commands.len() + barriers.len() >= BATCH_COMMANDS_MAX || size_bytes >= BATCH_SIZE_BYTES_MAX
                {
                    break;
                }
                next = jobs.try_recv().ok();
            }
            self.propose(commands, callers, size_bytes);
            self.ask(barriers);
        }
    }

    fn propose(&mut self, commands: Vec<Command>, callers: Vec<T>, size_bytes: usize) {
        let count = commands.len();
        if count == 0 {
            return;
        }
        // The log asks for its next segment early. While it cannot have it, what is left of the current one is kept for
        // consensus itself: the store refuses writes, but lives, and recovers when there is room.
        if let Some(reason) = self.log.state().reserve_error {
            self.shared.admission.release(size_bytes);
            self.shared.refuse_all(callers, &StoreError::DiskFull(reason.to_string()));
            return;
        }
        let first_sequence = self.next_sequence;
        self.next_sequence += count as u64;
        let origin =
            Origin { member_id: self.shared.member_id, incarnation: self.shared.incarnation, first_sequence };
        if let Err(callers) = self.shared.pending.enter(first_sequence, callers) {
            self.shared.admission.release(size_bytes);
            self.shared.refuse_all(callers, &StoreError::NotRunning);
            return;
        }
        // From here on the batch counts as under way: its bytes are released when it is taken out of `pending`.
        let batch = Batch::new(origin, self.shared.clock.now_ms(), commands);
        let shared = self.shared.clone();
        self.consensus.propose(
            batch,
            Box::new(move |refusal| {
                shared.refuse_all(shared.pending.take(first_sequence).unwrap_or_default(), &refusal.into());
                shared.wait_for_index(shared.pending.answered(first_sequence));
            }),
        );
        self.shared.admission.release(size_bytes);
    }

    /// Asks consensus for the index of barriers that are behind all batches proposed so far.
    fn ask(&self, barriers: Vec<Waiter<T>>) {
        if barriers.is_empty() {
            return;
        }
        match self.shared.pending.enter_barriers(self.next_sequence, barriers) {
            Ok(number) => {
                let shared = self.shared.clone();
                self.consensus.read_index(Box::new(move |index| shared.barriers_told(number, index)));
            }
            Err(barriers) => self.shared.refuse_waiters(barriers, &StoreError::NotRunning),
        }
    }
}

/// Marks the end of the thread, however it comes.
struct IngestEnd<'jobs, T: Ticket> {
    shared: Arc<Shared<T>>,
    jobs: &'jobs Receiver<IngestJob<T>>,
}

impl<T: Ticket> Drop for IngestEnd<'_, T> {
    fn drop(&mut self) {
        self.shared.ingest_has_ended.store(true, Ordering::SeqCst);
        refuse_queued(&self.shared, self.jobs);
    }
}

/// Refuses what is queued, if the thread has ended. Whoever queues a command calls it afterwards: either the ending
/// thread sees the command, or the one who queued it sees the end.
pub fn refuse_queued<T: Ticket>(shared: &Shared<T>, jobs: &Receiver<IngestJob<T>>) {
    if shared.ingest_has_ended.load(Ordering::SeqCst) {
        while let Ok(job) = jobs.try_recv() {
            refuse(shared, job);
        }
    }
}

fn refuse<T: Ticket>(shared: &Shared<T>, job: IngestJob<T>) {
    match job {
        IngestJob::Command(command, caller) => {
            shared.admission.release(command.size_bytes());
            shared.refuse_all(vec![caller], &StoreError::NotRunning);
        }
        IngestJob::Barrier(waiter) => shared.refuse_waiters(vec![waiter], &StoreError::NotRunning),
        IngestJob::End | IngestJob::Panic => {}
    }
}
