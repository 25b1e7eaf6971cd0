//! The value of an expression.

use num_bigint::{BigInt, Sign};

use super::Stop;
use super::number::Number;
use crate::term::head::{Head, Integer};
use crate::term::view::View;

/// A term that is part of the data or of the specification, or one that was calculated.
#[derive(Debug)]
pub(super) enum Value<'a> {
    View(View<'a>),
    /// An integer that does not fit into an `i64`.
    Big(BigInt),
    /// A term that was put together, without version byte.
    Built(Vec<u8>),
}

impl<'a> Value<'a> {
    pub(super) const NIL: Value<'static> = Value::View(View::NIL);

    pub(super) fn boolean(value: bool) -> Value<'static> {
        Value::View(View::boolean(value))
    }

    /// A count of something that is in memory.
    pub(super) fn count(count: usize) -> Value<'static> {
        Value::View(View::Integer(Integer::Small(count as i64)))
    }

    /// Looks at the term.
    pub(super) fn look<R>(&self, look: impl FnOnce(View<'_>) -> R) -> R {
        match self {
            Value::View(view) => look(*view),
            Value::Big(integer) => {
                let (sign, magnitude) = integer.to_bytes_le();
                look(View::Integer(Integer::Big { negative: sign == Sign::Minus, magnitude: &magnitude }))
            }
            Value::Built(bytes) => look(View::Encoded(bytes)),
        }
    }

    /// Looks at the head of the term.
    pub(super) fn look_at_head<R>(&self, look: impl FnOnce(&Head<'_>) -> R) -> Result<R, Stop> {
        self.look(|view| Ok(look(&view.head()?)))
    }

    /// The truth value; other terms fail.
    pub(super) fn truth(&self) -> Result<bool, Stop> {
        self.look_at_head(|head| match head {
            Head::Atom(atom) if atom.is("true") => Ok(true),
            Head::Atom(atom) if atom.is("false") => Ok(false),
            _ => Err(Stop::Failed),
        })?
    }

    /// The number; other terms fail.
    pub(super) fn number(self) -> Result<Number, Stop> {
        match self {
            Value::Big(integer) => Ok(Number::Big(integer)),
            value => value.look_at_head(|head| match head {
                Head::Integer(integer) => Number::of_integer(integer),
                Head::Float(bits) => Ok(Number::Float(f64::from_bits(*bits))),
                _ => Err(Stop::Failed),
            })?,
        }
    }

    /// The integer if it fits; a larger one and other terms fail.
    pub(super) fn small_integer(self) -> Result<i64, Stop> {
        match self.number()? {
            Number::Small(value) => Ok(value),
            Number::Big(_) | Number::Float(_) => Err(Stop::Failed),
        }
    }
}
