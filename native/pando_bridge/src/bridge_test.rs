use super::*;

use std::sync::mpsc::{Receiver, Sender, channel};

use pando_store::cluster::{ClusterAnswer, ClusterError};
use pando_store::log::{SEGMENT_BYTES_FIRST, SEGMENT_BYTES_MAX};
use pando_store::peers::{Lane, PeerTransport};
use pando_store::{Birth, Outcome, Role, StoreStatus, SystemClock};

/// Longer than any honest wait; a test that reaches it has failed.
const WAIT_MAX: Duration = Duration::from_secs(60);
const CLUSTER_ID: [u8; 16] = [7; 16];

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Opened(u64, bool),
    Closed(u64),
    Notice(u64, String),
}

/// Tells channels.
struct Channels;

impl Beam for Channels {
    type Key = u64;
    type Address = Sender<Result<ClusterAnswer, ClusterError>>;
    type Owner = Sender<Told>;

    fn is_scheduler() -> bool {
        false
    }
    fn in_batch(replies: impl FnOnce()) {
        replies();
    }
    fn reply(_: Self::Address, _: Outcome) {}
    fn cluster_reply(address: Self::Address, result: Result<ClusterAnswer, ClusterError>) {
        let _ = address.send(result);
    }
    fn opened(owner: &Self::Owner, key: u64, result: Result<(), OpenFailure>) {
        let _ = owner.send(Told::Opened(key, result.is_ok()));
    }
    fn closed(owner: &Self::Owner, key: u64) {
        let _ = owner.send(Told::Closed(key));
    }
    fn halted(_: &Self::Owner, _: u64, _: &str) {}
    fn notice(owner: &Self::Owner, key: u64, text: &str) {
        let _ = owner.send(Told::Notice(key, text.to_owned()));
    }
    fn progress(_: &Self::Owner, _: u64, _: &str) {}
    fn cluster_event(_: &Self::Owner, _: u64, _: &ClusterEvent) {}
}

/// The stores of one bridge, by their keys, are nodes of these names to one another.
struct Wires(&'static Bridge<Channels>);

fn node_name(key: u64) -> String {
    format!("n{key}@host")
}

impl PeerTransport for Wires {
    fn send(&self, to: &str, lane: Lane, frame: Vec<u8>) {
        for key in [1, 2] {
            if to == node_name(key) {
                let _ = self.0.with_member(key, |store| store.peer_frame(lane, frame.clone()));
            }
        }
    }
}

/// Two stores in a directory of their own.
struct Pair {
    bridge: &'static Bridge<Channels>,
    owner: Arc<Sender<Told>>,
    told: Receiver<Told>,
    directory: PathBuf,
}

impl Pair {
    fn new(name: &str) -> Pair {
        let directory = std::env::temp_dir().join(format!("pando_bridge_{name}_{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let (owner, told) = channel();
        Pair { bridge: Box::leak(Box::default()), owner: Arc::new(owner), told, directory }
    }

    fn open(&self, key: u64, birth: Birth) {
        let directory = self.directory.join(key.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        let options = StoreOptions {
            name: "stock".to_owned(),
            node_name: node_name(key),
            holder: "a test".to_owned(),
            birth,
            transport: Arc::new(Wires(self.bridge)),
            priority: 0,
            incarnation: key,
            clock: Arc::new(SystemClock),
            snapshot_log_bytes_min: 1024 * 1024,
            queued_commands_max: 1_000,
            segment_bytes_first: SEGMENT_BYTES_FIRST,
            segment_bytes_max: SEGMENT_BYTES_MAX,
        };
        self.bridge.open(OpenRequest { key, directory, options, owner: self.owner.clone() });
        assert_eq!(self.told.recv_timeout(WAIT_MAX), Ok(Told::Opened(key, true)));
    }

    fn request(&self, key: u64, request: ClusterRequest) -> ClusterAnswer {
        let (address, answers) = channel();
        let asked = self.bridge.with(key, |open| open.cluster_request(request, address).is_ok());
        assert_eq!(asked, Some(true));
        answers.recv_timeout(WAIT_MAX).unwrap().unwrap()
    }

    fn status(&self, key: u64) -> StoreStatus {
        self.bridge.with(key, |open| open.store().status()).expect("it is open")
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.bridge.close_all(WAIT_MAX);
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Of two voters, none is elected without the other: who closes has to hear that it is asked for its vote.
#[test]
fn a_store_that_closes_hears_the_other_members_until_leadership_is_handed_over() {
    let pair = Pair::new("handing_over");
    pair.open(1, Birth::Found(CLUSTER_ID));
    let ClusterAnswer::MemberId(member_id) = pair.request(1, ClusterRequest::AllocateMemberId) else {
        panic!("no id")
    };
    pair.open(2, Birth::Join { cluster_id: CLUSTER_ID, member_id });
    let node_name = node_name(2);
    pair.request(1, ClusterRequest::AddMember { member_id, node_name, role: Role::Voter });
    let deadline = Instant::now() + WAIT_MAX;
    while !pair.status(1).members.iter().any(|member| member.member_id == member_id && member.is_voter) {
        assert!(Instant::now() < deadline, "the second one does not vote");
        std::thread::sleep(Duration::from_millis(5));
    }
    pair.bridge.close(1, None, Some(pair.owner.clone()));
    // And not, before that, a notice that nobody has taken leadership over.
    assert_eq!(pair.told.recv_timeout(WAIT_MAX), Ok(Told::Closed(1)));
    assert_eq!(pair.status(2).consensus.leader, Some(member_id));
    assert!(pair.bridge.with_member(1, |_| ()).is_none(), "it is still there");
}
