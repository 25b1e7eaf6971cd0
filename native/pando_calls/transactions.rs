//! The native functions of transactions.
//!
//! Those that end in `_quick`, and those that say so, run on a normal scheduler: they do little, and never wait for a lock that
//! is held for long. What is more is answered `slow`, and asked for again without haste.

use std::sync::Arc;

use crate::vm::{Atom, Binary, Encoder, Env, Error, NifResult, ResourceArc, Term};
use pando_bridge::{Attempt, CommitReply, Token};
use pando_store::Haste;
use pando_tree::limits::REQUEST_ANSWER_SIZE_BYTES_MAX;
use pando_tree::{Answer, Command, Once, OpenTransaction, Path, RequestId, Scope, Step};

use super::answers::{answer_term, refusal_term, repeated_term, store_error_term};
use super::erlang::{Address, BRIDGE};
use super::names::{names, path_term, plain_names};
use super::source::AttemptHandle;
use super::{
    QUICK_COMPONENTS_MAX, QUICK_NAME_SIZE_BYTES_MAX, QUICK_PAYLOAD_SIZE_BYTES_MAX, TokenHandle, atoms,
    bad_path, command, error, key_of, not_running, payloads,
};

/// Nodes that go with a command on a normal scheduler.
const QUICK_REMOVED_NODES_MAX: u64 = 64;

/// `transaction_begin(Store, read_only | read_write) -> {ok, Tx} | {error, noproc}`. Quick.
#[crate::vm::nif]
pub fn transaction_begin<'a>(env: Env<'a>, store: Term<'a>, mode: Atom) -> NifResult<Term<'a>> {
    let is_read_only = match mode {
        mode if mode == atoms::read_only() => true,
        mode if mode == atoms::read_write() => false,
        _ => return Err(Error::BadArg),
    };
    let begun = BRIDGE.get().with(key_of(store)?, |open| {
        (atoms::ok(), ResourceArc::new(AttemptHandle::new(Attempt::begin(open, is_read_only)))).encode(env)
    });
    Ok(begun.unwrap_or_else(|| not_running(env)))
}

/// `transaction_enter(Tx, Reference, Path) -> ok | in_line`. Quick.
#[crate::vm::nif]
pub fn transaction_enter<'a>(
    env: Env<'a>,
    attempt: ResourceArc<AttemptHandle>,
    reference: Term<'a>,
    path: Term<'a>,
) -> NifResult<Atom> {
    let Some(path) = plain_names(path, QUICK_COMPONENTS_MAX, QUICK_NAME_SIZE_BYTES_MAX) else {
        return Ok(atoms::ok());
    };
    let address = Address::new(env, reference)?;
    let has_turn = attempt.with(|attempt| attempt.enter(path, told_at(env, reference, address)));
    Ok(ok_or_in_line(has_turn))
}

/// `transaction_stand_in_line(Tx, Reference, [Path]) -> ok | in_line`. As many paths as attempts were lost, of any length.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn transaction_stand_in_line<'a>(
    env: Env<'a>,
    attempt: ResourceArc<AttemptHandle>,
    reference: Term<'a>,
    paths: Vec<Term<'a>>,
) -> NifResult<Atom> {
    let paths = paths.into_iter().map(|path| names(path).map_err(|_| Error::BadArg));
    let paths = paths.collect::<NifResult<Vec<Path>>>()?;
    let address = Address::new(env, reference)?;
    let has_turn = attempt.with(|attempt| attempt.stand_in_line(&paths, told_at(env, reference, address)));
    Ok(ok_or_in_line(has_turn))
}

/// Addresses for one reference, of which the first was made already.
fn told_at<'a>(env: Env<'a>, reference: Term<'a>, first: Address) -> impl FnMut() -> Address {
    let mut first = Some(first);
    move || first.take().or_else(|| Address::new(env, reference).ok()).unwrap_or(Address::Nobody)
}

fn ok_or_in_line(has_turn: bool) -> Atom {
    if has_turn { atoms::ok() } else { atoms::in_line() }
}

/// `transaction_go_on(Tx) -> ok | told`: `told` when the message about a turn has been sent, or is about to be. Quick.
#[crate::vm::nif]
pub fn transaction_go_on(env: Env<'_>, attempt: ResourceArc<AttemptHandle>) -> Atom {
    let (is_told, turns) = attempt.with(Attempt::go_on);
    tell_turns(env, turns);
    if is_told { atoms::told() } else { atoms::ok() }
}

/// Tells those whose turn it is, without a detour by the reply thread: they wait for nothing else.
fn tell_turns(env: Env<'_>, turns: Vec<Address>) {
    turns.into_iter().for_each(|address| address.tell_ok(env));
}

/// `transaction_write_quick(Tx, Request) -> ok | {ok, #{Path => Props}} | {error, Reason} | slow`.
#[crate::vm::nif]
pub fn transaction_write_quick<'a>(
    env: Env<'a>,
    attempt: ResourceArc<AttemptHandle>,
    request: Term<'a>,
) -> NifResult<Term<'a>> {
    if !is_quick_request(request) {
        return Ok(atoms::slow().to_term(env));
    }
    write(env, &attempt, request, is_quick_command)
}

/// The same without limits, and so never `slow`.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn transaction_write<'a>(
    env: Env<'a>,
    attempt: ResourceArc<AttemptHandle>,
    request: Term<'a>,
) -> NifResult<Term<'a>> {
    write(env, &attempt, request, |_, _| true)
}

fn write<'a>(
    env: Env<'a>,
    attempt: &AttemptHandle,
    request: Term<'a>,
    is_acceptable: impl FnOnce(&mut OpenTransaction, &Command) -> bool,
) -> NifResult<Term<'a>> {
    let command = match command(request)? {
        Ok(command) => command,
        Err(bad) => return Ok(bad_path(env, bad)),
    };
    if !matches!(command, Command::Put { .. } | Command::Clear { .. } | Command::Delete { .. }) {
        return Err(Error::BadArg);
    }
    if let Err(refusal) = command.check() {
        return Ok(error(env, refusal_term(env, &refusal)));
    }
    Ok(attempt.with(|attempt| match attempt.open() {
        None => not_running(env),
        Some(open) => {
            if is_acceptable(open, &command) {
                answer_term(env, &open.write(command))
            } else {
                atoms::slow().to_term(env)
            }
        }
    }))
}

/// Whether a request of one node can be decoded in a bounded time.
fn is_quick_request(request: Term<'_>) -> bool {
    let is_quick_path = |path| plain_names(path, QUICK_COMPONENTS_MAX, QUICK_NAME_SIZE_BYTES_MAX).is_some();
    let keeps = |keep_while: Term<'_>| keep_while.decode::<Atom>().is_ok_and(|atom| atom == atoms::keep());
    if let Ok((_, path, _, value, _, keep_while, _)) =
        request.decode::<(Atom, Term<'_>, Atom, Term<'_>, Atom, Term<'_>, Term<'_>)>()
    {
        return is_quick_path(path)
            && keeps(keep_while)
            && payloads::is_quick_term(value, QUICK_PAYLOAD_SIZE_BYTES_MAX);
    }
    if let Ok((_, path, _, keep_while, _)) = request.decode::<(Atom, Term<'_>, Atom, Term<'_>, Term<'_>)>() {
        return is_quick_path(path) && keeps(keep_while);
    }
    request.decode::<(Atom, Term<'_>, Atom, Term<'_>)>().is_ok_and(|(_, path, _, _)| is_quick_path(path))
}

/// Whether it does little to this tree: one node, nothing follows, little is removed.
fn is_quick_command(open: &mut OpenTransaction, command: &Command) -> bool {
    let state = open.state();
    if state.keep_while_count() > 0 {
        return false;
    }
    let name = |step: &Step| match step {
        Step::Child(name) => Some(name.clone()),
        _ => None,
    };
    match command {
        Command::Put { scope: Scope::One, .. } | Command::Clear { scope: Scope::One, .. } => true,
        Command::Delete { scope: Scope::One, path, .. } => {
            let names: Option<Path> = path.iter().map(name).collect();
            let removed = |names: Path| state.lookup(&names).map_or(0, pando_tree::Node::subtree_nodes);
            names.is_some_and(|names| removed(names) <= QUICK_REMOVED_NODES_MAX)
        }
        _ => false,
    }
}

/// `transaction_commit_quick(Tx, Reference, none | {RequestId, Note}, Cancellable) -> ok | {ok, Token} | {conflict, Path} |
/// in_line | {error, Reason} | slow`; after the first two, `{pando_reply, Reference, ok | {conflict, Path} | repeated |
/// {repeated, Note} | {error, Reason}}`, maybe as `{answer, Answer}` for `answer/1`.
#[crate::vm::nif]
pub fn transaction_commit_quick<'a>(
    env: Env<'a>,
    attempt: ResourceArc<AttemptHandle>,
    reference: Term<'a>,
    once: Term<'a>,
    cancellable: bool,
) -> NifResult<Term<'a>> {
    if !is_none(once) {
        return Ok(atoms::slow().to_term(env));
    }
    commit(env, &attempt, reference, once, cancellable, Haste::Quick)
}

/// The same without limits, and so never `slow`.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn transaction_commit<'a>(
    env: Env<'a>,
    attempt: ResourceArc<AttemptHandle>,
    reference: Term<'a>,
    once: Term<'a>,
    cancellable: bool,
) -> NifResult<Term<'a>> {
    commit(env, &attempt, reference, once, cancellable, Haste::Unhurried)
}

fn commit<'a>(
    env: Env<'a>,
    attempt: &AttemptHandle,
    reference: Term<'a>,
    once: Term<'a>,
    cancellable: bool,
    haste: Haste,
) -> NifResult<Term<'a>> {
    let address = Address::new(env, reference)?;
    let once = if is_none(once) { None } else { Some(once.decode::<(Binary<'_>, Term<'_>)>()?) };
    let once = match once.map(|(id, note)| (RequestId::new(id.as_slice()), note)) {
        None => None,
        Some((Err(limit), _)) => return Ok(error(env, refusal_term(env, &limit.into()))),
        Some((Ok(id), note)) => Some((id, note_of(note))),
    };
    let wrap = |command: Command| match once {
        None => command,
        Some((id, note)) => Command::Once(Box::new(Once::new(id, command, Some(note)))),
    };
    let token = cancellable.then(Arc::<Token>::default);
    let (reply, turns) = attempt.with(|attempt| attempt.commit(wrap, address, token.clone(), haste));
    tell_turns(env, turns);
    Ok(match (reply, token) {
        (CommitReply::Queued, None) => atoms::ok().to_term(env),
        (CommitReply::Queued, Some(token)) => {
            (atoms::ok(), ResourceArc::new(TokenHandle::new(token))).encode(env)
        }
        (CommitReply::Conflict(path), _) => (atoms::conflict(), path_term(env, &path)).encode(env),
        (CommitReply::InLine, _) => atoms::in_line().to_term(env),
        (CommitReply::Slow, _) => atoms::slow().to_term(env),
        (CommitReply::TooLarge(limit), _) => error(env, refusal_term(env, &limit.into())),
        (CommitReply::Refused(refused), _) => error(env, store_error_term(env, &refused)),
    })
}

/// What a function returned, as it is kept with a request id; empty if it is too large to be kept.
fn note_of(value: Term<'_>) -> Arc<[u8]> {
    let external = value.to_binary();
    let bytes = external.as_slice();
    if bytes.len() <= REQUEST_ANSWER_SIZE_BYTES_MAX { Arc::from(bytes) } else { Arc::from([]) }
}

fn is_none(term: Term<'_>) -> bool {
    term.decode::<Atom>().is_ok_and(|atom| atom == atoms::none())
}

/// `transaction_close(Tx) -> committed | predicted`. Quick: what is large is left to the reaper.
#[crate::vm::nif]
pub fn transaction_close(env: Env<'_>, attempt: ResourceArc<AttemptHandle>) -> Atom {
    let (is_predicted, turns) = attempt.with(Attempt::close);
    tell_turns(env, turns);
    if is_predicted { atoms::predicted() } else { atoms::committed() }
}

/// `transaction_came_true(Tx) -> boolean()`: after a barrier behind a close that answered `predicted`. Quick.
#[crate::vm::nif]
pub fn transaction_came_true(attempt: ResourceArc<AttemptHandle>) -> bool {
    attempt.with(|attempt| attempt.has_come_true())
}

/// `transaction_has_writes(Tx) -> boolean()`. Quick.
#[crate::vm::nif]
pub fn transaction_has_writes(attempt: ResourceArc<AttemptHandle>) -> bool {
    attempt.with(|attempt| attempt.open().is_some_and(|open| open.has_writes()))
}

/// `request_result(Store, RequestId) -> none | {repeated, Note} | repeated | {error, noproc}`.
#[crate::vm::nif(schedule = "DirtyCpu")]
pub fn request_result<'a>(env: Env<'a>, store: Term<'a>, id: Binary<'a>) -> NifResult<Term<'a>> {
    let Ok(id) = RequestId::new(id.as_slice()) else { return Err(Error::BadArg) };
    let repeated = BRIDGE.get().with(key_of(store)?, |open| open.store().view_guard().state.repeated(&id));
    Ok(match repeated {
        None => not_running(env),
        Some(None) => atoms::none().to_term(env),
        Some(Some(repeated)) => match repeated.note.as_deref() {
            Some(note) => repeated_term(env, note),
            None => answer_term(env, &Answer::Repeated(Box::new(repeated))),
        },
    })
}
