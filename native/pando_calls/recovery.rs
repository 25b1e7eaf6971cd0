//! The native functions of the last resort for stores whose majority is gone (`pando_recover`).

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::vm::{Atom, Binary, Encoder, Env, Error, NewBinary, NifResult, Resource, ResourceArc, Term};
use pando_bridge::{RecoveryEnd, RecoveryObserver, RecoveryRequest, RecoveryTask};
use pando_store::directory::StoreId;
use pando_store::disk::RealDisk;
use pando_store::log::LogPosition;
use pando_store::recover::{Contents, NodeName, RecoverError, RecoverOptions, Recovery, Survivor};
use pando_store::{Membership, Role};

use super::answers::report_term;
use super::asker::Asker;

mod atoms {
    crate::vm::atoms! {
        ok,
        error,
        undefined,
        pando_recover,
        progress,
        ended,
        inspected,
        recovered,
        voter,
        observer,
        given,
        otherwise,
    }
}

/// `recover_inspect(Directories, Reference) -> Handle`: looks at what stores have that are not open, on a thread of its own.
/// Then messages `{pando_recover, Reference, Event}`: `{progress, Path, Done, Whole}`, and at last
/// `{ended, {inspected, [Survivor]} | {error, Text}}`.
#[crate::vm::nif]
pub fn recover_inspect<'a>(
    env: Env<'a>,
    directories: Vec<String>,
    reference: Term<'a>,
) -> NifResult<Term<'a>> {
    let directories = directories.into_iter().map(PathBuf::from).collect();
    start(env, RecoveryRequest::Inspect(directories), reference)
}

/// `recover(Directory, ClusterId, {given | otherwise, NodeName}, IsForced, Holder, Reference) -> Handle`: makes a new cluster of what a store has. The
/// messages are the same; the last one is `{ended, {recovered, Recovery} | {error, Kind, Text} | {error, Text}}`.
#[crate::vm::nif]
pub fn recover<'a>(
    env: Env<'a>,
    directory: &str,
    cluster_id: Binary<'a>,
    (how, node_name): (Atom, String),
    is_forced: bool,
    holder: &str,
    reference: Term<'a>,
) -> NifResult<Term<'a>> {
    let cluster_id = cluster_id.as_slice().try_into().map_err(|_| Error::BadArg)?;
    let node = match how {
        given if given == atoms::given() => NodeName::Given(node_name),
        otherwise if otherwise == atoms::otherwise() => NodeName::AsBefore { or: node_name },
        _ => return Err(Error::BadArg),
    };
    let holder = holder.to_owned();
    let options = RecoverOptions { cluster_id: StoreId(cluster_id), node, is_forced, holder };
    start(env, RecoveryRequest::Recover(PathBuf::from(directory), options), reference)
}

/// `recover_cancel(Handle) -> ok`: its end is of no interest any more, and may come all the same.
#[crate::vm::nif]
pub fn recover_cancel(handle: ResourceArc<RecoveryHandle>) -> Atom {
    handle.0.cancel();
    atoms::ok()
}

fn start<'a>(env: Env<'a>, request: RecoveryRequest, reference: Term<'a>) -> NifResult<Term<'a>> {
    if !reference.is_ref() {
        return Err(Error::BadArg);
    }
    let asker = Arc::new(RecoveryAsker(Asker::new(env, atoms::pando_recover(), reference)));
    let task = RecoveryTask::start(Arc::new(RealDisk), request, asker, Instant::now);
    Ok(ResourceArc::new(RecoveryHandle(task)).encode(env))
}

/// In Erlang's hands. When its process dies, it is collected, and the task is cancelled.
pub struct RecoveryHandle(RecoveryTask);

#[crate::vm::resource_impl]
impl Resource for RecoveryHandle {}

struct RecoveryAsker(Asker);

impl RecoveryObserver for RecoveryAsker {
    fn progress(&self, path: &Path, done: u64, whole: u64) -> ControlFlow<()> {
        self.0.tell(|env| (atoms::progress(), path_term(env, path), done, whole).encode(env))
    }

    fn ended(&self, result: Result<RecoveryEnd, String>) {
        // A process that is gone needs to hear nothing.
        let _ = self.0.tell(|env| {
            let end = match result {
                Ok(RecoveryEnd::Inspected(survivors)) => {
                    let survivors: Vec<Term<'_>> =
                        survivors.iter().map(|survivor| survivor_term(env, survivor)).collect();
                    (atoms::inspected(), survivors).encode(env)
                }
                Ok(RecoveryEnd::Recovered(Ok(recovery))) => {
                    (atoms::recovered(), recovery_term(env, &recovery)).encode(env)
                }
                Ok(RecoveryEnd::Recovered(Err(error))) => refusal_term(env, &error),
                Err(text) => (atoms::error(), text).encode(env),
            };
            (atoms::ended(), end).encode(env)
        });
    }
}

/// `{Report, {ClusterId, MemberId} | undefined, Contents | undefined}`
fn survivor_term<'a>(env: Env<'a>, survivor: &Survivor) -> Term<'a> {
    let identity =
        survivor.identity.map(|identity| (id_term(env, identity.store_id), identity.member_id).encode(env));
    let contents = survivor.contents.as_ref().map(|contents| contents_term(env, contents));
    (report_term(env, &survivor.report), or_undefined(env, identity), or_undefined(env, contents)).encode(env)
}

/// `{Members, Last, Committed, Snapshot, {Term, MemberId, HasWon} | undefined}`
fn contents_term<'a>(env: Env<'a>, contents: &Contents) -> Term<'a> {
    let vote = contents.vote.map(|vote| (vote.term, vote.member_id, vote.has_won).encode(env));
    (
        members_term(env, contents.membership.as_ref()),
        position_term(env, contents.last),
        position_term(env, contents.committed),
        position_term(env, contents.snapshot),
        or_undefined(env, vote),
    )
        .encode(env)
}

/// `{By, ClusterId, Members, Last, Kept}`
fn recovery_term<'a>(env: Env<'a>, recovery: &Recovery) -> Term<'a> {
    (
        recovery.by.name(),
        id_term(env, recovery.cluster_id),
        members_term(env, recovery.membership.as_ref()),
        position_term(env, recovery.last),
        path_term(env, &recovery.kept),
    )
        .encode(env)
}

/// `{error, Kind, Text}`
fn refusal_term<'a>(env: Env<'a>, error: &RecoverError) -> Term<'a> {
    (atoms::error(), error.name(), error.to_string()).encode(env)
}

/// `{[[VoterId]], [{MemberId, NodeName, voter | observer}]} | undefined`
fn members_term<'a>(env: Env<'a>, membership: Option<&Membership>) -> Term<'a> {
    let term = membership.map(|membership| {
        let sets: Vec<Vec<u64>> =
            membership.voter_sets.iter().map(|set| set.iter().copied().collect()).collect();
        let members: Vec<Term<'a>> = membership
            .members
            .iter()
            .map(|(id, member)| {
                let role = match member.role {
                    Role::Voter => atoms::voter(),
                    Role::Observer => atoms::observer(),
                };
                (id, &member.node_name, role).encode(env)
            })
            .collect();
        (sets, members).encode(env)
    });
    or_undefined(env, term)
}

/// `{Term, Index} | undefined`
fn position_term(env: Env<'_>, position: Option<LogPosition>) -> Term<'_> {
    or_undefined(env, position.map(|position| (position.term, position.index).encode(env)))
}

fn or_undefined<'a>(env: Env<'a>, term: Option<Term<'a>>) -> Term<'a> {
    term.unwrap_or_else(|| atoms::undefined().to_term(env))
}

fn id_term(env: Env<'_>, id: StoreId) -> Term<'_> {
    let mut binary = NewBinary::new(env, id.0.len());
    binary.as_mut_slice().copy_from_slice(&id.0);
    binary.into()
}

fn path_term<'a>(env: Env<'a>, path: &Path) -> Term<'a> {
    path.to_string_lossy().as_ref().encode(env)
}
