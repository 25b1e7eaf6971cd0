//! Conditions on nodes (specification section 3).
//!
//! A condition comes as the term of a record and keeps it: errors show it, logs and snapshots hold it. Beside it stands
//! what was compiled of it.
//!
//! Invariants:
//! 1. Two conditions are equal when their terms are equal bytes; what is compiled follows from the term.
//! 2. A test depends on nothing but the condition and the node, takes steps off a budget, and never panics.
//! 3. The parts of a condition nest at most `CONDITION_DEPTH_MAX` deep and are `CONDITION_PARTS_MAX` at most, so recursion
//!    over them is bounded.

mod comparison;
mod parse;

use std::fmt;
use std::sync::Arc;

use crate::limits::Limit;
use crate::match_specification::MatchSpecification;
use crate::name::Name;
use crate::name_regex::NameRegex;
use crate::node::Node;
use crate::payload::Payload;
use crate::steps_left::{OutOfSteps, take_steps};

use comparison::Comparison;

/// A compiled condition. Cheap to clone, and small, because each step of a path has room for one.
#[derive(Clone)]
pub struct Condition(Arc<Compiled>);

struct Compiled {
    term: Arc<[u8]>,
    test: Test,
    siblings: Siblings,
    applies_to_grandchildren: bool,
}

enum Test {
    /// The node has this name.
    Name(Name),
    /// The node is the root.
    Root,
    /// Nothing: any node will do.
    This,
    Exists(bool),
    NameMatches(NameTest),
    /// As `NameMatches`, and it also applies to all descendants.
    PathMatches(NameTest),
    HasPayload(bool),
    HasData(bool),
    HasProcedure(bool),
    DataMatches(MatchSpecification),
    PayloadVersion(Comparison),
    ChildListVersion(Comparison),
    ChildListLength(Comparison),
    Not(Condition),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

enum NameTest {
    Any,
    Regex(NameRegex),
    /// The regular expression is none.
    Never,
}

/// Which siblings a condition names, when it names some (specification section 2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Siblings {
    /// Sorted, each once.
    names: Vec<Name>,
    this: bool,
    root: bool,
}

/// Where a condition leads from a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// To the child of this name, if it meets the condition.
    Child(&'a Name),
    /// Nowhere: it is a condition on the node itself.
    This,
    /// To every child that meets it.
    Many,
}

/// Why a condition is none that the tree takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadCondition {
    /// The term is no condition.
    Malformed,
    /// A condition names the parent.
    TargetsParent,
    /// The pattern or the guards of a data condition are no match specification.
    MatchSpecification,
    /// It asks for what cannot be done on every replica alike, or in linear time.
    NotSupported {
        /// The term of the part that does.
        condition: Arc<[u8]>,
        /// What it asks for, in words.
        text: String,
    },
    /// Something is too large.
    LimitExceeded(Limit),
}

impl fmt::Display for BadCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadCondition::Malformed => f.write_str("the term is no condition"),
            BadCondition::TargetsParent => f.write_str("a condition cannot name the parent"),
            BadCondition::MatchSpecification => f.write_str("the match specification is malformed"),
            BadCondition::NotSupported { text, .. } => write!(f, "not supported: {text}"),
            BadCondition::LimitExceeded(limit) => write!(f, "limit exceeded: {limit}"),
        }
    }
}

impl std::error::Error for BadCondition {}

/// What a condition looks at, besides the name.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The payload.
    pub payload: &'a Payload,
    /// The counters; a condition on one that is unknown is not met.
    pub payload_version: Option<u64>,
    /// See `payload_version`.
    pub child_list_version: Option<u64>,
    /// See `payload_version`.
    pub child_list_length: Option<u64>,
}

impl<'a> From<&'a Node> for Subject<'a> {
    fn from(node: &'a Node) -> Subject<'a> {
        Subject {
            payload: node.payload(),
            payload_version: Some(node.payload_version()),
            child_list_version: Some(node.child_list_version()),
            child_list_length: Some(node.children().len()),
        }
    }
}

/// What a test came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The node meets the condition.
    Met,
    /// It does not: the term of the part that an error shows (specification section 3.7).
    NotMet(Arc<[u8]>),
}

impl Condition {
    /// The term of the record, in external term format.
    pub fn term(&self) -> &Arc<[u8]> {
        &self.0.term
    }

    /// The bytes of the term, in a log or a message.
    pub fn size_bytes(&self) -> usize {
        self.0.term.len()
    }

    /// Where it leads.
    pub fn target(&self) -> Target<'_> {
        let siblings = &self.0.siblings;
        match (&siblings.names[..], siblings.this, siblings.root) {
            ([name], false, false) => Target::Child(name),
            ([], this, root) if this != root => Target::This,
            _ => Target::Many,
        }
    }

    /// The names that a child must have one of to meet it, sorted; `None` when that is not known.
    pub(crate) fn names(&self) -> Option<&[Name]> {
        let siblings = &self.0.siblings;
        (!siblings.names.is_empty() && !siblings.this && !siblings.root).then_some(&siblings.names[..])
    }

    /// Whether it is tried below every child again.
    pub fn applies_to_grandchildren(&self) -> bool {
        self.0.applies_to_grandchildren
    }

    /// Whether a put may create the missing node that it stands for (specification section 3.5).
    pub(crate) fn allows_creation(&self) -> bool {
        match &self.0.test {
            Test::Name(_) | Test::Exists(false) => true,
            Test::All(conditions) => conditions.iter().all(Condition::allows_creation),
            Test::Any(conditions) => conditions.iter().any(Condition::allows_creation),
            _ => false,
        }
    }

    /// Whether it is met by there being no node: the exact condition that a node is absent.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self.0.test, Test::Exists(false))
    }

    /// Whether the node with this name (`None`: the root) meets the condition.
    pub fn test(
        &self,
        name: Option<&Name>,
        subject: &Subject<'_>,
        steps: &mut u64,
    ) -> Result<Verdict, OutOfSteps> {
        Ok(match self.failing(name, subject, steps)? {
            None => Verdict::Met,
            Some(failing) => Verdict::NotMet(Arc::clone(failing.term())),
        })
    }

    /// Whether a node meets the condition.
    pub(crate) fn is_met(
        &self,
        name: Option<&Name>,
        node: &Node,
        steps: &mut u64,
    ) -> Result<bool, OutOfSteps> {
        Ok(self.failing(name, &Subject::from(node), steps)?.is_none())
    }

    /// The part that is not met.
    fn failing(
        &self,
        name: Option<&Name>,
        subject: &Subject<'_>,
        steps: &mut u64,
    ) -> Result<Option<&Condition>, OutOfSteps> {
        take_steps(steps, 1)?;
        let met = match &self.0.test {
            Test::Name(wanted) => name == Some(wanted),
            Test::Root => name.is_none(),
            Test::This => true,
            Test::Exists(exists) => *exists,
            Test::NameMatches(test) | Test::PathMatches(test) => test.is_met(name, steps)?,
            Test::HasPayload(has) => *has != subject.payload.is_none(),
            Test::HasData(has) => *has == matches!(subject.payload, Payload::Data(_)),
            Test::HasProcedure(has) => *has == matches!(subject.payload, Payload::Procedure(_)),
            Test::DataMatches(specification) => match subject.payload {
                Payload::Data(data) => specification.matches(data, steps)?,
                Payload::None | Payload::Procedure(_) => false,
            },
            Test::PayloadVersion(comparison) => comparison.is_met(subject.payload_version),
            Test::ChildListVersion(comparison) => comparison.is_met(subject.child_list_version),
            Test::ChildListLength(comparison) => comparison.is_met(subject.child_list_length),
            Test::Not(condition) => condition.failing(name, subject, steps)?.is_some(),
            Test::All(conditions) => {
                for condition in conditions {
                    if let Some(failing) = condition.failing(name, subject, steps)? {
                        return Ok(Some(failing));
                    }
                }
                true
            }
            Test::Any(conditions) => {
                let mut met = false;
                for condition in conditions {
                    met = met || condition.failing(name, subject, steps)?.is_none();
                }
                met
            }
        };
        Ok(if met { None } else { Some(self) })
    }
}

impl NameTest {
    fn is_met(&self, name: Option<&Name>, steps: &mut u64) -> Result<bool, OutOfSteps> {
        match self {
            NameTest::Any => Ok(true),
            NameTest::Never => Ok(false),
            NameTest::Regex(regex) => regex.is_found_in(name, steps),
        }
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Condition) -> bool {
        self.0.term == other.0.term
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.0.term.escape_ascii())
    }
}

#[cfg(test)]
#[path = "condition_test.rs"]
mod tests;
