//! The other members as openraft wants them: requests go out as frames, in the order in which they are made.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{BoxStream, Stream, StreamExt};
use openraft::error::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::v2::RaftNetworkV2;
use openraft::network::{Backoff, RPCOption, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{LogIdOf, SnapshotOf, VoteOf};

use super::SnapshotFile;
use super::conversion::{membership_from_raft, position_of};
use super::frame::Body;
use super::peers::{Asking, NoReply, Peers};
use super::snapshot_sending::{SendingError, send_snapshot};
use super::type_config::PandoTypes;
use crate::membership::Member;
use crate::peers::Lane;
use crate::snapshot::SnapshotDirectory;

/// Appends that are under way to one member at a time. Each reads at most `REPLICATION_READ_SIZE_BYTES_MAX`.
const APPENDS_UNDER_WAY_MAX: usize = 4;
/// How long an append may take: the member syncs its log, which may wait for its disk.
const APPEND_TIMEOUT_MS: u64 = 5_000;
/// How long a member may take to say whom it votes for.
const VOTE_TIMEOUT_MS: u64 = 1_000;
/// A member that could not be reached is tried again after so long; at once when its node comes.
const BACKOFF_MS: u64 = 100;

/// Makes connections to peers.
pub struct Network {
    pub peers: Arc<Peers>,
    pub snapshots: SnapshotDirectory,
}

/// One other member.
pub struct Peer {
    peers: Arc<Peers>,
    snapshots: SnapshotDirectory,
    target: u64,
    node_name: String,
}

impl RaftNetworkFactory<PandoTypes> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, member: &Member) -> Peer {
        Peer {
            peers: self.peers.clone(),
            snapshots: self.snapshots.clone(),
            target,
            node_name: member.node_name.clone(),
        }
    }
}

impl Peer {
    fn ask(&self, lane: Lane, body: Body) -> Asking {
        self.peers.ask(self.target, &self.node_name, lane, body)
    }
}

/// "Unreachable" makes the library wait before it tries again; "network error" does not.
fn failure(error: NoReply) -> RPCError<PandoTypes> {
    match error {
        NoReply::Unreachable | NoReply::Nonsense => Unreachable::new(&error).into(),
        NoReply::Late => NetworkError::new(&error).into(),
    }
}

async fn append_reply(
    asking: Asking,
    limit: Duration,
) -> Result<AppendEntriesResponse<PandoTypes>, RPCError<PandoTypes>> {
    match asking.reply(limit).await {
        Ok(Body::AppendReply(reply)) => Ok(reply),
        Ok(_) => Err(failure(NoReply::Nonsense)),
        Err(error) => Err(failure(error)),
    }
}

type AppendResult = Result<StreamAppendResult<PandoTypes>, RPCError<PandoTypes>>;

/// The result of one append of a stream, and whether the stream may go on behind it.
async fn append_step(
    asking: Asking,
    prev: Option<LogIdOf<PandoTypes>>,
    last: Option<LogIdOf<PandoTypes>>,
) -> (AppendResult, bool) {
    match append_reply(asking, Duration::from_millis(APPEND_TIMEOUT_MS)).await {
        // Nothing was asked to precede it, so nothing can conflict.
        Ok(AppendEntriesResponse::Conflict) if prev.is_none() => (Err(failure(NoReply::Nonsense)), false),
        Ok(reply) => {
            let is_whole = match &reply {
                AppendEntriesResponse::Success => true,
                AppendEntriesResponse::PartialSuccess(matching) => *matching == last,
                AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_) => false,
            };
            (Ok(reply.into_stream_result(prev, last)), is_whole)
        }
        Err(error) => (Err(error), false),
    }
}

impl RaftNetworkV2<PandoTypes> for Peer {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<PandoTypes>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<PandoTypes>, RPCError<PandoTypes>> {
        append_reply(self.ask(Lane::Consensus, Body::Append(request)), option.hard_ttl()).await
    }

    // The next request is sent while the one before is on its way: replies are handed back in the order of the requests.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> Pin<Box<dyn Future<Output = Result<BoxStream<'s, AppendResult>, RPCError<PandoTypes>>> + Send + 's>>
    where
        S: Stream<Item = AppendEntriesRequest<PandoTypes>> + Send + Unpin + 'static,
    {
        let peer: &'s Peer = self;
        let steps = input
            .map(move |request| {
                let prev = request.prev_log_id;
                let last = request.entries.last().map(|entry| entry.log_id).or(prev);
                append_step(peer.ask(Lane::Consensus, Body::Append(request)), prev, last)
            })
            .buffered(APPENDS_UNDER_WAY_MAX);
        // What fails is the last: the library begins again where the member is.
        let results = steps.scan(true, |goes_on, (result, is_whole)| {
            let item = goes_on.then_some(result);
            *goes_on &= is_whole;
            std::future::ready(item)
        });
        Box::pin(std::future::ready(Ok(results.boxed())))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<PandoTypes>,
        _option: RPCOption,
    ) -> Result<VoteResponse<PandoTypes>, RPCError<PandoTypes>> {
        vote_reply(self.ask(Lane::Consensus, Body::Vote(request))).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<PandoTypes>,
        _option: RPCOption,
    ) -> Result<VoteResponse<PandoTypes>, RPCError<PandoTypes>> {
        vote_reply(self.ask(Lane::Consensus, Body::PreVote(request))).await
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<PandoTypes>,
        snapshot: SnapshotOf<PandoTypes, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<PandoTypes>, StreamingError<PandoTypes>> {
        let mut file = snapshot.snapshot;
        if let Some(set_at) = snapshot.meta.last_membership.log_id() {
            let membership = membership_from_raft(snapshot.meta.last_membership.membership());
            file.membership = Some((position_of(set_at), Arc::new(membership)));
        }
        let ask = |body| self.ask(Lane::Bulk, body);
        tokio::select! {
            closed = cancel => Err(closed.into()),
            sent = send_snapshot(&self.snapshots, file, vote, ask) => match sent {
                Ok(vote) => Ok(SnapshotResponse::new(vote)),
                Err(SendingError::NoReply(error)) => Err(failure(error).into()),
                Err(error) => Err(Unreachable::new(&error).into()),
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<PandoTypes>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<PandoTypes>, RPCError<PandoTypes>> {
        let asking = self.ask(Lane::Consensus, Body::TransferLeader(request));
        match asking.reply(Duration::from_millis(VOTE_TIMEOUT_MS)).await {
            Ok(Body::TransferReply { .. }) => Ok(Ok(())),
            Ok(_) => Err(failure(NoReply::Nonsense)),
            Err(error) => Err(failure(error)),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(Duration::from_millis(BACKOFF_MS))))
    }
}

async fn vote_reply(asking: Asking) -> Result<VoteResponse<PandoTypes>, RPCError<PandoTypes>> {
    match asking.reply(Duration::from_millis(VOTE_TIMEOUT_MS)).await {
        Ok(Body::VoteReply(reply)) => Ok(reply),
        Ok(_) => Err(failure(NoReply::Nonsense)),
        Err(error) => Err(failure(error)),
    }
}
