//! What is asked of a cluster and what it says, between Erlang terms and the store's types.

use crate::vm::{Atom, Binary, Encoder, Env, Error, LocalPid, MapIterator, NewBinary, NifResult, Term};
use pando_store::cluster::{ClusterAnswer, ClusterError, ClusterEvent, ClusterRequest, MemberStatus};
use pando_store::consensus::ServerState;
use pando_store::peers::{Lane, NodeState};
use pando_store::{Birth, Role};

use super::atoms;
use super::lanes::Lanes;

/// Characters of an atom, and so of a node's name.
const NODE_NAME_CHARACTERS_MAX: usize = 255;

/// `{found, ClusterId}` or `{join, ClusterId, MemberId}`; an id of a cluster has 16 bytes.
pub fn birth(term: Term<'_>) -> NifResult<Birth> {
    let id = |id: Binary<'_>| <[u8; 16]>::try_from(id.as_slice()).map_err(|_| Error::BadArg);
    if let Ok((tag, cluster_id)) = term.decode::<(Atom, Binary<'_>)>()
        && tag == atoms::found()
    {
        return Ok(Birth::Found(id(cluster_id)?));
    }
    let (tag, cluster_id, member_id) = term.decode::<(Atom, Binary<'_>, u64)>()?;
    if tag != atoms::join() {
        return Err(Error::BadArg);
    }
    Ok(Birth::Join { cluster_id: id(cluster_id)?, member_id })
}

/// What of a store's options comes from Erlang.
#[derive(Default)]
pub struct OpenOptions {
    /// The way to other members.
    pub lanes: Lanes,
    /// See `StoreOptions`.
    pub priority: i64,
}

/// `#{consensus_lane => pid(), bulk_lane => pid(), priority => integer()}`, each optional, and no others.
pub fn open_options(term: Term<'_>) -> NifResult<OpenOptions> {
    let mut options = OpenOptions::default();
    for (key, value) in MapIterator::new(term).ok_or(Error::BadArg)? {
        match key.decode::<Atom>()? {
            key if key == atoms::consensus_lane() => {
                options.lanes.set(pando_store::peers::Lane::Consensus, value.decode::<LocalPid>()?);
            }
            key if key == atoms::bulk_lane() => {
                options.lanes.set(pando_store::peers::Lane::Bulk, value.decode::<LocalPid>()?);
            }
            key if key == atoms::priority() => options.priority = value.decode()?,
            _ => return Err(Error::BadArg),
        }
    }
    Ok(options)
}

/// `up`, `down`, `refused` or `bulk_refused`.
pub fn node_state(term: Term<'_>) -> NifResult<NodeState> {
    match term.decode::<Atom>()? {
        atom if atom == atoms::up() => Ok(NodeState::Up),
        atom if atom == atoms::down() => Ok(NodeState::Down),
        atom if atom == atoms::refused() => Ok(NodeState::Refused(Lane::Consensus)),
        atom if atom == atoms::bulk_refused() => Ok(NodeState::Refused(Lane::Bulk)),
        _ => Err(Error::BadArg),
    }
}

/// The name of a node, as long as one may be.
pub fn node_name(term: Term<'_>) -> NifResult<&str> {
    let name = term.decode::<&str>()?;
    // The first test spares a long binary the count.
    let is_name = !name.is_empty()
        && name.len() <= NODE_NAME_CHARACTERS_MAX * char::MAX.len_utf8()
        && name.chars().count() <= NODE_NAME_CHARACTERS_MAX;
    if is_name { Ok(name) } else { Err(Error::BadArg) }
}

/// See `pando_backend`.
pub fn request(term: Term<'_>) -> NifResult<ClusterRequest> {
    if term.is_atom() {
        return match term.decode::<Atom>()? {
            atom if atom == atoms::allocate_member_id() => Ok(ClusterRequest::AllocateMemberId),
            _ => Err(Error::BadArg),
        };
    }
    if let Ok((tag, member_id, name, becomes)) = term.decode::<(Atom, u64, Term<'_>, Term<'_>)>() {
        if tag != atoms::add_member() {
            return Err(Error::BadArg);
        }
        let node_name = node_name(name)?.to_owned();
        return Ok(ClusterRequest::AddMember { member_id, node_name, role: role(becomes)? });
    }
    if let Ok((tag, member_id, becomes)) = term.decode::<(Atom, u64, Term<'_>)>() {
        if tag != atoms::change_role() {
            return Err(Error::BadArg);
        }
        return Ok(ClusterRequest::ChangeRole { member_id, role: role(becomes)? });
    }
    match term.decode::<(Atom, Term<'_>)>()? {
        (tag, member_id) if tag == atoms::remove_member() => {
            Ok(ClusterRequest::RemoveMember { member_id: member_id.decode()? })
        }
        (tag, member_id) if tag == atoms::transfer_leadership() => {
            let is_any = member_id.decode::<Atom>().is_ok_and(|atom| atom == atoms::undefined());
            let member_id = if is_any { None } else { Some(member_id.decode()?) };
            Ok(ClusterRequest::TransferLeadership { member_id })
        }
        _ => Err(Error::BadArg),
    }
}

fn role(term: Term<'_>) -> NifResult<Role> {
    match term.decode::<Atom>()? {
        atom if atom == atoms::voter() => Ok(Role::Voter),
        atom if atom == atoms::observer() => Ok(Role::Observer),
        _ => Err(Error::BadArg),
    }
}

fn role_atom(role: Role) -> Atom {
    match role {
        Role::Voter => atoms::voter(),
        Role::Observer => atoms::observer(),
    }
}

/// `ok`, `{ok, MemberId}` or `{error, {cluster, Kind, Detail}}`.
pub fn result_term<'a>(env: Env<'a>, result: &Result<ClusterAnswer, ClusterError>) -> Term<'a> {
    match result {
        Ok(ClusterAnswer::Done) => atoms::ok().to_term(env),
        Ok(ClusterAnswer::MemberId(id)) => (atoms::ok(), id).encode(env),
        Err(error) => (atoms::error(), error_term(env, error)).encode(env),
    }
}

fn error_term<'a>(env: Env<'a>, error: &ClusterError) -> Term<'a> {
    let nothing = atoms::undefined().to_term(env);
    let (kind, detail) = match error {
        ClusterError::NotLeader(None) => (atoms::not_leader(), nothing),
        ClusterError::NotLeader(Some(leader)) => (atoms::not_leader(), leader.encode(env)),
        ClusterError::NoSuchMember => (atoms::no_such_member(), nothing),
        ClusterError::LastVoter => (atoms::last_voter(), nothing),
        ClusterError::Busy => (atoms::busy(), nothing),
        ClusterError::NoQuorum(text) => (atoms::no_quorum(), text.encode(env)),
        ClusterError::Stopped => (atoms::stopped(), nothing),
    };
    (atoms::cluster(), kind, detail).encode(env)
}

/// What a store does in its cluster just now.
pub fn server_state_atom(state: ServerState) -> Atom {
    match state {
        ServerState::Leader => atoms::leader(),
        ServerState::Follower => atoms::follower(),
        ServerState::Candidate => atoms::candidate(),
        ServerState::Learner => atoms::learner(),
    }
}

/// Bytes as a binary.
pub fn bytes_term<'a>(env: Env<'a>, bytes: &[u8]) -> Term<'a> {
    let mut binary = NewBinary::new(env, bytes.len());
    binary.as_mut_slice().copy_from_slice(bytes);
    binary.into()
}

/// A member as this one sees it.
pub fn member_term<'a>(env: Env<'a>, member: &MemberStatus) -> Term<'a> {
    let optional =
        |number: Option<u64>| number.map_or_else(|| atoms::undefined().to_term(env), |n| n.encode(env));
    map(
        env,
        &[
            (atoms::member_id(), member.member_id.encode(env)),
            (atoms::node(), member.node_name.encode(env)),
            (atoms::role(), role_atom(member.role).to_term(env)),
            (atoms::is_voter(), member.is_voter.encode(env)),
            (atoms::applied_index(), optional(member.applied_index)),
            (atoms::last_contact_ms(), optional(member.last_contact_ms)),
        ],
    )
}

/// See `pando_backend`. Its maps are small: larger ones are not for a thread that is no scheduler (`AnswerHandle`).
pub fn event_term<'a>(env: Env<'a>, event: &ClusterEvent) -> Term<'a> {
    let member = |tag: Atom, id: u64, name: &str, more: &[(Atom, Term<'a>)]| {
        let mut pairs = vec![(atoms::member_id(), id.encode(env)), (atoms::node(), name.encode(env))];
        pairs.extend_from_slice(more);
        (tag, map(env, &pairs)).encode(env)
    };
    match event {
        ClusterEvent::LeaderChanged { leader, term } => {
            let leader = match leader {
                Some((id, name)) => (*id, name.as_str()).encode(env),
                None => atoms::undefined().to_term(env),
            };
            let pairs = [(atoms::leader(), leader), (atoms::term(), term.encode(env))];
            (atoms::leader_changed(), map(env, &pairs)).encode(env)
        }
        ClusterEvent::QuorumLost => atoms::quorum_lost().to_term(env),
        ClusterEvent::QuorumRegained => atoms::quorum_regained().to_term(env),
        ClusterEvent::MemberJoined { member_id, node_name } => {
            member(atoms::member_joined(), *member_id, node_name, &[])
        }
        ClusterEvent::MemberLeft { member_id, node_name } => {
            member(atoms::member_left(), *member_id, node_name, &[])
        }
        ClusterEvent::RoleChanged { member_id, node_name, is_voter } => {
            let is_voter = (atoms::is_voter(), is_voter.encode(env));
            member(atoms::role_changed(), *member_id, node_name, &[is_voter])
        }
        ClusterEvent::MemberLagging { member_id, node_name, entries } => {
            let entries = (atoms::entries(), entries.encode(env));
            member(atoms::member_lagging(), *member_id, node_name, &[entries])
        }
        ClusterEvent::MemberCaughtUp { member_id, node_name } => {
            member(atoms::member_caught_up(), *member_id, node_name, &[])
        }
        ClusterEvent::SnapshotInstalled { index } => {
            (atoms::snapshot_installed(), map(env, &[(atoms::index(), index.encode(env))])).encode(env)
        }
        ClusterEvent::Removed => atoms::removed().to_term(env),
    }
}

fn map<'a>(env: Env<'a>, pairs: &[(Atom, Term<'a>)]) -> Term<'a> {
    // The keys are distinct, so this cannot fail.
    Term::map_from_pairs(env, pairs).unwrap_or_else(|_| Term::map_new(env))
}
