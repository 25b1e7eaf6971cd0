//! The head of a term: its tag and what stands before the terms within it.
//!
//! Invariants:
//! 1. One head is read at a time: no recursion, no memory.
//! 2. A count is believed only as far as the bytes that are left can hold it.
//! 3. An integer has one form whichever way it is spelled, and so has an empty list. (A list of no elements with a
//!    tail is its tail.)

use std::cmp::Ordering;
use std::str;

use super::{TermError, VERSION};
use crate::limits::ATOM_CHARACTERS_MAX;

/// The longest reference, in words of four bytes.
pub(super) const REFERENCE_WORDS_MAX: u16 = 5;

/// What a term begins with.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the parts are named as the format names them")]
pub enum Head<'a> {
    Integer(Integer<'a>),
    /// The bits of the number: 0.0 and -0.0 differ.
    Float(u64),
    Atom(Atom<'a>),
    Bits(Bits<'a>),
    Nil,
    /// So many elements follow, at least one, and then the tail.
    List {
        elements: u32,
    },
    /// So many bytes follow, at least one: the elements of a proper list.
    Characters {
        length: u32,
    },
    /// So many elements follow.
    Tuple {
        arity: u32,
    },
    /// So many pairs of key and value follow.
    Map {
        pairs: u32,
    },
    Pid {
        node: Atom<'a>,
        id: u32,
        serial: u32,
        creation: u32,
    },
    Port {
        node: Atom<'a>,
        id: u64,
        creation: u32,
    },
    Reference {
        node: Atom<'a>,
        creation: u32,
        ids: &'a [u8],
    },
    /// So many free variables follow. The process that created it is not part of what a fun is.
    Fun {
        module: Atom<'a>,
        arity: u8,
        unique: &'a [u8; 16],
        index: u32,
        old_unique: i32,
        old_index: i32,
        free_variables: u32,
    },
    Export {
        module: Atom<'a>,
        function: Atom<'a>,
        arity: u8,
    },
}

/// An integer; one that fits is always `Small`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integer<'a> {
    /// One that fits.
    Small(i64),
    /// Little-endian, without zeros at the end.
    Big {
        /// Whether it is below zero.
        negative: bool,
        /// Without its sign.
        magnitude: &'a [u8],
    },
}

/// The text of an atom in either encoding.
#[derive(Clone, Copy, Debug)]
pub enum Atom<'a> {
    /// A character a byte.
    Latin1(&'a [u8]),
    /// As Rust has texts.
    Utf8(&'a str),
}

impl PartialEq for Atom<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Atom::Latin1(a), Atom::Latin1(b)) => a == b,
            (Atom::Utf8(a), Atom::Utf8(b)) => a == b,
            (Atom::Latin1(a), Atom::Utf8(b)) | (Atom::Utf8(b), Atom::Latin1(a)) => {
                a.iter().map(|byte| char::from(*byte)).eq(b.chars())
            }
        }
    }
}

impl Atom<'_> {
    /// The order of the texts, which is that of their characters.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Atom::Latin1(a), Atom::Latin1(b)) => a.cmp(b),
            (Atom::Utf8(a), Atom::Utf8(b)) => a.cmp(b),
            (Atom::Latin1(a), Atom::Utf8(b)) => a.iter().map(|byte| char::from(*byte)).cmp(b.chars()),
            (Atom::Utf8(_), Atom::Latin1(_)) => other.order(self).reverse(),
        }
    }

    /// The text if it is ASCII.
    pub(crate) fn ascii(&self) -> Option<&str> {
        match self {
            Atom::Latin1(text) if text.is_ascii() => str::from_utf8(text).ok(),
            Atom::Latin1(_) => None,
            Atom::Utf8(text) => text.is_ascii().then_some(text),
        }
    }

    /// Whether this is the atom of a text in ASCII.
    pub(crate) fn is(&self, ascii: &str) -> bool {
        match self {
            Atom::Latin1(text) => *text == ascii.as_bytes(),
            Atom::Utf8(text) => *text == ascii,
        }
    }
}

/// A bitstring: of the last byte only the upper `last_bits` (1 to 8) belong to it.
#[derive(Clone, Copy, Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    last_bits: u8,
}

impl<'a> Bits<'a> {
    /// A binary.
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Self {
        Bits { bytes, last_bits: 8 }
    }

    pub(crate) fn size_bits(&self) -> usize {
        match self.bytes.split_last() {
            Some((_, whole)) => whole.len() * 8 + usize::from(self.last_bits),
            None => 0,
        }
    }

    /// The bytes all of which belong to the bitstring.
    pub(crate) fn whole_bytes(&self) -> &'a [u8] {
        self.bytes.get(..self.size_bits() / 8).unwrap_or_default()
    }

    /// The whole bytes before the last one, the last one with the foreign bits zero, and how many bits are its own.
    pub(crate) fn parts(&self) -> (&'a [u8], Option<u8>, u8) {
        match self.bytes.split_last() {
            Some((last, whole)) => {
                (whole, Some(last & (0xFF << (8 - self.last_bits.clamp(1, 8)))), self.last_bits)
            }
            None => (&[], None, 8),
        }
    }
}

impl PartialEq for Bits<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

/// Reads heads one after the other.
#[derive(Clone, Debug)]
pub struct HeadReader<'a> {
    /// What comes next.
    pub rest: &'a [u8],
}

impl<'a> HeadReader<'a> {
    /// A reader of a complete term, which begins with the version byte.
    pub(crate) fn of_term(bytes: &'a [u8]) -> Result<Self, TermError> {
        let (version, rest) = bytes.split_first().ok_or(TermError::Truncated)?;
        if *version == VERSION { Ok(HeadReader { rest }) } else { Err(TermError::WrongVersion) }
    }

    /// Reads one byte: an element of [`Head::Characters`].
    pub(crate) fn character(&mut self) -> Result<u8, TermError> {
        self.u8()
    }

    /// Reads the next head.
    pub fn read(&mut self) -> Result<Head<'a>, TermError> {
        loop {
            if let Some(head) = self.read_unless_empty_list()? {
                return Ok(head);
            }
        }
    }

    /// `None` for a list of no elements: what it is follows, its tail.
    fn read_unless_empty_list(&mut self) -> Result<Option<Head<'a>>, TermError> {
        Ok(Some(match self.u8()? {
            97 => Head::Integer(Integer::Small(self.u8()?.into())),
            98 => Head::Integer(Integer::Small(self.i32()?.into())),
            110 => {
                let length = self.u8()?;
                self.big(length.into())?
            }
            111 => {
                let length = self.u32()?;
                self.big(length)?
            }
            70 => float(f64::from_be_bytes(self.array()?))?,
            99 => float(float_of_text(self.take(31)?).ok_or(TermError::Malformed)?)?,
            tag @ (100 | 115 | 118 | 119) => Head::Atom(self.atom_behind(tag)?),
            109 => {
                let length = self.u32()?;
                Head::Bits(Bits { bytes: self.take(length)?, last_bits: 8 })
            }
            77 => {
                let (length, last_bits) = (self.u32()?, self.u8()?);
                if last_bits > 8 || (last_bits == 0) != (length == 0) {
                    return Err(TermError::Malformed);
                }
                Head::Bits(Bits { bytes: self.take(length)?, last_bits })
            }
            106 => Head::Nil,
            107 => {
                let length = u32::from(self.u16()?);
                self.check_left(length.into())?;
                if length == 0 { Head::Nil } else { Head::Characters { length } }
            }
            108 => {
                let elements = self.u32()?;
                self.check_left(u64::from(elements) + 1)?;
                if elements == 0 {
                    return Ok(None);
                }
                Head::List { elements }
            }
            104 => {
                let arity = self.u8()?;
                self.tuple(arity.into())?
            }
            105 => {
                let arity = self.u32()?;
                self.tuple(arity)?
            }
            116 => {
                let pairs = self.u32()?;
                self.check_left(u64::from(pairs) * 2)?;
                Head::Map { pairs }
            }
            tag @ (88 | 103) => self.pid_behind(tag)?,
            tag @ (89 | 102 | 120) => {
                let node = self.atom()?;
                let id = if tag == 120 { u64::from_be_bytes(self.array()?) } else { self.u32()?.into() };
                let creation = if tag == 102 { self.u8()?.into() } else { self.u32()? };
                Head::Port { node, id, creation }
            }
            101 => {
                let node = self.atom()?;
                let ids = self.take(4)?;
                Head::Reference { node, creation: self.u8()?.into(), ids }
            }
            tag @ (90 | 114) => {
                let words = self.u16()?;
                if !(1..=REFERENCE_WORDS_MAX).contains(&words) {
                    return Err(TermError::Malformed);
                }
                let node = self.atom()?;
                let creation = if tag == 114 { self.u8()?.into() } else { self.u32()? };
                Head::Reference { node, creation, ids: self.take(u32::from(words) * 4)? }
            }
            112 => self.fun()?,
            113 => {
                let (module, function) = (self.atom()?, self.atom()?);
                match (self.u8()?, self.u8()?) {
                    (97, arity) => Head::Export { module, function, arity },
                    _ => return Err(TermError::Malformed),
                }
            }
            tag => return Err(TermError::UnsupportedTag(tag)),
        }))
    }

    fn tuple(&mut self, arity: u32) -> Result<Head<'a>, TermError> {
        self.check_left(arity.into())?;
        Ok(Head::Tuple { arity })
    }

    fn big(&mut self, length: u32) -> Result<Head<'a>, TermError> {
        let negative = match self.u8()? {
            0 => false,
            1 => true,
            _ => return Err(TermError::Malformed),
        };
        let mut magnitude = self.take(length)?;
        while let [rest @ .., 0] = magnitude {
            magnitude = rest;
        }
        // Seven bytes fit into an i64 with either sign. Longer ones stay as they are, also where they would fit:
        // what counts is that each number has one form. A `Small` of the other encodings has four bytes at most.
        if magnitude.len() > 7 {
            return Ok(Head::Integer(Integer::Big { negative, magnitude }));
        }
        let value = magnitude.iter().rev().fold(0, |value: i64, byte| value << 8 | i64::from(*byte));
        Ok(Head::Integer(Integer::Small(if negative { -value } else { value })))
    }

    fn fun(&mut self) -> Result<Head<'a>, TermError> {
        let _size_bytes = self.u32()?; // What follows tells where it ends.
        let arity = self.u8()?;
        let (unique, rest) = self.rest.split_first_chunk().ok_or(TermError::Truncated)?;
        self.rest = rest;
        let (index, free_variables) = (self.u32()?, self.u32()?);
        let module = self.atom()?;
        let (old_index, old_unique) = (self.small_integer()?, self.small_integer()?);
        let tag = self.u8()?;
        self.pid_behind(tag)?;
        self.check_left(free_variables.into())?;
        Ok(Head::Fun { module, arity, unique, index, old_unique, old_index, free_variables })
    }

    fn small_integer(&mut self) -> Result<i32, TermError> {
        match self.u8()? {
            97 => Ok(self.u8()?.into()),
            98 => Ok(self.i32()?),
            _ => Err(TermError::Malformed),
        }
    }

    fn pid_behind(&mut self, tag: u8) -> Result<Head<'a>, TermError> {
        let node = match tag {
            88 | 103 => self.atom()?,
            _ => return Err(TermError::Malformed),
        };
        let (id, serial) = (self.u32()?, self.u32()?);
        let creation = if tag == 103 { self.u8()?.into() } else { self.u32()? };
        Ok(Head::Pid { node, id, serial, creation })
    }

    fn atom(&mut self) -> Result<Atom<'a>, TermError> {
        let tag = self.u8()?;
        self.atom_behind(tag)
    }

    fn atom_behind(&mut self, tag: u8) -> Result<Atom<'a>, TermError> {
        let length = match tag {
            100 | 118 => self.u16()?,
            115 | 119 => self.u8()?.into(),
            _ => return Err(TermError::Malformed),
        };
        let text = self.take(length.into())?;
        let (atom, characters) = if matches!(tag, 100 | 115) {
            (Atom::Latin1(text), text.len())
        } else {
            let text = str::from_utf8(text).map_err(|_| TermError::Malformed)?;
            (Atom::Utf8(text), text.chars().count())
        };
        if characters > ATOM_CHARACTERS_MAX { Err(TermError::Malformed) } else { Ok(atom) }
    }

    fn check_left(&self, bytes_at_least: u64) -> Result<(), TermError> {
        if bytes_at_least <= self.rest.len() as u64 { Ok(()) } else { Err(TermError::Truncated) }
    }

    fn take(&mut self, length: u32) -> Result<&'a [u8], TermError> {
        let (taken, rest) = self.rest.split_at_checked(length as usize).ok_or(TermError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TermError> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(TermError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8, TermError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, TermError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, TermError> {
        self.array().map(u32::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, TermError> {
        self.array().map(i32::from_be_bytes)
    }
}

fn float<'a>(value: f64) -> Result<Head<'a>, TermError> {
    if value.is_finite() { Ok(Head::Float(value.to_bits())) } else { Err(TermError::Malformed) }
}

/// The number in the old text form: digits, a point, digits, an exponent, zero bytes up to 31.
fn float_of_text(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next()?;
    let is_number = text.iter().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(byte));
    if !is_number || !text.contains(&b'.') {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}
