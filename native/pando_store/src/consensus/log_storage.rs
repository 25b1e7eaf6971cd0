//! The store's log as openraft wants it.
//!
//! Invariants
//! 1. `append` returns when entries are readable; the library is told "flushed" only after `fdatasync`.
//! 2. A vote is durable when `save_vote` returns. Votes and entries go through one writer, so they cannot overtake.
//! 3. The committed position is kept, but not synced for: it rides along with the next sync.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::ops::{Bound, RangeBounds};

use futures_util::stream::{self, Stream, StreamExt};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::type_config::alias::{EntryOf, LogIdOf, VoteOf};
use tokio::sync::oneshot;

use super::conversion::{
    entry_from_raft, entry_to_raft, log_id_of, position_of, vote_from_bytes, vote_to_bytes,
};
use super::type_config::PandoTypes;
use crate::entry::Entry;
use crate::log::{Durable, Log, LogError};

/// Bytes of entries that one read hands to apply; more come with the next read.
const READ_SIZE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of entries that one message to another member has; one entry at least. A heartbeat waits behind a few of these.
const REPLICATION_READ_SIZE_BYTES_MAX: usize = 128 * 1024;

/// A handle to the log, for writing and for reading.
#[derive(Clone)]
pub struct RaftLog {
    log: Log<Entry>,
}

impl RaftLog {
    pub fn new(log: Log<Entry>) -> RaftLog {
        RaftLog { log }
    }

    fn read(&self, from: u64, end: u64, size_bytes_max: usize) -> io::Result<Vec<EntryOf<PandoTypes>>> {
        to_raft(self.log.read(from, end, size_bytes_max))
    }

    fn vote(&self) -> io::Result<Option<VoteOf<PandoTypes>>> {
        self.log.vote().map(|bytes| vote_from_bytes(&bytes).map_err(io::Error::other)).transpose()
    }
}

fn to_raft(entries: Result<Vec<Entry>, LogError>) -> io::Result<Vec<EntryOf<PandoTypes>>> {
    entries
        .map_err(io_error)?
        .into_iter()
        .map(|entry| entry_to_raft(entry).map_err(io::Error::other))
        .collect()
}

fn io_error(error: LogError) -> io::Error {
    io::Error::other(error.to_string())
}

/// Starts something that reports durability, and waits for the report.
async fn durably(start: impl FnOnce(Durable) -> Result<(), LogError>) -> io::Result<()> {
    let (sender, receiver) = oneshot::channel();
    start(Box::new(move |result| {
        let _ = sender.send(result);
    }))
    .map_err(io_error)?;
    receiver.await.map_err(|_| io::Error::other("the log's writer has ended"))?.map_err(io_error)
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (from, end)
}

impl RaftLogReader<PandoTypes> for RaftLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<EntryOf<PandoTypes>>> {
        // "Try": entries at the beginning that are purged are left out. Where a gap would do harm, in apply and in
        // replication, the other two functions are used, and refuse it.
        let (from, end) = bounds(&range);
        match self.log.read(from, end, usize::MAX) {
            Err(LogError::Purged { first_available, .. }) if first_available >= end => Ok(Vec::new()),
            Err(LogError::Purged { first_available, .. }) => self.read(first_available, end, usize::MAX),
            read => to_raft(read),
        }
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> io::Result<Vec<EntryOf<PandoTypes>>> {
        self.read(start, end, REPLICATION_READ_SIZE_BYTES_MAX)
    }

    // The default reads the whole range at once: at start-up that would be the whole log in memory.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<EntryOf<PandoTypes>>> + Send
    where
        RB: RangeBounds<u64> + Clone + Debug + Send,
    {
        let (from, end) = bounds(&range);
        let reader = self.clone();
        stream::unfold(Some(from), move |next| {
            let reader = reader.clone();
            async move {
                let from = next.filter(|from| *from < end)?;
                match reader.read(from, end, READ_SIZE_BYTES_MAX) {
                    Ok(entries) if entries.is_empty() => None,
                    Ok(entries) => {
                        let read = entries.len() as u64;
                        let items: Vec<_> = entries.into_iter().map(Ok).collect();
                        Some((stream::iter(items), Some(from + read)))
                    }
                    Err(error) => Some((stream::iter(vec![Err(error)]), None)),
                }
            }
        })
        .flatten()
        .boxed()
    }

    async fn read_vote(&mut self) -> io::Result<Option<VoteOf<PandoTypes>>> {
        self.vote()
    }
}

impl RaftLogStorage<PandoTypes> for RaftLog {
    type LogReader = RaftLog;

    async fn get_log_state(&mut self) -> io::Result<LogState<PandoTypes>> {
        let state = self.log.state();
        Ok(LogState {
            last_purged_log_id: state.purged.map(log_id_of),
            last_log_id: state.last.or(state.purged).map(log_id_of),
        })
    }

    async fn get_log_reader(&mut self) -> RaftLog {
        self.clone()
    }

    fn save_vote(&mut self, vote: &VoteOf<PandoTypes>) -> impl Future<Output = io::Result<()>> + Send {
        let (log, bytes) = (self.log.clone(), vote_to_bytes(vote));
        async move { durably(|durable| log.save_vote(bytes, durable)).await }
    }

    async fn save_committed(&mut self, committed: Option<LogIdOf<PandoTypes>>) -> io::Result<()> {
        self.log.save_committed(committed.as_ref().map(position_of));
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogIdOf<PandoTypes>>> {
        Ok(self.log.committed().map(log_id_of))
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<PandoTypes>) -> io::Result<()>
    where
        I: IntoIterator<Item = EntryOf<PandoTypes>> + Send,
        I::IntoIter: Send,
    {
        let entries: Vec<Entry> = entries.into_iter().map(entry_from_raft).collect();
        let durable: Durable = Box::new(move |result| flushed.io_completed(result.map_err(io_error)));
        self.log.append(entries, durable).map_err(io_error)
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf<PandoTypes>>) -> io::Result<()> {
        let log = self.log.clone();
        durably(|durable| log.truncate_after(last.map(|id| id.index), durable)).await
    }

    async fn purge(&mut self, through: LogIdOf<PandoTypes>) -> io::Result<()> {
        let log = self.log.clone();
        durably(|durable| log.purge(position_of(&through), durable)).await
    }
}
