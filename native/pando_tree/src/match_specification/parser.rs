//! Parses patterns and guards.
//!
//! Invariants:
//! 1. What Erlang refuses is ill-formed here, and nothing else is. What Erlang takes and Pando does not is told apart,
//!    and only if nothing is ill-formed.
//! 2. The pattern is parsed first: guards know which variables it binds.
//! 3. What is constant is put together here and not in each evaluation.

use std::collections::BTreeMap;

use super::MatchSpecificationError as Error;
use super::build::encoded;
use super::evaluation::Evaluation;
use super::expression::Expression;
use super::function::Function;
use super::pattern::{MapPattern, Pattern};
use super::value::Value;
use super::{MATCH_SPECIFICATION_DEPTH_MAX, VARIABLE_NUMBER_MAX};
use crate::term::canonical::canonical_part;
use crate::term::head::{Atom, Head, HeadReader};
use crate::term::skip::{skip, split};
use crate::term::view::View;
use crate::term::{TermError, validate};

/// Goes through a pattern and then through guards.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The index of each variable by its number.
    variables: BTreeMap<u32, usize>,
    /// What Pando does not do, if something of that was there.
    not_supported: Option<String>,
}

/// What an atom means in a pattern or a guard.
enum Meaning {
    Itself,
    Anything,
    Variable(u32),
    Data,
    Bindings,
}

/// What an expression begins with; the operands or parts follow.
enum Opening {
    /// Nothing follows.
    Whole(Expression),
    Operator(Operator, usize),
    Tuple(usize),
    /// The reader need not be where the list begins.
    List,
    Map(u32),
}

enum Operator {
    And,
    Or,
    AndAlso,
    OrElse,
    Call(Function),
}

impl Operator {
    fn applied_to(self, operands: Vec<Expression>) -> Expression {
        let operands = operands.into();
        match self {
            Operator::And => Expression::And(operands),
            Operator::Or => Expression::Or(operands),
            Operator::AndAlso => Expression::AndAlso(operands),
            Operator::OrElse => Expression::OrElse(operands),
            Operator::Call(function) => Expression::Call(function, operands),
        }
    }
}

/// What comes next of a list.
enum ListOpening {
    /// So many elements follow, and then more of the list.
    Elements(u32),
    /// So many bytes follow, and that is all.
    Characters(u32),
    /// The tail follows.
    Tail,
}

/// Reads the head of a list, or nothing if something else follows.
#[inline(never)]
fn list_opening(reader: &mut HeadReader<'_>) -> Result<ListOpening, Error> {
    let mut ahead = reader.clone();
    let opening = match ahead.read()? {
        Head::List { elements } => ListOpening::Elements(elements),
        Head::Characters { length } => ListOpening::Characters(length),
        _ => return Ok(ListOpening::Tail),
    };
    *reader = ahead;
    Ok(opening)
}

impl From<TermError> for Error {
    fn from(error: TermError) -> Self {
        match error {
            TermError::TooDeep => too_deep(),
            _ => Error::IllFormed,
        }
    }
}

impl From<crate::term::Stopped> for Error {
    fn from(_: crate::term::Stopped) -> Self {
        // There are always enough steps here, so the bytes are no term.
        Error::IllFormed
    }
}

impl From<super::Stop> for Error {
    fn from(_: super::Stop) -> Self {
        Error::IllFormed
    }
}

fn too_deep() -> Error {
    Error::NotSupported(format!(
        "the match specification is nested deeper than {MATCH_SPECIFICATION_DEPTH_MAX} levels"
    ))
}

/// Parsing is not counted: it takes about as long as receiving the specification.
const STEPS: u64 = u64::MAX;

impl Parser {
    /// Parses a pattern, a complete term.
    pub(super) fn pattern(&mut self, bytes: &[u8]) -> Result<Pattern, Error> {
        validate(bytes)?;
        self.pattern_part(&mut HeadReader::of_term(bytes)?, 0)
    }

    /// Parses a list of guards, a complete term.
    pub(super) fn guards(&mut self, bytes: &[u8]) -> Result<Vec<Expression>, Error> {
        validate(bytes)?;
        let mut reader = HeadReader::of_term(bytes)?;
        let mut guards = Vec::new();
        loop {
            match list_opening(&mut reader)? {
                ListOpening::Elements(count) => {
                    for _ in 0..count {
                        guards.push(self.expression(&mut reader, 1)?);
                    }
                }
                // Guards that are never true, but guards.
                ListOpening::Characters(length) => {
                    for _ in 0..length {
                        guards.push(Expression::Constant([97, reader.character()?].into()));
                    }
                    return Ok(guards);
                }
                ListOpening::Tail if reader.read()? == Head::Nil => return Ok(guards),
                ListOpening::Tail => return Err(Error::IllFormed),
            }
        }
    }

    /// How many variables there are, if all of it is supported.
    pub(super) fn finish(self) -> Result<usize, Error> {
        match self.not_supported {
            None => Ok(self.variables.len()),
            Some(what) => Err(Error::NotSupported(what)),
        }
    }

    fn pattern_part(&mut self, reader: &mut HeadReader<'_>, depth: usize) -> Result<Pattern, Error> {
        check_depth(depth)?;
        let start = reader.rest;
        let head = reader.read()?;
        let pattern = match head {
            Head::Atom(atom) => match self.meaning(&atom) {
                Meaning::Anything => return Ok(Pattern::Any),
                Meaning::Variable(number) => {
                    let next_index = self.variables.len();
                    return Ok(Pattern::Variable(*self.variables.entry(number).or_insert(next_index)));
                }
                Meaning::Itself | Meaning::Data | Meaning::Bindings => None,
            },
            Head::Tuple { arity } => {
                let mut elements = Vec::new();
                for _ in 0..arity {
                    elements.push(self.pattern_part(reader, depth + 1)?);
                }
                let is_literal = elements.iter().all(Pattern::is_literal);
                if is_literal { None } else { Some(Pattern::tuple(elements)) }
            }
            Head::List { .. } | Head::Characters { .. } => {
                reader.rest = start;
                self.list_pattern(reader, depth)?
            }
            Head::Map { pairs } => Some(self.map_pattern(pairs, reader, depth)?),
            Head::Fun { free_variables, .. } => {
                reader.rest = skip(reader.rest, free_variables.into(), &mut STEPS.clone())?;
                None
            }
            _ => None,
        };
        Ok(pattern.unwrap_or_else(|| Pattern::Literal(read_since(start, reader).into())))
    }

    /// The list that the reader stands before; `None` if it stands for itself.
    fn list_pattern(&mut self, reader: &mut HeadReader<'_>, depth: usize) -> Result<Option<Pattern>, Error> {
        let mut elements = Vec::new();
        let tail = loop {
            match list_opening(reader)? {
                ListOpening::Elements(count) => {
                    for _ in 0..count {
                        elements.push(self.pattern_part(reader, depth + 1)?);
                    }
                }
                ListOpening::Characters(length) => {
                    for _ in 0..length {
                        elements.push(Pattern::Literal([97, reader.character()?].into()));
                    }
                    break Pattern::Literal([106].into());
                }
                ListOpening::Tail => break self.pattern_part(reader, depth + 1)?,
            }
        };
        if tail.is_literal() && elements.iter().all(Pattern::is_literal) {
            return Ok(None);
        }
        Ok(Some(Pattern::List { elements: elements.into(), tail: tail.into() }))
    }

    fn map_pattern(
        &mut self,
        pairs: u32,
        reader: &mut HeadReader<'_>,
        depth: usize,
    ) -> Result<Pattern, Error> {
        let mut patterns = Vec::new();
        for _ in 0..pairs {
            let (key, rest) = split(reader.rest, &mut STEPS.clone())?;
            if let Head::Atom(atom) = View::Encoded(key).head()?
                && matches!(self.meaning(&atom), Meaning::Anything | Meaning::Variable(_))
            {
                return Err(Error::IllFormed);
            }
            reader.rest = rest;
            patterns.push((key.into(), self.pattern_part(reader, depth + 1)?));
        }
        Ok(Pattern::Map(MapPattern::new(patterns)?))
    }

    fn expression(&mut self, reader: &mut HeadReader<'_>, depth: usize) -> Result<Expression, Error> {
        check_depth(depth)?;
        let start = reader.rest;
        match self.opening(reader)? {
            Opening::Whole(expression) => Ok(expression),
            Opening::Operator(operator, count) => {
                let operands = self.arguments(count, reader, depth + 1)?;
                Ok(operator.applied_to(operands))
            }
            Opening::Tuple(count) => {
                // The tuple stands in another one.
                let elements = self.arguments(count, reader, depth + 2)?;
                let is_constant = elements.iter().all(Expression::is_constant);
                folded(Expression::Tuple(elements.into()), is_constant)
            }
            Opening::List => {
                reader.rest = start;
                let (elements, tail) = self.list(reader, depth)?;
                let is_constant = tail.is_constant() && elements.iter().all(Expression::is_constant);
                folded(Expression::List { elements: elements.into(), tail: tail.into() }, is_constant)
            }
            Opening::Map(pairs) => self.map_expression(pairs, reader, depth),
        }
    }

    /// Reads as far as it takes to know what the expression is. On its own, so that expressions that nest do not keep
    /// on the stack what only this needs.
    #[inline(never)]
    fn opening(&mut self, reader: &mut HeadReader<'_>) -> Result<Opening, Error> {
        let start = reader.rest;
        match reader.read()? {
            Head::Atom(atom) => match self.meaning(&atom) {
                Meaning::Variable(number) => {
                    let index = self.variables.get(&number).ok_or(Error::IllFormed)?;
                    return Ok(Opening::Whole(Expression::Variable(*index)));
                }
                Meaning::Data => return Ok(Opening::Whole(Expression::Data)),
                Meaning::Bindings => {
                    let indexes = self.variables.values().copied().collect();
                    return Ok(Opening::Whole(Expression::Bindings(indexes)));
                }
                Meaning::Itself | Meaning::Anything => {}
            },
            Head::Tuple { arity } => return self.tuple_or_call(arity as usize, reader),
            Head::List { .. } => return Ok(Opening::List),
            Head::Map { pairs } => return Ok(Opening::Map(pairs)),
            Head::Characters { length } => {
                for _ in 0..length {
                    reader.character()?;
                }
            }
            Head::Fun { free_variables, .. } => {
                reader.rest = skip(reader.rest, free_variables.into(), &mut STEPS.clone())?;
            }
            _ => {}
        }
        Ok(Opening::Whole(Expression::Constant(read_since(start, reader).into())))
    }

    /// `{{...}}` is a tuple, `{Name, ...}` a call.
    fn tuple_or_call(&mut self, arity: usize, reader: &mut HeadReader<'_>) -> Result<Opening, Error> {
        let count = arity.checked_sub(1).ok_or(Error::IllFormed)?;
        let name = match reader.read()? {
            Head::Tuple { arity } if count == 0 => return Ok(Opening::Tuple(arity as usize)),
            Head::Atom(name) => name,
            _ => return Err(Error::IllFormed),
        };
        let name = name.ascii().ok_or(Error::IllFormed)?;
        let operator = match (name, count) {
            ("const", 1) => {
                let (term, rest) = split(reader.rest, &mut STEPS.clone())?;
                reader.rest = rest;
                return Ok(Opening::Whole(Expression::Constant(term.into())));
            }
            ("self" | "node", 0) => {
                self.not_supported(format!("{name}/0 depends on the member it runs on"));
                return Ok(Opening::Whole(Expression::Data));
            }
            ("and", 1..) => Operator::And,
            ("or", 1..) => Operator::Or,
            ("andalso" | "andthen", 1..) => Operator::AndAlso,
            ("orelse", 1..) => Operator::OrElse,
            _ => Operator::Call(Function::find(name, count).ok_or(Error::IllFormed)?),
        };
        Ok(Opening::Operator(operator, count))
    }

    /// The elements and the tail of a list that the reader stands before.
    fn list(
        &mut self,
        reader: &mut HeadReader<'_>,
        depth: usize,
    ) -> Result<(Vec<Expression>, Expression), Error> {
        let mut elements = Vec::new();
        loop {
            match list_opening(reader)? {
                ListOpening::Elements(count) => {
                    for _ in 0..count {
                        elements.push(self.expression(reader, depth + 1)?);
                    }
                }
                ListOpening::Characters(length) => {
                    for _ in 0..length {
                        elements.push(Expression::Constant([97, reader.character()?].into()));
                    }
                    return Ok((elements, Expression::Constant([106].into())));
                }
                ListOpening::Tail => return Ok((elements, self.expression(reader, depth + 1)?)),
            }
        }
    }

    fn arguments(
        &mut self,
        count: usize,
        reader: &mut HeadReader<'_>,
        depth: usize,
    ) -> Result<Vec<Expression>, Error> {
        let mut arguments = Vec::new();
        for _ in 0..count {
            arguments.push(self.expression(reader, depth)?);
        }
        Ok(arguments)
    }

    #[inline(never)]
    fn map_expression(
        &mut self,
        pairs: u32,
        reader: &mut HeadReader<'_>,
        depth: usize,
    ) -> Result<Expression, Error> {
        let mut keys = Vec::new();
        let mut expressions = Vec::new();
        for _ in 0..pairs {
            let start = reader.rest;
            let key = self.expression(reader, depth + 1)?;
            keys.push(read_since(start, reader));
            expressions.push((key, self.expression(reader, depth + 1)?));
        }
        let is_constant = expressions.iter().all(|(key, value)| key.is_constant() && value.is_constant());
        folded(Expression::Map(in_order(&keys, expressions)?), is_constant)
    }

    /// The first that is not supported is told.
    fn not_supported(&mut self, what: String) {
        self.not_supported.get_or_insert(what);
    }

    /// `$` and a number without zeros before it is a variable.
    fn meaning(&mut self, atom: &Atom<'_>) -> Meaning {
        let Some(text) = atom.ascii() else { return Meaning::Itself };
        match text {
            "_" => return Meaning::Anything,
            "$_" => return Meaning::Data,
            "$$" => return Meaning::Bindings,
            _ => {}
        }
        let Some(digits) = text.strip_prefix('$') else { return Meaning::Itself };
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        if digits.is_empty() || !is_number || (digits.len() > 1 && digits.starts_with('0')) {
            return Meaning::Itself;
        }
        match digits.parse() {
            Ok(number) if number <= VARIABLE_NUMBER_MAX => Meaning::Variable(number),
            _ => {
                self.not_supported(format!("variables end at ${VARIABLE_NUMBER_MAX}"));
                Meaning::Variable(VARIABLE_NUMBER_MAX)
            }
        }
    }
}

/// The pairs of a map expression in the order of their keys as they are written: so Erlang evaluates them.
#[inline(never)]
fn in_order(
    keys: &[&[u8]],
    pairs: Vec<(Expression, Expression)>,
) -> Result<Box<[(Expression, Expression)]>, Error> {
    let mut by_key = BTreeMap::new();
    for (key, pair) in keys.iter().zip(pairs) {
        by_key.insert(canonical_part(key)?, pair);
    }
    Ok(by_key.into_values().collect())
}

fn check_depth(depth: usize) -> Result<(), Error> {
    if depth < MATCH_SPECIFICATION_DEPTH_MAX { Ok(()) } else { Err(too_deep()) }
}

/// The bytes that were read since the reader stood at `start`.
fn read_since<'a>(start: &'a [u8], reader: &HeadReader<'a>) -> &'a [u8] {
    start.get(..start.len().saturating_sub(reader.rest.len())).unwrap_or_default()
}

/// Puts a constant together.
fn folded(expression: Expression, is_constant: bool) -> Result<Expression, Error> {
    if !is_constant {
        return Ok(expression);
    }
    let mut steps = STEPS;
    let value = Evaluation { data: View::NIL, bindings: &[], steps: &mut steps }.value(&expression)?;
    let term = match value {
        Value::Built(term) => term,
        value => value.look(|view| encoded(view, &mut STEPS.clone()))?,
    };
    Ok(Expression::Constant(term.into()))
}
