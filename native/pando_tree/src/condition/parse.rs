//! Conditions from the terms of their records.
//!
//! Invariants:
//! 1. What is read is exactly what specification section 3.1 lists; nothing is guessed.
//! 2. Conditions are normal (specification section 3.7), and so are their terms: plain names come first in an
//!    `if_all`, otherwise the order is that of the caller; an `if_all` or `if_any` of one condition is this
//!    condition.
//! 3. Each part has a copy of its term; together they are no larger than `PARTS_SIZE_BYTES_MAX`.

use std::borrow::Cow;
use std::sync::Arc;

use super::comparison::Comparison;
use super::{BadCondition, Compiled, Condition, NameTest, Siblings, Test};
use crate::limits::{CONDITION_SIZE_BYTES_MAX, Limit};
use crate::match_specification::{MatchSpecification, MatchSpecificationError};
use crate::name::Name;
use crate::name_regex::NameRegex;
use crate::term::head::{Atom, Bits, Head, HeadReader, Integer};
use crate::term::parts::{ListParts, head, list_parts, tuple_parts, with_version, without_version};
use crate::term::tokens::{Token, Tokens};
use crate::term::{TermError, validate};

const ROOT: i64 = b'/' as i64;
const THIS: i64 = b'.' as i64;
const PARENT: i64 = b'^' as i64;

impl Condition {
    /// The condition that a term (with its version byte) is the record of, or that stands in one: a name,
    /// `$.`, `$/`.
    pub fn from_term(term: &[u8]) -> Result<Condition, BadCondition> {
        Limit::ConditionSizeBytes.check(term.len()).map_err(BadCondition::LimitExceeded)?;
        validate(term)?;
        Parser { parts: 0, size_bytes: 0 }.condition(without_version(term)?, 0)
    }

    /// The same of a term that was taken before. Should this version not know what an earlier one took, the
    /// condition is there, never met and no reason to create a node: a log that was written can always be
    /// read.
    pub(crate) fn from_stored_term(term: &[u8]) -> Result<Condition, BadCondition> {
        match Condition::from_term(term) {
            Err(BadCondition::NotSupported { .. } | BadCondition::MatchSpecification) => {
                Ok(Condition::new(Arc::from(term), Test::Any(Vec::new())))
            }
            other => other,
        }
    }

    fn new(term: Arc<[u8]>, test: Test) -> Condition {
        let siblings = Siblings::of(&test);
        let applies_to_grandchildren = match &test {
            Test::PathMatches(_) => true,
            Test::Not(condition) => condition.applies_to_grandchildren(),
            Test::All(conditions) | Test::Any(conditions) => {
                conditions.iter().any(Condition::applies_to_grandchildren)
            }
            _ => false,
        };
        Condition(Arc::new(Compiled { term, test, siblings, applies_to_grandchildren }))
    }
}

impl From<TermError> for BadCondition {
    fn from(error: TermError) -> BadCondition {
        match error {
            TermError::TooDeep => BadCondition::LimitExceeded(Limit::ConditionDepth),
            _ => BadCondition::Malformed,
        }
    }
}

/// The terms of all parts of one condition together, in bytes: in a few conditions within each other the
/// largest fits.
const PARTS_SIZE_BYTES_MAX: usize = 4 * CONDITION_SIZE_BYTES_MAX;

/// No record of a condition has more, its tag included.
const RECORD_FIELDS_MAX: u32 = 4;

struct Parser {
    /// How many conditions were read.
    parts: usize,
    /// The size of their terms.
    size_bytes: usize,
}

impl Parser {
    fn condition(&mut self, term: &[u8], depth: usize) -> Result<Condition, BadCondition> {
        self.parts += 1;
        Limit::ConditionParts.check(self.parts).map_err(BadCondition::LimitExceeded)?;
        Limit::ConditionDepth.check(depth).map_err(BadCondition::LimitExceeded)?;
        self.size_bytes += term.len();
        if self.size_bytes > PARTS_SIZE_BYTES_MAX {
            return Err(BadCondition::LimitExceeded(Limit::ConditionSizeBytes));
        }
        // A part is 16 bytes of memory, and may be one of the term.
        if matches!(head(term)?, Head::Tuple { arity } if arity > RECORD_FIELDS_MAX) {
            return Err(BadCondition::Malformed);
        }
        match tuple_parts(term)? {
            Some(fields) => self.record(term, &fields, depth),
            None => Ok(Condition::new(with_version(term).into(), component(term)?)),
        }
    }

    fn record(&mut self, term: &[u8], fields: &[&[u8]], depth: usize) -> Result<Condition, BadCondition> {
        let (tag_term, fields) = fields.split_first().ok_or(BadCondition::Malformed)?;
        let tag = atom(tag_term).ok_or(BadCondition::Malformed)?;
        let test = match (tag.as_str(), fields) {
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
            ("if_not", [condition]) => {
                let inner = self.condition(condition, depth + 1)?;
                let is_normal = part(&inner) == *condition;
                let term = if is_normal { with_version(term) } else { record_term(tag_term, part(&inner)) };
                return Ok(Condition::new(term.into(), Test::Not(inner)));
            }
            ("if_all", [conditions]) => {
                let mut parts = self.conditions(conditions, depth + 1)?;
                parts.sort_by_key(|part| !matches!(part.0.test, Test::Name(_)));
                return combination(term, tag_term, conditions, parts, Test::All);
            }
            ("if_any", [conditions]) => {
                let parts = self.conditions(conditions, depth + 1)?;
                return combination(term, tag_term, conditions, parts, Test::Any);
            }
            _ => return Err(BadCondition::Malformed),
        };
        Ok(Condition::new(with_version(term).into(), test))
    }

    fn conditions(&mut self, list: &[u8], depth: usize) -> Result<Vec<Condition>, BadCondition> {
        element_terms(list)?.iter().map(|term| self.condition(term, depth)).collect()
    }
}

/// A condition on several conditions, or the only one of them.
fn combination(
    term: &[u8],
    tag_term: &[u8],
    list: &[u8],
    mut conditions: Vec<Condition>,
    test: fn(Vec<Condition>) -> Test,
) -> Result<Condition, BadCondition> {
    if let [_] = &conditions[..] {
        return conditions.pop().ok_or(BadCondition::Malformed);
    }
    let is_normal = conditions.iter().map(part).eq(element_terms(list)?.iter().map(|part| &part[..]));
    let term = if is_normal { with_version(term) } else { record_term(tag_term, &list_term(&conditions)) };
    Ok(Condition::new(term.into(), test(conditions)))
}

/// The terms of the elements of a list.
fn element_terms(list: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, BadCondition> {
    if let Head::List { elements } = head(list)? {
        Limit::ConditionParts.check(elements as usize).map_err(BadCondition::LimitExceeded)?;
    }
    match list_parts(list)?.ok_or(BadCondition::Malformed)? {
        // A list of small integers, the special components among them, is spelled as a string.
        ListParts::Bytes(bytes) => {
            Ok(bytes.iter().map(|byte| Cow::Owned(vec![SMALL_INTEGER, *byte])).collect())
        }
        ListParts::Terms(terms, None) => Ok(terms.into_iter().map(Cow::Borrowed).collect()),
        ListParts::Terms(_, Some(_)) => Err(BadCondition::Malformed),
    }
}

/// The term of a condition without the version byte.
fn part(condition: &Condition) -> &[u8] {
    condition.term().get(1..).unwrap_or_default()
}

/// The term of a record with one field.
fn record_term(tag: &[u8], field: &[u8]) -> Vec<u8> {
    with_version(&[&[SMALL_TUPLE, 2], tag, field].concat())
}

fn list_term(conditions: &[Condition]) -> Vec<u8> {
    // There are `CONDITION_PARTS_MAX` at most.
    let length = u32::try_from(conditions.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut term = vec![LIST];
    term.extend(length);
    conditions.iter().for_each(|condition| term.extend_from_slice(part(condition)));
    term.push(NIL);
    term
}

const SMALL_INTEGER: u8 = 97;
const SMALL_TUPLE: u8 = 104;
const NIL: u8 = 106;
const LIST: u8 = 108;

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

/// The bytes of iodata. Goes through the term once, however lists lie in lists and behind each other.
fn characters(term: &[u8]) -> Result<Vec<u8>, BadCondition> {
    let mut bytes = Vec::new();
    let mut tokens = Tokens::from(HeadReader { rest: term });
    while let Some(token) = tokens.next_token()? {
        match token {
            Token::Cons | Token::Head(Head::Nil) => {}
            Token::Head(Head::Bits(bits)) => bytes.extend_from_slice(bytes_of(&bits)?),
            Token::Head(Head::Integer(Integer::Small(byte))) => {
                bytes.push(u8::try_from(byte).map_err(|_| BadCondition::Malformed)?);
            }
            Token::Head(_) => return Err(BadCondition::Malformed),
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
    /// Those that a condition names: of several that must hold, any names; of several of which one must hold,
    /// all must.
    fn of(test: &Test) -> Siblings {
        let named = |condition: &Condition| {
            let siblings = &condition.0.siblings;
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
