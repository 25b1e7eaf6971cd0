//! Frames in: each is checked, and goes to the library, to who waits for it, or to the part of the store that it is for.
//!
//! Invariants
//! 1. What comes in is hostile until it was read: malformed frames, those of other clusters, stores and members are counted
//!    and dropped.
//! 2. Appends reach the library in the order in which they came.
//! 3. Frames that wait are bounded ([`WAITING_SIZE_BYTES_MAX`]): more are dropped, as a network drops them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use openraft::Instant as _;
use openraft::Raft;
use openraft::async_runtime::WatchReceiver;
use openraft::error::ClientWriteError;
use openraft::storage::{Snapshot, SnapshotMeta};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::conversion::{log_id_of, stored_membership_to_raft};
use super::forwarding::ToForwarder;
use super::frame::{Address, Body, Frame, FrameError, RefusedFrame};
use super::peers::Peers;
use super::reading::own_read_index;
use super::snapshot_receiving::SnapshotReceiver;
use super::state_machine::StateMachine;
use super::type_config::{PandoTypes, Proposal, ProposalEnd};
use super::{Applier, SnapshotFile};
use crate::cluster::ClusterEvent;
use crate::entry::Entry;
use crate::log::Log;
use crate::peers::Lane;

/// Bytes of frames that wait to be read.
const WAITING_SIZE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Room in the log that is kept for consensus itself.
const ROOM_KEPT_BYTES: u64 = 64 * 1024;
/// Frames as large as the one that came which may be under way to the log already.
const ROOM_FRAMES: u64 = 2;
/// An operator is told the same again after so long.
const SAID_AGAIN_AFTER_MS: u64 = 60_000;
/// A leader that was not acknowledged by a majority for so long does not judge who is a member.
const JUDGES_WITHIN_MS: u64 = 500;

type PandoRaft = Raft<PandoTypes, StateMachine>;

/// Where frames wait.
pub struct Inbox {
    frames: UnboundedSender<(Lane, Vec<u8>)>,
    waiting_size_bytes: Arc<AtomicUsize>,
    peers: Arc<Peers>,
}

/// Their other end.
pub struct Outlet {
    frames: UnboundedReceiver<(Lane, Vec<u8>)>,
    waiting_size_bytes: Arc<AtomicUsize>,
}

/// A place for frames to wait.
pub fn inbox(peers: Arc<Peers>) -> (Inbox, Outlet) {
    let (sender, frames) = tokio::sync::mpsc::unbounded_channel();
    let waiting_size_bytes = Arc::new(AtomicUsize::new(0));
    (
        Inbox { frames: sender, waiting_size_bytes: waiting_size_bytes.clone(), peers },
        Outlet { frames, waiting_size_bytes },
    )
}

impl Inbox {
    /// Takes a frame, or drops it. Never blocks.
    pub fn put(&self, lane: Lane, frame: Vec<u8>) {
        let size_bytes = frame.len();
        let waiting = self.waiting_size_bytes.fetch_add(size_bytes, Ordering::Relaxed);
        if waiting > 0 && waiting + size_bytes > WAITING_SIZE_BYTES_MAX {
            self.waiting_size_bytes.fetch_sub(size_bytes, Ordering::Relaxed);
            self.peers.refuse();
        } else if self.frames.send((lane, frame)).is_err() {
            self.waiting_size_bytes.fetch_sub(size_bytes, Ordering::Relaxed);
        }
    }
}

/// What serving needs.
pub struct Server {
    pub raft: PandoRaft,
    pub peers: Arc<Peers>,
    pub forwarder: UnboundedSender<ToForwarder>,
    pub applier: Arc<dyn Applier>,
    /// Looked at for room, before the library is given what it cannot refuse.
    pub log: Log<Entry>,
    /// It was told that this member is none any more.
    pub is_removed: Arc<AtomicBool>,
    /// What was last said to an operator, and when.
    pub said: Arc<Mutex<Option<(String, Instant)>>>,
    /// Parts of snapshots are taken one after the other, by whoever holds this.
    pub receiver: Arc<tokio::sync::Mutex<SnapshotReceiver>>,
}

impl Server {
    /// Serves until no frame can come any more.
    pub async fn run(self, mut outlet: Outlet) {
        let server = Arc::new(self);
        while let Some((lane, bytes)) = outlet.frames.recv().await {
            outlet.waiting_size_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
            server.clone().frame(lane, &bytes).await;
        }
    }

    async fn frame(self: Arc<Server>, lane: Lane, bytes: &[u8]) {
        let frame = match Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(FrameError::Malformed(_)) => return self.peers.refuse(),
            Err(FrameError::Version { address, .. }) => {
                self.peers.refuse();
                if let Some(address) = address.filter(|address| self.peers.is_for_us(address)) {
                    self.tell(lane, &address, 0, Body::Refused(RefusedFrame::Version));
                }
                return;
            }
        };
        if !self.peers.is_for_us(&frame.address) {
            return self.peers.refuse();
        }
        let Frame { address, request_id, body } = frame;
        let is_member = self.peers.membership().members.contains_key(&address.from);
        if let Body::Refused(why) = body
            && why != RefusedFrame::NoRoom
        {
            // Nor is it taken to be within reach for that.
            return self.refused(&address, why, is_member);
        }
        if is_member {
            self.peers.board().note_alive(address.from, Instant::now());
        } else if self.judges() {
            self.peers.refuse();
            return self.tell(lane, &address, 0, Body::Refused(RefusedFrame::NotMember));
        }
        if !self.has_room_for(&body, bytes.len()).await {
            return match &body {
                Body::Forward(batch) => {
                    let first_sequence = batch.origin.first_sequence;
                    self.tell(lane, &address, 0, Body::ForwardRefused { first_sequence });
                }
                _ => self.tell(lane, &address, request_id, Body::Refused(RefusedFrame::NoRoom)),
            };
        }
        self.serve(lane, address, request_id, body).await;
    }

    /// Another member does not take what this one sends. Never answered: refusals of refusals would have no end.
    fn refused(&self, address: &Address, why: RefusedFrame, is_member: bool) {
        match why {
            // Who leads beyond doubt is a member.
            RefusedFrame::NotMember if !self.judges() => {
                if !self.is_removed.swap(true, Ordering::Relaxed) {
                    self.applier.cluster_event(&ClusterEvent::Removed);
                }
            }
            RefusedFrame::Version if is_member => {
                if self.peers.is_version_news(address.from, Instant::now()) {
                    self.applier.notice(&format!(
                        "the store's member on {} runs a release of Pando that cannot read what this one sends: see docs/upgrades.md",
                        address.from_node
                    ));
                }
            }
            RefusedFrame::NotMember | RefusedFrame::Version | RefusedFrame::NoRoom => self.peers.refuse(),
        }
    }

    /// Whether the log can take what the library would append: a log that cannot halts the store.
    async fn has_room_for(&self, body: &Body, size_bytes: usize) -> bool {
        let appends = match body {
            Body::Append(request) => !request.entries.is_empty(),
            Body::Forward(_) => true,
            _ => false,
        };
        let needed_bytes = ROOM_FRAMES * size_bytes as u64 + ROOM_KEPT_BYTES;
        if !appends || needed_bytes <= self.log.room_bytes() {
            return true;
        }
        if self.log.state().reserve_error.is_some() {
            return false;
        }
        let (told, outcome) = tokio::sync::oneshot::channel();
        let reserved = self.log.reserve(needed_bytes, Box::new(move |outcome| drop(told.send(outcome))));
        reserved.is_ok() && matches!(outcome.await, Ok(Ok(())))
    }

    async fn serve(self: Arc<Server>, lane: Lane, address: Address, request_id: u64, body: Body) {
        match body {
            Body::AppendReply(_)
            | Body::VoteReply(_)
            | Body::TransferReply { .. }
            | Body::ReadIndexReply(_)
            | Body::ChunkReply { .. }
            | Body::InstallReply { .. } => self.peers.replied(address.from, request_id, body),
            Body::Append(request) => {
                let raft = self.raft.clone();
                let reply = async move { raft.append_entries(request).await.ok().map(Body::AppendReply) };
                self.begin(lane, address, request_id, reply).await;
            }
            Body::Vote(request) => {
                let raft = self.raft.clone();
                let reply = async move { raft.vote(request).await.ok().map(Body::VoteReply) };
                self.begin(lane, address, request_id, reply).await;
            }
            Body::PreVote(request) => {
                let raft = self.raft.clone();
                let reply = async move { raft.pre_vote(request).await.ok().map(Body::VoteReply) };
                self.begin(lane, address, request_id, reply).await;
            }
            Body::TransferLeader(request) => {
                let raft = self.raft.clone();
                let reply = async move {
                    let accepted = raft.handle_transfer_leader(request).await.ok()?;
                    Some(Body::TransferReply { is_accepted: accepted.is_ok() })
                };
                self.begin(lane, address, request_id, reply).await;
            }
            Body::ReadIndex => {
                let raft = self.raft.clone();
                let reply = async move { own_read_index(&raft).await.ok().map(Body::ReadIndexReply) };
                self.begin(lane, address, request_id, reply).await;
            }
            Body::Forward(batch) => self.propose(lane, address, batch).await,
            Body::ForwardRefused { first_sequence } => {
                let _ = self.forwarder.send(ToForwarder::NotProposed(first_sequence));
            }
            Body::Presence(presence) => {
                self.peers.board().note(address.from, presence, Instant::now());
            }
            Body::Chunk(chunk) => {
                let receiver = self.receiver.clone().lock_owned().await;
                let taken = blocking(receiver, move |receiver| receiver.take(&chunk)).await;
                let is_taken = self.noted(taken).unwrap_or(false);
                self.tell(lane, &address, request_id, Body::ChunkReply { is_taken });
            }
            Body::Install { vote, covers, membership } => {
                let receiver = self.receiver.clone().lock_owned().await;
                let file = blocking(receiver, move |receiver| receiver.finish(covers)).await;
                if file.is_err() {
                    self.peers.refuse();
                }
                let Some(name) = self.noted(file).flatten() else {
                    return self.tell(lane, &address, request_id, Body::ChunkReply { is_taken: false });
                };
                let membership = membership.map(|(position, membership)| (position, Arc::new(membership)));
                let snapshot = SnapshotFile { name, covers, membership };
                let raft = self.raft.clone();
                let reply = async move {
                    let last_membership = stored_membership_to_raft(&snapshot.membership).ok()?;
                    let meta = SnapshotMeta { last_log_id: Some(log_id_of(covers)), last_membership };
                    let reply = raft.install_full_snapshot(vote, Snapshot { meta, snapshot }).await.ok()?;
                    Some(Body::InstallReply { vote: reply.vote })
                };
                self.begin(lane, address, request_id, reply).await;
            }
            Body::Refused(RefusedFrame::NoRoom) => self.peers.replied(address.from, request_id, body),
            // See `refused`.
            Body::Refused(RefusedFrame::NotMember | RefusedFrame::Version) => {}
        }
    }

    /// Begins to work on a reply before the next frame is looked at, and goes on beside.
    async fn begin(
        self: Arc<Server>,
        lane: Lane,
        address: Address,
        request_id: u64,
        reply: impl Future<Output = Option<Body>> + Send + 'static,
    ) {
        let mut reply: Pin<Box<dyn Future<Output = Option<Body>> + Send>> = Box::pin(reply);
        let first = poll_fn(|context| Poll::Ready(reply.as_mut().poll(context))).await;
        match first {
            Poll::Ready(Some(body)) => self.tell(lane, &address, request_id, body),
            Poll::Ready(None) => {}
            Poll::Pending => {
                tokio::spawn(async move {
                    if let Some(body) = reply.await {
                        self.tell(lane, &address, request_id, body);
                    }
                });
            }
        }
    }

    async fn propose(self: Arc<Server>, lane: Lane, address: Address, batch: crate::batch::Batch) {
        if batch.origin.member_id != address.from {
            return self.peers.refuse();
        }
        let first_sequence = batch.origin.first_sequence;
        let server = self.clone();
        let end = ProposalEnd::new(move |result: Result<_, ClientWriteError<PandoTypes>>| {
            if result.is_err() {
                server.tell(lane, &address, 0, Body::ForwardRefused { first_sequence });
            }
        });
        // Stopped: nobody is told, and the member sends it to the next leader.
        let _ = self.raft.client_write_ff(Proposal(Arc::new(batch)), Some(end)).await;
    }

    fn tell(&self, lane: Lane, to: &Address, request_id: u64, body: Body) {
        self.peers.tell(to.from, &to.from_node, lane, request_id, body);
    }

    /// Whether this member leads beyond doubt, and so knows who is a member.
    fn judges(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let is_alone = self.peers.membership().is_only_voter(self.peers.me());
        let acked_within = Duration::from_millis(JUDGES_WITHIN_MS);
        let is_acked = metrics.last_quorum_acked.is_some_and(|acked| acked.elapsed() < acked_within);
        metrics.current_leader == Some(self.peers.me()) && (is_alone || is_acked)
    }

    fn noted<V>(&self, result: Result<V, String>) -> Option<V> {
        result.inspect_err(|text| self.say(text)).ok()
    }

    /// To an operator; the same is not said again for a while.
    fn say(&self, text: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let again = Duration::from_millis(SAID_AGAIN_AFTER_MS);
        if said.as_ref().is_none_or(|(before, at)| before != text || at.elapsed() >= again) {
            *said = Some((text.to_owned(), Instant::now()));
            self.applier.notice(text);
        }
    }
}

/// Work on the disk, where it does not hold up consensus.
async fn blocking<V: Send + 'static>(
    mut receiver: tokio::sync::OwnedMutexGuard<SnapshotReceiver>,
    work: impl FnOnce(&mut SnapshotReceiver) -> Result<V, crate::snapshot::SnapshotError> + Send + 'static,
) -> Result<V, String> {
    let done = tokio::task::spawn_blocking(move || work(&mut receiver)).await;
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("a snapshot from the leader was not taken: {error}")),
        Err(error) => Err(format!("a snapshot from the leader was not taken: {error}")),
    }
}
