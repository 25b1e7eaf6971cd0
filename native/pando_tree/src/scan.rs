//! Walking the nodes that match a pattern, piece by piece, in one immutable tree.
//!
//! Invariants:
//! 1. Each matching node comes before its descendants, siblings in the order of names: paths come in their order. It
//!    comes once, or as often as there are ways of the pattern to it (`[**, **]`), as the specification's own walk does.
//! 2. The scan holds the tree: commands applied meanwhile change nothing of it.
//! 3. It needs memory for the depth of the tree, not for its size, and does no more work at a time than it is
//!    told, but for the last node it visits: a visit is never cut short, so each call gets on by one at
//!    least.
//! 4. It visits only children that can matter: a plain step costs one look-up, whatever the number of
//!    siblings, and so does each name of the path that it begins behind.

use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;

use crate::answer::Refusal;
use crate::name::{Name, Path};
use crate::node::Node;
use crate::pattern::{Candidates, Pattern};
use crate::positions::Positions;
use crate::sorted_map::Cursor;
use crate::state::State;
use crate::step::Step;

/// The walk.
#[derive(Debug)]
pub struct Scan {
    root: Arc<Node>,
    pattern: Pattern,
    /// The root was not looked at yet.
    root_is_next: bool,
    /// The root is to be returned, also if the pattern does not lead to it.
    include_root: bool,
    /// A node that was reached but whose children were not looked at yet.
    reached: Option<Reached>,
    open: Vec<Open>,
    /// The names of the nodes that are open and of the one last visited.
    path: Path,
    behind: Behind,
    each_once: bool,
    /// The node last returned, and how often it is to come again.
    again: Option<(Arc<Node>, u64)>,
    counted: u64,
}

#[derive(Debug)]
struct Reached {
    node: Arc<Node>,
    positions: Positions,
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

/// The way to the path behind which the scan begins. Nodes on the way are not returned.
#[derive(Debug)]
struct Behind {
    /// Whether there is such a path.
    is_given: bool,
    /// The names that are left of it, below the nodes that are open.
    names: std::vec::IntoIter<Name>,
    /// The name of the child next on the way.
    next: Option<Name>,
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
    /// The node, and the number of ways to it.
    Match(Arc<Node>, u64),
    NoMatch,
    End,
}

impl Scan {
    /// A scan of the state as it is now. With `include_root`, a pattern that begins with a wildcard, or with
    /// a condition on children, yields the root too. With `from`, only nodes behind this path come, in the
    /// order of the scan; whether there is a node at the path makes no difference.
    pub fn new(
        state: &State,
        pattern: Vec<Step>,
        include_root: bool,
        from: Option<Path>,
    ) -> Result<Scan, Refusal> {
        crate::walk::check_limits(&pattern)?;
        let is_behind = from.is_some();
        Ok(Scan {
            root: Arc::clone(state.root()),
            root_is_next: true,
            // No path is before that of the root.
            include_root: include_root && !is_behind && pattern.first().is_some_and(Step::is_on_children),
            pattern: Pattern::new(&pattern)?,
            reached: None,
            open: Vec::new(),
            path: Path::new(),
            behind: Behind::new(from),
            each_once: false,
            again: None,
            counted: 0,
        })
    }

    /// The same scan, in which each node comes once, however many ways there are to it.
    pub fn once(self) -> Scan {
        Scan { each_once: true, ..self }
    }

    /// The next matching node, however many nodes have to be visited for it.
    #[allow(clippy::should_implement_trait)] // It is not meant for adapters: a caller should think of the steps.
    pub fn next(&mut self) -> Option<(Path, Arc<Node>)> {
        loop {
            match self.visit(false, &mut 0) {
                Visit::Match(node, ways) => {
                    self.come_again(&node, ways);
                    return Some((self.path.clone(), node));
                }
                Visit::NoMatch => {}
                Visit::End => return None,
            }
        }
    }

    /// The next matching node, if it is found within so many steps, of which those needed are taken off. The
    /// visit of a node takes one, and besides what the conditions on it take. Should the last visit take more
    /// than there is, none are left.
    ///
    /// The conditions on a node have a budget of their own, `limits::COMMAND_STEPS_MAX`, so that it does not
    /// depend on the caller whether they are met. Conditions that take more count as not met.
    pub fn next_within(&mut self, steps: &mut u64) -> Pulled {
        loop {
            match self.visit_taking(false, steps) {
                Visit::Match(node, ways) => {
                    self.come_again(&node, ways);
                    return Pulled::Node(self.path.clone(), node);
                }
                Visit::NoMatch if *steps == 0 => return Pulled::OutOfSteps,
                Visit::NoMatch => {}
                Visit::End => return Pulled::End,
            }
        }
    }

    /// Counts the nodes that match and that were not returned yet, within so many steps (see `next_within`).
    /// Where all below a node match, they are not visited.
    pub fn count(&mut self, steps_max: u64) -> Progress {
        let mut steps = steps_max;
        loop {
            match self.visit_taking(true, &mut steps) {
                Visit::Match(_, ways) => {
                    let ways = if self.each_once { 1 } else { ways };
                    self.counted = self.counted.saturating_add(ways);
                }
                Visit::NoMatch => {}
                Visit::End => return Progress::Done(self.counted),
            }
            if steps == 0 {
                return Progress::More;
            }
        }
    }

    /// The tree, to be dropped where that may take long: the scan may hold it as the last.
    pub fn into_root(self) -> Arc<Node> {
        self.root
    }

    fn visit_taking(&mut self, counting: bool, steps: &mut u64) -> Visit {
        let mut spent = 1;
        let visit = self.visit(counting, &mut spent);
        *steps = steps.saturating_sub(spent);
        visit
    }

    fn come_again(&mut self, node: &Arc<Node>, ways: u64) {
        self.again = (ways > 1 && !self.each_once).then(|| (Arc::clone(node), ways - 1));
    }

    /// Visits one node. When only counting, whole subtrees are added to the count where that is possible.
    fn visit(&mut self, counting: bool, spent: &mut u64) -> Visit {
        if let Some((node, ways)) = self.again.take() {
            return Visit::Match(node, ways);
        }
        if std::mem::take(&mut self.root_is_next) {
            return self.visit_root(spent);
        }
        if let Some(reached) = self.reached.take() {
            self.open(reached, counting);
        }
        while let Some(open) = self.open.last_mut() {
            let Some((name, node)) = open.children.next() else {
                self.behind.leave();
                self.open.pop();
                continue;
            };
            let is_on_way = self.behind.arrive(&name);
            let positions = self.pattern.at_child(&open.positions, &name, &node, spent);
            if positions.is_empty() {
                self.behind.leave();
                return Visit::NoMatch;
            }
            self.path.truncate(self.open.len() - 1);
            self.path.push(name);
            return self.reach(node, positions, !is_on_way);
        }
        Visit::End
    }

    fn visit_root(&mut self, spent: &mut u64) -> Visit {
        let root = Arc::clone(&self.root);
        let positions = self.pattern.at_root(&root, spent);
        if self.include_root {
            self.reached = Some(Reached { node: Arc::clone(&root), positions });
            return Visit::Match(root, 1);
        }
        let may_match = !self.behind.is_given;
        self.reach(root, positions, may_match)
    }

    fn reach(&mut self, node: Arc<Node>, positions: Positions, may_match: bool) -> Visit {
        let ways = if may_match { self.pattern.ways(&positions) } else { 0 };
        let visit = if ways > 0 { Visit::Match(Arc::clone(&node), ways) } else { Visit::NoMatch };
        self.reached = Some(Reached { node, positions });
        visit
    }

    fn open(&mut self, reached: Reached, counting: bool) {
        let Reached { node, positions } = reached;
        let from = self.behind.descend();
        if counting
            && !self.each_once
            && from.is_none()
            && let Some(below) = self.pattern.count_below(&positions, &node)
        {
            self.counted = self.counted.saturating_add(below);
            return;
        }
        let children = match self.pattern.candidates(&positions, &node) {
            None => return self.behind.leave(),
            Some(Candidates::All) => {
                let start = from.map_or(Bound::Unbounded, Bound::Included);
                Children::All(node.children().cursor_from(start))
            }
            Some(Candidates::Named(mut names)) => {
                if let Some(from) = from {
                    names.retain(|name| name >= from);
                }
                Children::Named { parent: node, names: names.into_iter() }
            }
        };
        self.open.push(Open { positions, children });
    }
}

impl Behind {
    fn new(from: Option<Path>) -> Behind {
        Behind { is_given: from.is_some(), names: from.unwrap_or_default().into_iter(), next: None }
    }

    /// The node last reached is opened. If it is on the way, only its children from this name on matter.
    fn descend(&mut self) -> Option<&Name> {
        self.next = self.names.next();
        self.next.as_ref()
    }

    /// Whether the child of this name, the next that is visited, is on the way. If not, the way ends.
    fn arrive(&mut self, name: &Name) -> bool {
        let is_on_way = self.next.take().is_some_and(|next| next == *name);
        if !is_on_way {
            self.leave();
        }
        is_on_way
    }

    /// What is visited from now on is behind the path.
    fn leave(&mut self) {
        self.next = None;
        self.names = Vec::new().into_iter();
    }
}

impl Iterator for Children {
    type Item = (Name, Arc<Node>);

    fn next(&mut self) -> Option<(Name, Arc<Node>)> {
        match self {
            Children::All(cursor) => {
                let next = cursor.next();
                if let Some(siblings) = cursor.begun_page() {
                    fetch(siblings);
                }
                next
            }
            Children::Named { parent, names } => {
                names.find_map(|name| parent.children().get(&name).map(Arc::clone).map(|node| (name, node)))
            }
        }
    }
}

/// Brings nodes and payloads that are about to be visited into the processor's cache. They lie scattered in memory; read in
/// a row, which depends on nothing between them, they are waited for together and not one by one. This halves the time
/// of listing many small nodes.
fn fetch(siblings: &[(Name, Arc<Node>)]) {
    let payloads = siblings.iter().filter_map(|(_, node)| node.payload().bytes());
    black_box(siblings.iter().filter(|(_, node)| node.payload().is_none()).count());
    black_box(
        payloads.fold(0, |sum: u8, bytes| sum.wrapping_add(bytes.first().copied().unwrap_or_default())),
    );
}

#[cfg(test)]
#[path = "scan_test.rs"]
mod tests;
