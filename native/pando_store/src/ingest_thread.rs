//! The ingest thread of a store: waiting commands in, proposed batches out.
//!
//! Barriers come through the same queue, so that they are ordered behind the commands before them; they cost no log entry.
//!
//! Invariants
//! 1. A command is proposed at most once, in the order in which it was queued: whoever takes from the queue does so while
//!    it holds the proposer, and hands over to it at once.
//! 2. A command whose caller has given up before it is predicted or proposed is dropped, so it is certainly not applied.
//! 3. A batch takes all that waits, up to the limits of `options.rs`. There is no waiting for company: batches grow
//!    by themselves while earlier ones are on their way to the disk.
//! 4. Consensus is asked for the index of a barrier after the barrier was taken from the queue, and once for all that were
//!    taken together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use crossbeam_channel::{Receiver, Select};
use pando_tree::Command;

use crate::batch::Batch;
use crate::consensus::Consensus;
use crate::entry::Entry;
use crate::error::StoreError;
use crate::log::{Log, LogError};
use crate::options::BATCH_COMMANDS_MAX;
use crate::proposer::Round;
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
    /// Batches that were proposed and may not be in the log yet: their first numbers, and what the log needs for each.
    under_way: VecDeque<(u64, u64)>,
}

/// What an entry has in the log besides its commands, and more.
const ENTRY_OVERHEAD_BYTES: u64 = 256;
/// How long room for a batch is waited for: making a segment of its size.
const ROOM_WAIT_MS_MAX: u64 = 180_000;

impl<T: Ticket> IngestThread<T> {
    /// Proposes to `consensus` as long as `log` has room.
    pub fn new(shared: Arc<Shared<T>>, consensus: Arc<dyn Consensus>, log: Log<Entry>) -> IngestThread<T> {
        IngestThread { shared, consensus, log, under_way: VecDeque::new() }
    }

    /// Runs until it is told to end. What is still queued then, or when it panics, is refused. `woken` tells of what waits to
    /// be proposed and did not come through the queue, or not to here.
    pub fn run(mut self, jobs: &Receiver<IngestJob<T>>, woken: &Receiver<()>) {
        let _end = IngestEnd { shared: self.shared.clone(), jobs };
        let mut is_last = false;
        while !is_last {
            if self.shared.proposer().may_sleep() {
                wait_for_work(jobs, woken);
            }
            if !self.shared.pending.wait_for_room() {
                break;
            }
            is_last = self.round(jobs);
        }
    }

    /// Proposes what waits, up to the limits; whether it was the last time.
    fn round(&mut self, jobs: &Receiver<IngestJob<T>>) -> bool {
        let shared = &self.shared;
        let mut proposer = shared.proposer();
        // Not before: what a newer view has may be forgotten by now.
        let view = shared.view();
        let room = BATCH_COMMANDS_MAX.saturating_sub(proposer.ready());
        if proposer.take_queued(jobs, room, &shared.admission).is_err() {
            proposer.take_back(None, &shared.admission);
        }
        let Round { commands, callers, barriers, size_bytes, predicted_from, is_last, panics } =
            proposer.round(&view, &shared.admission);
        let batch = (!commands.is_empty()).then(|| {
            let proposed_by = (shared.member_id, shared.incarnation);
            proposer.propose(proposed_by, shared.clock.now_ms(), commands, predicted_from)
        });
        if proposer.refresh(&view).is_err() {
            proposer.take_back(None, &shared.admission);
        }
        let next_sequence = proposer.next_sequence();
        shared.let_go(proposer);
        #[allow(clippy::panic, reason = "asked for, to test that the store survives it")]
        if panics {
            panic!("provoked in the ingest thread");
        }
        if let Some(batch) = batch {
            self.propose(batch, callers, size_bytes);
        }
        self.ask(next_sequence, barriers);
        is_last
    }

    fn propose(&mut self, batch: Batch, callers: Vec<T>, size_bytes: usize) {
        let first_sequence = batch.origin.first_sequence;
        let refused = match self.find_room(first_sequence, size_bytes) {
            Err(error) => Err((callers, error)),
            Ok(()) => self
                .shared
                .pending
                .enter(first_sequence, callers)
                .map_err(|callers| (callers, StoreError::NotRunning)),
        };
        let shared = &self.shared;
        if let Err((callers, error)) = refused {
            shared.admission.release(size_bytes);
            shared.take_back(first_sequence);
            shared.refuse_all(callers, &error);
            return;
        }
        // From here on the batch counts as under way: its bytes are released when it is taken out of `pending`.
        let told = shared.clone();
        self.consensus.propose(
            batch,
            Box::new(move |refusal| {
                // None: it was applied all the same, or never will be, and that was told.
                let Some(callers) = told.pending.take(first_sequence) else { return };
                // Not before they are taken: should it be applied meanwhile, that must be seen to be a surprise.
                told.take_back(first_sequence);
                told.refuse_all(callers, &refusal.into());
                told.wait_for_index(told.pending.answered(first_sequence));
            }),
        );
        shared.admission.release(size_bytes);
    }

    /// Makes sure that the log can take a batch behind those that are under way: what consensus has taken cannot be refused any
    /// more, and a log without room for it halts the store.
    fn find_room(&mut self, first_sequence: u64, size_bytes: usize) -> Result<(), StoreError> {
        // The log asks for its next segment early. While it cannot have it, what is left of the current one is kept for
        // consensus itself: the store refuses writes, but lives, and recovers when there is room.
        if let Some(reason) = self.log.state().reserve_error {
            return Err(StoreError::DiskFull(reason.to_string()));
        }
        let pending = &self.shared.pending;
        self.under_way.retain(|(first_sequence, _)| pending.holds(*first_sequence));
        let own_bytes = size_bytes as u64 + ENTRY_OVERHEAD_BYTES;
        let needed_bytes = self.under_way.iter().map(|(_, bytes)| bytes).sum::<u64>() + own_bytes;
        if needed_bytes > self.log.room_bytes() {
            let (told, outcome) = sync_channel(1);
            let reserved = self.log.reserve(needed_bytes, Box::new(move |outcome| drop(told.send(outcome))));
            let limit = Duration::from_millis(ROOM_WAIT_MS_MAX);
            match reserved.map(|()| outcome.recv_timeout(limit)) {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(LogError::NoRoom { reason }))) => {
                    return Err(StoreError::DiskFull(reason.to_string()));
                }
                // The log has stopped, or is about to say so.
                Ok(Ok(Err(_)) | Err(_)) | Err(_) => return Err(StoreError::NotRunning),
            }
        }
        self.under_way.push_back((first_sequence, own_bytes));
        Ok(())
    }

    /// Asks consensus for the index of barriers that are behind all batches proposed so far.
    fn ask(&self, next_sequence: u64, barriers: Vec<Waiter<T>>) {
        if barriers.is_empty() {
            return;
        }
        match self.shared.pending.enter_barriers(next_sequence, barriers) {
            Ok(number) => {
                let shared = self.shared.clone();
                self.consensus.read_index(Box::new(move |index| shared.barriers_told(number, index)));
            }
            Err(barriers) => self.shared.refuse_waiters(barriers, &StoreError::NotRunning),
        }
    }
}

/// Waits until something is queued, or the thread is woken. It takes nothing from the queue: a commit that comes before the
/// next round would stand in front of that. That others may have taken what was there does no harm.
fn wait_for_work<T>(jobs: &Receiver<IngestJob<T>>, woken: &Receiver<()>) {
    let mut select = Select::new();
    select.recv(jobs);
    select.recv(woken);
    select.ready();
    let _ = woken.try_recv();
}

/// Marks the end of the thread, however it comes.
struct IngestEnd<'jobs, T: Ticket> {
    shared: Arc<Shared<T>>,
    jobs: &'jobs Receiver<IngestJob<T>>,
}

impl<T: Ticket> Drop for IngestEnd<'_, T> {
    fn drop(&mut self) {
        let left = self.shared.proposer().end();
        self.shared.ingest_has_ended.store(true, Ordering::SeqCst);
        left.into_iter().for_each(|job| refuse(&self.shared, job));
        refuse_queued(&self.shared, self.jobs);
        self.shared.end_lanes();
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
