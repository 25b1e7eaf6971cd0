//! Random programs of concurrent callers on one store, and the history that they make.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use pando_store::disk::MemoryDisk;
use pando_store::{OutcomeKnown, ProvokedThread, StoreError, StoreOptions};
use pando_tree::{
    Answer, Command, Extent, Name, OpenTransaction, Payload, PropsMask, Scope, State, Step, Wanted,
};

use crate::attempts::*;
use crate::history::{History, Key, Operation, Place, Step as Seen};
use crate::store_support::*;

/// What a run is made of.
#[derive(Clone)]
pub struct Run {
    pub seed: u64,
    pub callers: usize,
    pub operations: usize,
    /// Keys in each of the groups.
    pub keys: u8,
    pub groups: u8,
    pub snapshot_log_bytes_min: u64,
    /// How the store ends in the middle, to be opened again on the same disk.
    pub interruptions: Vec<Interruption>,
    pub manner: Manner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    Close,
    Panic(ProvokedThread),
}

/// What all the callers of a run went through.
#[derive(Default)]
pub struct Sum {
    pub way: Way,
    pub committed: usize,
    pub unknown: usize,
    pub has_snapshot: bool,
}

impl Sum {
    pub fn add(&mut self, other: &Sum) {
        self.committed += other.committed;
        self.unknown += other.unknown;
        self.has_snapshot |= other.has_snapshot;
        self.add_way(&other.way);
    }

    fn add_way(&mut self, way: &Way) {
        self.way.attempts += way.attempts;
        self.way.predicted += way.predicted;
        self.way.waits += way.waits;
        self.way.waits_given_up += way.waits_given_up;
        self.way.slow_commits += way.slow_commits;
        self.way.conflicts_early += way.conflicts_early;
        self.way.conflicts_applied.extend(&way.conflicts_applied);
    }
}

/// Numbers that depend on nothing but a seed (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// The group that holds what was counted in the others.
const COUNTS: u8 = 255;

fn path_of((group, key): Key) -> [String; 2] {
    [format!("g{group}"), format!("k{key}")]
}

fn names_of(key: Key) -> Vec<Name> {
    path_of(key).iter().map(|name| Name::binary(name.as_bytes())).collect()
}

fn steps_of(key: Key) -> Vec<Step> {
    names_of(key).into_iter().map(Step::Child).collect()
}

fn group_name(group: u8) -> Name {
    Name::binary(format!("g{group}").as_bytes())
}

fn value_in(payload: &Payload) -> Option<u64> {
    let text = std::str::from_utf8(&payload.bytes()?[6..]).unwrap();
    Some(text.parse().unwrap())
}

fn read_in(state: &State, key: Key) -> Option<u64> {
    state.lookup(&names_of(key)).and_then(|node| value_in(node.payload()))
}

fn count_in(state: &State, group: u8) -> usize {
    state.lookup(&[group_name(group)]).map_or(0, |node| {
        let children = node.children().iter();
        children.filter(|(_, child)| !child.payload().is_none()).count()
    })
}

/// All keys in a tree, with their values.
pub fn keys_in(state: &State) -> std::collections::BTreeMap<Key, u64> {
    let number = |name: &Name| std::str::from_utf8(&name.bytes()[1..]).unwrap().parse().unwrap();
    let mut keys = std::collections::BTreeMap::new();
    for (group, node) in state.root().children().iter() {
        for (key, child) in node.children().iter() {
            if let Some(value) = value_in(child.payload()) {
                keys.insert((number(group), number(key)), value);
            }
        }
    }
    keys
}

/// Inside a transaction: does a step and notes it.
struct Inside<'open> {
    open: &'open mut OpenTransaction,
    seen: Vec<Seen>,
}

impl Inside<'_> {
    fn read(&mut self, key: Key, by_steps: bool) -> Option<u64> {
        let node = if by_steps {
            self.open.resolve(&steps_of(key), PropsMask::PAYLOAD).ok().map(|found| found.node)
        } else {
            self.open.lookup(&names_of(key), Extent::Payload)
        };
        let value = node.and_then(|node| value_in(node.payload()));
        self.seen.push(Seen::Read(key, value));
        value
    }

    fn exists(&mut self, key: Key) -> bool {
        let exists = self.open.lookup(&names_of(key), Extent::Presence).is_some();
        self.seen.push(Seen::Exists(key, exists));
        exists
    }

    fn count(&mut self, group: u8) {
        self.open.note_pattern(&[Step::Child(group_name(group)), Step::AnyChild]);
        let count = count_in(self.open.state(), group);
        self.seen.push(Seen::Count(group, count));
    }

    fn write(&mut self, command: Command) -> Answer {
        let answer = self.open.write(command);
        assert!(!matches!(answer, Answer::Refused(_)), "{answer:?}");
        answer
    }

    fn put(&mut self, key: Key, value: u64) {
        self.write(Command::put(steps_of(key), data(&value.to_string())));
        self.seen.push(Seen::Put(key, value));
    }

    fn swap(&mut self, key: Key, value: u64) {
        let answer = self.write(swap(key, value));
        self.seen.push(Seen::Swap(key, value, swapped(&answer)));
    }

    fn delete(&mut self, key: Key) {
        self.write(Command::delete(steps_of(key)));
        self.seen.push(Seen::Delete(key));
    }

    fn delete_group(&mut self, group: u8, by_pattern: bool) {
        self.write(delete_group(group, by_pattern));
        self.seen.push(Seen::DeleteGroup(group));
    }
}

fn swap(key: Key, value: u64) -> Command {
    Command::Put {
        path: steps_of(key),
        scope: Scope::One,
        payload: data(&value.to_string()),
        keep_while: None,
        wanted: Some(Wanted { props: PropsMask::PAYLOAD, indirect_deletes: false }),
    }
}

/// What was there before.
fn swapped(answer: &Answer) -> Option<u64> {
    let Answer::Nodes(nodes) = answer else { panic!("a swap answered {answer:?}") };
    nodes.first().and_then(|(_, props)| props.payload.as_ref()).and_then(value_in)
}

fn delete_group(group: u8, by_pattern: bool) -> Command {
    let group = Step::Child(group_name(group));
    if by_pattern {
        Command::Delete { path: vec![group, Step::AnyChild], scope: Scope::Many, wanted: None }
    } else {
        Command::delete(vec![group])
    }
}

/// What the callers share.
struct World<'run> {
    run: &'run Run,
    disk: MemoryDisk,
    store: RwLock<Arc<TestStore>>,
    /// Goes up before the store ends: what was read from it later may be old.
    generation: AtomicU64,
    instant: AtomicU64,
    begun: AtomicU64,
}

impl World<'_> {
    fn now(&self) -> u64 {
        self.instant.fetch_add(1, Ordering::SeqCst)
    }

    fn options(&self) -> StoreOptions {
        let mut options = options();
        options.clock = Arc::new(pando_store::SystemClock);
        options.snapshot_log_bytes_min = self.run.snapshot_log_bytes_min;
        options
    }

    fn interrupt(&self, interruption: Interruption) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        let mut current = self.store.write().unwrap();
        if let Interruption::Panic(thread) = interruption {
            current.provoke_panic(thread);
            wait_until("the store has halted", || current.halt_reason().is_some());
        }
        current.close();
        *current = Arc::new(try_open(&self.disk, self.options(), &Arc::default()).unwrap());
        self.generation.fetch_add(1, Ordering::SeqCst);
    }
}

struct Performer<'world> {
    world: &'world World<'world>,
    number: usize,
    random: Random,
    next_value: u64,
    way: Way,
    operations: Vec<Operation>,
    committed: usize,
}

/// What an operation comes to: where it stands and what it saw.
type Done = Result<(Place, Vec<Seen>), (StoreError, Vec<Seen>)>;

impl Performer<'_> {
    fn perform(&mut self) {
        while self.world.begun.fetch_add(1, Ordering::SeqCst) < self.world.run.operations as u64 {
            let before = self.world.generation.load(Ordering::SeqCst);
            if before % 2 == 1 {
                // Until it is open again.
                drop(self.world.store.read().unwrap());
                std::thread::yield_now();
            }
            let (store, generation) = {
                let store = self.world.store.read().unwrap();
                (store.clone(), self.world.generation.load(Ordering::SeqCst))
            };
            let start = self.world.now();
            let done = self.one(&store);
            let mut end = self.world.now();
            let is_current = self.world.generation.load(Ordering::SeqCst) == generation;
            let (place, steps) = match done {
                // Maybe it was read from the store when that had ended.
                Ok((Place::After(_), _)) if !is_current => continue,
                Ok(done) => done,
                Err((error, steps)) => {
                    assert!(!is_current || error == StoreError::NotRunning, "{error}");
                    if error.outcome() == OutcomeKnown::NotApplied {
                        continue;
                    }
                    drop(store);
                    wait_until("the store is open again", || {
                        self.world.generation.load(Ordering::SeqCst) > (generation | 1)
                    });
                    end = self.world.now();
                    (Place::Unknown, steps)
                }
            };
            self.operations.push(Operation { caller: self.number, start, end, place, steps });
        }
    }

    fn key(&mut self) -> Key {
        let group = self.random.below(u64::from(self.world.run.groups));
        let key = self.random.below(u64::from(self.world.run.keys));
        (u8::try_from(group).unwrap(), u8::try_from(key).unwrap())
    }

    /// No two writes of a run have the same.
    fn value(&mut self) -> u64 {
        self.next_value += 1;
        self.next_value
    }

    fn one(&mut self, store: &TestStore) -> Done {
        match self.random.below(20) {
            0..=6 => self.read_modify_write(store),
            7 | 8 => self.count(store),
            9 | 10 => self.create(store),
            11 => self.delete(store),
            12 => self.delete_group(store),
            13 | 14 => self.only_read(store),
            15 => {
                let (key, value) = (self.key(), self.value());
                self.command(store, Command::put(steps_of(key), data(&value.to_string())), |_| {
                    Seen::Put(key, value)
                })
            }
            16 => {
                let (key, value) = (self.key(), self.value());
                self.command(store, swap(key, value), |answer| Seen::Swap(key, value, swapped(answer)))
            }
            17 => {
                let key = self.key();
                self.command(store, Command::delete(steps_of(key)), |_| Seen::Delete(key))
            }
            _ => {
                let view = store.view();
                let mut steps = Vec::new();
                for _ in 0..3 {
                    let key = self.key();
                    steps.push(Seen::Read(key, read_in(&view.state, key)));
                    steps.push(Seen::Count(key.0, count_in(&view.state, key.0)));
                }
                Ok((Place::After(view.state.revision()), steps))
            }
        }
    }

    fn command(&mut self, store: &TestStore, command: Command, seen: impl FnOnce(&Answer) -> Seen) -> Done {
        let wants = matches!(&command, Command::Put { wanted: Some(_), .. });
        let outcome = match submit(store, command) {
            Ok(answer) => answer.recv_timeout(WAIT_MAX).expect("an answer to a command"),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(applied) => {
                self.committed += 1;
                Ok((Place::Command(applied.revision), vec![seen(&applied.answer)]))
            }
            // What it would have answered nobody knows: what it does is the same without.
            Err(error) if wants => match seen(&Answer::Nodes(Vec::new())) {
                Seen::Swap(key, value, _) => Err((error, vec![Seen::Put(key, value)])),
                other => Err((error, vec![other])),
            },
            Err(error) => Err((error, vec![seen(&Answer::Done)])),
        }
    }

    fn transaction(
        &mut self,
        store: &TestStore,
        mut function: impl FnMut(&mut Inside<'_>) -> Verdict,
    ) -> Done {
        let mut seen = Vec::new();
        let ended = transaction(store, &self.world.run.manner, &mut self.way, |open| {
            let mut inside = Inside { open, seen: Vec::new() };
            let verdict = function(&mut inside);
            seen = inside.seen;
            verdict
        });
        match ended {
            Ok(Ended { revision, has_committed: true }) => {
                self.committed += 1;
                Ok((Place::Command(revision), seen))
            }
            Ok(Ended { revision, has_committed: false }) => {
                // What it wrote is gone, and so is what it read of that.
                let own = seen.iter().position(is_write).unwrap_or(seen.len());
                seen.truncate(own);
                Ok((Place::After(revision), seen))
            }
            Err(error) => Err((error, seen)),
        }
    }

    fn read_modify_write(&mut self, store: &TestStore) -> Done {
        let count = 1 + self.random.below(3);
        let changes: Vec<(Key, u64, u64)> =
            (0..count).map(|_| (self.key(), self.value(), self.random.below(8))).collect();
        let aborts = self.random.below(16) == 0;
        self.transaction(store, |inside| {
            for (key, value, how) in &changes {
                inside.read(*key, how % 2 == 0);
                if *how < 2 { inside.swap(*key, *value) } else { inside.put(*key, *value) }
            }
            // Its own writes.
            inside.read(changes[0].0, true);
            if aborts { Verdict::Abort } else { Verdict::Commit }
        })
    }

    fn count(&mut self, store: &TestStore) -> Done {
        let (group, value) = (self.key().0, self.value());
        self.transaction(store, |inside| {
            inside.count(group);
            inside.put((COUNTS, group), value);
            Verdict::Commit
        })
    }

    fn create(&mut self, store: &TestStore) -> Done {
        let (key, other, value) = (self.key(), self.key(), self.value());
        self.transaction(store, |inside| {
            if inside.exists(key) {
                inside.delete(key);
            } else {
                inside.put(key, value);
            }
            inside.read(other, false);
            Verdict::Commit
        })
    }

    fn delete(&mut self, store: &TestStore) -> Done {
        let (from, to) = (self.key(), self.key());
        let value = self.value();
        self.transaction(store, |inside| {
            if inside.read(from, false).is_some() {
                inside.delete(from);
                inside.put(to, value);
            }
            Verdict::Commit
        })
    }

    fn delete_group(&mut self, store: &TestStore) -> Done {
        let (group, other) = (self.key().0, self.key());
        let by_pattern = self.random.below(2) == 0;
        self.transaction(store, |inside| {
            inside.read(other, false);
            inside.delete_group(group, by_pattern);
            inside.count(group);
            Verdict::Commit
        })
    }

    fn only_read(&mut self, store: &TestStore) -> Done {
        let (first, second) = (self.key(), self.key());
        self.transaction(store, |inside| {
            inside.read(first, true);
            inside.exists(second);
            inside.count(second.0);
            Verdict::Commit
        })
    }
}

fn is_write(step: &Seen) -> bool {
    !matches!(step, Seen::Read(..) | Seen::Exists(..) | Seen::Count(..))
}

/// Runs all of it. The last operation of the history is a read of everything.
pub fn run_programs(run: &Run) -> (History, Sum) {
    let mut world = World {
        run,
        disk: MemoryDisk::new(),
        store: RwLock::new(Arc::new(open(&MemoryDisk::new()))),
        generation: AtomicU64::new(0),
        instant: AtomicU64::new(1),
        begun: AtomicU64::new(0),
    };
    world.store = RwLock::new(Arc::new(try_open(&world.disk, world.options(), &Arc::default()).unwrap()));
    let world = &world;
    let performers: Vec<Performer<'_>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..run.callers)
            .map(|number| {
                let mut performer = Performer {
                    world,
                    number,
                    random: Random::new(run.seed.wrapping_mul(1_000).wrapping_add(number as u64)),
                    next_value: (number as u64 + 1) << 32,
                    way: Way::default(),
                    operations: Vec::new(),
                    committed: 0,
                };
                scope.spawn(move || {
                    performer.perform();
                    performer
                })
            })
            .collect();
        let parts = run.interruptions.len() as u64 + 1;
        for (number, interruption) in (1..).zip(&run.interruptions) {
            let due = run.operations as u64 * number / parts;
            wait_until("it is time", || world.begun.load(Ordering::SeqCst) >= due);
            world.interrupt(*interruption);
        }
        threads.into_iter().map(|thread| thread.join().expect("a caller")).collect()
    });
    let store = world.store.read().unwrap();
    assert_eq!(store.status().transactions_in_line, 0, "seed {}", run.seed);
    // The last caller may have its answer a moment before its bytes are counted off.
    wait_until("nothing waits", || store.status().waiting_size_bytes == 0);
    let status = store.status();
    let mut sum = Sum { has_snapshot: status.snapshot_index.is_some(), ..Sum::default() };
    let mut history = History::default();
    for performer in performers {
        sum.add_way(&performer.way);
        sum.committed += performer.committed;
        history.operations.extend(performer.operations);
    }
    sum.unknown = history.operations.iter().filter(|operation| operation.place == Place::Unknown).count();
    history.without_effect.extend(&sum.way.conflicts_applied);
    let view = store.view();
    history.last_command = view.state.revision();
    store.close();
    let (start, end) = (world.now(), world.now());
    let mut steps: Vec<Seen> = Vec::new();
    let keys = keys_in(&view.state);
    for group in (0..run.groups).chain([COUNTS]) {
        let in_group = keys.keys().filter(|(of, _)| *of == group).count();
        steps.push(Seen::Count(group, in_group));
    }
    steps.extend(keys.into_iter().map(|(key, value)| Seen::Read(key, Some(value))));
    let place = Place::After(history.last_command);
    history.operations.push(Operation { caller: run.callers, start, end, place, steps });
    (history, sum)
}
