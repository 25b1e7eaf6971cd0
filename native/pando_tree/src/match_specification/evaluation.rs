//! Evaluates guards.
//!
//! Invariants:
//! 1. Each expression takes a step, besides those of what it does.
//! 2. All arguments are evaluated before a function is called; only `andalso` and `orelse` leave some out.

use std::collections::BTreeMap;

use super::build::{put_list_head, put_map_head, put_term, put_tuple_head};
use super::expression::Expression;
use super::function::{ARGUMENTS_MAX, Function};
use super::value::Value;
use super::{BUILT_TERM_SIZE_BYTES_MAX, Stop};
use crate::steps_left::{take_steps, take_steps_for_bytes};
use crate::term::canonical::{CANONICAL_COST, canonical_part};
use crate::term::view::View;

/// What guards are evaluated with.
pub(super) struct Evaluation<'a, 'm> {
    pub(super) data: View<'a>,
    /// By the index of the variable.
    pub(super) bindings: &'m [Option<View<'a>>],
    pub(super) steps: &'m mut u64,
}

impl<'a> Evaluation<'a, '_> {
    /// Whether the value of the guard is `true`. A guard that fails stops the match.
    pub(super) fn is_true(&mut self, guard: &'a Expression) -> Result<bool, Stop> {
        self.value(guard)?.truth()
    }

    /// The value of an expression.
    pub(super) fn value(&mut self, expression: &'a Expression) -> Result<Value<'a>, Stop> {
        take_steps(self.steps, 1)?;
        match expression {
            Expression::Constant(term) => Ok(Value::View(View::Encoded(term))),
            Expression::Variable(index) => self.variable(*index).map(Value::View),
            Expression::Data => Ok(Value::View(self.data)),
            Expression::Bindings(indexes) => self.all_bindings(indexes),
            Expression::And(operands) => {
                self.count_of(operands, false).map(|count| Value::boolean(count == 0))
            }
            Expression::Or(operands) => self.count_of(operands, true).map(|count| Value::boolean(count > 0)),
            Expression::AndAlso(operands) => self.until(operands, false),
            Expression::OrElse(operands) => self.until(operands, true),
            Expression::Call(function, arguments) => self.call(*function, arguments),
            Expression::Tuple(elements) => self.tuple(elements),
            Expression::List { elements, tail } => self.list(elements, tail),
            Expression::Map(pairs) => self.map(pairs),
        }
    }

    fn variable(&self, index: usize) -> Result<View<'a>, Stop> {
        self.bindings.get(index).copied().flatten().ok_or(Stop::Failed)
    }

    #[inline(never)]
    fn all_bindings(&mut self, indexes: &[usize]) -> Result<Value<'a>, Stop> {
        if indexes.is_empty() {
            return Ok(Value::NIL);
        }
        let mut out = Vec::new();
        put_list_head(&mut out, indexes.len())?;
        for index in indexes {
            put_term(&mut out, self.variable(*index)?, self.steps)?;
        }
        put_term(&mut out, View::NIL, self.steps)?;
        Ok(Value::Built(out))
    }

    /// How many operands are `wanted`; all must be truth values.
    fn count_of(&mut self, operands: &'a [Expression], wanted: bool) -> Result<usize, Stop> {
        let mut count = 0;
        for operand in operands {
            count += usize::from(self.value(operand)?.truth()? == wanted);
        }
        Ok(count)
    }

    /// The first operand that is `wanted`, or else the value of the last one, whatever it is.
    fn until(&mut self, operands: &'a [Expression], wanted: bool) -> Result<Value<'a>, Stop> {
        let (last, first) = operands.split_last().ok_or(Stop::Failed)?;
        for operand in first {
            if self.value(operand)?.truth()? == wanted {
                return Ok(Value::boolean(wanted));
            }
        }
        self.value(last)
    }

    #[inline(never)]
    fn call(&mut self, function: Function, expressions: &'a [Expression]) -> Result<Value<'a>, Stop> {
        let mut arguments = [const { Value::NIL }; ARGUMENTS_MAX];
        for (argument, expression) in arguments.iter_mut().zip(expressions) {
            *argument = self.value(expression)?;
        }
        function.call(arguments, self.steps)
    }

    #[inline(never)]
    fn tuple(&mut self, elements: &'a [Expression]) -> Result<Value<'a>, Stop> {
        let mut out = Vec::new();
        put_tuple_head(&mut out, elements.len())?;
        for element in elements {
            self.put(&mut out, element)?;
        }
        Ok(Value::Built(out))
    }

    #[inline(never)]
    fn list(&mut self, elements: &'a [Expression], tail: &'a Expression) -> Result<Value<'a>, Stop> {
        let mut out = Vec::new();
        put_list_head(&mut out, elements.len())?;
        for element in elements {
            self.put(&mut out, element)?;
        }
        self.put(&mut out, tail)?;
        Ok(Value::Built(out))
    }

    #[inline(never)]
    fn map(&mut self, pairs: &'a [(Expression, Expression)]) -> Result<Value<'a>, Stop> {
        let mut by_key = BTreeMap::new();
        let mut size = 0_usize;
        for (key, value) in pairs {
            let (mut pair, mut value_bytes) = (Vec::new(), Vec::new());
            self.put(&mut pair, key)?;
            self.put(&mut value_bytes, value)?;
            take_steps_for_bytes(self.steps, pair.len().saturating_mul(CANONICAL_COST))?;
            let canonical = canonical_part(&pair)?;
            pair.append(&mut value_bytes);
            size = size.saturating_add(pair.len());
            if size > BUILT_TERM_SIZE_BYTES_MAX {
                return Err(Stop::Failed);
            }
            by_key.insert(canonical, pair);
        }
        let mut out = Vec::new();
        put_map_head(&mut out, by_key.len())?;
        by_key.values().for_each(|pair| out.extend_from_slice(pair));
        Ok(Value::Built(out))
    }

    fn put(&mut self, out: &mut Vec<u8>, expression: &'a Expression) -> Result<(), Stop> {
        let value = self.value(expression)?;
        value.look(|view| put_term(out, view, self.steps))
    }
}
