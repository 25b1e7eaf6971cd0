//! Several parts in the one input that a fuzzer makes.

/// Takes parts off an input. There is always a next part: after the last they are empty.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// The parts of an input.
    pub fn new(input: &'a [u8]) -> Parts<'a> {
        Parts { rest: input }
    }

    /// One byte; 0 after the last.
    pub fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *byte
    }

    /// Bytes behind their number, of two bytes, little-endian; fewer if there are not so many.
    pub fn part(&mut self) -> &'a [u8] {
        let size = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
        let (part, rest) = self.rest.split_at(size.min(self.rest.len()));
        self.rest = rest;
        part
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

/// Appends a part as [`Parts::part`] reads it.
pub fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    let size = u16::try_from(part.len()).expect("a part has 64 KiB at most");
    out.extend(size.to_le_bytes());
    out.extend_from_slice(part);
}

/// An input of parts.
pub fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    parts.iter().for_each(|part| put_part(&mut out, part));
    out
}
