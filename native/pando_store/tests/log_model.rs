//! Random lives of a log, with kills and power cuts in the middle of writes, against a plain list of entries.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use pando_store::disk::MemoryDisk;
use pando_store::log::{Durable, Log, LogPosition};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::*;

#[derive(Clone, Debug)]
enum Step {
    Append {
        count: u64,
        size_bytes: usize,
    },
    Vote(u8),
    Committed,
    /// Of the entries that are there, how many hundredths stay.
    Truncate {
        kept_percent: u64,
    },
    /// Of the entries that are there, how many hundredths go; above 100 beyond the end.
    Purge {
        purged_percent: u64,
    },
    WaitForAll,
    Close,
    Kill,
    PowerCut {
        seed: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1u64..6, prop_oneof![9 => 0usize..3000, 1 => 3000usize..40_000])
            .prop_map(|(count, size_bytes)| Step::Append { count, size_bytes }),
        2 => any::<u8>().prop_map(Step::Vote),
        2 => Just(Step::Committed),
        2 => (0u64..=100).prop_map(|kept_percent| Step::Truncate { kept_percent }),
        2 => (0u64..=130).prop_map(|purged_percent| Step::Purge { purged_percent }),
        2 => Just(Step::WaitForAll),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        2 => any::<u64>().prop_map(|seed| Step::PowerCut { seed }),
    ]
}

#[derive(Clone, PartialEq, Debug, Default)]
struct View {
    vote: Option<Vec<u8>>,
    purged: Option<LogPosition>,
    entries: Vec<TestEntry>,
}

impl View {
    fn last(&self) -> Option<LogPosition> {
        self.entries.last().map(|entry| entry.position).or(self.purged)
    }

    /// The first index that the given share of the entries does not reach.
    fn index_after(&self, percent: u64) -> u64 {
        let first = self.entries.first().map_or_else(|| self.next(), |entry| entry.position.index);
        first + self.entries.len() as u64 * percent / 100 + percent.saturating_sub(100)
    }

    fn next(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }
}

/// A log under test, and what it should be: `views[n]` after n operations.
struct Life {
    disk: MemoryDisk,
    log: Log<TestEntry>,
    views: Vec<View>,
    done: Arc<AtomicUsize>,
    committed: Vec<Option<LogPosition>>,
    term: u64,
}

impl Life {
    fn begin(disk: MemoryDisk, view: View, term: u64) -> Life {
        let (log, recovered) = open(&disk);
        assert_eq!((recovered.last, recovered.entry_count), (view.last(), view.entries.len()));
        Life {
            disk,
            log,
            views: vec![view],
            done: Arc::default(),
            committed: vec![recovered.committed],
            term,
        }
    }

    fn view(&self) -> View {
        self.views.last().unwrap().clone()
    }

    fn durable(&self) -> Durable {
        let done = self.done.clone();
        Box::new(move |outcome| {
            outcome.unwrap();
            done.fetch_add(1, Ordering::SeqCst);
        })
    }

    fn run(mut self, step: Step) -> Life {
        let mut view = self.view();
        match step {
            Step::Append { count, size_bytes } => {
                let new = entries(self.term, view.next()..view.next() + count, size_bytes);
                self.log.append(new.clone(), self.durable()).unwrap();
                view.entries.extend(new);
            }
            Step::Vote(vote) => {
                self.log.save_vote(vec![vote], self.durable()).unwrap();
                view.vote = Some(vec![vote]);
            }
            Step::Truncate { kept_percent } => {
                let cut = view.index_after(kept_percent);
                let last = cut.checked_sub(1);
                self.log.truncate_after(last, self.durable()).unwrap();
                view.entries.retain(|entry| entry.position.index < cut);
                self.term += 1;
            }
            Step::Purge { purged_percent } => {
                let Some(upto) = view.index_after(purged_percent).checked_sub(1) else { return self };
                if view.last().is_none() || view.purged.is_some_and(|purged| purged.index >= upto) {
                    return self;
                }
                let known = view.entries.iter().find(|entry| entry.position.index == upto);
                let upto = known.map_or(at(self.term, upto), |entry| entry.position);
                self.log.purge(upto, self.durable()).unwrap();
                view.entries.retain(|entry| entry.position.index > upto.index);
                view.purged = Some(upto);
            }
            Step::Committed => {
                self.log.save_committed(view.last());
                self.committed.push(view.last());
                return self;
            }
            Step::WaitForAll => {
                append(&self.log, Vec::new()).unwrap();
                assert_eq!(self.done.load(Ordering::SeqCst), self.views.len() - 1);
                return self;
            }
            Step::Close => return self.close(),
            Step::Kill => return self.crash(MemoryDisk::after_kill),
            Step::PowerCut { seed } => {
                return self.crash(|disk| disk.after_power_cut(|sector| (seed >> (sector % 64)) & 1 == 1));
            }
        }
        self.views.push(view.clone());
        let state = self.log.state();
        assert_eq!((state.last, state.purged), (view.last(), view.purged));
        assert_eq!(read_all(&self.log), view.entries);
        self
    }

    fn close(self) -> Life {
        let (view, disk, committed) = (self.view(), self.disk.clone(), self.committed.last().copied());
        self.log.close().unwrap();
        let life = Life::begin(disk, view, self.term + 1);
        assert_eq!(life.committed.last().copied(), committed);
        life.check();
        life
    }

    fn crash(self, image_of: impl Fn(&MemoryDisk) -> MemoryDisk) -> Life {
        let done_before = self.done.load(Ordering::SeqCst);
        let image = image_of(&self.disk);
        let (log, recovered) = open(&image);
        let found = View { vote: log.vote(), purged: recovered.purged, entries: read_all(&log) };
        drop(log);
        let allowed = &self.views[done_before..];
        assert!(allowed.contains(&found), "none of {} views from {done_before}: {found:?}", self.views.len());
        assert!(self.committed.contains(&recovered.committed));
        Life::begin(image, found, self.term + 1)
    }

    fn check(&self) {
        assert_eq!((self.log.vote(), read_all(&self.log)), (self.view().vote, self.view().entries));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_life_ends_with_what_was_acknowledged(steps in prop::collection::vec(step(), 1..60)) {
        let life = steps.into_iter().fold(Life::begin(MemoryDisk::new(), View::default(), 1), Life::run);
        life.close().check();
    }
}
