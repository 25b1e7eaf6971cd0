//! How fast a store takes puts without the BEAM: one caller, then many at a time, beside the disk's floor.
//!
//! `cargo run --release -p pando_store --example store_bench [directory]`
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark ends at the first trouble")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use pando_store::disk::RealDisk;
use pando_store::log::{SEGMENT_BYTES_FIRST, SEGMENT_BYTES_MAX};
use pando_store::options::{QUEUED_COMMANDS_MAX, SNAPSHOT_LOG_BYTES_MIN};
use pando_store::{Outcome, Replies, Store, StoreEvents, StoreOptions, SystemClock, Ticket};
use pando_tree::{Command, Name, Payload, Step};

/// A caller that waits on a channel.
struct Caller(Sender<bool>);

impl Ticket for Caller {
    fn is_cancelled(&self) -> bool {
        false
    }

    fn dismiss(self) {}
}

struct Channels;

impl Replies<Caller> for Channels {
    fn deliver(&self, replies: Vec<(Caller, Outcome)>) {
        for (caller, outcome) in replies {
            let _ = caller.0.send(outcome.is_ok());
        }
    }
}

struct Events;

impl StoreEvents for Events {
    fn halted(&self, reason: &str) {
        eprintln!("halted: {reason}");
    }
    fn notice(&self, text: &str) {
        eprintln!("notice: {text}");
    }
}

fn put(number: u64) -> Command {
    Command::put(
        vec![
            Step::Child(Name::atom("vhosts")),
            Step::Child(Name::binary(format!("vh{}", number % 10).as_bytes())),
            Step::Child(Name::atom("queues")),
            Step::Child(Name::binary(format!("q{}", number / 10).as_bytes())),
        ],
        Payload::Data(vec![131; 160].into()),
    )
}

fn main() {
    let directory =
        std::env::args().nth(1).map_or_else(|| PathBuf::from("bench_data/store_bench"), PathBuf::from);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a directory");
    let options = StoreOptions {
        name: "bench".to_owned(),
        node_name: "nonode@nohost".to_owned(),
        holder: "store_bench".to_owned(),
        birth: pando_store::Birth::Found([7; 16]),
        transport: std::sync::Arc::new(pando_store::peers::NoTransport),
        priority: 0,
        incarnation: 1,
        clock: Arc::new(SystemClock),
        snapshot_log_bytes_min: SNAPSHOT_LOG_BYTES_MIN,
        queued_commands_max: QUEUED_COMMANDS_MAX,
        segment_bytes_first: SEGMENT_BYTES_FIRST,
        segment_bytes_max: SEGMENT_BYTES_MAX,
    };
    let begin = Instant::now();
    let store =
        Store::open(Arc::new(RealDisk), &directory, options.clone(), Arc::new(Channels), Arc::new(Events))
            .expect("opens");
    println!("open empty: {:?}", begin.elapsed());
    let (sender, receiver): (Sender<bool>, Receiver<bool>) = channel();
    let mut times: Vec<Duration> = (0..3_000u64)
        .map(|number| {
            let begin = Instant::now();
            store
                .submit(put(number % 10_000), Caller(sender.clone()))
                .map_err(|(_, error)| error)
                .expect("admitted");
            receiver.recv().expect("answered");
            begin.elapsed()
        })
        .collect();
    times.sort();
    println!("1 caller: p50 {:?}, p99 {:?}", times[1_500], times[2_970]);
    for callers in [16u64, 128, 1_024] {
        let begin = Instant::now();
        let mut answered = 0u64;
        for number in 0..callers {
            store.submit(put(number), Caller(sender.clone())).map_err(|(_, error)| error).expect("admitted");
        }
        while begin.elapsed() < Duration::from_secs(2) {
            receiver.recv().expect("answered");
            answered += 1;
            store
                .submit(put(answered % 10_000), Caller(sender.clone()))
                .map_err(|(_, error)| error)
                .expect("admitted");
        }
        println!("{callers} callers: {:.0}/s", answered as f64 / begin.elapsed().as_secs_f64());
        for _ in 0..callers {
            receiver.recv().expect("answered");
        }
    }
    println!("{:?}", store.status());
    let begin = Instant::now();
    store.close();
    println!("close: {:?}", begin.elapsed());
    drop(store);
    let begin = Instant::now();
    let store = Store::open(
        Arc::new(RealDisk),
        &directory,
        StoreOptions { incarnation: 2, ..options },
        Arc::new(Channels),
        Arc::new(Events),
    )
    .expect("opens");
    println!("open again: {:?}, {} nodes", begin.elapsed(), store.view().state.node_count());
    store.close();
}
