//! Taking a term apart: the parts of tuples and lists as slices of its bytes.
//!
//! Invariants:
//! 1. A part is the bytes of one whole term, without the version byte.
//! 2. Nothing is copied, and no count is believed further than the bytes reach.

use super::head::{Head, HeadReader};
use super::skip::split;
use super::{TermError, VERSION};

/// The version byte before a term.
pub(crate) const VERSION_SIZE_BYTES: usize = 1;

/// The bytes behind the version byte.
pub(crate) fn without_version(bytes: &[u8]) -> Result<&[u8], TermError> {
    HeadReader::of_term(bytes).map(|reader| reader.rest)
}

/// A part as a term of its own, with the version byte.
pub(crate) fn with_version(part: &[u8]) -> Vec<u8> {
    let mut term = Vec::with_capacity(part.len() + VERSION_SIZE_BYTES);
    term.push(VERSION);
    term.extend_from_slice(part);
    term
}

/// What a term begins with.
pub(crate) fn head(term: &[u8]) -> Result<Head<'_>, TermError> {
    HeadReader { rest: term }.read()
}

/// The elements of a tuple; `None` when the term is none.
pub(crate) fn tuple_parts(term: &[u8]) -> Result<Option<Vec<&[u8]>>, TermError> {
    let mut reader = HeadReader { rest: term };
    let Head::Tuple { arity } = reader.read()? else { return Ok(None) };
    let (parts, rest) = parts(arity, reader.rest)?;
    if rest.is_empty() { Ok(Some(parts)) } else { Err(TermError::TrailingBytes) }
}

/// What a list consists of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ListParts<'a> {
    /// Small integers, one byte each.
    Bytes(&'a [u8]),
    /// The elements, and the tail unless that is `[]`.
    Terms(Vec<&'a [u8]>, Option<&'a [u8]>),
}

/// The elements of a list; `None` when the term is none.
pub(crate) fn list_parts(term: &[u8]) -> Result<Option<ListParts<'_>>, TermError> {
    let mut reader = HeadReader { rest: term };
    match reader.read()? {
        Head::Nil => Ok(Some(ListParts::Bytes(&[]))),
        Head::Characters { length } if length as usize == reader.rest.len() => {
            Ok(Some(ListParts::Bytes(reader.rest)))
        }
        Head::List { elements } => {
            let (elements, tail) = parts(elements, reader.rest)?;
            let (tail, behind) = first(tail)?;
            if !behind.is_empty() {
                return Err(TermError::TrailingBytes);
            }
            Ok(Some(ListParts::Terms(elements, (head(tail)? != Head::Nil).then_some(tail))))
        }
        _ => Ok(None),
    }
}

/// So many terms, and what follows them.
fn parts(count: u32, mut rest: &[u8]) -> Result<(Vec<&[u8]>, &[u8]), TermError> {
    let count = count as usize;
    if count > rest.len() {
        return Err(TermError::Truncated);
    }
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let (part, behind) = first(rest)?;
        parts.push(part);
        rest = behind;
    }
    Ok((parts, rest))
}

/// The term that the bytes begin with, and what is behind it.
fn first(bytes: &[u8]) -> Result<(&[u8], &[u8]), TermError> {
    // Each term takes one step, and has one byte at least.
    split(bytes, &mut (bytes.len() as u64)).map_err(|_| TermError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_of_a_tuple_are_slices_of_it() {
        // {a, [1, 2 | b], <<"x">>}
        let term = [104, 3, 119, 1, b'a', 108, 0, 0, 0, 2, 97, 1, 97, 2, 119, 1, b'b', 109, 0, 0, 0, 1, b'x'];
        let parts = tuple_parts(&term).unwrap().unwrap();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[0], [119, 1, b'a']);
        assert_eq!(parts[2], [109, 0, 0, 0, 1, b'x']);
        let ListParts::Terms(elements, tail) = list_parts(parts[1]).unwrap().unwrap() else { panic!() };
        assert_eq!(elements, [[97, 1], [97, 2]]);
        assert_eq!(tail, Some(&[119, 1, b'b'][..]));
    }

    #[test]
    fn a_string_and_an_empty_list_are_bytes() {
        assert_eq!(list_parts(&[106]), Ok(Some(ListParts::Bytes(&[]))));
        assert_eq!(list_parts(&[107, 0, 2, 5, 6]), Ok(Some(ListParts::Bytes(&[5, 6]))));
    }

    #[test]
    fn what_is_neither_tuple_nor_list_is_none() {
        assert_eq!(tuple_parts(&[97, 1]), Ok(None));
        assert_eq!(list_parts(&[104, 0]), Ok(None));
    }

    #[test]
    fn a_count_that_cannot_be_true_reserves_no_memory() {
        assert_eq!(tuple_parts(&[105, 255, 255, 255, 255, 97, 1]), Err(TermError::Truncated));
        assert_eq!(list_parts(&[108, 255, 255, 255, 255, 97, 1]), Err(TermError::Truncated));
    }
}
