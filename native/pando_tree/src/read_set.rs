//! What a transaction has read: enough to tell later whether it would read the same again.
//!
//! Invariants:
//! 1. Scopes are about the tree that the transaction began with, never about what it has written itself.
//! 2. A scope that holds means that every answer which was made from it would be made again. The other way round is not
//!    promised: a wide scope may be broken by a change that nobody looked at.
//! 3. What a reader found missing is noted as the topmost missing node, below one that is there: that is what its error
//!    names.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::condition::Target;
use crate::limits::{TRANSACTION_SCOPES_MAX, TRANSACTION_SCOPES_SIZE_BYTES_MAX};
use crate::name::{Name, Path};
use crate::state::State;
use crate::step::Step;

/// How much of a node was read; each holds what those before it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Whether it is there.
    Presence,
    /// Its payload and the version of that.
    Payload,
    /// That, and the list of its children.
    Node,
    /// Everything at and below it.
    Subtree,
}

/// One thing that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadScope {
    /// The path of the node.
    pub path: Path,
    /// How much of it was read. Of a node that was missing: nothing but that.
    pub extent: Extent,
    /// Whether the node was there.
    pub was_present: bool,
}

impl ReadScope {
    /// Whether one who reads it in `state` finds what was found at the revision `base`.
    pub fn holds(&self, state: &State, base: u64) -> bool {
        let Some(node) = state.lookup(&self.path) else { return !self.was_present };
        let newest = match self.extent {
            Extent::Presence => 0,
            Extent::Payload => node.payload_revision(),
            Extent::Node => node.revision(),
            Extent::Subtree => node.subtree_revision(),
        };
        self.was_present && newest <= base
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadSet {
    scopes: BTreeMap<Path, (Extent, bool)>,
    /// About what the paths take.
    size_bytes: usize,
}

impl ReadSet {
    /// How many things were read.
    pub(crate) fn len(&self) -> usize {
        self.scopes.len()
    }

    /// Nothing was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// The paths of what was read.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.scopes.keys()
    }

    /// What was read, in the order of paths.
    pub(crate) fn into_scopes(self) -> Vec<ReadScope> {
        let scope = |(path, (extent, was_present))| ReadScope { path, extent, was_present };
        self.scopes.into_iter().map(scope).collect()
    }

    /// So much was read of the node at this path, as `base` has it.
    pub(crate) fn note(&mut self, base: &State, path: &[Name], extent: Extent) {
        let mut node = &**base.root();
        for (depth, name) in path.iter().enumerate() {
            match node.child(name) {
                Some(child) => node = child,
                None => {
                    let above = path.iter().take(depth).cloned().collect();
                    self.insert(above, Extent::Presence, true);
                    let missing = path.iter().take(depth + 1).cloned().collect();
                    return self.insert(missing, Extent::Presence, false);
                }
            }
        }
        self.insert(path.to_vec(), extent, true);
    }

    /// A path that names one node was followed, and so much was read of that node.
    pub(crate) fn note_path(&mut self, base: &State, steps: &[Step], extent: Extent) {
        let mut names = Path::with_capacity(steps.len());
        for step in steps {
            match step {
                Step::This | Step::Child(_) | Step::Parent | Step::Root => {
                    self.follow(base, step, &mut names)
                }
                Step::Condition(condition) => {
                    if let Target::Child(name) = condition.target() {
                        names.push(name.clone());
                    }
                    self.note(base, &names, Extent::Node);
                }
                // It is refused here, or has ended where there is no node.
                Step::AnyChild | Step::AnyDescendant => break,
            }
        }
        self.note(base, &names, extent);
    }

    /// All that a pattern matches was read, and that nothing else does.
    pub(crate) fn note_pattern(&mut self, base: &State, pattern: &[Step]) {
        let mut names = Path::new();
        let mut rest = pattern.iter();
        for step in rest.by_ref() {
            match step {
                Step::This | Step::Child(_) | Step::Parent | Step::Root => {
                    self.follow(base, step, &mut names)
                }
                Step::Condition(_) | Step::AnyChild | Step::AnyDescendant => {
                    // From here on it may also climb.
                    if rest.any(|step| matches!(step, Step::Parent | Step::Root)) {
                        names.clear();
                    }
                    return self.note(base, &names, Extent::Subtree);
                }
            }
        }
        self.note(base, &names, Extent::Node);
    }

    /// Follows a step that leads to one node, or back. A place that is left again was there, or the way ended.
    fn follow(&mut self, base: &State, step: &Step, names: &mut Path) {
        match step {
            Step::Child(name) => names.push(name.clone()),
            Step::Parent => {
                self.note(base, names, Extent::Presence);
                names.pop();
            }
            Step::Root => {
                self.note(base, names, Extent::Presence);
                names.clear();
            }
            Step::This | Step::AnyChild | Step::AnyDescendant | Step::Condition(_) => {}
        }
    }

    fn insert(&mut self, path: Path, extent: Extent, was_present: bool) {
        match self.scopes.entry(path) {
            Entry::Occupied(mut scope) => {
                let (before, was_present) = *scope.get();
                scope.insert((before.max(extent), was_present));
            }
            Entry::Vacant(scope) => {
                self.size_bytes +=
                    scope.key().iter().map(|name| size_of::<Name>() + name.bytes().len()).sum::<usize>();
                scope.insert((extent, was_present));
            }
        }
        if self.scopes.len() > TRANSACTION_SCOPES_MAX || self.size_bytes > TRANSACTION_SCOPES_SIZE_BYTES_MAX {
            // So many that one for all of them is better: the root's subtree.
            self.scopes = BTreeMap::from([(Path::new(), (Extent::Subtree, true))]);
            self.size_bytes = 0;
        }
    }
}
