//! What fuzzing checks of each decoder of bytes from disk, peers or callers.
//!
//! A target is a function over any bytes, which panics if what it checks does not hold. The binaries in `native/fuzz` hand it
//! inputs of libFuzzer; the test of this crate hands it the seeds, and the inputs that were found and are kept.
//!
//! Invariants:
//! 1. A target checks more than that nothing panics: that what is read is written as it was, that two ways of finding something
//!    out agree, and that memory grows with the input only.
//! 2. A target depends on its input only: a found input fails again.

// A harness that finds something wrong panics: that is what it is for.
#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod input;
pub mod memory;
mod naive;
pub mod targets;
mod terms;

pub use naive::{Naive, Unreadable};

/// What became of an input, for the test that seeds are what they are meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was read.
    Read,
    /// It was refused, with an error.
    Refused,
}
