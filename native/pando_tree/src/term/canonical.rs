//! One spelling for each term: two terms are the same if and only if their canonical bytes are equal.
//!
//! Invariants:
//! 1. Every token is written with its kind first and its length known, so different sequences of tokens differ.
//! 2. The pairs of a map are sorted by the canonical bytes of their keys; a key twice is an error.
//! 3. The bytes are at most a few times as long as those of the term. No recursion.

use super::TermError;
use super::tokens::{Atom, Integer, Token, Tokens};

/// The canonical bytes of a term.
pub(super) fn canonical(bytes: &[u8]) -> Result<Vec<u8>, TermError> {
    let mut writer = Writer { out: Vec::with_capacity(bytes.len()), open: Vec::new(), keys_only: false };
    writer.write(bytes)?;
    Ok(writer.out)
}

/// Whether no map in the term has a key twice. Only keys are written, and only while their map is open.
pub(super) fn check_keys(bytes: &[u8]) -> Result<(), TermError> {
    Writer { out: Vec::new(), open: Vec::new(), keys_only: true }.write(bytes)
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
    fn write(&mut self, bytes: &[u8]) -> Result<(), TermError> {
        let mut tokens = Tokens::new(bytes)?;
        loop {
            let in_key = tokens.is_in_key();
            let Some(token) = tokens.next_token()? else { return Ok(()) };
            self.begin_pair()?;
            if in_key || !self.keys_only {
                put_token(&mut self.out, &token);
            }
            match token {
                Token::Tuple { arity: left @ 1.. } | Token::Fun { free_variables: left @ 1.., .. } => {
                    self.open.push(Frame::Terms { left });
                }
                Token::Cons => self.open.push(Frame::Element),
                Token::Map { pairs: count @ 1.. } => {
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

/// Sorts the pairs, which are all that is in `out` from `first` on.
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
    for (pair, end) in &order {
        out.extend_from_slice(slice(start_of(pair), end.saturating_sub(pair.start) as usize));
    }
    Ok(())
}

fn put_token(out: &mut Vec<u8>, token: &Token<'_>) {
    match token {
        Token::Integer(integer) => put_integer(out, integer),
        Token::Float(bits) => {
            out.push(b'f');
            out.extend(bits.to_be_bytes());
        }
        Token::Atom(atom) => put_atom(out, atom),
        Token::Bits(bits) => {
            let (whole, last, last_bits) = bits.parts();
            out.extend([b's', last_bits]);
            put_bytes(out, whole);
            out.extend(last);
        }
        Token::Nil => out.push(b'n'),
        Token::Cons => out.push(b'c'),
        Token::Tuple { arity } => {
            out.push(b't');
            out.extend(arity.to_be_bytes());
        }
        Token::Map { pairs } => {
            out.push(b'm');
            out.extend(pairs.to_be_bytes());
        }
        Token::Pid { node, id, serial, creation } => {
            out.push(b'p');
            put_atom(out, node);
            [id, serial, creation].iter().for_each(|part| out.extend(part.to_be_bytes()));
        }
        Token::Port { node, id, creation } => {
            out.push(b'o');
            put_atom(out, node);
            out.extend(id.to_be_bytes());
            out.extend(creation.to_be_bytes());
        }
        Token::Reference { node, creation, ids } => {
            out.push(b'r');
            put_atom(out, node);
            out.extend(creation.to_be_bytes());
            put_bytes(out, ids);
        }
        Token::Fun { module, arity, unique, index, old_unique, old_index, free_variables } => {
            out.extend([b'u', *arity]);
            put_atom(out, module);
            put_bytes(out, unique);
            out.extend(index.to_be_bytes());
            put_integer(out, old_unique);
            put_integer(out, old_index);
            out.extend(free_variables.to_be_bytes());
        }
        Token::Export { module, function, arity } => {
            out.extend([b'e', *arity]);
            put_atom(out, module);
            put_atom(out, function);
        }
    }
}

fn put_integer(out: &mut Vec<u8>, integer: &Integer<'_>) {
    match integer {
        Integer::Small(value) => match u8::try_from(*value) {
            // Text is often a list of these.
            Ok(byte) => out.extend([b'b', byte]),
            Err(_) => {
                out.push(b'i');
                out.extend(value.to_be_bytes());
            }
        },
        Integer::Big { negative, magnitude } => {
            out.extend([b'I', u8::from(*negative)]);
            put_bytes(out, magnitude);
        }
    }
}

fn put_atom(out: &mut Vec<u8>, atom: &Atom<'_>) {
    out.push(b'a');
    match atom {
        Atom::Utf8(text) => put_bytes(out, text.as_bytes()),
        Atom::Latin1(text) => {
            let text: String = text.iter().map(|byte| char::from(*byte)).collect();
            put_bytes(out, text.as_bytes());
        }
    }
}

/// The length, then the bytes.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Lengths come from fields of four bytes; an atom in UTF-8 is at most 1020 bytes long.
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}
