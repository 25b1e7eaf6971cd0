//! Private decoders for the fuzz targets (`native/pando_fuzz`). Only there with the feature `fuzzing`, which no build of the
//! library has.

use std::cmp::Ordering;

use crate::name::Name;
use crate::name_regex::NameRegex;
use crate::steps_left::OutOfSteps;
use crate::term::Stopped;
use crate::term::view::View;
use crate::{BadCondition, Condition};

pub use crate::term::order::Relation;

/// The canonical bytes of a complete term.
pub fn canonical(term: &[u8]) -> Option<Vec<u8>> {
    let part = crate::term::parts::without_version(term).ok()?;
    crate::term::canonical::canonical_part(part).ok()
}

/// How many bytes the first term takes, version byte included, if it is one as far as skipping it tells.
pub fn skip(bytes: &[u8], steps: &mut u64) -> Result<Option<usize>, OutOfSteps> {
    let Ok(part) = crate::term::parts::without_version(bytes) else { return Ok(None) };
    match crate::term::skip::skip(part, 1, steps) {
        Ok(rest) => Ok(Some(bytes.len() - rest.len())),
        Err(Stopped::Unreadable) => Ok(None),
        Err(Stopped::OutOfSteps) => Err(OutOfSteps),
    }
}

/// How two complete terms are related; `None` if one is none as far as it was looked at.
pub fn relate(
    a: &[u8],
    b: &[u8],
    relation: Relation,
    steps: &mut u64,
) -> Result<Option<Ordering>, OutOfSteps> {
    let (Ok(a), Ok(b)) = (View::of_term(a), View::of_term(b)) else { return Ok(None) };
    match crate::term::order::relate(a, b, relation, steps) {
        Ok(order) => Ok(Some(order)),
        Err(Stopped::Unreadable) => Ok(None),
        Err(Stopped::OutOfSteps) => Err(OutOfSteps),
    }
}

/// The condition that a log or a snapshot holds.
pub fn stored_condition(term: &[u8]) -> Result<Condition, BadCondition> {
    Condition::from_stored_term(term)
}

/// Whether the expression is found in the name; why it is none, in words, otherwise.
pub fn regex_finds(
    expression: &[u8],
    name: &Name,
    steps: &mut u64,
) -> Result<Result<bool, OutOfSteps>, String> {
    NameRegex::compile(expression).map(|regex| regex.is_found_in(Some(name), steps))
}
