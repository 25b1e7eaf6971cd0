//! The parts that encodings are made of: numbers, names, payloads.
//!
//! Invariants:
//! 1. A number takes seven bits to the byte, the lowest first, the upper bit set in all bytes but the last, and no
//!    more bytes than it needs.
//! 2. Names and payloads within the limits are all that is read.

use std::sync::Arc;

use super::DecodeError;
use crate::condition::Condition;
use crate::limits::Limit;
use crate::name::{Name, NameKind};
use crate::payload::Payload;

/// A number of 64 bits takes ten bytes at most, and the last of these holds one bit.
const NUMBER_SHIFT_MAX: u32 = 63;

/// A reader of bytes.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// The number of bytes left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        let (byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes([self.u8()?, self.u8()?]))
    }

    pub(super) fn number(&mut self) -> Result<u64, DecodeError> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7F);
            if shift == NUMBER_SHIFT_MAX && bits > 1 {
                return Err(DecodeError::MalformedNumber);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(DecodeError::MalformedNumber) } else { Ok(value) };
            }
            if shift == NUMBER_SHIFT_MAX {
                return Err(DecodeError::MalformedNumber);
            }
            shift += 7;
        }
    }

    /// A number that is a count or a size; `limit` bounds it.
    pub(super) fn size(&mut self, limit: Limit) -> Result<usize, DecodeError> {
        let size = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        limit.check(size)?;
        Ok(size)
    }

    pub(super) fn name(&mut self, kind: NameKind) -> Result<Name, DecodeError> {
        let bytes = self.bytes(Limit::NameSizeBytes)?;
        let name = match kind {
            NameKind::Atom => Name::atom(std::str::from_utf8(bytes).map_err(|_| DecodeError::MalformedAtom)?),
            NameKind::Binary => Name::binary(bytes),
        };
        name.check_limits()?;
        Ok(name)
    }

    pub(super) fn payload(&mut self) -> Result<Payload, DecodeError> {
        let kind: fn(Arc<[u8]>) -> Payload = match self.u8()? {
            0 => return Ok(Payload::None),
            1 => Payload::Data,
            2 => Payload::Procedure,
            tag => return Err(DecodeError::UnknownTag { of: "payload", tag }),
        };
        Ok(kind(Arc::from(self.bytes(Limit::PayloadSizeBytes)?)))
    }

    pub(super) fn condition(&mut self) -> Result<Condition, DecodeError> {
        Condition::from_stored_term(self.bytes(Limit::ConditionSizeBytes)?)
            .map_err(|_| DecodeError::MalformedCondition)
    }

    /// So many bytes as the number before them says; `limit` bounds it.
    pub(super) fn bytes(&mut self, limit: Limit) -> Result<&'a [u8], DecodeError> {
        let size = self.size(limit)?;
        self.take(size)
    }

    /// The number of things that follow, each of which takes one byte at least: the bytes bound it.
    pub(super) fn count(&mut self) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count <= self.left() { Ok(count) } else { Err(DecodeError::Truncated) }
    }

    pub(super) fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(DecodeError::UnknownTag { of: "yes or no", tag }),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

pub(super) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The size and the text; the kind is up to the caller.
pub(super) fn put_name(out: &mut Vec<u8>, name: &Name) {
    put_number(out, name.bytes().len() as u64);
    out.extend_from_slice(name.bytes());
}

/// The size and the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_condition(out: &mut Vec<u8>, condition: &Condition) {
    put_number(out, condition.size_bytes() as u64);
    out.extend_from_slice(condition.term());
}

pub(super) fn put_payload(out: &mut Vec<u8>, payload: &Payload) {
    out.push(match payload {
        Payload::None => 0,
        Payload::Data(_) => 1,
        Payload::Procedure(_) => 2,
    });
    if let Some(bytes) = payload.bytes() {
        put_number(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_read_as_written(value in any::<u64>(), shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_number(&mut out, value);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.number(), Ok(value));
            prop_assert_eq!(reader.left(), 0);
        }

        #[test]
        fn a_number_has_one_spelling(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.number() {
                let mut out = Vec::new();
                put_number(&mut out, value);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - reader.left()]);
            }
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_malformed() {
        let mut eleven = [0xFF; 11];
        assert_eq!(Reader::new(&eleven).number(), Err(DecodeError::MalformedNumber));
        eleven[9] = 2;
        assert_eq!(Reader::new(&eleven).number(), Err(DecodeError::MalformedNumber));
        eleven[9] = 1;
        assert_eq!(Reader::new(&eleven).number(), Ok(u64::MAX));
        assert_eq!(Reader::new(&[0x80, 0]).number(), Err(DecodeError::MalformedNumber));
    }
}
