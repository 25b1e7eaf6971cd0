//! Power cuts and kills at every moment that matters: what was acknowledged is there, and nothing that never was.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use pando_store::disk::{Disk, MemoryDisk, Operation};
use pando_store::log::{Log, LogPosition};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use support::*;

/// What a reader of the log sees.
#[derive(Clone, PartialEq, Debug, Default)]
struct View {
    vote: Option<Vec<u8>>,
    purged: Option<LogPosition>,
    entries: Vec<TestEntry>,
}

#[derive(Clone)]
enum Step {
    Append(Vec<TestEntry>),
    Vote(&'static [u8]),
    TruncateAfter(u64),
    Purge(LogPosition),
}

impl Step {
    fn run(&self, log: &Log<TestEntry>) {
        match self.clone() {
            Step::Append(entries) => append(log, entries),
            Step::Vote(vote) => save_vote(log, vote),
            Step::TruncateAfter(last) => truncate_after(log, Some(last)),
            Step::Purge(upto) => purge(log, upto),
        }
        .unwrap();
    }

    fn change(&self, view: &mut View) {
        match self.clone() {
            Step::Append(entries) => view.entries.extend(entries),
            Step::Vote(vote) => view.vote = Some(vote.to_vec()),
            Step::TruncateAfter(last) => view.entries.retain(|entry| entry.position.index <= last),
            Step::Purge(upto) => {
                view.purged = Some(upto);
                view.entries.retain(|entry| entry.position.index > upto.index);
            }
        }
    }
}

/// A short life: votes, appends that roll over segments, an oversized entry, a truncation, a purge that unlinks.
fn life() -> Vec<Step> {
    vec![
        Step::Vote(b"term 1"),
        Step::Append(entries(1, 0..1, 30)),
        Step::Append(entries(1, 1..4, 400)),
        Step::Append(entries(1, 4..14, 1000)),
        Step::TruncateAfter(9),
        Step::Vote(b"term 2"),
        Step::Append(entries(2, 10..16, 1100)),
        Step::Append(entries(2, 16..17, 18_000)),
        Step::Append(entries(2, 17..19, 900)),
        Step::Purge(at(1, 9)),
        Step::Append(entries(2, 19..22, 600)),
        Step::Purge(at(2, 18)),
        Step::Append(entries(2, 22..23, 77)),
    ]
}

/// `views[n]` is what is seen after n steps.
fn views(steps: &[Step]) -> Vec<View> {
    let mut view = View::default();
    let mut views = vec![view.clone()];
    for step in steps {
        step.change(&mut view);
        views.push(view.clone());
    }
    views
}

fn view_of(disk: &MemoryDisk) -> (Log<TestEntry>, View) {
    let (log, recovered) = open(disk);
    let entries = read_all(&log);
    (log, View { vote: recovered.vote, purged: recovered.purged, entries })
}

/// Ways to keep a part of n unsynced sectors: none, all, each alone, all but each, every prefix.
fn torn_variants(count: usize) -> Vec<HashSet<usize>> {
    let all: HashSet<usize> = (0..count).collect();
    let mut variants = vec![HashSet::new(), all.clone()];
    for sector in 0..count {
        variants.push(HashSet::from([sector]));
        variants.push(all.iter().copied().filter(|other| *other != sector).collect());
        variants.push((0..sector).collect());
    }
    variants
}

#[test]
fn a_power_cut_at_any_sync_with_any_torn_write_loses_nothing_that_was_acknowledged() {
    let steps = life();
    let views = views(&steps);
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    let (begun, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let cuts = Arc::new(Mutex::new(Vec::new()));
    disk.before_sync({
        let (begun, done, cuts) = (begun.clone(), done.clone(), cuts.clone());
        move |disk| {
            let done_before = done.load(Ordering::SeqCst);
            let images: Vec<_> = torn_variants(disk.unsynced_sector_count().min(48))
                .into_iter()
                .map(|keep| disk.after_power_cut(|sector| keep.contains(&sector)))
                .collect();
            let begun_after = begun.load(Ordering::SeqCst);
            cuts.lock().unwrap().push((done_before, begun_after, images));
        }
    });
    for step in &steps {
        begun.fetch_add(1, Ordering::SeqCst);
        step.run(&log);
        done.fetch_add(1, Ordering::SeqCst);
    }
    log.close().unwrap();
    let cuts = std::mem::take(&mut *cuts.lock().unwrap());
    assert!(cuts.len() > steps.len(), "every step syncs at least once");
    let mut torn_count = 0;
    for (done, begun, images) in cuts {
        for image in images {
            let (log, recovered) = open(&image);
            let entries = read_all(&log);
            torn_count += usize::from(recovered.tail.is_some());
            let view = View { vote: recovered.vote, purged: recovered.purged, entries };
            let allowed = &views[done..=begun];
            assert!(allowed.contains(&view), "after {done} of {begun} steps: {view:?}");
            goes_on(log, &image, view);
        }
    }
    assert!(torn_count > 20, "the enumeration must reach torn batches, it reached {torn_count}");
}

/// The log takes entries after a crash, and they survive the next power cut.
fn goes_on(log: Log<TestEntry>, disk: &MemoryDisk, mut view: View) {
    let next = log.state().last.map_or(0, |last| last.index + 1);
    let more = entries(9, next..next + 2, 700);
    append(&log, more.clone()).unwrap();
    view.entries.extend(more);
    let image = disk.after_power_cut(|_| false);
    drop(log);
    let (_log, after) = view_of(&image);
    assert_eq!(after, view);
}

#[test]
fn what_a_killed_process_had_written_but_not_synced_is_made_durable_by_opening() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..3, 100)).unwrap();
    let image = Arc::new(Mutex::new(None));
    let taken = image.clone();
    disk.before_sync(move |disk| {
        taken.lock().unwrap().get_or_insert_with(|| disk.after_kill());
    });
    append(&log, entries(1, 3..5, 100)).unwrap();
    let killed = image.lock().unwrap().take().unwrap();
    assert_eq!(
        view_of(&killed.after_power_cut(|_| false)).1.entries,
        entries(1, 0..3, 100),
        "not yet durable"
    );
    let (log, view) = view_of(&killed);
    assert_eq!(view.entries, entries(1, 0..5, 100));
    // Raft counts on them from now on.
    let cut = killed.after_power_cut(|_| false);
    drop(log);
    assert_eq!(view_of(&cut).1, view);
}

#[test]
fn a_torn_tail_is_cut_off_and_reported_and_the_log_goes_on() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..3, 100)).unwrap();
    let image = Arc::new(Mutex::new(None));
    let taken = image.clone();
    disk.before_sync(move |disk| {
        // All but the first sector of the batch, which held its header.
        taken.lock().unwrap().get_or_insert_with(|| disk.after_power_cut(|sector| sector > 0));
    });
    append(&log, entries(1, 3..6, 2000)).unwrap();
    let torn = image.lock().unwrap().take().unwrap();
    let (log, recovered) = open(&torn);
    let tail = recovered.tail.unwrap();
    assert_eq!((tail.path, recovered.last), (segment_path(1), Some(at(1, 2))));
    assert!((4096..5120).contains(&tail.offset), "{}", tail.offset);
    assert!(tail.size_bytes > 5000);
    append(&log, entries(1, 3..4, 10)).unwrap();
    log.close().unwrap();
    let (log, recovered) = open(&torn);
    assert_eq!(recovered.tail, None, "what was cut off is gone");
    assert_eq!(read_all(&log), [entries(1, 0..3, 100), entries(1, 3..4, 10)].concat());
}

#[test]
fn unlinking_that_a_crash_interrupted_is_completed_at_the_next_open() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    for index in 0..60 {
        append(&log, entries(1, index..index + 1, 1000)).unwrap();
    }
    disk.fail(pando_store::disk::Failure {
        operation: Operation::Remove,
        path_suffix: ".segment".to_owned(),
        after: 1,
        // Those after it could be removed: that would leave a gap.
        times: 1,
        kind: std::io::ErrorKind::PermissionDenied,
    });
    purge(&log, at(1, 55)).unwrap();
    log.close().unwrap();
    let image = disk.after_power_cut(|_| false);
    let (log, recovered) = open(&image);
    assert_eq!((recovered.purged, recovered.entry_count), (Some(at(1, 55)), 4));
    assert!(log.size_on_disk_bytes() <= 3 * 16 * 1024);
    assert_eq!(read_all(&log), entries(1, 56..60, 1000));
}

#[test]
fn a_purge_that_is_not_yet_durable_lets_go_of_no_segment() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    for index in 0..60 {
        append(&log, entries(1, index..index + 1, 1000)).unwrap();
    }
    let size_before = log.size_on_disk_bytes();
    let (gate_open, gate) = std::sync::mpsc::channel::<()>();
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let (hook_log, hook_sizes, gate) = (log.clone(), sizes.clone(), Mutex::new(gate));
    disk.before_sync(move |_| {
        if !std::thread::current().name().is_some_and(|name| name.ends_with("-log")) {
            return;
        }
        let _ = gate.lock().unwrap().recv();
        hook_sizes.lock().unwrap().push(hook_log.size_on_disk_bytes());
    });
    let (first, first_outcome) = durable();
    log.purge(at(1, 2), first).unwrap();
    while disk.unsynced_sector_count() == 0 {
        std::thread::yield_now();
    }
    // The writer stands in the sync of the first purge, which frees no segment.
    let (second, second_outcome) = durable();
    log.purge(at(1, 50), second).unwrap();
    drop(gate_open);
    wait(first_outcome).unwrap();
    wait(second_outcome).unwrap();
    disk.before_sync(|_| {});
    assert_eq!(
        *sizes.lock().unwrap(),
        [size_before, size_before],
        "at the sync of the first and of the second"
    );
    assert!(log.size_on_disk_bytes() < size_before);
}

#[test]
fn each_unlinking_is_durable_before_the_next_so_that_no_gap_can_appear() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    for index in 0..60 {
        append(&log, entries(1, index..index + 1, 1000)).unwrap();
    }
    purge(&log, at(1, 55)).unwrap();
    while Disk::kind(&disk, &segment_path(2)).unwrap().is_some() {
        std::thread::yield_now();
    }
    let image = disk.after_power_cut(|_| false);
    assert_eq!(Disk::kind(&image, &segment_path(1)).unwrap(), None);
    assert_eq!(view_of(&image).1.entries, entries(1, 56..60, 1000));
}

#[test]
fn a_segment_whose_name_was_not_yet_durable_is_made_so_by_opening() {
    let disk = MemoryDisk::new();
    disk.fail(pando_store::disk::Failure {
        operation: Operation::SyncDir,
        path_suffix: "/log".to_owned(),
        after: 0,
        times: 1,
        kind: std::io::ErrorKind::Other,
    });
    assert!(open_with(&disk, small()).is_err());
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..3, 100)).unwrap();
    assert_eq!(view_of(&disk.after_power_cut(|_| false)).1.entries, entries(1, 0..3, 100));
}
