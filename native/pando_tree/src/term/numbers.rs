//! The order of numbers by value, between integers and floats too.
//!
//! Invariants:
//! 1. The result is exact: nothing is rounded, an integer of any size is compared with a float by value.
//! 2. Nothing is copied.

use std::cmp::Ordering;

use super::head::Integer;

/// A float has so many significant bits.
const FLOAT_BITS: u64 = 53;

/// The order of two integers.
pub(super) fn integers(a: &Integer<'_>, b: &Integer<'_>) -> Ordering {
    match (a, b) {
        (Integer::Small(a), Integer::Small(b)) => a.cmp(b),
        (
            Integer::Big { negative: negative_a, magnitude: a },
            Integer::Big { negative: negative_b, magnitude: b },
        ) => match (negative_a, negative_b) {
            (false, false) => magnitudes(a, b),
            (true, true) => magnitudes(b, a),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        },
        (Integer::Small(a), Integer::Big { negative, magnitude }) => match narrow(*negative, magnitude) {
            Some(b) => i128::from(*a).cmp(&b),
            None if *negative => Ordering::Greater,
            None => Ordering::Less,
        },
        (Integer::Big { .. }, Integer::Small(_)) => integers(b, a).reverse(),
    }
}

/// Little-endian, without zeros at the end.
fn magnitudes(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

/// The value if it has eight bytes at most.
fn narrow(negative: bool, magnitude: &[u8]) -> Option<i128> {
    if magnitude.len() > 8 {
        return None;
    }
    let value = magnitude.iter().rev().fold(0, |value: i128, byte| value << 8 | i128::from(*byte));
    Some(if negative { -value } else { value })
}

/// The order of an integer and a finite float.
pub(super) fn integer_and_float(integer: &Integer<'_>, float: f64) -> Ordering {
    match integer {
        Integer::Small(value) => narrow_and_float((*value).into(), float),
        Integer::Big { negative, magnitude } => match narrow(*negative, magnitude) {
            Some(value) => narrow_and_float(value, float),
            None if *negative => wide_and_float(magnitude, -float).reverse(),
            None => wide_and_float(magnitude, float),
        },
    }
}

/// An integer of 65 bits at most, its sign included.
fn narrow_and_float(value: i128, float: f64) -> Ordering {
    let whole = float.trunc();
    // Beyond the range of an i128 the conversion gives its bounds, which are still beyond every narrow integer.
    value.cmp(&(whole as i128)).then_with(|| match (float - whole).partial_cmp(&0.0) {
        Some(order) => order.reverse(),
        None => Ordering::Equal,
    })
}

/// A magnitude of nine bytes or more.
fn wide_and_float(magnitude: &[u8], float: f64) -> Ordering {
    if float < 18_446_744_073_709_551_616.0 {
        return Ordering::Greater;
    }
    // The float is an integer: `fraction` times two to the power of `shift`, and positive.
    let bits = float.to_bits();
    let fraction = bits & ((1 << (FLOAT_BITS - 1)) - 1) | 1 << (FLOAT_BITS - 1);
    let shift = (bits >> (FLOAT_BITS - 1)).saturating_sub(1023 + FLOAT_BITS - 1);
    let top = magnitude.last().copied().unwrap_or_default();
    let length_bits = magnitude.len() as u64 * 8 - u64::from(top.leading_zeros());
    length_bits.cmp(&(FLOAT_BITS + shift)).then_with(|| {
        // As long as each other: the upper bits of the magnitude against the fraction, then whether more follow.
        let (bytes, odd_bits) = ((shift / 8) as usize, shift % 8);
        let upper = magnitude.iter().rev().take(magnitude.len().saturating_sub(bytes));
        let upper = upper.fold(0, |value: u128, byte| value << 8 | u128::from(*byte));
        let order = (upper >> odd_bits).cmp(&u128::from(fraction));
        order.then_with(|| {
            let has_more =
                upper & ((1 << odd_bits) - 1) != 0 || magnitude.iter().take(bytes).any(|b| *b != 0);
            if has_more { Ordering::Greater } else { Ordering::Equal }
        })
    })
}
