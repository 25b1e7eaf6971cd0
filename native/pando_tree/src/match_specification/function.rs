//! The functions that guards call, each as in Erlang.
//!
//! Invariants:
//! 1. The functions are those that OTP 25 takes in the guards of match specifications, less those whose result depends
//!    on the member.
//! 2. An argument that Erlang refuses makes the call fail.

use std::cmp::Ordering;

use super::Stop;
use super::build::encoded;
use super::number::{IntegerOperation, Number, Operation};
use super::value::Value;
use crate::steps_left::take_steps;
use crate::term::TermError;
use crate::term::head::{Bits, Head};
use crate::term::order::{Relation, relate};
use crate::term::skip::skip;
use crate::term::view::{ListWalk, Next, View};

/// As many arguments as a function takes at most.
pub(super) const ARGUMENTS_MAX: usize = 3;

/// The integers that the BEAM keeps in a word. `is_record` fails for a larger size.
const WORD_INTEGERS: std::ops::Range<i64> = -(1 << 59)..1 << 59;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Is(Kind),
    IsMapKey,
    IsRecord,
    Absolute,
    Element,
    Head,
    Length,
    MapGet,
    MapSize,
    Node,
    Round,
    Size,
    ByteSize,
    BitSize,
    Tail,
    Truncate,
    Float,
    BinaryPart,
    BinaryPartTuple,
    Plus,
    Negate,
    Calculate(Operation),
    Divide,
    CalculateIntegers(IntegerOperation),
    Complement,
    ShiftLeft,
    ShiftRight,
    Compare(Comparison),
    Not,
    ExclusiveOr,
}

/// What a test asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Atom,
    Float,
    Integer,
    List,
    Number,
    Pid,
    Port,
    Reference,
    Tuple,
    Map,
    Binary,
    Function,
}

/// What a comparison asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    Same,
    NotSame,
}

impl Function {
    /// The function of this name that takes so many arguments.
    pub(super) fn find(name: &str, arity: usize) -> Option<Self> {
        Some(match (name, arity) {
            ("is_atom", 1) => Function::Is(Kind::Atom),
            ("is_float", 1) => Function::Is(Kind::Float),
            ("is_integer", 1) => Function::Is(Kind::Integer),
            ("is_list", 1) => Function::Is(Kind::List),
            ("is_number", 1) => Function::Is(Kind::Number),
            ("is_pid", 1) => Function::Is(Kind::Pid),
            ("is_port", 1) => Function::Is(Kind::Port),
            ("is_reference", 1) => Function::Is(Kind::Reference),
            ("is_tuple", 1) => Function::Is(Kind::Tuple),
            ("is_map", 1) => Function::Is(Kind::Map),
            ("is_binary", 1) => Function::Is(Kind::Binary),
            ("is_function", 1) => Function::Is(Kind::Function),
            ("is_map_key", 2) => Function::IsMapKey,
            ("is_record", 3) => Function::IsRecord,
            ("abs", 1) => Function::Absolute,
            ("element", 2) => Function::Element,
            ("hd", 1) => Function::Head,
            ("length", 1) => Function::Length,
            ("map_get", 2) => Function::MapGet,
            ("map_size", 1) => Function::MapSize,
            ("node", 1) => Function::Node,
            ("round", 1) => Function::Round,
            ("size", 1) => Function::Size,
            ("byte_size", 1) => Function::ByteSize,
            ("bit_size", 1) => Function::BitSize,
            ("tl", 1) => Function::Tail,
            ("trunc", 1) => Function::Truncate,
            ("float", 1) => Function::Float,
            ("binary_part", 3) => Function::BinaryPart,
            ("binary_part", 2) => Function::BinaryPartTuple,
            ("+", 1) => Function::Plus,
            ("-", 1) => Function::Negate,
            ("+", 2) => Function::Calculate(Operation::Add),
            ("-", 2) => Function::Calculate(Operation::Subtract),
            ("*", 2) => Function::Calculate(Operation::Multiply),
            ("/", 2) => Function::Divide,
            ("div", 2) => Function::CalculateIntegers(IntegerOperation::Div),
            ("rem", 2) => Function::CalculateIntegers(IntegerOperation::Rem),
            ("band", 2) => Function::CalculateIntegers(IntegerOperation::And),
            ("bor", 2) => Function::CalculateIntegers(IntegerOperation::Or),
            ("bxor", 2) => Function::CalculateIntegers(IntegerOperation::Xor),
            ("bnot", 1) => Function::Complement,
            ("bsl", 2) => Function::ShiftLeft,
            ("bsr", 2) => Function::ShiftRight,
            (">", 2) => Function::Compare(Comparison::Greater),
            (">=", 2) => Function::Compare(Comparison::GreaterOrEqual),
            ("<", 2) => Function::Compare(Comparison::Less),
            ("=<", 2) => Function::Compare(Comparison::LessOrEqual),
            ("==", 2) => Function::Compare(Comparison::Equal),
            ("/=", 2) => Function::Compare(Comparison::NotEqual),
            ("=:=", 2) => Function::Compare(Comparison::Same),
            ("=/=", 2) => Function::Compare(Comparison::NotSame),
            ("not", 1) => Function::Not,
            ("xor", 2) => Function::ExclusiveOr,
            _ => return None,
        })
    }

    /// Calls the function; arguments that it does not take are ignored.
    pub(super) fn call<'a>(
        self,
        arguments: [Value<'a>; ARGUMENTS_MAX],
        steps: &mut u64,
    ) -> Result<Value<'a>, Stop> {
        let [a, b, c] = arguments;
        Ok(match self {
            Function::Is(kind) => Value::boolean(a.look_at_head(|head| is_kind(head, kind))?),
            Function::IsMapKey => {
                Value::boolean(a.look(|key| b.look(|map| find_key(key, map, steps).map(|v| v.is_some())))?)
            }
            Function::IsRecord => Value::boolean(is_record(&a, &b, c, steps)?),
            Function::Absolute => a.number()?.absolute()?.into_value(),
            Function::Element => {
                let index = a.small_integer()?;
                part(b, steps, |tuple, steps| element(index, tuple, steps))?
            }
            Function::Head => part(a, steps, |list, steps| match list_walk(list)?.next(steps)? {
                Next::Element(element) => Ok(element),
                Next::End | Next::Tail(_) => Err(Stop::Failed),
            })?,
            Function::Length => Value::count(a.look(|list| length(list, steps))?),
            Function::MapGet => {
                part(b, steps, |map, steps| a.look(|key| find_key(key, map, steps))?.ok_or(Stop::Failed))?
            }
            Function::MapSize => a.look_at_head(|head| match head {
                Head::Map { pairs } => Ok(Value::count(*pairs as usize)),
                _ => Err(Stop::Failed),
            })??,
            Function::Node => part(a, steps, |term, _| match term.head()? {
                Head::Pid { node, .. } | Head::Port { node, .. } | Head::Reference { node, .. } => {
                    Ok(View::Atom(node))
                }
                _ => Err(Stop::Failed),
            })?,
            Function::Round => a.number()?.round()?.into_value(),
            Function::Size => Value::count(a.look_at_head(|head| match head {
                Head::Tuple { arity } => Ok(*arity as usize),
                Head::Bits(bits) => Ok(bits.size_bits() / 8),
                _ => Err(Stop::Failed),
            })??),
            Function::ByteSize => Value::count(bits_of(&a)?.div_ceil(8)),
            Function::BitSize => Value::count(bits_of(&a)?),
            Function::Tail => part(a, steps, tail)?,
            Function::Truncate => a.number()?.truncate()?.into_value(),
            Function::Float => Number::Float(a.number()?.float()?).into_value(),
            Function::BinaryPart => {
                let (start, length) = (b.small_integer()?, c.small_integer()?);
                part(a, steps, |binary, _| binary_part(binary, start, length))?
            }
            Function::BinaryPartTuple => {
                let (start, length) = b.look(|tuple| two_integers(tuple, steps))?;
                part(a, steps, |binary, _| binary_part(binary, start, length))?
            }
            Function::Plus => a.number()?.into_value(),
            Function::Negate => a.number()?.negate()?.into_value(),
            Function::Calculate(operation) => {
                Number::calculate(operation, a.number()?, b.number()?, steps)?.into_value()
            }
            Function::Divide => Number::divide(a.number()?, b.number()?)?.into_value(),
            Function::CalculateIntegers(operation) => {
                Number::calculate_integers(operation, a.number()?, b.number()?, steps)?.into_value()
            }
            Function::Complement => a.number()?.complement()?.into_value(),
            Function::ShiftLeft => a.number()?.shift_left(b.number()?, steps)?.into_value(),
            Function::ShiftRight => a.number()?.shift_right(b.number()?, steps)?.into_value(),
            Function::Compare(comparison) => {
                Value::boolean(a.look(|a| b.look(|b| comparison.holds(a, b, steps)))?)
            }
            Function::Not => Value::boolean(!a.truth()?),
            Function::ExclusiveOr => Value::boolean(a.truth()? != b.truth()?),
        })
    }
}

impl Comparison {
    fn holds(self, a: View<'_>, b: View<'_>, steps: &mut u64) -> Result<bool, Stop> {
        let relation = match self {
            Comparison::Equal | Comparison::NotEqual => Relation::Equal,
            Comparison::Same | Comparison::NotSame => Relation::Same,
            _ => Relation::Order,
        };
        let order = relate(a, b, relation, steps)?;
        Ok(match self {
            Comparison::Greater => order == Ordering::Greater,
            Comparison::GreaterOrEqual => order != Ordering::Less,
            Comparison::Less => order == Ordering::Less,
            Comparison::LessOrEqual => order != Ordering::Greater,
            Comparison::Equal | Comparison::Same => order == Ordering::Equal,
            Comparison::NotEqual | Comparison::NotSame => order != Ordering::Equal,
        })
    }
}

/// Takes a part of a term, which is copied only if the term was put together.
fn part<'a>(
    term: Value<'a>,
    steps: &mut u64,
    take: impl for<'b> FnOnce(View<'b>, &mut u64) -> Result<View<'b>, Stop>,
) -> Result<Value<'a>, Stop> {
    match term {
        Value::View(view) => take(view, steps).map(Value::View),
        Value::Built(bytes) => {
            let part = take(View::Encoded(&bytes), steps)?;
            encoded(part, steps).map(Value::Built)
        }
        // A number has no parts.
        Value::Big(_) => Err(Stop::Failed),
    }
}

fn is_kind(head: &Head<'_>, kind: Kind) -> bool {
    match kind {
        Kind::Atom => matches!(head, Head::Atom(_)),
        Kind::Float => matches!(head, Head::Float(_)),
        Kind::Integer => matches!(head, Head::Integer(_)),
        Kind::List => matches!(head, Head::Nil | Head::List { .. } | Head::Characters { .. }),
        Kind::Number => matches!(head, Head::Integer(_) | Head::Float(_)),
        Kind::Pid => matches!(head, Head::Pid { .. }),
        Kind::Port => matches!(head, Head::Port { .. }),
        Kind::Reference => matches!(head, Head::Reference { .. }),
        Kind::Tuple => matches!(head, Head::Tuple { .. }),
        Kind::Map => matches!(head, Head::Map { .. }),
        Kind::Binary => matches!(head, Head::Bits(bits) if bits.size_bits() % 8 == 0),
        Kind::Function => matches!(head, Head::Fun { .. } | Head::Export { .. }),
    }
}

/// The value of a key; something that is no map fails.
fn find_key<'a>(key: View<'_>, map: View<'a>, steps: &mut u64) -> Result<Option<View<'a>>, Stop> {
    let (Head::Map { pairs }, mut rest) = map.open()? else { return Err(Stop::Failed) };
    for _ in 0..pairs {
        let value = skip(rest, 1, steps)?;
        if relate(key, View::Encoded(rest), Relation::Same, steps)? == Ordering::Equal {
            return Ok(Some(View::Encoded(value)));
        }
        rest = skip(value, 1, steps)?;
    }
    Ok(None)
}

fn is_record(term: &Value<'_>, tag: &Value<'_>, size: Value<'_>, steps: &mut u64) -> Result<bool, Stop> {
    let size = size.small_integer()?;
    if !WORD_INTEGERS.contains(&size) || !tag.look_at_head(|head| matches!(head, Head::Atom(_)))? {
        return Err(Stop::Failed);
    }
    term.look(|term| match term.open()? {
        (Head::Tuple { arity: arity @ 1.. }, elements) if i64::from(arity) == size => {
            let order = tag.look(|tag| relate(View::Encoded(elements), tag, Relation::Same, steps))?;
            Ok(order == Ordering::Equal)
        }
        _ => Ok(false),
    })
}

fn element<'a>(index: i64, tuple: View<'a>, steps: &mut u64) -> Result<View<'a>, Stop> {
    match tuple.open()? {
        (Head::Tuple { arity }, elements) if (1..=i64::from(arity)).contains(&index) => {
            Ok(View::Encoded(skip(elements, index.unsigned_abs() - 1, steps)?))
        }
        _ => Err(Stop::Failed),
    }
}

/// A walk over a list that has elements; other terms fail.
fn list_walk(list: View<'_>) -> Result<ListWalk<'_>, Stop> {
    let (head, inner) = list.open()?;
    ListWalk::new(&head, inner).ok_or(Stop::Failed)
}

fn tail<'a>(list: View<'a>, steps: &mut u64) -> Result<View<'a>, Stop> {
    let mut walk = list_walk(list)?;
    match walk.next(steps)? {
        Next::Element(View::Encoded(bytes)) => walk.go_on(skip(bytes, 1, steps)?),
        Next::Element(_) => {}
        Next::End | Next::Tail(_) => return Err(Stop::Failed),
    }
    Ok(walk.rest())
}

/// The length of a proper list.
fn length(list: View<'_>, steps: &mut u64) -> Result<usize, Stop> {
    let mut length = 0_usize;
    let mut list = list;
    loop {
        take_steps(steps, 1)?;
        list = match list.open()? {
            (Head::Nil, _) => return Ok(length),
            (Head::Characters { length: characters }, _) => {
                return Ok(length.saturating_add(characters as usize));
            }
            (Head::List { elements }, bytes) => {
                length = length.saturating_add(elements as usize);
                View::Encoded(skip(bytes, elements.into(), steps)?)
            }
            _ => return Err(Stop::Failed),
        };
    }
}

/// The size of a bitstring in bits.
fn bits_of(term: &Value<'_>) -> Result<usize, Stop> {
    term.look_at_head(|head| match head {
        Head::Bits(bits) => Ok(bits.size_bits()),
        _ => Err(Stop::Failed),
    })?
}

fn two_integers(tuple: View<'_>, steps: &mut u64) -> Result<(i64, i64), Stop> {
    let (Head::Tuple { arity: 2 }, first) = tuple.open()? else { return Err(Stop::Failed) };
    let second = skip(first, 1, steps)?;
    let integer = |bytes| Value::View(View::Encoded(bytes)).small_integer();
    Ok((integer(first)?, integer(second)?))
}

/// A part of the whole bytes of a bitstring; a negative length goes backwards.
fn binary_part(binary: View<'_>, start: i64, length: i64) -> Result<View<'_>, Stop> {
    let Head::Bits(bits) = binary.head()? else { return Err(Stop::Failed) };
    let end = start.checked_add(length).ok_or(Stop::Failed)?;
    let (start, end) = (start.min(end), start.max(end));
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let (start, end) = range.ok_or(Stop::Failed)?;
    let part = bits.whole_bytes().get(start..end).ok_or(TermError::Malformed)?;
    Ok(View::Bits(Bits::of_bytes(part)))
}
