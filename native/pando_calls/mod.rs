//! The calls of the behaviour `pando_backend`. No logic: each decodes its arguments, asks the bridge, encodes the answer.
//!
//! Source that two crates compile, each with its own `crate::vm`: in `pando_nif` terms are those of the VM (rustler's), in
//! `pando_port` they are the same words for terms in the external format (`external_terms`). What differs besides is in
//! their `crate::raw` and `crate::reply`. So a call is written once, and means the same inside the VM and outside.
//!
//! Invariants
//! 1. No function waits for a disk, for a peer, or for a lock that is held across one.
//! 2. A function without a `schedule` does bounded work: one node, at most `QUICK_*_MAX` of everything; what is larger
//!    is answered `slow`, and asked for again on a dirty scheduler (of a port: on a worker's thread).

pub mod answers;
mod asker;
pub mod atoms;
mod cluster;
pub mod erlang;
mod lanes;
mod listing;
mod names;
mod payloads;
pub mod recovery;
mod source;
pub mod transactions;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::raw::{AtomKey, atom_key, key_atom};
use crate::vm::{Atom, Binary, Encoder, Env, Error, NifResult, Resource, ResourceArc, Term};
use pando_bridge::{OpenRequest, OpenStore, PanickingThread, Token, Verification};
use pando_store::cluster::ClusterError;
use pando_store::disk::RealDisk;
use pando_store::log::{SEGMENT_BYTES_FIRST, SEGMENT_BYTES_MAX};
use pando_store::options::{QUEUED_COMMANDS_MAX, SNAPSHOT_LOG_BYTES_MIN};
use pando_store::{ProvokedThread, StoreError, StoreOptions, SystemClock};
use pando_tree::limits::COMMAND_STEPS_MAX;
use pando_tree::{
    BadCondition, Command, Expected, Extent, Limit, Once, Payload, PropsMask, RequestId, Scope, Subject,
    Transaction, Verdict, Wanted, Watched, Write,
};

use answers::{refusal_term, status_term, store_error_term};
use erlang::{Address, BRIDGE, Erlang, OpenHandle, Owner, VerificationHandle, VerificationOwner};
use listing::{Listing, Shown};
use names::{BadPath, is_quick_path, plain_names, steps};
use source::Source;

/// Components of a path that a normal scheduler follows.
const QUICK_COMPONENTS_MAX: usize = 16;
/// Bytes of a name in it.
const QUICK_NAME_SIZE_BYTES_MAX: usize = 512;
/// Bytes of payload that a normal scheduler decodes (about 10 ns each).
const QUICK_PAYLOAD_SIZE_BYTES_MAX: usize = 4 * 1024;
/// Children whose names a normal scheduler lists.
const QUICK_CHILD_NAMES_MAX: u64 = 64;

/// Bytes of a frame that a normal scheduler copies (some tens of microseconds): any heartbeat, most entries, each part of a snapshot.
const QUICK_FRAME_SIZE_BYTES_MAX: usize = 256 * 1024;

/// Nodes that depend on others, of which one call tells.
const KEEP_WHILE_LISTED_MAX: usize = 10_000;

/// A token in Erlang's hands. When its process dies, it is collected, and the command is cancelled if it still can be.
pub(crate) struct TokenHandle(Arc<Token>);

impl TokenHandle {
    pub(crate) fn new(token: Arc<Token>) -> TokenHandle {
        TokenHandle(token)
    }
}

#[crate::vm::resource_impl]
impl Resource for TokenHandle {}

impl Drop for TokenHandle {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn key_of(store: Term<'_>) -> NifResult<AtomKey> {
    atom_key(store).ok_or(Error::BadArg)
}

fn error<'a>(env: Env<'a>, reason: Term<'a>) -> Term<'a> {
    (atoms::error(), reason).encode(env)
}

fn not_running(env: Env<'_>) -> Term<'_> {
    error(env, atoms::noproc().to_term(env))
}

fn bad_path<'a>(env: Env<'a>, bad: BadPath<'a>) -> Term<'a> {
    match bad {
        BadPath::Component(component) => error(env, (atoms::bad_component(), component).encode(env)),
        BadPath::Limit(limit) => error(env, refusal_term(env, &limit.into())),
        BadPath::Condition(term, bad) => error(env, bad_condition_term(env, term, &bad)),
    }
}

fn bad_condition_term<'a>(env: Env<'a>, term: Term<'a>, bad: &BadCondition) -> Term<'a> {
    match bad {
        BadCondition::Malformed => (atoms::bad_component(), term).encode(env),
        BadCondition::LimitExceeded(limit) => refusal_term(env, &(*limit).into()),
        BadCondition::TargetsParent => (atoms::targets_parent(), term).encode(env),
        BadCondition::MatchSpecification => atoms::bad_match_specification().to_term(env),
        BadCondition::NotSupported { condition, text } => {
            (atoms::condition_not_supported(), names::condition_term(env, condition), text).encode(env)
        }
    }
}

fn mask_of(bits: u16) -> NifResult<PropsMask> {
    PropsMask::from_bits(bits).ok_or(Error::BadArg)
}

/// `open(Store, Name, Directory, NodeName, Holder, Birth, Incarnation, Options) -> Handle`; then a message
/// `{pando_opened, Store, ok | {error, Reason}}`. Birth: `{found, ClusterId}` or `{join, ClusterId, MemberId}`; Options:
/// `#{consensus_lane => pid(), bulk_lane => pid(), priority => integer()}`, each optional.
#[crate::vm::nif]
#[allow(clippy::too_many_arguments, reason = "one flat call into the library")]
pub fn open<'a>(
    env: Env<'a>,
    store: Term<'a>,
    name: &str,
    directory: &str,
    node_name: Term<'a>,
    holder: &str,
    birth: Term<'a>,
    incarnation: u64,
    options: Term<'a>,
) -> NifResult<Term<'a>> {
    let key = key_of(store)?;
    let (birth, options) = (cluster::birth(birth)?, cluster::open_options(options)?);
    let opening = BRIDGE.get().open(OpenRequest {
        key,
        directory: PathBuf::from(directory),
        options: StoreOptions {
            name: name.to_owned(),
            node_name: cluster::node_name(node_name)?.to_owned(),
            holder: holder.to_owned(),
            birth,
            transport: Arc::new(options.lanes),
            priority: options.priority,
            incarnation,
            clock: Arc::new(SystemClock),
            snapshot_log_bytes_min: SNAPSHOT_LOG_BYTES_MIN,
            queued_commands_max: QUEUED_COMMANDS_MAX,
            segment_bytes_first: SEGMENT_BYTES_FIRST,
            segment_bytes_max: SEGMENT_BYTES_MAX,
        },
        owner: Arc::new(Owner { pid: env.pid() }),
    });
    Ok(ResourceArc::new(OpenHandle::new(key, opening)).encode(env))
}

/// `close(Store) -> ok`; then a message `{pando_closed, Store}`, also when it was not open.
#[crate::vm::nif]
pub fn close<'a>(env: Env<'a>, store: Term<'a>) -> NifResult<Atom> {
    BRIDGE.get().close(key_of(store)?, None, Some(Arc::new(Owner { pid: env.pid() })));
    Ok(atoms::ok())
}

/// `verify(Directory, Reference) -> Handle`: looks at the stores at or in a directory, on a thread of its own. Then messages
/// `{pando_verify, Reference, Event}`: `{progress, Path, ReadBytes, SizeBytes}`, and at last
/// `{ended, {ok, [{Directory, Verdict, [{Path, Severity, Text}]}]} | {error, Text}}`.
#[crate::vm::nif]
pub fn verify<'a>(env: Env<'a>, directory: &str, reference: Term<'a>) -> NifResult<Term<'a>> {
    if !reference.is_ref() {
        return Err(Error::BadArg);
    }
    let owner = Arc::new(VerificationOwner::new(env, reference));
    let verification = Verification::start(Arc::new(RealDisk), PathBuf::from(directory), owner, Instant::now);
    Ok(ResourceArc::new(VerificationHandle::new(verification)).encode(env))
}

/// `verify_cancel(Handle) -> ok`: its end is of no interest any more, and may come all the same.
#[crate::vm::nif]
pub fn verify_cancel(handle: ResourceArc<VerificationHandle>) -> Atom {
    handle.cancel();
    atoms::ok()
}

/// `stores() -> [Store]`: those that are open.
#[crate::vm::nif]
pub fn stores(env: Env<'_>) -> Vec<Term<'_>> {
    BRIDGE.get().keys().into_iter().map(|key| key_atom(env, key)).collect()
}

/// `get_data(Source, Path) -> {ok, Value | undefined} | slow`: the shortest way to one value. A source is a store or a transaction. `slow` also for everything
/// that is an error, so that one place makes errors.
#[crate::vm::nif]
pub fn get_data<'a>(env: Env<'a>, source: Term<'a>, path: Term<'a>) -> Term<'a> {
    let slow = || atoms::slow().to_term(env);
    let (Ok(source), Some(names)) =
        (Source::from_term(source), plain_names(path, QUICK_COMPONENTS_MAX, QUICK_NAME_SIZE_BYTES_MAX))
    else {
        return slow();
    };
    let found = source.look_up(&names, Extent::Payload, |node| match node?.payload().bytes() {
        None => Some((atoms::ok(), atoms::undefined()).encode(env)),
        Some(bytes) if payloads::is_quick(bytes, QUICK_PAYLOAD_SIZE_BYTES_MAX) => {
            Some((atoms::ok(), payloads::value_term(env, bytes)).encode(env))
        }
        Some(_) => None,
    });
    found.flatten().unwrap_or_else(slow)
}

/// `exists(Source, Path) -> true | false | slow`.
#[crate::vm::nif]
pub fn exists<'a>(env: Env<'a>, source: Term<'a>, path: Term<'a>) -> Term<'a> {
    quick_test(env, source, path, Extent::Presence, |_| true)
}

/// `has_data(Source, Path) -> true | false | slow`.
#[crate::vm::nif]
pub fn has_data<'a>(env: Env<'a>, source: Term<'a>, path: Term<'a>) -> Term<'a> {
    quick_test(env, source, path, Extent::Payload, |node| matches!(node.payload(), Payload::Data(_)))
}

fn quick_test<'a>(
    env: Env<'a>,
    source: Term<'a>,
    path: Term<'a>,
    extent: Extent,
    test: impl FnOnce(&pando_tree::Node) -> bool,
) -> Term<'a> {
    let slow = || atoms::slow().to_term(env);
    let (Ok(source), Some(names)) =
        (Source::from_term(source), plain_names(path, QUICK_COMPONENTS_MAX, QUICK_NAME_SIZE_BYTES_MAX))
    else {
        return slow();
    };
    source.look_up(&names, extent, |node| node.is_some_and(test)).map_or_else(slow, |met| met.encode(env))
}

/// `read_quick(Source, Path, PropsBits) -> {ok, Path, Props} | {error, Reason} | slow`.
#[crate::vm::nif]
pub fn read_quick<'a>(env: Env<'a>, source: Term<'a>, path: Term<'a>, bits: u16) -> NifResult<Term<'a>> {
    let mask = mask_of(bits)?;
    if !is_quick_path(path, QUICK_COMPONENTS_MAX, QUICK_NAME_SIZE_BYTES_MAX) {
        return Ok(atoms::slow().to_term(env));
    }
    read_one(env, source, path, mask, |names, node| {
        names <= QUICK_COMPONENTS_MAX
            && node
                .payload()
                .bytes()
                .is_none_or(|bytes| payloads::is_quick(bytes, QUICK_PAYLOAD_SIZE_BYTES_MAX))
            && (!mask.contains(PropsMask::CHILD_NAMES) || node.children().len() <= QUICK_CHILD_NAMES_MAX)
    })
}

/// The same without limits, and so never `slow`.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn read<'a>(env: Env<'a>, source: Term<'a>, path: Term<'a>, bits: u16) -> NifResult<Term<'a>> {
    read_one(env, source, path, mask_of(bits)?, |_, _| true)
}

fn read_one<'a>(
    env: Env<'a>,
    source: Term<'a>,
    path: Term<'a>,
    mask: PropsMask,
    acceptable: impl FnOnce(usize, &pando_tree::Node) -> bool,
) -> NifResult<Term<'a>> {
    let source = Source::from_term(source)?;
    let steps = match steps(path) {
        Ok(steps) => steps,
        Err(bad) => return Ok(bad_path(env, bad)),
    };
    if let Err(limit) = pando_tree::check_path(&steps) {
        return Ok(error(env, refusal_term(env, &limit.into())));
    }
    let read = source.resolve(&steps, mask, |found| match found {
        Ok(found) if acceptable(found.path.len(), found.node) => {
            let (path, props) = (&found.path, found.node.props(mask));
            (atoms::ok(), names::path_term(env, path), answers::props_term(env, &props)).encode(env)
        }
        Ok(_) => atoms::slow().to_term(env),
        Err(refusal) => error(env, refusal_term(env, &refusal)),
    });
    Ok(read.unwrap_or_else(|| not_running(env)))
}

/// `scan(Source, Pattern, PropsBits | {values, Default}, IncludeRoot, none | From, EachOnce) -> {ok, Cursor} | {error, Reason}`;
/// of a path `From`, only nodes behind it; with `EachOnce`, a node comes once however many ways the pattern leads to it.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn scan<'a>(
    env: Env<'a>,
    source: Term<'a>,
    pattern: Term<'a>,
    what: Term<'a>,
    include_root: bool,
    from: Term<'a>,
    each_once: bool,
) -> NifResult<Term<'a>> {
    let (source, shown) = (Source::from_term(source)?, Shown::from_term(what)?);
    let is_none = from.decode::<Atom>().is_ok_and(|atom| atom == atoms::none());
    let from = if is_none { Ok(None) } else { names::names(from).map(Some) };
    let (pattern, from) = match steps(pattern).and_then(|pattern| Ok((pattern, from?))) {
        Ok(decoded) => decoded,
        Err(bad) => return Ok(bad_path(env, bad)),
    };
    if let Err(limit) = pando_tree::check_path(&pattern) {
        return Ok(error(env, refusal_term(env, &limit.into())));
    }
    Ok(match source.scan(pattern, include_root, from, each_once) {
        Some(Ok(cursor)) => (atoms::ok(), ResourceArc::new(Listing::new(cursor, shown))).encode(env),
        Some(Err(refusal)) => error(env, refusal_term(env, &refusal)),
        None => not_running(env),
    })
}

/// `scan_next(Cursor, NodesMax) -> {more | done, [{Path, PropsOrValue}]}`.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn scan_next<'a>(env: Env<'a>, listing: ResourceArc<Listing>, nodes_max: usize) -> NifResult<Term<'a>> {
    if nodes_max == 0 {
        return Err(Error::BadArg);
    }
    let (more, elements) = listing.next(env, nodes_max);
    Ok((more_or_done(more), elements).encode(env))
}

/// `scan_close(Cursor) -> ok`: nobody wants more of it, and what it holds is let go. Otherwise that happens when it is
/// collected as garbage.
// Dirty, because another process may be at a chunk of the same cursor.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn scan_close(listing: ResourceArc<Listing>) -> Atom {
    listing.close();
    atoms::ok()
}

/// `count_next(Cursor) -> {more | done, Found}`: counts instead of showing.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn count_next<'a>(env: Env<'a>, listing: ResourceArc<Listing>) -> Term<'a> {
    let (found, more) = listing.count();
    (more_or_done(more), found).encode(env)
}

fn more_or_done(more: bool) -> Atom {
    if more { atoms::more() } else { atoms::done() }
}

/// `submit(Store, ReplyTo, Request, Cancellable) -> ok | {ok, Token} | {error, Reason}`; then, unless refused or cancelled,
/// a message to the caller, as [`Address`] shows: with `ok`, `{error, Reason}`, or `{answer, Answer}` for `answer/1`.
///
/// Request: `{put, Path, none | data | sproc, Value, Scope, KeepWhile, Wanted}`, `{clear, Path, Scope, KeepWhile, Wanted}` or
/// `{delete, Path, Scope, Wanted}`; `{transaction, [{Path, Condition}], [Request]}` of these; `{once, RequestId, Request}` of any; Scope: `one`, `many` or `many_and_root`; KeepWhile: `keep` or a list of
/// `{Path, Condition}`; Wanted: `none` or `{PropsBits, IndirectDeletes}`.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn submit<'a>(
    env: Env<'a>,
    store: Term<'a>,
    reply_to: Term<'a>,
    request: Term<'a>,
    cancellable: bool,
) -> NifResult<Term<'a>> {
    let address = Address::new(env, reply_to)?;
    let command = match command(request)? {
        Ok(command) => command,
        Err(bad) => return Ok(bad_path(env, bad)),
    };
    if let Err(refusal) = command.check() {
        return Ok(error(env, refusal_term(env, &refusal)));
    }
    ask(env, store, cancellable, |open, token| open.submit(command, address, token))
}

/// `barrier(Store, Reference, Cancellable) -> ok | {ok, Token} | {error, Reason}`; then, unless refused or cancelled,
/// `{pando_reply, Reference, ok | {error, Reason}}`, when all that was accepted or committed before is applied here.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn barrier<'a>(
    env: Env<'a>,
    store: Term<'a>,
    reference: Term<'a>,
    cancellable: bool,
) -> NifResult<Term<'a>> {
    let address = Address::new(env, reference)?;
    ask(env, store, cancellable, |open, token| open.barrier(address, token))
}

/// `await_applied(Store, Reference, Index, Cancellable)`: the same, when the log index is applied here.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn await_applied<'a>(
    env: Env<'a>,
    store: Term<'a>,
    reference: Term<'a>,
    index: u64,
    cancellable: bool,
) -> NifResult<Term<'a>> {
    let address = Address::new(env, reference)?;
    ask(env, store, cancellable, |open, token| open.await_applied(index, address, token))
}

/// Asks an open store for something that is answered later.
fn ask<'a>(
    env: Env<'a>,
    store: Term<'a>,
    cancellable: bool,
    request: impl FnOnce(&OpenStore<Erlang>, Option<Arc<Token>>) -> Result<(), StoreError>,
) -> NifResult<Term<'a>> {
    let token = cancellable.then(Arc::<Token>::default);
    let asked = BRIDGE.get().with(key_of(store)?, |open| match (request(open, token.clone()), token) {
        (Ok(()), None) => atoms::ok().to_term(env),
        (Ok(()), Some(token)) => (atoms::ok(), ResourceArc::new(TokenHandle(token))).encode(env),
        (Err(refused), _) => error(env, store_error_term(env, &refused)),
    });
    Ok(asked.unwrap_or_else(|| not_running(env)))
}

/// The command of a request, or what is wrong with its path or conditions.
fn command(request: Term<'_>) -> NifResult<Result<Command, BadPath<'_>>> {
    match request.decode::<(Atom, Term<'_>, Term<'_>)>() {
        Ok((tag, id, request)) if tag == atoms::once() => {
            let id = id.decode::<Binary<'_>>()?;
            let id = match RequestId::new(id.as_slice()) {
                Ok(id) => id,
                Err(limit) => return Ok(Err(BadPath::Limit(limit))),
            };
            let once = |command| Command::Once(Box::new(Once::new(id, command, None)));
            Ok(single_or_several(request)?.map(once))
        }
        _ => single_or_several(request),
    }
}

fn single_or_several(request: Term<'_>) -> NifResult<Result<Command, BadPath<'_>>> {
    match request.decode::<(Atom, Term<'_>, Term<'_>)>() {
        Ok((tag, requirements, mut requests)) if tag == atoms::transaction() => {
            let mut writes = Vec::new();
            while let Ok((request, rest)) = requests.list_get_cell() {
                if let Err(limit) = Limit::TransactionCommands.check(writes.len() + 1) {
                    return Ok(Err(BadPath::Limit(limit)));
                }
                match single(request)? {
                    Ok(command) => writes.push(Write { command, expected: Expected::Success }),
                    Err(bad) => return Ok(Err(bad)),
                }
                requests = rest;
            }
            if !requests.is_empty_list() {
                return Err(Error::BadArg);
            }
            Ok(names::requirements(requirements).map(|requirements| {
                Command::Transaction(Box::new(Transaction::as_data(requirements, writes)))
            }))
        }
        _ => single(request),
    }
}

fn single(request: Term<'_>) -> NifResult<Result<Command, BadPath<'_>>> {
    if let Ok((tag, path, kind, value, scope, keep_while, wanted)) =
        request.decode::<(Atom, Term<'_>, Atom, Term<'_>, Atom, Term<'_>, Term<'_>)>()
        && tag == atoms::put()
    {
        let (scope, wanted, payload) =
            (scope_of(scope)?, wanted_of(wanted)?, payloads::from_term(kind, value)?);
        return Ok(steps(path).and_then(|path| {
            let keep_while = keep_while_of(keep_while)?;
            Ok(Command::Put { path, scope, payload, keep_while, wanted })
        }));
    }
    if let Ok((tag, path, scope, keep_while, wanted)) =
        request.decode::<(Atom, Term<'_>, Atom, Term<'_>, Term<'_>)>()
        && tag == atoms::clear()
    {
        let (scope, wanted) = (scope_of(scope)?, wanted_of(wanted)?);
        return Ok(steps(path).and_then(|path| {
            let keep_while = keep_while_of(keep_while)?;
            Ok(Command::Clear { path, scope, keep_while, wanted })
        }));
    }
    let (tag, path, scope, wanted) = request.decode::<(Atom, Term<'_>, Atom, Term<'_>)>()?;
    if tag != atoms::delete() {
        return Err(Error::BadArg);
    }
    let (scope, wanted) = (scope_of(scope)?, wanted_of(wanted)?);
    Ok(steps(path).map(|path| Command::Delete { path, scope, wanted }))
}

fn scope_of(atom: Atom) -> NifResult<Scope> {
    match atom {
        atom if atom == atoms::one() => Ok(Scope::One),
        atom if atom == atoms::many() => Ok(Scope::Many),
        atom if atom == atoms::many_and_root() => Ok(Scope::ManyAndRoot),
        _ => Err(Error::BadArg),
    }
}

/// `keep`, or a list of what the nodes are to depend on.
fn keep_while_of(term: Term<'_>) -> Result<Option<Box<[Watched]>>, BadPath<'_>> {
    if term.decode::<Atom>().is_ok_and(|atom| atom == atoms::keep()) {
        return Ok(None);
    }
    names::watched(term).map(|watched| Some(watched.into_boxed_slice()))
}

fn wanted_of(term: Term<'_>) -> NifResult<Option<Wanted>> {
    if let Ok(atom) = term.decode::<Atom>() {
        return if atom == atoms::none() { Ok(None) } else { Err(Error::BadArg) };
    }
    let (bits, indirect_deletes) = term.decode::<(u16, bool)>()?;
    Ok(Some(Wanted { props: mask_of(bits)?, indirect_deletes }))
}

/// `cancel(Token) -> true | false`: true when no reply will come.
#[crate::vm::nif]
pub fn cancel(handle: ResourceArc<TokenHandle>) -> bool {
    handle.0.cancel()
}

/// `condition_met(Condition, Name, Props) -> true | {false, Why} | {error, Reason}`: whether a node of this name with these
/// properties (`data`, `sproc`, `payload_version`, `child_list_version`, `child_list_length`) meets the condition.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn condition_met<'a>(
    env: Env<'a>,
    condition: Term<'a>,
    name: Term<'a>,
    props: Term<'a>,
) -> NifResult<Term<'a>> {
    let condition = match names::condition(condition) {
        Ok(condition) => condition,
        Err(bad) => return Ok(bad_path(env, bad)),
    };
    let name = names::name(name).ok_or(Error::BadArg)?;
    let value = |key: Atom| props.map_get(key).ok();
    let number = |key: Atom| value(key).and_then(|value| value.decode::<u64>().ok());
    let payload = match (value(atoms::data()), value(atoms::sproc())) {
        (Some(data), _) => payloads::from_term(atoms::data(), data)?,
        (None, Some(procedure)) => payloads::from_term(atoms::sproc(), procedure)?,
        (None, None) => Payload::None,
    };
    let subject = Subject {
        payload: &payload,
        payload_version: number(atoms::payload_version()),
        child_list_version: number(atoms::child_list_version()),
        child_list_length: number(atoms::child_list_length()),
    };
    let mut steps = COMMAND_STEPS_MAX as u64;
    Ok(match condition.test(Some(&name), &subject, &mut steps) {
        Ok(Verdict::Met) => true.encode(env),
        Ok(Verdict::NotMet(why)) => (false, names::condition_term(env, &why)).encode(env),
        Err(out_of_steps) => error(env, refusal_term(env, &out_of_steps.into())),
    })
}

/// `keep_while(Store) -> {ok, Count, [{Path, [{WatchedPath, Condition}]}]} | {error, noproc}`: how many nodes depend on
/// others, and the first `KEEP_WHILE_LISTED_MAX` of them.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn keep_while<'a>(env: Env<'a>, store: Term<'a>) -> NifResult<Term<'a>> {
    let listed = BRIDGE.get().with(key_of(store)?, |open| {
        let view = open.store().view_guard();
        let nodes = view.state.keep_while().take(KEEP_WHILE_LISTED_MAX);
        let listed: Vec<Term<'a>> =
            nodes.map(|(path, conditions)| answers::keep_while_term(env, path, conditions)).collect();
        (atoms::ok(), view.state.keep_while_count(), listed).encode(env)
    });
    Ok(listed.unwrap_or_else(|| not_running(env)))
}

/// `status(Store) -> {ok, Map} | {error, noproc}`.
#[crate::vm::nif]
pub fn status<'a>(env: Env<'a>, store: Term<'a>) -> NifResult<Term<'a>> {
    let status = BRIDGE.get().with(key_of(store)?, |open| open.store().status());
    Ok(status.map_or_else(|| not_running(env), |status| (atoms::ok(), status_term(env, &status)).encode(env)))
}

/// `applied_index(Store) -> {ok, ClusterId, Incarnation, Index} | {error, noproc}`: the last log index in the view that readers
/// see, in which cluster, and in which opening of the store that was so. No lock, for it is asked for beside each write.
#[crate::vm::nif]
pub fn applied_index<'a>(env: Env<'a>, store: Term<'a>) -> NifResult<Term<'a>> {
    let found = BRIDGE.get().with(key_of(store)?, |open| {
        let store = open.store();
        let cluster_id = cluster::bytes_term(env, &store.cluster_id());
        (atoms::ok(), cluster_id, store.incarnation(), store.view_guard().applied_index()).encode(env)
    });
    Ok(found.unwrap_or_else(|| not_running(env)))
}

/// `cluster_request(Store, Reference, Request) -> ok | {error, noproc}`; then a message
/// `{pando_reply, Reference, ok | {ok, MemberId} | {error, {cluster, Kind, Detail}}}`. Requests: see `pando_backend`.
#[crate::vm::nif]
pub fn cluster_request<'a>(
    env: Env<'a>,
    store: Term<'a>,
    reference: Term<'a>,
    request: Term<'a>,
) -> NifResult<Term<'a>> {
    if !reference.is_ref() {
        return Err(Error::BadArg);
    }
    let (key, request) = (key_of(store)?, cluster::request(request)?);
    let address = Address::new(env, reference)?;
    let asked = BRIDGE.get().with(key, |open| open.cluster_request(request, address));
    Ok(match asked {
        Some(Ok(())) => atoms::ok().to_term(env),
        Some(Err(address)) => {
            address.tell(env, cluster::result_term(env, &Err(ClusterError::Busy)));
            atoms::ok().to_term(env)
        }
        None => not_running(env),
    })
}

/// `peer_frame_quick(Store, consensus | bulk, Frame) -> ok | slow | {error, noproc}`: a frame from another node has come.
#[crate::vm::nif]
pub fn peer_frame_quick<'a>(
    env: Env<'a>,
    store: Term<'a>,
    lane: Term<'a>,
    frame: Binary<'a>,
) -> NifResult<Term<'a>> {
    if frame.len() > QUICK_FRAME_SIZE_BYTES_MAX {
        return Ok(atoms::slow().to_term(env));
    }
    take_frame(env, store, lane, &frame)
}

/// The same without a limit, and so never `slow`.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn peer_frame<'a>(
    env: Env<'a>,
    store: Term<'a>,
    lane: Term<'a>,
    frame: Binary<'a>,
) -> NifResult<Term<'a>> {
    take_frame(env, store, lane, &frame)
}

fn take_frame<'a>(env: Env<'a>, store: Term<'a>, lane: Term<'a>, frame: &Binary<'a>) -> NifResult<Term<'a>> {
    let (key, lane) = (key_of(store)?, lanes::lane(lane)?);
    let taken = BRIDGE.get().with_member(key, |store| store.peer_frame(lane, frame.as_slice().to_vec()));
    Ok(taken.map_or_else(|| not_running(env), |()| atoms::ok().to_term(env)))
}

/// `node_state(Store, NodeName, up | down | refused | bulk_refused) -> ok | {error, noproc}`: what has become of a node.
#[crate::vm::nif]
pub fn node_state<'a>(
    env: Env<'a>,
    store: Term<'a>,
    node_name: Term<'a>,
    state: Term<'a>,
) -> NifResult<Term<'a>> {
    let (key, state) = (key_of(store)?, cluster::node_state(state)?);
    let node_name = cluster::node_name(node_name)?;
    let told = BRIDGE.get().with_member(key, |store| store.node_state(node_name, state));
    Ok(told.map_or_else(|| not_running(env), |()| atoms::ok().to_term(env)))
}

/// `take_snapshot(Store) -> ok | under_way | noproc`: writes one in the background, due or not.
#[crate::vm::nif]
pub fn take_snapshot(store: Term<'_>) -> NifResult<Atom> {
    let begun = BRIDGE.get().with(key_of(store)?, |open| open.store().take_snapshot());
    Ok(match begun {
        Some(true) => atoms::ok(),
        Some(false) => atoms::under_way(),
        None => atoms::noproc(),
    })
}

/// `provoke_panic(Store, ingest | apply | log | reply) -> ok`: a drill. The store halts, says why, and is restarted.
#[crate::vm::nif]
pub fn provoke_panic(store: Term<'_>, thread: Atom) -> NifResult<Atom> {
    let thread = match thread {
        thread if thread == atoms::ingest() => PanickingThread::OfStore(ProvokedThread::Ingest),
        thread if thread == atoms::apply() => PanickingThread::OfStore(ProvokedThread::Apply),
        thread if thread == atoms::log() => PanickingThread::OfStore(ProvokedThread::Log),
        thread if thread == atoms::reply() => PanickingThread::Reply,
        _ => return Err(Error::BadArg),
    };
    let provoked = BRIDGE.get().with(key_of(store)?, |open| open.provoke_panic(thread));
    Ok(if provoked.is_some() { atoms::ok() } else { atoms::noproc() })
}

/// `limits() -> #{Name => Value}`: the limits that are compiled in, so that tests and documentation follow them.
#[crate::vm::nif]
pub fn limits(env: Env<'_>) -> Term<'_> {
    let pairs: Vec<(String, u64)> =
        pando_bridge::limits().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Term::map_from_pairs(env, &pairs).unwrap_or_else(|_| Term::map_new(env))
}
