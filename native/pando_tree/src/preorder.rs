//! All nodes below a node, each before its descendants, siblings sorted.
//!
//! Invariants:
//! 1. It holds what it walks, so the tree may be changed meanwhile: the walk shows it as it was.
//! 2. It needs memory for the depth of the tree, not for its size.

use std::sync::Arc;

use crate::name::Name;
use crate::name_map::Cursor;
use crate::node::Node;

/// The walk.
#[derive(Debug)]
pub(crate) struct Preorder {
    open: Vec<Cursor<Arc<Node>>>,
}

impl Preorder {
    /// The nodes below `node`; not itself.
    pub(crate) fn below(node: &Node) -> Preorder {
        Preorder { open: vec![node.children.cursor()] }
    }
}

impl Iterator for Preorder {
    /// The depth below the starting node (its children: 1), the name, the node.
    type Item = (usize, Name, Arc<Node>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let siblings = self.open.last_mut()?;
            if let Some((name, node)) = siblings.next() {
                let depth = self.open.len();
                if !node.children.is_empty() {
                    self.open.push(node.children.cursor());
                }
                return Some((depth, name, node));
            }
            self.open.pop();
        }
    }
}
