//! Regular expressions on the names of nodes (specification section 3.2).
//!
//! They are those of module `re`: PCRE with its default options. What crate `regex` cannot do is refused by
//! name.
//!
//! Invariants:
//! 1. Matching takes time linear in the length of the name: there is no backtracking.
//! 2. Bytes are matched, not characters: of a binary its bytes, of an atom its text in Latin-1 when it fits,
//!    else in UTF-8.
//! 3. An expression means what it means in `re`, letters of Latin-1 included, or it is refused. (But where
//!    `re` gives up after too many attempts and reports no match, this finds the match.)
//!
//! The crate sees each byte as the character with its number. So its word boundaries are those of Latin-1,
//! and a name in ASCII is looked at as it is.

mod byte_set;
mod translator;

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

use crate::name::{Name, NameKind};
use crate::steps_left::{OutOfSteps, take_steps};

use translator::Translator;

/// One expression as it is written.
const EXPRESSION_SIZE_BYTES_MAX: usize = 64 * 1024;
/// The compiled form of one expression, in bytes.
const COMPILED_SIZE_BYTES_MAX: usize = 1024 * 1024;
/// In the UTF-8 of characters up to 255, all bytes are less than this.
const WIDE_CHARACTER_FIRST_BYTE: u8 = 0xC4;

/// A compiled regular expression.
pub(crate) struct NameRegex(Regex);

impl NameRegex {
    /// Compiles an expression; what it has that is not supported, in words, when that cannot be done.
    pub(crate) fn compile(expression: &[u8]) -> Result<NameRegex, String> {
        if expression.len() > EXPRESSION_SIZE_BYTES_MAX {
            return Err(format!("a regular expression of more than {EXPRESSION_SIZE_BYTES_MAX} bytes"));
        }
        RegexBuilder::new(&Translator::translate(expression)?)
            .size_limit(COMPILED_SIZE_BYTES_MAX)
            .build()
            .map(NameRegex)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(limit) => {
                    format!("a regular expression whose compiled form takes more than {limit} bytes")
                }
                _ => "a malformed regular expression".to_owned(),
            })
    }

    /// Whether the expression is found in the name; that of the root is empty.
    pub(crate) fn is_found_in(&self, name: Option<&Name>, steps: &mut u64) -> Result<bool, OutOfSteps> {
        take_steps(steps, name.map_or(0, |name| name.bytes().len() as u64))?;
        Ok(self.0.is_match(&name.map_or(Cow::Borrowed(""), characters)))
    }
}

/// The bytes that are matched, each as a character.
fn characters(name: &Name) -> Cow<'_, str> {
    let bytes = name.bytes();
    let is_latin1 = match name.kind() {
        NameKind::Atom => bytes.iter().all(|byte| *byte < WIDE_CHARACTER_FIRST_BYTE),
        NameKind::Binary => bytes.is_ascii(),
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if is_latin1 => Cow::Borrowed(text),
        _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
#[path = "name_regex_test.rs"]
mod tests;
