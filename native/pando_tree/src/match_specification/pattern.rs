//! What a term must look like.

use crate::term::Stopped;
use crate::term::order::sort_key;

/// A pattern. The terms in it are encoded, without version byte.
#[derive(Debug, PartialEq)]
pub(super) enum Pattern {
    /// Everything, `'_'`.
    Any,
    /// Everything, but the same each time; the index of the variable.
    Variable(usize),
    /// This term.
    Literal(Box<[u8]>),
    /// A tuple of as many elements. From `looked_at` on they are all [`Pattern::Any`].
    Tuple { elements: Box<[Pattern]>, looked_at: usize },
    /// A list that begins with these elements; the tail is no list.
    List { elements: Box<[Pattern]>, tail: Box<Pattern> },
    /// A map that has these keys.
    Map(MapPattern),
}

/// The keys that a map must have, and what their values must look like.
#[derive(Debug, PartialEq)]
pub(super) struct MapPattern {
    pub(super) pairs: Box<[(Box<[u8]>, Pattern)]>,
    /// If there are many: the keys as [`crate::term::order::sort_key`] has them, sorted, each with its place in `pairs`.
    pub(super) by_sort_key: Box<[(Vec<u8>, usize)]>,
}

/// So many keys are compared one by one with each key of a map: it takes less than putting that into canonical form.
const KEYS_COMPARED_MAX: usize = 8;

impl MapPattern {
    pub(super) fn new(pairs: Vec<(Box<[u8]>, Pattern)>) -> Result<Self, Stopped> {
        let mut by_sort_key = Vec::new();
        if pairs.len() > KEYS_COMPARED_MAX {
            for (place, (key, _)) in pairs.iter().enumerate() {
                by_sort_key.push((sort_key(key, &mut u64::MAX.clone())?, place));
            }
            by_sort_key.sort_unstable();
        }
        Ok(MapPattern { pairs: pairs.into(), by_sort_key: by_sort_key.into() })
    }
}

impl Pattern {
    /// A tuple of these elements.
    pub(super) fn tuple(elements: Vec<Pattern>) -> Self {
        let looked_at =
            elements.iter().rposition(|element| *element != Pattern::Any).map_or(0, |last| last + 1);
        Pattern::Tuple { elements: elements.into(), looked_at }
    }

    pub(super) fn is_literal(&self) -> bool {
        matches!(self, Pattern::Literal(_))
    }
}
