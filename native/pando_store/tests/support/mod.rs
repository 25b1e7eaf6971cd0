//! What the tests of the disk half share: a small entry, waiting for durability, a directory that goes away.

#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use pando_store::directory::StoreId;
use pando_store::disk::{Disk, MemoryDisk};
use pando_store::log::{Durable, Log, LogEntry, LogError, LogOptions, LogPosition, OpenError, Recovered};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

pub const STORE: StoreId = StoreId([7; 16]);
/// Longer than any honest wait; a test that reaches it has failed.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// An entry with a payload of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestEntry {
    pub position: LogPosition,
    pub payload: Arc<[u8]>,
}

impl LogEntry for TestEntry {
    fn position(&self) -> LogPosition {
        self.position
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.payload);
    }

    fn decode(position: LogPosition, body: &[u8]) -> Result<TestEntry, String> {
        if body.first() == Some(&b'!') {
            return Err("no entry begins with an exclamation mark".to_owned());
        }
        Ok(TestEntry { position, payload: body.into() })
    }

    fn size_bytes(&self) -> usize {
        self.payload.len() + 24
    }
}

pub fn at(term: u64, index: u64) -> LogPosition {
    LogPosition { term, node_id: 1, index }
}

/// An entry whose payload tells its position, filled up to a size.
pub fn entry(term: u64, index: u64, size_bytes: usize) -> TestEntry {
    let mut payload = format!("entry {index} of term {term} ").into_bytes();
    payload.resize(size_bytes.max(payload.len()), b'.');
    TestEntry { position: at(term, index), payload: payload.into() }
}

pub fn entries(term: u64, indexes: std::ops::Range<u64>, size_bytes: usize) -> Vec<TestEntry> {
    indexes.map(|index| entry(term, index, size_bytes)).collect()
}

/// A callback, and where its outcome arrives.
pub fn durable() -> (Durable, Receiver<Result<(), LogError>>) {
    let (sender, receiver) = channel();
    (Box::new(move |outcome| sender.send(outcome).unwrap()), receiver)
}

pub fn wait(outcome: Receiver<Result<(), LogError>>) -> Result<(), LogError> {
    let answer = outcome.recv_timeout(WAIT_MAX).expect("a callback is always called");
    assert!(outcome.recv_timeout(Duration::ZERO).is_err(), "a callback is called once");
    answer
}

pub fn append(log: &Log<TestEntry>, entries: Vec<TestEntry>) -> Result<(), LogError> {
    let (callback, outcome) = durable();
    let answer = log.append(entries, callback);
    wait(outcome).and(answer)
}

pub fn save_vote(log: &Log<TestEntry>, vote: &[u8]) -> Result<(), LogError> {
    let (callback, outcome) = durable();
    let answer = log.save_vote(vote.to_vec(), callback);
    wait(outcome).and(answer)
}

pub fn truncate_after(log: &Log<TestEntry>, last: Option<u64>) -> Result<(), LogError> {
    let (callback, outcome) = durable();
    let answer = log.truncate_after(last, callback);
    wait(outcome).and(answer)
}

pub fn purge(log: &Log<TestEntry>, upto: LogPosition) -> Result<(), LogError> {
    let (callback, outcome) = durable();
    let answer = log.purge(upto, callback);
    wait(outcome).and(answer)
}

pub fn log_path() -> &'static Path {
    Path::new("/store/log")
}

pub fn segment_path(sequence: u64) -> PathBuf {
    log_path().join(format!("{sequence:016x}.segment"))
}

/// Small segments, and a small cache so that reads go to the disk.
pub fn small() -> LogOptions {
    LogOptions {
        segment_bytes_first: 16 * 1024,
        segment_bytes_max: 16 * 1024,
        cache_bytes_max: 256,
        ..LogOptions::default()
    }
}

pub fn open_with(disk: &MemoryDisk, options: LogOptions) -> Result<(Log<TestEntry>, Recovered), OpenError> {
    Log::open(Arc::new(disk.clone()), log_path(), STORE, options)
}

pub fn open(disk: &MemoryDisk) -> (Log<TestEntry>, Recovered) {
    open_with(disk, small()).unwrap_or_else(|error| panic!("{error}"))
}

pub fn read_all(log: &Log<TestEntry>) -> Vec<TestEntry> {
    let state = log.state();
    let Some(last) = state.last else { return Vec::new() };
    let first = last.index + 1 - state.entry_count as u64;
    log.read(first, last.index + 1, usize::MAX).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads a whole file of a disk.
pub fn content(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, pando_store::disk::Access::Read).unwrap();
    let mut content = vec![0; usize::try_from(file.size_bytes().unwrap()).unwrap()];
    file.read_exact_at(&mut content, 0).unwrap();
    content
}

/// A directory of the real file system that is removed when the test is over.
pub struct TempDirectory(pub PathBuf);

impl TempDirectory {
    pub fn new() -> TempDirectory {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pando-store-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        TempDirectory(path)
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
