//! One term, and looking at it.

use pando_tree::term::{AtomText, Head, HeadReader, Integer, skip_one, term_body};

use crate::binary::OwnedBinary;
use crate::write::{VERSION, write};
use crate::{Atom, Decoder, Encoder, Env, Error, NifResult};

/// Bytes of an atom: 255 characters of at most four.
const ATOM_SIZE_BYTES_MAX: usize = 1_020;

/// See the module. As small as two pointers and a few words, and so copied freely.
#[derive(Clone, Copy)]
pub struct Term<'a> {
    env: Env<'a>,
    shape: Shape<'a>,
}

/// What a term is.
#[derive(Clone, Copy)]
pub(crate) enum Shape<'a> {
    /// As it came in, without the version byte.
    External(&'a [u8]),
    /// What is left of a list that came in: so many elements, at least one, then the tail.
    Cells {
        bytes: &'a [u8],
        count: u32,
    },
    /// What is left of a list of small numbers that came in: at least one.
    Characters(&'a [u8]),
    Atom(Atom),
    Signed(i64),
    Unsigned(u64),
    Binary(&'a [u8]),
    Tuple(&'a [Term<'a>]),
    Nil,
    /// A proper list, not empty.
    List(&'a [Term<'a>]),
    Cons(&'a (Term<'a>, Term<'a>)),
    Map(&'a [(Term<'a>, Term<'a>)]),
}

impl<'a> Term<'a> {
    pub(crate) fn new(env: Env<'a>, shape: Shape<'a>) -> Term<'a> {
        Term { env, shape }
    }

    pub(crate) fn of_atom(env: Env<'a>, atom: Atom) -> Term<'a> {
        Term::new(env, Shape::Atom(atom))
    }

    pub(crate) fn shape(&self) -> Shape<'a> {
        self.shape
    }

    /// Where it lives.
    pub fn get_env(&self) -> Env<'a> {
        self.env
    }

    /// What it begins with, if it came in.
    pub(crate) fn head(&self) -> Option<Head<'a>> {
        match self.shape {
            Shape::External(bytes) => HeadReader { rest: bytes }.read().ok(),
            _ => None,
        }
    }

    /// What it is in Rust.
    pub fn decode<T: Decoder<'a>>(self) -> NifResult<T> {
        T::decode(self)
    }

    /// It in the external format, with the version byte.
    pub fn to_binary(self) -> OwnedBinary {
        let mut bytes = vec![VERSION];
        write(self, &mut bytes);
        OwnedBinary::of(bytes)
    }

    /// The same term in another heap.
    pub fn in_env<'b>(&self, env: Env<'b>) -> Term<'b> {
        let external = self.to_binary();
        let bytes = env.bytes(external.as_slice().get(1..).unwrap_or_default());
        Term::new(env, Shape::External(bytes))
    }

    /// The term of bytes in the external format without the version byte, known to be one.
    pub(crate) fn of_external(env: Env<'a>, bytes: &[u8]) -> Term<'a> {
        Term::new(env, Shape::External(env.bytes(bytes)))
    }

    /// An atom of any length; what is too long for one is cut off.
    pub fn of_atom_text(env: Env<'a>, text: &str) -> Term<'a> {
        let text = text.get(..text.floor_char_boundary(ATOM_SIZE_BYTES_MAX)).unwrap_or_default();
        let size = u16::try_from(text.len()).unwrap_or_default().to_be_bytes();
        Term::of_external(env, &[&[118], size.as_slice(), text.as_bytes()].concat())
    }

    /// The term of stored bytes, version byte included; `None` if they are none.
    pub fn of_stored(env: Env<'a>, bytes: &[u8]) -> Option<Term<'a>> {
        let body = term_body(bytes).ok()?;
        matches!(skip_one(body), Ok([])).then(|| Term::of_external(env, body))
    }

    /// The text of an atom in UTF-8, where it has that form; see [`Term::latin1_atom`].
    pub fn utf8_atom(&self) -> Option<&'a str> {
        match self.head() {
            Some(Head::Atom(AtomText::Utf8(text))) => Some(text),
            _ => None,
        }
    }

    /// The text of an atom that came in the old encoding.
    pub fn latin1_atom(&self) -> Option<&'a [u8]> {
        match self.head() {
            Some(Head::Atom(AtomText::Latin1(text))) => Some(text),
            _ => None,
        }
    }

    /// Whether it is an atom.
    pub fn is_atom(&self) -> bool {
        matches!(self.shape, Shape::Atom(_)) || matches!(self.head(), Some(Head::Atom(_)))
    }

    /// Whether it is a reference.
    pub fn is_ref(&self) -> bool {
        matches!(self.head(), Some(Head::Reference { .. }))
    }

    /// Whether it is a pid.
    pub fn is_pid(&self) -> bool {
        matches!(self.head(), Some(Head::Pid { .. }))
    }

    /// Whether it is a float.
    pub fn is_float(&self) -> bool {
        matches!(self.head(), Some(Head::Float(_)))
    }

    /// Whether it is a tuple.
    pub fn is_tuple(&self) -> bool {
        matches!(self.shape, Shape::Tuple(_)) || matches!(self.head(), Some(Head::Tuple { .. }))
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        matches!(self.shape, Shape::Map(_)) || matches!(self.head(), Some(Head::Map { .. }))
    }

    /// Whether it is `[]`.
    pub fn is_empty_list(&self) -> bool {
        matches!(self.shape, Shape::Nil) || matches!(self.head(), Some(Head::Nil))
    }

    pub(crate) fn integer(&self) -> Option<i128> {
        match self.shape {
            Shape::Signed(number) => Some(number.into()),
            Shape::Unsigned(number) => Some(number.into()),
            _ => match self.head()? {
                Head::Integer(Integer::Small(number)) => Some(number.into()),
                Head::Integer(Integer::Big { negative, magnitude }) if magnitude.len() <= 8 => {
                    let value =
                        magnitude.iter().rev().fold(0i128, |value, byte| value << 8 | i128::from(*byte));
                    Some(if negative { -value } else { value })
                }
                _ => None,
            },
        }
    }

    pub(crate) fn atom(&self) -> Option<Atom> {
        if let Shape::Atom(atom) = self.shape {
            return Some(atom);
        }
        let text = match self.head()? {
            Head::Atom(AtomText::Utf8(text)) => text.as_bytes(),
            Head::Atom(AtomText::Latin1(text)) if text.is_ascii() => text,
            _ => return None,
        };
        Atom::from_utf8_bytes(self.env, text).ok()
    }

    pub(crate) fn binary(&self) -> Option<&'a [u8]> {
        match self.shape {
            Shape::Binary(bytes) => Some(bytes),
            Shape::External([109, _, _, _, _, bytes @ ..]) => Some(bytes),
            _ => None,
        }
    }

    /// The first element and the rest of a list that is not empty.
    pub fn list_get_cell(self) -> NifResult<(Term<'a>, Term<'a>)> {
        let term = |shape| Term::new(self.env, shape);
        match self.shape {
            Shape::Cons(cell) => Ok(*cell),
            Shape::List([first, rest @ ..]) => {
                Ok((*first, term(if rest.is_empty() { Shape::Nil } else { Shape::List(rest) })))
            }
            Shape::Cells { bytes, count } => self.first_cell(bytes, count),
            Shape::Characters(bytes) => self.first_character(bytes),
            Shape::External(bytes) => {
                let mut reader = HeadReader { rest: bytes };
                match reader.read() {
                    Ok(Head::List { elements }) => self.first_cell(reader.rest, elements),
                    Ok(Head::Characters { length }) => {
                        self.first_character(reader.rest.get(..length as usize).unwrap_or_default())
                    }
                    _ => Err(Error::BadArg),
                }
            }
            _ => Err(Error::BadArg),
        }
    }

    fn first_cell(self, bytes: &'a [u8], count: u32) -> NifResult<(Term<'a>, Term<'a>)> {
        let (first, rest) = split_one(bytes)?;
        let rest = match count.saturating_sub(1) {
            0 => Shape::External(rest_as_one(rest)?),
            count => Shape::Cells { bytes: rest, count },
        };
        Ok((Term::new(self.env, Shape::External(first)), Term::new(self.env, rest)))
    }

    fn first_character(self, bytes: &'a [u8]) -> NifResult<(Term<'a>, Term<'a>)> {
        let (first, rest) = bytes.split_first().ok_or(Error::BadArg)?;
        let rest = if rest.is_empty() { Shape::Nil } else { Shape::Characters(rest) };
        Ok((Term::new(self.env, Shape::Signed((*first).into())), Term::new(self.env, rest)))
    }

    /// A list of this element and then this list.
    pub fn list_prepend(self, element: impl Encoder<'a>) -> Term<'a> {
        let cell = (element.encode(self.env), self);
        Term::new(self.env, Shape::Cons(self.env.heap.bump().alloc(cell)))
    }

    /// `[]`
    pub fn list_new_empty(env: Env<'a>) -> Term<'a> {
        Term::new(env, Shape::Nil)
    }

    /// `#{}`
    pub fn map_new(env: Env<'a>) -> Term<'a> {
        Term::new(env, Shape::Map(&[]))
    }

    /// A map of these pairs. Unlike rustler it does not look whether the keys are distinct, which who calls knows.
    pub fn map_from_pairs(
        env: Env<'a>,
        pairs: &[(impl Encoder<'a>, impl Encoder<'a>)],
    ) -> NifResult<Term<'a>> {
        let pairs = pairs.iter().map(|(key, value)| (key.encode(env), value.encode(env)));
        let pairs: Vec<(Term<'a>, Term<'a>)> = pairs.collect();
        Ok(Term::new(env, Shape::Map(env.heap.bump().alloc_slice_copy(&pairs))))
    }

    /// The same of as many keys as values.
    pub fn map_from_term_arrays(
        env: Env<'a>,
        keys: &[impl Encoder<'a>],
        values: &[impl Encoder<'a>],
    ) -> NifResult<Term<'a>> {
        if keys.len() != values.len() {
            return Err(Error::BadArg);
        }
        let pairs = keys.iter().zip(values).map(|(key, value)| (key.encode(env), value.encode(env)));
        let pairs: Vec<(Term<'a>, Term<'a>)> = pairs.collect();
        Ok(Term::new(env, Shape::Map(env.heap.bump().alloc_slice_copy(&pairs))))
    }

    /// The value of a key that is an atom.
    pub fn map_get(self, key: Atom) -> NifResult<Term<'a>> {
        let mut pairs = MapIterator::new(self).ok_or(Error::BadArg)?;
        pairs.find(|(found, _)| found.atom() == Some(key)).map(|(_, value)| value).ok_or(Error::BadArg)
    }
}

/// The bytes of the first term, and those behind it.
fn split_one(bytes: &[u8]) -> NifResult<(&[u8], &[u8])> {
    let rest = skip_one(bytes).map_err(|_| Error::BadArg)?;
    bytes.split_at_checked(bytes.len() - rest.len()).ok_or(Error::BadArg)
}

/// The bytes of the one term that these begin with.
fn rest_as_one(bytes: &[u8]) -> NifResult<&[u8]> {
    split_one(bytes).map(|(one, _)| one)
}

/// The elements of a tuple.
pub fn tuple_elements(term: Term<'_>) -> NifResult<Vec<Term<'_>>> {
    match term.shape {
        Shape::Tuple(elements) => Ok(elements.to_vec()),
        Shape::External(bytes) => {
            let mut reader = HeadReader { rest: bytes };
            let Ok(Head::Tuple { arity }) = reader.read() else { return Err(Error::BadArg) };
            let mut rest = reader.rest;
            let mut elements = Vec::new();
            for _ in 0..arity {
                let (element, after) = split_one(rest)?;
                elements.push(Term::new(term.env, Shape::External(element)));
                rest = after;
            }
            Ok(elements)
        }
        _ => Err(Error::BadArg),
    }
}

/// The pairs of a map.
pub struct MapIterator<'a> {
    env: Env<'a>,
    pairs: Pairs<'a>,
}

enum Pairs<'a> {
    Made(std::slice::Iter<'a, (Term<'a>, Term<'a>)>),
    External { bytes: &'a [u8], count: u32 },
}

impl<'a> MapIterator<'a> {
    /// `None` if it is no map.
    pub fn new(term: Term<'a>) -> Option<MapIterator<'a>> {
        let pairs = match term.shape {
            Shape::Map(pairs) => Pairs::Made(pairs.iter()),
            Shape::External(bytes) => {
                let mut reader = HeadReader { rest: bytes };
                let Ok(Head::Map { pairs }) = reader.read() else { return None };
                Pairs::External { bytes: reader.rest, count: pairs }
            }
            _ => return None,
        };
        Some(MapIterator { env: term.env, pairs })
    }
}

impl<'a> Iterator for MapIterator<'a> {
    type Item = (Term<'a>, Term<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.pairs {
            Pairs::Made(pairs) => pairs.next().copied(),
            Pairs::External { bytes, count } => {
                *count = count.checked_sub(1)?;
                let (key, rest) = split_one(bytes).ok()?;
                let (value, rest) = split_one(rest).ok()?;
                *bytes = rest;
                let term = |bytes| Term::new(self.env, Shape::External(bytes));
                Some((term(key), term(value)))
            }
        }
    }
}
