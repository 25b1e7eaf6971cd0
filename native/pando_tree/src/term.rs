//! Terms in the external term format: whether bytes are one, and whether two are the same term.
//!
//! Terms are never built in memory: everything reads the bytes, without recursion, and bounds every count by the
//! bytes that are left, so hostile bytes cost no more than their length.
//!
//! `head` reads the beginning of a term; `tokens` goes through all of it, `skip` behind it, `view` into it. `canonical`,
//! `equal` and `order` compare terms.

pub(crate) mod canonical;
mod equal;
pub(crate) mod head;
mod numbers;
pub(crate) mod order;
pub(crate) mod parts;
pub(crate) mod skip;
#[cfg(test)]
pub(crate) mod test_terms;
pub(crate) mod tokens;
pub(crate) mod view;

use std::fmt;

pub use equal::exactly_equal;
pub use head::{Atom as AtomText, Bits, Head, HeadReader, Integer};
pub use order::compare;
pub use skip::{skip_many, skip_one};

use crate::steps_left::OutOfSteps;

/// The deepest nesting of tuples, lists, maps and funs. The tails of lists do not nest.
pub const TERM_DEPTH_MAX: usize = 256;

/// The version byte that every term begins with.
const VERSION: u8 = 131;

/// Why bytes are not a term. Whoever sent them sent something else, or more than this reader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermError {
    /// The first byte is not the version of the format.
    WrongVersion,
    /// The bytes end within the term, or a count promises more than there is.
    Truncated,
    /// There are bytes behind the term.
    TrailingBytes,
    /// A tag that does not exist, or that is not taken (a compressed term).
    UnsupportedTag(u8),
    /// The parts of a term contradict the format.
    Malformed,
    /// A map has a key twice.
    DuplicateKey,
    /// The term is nested deeper than [`TERM_DEPTH_MAX`].
    TooDeep,
}

impl fmt::Display for TermError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TermError::WrongVersion => f.write_str("not external term format of version 131"),
            TermError::Truncated => f.write_str("the term is cut off"),
            TermError::TrailingBytes => f.write_str("there are bytes behind the term"),
            TermError::UnsupportedTag(tag) => write!(f, "tag {tag} is not supported"),
            TermError::Malformed => f.write_str("the term is malformed"),
            TermError::DuplicateKey => f.write_str("a map has a key twice"),
            TermError::TooDeep => write!(f, "the term is nested deeper than {TERM_DEPTH_MAX} levels"),
        }
    }
}

impl std::error::Error for TermError {}

/// Why something that goes through a term in steps has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The bytes are no term.
    Unreadable,
    /// There are no steps left.
    OutOfSteps,
}

impl From<TermError> for Stopped {
    fn from(_: TermError) -> Self {
        Stopped::Unreadable
    }
}

impl From<OutOfSteps> for Stopped {
    fn from(_: OutOfSteps) -> Self {
        Stopped::OutOfSteps
    }
}

/// What stands behind the version byte of a term.
pub fn term_body(bytes: &[u8]) -> Result<&[u8], TermError> {
    head::HeadReader::of_term(bytes).map(|reader| reader.rest)
}

/// Whether the bytes are one term, version byte included, which the BEAM can read.
pub fn validate(bytes: &[u8]) -> Result<(), TermError> {
    let mut tokens = tokens::Tokens::new(bytes)?;
    let mut has_map = false;
    while let Some(token) = tokens.next_token()? {
        has_map |= matches!(token, tokens::Token::Head(head::Head::Map { pairs: 2.. }));
    }
    if has_map { canonical::check_keys(bytes) } else { Ok(()) }
}

#[cfg(test)]
#[path = "term/term_test.rs"]
pub(crate) mod tests;
