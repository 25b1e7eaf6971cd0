//! What a term must look like.

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
    Map(Box<[(Box<[u8]>, Pattern)]>),
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
