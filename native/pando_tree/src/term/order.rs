//! The order that Erlang gives terms, and its two equalities.
//!
//! Invariants:
//! 1. `==` and the order are those of OTP 25: numbers by value, maps by size, then by their keys, then by their values;
//!    of the keys of maps each integer comes before each float. `=:=` is that of OTP 27: 0.0 and -0.0 differ.
//! 2. Of what Erlang takes for equal or leaves to the member (funs that differ only in their module's checksum, say),
//!    one comes first, on every member the same.
//! 3. No recursion: what is open lies on a stack of `TERM_DEPTH_MAX` frames. What is nested deeper is compared by its
//!    bytes, so it is equal if it is spelled the same.
//! 4. The work is counted in steps as it is done.

use std::cmp::Ordering;

use super::canonical::{CANONICAL_COST, canonical_part};
use super::head::{Atom, Head, Integer};
use super::skip::split;
use super::view::{ListWalk, Next, View};
use super::{Stopped, TERM_DEPTH_MAX, TermError, numbers};
use crate::steps_left::{BYTES_PER_STEP, take_steps, take_steps_for_bytes};

/// What is asked of two terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Whether they are the same, `=:=`.
    Same,
    /// Whether they are equal, `==`.
    Equal,
    /// Which comes first.
    Order,
}

/// The order of two complete terms, version byte included; `Equal` is Erlang's `==`. Of bytes that
/// [`super::validate`] refuses no more is said than that the answer is always the same.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let views = (View::of_term(a), View::of_term(b));
    let order = match views {
        (Ok(view_a), Ok(view_b)) => relate(view_a, view_b, Relation::Order, &mut u64::MAX.clone()),
        _ => Ok(a.cmp(b)),
    };
    order.unwrap_or_else(|_| a.cmp(b))
}

/// Whether the relation holds (`Equal`), or for [`Relation::Order`], which term comes first.
pub(crate) fn relate(
    a: View<'_>,
    b: View<'_>,
    relation: Relation,
    steps: &mut u64,
) -> Result<Ordering, Stopped> {
    take_steps(steps, 1)?;
    let ((head_a, inner_a), (head_b, inner_b)) = (a.open()?, b.open()?);
    // Most comparisons are of two atoms or numbers, and need nothing more.
    if let Some(order) = scalars(&head_a, &head_b, relation, steps)? {
        return Ok(order);
    }
    if let (View::Encoded(a), View::Encoded(b)) = (a, b)
        && is_same_spelling(a, b, steps)?
    {
        return Ok(Ordering::Equal);
    }
    Comparison { a: inner_a, b: inner_b, open: Vec::new(), relation, steps }.run(head_a, head_b)
}

/// Whether both begin with the same bytes, as far as the term goes that the first begins with. Found out only where
/// it looks likely: finding the end of the term costs something.
fn is_same_spelling(a: &[u8], b: &[u8], steps: &mut u64) -> Result<bool, Stopped> {
    let probe = a.len().min(b.len()).min(BYTES_PER_STEP);
    if a.get(..probe) != b.get(..probe) {
        return Ok(false);
    }
    let (term, _) = split(a, steps)?;
    take_steps_for_bytes(steps, term.len())?;
    Ok(b.starts_with(term))
}

/// A pair of terms whose comparison goes on.
#[derive(Debug)]
enum Frame<'a> {
    /// So many terms on either side.
    Terms { left: u32 },
    /// Two lists.
    Lists { a: ListWalk<'a>, b: ListWalk<'a> },
    /// The values of two maps with the same keys, the next one last; then what is behind the maps.
    Values { left: Vec<(&'a [u8], &'a [u8])>, behind_a: &'a [u8], behind_b: &'a [u8] },
}

/// Two terms side by side.
struct Comparison<'a, 's> {
    /// What follows on the one side.
    a: &'a [u8],
    /// What follows on the other.
    b: &'a [u8],
    open: Vec<Frame<'a>>,
    relation: Relation,
    steps: &'s mut u64,
}

impl<'a> Comparison<'a, '_> {
    /// Compares from the heads on that were read just now.
    fn run(mut self, a: Head<'a>, b: Head<'a>) -> Result<Ordering, Stopped> {
        let mut order = self.heads(&a, &b)?;
        while order == Ordering::Equal {
            order = match self.open.last_mut() {
                None => return Ok(Ordering::Equal),
                Some(Frame::Terms { left: 0 }) => {
                    self.open.pop();
                    Ordering::Equal
                }
                Some(Frame::Terms { left }) => {
                    *left -= 1;
                    self.terms(View::Encoded(self.a), View::Encoded(self.b))?
                }
                Some(Frame::Lists { .. }) => self.lists()?,
                Some(Frame::Values { left, behind_a, behind_b }) => match left.pop() {
                    Some((a, b)) => self.terms(View::Encoded(a), View::Encoded(b))?,
                    None => {
                        (self.a, self.b) = (behind_a, behind_b);
                        self.open.pop();
                        Ordering::Equal
                    }
                },
            };
        }
        Ok(order)
    }

    /// Compares two terms as far as their heads tell, and opens what is within them.
    fn terms(&mut self, a: View<'a>, b: View<'a>) -> Result<Ordering, Stopped> {
        if self.open.len() > TERM_DEPTH_MAX {
            return self.too_deep(a, b);
        }
        take_steps(self.steps, 1)?;
        let (a, b) = (read(a, &mut self.a)?, read(b, &mut self.b)?);
        self.heads(&a, &b)
    }

    fn heads(&mut self, a: &Head<'a>, b: &Head<'a>) -> Result<Ordering, Stopped> {
        if let Some(order) = scalars(a, b, self.relation, self.steps)? {
            return Ok(order);
        }
        match (a, b) {
            (Head::Tuple { arity: left }, Head::Tuple { .. })
            | (Head::Fun { free_variables: left, .. }, _) => self.open.push(Frame::Terms { left: *left }),
            (Head::Map { pairs }, Head::Map { .. }) => return self.maps(*pairs),
            _ => {
                if let (Some(a), Some(b)) = (ListWalk::new(a, self.a), ListWalk::new(b, self.b)) {
                    self.open.push(Frame::Lists { a, b });
                }
            }
        }
        Ok(Ordering::Equal)
    }

    /// Compares the next elements, or the ends.
    fn lists(&mut self) -> Result<Ordering, Stopped> {
        let Some(Frame::Lists { a, b }) = self.open.last_mut() else { return Ok(Ordering::Equal) };
        a.go_on(self.a);
        b.go_on(self.b);
        let (next_a, next_b) = (a.next(self.steps)?, b.next(self.steps)?);
        (self.a, self.b) = (a.bytes(), b.bytes());
        match (next_a, next_b) {
            (Next::Element(a), Next::Element(b)) => self.terms(a, b),
            (Next::Tail(a), Next::Tail(b)) => {
                self.open.pop();
                self.terms(a, b)
            }
            (Next::End, Next::End) => {
                self.open.pop();
                Ok(Ordering::Equal)
            }
            (a, b) => Ok(rank_of_rest(a)?.cmp(&rank_of_rest(b)?)),
        }
    }

    /// Compares the keys of two maps of one size, and opens their values.
    fn maps(&mut self, pairs: u32) -> Result<Ordering, Stopped> {
        let mut a = pairs_of(&mut self.a, pairs, self.steps)?;
        let mut b = pairs_of(&mut self.b, pairs, self.steps)?;
        let is_same_order = self.relation != Relation::Order && a.iter().zip(&b).all(|(a, b)| a.0 == b.0);
        if !is_same_order {
            let (keys_a, keys_b) = (sort(&mut a, self.steps)?, sort(&mut b, self.steps)?);
            let order = keys_a.cmp(&keys_b);
            if order != Ordering::Equal {
                return Ok(order);
            }
        }
        let left = a.iter().zip(&b).rev().map(|(a, b)| (a.1, b.1)).collect();
        self.open.push(Frame::Values { left, behind_a: self.a, behind_b: self.b });
        Ok(Ordering::Equal)
    }

    /// Compares what is nested too deep by its bytes.
    fn too_deep(&mut self, a: View<'a>, b: View<'a>) -> Result<Ordering, Stopped> {
        let (mut byte_a, mut byte_b) = ([0; 2], [0; 2]);
        let a = term_bytes(a, &mut self.a, &mut byte_a, self.steps)?;
        let b = term_bytes(b, &mut self.b, &mut byte_b, self.steps)?;
        take_steps_for_bytes(self.steps, a.len().min(b.len()))?;
        Ok(a.cmp(b))
    }
}

/// Reads the head of a term; if it stands among what follows, goes behind the head.
fn read<'a>(view: View<'a>, follows: &mut &'a [u8]) -> Result<Head<'a>, TermError> {
    let (head, inner) = view.open()?;
    if let View::Encoded(_) = view {
        *follows = inner;
    }
    Ok(head)
}

/// The bytes of a term that is nested too deep: one that stands among what follows, or an element of a string.
fn term_bytes<'a, 'b>(
    view: View<'a>,
    follows: &mut &'a [u8],
    byte: &'b mut [u8; 2],
    steps: &mut u64,
) -> Result<&'b [u8], Stopped>
where
    'a: 'b,
{
    match view {
        View::Encoded(bytes) => {
            let (term, rest) = split(bytes, steps)?;
            *follows = rest;
            Ok(term)
        }
        View::Integer(Integer::Small(value)) => {
            *byte = [97, value as u8];
            Ok(byte)
        }
        _ => Err(TermError::Malformed.into()),
    }
}

type Pair<'a> = (&'a [u8], &'a [u8]);

/// The keys and values of a map that follows; goes behind it.
fn pairs_of<'a>(follows: &mut &'a [u8], count: u32, steps: &mut u64) -> Result<Vec<Pair<'a>>, Stopped> {
    take_steps(steps, count.into())?;
    let mut pairs = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (key, rest) = split(follows, steps)?;
        let (value, rest) = split(rest, steps)?;
        pairs.push((key, value));
        *follows = rest;
    }
    Ok(pairs)
}

/// Sorts the pairs by their keys and returns the keys' canonical bytes, sorted.
fn sort(pairs: &mut Vec<Pair<'_>>, steps: &mut u64) -> Result<Vec<Vec<u8>>, Stopped> {
    let mut keyed = Vec::with_capacity(pairs.len());
    for pair in pairs.drain(..) {
        keyed.push((sort_key(pair.0, steps)?, pair));
    }
    let rounds = u64::from(usize::BITS - keyed.len().leading_zeros());
    take_steps(steps, keyed.len() as u64 * rounds)?;
    keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(keyed
        .into_iter()
        .map(|(key, pair)| {
            pairs.push(pair);
            key
        })
        .collect())
}

/// Bytes in the order of keys; the same of two keys if and only if they are the same.
pub(crate) fn sort_key(key: &[u8], steps: &mut u64) -> Result<Vec<u8>, Stopped> {
    take_steps_for_bytes(steps, key.len().saturating_mul(CANONICAL_COST))?;
    match canonical_part(key) {
        Ok(bytes) => Ok(bytes),
        Err(TermError::TooDeep) => Ok([&[u8::MAX], key].concat()),
        Err(error) => Err(error.into()),
    }
}

/// The place of each kind of term in the order. Numbers are one kind.
fn rank(head: &Head<'_>) -> u8 {
    match head {
        Head::Integer(_) | Head::Float(_) => 0,
        Head::Atom(_) => 1,
        Head::Reference { .. } => 2,
        Head::Fun { .. } => 3,
        Head::Export { .. } => 4,
        Head::Port { .. } => 5,
        Head::Pid { .. } => 6,
        Head::Tuple { .. } => 7,
        Head::Map { .. } => 8,
        Head::Nil => 9,
        Head::List { .. } | Head::Characters { .. } => 10,
        Head::Bits(_) => 11,
    }
}

/// The rank of what is left of a list.
fn rank_of_rest(next: Next<'_>) -> Result<u8, TermError> {
    Ok(match next {
        Next::Element(_) => rank(&Head::List { elements: 1 }),
        Next::End => rank(&Head::Nil),
        Next::Tail(tail) => rank(&tail.head()?),
    })
}

/// The order if the heads tell it; `None` if all is equal so far and terms within them follow.
fn scalars(
    a: &Head<'_>,
    b: &Head<'_>,
    relation: Relation,
    steps: &mut u64,
) -> Result<Option<Ordering>, Stopped> {
    let order = match (a, b) {
        (Head::Integer(a), Head::Integer(b)) => {
            if let (Integer::Big { magnitude: a, .. }, Integer::Big { magnitude: b, .. }) = (a, b) {
                take_steps_for_bytes(steps, a.len().min(b.len()))?;
            }
            numbers::integers(a, b)
        }
        (Head::Integer(_), Head::Float(_)) if relation == Relation::Same => Ordering::Less,
        (Head::Float(_), Head::Integer(_)) if relation == Relation::Same => Ordering::Greater,
        (Head::Integer(a), Head::Float(b)) => numbers::integer_and_float(a, f64::from_bits(*b)),
        (Head::Float(a), Head::Integer(b)) => numbers::integer_and_float(b, f64::from_bits(*a)).reverse(),
        (Head::Float(a), Head::Float(b)) => {
            let (float_a, float_b) = (f64::from_bits(*a), f64::from_bits(*b));
            let order = float_a.partial_cmp(&float_b).unwrap_or(Ordering::Equal);
            if relation == Relation::Same { order.then(b.cmp(a)) } else { order }
        }
        (Head::Atom(a), Head::Atom(b)) => a.order(b),
        (Head::Bits(a), Head::Bits(b)) => {
            let ((whole_a, last_a, bits_a), (whole_b, last_b, bits_b)) = (a.parts(), b.parts());
            take_steps_for_bytes(steps, whole_a.len().min(whole_b.len()))?;
            bit_order((whole_a, last_a, bits_a), (whole_b, last_b, bits_b))
        }
        (Head::Tuple { arity: a }, Head::Tuple { arity: b }) => return Ok(unless_equal(a.cmp(b), *a)),
        (Head::Map { pairs: a }, Head::Map { pairs: b }) => return Ok(unless_equal(a.cmp(b), *a)),
        (Head::Fun { free_variables, .. }, Head::Fun { .. }) => {
            return Ok(unless_equal(funs(a, b), *free_variables));
        }
        (
            Head::Pid { node: node_a, id: id_a, serial: serial_a, creation: creation_a },
            Head::Pid { node: node_b, id: id_b, serial: serial_b, creation: creation_b },
        ) => (serial_a, id_a)
            .cmp(&(serial_b, id_b))
            .then_with(|| nodes((node_a, *creation_a), (node_b, *creation_b))),
        (
            Head::Port { node: node_a, id: id_a, creation: creation_a },
            Head::Port { node: node_b, id: id_b, creation: creation_b },
        ) => nodes((node_a, *creation_a), (node_b, *creation_b)).then(id_a.cmp(id_b)),
        (
            Head::Reference { node: node_a, creation: creation_a, ids: ids_a },
            Head::Reference { node: node_b, creation: creation_b, ids: ids_b },
        ) => nodes((node_a, *creation_a), (node_b, *creation_b)).then_with(|| reference_ids(ids_a, ids_b)),
        (
            Head::Export { module: module_a, function: function_a, arity: arity_a },
            Head::Export { module: module_b, function: function_b, arity: arity_b },
        ) => module_a.order(module_b).then_with(|| function_a.order(function_b)).then(arity_a.cmp(arity_b)),
        _ => {
            let order = rank(a).cmp(&rank(b));
            let are_lists = matches!(a, Head::List { .. } | Head::Characters { .. });
            return Ok(unless_equal(order, u32::from(are_lists)));
        }
    };
    Ok(Some(order))
}

/// The order, but `None` if it is `Equal` and so many terms follow that may differ.
fn unless_equal(order: Ordering, terms: u32) -> Option<Ordering> {
    if order == Ordering::Equal && terms > 0 { None } else { Some(order) }
}

type BitParts<'a> = (&'a [u8], Option<u8>, u8);

/// The order of two bitstrings: bit by bit, and one that the other goes on from comes first.
fn bit_order((whole_a, last_a, bits_a): BitParts<'_>, (whole_b, last_b, bits_b): BitParts<'_>) -> Ordering {
    let length = whole_a.len().min(whole_b.len());
    let (common_a, rest_a) = whole_a.split_at_checked(length).unwrap_or_default();
    let (common_b, rest_b) = whole_b.split_at_checked(length).unwrap_or_default();
    // One rest is empty, so what is left to compare of that side is its last byte.
    common_a
        .cmp(common_b)
        .then_with(|| rest_a.iter().copied().chain(last_a).cmp(rest_b.iter().copied().chain(last_b)))
        .then(bits_a.cmp(&bits_b))
}

fn nodes((a, creation_a): (&Atom<'_>, u32), (b, creation_b): (&Atom<'_>, u32)) -> Ordering {
    a.order(b).then(creation_a.cmp(&creation_b))
}

/// The last word counts most, and one that is missing is zero.
fn reference_ids(a: &[u8], b: &[u8]) -> Ordering {
    let word = |ids: &[u8], index: usize| {
        ids.chunks_exact(4)
            .nth(index)
            .and_then(|word| word.first_chunk())
            .map_or(0, |word| u32::from_be_bytes(*word))
    };
    let words = a.len().max(b.len()) / 4;
    let order =
        (0..words).rev().map(|index| word(a, index)).cmp((0..words).rev().map(|index| word(b, index)));
    order.then(a.len().cmp(&b.len()))
}

/// The order of two funs before their free variables.
fn funs(a: &Head<'_>, b: &Head<'_>) -> Ordering {
    let (
        Head::Fun { module, arity, unique, index, old_unique, old_index, free_variables },
        Head::Fun {
            module: module_b,
            arity: arity_b,
            unique: unique_b,
            index: index_b,
            old_unique: old_unique_b,
            old_index: old_index_b,
            free_variables: free_variables_b,
        },
    ) = (a, b)
    else {
        return Ordering::Equal;
    };
    module
        .order(module_b)
        .then(index.cmp(index_b))
        .then(old_unique.cmp(old_unique_b))
        .then(free_variables.cmp(free_variables_b))
        .then_with(|| (unique, old_index, arity).cmp(&(unique_b, old_index_b, arity_b)))
}

#[cfg(test)]
#[path = "order_test.rs"]
mod tests;
