//! Every n-th operation of the disk fails, for every n and in every way, once or from there on: nothing is acknowledged
//! that is not durable, the store refuses or halts with an error that tells the truth, and opens again.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "store_support/attempts.rs"]
mod attempts;
mod store_support;
mod support;
mod torture_support;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pando_store::disk::{Cache, Effect, Fault, MemoryDisk, Operation};
use pando_store::{OutcomeKnown, StoreError};
use store_support::*;
use torture_support::is_whole;
use torture_support::script::*;

/// Threads that live scripts; most of the time they wait.
const LIVES_AT_ONCE: usize = 4;
/// Failed runs after which no more are made.
const FAILURES_MAX: usize = 8;
/// Longest wait for the end of a life; one that takes longer hangs.
const LIFE_MAX: Duration = Duration::from_secs(100);
/// Among other tests only every so-manieth operation fails.
const STRIDE: u64 = 61;
const STRIDE_OF_SYNCS: u64 = 11;

const SYNCS: &[Operation] = &[Operation::SyncData, Operation::SyncAll, Operation::SyncDir];
const WRITES: &[Operation] = &[Operation::Write];

/// A way to fail.
#[derive(Clone, Debug)]
struct Manner {
    /// Which are counted; of an empty list, all.
    operations: &'static [Operation],
    kind: ErrorKind,
    effect: Effect,
    goes_on: bool,
}

fn manners() -> Vec<Manner> {
    let mut manners = Vec::new();
    for goes_on in [false, true] {
        for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
            manners.push(Manner { operations: &[], kind, effect: Effect::Nothing, goes_on });
            for effect in [Effect::FirstBytes(1), Effect::FirstBytes(512), Effect::FirstHalf] {
                manners.push(Manner { operations: WRITES, kind, effect, goes_on });
            }
        }
        for cache in [Cache::KeepsThem, Cache::DropsThem] {
            let effect = Effect::GivesUp(cache);
            manners.push(Manner { operations: SYNCS, kind: ErrorKind::Other, effect, goes_on });
        }
        let effect = Effect::Everything;
        manners.push(Manner { operations: &[], kind: ErrorKind::Other, effect, goes_on });
    }
    manners
}

/// What its caller was told of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Applied,
    NotApplied,
    Unknown,
}

/// What became of a life on a failing disk.
#[derive(Default)]
struct Life {
    told: Vec<(Change, Told)>,
    halts: Vec<String>,
    errors: BTreeMap<String, usize>,
    openings_failed: usize,
}

impl Life {
    fn note(&mut self, change: &Change, outcome: Result<(), StoreError>) {
        let told = match outcome {
            Ok(()) => Told::Applied,
            Err(error) => {
                let text = format!("{error:?}");
                let word = text.split(['(', ' ']).next().unwrap_or_default().to_owned();
                *self.errors.entry(word).or_insert(0) += 1;
                match error.outcome() {
                    OutcomeKnown::NotApplied => Told::NotApplied,
                    OutcomeKnown::Unknown => Told::Unknown,
                }
            }
        };
        self.told.push((change.clone(), told));
    }

    /// Every tree that may be found.
    fn possible(&self) -> Vec<Tree> {
        let mut trees = vec![(Tree::new(), Vec::new())];
        for (change, told) in &self.told {
            let mut with = trees.clone();
            with.iter_mut().for_each(|(tree, requests)| apply(change, tree, requests));
            match told {
                Told::Applied => trees = with,
                Told::NotApplied => {}
                Told::Unknown => {
                    trees.extend(with);
                    trees.sort();
                    trees.dedup();
                }
            }
        }
        trees.into_iter().map(|(tree, _)| tree).collect()
    }

    /// Lives as much of the script as the disk allows.
    fn live(
        disk: &MemoryDisk,
        script: &Script,
        events: &Arc<Events>,
    ) -> Result<(Life, Option<TestStore>), String> {
        let mut life = Life::default();
        // One failure may keep it from opening, and only one: then the next opening works, or none does any more.
        let open = |life: &mut Life| {
            (0..2).find_map(|_| {
                let opened = try_open(disk, torture_options(), events);
                life.openings_failed += usize::from(opened.is_err());
                opened.ok()
            })
        };
        let Some(mut store) = open(&mut life) else { return Ok((life, None)) };
        for step in &script.steps {
            match step {
                Step::Run(change) => life.note(change, begin(&store, change).wait()),
                Step::Several(changes) => {
                    let under_way: Vec<_> = changes.iter().map(|change| begin(&store, change)).collect();
                    for (change, one) in changes.iter().zip(under_way) {
                        life.note(change, one.wait());
                    }
                }
                Step::AwaitSnapshot => await_snapshot(&store),
                Step::Reopen => {
                    store.close();
                    match open(&mut life) {
                        Some(opened) => store = opened,
                        None => return Ok((life, None)),
                    }
                }
                Step::Reset => {
                    store.close();
                    if (0..2).any(|_| reset(disk).is_ok()) {
                        life.told.push((Change::Reset, Told::Applied));
                    } else {
                        life.told.push((Change::Reset, Told::Unknown));
                        return Ok((life, None));
                    }
                    match open(&mut life) {
                        Some(opened) => store = opened,
                        None => return Ok((life, None)),
                    }
                }
            }
        }
        Ok((life, Some(store)))
    }
}

fn check_image(disk: &MemoryDisk, possible: &[Tree], what: &str) -> Result<(), String> {
    let store = try_open(disk, torture_options(), &Arc::default())
        .map_err(|error| format!("{what} does not open: {error}"))?;
    let found = tree_of(&store);
    if !possible.contains(&found) {
        let names: Vec<_> =
            found.iter().map(|(name, text)| format!("{name}: {}", &text[..text.len().min(10)])).collect();
        return Err(format!("{what} holds {names:?}, which is none of {} possible", possible.len()));
    }
    run(&store, put(&["after"], "it")).map_err(|error| format!("{what} takes no write: {error}"))?;
    store.close();
    let store = try_open(disk, torture_options(), &Arc::default())
        .map_err(|error| format!("{what} does not open a second time: {error}"))?;
    let mut expected = found;
    expected.insert("after".to_owned(), "it".to_owned());
    if tree_of(&store) != expected {
        return Err(format!("{what} has changed when it is opened again"));
    }
    store.close();
    Ok(())
}

/// One life with one failure, and what is left of it.
fn fail_once(script: &Script, fault: Fault) -> Result<Life, String> {
    let (disk, events) = (MemoryDisk::new(), Arc::new(Events::default()));
    disk.fail(fault);
    let begun = Instant::now();
    let (mut life, store) = Life::live(&disk, script, &events)?;
    let mut last_change = None;
    let images = vec![
        ("a power cut that lost all unsynced", disk.after_power_cut(|_| false)),
        ("a power cut that lost nothing", disk.after_power_cut(|_| true)),
        ("a power cut that kept every second", disk.after_power_cut(|piece| piece % 2 == 0)),
        ("a kill", disk.after_kill()),
    ];
    if let Some(store) = &store {
        let found = tree_of(store);
        if store.halt_reason().is_none() && !life.possible().contains(&found) {
            return Err(format!("the store itself shows something else than it said: {:?}", found.keys()));
        }
    }
    let is_running = store.as_ref().is_some_and(|store| store.halt_reason().is_none());
    if let Some(store) = store {
        if is_running {
            disk.heal();
            let change = Change::Put("healed".to_owned(), "x".to_owned());
            while let Err(error) = begin(&store, &change).wait() {
                if begun.elapsed() > LIFE_MAX || store.halt_reason().is_some() {
                    return Err(format!("it does not recover when the disk does: {error}"));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            last_change = Some(change);
        }
        store.close();
    }
    let mut healed_images = vec![("a kill after closing", disk.after_kill())];
    healed_images.push(("a power cut after closing", disk.after_power_cut(|_| false)));
    life.halts = events.halts.lock().unwrap().clone();
    if let Some(panic) = life.halts.iter().find(|halt| halt.contains("panick")) {
        return Err(format!("something has panicked: {panic}"));
    }
    if begun.elapsed() > LIFE_MAX {
        return Err(format!("it took {:?}", begun.elapsed()));
    }
    let possible = life.possible();
    for (what, image) in &images {
        check_image(image, &possible, what)?;
    }
    life.told.extend(last_change.map(|change| (change, Told::Applied)));
    let possible = life.possible();
    for (what, image) in &healed_images {
        check_image(image, &possible, what)?;
    }
    disk.heal();
    check_image(&disk, &possible, "the disk itself, healed,")?;
    Ok(life)
}

/// How many operations of each list a life without failures has.
fn count(script: &Script, operations: &[Operation]) -> u64 {
    let disk = MemoryDisk::new();
    let (life, store) = Life::live(&disk, script, &Arc::default()).unwrap();
    assert!(life.told.iter().all(|(_, told)| *told == Told::Applied));
    store.unwrap().close();
    match operations {
        [] => disk.operation_count(),
        some => some.iter().map(|operation| disk.count(*operation)).sum(),
    }
}

#[test]
fn whichever_operation_fails_nothing_acknowledged_is_lost_and_the_store_opens_again() {
    let begin = Instant::now();
    let script = Script::life(7, 2, 1_200);
    let mut runs = Vec::new();
    for (offset, manner) in (0..).zip(manners()) {
        let stride = match manner.effect {
            _ if is_whole() => 1,
            // Syncs are few, and their failures the worst.
            Effect::GivesUp(_) => STRIDE_OF_SYNCS,
            _ => STRIDE,
        };
        let last = count(&script, manner.operations);
        // Each manner begins elsewhere, so that all together see more places.
        let numbers = (1 + offset * 5 % stride..=last).step_by(usize::try_from(stride).unwrap());
        runs.extend(numbers.map(|number| (number, manner.clone())));
    }
    let next = AtomicUsize::new(0);
    let (failures, totals) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::<String, usize>::new()));
    let work = || {
        loop {
            let Some((number, manner)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            if failures.lock().unwrap().len() >= FAILURES_MAX {
                return;
            }
            let Manner { operations, kind, effect, goes_on } = manner.clone();
            match fail_once(&script, Fault::of_number(*number, operations, goes_on, kind, effect)) {
                Ok(life) => {
                    let mut totals = totals.lock().unwrap();
                    let mut add =
                        |what: &str, count: usize| *totals.entry(what.to_owned()).or_insert(0) += count;
                    add("halted", usize::from(!life.halts.is_empty()));
                    add("openings refused", life.openings_failed);
                    life.errors.iter().for_each(|(error, count)| add(error, *count));
                    for (_, told) in &life.told {
                        add(&format!("{told:?}"), 1);
                    }
                }
                Err(reason) => {
                    failures.lock().unwrap().push(format!("operation {number}, {manner:?}: {reason}"))
                }
            }
        }
    };
    std::thread::scope(|scope| (0..LIVES_AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    println!(
        "torture_failures: {} lives with a failure in {:?}: {:?}",
        runs.len(),
        begin.elapsed(),
        totals.into_inner().unwrap()
    );
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The system has marked as clean what it could not write, and shows it to the next process: a sync of that process
/// succeeds and brings nothing.
#[test]
fn what_a_failed_sync_gave_up_is_written_again_before_anything_is_built_on_it() {
    for cache in [Cache::KeepsThem, Cache::DropsThem] {
        let disk = MemoryDisk::new();
        let store = try_open(&disk, torture_options(), &Arc::default()).unwrap();
        run(&store, put(&["before"], "x")).unwrap();
        disk.fail(Fault::of_number(1, SYNCS, false, ErrorKind::Other, Effect::GivesUp(cache)));
        // Over many sectors: the last one is written again with what comes next.
        let outcome = run(&store, put(&["during"], &"x".repeat(6_000)));
        assert!(matches!(outcome, Err(StoreError::Halted(_) | StoreError::Closed)), "{outcome:?}");
        store.close();
        let store = try_open(&disk, torture_options(), &Arc::default()).unwrap();
        let seen = tree_of(&store);
        assert_eq!(seen.contains_key("during"), cache == Cache::KeepsThem);
        run(&store, put(&["after"], "x")).unwrap();
        let mut expected = seen;
        expected.insert("after".to_owned(), "x".to_owned());
        let image = disk.after_power_cut(|_| false);
        store.close();
        let store = try_open(&image, torture_options(), &Arc::default())
            .unwrap_or_else(|error| panic!("{cache:?}: {error}"));
        assert_eq!(tree_of(&store), expected, "{cache:?}");
        store.close();
    }
}

#[test]
fn a_store_opens_on_a_full_disk_and_serves_reads_and_takes_writes_when_there_is_room() {
    let disk = MemoryDisk::new();
    let store = try_open(&disk, torture_options(), &Arc::default()).unwrap();
    run(&store, put(&["kept"], "x")).unwrap();
    store.close();
    // Nothing that has to grow finds room.
    for suffix in ["LOCK", ".tmp"] {
        disk.fail(Fault {
            operations: vec![Operation::Write],
            path_suffix: suffix.to_owned(),
            after: 0,
            times: u64::MAX,
            kind: ErrorKind::StorageFull,
            effect: Effect::Nothing,
        });
    }
    let store = try_open(&disk, torture_options(), &Arc::default()).unwrap();
    assert_eq!(get(&store, &["kept"]), Some("x".to_owned()));
    let mut number = 0;
    let refused = loop {
        match run(&store, put(&["big"], &"z".repeat(2_000))) {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 100, "the disk never gets full");
    };
    assert!(matches!(refused, StoreError::DiskFull(_)), "{refused}");
    assert_eq!(get(&store, &["kept"]), Some("x".to_owned()));
    disk.heal();
    wait_until("writes are taken again", || run(&store, put(&["again"], "x")).is_ok());
    store.close();
}
