//! Calls of which not all parts have come.

use std::collections::HashMap;
use std::fmt;

/// Bytes of one call, all parts together: the largest payload, twice over.
pub const CALL_SIZE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes of all unfinished calls together.
pub const PARTS_SIZE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A call is longer than one may be, or too much is unfinished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch(pub u64);

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "call {} is longer than {CALL_SIZE_BYTES_MAX} bytes, or all unfinished ones than {PARTS_SIZE_BYTES_MAX}",
            self.0
        )
    }
}

/// See the module.
#[derive(Default)]
pub struct Parts {
    bodies: HashMap<u64, Vec<u8>>,
    size_bytes: usize,
}

impl Parts {
    /// A part has come that is not the last one.
    pub fn add(&mut self, id: u64, part: &[u8]) -> Result<(), TooMuch> {
        let body = self.bodies.entry(id).or_default();
        let call_size_bytes = body.len() + part.len();
        if call_size_bytes > CALL_SIZE_BYTES_MAX || self.size_bytes + part.len() > PARTS_SIZE_BYTES_MAX {
            return Err(TooMuch(id));
        }
        self.size_bytes += part.len();
        body.extend_from_slice(part);
        Ok(())
    }

    /// The last part has come: the whole, or `None` if that was the only one.
    pub fn finish(&mut self, id: u64, last: &[u8]) -> Result<Option<Vec<u8>>, TooMuch> {
        if !self.bodies.contains_key(&id) {
            return Ok(None);
        }
        self.add(id, last)?;
        Ok(self.take(id))
    }

    /// No more parts of it will come.
    pub fn forget(&mut self, id: u64) {
        self.take(id);
    }

    fn take(&mut self, id: u64) -> Option<Vec<u8>> {
        let body = self.bodies.remove(&id)?;
        self.size_bytes -= body.len();
        Some(body)
    }
}

#[cfg(test)]
#[path = "parts_test.rs"]
mod tests;
