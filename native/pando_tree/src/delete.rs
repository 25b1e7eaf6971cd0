//! What `Delete` does, and the reclaiming of implicit parents.
//!
//! Invariants:
//! 1. Without wanted properties the cost depends on the depth of the target only, not on what is below it.
//! 2. An implicit parent without payload goes with its last child, and so upwards; the root never goes.
//! 3. The whole of what goes is detached as one subtree at its topmost node.

use std::sync::Arc;

use crate::answer::{Answer, Refusal};
use crate::command::Wanted;
use crate::name::{Name, Path};
use crate::node::Node;
use crate::payload::Payload;
use crate::preorder::Preorder;
use crate::props::{DeleteReason, Props, PropsMask};
use crate::put::put_props;
use crate::state::State;
use crate::step::Step;
use crate::walk::{Walk, to_path, walk};

impl State {
    pub(crate) fn delete(&mut self, steps: &[Step], wanted: Option<&Wanted>) -> Result<Answer, Refusal> {
        let walk = walk(&self.root, steps)?;
        let (None, Some(target)) = (walk.first_missing, walk.target()) else {
            return Ok(Answer::nothing(wanted));
        };
        let top = topmost_removed(&walk.nodes);
        let answer = match wanted {
            None => Answer::Done,
            Some(wanted) => {
                let mut entries = subtree_entries(to_path(&walk.names), target, wanted.props);
                if wanted.indirect_deletes {
                    entries.extend(reclaimed_entries(&walk, top, wanted.props));
                }
                Answer::Nodes(entries)
            }
        };
        let names = walk.names;
        self.remove(&names, top);
        Ok(answer)
    }

    /// Removes the node at depth `top` of the path; at depth 0, which is the root, its payload and its children.
    pub(crate) fn remove(&mut self, names: &[&Name], top: usize) {
        let Some((name, above)) = names.get(..top).and_then(|names| names.split_last()) else {
            return self.empty_root();
        };
        let subtree_nodes = names.iter().take(top).try_fold(&*self.root, |node, name| node.child(name));
        let Some(subtree_nodes) = subtree_nodes.map(Node::subtree_nodes) else { return };
        let growth = i64::try_from(subtree_nodes).map_or(i64::MIN, |nodes| -nodes);
        let subtree = self.change(above, growth, |parent| {
            parent.child_list_version = parent.child_list_version.saturating_add(1);
            parent.children.remove(name)
        });
        if let Some(subtree) = subtree.flatten() {
            self.detach(subtree);
        }
    }

    fn empty_root(&mut self) {
        let (has_payload, has_children) = (!self.root.payload.is_none(), !self.root.children.is_empty());
        if !has_payload && !has_children {
            return;
        }
        let mut rest = Node::new(Payload::None, false, self.revision);
        rest.subtree_nodes = self.root.subtree_nodes;
        self.change(&[], 0, |root| {
            root.payload = Payload::None;
            rest.children = std::mem::take(&mut root.children);
            root.subtree_nodes = 1;
            root.payload_version = root.payload_version.saturating_add(u64::from(has_payload));
            root.child_list_version = root.child_list_version.saturating_add(u64::from(has_children));
        });
        self.detach(Arc::new(rest));
    }
}

/// The depth of the topmost node that goes when the last of `nodes`, which lead to it from the root, goes.
pub(crate) fn topmost_removed(nodes: &[&Node]) -> usize {
    let target = nodes.len().saturating_sub(1);
    let parents = nodes.get(1..target).unwrap_or_default();
    let reclaimed = parents
        .iter()
        .rev()
        .take_while(|parent| parent.implicit && parent.payload.is_none() && parent.children.len() == 1)
        .count();
    target - reclaimed
}

/// The answer of a clear that takes from an implicit node without children what it was kept for: the node shows
/// as removed; a caller who does not want to hear of removals hears of the clear.
pub(crate) fn cleared_and_reclaimed(
    walk: &Walk<'_, '_>,
    top: usize,
    previous: &Payload,
    cleared: &Node,
    wanted: Option<&Wanted>,
) -> Answer {
    let Some(Wanted { props: mask, indirect_deletes }) = wanted else { return Answer::Done };
    let path = to_path(&walk.names);
    if !indirect_deletes {
        return Answer::Nodes(vec![(path, put_props(cleared, Some(previous), *mask))]);
    }
    let mut entries = vec![(path, removed(cleared.props(*mask), *mask, DeleteReason::KeepWhile))];
    entries.extend(reclaimed_entries(walk, top, *mask));
    Answer::Nodes(entries)
}

/// The target and everything below it, as it is before the removal.
fn subtree_entries(mut path: Path, target: &Node, mask: PropsMask) -> Vec<(Path, Props)> {
    let depth_of_target = path.len();
    let mut entries = vec![(path.clone(), removed(target.props(mask), mask, DeleteReason::Explicit))];
    for (depth, name, node) in Preorder::below(target) {
        path.truncate(depth_of_target + depth - 1);
        path.push(name);
        entries.push((path.clone(), removed(node.props(mask), mask, DeleteReason::Explicit)));
    }
    entries
}

/// The parents of the target that go with it, the lowest first, as they are after losing their last child.
fn reclaimed_entries(walk: &Walk<'_, '_>, top: usize, mask: PropsMask) -> Vec<(Path, Props)> {
    let reclaimed = (top..walk.names.len()).rev().filter_map(|depth| {
        let mut props = walk.nodes.get(depth)?.props(mask);
        props.child_list_version = props.child_list_version.map(|version| version.saturating_add(1));
        props.child_list_length = props.child_list_length.map(|_| 0);
        props.child_names = props.child_names.map(|_| Vec::new());
        Some((to_path(walk.names.get(..depth)?), removed(props, mask, DeleteReason::KeepWhile)))
    });
    reclaimed.collect()
}

fn removed(mut props: Props, mask: PropsMask, reason: DeleteReason) -> Props {
    props.delete_reason = mask.contains(PropsMask::DELETE_REASON).then_some(reason);
    props
}

#[cfg(test)]
#[path = "delete_test.rs"]
mod tests;
