//! A scripted life of a log, with what a single member never does: truncations, entries of other terms, votes in between.

use pando_store::disk::MemoryDisk;
use pando_store::log::{Log, LogOptions, LogPosition};

use crate::support::*;
use crate::torture_support::Random;
use crate::torture_support::script::Progress;

/// What a reader of the log sees.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct View {
    pub vote: Option<Vec<u8>>,
    pub purged: Option<LogPosition>,
    pub entries: Vec<TestEntry>,
}

#[derive(Clone, Debug)]
enum Operation {
    Append(Vec<TestEntry>),
    Vote(Vec<u8>),
    TruncateAfter(u64),
    Purge(LogPosition),
}

enum Step {
    /// Asked for together, then waited for.
    Together(Vec<Operation>),
    /// Noted, not waited for.
    Committed(LogPosition),
    Reopen,
}

/// A script, and what is there after each of its operations.
pub struct LogScript {
    steps: Vec<Step>,
    /// After so many operations.
    pub views: Vec<View>,
}

impl View {
    pub fn brief(&self) -> String {
        let positions: Vec<_> = self
            .entries
            .iter()
            .map(|entry| format!("{}.{}", entry.position.term, entry.position.index))
            .collect();
        format!("vote {:?}, purged {:?}, entries {positions:?}", self.vote, self.purged)
    }

    fn change(&mut self, operation: &Operation) {
        match operation {
            Operation::Append(entries) => self.entries.extend(entries.iter().cloned()),
            Operation::Vote(vote) => self.vote = Some(vote.clone()),
            Operation::TruncateAfter(last) => self.entries.retain(|entry| entry.position.index <= *last),
            Operation::Purge(upto) => {
                self.purged = Some(*upto);
                self.entries.retain(|entry| entry.position.index > upto.index);
            }
        }
    }

    fn last(&self) -> Option<LogPosition> {
        self.entries.last().map(|entry| entry.position).or(self.purged)
    }
}

impl LogScript {
    pub fn new(seed: u64, step_count: usize, size_bytes_max: usize) -> LogScript {
        let mut random = Random::new(seed);
        let mut view = View::default();
        let (mut views, mut steps) = (vec![view.clone()], Vec::new());
        let (mut term, mut committed) = (1, None::<LogPosition>);
        for number in 0..step_count {
            let below = |random: &mut Random, limit: u64| random.next() % limit.max(1);
            match below(&mut random, 12) {
                0 => {
                    steps.push(Step::Reopen);
                    continue;
                }
                1 => {
                    if let Some(last) = view.last() {
                        committed = Some(last);
                        steps.push(Step::Committed(last));
                    }
                    continue;
                }
                _ => {}
            }
            let mut together = Vec::new();
            for _ in 0..=below(&mut random, 3) {
                let next = view.last().map_or(0, |last| last.index + 1);
                let operation = match below(&mut random, 10) {
                    0 => Operation::Vote(format!("vote {number}").into_bytes()),
                    1 | 2 if !view.entries.is_empty() => {
                        let first = view.entries[0].position.index;
                        let lowest = first.max(committed.map_or(0, |committed| committed.index));
                        term += 1;
                        Operation::TruncateAfter(lowest + below(&mut random, next - lowest))
                    }
                    3 if view.entries.len() > 2 => {
                        let place = below(&mut random, view.entries.len() as u64);
                        let upto = view.entries[usize::try_from(place).unwrap()].position;
                        committed = committed
                            .max(Some(upto))
                            .filter(|position| position.index >= upto.index)
                            .or(Some(upto));
                        Operation::Purge(upto)
                    }
                    kind => {
                        let size_bytes = match kind {
                            4 => size_bytes_max,
                            // More than a segment.
                            5 if number % 10 == 5 => 18_000,
                            _ => 20 + below(&mut random, 400) as usize,
                        };
                        let count = 1 + below(&mut random, 3);
                        Operation::Append(entries(term, next..next + count, size_bytes))
                    }
                };
                view.change(&operation);
                views.push(view.clone());
                together.push(operation);
            }
            steps.push(Step::Together(together));
        }
        LogScript { steps, views }
    }

    pub fn options(&self) -> LogOptions {
        LogOptions { segment_bytes_first: 12 * 1024, segment_bytes_max: 12 * 1024, ..small() }
    }

    /// Every operation must succeed.
    pub fn live(&self, disk: &MemoryDisk, progress: &Progress, between: &mut dyn FnMut(&str)) {
        let open = || open_with(disk, self.options()).unwrap().0;
        let mut log = open();
        for step in &self.steps {
            match step {
                Step::Together(operations) => {
                    let mut under_way = Vec::new();
                    for operation in operations {
                        progress.submit();
                        under_way.push(begin(&log, operation));
                    }
                    for outcome in under_way {
                        wait(outcome).unwrap();
                        progress.acknowledge();
                    }
                }
                Step::Committed(committed) => log.save_committed(Some(*committed)),
                Step::Reopen => {
                    log.close().unwrap();
                    log = open();
                }
            }
            between("between steps");
        }
        log.close().unwrap();
        between("after the end");
    }
}

fn begin(
    log: &Log<TestEntry>,
    operation: &Operation,
) -> std::sync::mpsc::Receiver<Result<(), pando_store::log::LogError>> {
    let (callback, outcome) = durable();
    let asked = match operation.clone() {
        Operation::Append(entries) => log.append(entries, callback),
        Operation::Vote(vote) => log.save_vote(vote, callback),
        Operation::TruncateAfter(last) => log.truncate_after(Some(last), callback),
        Operation::Purge(upto) => log.purge(upto, callback),
    };
    asked.unwrap();
    outcome
}
