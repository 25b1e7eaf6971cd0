//! What nodes depend on: their conditions on other nodes (specification section 10.2), found from either side.
//!
//! Invariants:
//! 1. Every condition that a node has is entered under what it watches, and the other way round.
//! 2. A copy costs a few references; looking for those concerned by a change costs what is found, not what there is.
//! 3. Paths are kept absolute, without steps to this node, to the parent or to the root.

use std::ops::Bound;
use std::sync::Arc;

use crate::command::Watched;
use crate::name::{Name, Path};
use crate::sorted_map::{Cursor, SortedMap};
use crate::step::Step;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeepWhile {
    conditions: SortedMap<Path, Arc<[Watched]>>,
    /// Watched path and watcher: where one node is watched.
    nodes: SortedMap<(Path, Path), ()>,
    /// The plain beginning of a watched pattern and the watcher.
    patterns: SortedMap<(Path, Path), ()>,
}

/// A watched path: either that of one node, or a pattern below one.
pub(crate) enum Place {
    Node(Path),
    PatternBelow(Path),
}

/// Where a path leads whose steps up and back are resolved.
pub(crate) fn place_of(steps: &[Step]) -> Place {
    let names: Path = steps
        .iter()
        .map_while(|step| match step {
            Step::Child(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    if names.len() == steps.len() { Place::Node(names) } else { Place::PatternBelow(names) }
}

/// The path of what a node at `watcher` watches, absolute and without steps up or back.
pub(crate) fn resolve(steps: &[Step], watcher: &[Name]) -> Vec<Step> {
    let is_relative = matches!(steps.first(), Some(Step::This | Step::Parent));
    let base = if is_relative { watcher } else { &[] };
    let mut resolved: Vec<Step> = base.iter().cloned().map(Step::Child).collect();
    for step in steps {
        match step {
            Step::This => {}
            Step::Parent => drop(resolved.pop()),
            Step::Root => resolved.clear(),
            Step::Child(_) | Step::AnyChild | Step::AnyDescendant | Step::Condition(_) => {
                resolved.push(step.clone());
            }
        }
    }
    resolved
}

/// The conditions with absolute paths, one for each path: of several spellings of one path the last counts.
pub(crate) fn resolved(conditions: &[Watched], watcher: &[Name]) -> Vec<Watched> {
    let mut resolved: Vec<Watched> = Vec::with_capacity(conditions.len());
    for watched in conditions {
        let path = resolve(&watched.path, watcher);
        let condition = watched.condition.clone();
        match resolved.iter_mut().find(|other| other.path == path) {
            Some(other) => other.condition = condition,
            None => resolved.push(Watched { path, condition }),
        }
    }
    resolved
}

impl KeepWhile {
    pub(crate) fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    pub(crate) fn len(&self) -> u64 {
        self.conditions.len()
    }

    /// The conditions of one node.
    pub(crate) fn of(&self, watcher: &Path) -> Option<&Arc<[Watched]>> {
        self.conditions.get(watcher)
    }

    /// All nodes that have conditions, in the order of paths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, &Arc<[Watched]>)> {
        self.conditions.iter()
    }

    /// The same, through a cursor that holds them.
    pub(crate) fn cursor(&self) -> Cursor<Path, Arc<[Watched]>> {
        self.conditions.cursor()
    }

    /// Replaces the conditions of a node; without any it depends on nothing.
    pub(crate) fn set(&mut self, watcher: &Path, conditions: Vec<Watched>) {
        self.forget(watcher);
        if conditions.is_empty() {
            return;
        }
        for watched in &conditions {
            match place_of(&watched.path) {
                Place::Node(path) => self.nodes.insert((path, watcher.clone()), ()),
                Place::PatternBelow(path) => self.patterns.insert((path, watcher.clone()), ()),
            };
        }
        self.conditions.insert(watcher.clone(), conditions.into());
    }

    /// Forgets the conditions of a node and of everything below it.
    pub(crate) fn forget_subtree(&mut self, top: &Path) {
        let gone: Vec<Path> = self
            .conditions
            .iter_from(Bound::Included(top))
            .map(|(watcher, _)| watcher)
            .take_while(|watcher| watcher.starts_with(top))
            .cloned()
            .collect();
        gone.iter().for_each(|watcher| self.forget(watcher));
    }

    fn forget(&mut self, watcher: &Path) {
        for watched in self.conditions.remove(watcher).iter().flat_map(|conditions| conditions.iter()) {
            match place_of(&watched.path) {
                Place::Node(path) => self.nodes.remove(&(path, watcher.clone())),
                Place::PatternBelow(path) => self.patterns.remove(&(path, watcher.clone())),
            };
        }
    }

    /// The nodes that watch exactly this one.
    pub(crate) fn watchers_of(&self, path: &Path) -> impl Iterator<Item = &Path> {
        entries_from(&self.nodes, path)
            .take_while(move |(watched, _)| watched == path)
            .map(|(_, watcher)| watcher)
    }

    /// The nodes that watch this one or one below it.
    pub(crate) fn watchers_at_or_below(&self, path: &Path) -> impl Iterator<Item = &Path> {
        entries_from(&self.nodes, path)
            .take_while(move |(watched, _)| watched.starts_with(path))
            .map(|(_, watcher)| watcher)
    }

    /// Whether a node watches a pattern.
    pub(crate) fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// The nodes that watch a pattern whose plain beginning leads to this node.
    pub(crate) fn pattern_watchers_of(&self, path: &Path) -> impl Iterator<Item = &Path> + use<'_> {
        let path = path.clone();
        entries_from(&self.patterns, &path)
            .take_while(move |(watched, _)| *watched == path)
            .map(|(_, watcher)| watcher)
    }

    /// The nodes that watch a pattern whose plain beginning leads to this node or to one below it.
    pub(crate) fn pattern_watchers_below(&self, path: &Path) -> impl Iterator<Item = &Path> {
        entries_from(&self.patterns, path)
            .take_while(move |(watched, _)| watched.starts_with(path))
            .map(|(_, watcher)| watcher)
    }
}

fn entries_from<'a>(
    index: &'a SortedMap<(Path, Path), ()>,
    path: &Path,
) -> impl Iterator<Item = &'a (Path, Path)> + use<'a> {
    let start = (path.clone(), Path::new());
    index.iter_from(Bound::Included(&start)).map(|(key, ())| key)
}

#[cfg(test)]
#[path = "keep_while_test.rs"]
mod tests;
