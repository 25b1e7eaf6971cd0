//! Bytes that were synced and are not what they were: refused, with the place and what it means. Never guessed around.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use pando_store::directory::StoreId;
use pando_store::disk::{Access, Disk, MemoryDisk};
use pando_store::log::{Log, LogError, LogOptions, OpenError, Tail, TailKind};
use std::sync::Arc;
use support::*;

const HEADER_BYTES: u64 = 4096;

/// A closed log of several segments with one entry a batch.
fn filled() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    for index in 0..40 {
        append(&log, entries(1, index..index + 1, 1000)).unwrap();
    }
    log.close().unwrap();
    disk
}

fn refused(disk: &MemoryDisk) -> OpenError {
    match open_with(disk, small()) {
        Err(error) => error,
        Ok((_, recovered)) => panic!("opened with {recovered:?}"),
    }
}

fn last_used_segment(disk: &MemoryDisk) -> u64 {
    let is_used = |sequence: &u64| {
        let path = segment_path(*sequence);
        disk.kind(&path).unwrap().is_some() && content(disk, &path)[4096..].iter().any(|byte| *byte != 0)
    };
    (1..100).rev().find(is_used).unwrap()
}

fn overwrite(disk: &MemoryDisk, sequence: u64, offset: u64, bytes: &[u8]) {
    let file = disk.open(&segment_path(sequence), Access::ReadWrite).unwrap();
    file.write_all_at(bytes, offset).unwrap();
    file.sync_all().unwrap();
}

#[test]
fn a_flipped_bit_in_any_batch_but_the_last_is_refused_with_file_and_offset() {
    let disk = filled();
    let last = last_used_segment(&disk);
    assert!(last > 2);
    for sequence in 1..=last {
        for offset in [HEADER_BYTES + 1, HEADER_BYTES + 17, HEADER_BYTES + 500] {
            disk.flip_bits(&segment_path(sequence), offset, 0x10).unwrap();
            let error = refused(&disk);
            let words = error.to_string();
            let OpenError::Damaged { path, offset: found, .. } = error else { panic!("{words}") };
            assert_eq!((path, found), (segment_path(sequence), HEADER_BYTES), "{words}");
            assert!(words.contains("at offset 4096") && words.contains("backup"), "{words}");
            disk.flip_bits(&segment_path(sequence), offset, 0x10).unwrap();
        }
    }
    assert_eq!(read_all(&open(&disk).0), entries(1, 0..40, 1000));
}

#[test]
fn a_batch_that_turned_into_zeros_is_refused_when_others_follow() {
    let disk = filled();
    let last = last_used_segment(&disk);
    // In the middle of a segment, and a whole segment between others.
    overwrite(&disk, last, HEADER_BYTES, &[0; 600]);
    assert!(matches!(refused(&disk), OpenError::Damaged { .. }));
    let disk = filled();
    overwrite(&disk, last - 1, HEADER_BYTES, &[0; 12 * 1024]);
    let error = refused(&disk);
    assert!(matches!(&error, OpenError::Damaged { path, .. } if *path == segment_path(last - 1)), "{error}");
}

#[test]
fn the_last_batches_of_an_older_segment_cannot_vanish() {
    let disk = filled();
    let used = content(&disk, &segment_path(1));
    let end = used.iter().rposition(|byte| *byte != 0).unwrap();
    // The last batch of the segment holds an entry of about 1000 bytes; all of it goes.
    let begin = (4096..end - 900).rev().find(|at| &used[*at..at + 4] == b"PBAT").unwrap();
    overwrite(&disk, 1, begin as u64, &vec![0; end + 1 - begin]);
    let error = refused(&disk);
    assert!(matches!(&error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_flipped_bit_in_the_last_batch_of_an_older_segment_is_refused() {
    let disk = filled();
    let used = content(&disk, &segment_path(1));
    let end = used.iter().rposition(|byte| *byte != 0).unwrap();
    let begin = (4096..end - 900).rev().find(|at| &used[*at..at + 4] == b"PBAT").unwrap();
    disk.flip_bits(&segment_path(1), end as u64 - 100, 1).unwrap();
    match refused(&disk) {
        OpenError::Damaged { path, offset, detail } => {
            assert_eq!((path, offset), (segment_path(1), begin as u64));
            assert!(detail.contains("0000000000000002.segment"), "{detail}");
        }
        error => panic!("{error}"),
    }
}

#[test]
fn a_missing_segment_is_refused_by_name() {
    let disk = filled();
    disk.remove_file(&segment_path(2)).unwrap();
    assert!(matches!(refused(&disk), OpenError::MissingSegment { path } if path == segment_path(2)));
    let disk = filled();
    disk.remove_file(&segment_path(1)).unwrap();
    assert!(matches!(refused(&disk), OpenError::MissingSegment { path } if path == segment_path(1)));
}

#[test]
fn a_log_that_should_be_there_and_is_not_is_refused() {
    let must_exist = LogOptions { must_exist: true, ..small() };
    let disk = MemoryDisk::new();
    assert!(matches!(open_with(&disk, must_exist.clone()), Err(OpenError::Empty { .. })));
    assert!(open_with(&filled(), must_exist).is_ok());
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let disk = filled();
    let other = StoreId([8; 16]);
    let answer = Log::<TestEntry>::open(Arc::new(disk), log_path(), other, small());
    let error = answer.err().unwrap();
    assert!(
        matches!(&error, OpenError::OtherStore { found: STORE, expected, .. } if *expected == other),
        "{error}"
    );
}

#[test]
fn a_segment_of_a_newer_format_is_refused() {
    let disk = filled();
    let mut header = content(&disk, &segment_path(2))[..48].to_vec();
    header[8..12].copy_from_slice(&7u32.to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    overwrite(&disk, 2, 0, &header);
    let error = refused(&disk);
    let expected =
        matches!(&error, OpenError::NewerFormat { found: 7, supported: 1, path } if *path == segment_path(2));
    assert!(expected, "{error}");
}

#[test]
fn a_damaged_header_a_renamed_segment_and_a_cut_file_are_refused() {
    let disk = filled();
    disk.flip_bits(&segment_path(1), 20, 1).unwrap();
    assert!(matches!(refused(&disk), OpenError::Damaged { offset: 0, .. }));

    let disk = filled();
    disk.rename(&segment_path(2), &log_path().join("spare")).unwrap();
    disk.rename(&segment_path(1), &segment_path(2)).unwrap();
    disk.rename(&log_path().join("spare"), &segment_path(1)).unwrap();
    assert!(refused(&disk).to_string().contains("renamed"));

    for size_bytes in [100, 8000] {
        let disk = filled();
        disk.open(&segment_path(1), Access::ReadWrite).unwrap().set_len(size_bytes).unwrap();
        assert!(matches!(refused(&disk), OpenError::Damaged { offset: 0, .. }));
    }
}

#[test]
fn bytes_that_decay_while_the_log_is_open_are_reported_by_the_reader() {
    let disk = filled();
    let (log, _) = open(&disk);
    disk.flip_bits(&segment_path(1), HEADER_BYTES + 500, 1).unwrap();
    let error = log.read(0, 5, usize::MAX).unwrap_err();
    assert!(matches!(&error, LogError::Damaged { path, .. } if *path == segment_path(1)), "{error}");
    assert_eq!(log.read(20, 40, usize::MAX).unwrap(), entries(1, 20..40, 1000), "the rest is readable");
    let odd = TestEntry { position: at(1, 40), payload: b"!".as_slice().into() };
    append(&log, vec![odd]).unwrap();
    append(&log, entries(1, 41..42, 5000)).unwrap();
    let error = log.read(40, 41, usize::MAX).unwrap_err();
    assert!(error.to_string().contains("exclamation"), "{error}");
}

#[test]
fn a_payload_that_looks_like_a_batch_is_not_taken_for_one() {
    let disk = filled();
    let segment = content(&disk, &segment_path(1));
    let stolen = segment[4096..8192].to_vec();
    let (log, _) = open(&disk);
    let position = at(1, 40);
    // Several alignments, because the payload does not begin at a multiple of eight by itself.
    let mut payload = stolen.clone();
    payload.extend_from_slice(&stolen);
    append(&log, vec![TestEntry { position, payload: payload.into() }]).unwrap();
    log.close().unwrap();
    let last = last_used_segment(&disk);
    let used = content(&disk, &segment_path(last));
    let end = used.iter().rposition(|byte| *byte != 0).unwrap();
    overwrite(&disk, last, (end as u64 - 5000).next_multiple_of(512), &[0; 512]);
    disk.remove_file(&log_path().join("SYNCED")).unwrap();
    let (log, recovered) = open(&disk);
    assert!(recovered.tail.is_some(), "the bytes inside count as nothing, so this is a tail");
    assert_eq!(log.state().last, Some(at(1, 39)));
}

fn synced_path() -> std::path::PathBuf {
    log_path().join("SYNCED")
}

/// Where the last batch of a log begins and ends, and in which segment.
fn last_batch(disk: &MemoryDisk) -> (u64, u64, u64) {
    let last = last_used_segment(disk);
    let used = content(disk, &segment_path(last));
    let end = used.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let begin = (4096..end).rev().find(|at| used[*at..].starts_with(b"PBAT")).unwrap();
    (last, begin as u64, end as u64)
}

#[test]
fn a_last_batch_that_vanished_from_a_closed_log_is_refused() {
    let disk = filled();
    let (last, begin, end) = last_batch(&disk);
    overwrite(&disk, last, begin, &vec![0; usize::try_from(end - begin).unwrap()]);
    match refused(&disk) {
        OpenError::Damaged { path, offset, detail } => {
            assert_eq!((path, offset), (segment_path(last), begin));
            assert!(detail.contains("SYNCED says that batch 40 was synced"), "{detail}");
        }
        error => panic!("{error}"),
    }
}

#[test]
fn a_log_of_which_all_batches_vanished_is_refused() {
    let disk = filled();
    for sequence in 1..=last_used_segment(&disk) {
        overwrite(&disk, sequence, HEADER_BYTES, &[0; 12 * 1024]);
    }
    assert!(
        matches!(refused(&disk), OpenError::Damaged { path, offset: HEADER_BYTES, .. } if path == segment_path(1))
    );
}

#[test]
fn a_last_batch_that_vanished_after_a_kill_is_refused_if_the_log_had_been_idle() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..3, 1000)).unwrap();
    let begin = std::time::Instant::now();
    while content(&disk, &synced_path())[32] != 1 {
        assert!(begin.elapsed().as_secs() < 60, "an idle log notes how far it was synced");
        std::thread::yield_now();
    }
    let image = disk.after_kill();
    let (last, begin, end) = last_batch(&image);
    overwrite(&image, last, begin, &vec![0; usize::try_from(end - begin).unwrap()]);
    assert!(matches!(refused(&image), OpenError::Damaged { offset, .. } if offset == begin));
    // An older mark is no lie: what was not noted yet may be there.
    append(&log, entries(1, 3..4, 1000)).unwrap();
    let image = disk.after_power_cut(|_| false);
    assert_eq!(read_all(&open(&image).0), entries(1, 0..4, 1000));
}

#[test]
fn a_flipped_bit_in_the_last_batch_is_refused_and_not_taken_for_a_torn_write() {
    let disk = MemoryDisk::new();
    let (log, _) = open(&disk);
    append(&log, entries(1, 0..3, 1000)).unwrap();
    let image = disk.after_kill();
    image.remove_file(&synced_path()).unwrap();
    let (last, begin, end) = last_batch(&image);
    for offset in begin..end {
        image.flip_bits(&segment_path(last), offset, 0x10).unwrap();
        match refused(&image) {
            OpenError::Damaged { path, offset, detail } => {
                assert_eq!((path, offset), (segment_path(last), begin));
                assert!(detail.contains("all of it had reached the disk"), "{detail}");
            }
            error => panic!("{error}"),
        }
        image.flip_bits(&segment_path(last), offset, 0x10).unwrap();
    }
    assert_eq!(read_all(&open(&image).0), entries(1, 0..3, 1000));
}

#[test]
fn what_decayed_behind_the_end_of_a_closed_log_is_told_and_cut_off() {
    let disk = filled();
    let (last, _, end) = last_batch(&disk);
    for offset in [end, end + 8, end + 700, 16 * 1024 - 1] {
        disk.flip_bits(&segment_path(last), offset, 1).unwrap();
        let (log, recovered) = open(&disk);
        assert!(matches!(recovered.tail, Some(Tail { kind: TailKind::Decayed, .. })), "{recovered:?}");
        assert!(recovered.notices[0].contains("nothing is lost"), "{recovered:?}");
        assert_eq!(read_all(&log), entries(1, 0..40, 1000));
        log.close().unwrap();
        assert_eq!(open(&disk).1.tail, None, "what was cut off is gone");
    }
}

#[test]
fn a_mark_that_is_damaged_or_gone_is_made_anew_and_refuses_nothing() {
    for offset in 0..44 {
        let disk = filled();
        disk.flip_bits(&synced_path(), offset, 1).unwrap();
        let (log, recovered) = open(&disk);
        assert!(recovered.notices[0].contains("SYNCED is damaged"), "{offset}: {recovered:?}");
        assert_eq!(read_all(&log), entries(1, 0..40, 1000));
        log.close().unwrap();
        let (_log, recovered) = open(&disk);
        assert_eq!(recovered.notices, [""; 0]);
    }
    for change in [
        |disk: &MemoryDisk| disk.remove_file(&synced_path()).unwrap(),
        |disk: &MemoryDisk| {
            disk.open(&synced_path(), Access::ReadWrite).unwrap().set_len(20).unwrap();
        },
    ] {
        let disk = filled();
        change(&disk);
        let (log, _) = open(&disk);
        assert_eq!(read_all(&log), entries(1, 0..40, 1000));
        log.close().unwrap();
        assert_eq!(content(&disk, &synced_path()).len(), 44);
    }
}

#[test]
fn a_mark_of_another_store_or_of_a_newer_format_is_refused() {
    let disk = filled();
    let mark = content(&disk, &synced_path());
    let place = |range: std::ops::Range<usize>, bytes: &[u8]| {
        let mut changed = mark[..40].to_vec();
        changed[range].copy_from_slice(bytes);
        let crc = crc32fast::hash(&changed).to_le_bytes();
        let file = disk.open(&synced_path(), Access::ReadWrite).unwrap();
        file.write_all_at(&[changed.as_slice(), &crc].concat(), 0).unwrap();
        refused(&disk)
    };
    let error = place(16..32, &[8; 16]);
    assert!(matches!(&error, OpenError::OtherStore { path, .. } if *path == synced_path()), "{error}");
    let error = place(8..12, &7u32.to_le_bytes());
    assert!(
        matches!(&error, OpenError::NewerFormat { path, found: 7, .. } if *path == synced_path()),
        "{error}"
    );
}

#[test]
fn a_disk_without_room_for_the_mark_refuses_no_log() {
    for (is_there, path_suffix) in [(false, "SYNCED.tmp"), (true, "SYNCED")] {
        let disk = filled();
        if !is_there {
            disk.remove_file(&synced_path()).unwrap();
        }
        disk.fail(pando_store::disk::Failure {
            operation: pando_store::disk::Operation::Write,
            path_suffix: path_suffix.to_owned(),
            after: 0,
            times: u64::MAX,
            kind: std::io::ErrorKind::StorageFull,
        });
        let (log, _) = open(&disk);
        append(&log, entries(1, 40..41, 1000)).unwrap();
        log.close().unwrap();
        // One that says that the log was closed before is gone.
        assert_eq!(disk.kind(&synced_path()).unwrap(), None);
        assert_eq!(read_all(&open(&disk).0), entries(1, 0..41, 1000));
    }
}
