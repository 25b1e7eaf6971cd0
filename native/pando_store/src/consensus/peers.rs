//! Frames out, and replies to them.
//!
//! Invariants
//! 1. A request has one reply, or fails: with the connection, with its time, or when the store closes.
//! 2. A reply is taken from the member that was asked, and from nobody else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::frame::{Address, Body, Frame};
use super::presence::Board;
use crate::membership::Membership;
use crate::peers::{Lane, NodeState, PeerTransport};

/// That a member runs another release is said once in so long.
const VERSION_NOTICE_INTERVAL_S: u64 = 600;

/// Why a request has no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoReply {
    /// The node cannot be reached just now.
    Unreachable,
    /// It took too long.
    Late,
    /// Something else was answered than was asked for.
    Nonsense,
}

impl std::fmt::Display for NoReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NoReply::Unreachable => "the node cannot be reached",
            NoReply::Late => "no reply in time",
            NoReply::Nonsense => "a reply to something else",
        })
    }
}

impl std::error::Error for NoReply {}

struct Asked {
    member_id: u64,
    node_name: String,
    lane: Lane,
    reply: oneshot::Sender<Body>,
}

/// See the module.
pub struct Peers {
    cluster_id: [u8; 16],
    store_name: String,
    node_name: String,
    me: u64,
    transport: Arc<dyn PeerTransport>,
    next_request_id: AtomicU64,
    asked: Mutex<HashMap<u64, Asked>>,
    board: Mutex<Board>,
    membership: Mutex<Arc<Membership>>,
    refused: AtomicU64,
    /// The members that cannot read what this one sends, and when that was last said.
    version_noticed: Mutex<HashMap<u64, Instant>>,
}

/// Who this member is, and how it reaches others.
pub struct PeersOptions {
    pub cluster_id: [u8; 16],
    pub store_name: String,
    pub node_name: String,
    pub member_id: u64,
    pub transport: Arc<dyn PeerTransport>,
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peers {
    pub fn new(options: PeersOptions) -> Peers {
        let PeersOptions { cluster_id, store_name, node_name, member_id, transport } = options;
        Peers {
            cluster_id,
            store_name,
            node_name,
            me: member_id,
            transport,
            next_request_id: AtomicU64::new(1),
            asked: Mutex::new(HashMap::new()),
            board: Mutex::new(Board::new(member_id)),
            membership: Mutex::new(Arc::default()),
            refused: AtomicU64::new(0),
            version_noticed: Mutex::default(),
        }
    }

    /// This member.
    pub fn me(&self) -> u64 {
        self.me
    }

    /// The members, as far as this one knows.
    pub fn membership(&self) -> Arc<Membership> {
        lock(&self.membership).clone()
    }

    pub fn set_membership(&self, membership: Arc<Membership>) {
        lock(&self.board).retain(&membership);
        lock(&self.version_noticed).retain(|member_id, _| membership.members.contains_key(member_id));
        *lock(&self.membership) = membership;
    }

    /// What the others have said. Held for a few operations on maps.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    /// The Erlang node of a member.
    pub fn node_of(&self, member_id: u64) -> Option<String> {
        lock(&self.membership).members.get(&member_id).map(|member| member.node_name.clone())
    }

    /// Whether a majority is within reach.
    pub fn has_quorum(&self) -> bool {
        let membership = self.membership();
        self.board().has_quorum(&membership)
    }

    /// Whether a frame is for this member, from another one of its cluster.
    pub fn is_for_us(&self, address: &Address) -> bool {
        address.cluster_id == self.cluster_id
            && address.store_name == self.store_name
            && address.to == self.me
            && address.from != self.me
    }

    /// Counts a frame that was not taken.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were not taken.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether it is time to say that another member cannot read what this one sends.
    pub fn is_version_news(&self, member_id: u64, now: Instant) -> bool {
        let mut noticed = lock(&self.version_noticed);
        let interval = Duration::from_secs(VERSION_NOTICE_INTERVAL_S);
        let is_news = noticed.get(&member_id).is_none_or(|at| now.saturating_duration_since(*at) >= interval);
        if is_news {
            noticed.insert(member_id, now);
        }
        is_news
    }

    /// Says something that needs no reply, or is one.
    pub fn tell(&self, to: u64, node_name: &str, lane: Lane, request_id: u64, body: Body) {
        let address = Address {
            cluster_id: self.cluster_id,
            store_name: self.store_name.clone(),
            from: self.me,
            from_node: self.node_name.clone(),
            to,
        };
        self.transport.send(node_name, lane, Frame { address, request_id, body }.encode());
    }

    /// Asks; the frame is on its way when this returns, so that requests are in the order of the calls.
    pub fn ask(self: &Arc<Peers>, to: u64, node_name: &str, lane: Lane, body: Body) -> Asking {
        let request_id = self.next_request_id.fetch_add(1, Ordering::Relaxed);
        let (reply, replied) = oneshot::channel();
        let asked = Asked { member_id: to, node_name: node_name.to_owned(), lane, reply };
        lock(&self.asked).insert(request_id, asked);
        self.tell(to, node_name, lane, request_id, body);
        Asking { peers: self.clone(), request_id, replied }
    }

    /// A reply has come.
    pub fn replied(&self, from: u64, request_id: u64, body: Body) {
        let mut asked = lock(&self.asked);
        if asked.get(&request_id).is_some_and(|asked| asked.member_id == from)
            && let Some(asked) = asked.remove(&request_id)
        {
            let _ = asked.reply.send(body);
        }
    }

    /// A node is there, or is not: what it was asked will not be answered then.
    pub fn node_state(&self, node_name: &str, state: NodeState) {
        match state {
            NodeState::Up => self.board().note_node(node_name, true),
            NodeState::Down => self.board().note_node(node_name, false),
            NodeState::Refused(_) => {}
        }
        let is_lost = |asked: &Asked| {
            asked.node_name == node_name
                && match state {
                    NodeState::Up => false,
                    NodeState::Down => true,
                    NodeState::Refused(lane) => asked.lane == lane,
                }
        };
        // Dropping the sender tells who waits.
        lock(&self.asked).retain(|_, asked| !is_lost(asked));
    }
}

/// A request that is under way. Dropped, its reply is of no interest any more.
pub struct Asking {
    peers: Arc<Peers>,
    request_id: u64,
    replied: oneshot::Receiver<Body>,
}

impl Asking {
    /// Waits for the reply.
    pub async fn reply(mut self, limit: Duration) -> Result<Body, NoReply> {
        match tokio::time::timeout(limit, &mut self.replied).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) => Err(NoReply::Unreachable),
            Err(_) => Err(NoReply::Late),
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        lock(&self.peers.asked).remove(&self.request_id);
    }
}
