//! Atoms.

use crate::{Env, Error, NifResult, Term};

/// Bytes of an atom that is a word of a call. Names are longer, and are not looked at as atoms.
const TEXT_SIZE_BYTES_MAX: usize = 31;

/// An atom of at most 31 bytes, by its text: there is no table of atoms that data could fill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Atom {
    text: [u8; TEXT_SIZE_BYTES_MAX],
    size_bytes: u8,
}

impl Atom {
    /// One that the source names. A longer text is cut off; [`atoms!`](crate::atoms) does not compile with one.
    pub const fn of(text: &str) -> Atom {
        let source = text.as_bytes();
        let mut atom = Atom { text: [0; TEXT_SIZE_BYTES_MAX], size_bytes: 0 };
        let mut rest = source;
        let mut index = 0;
        while let [byte, after @ ..] = rest {
            if index == TEXT_SIZE_BYTES_MAX {
                break;
            }
            if let Some((_, free)) = atom.text.split_at_mut_checked(index)
                && let [first, ..] = free
            {
                *first = *byte;
            }
            index += 1;
            rest = after;
        }
        atom.size_bytes = index as u8;
        atom
    }

    /// One from data; an error if it is too long for an [`Atom`].
    pub fn from_utf8_bytes(_env: Env<'_>, text: &[u8]) -> NifResult<Atom> {
        match std::str::from_utf8(text) {
            Ok(text) if Atom::is_fit(text) => Ok(Atom::of(text)),
            _ => Err(Error::BadArg),
        }
    }

    /// Whether a text is short enough.
    pub const fn is_fit(text: &str) -> bool {
        text.len() <= TEXT_SIZE_BYTES_MAX
    }

    /// Its text in UTF-8.
    pub fn text(&self) -> &[u8] {
        self.text.get(..self.size_bytes.into()).unwrap_or_default()
    }

    /// It as a term.
    pub fn to_term(self, env: Env<'_>) -> Term<'_> {
        Term::of_atom(env, self)
    }
}

/// Functions that give atoms, named as the atoms are, or `name = "text"`.
#[macro_export]
macro_rules! atoms {
    ($($name:ident $(= $text:literal)?),* $(,)?) => {
        $(
            #[allow(missing_docs, reason = "the name says it")]
            pub fn $name() -> $crate::Atom {
                const TEXT: &str = $crate::atoms!(@text $name $($text)?);
                const { assert!($crate::Atom::is_fit(TEXT), "an atom of a call is too long") };
                const ATOM: $crate::Atom = $crate::Atom::of(TEXT);
                ATOM
            }
        )*
    };
    (@text $name:ident) => {
        stringify!($name)
    };
    (@text $name:ident $text:literal) => {
        $text
    };
}
