//! Walking the nodes that match a pattern, piece by piece, in one immutable tree.
//!
//! Invariants:
//! 1. Each matching node comes once, before its descendants, siblings in the order of names.
//! 2. The scan holds the tree: commands applied meanwhile change nothing of it.
//! 3. It needs memory for the depth of the tree, not for its size, and does no more work at a time than it is told.
//! 4. It visits only children that can matter: a plain step costs one look-up, whatever the number of siblings.

use std::sync::Arc;

use crate::answer::Refusal;
use crate::name::{Name, Path};
use crate::node::Node;
use crate::pattern::{Candidates, Pattern, held_node};
use crate::positions::Positions;
use crate::sorted_map::Cursor;
use crate::state::State;
use crate::step::Step;
use crate::walk::walk;

/// The walk.
#[derive(Debug)]
pub struct Scan {
    root: Arc<Node>,
    pattern: Pattern,
    /// The root is to be returned first, though the pattern does not lead to it.
    root_is_next: bool,
    /// A node that was reached but whose children were not looked at yet.
    reached: Option<Reached>,
    open: Vec<Open>,
    /// The path of the start, and below it the names of the nodes that are open and of the one last visited.
    path: Path,
    start_depth: usize,
    counted: u64,
}

#[derive(Debug)]
struct Reached {
    node: Arc<Node>,
    positions: Positions,
    /// The node itself was not looked at yet. Only the start comes so.
    is_unseen: bool,
}

/// A node some of whose children are still to be visited.
#[derive(Debug)]
struct Open {
    positions: Positions,
    children: Children,
}

#[derive(Debug)]
enum Children {
    All(Cursor<Name, Arc<Node>>),
    Named { parent: Arc<Node>, names: std::vec::IntoIter<Name> },
}

/// What [`Scan::next_within`] came to.
#[derive(Debug)]
pub enum Pulled {
    /// A node that matches.
    Node(Path, Arc<Node>),
    /// There is no further one.
    End,
    /// The steps were used up before one was found. Go on with new ones.
    OutOfSteps,
}

/// What [`Scan::count`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many nodes matched.
    Done(u64),
    /// The steps were used up. Go on with new ones.
    More,
}

enum Visit {
    Match(Arc<Node>),
    NoMatch,
    End,
}

impl Scan {
    /// A scan of the state as it is now. With `include_root`, a pattern that begins with a wildcard yields the root too.
    pub fn new(
        state: &State,
        pattern: Vec<Step>,
        include_root: bool,
        _from: Option<Path>,
    ) -> Result<Scan, Refusal> {
        let first_wildcard = pattern.iter().position(Step::is_wildcard).unwrap_or(pattern.len());
        let (plain, _) = pattern.split_at(first_wildcard);
        let start = walk(state.root(), plain, &mut 1_000_000)?;
        crate::walk::check_limits(&pattern)?;
        let compiled = Pattern::new(&pattern, first_wildcard, &start.names)?;
        let depth = start.names.len().saturating_sub(compiled.start_up);
        let names = start.names.get(..depth).unwrap_or_default();
        let found = if start.first_missing.is_none() { held_node(state.root(), names) } else { None };
        let reached =
            found.map(|node| Reached { positions: compiled.at_start(&node), node, is_unseen: true });
        let root_matches =
            depth == 0 && reached.as_ref().is_some_and(|start| compiled.is_match(&start.positions));
        Ok(Scan {
            root: Arc::clone(state.root()),
            root_is_next: include_root && first_wildcard == 0 && !pattern.is_empty() && !root_matches,
            pattern: compiled,
            reached,
            open: Vec::new(),
            path: names.to_vec(),
            start_depth: depth,
            counted: 0,
        })
    }

    /// The next matching node, however many nodes have to be visited for it.
    #[allow(clippy::should_implement_trait)] // It is not meant for adapters: a caller should think of the steps.
    pub fn next(&mut self) -> Option<(Path, Arc<Node>)> {
        loop {
            match self.visit(false) {
                Visit::Match(node) => return Some((self.path.clone(), node)),
                Visit::NoMatch => {}
                Visit::End => return None,
            }
        }
    }

    /// The next matching node, if it is found within so many steps, of which those needed are taken off. A step is
    /// the visit of a node.
    pub fn next_within(&mut self, steps: &mut u64) -> Pulled {
        while let Some(left) = steps.checked_sub(1) {
            *steps = left;
            match self.visit(false) {
                Visit::Match(node) => return Pulled::Node(self.path.clone(), node),
                Visit::NoMatch => {}
                Visit::End => return Pulled::End,
            }
        }
        Pulled::OutOfSteps
    }

    /// Counts the nodes that match and that were not returned yet. Where all below a node match, they are not visited.
    pub fn count(&mut self, steps_max: u64) -> Progress {
        for _ in 0..steps_max {
            match self.visit(true) {
                Visit::Match(_) => self.counted = self.counted.saturating_add(1),
                Visit::NoMatch => {}
                Visit::End => return Progress::Done(self.counted),
            }
        }
        Progress::More
    }

    /// The tree, to be dropped where that may take long: the scan may hold it as the last.
    pub fn into_root(self) -> Arc<Node> {
        self.root
    }

    /// Visits one node. When only counting, whole subtrees are added to the count where that is possible.
    fn visit(&mut self, counting: bool) -> Visit {
        if std::mem::take(&mut self.root_is_next) {
            return Visit::Match(Arc::clone(&self.root));
        }
        if let Some(reached) = &mut self.reached
            && std::mem::take(&mut reached.is_unseen)
            && self.pattern.is_match(&reached.positions)
        {
            return Visit::Match(Arc::clone(&reached.node));
        }
        if let Some(reached) = self.reached.take() {
            self.open(reached, counting);
        }
        while let Some(open) = self.open.last_mut() {
            let Some((name, node)) = open.children.next() else {
                self.open.pop();
                continue;
            };
            let positions = self.pattern.at_child(&open.positions, &name, &node);
            if positions.is_empty() {
                return Visit::NoMatch;
            }
            self.path.truncate(self.start_depth + self.open.len() - 1);
            self.path.push(name);
            let is_match = self.pattern.is_match(&positions);
            let visit = if is_match { Visit::Match(Arc::clone(&node)) } else { Visit::NoMatch };
            self.reached = Some(Reached { node, positions, is_unseen: false });
            return visit;
        }
        Visit::End
    }

    fn open(&mut self, reached: Reached, counting: bool) {
        let Reached { node, positions, .. } = reached;
        if counting && let Some(below) = self.pattern.count_below(&positions, &node) {
            self.counted = self.counted.saturating_add(below);
            return;
        }
        let children = match self.pattern.candidates(&positions, &node) {
            None => return,
            Some(Candidates::All) => Children::All(node.children().cursor()),
            Some(Candidates::Named(names)) => Children::Named { parent: node, names: names.into_iter() },
        };
        self.open.push(Open { positions, children });
    }
}

impl Iterator for Children {
    type Item = (Name, Arc<Node>);

    fn next(&mut self) -> Option<(Name, Arc<Node>)> {
        match self {
            Children::All(cursor) => cursor.next(),
            Children::Named { parent, names } => {
                names.find_map(|name| parent.children().get(&name).map(Arc::clone).map(|node| (name, node)))
            }
        }
    }
}

#[cfg(test)]
#[path = "scan_test.rs"]
mod tests;
