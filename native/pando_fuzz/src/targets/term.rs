//! The walkers over the external term format, against terms that are built.
//!
//! Input: two terms as parts. Two that were written in different ways, and one that is the first spelled otherwise.

use std::cmp::Ordering;

use pando_tree::fuzzing::{Relation, canonical, relate, skip};
use pando_tree::term::{TERM_DEPTH_MAX, TermError, compare, exactly_equal, validate};

use crate::input::Parts;
use crate::memory::bounded;
use crate::{Naive, Outcome, Unreadable};

/// Far below, every walker looks at the whole of a term; a spelling may open up to as many frames as the limit and one more.
const DEPTH_SURELY_TAKEN: usize = TERM_DEPTH_MAX - 8;
const DEPTH_SURELY_REFUSED: usize = TERM_DEPTH_MAX + 8;
/// What is held for a byte of a term: a frame for each level, a pair of a map for two bytes, canonical keys.
const MEMORY_PER_BYTE: usize = 160;
const MEMORY_FIXED: usize = 64 * 1024;
/// Steps for a byte of two terms that are compared.
const STEPS_PER_BYTE: u64 = 32;

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let mut parts = Parts::new(input);
    let (a, b) = (parts.part(), parts.part());
    let (term_a, term_b) = (valid(a), valid(b));
    pair(a, term_a.as_ref(), b, term_b.as_ref());
    if let Some(term) = &term_a
        && let Some(respelled) = term.respelled()
    {
        let same = valid(&respelled);
        assert!(same.as_ref().is_some_and(|same| same.is_same(term)), "the spelling of {term:?}");
        pair(a, Some(term), &respelled, same.as_ref());
    }
    if term_a.is_some() && term_b.is_some() { Outcome::Read } else { Outcome::Refused }
}

/// Whether both say that the bytes are a term; the term if they do.
fn valid(bytes: &[u8]) -> Option<Naive> {
    let naive = Naive::read(bytes);
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * bytes.len();
    let validity = bounded("validate", memory, || validate(bytes));
    match (&naive, validity) {
        (Ok(term), Ok(())) => {
            assert!(term.depth() < DEPTH_SURELY_REFUSED, "{} levels were taken", term.depth());
            let end = skip(bytes, &mut u64::MAX.clone());
            assert_eq!(end, Ok(Some(bytes.len())), "where it ends");
        }
        (Ok(term), Err(TermError::TooDeep)) => {
            assert!(term.depth() > DEPTH_SURELY_TAKEN, "{} levels were refused", term.depth());
        }
        (Err(_), Err(_)) => {}
        (naive, validity) => panic!("{naive:?}, but {validity:?}"),
    }
    assert_ne!((naive.is_err(), validity), (true, Ok(())));
    match naive {
        Ok(term) if validity.is_ok() => Some(term),
        Ok(_) | Err(Unreadable::Malformed | Unreadable::TooDeep) => None,
    }
}

/// Checks what is found out about two byte strings, which are these terms if they are any.
fn pair(a: &[u8], term_a: Option<&Naive>, b: &[u8], term_b: Option<&Naive>) {
    let size = a.len() + b.len();
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * size;
    let is_same = bounded("exactly_equal", memory, || exactly_equal(a, b));
    assert_eq!(is_same, exactly_equal(b, a));
    let order = bounded("compare", memory, || compare(a, b));
    assert_eq!(order, compare(b, a).reverse(), "the order the other way round");
    assert_eq!(compare(a, a), Ordering::Equal);
    let (Some(term_a), Some(term_b)) = (term_a, term_b) else {
        assert_eq!(is_same, a == b, "what is no term is the same only as bytes");
        return;
    };
    assert_eq!(is_same, term_a.is_same(term_b), "{term_a:?} =:= {term_b:?}");
    let canonical_bytes = [a, b].map(|term| bounded("canonical", memory, || canonical(term)));
    assert_eq!(is_same, canonical_bytes[0] == canonical_bytes[1], "as canonical bytes");
    if term_a.depth().max(term_b.depth()) > DEPTH_SURELY_TAKEN {
        return;
    }
    if let Some(naive) = term_a.order(term_b, false) {
        assert_eq!(order, naive, "{term_a:?} compared with {term_b:?}");
    }
    for (relation, holds) in [
        (Relation::Same, is_same),
        (Relation::Equal, order == Ordering::Equal),
        (Relation::Order, order == Ordering::Equal),
    ] {
        let mut left = u64::MAX;
        let all = relate(a, b, relation, &mut left);
        assert_eq!(
            all.map(|order| order.map(|order| order == Ordering::Equal)),
            Ok(Some(holds)),
            "{relation:?}"
        );
        let taken = u64::MAX - left;
        assert!(taken <= STEPS_PER_BYTE * size as u64, "{taken} steps for {size} bytes");
        let mut enough = taken;
        assert_eq!(relate(a, b, relation, &mut enough), all, "with as many steps as it takes");
        if taken > 0 {
            assert!(relate(a, b, relation, &mut (taken - 1)).is_err(), "with one step less");
        }
    }
}

/// Each sample with itself and with the next.
pub fn seeds() -> Vec<Vec<u8>> {
    let terms = crate::terms::samples();
    let next = terms.iter().cycle().skip(1);
    terms.iter().zip(next).map(|(a, b)| crate::input::parts(&[a, b])).collect()
}
