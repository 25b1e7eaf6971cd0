//! Regular expressions on the names of nodes (specification section 3.2).
//!
//! Invariants:
//! 1. Matching takes time linear in the length of the name: there is no backtracking.
//! 2. Bytes are matched, not characters: of a binary its bytes, of an atom its text in Latin-1 when it fits, else in UTF-8.

use regex::bytes::{Regex, RegexBuilder};

use crate::name::{Name, NameKind};
use crate::steps_left::{OutOfSteps, take_steps};

/// The compiled form of one expression, in bytes.
const COMPILED_SIZE_BYTES_MAX: usize = 1024 * 1024;

/// A compiled regular expression.
pub(crate) struct NameRegex(Regex);

impl NameRegex {
    /// Compiles an expression; the reason in words when that cannot be done.
    pub(crate) fn compile(expression: &[u8]) -> Result<NameRegex, String> {
        let text: String = expression.iter().map(|byte| char::from(*byte)).collect();
        RegexBuilder::new(&text)
            .unicode(false)
            .size_limit(COMPILED_SIZE_BYTES_MAX)
            .build()
            .map(NameRegex)
            .map_err(|error| error.to_string())
    }

    /// Whether the expression is found in the name; that of the root is empty.
    pub(crate) fn is_found_in(&self, name: Option<&Name>, steps: &mut u64) -> Result<bool, OutOfSteps> {
        let Some(name) = name else { return Ok(self.0.is_match(b"")) };
        take_steps(steps, name.bytes().len() as u64)?;
        if name.kind() == NameKind::Atom && !name.bytes().is_ascii() {
            let latin1: Option<Vec<u8>> = std::str::from_utf8(name.bytes())
                .ok()
                .and_then(|text| text.chars().map(|character| u8::try_from(character).ok()).collect());
            return Ok(self.0.is_match(latin1.as_deref().unwrap_or(name.bytes())));
        }
        Ok(self.0.is_match(name.bytes()))
    }
}
