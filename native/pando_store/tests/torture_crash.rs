//! The power is cut, or the process killed, before and after every change of the disk in a scripted life of a store, and
//! of a log: in every variant of what survived it opens, holds what was acknowledged, and goes on.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "store_support/attempts.rs"]
mod attempts;
mod store_support;
mod support;
mod torture_support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use pando_store::disk::MemoryDisk;
use store_support::*;
use torture_support::images::*;
use torture_support::is_whole;
use torture_support::log_script::{LogScript, View};
use torture_support::script::*;

/// Images that a whole run has at least.
const IMAGES_MIN: usize = 50_000;
/// Of every so-manieth image the power is cut again after each of several writes, which go on into the next segment; of
/// images of a kill, where what was not durable is there, at least after one write.
const SECOND_CUT_EVERY: usize = 5;

/// Lives a script on a disk; every step must succeed.
fn live(disk: &MemoryDisk, script: &Script, points: &CrashPoints) {
    let progress = Progress::default();
    points.watch(disk, &progress);
    let open = || try_open(disk, torture_options(), &Arc::default()).unwrap();
    let mut store = open();
    for step in &script.steps {
        match step {
            Step::Run(change) => {
                progress.submit();
                begin(&store, change).wait().unwrap();
                progress.acknowledge();
            }
            Step::Several(changes) => {
                let under_way: Vec<_> = changes
                    .iter()
                    .map(|change| {
                        progress.submit();
                        begin(&store, change)
                    })
                    .collect();
                for one in under_way {
                    one.wait().unwrap();
                    progress.acknowledge();
                }
            }
            Step::AwaitSnapshot => await_snapshot(&store),
            Step::Reopen => {
                store.close();
                store = open();
            }
            Step::Reset => {
                store.close();
                progress.submit();
                reset(disk).unwrap();
                progress.acknowledge();
                store = open();
            }
        }
        points.add(disk, &progress, "between steps");
    }
    store.close();
    points.add(disk, &progress, "after the end");
    disk.unhook();
}

/// Opens an image of a store: what must hold of it.
fn check_store(script: &Script, image: &Image, nests: bool, number: usize) -> Result<Seen, String> {
    let disk = image.disk.after_kill();
    let points = CrashPoints::default();
    if nests {
        points.watch(&disk, &image.progress());
    }
    let events = Arc::new(Events::default());
    let store =
        try_open(&disk, torture_options(), &events).map_err(|error| format!("it does not open: {error}"))?;
    disk.unhook();
    let found = tree_of(&store);
    let after = image
        .allows(|after| script.trees[after] == found)
        .map_err(|reason| format!("{reason}: found {}", brief(&found)))?;
    if let Some(id) = script.requests[after].first() {
        let again = Change::Once(id.clone(), "once".to_owned(), "sent again".to_owned());
        begin(&store, &again).wait().map_err(|error| format!("a request sent again: {error}"))?;
        if tree_of(&store) != found {
            return Err(format!("the request {id} was applied twice"));
        }
    }
    let mut expected = found;
    // Into the next segment, which the crash may have come over.
    let puts = if number.is_multiple_of(SECOND_CUT_EVERY) { 3 } else { 1 };
    for size_bytes in [10, 6_000, 6_000].into_iter().take(puts) {
        let text = "x".repeat(size_bytes);
        run(&store, put(&["after"], &text)).map_err(|error| format!("it takes no write: {error}"))?;
        expected.insert("after".to_owned(), text);
        if tree_of(&store) != expected {
            return Err(format!("after a write it holds {}", brief(&tree_of(&store))));
        }
        if puts == 1 && !image.is_of_kill {
            break;
        }
        let again = disk.after_power_cut(|_| false);
        let store = try_open(&again, torture_options(), &Arc::default())
            .map_err(|error| format!("it does not open a second time: {error}"))?;
        if tree_of(&store) != expected {
            return Err(format!("a second crash leaves {}", brief(&tree_of(&store))));
        }
        store.close();
    }
    store.close();
    let halts = events.halts.lock().unwrap();
    if !halts.is_empty() {
        return Err(format!("it has halted: {halts:?}"));
    }
    let torn_tail = events.notices.lock().unwrap().iter().any(|notice| notice.contains("cut off"));
    Ok(Seen { torn_tail, points: points.take() })
}

fn brief(tree: &Tree) -> String {
    let texts =
        tree.iter().map(|(name, text)| format!("{name}: {}", text.get(..12.min(text.len())).unwrap_or("?")));
    format!("{{{}}}", texts.collect::<Vec<_>>().join(", "))
}

fn enumerate_store(seed: u64, rounds: usize, size_bytes_max: usize, thoroughness: Thoroughness) -> Report {
    let script = Script::life(seed, rounds, size_bytes_max);
    let (disk, points) = (MemoryDisk::new(), CrashPoints::default());
    live(&disk, &script, &points);
    enumerate(&points.take(), thoroughness, seed, &|image, nests, number| {
        check_store(&script, image, nests, number)
    })
}

#[test]
fn a_store_survives_a_crash_at_any_moment_whatever_of_the_unsynced_survives() {
    let begin = Instant::now();
    let mut report = Report::default();
    if is_whole() {
        let thoroughness = Thoroughness {
            random_count: 12,
            opened_max: 30_000,
            nested_every: 10,
            nested_opened_max: 20_000,
        };
        for seed in 1.. {
            report.add(enumerate_store(seed, 4, 600 * usize::try_from(seed).unwrap(), thoroughness));
            println!("{} images so far", report.images);
            if !report.failures.is_empty() || report.images >= IMAGES_MIN && seed >= 5 {
                break;
            }
        }
    } else {
        let thoroughness =
            Thoroughness { random_count: 4, opened_max: 2_500, nested_every: 12, nested_opened_max: 1_000 };
        report.add(enumerate_store(1, 4, 1_500, thoroughness));
    }
    report.finish("torture_crash, stores", begin.elapsed());
    assert!(report.torn_tails > 0, "no torn tail was reached");
    if is_whole() {
        assert!(report.images >= IMAGES_MIN, "only {} images", report.images);
    }
    let kinds: BTreeSet<&str> = report.places.keys().map(String::as_str).collect();
    for place in
        ["after Remove segment", "after Rename snapshot/tmp", "after Remove RESET", "before SyncData segment"]
    {
        assert!(kinds.contains(place), "no crash {place}: {kinds:?}");
    }
}

/// Opens an image of a log: what must hold of it.
fn check_log(script: &LogScript, image: &Image, nests: bool, number: usize) -> Result<Seen, String> {
    let disk = image.disk.after_kill();
    let points = CrashPoints::default();
    if nests {
        points.watch(&disk, &image.progress());
    }
    let (log, recovered) =
        support::open_with(&disk, script.options()).map_err(|error| format!("it does not open: {error}"))?;
    disk.unhook();
    let mut found = View { vote: recovered.vote, purged: recovered.purged, entries: support::read_all(&log) };
    image
        .allows(|after| script.views[after] == found)
        .map_err(|reason| format!("{reason}: found {}", found.brief()))?;
    let last = recovered.last.map(|last| last.index);
    if recovered.committed.map(|committed| committed.index) > last {
        return Err(format!("{:?} is committed, but {last:?} is the last entry", recovered.committed));
    }
    let mut next = last.map_or(0, |last| last + 1);
    // Into the next segment, which the crash may have come over.
    let appends = if number.is_multiple_of(SECOND_CUT_EVERY) { 4 } else { 1 };
    for _ in 0..appends {
        let more = support::entries(1_000, next..next + 2, 1_900);
        support::append(&log, more.clone()).map_err(|error| format!("it takes no entries: {error}"))?;
        found.entries.extend(more);
        next += 2;
        if appends == 1 && !image.is_of_kill {
            break;
        }
        let again = disk.after_power_cut(|_| false);
        let (log, recovered) = support::open_with(&again, script.options())
            .map_err(|error| format!("it does not open a second time: {error}"))?;
        let after = View { vote: recovered.vote, purged: recovered.purged, entries: support::read_all(&log) };
        if after != found {
            return Err(format!("a second crash leaves {}", after.brief()));
        }
    }
    log.close().map_err(|error| format!("closing: {error}"))?;
    Ok(Seen { torn_tail: recovered.tail.is_some(), points: points.take() })
}

fn enumerate_log(seed: u64, step_count: usize, size_bytes_max: usize, thoroughness: Thoroughness) -> Report {
    let script = LogScript::new(seed, step_count, size_bytes_max);
    let (disk, points, progress) = (MemoryDisk::new(), CrashPoints::default(), Progress::default());
    points.watch(&disk, &progress);
    script.live(&disk, &progress, &mut |place| points.add(&disk, &progress, place));
    disk.unhook();
    enumerate(&points.take(), thoroughness, seed, &|image, nests, number| {
        check_log(&script, image, nests, number)
    })
}

#[test]
fn a_log_survives_a_crash_at_any_moment_whatever_of_the_unsynced_survives() {
    let begin = Instant::now();
    let mut report = Report::default();
    if is_whole() {
        let thoroughness = Thoroughness {
            random_count: 12,
            opened_max: 60_000,
            nested_every: 10,
            nested_opened_max: 30_000,
        };
        for seed in 1.. {
            report.add(enumerate_log(seed, 80, 800 * usize::try_from(seed).unwrap(), thoroughness));
            println!("{} images so far", report.images);
            if !report.failures.is_empty() || report.images >= IMAGES_MIN && seed >= 8 {
                break;
            }
        }
        assert!(report.images >= IMAGES_MIN || !report.failures.is_empty(), "only {} images", report.images);
    } else {
        let thoroughness =
            Thoroughness { random_count: 4, opened_max: 4_000, nested_every: 12, nested_opened_max: 1_500 };
        report.add(enumerate_log(1, 60, 2_000, thoroughness));
    }
    report.finish("torture_crash, logs", begin.elapsed());
    assert!(report.torn_tails > 0, "no torn tail was reached");
    let kinds: BTreeSet<&str> = report.places.keys().map(String::as_str).collect();
    for place in [
        "after Remove segment",
        "after Rename log/tmp",
        "before SyncData segment",
        "2nd: after Write segment",
    ] {
        assert!(kinds.contains(place), "no crash {place}: {kinds:?}");
    }
}
