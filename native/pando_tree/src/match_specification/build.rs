//! Writes terms that guards put together.
//!
//! Invariants:
//! 1. What is written is one complete term in the external term format, without version byte.
//! 2. It never gets longer than [`BUILT_TERM_SIZE_BYTES_MAX`], and what is copied takes steps.

use super::{BUILT_TERM_SIZE_BYTES_MAX, Stop};
use crate::steps_left::take_steps_for_bytes;
use crate::term::head::{Atom, Integer};
use crate::term::skip::{skip, split};
use crate::term::view::View;

/// The term as bytes of its own.
pub(super) fn encoded(view: View<'_>, steps: &mut u64) -> Result<Vec<u8>, Stop> {
    let mut out = Vec::new();
    put_term(&mut out, view, steps)?;
    Ok(out)
}

/// The head of a tuple; its elements follow.
pub(super) fn put_tuple_head(out: &mut Vec<u8>, arity: usize) -> Result<(), Stop> {
    match u8::try_from(arity) {
        Ok(arity) => out.extend([104, arity]),
        Err(_) => {
            out.push(105);
            put_length(out, arity)?;
        }
    }
    Ok(())
}

/// The head of a list; its elements follow, and then its tail.
pub(super) fn put_list_head(out: &mut Vec<u8>, elements: usize) -> Result<(), Stop> {
    out.push(108);
    put_length(out, elements)
}

/// The head of a map; its keys and values follow.
pub(super) fn put_map_head(out: &mut Vec<u8>, pairs: usize) -> Result<(), Stop> {
    out.push(116);
    put_length(out, pairs)
}

/// A term.
pub(super) fn put_term(out: &mut Vec<u8>, view: View<'_>, steps: &mut u64) -> Result<(), Stop> {
    match view {
        View::Encoded(bytes) => {
            let (term, _) = split(bytes, steps)?;
            put_bytes(out, term, steps)
        }
        View::Integer(Integer::Small(value)) => put_small(out, value),
        View::Integer(Integer::Big { negative, magnitude }) => put_integer(out, negative, magnitude, steps),
        View::Float(value) => {
            out.push(70);
            out.extend(value.to_be_bytes());
            Ok(())
        }
        View::Atom(Atom::Utf8(text)) => put_atom(out, [119, 118], text.as_bytes(), steps),
        View::Atom(Atom::Latin1(text)) => put_atom(out, [115, 100], text, steps),
        View::Bits(bits) => {
            let (whole, last, last_bits) = bits.parts();
            let length = whole.len() + usize::from(last.is_some());
            out.push(if last_bits == 8 { 109 } else { 77 });
            put_length(out, length)?;
            if last_bits != 8 {
                out.push(last_bits);
            }
            put_bytes(out, whole, steps)?;
            out.extend(last);
            Ok(())
        }
        View::Elements { left, bytes } => {
            let rest = skip(bytes, u64::from(left) + 1, steps)?;
            put_list_head(out, left as usize)?;
            let length = bytes.len().saturating_sub(rest.len());
            put_bytes(out, bytes.get(..length).unwrap_or_default(), steps)
        }
        View::Characters(characters) => {
            let length = u16::try_from(characters.len()).map_err(|_| Stop::Failed)?;
            out.push(107);
            out.extend(length.to_be_bytes());
            put_bytes(out, characters, steps)
        }
    }
}

fn put_small(out: &mut Vec<u8>, value: i64) -> Result<(), Stop> {
    if let Ok(byte) = u8::try_from(value) {
        out.extend([97, byte]);
    } else if let Ok(value) = i32::try_from(value) {
        out.push(98);
        out.extend(value.to_be_bytes());
    } else {
        let magnitude = value.unsigned_abs().to_le_bytes();
        out.extend([110, magnitude.len() as u8, u8::from(value < 0)]);
        out.extend(magnitude);
    }
    Ok(())
}

fn put_integer(out: &mut Vec<u8>, negative: bool, magnitude: &[u8], steps: &mut u64) -> Result<(), Stop> {
    match u8::try_from(magnitude.len()) {
        Ok(length) => out.extend([110, length]),
        Err(_) => {
            out.push(111);
            put_length(out, magnitude.len())?;
        }
    }
    out.push(u8::from(negative));
    put_bytes(out, magnitude, steps)
}

/// The tags are those for a short and for a long text.
fn put_atom(out: &mut Vec<u8>, tags: [u8; 2], text: &[u8], steps: &mut u64) -> Result<(), Stop> {
    let [short, long] = tags;
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(length), _) => out.extend([short, length]),
        (_, Ok(length)) => {
            out.push(long);
            out.extend(length.to_be_bytes());
        }
        _ => return Err(Stop::Failed),
    }
    put_bytes(out, text, steps)
}

fn put_length(out: &mut Vec<u8>, length: usize) -> Result<(), Stop> {
    out.extend(u32::try_from(length).map_err(|_| Stop::Failed)?.to_be_bytes());
    Ok(())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8], steps: &mut u64) -> Result<(), Stop> {
    take_steps_for_bytes(steps, bytes.len())?;
    if out.len().saturating_add(bytes.len()) > BUILT_TERM_SIZE_BYTES_MAX {
        return Err(Stop::Failed);
    }
    out.extend_from_slice(bytes);
    Ok(())
}
