//! Measures the tree: time per command and memory per node.
//!
//! `cargo run --release -p pando_tree --example measure_tree -- 100000` builds that many nodes
//! `[vhosts, <<"vhN">>, queues, <<"qI">>]` with payloads of 160 bytes, in ten virtual hosts. Linux only.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use pando_tree::{
    Answer, Command, Context, Name, Payload, Progress, Scan, State, Step, TreeBuilder, TreeRecords,
};

const PAYLOAD_SIZE_BYTES: usize = 160;
const VHOSTS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().nth(1).as_deref().unwrap_or("100000").parse()?;
    let empty_bytes = resident_bytes()?;
    let mut state = State::new();
    for index in 0..count {
        let context = context(&state);
        state.apply(&command(index, 1), &context);
    }
    println!("memory per node: {} bytes", (resident_bytes()? - empty_bytes) / count);
    drop(state);
    let (first, second) = (commands(count, 1), commands(count, 2));
    let mut state = State::new();
    apply(&mut state, "put, new node", &first);
    apply(&mut state, "put, other payload", &second);
    apply(&mut state, "put, same payload", &second);
    let copy = state.clone();
    apply(&mut state, "put while a copy is held", &first);
    drop(copy);

    let started = Instant::now();
    let mut found = 0;
    for command in &first {
        if let Command::Put { path, .. } = command {
            found += usize::from(black_box(state.resolve(path)).is_ok());
        }
    }
    per_item("resolve", started, found);

    let started = Instant::now();
    let mut scan = Scan::new(&state, vec![Step::AnyDescendant], false, None)?;
    let mut seen = 0;
    while let Some(found) = scan.next() {
        black_box(found);
        seen += 1;
    }
    per_item("scan **", started, seen);
    let started = Instant::now();
    let pattern = vec![Step::AnyDescendant, Step::Child(Name::atom("queues")), Step::AnyChild];
    let counted = match Scan::new(&state, pattern, false, None)?.count(u64::MAX) {
        Progress::Done(count) => count,
        Progress::More => 0,
    };
    per_item("count **/queues/*", started, counted as usize);

    let started = Instant::now();
    let (mut records, mut bytes, mut ends) = (TreeRecords::new(&state), Vec::new(), Vec::new());
    while records.next_into(&mut bytes) {
        ends.push(bytes.len());
    }
    per_item("write record", started, ends.len());
    drop(records);
    let started = Instant::now();
    let (mut builder, mut start) = (TreeBuilder::new(), 0);
    for end in ends {
        builder.push(bytes.get(start..end).unwrap_or_default())?;
        start = end;
    }
    let mut loaded = builder.finish(state.revision())?;
    per_item("load record", started, loaded.node_count() as usize);

    let started = Instant::now();
    let answer = loaded.apply(&Command::delete(vec![]), &context(&state));
    println!("delete of everything: {:?}, {:?}", started.elapsed(), answer);
    let detached = loaded.take_detached();
    let started = Instant::now();
    drop(detached);
    println!("freeing it: {:?}", started.elapsed());
    Ok(())
}

fn command(index: usize, version: u8) -> Command {
    let vhost = Name::binary(format!("vh{}", index % VHOSTS).as_bytes());
    let queue = Name::binary(format!("q{index}").as_bytes());
    let names = [Name::atom("vhosts"), vhost, Name::atom("queues"), queue];
    let mut payload = vec![version; PAYLOAD_SIZE_BYTES];
    // A binary in external term format.
    payload.splice(..6, [131, 109, 0, 0, 0, (PAYLOAD_SIZE_BYTES - 6) as u8]);
    Command::put(names.into_iter().map(Step::Child).collect(), Payload::Data(Arc::from(payload)))
}

fn commands(count: usize, version: u8) -> Vec<Command> {
    (0..count).map(|index| command(index, version)).collect()
}

fn context(state: &State) -> Context {
    Context { revision: state.revision() + 1, clock_ms: 0, is_as_predicted: true }
}

fn apply(state: &mut State, what: &str, commands: &[Command]) {
    let started = Instant::now();
    let done = commands.iter().filter(|command| {
        let context = context(state);
        state.apply(command, &context) == Answer::Done
    });
    let done = done.count();
    per_item(what, started, done);
}

fn per_item(what: &str, started: Instant, count: usize) {
    let elapsed = started.elapsed();
    println!("{what}: {} ns each, {count} in {elapsed:?}", elapsed.as_nanos() / count.max(1) as u128);
}

fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let resident = pages.split(' ').nth(1).ok_or("statm has no second field")?;
    Ok(resident.parse::<usize>()? * 4096)
}
