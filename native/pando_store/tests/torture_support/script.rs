//! A scripted life of a store: commands of every kind, snapshots, closing, reopening and a reset, and what a reader must
//! find after each command. One thread submits, so commands take effect in the order in which they are numbered: what
//! is found after a crash must be what is there after one of the commands that were under way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use pando_store::directory::{Identity, StoreDirectory, StoreId};
use pando_store::disk::MemoryDisk;
use pando_store::{Outcome, StoreError, StoreOptions};
use pando_tree::{Command, Name, Once, RequestId};

use crate::attempts::{Manner, Verdict, Way, transaction};
use crate::store_support::*;
use crate::torture_support::Random;

const SNAPSHOT_WAIT_MAX: Duration = Duration::from_millis(200);

/// What stands in the store: texts by name.
pub type Tree = BTreeMap<String, String>;

/// One command of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put(String, String),
    Delete(String),
    /// The same text under all names, or the removal of all.
    Together(Vec<String>, Option<String>),
    /// A put with a request id.
    Once(String, String, String),
    /// Everything is forgotten.
    Reset,
}

/// What the script does next.
#[derive(Clone, Debug)]
pub enum Step {
    /// One, and its answer is waited for.
    Run(Change),
    /// Several, before the first answer is waited for.
    Several(Vec<Change>),
    /// Until the newest snapshot is another one, if one is due.
    AwaitSnapshot,
    /// Closes, and opens again.
    Reopen,
    /// Closes, becomes a store that is founded anew, and opens again.
    Reset,
}

/// A script, and what is there after each of its commands.
pub struct Script {
    pub steps: Vec<Step>,
    pub changes: Vec<Change>,
    /// After so many commands.
    pub trees: Vec<Tree>,
    /// Requests that the store has seen after so many commands.
    pub requests: Vec<Vec<String>>,
}

pub fn torture_options() -> StoreOptions {
    StoreOptions {
        snapshot_log_bytes_min: 6 * 1024,
        segment_bytes_first: 16 * 1024,
        segment_bytes_max: 16 * 1024,
        ..options()
    }
}

/// What one command does.
pub fn apply(change: &Change, tree: &mut Tree, requests: &mut Vec<String>) {
    match change {
        Change::Put(name, text) => drop(tree.insert(name.clone(), text.clone())),
        Change::Delete(name) => drop(tree.remove(name)),
        Change::Together(names, Some(text)) => {
            tree.extend(names.iter().map(|name| (name.clone(), text.clone())));
        }
        Change::Together(names, None) => tree.retain(|name, _| !names.contains(name)),
        Change::Once(id, name, text) => {
            if !requests.contains(id) {
                requests.push(id.clone());
                tree.insert(name.clone(), text.clone());
            }
        }
        Change::Reset => {
            tree.clear();
            requests.clear();
        }
    }
}

fn text(number: usize, size_bytes: usize) -> String {
    let mut text = format!("value {number} ");
    while text.len() < size_bytes {
        text.push(char::from(b'a' + u8::try_from((number + text.len()) % 26).unwrap()));
    }
    text
}

impl Script {
    pub fn new(steps: Vec<Step>) -> Script {
        let mut changes = Vec::new();
        for step in &steps {
            match step {
                Step::Run(change) => changes.push(change.clone()),
                Step::Several(several) => changes.extend(several.iter().cloned()),
                Step::Reset => changes.push(Change::Reset),
                Step::AwaitSnapshot | Step::Reopen => {}
            }
        }
        let (mut tree, mut requests) = (Tree::new(), Vec::new());
        let (mut trees, mut requests_after) = (vec![tree.clone()], vec![requests.clone()]);
        for change in &changes {
            apply(change, &mut tree, &mut requests);
            trees.push(tree.clone());
            requests_after.push(requests.clone());
        }
        Script { steps, changes, trees, requests: requests_after }
    }

    /// A life of so many rounds, each with all kinds of commands, snapshots and a reopening; a reset before the last.
    pub fn life(seed: u64, rounds: usize, size_bytes_max: usize) -> Script {
        let mut random = Random::new(seed);
        let mut number = 0;
        let mut value = |random: &mut Random| {
            number += 1;
            let small = 8 + random.next() as usize % 200;
            // Mostly within a sector or two, now and then over many.
            let size_bytes = if number % 5 == 0 { size_bytes_max } else { small };
            text(number, size_bytes)
        };
        let group = || ["ta", "tb", "tc"].map(str::to_owned).to_vec();
        let mut steps = Vec::new();
        for round in 0..rounds {
            let mut put = |random: &mut Random| {
                let name = format!("n{}", random.next() % 8);
                Change::Put(name, value(random))
            };
            steps.push(Step::Run(put(&mut random)));
            steps.push(Step::Run(put(&mut random)));
            let several = (0..4).map(|_| put(&mut random)).collect();
            steps.push(Step::Several(several));
            steps.push(Step::Run(Change::Together(group(), Some(value(&mut random)))));
            steps.push(Step::Run(Change::Once(format!("r{round}"), "once".to_owned(), value(&mut random))));
            steps.push(Step::Run(Change::Delete(format!("n{}", random.next() % 8))));
            let mixed = vec![
                Change::Put("n1".to_owned(), value(&mut random)),
                Change::Once(format!("r{round}"), "once".to_owned(), value(&mut random)),
                Change::Delete("n2".to_owned()),
                Change::Put("n2".to_owned(), value(&mut random)),
            ];
            steps.push(Step::Several(mixed));
            if round % 2 == 1 {
                steps.push(Step::Run(Change::Together(group(), None)));
            }
            steps.push(Step::AwaitSnapshot);
            steps.push(Step::Run(Change::Put("n3".to_owned(), value(&mut random))));
            steps.push(Step::Reopen);
            steps.push(Step::Run(Change::Together(group(), Some(value(&mut random)))));
            if round + 2 == rounds {
                steps.push(Step::Reset);
            }
        }
        Script::new(steps)
    }
}

/// How far a script has come, for those who look at the disk meanwhile.
#[derive(Clone, Default)]
pub struct Progress {
    submitted: Arc<AtomicUsize>,
    acknowledged: Arc<AtomicUsize>,
}

impl Progress {
    /// To be asked before the disk is looked at.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// To be asked after the disk was looked at.
    pub fn submitted(&self) -> usize {
        self.submitted.load(Ordering::SeqCst)
    }

    pub fn submit(&self) {
        self.submitted.fetch_add(1, Ordering::SeqCst);
    }

    pub fn acknowledge(&self) {
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

/// A command on its way.
pub enum UnderWay {
    Waiting(Receiver<Outcome>),
    Done(Result<(), StoreError>),
}

impl UnderWay {
    pub fn wait(self) -> Result<(), StoreError> {
        match self {
            UnderWay::Waiting(answer) => answer.recv_timeout(WAIT_MAX).expect("an answer").map(|_| ()),
            UnderWay::Done(outcome) => outcome,
        }
    }
}

/// Submits a command.
pub fn begin(store: &TestStore, change: &Change) -> UnderWay {
    let command = match change {
        Change::Put(name, text) => put(&[name], text),
        Change::Delete(name) => Command::delete(steps(&[name])),
        Change::Once(id, name, text) => {
            let id = RequestId::new(id.as_bytes()).unwrap();
            Command::Once(Box::new(Once::new(id, put(&[name], text), None)))
        }
        Change::Together(names, text) => {
            let ended = transaction(store, &Manner::default(), &mut Way::default(), |open| {
                for name in names {
                    open.write(match text {
                        Some(text) => put(&[name], text),
                        None => Command::delete(steps(&[name])),
                    });
                }
                Verdict::Commit
            });
            return UnderWay::Done(ended.map(|_| ()));
        }
        Change::Reset => panic!("a reset is no command"),
    };
    match submit(store, command) {
        Ok(answer) => UnderWay::Waiting(answer),
        Err(error) => UnderWay::Done(Err(error)),
    }
}

pub fn reset(disk: &MemoryDisk) -> Result<(), String> {
    let mut directory = StoreDirectory::open(Arc::new(disk.clone()), Path::new(DIRECTORY), "a reset")
        .map_err(|error| error.to_string())?;
    // A member id of zero: a store that is being founded.
    directory.reset(Identity { store_id: StoreId([11; 16]), member_id: 0 }).map_err(|error| error.to_string())
}

/// Waits for the snapshot that may be under way: not for long, for it may not be due, or the disk may not take it.
pub fn await_snapshot(store: &TestStore) {
    let (begun, before) = (Instant::now(), store.status().snapshot_index);
    while store.status().snapshot_index == before
        && store.halt_reason().is_none()
        && begun.elapsed() < SNAPSHOT_WAIT_MAX
    {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Everything that stands in a store.
pub fn tree_of(store: &TestStore) -> Tree {
    let view = store.view();
    let root = view.state.lookup(&[]).expect("a root");
    let mut tree = Tree::new();
    for (name, node) in root.children().iter() {
        let text = node.payload().bytes().map(|bytes| String::from_utf8(bytes[6..].to_vec()).unwrap());
        assert_eq!(node.children().iter().count(), 0, "nothing has children");
        tree.insert(name_text(name), text.unwrap_or_default());
    }
    tree
}

fn name_text(name: &Name) -> String {
    String::from_utf8(name.bytes().to_vec()).unwrap()
}
