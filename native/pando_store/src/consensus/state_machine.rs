//! The store's apply thread as openraft wants it: committed entries go there in chunks, and count as applied when
//! readers can see them.

use std::io;
use std::sync::Arc;

use futures_util::stream::{Stream, StreamExt};
use openraft::RaftSnapshotBuilder;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine, Snapshot, SnapshotMeta};
use openraft::type_config::alias::{LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::conversion::{
    entry_from_raft, log_id_of, membership_from_raft, position_of, stored_membership_to_raft,
};
use super::forwarding::ToForwarder;
use super::type_config::PandoTypes;
use super::{Applier, SnapshotFile};
use crate::cluster::ClusterEvent;
use crate::entry::{Change, Entry};

/// Entries handed to the apply thread at once, and so published at once.
const APPLY_ENTRIES_MAX: usize = 64;

/// See the module.
pub struct StateMachine {
    applier: Arc<dyn Applier>,
    own: Option<OwnBatches>,
}

/// Who is told that batches of this opening of the store have come.
pub struct OwnBatches {
    pub member_id: u64,
    pub incarnation: u64,
    pub forwarder: UnboundedSender<ToForwarder>,
}

impl StateMachine {
    pub fn new(applier: Arc<dyn Applier>, own: Option<OwnBatches>) -> StateMachine {
        StateMachine { applier, own }
    }

    fn tell_forwarder(&self, entry: &Entry) {
        if let (Some(own), Change::Commands(batch)) = (&self.own, &entry.change)
            && batch.origin.member_id == own.member_id
            && batch.origin.incarnation == own.incarnation
        {
            let _ = own.forwarder.send(ToForwarder::Applied(batch.origin.first_sequence));
        }
    }

    /// Hands a chunk over; the receiver hears when it is applied.
    fn begin_chunk(&self, entries: Vec<Entry>) -> oneshot::Receiver<Result<(), String>> {
        let (sender, receiver) = oneshot::channel();
        self.applier.apply(
            entries,
            Box::new(move |result| {
                let _ = sender.send(result);
            }),
        );
        receiver
    }

    fn newest_snapshot(&self) -> io::Result<Option<SnapshotOf<PandoTypes, SnapshotFile>>> {
        let Some(file) = self.applier.newest_snapshot() else { return Ok(None) };
        let meta = SnapshotMeta {
            last_log_id: Some(log_id_of(file.covers)),
            last_membership: stored_membership_to_raft(&file.membership).map_err(io::Error::other)?,
        };
        Ok(Some(Snapshot { meta, snapshot: file }))
    }
}

/// A chunk that was handed over, and who hears when it is applied.
type ChunkUnderWay = (oneshot::Receiver<Result<(), String>>, Vec<ApplyResponder<PandoTypes>>);

async fn end_chunk(chunk: Option<ChunkUnderWay>) -> io::Result<()> {
    if let Some((receiver, responders)) = chunk {
        answered(receiver).await?;
        for responder in responders {
            responder.send(());
        }
    }
    Ok(())
}

async fn answered(receiver: oneshot::Receiver<Result<(), String>>) -> io::Result<()> {
    receiver.await.map_err(|_| io::Error::other("the apply thread has ended"))?.map_err(io::Error::other)
}

impl RaftStateMachine<PandoTypes> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = WrittenSnapshot;

    async fn applied_state(
        &mut self,
    ) -> io::Result<(Option<LogIdOf<PandoTypes>>, StoredMembershipOf<PandoTypes>)> {
        let view = self.applier.view();
        let membership = stored_membership_to_raft(&view.membership).map_err(io::Error::other)?;
        Ok((view.applied.map(log_id_of), membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<PandoTypes>>> + Unpin + Send,
    {
        let mut more = true;
        // While one chunk is applied, the next one is read and decoded: at most these two are in memory.
        let mut under_way = None;
        while more {
            let mut chunk = Vec::new();
            let mut responders = Vec::new();
            while chunk.len() < APPLY_ENTRIES_MAX {
                match entries.next().await.transpose()? {
                    Some((entry, responder)) => {
                        let entry = entry_from_raft(entry);
                        self.tell_forwarder(&entry);
                        chunk.push(entry);
                        responders.extend(responder);
                    }
                    None => {
                        more = false;
                        break;
                    }
                }
            }
            end_chunk(under_way.take()).await?;
            if !chunk.is_empty() {
                under_way = Some((self.begin_chunk(chunk), responders));
            }
        }
        end_chunk(under_way.take()).await
    }

    async fn get_snapshot_builder(&mut self) -> WrittenSnapshot {
        WrittenSnapshot { snapshot: self.newest_snapshot() }
    }

    // Snapshots are written by a thread of the store, before consensus hears of them: a disk that is too full for a
    // snapshot must not stop consensus. So here there is either a finished file or nothing to do.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<WrittenSnapshot> {
        match self.newest_snapshot() {
            Ok(None) if !force => None,
            snapshot => Some(WrittenSnapshot { snapshot }),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<PandoTypes>,
        mut snapshot: SnapshotFile,
    ) -> io::Result<()> {
        if let Some(set_at) = meta.last_membership.log_id() {
            let membership = membership_from_raft(meta.last_membership.membership());
            snapshot.membership = Some((position_of(set_at), Arc::new(membership)));
        }
        let index = snapshot.covers.index;
        let (sender, receiver) = oneshot::channel();
        self.applier.install(
            snapshot,
            Box::new(move |result| {
                let _ = sender.send(result);
            }),
        );
        answered(receiver).await?;
        self.applier.cluster_event(&ClusterEvent::SnapshotInstalled { index });
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<PandoTypes, SnapshotFile>>> {
        self.newest_snapshot()
    }
}

/// A "builder" that hands out a snapshot which is written already.
pub struct WrittenSnapshot {
    snapshot: io::Result<Option<SnapshotOf<PandoTypes, SnapshotFile>>>,
}

impl RaftSnapshotBuilder<PandoTypes> for WrittenSnapshot {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<PandoTypes, SnapshotFile>> {
        std::mem::replace(&mut self.snapshot, Ok(None))?
            .ok_or_else(|| io::Error::other("no snapshot is written yet"))
    }
}
