//! Trees as records, one for each node, one for each node that depends on others, and one for each request that is known
//! to have been applied: what snapshots are made of.
//!
//! Invariants:
//! 1. The records come in one order: nodes, each before its descendants, siblings sorted; then what nodes depend on, in
//!    the order of their paths; then the requests, the oldest first. So equal trees have equal records.
//! 2. A builder makes nothing but what commands could have made, or refuses: sorted distinct names, no gap in depth,
//!    counters from 1, revisions that agree with those above, limits kept, conditions of nodes that exist on absolute
//!    paths, requests that fit into their window, each once.
//! 3. The record of a node: its depth; at the root nothing, elsewhere the kind and the text of the name; flags;
//!    payload; payload version, child list version, payload revision, revision, subtree revision.
//! 4. The record of what a node depends on: 2^20, which is no depth; its path as steps; the number of conditions, and each as a path and a
//!    condition.
//! 5. The record of a request: 2^20 + 1; the id; the answer, if it is kept; the note, if there is one.

use std::sync::Arc;

use super::DecodeError;
use super::command::{
    names, optional_bytes, put_names, put_optional_bytes, put_watched, request_id, watched,
};
use super::reader::{Reader, put_bytes, put_name, put_number, put_payload};
use crate::answer::Answer;
use crate::command::Watched;
use crate::keep_while::resolve;
use crate::limits::{Limit, REQUESTS_KEPT_MAX};
use crate::name::{Name, NameKind, Path};
use crate::node::{Children, FIRST_VERSION, Node};
use crate::preorder::Preorder;
use crate::request_window::{Request, RequestWindow};
use crate::scan::Scan;
use crate::sorted_map::Cursor;
use crate::state::State;

const EXPLICIT: u8 = 0;
const IMPLICIT: u8 = 1;
/// In the place of a depth, greater than any.
const CONDITIONS: u64 = 1 << 20;
const REQUEST: u64 = CONDITIONS + 1;

/// The records of a tree as it was when this was made.
#[derive(Debug)]
pub struct TreeRecords {
    root: Arc<Node>,
    root_is_next: bool,
    below: Preorder,
    conditions_count: u64,
    conditions: Cursor<Path, Arc<[Watched]>>,
    requests_count: u64,
    requests: Cursor<u64, Arc<Request>>,
}

impl TreeRecords {
    /// The records of this state; it may be changed meanwhile.
    pub fn new(state: &State) -> TreeRecords {
        let root = Arc::clone(state.root());
        TreeRecords {
            below: Preorder::below(&root),
            root_is_next: true,
            root,
            conditions_count: state.keep_while.len(),
            conditions: state.keep_while.cursor(),
            requests_count: state.requests.len(),
            requests: state.requests.cursor(),
        }
    }

    /// The number of records in all.
    pub fn count(&self) -> u64 {
        self.root.subtree_nodes.saturating_add(self.conditions_count).saturating_add(self.requests_count)
    }

    /// Appends the next record; `false` when there is none left.
    pub fn next_into(&mut self, out: &mut Vec<u8>) -> bool {
        if std::mem::take(&mut self.root_is_next) {
            put_record(out, 0, None, &self.root);
            return true;
        }
        if let Some((depth, name, node)) = self.below.next() {
            put_record(out, depth, Some(&name), &node);
            return true;
        }
        if let Some((path, conditions)) = self.conditions.next() {
            put_number(out, CONDITIONS);
            put_names(out, &path);
            put_number(out, conditions.len() as u64);
            put_watched(out, &conditions);
            return true;
        }
        match self.requests.next() {
            Some((_, request)) => {
                put_number(out, REQUEST);
                put_bytes(out, request.id.bytes());
                put_optional_bytes(out, request.answer.as_deref());
                put_optional_bytes(out, request.note.as_deref());
                true
            }
            None => false,
        }
    }

    /// The tree, to be dropped where that may take long: this may hold it as the last.
    pub fn into_root(self) -> Arc<Node> {
        self.root
    }
}

fn put_record(out: &mut Vec<u8>, depth: usize, name: Option<&Name>, node: &Node) {
    put_number(out, depth as u64);
    if let Some(name) = name {
        out.push(match name.kind() {
            NameKind::Atom => 0,
            NameKind::Binary => 1,
        });
        put_name(out, name);
    }
    out.push(if node.is_implicit() { IMPLICIT } else { EXPLICIT });
    put_payload(out, &node.payload);
    let numbers = [
        node.payload_version,
        node.child_list_version,
        node.payload_revision(),
        node.revision,
        node.subtree_revision,
    ];
    for number in numbers {
        put_number(out, number);
    }
}

/// Builds a tree from its records.
#[derive(Debug, Default)]
pub struct TreeBuilder {
    /// The nodes from the root to the last one pushed, each with the children that are complete.
    open: Vec<OpenNode>,
    conditions: Vec<(Path, Vec<Watched>)>,
    requests: Vec<Request>,
}

#[derive(Debug)]
struct OpenNode {
    /// `None` at the root.
    name: Option<Name>,
    node: Node,
    children: Vec<(Name, Arc<Node>)>,
    path_size_bytes: usize,
}

impl TreeBuilder {
    /// A builder that has seen no record.
    pub fn new() -> TreeBuilder {
        TreeBuilder::default()
    }

    /// Adds the next record. After an error the builder is of no more use.
    pub fn push(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(record);
        let place = reader.number()?;
        if place == REQUEST {
            return self.push_request(&mut reader);
        }
        if !self.requests.is_empty() {
            return Err(DecodeError::WrongOrder);
        }
        if place == CONDITIONS {
            return self.push_conditions(&mut reader);
        }
        if !self.conditions.is_empty() {
            return Err(DecodeError::WrongOrder);
        }
        let depth = usize::try_from(place).unwrap_or(usize::MAX);
        Limit::PathComponents.check(depth)?;
        let name = if depth == 0 { None } else { Some(name(&mut reader)?) };
        let node = node(&mut reader)?;
        if reader.left() > 0 {
            return Err(DecodeError::TrailingBytes);
        }
        if depth > self.open.len() || (depth == 0 && !self.open.is_empty()) {
            return Err(DecodeError::WrongDepth);
        }
        while self.open.len() > depth {
            self.close_last()?;
        }
        let mut path_size_bytes = 0;
        if let (Some(parent), Some(name)) = (self.open.last(), &name) {
            if parent.children.last().is_some_and(|elder| elder.0 >= *name) {
                return Err(DecodeError::WrongOrder);
            }
            if node.subtree_revision > parent.node.subtree_revision {
                return Err(DecodeError::WrongCounters);
            }
            path_size_bytes = parent.path_size_bytes + name.bytes().len();
            Limit::PathSizeBytes.check(path_size_bytes)?;
        } else if node.is_implicit() {
            return Err(DecodeError::WrongCounters);
        }
        self.open.push(OpenNode { name, node, children: Vec::new(), path_size_bytes });
        Ok(())
    }

    fn push_conditions(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let path = names(reader)?;
        let count = reader.size(Limit::KeepWhile)?;
        let conditions = watched(reader, count)?;
        if reader.left() > 0 {
            return Err(DecodeError::TrailingBytes);
        }
        if self.conditions.last().is_some_and(|(before, _)| *before >= path) {
            return Err(DecodeError::WrongOrder);
        }
        self.conditions.push((path, conditions));
        Ok(())
    }

    fn push_request(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let id = request_id(reader)?;
        let answer = optional_bytes(reader, Limit::RequestAnswerSizeBytes)?;
        let note = optional_bytes(reader, Limit::RequestAnswerSizeBytes)?;
        if reader.left() > 0 {
            return Err(DecodeError::TrailingBytes);
        }
        if let Some(bytes) = &answer {
            match Answer::decode(bytes)? {
                (Answer::Done | Answer::Nodes(_) | Answer::Results(_), size) if size == bytes.len() => {}
                _ => return Err(DecodeError::WrongRequests),
            }
        }
        if self.requests.len() >= REQUESTS_KEPT_MAX {
            return Err(DecodeError::WrongRequests);
        }
        self.requests.push(Request { id, answer, note });
        Ok(())
    }

    /// The state with this tree, at this revision.
    pub fn finish(mut self, revision: u64) -> Result<State, DecodeError> {
        while self.open.len() > 1 {
            self.close_last()?;
        }
        let root = self.open.pop().ok_or(DecodeError::NoRoot)?.into_node()?;
        if root.subtree_revision > revision {
            return Err(DecodeError::WrongCounters);
        }
        let mut state = State::from_root(Arc::new(root), revision);
        for (path, conditions) in self.conditions {
            let may_have_conditions =
                !path.is_empty() && state.lookup(&path).is_some_and(|node| !node.is_implicit());
            if !may_have_conditions || conditions.is_empty() || !are_settled(&state, &path, &conditions) {
                return Err(DecodeError::WrongConditions);
            }
            state.keep_while.set(&path, conditions);
        }
        state.requests = RequestWindow::from_requests(self.requests).ok_or(DecodeError::WrongRequests)?;
        Ok(state)
    }

    /// Makes the last open node a child of the one before it.
    fn close_last(&mut self) -> Result<(), DecodeError> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        let (Some(name), Some(parent)) = (open.name.take(), self.open.last_mut()) else {
            return Err(DecodeError::WrongDepth);
        };
        let node = open.into_node()?;
        parent.node.subtree_nodes = parent.node.subtree_nodes.saturating_add(node.subtree_nodes);
        parent.children.push((name, Arc::new(node)));
        Ok(())
    }
}

impl OpenNode {
    fn into_node(self) -> Result<Node, DecodeError> {
        let mut node = self.node;
        node.children = Children::from_sorted(self.children).ok_or(DecodeError::WrongOrder)?;
        Ok(node)
    }
}

/// Whether a command could have left the conditions of this node so: on absolute paths that can be looked for, each once.
fn are_settled(state: &State, watcher: &[Name], conditions: &[Watched]) -> bool {
    conditions.iter().enumerate().all(|(index, watched)| {
        let is_same = |other: &Watched| other.path == watched.path;
        resolve(&watched.path, watcher) == watched.path
            && conditions.iter().position(is_same) == Some(index)
            && Scan::new(state, watched.path.clone(), false, None).is_ok()
    })
}

fn name(reader: &mut Reader<'_>) -> Result<Name, DecodeError> {
    match reader.u8()? {
        0 => reader.name(NameKind::Atom),
        1 => reader.name(NameKind::Binary),
        tag => Err(DecodeError::UnknownTag { of: "name", tag }),
    }
}

fn node(reader: &mut Reader<'_>) -> Result<Node, DecodeError> {
    let implicit = match reader.u8()? {
        EXPLICIT => false,
        IMPLICIT => true,
        tag => return Err(DecodeError::UnknownTag { of: "node", tag }),
    };
    let mut node = Node::new(reader.payload()?, implicit, 0);
    node.payload_version = reader.number()?;
    node.child_list_version = reader.number()?;
    let payload_revision = reader.number()?;
    node.set_payload_revision(payload_revision);
    node.revision = reader.number()?;
    node.subtree_revision = reader.number()?;
    let is_possible = node.payload_version >= FIRST_VERSION
        && node.child_list_version >= FIRST_VERSION
        && node.payload_revision() == payload_revision
        && node.revision >= payload_revision
        && node.subtree_revision >= node.revision;
    if is_possible { Ok(node) } else { Err(DecodeError::WrongCounters) }
}

#[cfg(test)]
#[path = "tree_test.rs"]
mod tests;
