//! What the threads of one store share.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use arc_swap::{ArcSwap, Guard};
use pando_tree::{Answer, Path};

use crate::admission::Admission;
use crate::consensus::{Refusal, SnapshotFile};
use crate::engine::Engine;
use crate::error::StoreError;
use crate::lanes::{Lanes, Runner};
use crate::options::Clock;
use crate::pending::Pending;
use crate::proposer::Proposer;
use crate::reaper::Garbage;
use crate::snapshot::SnapshotDirectory;
use crate::snapshot_progress::SnapshotProgress;
use crate::ticket::{Applied, NO_REVISION, Replies, StoreEvents, Ticket};
use crate::view::View;
use crate::waiter::{Places, Waiter};
use crate::waiters::Waiters;

/// What is fixed when a store opens.
pub struct Core<T> {
    /// For thread names and messages.
    pub name: String,
    /// This member.
    pub member_id: u64,
    /// This opening.
    pub incarnation: u64,
    /// The store's snapshots.
    pub snapshots: SnapshotDirectory,
    /// Where they are.
    pub directory: PathBuf,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Runtime and reaper.
    pub engine: Arc<Engine>,
    /// Callers whose commands are under way.
    pub pending: Pending<T>,
    /// Places of callers that wait without a command.
    pub places: Places,
    /// Bytes that wait.
    pub admission: Admission,
    /// Where answers go.
    pub replies: Arc<dyn Replies<T>>,
    /// Told of a halt.
    pub events: Arc<dyn StoreEvents>,
    /// See `options.rs`.
    pub snapshot_log_bytes_min: u64,
}

/// The number of the first command that an opening proposes. (0 means "none" in a batch.)
const FIRST_SEQUENCE: u64 = 1;

/// See the module.
pub struct Shared<T> {
    core: Core<T>,
    /// Nobody takes commands from the queue any more.
    pub ingest_has_ended: AtomicBool,
    published: ArcSwap<View>,
    proposer: Mutex<Proposer<T>>,
    /// That of the proposer's lineage, for those who must not wait for it.
    taken_back: AtomicU64,
    lanes: Mutex<Lanes<T>>,
    /// Lanes that are open: most of the time none, and nobody needs to look.
    lanes_open: AtomicUsize,
    next_runner: AtomicU64,
    waiters: Waiters<T>,
    snapshot: Mutex<Option<SnapshotFile>>,
    snapshot_size_bytes: AtomicU64,
    snapshot_progress: SnapshotProgress,
    log_bytes_since_snapshot: AtomicU64,
    closing: AtomicBool,
    halted: OnceLock<String>,
}

impl<T> Deref for Shared<T> {
    type Target = Core<T>;

    fn deref(&self) -> &Core<T> {
        &self.core
    }
}

impl<T: Ticket> Shared<T> {
    /// A store that is opening, with what was read from its disk: the view, and the newest snapshot with its size.
    pub fn new(core: Core<T>, view: View, snapshot: Option<(SnapshotFile, u64)>) -> Shared<T> {
        let (snapshot, snapshot_size_bytes) = match snapshot {
            Some((file, size_bytes)) => (Some(file), size_bytes),
            None => (None, 0),
        };
        Shared {
            core,
            ingest_has_ended: AtomicBool::new(false),
            waiters: Waiters::new(view.applied_index()),
            published: ArcSwap::from_pointee(view),
            proposer: Mutex::new(Proposer::new(FIRST_SEQUENCE)),
            taken_back: AtomicU64::new(0),
            lanes: Mutex::new(Lanes::default()),
            lanes_open: AtomicUsize::new(0),
            next_runner: AtomicU64::new(0),
            snapshot: Mutex::new(snapshot),
            snapshot_size_bytes: AtomicU64::new(snapshot_size_bytes),
            snapshot_progress: SnapshotProgress::new(),
            log_bytes_since_snapshot: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            halted: OnceLock::new(),
        }
    }

    /// The newest view, for as long as the caller likes.
    pub fn view(&self) -> Arc<View> {
        self.published.load_full()
    }

    /// The newest view, for a moment: cheaper, but only few may be held at a time.
    pub fn view_guard(&self) -> Guard<Arc<View>> {
        self.published.load()
    }

    /// Makes `view` the newest; gives the one before. Then [`Shared::answer_applied`] is due.
    pub fn publish(&self, view: Arc<View>) -> Arc<View> {
        let applied = view.applied_index();
        let before = self.published.swap(view);
        self.waiters.note_applied(applied);
        before
    }

    /// What is to be proposed. Locked for as long as it takes to predict what waits, which may be many commands.
    pub fn proposer(&self) -> MutexGuard<'_, Proposer<T>> {
        self.proposer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, if nobody else is at it.
    pub fn try_proposer(&self) -> Option<MutexGuard<'_, Proposer<T>>> {
        match self.proposer.try_lock() {
            Ok(proposer) => Some(proposer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// How a proposer is let go that has predicted, or looked whether a prediction still holds: hands over what its commands
    /// detached, says how often something was taken back to those who do not wait for the proposer, and tells transactions
    /// that what they read was not to be.
    pub fn let_go(&self, mut proposer: MutexGuard<'_, Proposer<T>>) {
        for subtree in proposer.take_detached() {
            self.engine.reaper().free(Garbage::Subtree(subtree));
        }
        self.taken_back.store(proposer.lineage().taken_back(), Ordering::Release);
        let lost = proposer.take_lost();
        drop(proposer);
        self.answer_now(lost, &Answer::Conflict(Path::new()));
    }

    /// See [`Lineage::taken_back`](crate::lineage::Lineage::taken_back). As of the last [`Shared::let_go`].
    pub fn taken_back(&self) -> u64 {
        self.taken_back.load(Ordering::Acquire)
    }

    /// A batch was refused: whoever read what it would have done has lost.
    pub fn take_back(&self, first_sequence: u64) {
        let mut proposer = self.proposer();
        proposer.take_back(Some(first_sequence), &self.admission);
        self.let_go(proposer);
    }

    /// Answers callers of what was not proposed, as of the newest view.
    pub fn answer_now(&self, callers: Vec<T>, answer: &Answer) {
        if !callers.is_empty() {
            let log_index = self.view_guard().applied_index();
            let applied = || Ok(Applied { answer: answer.clone(), log_index, revision: NO_REVISION });
            self.replies.deliver(callers.into_iter().map(|caller| (caller, applied())).collect());
        }
    }

    /// A number for an attempt of a transaction.
    pub fn new_runner(&self) -> Runner {
        Runner(self.next_runner.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether any lane is open.
    pub fn has_lanes(&self) -> bool {
        self.lanes_open.load(Ordering::Relaxed) > 0
    }

    /// Works with the lanes, for a moment. `now_ms` is passed on.
    pub fn with_lanes<R>(&self, work: impl FnOnce(&mut Lanes<T>, u64) -> R) -> R {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.clock.now_ms();
        let result = work(&mut lanes, now_ms);
        lanes.sweep(now_ms);
        self.lanes_open.store(lanes.len(), Ordering::Relaxed);
        result
    }

    /// Nobody gets a turn any more: those in line are told.
    pub fn end_lanes(&self) {
        let waiting = self.with_lanes(|lanes, _| lanes.end());
        self.refuse_all(waiting, &StoreError::NotRunning);
    }

    /// The newest snapshot on disk.
    pub fn snapshot(&self) -> Option<SnapshotFile> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a finished snapshot; gives the one before.
    pub fn set_snapshot(&self, file: SnapshotFile, size_bytes: u64) -> Option<SnapshotFile> {
        self.snapshot_size_bytes.store(size_bytes, Ordering::Relaxed);
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).replace(file)
    }

    /// Bytes of log after which the next snapshot is due. As much as the last snapshot took, so that writing
    /// snapshots costs at most as much as writing the log.
    pub fn snapshot_due_bytes(&self) -> u64 {
        self.snapshot_log_bytes_min.max(self.snapshot_size_bytes.load(Ordering::Relaxed))
    }

    /// The snapshot that is being written, if any.
    pub fn snapshot_progress(&self) -> &SnapshotProgress {
        &self.snapshot_progress
    }

    /// Bytes of log that were applied since the newest snapshot, or the one under way, was begun.
    pub fn log_bytes_since_snapshot(&self) -> u64 {
        self.log_bytes_since_snapshot.load(Ordering::Relaxed)
    }

    /// Counts applied bytes of log; the sum is [`Shared::log_bytes_since_snapshot`].
    pub fn count_log_bytes(&self, size_bytes: u64) {
        self.log_bytes_since_snapshot.fetch_add(size_bytes, Ordering::Relaxed);
    }

    /// A snapshot of the newest view is begun.
    pub fn forget_log_bytes(&self) {
        self.log_bytes_since_snapshot.store(0, Ordering::Relaxed);
    }

    /// Closing has begun: nothing is admitted any more, and a fault is no longer news.
    pub fn begin_closing(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Whether closing has begun.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Why the store has halted, if it has.
    pub fn halt_reason(&self) -> Option<&str> {
        self.halted.get().map(String::as_str)
    }

    /// Halts the store: says why, once; answers everybody who waits.
    pub fn halt(&self, reason: &str) {
        if self.is_closing() || self.halted.set(reason.to_owned()).is_err() {
            return;
        }
        self.end_waiting(&StoreError::Halted(reason.to_owned()));
        self.events.halted(reason);
    }

    /// Nobody waits any longer: everybody is told the same.
    pub fn end_waiting(&self, error: &StoreError) {
        self.refuse_all(self.pending.end(), error);
        self.refuse_waiters(self.waiters.end(), error);
    }

    /// Looks at times for waiters that were cancelled. Called for each that comes, also when there is no place for it.
    pub fn sweep_waiters(&self) {
        drop(self.waiters.sweep());
    }

    /// Answers waiters whose index is applied; the others wait for theirs.
    pub fn wait_for_index(&self, waiters: Vec<Waiter<T>>) {
        let mut ready = Vec::new();
        let mut late = Vec::new();
        for waiter in waiters {
            match self.waiters.add(waiter) {
                Ok(applied) => ready.extend(applied),
                Err(waiter) => late.push(waiter),
            }
        }
        self.answer_waiters(ready);
        self.refuse_waiters(late, &StoreError::NotRunning);
    }

    /// Answers those who waited for an index that is published now.
    pub fn answer_applied(&self) {
        self.answer_waiters(self.waiters.take_applied());
    }

    /// What consensus says of barriers it was asked about.
    pub fn barriers_told(&self, number: u64, index: Result<u64, Refusal>) {
        match index {
            Ok(index) => self.wait_for_index(self.pending.barriers_until(number, index)),
            Err(refusal) => self.refuse_waiters(self.pending.take_barriers(number), &refusal.into()),
        }
    }

    fn answer_waiters(&self, waiters: Vec<Waiter<T>>) {
        self.answer_now(waiters.into_iter().map(Waiter::into_ticket).collect(), &Answer::Done);
    }

    /// Tells waiters why they do not get what they waited for.
    pub fn refuse_waiters(&self, waiters: Vec<Waiter<T>>, error: &StoreError) {
        self.refuse_all(waiters.into_iter().map(Waiter::into_ticket).collect(), error);
    }

    /// Passes on something for an operator to read.
    pub fn notice(&self, text: &str) {
        self.events.notice(text);
    }

    /// Tells all of `callers` the same.
    pub fn refuse_all(&self, callers: Vec<T>, error: &StoreError) {
        if !callers.is_empty() {
            self.replies.deliver(callers.into_iter().map(|caller| (caller, Err(error.clone()))).collect());
        }
    }
}
