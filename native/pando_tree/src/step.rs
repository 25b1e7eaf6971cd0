//! The components of a path as a command or a query spells it.

use crate::condition::{Condition, Target};
use crate::name::Name;

/// One component of a path or pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Down to the child with this name.
    Child(Name),
    /// Stay.
    This,
    /// Up to the parent; at the root it stays at the root.
    Parent,
    /// Back to the root.
    Root,
    /// Down to every child: `*`.
    AnyChild,
    /// Down to every descendant, at any depth: `**`.
    AnyDescendant,
    /// To the nodes that meet the condition: the child that it names, the children, or where it is.
    Condition(Condition),
}

impl Step {
    /// Whether the step can lead to more than one node.
    pub fn is_wildcard(&self) -> bool {
        match self {
            Step::AnyChild | Step::AnyDescendant => true,
            Step::Condition(condition) => condition.target() == Target::Many,
            Step::Child(_) | Step::This | Step::Parent | Step::Root => false,
        }
    }

    /// Whether the step leads to children that it does not name plainly: before it the root can be included.
    pub(crate) fn is_on_children(&self) -> bool {
        match self {
            Step::AnyChild | Step::AnyDescendant => true,
            Step::Condition(condition) => condition.target() != Target::This,
            Step::Child(_) | Step::This | Step::Parent | Step::Root => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_takes_no_more_than_a_name() {
        assert_eq!(size_of::<Step>(), size_of::<Name>());
    }
}
