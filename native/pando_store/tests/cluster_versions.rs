//! Frames that are not for a member, or that it cannot read: of another version, cluster, store or member. Made by hand from
//! docs/formats.md, "Frames between members".

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod cluster_support;
mod store_support;

use cluster_support::{CLUSTER_ID, Cluster, Node};
use pando_store::Role;
use pando_store::cluster::ClusterEvent;
use pando_store::peers::Lane;
use store_support::{WAIT_MAX, get, put, run, wait_until};

/// What this release writes, and reads.
const VERSION: u8 = 1;
const VOTE: u8 = 3;
const READ_INDEX: u8 = 10;
const PRESENCE: u8 = 12;
const REFUSED: u8 = 17;
const REFUSED_VERSION: &[u8] = &[0];
const REFUSED_NOT_MEMBER: &[u8] = &[1];
/// A node of no cluster.
const STRANGER: &str = "stranger@host";
/// An id that no member has.
const UNKNOWN: u64 = 1 << 40;

struct Parts<'a> {
    version: u8,
    kind: u8,
    cluster_id: [u8; 16],
    from: u64,
    to: u64,
    store: &'a str,
    node: &'a str,
    body: &'a [u8],
}

/// A question that is answered whoever is asked: how far one must have applied.
fn question(to: u64) -> Parts<'static> {
    Parts {
        version: VERSION,
        kind: READ_INDEX,
        cluster_id: CLUSTER_ID,
        from: UNKNOWN,
        to,
        store: "stock",
        node: STRANGER,
        body: &[],
    }
}

fn frame(parts: &Parts<'_>) -> Vec<u8> {
    let length = |text: &str| u16::try_from(text.len()).unwrap().to_le_bytes();
    let request_id = 77u64;
    let mut frame = vec![parts.version, parts.kind];
    frame.extend([length(parts.store), length(parts.node)].concat());
    frame.extend(parts.cluster_id);
    frame.extend([parts.from, parts.to, request_id].iter().flat_map(|field| field.to_le_bytes()));
    frame.extend([parts.store.as_bytes(), parts.node.as_bytes(), parts.body].concat());
    let crc = crc32(&frame);
    frame.extend(crc.to_le_bytes());
    frame
}

/// CRC-32 as in zlib, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Kind, receiver's member id and body of a frame for the stranger.
fn read(frame: &[u8]) -> (u8, u64, Vec<u8>) {
    assert_eq!(frame[0], VERSION);
    let body_at = 46 + "stock".len() + frame[4] as usize;
    let to = u64::from_le_bytes(frame[30..38].try_into().unwrap());
    (frame[1], to, frame[body_at..frame.len() - 4].to_vec())
}

fn inject(cluster: &Cluster, node: &Node, parts: &Parts<'_>) {
    cluster.wires.inject(&node.name, Lane::Consensus, frame(parts));
}

fn await_refused(node: &Node, count: u64) {
    wait_until("as many frames were refused", || node.status().frames_refused >= count);
    assert_eq!(node.status().frames_refused, count);
}

fn version_notices(node: &Node) -> Vec<String> {
    let notices = node.events.notices.lock().unwrap();
    notices.iter().filter(|notice| notice.contains("upgrades.md")).cloned().collect()
}

#[test]
fn a_frame_of_another_version_is_refused_politely_and_the_store_goes_on() {
    let cluster = Cluster::of(1);
    let node = &cluster.nodes[0];
    let answers = cluster.wires.listen(STRANGER);
    let (me, before) = (node.status().member_id, node.status().frames_refused);
    for (number, version) in [VERSION + 1, VERSION + 9, 0].into_iter().enumerate() {
        // Also of a kind that this release does not know.
        let newer = Parts { version, kind: 100, body: b"what it means is not known yet", ..question(me) };
        inject(&cluster, node, &newer);
        let (lane, answer) = answers.recv_timeout(WAIT_MAX).unwrap();
        assert_eq!(lane, Lane::Consensus);
        assert_eq!(read(&answer), (REFUSED, UNKNOWN, REFUSED_VERSION.to_vec()));
        await_refused(node, before + number as u64 + 1);
    }
    // One that is not whole, or not for this member, is not answered.
    let newer = Parts { version: VERSION + 1, ..question(me) };
    let mut damaged = frame(&newer);
    damaged[10] ^= 1;
    cluster.wires.inject(&node.name, Lane::Consensus, damaged);
    inject(&cluster, node, &Parts { to: me + 1, ..newer });
    await_refused(node, before + 5);
    assert!(answers.try_recv().is_err());
    run(node.store(), put(&["a"], "1")).unwrap();
    assert_eq!(get(node.store(), &["a"]).as_deref(), Some("1"));
    assert_eq!(node.status().frames_refused, before + 5);
}

#[test]
fn what_is_of_another_cluster_store_or_member_is_counted_and_dropped() {
    let cluster = Cluster::of(1);
    let node = &cluster.nodes[0];
    let answers = cluster.wires.listen(STRANGER);
    let me = node.status().member_id;
    let before = node.status().frames_refused;
    let others = [
        Parts { cluster_id: [6; 16], ..question(me) },
        Parts { store: "stack", ..question(me) },
        Parts { store: "", ..question(me) },
        Parts { to: me + 1, ..question(me) },
        // As if it came from itself.
        Parts { from: me, ..question(me) },
    ];
    others.iter().for_each(|parts| inject(&cluster, node, parts));
    await_refused(node, before + others.len() as u64);
    assert!(answers.try_recv().is_err());
    run(node.store(), put(&["a"], "1")).unwrap();
}

#[test]
fn who_is_no_member_is_told_so_by_who_leads_and_asks_for_votes_in_vain() {
    // Alone it leads beyond doubt, however slow the machine.
    let cluster = Cluster::of(1);
    let leader = &cluster.nodes[0];
    let answers = cluster.wires.listen(STRANGER);
    let status = leader.status();
    let me = status.member_id;
    // A vote for itself in a term far ahead, and a log that is longer than all others.
    let id = [1u64 << 50, UNKNOWN, 1 << 50].map(u64::to_le_bytes).concat();
    let vote = [&(1u64 << 50).to_le_bytes()[..], &UNKNOWN.to_le_bytes(), &[0, 1], &id, &[0]].concat();
    let questions = [Parts { kind: VOTE, body: &vote, ..question(me) }, question(me)];
    for (number, parts) in questions.iter().enumerate() {
        inject(&cluster, leader, parts);
        let (_, answer) = answers.recv_timeout(WAIT_MAX).unwrap();
        assert_eq!(read(&answer), (REFUSED, UNKNOWN, REFUSED_NOT_MEMBER.to_vec()));
        await_refused(leader, status.frames_refused + number as u64 + 1);
    }
    assert_eq!(leader.status().consensus.term, status.consensus.term);
    run(leader.store(), put(&["a"], "1")).unwrap();
}

#[test]
fn a_member_that_others_cannot_read_says_so_once_and_answers_no_refusal() {
    // The only voter: it leads beyond doubt, however slow the machine.
    let mut cluster = Cluster::of(1);
    let observer = cluster.add_node();
    let from = cluster.join(observer, Role::Observer);
    let node = &cluster.nodes[0];
    let answers = cluster.wires.listen(STRANGER);
    let me = node.status().member_id;
    let before = node.status().frames_refused;
    let refusal = Parts { kind: REFUSED, body: REFUSED_VERSION, from, ..question(me) };
    // From a release that may be a much newer one: refusals are the same in all of them.
    for version in [VERSION, VERSION + 1, u8::MAX] {
        (0..10).for_each(|_| inject(&cluster, node, &Parts { version, ..refusal }));
    }
    wait_until("it says so", || !version_notices(node).is_empty());
    // From one that is no member, it is not believed; and who leads is a member, whoever says otherwise.
    inject(&cluster, node, &Parts { from: UNKNOWN, ..refusal });
    inject(&cluster, node, &Parts { body: REFUSED_NOT_MEMBER, ..refusal });
    inject(&cluster, node, &Parts { from: UNKNOWN, body: REFUSED_NOT_MEMBER, ..refusal });
    // A reason that this release does not know.
    inject(&cluster, node, &Parts { version: VERSION + 1, body: b"another", ..refusal });
    await_refused(node, before + 4);
    let notices = version_notices(node);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains(STRANGER), "{notices:?}");
    assert!(answers.try_recv().is_err());
    assert!(!node.events.events.lock().unwrap().contains(&ClusterEvent::Removed));
    run(node.store(), put(&["a"], "1")).unwrap();
}

/// Nothing of it can be misread as that of the version that is known.
#[test]
fn members_of_another_version_are_out_of_reach_and_no_danger() {
    let cluster = Cluster::of(1);
    let node = &cluster.nodes[0];
    let me = node.status().member_id;
    let before = node.status();
    let presence = [0u8; 33];
    for (kind, body) in [(VOTE, &[255u8; 40][..]), (PRESENCE, &presence), (READ_INDEX, &[]), (1, &[0; 60])] {
        inject(&cluster, node, &Parts { version: VERSION + 1, kind, body, ..question(me) });
    }
    await_refused(node, before.frames_refused + 4);
    assert_eq!(node.status().consensus.term, before.consensus.term);
    assert!(node.leads());
    run(node.store(), put(&["a"], "1")).unwrap();
}
