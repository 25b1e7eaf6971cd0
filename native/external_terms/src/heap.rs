//! Where terms live as long as one call, or one message, takes.

use std::sync::Arc;

use bumpalo::Bump;
use pando_tree::term::{skip_one, term_body};

use crate::process::{Caller, LocalPid, SendError};
use crate::term::Shape;
use crate::{Encoder, Error, NifResult, Term};

/// The memory of the terms of one call or message. All of it goes at once.
#[derive(Default)]
pub struct Heap {
    bump: Bump,
    caller: Option<Arc<dyn Caller>>,
}

impl Heap {
    /// For a call that `caller` makes.
    pub fn of_call(caller: Arc<dyn Caller>) -> Heap {
        Heap { bump: Bump::new(), caller: Some(caller) }
    }

    /// To make terms in it.
    pub fn env(&self) -> Env<'_> {
        Env { heap: self }
    }

    /// The term that `bytes` are, version byte included, all of them.
    pub fn read<'a>(&'a self, bytes: &'a [u8]) -> NifResult<Term<'a>> {
        let body = term_body(bytes).map_err(|_| Error::BadArg)?;
        match skip_one(body) {
            Ok([]) => Ok(Term::new(self.env(), Shape::External(body))),
            _ => Err(Error::BadArg),
        }
    }

    pub(crate) fn bump(&self) -> &Bump {
        &self.bump
    }

    pub(crate) fn caller(&self) -> Option<&Arc<dyn Caller>> {
        self.caller.as_ref()
    }
}

/// Where terms are made and looked at.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub(crate) heap: &'a Heap,
}

impl<'a> Env<'a> {
    /// The process that makes the call. In no call it is nobody.
    pub fn pid(self) -> LocalPid {
        LocalPid::of_caller(self.heap.caller().cloned())
    }

    /// Sends a message.
    pub fn send(self, pid: &LocalPid, message: impl Encoder<'a>) -> Result<(), SendError> {
        pid.deliver(&message.encode(self))
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> &'a [u8] {
        self.heap.bump().alloc_slice_copy(bytes)
    }
}
