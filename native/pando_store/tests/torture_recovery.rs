//! Failures of the disk while a store recovers from a crash: each operation of an opening fails in turn and in every way, after
//! kills and power cuts at the moments that leave most to do. What was acknowledged before, and what is acknowledged
//! afterwards, is there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "store_support/attempts.rs"]
mod attempts;
mod store_support;
mod support;
mod torture_support;

use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pando_store::disk::{Cache, Effect, Fault, MemoryDisk, Operation};
use store_support::*;
use torture_support::is_whole;
use torture_support::script::{Tree, torture_options, tree_of};

/// Threads that recover stores; most of the time they wait.
const RECOVERIES_AT_ONCE: usize = 4;
/// Failed runs after which no more are made.
const FAILURES_MAX: usize = 8;
/// Writes of the life before the crash.
const WRITES: usize = 24;
/// Among other tests every so-manieth failing sync is tried.
const STRIDE: u64 = 31;
/// And of other failures fewer, always.
const STRIDE_OF_OTHERS: u64 = 7;

/// What a crash has left, and how many writes were acknowledged before it.
struct Crash {
    disk: MemoryDisk,
    acknowledged: usize,
    what: String,
}

fn name(number: usize) -> String {
    format!("n{number}")
}

/// Large enough for torn writes of several sectors, and for several segments and snapshots.
fn write(store: &TestStore, number: usize) -> Result<(), String> {
    run(store, put(&[&name(number)], &"x".repeat(1_300))).map_err(|error| error.to_string())
}

/// Crashes right before each sync of the log, of a snapshot and of their directories: killed; cut off with all and with every
/// second of the pieces that were not synced.
fn crashes() -> Vec<Crash> {
    let disk = MemoryDisk::new();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let crashes: Arc<Mutex<Vec<Crash>>> = Arc::default();
    let (taken, so_far) = (crashes.clone(), acknowledged.clone());
    disk.on_operation(move |disk, moment| {
        let is_sync =
            matches!(moment.operation, Operation::SyncData | Operation::SyncAll | Operation::SyncDir);
        if moment.is_after || !is_sync {
            return;
        }
        // Before the image: what is acknowledged meanwhile may be in it.
        let acknowledged = so_far.load(Ordering::SeqCst);
        let images = [
            ("killed", disk.after_kill()),
            ("cut off, all survived,", disk.after_power_cut(|_| true)),
            ("cut off, half survived,", disk.after_power_cut(|piece| piece % 2 == 1)),
        ];
        taken.lock().unwrap().extend(images.map(|(how, disk)| {
            let what = format!("{how} before {:?} of {}", moment.operation, moment.path.display());
            Crash { disk, acknowledged, what }
        }));
    });
    let store = try_open(&disk, torture_options(), &Arc::default()).unwrap();
    for number in 0..WRITES {
        write(&store, number).unwrap();
        acknowledged.store(number + 1, Ordering::SeqCst);
    }
    store.close();
    disk.unhook();
    std::mem::take(&mut *crashes.lock().unwrap())
}

/// All that was acknowledged, nothing that was never written, and of the one in between all or nothing.
fn check_tree(tree: &Tree, acknowledged: usize, later: &[&str], what: &str) -> Result<(), String> {
    let numbers = (0..WRITES).take_while(|number| tree.contains_key(&name(*number))).count();
    let is_whole = (0..numbers).all(|number| tree[&name(number)].ends_with(&"x".repeat(1_300)));
    let has_later = later.iter().all(|name| tree.contains_key(*name));
    let has_more = (numbers..WRITES).any(|number| tree.contains_key(&name(number)));
    if numbers < acknowledged || numbers > acknowledged + 1 || !is_whole || !has_later || has_more {
        let names: Vec<_> = tree.keys().collect();
        return Err(format!("{what}: {names:?}, but {acknowledged} and {later:?} were acknowledged"));
    }
    Ok(())
}

fn check_image(disk: &MemoryDisk, acknowledged: usize, later: &[&str], what: &str) -> Result<(), String> {
    let store = try_open(disk, torture_options(), &Arc::default())
        .map_err(|error| format!("{what} does not open: {error}"))?;
    let checked = check_tree(&tree_of(&store), acknowledged, later, what);
    store.close();
    checked
}

/// Opens what a crash has left on a disk that fails, then again when it is well, writes, and cuts the power.
fn recover(crash: &Crash, fault: Fault) -> Result<bool, String> {
    let (disk, events) = (crash.disk.after_kill(), Arc::new(Events::default()));
    disk.fail(fault);
    let mut later = Vec::new();
    let opened = try_open(&disk, torture_options(), &events);
    let was_refused = opened.is_err();
    if let Ok(store) = opened {
        if run(&store, put(&["during"], "it")).is_ok() {
            later.push("during");
        }
        check_image(&disk.after_power_cut(|_| false), crash.acknowledged, &later, "cut off while it failed")?;
        store.close();
    }
    check_image(&disk.after_power_cut(|_| false), crash.acknowledged, &later, "cut off after the failure")?;
    check_image(&disk.after_kill(), crash.acknowledged, &later, "killed after the failure")?;
    // The same machine, the same cache: only the process is another.
    disk.heal();
    let store = try_open(&disk, torture_options(), &events).map_err(|error| format!("not again: {error}"))?;
    check_tree(&tree_of(&store), crash.acknowledged, &later, "opened again")?;
    for name in ["later", "and later"] {
        run(&store, put(&[name], &"y".repeat(3_000))).map_err(|error| format!("{name}: {error}"))?;
        later.push(name);
        // Whatever was found at the opening counts by now.
        let found = (0..WRITES).take_while(|number| get(&store, &[&self::name(*number)]).is_some()).count();
        check_image(
            &disk.after_power_cut(|_| false),
            found.max(crash.acknowledged),
            &later,
            "cut off later",
        )?;
    }
    store.close();
    if let Some(panic) = events.halts.lock().unwrap().iter().find(|halt| halt.contains("panick")) {
        return Err(format!("something has panicked: {panic}"));
    }
    Ok(was_refused)
}

const SYNCS: &[Operation] = &[Operation::SyncData, Operation::SyncAll, Operation::SyncDir];

/// A way to fail: which operations are counted (of an empty list, all), with what, whether from there on.
type Manner = (&'static [Operation], ErrorKind, Effect, bool);

fn manners() -> Vec<Manner> {
    vec![
        (SYNCS, ErrorKind::Other, Effect::GivesUp(Cache::KeepsThem), false),
        (SYNCS, ErrorKind::Other, Effect::GivesUp(Cache::DropsThem), false),
        (SYNCS, ErrorKind::Other, Effect::GivesUp(Cache::KeepsThem), true),
        (&[Operation::Write], ErrorKind::Other, Effect::FirstBytes(1), false),
        (&[Operation::Write], ErrorKind::Other, Effect::FirstHalf, false),
        (&[], ErrorKind::Other, Effect::Nothing, false),
        (&[], ErrorKind::StorageFull, Effect::Nothing, true),
    ]
}

/// How many operations of each list an opening and one write have.
fn operations_of_a_recovery(crash: &Crash) -> Vec<u64> {
    let disk = crash.disk.after_kill();
    let store = try_open(&disk, torture_options(), &Arc::default()).unwrap();
    run(&store, put(&["during"], "it")).unwrap();
    let count = |(operations, ..): &Manner| match operations {
        [] => disk.operation_count(),
        some => some.iter().map(|operation| disk.count(*operation)).sum(),
    };
    let counts = manners().iter().map(count).collect();
    store.close();
    counts
}

#[test]
fn whichever_operation_fails_while_a_store_recovers_nothing_acknowledged_is_lost() {
    let crashes = crashes();
    let mut runs = Vec::new();
    for (number, crash) in crashes.iter().enumerate() {
        for (manner, count) in manners().into_iter().zip(operations_of_a_recovery(crash)) {
            let stride = match (is_whole(), manner.2) {
                // Syncs are few, and their failures the worst.
                (true, Effect::GivesUp(_)) => 1,
                (true, _) => STRIDE_OF_OTHERS,
                (false, Effect::GivesUp(_)) => STRIDE,
                (false, _) => STRIDE * STRIDE_OF_OTHERS,
            };
            // Each crash begins elsewhere, so that all together see every place.
            let first = 1 + number as u64 * 5 % stride;
            let numbers = (first..=count).step_by(usize::try_from(stride).unwrap());
            runs.extend(numbers.map(|failing| (crash, manner, failing)));
        }
    }
    let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some((crash, manner, failing)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if failures.lock().unwrap().len() >= FAILURES_MAX {
                return;
            }
            let (operations, kind, effect, goes_on) = *manner;
            match recover(crash, Fault::of_number(*failing, operations, goes_on, kind, effect)) {
                Ok(was_refused) => drop(refused.fetch_add(usize::from(was_refused), Ordering::Relaxed)),
                Err(reason) => {
                    failures.lock().unwrap().push(format!("{}, {manner:?} {failing}: {reason}", crash.what));
                }
            }
        }
    };
    std::thread::scope(|scope| (0..RECOVERIES_AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let refused = refused.into_inner();
    println!(
        "torture_recovery: {} recoveries from {} crashes, {refused} openings refused",
        runs.len(),
        crashes.len()
    );
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(refused > 0 && refused < runs.len(), "{refused} of {}", runs.len());
}
