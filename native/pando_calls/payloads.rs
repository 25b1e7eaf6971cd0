//! Payloads between Erlang terms and bytes.

use std::sync::Arc;

use crate::vm::{Atom, Binary, Encoder, Env, Error, MapIterator, NifResult, Resource, ResourceArc, Term};
use pando_tree::Payload;

use super::atoms;
use crate::raw::stored_term;

/// A binary of at least this size is handed out without a copy. It keeps the payload's memory for as long as any
/// process holds it or a part of it; below, copying is cheaper.
pub const SHARED_BINARY_SIZE_BYTES_MIN: usize = 4 * 1024;

/// External term format: the version; a binary's tag, and what stands before its bytes with four of length; small integers.
const VERSION: u8 = 131;
const BINARY: u8 = 109;
const BINARY_HEADER_SIZE_BYTES: usize = 6;
const SMALL_INTEGER: u8 = 97;
const INTEGER: u8 = 98;

/// Terms within a payload that is encoded on a normal scheduler.
const QUICK_TERMS_MAX: usize = 64;

/// A payload that Erlang binaries point into.
pub struct SharedPayload(Arc<[u8]>);

#[crate::vm::resource_impl]
impl Resource for SharedPayload {}

/// What a caller wants stored: `kind` is `none`, `data` or `sproc`.
pub fn from_term(kind: Atom, value: Term<'_>) -> NifResult<Payload> {
    let bytes = || Arc::from(value.to_binary().as_slice());
    match kind {
        kind if kind == atoms::data() => Ok(Payload::Data(bytes())),
        kind if kind == atoms::sproc() => Ok(Payload::Procedure(bytes())),
        kind if kind == atoms::none() => Ok(Payload::None),
        _ => Err(Error::BadArg),
    }
}

/// Whether a term is small enough to be encoded on a normal scheduler: a few terms, and few bytes.
pub fn is_quick_term(term: Term<'_>, size_bytes_max: usize) -> bool {
    let mut waiting = vec![term];
    let mut terms_left = QUICK_TERMS_MAX;
    let mut size_bytes_left = size_bytes_max;
    while let Some(term) = waiting.pop() {
        terms_left = match terms_left.checked_sub(1) {
            Some(left) if waiting.len() <= QUICK_TERMS_MAX => left,
            _ => return false,
        };
        if let Ok(binary) = Binary::from_term(term) {
            match size_bytes_left.checked_sub(binary.len()) {
                Some(left) => size_bytes_left = left,
                None => return false,
            }
        } else if let Ok((head, tail)) = term.list_get_cell() {
            waiting.extend([tail, head]);
        } else if term.is_tuple() {
            let Ok(elements) = crate::vm::tuple_elements(term) else { return false };
            waiting.extend(elements);
        } else if term.is_map() {
            let Some(pairs) = MapIterator::new(term) else { return false };
            for (key, value) in pairs.take(QUICK_TERMS_MAX + 1) {
                waiting.extend([key, value]);
            }
        } else if !(term.is_atom()
            || term.is_empty_list()
            || term.is_float()
            || term.decode::<i64>().is_ok()
            || term.is_pid()
            || term.is_ref())
        {
            // A function, a bitstring, or a number of any size.
            return false;
        }
    }
    true
}

/// Whether [`value_term`] takes a bounded time: little to decode, or nothing to copy.
pub fn is_quick(bytes: &[u8], size_bytes_max: usize) -> bool {
    bytes.len() <= size_bytes_max || is_shared_binary(bytes)
}

fn is_shared_binary(bytes: &[u8]) -> bool {
    matches!(bytes, [VERSION, BINARY, ..])
        && bytes.len() >= BINARY_HEADER_SIZE_BYTES + SHARED_BINARY_SIZE_BYTES_MIN
}

/// The term in a payload's bytes; `undefined` should they be none, which the store's checksums exclude.
pub fn value_term<'a>(env: Env<'a>, bytes: &Arc<[u8]>) -> Term<'a> {
    if is_shared_binary(bytes) {
        let shared = ResourceArc::new(SharedPayload(bytes.clone()));
        return shared
            .make_binary(env, |payload| payload.0.get(BINARY_HEADER_SIZE_BYTES..).unwrap_or_default())
            .to_term(env);
    }
    // The VM's decoder costs several times what these do.
    match **bytes {
        [VERSION, SMALL_INTEGER, number] => number.encode(env),
        [VERSION, INTEGER, a, b, c, d] => i32::from_be_bytes([a, b, c, d]).encode(env),
        _ => stored_term(env, bytes).unwrap_or_else(|| atoms::undefined().to_term(env)),
    }
}

/// The payload tuple of specification section 1.1.
pub fn payload_term<'a>(env: Env<'a>, payload: &Payload) -> Term<'a> {
    match payload {
        Payload::None => atoms::no_payload().to_term(env),
        Payload::Data(bytes) => (atoms::p_data(), value_term(env, bytes)).encode(env),
        Payload::Procedure(bytes) => (atoms::p_sproc(), value_term(env, bytes), false).encode(env),
    }
}
