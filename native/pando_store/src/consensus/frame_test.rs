//! Frames: every kind as it was written, and nothing else taken for one.

use std::collections::BTreeSet;
use std::sync::Arc;

use openraft::EntryPayload;
use openraft::type_config::alias::EntryOf;
use pando_tree::{Command, Name, Payload, Step};

use super::*;
use crate::batch::Origin;
use crate::consensus::conversion::membership_to_raft;
use crate::consensus::type_config::Proposal;
use crate::membership::{Member, Role};

const NAME_LENGTH_AT: usize = 2;
const NODE_LENGTH_AT: usize = 4;
const BODY_AT: usize = FIXED_SIZE_BYTES - 4 + "stock".len() + "a@b".len();

fn address() -> Address {
    Address {
        cluster_id: [7; 16],
        store_name: "stock".to_owned(),
        from: 3,
        from_node: "a@b".to_owned(),
        to: 9,
    }
}

fn frame(body: Body) -> Frame {
    Frame { address: address(), request_id: 42, body }
}

fn position(index: u64) -> LogPosition {
    LogPosition { term: 4, node_id: 2, index }
}

fn batch() -> Batch {
    let origin = Origin { member_id: 3, incarnation: 99, first_sequence: 7 };
    let path = vec![Step::Child(Name::atom("stock")), Step::Child(Name::binary(&[1]))];
    let payload = Payload::Data(Arc::from(vec![131, 97, 1]));
    Batch::new(origin, 1_234, vec![Command::put(path.clone(), payload), Command::delete(path)], None)
}

fn membership() -> Membership {
    let mut membership = Membership::of_one(7, "a@b");
    membership.voter_sets.push(BTreeSet::from([7, 8]));
    membership.members.insert(8, Member { node_name: "c@d".to_owned(), role: Role::Voter });
    membership.members.insert(9, Member { node_name: "e@f".to_owned(), role: Role::Observer });
    membership
}

fn append() -> AppendEntriesRequest<PandoTypes> {
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Normal(Proposal(Arc::new(batch()))),
        EntryPayload::Membership(membership_to_raft(&membership()).unwrap()),
    ];
    let entry = |(index, payload)| EntryOf::<PandoTypes> { log_id: log_id_of(position(index)), payload };
    AppendEntriesRequest {
        vote: VoteOf::<PandoTypes>::new_committed(4, 2),
        prev_log_id: Some(log_id_of(position(4))),
        entries: (5..).zip(payloads).map(entry).collect(),
        leader_commit: None,
    }
}

/// Each kind, in each of its forms.
fn bodies() -> Vec<Body> {
    let vote = VoteOf::<PandoTypes>::new(5, 3);
    let committed = VoteOf::<PandoTypes>::new_committed(4, 2);
    let last_log_id = Some(log_id_of(position(6)));
    let asked = |leadership_transfer| VoteRequest { vote, last_log_id, leadership_transfer };
    let heartbeat = AppendEntriesRequest {
        vote: committed,
        prev_log_id: None,
        entries: vec![],
        leader_commit: last_log_id,
    };
    let presence =
        Presence { term: 4, applied_index: 5, last_log_index: 6, priority: -7, declines_to_lead: true };
    let chunk = |bytes: &[u8]| SnapshotChunk {
        covers: position(6),
        offset: 10,
        file_size_bytes: 20,
        bytes: bytes.to_vec(),
    };
    vec![
        Body::Append(append()),
        Body::Append(heartbeat),
        Body::AppendReply(AppendEntriesResponse::Success),
        Body::AppendReply(AppendEntriesResponse::PartialSuccess(None)),
        Body::AppendReply(AppendEntriesResponse::PartialSuccess(last_log_id)),
        Body::AppendReply(AppendEntriesResponse::Conflict),
        Body::AppendReply(AppendEntriesResponse::HigherVote(vote)),
        Body::Vote(asked(false)),
        Body::PreVote(asked(true)),
        Body::VoteReply(VoteResponse { vote, last_log_id: None, vote_granted: true }),
        Body::VoteReply(VoteResponse { vote: committed, last_log_id, vote_granted: false }),
        Body::TransferLeader(TransferLeaderRequest::new(committed, 3, last_log_id)),
        Body::TransferReply { is_accepted: true },
        Body::Forward(batch()),
        Body::ForwardRefused { first_sequence: 7 },
        Body::ReadIndex,
        Body::ReadIndexReply(None),
        Body::ReadIndexReply(Some(0)),
        Body::Presence(presence),
        Body::Chunk(chunk(b"a part")),
        Body::Chunk(chunk(b"")),
        Body::ChunkReply { is_taken: false },
        Body::Install { vote: committed, covers: position(6), membership: None },
        Body::Install { vote: committed, covers: position(6), membership: Some((position(2), membership())) },
        Body::InstallReply { vote },
        Body::Refused(RefusedFrame::Version),
        Body::Refused(RefusedFrame::NotMember),
        Body::Refused(RefusedFrame::NoRoom),
    ]
}

/// With the checksum that its bytes ask for.
fn put_right(mut bytes: Vec<u8>) -> Vec<u8> {
    let covered = bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[..covered]);
    bytes[covered..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A frame of this kind with this body, which nobody may have written.
fn raw(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = frame(Body::ReadIndex).encode();
    bytes[1] = kind;
    bytes.truncate(BODY_AT);
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&[0; 4]);
    put_right(bytes)
}

fn is_malformed(bytes: &[u8]) -> bool {
    matches!(Frame::decode(bytes), Err(FrameError::Malformed(_)))
}

#[test]
fn every_kind_is_read_as_it_was_written() {
    let mut kinds = BTreeSet::new();
    for body in bodies() {
        let written = frame(body);
        let bytes = written.encode();
        kinds.insert(bytes[1]);
        let read = Frame::decode(&bytes).unwrap();
        assert_eq!(format!("{read:?}"), format!("{written:?}"));
        assert_eq!(read.encode(), bytes);
    }
    assert_eq!(kinds, (kind::APPEND..=kind::REFUSED).collect(), "one of each kind");
}

/// docs/formats.md, "Frames between members".
#[test]
fn the_example_of_the_formats_page_is_what_is_written() {
    let text = "01 02 05 00 03 00 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 03 00 00 00 00 00 00 00 09 00 00 00 \
                00 00 00 00 2a 00 00 00 00 00 00 00 73 74 6f 63 6b 61 40 62 00 1c a5 fb dc";
    let example: Vec<u8> =
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    assert_eq!(example, frame(Body::AppendReply(AppendEntriesResponse::Success)).encode());
}

#[test]
fn cut_or_longer_or_with_a_bit_flipped_it_is_refused() {
    for body in bodies() {
        let bytes = frame(body).encode();
        for length in 0..bytes.len() {
            assert!(is_malformed(&bytes[..length]), "cut at {length}");
        }
        for more in [&[0][..], &[0; 4], &[255; 7], &bytes] {
            assert!(is_malformed(&[&bytes[..], more].concat()));
        }
        let mut flipped = bytes;
        for bit in 0..8 * flipped.len() {
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(is_malformed(&flipped), "bit {bit}");
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// What the checksum does not keep out, because it is right.
#[test]
fn a_body_that_is_cut_or_longer_is_refused_under_a_right_checksum() {
    for body in bodies() {
        // Of a chunk, everything behind its head is its part.
        let is_chunk = matches!(body, Body::Chunk(_));
        let bytes = frame(body).encode();
        let (kind, body) = (bytes[1], &bytes[BODY_AT..bytes.len() - 4]);
        for length in 0..body.len() {
            assert_eq!(
                is_malformed(&raw(kind, &body[..length])),
                !is_chunk || length < 40,
                "{kind} at {length}"
            );
        }
        assert_eq!(is_malformed(&raw(kind, &[body, &[0]].concat())), !is_chunk, "{kind}");
    }
}

#[test]
fn kinds_and_flags_that_nobody_writes_are_refused() {
    for kind in (0..kind::APPEND).chain(kind::REFUSED + 1..=u8::MAX) {
        assert!(is_malformed(&raw(kind, &[])));
    }
    for kind in [kind::APPEND_REPLY, kind::TRANSFER_REPLY, kind::CHUNK_REPLY, kind::REFUSED] {
        assert!(!is_malformed(&raw(kind, &[0])), "{kind}");
        assert!(is_malformed(&raw(kind, &[4])), "{kind}");
    }
    // No leader, and yet an index.
    assert!(!is_malformed(&raw(kind::READ_INDEX_REPLY, &[0; 9])));
    assert!(is_malformed(&raw(kind::READ_INDEX_REPLY, &[0, 1, 0, 0, 0, 0, 0, 0, 0])));
}

#[test]
fn a_frame_of_another_version_is_known_to_be_one_and_says_where_its_sender_is() {
    for version in [0, FRAME_VERSION + 1, u8::MAX] {
        let mut bytes = raw(200, b"whatever");
        bytes[0] = version;
        let bytes = put_right(bytes);
        let address = Some(address());
        assert_eq!(Frame::decode(&bytes).err(), Some(FrameError::Version { version, address }));
        // One whose head is another.
        let mut bytes = vec![version, 1, 2, 3];
        bytes.extend_from_slice(&[0; 4]);
        let error = Frame::decode(&put_right(bytes)).err();
        assert_eq!(error, Some(FrameError::Version { version, address: None }));
    }
}

#[test]
fn a_refusal_is_read_in_every_version_and_so_never_answered() {
    for version in [0, FRAME_VERSION + 1, u8::MAX] {
        let mut bytes = frame(Body::Refused(RefusedFrame::Version)).encode();
        bytes[0] = version;
        let read = Frame::decode(&put_right(bytes)).unwrap();
        assert_eq!(read.address, address());
        assert!(matches!(read.body, Body::Refused(RefusedFrame::Version)));
        let mut unknown = raw(kind::REFUSED, b"a reason of that version");
        unknown[0] = version;
        assert!(is_malformed(&put_right(unknown)));
    }
}

#[test]
fn names_that_are_none_or_longer_than_the_frame_are_refused() {
    let bytes = frame(Body::ReadIndex).encode();
    let names_at = FIXED_SIZE_BYTES - 4;
    for at in [names_at, names_at + "stock".len()] {
        let mut bytes = bytes.clone();
        bytes[at] = 255;
        assert!(is_malformed(&put_right(bytes)), "not UTF-8");
    }
    for at in [NAME_LENGTH_AT, NODE_LENGTH_AT] {
        let mut bytes = bytes.clone();
        bytes[at..at + 2].copy_from_slice(&[255; 2]);
        assert!(is_malformed(&put_right(bytes)), "longer than the frame");
    }
}

#[test]
fn entries_that_cannot_be_read_are_refused_with_their_frame() {
    let bytes = frame(Body::Append(append())).encode();
    let body = &bytes[BODY_AT..bytes.len() - 4];
    // Vote, an id, no id.
    let count_at = 17 + 25 + 1;
    let entry_at = count_at + 4 + 24 + 4;
    assert_eq!(body[count_at..count_at + 4], [3, 0, 0, 0]);
    assert_eq!(body[entry_at - 4..=entry_at], [1, 0, 0, 0, 0], "a blank entry");
    let with = |at: usize, byte: u8| {
        let mut body = body.to_vec();
        body[at] = byte;
        raw(kind::APPEND, &body)
    };
    assert!(!is_malformed(&with(entry_at, 0)));
    assert!(is_malformed(&with(entry_at, 9)), "an entry of no kind");
    assert!(is_malformed(&with(entry_at - 4, 0)), "an entry of no bytes");
    assert!(is_malformed(&with(entry_at - 1, 255)), "an entry longer than the frame");
    for count in [0, 2, 4, 255] {
        assert!(is_malformed(&with(count_at, count)), "{count} entries");
    }
    assert!(is_malformed(&with(count_at + 3, 255)), "more entries than there are bytes");
    // A member that votes must be one.
    let lonely = Membership { members: std::collections::BTreeMap::new(), ..membership() };
    let install = |membership| {
        let change = crate::entry::Change::Membership(Arc::new(membership));
        let mut body = body[..count_at].to_vec();
        put_u32(&mut body, 1);
        put_entry(&mut body, Entry { position: position(5), change });
        raw(kind::APPEND, &body)
    };
    assert!(!is_malformed(&install(membership())));
    assert!(is_malformed(&install(lonely)));
}

#[test]
fn a_frame_larger_than_any_may_be_is_not_looked_at() {
    // Zeros that nobody touches take no memory.
    let bytes = vec![0; FRAME_SIZE_BYTES_MAX + 1];
    assert_eq!(Frame::decode(&bytes).err(), Some(FrameError::Malformed("too large")));
}
