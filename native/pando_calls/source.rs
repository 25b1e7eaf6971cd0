//! What a read is made from: an open store, or an attempt of a transaction.

use std::sync::{Mutex, PoisonError};

use crate::vm::{NifResult, Resource, ResourceArc, Term};
use pando_bridge::{Attempt, Cursor};
use pando_tree::{Extent, Name, Node, Path, PropsMask, Refusal, State, Step};

use super::erlang::{BRIDGE, Erlang};
use crate::raw::{AtomKey, atom_key};

/// An attempt of a transaction in Erlang's hands. Collected when its process dies, it leaves all lines.
pub struct AttemptHandle(Mutex<Attempt<Erlang>>);

#[crate::vm::resource_impl]
impl Resource for AttemptHandle {}

impl AttemptHandle {
    /// Holds an attempt.
    pub fn new(attempt: Attempt<Erlang>) -> AttemptHandle {
        AttemptHandle(Mutex::new(attempt))
    }

    /// Works with it.
    pub fn with<R>(&self, work: impl FnOnce(&mut Attempt<Erlang>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// See the module.
pub enum Source {
    /// A store, by name.
    Store(AtomKey),
    /// An attempt.
    Attempt(ResourceArc<AttemptHandle>),
}

impl Source {
    /// The source that a term stands for.
    pub fn from_term(term: Term<'_>) -> NifResult<Source> {
        match atom_key(term) {
            Some(key) => Ok(Source::Store(key)),
            None => Ok(Source::Attempt(term.decode()?)),
        }
    }

    /// Shows the node at a path of names, of which so much is looked at; `None` when there is nothing to read from.
    pub fn look_up<R>(
        &self,
        names: &[Name],
        extent: Extent,
        show: impl FnOnce(Option<&Node>) -> R,
    ) -> Option<R> {
        match self {
            Source::Store(key) => {
                BRIDGE.get().with(*key, |open| show(open.store().view_guard().state.lookup(names)))
            }
            Source::Attempt(handle) => handle.with(|attempt| {
                let is_read_only = attempt.is_read_only();
                let open = attempt.open()?;
                Some(show(if is_read_only { open.state().lookup(names) } else { open.lookup(names, extent) }))
            }),
        }
    }

    /// Shows the node that the steps lead to, of which these properties are looked at.
    pub fn resolve<R>(
        &self,
        steps: &[Step],
        props: PropsMask,
        show: impl FnOnce(Result<pando_tree::Found<'_>, Refusal>) -> R,
    ) -> Option<R> {
        match self {
            Source::Store(key) => {
                BRIDGE.get().with(*key, |open| show(open.store().view_guard().state.resolve(steps)))
            }
            Source::Attempt(handle) => handle.with(|attempt| {
                let is_read_only = attempt.is_read_only();
                let open = attempt.open()?;
                Some(show(if is_read_only {
                    open.state().resolve(steps)
                } else {
                    open.resolve(steps, props)
                }))
            }),
        }
    }

    /// A cursor over what a pattern matches.
    pub fn scan(
        &self,
        pattern: Vec<Step>,
        include_root: bool,
        from: Option<Path>,
        each_once: bool,
    ) -> Option<Result<Cursor, Refusal>> {
        match self {
            Source::Store(key) => {
                BRIDGE.get().with(*key, |open| Cursor::new(open, pattern, include_root, from, each_once))
            }
            Source::Attempt(handle) => handle.with(|attempt| {
                let (reaper, is_read_only) = (attempt.reaper()?, attempt.is_read_only());
                let open = attempt.open()?;
                if !is_read_only {
                    open.note_pattern(&pattern);
                }
                let state: &State = open.state();
                Some(Cursor::of_state(state, reaper, pattern, include_root, from, each_once))
            }),
        }
    }
}
