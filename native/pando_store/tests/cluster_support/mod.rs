//! Clusters of whole stores in one process: memory disks, and wires between them that can be cut.

#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pando_store::cluster::{ClusterAnswer, ClusterError, ClusterEvent, ClusterRequest};
use pando_store::consensus::ServerState;
use pando_store::disk::{Disk, MemoryDisk};
use pando_store::peers::{Lane, NodeState, PeerTransport};
use pando_store::{Birth, Role, Store, StoreEvents, StoreOptions};

use crate::store_support::{self, Channels, DIRECTORY, TestStore, WAIT_MAX, wait_until};

pub const CLUSTER_ID: [u8; 16] = [5; 16];

/// A frame, and the lane that it was sent on.
pub type Sent = (Lane, Vec<u8>);

/// What lies between the nodes.
#[derive(Default)]
pub struct Wires {
    stores: Mutex<BTreeMap<String, Weak<TestStore>>>,
    cut: Mutex<BTreeSet<(String, String)>>,
    listeners: Mutex<BTreeMap<String, Sender<Sent>>>,
}

/// One node's end.
struct Plug {
    wires: Arc<Wires>,
    node: String,
}

impl PeerTransport for Plug {
    fn send(&self, node_name: &str, lane: Lane, frame: Vec<u8>) {
        if self.wires.is_cut(&self.node, node_name) {
            return;
        }
        let store = self.wires.stores.lock().unwrap().get(node_name).and_then(Weak::upgrade);
        if let Some(store) = store {
            store.peer_frame(lane, frame);
        } else if let Some(listener) = self.wires.listeners.lock().unwrap().get(node_name) {
            let _ = listener.send((lane, frame));
        }
    }
}

impl Wires {
    fn is_cut(&self, from: &str, to: &str) -> bool {
        self.cut.lock().unwrap().contains(&(from.to_owned(), to.to_owned()))
    }

    pub fn cut(&self, one: &str, other: &str) {
        let mut cut = self.cut.lock().unwrap();
        cut.insert((one.to_owned(), other.to_owned()));
        cut.insert((other.to_owned(), one.to_owned()));
    }

    pub fn heal(&self) {
        self.cut.lock().unwrap().clear();
    }

    /// What is sent to a node that has no store.
    pub fn listen(&self, node: &str) -> Receiver<Sent> {
        let (sender, receiver) = channel();
        self.listeners.lock().unwrap().insert(node.to_owned(), sender);
        receiver
    }

    /// A frame from nowhere.
    pub fn inject(&self, node: &str, lane: Lane, frame: Vec<u8>) {
        let store = self.stores.lock().unwrap().get(node).and_then(Weak::upgrade);
        store.expect("a store there").peer_frame(lane, frame);
    }
}

#[derive(Default)]
pub struct ClusterEvents {
    pub events: Mutex<Vec<ClusterEvent>>,
    pub notices: Mutex<Vec<String>>,
    pub halts: Mutex<Vec<String>>,
}

impl StoreEvents for ClusterEvents {
    fn halted(&self, reason: &str) {
        self.halts.lock().unwrap().push(reason.to_owned());
    }
    fn notice(&self, text: &str) {
        self.notices.lock().unwrap().push(text.to_owned());
    }
    fn cluster_event(&self, event: &ClusterEvent) {
        self.events.lock().unwrap().push(event.clone());
    }
}

/// A node: its disk stays when its store is closed.
pub struct Node {
    pub name: String,
    pub disk: MemoryDisk,
    pub store: Option<Arc<TestStore>>,
    pub events: Arc<ClusterEvents>,
}

impl Node {
    pub fn store(&self) -> &TestStore {
        self.store.as_ref().expect("it is open")
    }

    pub fn status(&self) -> pando_store::StoreStatus {
        self.store().status()
    }

    pub fn leads(&self) -> bool {
        let status = self.status();
        status.consensus.server_state == ServerState::Leader
            && status.consensus.leader == Some(status.member_id)
    }

    /// Asks this node, and waits.
    pub fn request(&self, request: ClusterRequest) -> Result<ClusterAnswer, ClusterError> {
        let (sender, receiver) = channel();
        self.store().cluster_request(request, Box::new(move |result| drop(sender.send(result))));
        receiver.recv_timeout(WAIT_MAX).expect("an answer")
    }
}

/// One cluster at a time: all stores of a process share one thread for consensus, and silence counts.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Nodes, by numbers from 0; the first founds the cluster.
pub struct Cluster {
    pub wires: Arc<Wires>,
    pub nodes: Vec<Node>,
    _alone: MutexGuard<'static, ()>,
}

pub fn node_name(number: usize) -> String {
    format!("n{number}@host")
}

impl Cluster {
    /// One node, that leads its cluster of one.
    pub fn found() -> Cluster {
        let mut cluster = Cluster {
            wires: Arc::default(),
            nodes: Vec::new(),
            _alone: ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner),
        };
        cluster.nodes.push(new_node(0));
        cluster.open(0, Birth::Found(CLUSTER_ID));
        cluster
    }

    /// So many voters.
    pub fn of(size: usize) -> Cluster {
        let mut cluster = Cluster::found();
        for _ in 1..size {
            let number = cluster.add_node();
            cluster.join(number, Role::Voter);
        }
        cluster.await_all_applied();
        cluster
    }

    pub fn add_node(&mut self) -> usize {
        let number = self.nodes.len();
        self.nodes.push(new_node(number));
        number
    }

    pub fn open_with(&mut self, number: usize, birth: Birth, change: impl FnOnce(&mut StoreOptions)) {
        let node = &mut self.nodes[number];
        let mut options = StoreOptions {
            birth,
            node_name: node.name.clone(),
            transport: Arc::new(Plug { wires: self.wires.clone(), node: node.name.clone() }),
            ..store_support::options()
        };
        change(&mut options);
        let disk: Arc<dyn Disk> = Arc::new(node.disk.clone());
        let store = Store::open(disk, Path::new(DIRECTORY), options, Arc::new(Channels), node.events.clone())
            .unwrap();
        let store = Arc::new(store);
        self.wires.stores.lock().unwrap().insert(node.name.clone(), Arc::downgrade(&store));
        node.store = Some(store);
    }

    pub fn open(&mut self, number: usize, birth: Birth) {
        self.open_with(number, birth, |_| ());
    }

    /// Opens what was closed.
    pub fn reopen(&mut self, number: usize) {
        self.open(number, Birth::Found([0; 16]));
    }

    pub fn close(&mut self, number: usize) {
        let store = self.nodes[number].store.take().expect("it is open");
        // To its end it hears the others.
        store.close();
        self.wires.stores.lock().unwrap().remove(&self.nodes[number].name);
    }

    /// The number of the node that leads; waits for one.
    pub fn leader(&self) -> usize {
        let mut found = None;
        wait_until("somebody leads", || {
            found = self
                .nodes
                .iter()
                .position(|node| node.store.is_some() && node.leads() && node.status().consensus.has_quorum);
            found.is_some()
        });
        found.unwrap()
    }

    pub fn followers(&self) -> Vec<usize> {
        let leader = self.leader();
        (0..self.nodes.len())
            .filter(|number| *number != leader && self.nodes[*number].store.is_some())
            .collect()
    }

    /// Asks whoever leads, until it is done.
    pub fn request(&self, request: &ClusterRequest) -> ClusterAnswer {
        let mut done = None;
        wait_until("the leader has done it", || {
            done = self.nodes[self.leader()].request(request.clone()).ok();
            done.is_some()
        });
        done.unwrap()
    }

    /// Makes a node that has an empty disk a member; waits until it votes, or has caught up.
    pub fn join(&mut self, number: usize, role: Role) -> u64 {
        let ClusterAnswer::MemberId(member_id) = self.request(&ClusterRequest::AllocateMemberId) else {
            panic!("no id")
        };
        self.open(number, Birth::Join { cluster_id: CLUSTER_ID, member_id });
        let node_name = self.nodes[number].name.clone();
        self.request(&ClusterRequest::AddMember { member_id, node_name, role });
        wait_until("the member is there", || {
            let leader = self.nodes[self.leader()].status();
            let there = leader.members.iter().find(|member| member.member_id == member_id);
            there.is_some_and(|member| {
                member.is_voter == (role == Role::Voter) && member.applied_index >= Some(member_id)
            })
        });
        member_id
    }

    /// Waits until there is a leader, and all that are open have what any of them has: who answers a write may have applied it
    /// before the leader has.
    pub fn await_all_applied(&self) {
        self.leader();
        let open = || self.nodes.iter().filter(|node| node.store.is_some());
        let index = open().map(|node| node.status().applied_index).max();
        wait_until("all have applied it", || open().all(|node| Some(node.status().applied_index) >= index));
    }

    /// Everybody is told that a node's connection is gone.
    pub fn tell_down(&self, number: usize) {
        for node in self.nodes.iter().filter(|node| node.store.is_some()) {
            if node.name != self.nodes[number].name {
                node.store().node_state(&self.nodes[number].name, NodeState::Down);
            }
        }
    }

    /// Cuts all wires of a node.
    pub fn isolate(&self, number: usize) {
        for other in 0..self.nodes.len() {
            if other != number {
                self.wires.cut(&self.nodes[number].name, &self.nodes[other].name);
            }
        }
    }
}

fn new_node(number: usize) -> Node {
    Node { name: node_name(number), disk: MemoryDisk::new(), store: None, events: Arc::default() }
}
