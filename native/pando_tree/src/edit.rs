//! What one command does to the tree, change by change, and what follows from it.
//!
//! Invariants:
//! 1. The list of children of a node that existed before counts one change per command, however many it gains or loses.
//! 2. A node created by the command keeps both counters at their first value, whatever is created below it.
//! 3. An equal payload changes nothing at all: neither counter nor revision.
//! 4. After [`Edit::settle`] nothing that the command changed leaves a node whose conditions it broke, however many nodes
//!    follow one another. Each round looks at one tree and then removes; a node once gone stays gone, so it ends.
//! 5. The root is never removed: it is emptied.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::answer::{Answer, KeepWhileReason, Refusal};
use crate::command::{Wanted, Watched};
use crate::condition::Verdict;
use crate::keep_while::{Place, place_of, resolve};
use crate::name::{Name, Path};
use crate::node::Node;
use crate::payload::Payload;
use crate::preorder::Preorder;
use crate::props::{DeleteReason, Props, PropsMask};
use crate::scan::{Pulled, Scan};
use crate::state::State;
use crate::steps_left::OutOfSteps;

/// A command under way.
pub(crate) struct Edit<'state> {
    state: &'state mut State,
    wanted: Option<Wanted>,
    entries: BTreeMap<Path, Props>,
    /// Whether the command may change the children of one node twice: it has several targets, or nodes depend on others.
    is_manifold: bool,
    /// If it is: nodes that were created, or whose list of children has counted its change.
    counted: BTreeSet<Path>,
    round: Round,
    left: u64,
}

/// How much of a path has nodes.
pub(crate) struct Present {
    /// The number of names, from the root on.
    pub(crate) present: usize,
    /// What the last node carries, if all have one.
    pub(crate) payload: Option<Payload>,
}

/// What has changed since the conditions were looked at.
#[derive(Default)]
struct Round {
    updated: BTreeMap<Path, Update>,
    removed: Vec<Path>,
}

/// How a node changed.
#[derive(Clone, Copy, Default)]
struct Update {
    /// It was created: conditions of its own on itself are not looked at yet.
    is_new: bool,
    /// It lost a child, or its payload: what was created as a parent may have lost its reason.
    has_lost: bool,
}

impl<'state> Edit<'state> {
    /// `is_manifold`: it will be more than one change of one place.
    pub(crate) fn new(
        state: &'state mut State,
        wanted: Option<Wanted>,
        is_manifold: bool,
        left: u64,
    ) -> Edit<'state> {
        Edit {
            is_manifold: is_manifold || !state.keep_while.is_empty(),
            state,
            wanted,
            entries: BTreeMap::new(),
            counted: BTreeSet::new(),
            round: Round::default(),
            left,
        }
    }

    /// The answer of the command. Call [`Edit::settle`] first.
    pub(crate) fn into_answer(self) -> Answer {
        match self.wanted {
            Some(_) => Answer::Nodes(self.entries.into_iter().collect()),
            None => Answer::Done,
        }
    }

    /// Creates the node or replaces its payload.
    pub(crate) fn put(&mut self, names: &Path, payload: &Payload, keep_while: Option<&[Watched]>) {
        let found = self.state.found(names);
        self.put_found(names, found, payload, keep_while);
    }

    /// The same of a node that was looked for already, and nothing has changed since.
    pub(crate) fn put_found(
        &mut self,
        names: &Path,
        Present { present, payload: previous }: Present,
        payload: &Payload,
        keep_while: Option<&[Watched]>,
    ) {
        match &previous {
            Some(previous) if previous.is_same_term(payload) => {}
            Some(_) => self.replace_payload(names, payload),
            None => self.create(names, present, Node::new(payload.clone(), false, self.state.revision)),
        }
        if let Some(conditions) = keep_while {
            self.set_keep_while(names, conditions);
        }
        if let (Some(wanted), Some(node)) = (&self.wanted, self.state.lookup(names)) {
            self.entries.insert(names.clone(), put_props(node, previous.as_ref(), wanted.props));
        }
    }

    /// Creates the node as one that is needed on the way, unless it is there.
    pub(crate) fn create_parent(&mut self, names: &Path) {
        let present = self.state.found(names).present;
        if present < names.len() {
            self.create(names, present, Node::new(Payload::None, true, self.state.revision));
        }
    }

    fn replace_payload(&mut self, names: &Path, payload: &Payload) {
        self.state.change(names, 0, |node| {
            node.payload = payload.clone();
            node.payload_version = node.payload_version.saturating_add(1);
        });
        if payload.is_none() || !self.state.keep_while.is_empty() {
            self.note_update(names, Update { is_new: false, has_lost: payload.is_none() });
        }
    }

    /// Whether the change of this node's list of children is the first one of the command, and it is not new itself.
    fn counts(&mut self, names: &[Name]) -> bool {
        // Looked for before it is copied: many children of one parent may come or go with one command.
        !self.is_manifold || (!self.counted.contains(names) && self.counted.insert(names.to_vec()))
    }

    /// Creates the node below the first `present` names, which have nodes, and what is missing between.
    fn create(&mut self, names: &[Name], present: usize, node: Node) {
        let (above, below) = names.split_at(present.min(names.len()));
        let Some((top, below)) = below.split_first() else { return };
        let branch = branch(below, node);
        let growth = i64::try_from(branch.subtree_nodes).unwrap_or(i64::MAX);
        let counts = self.counts(above);
        self.state.change(above, growth, |parent| {
            parent.child_list_version = parent.child_list_version.saturating_add(u64::from(counts));
            parent.children.insert(top.clone(), Arc::new(branch));
        });
        if !self.is_manifold {
            return;
        }
        for length in present + 1..=names.len() {
            let created = names.get(..length).unwrap_or(names).to_vec();
            self.note_update(&created, Update { is_new: true, has_lost: false });
            self.counted.insert(created);
        }
        self.note_update(above, Update::default());
    }

    fn set_keep_while(&mut self, names: &Path, conditions: &[Watched]) {
        let Some(node) = self.state.lookup(names) else { return };
        // The root cannot be removed, so it can depend on nothing.
        if names.is_empty() {
            return;
        }
        let resolved = resolved(conditions, names);
        let is_same = match self.state.keep_while.of(names) {
            Some(before) => before[..] == resolved[..],
            None => resolved.is_empty(),
        };
        if is_same && !node.implicit {
            return;
        }
        self.state.change(names, 0, |node| node.implicit = false);
        self.state.keep_while.set(names, resolved);
    }

    /// Removes the node and everything below it; at the root, the payload and everything below.
    pub(crate) fn remove(&mut self, names: &Path, reason: DeleteReason) {
        let Some(node) = self.state.lookup(names) else { return };
        if let Some(wanted) = &self.wanted
            && (reason == DeleteReason::Explicit || wanted.indirect_deletes)
        {
            self.entries.extend(removed_entries(names, node, reason, wanted.props));
        }
        let subtree_nodes = node.subtree_nodes;
        self.state.keep_while.forget_subtree(names);
        let Some((name, above)) = names.split_last() else {
            return self.empty_root();
        };
        let growth = i64::try_from(subtree_nodes).map_or(i64::MIN, |nodes| -nodes);
        let counts = self.counts(above);
        let subtree = self.state.change(above, growth, |parent| {
            parent.child_list_version = parent.child_list_version.saturating_add(u64::from(counts));
            parent.children.remove(name)
        });
        if let Some(subtree) = subtree.flatten() {
            self.state.detach(subtree);
        }
        if !self.state.keep_while.is_empty() {
            self.round.removed.push(names.clone());
        }
        self.note_update(above, Update { is_new: false, has_lost: true });
    }

    fn empty_root(&mut self) {
        let root = &self.state.root;
        let (has_payload, has_children) = (!root.payload.is_none(), !root.children.is_empty());
        if !has_payload && !has_children {
            return;
        }
        let mut rest = Node::new(Payload::None, false, self.state.revision);
        rest.subtree_nodes = root.subtree_nodes;
        let counts = has_children && self.counts(&[]);
        self.state.change(&[], 0, |root| {
            root.payload = Payload::None;
            rest.children = std::mem::take(&mut root.children);
            root.subtree_nodes = 1;
            root.payload_version = root.payload_version.saturating_add(u64::from(has_payload));
            root.child_list_version = root.child_list_version.saturating_add(u64::from(counts));
        });
        self.state.detach(Arc::new(rest));
    }

    fn note_update(&mut self, names: &[Name], update: Update) {
        match self.round.updated.get_mut(names) {
            Some(before) => before.has_lost |= update.has_lost,
            None => drop(self.round.updated.insert(names.to_vec(), update)),
        }
    }

    /// Removes what depended on what the command changed, and what depended on that, until nothing is left to remove.
    pub(crate) fn settle(&mut self) -> Result<(), OutOfSteps> {
        loop {
            let round = std::mem::take(&mut self.round);
            if round.updated.is_empty() && round.removed.is_empty() {
                return Ok(());
            }
            for doomed in self.doomed(&round)? {
                self.remove(&doomed, DeleteReason::KeepWhile);
            }
        }
    }

    /// The nodes whose conditions do not hold any more.
    fn doomed(&mut self, round: &Round) -> Result<BTreeSet<Path>, OutOfSteps> {
        let mut doomed = BTreeSet::new();
        for (path, update) in &round.updated {
            let Some(node) = self.state.lookup(path) else { continue };
            if update.has_lost && node.implicit && node.payload.is_none() && node.children.is_empty() {
                doomed.insert(path.clone());
            }
            for watcher in self.state.keep_while.watchers_of(path) {
                let is_exempt = update.is_new && watcher == path;
                if !is_exempt
                    && !doomed.contains(watcher)
                    && !all_hold(self.state, watcher, Asked::At(path), &mut self.left)?
                {
                    doomed.insert(watcher.clone());
                }
            }
        }
        for path in &round.removed {
            for watcher in self.state.keep_while.watchers_at_or_below(path) {
                if !doomed.contains(watcher) && !all_hold(self.state, watcher, Asked::All, &mut self.left)? {
                    doomed.insert(watcher.clone());
                }
            }
        }
        let changed = round.updated.iter().map(|(path, update)| (path, update.is_new));
        for (path, is_new) in changed.chain(round.removed.iter().map(|path| (path, false))) {
            for watcher in self.state.keep_while.pattern_watchers_around(path) {
                let is_exempt = is_new && watcher == path;
                if !is_exempt
                    && !doomed.contains(watcher)
                    && !all_hold(self.state, watcher, Asked::Patterns, &mut self.left)?
                {
                    doomed.insert(watcher.clone());
                }
            }
        }
        Ok(doomed)
    }
}

/// Which conditions of a node are asked for.
#[derive(Clone, Copy)]
enum Asked<'path> {
    All,
    At(&'path Path),
    Patterns,
}

/// Whether the conditions of a node that are asked for hold.
fn all_hold(state: &State, watcher: &Path, asked: Asked<'_>, left: &mut u64) -> Result<bool, OutOfSteps> {
    let Some(conditions) = state.keep_while.of(watcher) else { return Ok(true) };
    for watched in conditions.iter() {
        let place = place_of(&watched.path);
        let is_asked = match (asked, &place) {
            (Asked::All, _) | (Asked::Patterns, Place::PatternBelow(_)) => true,
            (Asked::At(path), Place::Node(watched)) => path == watched,
            (Asked::At(_), Place::PatternBelow(_)) | (Asked::Patterns, Place::Node(_)) => false,
        };
        if is_asked && broken(state, watched, &place, left)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Why a condition does not hold, if so.
fn broken(
    state: &State,
    watched: &Watched,
    place: &Place,
    left: &mut u64,
) -> Result<Option<KeepWhileReason>, OutOfSteps> {
    let no_node = || KeepWhileReason::NoNode(watched.path.clone());
    if let Place::Node(path) = place {
        return Ok(match state.lookup(path) {
            Some(node) => match watched.condition.test(path.last(), &node.into(), left)? {
                Verdict::Met => None,
                Verdict::NotMet(condition) => Some(KeepWhileReason::Condition(condition)),
            },
            None if watched.condition.is_absence() => None,
            None => Some(no_node()),
        });
    }
    // What cannot be scanned was refused when it was put.
    let Ok(mut scan) = Scan::new(state, watched.path.clone(), false, None).map(Scan::once) else {
        return Ok(Some(no_node()));
    };
    let mut has_match = false;
    loop {
        match scan.next_within(left) {
            Pulled::Node(path, node) => {
                has_match = true;
                let verdict = watched.condition.test(path.last(), &(&*node).into(), left)?;
                if let Verdict::NotMet(condition) = verdict {
                    return Ok(Some(KeepWhileReason::Condition(condition)));
                }
            }
            Pulled::OutOfSteps => return Err(OutOfSteps),
            Pulled::End if has_match || watched.condition.is_absence() => return Ok(None),
            Pulled::End => return Ok(Some(no_node())),
        }
    }
}

/// Refuses conditions that do not hold when they are given; those of a new node on itself and on what will be below it
/// are not looked at.
pub(crate) fn check_keep_while(
    state: &State,
    names: &Path,
    conditions: &[Watched],
    left: &mut u64,
) -> Result<(), Refusal> {
    let is_new = state.lookup(names).is_none();
    for watched in resolved(conditions, names) {
        Scan::new(state, watched.path.clone(), false, None)?;
        let place = place_of(&watched.path);
        let (Place::Node(at) | Place::PatternBelow(at)) = &place;
        if is_new && at.starts_with(names) {
            continue;
        }
        if let Some(reason) = broken(state, &watched, &place, left)? {
            return Err(Refusal::KeepWhileNotMet {
                name: names.last().cloned(),
                path: names.clone(),
                reason,
            });
        }
    }
    Ok(())
}

/// The conditions with absolute paths, one for each path: of several spellings of one path the last counts.
fn resolved(conditions: &[Watched], watcher: &[Name]) -> Vec<Watched> {
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

/// A chain of implicit parents with these names above the node; the first name is that of the topmost's child.
fn branch(names: &[Name], node: Node) -> Node {
    let revision = node.revision;
    names.iter().rev().fold(node, |node, name| {
        let mut parent = Node::new(Payload::None, true, revision);
        parent.subtree_nodes = node.subtree_nodes.saturating_add(1);
        parent.children.insert(name.clone(), Arc::new(node));
        parent
    })
}

/// What the put family shows of its target: the node as it is now, but with the payload it had before;
/// `has_data` and `is_procedure` tell of both.
fn put_props(node: &Node, previous: Option<&Payload>, mask: PropsMask) -> Props {
    let mut props = node.props(mask);
    props.payload =
        previous.filter(|previous| mask.contains(PropsMask::PAYLOAD) && !previous.is_none()).cloned();
    if mask.contains(PropsMask::HAS_PAYLOAD) {
        props.has_data |= matches!(previous, Some(Payload::Data(_)));
        props.is_procedure |= matches!(previous, Some(Payload::Procedure(_)));
    }
    props
}

/// The node and everything below it, as it is before the removal.
fn removed_entries(
    top: &Path,
    node: &Node,
    reason: DeleteReason,
    mask: PropsMask,
) -> impl Iterator<Item = (Path, Props)> {
    let removed = move |node: &Node| {
        let mut props = node.props(mask);
        props.delete_reason = mask.contains(PropsMask::DELETE_REASON).then_some(reason);
        props
    };
    let first = (top.clone(), removed(node));
    let (mut path, depth_of_top) = (top.clone(), top.len());
    let below = Preorder::below(node).map(move |(depth, name, node)| {
        path.truncate(depth_of_top + depth - 1);
        path.push(name);
        (path.clone(), removed(&node))
    });
    std::iter::once(first).chain(below)
}
