//! Sending a snapshot file to a member: parts of bounded size, a bounded number of them under way, then the word to
//! install it.
//!
//! A heartbeat shares the connection with the parts, so it waits for at most [`PARTS_UNDER_WAY_MAX`] of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use openraft::type_config::alias::VoteOf;

use super::SnapshotFile;
use super::frame::{Body, SnapshotChunk};
use super::peers::{Asking, NoReply};
use super::type_config::PandoTypes;
use crate::membership::Membership;
use crate::snapshot::{SnapshotDirectory, SnapshotError};

/// Bytes of a part. Erlang sends messages up to this size in one piece.
pub const PART_SIZE_BYTES: usize = 64 * 1024;
/// Parts that were sent and not taken yet: half a megabyte.
const PARTS_UNDER_WAY_MAX: usize = 8;
/// How long a member may take for a part.
const PART_TIMEOUT_MS: u64 = 10_000;
/// How long a member may take to sync and to read all of a snapshot.
const INSTALL_TIMEOUT_MS: u64 = 600_000;

/// Why a snapshot did not arrive.
#[derive(Debug)]
pub enum SendingError {
    /// The member does not answer.
    NoReply(NoReply),
    /// The member does not take it: it has begun anew, or cannot write.
    NotTaken,
    /// It cannot be read here.
    Read(String),
}

impl fmt::Display for SendingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendingError::NoReply(error) => write!(f, "{error}"),
            SendingError::NotTaken => write!(f, "the member did not take a part of the snapshot"),
            SendingError::Read(text) => write!(f, "the snapshot cannot be read: {text}"),
        }
    }
}

impl std::error::Error for SendingError {}

impl From<NoReply> for SendingError {
    fn from(error: NoReply) -> SendingError {
        SendingError::NoReply(error)
    }
}

fn read_error(error: &SnapshotError) -> SendingError {
    SendingError::Read(error.to_string())
}

/// Sends all of a snapshot; the member's vote when it is installed there.
pub async fn send_snapshot(
    snapshots: &SnapshotDirectory,
    file: SnapshotFile,
    vote: VoteOf<PandoTypes>,
    ask: impl Fn(Body) -> Asking,
) -> Result<VoteOf<PandoTypes>, SendingError> {
    let content = Arc::new(snapshots.content(file.name).map_err(|error| read_error(&error))?);
    let file_size_bytes = content.size_bytes();
    let covers = file.covers;
    let offsets = (0..file_size_bytes).step_by(PART_SIZE_BYTES);
    let parts = stream::iter(offsets)
        .map(|offset| {
            let content = content.clone();
            // A disk must not hold up consensus.
            tokio::task::spawn_blocking(move || {
                content.read_part(offset, PART_SIZE_BYTES).map(|bytes| (offset, bytes))
            })
        })
        .buffered(1)
        .map(|read| {
            let (offset, bytes) = match read {
                Ok(Ok(part)) => part,
                Ok(Err(error)) => return Err(read_error(&error)),
                Err(error) => return Err(SendingError::Read(error.to_string())),
            };
            Ok(ask(Body::Chunk(SnapshotChunk { covers, offset, file_size_bytes, bytes })))
        })
        .map(async |asking| match asking?.reply(Duration::from_millis(PART_TIMEOUT_MS)).await? {
            Body::ChunkReply { is_taken: true } => Ok(()),
            Body::ChunkReply { is_taken: false } => Err(SendingError::NotTaken),
            _ => Err(SendingError::NoReply(NoReply::Nonsense)),
        })
        .buffered(PARTS_UNDER_WAY_MAX);
    let mut parts = std::pin::pin!(parts);
    while let Some(taken) = parts.next().await {
        taken?;
    }
    let membership = file.membership.map(|(position, membership)| (position, Membership::clone(&membership)));
    let asking = ask(Body::Install { vote, covers, membership });
    match asking.reply(Duration::from_millis(INSTALL_TIMEOUT_MS)).await? {
        Body::InstallReply { vote } => Ok(vote),
        Body::ChunkReply { is_taken: false } => Err(SendingError::NotTaken),
        _ => Err(SendingError::NoReply(NoReply::Nonsense)),
    }
}
