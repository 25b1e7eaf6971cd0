//! Comparing a counter with a number (specification section 3.3).
//!
//! Invariant: equality is exact (`=:=`), order is Erlang's order of terms, and what is no comparison is never met.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::term::head::{Head, Integer};
use crate::term::parts::{head, tuple_parts, with_version};
use crate::term::{compare, exactly_equal};

const VERSION: u8 = 131;
const SMALL_BIG: u8 = 110;

/// A comparison; `None` is never met.
pub(super) struct Comparison(Option<(Operator, Operand)>);

#[derive(Clone, Copy)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

enum Operand {
    Integer(i64),
    /// Any other term, with its version byte.
    Term(Arc<[u8]>),
}

impl Comparison {
    /// The comparison that a term, without its version byte, describes.
    pub(super) fn parse(term: &[u8]) -> Comparison {
        if let Ok(Some(parts)) = tuple_parts(term) {
            let [operator, operand] = parts[..] else { return Comparison(None) };
            return Comparison(operator_of(operator).map(|operator| (operator, operand_of(operand))));
        }
        match operand_of(term) {
            operand @ Operand::Integer(_) => Comparison(Some((Operator::Equal, operand))),
            Operand::Term(_) => Comparison(None),
        }
    }

    /// Whether the counter compares so; one that is unknown does not.
    pub(super) fn is_met(&self, counter: Option<u64>) -> bool {
        let (Some((operator, operand)), Some(counter)) = (&self.0, counter) else { return false };
        let (order, equal) = match operand {
            Operand::Integer(number) => {
                let order = i128::from(counter).cmp(&i128::from(*number));
                (order, order == Ordering::Equal)
            }
            Operand::Term(term) => {
                let counter = integer_term(counter);
                (compare(&counter, term), exactly_equal(&counter, term))
            }
        };
        match operator {
            Operator::Equal => equal,
            Operator::NotEqual => !equal,
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
        }
    }
}

fn operator_of(term: &[u8]) -> Option<Operator> {
    let Ok(Head::Atom(atom)) = head(term) else { return None };
    [
        ("eq", Operator::Equal),
        ("ne", Operator::NotEqual),
        ("lt", Operator::Less),
        ("le", Operator::LessOrEqual),
        ("gt", Operator::Greater),
        ("ge", Operator::GreaterOrEqual),
    ]
    .into_iter()
    .find(|(name, _)| atom.is(name))
    .map(|(_, operator)| operator)
}

fn operand_of(term: &[u8]) -> Operand {
    match head(term) {
        Ok(Head::Integer(Integer::Small(number))) => Operand::Integer(number),
        _ => Operand::Term(with_version(term).into()),
    }
}

/// The term of a counter.
fn integer_term(counter: u64) -> Vec<u8> {
    let mut term = vec![VERSION, SMALL_BIG, 8, 0];
    term.extend(counter.to_le_bytes());
    term
}
