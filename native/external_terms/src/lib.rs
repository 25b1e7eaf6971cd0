//! Erlang terms in the external format, in the words that rustler has for terms of the VM.
//!
//! Source that is written with these words is compiled twice: with rustler inside the VM, with this crate outside (see
//! `pando_calls`). Only what that source uses is here; where the two differ, this says so.
//!
//! Terms live in a [`Heap`] as long as one call or one message. A term that came in stays as the bytes that it is, and is
//! looked at where it is; one that is made is a few words, written out once, when the whole is sent ([`write`]).
//!
//! Invariants
//! 1. Nothing recurses on what terms hold, and no count in the bytes is believed further than there are bytes.
//! 2. Bytes that come in are checked as a whole first ([`Heap::read`]): afterwards no look at them fails for their form.

mod atom;
mod binary;
mod decode;
mod encode;
mod heap;
mod process;
mod resource;
mod term;
mod write;

pub use external_terms_macros::{nif, resource_impl};

pub use atom::Atom;
pub use binary::{Binary, NewBinary, OwnedBinary};
pub use decode::Decoder;
pub use encode::Encoder;
pub use heap::{Env, Heap};
pub use process::{Caller, LocalPid, OwnedEnv, SavedTerm, SendError};
pub use resource::{Object, Resource, ResourceArc};
pub use term::{MapIterator, Term, tuple_elements};

/// Why a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// An argument is not what it should be.
    BadArg,
}

/// What a call gives.
pub type NifResult<T> = Result<T, Error>;

/// No thread of a program is a scheduler's.
pub fn is_scheduler_thread() -> bool {
    false
}

#[cfg(test)]
mod tests;
