//! All nodes below a node, each before its descendants, siblings sorted.
//!
//! Invariants:
//! 1. It holds what it walks, so the tree may be changed meanwhile: the walk shows it as it was.
//! 2. It needs memory for the depth of the tree, not for its size.

use std::sync::Arc;

use crate::name::Name;
use crate::node::Node;
use crate::sorted_map::Cursor;

/// The walk.
#[derive(Debug)]
pub(crate) struct Preorder {
    open: Vec<Cursor<Name, Arc<Node>>>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_store::{Store, data, name};

    #[test]
    fn nodes_come_before_their_descendants_with_their_depth_and_siblings_in_order() {
        let mut s = Store::default();
        for path in ["b", "a z", "a y x", "c <c>"] {
            s.put(path, data(1));
        }
        let walk = Preorder::below(s.node(""));
        s.delete("");
        let seen: Vec<(usize, Name)> = walk.map(|(depth, name, _)| (depth, name)).collect();
        let expected = [(1, "a"), (2, "y"), (3, "x"), (2, "z"), (1, "b"), (1, "c"), (2, "<c>")];
        assert_eq!(seen, expected.map(|(depth, text)| (depth, name(text))));
    }
}
