//! Frames that claim to have more than they have: whatever is claimed reserves no memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use pando_fuzz::memory::bounded;
use pando_fuzz::targets::frame::frame;
use pando_store::fuzzing::{Frame, FrameError};

const MANY_BYTES: usize = 1024 * 1024;
const HUGE: [u8; 4] = [255; 4];
/// What an error takes, and what is copied.
const MEMORY_FIXED: usize = 64 * 1024;

fn put_right(mut bytes: Vec<u8>) -> Vec<u8> {
    let (covered, crc) = bytes.split_last_chunk_mut::<4>().expect("a frame");
    *crc = crc32fast::hash(covered).to_le_bytes();
    bytes
}

#[test]
fn what_a_frame_claims_to_have_reserves_no_more_memory_than_it_has_bytes() {
    let many = vec![0; MANY_BYTES];
    let none = vec![255; MANY_BYTES];
    // Vote and two ids of an append, nothing known.
    let append = [0; 17 + 2];
    // All of a batch but the number of its commands.
    let batch = [&[3][..], &[1; 48]].concat();
    let entry = |length: [u8; 4], body: &[u8]| [&[0; 24][..], &length, body].concat();
    let members = [&[2][..], &[255; 8]].concat();
    let long = (MANY_BYTES as u32).to_le_bytes();
    let hostile = [
        ("2^32-1 entries of none", frame(1, &[&append[..], &HUGE].concat())),
        ("2^32-1 entries that are none", frame(1, &[&append[..], &HUGE, &none].concat())),
        ("an entry of 2^32-1 bytes", frame(1, &[&append[..], &[1, 0, 0, 0], &entry(HUGE, &many)].concat())),
        ("an entry of no kind", frame(1, &[&append[..], &[1, 0, 0, 0], &entry(long, &none)].concat())),
        ("2^32-1 commands of none", frame(8, &[&batch[..], &HUGE].concat())),
        ("2^32-1 commands that are none", frame(8, &[&batch[..], &HUGE, &none].concat())),
        ("2^64-1 sets of voters", frame(15, &[&[0; 17 + 24][..], &[1], &[0; 24], &members, &none].concat())),
        ("nothing that anybody knows", frame(99, &many)),
        ("a question with an appendix", frame(10, &many)),
    ];
    for (what, bytes) in hostile {
        let bytes = put_right(bytes);
        let memory = MEMORY_FIXED + bytes.len();
        let error = bounded(what, memory, || Frame::decode(&bytes)).map(drop).err();
        assert!(matches!(error, Some(FrameError::Malformed(_))), "{what}: {error:?}");
    }
    // One part of a snapshot is copied, once.
    let chunk = put_right(frame(13, &many));
    assert!(bounded("a part of a snapshot", MEMORY_FIXED + chunk.len(), || Frame::decode(&chunk)).is_ok());
}

#[test]
fn names_as_long_as_can_be_said_are_looked_for_in_the_frame() {
    for at in [2, 4] {
        let mut bytes = frame(10, &[b'n'; 100]);
        bytes[at..at + 2].copy_from_slice(&[255; 2]);
        let bytes = put_right(bytes);
        let read = bounded("a name", MEMORY_FIXED, || Frame::decode(&bytes));
        assert!(matches!(read, Err(FrameError::Malformed(_))));
    }
}
