//! What a command answers.

use std::fmt;
use std::sync::Arc;

use crate::limits::Limit;
use crate::name::{Name, Path};
use crate::props::Props;
use crate::step::Step;
use crate::steps_left::OutOfSteps;

/// The answer of a command. Unless it is `Refused` or `Conflict`, the command took effect (a repeated one before).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Success, and the caller wanted no properties.
    Done,
    /// Success: the nodes concerned, in the order of their paths: targets, what was removed below them, and what
    /// followed them. Empty when there was nothing to do it to.
    Nodes(Vec<(Path, Props)>),
    /// Nothing was changed.
    Refused(Refusal),
    /// Success of several commands that were one: the answer of each, in their order. None of them is of this kind.
    Results(Vec<Answer>),
    /// Nothing was changed: what a transaction read is not so any more. The path of the first thing that is not.
    Conflict(Path),
    /// Nothing was changed: a command with this request id was applied before.
    Repeated(Box<Repeated>),
}

/// What is kept of a request that was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repeated {
    /// What it answered; `None` when that was too large to be kept.
    pub answer: Option<Answer>,
    /// What its caller left with it ([`crate::Once::note`]).
    pub note: Option<Arc<[u8]>>,
}

/// Why a command or a query was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A node on the path is missing.
    NodeNotFound {
        /// The name that is missing.
        name: Name,
        /// The path up to and including it.
        path: Path,
        /// Whether it was the last component.
        is_target: bool,
        /// The term of the component, when it was a condition.
        condition: Option<Arc<[u8]>>,
    },
    /// The node is there but not as the command demands.
    Mismatching {
        /// Its name; `None` for the root.
        name: Option<Name>,
        /// Its path.
        path: Path,
        /// Whether it was the last component.
        is_target: bool,
        /// Its default properties.
        props: Box<Props>,
        /// The term of the condition that it does not meet.
        condition: Arc<[u8]>,
    },
    /// The conditions on which the node is to depend do not hold.
    KeepWhileNotMet {
        /// Its name; `None` for the root.
        name: Option<Name>,
        /// Its path.
        path: Path,
        /// Which does not.
        reason: KeepWhileReason,
    },
    /// The path has a wildcard where one node must be named.
    WildcardInPath {
        /// The index of the step.
        position: usize,
    },
    /// A step up, or back to the root, behind wildcards in a combination that no scan supports.
    UnsupportedPattern {
        /// The index of the step.
        position: usize,
    },
    /// Something is too large.
    LimitExceeded(Limit),
    /// A requirement of a transaction is not met.
    RequirementNotMet {
        /// Which, from 0.
        index: usize,
        /// Where.
        path: Vec<Step>,
        /// Why.
        reason: KeepWhileReason,
    },
    /// A command of a transaction was refused.
    InTransaction {
        /// Which, from 0.
        index: usize,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// A command holds one that it cannot hold.
    Nested,
}

/// Why a condition on other nodes does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepWhileReason {
    /// The term of a condition that a watched node does not meet.
    Condition(Arc<[u8]>),
    /// There is no node where this leads.
    NoNode(Vec<Step>),
}

impl From<OutOfSteps> for Refusal {
    fn from(_: OutOfSteps) -> Refusal {
        Refusal::LimitExceeded(Limit::CommandSteps)
    }
}

impl From<Limit> for Refusal {
    fn from(limit: Limit) -> Refusal {
        Refusal::LimitExceeded(limit)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NodeNotFound { path, .. } => write!(f, "no node at {path:?}"),
            Refusal::Mismatching { path, .. } => write!(f, "the node at {path:?} is not as demanded"),
            Refusal::KeepWhileNotMet { path, .. } => {
                write!(f, "what the node at {path:?} is to depend on does not hold")
            }
            Refusal::WildcardInPath { position } => write!(f, "step {position} may match many nodes"),
            Refusal::UnsupportedPattern { position } => {
                write!(f, "step {position} cannot follow these wildcards")
            }
            Refusal::LimitExceeded(limit) => write!(f, "limit exceeded: {limit}"),
            Refusal::RequirementNotMet { index, path, .. } => {
                write!(f, "requirement {index} of the transaction, at {path:?}, is not met")
            }
            Refusal::InTransaction { index, .. } => {
                write!(f, "command {index} of the transaction was refused")
            }
            Refusal::Nested => f.write_str("a command holds one that it cannot hold"),
        }
    }
}

impl std::error::Error for Refusal {}
