//! Calculating with numbers as Erlang does.
//!
//! Invariants:
//! 1. An integer that fits into an `i64` is `Small`. None is longer than [`INTEGER_BITS_MAX`].
//! 2. A float is finite: a result that is not fails, as in Erlang.
//! 3. Large numbers take steps before the work on them is done.

use num_bigint::{BigInt, Sign};

use super::value::Value;
use super::{INTEGER_BITS_MAX, Stop};
use crate::steps_left::take_steps;
use crate::term::head::Integer;
use crate::term::view::View;

/// A number.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    Small(i64),
    Big(BigInt),
    Float(f64),
}

/// So many bits make a digit of a large number.
const DIGIT_BITS: u64 = 64;
/// So many pairs of digits are multiplied in one step.
const DIGIT_PAIRS_PER_STEP: u64 = 4;

/// The operations on two integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntegerOperation {
    Div,
    Rem,
    And,
    Or,
    Xor,
}

/// The operations on two numbers of any kind, the result of which is a float if one of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
}

impl Number {
    pub(super) fn of_integer(integer: &Integer<'_>) -> Result<Self, Stop> {
        match integer {
            Integer::Small(value) => Ok(Number::Small(*value)),
            Integer::Big { magnitude, .. } if magnitude.len() as u64 * 8 > INTEGER_BITS_MAX => {
                Err(Stop::Failed)
            }
            Integer::Big { negative, magnitude } => {
                let sign = if *negative { Sign::Minus } else { Sign::Plus };
                Number::of_big(BigInt::from_bytes_le(sign, magnitude))
            }
        }
    }

    fn of_big(integer: BigInt) -> Result<Self, Stop> {
        match i64::try_from(&integer) {
            Ok(value) => Ok(Number::Small(value)),
            Err(_) if integer.bits() > INTEGER_BITS_MAX => Err(Stop::Failed),
            Err(_) => Ok(Number::Big(integer)),
        }
    }

    fn of_float(value: f64) -> Result<Self, Stop> {
        if value.is_finite() { Ok(Number::Float(value)) } else { Err(Stop::Failed) }
    }

    /// The integer of the same value; the float must not have a fraction.
    fn of_whole_float(value: f64) -> Result<Self, Stop> {
        const BOUND: f64 = 9_223_372_036_854_775_808.0;
        if (-BOUND..BOUND).contains(&value) {
            return Ok(Number::Small(value as i64));
        }
        let bits = value.to_bits();
        let fraction = bits & ((1 << 52) - 1) | 1 << 52;
        let shift = ((bits >> 52) & 0x7FF).saturating_sub(1075);
        let magnitude = BigInt::from(fraction) << shift;
        Number::of_big(if value < 0.0 { -magnitude } else { magnitude })
    }

    pub(super) fn into_value(self) -> Value<'static> {
        match self {
            Number::Small(value) => Value::View(View::Integer(Integer::Small(value))),
            Number::Float(value) => Value::View(View::Float(value)),
            Number::Big(value) => Value::Big(value),
        }
    }

    /// How long the number is, in digits.
    fn digits(&self) -> u64 {
        match self {
            Number::Small(_) | Number::Float(_) => 1,
            Number::Big(value) => value.bits().div_ceil(DIGIT_BITS),
        }
    }

    fn is_float(&self) -> bool {
        matches!(self, Number::Float(_))
    }

    /// The float, which for an integer may be another value; beyond the range of floats it fails.
    pub(super) fn float(&self) -> Result<f64, Stop> {
        let value = match self {
            Number::Small(value) => *value as f64,
            Number::Float(value) => *value,
            // Rounded digit by digit, like the BEAM.
            Number::Big(value) => {
                let scale = 18_446_744_073_709_551_616.0;
                let magnitude =
                    value.iter_u64_digits().rev().fold(0.0, |sum, digit| sum * scale + digit as f64);
                if value.sign() == Sign::Minus { -magnitude } else { magnitude }
            }
        };
        if value.is_finite() { Ok(value) } else { Err(Stop::Failed) }
    }

    fn big(self) -> Result<BigInt, Stop> {
        match self {
            Number::Small(value) => Ok(value.into()),
            Number::Big(value) => Ok(value),
            Number::Float(_) => Err(Stop::Failed),
        }
    }

    pub(super) fn calculate(
        operation: Operation,
        a: Number,
        b: Number,
        steps: &mut u64,
    ) -> Result<Number, Stop> {
        if a.is_float() || b.is_float() {
            let (a, b) = (a.float()?, b.float()?);
            return Number::of_float(match operation {
                Operation::Add => a + b,
                Operation::Subtract => a - b,
                Operation::Multiply => a * b,
            });
        }
        if let (Number::Small(a), Number::Small(b)) = (&a, &b) {
            let result = match operation {
                Operation::Add => a.checked_add(*b),
                Operation::Subtract => a.checked_sub(*b),
                Operation::Multiply => a.checked_mul(*b),
            };
            if let Some(result) = result {
                return Ok(Number::Small(result));
            }
        }
        take_steps(steps, work(&a, &b))?;
        let (a, b) = (a.big()?, b.big()?);
        // A product is as long as both factors together at least, but for one bit.
        if operation == Operation::Multiply && a.bits() + b.bits() > INTEGER_BITS_MAX + 1 {
            return Err(Stop::Failed);
        }
        Number::of_big(match operation {
            Operation::Add => a + b,
            Operation::Subtract => a - b,
            Operation::Multiply => a * b,
        })
    }

    /// `/`: always a float.
    pub(super) fn divide(a: Number, b: Number) -> Result<Number, Stop> {
        Number::of_float(a.float()? / b.float()?)
    }

    pub(super) fn calculate_integers(
        operation: IntegerOperation,
        a: Number,
        b: Number,
        steps: &mut u64,
    ) -> Result<Number, Stop> {
        if let (Number::Small(a), Number::Small(b)) = (&a, &b) {
            let result = match operation {
                IntegerOperation::Div => a.checked_div(*b),
                // The remainder of the smallest number by -1 is 0, and not an overflow.
                IntegerOperation::Rem if *b == -1 => Some(0),
                IntegerOperation::Rem => a.checked_rem(*b),
                IntegerOperation::And => Some(a & b),
                IntegerOperation::Or => Some(a | b),
                IntegerOperation::Xor => Some(a ^ b),
            };
            if let Some(result) = result {
                return Ok(Number::Small(result));
            }
        }
        take_steps(steps, work(&a, &b))?;
        let (a, b) = (a.big()?, b.big()?);
        let divides = matches!(operation, IntegerOperation::Div | IntegerOperation::Rem);
        if divides && b.sign() == Sign::NoSign {
            return Err(Stop::Failed);
        }
        Number::of_big(match operation {
            IntegerOperation::Div => a / b,
            IntegerOperation::Rem => a % b,
            IntegerOperation::And => a & b,
            IntegerOperation::Or => a | b,
            IntegerOperation::Xor => a ^ b,
        })
    }

    /// `bsl`, and for a negative count `bsr`.
    pub(super) fn shift_left(self, count: Number, steps: &mut u64) -> Result<Number, Stop> {
        let (right, count) = match count {
            Number::Small(count) => (count < 0, count.unsigned_abs()),
            Number::Big(count) => (count.sign() == Sign::Minus, u64::MAX),
            Number::Float(_) => return Err(Stop::Failed),
        };
        self.shift(right, count, steps)
    }

    /// `bsr`, and for a negative count `bsl`.
    pub(super) fn shift_right(self, count: Number, steps: &mut u64) -> Result<Number, Stop> {
        let (left, count) = match count {
            Number::Small(count) => (count < 0, count.unsigned_abs()),
            Number::Big(count) => (count.sign() == Sign::Minus, u64::MAX),
            Number::Float(_) => return Err(Stop::Failed),
        };
        self.shift(!left, count, steps)
    }

    fn shift(self, right: bool, count: u64, steps: &mut u64) -> Result<Number, Stop> {
        take_steps(steps, self.digits())?;
        let value = self.big()?;
        if right {
            // Beyond the last digit there is nothing but the sign.
            return Number::of_big(value >> count.min(INTEGER_BITS_MAX + 1));
        }
        if value.sign() == Sign::NoSign {
            return Ok(Number::Small(0));
        }
        if value.bits().saturating_add(count) > INTEGER_BITS_MAX {
            return Err(Stop::Failed);
        }
        take_steps(steps, count / DIGIT_BITS)?;
        Number::of_big(value << count)
    }

    /// `bnot`.
    pub(super) fn complement(self) -> Result<Number, Stop> {
        match self {
            Number::Small(value) => Ok(Number::Small(!value)),
            Number::Big(value) => Number::of_big(!value),
            Number::Float(_) => Err(Stop::Failed),
        }
    }

    /// Unary `-`.
    pub(super) fn negate(self) -> Result<Number, Stop> {
        match self {
            Number::Small(value) => Number::of_big(-BigInt::from(value)),
            Number::Big(value) => Number::of_big(-value),
            Number::Float(value) => Ok(Number::Float(-value)),
        }
    }

    pub(super) fn absolute(self) -> Result<Number, Stop> {
        match self {
            Number::Small(value) if value >= 0 => Ok(self),
            Number::Big(ref value) if value.sign() == Sign::Plus => Ok(self),
            // Of -0.0 Erlang leaves the sign.
            Number::Float(value) if value >= 0.0 => Ok(self),
            negative => negative.negate(),
        }
    }

    /// Away from zero, if both neighbours are equally near.
    pub(super) fn round(self) -> Result<Number, Stop> {
        match self {
            Number::Float(value) => Number::of_whole_float(value.round()),
            integer => Ok(integer),
        }
    }

    pub(super) fn truncate(self) -> Result<Number, Stop> {
        match self {
            Number::Float(value) => Number::of_whole_float(value.trunc()),
            integer => Ok(integer),
        }
    }
}

/// The steps for an operation on two integers: what a multiplication or a division takes.
fn work(a: &Number, b: &Number) -> u64 {
    1 + a.digits().saturating_mul(b.digits()) / DIGIT_PAIRS_PER_STEP
}
