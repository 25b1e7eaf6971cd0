//! Conditions from the terms of their records.
//!
//! Invariants:
//! 1. What is read is exactly what specification section 3.1 lists; nothing is guessed.
//! 2. Plain names of an `if_all` are tested first, and otherwise the order is that of the term.

use std::sync::Arc;

use super::comparison::Comparison;
use super::{BadCondition, Compiled, Condition, NameTest, Siblings, Test};
use crate::limits::Limit;
use crate::match_specification::{MatchSpecification, MatchSpecificationError};
use crate::name::Name;
use crate::name_regex::NameRegex;
use crate::term::TermError;
use crate::term::head::{Atom, Bits, Head, Integer};
use crate::term::parts::{
    ListParts, VERSION_SIZE_BYTES, head, list_parts, tuple_parts, with_version, without_version,
};

const ROOT: i64 = b'/' as i64;
const THIS: i64 = b'.' as i64;
const PARENT: i64 = b'^' as i64;

impl Condition {
    /// The condition that a term (with its version byte) is the record of, or that stands in one: a name, `$.`, `$/`.
    pub fn from_term(term: &[u8]) -> Result<Condition, BadCondition> {
        Limit::ConditionSizeBytes.check(term.len()).map_err(BadCondition::LimitExceeded)?;
        let whole: Arc<[u8]> = Arc::from(term);
        Parser { whole: &whole, parts: 0 }.condition(without_version(&whole)?, 0)
    }

    /// The same of a term that was taken before. Should this version not know what an earlier one took, the condition
    /// is there and never met: a log that was written can always be read.
    pub(crate) fn from_stored_term(term: &[u8]) -> Result<Condition, BadCondition> {
        match Condition::from_term(term) {
            Err(BadCondition::NotSupported { .. } | BadCondition::MatchSpecification) => {
                let whole: Arc<[u8]> = Arc::from(term);
                Ok(Condition::new(&whole, without_version(&whole)?, Test::Exists(false)))
            }
            other => other,
        }
    }

    /// `part` is a slice of `whole`, or a special component, which is not.
    fn new(whole: &Arc<[u8]>, part: &[u8], test: Test) -> Condition {
        let siblings = Siblings::of(&test);
        let applies_to_grandchildren = match &test {
            Test::PathMatches(_) => true,
            Test::Not(condition) => condition.applies_to_grandchildren(),
            Test::All(conditions) | Test::Any(conditions) => {
                conditions.iter().any(Condition::applies_to_grandchildren)
            }
            _ => false,
        };
        let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        let range = start..start.wrapping_add(part.len());
        let compiled = Arc::new(Compiled { test, siblings, applies_to_grandchildren });
        match whole.get(range.clone()) {
            Some(found) if found == part => Condition { whole: Arc::clone(whole), range, compiled },
            _ => Condition {
                whole: with_version(part).into(),
                range: VERSION_SIZE_BYTES..VERSION_SIZE_BYTES + part.len(),
                compiled,
            },
        }
    }
}

impl From<TermError> for BadCondition {
    fn from(_: TermError) -> BadCondition {
        BadCondition::Malformed
    }
}

struct Parser<'a> {
    whole: &'a Arc<[u8]>,
    /// How many conditions were read.
    parts: usize,
}

impl Parser<'_> {
    fn condition(&mut self, term: &[u8], depth: usize) -> Result<Condition, BadCondition> {
        self.parts += 1;
        Limit::ConditionParts.check(self.parts).map_err(BadCondition::LimitExceeded)?;
        Limit::ConditionDepth.check(depth).map_err(BadCondition::LimitExceeded)?;
        let test = match tuple_parts(term)? {
            Some(fields) => self.record(term, &fields, depth)?,
            None => component(term)?,
        };
        Ok(Condition::new(self.whole, term, test))
    }

    fn record(&mut self, term: &[u8], fields: &[&[u8]], depth: usize) -> Result<Test, BadCondition> {
        let (tag, fields) = fields.split_first().ok_or(BadCondition::Malformed)?;
        let tag = atom(tag).ok_or(BadCondition::Malformed)?;
        Ok(match (tag.as_str(), fields) {
            ("if_node_exists", [exists]) => Test::Exists(boolean(exists)?),
            ("if_name_matches", [regex, compiled]) => Test::NameMatches(name_test(term, regex, compiled)?),
            ("if_path_matches", [regex, compiled]) => Test::PathMatches(name_test(term, regex, compiled)?),
            ("if_has_payload", [has]) => Test::HasPayload(boolean(has)?),
            ("if_has_data", [has]) => Test::HasData(boolean(has)?),
            ("if_has_sproc", [has]) => Test::HasProcedure(boolean(has)?),
            ("if_data_matches", [pattern, guards, _compiled]) => {
                Test::DataMatches(match_specification(term, pattern, guards)?)
            }
            ("if_payload_version", [version]) => Test::PayloadVersion(Comparison::parse(version)),
            ("if_child_list_version", [version]) => Test::ChildListVersion(Comparison::parse(version)),
            ("if_child_list_length", [count]) => Test::ChildListLength(Comparison::parse(count)),
            ("if_not", [condition]) => Test::Not(self.condition(condition, depth + 1)?),
            ("if_all", [conditions]) => {
                let (mut names, others): (Vec<_>, Vec<_>) = self
                    .conditions(conditions, depth + 1)?
                    .into_iter()
                    .partition(|condition| matches!(condition.compiled.test, Test::Name(_)));
                names.extend(others);
                Test::All(names)
            }
            ("if_any", [conditions]) => Test::Any(self.conditions(conditions, depth + 1)?),
            _ => return Err(BadCondition::Malformed),
        })
    }

    fn conditions(&mut self, term: &[u8], depth: usize) -> Result<Vec<Condition>, BadCondition> {
        match list_parts(term)?.ok_or(BadCondition::Malformed)? {
            // A list of small integers, the special components among them, is spelled as a string.
            ListParts::Bytes(bytes) => {
                bytes.iter().map(|byte| self.condition(&[SMALL_INTEGER, *byte], depth)).collect()
            }
            ListParts::Terms(terms, None) => {
                terms.into_iter().map(|term| self.condition(term, depth)).collect()
            }
            ListParts::Terms(_, Some(_)) => Err(BadCondition::Malformed),
        }
    }
}

const SMALL_INTEGER: u8 = 97;

/// A component that stands for a condition: a name, or a special one.
fn component(term: &[u8]) -> Result<Test, BadCondition> {
    let test = match head(term)? {
        Head::Atom(atom) => Test::Name(Name::atom(&text(&atom))),
        Head::Bits(bits) => Test::Name(Name::binary(bytes_of(&bits)?)),
        Head::Integer(Integer::Small(THIS)) => Test::This,
        Head::Integer(Integer::Small(ROOT)) => Test::Root,
        Head::Integer(Integer::Small(PARENT)) => return Err(BadCondition::TargetsParent),
        _ => return Err(BadCondition::Malformed),
    };
    if let Test::Name(name) = &test {
        name.check_limits().map_err(BadCondition::LimitExceeded)?;
    }
    Ok(test)
}

fn atom(term: &[u8]) -> Option<String> {
    match head(term) {
        Ok(Head::Atom(atom)) => Some(text(&atom)),
        _ => None,
    }
}

fn bytes_of<'a>(bits: &Bits<'a>) -> Result<&'a [u8], BadCondition> {
    let bytes = bits.whole_bytes();
    if bytes.len() * 8 == bits.size_bits() { Ok(bytes) } else { Err(BadCondition::Malformed) }
}

fn text(atom: &Atom<'_>) -> String {
    match atom {
        Atom::Utf8(text) => (*text).to_owned(),
        Atom::Latin1(text) => text.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn boolean(term: &[u8]) -> Result<bool, BadCondition> {
    match atom(term).as_deref() {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => Err(BadCondition::Malformed),
    }
}

/// `compiled` is `{error, _}` when the caller's regular expression is none: the caller's runtime said so.
fn name_test(term: &[u8], regex: &[u8], compiled: &[u8]) -> Result<NameTest, BadCondition> {
    if atom(regex).as_deref() == Some("any") {
        return Ok(NameTest::Any);
    }
    if let Some([tag, _]) = tuple_parts(compiled)?.as_deref()
        && atom(tag).as_deref() == Some("error")
    {
        return Ok(NameTest::Never);
    }
    let not_supported = |text| BadCondition::NotSupported { condition: with_version(term).into(), text };
    NameRegex::compile(&characters(regex)?).map(NameTest::Regex).map_err(not_supported)
}

/// The bytes of iodata.
fn characters(term: &[u8]) -> Result<Vec<u8>, BadCondition> {
    let mut bytes = Vec::with_capacity(term.len());
    // What is still to be read, the next last. Each entry is a slice of what was taken off, so its length bounds it.
    let mut open = vec![term];
    while let Some(term) = open.pop() {
        match list_parts(term)? {
            Some(ListParts::Bytes(part)) => bytes.extend_from_slice(part),
            Some(ListParts::Terms(parts, tail)) => {
                open.extend(tail);
                open.extend(parts.into_iter().rev());
            }
            None => match head(term)? {
                Head::Bits(bits) => bytes.extend_from_slice(bytes_of(&bits)?),
                Head::Integer(Integer::Small(byte)) => {
                    bytes.push(u8::try_from(byte).map_err(|_| BadCondition::Malformed)?);
                }
                _ => return Err(BadCondition::Malformed),
            },
        }
    }
    Ok(bytes)
}

fn match_specification(
    term: &[u8],
    pattern: &[u8],
    guards: &[u8],
) -> Result<MatchSpecification, BadCondition> {
    MatchSpecification::parse(&with_version(pattern), &with_version(guards)).map_err(|error| match error {
        MatchSpecificationError::IllFormed => BadCondition::MatchSpecification,
        MatchSpecificationError::NotSupported(text) => {
            BadCondition::NotSupported { condition: with_version(term).into(), text }
        }
    })
}

impl Siblings {
    /// Those that a condition names: of several that must hold, any names; of several of which one must hold, all must.
    fn of(test: &Test) -> Siblings {
        let named = |condition: &Condition| {
            let siblings = &condition.compiled.siblings;
            (*siblings != Siblings::default()).then(|| siblings.clone())
        };
        match test {
            Test::Name(name) => Siblings { names: vec![name.clone()], ..Siblings::default() },
            Test::This => Siblings { this: true, ..Siblings::default() },
            Test::Root => Siblings { root: true, ..Siblings::default() },
            Test::All(conditions) => conditions.iter().filter_map(named).fold(Siblings::default(), union),
            Test::Any(conditions) => {
                let all: Option<Vec<Siblings>> = conditions.iter().map(named).collect();
                all.unwrap_or_default().into_iter().fold(Siblings::default(), union)
            }
            _ => Siblings::default(),
        }
    }
}

fn union(mut a: Siblings, b: Siblings) -> Siblings {
    a.names.extend(b.names);
    a.names.sort_unstable();
    a.names.dedup();
    Siblings { names: a.names, this: a.this || b.this, root: a.root || b.root }
}
