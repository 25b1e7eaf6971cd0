//! Match specifications: patterns and guards over stored terms, as `ets:match_spec_run/2` has them.
//!
//! A specification is parsed once and then matched against terms in the external term format. The reference is OTP 25;
//! where the answer there depends on the member, on the version or on chance, it is fixed here (see the invariants).
//!
//! Invariants:
//! 1. The answer, and the steps that it takes, depend on the specification and the data only: no clock, no node name,
//!    no numbers of atoms. What would depend on the member is refused by [`MatchSpecification::parse`].
//! 2. Terms are the same (`=:=`) as in [`crate::term::exactly_equal`]: 0.0 and -0.0 differ, as from OTP 27 on.
//! 3. Recursion follows the specification only, at most [`MATCH_SPECIFICATION_DEPTH_MAX`] levels. The data may nest as
//!    deep as it likes: it is skipped, whatever its depth; where two terms are compared, what lies more than
//!    [`crate::term::TERM_DEPTH_MAX`] levels deep in them is equal if it is spelled the same.
//! 4. Data that is no term does not match; bytes that nothing in the specification looks at are not looked at.
//! 5. A guard whose evaluation fails is false. It fails where Erlang fails, and where a number would get longer than
//!    [`INTEGER_BITS_MAX`] or a term longer than [`BUILT_TERM_SIZE_BYTES_MAX`].

mod build;
mod evaluation;
mod expression;
mod function;
mod matcher;
mod number;
mod parser;
mod pattern;
mod value;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::steps_left::OutOfSteps;
use crate::term::view::View;
use crate::term::{Stopped, TermError};
use evaluation::Evaluation;
use expression::Expression;
use matcher::Matcher;
use parser::Parser;
use pattern::Pattern;

/// How deep patterns and guards may nest.
pub const MATCH_SPECIFICATION_DEPTH_MAX: usize = 256;
/// The longest integer that a guard calculates with, in bits. (Integers of any length can be compared.)
pub const INTEGER_BITS_MAX: u64 = 65_536;
/// The longest term that a guard puts together, in bytes.
pub const BUILT_TERM_SIZE_BYTES_MAX: usize = crate::limits::PAYLOAD_SIZE_BYTES_MAX;
/// The largest number of a variable, as Erlang documents it.
pub const VARIABLE_NUMBER_MAX: u32 = 100_000_000;

/// The bindings of so many variables need no memory of their own.
const INLINE_VARIABLES: usize = 8;

/// A pattern and guards. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchSpecification {
    program: Arc<Program>,
}

#[derive(Debug, PartialEq)]
struct Program {
    pattern: Pattern,
    guards: Vec<Expression>,
    variables: usize,
}

/// Why something is no match specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchSpecificationError {
    /// Erlang refuses it too (`badarg`).
    IllFormed,
    /// Erlang takes it, Pando does not; the text says what and why.
    NotSupported(String),
}

impl fmt::Display for MatchSpecificationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MatchSpecificationError::IllFormed => f.write_str("the match specification is ill-formed"),
            MatchSpecificationError::NotSupported(what) => f.write_str(what),
        }
    }
}

impl Error for MatchSpecificationError {}

/// Why a match ends before it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The data does not match, or a guard fails.
    Failed,
    /// There are no steps left.
    OutOfSteps,
}

impl From<Stopped> for Stop {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Unreadable => Stop::Failed,
            Stopped::OutOfSteps => Stop::OutOfSteps,
        }
    }
}

impl From<TermError> for Stop {
    fn from(_: TermError) -> Self {
        Stop::Failed
    }
}

impl From<OutOfSteps> for Stop {
    fn from(_: OutOfSteps) -> Self {
        Stop::OutOfSteps
    }
}

impl MatchSpecification {
    /// Parses a pattern and a list of guards, both complete terms with version byte.
    pub fn parse(pattern: &[u8], conditions: &[u8]) -> Result<MatchSpecification, MatchSpecificationError> {
        let mut parser = Parser::default();
        let pattern = parser.pattern(pattern)?;
        let guards = parser.guards(conditions)?;
        let variables = parser.finish()?;
        Ok(MatchSpecification { program: Arc::new(Program { pattern, guards, variables }) })
    }

    /// Whether the data, a complete term with version byte, matches the pattern and all guards are `true`.
    pub fn matches(&self, data: &[u8], steps: &mut u64) -> Result<bool, OutOfSteps> {
        let mut inline = [None; INLINE_VARIABLES];
        let mut many = Vec::new();
        let bindings = match inline.get_mut(..self.program.variables) {
            Some(bindings) => bindings,
            None => {
                many.resize(self.program.variables, None);
                many.as_mut_slice()
            }
        };
        match self.program.matches(data, bindings, steps) {
            Ok(matches) => Ok(matches),
            Err(Stop::Failed) => Ok(false),
            Err(Stop::OutOfSteps) => Err(OutOfSteps),
        }
    }
}

impl Program {
    fn matches<'a>(
        &'a self,
        data: &'a [u8],
        bindings: &mut [Option<View<'a>>],
        steps: &mut u64,
    ) -> Result<bool, Stop> {
        let data = View::of_term(data)?;
        Matcher { bindings: &mut *bindings, steps }.matches(&self.pattern, data)?;
        let mut evaluation = Evaluation { data, bindings, steps };
        for guard in &self.guards {
            if !evaluation.is_true(guard)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
#[path = "match_specification/match_specification_test.rs"]
mod tests;
