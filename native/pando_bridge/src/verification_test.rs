use super::*;

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use pando_store::directory::{Identity, StoreDirectory, StoreId};
use pando_store::disk::MemoryDisk;
use pando_store::log::{Log, LogEntry, LogOptions, LogPosition};
use pando_store::verify::Verdict;

/// Longer than any honest wait; a test that reaches it has failed.
const WAIT_MAX: Duration = Duration::from_secs(60);
const DIRECTORY: &str = "/store";
const SEGMENT_BYTES: u64 = 16_384;

type Told = Arc<Mutex<Vec<(PathBuf, u64, u64)>>>;
type Ended = Result<Vec<Report>, String>;

struct Channel {
    ended: Mutex<Sender<Ended>>,
    told: Told,
    then: ControlFlow<()>,
}

impl VerificationObserver for Channel {
    fn progress(&self, path: &Path, read_bytes: u64, size_bytes: u64) -> ControlFlow<()> {
        self.told.lock().unwrap().push((path.to_path_buf(), read_bytes, size_bytes));
        self.then
    }

    fn ended(&self, result: Ended) {
        self.ended.lock().unwrap().send(result).unwrap();
    }
}

fn channel_of(told: &Told, then: ControlFlow<()>) -> (Arc<Channel>, Receiver<Ended>) {
    let (sender, receiver) = channel();
    (Arc::new(Channel { ended: Mutex::new(sender), told: told.clone(), then }), receiver)
}

#[derive(Clone)]
struct NoEntry;

impl LogEntry for NoEntry {
    fn position(&self) -> LogPosition {
        LogPosition { term: 0, node_id: 0, index: 0 }
    }
    fn encode(&self, _: &mut Vec<u8>) {}
    fn decode(_: LogPosition, _: &[u8]) -> Result<NoEntry, String> {
        Err("there are none".to_owned())
    }
    fn size_bytes(&self) -> usize {
        0
    }
}

/// Stores with a log of one segment: reading one gives one occasion to look whether to go on.
fn stores(directories: &[&str]) -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    directories.iter().for_each(|directory| make_store(&disk, directory));
    disk
}

fn make_store(disk: &Arc<dyn Disk>, path: &str) {
    let identity = Identity { store_id: StoreId([7; 16]), member_id: 1 };
    let mut directory = StoreDirectory::open(disk.clone(), Path::new(path), "a test").unwrap();
    directory.set_identity(identity).unwrap();
    // Less than half full when it is empty: no second one is made in the background.
    let (first, max) = (SEGMENT_BYTES, SEGMENT_BYTES);
    let options = LogOptions { segment_bytes_first: first, segment_bytes_max: max, ..LogOptions::default() };
    let (log, _) =
        Log::<NoEntry>::open(disk.clone(), &directory.log_path(), identity.store_id, options).unwrap();
    log.close().unwrap();
}

/// A clock that goes on an interval and more each time it is looked at.
fn leaping() -> impl Fn() -> Instant + Send + 'static {
    let (begin, looks) = (Instant::now(), Mutex::new(0));
    move || {
        let mut looks = looks.lock().unwrap();
        *looks += 1;
        begin + Duration::from_millis(*looks * (PROGRESS_INTERVAL_MS_MIN + 1))
    }
}

#[test]
fn who_asks_for_a_verification_is_told_what_was_found_once() {
    let (observer, ended) = channel_of(&Told::default(), ControlFlow::Continue(()));
    let verification = Verification::start(stores(&[DIRECTORY]), DIRECTORY.into(), observer, leaping());
    let reports = ended.recv_timeout(WAIT_MAX).unwrap().unwrap();
    assert!(matches!(reports.as_slice(), [report] if report.verdict == Verdict::Sound), "{reports:?}");
    // The thread has let go of the observer, and so of the channel.
    assert_eq!(ended.recv_timeout(WAIT_MAX), Err(RecvTimeoutError::Disconnected));
    drop(verification);
}

#[test]
fn a_verification_that_is_let_go_ends_and_tells_nothing() {
    let (observer, ended) = channel_of(&Told::default(), ControlFlow::Continue(()));
    let (looks, looked) = channel();
    let (go_on, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let now = move || {
        looks.send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
        Instant::now()
    };
    let verification = Verification::start(stores(&[DIRECTORY]), DIRECTORY.into(), observer, now);
    looked.recv_timeout(WAIT_MAX).unwrap();
    drop(verification);
    go_on.send(()).unwrap();
    assert_eq!(ended.recv_timeout(WAIT_MAX), Err(RecvTimeoutError::Disconnected));
    assert!(looked.try_recv().is_err());
}

#[test]
fn progress_is_told_at_intervals_and_the_first_after_one() {
    let mut pace = Pace::default();
    let begin = Instant::now();
    let due: Vec<u64> = (0..1000).filter(|ms| pace.is_due(begin + Duration::from_millis(*ms))).collect();
    assert_eq!(due, (1..10).map(|number| number * PROGRESS_INTERVAL_MS_MIN).collect::<Vec<_>>());
}

#[test]
fn a_verification_whose_observer_has_gone_ends() {
    let told = Told::default();
    let (observer, ended) = channel_of(&told, ControlFlow::Break(()));
    let disk = stores(&["/store/a", "/store/b", "/store/c"]);
    let verification = Verification::start(disk, DIRECTORY.into(), observer, leaping());
    assert_eq!(ended.recv_timeout(WAIT_MAX), Err(RecvTimeoutError::Disconnected));
    // Not of the first, before an interval has gone by; and not of the third.
    let expected = [(PathBuf::from("/store/b/log"), SEGMENT_BYTES, SEGMENT_BYTES)];
    assert_eq!(told.lock().unwrap().as_slice(), expected);
    drop(verification);
}
