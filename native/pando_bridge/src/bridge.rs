//! The bridge: the stores that are open in this operating-system process, by key, and requests to them.
//!
//! Invariants
//! 1. A store is opened and closed on a thread of its own; nobody waits for a disk on a scheduler.
//! 2. A key stands for one store at a time; a second opening waits for a closing one, up to `CLOSING_WAIT_MAX_MS`.
//! 3. A lookup takes no lock.
//! 4. A store that closes is no longer there for callers, but for the other members until it has closed: it hands leadership over,
//!    and what it has proposed ends, only while it hears them.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use pando_store::cluster::{ClusterEvent, ClusterRequest};
use pando_store::disk::RealDisk;
use pando_store::{ProvokedThread, Store, StoreError, StoreEvents, StoreOptions};
use pando_tree::Command;

use crate::beam::{Beam, OpenFailure};
use crate::caller::Caller;
use crate::cluster_caller::{ClusterCaller, ClusterPlaces};
use crate::reply_queue::{ReplyQueue, StoreReplies};
use crate::token::Token;

/// How long an opening waits for the same store's closing, in milliseconds.
pub const CLOSING_WAIT_MAX_MS: u64 = 30_000;

/// An open store.
pub struct OpenStore<B: Beam> {
    store: Store<Caller<B>>,
    replies: Arc<ReplyQueue<B>>,
    cluster_places: ClusterPlaces,
}

impl<B: Beam> OpenStore<B> {
    /// The store itself, for reads and figures.
    pub fn store(&self) -> &Store<Caller<B>> {
        &self.store
    }

    pub(crate) fn replies(&self) -> &Arc<ReplyQueue<B>> {
        &self.replies
    }

    /// Tells callers that it is their turn, from a thread that can do no better than leave that to the reply thread.
    pub(crate) fn tell_turns(&self, turns: Vec<Caller<B>>) {
        if !turns.is_empty() {
            self.store.tell_turns(turns);
        }
    }

    /// Queues a command on behalf of `address`. When refused, the address is told by the returned error only.
    pub fn submit(
        &self,
        command: Command,
        address: B::Address,
        token: Option<Arc<Token>>,
    ) -> Result<(), StoreError> {
        self.ask(address, token, |caller| self.store.submit(command, caller))
    }

    /// Tells `address` when every command that was queued before is answered, and everything is applied here that was
    /// committed now. When refused, the address is told by the returned error only.
    pub fn barrier(&self, address: B::Address, token: Option<Arc<Token>>) -> Result<(), StoreError> {
        self.ask(address, token, |caller| self.store.barrier(caller))
    }

    /// Tells `address` when the log index `index` is applied here. When refused, the address is told by the returned error
    /// only.
    pub fn await_applied(
        &self,
        index: u64,
        address: B::Address,
        token: Option<Arc<Token>>,
    ) -> Result<(), StoreError> {
        self.ask(address, token, |caller| self.store.await_applied(index, caller))
    }

    /// Asks for something of the cluster on behalf of `address`, which is told what became of it. Given back: too many such
    /// requests are under way, and nothing was done.
    pub fn cluster_request(&self, request: ClusterRequest, address: B::Address) -> Result<(), B::Address> {
        let caller = ClusterCaller::new(address, &self.cluster_places, self.replies.clone())?;
        self.store.cluster_request(request, Box::new(|result| caller.answer(result)));
        Ok(())
    }

    fn ask(
        &self,
        address: B::Address,
        token: Option<Arc<Token>>,
        request: impl FnOnce(Caller<B>) -> Result<(), (Caller<B>, StoreError)>,
    ) -> Result<(), StoreError> {
        request(Caller::new(address, token, self.replies.clone())).map_err(|(caller, error)| {
            caller.dismiss();
            error
        })
    }

    /// Makes a thread panic, to show what a fault in it does.
    pub fn provoke_panic(&self, thread: PanickingThread) {
        match thread {
            PanickingThread::OfStore(thread) => self.store.provoke_panic(thread),
            PanickingThread::Reply => self.replies.provoke_panic(),
        }
    }
}

/// A thread whose panic can be provoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanickingThread {
    /// One of a store's own.
    OfStore(ProvokedThread),
    /// The one that sends its replies.
    Reply,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Open(Opening),
    Closing,
}

/// One opening of a store; later ones have larger numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening(u64);

/// What an opening needs.
pub struct OpenRequest<B: Beam> {
    /// The store's key from now on.
    pub key: B::Key,
    /// Where its files are: an absolute path.
    pub directory: PathBuf,
    /// The rest.
    pub options: StoreOptions,
    /// Who is told.
    pub owner: Arc<B::Owner>,
}

/// A store by its key.
struct Listed<B: Beam> {
    open: Arc<OpenStore<B>>,
    is_closing: bool,
}

impl<B: Beam> Clone for Listed<B> {
    fn clone(&self) -> Listed<B> {
        Listed { open: self.open.clone(), is_closing: self.is_closing }
    }
}

/// See the module.
pub struct Bridge<B: Beam> {
    open: ArcSwap<HashMap<B::Key, Listed<B>>>,
    phases: Mutex<HashMap<B::Key, Phase>>,
    phase_changed: Condvar,
    openings: AtomicU64,
}

impl<B: Beam> Default for Bridge<B> {
    fn default() -> Bridge<B> {
        Bridge {
            open: ArcSwap::from_pointee(HashMap::new()),
            phases: Mutex::new(HashMap::new()),
            phase_changed: Condvar::new(),
            openings: AtomicU64::new(1),
        }
    }
}

impl<B: Beam> Bridge<B> {
    /// Runs `read` with the open store `key`; `None` if it is not open. Quick: takes no lock.
    pub fn with<R>(&self, key: B::Key, read: impl FnOnce(&Arc<OpenStore<B>>) -> R) -> Option<R> {
        self.open.load().get(&key).filter(|listed| !listed.is_closing).map(|listed| read(&listed.open))
    }

    /// The same for what comes from other members, and so also while the store closes.
    pub fn with_member<R>(&self, key: B::Key, tell: impl FnOnce(&Store<Caller<B>>) -> R) -> Option<R> {
        self.open.load().get(&key).map(|listed| tell(&listed.open.store))
    }

    /// The stores that are open.
    pub fn keys(&self) -> Vec<B::Key> {
        let open = self.open.load();
        open.iter().filter(|(_, listed)| !listed.is_closing).map(|(key, _)| *key).collect()
    }

    /// Opens a store on a thread of its own; the owner is told how it went.
    pub fn open(&'static self, request: OpenRequest<B>) -> Opening {
        let opening = Opening(self.openings.fetch_add(1, Ordering::Relaxed));
        let (key, owner) = (request.key, request.owner.clone());
        let started = std::thread::Builder::new().name(format!("pando-open-{}", request.options.name)).spawn(
            move || {
                let (key, owner) = (request.key, request.owner.clone());
                let result = self.begin_opening(key).and_then(|()| {
                    let result = catch_unwind(AssertUnwindSafe(|| self.open_now(request)))
                        .unwrap_or_else(|_| Err(OpenFailure::Panicked("while opening the store".to_owned())));
                    self.end_opening(key, result.is_ok().then_some(opening));
                    result
                });
                B::opened(&owner, key, result);
            },
        );
        if let Err(error) = started {
            B::opened(&owner, key, Err(OpenFailure::Store(pando_store::OpenError::Thread(error))));
        }
        opening
    }

    /// Closes a store on a thread of its own, and then tells `owner`, also if it was not open. With `only`, a store
    /// that was opened again meanwhile stays open.
    pub fn close(&'static self, key: B::Key, only: Option<Opening>, owner: Option<Arc<B::Owner>>) {
        let run = move || {
            self.close_now(key, only);
            if let Some(owner) = &owner {
                B::closed(owner, key);
            }
        };
        let thread = std::thread::Builder::new().name("pando-close".to_owned());
        if thread.spawn(run.clone()).is_err() {
            // Without a thread to spare, closing on the caller's is the lesser evil.
            run();
        }
    }

    /// Closes all stores, those too that are just opening. False: that took longer than `timeout`.
    pub fn close_all(&'static self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let keys: Vec<B::Key> = self.lock_phases().keys().copied().collect();
        keys.into_iter().for_each(|key| self.close(key, None, None));
        let mut phases = self.lock_phases();
        while !phases.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            phases = self.phase_changed.wait_timeout(phases, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock_phases(&self) -> MutexGuard<'_, HashMap<B::Key, Phase>> {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_now(&self, request: OpenRequest<B>) -> Result<(), OpenFailure> {
        let opened_store: Arc<OnceLock<Weak<OpenStore<B>>>> = Arc::default();
        let to_halt = opened_store.clone();
        let on_panic = move |text: &str| {
            if let Some(open) = to_halt.get().and_then(Weak::upgrade) {
                open.store.halt(&format!("the reply thread panicked: {text}"));
            }
        };
        let replies = ReplyQueue::start(&request.options.name, on_panic)
            .map_err(|error| OpenFailure::Store(pando_store::OpenError::Thread(error)))?;
        let events = Arc::new(OwnerEvents::<B> { key: request.key, owner: request.owner });
        let store = Store::open(
            Arc::new(RealDisk),
            &request.directory,
            request.options,
            Arc::new(StoreReplies(replies.clone())),
            events,
        )
        .map_err(OpenFailure::Store)?;
        let opened = Arc::new(OpenStore { store, replies, cluster_places: ClusterPlaces::default() });
        let _ = opened_store.set(Arc::downgrade(&opened));
        self.change_open(|open| {
            open.insert(request.key, Listed { open: opened, is_closing: false });
        });
        Ok(())
    }

    fn begin_opening(&self, key: B::Key) -> Result<(), OpenFailure> {
        let deadline = Instant::now() + Duration::from_millis(CLOSING_WAIT_MAX_MS);
        let mut phases = self.lock_phases();
        while let Some(phase) = phases.get(&key) {
            let left = deadline.saturating_duration_since(Instant::now());
            if *phase != Phase::Closing || left.is_zero() {
                return Err(OpenFailure::Busy);
            }
            phases = self.phase_changed.wait_timeout(phases, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        phases.insert(key, Phase::Opening);
        Ok(())
    }

    fn end_opening(&self, key: B::Key, opened: Option<Opening>) {
        let mut phases = self.lock_phases();
        match opened {
            Some(opening) => phases.insert(key, Phase::Open(opening)),
            None => phases.remove(&key),
        };
        drop(phases);
        self.phase_changed.notify_all();
    }

    fn close_now(&self, key: B::Key, only: Option<Opening>) {
        let mut phases = self.lock_phases();
        // An opening or closing that is under way ends first: nothing may stay open unowned, and "closed" must be true.
        // Both end by themselves, within the limits of `Store::open` and `Store::close`.
        while matches!(phases.get(&key), Some(Phase::Opening | Phase::Closing)) {
            phases = self.phase_changed.wait(phases).unwrap_or_else(PoisonError::into_inner);
        }
        match phases.get(&key) {
            Some(Phase::Open(opening)) if only.is_none_or(|only| only == *opening) => {}
            _ => return,
        }
        phases.insert(key, Phase::Closing);
        drop(phases);
        let mut closing = None;
        self.change_open(|open| {
            closing = open.get_mut(&key).map(|listed| {
                listed.is_closing = true;
                listed.open.clone()
            });
        });
        if let Some(closing) = closing {
            closing.store.close();
            self.change_open(|open| drop(open.remove(&key)));
        }
        self.lock_phases().remove(&key);
        self.phase_changed.notify_all();
    }

    fn change_open(&self, change: impl FnOnce(&mut HashMap<B::Key, Listed<B>>)) {
        // Under the lock of the phases, so that two changes do not lose one another.
        let _phases = self.lock_phases();
        let mut open = HashMap::clone(&self.open.load());
        change(&mut open);
        self.open.store(Arc::new(open));
    }
}

/// A store's events, passed on to the process that opened it.
struct OwnerEvents<B: Beam> {
    key: B::Key,
    owner: Arc<B::Owner>,
}

impl<B: Beam> StoreEvents for OwnerEvents<B> {
    fn halted(&self, reason: &str) {
        B::halted(&self.owner, self.key, reason);
    }

    fn notice(&self, text: &str) {
        B::notice(&self.owner, self.key, text);
    }

    fn progress(&self, text: &str) {
        B::progress(&self.owner, self.key, text);
    }

    fn cluster_event(&self, event: &ClusterEvent) {
        B::cluster_event(&self.owner, self.key, event);
    }
}

/// The one bridge of a process, for a `static`.
pub struct SharedBridge<B: Beam>(OnceLock<Bridge<B>>);

impl<B: Beam> SharedBridge<B> {
    /// Starts nothing.
    pub const fn new() -> SharedBridge<B> {
        SharedBridge(OnceLock::new())
    }

    /// The bridge.
    pub fn get(&'static self) -> &'static Bridge<B> {
        self.0.get_or_init(Bridge::default)
    }
}

impl<B: Beam> Default for SharedBridge<B> {
    fn default() -> SharedBridge<B> {
        SharedBridge::new()
    }
}

#[cfg(test)]
#[path = "bridge_test.rs"]
mod tests;
