//! Patterns: which nodes a path with wildcards and conditions leads to.
//!
//! A pattern becomes chains of levels below the root. A node at the position before a level passes on to each
//! child what the level makes of it. A condition is a demand on the node that a level leads to. A step up
//! goes back to a node that is above, so it becomes a demand on that node: `[*, a, ^]` are the children that
//! have a child `a`. Of `[**, ^, ^]` there are two chains: the second step up leaves the node that `**` began
//! at, or it does not.
//!
//! Invariants:
//! 1. A node matches when a walk along the steps can end at it, and a step that leads nowhere ends the walk.
//! 2. A demand searches no deeper than the pattern stepped back up, and its steps are counted. One that takes
//!    more than `EVALUATION_STEPS_MAX` counts as not met, for every replica alike.
//! 3. What would need a search of a whole subtree (back to the root behind a wildcard) is refused, and so is
//!    what would take more than `CHAINS_MAX` chains or searches nested deeper than `SEARCH_DEPTH_MAX`.

use crate::answer::Refusal;
use crate::condition::{Condition, Target};
use crate::limits::COMMAND_STEPS_MAX;
use crate::name::Name;
use crate::node::Node;
use crate::positions::Positions;
use crate::step::Step;
use crate::steps_left::{OutOfSteps, take_steps};

/// The chains that one pattern may become.
const CHAINS_MAX: usize = 32;
/// Searches of children within searches of children. Recursion over demands is bounded by it.
const SEARCH_DEPTH_MAX: usize = 32;
/// What the demands of one level on one node may cost, in steps.
const EVALUATION_STEPS_MAX: u64 = COMMAND_STEPS_MAX as u64;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// The levels of all chains; a node that has reached a number is before that level. `None` is the end of
    /// a chain.
    levels: Vec<Option<Level>>,
    /// What each chain demands of the root, and the position where the chain begins.
    starts: Vec<(Vec<Demand>, usize)>,
    /// The levels that a node passes by itself, ascending.
    self_levels: Vec<usize>,
    /// Whether a step up became a demand. Then it is not known in how many ways the steps lead to a node.
    has_steps_up: bool,
    /// See `EVALUATION_STEPS_MAX`; tests have a smaller one.
    pub(crate) evaluation_steps_max: u64,
}

/// The levels of one chain while the steps are read.
#[derive(Clone, Debug, Default)]
struct Chain {
    root_demands: Vec<Demand>,
    levels: Vec<Level>,
}

#[derive(Clone, Debug)]
struct Level {
    to: To,
    /// What is demanded of the node that it leads to. (Staying at `**` takes none of it.)
    demands: Vec<Demand>,
}

/// Where a level leads.
#[derive(Clone, Debug)]
enum To {
    Child(Name),
    /// To the children of one of these names.
    Named(Vec<Name>),
    /// To the children of one of these names, to theirs of these names, and so on.
    NamedDescendant(Vec<Name>),
    AnyChild,
    AnyDescendant,
    /// What remains of `**` and a step up.
    SelfOrDescendant,
}

/// What is demanded of a node.
#[derive(Clone, Debug)]
struct Demand {
    /// The names from the node to the descendant that it is about, the last one first. That there is one is
    /// part of it.
    names: Vec<Name>,
    that: That,
}

/// What is demanded of the node that a demand is about.
#[derive(Clone, Debug)]
enum That {
    Exists,
    Meets(Condition),
    /// It has a child, of one of these names if there are any, of which all this can be demanded.
    HasChild {
        names: Option<Vec<Name>>,
        demands: Vec<Demand>,
    },
}

/// A node and what it is called; the root has no name.
type Named<'a> = (Option<&'a Name>, &'a Node);

/// The children that can be worth a visit.
#[derive(Debug)]
pub(crate) enum Candidates {
    /// All of them.
    All,
    /// Those with these names, sorted.
    Named(Vec<Name>),
}

impl Pattern {
    /// The pattern of steps that begin at the root.
    pub(crate) fn new(steps: &[Step]) -> Result<Pattern, Refusal> {
        let mut chains = vec![Chain::default()];
        for (position, step) in steps.iter().enumerate() {
            let mut next = Vec::with_capacity(chains.len());
            for chain in chains {
                let supported = chain.then(step, &mut next);
                supported
                    .filter(|()| next.len() <= CHAINS_MAX)
                    .ok_or(Refusal::UnsupportedPattern { position })?;
            }
            chains = next;
        }
        let mut pattern = Pattern {
            levels: Vec::new(),
            starts: Vec::new(),
            self_levels: Vec::new(),
            has_steps_up: steps.contains(&Step::Parent),
            evaluation_steps_max: EVALUATION_STEPS_MAX,
        };
        for chain in chains {
            pattern.starts.push((chain.root_demands, pattern.levels.len()));
            pattern.levels.extend(chain.levels.into_iter().map(Some).chain([None]));
        }
        let levels = pattern.levels.iter().enumerate();
        pattern.self_levels = levels
            .filter(|(_, level)| level.as_ref().is_some_and(|level| matches!(level.to, To::SelfOrDescendant)))
            .map(|(position, _)| position)
            .collect();
        Ok(pattern)
    }

    /// What the root has reached. The steps that it took are added to `spent`.
    pub(crate) fn at_root(&self, root: &Node, spent: &mut u64) -> Positions {
        let mut positions = Positions::default();
        for (demands, start) in &self.starts {
            if self.all_hold(demands, (None, root), spent) {
                positions.add(*start, 1);
            }
        }
        self.add_self(&mut positions, (None, root), spent);
        positions
    }

    /// What a child has reached below a node that has reached `positions`. The steps that it took are added
    /// to `spent`.
    pub(crate) fn at_child(
        &self,
        positions: &Positions,
        name: &Name,
        child: &Node,
        spent: &mut u64,
    ) -> Positions {
        let mut reached = Positions::default();
        for position in positions.iter() {
            let Some(level) = self.level(position) else { continue };
            let (passes, stays) = match &level.to {
                To::Child(wanted) => (wanted == name, false),
                To::Named(wanted) => (wanted.binary_search(name).is_ok(), false),
                To::NamedDescendant(wanted) => {
                    let is_wanted = wanted.binary_search(name).is_ok();
                    (is_wanted, is_wanted)
                }
                To::AnyChild => (true, false),
                To::AnyDescendant => (true, true),
                To::SelfOrDescendant => (false, true), // It passes below, at the child itself.
            };
            let ways = positions.ways(position);
            if stays {
                reached.add(position, ways);
            }
            if passes && self.all_hold(&level.demands, (Some(name), child), spent) {
                reached.add(position + 1, ways);
            }
        }
        self.add_self(&mut reached, (Some(name), child), spent);
        reached
    }

    /// In how many ways the whole pattern leads to a node that has reached these positions: of `[**, **]` there is one
    /// for each node above it that may end the first `**`. With steps up in the pattern, one at most.
    pub(crate) fn ways(&self, positions: &Positions) -> u64 {
        let ends = positions.iter().filter(|position| self.level(*position).is_none());
        let ways = ends.fold(0, |sum: u64, position| sum.saturating_add(positions.ways(position)));
        if self.has_steps_up { ways.min(1) } else { ways }
    }

    /// The children that can be worth a visit; `None` when there is none.
    pub(crate) fn candidates(&self, positions: &Positions, node: &Node) -> Option<Candidates> {
        if node.children().is_empty() {
            return None;
        }
        let mut names = Vec::new();
        for level in positions.iter().filter_map(|position| self.level(position)) {
            match &level.to {
                To::Child(name) => names.push(name.clone()),
                To::Named(more) | To::NamedDescendant(more) => names.extend_from_slice(more),
                To::AnyChild | To::AnyDescendant | To::SelfOrDescendant => return Some(Candidates::All),
            }
        }
        names.sort_unstable();
        names.dedup();
        if names.is_empty() { None } else { Some(Candidates::Named(names)) }
    }

    /// The number of matches below a node, where it is known without a visit.
    pub(crate) fn count_below(&self, positions: &Positions, node: &Node) -> Option<u64> {
        let mut levels = positions.iter().filter_map(|position| Some((position, self.level(position)?)));
        let (Some((position, level)), None) = (levels.next(), levels.next()) else { return None };
        let ends = level.demands.is_empty() && self.level(position + 1).is_none();
        let matches = match level.to {
            To::AnyDescendant if ends => node.subtree_nodes().saturating_sub(1),
            To::AnyChild if ends => node.children().len(),
            _ => return None,
        };
        Some(matches.saturating_mul(positions.ways(position)))
    }

    fn level(&self, position: usize) -> Option<&Level> {
        self.levels.get(position)?.as_ref()
    }

    /// Adds what follows from levels that a node passes by itself.
    fn add_self(&self, positions: &mut Positions, at: Named<'_>, spent: &mut u64) {
        // Ascending, so that what is added is looked at too.
        for position in &self.self_levels {
            let demands = self.level(*position).map_or(&[][..], |level| &level.demands);
            if positions.contains(*position) && self.all_hold(demands, at, spent) {
                positions.add(position + 1, positions.ways(*position));
            }
        }
    }

    fn all_hold(&self, demands: &[Demand], at: Named<'_>, spent: &mut u64) -> bool {
        if demands.is_empty() {
            return true;
        }
        let mut left = self.evaluation_steps_max;
        let hold = all_hold(demands, at, &mut left);
        *spent = spent.saturating_add(self.evaluation_steps_max.saturating_sub(left));
        hold.unwrap_or(false)
    }
}

impl Chain {
    /// Adds the chains that this one becomes by a step; `None` when it becomes none that is supported.
    fn then(mut self, step: &Step, chains: &mut Vec<Chain>) -> Option<()> {
        match step {
            Step::This => {}
            Step::Child(name) => self.level(To::Child(name.clone()), None),
            Step::AnyChild => self.level(To::AnyChild, None),
            Step::AnyDescendant => self.level(To::AnyDescendant, None),
            Step::Condition(condition) => self.condition(condition),
            Step::Parent => return self.step_up(chains),
            Step::Root => self.back_to_root()?,
        }
        chains.push(self);
        Some(())
    }

    fn level(&mut self, to: To, condition: Option<&Condition>) {
        let demands = condition.map(Demand::meets).into_iter().collect();
        self.levels.push(Level { to, demands });
    }

    fn condition(&mut self, condition: &Condition) {
        let to = match condition.target() {
            Target::This => return self.demand(vec![Demand::meets(condition)]),
            // It is tried below every child again, of those that are looked at.
            _ if condition.applies_to_grandchildren() => {
                condition.names().map_or(To::AnyDescendant, |names| To::NamedDescendant(names.to_vec()))
            }
            Target::Child(name) => To::Child(name.clone()),
            Target::Many => condition.names().map_or(To::AnyChild, |names| To::Named(names.to_vec())),
        };
        self.level(to, Some(condition));
    }

    /// Adds demands on the node that the chain has led to.
    fn demand(&mut self, demands: Vec<Demand>) {
        match self.levels.last_mut() {
            Some(level) => level.demands.extend(demands),
            None => self.root_demands.extend(demands),
        }
    }

    fn step_up(mut self, chains: &mut Vec<Chain>) -> Option<()> {
        // Each turn but the last takes a level off.
        while let Some(Level { to, demands }) = self.levels.pop() {
            match to {
                To::Child(name) => self.demand(below(&name, demands)),
                To::Named(names) => self.demand(vec![Demand::has_child(Some(names), demands)?]),
                To::AnyChild => self.demand(vec![Demand::has_child(None, demands)?]),
                To::NamedDescendant(_) => return None,
                To::AnyDescendant => {
                    let demands = vec![Demand::has_child(None, demands)?];
                    self.levels.push(Level { to: To::SelfOrDescendant, demands });
                }
                To::SelfOrDescendant => {
                    // From a node below, the step stays below. From the node itself it goes on up.
                    let mut stays = self.clone();
                    let has_child = vec![Demand::has_child(None, demands.clone())?];
                    stays.levels.push(Level { to: To::SelfOrDescendant, demands: has_child });
                    chains.push(stays);
                    self.demand(demands);
                    continue;
                }
            }
            break;
        }
        // Without a level it is at the root, which is its own parent.
        chains.push(self);
        Some(())
    }

    fn back_to_root(&mut self) -> Option<()> {
        while let Some(Level { to, demands }) = self.levels.pop() {
            let To::Child(name) = to else { return None };
            self.demand(below(&name, demands));
        }
        Some(())
    }
}

impl Demand {
    fn meets(condition: &Condition) -> Demand {
        Demand { names: Vec::new(), that: That::Meets(condition.clone()) }
    }

    /// `None` when the search would be nested too deep.
    fn has_child(names: Option<Vec<Name>>, demands: Vec<Demand>) -> Option<Demand> {
        let demand = Demand { names: Vec::new(), that: That::HasChild { names, demands } };
        (demand.search_depth() <= SEARCH_DEPTH_MAX).then_some(demand)
    }

    /// How deep searches are nested. It is asked before a demand is nested deeper, so its own recursion is
    /// bounded.
    fn search_depth(&self) -> usize {
        match &self.that {
            That::Exists | That::Meets(_) => 0,
            That::HasChild { demands, .. } => {
                1 + demands.iter().map(Demand::search_depth).max().unwrap_or_default()
            }
        }
    }

    fn holds(&self, at: Named<'_>, steps: &mut u64) -> Result<bool, OutOfSteps> {
        let (mut name, mut node) = at;
        for wanted in self.names.iter().rev() {
            take_steps(steps, 1)?;
            let Some(child) = node.child(wanted) else { return Ok(false) };
            (name, node) = (Some(wanted), child);
        }
        match &self.that {
            That::Exists => Ok(true),
            That::Meets(condition) => condition.is_met(name, node, steps),
            That::HasChild { names: None, demands } if demands.is_empty() => Ok(!node.children().is_empty()),
            That::HasChild { names: None, demands } => {
                any_holds(demands, node.children().iter().map(|(name, child)| (name, &**child)), steps)
            }
            That::HasChild { names: Some(names), demands } => {
                let named = names.iter().filter_map(|name| Some((name, node.child(name)?)));
                any_holds(demands, named, steps)
            }
        }
    }
}

/// The demands on a child of this name as demands on its parent, the existence of the child among them.
fn below(name: &Name, mut demands: Vec<Demand>) -> Vec<Demand> {
    if demands.is_empty() {
        demands.push(Demand { names: Vec::new(), that: That::Exists });
    }
    demands.iter_mut().for_each(|demand| demand.names.push(name.clone()));
    demands
}

fn all_hold(demands: &[Demand], at: Named<'_>, steps: &mut u64) -> Result<bool, OutOfSteps> {
    for demand in demands {
        if !demand.holds(at, steps)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether there is a child of which all is true that is demanded.
fn any_holds<'a>(
    demands: &[Demand],
    mut children: impl Iterator<Item = (&'a Name, &'a Node)>,
    steps: &mut u64,
) -> Result<bool, OutOfSteps> {
    loop {
        let Some((name, child)) = children.next() else { return Ok(false) };
        take_steps(steps, 1)?;
        if all_hold(demands, (Some(name), child), steps)? {
            return Ok(true);
        }
    }
}
