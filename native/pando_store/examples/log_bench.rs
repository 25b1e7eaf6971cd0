//! How fast the log is on a real disk, next to the floor: a bare write and `fdatasync` of as many bytes.
//!
//! `cargo run --release -p pando_store --example log_bench -- DIRECTORY [SECONDS]`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails should say so and end")]

use pando_store::directory::StoreId;
use pando_store::disk::{Disk, RealDisk};
use pando_store::log::{Log, LogEntry, LogOptions, LogPosition};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PAYLOAD_BYTES: usize = 236;

#[derive(Clone)]
struct Entry {
    index: u64,
    payload: Arc<[u8]>,
}

impl LogEntry for Entry {
    fn position(&self) -> LogPosition {
        LogPosition { term: 1, node_id: 1, index: self.index }
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.payload);
    }
    fn decode(position: LogPosition, body: &[u8]) -> Result<Entry, String> {
        Ok(Entry { index: position.index, payload: body.into() })
    }
    fn size_bytes(&self) -> usize {
        self.payload.len() + 24
    }
}

fn print(name: &str, mut times: Vec<Duration>, elapsed: Duration) {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len().saturating_sub(1) * part / 100).copied().unwrap_or_default();
    let rate = times.len() as f64 / elapsed.as_secs_f64();
    println!("{name:<34} {rate:>9.0}/s   p50 {:>9.1?}   p99 {:>9.1?}", at(50), at(99));
}

fn floor(directory: &Path, size_bytes: usize, limit: Duration) {
    let file = RealDisk.create(&directory.join("floor")).unwrap();
    let file_bytes = 16 << 20;
    for offset in 0..file_bytes >> 20 {
        file.write_all_at(&vec![0; 1 << 20], offset << 20).unwrap();
    }
    file.sync_all().unwrap();
    let bytes = vec![7; size_bytes];
    let (mut times, mut offset) = (Vec::new(), 0);
    let begin = Instant::now();
    while begin.elapsed() < limit && offset + (size_bytes as u64) < file_bytes {
        let one = Instant::now();
        file.write_all_at(&bytes, offset).unwrap();
        file.sync_data().unwrap();
        times.push(one.elapsed());
        offset += size_bytes as u64;
    }
    print("bare pwrite + fdatasync", times, begin.elapsed());
}

/// Appends one entry at a time from each of `appender_count` callers that wait for their own.
fn appenders(log: &Log<Entry>, next: &Arc<Mutex<u64>>, appender_count: usize, limit: Duration) {
    let payload: Arc<[u8]> = vec![7; PAYLOAD_BYTES].into();
    let begin = Instant::now();
    let threads: Vec<_> = (0..appender_count)
        .map(|_| {
            let (log, next, payload) = (log.clone(), next.clone(), payload.clone());
            std::thread::spawn(move || {
                let mut times = Vec::new();
                let (sender, receiver) = channel();
                while begin.elapsed() < limit {
                    let one = Instant::now();
                    let sender = sender.clone();
                    let durable = Box::new(move |outcome| sender.send(outcome).unwrap());
                    {
                        let mut next = next.lock().unwrap();
                        let entry = Entry { index: *next, payload: payload.clone() };
                        log.append(vec![entry], durable).unwrap();
                        *next += 1;
                    }
                    receiver.recv().unwrap().unwrap();
                    times.push(one.elapsed());
                }
                times
            })
        })
        .collect();
    let times = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    print(&format!("log, {appender_count} appender(s)"), times, begin.elapsed());
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("a directory")).join("log_bench");
    let limit = Duration::from_secs(arguments.next().map_or(2, |text| text.parse().expect("seconds")));
    std::fs::create_dir_all(&directory).unwrap();
    let open = || {
        let begin = Instant::now();
        let path = directory.join("log");
        let (log, recovered) =
            Log::<Entry>::open(Arc::new(RealDisk), &path, StoreId([1; 16]), LogOptions::default()).unwrap();
        let size_on_disk_bytes = log.size_on_disk_bytes();
        println!(
            "open: {:.1?}, {} entries, {size_on_disk_bytes} bytes",
            begin.elapsed(),
            recovered.entry_count
        );
        log
    };
    let log = open();
    let next = Arc::new(Mutex::new(0));
    for _ in 0..3 {
        floor(&directory, 300, limit);
        for appender_count in [1, 16, 128] {
            appenders(&log, &next, appender_count, limit);
        }
    }
    log.close().unwrap();
    drop(open());
    std::fs::remove_dir_all(&directory).unwrap();
}
