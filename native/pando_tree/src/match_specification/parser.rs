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
use super::pattern::Pattern;
use super::value::Value;
use super::{MATCH_SPECIFICATION_DEPTH_MAX, VARIABLE_NUMBER_MAX};
use crate::term::head::{Atom, Head, HeadReader};
use crate::term::skip::{skip, split};
use crate::term::view::View;
use crate::term::{TermError, canonical_part, validate};

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
        let head = reader.read()?;
        if head == Head::Nil {
            return Ok(Vec::new());
        }
        let (guards, tail) = self.expressions(&head, &mut reader, 0)?;
        match tail {
            // Only a proper list ends like this: a guard for a tail is no list.
            Expression::Constant(tail) if View::Encoded(&tail).head() == Ok(Head::Nil) => Ok(guards),
            _ => Err(Error::IllFormed),
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
            Head::List { .. } | Head::Characters { .. } => self.list_pattern(head, reader, depth)?,
            Head::Map { pairs } => Some(self.map_pattern(pairs, reader, depth)?),
            Head::Fun { free_variables, .. } => {
                reader.rest = skip(reader.rest, free_variables.into(), &mut STEPS.clone())?;
                None
            }
            _ => None,
        };
        Ok(pattern.unwrap_or_else(|| Pattern::Literal(read_since(start, reader).into())))
    }

    /// `None` for a list that stands for itself.
    fn list_pattern(
        &mut self,
        head: Head<'_>,
        reader: &mut HeadReader<'_>,
        depth: usize,
    ) -> Result<Option<Pattern>, Error> {
        let mut elements = Vec::new();
        let mut head = head;
        let tail = loop {
            match head {
                Head::List { elements: count } => {
                    for _ in 0..count {
                        elements.push(self.pattern_part(reader, depth + 1)?);
                    }
                }
                Head::Characters { length } => {
                    for _ in 0..length {
                        elements.push(Pattern::Literal([97, reader.character()?].into()));
                    }
                    break Pattern::Literal([106].into());
                }
                _ => return Err(Error::IllFormed),
            }
            let mut ahead = reader.clone();
            head = ahead.read()?;
            match head {
                Head::List { .. } | Head::Characters { .. } => *reader = ahead,
                _ => break self.pattern_part(reader, depth + 1)?,
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
        Ok(Pattern::Map(patterns.into()))
    }

    fn expression(&mut self, reader: &mut HeadReader<'_>, depth: usize) -> Result<Expression, Error> {
        check_depth(depth)?;
        let start = reader.rest;
        let head = reader.read()?;
        match head {
            Head::Atom(atom) => match self.meaning(&atom) {
                Meaning::Variable(number) => {
                    let index = self.variables.get(&number).ok_or(Error::IllFormed)?;
                    return Ok(Expression::Variable(*index));
                }
                Meaning::Data => return Ok(Expression::Data),
                Meaning::Bindings => {
                    return Ok(Expression::Bindings(self.variables.values().copied().collect()));
                }
                Meaning::Itself | Meaning::Anything => {}
            },
            Head::Tuple { arity } => return self.tuple_or_call(arity, reader, depth),
            Head::List { .. } => {
                let (elements, tail) = self.expressions(&head, reader, depth)?;
                let is_constant = tail.is_constant() && elements.iter().all(Expression::is_constant);
                return folded(
                    Expression::List { elements: elements.into(), tail: tail.into() },
                    is_constant,
                );
            }
            Head::Map { pairs } => return self.map_expression(pairs, reader, depth),
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
        Ok(Expression::Constant(read_since(start, reader).into()))
    }

    /// The elements and the tail of a list.
    fn expressions(
        &mut self,
        head: &Head<'_>,
        reader: &mut HeadReader<'_>,
        depth: usize,
    ) -> Result<(Vec<Expression>, Expression), Error> {
        let mut elements = Vec::new();
        let mut head = *head;
        loop {
            match head {
                Head::List { elements: count } => {
                    for _ in 0..count {
                        elements.push(self.expression(reader, depth + 1)?);
                    }
                }
                Head::Characters { length } => {
                    for _ in 0..length {
                        elements.push(Expression::Constant([97, reader.character()?].into()));
                    }
                    return Ok((elements, Expression::Constant([106].into())));
                }
                _ => return Err(Error::IllFormed),
            }
            let mut ahead = reader.clone();
            head = ahead.read()?;
            match head {
                Head::List { .. } | Head::Characters { .. } => *reader = ahead,
                _ => return Ok((elements, self.expression(reader, depth + 1)?)),
            }
        }
    }

    /// `{{...}}` is a tuple, `{Name, ...}` a call.
    fn tuple_or_call(
        &mut self,
        arity: u32,
        reader: &mut HeadReader<'_>,
        depth: usize,
    ) -> Result<Expression, Error> {
        if arity == 0 {
            return Err(Error::IllFormed);
        }
        let arguments = arity as usize - 1;
        match reader.read()? {
            Head::Tuple { arity } if arguments == 0 => {
                let elements = self.arguments(arity as usize, reader, depth + 2)?;
                let is_constant = elements.iter().all(Expression::is_constant);
                folded(Expression::Tuple(elements.into()), is_constant)
            }
            Head::Atom(name) => match name.ascii() {
                Some(name) => self.call(name, arguments, reader, depth),
                None => Err(Error::IllFormed),
            },
            _ => Err(Error::IllFormed),
        }
    }

    fn call(
        &mut self,
        name: &str,
        arguments: usize,
        reader: &mut HeadReader<'_>,
        depth: usize,
    ) -> Result<Expression, Error> {
        match (name, arguments) {
            ("const", 1) => {
                let (term, rest) = split(reader.rest, &mut STEPS.clone())?;
                reader.rest = rest;
                Ok(Expression::Constant(term.into()))
            }
            ("and", 1..) => Ok(Expression::And(self.arguments(arguments, reader, depth + 1)?.into())),
            ("or", 1..) => Ok(Expression::Or(self.arguments(arguments, reader, depth + 1)?.into())),
            ("andalso" | "andthen", 1..) => {
                Ok(Expression::AndAlso(self.arguments(arguments, reader, depth + 1)?.into()))
            }
            ("orelse", 1..) => Ok(Expression::OrElse(self.arguments(arguments, reader, depth + 1)?.into())),
            ("self" | "node", 0) => {
                self.not_supported(format!("{name}/0 depends on the member it runs on"));
                Ok(Expression::Data)
            }
            _ => {
                let function = Function::find(name, arguments).ok_or(Error::IllFormed)?;
                Ok(Expression::Call(function, self.arguments(arguments, reader, depth + 1)?.into()))
            }
        }
    }

    fn arguments(
        &mut self,
        count: usize,
        reader: &mut HeadReader<'_>,
        depth: usize,
    ) -> Result<Vec<Expression>, Error> {
        (0..count).map(|_| self.expression(reader, depth)).collect()
    }

    /// In Erlang the keys are expressions too, and are evaluated in the order of the terms that they are written as.
    fn map_expression(
        &mut self,
        pairs: u32,
        reader: &mut HeadReader<'_>,
        depth: usize,
    ) -> Result<Expression, Error> {
        let mut by_key = BTreeMap::new();
        for _ in 0..pairs {
            let start = reader.rest;
            let key = self.expression(reader, depth + 1)?;
            let canonical = canonical_part(read_since(start, reader))?;
            by_key.insert(canonical, (key, self.expression(reader, depth + 1)?));
        }
        let is_constant = by_key.values().all(|(key, value)| key.is_constant() && value.is_constant());
        folded(Expression::Map(by_key.into_values().collect()), is_constant)
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
