//! What the tests of whole stores share: a caller that waits on a channel, puts and gets, a store on a memory disk.

#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pando_store::disk::{Disk, MemoryDisk};
use pando_store::log::{SEGMENT_BYTES_FIRST, SEGMENT_BYTES_MAX};
use pando_store::{Clock, OpenError, Outcome, Replies, Store, StoreError, StoreEvents, StoreOptions, Ticket};
use pando_tree::{Command, Name, Payload, Step};

/// Longer than any honest wait; a test that reaches it has failed.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Someone who waits for one outcome.
pub struct Caller {
    pub answers: Option<Sender<Outcome>>,
    pub cancelled: Arc<AtomicBool>,
}

impl Ticket for Caller {
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn dismiss(mut self) {
        self.answers = None;
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(answers) = self.answers.take() {
            let _ = answers.send(Err(StoreError::Closed));
        }
    }
}

pub struct Channels;

impl Replies<Caller> for Channels {
    fn deliver(&self, replies: Vec<(Caller, Outcome)>) {
        for (mut caller, outcome) in replies {
            if let Some(answers) = caller.answers.take() {
                let _ = answers.send(outcome);
            }
        }
    }
}

/// What a store said by itself.
#[derive(Default)]
pub struct Events {
    pub notices: Mutex<Vec<String>>,
    pub halts: Mutex<Vec<String>>,
    pub progress: Mutex<Vec<String>>,
}

impl StoreEvents for Events {
    fn halted(&self, reason: &str) {
        self.halts.lock().unwrap().push(reason.to_owned());
    }
    fn notice(&self, text: &str) {
        self.notices.lock().unwrap().push(text.to_owned());
    }
    fn progress(&self, text: &str) {
        self.progress.lock().unwrap().push(text.to_owned());
    }
}

/// A clock that stands still.
pub struct Noon;

impl Clock for Noon {
    fn now_ms(&self) -> u64 {
        43_200_000
    }
}

pub const DIRECTORY: &str = "/data/stock";

pub fn options() -> StoreOptions {
    // None that a golden store may have in it.
    static INCARNATION: AtomicU64 = AtomicU64::new(1 << 32);
    StoreOptions {
        name: "stock".to_owned(),
        node_name: "a@b".to_owned(),
        holder: "a test".to_owned(),
        birth: pando_store::Birth::Found([9; 16]),
        transport: std::sync::Arc::new(pando_store::peers::NoTransport),
        priority: 0,
        incarnation: INCARNATION.fetch_add(1, Ordering::Relaxed),
        clock: Arc::new(Noon),
        snapshot_log_bytes_min: 1024 * 1024,
        queued_commands_max: 1_000,
        segment_bytes_first: SEGMENT_BYTES_FIRST,
        segment_bytes_max: SEGMENT_BYTES_MAX,
    }
}

pub type TestStore = Store<Caller>;

pub fn try_open(
    disk: &MemoryDisk,
    options: StoreOptions,
    events: &Arc<Events>,
) -> Result<TestStore, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Store::open(disk, Path::new(DIRECTORY), options, Arc::new(Channels), events.clone())
}

pub fn open(disk: &MemoryDisk) -> TestStore {
    try_open(disk, options(), &Arc::default()).unwrap()
}

pub fn steps(names: &[&str]) -> Vec<Step> {
    names.iter().map(|name| Step::Child(Name::binary(name.as_bytes()))).collect()
}

/// A payload of external term format: a binary.
pub fn data(text: &str) -> Payload {
    let mut bytes = vec![131, 109];
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    Payload::Data(bytes.into())
}

pub fn put(names: &[&str], text: &str) -> Command {
    Command::put(steps(names), data(text))
}

/// Submits without waiting.
pub fn submit(store: &TestStore, command: Command) -> Result<Receiver<Outcome>, StoreError> {
    ask(|caller| store.submit(command, caller))
}

/// Asks for a barrier without waiting for it.
pub fn barrier(store: &TestStore) -> Result<Receiver<Outcome>, StoreError> {
    ask(|caller| store.barrier(caller))
}

/// Asks to be told when a log index is applied.
pub fn await_applied(store: &TestStore, index: u64) -> Result<Receiver<Outcome>, StoreError> {
    ask(|caller| store.await_applied(index, caller))
}

fn ask(
    request: impl FnOnce(Caller) -> Result<(), (Caller, StoreError)>,
) -> Result<Receiver<Outcome>, StoreError> {
    let (sender, receiver) = channel();
    let caller = Caller { answers: Some(sender), cancelled: Arc::default() };
    match request(caller) {
        Ok(()) => Ok(receiver),
        Err((mut caller, error)) => {
            caller.answers = None;
            Err(error)
        }
    }
}

/// Submits and waits.
pub fn run(store: &TestStore, command: Command) -> Result<(), StoreError> {
    let outcome = submit(store, command)?.recv_timeout(WAIT_MAX).expect("an answer");
    outcome.map(|_| ())
}

/// The text at a path, if there is one.
pub fn get(store: &TestStore, names: &[&str]) -> Option<String> {
    let names: Vec<Name> = names.iter().map(|name| Name::binary(name.as_bytes())).collect();
    let view = store.view();
    let bytes = view.state.lookup(&names)?.payload().bytes()?.clone();
    Some(String::from_utf8(bytes[6..].to_vec()).unwrap())
}

/// Waits until `condition` holds, which some other thread brings about.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !condition() {
        assert!(begin.elapsed() < WAIT_MAX, "waited too long until {what}");
        std::thread::yield_now();
    }
}

impl Caller {
    /// A caller that nobody listens to.
    pub fn silent() -> Caller {
        Caller::silent_with(&Arc::default())
    }

    /// One that gives up when `cancelled` is set.
    pub fn silent_with(cancelled: &Arc<AtomicBool>) -> Caller {
        Caller { answers: None, cancelled: cancelled.clone() }
    }
}

/// Holds up whoever passes while it is shut.
#[derive(Clone)]
pub struct Gate(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Gate {
    pub fn new() -> Gate {
        Gate(Arc::new((Mutex::new(true), std::sync::Condvar::new())))
    }

    pub fn shut(&self) {
        *self.0.0.lock().unwrap() = false;
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        let _ = self.0.1.wait_timeout_while(open, WAIT_MAX, |open| !*open).unwrap();
    }
}
