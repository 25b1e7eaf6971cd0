//! What one command does to the tree, change by change; what follows from it, round by round, is found by [`Round`].
//!
//! Invariants:
//! 1. The list of children of a node that existed before counts one change per command, however many it gains or loses.
//! 2. A node created by the command keeps both counters at their first value, whatever is created below it.
//! 3. An equal payload changes nothing at all: neither counter nor revision.
//! 4. After [`Edit::finish`] nothing that the command changed leaves a node whose conditions it broke, however many nodes
//!    follow one another. Each round looks at one tree and then removes; a node once gone stays gone, so it ends.
//! 5. The root is never removed: it is emptied.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::answer::Answer;
use crate::command::{Wanted, Watched};
use crate::keep_while::resolved;
use crate::name::{Name, Path};
use crate::node::Node;
use crate::payload::Payload;
use crate::preorder::Preorder;
use crate::props::{DeleteReason, Props, PropsMask};
use crate::round::Round;
use crate::state::State;
use crate::steps_left::OutOfSteps;

/// A command under way.
pub(crate) struct Edit<'state> {
    state: &'state mut State,
    /// The state before the command; only when nodes depend, or are to depend, on others. Holding it has a price: every
    /// page that changes is copied.
    before: Option<State>,
    wanted: Option<Wanted>,
    /// The targets of a put, with the payload that each had before.
    put: Vec<(Path, Option<Payload>)>,
    entries: BTreeMap<Path, Props>,
    /// Whether the command may change the children of one node twice: it has several targets, or nodes depend on others.
    is_manifold: bool,
    /// If it is: nodes whose list of children has counted its change.
    counted: BTreeSet<Path>,
    /// If it is: nodes that were created below one that had been there, so none of them is below another.
    created: BTreeSet<Path>,
    round: Round,
    left: &'state mut u64,
}

/// What is known of a command before it begins.
#[derive(Clone, Copy, Default)]
pub(crate) struct Plan {
    /// It will be more than one change of one place.
    pub(crate) is_manifold: bool,
    /// It makes nodes depend on others.
    pub(crate) depends: bool,
}

/// How much of a path has nodes.
pub(crate) struct Present {
    /// The number of names, from the root on.
    pub(crate) present: usize,
    /// What the last node carries, if all have one.
    pub(crate) payload: Option<Payload>,
}

/// What a put does to each of its targets.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) payload: &'a Payload,
    /// Whether it is a clear, with which a node goes that only its payload kept.
    pub(crate) is_clear: bool,
    pub(crate) keep_while: Option<&'a [Watched]>,
}

impl<'state> Edit<'state> {
    /// Begins a command.
    pub(crate) fn new(
        state: &'state mut State,
        wanted: Option<Wanted>,
        plan: Plan,
        left: &'state mut u64,
    ) -> Edit<'state> {
        let may_follow = plan.depends || !state.keep_while.is_empty();
        Edit {
            before: may_follow.then(|| state.clone()),
            is_manifold: plan.is_manifold || may_follow,
            state,
            wanted,
            put: Vec::new(),
            entries: BTreeMap::new(),
            counted: BTreeSet::new(),
            created: BTreeSet::new(),
            round: Round::default(),
            left,
        }
    }

    /// Ends the command: removes what depended on what it changed and answers. Should the steps not suffice for that,
    /// nothing has happened.
    pub(crate) fn finish(mut self) -> Result<Answer, OutOfSteps> {
        self.show_put();
        if let Err(out_of_steps) = self.settle() {
            self.undo();
            return Err(out_of_steps);
        }
        Ok(match self.wanted {
            Some(_) => Answer::Nodes(self.entries.into_iter().collect()),
            None => Answer::Done,
        })
    }

    fn undo(self) {
        // Without a state before there are no conditions, and nothing can run out of steps.
        if let Some(before) = self.before {
            *self.state = State { detached: std::mem::take(&mut self.state.detached), ..before };
        }
    }

    /// Creates the node or replaces its payload.
    pub(crate) fn put(&mut self, names: &Path, change: &Change<'_>) {
        let found = self.state.found(names);
        self.put_found(names, found, change);
    }

    /// The same of a node that was looked for already, and nothing has changed since.
    pub(crate) fn put_found(
        &mut self,
        names: &Path,
        Present { present, payload: previous }: Present,
        change: &Change<'_>,
    ) {
        match &previous {
            Some(previous) if previous.is_same_term(change.payload) => {}
            Some(_) => self.replace_payload(names, change),
            None => {
                self.create(names, present, Node::new(change.payload.clone(), false, self.state.revision));
            }
        }
        if let Some(conditions) = change.keep_while {
            self.set_keep_while(names, conditions);
        }
        if self.wanted.is_some() {
            self.put.push((names.clone(), previous));
        }
    }

    /// Enters into the answer what was put, as it is now.
    fn show_put(&mut self) {
        let Some(wanted) = &self.wanted else { return };
        for (names, previous) in std::mem::take(&mut self.put) {
            if let Some(node) = self.state.lookup(&names) {
                let props = put_props(node, previous.as_ref(), wanted.props);
                self.entries.insert(names, props);
            }
        }
    }

    /// Creates the node as one that is needed on the way, unless it is there.
    pub(crate) fn create_parent(&mut self, names: &Path) {
        let present = self.state.found(names).present;
        if present < names.len() {
            self.create(names, present, Node::new(Payload::None, true, self.state.revision));
        }
    }

    fn replace_payload(&mut self, names: &Path, change: &Change<'_>) {
        self.state.change(names, 0, |node| {
            node.payload = change.payload.clone();
            node.set_payload_revision(node.revision);
            node.payload_version = node.payload_version.saturating_add(1);
        });
        if change.is_clear {
            self.round.note_loss(names);
        } else if self.before.is_some() {
            self.round.note_update(names);
        }
    }

    /// Creates the node below the first `present` names, which have nodes, and what is missing between.
    fn create(&mut self, names: &[Name], present: usize, node: Node) {
        let (above, below) = names.split_at(present.min(names.len()));
        let Some((top, below)) = below.split_first() else { return };
        let branch = branch(below, node);
        let growth = i64::try_from(branch.subtree_nodes).unwrap_or(i64::MAX);
        let counts = self.counts_change(above);
        if self.is_manifold && !self.is_created(above) {
            self.created.insert(names.iter().take(present + 1).cloned().collect());
        }
        self.state.change(above, growth, |parent| {
            parent.child_list_version = parent.child_list_version.saturating_add(u64::from(counts));
            parent.children.insert(top.clone(), Arc::new(branch));
        });
        if self.before.is_some() {
            for length in present + 1..=names.len() {
                let created = names.get(..length).unwrap_or(names);
                self.round.note_update(created);
                self.round.note_fresh(created);
            }
            self.round.note_update(above);
        }
    }

    /// Whether the node was created by this command.
    fn is_created(&self, names: &[Name]) -> bool {
        let up_to: (Bound<&[Name]>, Bound<&[Name]>) = (Bound::Unbounded, Bound::Included(names));
        // What lies between a path and one below it in their order is below it too.
        let last = self.created.range::<[Name], _>(up_to).next_back();
        last.is_some_and(|created| names.starts_with(created))
    }

    /// Whether a change of the list of children at the path counts: the first does, unless the node is new.
    fn counts_change(&mut self, names: &[Name]) -> bool {
        // Looked for before it is copied: many children of one parent may come or go with one command.
        !self.is_manifold
            || (!self.counted.contains(names)
                && !self.is_created(names)
                && self.counted.insert(names.to_vec()))
    }

    fn set_keep_while(&mut self, names: &Path, conditions: &[Watched]) {
        let Some(node) = self.state.lookup(names) else { return };
        // The root cannot be removed, so it can depend on nothing.
        if names.is_empty() {
            return;
        }
        self.round.note_fresh(names);
        let resolved = resolved(conditions, names);
        let is_same = match self.state.keep_while.of(names) {
            Some(before) => before[..] == resolved[..],
            None => resolved.is_empty(),
        };
        if is_same && !node.is_implicit() {
            return;
        }
        self.state.change(names, 0, Node::set_explicit);
        self.state.keep_while.set(names, resolved);
    }

    /// Removes the node and everything below it; at the root, the payload and everything below.
    pub(crate) fn remove(&mut self, names: &Path, reason: DeleteReason) {
        if reason == DeleteReason::KeepWhile {
            self.state.trace_followed(names);
        }
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
        let counts = self.counts_change(above);
        let subtree = self.state.change(above, growth, |parent| {
            parent.child_list_version = parent.child_list_version.saturating_add(u64::from(counts));
            parent.children.remove(name)
        });
        if let Some(subtree) = subtree.flatten() {
            self.state.detach(subtree);
        }
        if self.before.is_some() {
            self.round.note_removal(names);
        }
        self.round.note_loss(above);
    }

    fn empty_root(&mut self) {
        let root = &self.state.root;
        let (has_payload, has_children) = (!root.payload.is_none(), !root.children.is_empty());
        if !has_payload && !has_children {
            return;
        }
        let mut rest = Node::new(Payload::None, false, self.state.revision);
        rest.subtree_nodes = root.subtree_nodes;
        let counts = has_children && self.counts_change(&[]);
        self.state.change(&[], 0, |root| {
            if has_payload {
                root.payload = Payload::None;
                root.set_payload_revision(root.revision);
            }
            rest.children = std::mem::take(&mut root.children);
            root.subtree_nodes = 1;
            root.payload_version = root.payload_version.saturating_add(u64::from(has_payload));
            root.child_list_version = root.child_list_version.saturating_add(u64::from(counts));
        });
        self.state.detach(Arc::new(rest));
    }

    /// Removes what depended on what the command changed, and what depended on that, until nothing is left to remove.
    fn settle(&mut self) -> Result<(), OutOfSteps> {
        let mut seen = self.before.clone();
        loop {
            let round = std::mem::take(&mut self.round);
            let doomed = round.doomed(self.state, seen.as_ref(), self.left)?;
            if doomed.is_empty() {
                return Ok(());
            }
            if self.state.keep_while.has_patterns() {
                seen = Some(self.state.clone());
            }
            for doomed in doomed {
                self.remove(&doomed, DeleteReason::KeepWhile);
            }
        }
    }
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

#[cfg(test)]
#[path = "edit_test.rs"]
mod tests;
