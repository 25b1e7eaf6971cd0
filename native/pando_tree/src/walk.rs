//! Following a path that names one node, step by step.
//!
//! Invariants:
//! 1. The walk changes nothing and goes on where nodes are missing, so that a put knows what to create.
//! 2. The nodes found are a prefix of the place: below a missing node everything is missing.

use crate::answer::Refusal;
use crate::limits::Limit;
use crate::name::{Name, Path};
use crate::node::Node;
use crate::step::Step;

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Walk<'tree, 'path> {
    /// The names from the root to the target.
    pub(crate) names: Vec<&'path Name>,
    /// The nodes from the root towards the target, as far as there are any.
    pub(crate) nodes: Vec<&'tree Node>,
    /// Places without a node that the path enters and leaves again (`[a, ^]`), the deeper first.
    pub(crate) missing_aside: Vec<Vec<&'path Name>>,
    /// The index of the first step into nowhere.
    pub(crate) first_missing: Option<usize>,
}

impl<'tree> Walk<'tree, '_> {
    /// The node at the target.
    pub(crate) fn target(&self) -> Option<&'tree Node> {
        if self.nodes.len() > self.names.len() { self.nodes.last().copied() } else { None }
    }
}

/// Follows the steps from the root.
pub(crate) fn walk<'tree, 'path>(
    root: &'tree Node,
    steps: &'path [Step],
) -> Result<Walk<'tree, 'path>, Refusal> {
    check_limits(steps)?;
    let mut walk = Walk {
        names: Vec::with_capacity(steps.len()),
        nodes: Vec::with_capacity(steps.len() + 1),
        missing_aside: Vec::new(),
        first_missing: None,
    };
    walk.nodes.push(root);
    for (position, step) in steps.iter().enumerate() {
        match step {
            Step::This => {}
            Step::Child(name) => {
                let child = walk.target().and_then(|node| node.child(name));
                walk.names.push(name);
                match child {
                    Some(child) => walk.nodes.push(child),
                    None => walk.first_missing = walk.first_missing.or(Some(position)),
                }
            }
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
            Step::AnyChild | Step::AnyDescendant | Step::Condition(_) => {
                return Err(Refusal::WildcardInPath { position });
            }
        }
    }
    Ok(walk)
}

impl Walk<'_, '_> {
    /// Remembers the place if it has no node and no place remembered last lies below it.
    fn leave(&mut self) {
        let is_missing = self.nodes.len() <= self.names.len();
        if is_missing && !self.missing_aside.last().is_some_and(|place| place.starts_with(&self.names)) {
            self.missing_aside.push(self.names.clone());
        }
    }
}

/// The refusal for the step at `position`, which leads nowhere.
pub(crate) fn not_found(steps: &[Step], position: usize) -> Refusal {
    let mut path = Path::new();
    for step in steps.iter().take(position + 1) {
        match step {
            Step::Child(name) => path.push(name.clone()),
            Step::Parent => drop(path.pop()),
            Step::Root => path.clear(),
            Step::This | Step::AnyChild | Step::AnyDescendant | Step::Condition(_) => {}
        }
    }
    match path.last().cloned() {
        Some(name) => Refusal::NodeNotFound { name, path, is_target: position + 1 == steps.len() },
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
    }
    Limit::PathSizeBytes.check(size_bytes)
}

/// An owned path.
pub(crate) fn to_path(names: &[&Name]) -> Path {
    names.iter().map(|name| (*name).clone()).collect()
}
