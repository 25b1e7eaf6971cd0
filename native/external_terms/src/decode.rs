//! What terms are in Rust.

use crate::{Atom, Binary, Error, NifResult, Term, tuple_elements};

/// See the module.
pub trait Decoder<'a>: Sized {
    /// The value; an error if the term is something else.
    fn decode(term: Term<'a>) -> NifResult<Self>;
}

impl<'a> Decoder<'a> for Term<'a> {
    fn decode(term: Term<'a>) -> NifResult<Term<'a>> {
        Ok(term)
    }
}

/// Only atoms that could be words of a call (see [`Atom`]).
impl Decoder<'_> for Atom {
    fn decode(term: Term<'_>) -> NifResult<Atom> {
        term.atom().ok_or(Error::BadArg)
    }
}

impl Decoder<'_> for bool {
    fn decode(term: Term<'_>) -> NifResult<bool> {
        match term.atom() {
            Some(atom) if atom == Atom::of("true") => Ok(true),
            Some(atom) if atom == Atom::of("false") => Ok(false),
            _ => Err(Error::BadArg),
        }
    }
}

impl<'a> Decoder<'a> for &'a str {
    fn decode(term: Term<'a>) -> NifResult<&'a str> {
        std::str::from_utf8(term.binary().ok_or(Error::BadArg)?).map_err(|_| Error::BadArg)
    }
}

impl Decoder<'_> for String {
    fn decode(term: Term<'_>) -> NifResult<String> {
        term.decode::<&str>().map(str::to_owned)
    }
}

impl<'a> Decoder<'a> for Binary<'a> {
    fn decode(term: Term<'a>) -> NifResult<Binary<'a>> {
        Binary::from_term(term)
    }
}

impl<'a, T: Decoder<'a>> Decoder<'a> for Vec<T> {
    fn decode(term: Term<'a>) -> NifResult<Vec<T>> {
        let mut elements = Vec::new();
        let mut rest = term;
        while let Ok((element, after)) = rest.list_get_cell() {
            elements.push(element.decode()?);
            rest = after;
        }
        if rest.is_empty_list() { Ok(elements) } else { Err(Error::BadArg) }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl Decoder<'_> for $type {
            fn decode(term: Term<'_>) -> NifResult<$type> {
                term.integer().and_then(|number| number.try_into().ok()).ok_or(Error::BadArg)
            }
        })*
    };
}

integers!(u16, u64, i64, usize);

macro_rules! tuples {
    ($($name:ident),*) => {
        impl<'a, $($name: Decoder<'a>),*> Decoder<'a> for ($($name,)*) {
            #[allow(non_snake_case, reason = "the variables are named after their types")]
            fn decode(term: Term<'a>) -> NifResult<Self> {
                match tuple_elements(term)?.as_slice() {
                    [$($name),*] => Ok(($($name.decode()?,)*)),
                    _ => Err(Error::BadArg),
                }
            }
        }
    };
}

tuples!(A, B);
tuples!(A, B, C);
tuples!(A, B, C, D);
tuples!(A, B, C, D, E);
tuples!(A, B, C, D, E, F, G);
