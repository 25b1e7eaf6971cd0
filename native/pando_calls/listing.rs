//! The list of the nodes that a scan finds, as Erlang terms, chunk by chunk.
//!
//! Siblings share the terms of their parents' names: a term may stand in many lists.

use std::sync::{Mutex, PoisonError};

use crate::vm::{Atom, Encoder, Env, Error, NifResult, OwnedEnv, Resource, SavedTerm, Term};
use pando_bridge::Cursor;
use pando_tree::{Name, Node, PropsMask};

use super::answers::props_term;
use super::atoms;
use super::names::name_term;
use super::payloads::value_term;

/// What a component of a path takes in a list, and what every element takes besides, in bytes.
const LIST_CELL_SIZE_BYTES: usize = 2 * size_of::<usize>();
/// See [`LIST_CELL_SIZE_BYTES`].
const ELEMENT_SIZE_BYTES: usize = 5 * size_of::<usize>();
/// About what the name of a child takes in the list of a parent's.
const CHILD_NAME_SIZE_BYTES: usize = 32;

/// A listing in Erlang's hands.
pub struct Listing(Mutex<Contents>);

#[crate::vm::resource_impl]
impl Resource for Listing {}

struct Contents {
    cursor: Cursor,
    shown: Shown,
}

/// What is shown of each node, beside its path.
pub enum Shown {
    /// Properties.
    Props(PropsMask),
    /// The value of the payload; of a node without one, the term kept here.
    Values(OwnedEnv, SavedTerm),
}

impl Shown {
    /// `PropsBits`, or `{values, Default}`.
    pub fn from_term(term: Term<'_>) -> NifResult<Shown> {
        if let Ok(bits) = term.decode::<u16>() {
            return PropsMask::from_bits(bits).map(Shown::Props).ok_or(Error::BadArg);
        }
        let (tag, default) = term.decode::<(Atom, Term<'_>)>()?;
        if tag != atoms::values() {
            return Err(Error::BadArg);
        }
        let environment = OwnedEnv::new();
        let default = environment.save(default);
        Ok(Shown::Values(environment, default))
    }
}

impl Listing {
    /// Shows what `cursor` finds.
    pub fn new(cursor: Cursor, shown: Shown) -> Listing {
        Listing(Mutex::new(Contents { cursor, shown }))
    }

    /// Ends: there are no further elements, and the tree is let go.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cursor.finish();
    }

    /// At most `nodes_max` further elements `{Path, PropsOrValue}`, and whether more may follow.
    pub fn next<'a>(&self, env: Env<'a>, nodes_max: usize) -> (bool, Vec<Term<'a>>) {
        let mut contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Contents { cursor, shown } = &mut *contents;
        let mut elements = Vec::new();
        let mut paths = PathTerms { env, components: Vec::new() };
        let more = match shown {
            Shown::Props(mask) => cursor.next_chunk(nodes_max, |path, node| {
                let (path_term, size_bytes) = paths.path(path);
                elements.push((path_term, props_term(env, &node.props(*mask))).encode(env));
                size_bytes + payload_size_bytes(node) + children_size_bytes(node, *mask)
            }),
            Shown::Values(environment, default) => {
                // One copy for all nodes of the chunk.
                let default = environment.run(|kept| default.load(kept).in_env(env));
                cursor.next_chunk(nodes_max, |path, node| {
                    let (path_term, size_bytes) = paths.path(path);
                    let value = node.payload().bytes().map_or(default, |bytes| value_term(env, bytes));
                    elements.push((path_term, value).encode(env));
                    size_bytes + payload_size_bytes(node)
                })
            }
        };
        (more, elements)
    }

    /// How many were found since the last time, and whether there may be others.
    pub fn count(&self) -> (u64, bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cursor.count_chunk()
    }
}

fn payload_size_bytes(node: &Node) -> usize {
    node.payload().bytes().map_or(0, |bytes| bytes.len())
}

fn children_size_bytes(node: &Node, mask: PropsMask) -> usize {
    if !mask.contains(PropsMask::CHILD_NAMES) {
        return 0;
    }
    usize::try_from(node.children().len()).unwrap_or(usize::MAX).saturating_mul(CHILD_NAME_SIZE_BYTES)
}

/// The terms of the names of the last path, of which the next one uses those that it begins with, too.
struct PathTerms<'a> {
    env: Env<'a>,
    components: Vec<(Name, Term<'a>)>,
}

impl<'a> PathTerms<'a> {
    /// The term of a path, and the bytes that it adds.
    fn path(&mut self, path: &[Name]) -> (Term<'a>, usize) {
        let kept = self.components.iter().zip(path).take_while(|((kept, _), name)| kept == *name).count();
        self.components.truncate(kept);
        let mut size_bytes = ELEMENT_SIZE_BYTES + path.len() * LIST_CELL_SIZE_BYTES;
        for name in path.iter().skip(kept) {
            size_bytes += name.bytes().len();
            self.components.push((name.clone(), name_term(self.env, name)));
        }
        let empty = Term::list_new_empty(self.env);
        let term = self.components.iter().rev().fold(empty, |tail, (_, name)| tail.list_prepend(name));
        (term, size_bytes)
    }
}
