//! The last resort: looking at survivors of a cluster whose majority is gone, and making a new cluster of one of them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "tests"
)]

mod store_support;

use pando_store::batch::{Batch, Origin};
use pando_store::directory::{Identity, StoreDirectory, StoreId};
use pando_store::disk::{Access, Disk, Effect, Fault, MemoryDisk, Operation};
use pando_store::log::{Durable, Log, LogEntry, LogError, LogOptions, LogPosition};
use pando_store::recover::{
    NodeName, RecoverError, RecoverOptions, RecoveredBy, Recovery, Survivor, inspect, recover,
};
use pando_store::verify::{Verdict, verify, verify_all};
use pando_store::{Member, Membership, OpenTrouble, Role, StoreOptions};
use pando_tree::Command;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use store_support::*;

const OLD: StoreId = StoreId([9; 16]);
const NEW: StoreId = StoreId([5; 16]);
const MADE: &str = "/data/%recovering-stock";

/// An entry as it stands in the log.
#[derive(Clone, Debug)]
struct RawEntry {
    position: LogPosition,
    body: Vec<u8>,
}

impl LogEntry for RawEntry {
    fn position(&self) -> LogPosition {
        self.position
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.body);
    }
    fn decode(position: LogPosition, body: &[u8]) -> Result<RawEntry, String> {
        Ok(RawEntry { position, body: body.to_vec() })
    }
    fn size_bytes(&self) -> usize {
        self.body.len()
    }
}

fn members_entry(membership: &Membership) -> Vec<u8> {
    let mut body = vec![2];
    membership.encode(&mut body);
    body
}

fn commands_entry(commands: Vec<Command>) -> Vec<u8> {
    let origin = Origin { member_id: 2, incarnation: 77, first_sequence: 1 };
    let mut body = vec![1];
    Batch::new(origin, 0, commands, None).encode(&mut body);
    body
}

/// Voters 1, 2 and 3, and the observer 4.
fn of_three() -> Membership {
    let member = |id: u64, role| (id, Member { node_name: format!("n{id}@h"), role });
    let voters = (1..=3).map(|id| member(id, Role::Voter));
    let members: BTreeMap<_, _> = voters.chain([member(4, Role::Observer)]).collect();
    Membership { voter_sets: vec![BTreeSet::from([1, 2, 3])], members }
}

/// Works on the log of a store that is closed.
struct Writer {
    log: Log<RawEntry>,
}

impl Writer {
    fn open(disk: &MemoryDisk) -> Writer {
        let path = Path::new(DIRECTORY).join("log");
        let options = LogOptions { must_exist: true, ..LogOptions::default() };
        let (log, _) = Log::open(Arc::new(disk.clone()), &path, OLD, options).unwrap();
        Writer { log }
    }

    fn durably(begin: impl FnOnce(Durable) -> Result<(), LogError>) {
        let (sender, receiver) = std::sync::mpsc::channel();
        begin(Box::new(move |result| sender.send(result).unwrap())).unwrap();
        receiver.recv_timeout(WAIT_MAX).unwrap().unwrap();
    }

    fn append(&self, term: u64, body: Vec<u8>) -> LogPosition {
        let index = self.log.state().last.unwrap().index + 1;
        let position = LogPosition { term, node_id: 2, index };
        Writer::durably(|durable| self.log.append(vec![RawEntry { position, body }], durable));
        position
    }

    fn take_back_after(&self, index: u64) {
        Writer::durably(|durable| self.log.truncate_after(Some(index), durable));
    }

    /// As `docs/formats.md` has it.
    fn vote(&self, term: u64, member_id: u64, has_won: bool) {
        let vote = [&[1][..], &term.to_le_bytes(), &member_id.to_le_bytes(), &[u8::from(has_won)]].concat();
        Writer::durably(|durable| self.log.save_vote(vote, durable));
    }

    fn close(self) {
        self.log.close().unwrap();
    }
}

/// Member 1 of three: `a` is committed; behind the entry that made it three, `b` was taken back, and `c` came instead.
fn survivor() -> (MemoryDisk, LogPosition) {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    run(&store, put(&["a"], "1")).unwrap();
    store.close();
    let writer = Writer::open(&disk);
    writer.append(3, members_entry(&of_three()));
    let members_at = writer.log.state().last.unwrap().index;
    writer.append(3, commands_entry(vec![put(&["b"], "2")]));
    writer.take_back_after(members_at);
    let last = writer.append(4, commands_entry(vec![put(&["c"], "3")]));
    writer.vote(7, 2, true);
    writer.close();
    (disk, last)
}

fn to(cluster_id: StoreId) -> RecoverOptions {
    RecoverOptions {
        cluster_id,
        node: NodeName::Given("x@y".to_owned()),
        is_forced: false,
        holder: "a test".to_owned(),
    }
}

fn recovered(disk: &MemoryDisk, options: &RecoverOptions) -> Result<Recovery, RecoverError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    recover(&disk, Path::new(DIRECTORY), options, &mut |_, _, _| ControlFlow::Continue(()))
}

fn refusal(disk: &MemoryDisk, options: &RecoverOptions) -> &'static str {
    recovered(disk, options).map(|_| ()).unwrap_err().name()
}

fn look(disk: &MemoryDisk, directory: &str) -> Survivor {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    inspect(&disk, Path::new(directory), &mut |_, _, _| ControlFlow::Continue(())).unwrap()
}

fn verdict(disk: &MemoryDisk, directory: &Path) -> Verdict {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    verify(&disk, directory, &mut |_, _, _| ControlFlow::Continue(())).unwrap().verdict
}

/// Opens it, and gives the values of these paths.
fn values(disk: &MemoryDisk, paths: &[&str]) -> Vec<Option<String>> {
    let store = open(disk);
    let found = paths.iter().map(|path| get(&store, &[path])).collect();
    store.close();
    found
}

fn all() -> Vec<Option<String>> {
    vec![Some("1".to_owned()), None, Some("3".to_owned())]
}

#[test]
fn looking_at_a_survivor_tells_what_it_has() {
    let (disk, last) = survivor();
    let found = look(&disk, DIRECTORY);
    assert_eq!(found.report.verdict, Verdict::Sound, "{found:?}");
    let identity = found.identity.unwrap();
    assert_eq!((identity.store_id, identity.member_id), (OLD, 1));
    let contents = found.contents.unwrap();
    assert_eq!(contents.membership, Some(of_three()));
    assert_eq!(contents.last, Some(last));
    assert_eq!(contents.snapshot, None);
    assert!(contents.committed.is_some_and(|committed| committed.index < last.index), "{contents:?}");
    let vote = contents.vote.unwrap();
    assert_eq!((vote.term, vote.member_id, vote.has_won), (7, 2, true));
    // Nobody's, nothing.
    let found = look(&disk, "/data/other");
    assert_eq!((found.report.verdict, found.identity, found.contents), (Verdict::Absent, None, None));
}

#[test]
fn a_survivor_of_three_becomes_a_cluster_of_one_with_all_that_its_log_holds_and_the_old_files_are_kept() {
    let (disk, last) = survivor();
    let recovery = recovered(&disk, &to(NEW)).unwrap();
    assert_eq!((recovery.by, recovery.cluster_id, recovery.last), (RecoveredBy::ThisCall, NEW, Some(last)));
    assert_eq!(recovery.membership, Some(Membership::of_one(1, "x@y")));
    assert_eq!(verdict(&disk, Path::new(DIRECTORY)), Verdict::Sound);
    let store = open(&disk);
    assert_eq!(get(&store, &["c"]), Some("3".to_owned()));
    let status = store.status();
    assert_eq!((status.cluster_id, status.member_id), (NEW.0, 1));
    assert!(status.consensus.term > 7, "no term is used again: {status:?}");
    assert!(status.last_log_index > Some(last.index), "no index is used again: {status:?}");
    run(&store, put(&["d"], "4")).unwrap();
    store.close();
    assert_eq!(values(&disk, &["a", "b", "c", "d"]), [all(), vec![Some("4".to_owned())]].concat());
    assert_eq!(verdict(&disk, Path::new(DIRECTORY)), Verdict::Sound);
    // The old files are whole, and say what they said.
    let kept = look(&disk, recovery.kept.to_str().unwrap());
    assert_eq!((kept.report.verdict, kept.identity.unwrap().store_id), (Verdict::Sound, OLD));
    assert_eq!(kept.contents.unwrap().last, Some(last));
    assert_eq!(disk.list(Path::new("/data")).unwrap().len(), 2);
    // They are no store of the data directory.
    let as_disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let reports = verify_all(&as_disk, Path::new("/data"), &mut |_, _, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(reports.len(), 1);
}

#[test]
fn what_is_only_in_snapshots_is_recovered_with_what_came_after() {
    let disk = MemoryDisk::new();
    let small = StoreOptions {
        snapshot_log_bytes_min: 4 * 1024,
        segment_bytes_first: 32 * 1024,
        segment_bytes_max: 32 * 1024,
        ..options()
    };
    let store = try_open(&disk, small, &Arc::default()).unwrap();
    let mut number = 0;
    wait_until("the log was purged twice over", || {
        number += 1;
        run(&store, put(&["n", &number.to_string()], &"x".repeat(1_000))).unwrap();
        number > 200
            && !disk.list(&Path::new(DIRECTORY).join("log")).unwrap()[1].contains("0000000000000001.")
    });
    store.close();
    let writer = Writer::open(&disk);
    writer.append(3, members_entry(&of_three()));
    let last = writer.append(3, commands_entry(vec![put(&["c"], "3")]));
    writer.close();
    let found = look(&disk, DIRECTORY).contents.unwrap();
    assert_eq!(found.membership, Some(of_three()));
    assert!(found.snapshot.unwrap().index > 0 && found.committed.unwrap() >= found.snapshot.unwrap());
    let recovery = recovered(&disk, &to(NEW)).unwrap();
    assert_eq!(recovery.last, Some(last));
    let store = open(&disk);
    assert_eq!(get(&store, &["c"]), Some("3".to_owned()));
    for number in 1..=number {
        assert!(get(&store, &["n", &number.to_string()]).is_some(), "{number}");
    }
    store.close();
}

#[test]
fn what_must_not_be_recovered_is_refused_and_stays_as_it_was() {
    let nothing = MemoryDisk::new();
    assert_eq!(refusal(&nothing, &to(NEW)), "absent");
    assert_eq!(nothing.list(Path::new("/")).unwrap(), Vec::<String>::new());
    let (disk, _) = survivor();
    let store_directory =
        StoreDirectory::open(Arc::new(disk.clone()), Path::new(DIRECTORY), "somebody").unwrap();
    let error = recovered(&disk, &to(NEW)).unwrap_err();
    assert!(error.name() == "in_use" && error.to_string().contains("somebody"), "{error}");
    drop(store_directory);
    // One that needs nobody else.
    let single = MemoryDisk::new();
    let store = open(&single);
    run(&store, put(&["a"], "1")).unwrap();
    store.close();
    assert_eq!(refusal(&single, &to(NEW)), "only_voter");
    assert_eq!(values(&single, &["a"]), [Some("1".to_owned())]);
    let forced = RecoverOptions { is_forced: true, ..to(NEW) };
    assert_eq!(recovered(&single, &forced).unwrap().cluster_id, NEW);
    assert_eq!(values(&single, &["a"]), [Some("1".to_owned())]);
    // Damage that loses something, also if it is forced.
    let segment = Path::new(DIRECTORY).join("log/0000000000000001.segment");
    disk.flip_bits(&segment, 4096 + 40, 1).unwrap();
    for is_forced in [false, true] {
        let error = recovered(&disk, &RecoverOptions { is_forced, ..to(NEW) }).unwrap_err();
        assert!(error.name() == "damaged" && error.to_string().contains("offset 4096"), "{error}");
    }
    let found = look(&disk, DIRECTORY);
    assert_eq!((found.report.verdict, found.contents), (Verdict::Refused, None));
    assert_eq!(found.identity.unwrap().store_id, OLD);
    disk.flip_bits(&segment, 4096 + 40, 1).unwrap();
    assert_eq!(disk.list(Path::new("/data")).unwrap(), ["stock"]);
    assert_eq!(verdict(&disk, Path::new(DIRECTORY)), Verdict::Sound);
    recovered(&disk, &to(NEW)).unwrap();
    assert_eq!(values(&disk, &["a", "b", "c"]), all());
}

#[test]
fn damage_that_loses_nothing_is_recovered_if_it_is_forced() {
    let (disk, _) = survivor();
    let snapshots = Path::new(DIRECTORY).join("snapshot");
    disk.create(&snapshots.join("0000000000000001-0000000000000001.snapshot"))
        .unwrap()
        .write_all_at(&[1; 100], 0)
        .unwrap();
    let error = recovered(&disk, &to(NEW)).unwrap_err();
    assert!(error.name() == "damaged" && error.to_string().contains("forced"), "{error}");
    recovered(&disk, &RecoverOptions { is_forced: true, ..to(NEW) }).unwrap();
    assert_eq!(values(&disk, &["a", "b", "c"]), all());
}

#[test]
fn a_store_that_was_recovered_is_not_recovered_again() {
    let (disk, last) = survivor();
    let first = recovered(&disk, &to(NEW)).unwrap();
    let again = recovered(&disk, &to(StoreId([6; 16]))).unwrap();
    assert_eq!(again, Recovery { by: RecoveredBy::OneBefore, ..first.clone() });
    // Also when it has been used since.
    let store = open(&disk);
    run(&store, put(&["d"], "4")).unwrap();
    store.close();
    let again = recovered(&disk, &to(StoreId([6; 16]))).unwrap();
    assert!(
        again.by == RecoveredBy::OneBefore && again.cluster_id == NEW && again.last > Some(last),
        "{again:?}"
    );
    assert_eq!(values(&disk, &["a", "c", "d"]).iter().flatten().count(), 3);
}

#[test]
fn who_wants_no_more_of_it_has_changed_nothing() {
    let (disk, _) = survivor();
    let as_disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let run = |calls_max: usize| {
        let mut calls = 0;
        let ended = recover(&as_disk, Path::new(DIRECTORY), &to(NEW), &mut |_, _, _| {
            calls += 1;
            if calls == calls_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (ended, calls)
    };
    let mut stopped = 0;
    for calls_max in 1.. {
        match run(calls_max) {
            (Err(error), calls) => {
                assert_eq!((error.name(), calls), ("stopped", calls_max));
                assert_eq!(verdict(&disk, Path::new(DIRECTORY)), Verdict::Sound);
                assert_eq!(look(&disk, DIRECTORY).identity.unwrap().store_id, OLD);
                assert!(
                    disk.list(Path::new(MADE)).map_or(true, |names| !names.contains(&"IDENTITY".to_owned()))
                );
                stopped += 1;
            }
            (Ok(_), _) => break,
        }
    }
    assert!(stopped >= 3, "{stopped}");
    assert_eq!(values(&disk, &["a", "b", "c"]), all());
}

/// What a process may find after a crash: the old store, the new one, or none and what to do. Then a recovery brings it to
/// its end, and nothing is lost, neither of the old nor of the new.
fn check_after_crash(disk: &MemoryDisk, how: &str) -> &'static str {
    let directory = Path::new(DIRECTORY);
    let found = match disk.kind(directory).unwrap() {
        None => {
            let error = try_open(disk, options(), &Arc::default()).map(|_| ()).unwrap_err();
            assert_eq!(error.trouble(), OpenTrouble::RecoveryInterrupted, "{how}: {error}");
            assert!(error.to_string().contains(MADE), "{how}: {error}");
            assert_eq!(disk.kind(directory).unwrap(), None, "{how}: nothing was founded there");
            let as_disk: Arc<dyn Disk> = Arc::new(disk.clone());
            let reports =
                verify_all(&as_disk, Path::new("/data"), &mut |_, _, _| ControlFlow::Continue(())).unwrap();
            assert_eq!(reports.len(), 1, "{how}");
            assert_eq!((reports[0].verdict, &*reports[0].directory), (Verdict::Refused, directory), "{how}");
            "neither"
        }
        Some(_) => {
            let found = look(disk, DIRECTORY);
            assert!(matches!(found.report.verdict, Verdict::Sound | Verdict::Remarks), "{how}: {found:?}");
            match found.identity.unwrap().store_id {
                OLD => "old",
                NEW => "new",
                other => panic!("{how}: {other}"),
            }
        }
    };
    let recovery =
        recovered(disk, &to(StoreId([6; 16]))).unwrap_or_else(|error| panic!("{how}: {found}: {error}"));
    let expected = match found {
        "old" => (RecoveredBy::ThisCall, StoreId([6; 16])),
        "new" => (RecoveredBy::OneBefore, NEW),
        _ => (RecoveredBy::OneInterrupted, NEW),
    };
    assert_eq!((recovery.by, recovery.cluster_id), expected, "{how}");
    assert_eq!(values(disk, &["a", "b", "c"]), all(), "{how}");
    let kept = look(disk, recovery.kept.to_str().unwrap());
    assert_eq!(kept.identity.map(|identity| identity.store_id), Some(OLD), "{how}: {kept:?}");
    assert!(matches!(kept.report.verdict, Verdict::Sound | Verdict::Remarks), "{how}: {kept:?}");
    found
}

/// A disk on which the survivor is durable.
fn at_rest() -> MemoryDisk {
    let (disk, _) = survivor();
    for directory in ["/", "/data", DIRECTORY, "/data/stock/log", "/data/stock/snapshot"] {
        disk.sync_dir(Path::new(directory)).unwrap();
    }
    disk.after_power_cut(|_| true)
}

/// One of so many moments of the making is looked at, all of them in the whole run; of the renamings, all in either.
fn stride() -> usize {
    if std::env::var_os("PANDO_TORTURE").is_some() { 1 } else { 12 }
}

#[test]
fn a_crash_at_any_moment_leaves_the_old_store_or_the_new_one_or_says_what_to_do() {
    let disk = at_rest();
    let images = Arc::new(Mutex::new((0, HashSet::new(), Vec::new())));
    let seen = images.clone();
    let (stride, begin) = (stride(), PathBuf::from("/data"));
    disk.on_operation(move |disk, moment| {
        let is_change = !matches!(
            moment.operation,
            Operation::Open | Operation::List | Operation::Kind | Operation::Read | Operation::Size
        );
        let is_swap = moment.path.parent() == Some(&begin) || moment.path == begin;
        let mut images = seen.lock().unwrap();
        images.0 += 1;
        if !is_change || !(is_swap || images.0 % stride == 0) {
            return;
        }
        let how =
            |what: &str| format!("{what}, {} {:?} {}", images.0, moment.operation, moment.path.display());
        let survivors = [
            (disk.after_kill(), how("killed")),
            (disk.after_power_cut(|_| false), how("nothing kept")),
            (disk.after_power_cut(|_| true), how("all kept")),
            (disk.after_power_cut(|piece| piece % 2 == 0), how("even kept")),
            (disk.after_power_cut(|piece| piece % 2 == 1), how("odd kept")),
            // A renaming counts as two.
            (disk.after_power_cut(|piece| piece % 4 < 2), how("pairs kept")),
            (disk.after_power_cut(|piece| piece % 4 >= 2), how("other pairs kept")),
        ];
        for (image, how) in survivors {
            if images.1.insert(image.fingerprint()) {
                images.2.push((image, how));
            }
        }
    });
    recovered(&disk, &to(NEW)).unwrap();
    disk.unhook();
    let images = std::mem::take(&mut images.lock().unwrap().2);
    let count = images.len();
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for (image, how) in images {
        *found.entry(check_after_crash(&image, &how)).or_default() += 1;
    }
    println!("{count} images of crashes: {found:?}");
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), ["neither", "new", "old"], "{found:?}");
}

#[test]
fn a_disk_that_fails_at_any_moment_leaves_the_old_store_or_the_new_one_or_says_what_to_do() {
    let base = at_rest();
    let count = {
        let disk = base.after_kill();
        recovered(&disk, &to(NEW)).unwrap();
        disk.operation_count()
    };
    let (mut failed, mut found) = (0, BTreeMap::<&str, usize>::new());
    let mut interrupted = 0;
    let moments = (0..count).filter(|after| after % stride() as u64 == 0 || after + 20 > count);
    for (after, effect) in moments.flat_map(|after| [(after, Effect::Nothing), (after, Effect::Everything)]) {
        let disk = base.after_kill();
        let (path_suffix, kind) = (String::new(), ErrorKind::Other);
        disk.fail(Fault { operations: Vec::new(), path_suffix, after, times: 1, kind, effect });
        let ended = recovered(&disk, &to(NEW));
        disk.heal();
        let how = format!("failure {after} {effect:?}: {ended:?}");
        if let Err(error) = &ended {
            failed += 1;
            let is_interrupted = matches!(error, RecoverError::Interrupted { .. });
            interrupted += usize::from(is_interrupted);
            let is_there = disk.kind(Path::new(DIRECTORY)).unwrap().is_some();
            assert!(
                is_interrupted || (is_there && look(&disk, DIRECTORY).identity.unwrap().store_id == OLD),
                "{how}"
            );
        }
        // As the next process finds it.
        *found.entry(check_after_crash(&disk.after_kill(), &how)).or_default() += 1;
    }
    println!("{failed} failures of {count} operations, {interrupted} between the renamings: {found:?}");
    assert!(failed > 20 && interrupted >= 3, "{failed}, {interrupted}");
    assert!(found.len() == 3, "{found:?}");
}

#[test]
fn the_node_is_the_one_before_if_none_is_given() {
    for (member_id, expected) in [(1, "n1@h"), (9, "this@h")] {
        let (disk, _) = survivor();
        let as_disk = Arc::new(disk.clone());
        let mut directory = StoreDirectory::open(as_disk, Path::new(DIRECTORY), "").unwrap();
        directory.set_identity(Identity { store_id: OLD, member_id }).unwrap();
        drop(directory);
        let node = NodeName::AsBefore { or: "this@h".to_owned() };
        let recovery = recovered(&disk, &RecoverOptions { node, ..to(NEW) }).unwrap();
        assert_eq!(recovery.membership, Some(Membership::of_one(1, expected)));
        let opened = open(&disk);
        assert_eq!(*opened.view().membership.clone().unwrap().1, Membership::of_one(1, expected));
        opened.close();
    }
}

#[test]
fn files_of_an_attempt_that_came_to_no_end_are_not_taken_for_a_store() {
    let (disk, _) = survivor();
    for directory in [MADE, "/data/%recovering-stock/log", "/data/%recovering-stock/snapshot"] {
        disk.create_dir(Path::new(directory)).unwrap();
    }
    for file in ["log/0000000000000001.segment", "snapshot/x.tmp", "IDENTITY"] {
        disk.create(&Path::new(MADE).join(file)).unwrap().write_all_at(&[3; 10], 0).unwrap();
    }
    recovered(&disk, &to(NEW)).unwrap();
    assert_eq!(values(&disk, &["a", "b", "c"]), all());
    assert!(disk.open(Path::new("/data/stock/snapshot/x.tmp"), Access::Read).is_err());
}
