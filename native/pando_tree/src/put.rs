//! What `Put` and `Clear` do.
//!
//! Invariants:
//! 1. The list of children of a node that existed before counts one change per command, however many it gains.
//! 2. A node created by the command has both counters at their first value whatever is created below it.
//! 3. An equal payload changes nothing at all: neither counter nor revision.

use std::sync::Arc;

use crate::answer::{Answer, Refusal};
use crate::command::{Expectation, Wanted};
use crate::delete::{cleared_and_reclaimed, topmost_removed};
use crate::limits::Limit;
use crate::name::Name;
use crate::node::{FIRST_VERSION, Node};
use crate::payload::Payload;
use crate::props::{Props, PropsMask};
use crate::state::State;
use crate::step::Step;
use crate::walk::{to_path, walk};

impl State {
    pub(crate) fn put(
        &mut self,
        steps: &[Step],
        payload: &Payload,
        expectation: Expectation,
        wanted: Option<&Wanted>,
    ) -> Result<Answer, Refusal> {
        Limit::PayloadSizeBytes.check(payload.bytes().map_or(0, |bytes| bytes.len()))?;
        let walk = walk(&self.root, steps)?;
        let before = walk.target();
        check_expectation(expectation, &walk.names, before)?;
        let previous = before.map(|node| node.payload.clone());
        let (names, present, aside) = (walk.names, walk.nodes.len() - 1, walk.missing_aside);
        // Copying the whole path once more is the price of a path that strays; the usual one has nothing aside.
        let tree_before = (!aside.is_empty()).then(|| Arc::clone(&self.root));
        match &previous {
            Some(previous) if previous.is_same_term(payload) => {}
            Some(_) => self.replace_payload(&names, payload.clone()),
            None => {
                let node = Node::new(payload.clone(), false, self.revision);
                self.create(&names, present, node, tree_before.as_deref());
            }
        }
        for place in aside {
            let present = self.present(&place);
            if present < place.len() {
                self.create(
                    &place,
                    present,
                    Node::new(Payload::None, true, self.revision),
                    tree_before.as_deref(),
                );
            }
        }
        Ok(self.put_answer(&names, previous.as_ref(), wanted))
    }

    pub(crate) fn clear(&mut self, steps: &[Step], wanted: Option<&Wanted>) -> Result<Answer, Refusal> {
        let walk = walk(&self.root, steps)?;
        let (None, Some(node)) = (walk.first_missing, walk.target()) else {
            return Ok(Answer::nothing(wanted));
        };
        let previous = node.payload.clone();
        let loses_its_reason = !previous.is_none() && node.implicit && node.children.is_empty();
        if loses_its_reason {
            let mut cleared = node.clone();
            cleared.payload = Payload::None;
            cleared.payload_version = cleared.payload_version.saturating_add(1);
            let top = topmost_removed(&walk.nodes);
            let answer = cleared_and_reclaimed(&walk, top, &previous, &cleared, wanted);
            let names = walk.names;
            self.remove(&names, top);
            return Ok(answer);
        }
        let names = walk.names;
        if !previous.is_none() {
            self.replace_payload(&names, Payload::None);
        }
        Ok(self.put_answer(&names, Some(&previous), wanted))
    }

    fn replace_payload(&mut self, names: &[&Name], payload: Payload) {
        self.change(names, 0, |node| {
            node.payload = payload;
            node.payload_version = node.payload_version.saturating_add(1);
        });
    }

    /// Creates the node at `names` and its missing parents. The nodes of the first `present` names exist.
    /// `before` is the tree before the command when the command creates in several places.
    fn create(&mut self, names: &[&Name], present: usize, node: Node, before: Option<&Node>) {
        let (above, below) = names.split_at(present.min(names.len()));
        let Some((top, below)) = below.split_first() else { return };
        let branch = branch(below, node);
        let growth = i64::try_from(branch.subtree_nodes).unwrap_or(i64::MAX);
        let version_before = before.map(|root| {
            above.iter().try_fold(root, |node, name| node.child(name)).map(|n| n.child_list_version)
        });
        self.change(above, growth, |parent| {
            parent.child_list_version = match version_before {
                None => parent.child_list_version.saturating_add(1),
                Some(Some(version)) => version.saturating_add(1),
                Some(None) => FIRST_VERSION,
            };
            parent.children.insert((*top).clone(), Arc::new(branch));
        });
    }

    /// How many of the names have a node.
    fn present(&self, names: &[&Name]) -> usize {
        let mut node = &*self.root;
        names
            .iter()
            .take_while(|name| match node.child(name) {
                Some(child) => {
                    node = child;
                    true
                }
                None => false,
            })
            .count()
    }

    fn put_answer(&self, names: &[&Name], previous: Option<&Payload>, wanted: Option<&Wanted>) -> Answer {
        let Some(wanted) = wanted else { return Answer::Done };
        let after = names.iter().try_fold(&*self.root, |node, name| node.child(name));
        let props = after.map(|node| put_props(node, previous, wanted.props));
        Answer::Nodes(props.map(|props| (to_path(names), props)).into_iter().collect())
    }
}

/// What the put family shows of its target: the node as it is now, but with the payload it had before;
/// `has_data` and `is_procedure` tell of both.
pub(crate) fn put_props(node: &Node, previous: Option<&Payload>, mask: PropsMask) -> Props {
    let mut props = node.props(mask);
    props.payload =
        previous.filter(|previous| mask.contains(PropsMask::PAYLOAD) && !previous.is_none()).cloned();
    if mask.contains(PropsMask::HAS_PAYLOAD) {
        props.has_data |= matches!(previous, Some(Payload::Data(_)));
        props.is_procedure |= matches!(previous, Some(Payload::Procedure(_)));
    }
    props
}

fn check_expectation(
    expectation: Expectation,
    names: &[&Name],
    target: Option<&Node>,
) -> Result<(), Refusal> {
    match (expectation, target, names.last()) {
        (Expectation::Absent, Some(node), name) => Err(Refusal::Mismatching {
            name: name.map(|name| (*name).clone()),
            path: to_path(names),
            is_target: true,
            props: Box::new(node.props(PropsMask::DEFAULT)),
        }),
        (Expectation::Present, None, Some(name)) => {
            Err(Refusal::NodeNotFound { name: (*name).clone(), path: to_path(names), is_target: true })
        }
        _ => Ok(()),
    }
}

/// A chain of implicit parents with these names above the node; the first name is that of the topmost's child.
fn branch(names: &[&Name], node: Node) -> Node {
    let revision = node.revision;
    names.iter().rev().fold(node, |node, name| {
        let mut parent = Node::new(Payload::None, true, revision);
        parent.subtree_nodes = node.subtree_nodes.saturating_add(1);
        parent.children.insert((*name).clone(), Arc::new(node));
        parent
    })
}

#[cfg(test)]
#[path = "put_test.rs"]
mod tests;
