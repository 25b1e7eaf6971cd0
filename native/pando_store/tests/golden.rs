//! Stores of format 1, as they were written once: `tests/golden/format-1/NAME/store`, and beside each `store.txt`, which says in
//! words what is in it. They must open for ever, with exactly that, whatever changes: nothing here is ever written anew.
//!
//! A new format gets a directory of its own beside `format-1`, made by the test `writes_golden_stores`, which is run by
//! hand. What a store holds that cannot be told by an older test is a new NAME.
//!
//! `test/erlang/pando_format_tests.erl` reads the same files by docs/formats.md alone, and compares with the same texts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "store_support/attempts.rs"]
mod attempts;
#[path = "golden_support/describe.rs"]
mod describe;
#[path = "golden_support/script.rs"]
mod script;
mod store_support;

use attempts::{Manner, Way, transaction};
use describe::{describe_files, describe_tree, entries_of};
use pando_store::batch::{Batch, Origin};
use pando_store::directory::{Identity, StoreDirectory, StoreId};
use pando_store::disk::{Disk, RealDisk};
use pando_store::log::{Log, LogEntry, LogOptions, LogPosition};
use pando_store::verify::{Severity, Verdict, verify};
use pando_store::{Member, Membership, Role, Store, StoreOptions};
use pando_tree::{Answer, Extent, Name};
use script::{STORE, commands, last_command, writes};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store_support::*;

/// Name, what looking at it finds, and how many words of warning.
const GOLDEN: [(&str, Verdict, usize); 6] = [
    // Closed in order, after a log whose end was taken back.
    ("closed", Verdict::Sound, 0),
    // A copy of the files while the store was open.
    ("killed", Verdict::Sound, 0),
    // The same, and the last batch came to the disk in part.
    ("torn", Verdict::Remarks, 1),
    // A member that becomes another one, and was killed when it had said so and removed nothing yet.
    ("resetting", Verdict::Remarks, 1),
    // Killed between the first IDENTITY and the first write.
    ("founding", Verdict::Sound, 0),
    // Of a cluster: sessions in its snapshots, a member that observes, batches that are left out.
    ("members", Verdict::Sound, 0),
];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1")
}

fn real() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

fn small_files() -> StoreOptions {
    StoreOptions {
        birth: pando_store::Birth::Found(STORE),
        transport: std::sync::Arc::new(pando_store::peers::NoTransport),
        priority: 0,
        snapshot_log_bytes_min: 6 * 1024,
        segment_bytes_first: 8 * 1024,
        segment_bytes_max: 8 * 1024,
        ..options()
    }
}

fn open_at(directory: &Path, events: &Arc<Events>) -> TestStore {
    Store::open(real(), directory, small_files(), Arc::new(Channels), events.clone()).unwrap()
}

/// A directory of its own that goes with it.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Temporary {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pando-golden-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Temporary(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a store's directory. Of an open store: a file that is replaced meanwhile is copied as it is then.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            let _ = fs::copy(entry.path(), &to);
        }
    }
}

#[test]
fn stores_of_format_1_open_for_ever_with_all_that_is_in_them() {
    for (name, verdict, warnings) in GOLDEN {
        let text = fs::read_to_string(golden().join(name).join("store.txt")).unwrap();
        let (files, tree) = text.split_once("tree\n").unwrap();
        let temporary = Temporary::new();
        let directory = temporary.0.join("store");
        copy(&golden().join(name).join("store"), &directory);

        let mut go_on = |_: &Path, _, _| ControlFlow::Continue(());
        let report = verify(&real(), &directory, &mut go_on).unwrap();
        let remarks = report.findings.iter().filter(|finding| finding.severity == Severity::Remark).count();
        assert_eq!((report.verdict, remarks), (verdict, warnings), "{name}: {report:?}");
        assert_eq!(describe_files(&real(), &directory), files, "{name}");

        let events = Arc::new(Events::default());
        let store = open_at(&directory, &events);
        assert_eq!(describe_tree(&store), tree, "{name}");
        let notices = events.notices.lock().unwrap().len();
        assert_eq!(notices, usize::from(name == "torn"), "{name}: {:?}", events.notices);

        // And it goes on.
        run(&store, put(&["afterwards"], "x")).unwrap();
        let afterwards = describe_tree(&store);
        assert_ne!(afterwards, tree, "{name}");
        store.close();
        let report = verify(&real(), &directory, &mut go_on).unwrap();
        assert_eq!(report.verdict, Verdict::Sound, "{name}: {report:?}");
        let store = open_at(&directory, &Arc::default());
        assert_eq!(describe_tree(&store), afterwards, "{name}");
        store.close();
    }
}

#[test]
fn the_golden_stores_hold_what_there_is_to_hold() {
    let text = |name: &str| fs::read_to_string(golden().join(name).join("store.txt")).unwrap();
    for name in ["closed", "killed"] {
        let text = text(name);
        let count = |words: &str| text.lines().filter(|line| line.contains(words)).count();
        assert_eq!(count("snapshot index"), 2, "{name}");
        assert!(count("segment ") >= 2, "{name}");
        for words in [
            "  node / ",
            "implicit none",
            " data 83",
            " procedure 83",
            "  depends ",
            "  request ",
            "answer done",
            "answer nodes",
            " predicted_from 29.54",
            "payload /:sessions",
            "answer results",
            "note 83",
            "  put one ",
            "  put many ",
            "  delete ",
            "  clear ",
            "  transaction ",
            "  once ",
            "/?83",
            ":Gr",
            "\\xc3",
        ] {
            assert!(count(words) > 0, "{name}: {words}");
        }
        // The log begins in the middle of a store's life: segments before the first one that is there were removed, and entries with them.
        assert!(!text.contains("segment 0000000000000001"), "{name}");
        assert!(!text.contains("purged -"), "{name}");
    }
    let members = text("members");
    for words in [
        "  session member 1 incarnation 15 ",
        "  session member 2 incarnation 9 next 9",
        " blank",
        " members 02",
        " commands member 1 incarnation 16 ",
        " commands member 2 incarnation 9 first 25 ",
        " commands member 3 ",
    ] {
        assert!(members.contains(words), "members: {words}");
    }
    // Of five openings that had written, four are kept in mind, and one of the other member.
    let newest = members.lines().skip_while(|line| !line.starts_with("snapshot ")).skip(1);
    let sessions = newest.take_while(|line| line.starts_with("  session ")).count();
    assert_eq!(sessions, 5);
    assert_eq!(members.matches("commands member 2 incarnation 9 first 27 ").count(), 2);
    let tree = members.rsplit("tree\n").next().unwrap();
    for (key, is_there) in [("written", true), ("late", false), ("of\\x20nobody", false)] {
        assert_eq!(tree.contains(&format!("node /\"others\"/\"{key}\" ")), is_there, "{key}");
    }
    // And at the beginning of one.
    for words in ["entry 0.1.0 members ", "entry 1.1.1 blank", "purged -"] {
        assert!(text("torn").contains(words), "{words}");
    }
}

/// Entries as the bytes that they are.
#[derive(Clone)]
struct RawEntry(LogPosition, Vec<u8>);

impl LogEntry for RawEntry {
    fn position(&self) -> LogPosition {
        self.0
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.1);
    }
    fn decode(position: LogPosition, body: &[u8]) -> Result<RawEntry, String> {
        Ok(RawEntry(position, body.to_vec()))
    }
    fn size_bytes(&self) -> usize {
        self.1.len()
    }
}

/// What a member does that hears of a new leader: an entry that was never committed is taken back.
fn take_an_entry_back(directory: &Path) {
    let options = LogOptions { segment_bytes_first: 8192, segment_bytes_max: 8192, ..LogOptions::default() };
    let (log, recovered) =
        Log::<RawEntry>::open(real(), &directory.join("log"), StoreId(STORE), options).unwrap();
    let last = recovered.last.unwrap();
    let (sender, told) = std::sync::mpsc::channel();
    let again = sender.clone();
    let extra = RawEntry(LogPosition { index: last.index + 1, ..last }, vec![0]);
    log.append(vec![extra], Box::new(move |result| sender.send(result).unwrap())).unwrap();
    told.recv_timeout(WAIT_MAX).unwrap().unwrap();
    log.truncate_after(Some(last.index), Box::new(move |result| again.send(result).unwrap())).unwrap();
    told.recv_timeout(WAIT_MAX).unwrap().unwrap();
    log.close().unwrap();
}

/// Writes them anew, into the directory that the environment names, which must not be there: to be run by hand, for a new
/// format.
#[test]
#[ignore = "writes files: PANDO_GOLDEN=DIRECTORY cargo test -p pando_store --test golden -- --ignored writes_golden_stores"]
fn writes_golden_stores() {
    let golden = PathBuf::from(std::env::var("PANDO_GOLDEN").expect("PANDO_GOLDEN: a new directory"));
    assert!(!golden.exists(), "{} is there already", golden.display());
    let place = |name: &str| golden.join(name).join("store");

    let temporary = Temporary::new();
    let work = temporary.0.join("store");
    let store = open_at(&work, &Arc::default());
    let (mut newest, mut snapshots) = (None, 0);
    for round in 0.. {
        assert!(round < 100, "no snapshots are taken");
        do_round(&store, round);
        let snapshot_index = store.status().snapshot_index;
        if snapshot_index != newest {
            (newest, snapshots) = (snapshot_index, snapshots + 1);
        }
        if snapshots >= 3 {
            break;
        }
    }
    // A purge is written behind the snapshot, and segments are unlinked in the background. Nothing tells when all of that is done.
    let first = work.join("log/0000000000000001.segment");
    wait_until("the first segment is unlinked", || !first.exists());
    std::thread::sleep(Duration::from_secs(2));
    copy(&work, &place("killed"));
    store.close();
    take_an_entry_back(&work);
    copy(&work, &place("closed"));

    let work = temporary.0.join("small");
    let store = open_at(&work, &Arc::default());
    commands(0).into_iter().take(4).for_each(|command| run(&store, command).unwrap());
    std::thread::sleep(Duration::from_secs(2));
    copy(&work, &place("resetting"));
    run(&store, last_command()).unwrap();
    copy(&work, &place("torn"));
    store.close();
    tear_last_batch(&place("torn"));

    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    interrupt_reset(&disk, &place("resetting"));
    let mut founding = StoreDirectory::open(disk, &place("founding"), "a test").unwrap();
    founding.set_identity(Identity { store_id: StoreId(STORE), member_id: 0 }).unwrap();
    drop(founding);

    for (name, _, _) in GOLDEN.into_iter().filter(|(name, _, _)| *name != "members") {
        let files = describe_files(&real(), &place(name));
        let opened = temporary.0.join(name);
        copy(&place(name), &opened);
        let store = open_at(&opened, &Arc::default());
        let text = format!("{files}tree\n{}", describe_tree(&store));
        store.close();
        fs::write(golden.join(name).join("store.txt"), text).unwrap();
        println!("{name}");
    }
}

/// The store of a cluster, made likewise. What other members do is written into its log as they would have had it written.
#[test]
#[ignore = "writes files: PANDO_GOLDEN=DIRECTORY cargo test -p pando_store --test golden -- --ignored members"]
fn writes_the_golden_store_of_members() {
    let golden = PathBuf::from(std::env::var("PANDO_GOLDEN").expect("PANDO_GOLDEN: a new directory"));
    assert!(!golden.exists(), "{} is there already", golden.display());
    let place = golden.join("members").join("store");
    let temporary = Temporary::new();
    let work = temporary.0.join("store");
    let open_as = |incarnation: u64, snapshot_log_bytes_min| {
        let options = StoreOptions { incarnation, snapshot_log_bytes_min, ..small_files() };
        Store::open(real(), &work, options, Arc::new(Channels), Arc::<Events>::default()).unwrap()
    };
    for incarnation in 11..16 {
        let store = open_as(incarnation, 6 * 1024);
        do_round(&store, incarnation);
        store.close();
        if incarnation == 13 {
            append_what_others_do(&work, 7);
        }
    }
    append_what_others_do(&work, 27);
    // No snapshot any more: what others did last is in the log.
    let store = open_as(16, 1024 * 1024);
    do_round(&store, 16);
    std::thread::sleep(Duration::from_secs(2));
    store.close();
    copy(&work, &place);
    let files = describe_files(&real(), &place);
    let opened = temporary.0.join("opened");
    copy(&place, &opened);
    let store = open_at(&opened, &Arc::default());
    let text = format!("{files}tree\n{}", describe_tree(&store));
    store.close();
    fs::write(golden.join("members").join("store.txt"), text).unwrap();
}

/// A member that observes comes, and writes, twice the same and then something that comes too late; and somebody writes who is no
/// member, and what this member wrote last comes again.
fn append_what_others_do(directory: &Path, first_sequence: u64) {
    let entries = entries_of(&real(), directory);
    let (last, _) = entries.last().cloned().unwrap();
    let (_, own) = entries.iter().rev().find(|(_, body)| body.first() == Some(&1)).cloned().unwrap();
    let batch = |member_id, first_sequence, key: &str| {
        let origin = Origin { member_id, incarnation: 9, first_sequence };
        let commands = vec![put(&["others", key], "observer"), put(&["others", key, "below"], "stranger")];
        let mut body = vec![1];
        Batch::new(origin, 43_200_000, commands, None).encode(&mut body);
        body
    };
    let mut observed = vec![2];
    let mut membership = Membership::of_one(1, "a@b");
    membership.members.insert(2, Member { node_name: "c@d".to_owned(), role: Role::Observer });
    membership.encode(&mut observed);
    let (written, late) = (batch(2, first_sequence, "written"), batch(2, first_sequence - 2, "late"));
    let bodies = [observed, written.clone(), written, late, batch(3, 1, "of nobody"), own];
    let positions = (last.index + 1..).map(|index| LogPosition { index, ..last });
    let entries = positions.zip(bodies).map(|(at, body)| RawEntry(at, body)).collect();
    let options = LogOptions { segment_bytes_first: 8192, segment_bytes_max: 8192, ..LogOptions::default() };
    let (log, _) = Log::<RawEntry>::open(real(), &directory.join("log"), StoreId(STORE), options).unwrap();
    let (sender, told) = std::sync::mpsc::channel();
    log.append(entries, Box::new(move |result| sender.send(result).unwrap())).unwrap();
    told.recv_timeout(WAIT_MAX).unwrap().unwrap();
    log.close().unwrap();
}

/// The first half in few batches, the rest one by one, and a transaction that has read what was not committed yet.
fn do_round(store: &TestStore, round: u64) {
    let answered = |told: std::sync::mpsc::Receiver<pando_store::Outcome>| {
        let told = told.recv_timeout(WAIT_MAX).unwrap().unwrap();
        assert!(!matches!(told.answer, Answer::Refused(_)), "{told:?}");
    };
    let commands = commands(round);
    let (many, single) = commands.split_at(commands.len() / 2);
    let told: Vec<_> = many.iter().map(|command| submit(store, command.clone()).unwrap()).collect();
    told.into_iter().for_each(answered);
    single.iter().for_each(|command| answered(submit(store, command.clone()).unwrap()));
    let under_way = submit(store, put(&["under way"], &round.to_string())).unwrap();
    transaction(store, &Manner::default(), &mut Way::default(), |open| {
        open.lookup(&[Name::atom("sessions"), Name::binary(b"ann")], Extent::Payload);
        open.lookup(&[Name::binary(b"nowhere")], Extent::Presence);
        for command in writes(round) {
            open.write(command);
        }
        attempts::Verdict::Commit
    })
    .unwrap();
    answered(under_way);
}

/// As a write leaves it whose last sector never came to the disk.
fn tear_last_batch(directory: &Path) {
    let mut segments: Vec<_> =
        fs::read_dir(directory.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|end| end == "segment"));
    segments.sort();
    let last_used = |path: &&PathBuf| fs::read(path).unwrap()[4096..].iter().any(|byte| *byte != 0);
    let path = segments.iter().rev().find(last_used).unwrap();
    let mut content = fs::read(path).unwrap();
    let end = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let begin = (4096..end).rev().find(|at| content[*at..].starts_with(b"PBAT")).unwrap();
    let sector = (end - 1) / 512 * 512;
    assert!(sector > begin, "the last batch must reach into a second sector");
    content[sector..end].fill(0);
    fs::write(path, content).unwrap();
}

/// Writes `RESET`, by hand: the bytes are drawn in docs/formats.md.
fn interrupt_reset(disk: &Arc<dyn Disk>, directory: &Path) {
    let mut content = b"PANDORST".to_vec();
    content.extend(1u32.to_le_bytes());
    content.extend(0u32.to_le_bytes());
    for (store_id, member_id) in [([8; 16], 0u64), (STORE, 1)] {
        content.extend(store_id);
        content.extend(member_id.to_le_bytes());
    }
    content.extend(crc32fast::hash(&content).to_le_bytes());
    let file = disk.create(&directory.join("RESET")).unwrap();
    file.write_all_at(&content, 0).unwrap();
}
