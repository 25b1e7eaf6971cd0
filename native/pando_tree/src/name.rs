//! Names of nodes: an atom or a binary.
//!
//! Invariants:
//! 1. The order is Erlang's: atoms before binaries, atoms by the code points of their text, binaries bytewise.
//!    (The bytes of UTF-8 sort as the code points do, so both kinds compare as bytes.)
//! 2. It depends on nothing but the text, so all replicas agree on it. Atoms are not interned for that reason.
//! 3. A name takes 24 bytes; a text of up to 22 bytes needs no allocation, a longer one is shared by its copies.
//! 4. Equal texts of one kind are stored in the same form, and the text of an atom is UTF-8.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::limits::{ATOM_CHARACTERS_MAX, Limit, NAME_SIZE_BYTES_MAX};

/// The longest text that is stored in place, in bytes.
const INLINE_SIZE_BYTES_MAX: usize = 22;

/// The two kinds of names; `a` and `<<"a">>` are different names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// An atom.
    Atom,
    /// A binary.
    Binary,
}

/// The name of a node below its parent.
#[derive(Clone)]
pub struct Name(Text);

/// The names from the root to a node; empty for the root.
pub type Path = Vec<Name>;

#[derive(Clone)]
enum Text {
    InlineAtom { length: u8, text: [u8; INLINE_SIZE_BYTES_MAX] },
    InlineBinary { length: u8, text: [u8; INLINE_SIZE_BYTES_MAX] },
    SharedAtom(Arc<[u8]>),
    SharedBinary(Arc<[u8]>),
}

impl Name {
    /// The name that is the atom with this text.
    pub fn atom(text: &str) -> Name {
        Name(match inline(text.as_bytes()) {
            Some((length, text)) => Text::InlineAtom { length, text },
            None => Text::SharedAtom(Arc::from(text.as_bytes())),
        })
    }

    /// The name that is this binary.
    pub fn binary(bytes: &[u8]) -> Name {
        Name(match inline(bytes) {
            Some((length, text)) => Text::InlineBinary { length, text },
            None => Text::SharedBinary(Arc::from(bytes)),
        })
    }

    /// Atom or binary.
    pub fn kind(&self) -> NameKind {
        match self.0 {
            Text::InlineAtom { .. } | Text::SharedAtom(_) => NameKind::Atom,
            Text::InlineBinary { .. } | Text::SharedBinary(_) => NameKind::Binary,
        }
    }

    /// The binary, or the text of the atom in UTF-8.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Text::InlineAtom { length, text } | Text::InlineBinary { length, text } => {
                text.get(..usize::from(*length)).unwrap_or(text)
            }
            Text::SharedAtom(bytes) | Text::SharedBinary(bytes) => bytes,
        }
    }

    /// Whether the name is within the limits of size.
    pub fn check_limits(&self) -> Result<(), Limit> {
        let bytes = self.bytes();
        Limit::NameSizeBytes.check(bytes.len())?;
        if self.kind() == NameKind::Atom && bytes.len() > ATOM_CHARACTERS_MAX {
            // Each character has exactly one byte that is not a continuation byte.
            Limit::AtomCharacters.check(bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count())?;
        }
        Ok(())
    }
}

// A name is at most as long as a path is allowed to be, or no path could hold it.
const _: () = assert!(NAME_SIZE_BYTES_MAX <= crate::limits::PATH_SIZE_BYTES_MAX);

fn inline(bytes: &[u8]) -> Option<(u8, [u8; INLINE_SIZE_BYTES_MAX])> {
    let mut text = [0; INLINE_SIZE_BYTES_MAX];
    text.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some((u8::try_from(bytes.len()).ok()?, text))
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.kind() == other.kind() && self.bytes() == other.bytes()
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        self.kind().cmp(&other.kind()).then_with(|| self.bytes().cmp(other.bytes()))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind().hash(state);
        self.bytes().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            NameKind::Atom => write!(f, "'{}'", String::from_utf8_lossy(self.bytes())),
            NameKind::Binary => write!(f, "<<\"{}\">>", self.bytes().escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_takes_24_bytes_also_as_an_option() {
        assert_eq!(size_of::<Name>(), 24);
        assert_eq!(size_of::<Option<Name>>(), 24);
    }

    #[test]
    fn an_atom_is_not_the_binary_of_the_same_text() {
        assert_ne!(Name::atom("a"), Name::binary(b"a"));
        assert!(Name::atom("zzz") < Name::binary(b""));
    }

    #[test]
    fn atoms_are_ordered_by_code_points() {
        // In UTF-16 the last two would be the other way round.
        let sorted = ["", "A", "a", "aa", "\u{e9}", "\u{ffff}", "\u{10000}"].map(Name::atom);
        assert!(sorted.is_sorted());
    }

    #[test]
    fn an_atom_of_255_wide_characters_is_within_the_limits_and_one_more_is_not() {
        assert_eq!(Name::atom(&"\u{10000}".repeat(255)).check_limits(), Ok(()));
        assert_eq!(Name::atom(&"a".repeat(256)).check_limits(), Err(Limit::AtomCharacters));
        assert_eq!(Name::binary(&vec![0; NAME_SIZE_BYTES_MAX]).check_limits(), Ok(()));
        assert_eq!(Name::binary(&vec![0; NAME_SIZE_BYTES_MAX + 1]).check_limits(), Err(Limit::NameSizeBytes));
    }

    proptest! {
        #[test]
        fn text_and_order_are_kept_at_every_length(
            a in proptest::collection::vec(0u8..3, 0..50),
            b in proptest::collection::vec(0u8..3, 0..50),
        ) {
            let (name_a, name_b) = (Name::binary(&a), Name::binary(&b));
            prop_assert_eq!(name_a.bytes(), &a[..]);
            prop_assert_eq!(name_a.cmp(&name_b), a.cmp(&b));
            prop_assert_eq!(name_a == name_b, a == b);
        }
    }
}
