//! What a guard calculates.

use super::function::Function;

/// An expression. The terms in it are encoded, without version byte.
#[derive(Debug, PartialEq)]
pub(super) enum Expression {
    Constant(Box<[u8]>),
    /// The value of a variable, by its index.
    Variable(usize),
    /// All of the data, `'$_'`.
    Data,
    /// The values of all variables, as a list: `'$$'`. Their indexes, in the order of their numbers.
    Bindings(Box<[usize]>),
    /// Whether all are `true`; all are evaluated.
    And(Box<[Expression]>),
    /// Whether one is `true`; all are evaluated.
    Or(Box<[Expression]>),
    /// `false` at the first that is, or else the value of the last.
    AndAlso(Box<[Expression]>),
    /// `true` at the first that is, or else the value of the last.
    OrElse(Box<[Expression]>),
    /// As many arguments as the function takes.
    Call(Function, Box<[Expression]>),
    Tuple(Box<[Expression]>),
    List {
        elements: Box<[Expression]>,
        tail: Box<Expression>,
    },
    /// Keys and values. Of a key that comes twice the last value counts.
    Map(Box<[(Expression, Expression)]>),
}

impl Expression {
    pub(super) fn is_constant(&self) -> bool {
        matches!(self, Expression::Constant(_))
    }
}
