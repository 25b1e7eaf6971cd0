//! Frames: what members send each other, byte by byte (docs/formats.md, "Frames between members").
//!
//! {version u8, kind u8, name length u16, node length u16, cluster id 16, from u64, to u64, request id u64, store's name,
//! sender's node, body, crc32 of all before}
//!
//! Invariants
//! 1. A frame that is read is one that was written: cut, longer, or changed in any byte, it is refused.
//! 2. In every version, the version comes first, what stands before the body stays where it is, and the checksum comes last:
//!    what is of another version is known to be that, and answered ([`Body::Refused`]), never guessed.
//! 3. That answer is the same in every version, so that it is read where it is sent to, and never answered itself.
//! 4. What anything in a frame claims to have reserves no more memory than the frame has bytes.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{LogIdOf, VoteOf};

use super::conversion::{entry_from_raft, entry_to_raft, log_id_of, position_of};
use super::type_config::PandoTypes;
use crate::batch::Batch;
use crate::bytes::{ByteReader, put_u32, put_u64};
use crate::entry::Entry;
use crate::log::{LogEntry, LogPosition};
use crate::membership::Membership;

/// The version that this code writes, and reads.
pub const FRAME_VERSION: u8 = 1;
/// Everything but name and body.
const FIXED_SIZE_BYTES: usize = 1 + 1 + 2 + 2 + 16 + 8 + 8 + 8 + 4;
/// A frame has one entry at least, however large that is, and so may be as large as that.
pub const FRAME_SIZE_BYTES_MAX: usize = 300 * 1024 * 1024;

/// Who says it to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The cluster.
    pub cluster_id: [u8; 16],
    /// The store's name: the same on all nodes.
    pub store_name: String,
    /// The member that says it.
    pub from: u64,
    /// Its Erlang node: replies go there.
    pub from_node: String,
    /// The member that it is for.
    pub to: u64,
}

/// One frame.
#[derive(Debug)]
pub struct Frame {
    /// Who says it to whom.
    pub address: Address,
    /// A reply has that of its request.
    pub request_id: u64,
    /// What it says.
    pub body: Body,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedFrame {
    /// It is of a version that the member does not read.
    Version,
    /// The leader says: the sender is no member any more.
    NotMember,
    /// The member's disk has no room for it now.
    NoRoom,
}

/// A part of a snapshot file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// The last entry in the snapshot.
    pub covers: LogPosition,
    /// Where the part begins.
    pub offset: u64,
    /// How long the file is.
    pub file_size_bytes: u64,
    /// The part.
    pub bytes: Vec<u8>,
}

/// What a member says of itself at intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presence {
    /// Its term.
    pub term: u64,
    /// What it has applied.
    pub applied_index: u64,
    /// The end of its log.
    pub last_log_index: u64,
    /// See `StoreOptions`.
    pub priority: i64,
    /// It is about to stop, or its disk is full.
    pub declines_to_lead: bool,
}

/// What a frame says.
#[derive(Debug)]
pub enum Body {
    Append(AppendEntriesRequest<PandoTypes>),
    AppendReply(AppendEntriesResponse<PandoTypes>),
    Vote(VoteRequest<PandoTypes>),
    PreVote(VoteRequest<PandoTypes>),
    VoteReply(VoteResponse<PandoTypes>),
    TransferLeader(TransferLeaderRequest<PandoTypes>),
    TransferReply {
        is_accepted: bool,
    },
    /// A batch that the leader is to propose.
    Forward(Batch),
    /// The batch that begins with this number was not proposed, and is not in the log.
    ForwardRefused {
        first_sequence: u64,
    },
    /// How far one must have applied to read all that is committed now.
    ReadIndex,
    /// `None`: no leader, or one that cannot make sure that it is.
    ReadIndexReply(Option<u64>),
    Presence(Presence),
    Chunk(SnapshotChunk),
    ChunkReply {
        is_taken: bool,
    },
    /// All of a snapshot was sent: install it.
    Install {
        vote: VoteOf<PandoTypes>,
        covers: LogPosition,
        membership: Option<(LogPosition, Membership)>,
    },
    InstallReply {
        vote: VoteOf<PandoTypes>,
    },
    Refused(RefusedFrame),
}

/// Why bytes are no frame for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// Not a frame, or not as it was written.
    Malformed(&'static str),
    /// A whole frame of another version.
    Version {
        /// Which.
        version: u8,
        /// Where the sender can be told, if the place of that did not change.
        address: Option<Address>,
    },
}

mod kind {
    pub(super) const APPEND: u8 = 1;
    pub(super) const APPEND_REPLY: u8 = 2;
    pub(super) const VOTE: u8 = 3;
    pub(super) const PRE_VOTE: u8 = 4;
    pub(super) const VOTE_REPLY: u8 = 5;
    pub(super) const TRANSFER_LEADER: u8 = 6;
    pub(super) const TRANSFER_REPLY: u8 = 7;
    pub(super) const FORWARD: u8 = 8;
    pub(super) const FORWARD_REFUSED: u8 = 9;
    pub(super) const READ_INDEX: u8 = 10;
    pub(super) const READ_INDEX_REPLY: u8 = 11;
    pub(super) const PRESENCE: u8 = 12;
    pub(super) const CHUNK: u8 = 13;
    pub(super) const CHUNK_REPLY: u8 = 14;
    pub(super) const INSTALL: u8 = 15;
    pub(super) const INSTALL_REPLY: u8 = 16;
    pub(super) const REFUSED: u8 = 17;
}

impl Body {
    fn kind(&self) -> u8 {
        match self {
            Body::Append(_) => kind::APPEND,
            Body::AppendReply(_) => kind::APPEND_REPLY,
            Body::Vote(_) => kind::VOTE,
            Body::PreVote(_) => kind::PRE_VOTE,
            Body::VoteReply(_) => kind::VOTE_REPLY,
            Body::TransferLeader(_) => kind::TRANSFER_LEADER,
            Body::TransferReply { .. } => kind::TRANSFER_REPLY,
            Body::Forward(_) => kind::FORWARD,
            Body::ForwardRefused { .. } => kind::FORWARD_REFUSED,
            Body::ReadIndex => kind::READ_INDEX,
            Body::ReadIndexReply(_) => kind::READ_INDEX_REPLY,
            Body::Presence(_) => kind::PRESENCE,
            Body::Chunk(_) => kind::CHUNK,
            Body::ChunkReply { .. } => kind::CHUNK_REPLY,
            Body::Install { .. } => kind::INSTALL,
            Body::InstallReply { .. } => kind::INSTALL_REPLY,
            Body::Refused(_) => kind::REFUSED,
        }
    }

    fn size_hint(&self) -> usize {
        match self {
            Body::Append(request) => 256 + request.entries.iter().map(entry_size_bytes).sum::<usize>(),
            Body::Forward(batch) => 256 + batch.size_bytes(),
            Body::Chunk(chunk) => 256 + chunk.bytes.len(),
            _ => 256,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Body::Append(request) => {
                put_vote(out, &request.vote);
                put_log_id(out, request.prev_log_id.as_ref());
                put_log_id(out, request.leader_commit.as_ref());
                put_u32(out, u32::try_from(request.entries.len()).unwrap_or(u32::MAX));
                for entry in &request.entries {
                    put_entry(out, entry_from_raft(entry.clone()));
                }
            }
            Body::AppendReply(AppendEntriesResponse::Success) => out.push(0),
            Body::AppendReply(AppendEntriesResponse::PartialSuccess(matching)) => {
                out.push(1);
                put_log_id(out, matching.as_ref());
            }
            Body::AppendReply(AppendEntriesResponse::Conflict) => out.push(2),
            Body::AppendReply(AppendEntriesResponse::HigherVote(vote)) => {
                out.push(3);
                put_vote(out, vote);
            }
            Body::Vote(request) | Body::PreVote(request) => {
                put_vote(out, &request.vote);
                put_log_id(out, request.last_log_id.as_ref());
                out.push(u8::from(request.leadership_transfer));
            }
            Body::VoteReply(reply) => {
                put_vote(out, &reply.vote);
                put_log_id(out, reply.last_log_id.as_ref());
                out.push(u8::from(reply.vote_granted));
            }
            Body::TransferLeader(request) => {
                put_vote(out, request.from_leader());
                put_u64(out, *request.to_node_id());
                put_log_id(out, request.last_log_id());
            }
            Body::TransferReply { is_accepted } => out.push(u8::from(*is_accepted)),
            Body::Forward(batch) => batch.encode(out),
            Body::ForwardRefused { first_sequence } => put_u64(out, *first_sequence),
            Body::ReadIndex => {}
            Body::ReadIndexReply(index) => {
                out.push(u8::from(index.is_some()));
                put_u64(out, index.unwrap_or(0));
            }
            Body::Presence(presence) => {
                put_u64(out, presence.term);
                put_u64(out, presence.applied_index);
                put_u64(out, presence.last_log_index);
                out.extend_from_slice(&presence.priority.to_le_bytes());
                out.push(u8::from(presence.declines_to_lead));
            }
            Body::Chunk(chunk) => {
                put_position(out, chunk.covers);
                put_u64(out, chunk.offset);
                put_u64(out, chunk.file_size_bytes);
                out.extend_from_slice(&chunk.bytes);
            }
            Body::ChunkReply { is_taken } => out.push(u8::from(*is_taken)),
            Body::Install { vote, covers, membership } => {
                put_vote(out, vote);
                put_position(out, *covers);
                out.push(u8::from(membership.is_some()));
                if let Some((position, membership)) = membership {
                    put_position(out, *position);
                    membership.encode(out);
                }
            }
            Body::InstallReply { vote } => put_vote(out, vote),
            Body::Refused(why) => out.push(match why {
                RefusedFrame::Version => 0,
                RefusedFrame::NotMember => 1,
                RefusedFrame::NoRoom => 2,
            }),
        }
    }

    fn decode(kind: u8, body: &[u8]) -> Option<Body> {
        let mut reader = ByteReader::new(body);
        let from = &mut reader;
        let read = match kind {
            kind::APPEND => Body::Append(read_append(from)?),
            kind::APPEND_REPLY => Body::AppendReply(match from.u8()? {
                0 => AppendEntriesResponse::Success,
                1 => AppendEntriesResponse::PartialSuccess(read_log_id(from)?),
                2 => AppendEntriesResponse::Conflict,
                3 => AppendEntriesResponse::HigherVote(read_vote(from)?),
                _ => return None,
            }),
            kind::VOTE => Body::Vote(read_vote_request(from)?),
            kind::PRE_VOTE => Body::PreVote(read_vote_request(from)?),
            kind::VOTE_REPLY => {
                let (vote, last_log_id) = (read_vote(from)?, read_log_id(from)?);
                Body::VoteReply(VoteResponse { vote, last_log_id, vote_granted: read_flag(from)? })
            }
            kind::TRANSFER_LEADER => {
                let (vote, to) = (read_vote(from)?, from.u64()?);
                Body::TransferLeader(TransferLeaderRequest::new(vote, to, read_log_id(from)?))
            }
            kind::TRANSFER_REPLY => Body::TransferReply { is_accepted: read_flag(from)? },
            kind::FORWARD => return Batch::decode(body).ok().map(Body::Forward),
            kind::FORWARD_REFUSED => Body::ForwardRefused { first_sequence: from.u64()? },
            kind::READ_INDEX => Body::ReadIndex,
            kind::READ_INDEX_REPLY => match (read_flag(from)?, from.u64()?) {
                (true, index) => Body::ReadIndexReply(Some(index)),
                (false, 0) => Body::ReadIndexReply(None),
                (false, _) => return None,
            },
            kind::PRESENCE => Body::Presence(Presence {
                term: from.u64()?,
                applied_index: from.u64()?,
                last_log_index: from.u64()?,
                priority: i64::from_le_bytes(from.array()?),
                declines_to_lead: read_flag(from)?,
            }),
            kind::CHUNK => {
                let (covers, offset) = (read_position(from)?, from.u64()?);
                let file_size_bytes = from.u64()?;
                let bytes = from.rest().to_vec();
                return Some(Body::Chunk(SnapshotChunk { covers, offset, file_size_bytes, bytes }));
            }
            kind::CHUNK_REPLY => Body::ChunkReply { is_taken: read_flag(from)? },
            kind::INSTALL => {
                let (vote, covers) = (read_vote(from)?, read_position(from)?);
                let membership = if read_flag(from)? {
                    let position = read_position(from)?;
                    let membership = Membership::decode(from.rest()).ok()?;
                    return Some(Body::Install { vote, covers, membership: Some((position, membership)) });
                } else {
                    None
                };
                Body::Install { vote, covers, membership }
            }
            kind::INSTALL_REPLY => Body::InstallReply { vote: read_vote(from)? },
            kind::REFUSED => Body::Refused(match from.u8()? {
                0 => RefusedFrame::Version,
                1 => RefusedFrame::NotMember,
                2 => RefusedFrame::NoRoom,
                _ => return None,
            }),
            _ => return None,
        };
        reader.rest().is_empty().then_some(read)
    }
}

impl Frame {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (name, node) = (self.address.store_name.as_bytes(), self.address.from_node.as_bytes());
        let size_bytes = FIXED_SIZE_BYTES + name.len() + node.len() + self.body.size_hint();
        let mut out = Vec::with_capacity(size_bytes);
        out.push(FRAME_VERSION);
        out.push(self.body.kind());
        // Both are atoms: 255 characters at most.
        out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&u16::try_from(node.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&self.address.cluster_id);
        put_u64(&mut out, self.address.from);
        put_u64(&mut out, self.address.to);
        put_u64(&mut out, self.request_id);
        out.extend_from_slice(name);
        out.extend_from_slice(node);
        self.body.encode(&mut out);
        let crc = crc32fast::hash(&out);
        put_u32(&mut out, crc);
        out
    }

    /// Reads what [`Frame::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Frame, FrameError> {
        if bytes.len() > FRAME_SIZE_BYTES_MAX {
            return Err(FrameError::Malformed("too large"));
        }
        let Some((covered, crc)) = bytes.split_last_chunk::<4>() else {
            return Err(FrameError::Malformed("too short"));
        };
        if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
            return Err(FrameError::Malformed("its checksum is wrong"));
        }
        let mut reader = ByteReader::new(covered);
        let version = reader.u8().ok_or(FrameError::Malformed("too short"))?;
        let head = read_head(&mut reader);
        let is_refusal = head.as_ref().is_some_and(|(kind, _, _)| *kind == kind::REFUSED);
        if version != FRAME_VERSION && !is_refusal {
            return Err(FrameError::Version { version, address: head.map(|(_, address, _)| address) });
        }
        let (kind, address, request_id) = head.ok_or(FrameError::Malformed("its head is cut short"))?;
        let body = Body::decode(kind, reader.rest()).ok_or(FrameError::Malformed("its body is none"))?;
        Ok(Frame { address, request_id, body })
    }
}

/// What stands behind the version: kind, address, request id.
fn read_head(reader: &mut ByteReader<'_>) -> Option<(u8, Address, u64)> {
    let kind = reader.u8()?;
    let (name_length, node_length) =
        (u16::from_le_bytes(reader.array()?), u16::from_le_bytes(reader.array()?));
    let (cluster_id, from, to) = (reader.array()?, reader.u64()?, reader.u64()?);
    let request_id = reader.u64()?;
    let mut text =
        |length: u16| Some(std::str::from_utf8(reader.take(usize::from(length))?).ok()?.to_owned());
    let (store_name, from_node) = (text(name_length)?, text(node_length)?);
    Some((kind, Address { cluster_id, store_name, from, from_node, to }, request_id))
}

fn entry_size_bytes(entry: &openraft::type_config::alias::EntryOf<PandoTypes>) -> usize {
    match &entry.payload {
        openraft::EntryPayload::Normal(proposal) => 64 + proposal.0.size_bytes(),
        _ => 256,
    }
}

fn put_entry(out: &mut Vec<u8>, entry: Entry) {
    put_position(out, entry.position);
    let length_at = out.len();
    put_u32(out, 0);
    entry.encode(out);
    let length = u32::try_from(out.len() - length_at - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(length_at..length_at + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

fn read_append(from: &mut ByteReader<'_>) -> Option<AppendEntriesRequest<PandoTypes>> {
    let vote = read_vote(from)?;
    let (prev_log_id, leader_commit) = (read_log_id(from)?, read_log_id(from)?);
    let count = from.u32()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let position = read_position(from)?;
        let length = from.u32()? as usize;
        let entry = Entry::decode(position, from.take(length)?).ok()?;
        entries.push(entry_to_raft(entry).ok()?);
    }
    Some(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

fn read_vote_request(from: &mut ByteReader<'_>) -> Option<VoteRequest<PandoTypes>> {
    let (vote, last_log_id) = (read_vote(from)?, read_log_id(from)?);
    Some(VoteRequest { vote, last_log_id, leadership_transfer: read_flag(from)? })
}

fn read_flag(from: &mut ByteReader<'_>) -> Option<bool> {
    match from.u8()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn put_position(out: &mut Vec<u8>, position: LogPosition) {
    put_u64(out, position.term);
    put_u64(out, position.node_id);
    put_u64(out, position.index);
}

fn read_position(from: &mut ByteReader<'_>) -> Option<LogPosition> {
    Some(LogPosition { term: from.u64()?, node_id: from.u64()?, index: from.u64()? })
}

fn put_log_id(out: &mut Vec<u8>, id: Option<&LogIdOf<PandoTypes>>) {
    out.push(u8::from(id.is_some()));
    if let Some(id) = id {
        put_position(out, position_of(id));
    }
}

fn read_log_id(from: &mut ByteReader<'_>) -> Option<Option<LogIdOf<PandoTypes>>> {
    if read_flag(from)? { read_position(from).map(|position| Some(log_id_of(position))) } else { Some(None) }
}

fn put_vote(out: &mut Vec<u8>, vote: &VoteOf<PandoTypes>) {
    put_u64(out, vote.leader_id.term);
    put_u64(out, vote.leader_id.node_id);
    out.push(u8::from(vote.committed));
}

fn read_vote(from: &mut ByteReader<'_>) -> Option<VoteOf<PandoTypes>> {
    let (term, node_id) = (from.u64()?, from.u64()?);
    Some(if read_flag(from)? {
        VoteOf::<PandoTypes>::new_committed(term, node_id)
    } else {
        VoteOf::<PandoTypes>::new(term, node_id)
    })
}

#[cfg(test)]
#[path = "frame_test.rs"]
mod tests;
