//! Frames between members.
//!
//! Input: a byte that says what is put right, and a frame. Nothing damaged gets past the checksum, so it is put right, and with it
//! the version, and lengths and number of entries: bits of the byte say what is left as it is.

use pando_store::batch::{Batch, Origin};
use pando_store::fuzzing::{Frame, FrameError};

use crate::Outcome;
use crate::memory::bounded;

const VERSION: u8 = 1;
const KIND_AT: usize = 1;
const NAME_LENGTH_AT: usize = 2;
const NODE_LENGTH_AT: usize = 4;
const NAMES_AT: usize = 46;
const CRC_BYTES: usize = 4;
const VOTE_BYTES: usize = 17;
const POSITION_BYTES: usize = 24;
/// As for commands.
const MEMORY_FIXED: usize = 64 * 1024 * 1024;
const MEMORY_PER_BYTE: usize = 1024;

/// Bits of the first byte: what is left as it is.
mod left {
    pub(super) const CHECKSUM: u8 = 1;
    pub(super) const VERSION: u8 = 2;
    pub(super) const ENTRIES: u8 = 4;
}

mod kind {
    pub(super) const APPEND: u8 = 1;
    pub(super) const FORWARD: u8 = 8;
    pub(super) const INSTALL: u8 = 15;
    pub(super) const REFUSED: u8 = 17;
}

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let Some((selector, bytes)) = input.split_first() else { return Outcome::Refused };
    let mut bytes = bytes.to_vec();
    put_right(&mut bytes, *selector);
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * bytes.len();
    match bounded("a frame", memory, || Frame::decode(&bytes)) {
        Ok(frame) => {
            check_read(&frame, &bytes);
            Outcome::Read
        }
        Err(FrameError::Version { version, address }) => {
            assert_eq!(version, bytes[0]);
            assert_ne!(version, VERSION);
            if address.is_some() {
                assert_ne!(bytes[KIND_AT], kind::REFUSED, "a refusal that can be answered");
                bytes[KIND_AT] = kind::REFUSED;
                bytes[0] = VERSION;
                put_checksum_right(&mut bytes);
                let error = Frame::decode(&bytes).map(drop).err();
                assert!(matches!(error, None | Some(FrameError::Malformed(_))), "{error:?}");
            }
            Outcome::Refused
        }
        Err(FrameError::Malformed(_)) => Outcome::Refused,
    }
}

fn check_read(frame: &Frame, bytes: &[u8]) {
    let mut expected = bytes.to_vec();
    if bytes[0] != VERSION {
        assert_eq!(bytes[KIND_AT], kind::REFUSED, "nothing else is read in another version");
        expected[0] = VERSION;
        put_checksum_right(&mut expected);
    }
    let again = frame.encode();
    if again != expected {
        // Members of version 1 are written as version 2.
        assert!(matches!(bytes[KIND_AT], kind::APPEND | kind::INSTALL), "a frame is written as it was read");
        let body_at = body_at(bytes).expect("it was read");
        assert_eq!(again[..body_at], bytes[..body_at]);
        let read = Frame::decode(&again).expect("what was read is written");
        assert_eq!(format!("{read:?}"), format!("{frame:?}"));
        assert_eq!(read.encode(), again);
    }
    let at = usize::from(bytes[bytes.len() / 2]) % bytes.len();
    let mut damaged = bytes.to_vec();
    damaged[at] ^= 1;
    assert!(matches!(Frame::decode(&damaged), Err(FrameError::Malformed(_))), "damaged at {at}, and read");
}

fn put_right(bytes: &mut Vec<u8>, selector: u8) {
    if let (0, [version, ..]) = (selector & left::VERSION, &mut bytes[..]) {
        *version = VERSION;
    }
    if selector & left::ENTRIES == 0 && bytes.get(KIND_AT) == Some(&kind::APPEND) {
        put_entries_right(bytes);
    }
    if selector & left::CHECKSUM == 0 {
        put_checksum_right(bytes);
    }
}

fn put_checksum_right(bytes: &mut [u8]) {
    if let Some((covered, crc)) = bytes.split_last_chunk_mut::<CRC_BYTES>() {
        *crc = crc32fast::hash(covered).to_le_bytes();
    }
}

fn body_at(bytes: &[u8]) -> Option<usize> {
    let length =
        |at: usize| bytes.get(at..)?.first_chunk().map(|bytes| usize::from(u16::from_le_bytes(*bytes)));
    Some(NAMES_AT + length(NAME_LENGTH_AT)? + length(NODE_LENGTH_AT)?)
}

/// Entries as many as there are, each as long as it says if there is so much, and nothing behind the last.
fn put_entries_right(bytes: &mut Vec<u8>) -> Option<()> {
    let mut at = body_at(bytes)? + VOTE_BYTES;
    for _ in 0..2 {
        at += if *bytes.get(at)? == 0 { 1 } else { 1 + POSITION_BYTES };
    }
    let count_at = at;
    let end = bytes.len().checked_sub(CRC_BYTES)?;
    at += 4;
    let mut count = 0u32;
    while at + POSITION_BYTES + 4 <= end {
        let length_at = at + POSITION_BYTES;
        let body_at = length_at + 4;
        let length = u32::from_le_bytes(*bytes.get(length_at..)?.first_chunk()?) as usize;
        let length = length.min(end - body_at);
        bytes[length_at..body_at].copy_from_slice(&(length as u32).to_le_bytes());
        at = body_at + length;
        count += 1;
    }
    if at <= end {
        bytes.truncate(at);
        bytes.extend([0; CRC_BYTES]);
    }
    bytes.get_mut(count_at..count_at + 4)?.copy_from_slice(&count.to_le_bytes());
    Some(())
}

/// A frame of this kind with this body; its checksum is put right when it is checked.
pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![VERSION, kind, 5, 0, 3, 0];
    frame.extend([7; 16]);
    frame.extend([3u64, 9, 42].iter().flat_map(|field| field.to_le_bytes()));
    frame.extend(b"stocka@b");
    frame.extend(body);
    frame.extend([0; CRC_BYTES]);
    frame
}

fn position(index: u64) -> Vec<u8> {
    [4, 2, index].iter().flat_map(|field: &u64| field.to_le_bytes()).collect()
}

fn vote(is_committed: u8) -> Vec<u8> {
    [&4u64.to_le_bytes()[..], &2u64.to_le_bytes(), &[is_committed]].concat()
}

fn append(entries: &[&[u8]]) -> Vec<u8> {
    let mut body = [&vote(1)[..], &[1], &position(4), &[0]].concat();
    body.extend((entries.len() as u32).to_le_bytes());
    for (entry, index) in entries.iter().zip(5..) {
        body.extend(position(index));
        body.extend((entry.len() as u32).to_le_bytes());
        body.extend(*entry);
    }
    frame(kind::APPEND, &body)
}

/// Batches of each kind of command.
fn batches() -> Vec<Vec<u8>> {
    let origin = Origin { member_id: 3, incarnation: 99, first_sequence: 7 };
    let encode = |batch: Batch| {
        let mut bytes = Vec::new();
        batch.encode(&mut bytes);
        bytes
    };
    super::command::samples()
        .chunks(3)
        .map(|commands| encode(Batch::new(origin, 5, commands.to_vec(), None)))
        .collect()
}

/// Each kind, in each of its forms; a refusal also of another version.
pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |frame: Vec<u8>| [&[0][..], &frame].concat();
    let members = super::control::membership_sample();
    let id = [&[1][..], &position(6)].concat();
    let batches = batches();
    let [first, ..] = &batches[..] else { return Vec::new() };
    let mut seeds: Vec<Vec<u8>> = batches.iter().map(|batch| seed(frame(kind::FORWARD, batch))).collect();
    seeds.extend([
        seed(append(&[])),
        seed(append(&[
            &[0],
            &[&[1][..], first].concat(),
            &[&[2][..], &members].concat(),
            &[&[2][..], &super::control::membership_sample_1()].concat(),
            &[0],
        ])),
    ]);
    let bodies: [(u8, Vec<u8>); 25] = [
        (2, vec![0]),
        (2, vec![1, 0]),
        (2, [&[1][..], &id].concat()),
        (2, vec![2]),
        (2, [&[3][..], &vote(0)].concat()),
        (3, [&vote(0)[..], &id, &[0]].concat()),
        (4, [&vote(0)[..], &[0], &[1]].concat()),
        (5, [&vote(1)[..], &id, &[1]].concat()),
        (6, [&vote(1)[..], &3u64.to_le_bytes(), &id].concat()),
        (7, vec![1]),
        (9, 7u64.to_le_bytes().to_vec()),
        (10, vec![]),
        (11, vec![0; 9]),
        (11, vec![1; 9]),
        (12, [4u64, 5, 6, u64::MAX].iter().flat_map(|field| field.to_le_bytes()).chain([1]).collect()),
        (13, [&position(6)[..], &[0; 8], &[9; 8], b"a part"].concat()),
        (14, vec![1]),
        (15, [&vote(1)[..], &position(6), &[0]].concat()),
        (15, [&vote(1)[..], &position(6), &[1], &position(2), &members].concat()),
        (
            15,
            [&vote(1)[..], &position(6), &[1], &position(2), &super::control::membership_sample_1()].concat(),
        ),
        (16, vote(0)),
        (16, vote(1)),
        (17, vec![0]),
        (17, vec![1]),
        (17, vec![2]),
    ];
    seeds.extend(bodies.iter().map(|(kind, body)| seed(frame(*kind, body))));
    let mut newer = [&[left::VERSION][..], &frame(kind::REFUSED, &[0])].concat();
    newer[1] = VERSION + 1;
    seeds.push(newer);
    seeds
}
