//! Binaries.

use crate::term::Shape;
use crate::{Encoder, Env, Error, NifResult, Term};

/// A binary of a heap.
#[derive(Clone, Copy)]
pub struct Binary<'a> {
    term: Term<'a>,
    bytes: &'a [u8],
}

impl<'a> Binary<'a> {
    pub(crate) fn of(env: Env<'a>, bytes: &'a [u8]) -> Binary<'a> {
        Binary { term: Term::new(env, Shape::Binary(bytes)), bytes }
    }

    /// An error if the term is none.
    pub fn from_term(term: Term<'a>) -> NifResult<Binary<'a>> {
        let bytes = term.binary().ok_or(Error::BadArg)?;
        Ok(Binary { term, bytes })
    }

    /// Its bytes.
    pub fn as_slice(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many these are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// It as a term.
    pub fn to_term(self, _env: Env<'a>) -> Term<'a> {
        self.term
    }
}

impl<'a> Encoder<'a> for Binary<'a> {
    fn encode(&self, _env: Env<'a>) -> Term<'a> {
        self.term
    }
}

/// One that is being made.
pub struct NewBinary<'a> {
    env: Env<'a>,
    bytes: &'a mut [u8],
}

impl<'a> NewBinary<'a> {
    /// Of so many zeros.
    pub fn new(env: Env<'a>, size_bytes: usize) -> NewBinary<'a> {
        NewBinary { env, bytes: env.heap.bump().alloc_slice_fill_copy(size_bytes, 0) }
    }

    /// To write to.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.bytes
    }
}

impl<'a> From<NewBinary<'a>> for Term<'a> {
    fn from(binary: NewBinary<'a>) -> Term<'a> {
        Term::new(binary.env, Shape::Binary(binary.bytes))
    }
}

/// Bytes of their own.
pub struct OwnedBinary(Vec<u8>);

impl OwnedBinary {
    /// So many zeros.
    pub fn new(size_bytes: usize) -> OwnedBinary {
        OwnedBinary(vec![0; size_bytes])
    }

    pub(crate) fn of(bytes: Vec<u8>) -> OwnedBinary {
        OwnedBinary(bytes)
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// To write to.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The bytes, given away.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }

    /// As a binary of a heap.
    pub fn release(self, env: Env<'_>) -> Binary<'_> {
        Binary::of(env, env.bytes(&self.0))
    }
}
