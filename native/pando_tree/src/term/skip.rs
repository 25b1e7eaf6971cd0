//! Where terms end, without looking at what they are.
//!
//! Invariants:
//! 1. No recursion and no memory: only how many terms are still to come is counted, however deep they nest.
//! 2. Each term takes one step.

use super::Stopped;
use super::TermError;
use super::head::{Head, HeadReader};
use crate::steps_left::take_steps;

/// The bytes behind the first `count` terms.
pub(crate) fn skip<'a>(bytes: &'a [u8], count: u64, steps: &mut u64) -> Result<&'a [u8], Stopped> {
    let (mut rest, mut left) = (bytes, count);
    while left > 0 {
        take_steps(steps, 1)?;
        left -= 1;
        let within = skip_head(&mut rest)?;
        left = left.saturating_add(within);
        // Each term has one byte at least.
        if left > rest.len() as u64 {
            return Err(TermError::Truncated.into());
        }
    }
    Ok(rest)
}

/// The bytes behind the first term, however many steps that takes: no more than there are bytes.
pub fn skip_one(bytes: &[u8]) -> Result<&[u8], TermError> {
    skip_many(bytes, 1)
}

/// The bytes behind the first `count` terms.
pub fn skip_many(bytes: &[u8], count: u64) -> Result<&[u8], TermError> {
    let mut steps = u64::MAX;
    skip(bytes, count, &mut steps).map_err(|_| TermError::Malformed)
}

/// The bytes of the first term, and those behind it.
pub(crate) fn split<'a>(bytes: &'a [u8], steps: &mut u64) -> Result<(&'a [u8], &'a [u8]), Stopped> {
    let rest = skip(bytes, 1, steps)?;
    let length = bytes.len() - rest.len();
    bytes.split_at_checked(length).ok_or(TermError::Truncated.into())
}

/// Moves behind what comes before the terms within a term, and tells how many terms these are.
fn skip_head(rest: &mut &[u8]) -> Result<u64, TermError> {
    let bytes = *rest;
    let after = match bytes {
        [97, _, after @ ..] | [106, after @ ..] => after,
        [115 | 119, length, after @ ..] => behind(after, (*length).into())?,
        [100 | 118, a, b, after @ ..] => behind(after, u16::from_be_bytes([*a, *b]).into())?,
        [107, a, b, after @ ..] => behind(after, u16::from_be_bytes([*a, *b]).into())?,
        [98, after @ ..] => behind(after, 4)?,
        [70, after @ ..] => behind(after, 8)?,
        [109, a, b, c, d, after @ ..] => behind(after, length(a, b, c, d))?,
        [104, arity, after @ ..] => {
            *rest = after;
            return Ok((*arity).into());
        }
        [105, a, b, c, d, after @ ..] => {
            *rest = after;
            return Ok(length(a, b, c, d) as u64);
        }
        [108, a, b, c, d, after @ ..] => {
            *rest = after;
            return Ok(length(a, b, c, d) as u64 + 1);
        }
        [116, a, b, c, d, after @ ..] => {
            *rest = after;
            return Ok(length(a, b, c, d) as u64 * 2);
        }
        _ => {
            // What is rare.
            let mut reader = HeadReader { rest: bytes };
            let within = match reader.read()? {
                Head::Fun { free_variables, .. } => free_variables.into(),
                _ => 0,
            };
            *rest = reader.rest;
            return Ok(within);
        }
    };
    *rest = after;
    Ok(0)
}

fn length(a: &u8, b: &u8, c: &u8, d: &u8) -> usize {
    u32::from_be_bytes([*a, *b, *c, *d]) as usize
}

fn behind(bytes: &[u8], length: usize) -> Result<&[u8], TermError> {
    bytes.get(length..).ok_or(TermError::Truncated)
}
