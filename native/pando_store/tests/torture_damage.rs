//! Damage to every file of a store: what was synced has changed, or files are not those of the store. Each time the store either
//! opens with everything that was acknowledged, or is refused with the file, what it means and what to do; and what is
//! refused is left as it is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod store_support;

use pando_store::disk::{Access, Disk, MemoryDisk};
use pando_store::verify::{Report, Severity, Verdict, verify};
use pando_store::{OpenTrouble, StoreOptions};
use pando_tree::{Command, TreeRecords};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store_support::*;

/// One bit in each stretch of so many bytes is flipped.
const STRETCH_BYTES: usize = 64;
/// And another one, so often, when everything is tried.
const ROUNDS: usize = 8;
/// Of all cases, every so many-th is tried when not everything is.
const STRIDE: usize = 2;

type Files = BTreeMap<PathBuf, Vec<u8>>;
type Records = Vec<Vec<u8>>;

fn small_files() -> StoreOptions {
    StoreOptions {
        snapshot_log_bytes_min: 12 * 1024,
        segment_bytes_first: 8 * 1024,
        segment_bytes_max: 8 * 1024,
        ..options()
    }
}

fn is_whole_run() -> bool {
    std::env::var_os("PANDO_TORTURE").is_some()
}

/// The files of a store and of its directories.
fn files_of(disk: &MemoryDisk) -> Files {
    let mut files = Files::new();
    for directory in ["", "log", "snapshot"] {
        let directory = Path::new(DIRECTORY).join(directory);
        for name in disk.list(&directory).unwrap_or_default() {
            let path = directory.join(name);
            if let Ok(file) = disk.open(&path, Access::Read)
                && let Ok(size_bytes) = file.size_bytes()
            {
                let mut content = vec![0; usize::try_from(size_bytes).unwrap()];
                file.read_exact_at(&mut content, 0).unwrap();
                files.insert(path, content);
            }
        }
    }
    files
}

/// A disk with these files, all of them synced.
fn disk_with(files: &Files) -> MemoryDisk {
    let disk = MemoryDisk::new();
    for directory in ["/data", DIRECTORY, "/data/stock/log", "/data/stock/snapshot"] {
        disk.create_dir(Path::new(directory)).unwrap();
    }
    for (path, content) in files {
        let file = disk.create(path).unwrap();
        file.write_all_at(content, 0).unwrap();
        file.sync_all().unwrap();
    }
    for directory in ["/", "/data", DIRECTORY, "/data/stock/log", "/data/stock/snapshot"] {
        disk.sync_dir(Path::new(directory)).unwrap();
    }
    disk
}

fn records_of(store: &TestStore) -> Records {
    let view = store.view();
    let mut records = TreeRecords::new(&view.state);
    let (mut all, mut record) = (Vec::new(), Vec::new());
    while records.next_into(&mut record) {
        all.push(std::mem::take(&mut record));
    }
    all
}

/// A store with some hundred nodes, two snapshots and several segments.
struct Subject {
    name: &'static str,
    /// As it is, and as it was earlier in its life.
    files: Files,
    earlier: Files,
    records: Records,
    /// Where the last batch of the log is, if nothing beside the log says that it was synced: who zeroes a sector of it makes a
    /// torn write of it.
    last_batch_is_proven: bool,
}

/// How the life of a store ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    /// Killed when it had noted how far its log was synced.
    KilledIdle,
    /// Killed before it had noted anything.
    KilledBusy,
}

fn synced_path() -> PathBuf {
    Path::new(DIRECTORY).join("log/SYNCED")
}

/// Whether the mark beside the log names its last batch.
fn is_marked(files: &Files) -> bool {
    let (path, last) = last_batch(files);
    files[&path][last.start + 8..last.start + 16] == files[&synced_path()][32..40]
}

fn subject(name: &'static str, store_id: [u8; 16], end: End) -> Subject {
    let disk = MemoryDisk::new();
    let store = try_open(
        &disk,
        StoreOptions { birth: pando_store::Birth::Found(store_id), ..small_files() },
        &Arc::default(),
    )
    .unwrap();
    let (mut earlier, mut snapshots, mut newest, mut number) = (Files::new(), 0, None, 0);
    while snapshots < 3 || number % 10 != 0 {
        let name = format!("n{}", number % 60);
        run(&store, put(&["wood", &name], &format!("{number} {}", "x".repeat(number % 200)))).unwrap();
        if number % 7 == 0 {
            let gone = format!("n{}", (number + 30) % 60);
            run(&store, Command::delete(steps(&["wood", &gone]))).unwrap();
        }
        let snapshot_index = store.status().snapshot_index;
        if snapshot_index != newest {
            (newest, snapshots) = (snapshot_index, snapshots + 1);
        }
        if snapshots == 2 && earlier.is_empty() {
            earlier = files_of(&disk);
        }
        number += 1;
        assert!(number < 10_000, "no snapshots are taken");
    }
    let records = records_of(&store);
    match end {
        End::Closed => store.close(),
        End::KilledIdle => wait_until("the log is marked", || is_marked(&files_of(&disk.after_kill()))),
        End::KilledBusy => {}
    }
    let mut files = files_of(&disk.after_kill());
    assert!(files.len() >= 7, "{:?}", files.keys());
    if end == End::KilledBusy {
        files.remove(&synced_path());
        earlier.remove(&synced_path());
    }
    Subject { name, files, earlier, records, last_batch_is_proven: end != End::KilledBusy }
}

/// Whether every path in `text` that it is about is named, with what to do.
fn helps(text: &str) -> bool {
    let names_a_file = text.contains("/data/stock/");
    let says_what_to_do =
        ["backup", "use the release", "move", "Restore", "restore"].iter().any(|word| text.contains(word));
    names_a_file && says_what_to_do
}

fn look_at(disk: &MemoryDisk) -> Report {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut go_on = |_: &Path, read, of| {
        assert!(read <= of);
        ControlFlow::Continue(())
    };
    verify(&disk, Path::new(DIRECTORY), &mut go_on).unwrap()
}

#[derive(Default, Debug)]
struct Tally {
    cases: usize,
    harmless: usize,
    refused: BTreeMap<&'static str, usize>,
}

/// What a damaged store may do.
fn check(subject: &Subject, what: &str, files: &Files, tally: &mut Tally) {
    let disk = disk_with(files);
    let events = Arc::new(Events::default());
    tally.cases += 1;
    let report = look_at(&disk);
    assert!(files_of(&disk) == *files, "{}: {what}: changed by looking at it", subject.name);
    let opens = matches!(report.verdict, Verdict::Sound | Verdict::Remarks | Verdict::Damaged);
    match try_open(&disk, small_files(), &events) {
        Ok(store) => {
            tally.harmless += 1;
            assert!(opens, "{}: {what}: opened, though {report:?}", subject.name);
            assert!(
                records_of(&store) == subject.records,
                "{}: {what}: opened with something else",
                subject.name
            );
            run(&store, put(&["after"], "x")).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(get(&store, &["after"]), Some("x".to_owned()), "{what}");
            store.close();
        }
        Err(error) => {
            let (trouble, text) = (error.trouble(), error.to_string());
            *tally.refused.entry(trouble.name()).or_default() += 1;
            let is_expected =
                matches!(trouble, OpenTrouble::Damaged | OpenTrouble::OtherStore | OpenTrouble::NewerFormat);
            assert!(is_expected, "{}: {what}: {trouble:?}: {text}", subject.name);
            assert!(helps(&text), "{}: {what}: {text}", subject.name);
            let said_before = report.findings.iter().any(|finding| finding.text == text);
            assert!(!opens && said_before, "{}: {what}: {text}, but {report:?}", subject.name);
            let mut left = files_of(&disk);
            let mut before = files.clone();
            for files in [&mut left, &mut before] {
                files.retain(|path, _| {
                    !path.ends_with("LOCK") && path.extension().is_none_or(|end| end != "tmp")
                });
            }
            assert!(left == before, "{}: {what}: refused, and changed: {text}", subject.name);
        }
    }
}

/// Runs `cases`, or every so many-th of them; `cases` numbers them.
fn run_cases(subject: &Subject, kind: &str, cases: impl Iterator<Item = (String, Files)>) -> Tally {
    let stride = if is_whole_run() { 1 } else { STRIDE };
    let mut tally = Tally::default();
    for (what, files) in cases.step_by(stride) {
        check(subject, &what, &files, &mut tally);
    }
    println!("{} {kind}: {tally:?}", subject.name);
    assert!(tally.cases > 0);
    tally
}

fn with(files: &Files, path: &Path, content: Vec<u8>) -> Files {
    let mut changed = files.clone();
    changed.insert(path.to_path_buf(), content);
    changed
}

/// A number that looks drawn, and is the same in each run.
fn mixed(number: usize) -> usize {
    let mixed = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from((mixed ^ (mixed >> 29)) >> 16).unwrap_or(number)
}

fn subjects() -> [Subject; 3] {
    [
        subject("closed", [9; 16], End::Closed),
        subject("killed idle", [9; 16], End::KilledIdle),
        subject("killed busy", [9; 16], End::KilledBusy),
    ]
}

#[test]
fn a_flipped_bit_in_any_stretch_of_any_file_is_harmless_or_refused() {
    for subject in subjects() {
        let rounds = if is_whole_run() { ROUNDS } else { 1 };
        let files = (0..rounds).flat_map(|round| subject.files.iter().map(move |file| (round, file)));
        let cases = files.flat_map(|(round, (path, content))| {
            let subject = &subject;
            (0..content.len()).step_by(STRETCH_BYTES).map(move |stretch| {
                let drawn = mixed(stretch + round * 1_000_003);
                let offset = stretch + drawn % STRETCH_BYTES.min(content.len() - stretch);
                let bit = drawn / STRETCH_BYTES % 8;
                let mut changed = content.clone();
                changed[offset] ^= 1 << bit;
                let what = format!("bit {bit} of byte {offset} of {}", path.display());
                (what, with(&subject.files, path, changed))
            })
        });
        let tally = run_cases(&subject, "flipped bits", cases);
        assert!(tally.harmless > 0 && tally.refused.contains_key("damaged"), "{tally:?}");
    }
}

/// The segment with the last batch of the log, and where that stands in it.
fn last_batch(files: &Files) -> (PathBuf, std::ops::Range<usize>) {
    let mut segments = files.iter().filter(|(path, content)| {
        path.extension().is_some_and(|end| end == "segment") && content[4096..].iter().any(|byte| *byte != 0)
    });
    let (path, content) = segments.next_back().unwrap();
    let end = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let begin = (4096..end).rev().find(|at| content[*at..].starts_with(b"PBAT")).unwrap();
    (path.clone(), begin..end)
}

/// The file with one block full of zeros, or with another block's bytes and its own in that place.
fn with_block(content: &[u8], block_bytes: usize, begin: usize, other: Option<usize>) -> Vec<u8> {
    let mut changed = content.to_vec();
    for at in 0..block_bytes {
        match other {
            None if begin + at < content.len() => changed[begin + at] = 0,
            Some(other) if begin.max(other) + at < content.len() => {
                changed[begin + at] = content[other + at];
                changed[other + at] = content[begin + at];
            }
            _ => {}
        }
    }
    changed
}

#[test]
fn blocks_that_are_zeroed_or_swapped_are_harmless_or_refused() {
    for subject in subjects() {
        let (last_path, last) = last_batch(&subject.files);
        for block_bytes in [512, 4096] {
            let mut blocks = Vec::new();
            for (path, content) in &subject.files {
                for begin in (0..content.len()).step_by(block_bytes) {
                    let other = mixed(begin) % content.len() / block_bytes * block_bytes;
                    // What nothing could tell from a write that never reached the disk.
                    let looks_torn = |begin: usize| {
                        path == &last_path && begin < last.end && begin + block_bytes > last.start
                    };
                    let is_fair = |begin| subject.last_batch_is_proven || !looks_torn(begin);
                    if is_fair(begin) {
                        blocks.push((path, begin, None));
                    }
                    if is_fair(begin) && is_fair(other) {
                        blocks.push((path, begin, Some(other)));
                    }
                }
            }
            let cases = blocks.into_iter().filter_map(|(path, begin, other)| {
                let content = &subject.files[path];
                let changed = with_block(content, block_bytes, begin, other);
                let what = format!("{block_bytes} bytes at {begin} of {}, {other:?}", path.display());
                (changed != *content).then(|| (what, with(&subject.files, path, changed)))
            });
            let tally = run_cases(&subject, "blocks", cases);
            assert!(tally.refused.contains_key("damaged"), "{tally:?}");
        }
    }
}

#[test]
fn files_that_are_cut_longer_or_gone_are_harmless_or_refused() {
    for subject in subjects() {
        let cases = subject.files.iter().flat_map(|(path, content)| {
            let subject = &subject;
            let lengths =
                (0..content.len()).step_by(512).flat_map(|length| [length, length + mixed(length) % 512]);
            let cut = lengths.filter(|length| *length < content.len()).map(move |length| {
                (
                    format!("{} cut to {length}", path.display()),
                    with(&subject.files, path, content[..length].to_vec()),
                )
            });
            let longer = [vec![0; 700], vec![7; 700]].into_iter().map(move |more| {
                let what = format!("{} with more bytes", path.display());
                (what, with(&subject.files, path, [content.as_slice(), &more].concat()))
            });
            let gone = std::iter::once_with(move || {
                let mut left = subject.files.clone();
                left.remove(path);
                (format!("{} gone", path.display()), left)
            });
            cut.chain(longer).chain(gone)
        });
        let tally = run_cases(&subject, "lengths", cases);
        assert!(tally.refused.contains_key("damaged"), "{tally:?}");
    }
}

#[test]
fn files_of_another_store_of_another_name_or_of_another_time_are_harmless_or_refused() {
    let other = subject("other", [5; 16], End::Closed);
    for subject in subjects() {
        let other_stores = subject.files.keys().filter_map(|path| {
            let content = other.files.get(path).or_else(|| {
                other
                    .files
                    .iter()
                    .rev()
                    .find(|(other, _)| other.extension() == path.extension())
                    .map(|(_, content)| content)
            })?;
            Some((
                format!("{} of another store", path.display()),
                with(&subject.files, path, content.clone()),
            ))
        });
        let strays = other.files.iter().filter(|(path, _)| !subject.files.contains_key(*path)).map(
            |(path, content)| {
                (
                    format!("{} of another store besides", path.display()),
                    with(&subject.files, path, content.clone()),
                )
            },
        );
        // The last segment as it was when less was in it: nothing could tell that from writes that never reached the disk.
        let (last_path, _) = last_batch(&subject.files);
        let earlier =
            subject.earlier.iter().filter(|(path, _)| subject.last_batch_is_proven || **path != last_path);
        let earlier = earlier.map(|(path, content)| {
            (format!("{} as it was earlier", path.display()), with(&subject.files, path, content.clone()))
        });
        let pairs = subject.files.iter().flat_map(|(path, content)| {
            let subject = &subject;
            subject.files.iter().filter(move |(other, _)| *other > path).map(move |(other, other_content)| {
                let swapped =
                    with(&with(&subject.files, path, other_content.clone()), other, content.clone());
                (format!("{} and {} swapped", path.display(), other.display()), swapped)
            })
        });
        let cases: Vec<_> = other_stores.chain(strays).chain(earlier).chain(pairs).collect();
        let mut tally = Tally::default();
        for (what, files) in &cases {
            check(&subject, what, files, &mut tally);
        }
        println!("{} files: {tally:?}", subject.name);
        assert!(tally.refused.contains_key("other_store"), "{tally:?}");
    }
}

#[test]
fn a_file_of_a_newer_format_is_refused_and_named() {
    let subject = subject("closed", [9; 16], End::Closed);
    // Where the checksum of the head stands, and what it covers besides.
    let heads: [(&str, usize, usize); 3] = [("IDENTITY", 40, 0), ("SYNCED", 40, 0), (".segment", 48, 0)];
    // Of an older snapshot nothing is read while the newest one serves.
    let mut snapshots =
        subject.files.keys().filter(|path| path.extension().is_some_and(|end| end == "snapshot"));
    let older = snapshots.next().unwrap();
    for (path, content) in subject.files.iter().filter(|(path, _)| *path != older) {
        let name = path.to_string_lossy();
        let (crc_at, metadata_bytes) = match heads.iter().find(|(end, _, _)| name.ends_with(end)) {
            Some((_, crc_at, more)) => (*crc_at, *more),
            None if name.ends_with(".snapshot") => {
                (56, usize::try_from(u32::from_le_bytes(content[12..16].try_into().unwrap())).unwrap())
            }
            None => continue,
        };
        let mut newer = content.clone();
        newer[8..12].copy_from_slice(&2u32.to_le_bytes());
        let covered = [&newer[..crc_at], &newer[crc_at + 4..crc_at + 4 + metadata_bytes]].concat();
        newer[crc_at..crc_at + 4].copy_from_slice(&crc32fast::hash(&covered).to_le_bytes());
        let error = try_open(&disk_with(&with(&subject.files, path, newer)), small_files(), &Arc::default());
        let error = error.map(|_| ()).unwrap_err();
        assert_eq!(error.trouble(), OpenTrouble::NewerFormat, "{name}: {error}");
        assert!(error.to_string().contains(&*name) && error.to_string().contains("version 2"), "{error}");
    }
}

#[test]
fn looking_at_a_store_tells_what_is_in_it_and_whether_it_is_open() {
    let disk = MemoryDisk::new();
    assert_eq!(look_at(&disk).verdict, Verdict::Absent);
    let subject = subject("closed", [9; 16], End::Closed);
    let disk = disk_with(&subject.files);
    let report = look_at(&disk);
    assert_eq!(report.verdict, Verdict::Sound, "{report:?}");
    let text = report.findings.iter().map(|finding| format!("{} {}", finding.path.display(), finding.text));
    let text = text.collect::<Vec<_>>().join("\n");
    for words in
        ["IDENTITY member 1 of the store 0909", ".segment", "bytes used", ".snapshot", "nodes as of entry"]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
    let store = try_open(&disk, small_files(), &Arc::default()).unwrap();
    let report = look_at(&disk);
    assert_eq!(report.verdict, Verdict::InUse);
    assert!(report.findings[0].text.contains("in use by a test"), "{report:?}");
    store.close();
    assert_eq!(look_at(&disk).verdict, Verdict::Sound);
}

#[test]
fn looking_at_a_store_tells_of_damage_that_opening_passes_over() {
    let subject = subject("closed", [9; 16], End::Closed);
    for (path, content) in &subject.files {
        if path.extension().is_none_or(|end| end != "snapshot") {
            continue;
        }
        let mut changed = content.clone();
        changed[300] ^= 1;
        let report = look_at(&disk_with(&with(&subject.files, path, changed)));
        assert_eq!(report.verdict, Verdict::Damaged, "{report:?}");
        let faults: Vec<_> =
            report.findings.iter().filter(|finding| finding.severity == Severity::Fault).collect();
        assert!(matches!(faults.as_slice(), [fault] if fault.path == *path), "{report:?}");
    }
    let mut files = subject.files.clone();
    files.insert(Path::new(DIRECTORY).join("log/stray"), vec![1]);
    files.insert(Path::new(DIRECTORY).join("snapshot/0.tmp"), vec![1]);
    let report = look_at(&disk_with(&files));
    assert_eq!(report.verdict, Verdict::Remarks, "{report:?}");
}
