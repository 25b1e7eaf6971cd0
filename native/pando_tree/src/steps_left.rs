//! The budget of an evaluation: how many steps it may still take.
//!
//! A step is about one token of a term, one byte that a regular expression looks at, or one node that a walk visits. The
//! number of steps depends on nothing but tree and command, so every replica runs out at the same point or not at all.

/// The steps were used up before the evaluation was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfSteps;

/// Takes `steps` off what is left.
pub(crate) fn take(left: &mut u64, steps: u64) -> Result<(), OutOfSteps> {
    *left = left.checked_sub(steps).ok_or(OutOfSteps)?;
    Ok(())
}
