//! One spelling for each term: two terms are the same if and only if their canonical bytes are equal.
//!
//! Invariants:
//! 1. Every token is written with its kind first and so that its end is known: different sequences of tokens differ.
//! 2. The order of the bytes is the order that Erlang gives the keys of a map: the order of terms, but that each
//!    integer comes before each float. (-0.0 comes before 0.0, and of funs that Erlang takes for equal although they
//!    are not the same, one comes first.)
//! 3. Of a map come first all keys, sorted, and then their values; a key twice is an error.
//! 4. The bytes are at most a few times as long as those of the term. No recursion.

use super::TermError;
use super::head::{Atom, Head, HeadReader, Integer, REFERENCE_WORDS_MAX};
use super::tokens::{Token, Tokens};

/// Writing canonical bytes takes about as long as copying so many times as many.
pub(crate) const CANONICAL_COST: usize = 8;

/// The canonical bytes of a term, version byte included.
pub(super) fn canonical(bytes: &[u8]) -> Result<Vec<u8>, TermError> {
    canonical_part(HeadReader::of_term(bytes)?.rest)
}

/// The canonical bytes of a term that is given without the version byte.
pub(crate) fn canonical_part(bytes: &[u8]) -> Result<Vec<u8>, TermError> {
    let mut writer = Writer { out: Vec::with_capacity(bytes.len()), open: Vec::new(), keys_only: false };
    writer.write(Tokens::from(HeadReader { rest: bytes }))?;
    Ok(writer.out)
}

/// Whether no map in the term has a key twice. Only keys are written, and only while their map is open.
pub(super) fn check_keys(bytes: &[u8]) -> Result<(), TermError> {
    Writer { out: Vec::new(), open: Vec::new(), keys_only: true }.write(Tokens::new(bytes)?)
}

/// A term of terms that is not complete yet.
#[derive(Debug)]
enum Frame {
    /// So many terms follow.
    Terms { left: u32 },
    /// The element of a list follows; the tail takes the place of the whole, so that lists do not nest.
    Element,
    /// So many keys and values belong here, and so many of them are complete.
    Map { count: usize, complete: usize, pairs: Vec<Pair>, first: usize, in_key: bool },
}

/// Where a pair begins in the output, and how long its key is.
#[derive(Clone, Copy, Debug)]
struct Pair {
    start: u32,
    key_length: u32,
}

struct Writer {
    out: Vec<u8>,
    open: Vec<Frame>,
    keys_only: bool,
}

impl Writer {
    fn write(&mut self, mut tokens: Tokens<'_>) -> Result<(), TermError> {
        loop {
            let in_key = tokens.is_in_key();
            let Some(token) = tokens.next_token()? else { return Ok(()) };
            self.begin_pair()?;
            if in_key || !self.keys_only {
                put_token(&mut self.out, &token);
            }
            match token {
                Token::Head(
                    Head::Tuple { arity: left @ 1.. } | Head::Fun { free_variables: left @ 1.., .. },
                ) => {
                    self.open.push(Frame::Terms { left });
                }
                Token::Cons => self.open.push(Frame::Element),
                Token::Head(Head::Map { pairs: count @ 1.. }) => {
                    let (count, first) = (count as usize * 2, self.out.len());
                    self.open.push(Frame::Map { count, complete: 0, pairs: Vec::new(), first, in_key });
                }
                _ => self.complete()?,
            }
        }
    }

    /// Notes the position if a key of the innermost map begins. (A list that is a key has several tokens at the
    /// level of the map.)
    fn begin_pair(&mut self) -> Result<(), TermError> {
        if let Some(Frame::Map { complete, pairs, .. }) = self.open.last_mut()
            && *complete == pairs.len() * 2
        {
            pairs.push(Pair { start: position(&self.out)?, key_length: 0 });
        }
        Ok(())
    }

    /// A term is complete, and with it perhaps the terms around it.
    fn complete(&mut self) -> Result<(), TermError> {
        while let Some(frame) = self.open.last_mut() {
            match frame {
                Frame::Element => {
                    self.open.pop();
                    return Ok(());
                }
                Frame::Terms { left } => {
                    *left = left.saturating_sub(1);
                    if *left > 0 {
                        return Ok(());
                    }
                    self.open.pop();
                }
                Frame::Map { count, complete, pairs, first, in_key } => {
                    *complete += 1;
                    if let (1, Some(pair)) = (*complete % 2, pairs.last_mut()) {
                        pair.key_length = position(&self.out)?.saturating_sub(pair.start);
                    }
                    if *complete < *count {
                        return Ok(());
                    }
                    let (pairs, first) = (std::mem::take(pairs), *first);
                    let only_check = self.keys_only && !*in_key;
                    self.open.pop();
                    sort_pairs(&mut self.out, pairs, first)?;
                    if only_check {
                        self.out.truncate(first);
                    }
                }
            }
        }
        Ok(())
    }
}

fn position(out: &[u8]) -> Result<u32, TermError> {
    u32::try_from(out.len()).map_err(|_| TermError::Malformed)
}

/// Sorts the pairs, which are all that is in `out` from `first` on: the keys, and behind them the values.
fn sort_pairs(out: &mut Vec<u8>, mut pairs: Vec<Pair>, first: usize) -> Result<(), TermError> {
    let unsorted = out.split_off(first);
    let slice = |start: usize, length: usize| {
        unsorted.get(start..).and_then(|bytes| bytes.get(..length)).unwrap_or_default()
    };
    let start_of = |pair: &Pair| (pair.start as usize).saturating_sub(first);
    let key_of = |pair: &Pair| slice(start_of(pair), pair.key_length as usize);
    // The end of each pair is the start of the next; looked up before the order is lost.
    let mut ends: Vec<u32> = pairs.iter().skip(1).map(|pair| pair.start).collect();
    ends.push(u32::try_from(first + unsorted.len()).map_err(|_| TermError::Malformed)?);
    let mut order: Vec<(Pair, u32)> = pairs.drain(..).zip(ends).collect();
    order.sort_unstable_by(|a, b| key_of(&a.0).cmp(key_of(&b.0)));
    if !order.is_sorted_by(|a, b| key_of(&a.0) < key_of(&b.0)) {
        return Err(TermError::DuplicateKey);
    }
    for (pair, _) in &order {
        out.extend_from_slice(key_of(pair));
    }
    for (pair, end) in &order {
        let length = end.saturating_sub(pair.start).saturating_sub(pair.key_length) as usize;
        out.extend_from_slice(slice(start_of(pair).saturating_add(pair.key_length as usize), length));
    }
    Ok(())
}

/// What kind of token follows, in the order of the kinds. The kind of an integer tells its sign and length too: it lies
/// around `ZERO`.
mod kind {
    pub(super) const ZERO: u8 = 0x20;
    pub(super) const FLOAT: u8 = 0x30;
    pub(super) const ATOM: u8 = 0x31;
    pub(super) const REFERENCE: u8 = 0x32;
    pub(super) const FUN: u8 = 0x33;
    pub(super) const EXPORT: u8 = 0x34;
    pub(super) const PORT: u8 = 0x35;
    pub(super) const PID: u8 = 0x36;
    pub(super) const TUPLE: u8 = 0x37;
    pub(super) const MAP: u8 = 0x38;
    pub(super) const NIL: u8 = 0x39;
    pub(super) const CONS: u8 = 0x3A;
    pub(super) const BITS: u8 = 0x3B;
}

/// An integer of so many bytes has its length in its kind.
const SHORT_INTEGER_BYTES_MAX: u8 = 8;

fn put_token(out: &mut Vec<u8>, token: &Token<'_>) {
    match token {
        Token::Cons => out.push(kind::CONS),
        Token::Head(head) => put_head(out, head),
    }
}

fn put_head(out: &mut Vec<u8>, head: &Head<'_>) {
    match head {
        Head::Integer(integer) => put_integer(out, integer),
        Head::Float(bits) => {
            out.push(kind::FLOAT);
            let is_negative = bits >> 63 == 1;
            out.extend((if is_negative { !bits } else { bits | 1 << 63 }).to_be_bytes());
        }
        Head::Atom(atom) => {
            out.push(kind::ATOM);
            put_atom(out, atom);
        }
        Head::Bits(bits) => {
            let (whole, last, last_bits) = bits.parts();
            out.push(kind::BITS);
            put_bytes(out, whole.iter().copied().chain(last));
            out.push(last_bits);
        }
        Head::Nil => out.push(kind::NIL),
        // As tokens, lists are `Cons`.
        Head::List { .. } | Head::Characters { .. } => {}
        Head::Tuple { arity } => {
            out.push(kind::TUPLE);
            out.extend(arity.to_be_bytes());
        }
        Head::Map { pairs } => {
            out.push(kind::MAP);
            out.extend(pairs.to_be_bytes());
        }
        Head::Pid { node, id, serial, creation } => {
            out.push(kind::PID);
            out.extend(serial.to_be_bytes());
            out.extend(id.to_be_bytes());
            put_atom(out, node);
            out.extend(creation.to_be_bytes());
        }
        Head::Port { node, id, creation } => {
            out.push(kind::PORT);
            put_atom(out, node);
            out.extend(creation.to_be_bytes());
            out.extend(id.to_be_bytes());
        }
        Head::Reference { node, creation, ids } => {
            out.push(kind::REFERENCE);
            put_atom(out, node);
            out.extend(creation.to_be_bytes());
            // The last word counts most, and one that is missing is zero.
            let words = (ids.len() / 4) as u16;
            out.resize(out.len() + usize::from(REFERENCE_WORDS_MAX.saturating_sub(words)) * 4, 0);
            ids.rchunks_exact(4).for_each(|word| out.extend(word));
            out.push(words as u8);
        }
        Head::Fun { module, arity, unique, index, old_unique, old_index, free_variables } => {
            out.push(kind::FUN);
            put_atom(out, module);
            out.extend(index.to_be_bytes());
            put_signed(out, *old_unique);
            out.extend(free_variables.to_be_bytes());
            out.extend(*unique);
            put_signed(out, *old_index);
            out.push(*arity);
        }
        Head::Export { module, function, arity } => {
            out.push(kind::EXPORT);
            put_atom(out, module);
            put_atom(out, function);
            out.push(*arity);
        }
    }
}

/// First what tells the sign and the length, and then the magnitude; all of it inverted if the number is negative.
fn put_integer(out: &mut Vec<u8>, integer: &Integer<'_>) {
    let small;
    let (is_negative, magnitude) = match integer {
        Integer::Small(value) => {
            small = value.unsigned_abs().to_le_bytes();
            let length = small.len() - value.unsigned_abs().leading_zeros() as usize / 8;
            (*value < 0, small.get(..length).unwrap_or_default())
        }
        Integer::Big { negative, magnitude } => (*negative, *magnitude),
    };
    let inverted = if is_negative { 0xFF } else { 0 };
    let short_length = u8::try_from(magnitude.len()).ok().filter(|length| *length <= SHORT_INTEGER_BYTES_MAX);
    let length = short_length.unwrap_or(SHORT_INTEGER_BYTES_MAX + 1);
    out.push(if is_negative { kind::ZERO - length } else { kind::ZERO + length });
    if short_length.is_none() {
        // Lengths come from fields of four bytes.
        out.extend((magnitude.len() as u32).to_be_bytes().map(|byte| byte ^ inverted));
    }
    out.extend(magnitude.iter().rev().map(|byte| byte ^ inverted));
}

/// Four bytes in the order of the numbers.
fn put_signed(out: &mut Vec<u8>, value: i32) {
    out.extend((value ^ i32::MIN).to_be_bytes());
}

fn put_atom(out: &mut Vec<u8>, atom: &Atom<'_>) {
    match atom {
        Atom::Utf8(text) => put_bytes(out, text.bytes()),
        Atom::Latin1(text) => {
            let text: String = text.iter().map(|byte| char::from(*byte)).collect();
            put_bytes(out, text.bytes());
        }
    }
}

/// The bytes and two zeros that end them; a zero among them is followed by another byte.
fn put_bytes(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>) {
    for byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend([0, 0]);
}
