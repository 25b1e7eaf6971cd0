//! How much work an evaluation may still do: a number that work takes from.
//!
//! Invariants:
//! 1. What a piece of work takes depends on its input only, so every member runs out of steps at the same point.
//! 2. A step is a small bounded piece of work, some nanoseconds of it: one term read, or [`BYTES_PER_STEP`] bytes
//!    compared or copied.

use std::error::Error;
use std::fmt;

/// So many bytes are compared or copied in one step.
pub(crate) const BYTES_PER_STEP: usize = 64;

/// The steps are used up: nothing is known about the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfSteps;

impl fmt::Display for OutOfSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the steps that an evaluation may take are used up")
    }
}

impl Error for OutOfSteps {}

/// Takes `count` steps.
#[inline]
pub(crate) fn take_steps(steps: &mut u64, count: u64) -> Result<(), OutOfSteps> {
    match steps.checked_sub(count) {
        Some(left) => {
            *steps = left;
            Ok(())
        }
        None => {
            *steps = 0;
            Err(OutOfSteps)
        }
    }
}

/// Takes the steps for going through so many bytes.
#[inline]
pub(crate) fn take_steps_for_bytes(steps: &mut u64, bytes: usize) -> Result<(), OutOfSteps> {
    take_steps(steps, 1 + (bytes / BYTES_PER_STEP) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_can_be_taken_until_none_are_left() {
        let mut steps = 3;
        assert_eq!(take_steps(&mut steps, 2), Ok(()));
        assert_eq!(take_steps(&mut steps, 1), Ok(()));
        assert_eq!(take_steps(&mut steps, 1), Err(OutOfSteps));
    }

    #[test]
    fn work_that_is_too_large_leaves_no_steps_for_smaller_work() {
        let mut steps = 3;
        assert_eq!(take_steps(&mut steps, 4), Err(OutOfSteps));
        assert_eq!(take_steps(&mut steps, 1), Err(OutOfSteps));
    }

    #[test]
    fn each_block_of_bytes_takes_a_step() {
        let mut steps = 10;
        assert_eq!(take_steps_for_bytes(&mut steps, 0), Ok(()));
        assert_eq!(steps, 9);
        assert_eq!(take_steps_for_bytes(&mut steps, 3 * BYTES_PER_STEP), Ok(()));
        assert_eq!(steps, 5);
    }
}
