//! Following a path that names one node, step by step.
//!
//! Invariants:
//! 1. The walk changes nothing and goes on where nodes are missing, so that a put knows what to create.
//! 2. The nodes found are a prefix of the place: below a missing node everything is missing.
//! 3. Every condition on the way is met by the node it is about, or the walk ends in a refusal; where there is no node,
//!    it is noted whether the condition lets one be created (specification section 3.5). What comes first on the way
//!    decides: a refusal behind a missing node is only noted.

use crate::answer::Refusal;
use crate::condition::{Condition, Target, Verdict};
use crate::limits::Limit;
use crate::name::{Name, Path};
use crate::node::Node;
use crate::props::PropsMask;
use crate::step::Step;
use crate::steps_left::take_steps;

/// What a walk does at a component that may lead to many nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ambiguous {
    /// It is refused, wherever it stands.
    Refused,
    /// It is refused where there is a node. Below a missing one the walk ends with what it has.
    RefusedAtNodes,
}

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Walk<'tree> {
    /// The names from the root to the target.
    pub(crate) names: Path,
    /// The nodes from the root towards the target, as far as there are any.
    pub(crate) nodes: Vec<&'tree Node>,
    /// Places without a node that the path enters and leaves again (`[a, ^]`), the deeper first.
    pub(crate) missing_aside: Vec<Path>,
    /// The index of the first step into nowhere.
    pub(crate) first_missing: Option<usize>,
    /// The index of the first step into nowhere that lets no node be created.
    pub(crate) first_denied: Option<usize>,
    /// A condition behind the first step into nowhere that is not met; the walk ended there.
    pub(crate) refusal_behind: Option<Refusal>,
}

impl<'tree> Walk<'tree> {
    /// The node at the target.
    pub(crate) fn target(&self) -> Option<&'tree Node> {
        if self.nodes.len() > self.names.len() { self.nodes.last().copied() } else { None }
    }
}

/// Follows the steps from the root.
pub(crate) fn walk<'tree>(
    root: &'tree Node,
    steps: &[Step],
    ambiguous: Ambiguous,
    left: &mut u64,
) -> Result<Walk<'tree>, Refusal> {
    walk_from(root, &[], steps, ambiguous, left)
}

/// Follows the steps from the node at `base`, if there is one.
pub(crate) fn walk_from<'tree>(
    root: &'tree Node,
    base: &[Name],
    steps: &[Step],
    ambiguous: Ambiguous,
    left: &mut u64,
) -> Result<Walk<'tree>, Refusal> {
    check_limits(steps)?;
    if ambiguous == Ambiguous::Refused
        && let Some(position) = steps.iter().position(Step::is_wildcard)
    {
        return Err(Refusal::WildcardInPath { position });
    }
    let mut walk = Walk {
        names: Path::with_capacity(base.len() + steps.len()),
        nodes: Vec::with_capacity(base.len() + steps.len() + 1),
        missing_aside: Vec::new(),
        first_missing: None,
        first_denied: None,
        refusal_behind: None,
    };
    walk.nodes.push(root);
    take_steps(left, base.len() as u64)?;
    base.iter().for_each(|name| walk.enter(name, 0));
    for (position, step) in steps.iter().enumerate() {
        take_steps(left, 1)?;
        if step.is_wildcard() {
            if walk.first_missing.is_some() {
                return Ok(walk);
            }
            return Err(Refusal::WildcardInPath { position });
        }
        match step {
            Step::This => {}
            Step::Child(name) => walk.enter(name, position),
            Step::Parent => {
                walk.leave();
                if walk.names.pop().is_some() {
                    walk.nodes.truncate(walk.names.len() + 1);
                }
            }
            Step::Root => {
                walk.leave();
                walk.names.clear();
                walk.nodes.truncate(1);
            }
            Step::Condition(condition) => {
                match condition.target() {
                    Target::Child(name) => walk.enter(name, position),
                    Target::This | Target::Many => {}
                }
                match walk.test(condition, position, position + 1 == steps.len(), left) {
                    // What is missing comes first.
                    Err(refusal @ Refusal::Mismatching { .. }) if walk.first_missing.is_some() => {
                        walk.refusal_behind = Some(refusal);
                        break;
                    }
                    tested => tested?,
                }
            }
            Step::AnyChild | Step::AnyDescendant => {}
        }
    }
    // The path of a target may be longer than its steps: they began at a base. The same of places aside, which are created.
    check_place(&walk.names)?;
    walk.missing_aside.iter().try_for_each(|place| check_place(place))?;
    Ok(walk)
}

impl Walk<'_> {
    fn enter(&mut self, name: &Name, position: usize) {
        let child = self.target().and_then(|node| node.child(name));
        self.names.push(name.clone());
        match child {
            Some(child) => self.nodes.push(child),
            None => self.first_missing = self.first_missing.or(Some(position)),
        }
    }

    /// Remembers the place if it has no node and no place remembered last lies below it.
    fn leave(&mut self) {
        let is_missing = self.nodes.len() <= self.names.len();
        if is_missing && !self.missing_aside.last().is_some_and(|place| place.starts_with(&self.names)) {
            self.missing_aside.push(self.names.clone());
        }
    }

    /// Tests the node where the walk stands.
    fn test(
        &mut self,
        condition: &Condition,
        position: usize,
        is_target: bool,
        left: &mut u64,
    ) -> Result<(), Refusal> {
        let Some(node) = self.target() else {
            if !condition.allows_creation() {
                self.first_denied = self.first_denied.or(Some(position));
            }
            return Ok(());
        };
        match condition.test(self.names.last(), &node.into(), left)? {
            Verdict::Met => Ok(()),
            Verdict::NotMet(condition) => Err(Refusal::Mismatching {
                name: self.names.last().cloned(),
                path: self.names.clone(),
                is_target,
                props: Box::new(node.props(PropsMask::DEFAULT)),
                condition,
            }),
        }
    }
}

/// The refusal for the step at `position`, which leads nowhere.
pub(crate) fn not_found(steps: &[Step], position: usize) -> Refusal {
    let mut path = Path::new();
    let mut condition_there = None;
    for step in steps.iter().take(position + 1) {
        condition_there = None;
        match step {
            Step::Child(name) => path.push(name.clone()),
            Step::Parent => drop(path.pop()),
            Step::Root => path.clear(),
            Step::Condition(condition) => {
                condition_there = Some(condition.term().clone());
                if let Target::Child(name) = condition.target() {
                    path.push(name.clone());
                }
            }
            Step::This | Step::AnyChild | Step::AnyDescendant => {}
        }
    }
    match path.last().cloned() {
        Some(name) => Refusal::NodeNotFound {
            name,
            path,
            is_target: position + 1 == steps.len(),
            condition: condition_there,
        },
        None => Refusal::WildcardInPath { position }, // Only a step to a child leads nowhere, and it adds a name.
    }
}

/// Whether the path is within the limits.
pub(crate) fn check_limits(steps: &[Step]) -> Result<(), Limit> {
    Limit::PathComponents.check(steps.len())?;
    let mut size_bytes = 0;
    for step in steps {
        if let Step::Child(name) = step {
            name.check_limits()?;
            size_bytes += name.bytes().len();
        }
        if let Step::Condition(condition) = step
            && let Target::Child(name) = condition.target()
        {
            size_bytes += name.bytes().len();
        }
    }
    Limit::PathSizeBytes.check(size_bytes)
}

/// Whether a node may be at this place.
fn check_place(names: &[Name]) -> Result<(), Limit> {
    Limit::PathComponents.check(names.len())?;
    Limit::PathSizeBytes.check(names.iter().map(|name| name.bytes().len()).sum())
}
