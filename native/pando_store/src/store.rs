//! A store: one member's half of a replicated tree, open on a data directory.
//!
//! Threads (named after the store): ingest proposes what waits, the log's writer makes it durable, apply makes it
//! visible and answers, snapshot writes the tree to disk. Consensus runs on the process's [`Engine`].
//!
//! Invariants
//! 1. Every caller that was admitted is answered exactly once, also when a thread panics or the store closes.
//! 2. A thread's panic halts this store and nothing else.
//! 3. When [`Store::close`] returns, nothing of the store runs and the directory is free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::Guard;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use pando_tree::Command;

use crate::admission::Admission;
use crate::apply_thread::{ApplyJob, ApplyThread};
use crate::cluster::{ClusterDone, ClusterEvent, ClusterRequest, MemberStatus};
use crate::consensus::{Applier, Consensus, ConsensusStatus, Done, RaftConsensus, RaftOptions, SnapshotFile};
use crate::directory::{FOUNDING_MEMBER_ID, Identity, StoreDirectory, StoreId};
use crate::disk::Disk;
use crate::engine::Engine;
use crate::entry::Entry;
use crate::error::{OpenError, StoreError};
use crate::ingest_thread::{IngestJob, IngestThread, refuse_queued};
use crate::log::{Log, LogOptions, ScannedLog};
use crate::machine::panic_text;
use crate::opening_progress::{OpeningProgress, OpeningStep, SegmentsNoted};
use crate::options::{
    Birth, CLOSE_DRAIN_TIMEOUT_MS, COMMANDS_SIZE_BYTES_MAX, ENTRIES_IN_FLIGHT_MAX, OPEN_RECOVERY_TIMEOUT_MS,
    StoreOptions, WAITERS_MAX,
};
use crate::peers::{Lane, NodeState};
use crate::pending::Pending;
use crate::reaper::{Garbage, Reaper};
use crate::shared::{Core, Shared};
use crate::snapshot::SnapshotDirectory;
use crate::snapshot_thread::{self, Loaded, SnapshotJob, SnapshotThread};
use crate::ticket::{Replies, StoreEvents, Ticket};
use crate::view::View;
use crate::waiter::{Places, Waiter};

/// Memory of the stack of each of the store's threads. None recurses on data.
const THREAD_STACK_SIZE_BYTES: usize = 1024 * 1024;

/// The member that founds a store. Later ones get their ids from the log of the cluster that admits them.
const FIRST_MEMBER_ID: u64 = 1;

/// A thread whose panic can be provoked, to show that the store survives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvokedThread {
    /// The thread that proposes.
    Ingest,
    /// The thread that applies.
    Apply,
    /// The thread that writes the log.
    Log,
}

/// Figures about a store, for people and tests.
#[derive(Debug, Clone)]
pub struct StoreStatus {
    /// This member.
    pub member_id: u64,
    /// How consensus sees itself.
    pub consensus: ConsensusStatus,
    /// The last log index that this member has.
    pub last_log_index: Option<u64>,
    /// The last index in the view that readers see. Who has the answer to a write sees it counted here.
    pub applied_index: u64,
    /// Nodes in the tree, the root included.
    pub node_count: u64,
    /// Bytes of the log's files.
    pub log_size_bytes: u64,
    /// The last log index in the newest snapshot.
    pub snapshot_index: Option<u64>,
    /// How much of the snapshot that is being written is done, in percent; `None` when none is.
    pub snapshot_written_percent: Option<u64>,
    /// Bytes of log applied since the newest snapshot, or the one being written, was begun: about what an opening would
    /// have to apply.
    pub log_bytes_since_snapshot: u64,
    /// Bytes of commands that wait to be proposed.
    pub waiting_size_bytes: usize,
    /// Transactions that have a turn, or stand in line for one.
    pub transactions_in_line: usize,
    /// The cluster.
    pub cluster_id: [u8; 16],
    /// All members, this one too, in the order of their ids.
    pub members: Vec<MemberStatus>,
    /// Frames from other nodes that were dropped because they are malformed, of another cluster, version, or member.
    pub frames_refused: u64,
}

/// See the module.
pub struct Store<T: Ticket> {
    pub(crate) shared: Arc<Shared<T>>,
    consensus: Arc<dyn Consensus>,
    pub(crate) ingest: Sender<IngestJob<T>>,
    /// The queue's other end, for commands that come too late for the thread, and for those that a transaction overtakes.
    pub(crate) queue: Receiver<IngestJob<T>>,
    /// Wakes the ingest thread. Of its own, for what is in the queue may be taken by a commit.
    pub(crate) wake: Sender<()>,
    /// Disconnected when the ingest thread has ended.
    ingest_ended: Mutex<Receiver<()>>,
    apply: Sender<ApplyJob>,
    /// `None` once closed: the snapshot thread ends when nobody can give it work any more.
    snapshots: Mutex<Option<Sender<SnapshotJob>>>,
    log: Log<Entry>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    directory: Mutex<Option<StoreDirectory>>,
    cluster_id: StoreId,
}

impl<T: Ticket> Store<T> {
    /// Opens the store in `directory`, made if it is not there. Returns when it has applied what it knows to be committed;
    /// where it has no other voters, when it leads.
    ///
    /// Blocks for as long as reading snapshot and log takes: not for a scheduler's thread.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: StoreOptions,
        replies: Arc<dyn Replies<T>>,
        events: Arc<dyn StoreEvents>,
    ) -> Result<Store<T>, OpenError> {
        let progress = OpeningProgress::new(options.clock.clone(), events.clone());
        let engine = Engine::shared().map_err(OpenError::Thread)?;
        let mut store_directory = StoreDirectory::open(disk.clone(), directory, &options.holder)?;
        let found = store_directory.identity();
        let founding = found.is_none_or(|identity| identity.is_founding());
        let store_id = match (found, options.birth) {
            (Some(identity), Birth::Found(_)) => identity.store_id,
            // A birth that was interrupted, and is another one now.
            (Some(identity), Birth::Join { cluster_id, .. })
                if founding && identity.store_id.0 != cluster_id =>
            {
                let member_id = FOUNDING_MEMBER_ID;
                store_directory.reset(Identity { store_id: StoreId(cluster_id), member_id })?;
                StoreId(cluster_id)
            }
            (Some(identity), Birth::Join { .. }) => identity.store_id,
            (None, Birth::Found(cluster_id) | Birth::Join { cluster_id, .. }) => {
                let store_id = StoreId(cluster_id);
                store_directory.set_identity(Identity { store_id, member_id: FOUNDING_MEMBER_ID })?;
                store_id
            }
        };
        let snapshot_path = store_directory.snapshot_path();
        let snapshots = SnapshotDirectory::open(disk.clone(), &snapshot_path, store_id)?;
        let loaded = snapshot_thread::load_newest(&snapshots, &snapshot_path, &mut |path, step| {
            progress.note(&OpeningStep::Snapshot { path, nodes: step.nodes, nodes_whole: step.nodes_whole });
        })?;
        for text in &loaded.refused {
            events.notice(&format!("{text}; trying the one before"));
        }
        let log_options = LogOptions {
            thread_name_prefix: "pando".to_owned(),
            must_exist: !founding,
            segment_bytes_first: options.segment_bytes_first,
            segment_bytes_max: options.segment_bytes_max,
            ..LogOptions::default()
        };
        let log_path = store_directory.log_path();
        let scanned =
            ScannedLog::read(disk, &log_path, store_id, &log_options, &mut SegmentsNoted(&progress))?;
        check_for_gap(&scanned, &loaded, &snapshot_path)?;
        let (log, recovered) = Log::start(scanned, log_options)?;
        recovered.notices.iter().for_each(|text| events.notice(text));
        let member_id = if founding {
            let member_id = match options.birth {
                Birth::Found(_) => FIRST_MEMBER_ID,
                Birth::Join { member_id, .. } => member_id,
            };
            store_directory.set_identity(Identity { store_id, member_id })?;
            member_id
        } else {
            found.map_or(FIRST_MEMBER_ID, |identity| identity.member_id)
        };
        let core = Core {
            name: options.name.clone(),
            member_id,
            incarnation: options.incarnation,
            snapshots,
            directory: snapshot_path,
            clock: options.clock.clone(),
            engine: engine.clone(),
            pending: Pending::new(ENTRIES_IN_FLIGHT_MAX),
            places: Places::new(WAITERS_MAX),
            admission: Admission::new(COMMANDS_SIZE_BYTES_MAX),
            replies,
            events,
            snapshot_log_bytes_min: options.snapshot_log_bytes_min,
        };
        let shared = Arc::new(Shared::new(core, loaded.view, loaded.snapshot));
        let mut threads = Vec::new();
        // Whom to tell, and the one snapshot that is under way at a time.
        let (snapshots, snapshot_jobs) = bounded(2);
        let snapshot_thread = SnapshotThread::new(shared.clone());
        threads.push(spawn(&shared, "snapshot", move || snapshot_thread.run(&snapshot_jobs))?);
        // No bound needed: consensus hands over one chunk and waits for it.
        let (apply, apply_jobs) = unbounded();
        let last_index = log.state().last.map(|position| position.index);
        let apply_thread = ApplyThread::new(shared.clone(), snapshots.clone(), progress, last_index);
        threads.push(spawn(&shared, "apply", move || apply_thread.run(&apply_jobs))?);
        let applier =
            Arc::new(StoreApplier { shared: shared.clone(), jobs: apply.clone(), log: log.clone() });
        let runtime = engine.handle().ok_or_else(|| OpenError::Consensus("no runtime".to_owned()))?;
        let consensus = RaftConsensus::start(
            runtime,
            log.clone(),
            applier,
            RaftOptions {
                cluster_id: store_id.0,
                member_id,
                incarnation: options.incarnation,
                node_name: options.node_name,
                store_name: options.name,
                // One that joined has another id, and so never founds a cluster of its own.
                founds: member_id == FIRST_MEMBER_ID,
                transport: options.transport,
                snapshots: shared.snapshots.clone(),
                priority: options.priority,
                recovery_timeout: Duration::from_millis(OPEN_RECOVERY_TIMEOUT_MS),
            },
        )
        .map_err(OpenError::Consensus)?;
        let consensus: Arc<dyn Consensus> = Arc::new(consensus);
        let (opened, is_opened) = bounded(1);
        let _ = apply.send(ApplyJob::Opened(Box::new(move |result| {
            let _ = opened.send(result);
        })));
        // No answer: the thread has panicked, and the store has halted and says why.
        let _ = is_opened.recv();
        // The snapshot thread was started before consensus, which it tells of finished snapshots.
        let _ = snapshots.send(SnapshotJob::Consensus(Arc::downgrade(&consensus)));
        let (ingest, queue) = bounded(options.queued_commands_max);
        let ingest_jobs = queue.clone();
        let (wake, woken) = bounded(1);
        let (running, ingest_ended) = bounded::<()>(0);
        let ingest_thread = IngestThread::new(shared.clone(), consensus.clone(), log.clone());
        let run_ingest = move || {
            let _running = running;
            ingest_thread.run(&ingest_jobs, &woken);
        };
        match spawn(&shared, "ingest", run_ingest) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                consensus.shut_down();
                return Err(error);
            }
        }
        // Reading snapshot and log has needed much memory for a moment.
        engine.reaper().give_back_memory();
        Ok(Store {
            shared,
            consensus,
            ingest,
            queue,
            wake,
            ingest_ended: Mutex::new(ingest_ended),
            apply,
            snapshots: Mutex::new(Some(snapshots)),
            log,
            threads: Mutex::new(threads),
            directory: Mutex::new(Some(store_directory)),
            cluster_id: store_id,
        })
    }

    /// Queues a command. Never blocks; a refused caller gets its ticket back and no other answer.
    pub fn submit(&self, command: Command, caller: T) -> Result<(), (T, StoreError)> {
        if !self.is_running() {
            return Err((caller, StoreError::NotRunning));
        }
        let size_bytes = command.size_bytes();
        if !self.shared.admission.admit(size_bytes) {
            return Err((caller, StoreError::Overloaded));
        }
        self.queue(IngestJob::Command(command, caller))
            .inspect_err(|_| self.shared.admission.release(size_bytes))
    }

    /// Queues a barrier: answered with [`pando_tree::Answer::Done`] when every command that was queued before it has been
    /// answered, and everything that was committed when it was made is applied here. Nothing is written for it.
    ///
    /// Never blocks; a refused caller gets its ticket back and no other answer.
    pub fn barrier(&self, caller: T) -> Result<(), (T, StoreError)> {
        let waiter = self.waiter(caller, 0)?;
        self.queue(IngestJob::Barrier(waiter))
    }

    /// Answers `caller` with [`pando_tree::Answer::Done`] when the published view has the log index `index`; at once when
    /// it has it already. Never blocks; a refused caller gets its ticket back and no other answer.
    pub fn await_applied(&self, index: u64, caller: T) -> Result<(), (T, StoreError)> {
        let waiter = self.waiter(caller, index)?;
        self.shared.wait_for_index(vec![waiter]);
        Ok(())
    }

    fn waiter(&self, caller: T, index: u64) -> Result<Waiter<T>, (T, StoreError)> {
        if !self.is_running() {
            return Err((caller, StoreError::NotRunning));
        }
        self.shared.sweep_waiters();
        match self.shared.places.take() {
            Some(place) => Ok(Waiter::new(caller, index, place)),
            None => Err((caller, StoreError::Overloaded)),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.shared.is_closing() && self.shared.halt_reason().is_none()
    }

    fn queue(&self, job: IngestJob<T>) -> Result<(), (T, StoreError)> {
        let (refused, error) = match self.ingest.try_send(job) {
            Ok(()) => {
                refuse_queued(&self.shared, &self.queue);
                return Ok(());
            }
            Err(TrySendError::Full(job)) => (job, StoreError::Overloaded),
            Err(TrySendError::Disconnected(job)) => (job, StoreError::NotRunning),
        };
        match refused {
            IngestJob::Command(_, caller) => Err((caller, error)),
            IngestJob::Barrier(waiter) => Err((waiter.into_ticket(), error)),
            // What comes back is what was sent.
            IngestJob::End | IngestJob::Panic => Ok(()),
        }
    }

    /// The newest view, for a moment: for reads that end at once.
    pub fn view_guard(&self) -> Guard<Arc<View>> {
        self.shared.view_guard()
    }

    /// The newest view, to keep: for long reads. Give it to the reaper when done.
    pub fn view(&self) -> Arc<View> {
        self.shared.view()
    }

    /// Where views and subtrees are to be let go.
    pub fn reaper(&self) -> &Reaper {
        self.shared.engine.reaper()
    }

    /// Why the store has halted, if it has.
    pub fn halt_reason(&self) -> Option<&str> {
        self.shared.halt_reason()
    }

    /// Halts the store because of a fault outside of it: everybody who waits is answered, the owner is told.
    pub fn halt(&self, reason: &str) {
        self.shared.halt(reason);
    }

    /// The cluster that this is a member of.
    pub fn cluster_id(&self) -> [u8; 16] {
        self.cluster_id.0
    }

    /// What tells this opening of the store from every other one.
    pub fn incarnation(&self) -> u64 {
        self.shared.incarnation
    }

    /// Figures for people and tests.
    pub fn status(&self) -> StoreStatus {
        let view = self.shared.view();
        let mut consensus = self.consensus.status();
        // Whatever it says: nothing goes through a store that has halted.
        consensus.has_quorum &= self.halt_reason().is_none();
        StoreStatus {
            member_id: self.shared.member_id,
            consensus,
            last_log_index: self.log.state().last.map(|position| position.index),
            applied_index: view.applied_index(),
            node_count: view.state.node_count(),
            log_size_bytes: self.log.size_on_disk_bytes(),
            snapshot_index: self.shared.snapshot().map(|file| file.covers.index),
            snapshot_written_percent: self.shared.snapshot_progress().percent(),
            log_bytes_since_snapshot: self.shared.log_bytes_since_snapshot(),
            waiting_size_bytes: self.shared.admission.waiting_size_bytes(),
            transactions_in_line: self.shared.with_lanes(|lanes, _| lanes.runners()),
            cluster_id: self.cluster_id.0,
            members: self.consensus.members(),
            frames_refused: self.consensus.frames_refused(),
        }
    }

    /// Asks the leader's part of this member; `done` is called once. Never blocks.
    pub fn cluster_request(&self, request: ClusterRequest, done: ClusterDone) {
        self.consensus.cluster_request(request, done);
    }

    /// A frame from another node. Never blocks; what is malformed, or not for this member, is counted and dropped.
    pub fn peer_frame(&self, lane: Lane, frame: Vec<u8>) {
        self.consensus.peer_frame(lane, frame);
    }

    /// What is known of another node. Never blocks.
    pub fn node_state(&self, node_name: &str, state: NodeState) {
        self.consensus.node_state(node_name, state);
    }

    /// Has a snapshot of the newest view written in the background, due or not; `false`: one is being written already.
    pub fn take_snapshot(&self) -> bool {
        let snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.as_ref().is_some_and(|snapshots| snapshot_thread::begin(&self.shared, snapshots))
    }

    /// Makes a thread panic, to show what a fault in it does: the store halts and says why.
    pub fn provoke_panic(&self, thread: ProvokedThread) {
        match thread {
            ProvokedThread::Ingest => {
                let _ = self.ingest.send(IngestJob::Panic);
            }
            ProvokedThread::Apply => {
                let _ = self.apply.send(ApplyJob::Panic);
            }
            ProvokedThread::Log => {
                let shared = self.shared.clone();
                let _ = self.log.provoke_panic(Box::new(move |result| {
                    if let Err(error) = result {
                        shared.halt(&error.to_string());
                    }
                }));
            }
        }
    }

    /// Closes: refuses new commands, answers those that wait, ends every thread, frees the directory.
    ///
    /// Blocks (at most about `CLOSE_DRAIN_TIMEOUT_MS`): not for a scheduler's thread. Closing twice does nothing.
    pub fn close(&self) {
        self.shared.begin_closing();
        let Some(directory) = self.directory.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        // First, so that what is under way is taken by who leads next.
        self.consensus.leave();
        let deadline = Instant::now() + Duration::from_millis(CLOSE_DRAIN_TIMEOUT_MS);
        // Behind what is queued, so that it is proposed; unless the thread is gone or stuck.
        let _ = self.ingest.send_deadline(IngestJob::End, deadline);
        let _ = self.ingest_ended.lock().unwrap_or_else(PoisonError::into_inner).recv_deadline(deadline);
        // What was proposed is waited for; what takes too long is told that the outcome is unknown.
        self.shared.pending.wait_until_empty(deadline.saturating_duration_since(Instant::now()));
        self.shared.end_waiting(&StoreError::Closed);
        self.consensus.shut_down();
        let _ = self.apply.send(ApplyJob::End);
        *self.snapshots.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // An error here was told to everybody who waited for something.
        let _ = self.log.clone().close();
        // Every thread ends by itself now; one that panicked has ended already, and said so.
        for thread in std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner)) {
            let _ = thread.join();
        }
        drop(directory);
    }
}

fn check_for_gap(log: &ScannedLog, loaded: &Loaded, directory: &Path) -> Result<(), OpenError> {
    let snapshot_ends_at = loaded.view.applied_index();
    match log.purged() {
        Some(purged) if purged.index > snapshot_ends_at => Err(OpenError::Gap {
            directory: directory.to_path_buf(),
            refused: loaded.refused.clone(),
            log_starts_at: purged.index + 1,
            snapshot_ends_at,
        }),
        _ => Ok(()),
    }
}

/// Starts a thread of the store; its panic halts the store.
fn spawn<T: Ticket>(
    shared: &Arc<Shared<T>>,
    role: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let shared_with_thread = shared.clone();
    std::thread::Builder::new()
        .name(format!("pando-{role}-{}", shared.name))
        .stack_size(THREAD_STACK_SIZE_BYTES)
        .spawn(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
                shared_with_thread.halt(&format!("the {role} thread panicked: {}", panic_text(&*panic)));
            }
        })
        .map_err(OpenError::Thread)
}

impl<T: Ticket> Drop for Store<T> {
    fn drop(&mut self) {
        self.close();
        self.shared.engine.reaper().free(Garbage::LastView(self.shared.view()));
    }
}

/// The store's side towards consensus.
struct StoreApplier<T> {
    shared: Arc<Shared<T>>,
    jobs: Sender<ApplyJob>,
    log: Log<Entry>,
}

impl<T: Ticket> Applier for StoreApplier<T> {
    fn apply(&self, entries: Vec<Entry>, done: Done) {
        // If the thread has ended, `done` is dropped, and consensus takes that as the failure it is.
        let _ = self.jobs.send(ApplyJob::Entries(entries, done));
    }

    fn install(&self, snapshot: SnapshotFile, done: Done) {
        let _ = self.jobs.send(ApplyJob::Install(snapshot, done));
    }

    fn view(&self) -> Arc<View> {
        self.shared.view()
    }

    fn newest_snapshot(&self) -> Option<SnapshotFile> {
        self.shared.snapshot()
    }

    fn fatal(&self, reason: String) {
        // Consensus stops for what happens to its log: say that instead, if so.
        match self.log.state().poisoned {
            Some(cause) => self.shared.halt(&cause),
            None => self.shared.halt(&reason),
        }
    }

    fn notice(&self, text: &str) {
        self.shared.notice(text);
    }

    fn cluster_event(&self, event: &ClusterEvent) {
        self.shared.events.cluster_event(event);
    }
}
