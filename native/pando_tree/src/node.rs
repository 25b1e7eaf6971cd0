//! A node of the tree.
//!
//! Invariants:
//! 1. A node is immutable once it is shared; a change copies it, and the nodes above it.
//! 2. `revision` is that of its last own change: its creation, its payload, its list of children, what it depends on.
//!    `payload_revision` is that of its creation or of the last change of its payload, so never more.
//!    `subtree_revision` is the newest change at or below it, removals included: never less than any revision below.
//! 3. `subtree_nodes` counts the node and everything below it.
//! 4. An implicit node was created as a missing parent. It has a child or a payload, or an explicit put of no payload
//!    left it without; the loss of the last child, or of the payload by a clear, removes it when the other is missing.
//! 5. Dropping a node needs a bounded stack, however deep the tree below it.

use std::sync::Arc;

use crate::name::Name;
use crate::payload::Payload;
use crate::props::{Props, PropsMask};
use crate::sorted_map::SortedMap;

/// The children of a node. The type is replaceable: the crate uses only its few public methods.
pub type Children = SortedMap<Name, Arc<Node>>;

/// The counters of a node start here.
pub(crate) const FIRST_VERSION: u64 = 1;

/// A node: payload, counters, children.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) payload: Payload,
    pub(crate) children: Children,
    pub(crate) payload_version: u64,
    pub(crate) child_list_version: u64,
    pub(crate) revision: u64,
    pub(crate) subtree_revision: u64,
    pub(crate) subtree_nodes: u64,
    payload_mark: PayloadMark,
}

/// The revision of the payload, and whether the node is implicit. In one word: with two, each node would take 16 bytes
/// more.
#[derive(Clone, Copy, Debug)]
struct PayloadMark(u64);

impl PayloadMark {
    const IMPLICIT: u64 = 1;

    fn new(revision: u64, implicit: bool) -> PayloadMark {
        PayloadMark((revision << 1) | u64::from(implicit))
    }

    fn revision(self) -> u64 {
        self.0 >> 1
    }

    fn is_implicit(self) -> bool {
        self.0 & PayloadMark::IMPLICIT != 0
    }
}

impl Node {
    pub(crate) fn new(payload: Payload, implicit: bool, revision: u64) -> Node {
        Node {
            payload,
            children: Children::default(),
            payload_version: FIRST_VERSION,
            child_list_version: FIRST_VERSION,
            revision,
            subtree_revision: revision,
            subtree_nodes: 1,
            payload_mark: PayloadMark::new(revision, implicit),
        }
    }

    /// Notes a change of the payload at this revision.
    pub(crate) fn set_payload_revision(&mut self, revision: u64) {
        self.payload_mark = PayloadMark::new(revision, self.is_implicit());
    }

    /// It was put itself, and is no longer there only as a parent.
    pub(crate) fn set_explicit(&mut self) {
        self.payload_mark = PayloadMark::new(self.payload_revision(), false);
    }

    /// What it carries.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// How often the payload changed, from 1.
    pub fn payload_version(&self) -> u64 {
        self.payload_version
    }

    /// How often the list of children changed, from 1.
    pub fn child_list_version(&self) -> u64 {
        self.child_list_version
    }

    /// The revision of its last own change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The revision of its creation, or of the last change of its payload.
    pub fn payload_revision(&self) -> u64 {
        self.payload_mark.revision()
    }

    /// The revision of the last change at or below it.
    pub fn subtree_revision(&self) -> u64 {
        self.subtree_revision
    }

    /// The number of nodes at and below it.
    pub fn subtree_nodes(&self) -> u64 {
        self.subtree_nodes
    }

    /// Whether it was created as a missing parent, and so goes when it has neither child nor payload.
    pub fn is_implicit(&self) -> bool {
        self.payload_mark.is_implicit()
    }

    /// Its children.
    pub fn children(&self) -> &Children {
        &self.children
    }

    /// The child of this name.
    pub fn child(&self, name: &Name) -> Option<&Node> {
        self.children.get(name).map(|child| &**child)
    }

    /// The properties of the set, as the node is now.
    pub fn props(&self, mask: PropsMask) -> Props {
        let has_payload = mask.contains(PropsMask::HAS_PAYLOAD);
        let when = |property| mask.contains(property);
        Props {
            payload: (when(PropsMask::PAYLOAD) && !self.payload.is_none()).then(|| self.payload.clone()),
            payload_version: when(PropsMask::PAYLOAD_VERSION).then_some(self.payload_version),
            child_list_version: when(PropsMask::CHILD_LIST_VERSION).then_some(self.child_list_version),
            child_list_length: when(PropsMask::CHILD_LIST_LENGTH).then_some(self.children.len()),
            child_names: when(PropsMask::CHILD_NAMES)
                .then(|| self.children.iter().map(|(name, _)| name.clone()).collect()),
            has_data: has_payload && matches!(self.payload, Payload::Data(_)),
            is_procedure: has_payload && matches!(self.payload, Payload::Procedure(_)),
            raw_payload: when(PropsMask::RAW_PAYLOAD).then(|| self.payload.clone()),
            delete_reason: None,
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.children.is_empty() {
            return;
        }
        let mut doomed = vec![std::mem::take(&mut self.children)];
        while let Some(children) = doomed.pop() {
            children.into_unshared_values(|child| {
                // Without its children, the child's own drop has nothing left to descend into.
                if let Some(mut child) = Arc::into_inner(child)
                    && !child.children.is_empty()
                {
                    doomed.push(std::mem::take(&mut child.children));
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_takes_at_most_88_bytes() {
        assert!(size_of::<Node>() <= 88, "{}", size_of::<Node>());
    }

    #[test]
    fn a_chain_of_100_000_levels_is_dropped_on_a_small_stack() {
        let mut node = Node::new(Payload::None, false, 1);
        for _ in 0..100_000 {
            let mut parent = Node::new(Payload::None, true, 1);
            parent.children.insert(Name::atom("c"), Arc::new(node));
            node = parent;
        }
        std::thread::Builder::new().stack_size(128 * 1024).spawn(move || drop(node)).unwrap().join().unwrap();
    }

    #[test]
    fn dropping_one_of_two_trees_leaves_what_they_share() {
        let mut parent = Node::new(Payload::None, false, 1);
        parent
            .children
            .insert(Name::atom("c"), Arc::new(Node::new(Payload::Data(Arc::from(&b"x"[..])), false, 1)));
        let copy = parent.clone();
        drop(parent);
        assert!(copy.child(&Name::atom("c")).is_some_and(|child| !child.payload().is_none()));
    }

    #[test]
    fn only_the_properties_asked_for_are_shown() {
        let mut node = Node::new(Payload::Data(Arc::from(&b"x"[..])), false, 1);
        node.children.insert(Name::atom("c"), Arc::new(Node::new(Payload::None, false, 1)));
        assert_eq!(node.props(PropsMask::NONE), Props::default());
        assert_eq!(
            node.props(PropsMask::ALL),
            Props {
                payload: Some(Payload::Data(Arc::from(&b"x"[..]))),
                payload_version: Some(1),
                child_list_version: Some(1),
                child_list_length: Some(1),
                child_names: Some(vec![Name::atom("c")]),
                has_data: true,
                is_procedure: false,
                raw_payload: Some(Payload::Data(Arc::from(&b"x"[..]))),
                delete_reason: None,
            }
        );
    }
}
