//! Peers of a store of one member: there are none, and whoever is asked for is unreachable.

use std::future::Future;

use openraft::error::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::v2::RaftNetworkV2;
use openraft::network::{RPCOption, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{SnapshotOf, VoteOf};

use super::SnapshotFile;
use super::type_config::PandoTypes;
use crate::membership::Member;

/// Makes connections to peers.
pub struct NoPeers;

/// A connection to a peer that is not there.
pub struct NoPeer {
    target: u64,
}

impl NoPeer {
    fn unreachable(&self) -> Unreachable<PandoTypes> {
        Unreachable::new(&std::io::Error::other(format!("member {} has no address", self.target)))
    }
}

impl RaftNetworkFactory<PandoTypes> for NoPeers {
    type Network = NoPeer;

    async fn new_client(&mut self, target: u64, _node: &Member) -> NoPeer {
        NoPeer { target }
    }
}

impl RaftNetworkV2<PandoTypes> for NoPeer {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<PandoTypes>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<PandoTypes>, RPCError<PandoTypes>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<PandoTypes>,
        _option: RPCOption,
    ) -> Result<VoteResponse<PandoTypes>, RPCError<PandoTypes>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: VoteOf<PandoTypes>,
        _snapshot: SnapshotOf<PandoTypes, SnapshotFile>,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<PandoTypes>, StreamingError<PandoTypes>> {
        Err(self.unreachable().into())
    }
}
