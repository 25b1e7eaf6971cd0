//! Patterns: which nodes a path with wildcards leads to.
//!
//! A pattern is a start, given by plain steps, and below it levels: a node that has reached level `n` passes on to
//! each child what the level makes of it. A step up behind a wildcard goes back to a node that is above, so it
//! becomes a demand on that node: `[*, a, ^]` are the children that have a child `a`.
//!
//! Invariants:
//! 1. A node matches when a walk along the steps can end at it, and a step that leads nowhere ends the walk.
//! 2. The demands on one node are checked without a search: each follows one chain of names.
//! 3. Combinations that need a search (two steps up behind two wildcards, back to the root behind a wildcard) are refused.

use std::sync::Arc;

use crate::answer::Refusal;
use crate::name::Name;
use crate::node::Node;
use crate::positions::Positions;
use crate::step::Step;

/// The levels of a pattern, and the demands on its start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pattern {
    /// How many names from the start the pattern steps back up before its first level.
    pub(crate) start_up: usize,
    start_demands: Vec<Demand>,
    levels: Vec<Level>,
    /// The levels that a node passes by itself, ascending.
    self_levels: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Level {
    to: To,
    demands: Vec<Demand>,
}

/// Where a level leads.
#[derive(Clone, Debug, PartialEq, Eq)]
enum To {
    Child(Name),
    AnyChild,
    AnyDescendant,
    /// What remains of `**` and a step up.
    SelfOrDescendant,
}

/// That a node has a descendant with these names, and this one a child of any name.
#[derive(Clone, Debug)]
struct Demand {
    names: Vec<Name>,
    has_child: bool,
}

impl Demand {
    fn holds(&self, node: &Node) -> bool {
        let end = self.names.iter().try_fold(node, |node, name| node.child(name));
        end.is_some_and(|end| !self.has_child || !end.children().is_empty())
    }
}

/// The children that can be worth a visit.
#[derive(Debug)]
pub(crate) enum Candidates {
    /// All of them.
    All,
    /// Those with these names, sorted.
    Named(Vec<Name>),
}

impl Pattern {
    /// The pattern of the steps from `first` on, which lie below a start with these names.
    pub(crate) fn new(steps: &[Step], first: usize, start: &[Name]) -> Result<Pattern, Refusal> {
        let mut pattern = Pattern::default();
        for (position, step) in steps.iter().enumerate().skip(first) {
            let to = match step {
                Step::This => continue,
                Step::Child(name) => To::Child(name.clone()),
                Step::AnyChild => To::AnyChild,
                Step::AnyDescendant => To::AnyDescendant,
                Step::Parent => {
                    pattern.step_up(start, position)?;
                    continue;
                }
                Step::Root | Step::Condition(_) => return Err(Refusal::UnsupportedPattern { position }),
            };
            pattern.levels.push(Level { to, demands: Vec::new() });
        }
        let levels = pattern.levels.iter().enumerate();
        pattern.self_levels = levels
            .filter(|(_, level)| level.to == To::SelfOrDescendant)
            .map(|(position, _)| position)
            .collect();
        Ok(pattern)
    }

    fn step_up(&mut self, start: &[Name], position: usize) -> Result<(), Refusal> {
        let Some(level) = self.levels.pop() else {
            // At the start already; the root is its own parent.
            if let Some(name) = start.len().checked_sub(self.start_up + 1).and_then(|index| start.get(index))
            {
                self.start_up += 1;
                self.start_demands = below(name, std::mem::take(&mut self.start_demands));
            }
            return Ok(());
        };
        let demands = match level.to {
            To::Child(name) => below(&name, level.demands),
            To::AnyChild if level.demands.is_empty() => vec![Demand { names: Vec::new(), has_child: true }],
            To::AnyDescendant if level.demands.is_empty() => {
                let demands = vec![Demand { names: Vec::new(), has_child: true }];
                self.levels.push(Level { to: To::SelfOrDescendant, demands });
                return Ok(());
            }
            _ => return Err(Refusal::UnsupportedPattern { position }),
        };
        match self.levels.last_mut() {
            Some(above) => above.demands.extend(demands),
            None => self.start_demands.extend(demands),
        }
        Ok(())
    }

    /// What the start has reached.
    pub(crate) fn at_start(&self, node: &Node) -> Positions {
        let mut positions = Positions::default();
        if self.start_demands.iter().all(|demand| demand.holds(node)) {
            positions.insert(0);
            self.add_self(&mut positions, node);
        }
        positions
    }

    /// What a child has reached below a node that has reached `positions`.
    pub(crate) fn at_child(&self, positions: &Positions, name: &Name, child: &Node) -> Positions {
        let mut reached = Positions::default();
        for position in positions.iter() {
            let Some(level) = self.levels.get(position) else { continue };
            let (passes, stays) = match &level.to {
                To::Child(wanted) => (wanted == name, false),
                To::AnyChild => (true, false),
                To::AnyDescendant => (true, true),
                To::SelfOrDescendant => (false, true), // It passes below, at the child itself.
            };
            if stays {
                reached.insert(position);
            }
            if passes && level.demands.iter().all(|demand| demand.holds(child)) {
                reached.insert(position + 1);
            }
        }
        self.add_self(&mut reached, child);
        reached
    }

    /// Adds what follows from levels that a node passes by itself.
    fn add_self(&self, positions: &mut Positions, node: &Node) {
        // Ascending, so that what is added is looked at too.
        for position in &self.self_levels {
            let demands = self.levels.get(*position).map_or(&[][..], |level| &level.demands);
            if positions.contains(*position) && demands.iter().all(|demand| demand.holds(node)) {
                positions.insert(position + 1);
            }
        }
    }

    /// Whether a node that has reached these positions matches the whole pattern.
    pub(crate) fn is_match(&self, positions: &Positions) -> bool {
        positions.contains(self.levels.len())
    }

    /// The children that can be worth a visit; `None` when there is none.
    pub(crate) fn candidates(&self, positions: &Positions, node: &Node) -> Option<Candidates> {
        if node.children().is_empty() {
            return None;
        }
        let mut names = Vec::new();
        for position in positions.iter() {
            match self.levels.get(position).map(|level| &level.to) {
                None => {}
                Some(To::Child(name)) => names.push(name.clone()),
                Some(To::AnyChild | To::AnyDescendant | To::SelfOrDescendant) => {
                    return Some(Candidates::All);
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        if names.is_empty() { None } else { Some(Candidates::Named(names)) }
    }

    /// The number of matches below a node, where it is known without a visit.
    pub(crate) fn count_below(&self, positions: &Positions, node: &Node) -> Option<u64> {
        let last = self.levels.len().checked_sub(1)?;
        let level = self.levels.get(last)?;
        if !level.demands.is_empty() || !positions.contains(last) {
            return None;
        }
        match level.to {
            To::AnyDescendant => Some(node.subtree_nodes() - 1),
            To::AnyChild if positions.iter().all(|position| position >= last) => Some(node.children().len()),
            _ => None,
        }
    }
}

/// The demands of a child of this name as demands on its parent, the existence of the child among them.
fn below(name: &Name, demands: Vec<Demand>) -> Vec<Demand> {
    if demands.is_empty() {
        return vec![Demand { names: vec![name.clone()], has_child: false }];
    }
    let longer = demands.into_iter().map(|demand| {
        let names = std::iter::once(name.clone()).chain(demand.names).collect();
        Demand { names, has_child: demand.has_child }
    });
    longer.collect()
}

/// The node at the names below the root, to be held.
pub(crate) fn held_node(root: &Arc<Node>, names: &[Name]) -> Option<Arc<Node>> {
    names.iter().try_fold(root, |node, name| node.children().get(name)).cloned()
}
