//! Failures that a test stages on a [`MemoryDisk`](super::MemoryDisk): which operations fail, when, and what they leave behind.

use super::Operation;
use super::memory_file::Cache;
use std::io;
use std::path::Path;

/// A failure to come: operations that match are let through `after` times, then `times` of them fail.
///
/// The short form of a [`Fault`]: a write that fails so has left the first half of its bytes behind.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which operation fails.
    pub operation: Operation,
    /// Only on paths that end so; the empty text matches all.
    pub path_suffix: String,
    /// How many matching operations succeed before.
    pub after: u64,
    /// How many fail then.
    pub times: u64,
    /// What the system answers.
    pub kind: io::ErrorKind,
}

/// A failure to come: operations that match are let through `after` times, then `times` of them fail.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which operations fail; of an empty list, all.
    pub operations: Vec<Operation>,
    /// Only on paths that end so; the empty text matches all.
    pub path_suffix: String,
    /// How many matching operations succeed before.
    pub after: u64,
    /// How many fail then.
    pub times: u64,
    /// What the system answers. A device that fails (EIO) is `Other`, a full one (ENOSPC) `StorageFull`.
    pub kind: io::ErrorKind,
    /// What has happened all the same.
    pub effect: Effect,
}

/// What a failing operation has done all the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// Everything: only the answer is an error.
    Everything,
    /// Of a write, the first so many bytes came to the cache; anything else has done nothing.
    FirstBytes(usize),
    /// Of a write, the first half came to the cache; anything else has done nothing.
    FirstHalf,
    /// A sync of a file has given up what it had to bring: see [`Cache`]. Anything else has done nothing.
    GivesUp(Cache),
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Fault {
        let Failure { operation, path_suffix, after, times, kind } = failure;
        Fault { operations: vec![operation], path_suffix, after, times, kind, effect: Effect::FirstHalf }
    }
}

impl Fault {
    /// The `number`-th operation from now on of those listed (all, if none) fails; so do all after it, if `goes_on`.
    pub fn of_number(
        number: u64,
        operations: &[Operation],
        goes_on: bool,
        kind: io::ErrorKind,
        effect: Effect,
    ) -> Fault {
        Fault {
            operations: operations.to_vec(),
            path_suffix: String::new(),
            after: number.saturating_sub(1),
            times: if goes_on { u64::MAX } else { 1 },
            kind,
            effect,
        }
    }

    /// Takes note of an operation. Whether it fails because of this.
    pub(super) fn is_due(&mut self, operation: Operation, path: &Path) -> bool {
        let is_listed = self.operations.is_empty() || self.operations.contains(&operation);
        if !is_listed || !path.to_string_lossy().ends_with(self.path_suffix.as_str()) {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        let is_due = self.times > 0;
        self.times = self.times.saturating_sub(1);
        is_due
    }
}
