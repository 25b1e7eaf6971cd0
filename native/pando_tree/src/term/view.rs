//! A term that need not stand anywhere as a term: the rest of a list, a byte of a string, a part of a binary.
//!
//! Invariants:
//! 1. A view copies nothing. It is small and is passed by value.
//! 2. What it shows is found out only when it is looked at; bytes that are no term come out as an error then.

use super::head::{Atom, Bits, Head, HeadReader, Integer};
use super::{Stopped, TermError};
use crate::steps_left::take_steps;

/// A term to look at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View<'a> {
    /// The term that the bytes begin with, tag first. What lies behind it does not belong to it.
    Encoded(&'a [u8]),
    Integer(Integer<'a>),
    Float(f64),
    Atom(Atom<'a>),
    Bits(Bits<'a>),
    /// A list, or the rest of one: so many elements, at least one, and the tail.
    Elements {
        left: u32,
        bytes: &'a [u8],
    },
    /// A proper list of bytes, or the rest of one; at least one.
    Characters(&'a [u8]),
}

impl<'a> View<'a> {
    /// The view of a complete term, version byte included.
    pub(crate) fn of_term(bytes: &'a [u8]) -> Result<Self, TermError> {
        HeadReader::of_term(bytes).map(|reader| View::Encoded(reader.rest))
    }

    /// The empty list.
    pub(crate) const NIL: View<'static> = View::Encoded(&[106]);

    /// A truth value.
    pub(crate) fn boolean(value: bool) -> View<'static> {
        View::Atom(Atom::Utf8(if value { "true" } else { "false" }))
    }

    /// The head of the term, and the bytes of the terms within it (and whatever is behind it).
    pub(crate) fn open(self) -> Result<(Head<'a>, &'a [u8]), TermError> {
        Ok(match self {
            View::Encoded(bytes) => {
                let mut reader = HeadReader { rest: bytes };
                (reader.read()?, reader.rest)
            }
            View::Integer(integer) => (Head::Integer(integer), &[]),
            View::Float(value) => (Head::Float(value.to_bits()), &[]),
            View::Atom(atom) => (Head::Atom(atom), &[]),
            View::Bits(bits) => (Head::Bits(bits), &[]),
            View::Elements { left, bytes } => (Head::List { elements: left }, bytes),
            View::Characters(bytes) => (Head::Characters { length: characters_length(bytes)? }, bytes),
        })
    }

    /// The head of the term.
    pub(crate) fn head(self) -> Result<Head<'a>, TermError> {
        self.open().map(|(head, _)| head)
    }
}

/// Strings have a length of two bytes.
fn characters_length(bytes: &[u8]) -> Result<u32, TermError> {
    u32::try_from(bytes.len()).map_err(|_| TermError::Malformed)
}

/// What comes next in a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next<'a> {
    /// An element.
    Element(View<'a>),
    /// The list is over and proper.
    End,
    /// The list is over and improper; this is its tail.
    Tail(View<'a>),
}

/// Walks over the elements of a list, in whatever pieces it is spelled.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ListWalk<'a> {
    /// So many elements, and the tail.
    Elements { left: u32, bytes: &'a [u8] },
    /// So many bytes, each an element.
    Characters { left: u32, bytes: &'a [u8] },
}

impl<'a> ListWalk<'a> {
    /// Begins with what [`View::open`] returned; `None` if that is no list with elements.
    pub(crate) fn new(head: &Head<'a>, bytes: &'a [u8]) -> Option<Self> {
        match head {
            Head::List { elements } => Some(ListWalk::Elements { left: *elements, bytes }),
            Head::Characters { length } => Some(ListWalk::Characters { left: *length, bytes }),
            _ => None,
        }
    }

    /// What comes next. An element that is `Encoded` stands at [`ListWalk::bytes`]: whoever reads it tells with
    /// [`ListWalk::go_on`] where it ends. So does whoever reads the tail, if somebody needs to know.
    pub(crate) fn next(&mut self, steps: &mut u64) -> Result<Next<'a>, Stopped> {
        loop {
            take_steps(steps, 1)?;
            match *self {
                ListWalk::Elements { left: left @ 1.., bytes } => {
                    *self = ListWalk::Elements { left: left - 1, bytes };
                    return Ok(Next::Element(View::Encoded(bytes)));
                }
                ListWalk::Elements { left: 0, bytes } => {
                    let (head, inner) = View::Encoded(bytes).open()?;
                    match ListWalk::new(&head, inner) {
                        Some(more) => *self = more,
                        None if head == Head::Nil => {
                            self.go_on(inner);
                            return Ok(Next::End);
                        }
                        None => return Ok(Next::Tail(View::Encoded(bytes))),
                    }
                }
                ListWalk::Characters { left: 0, .. } => return Ok(Next::End),
                ListWalk::Characters { left, bytes } => {
                    let (byte, rest) = bytes.split_first().ok_or(TermError::Truncated)?;
                    *self = ListWalk::Characters { left: left - 1, bytes: rest };
                    return Ok(Next::Element(View::Integer(Integer::Small((*byte).into()))));
                }
            }
        }
    }

    /// Where the walk stands: at the next element, or at the tail, or behind the list if it is over and proper.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        match self {
            ListWalk::Elements { bytes, .. } | ListWalk::Characters { bytes, .. } => bytes,
        }
    }

    /// Goes on at these bytes, which follow what was read.
    pub(crate) fn go_on(&mut self, behind: &'a [u8]) {
        match self {
            ListWalk::Elements { bytes, .. } | ListWalk::Characters { bytes, .. } => *bytes = behind,
        }
    }

    /// What is left of the list, as a term.
    pub(crate) fn rest(&self) -> View<'a> {
        match *self {
            ListWalk::Elements { left: 0, bytes } => View::Encoded(bytes),
            ListWalk::Elements { left, bytes } => View::Elements { left, bytes },
            ListWalk::Characters { left: 0, .. } => View::NIL,
            ListWalk::Characters { left, bytes } => match bytes.get(..left as usize) {
                Some(characters) => View::Characters(characters),
                None => View::Encoded(&[]),
            },
        }
    }
}
