//! Matches a pattern against a term and binds the variables.
//!
//! Invariants:
//! 1. The term is read from front to back, once, and only as far as the pattern needs to know it.
//! 2. A variable is bound to a view into the term: nothing is copied.
//! 3. In a map each key of the term is looked at once, so the variables are bound in the order of the term. That makes
//!    no difference: all values of a variable must be the same.

use std::cmp::Ordering;

use super::Stop;
use super::pattern::{MapPattern, Pattern};
use crate::steps_left::{take_steps, take_steps_for_bytes};
use crate::term::TermError;
use crate::term::head::{Head, HeadReader};
use crate::term::order::{Relation, relate, sort_key};
use crate::term::skip::{skip, split};
use crate::term::view::{ListWalk, Next, View};

/// One attempt to match.
pub(super) struct Matcher<'a, 'm> {
    /// By the index of the variable.
    pub(super) bindings: &'m mut [Option<View<'a>>],
    pub(super) steps: &'m mut u64,
}

impl<'a> Matcher<'a, '_> {
    /// Fails with [`Stop::Failed`] if the data does not match.
    pub(super) fn matches(&mut self, pattern: &Pattern, data: View<'a>) -> Result<(), Stop> {
        match data {
            View::Encoded(bytes) => self.encoded(pattern, bytes, false).map(drop),
            view => self.view(pattern, view),
        }
    }

    /// Matches the term that the bytes begin with and returns what is behind it; if nobody needs its end, something.
    fn encoded(&mut self, pattern: &Pattern, bytes: &'a [u8], needs_end: bool) -> Result<&'a [u8], Stop> {
        take_steps(self.steps, 1)?;
        match pattern {
            Pattern::Any => {}
            Pattern::Variable(index) => self.bind(*index, View::Encoded(bytes))?,
            Pattern::Literal(literal) => {
                if let Some(rest) = self.behind_spelling(literal, bytes)? {
                    return Ok(rest);
                }
                if differ_visibly(literal, bytes) {
                    return Err(Stop::Failed);
                }
                self.same(View::Encoded(literal), View::Encoded(bytes))?;
            }
            Pattern::Tuple { elements, looked_at } => {
                return self.tuple(elements, *looked_at, bytes, needs_end);
            }
            Pattern::List { elements, tail } => return self.list(elements, tail, bytes, needs_end),
            Pattern::Map(map) => return self.map(map, bytes, needs_end),
        }
        if needs_end { Ok(skip(bytes, 1, self.steps)?) } else { Ok(bytes) }
    }

    /// Matches a term that does not stand on its own in the data: a byte of a string, or the rest of a list.
    fn view(&mut self, pattern: &Pattern, view: View<'a>) -> Result<(), Stop> {
        match pattern {
            Pattern::Any => Ok(()),
            Pattern::Variable(index) => self.bind(*index, view),
            Pattern::Literal(literal) => self.same(View::Encoded(literal), view),
            Pattern::Tuple { .. } | Pattern::List { .. } | Pattern::Map(_) => Err(Stop::Failed),
        }
    }

    fn tuple(
        &mut self,
        elements: &[Pattern],
        looked_at: usize,
        bytes: &'a [u8],
        needs_end: bool,
    ) -> Result<&'a [u8], Stop> {
        let mut rest = match read(bytes)? {
            (Head::Tuple { arity }, rest) if arity as usize == elements.len() => rest,
            _ => return Err(Stop::Failed),
        };
        for (index, element) in elements.iter().enumerate().take(looked_at) {
            rest = self.encoded(element, rest, needs_end || index + 1 < looked_at)?;
        }
        let not_looked_at = elements.len().saturating_sub(looked_at) as u64;
        if needs_end { Ok(skip(rest, not_looked_at, self.steps)?) } else { Ok(rest) }
    }

    fn list(
        &mut self,
        elements: &[Pattern],
        tail: &Pattern,
        bytes: &'a [u8],
        needs_end: bool,
    ) -> Result<&'a [u8], Stop> {
        let (head, inner) = read(bytes)?;
        let mut walk = ListWalk::new(&head, inner).ok_or(Stop::Failed)?;
        for element in elements {
            match walk.next(self.steps)? {
                Next::Element(View::Encoded(bytes)) => walk.go_on(self.encoded(element, bytes, true)?),
                Next::Element(view) => self.view(element, view)?,
                Next::End | Next::Tail(_) => return Err(Stop::Failed),
            }
        }
        match walk {
            ListWalk::Elements { left: 0, bytes } => self.encoded(tail, bytes, needs_end),
            ListWalk::Elements { left, bytes } => {
                self.view(tail, walk.rest())?;
                if needs_end { Ok(skip(bytes, u64::from(left) + 1, self.steps)?) } else { Ok(bytes) }
            }
            ListWalk::Characters { left, bytes } => {
                self.view(tail, walk.rest())?;
                Ok(bytes.get(left as usize..).ok_or(TermError::Truncated)?)
            }
        }
    }

    fn map(&mut self, wanted: &MapPattern, bytes: &'a [u8], needs_end: bool) -> Result<&'a [u8], Stop> {
        let (Head::Map { pairs }, mut rest) = read(bytes)? else { return Err(Stop::Failed) };
        let mut missing = wanted.pairs.len();
        let mut left = pairs as usize;
        while missing > 0 {
            if left < missing {
                return Err(Stop::Failed);
            }
            left -= 1;
            match self.find(wanted, rest)? {
                Some((pattern, value)) => {
                    missing -= 1;
                    rest = self.encoded(pattern, value, needs_end || missing > 0)?;
                }
                None => rest = skip(rest, 2, self.steps)?,
            }
        }
        if needs_end { Ok(skip(rest, left as u64 * 2, self.steps)?) } else { Ok(rest) }
    }

    /// The pattern for the key that the bytes begin with, and what is behind the key.
    fn find<'p>(
        &mut self,
        wanted: &'p MapPattern,
        bytes: &'a [u8],
    ) -> Result<Option<(&'p Pattern, &'a [u8])>, Stop> {
        if !wanted.by_sort_key.is_empty() {
            return self.find_sorted(wanted, bytes);
        }
        take_steps(self.steps, wanted.pairs.len() as u64)?;
        for (key, pattern) in &wanted.pairs {
            if let Some(rest) = self.behind_spelling(key, bytes)? {
                return Ok(Some((pattern, rest)));
            }
            if !differ_visibly(key, bytes)
                && relate(View::Encoded(key), View::Encoded(bytes), Relation::Same, self.steps)?
                    == Ordering::Equal
            {
                let (_, rest) = split(bytes, self.steps)?;
                return Ok(Some((pattern, rest)));
            }
        }
        Ok(None)
    }

    /// The same where many keys are wanted: looking at each of them for each key of the data would take the product.
    fn find_sorted<'p>(
        &mut self,
        wanted: &'p MapPattern,
        bytes: &'a [u8],
    ) -> Result<Option<(&'p Pattern, &'a [u8])>, Stop> {
        let (key, rest) = split(bytes, self.steps)?;
        let key = sort_key(key, self.steps)?;
        take_steps(self.steps, u64::from(usize::BITS - wanted.by_sort_key.len().leading_zeros()))?;
        let found = wanted.by_sort_key.binary_search_by(|(wanted, _)| wanted.cmp(&key)).ok();
        let place = found.and_then(|found| wanted.by_sort_key.get(found)).map(|(_, place)| *place);
        Ok(place.and_then(|place| wanted.pairs.get(place)).map(|(_, pattern)| (pattern, rest)))
    }

    /// What is behind the literal if the bytes begin with it, spelled just so.
    fn behind_spelling(&mut self, literal: &[u8], bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Stop> {
        if literal.len() > crate::steps_left::BYTES_PER_STEP {
            take_steps_for_bytes(self.steps, literal.len())?;
        }
        Ok(bytes.strip_prefix(literal))
    }

    fn bind(&mut self, index: usize, view: View<'a>) -> Result<(), Stop> {
        let slot = self.bindings.get_mut(index).ok_or(Stop::Failed)?;
        match *slot {
            Some(bound) => self.same(bound, view),
            None => {
                *slot = Some(view);
                Ok(())
            }
        }
    }

    fn same(&mut self, a: View<'_>, b: View<'_>) -> Result<(), Stop> {
        match relate(a, b, Relation::Same, self.steps)? {
            Ordering::Equal => Ok(()),
            _ => Err(Stop::Failed),
        }
    }
}

fn read(bytes: &[u8]) -> Result<(Head<'_>, &[u8]), TermError> {
    let mut reader = HeadReader { rest: bytes };
    Ok((reader.read()?, reader.rest))
}

/// Whether the terms that two sequences of bytes begin with differ for sure, given that the bytes differ.
fn differ_visibly(a: &[u8], b: &[u8]) -> bool {
    let (Some(tag_a), Some(tag_b)) = (a.first(), b.first()) else { return true };
    if tag_a == tag_b {
        // Where the tag leaves one spelling only: bytes, integers, floats, atoms, binaries.
        return matches!(tag_a, 97 | 98 | 70 | 100 | 115 | 118 | 119 | 109 | 106);
    }
    matches!((kind(*tag_a), kind(*tag_b)), (Some(a), Some(b)) if a != b)
}

/// What kind of term a tag stands for; `None` if there is more to know than the tag.
fn kind(tag: u8) -> Option<u8> {
    match tag {
        97 | 98 | 110 | 111 => Some(0),
        70 | 99 => Some(1),
        100 | 115 | 118 | 119 => Some(2),
        77 | 109 => Some(3),
        106 | 107 => Some(4),
        104 | 105 => Some(5),
        116 => Some(6),
        _ => None,
    }
}
