//! A term as a sequence of tokens, in which every spelling of a term looks the same, but for the order of map pairs.
//!
//! Invariants:
//! 1. No recursion: what is open lies on a stack of at most `TERM_DEPTH_MAX` frames.
//! 2. A count is believed only as far as the bytes that are left can hold it.
//! 3. A list is a `Cons` before each element and a term for the tail; so `STRING_EXT`, and lists whose tail is spelled
//!    as one more list, look like any other list.
//! 4. `None` is returned once the term is complete and nothing follows it.

use std::str;

use super::{TERM_DEPTH_MAX, TermError, VERSION};
use crate::limits::ATOM_CHARACTERS_MAX;

/// The longest reference, in words of four bytes.
const REFERENCE_WORDS_MAX: u16 = 5;

/// A piece of a term. Terms of other terms are followed by the tokens of these.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Integer(Integer<'a>),
    /// The bits of the number: 0.0 and -0.0 differ.
    Float(u64),
    Atom(Atom<'a>),
    Bits(Bits<'a>),
    Nil,
    /// One element and one tail follow.
    Cons,
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
        unique: &'a [u8],
        index: u32,
        old_unique: Integer<'a>,
        old_index: Integer<'a>,
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
pub(crate) enum Integer<'a> {
    Small(i64),
    /// Little-endian, without zeros at the end.
    Big {
        negative: bool,
        magnitude: &'a [u8],
    },
}

/// The text of an atom in either encoding.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Atom<'a> {
    Latin1(&'a [u8]),
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

/// A bitstring: of the last byte only the upper `last_bits` (1 to 8) belong to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    last_bits: u8,
}

impl<'a> Bits<'a> {
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

impl<'a> Bits<'a> {
    /// The bytes, unless the last one is not whole.
    pub(crate) fn bytes(&self) -> Option<&'a [u8]> {
        (self.last_bits == 8).then_some(self.bytes)
    }
}

impl PartialEq for Bits<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

/// What is open: how the next terms belong together.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// So many terms follow.
    Terms { left: u32 },
    /// So many keys and values follow; a key when the number is even.
    KeysAndValues { left: u64 },
    /// So many elements follow, and then the tail; `announced` when the next element's `Cons` was returned.
    Elements { left: u32, announced: bool },
    /// So many characters follow, and then nothing.
    Characters { left: u16, announced: bool },
}

/// A reader of the tokens of one term.
#[derive(Clone, Debug)]
pub(crate) struct Tokens<'a> {
    rest: &'a [u8],
    open: Vec<Frame>,
    /// How many of the open frames are maps in whose key the reader stands.
    open_keys: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, TermError> {
        let (version, rest) = bytes.split_first().ok_or(TermError::Truncated)?;
        if *version != VERSION {
            return Err(TermError::WrongVersion);
        }
        Ok(Tokens::without_version(rest))
    }

    /// A reader of the term that the bytes begin with; there is no version byte before it.
    pub(crate) fn without_version(rest: &'a [u8]) -> Self {
        Tokens { rest, open: vec![Frame::Terms { left: 1 }], open_keys: 0 }
    }

    /// Whether the term is not complete yet.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The number of bytes not read yet.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether the next token belongs to the key of a map.
    pub(crate) fn is_in_key(&self) -> bool {
        self.open_keys > 0 || matches!(self.open.last(), Some(Frame::KeysAndValues { left }) if left % 2 == 0)
    }

    /// The next token; `None` at the end.
    pub(crate) fn next_token(&mut self) -> Result<Option<Token<'a>>, TermError> {
        loop {
            let token = match self.open.last_mut() {
                None if self.rest.is_empty() => return Ok(None),
                None => return Err(TermError::TrailingBytes),
                Some(Frame::Terms { left }) => {
                    *left = left.saturating_sub(1);
                    self.read()?
                }
                Some(Frame::KeysAndValues { left }) => {
                    *left = left.saturating_sub(1);
                    self.read()?
                }
                Some(Frame::Elements { left: 0, .. }) => {
                    // What the tail opens takes the place of the list: it does not nest.
                    self.pop();
                    self.read()?
                }
                Some(Frame::Characters { left: 0, .. }) => {
                    self.pop();
                    Some(Token::Nil)
                }
                Some(Frame::Elements { announced, .. } | Frame::Characters { announced, .. })
                    if !*announced =>
                {
                    *announced = true;
                    Some(Token::Cons)
                }
                Some(Frame::Elements { left, announced }) => {
                    (*left, *announced) = (left.saturating_sub(1), false);
                    self.read()?
                }
                Some(Frame::Characters { left, announced }) => {
                    (*left, *announced) = (left.saturating_sub(1), false);
                    Some(Token::Integer(Integer::Small(self.u8()?.into())))
                }
            };
            while let Some(Frame::Terms { left: 0 } | Frame::KeysAndValues { left: 0 }) = self.open.last() {
                self.pop();
            }
            if token.is_some() {
                return Ok(token);
            }
        }
    }

    /// Whether the innermost open frame is a map in whose key the reader stands.
    fn top_is_in_key(&self) -> bool {
        matches!(self.open.last(), Some(Frame::KeysAndValues { left }) if left % 2 == 1)
    }

    fn push(&mut self, frame: Frame) -> Result<(), TermError> {
        if self.open.len() > TERM_DEPTH_MAX {
            return Err(TermError::TooDeep);
        }
        self.open_keys += usize::from(self.top_is_in_key());
        self.open.push(frame);
        Ok(())
    }

    fn pop(&mut self) {
        self.open.pop();
        self.open_keys -= usize::from(self.top_is_in_key() && self.open_keys > 0);
    }

    /// Reads a term up to the terms within it; `None` for a list, whose tokens are those of its elements.
    fn read(&mut self) -> Result<Option<Token<'a>>, TermError> {
        Ok(Some(match self.u8()? {
            97 => Token::Integer(Integer::Small(self.u8()?.into())),
            98 => Token::Integer(Integer::Small(self.i32()?.into())),
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
            tag @ (100 | 115 | 118 | 119) => Token::Atom(self.atom_behind(tag)?),
            109 => {
                let length = self.u32()?;
                Token::Bits(Bits { bytes: self.take(length)?, last_bits: 8 })
            }
            77 => {
                let (length, last_bits) = (self.u32()?, self.u8()?);
                if last_bits > 8 || (last_bits == 0) != (length == 0) {
                    return Err(TermError::Malformed);
                }
                Token::Bits(Bits { bytes: self.take(length)?, last_bits })
            }
            106 => Token::Nil,
            107 => {
                let left = self.u16()?;
                self.check_left(left.into())?;
                self.push(Frame::Characters { left, announced: false })?;
                return Ok(None);
            }
            108 => {
                let left = self.u32()?;
                self.check_left(u64::from(left) + 1)?;
                self.push(Frame::Elements { left, announced: false })?;
                return Ok(None);
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
                self.push(Frame::KeysAndValues { left: u64::from(pairs) * 2 })?;
                Token::Map { pairs }
            }
            tag @ (88 | 103) => self.pid_behind(tag)?,
            tag @ (89 | 102 | 120) => {
                let node = self.atom()?;
                let id = if tag == 120 { u64::from_be_bytes(self.array()?) } else { self.u32()?.into() };
                let creation = if tag == 102 { self.u8()?.into() } else { self.u32()? };
                Token::Port { node, id, creation }
            }
            101 => {
                let node = self.atom()?;
                let ids = self.take(4)?;
                Token::Reference { node, creation: self.u8()?.into(), ids }
            }
            tag @ (90 | 114) => {
                let words = self.u16()?;
                if !(1..=REFERENCE_WORDS_MAX).contains(&words) {
                    return Err(TermError::Malformed);
                }
                let node = self.atom()?;
                let creation = if tag == 114 { self.u8()?.into() } else { self.u32()? };
                Token::Reference { node, creation, ids: self.take(u32::from(words) * 4)? }
            }
            112 => self.fun()?,
            113 => {
                let (module, function) = (self.atom()?, self.atom()?);
                match (self.u8()?, self.u8()?) {
                    (97, arity) => Token::Export { module, function, arity },
                    _ => return Err(TermError::Malformed),
                }
            }
            tag => return Err(TermError::UnsupportedTag(tag)),
        }))
    }

    fn tuple(&mut self, arity: u32) -> Result<Token<'a>, TermError> {
        self.check_left(arity.into())?;
        self.push(Frame::Terms { left: arity })?;
        Ok(Token::Tuple { arity })
    }

    fn big(&mut self, length: u32) -> Result<Token<'a>, TermError> {
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
            return Ok(Token::Integer(Integer::Big { negative, magnitude }));
        }
        let value = magnitude.iter().rev().fold(0, |value: i64, byte| value << 8 | i64::from(*byte));
        Ok(Token::Integer(Integer::Small(if negative { -value } else { value })))
    }

    fn fun(&mut self) -> Result<Token<'a>, TermError> {
        let _size_bytes = self.u32()?; // What follows tells where it ends.
        let arity = self.u8()?;
        let unique = self.take(16)?;
        let (index, free_variables) = (self.u32()?, self.u32()?);
        let module = self.atom()?;
        let (old_index, old_unique) = (self.small_integer()?, self.small_integer()?);
        let tag = self.u8()?;
        self.pid_behind(tag)?;
        self.check_left(free_variables.into())?;
        self.push(Frame::Terms { left: free_variables })?;
        Ok(Token::Fun { module, arity, unique, index, old_unique, old_index, free_variables })
    }

    fn small_integer(&mut self) -> Result<Integer<'a>, TermError> {
        match self.u8()? {
            97 => Ok(Integer::Small(self.u8()?.into())),
            98 => Ok(Integer::Small(self.i32()?.into())),
            _ => Err(TermError::Malformed),
        }
    }

    fn pid_behind(&mut self, tag: u8) -> Result<Token<'a>, TermError> {
        let node = match tag {
            88 | 103 => self.atom()?,
            _ => return Err(TermError::Malformed),
        };
        let (id, serial) = (self.u32()?, self.u32()?);
        let creation = if tag == 103 { self.u8()?.into() } else { self.u32()? };
        Ok(Token::Pid { node, id, serial, creation })
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

fn float<'a>(value: f64) -> Result<Token<'a>, TermError> {
    if value.is_finite() { Ok(Token::Float(value.to_bits())) } else { Err(TermError::Malformed) }
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
