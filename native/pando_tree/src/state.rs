//! The state of the tree and what commands do to it.
//!
//! Invariants:
//! 1. `apply` is a pure function of state, command and context, total (it never panics), and either does all of the
//!    command or, when it refuses, nothing.
//! 2. A clone costs one reference and never changes afterwards, whatever is applied to the original.
//! 3. The root always exists and is never implicit.

use std::sync::Arc;

use crate::answer::{Answer, Refusal, Repeated};
use crate::command::{Command, Wanted, Watched};
use crate::edit::Present;
use crate::keep_while::KeepWhile;
use crate::limits::{COMMAND_STEPS_MAX, DETACHED_NODES_MIN, DETACHED_SUBTREES_MAX};
use crate::name::{Name, Path};
use crate::node::Node;
use crate::payload::Payload;
use crate::put::{Missing, Put};
use crate::request_window::{RequestId, RequestWindow};
use crate::step::Step;
use crate::walk::{Ambiguous, not_found, walk};

/// A tree at one revision.
#[derive(Debug)]
pub struct State {
    pub(crate) root: Arc<Node>,
    pub(crate) revision: u64,
    pub(crate) keep_while: KeepWhile,
    pub(crate) requests: RequestWindow,
    pub(crate) detached: Vec<Arc<Node>>,
    /// For transactions: what the command under way has done that its path alone does not tell.
    pub(crate) trace: Option<Vec<Path>>,
}

/// What a command is applied in: the same on every replica.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The revision the tree has afterwards; it never decreases from one command to the next.
    pub revision: u64,
    /// The clock of the member that proposed the command, in milliseconds.
    pub clock_ms: u64,
    /// Whether the state is the one that the proposer predicted, if it has predicted one.
    pub is_as_predicted: bool,
}

/// A node that a path led to.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Its path, without steps up or back.
    pub path: Path,
    /// The node.
    pub node: &'a Node,
}

impl State {
    /// A tree with nothing but the root, at revision 0.
    pub fn new() -> State {
        State::from_root(Arc::new(Node::new(Payload::None, false, 0)), 0)
    }

    pub(crate) fn from_root(root: Arc<Node>, revision: u64) -> State {
        State {
            root,
            revision,
            keep_while: KeepWhile::default(),
            requests: RequestWindow::default(),
            detached: Vec::new(),
            trace: None,
        }
    }

    /// Applies a command. Afterwards the state has the revision of the context, also when the command was refused.
    pub fn apply(&mut self, command: &Command, context: &Context) -> Answer {
        self.apply_collecting(command, context, true)
    }

    /// The same of a command that others will apply, to know what they will have: collects nothing that only the
    /// caller of the command wants to see. The answer may lack that.
    pub fn predict(&mut self, command: &Command, context: &Context) -> Answer {
        self.apply_collecting(command, context, false)
    }

    fn apply_collecting(&mut self, command: &Command, context: &Context, collects: bool) -> Answer {
        self.revision = context.revision;
        let Command::Once(once) = command else { return self.apply_without_id(command, context, collects) };
        if let Some(repeated) = self.requests.repeated(&once.id) {
            return Answer::Repeated(Box::new(repeated));
        }
        // Also who predicts needs the whole answer: its size decides which requests go.
        let answer = self.apply_without_id(&once.command, context, true);
        self.requests.keep(once, &answer);
        answer
    }

    fn apply_without_id(&mut self, command: &Command, context: &Context, collects: bool) -> Answer {
        match command {
            Command::Transaction(transaction) => self.transaction(transaction, context),
            single => self.apply_single(single, collects, &mut (COMMAND_STEPS_MAX as u64)),
        }
    }

    /// Applies a command that is not several, within so many steps.
    pub(crate) fn apply_single(&mut self, command: &Command, collects: bool, left: &mut u64) -> Answer {
        let shown = |wanted: &'_ Option<Wanted>| wanted.filter(|_| collects);
        let answer = match command {
            Command::Put { path, scope, payload, keep_while, wanted } => {
                let put = Put {
                    steps: path,
                    scope: *scope,
                    missing: Missing::Create,
                    keep_while: keep_while.as_deref(),
                    wanted: shown(wanted),
                };
                self.put(&put, payload, left)
            }
            Command::Clear { path, scope, keep_while, wanted } => {
                let put = Put {
                    steps: path,
                    scope: *scope,
                    missing: Missing::Skip,
                    keep_while: keep_while.as_deref(),
                    wanted: shown(wanted),
                };
                self.put(&put, &Payload::None, left)
            }
            Command::Delete { path, scope, wanted } => self.delete(path, *scope, shown(wanted), left),
            Command::Transaction(_) | Command::Once(_) => Err(Refusal::Nested),
        };
        answer.unwrap_or_else(Answer::Refused)
    }

    /// The same, and what it has done that its path alone does not tell: the nodes that its conditions and wildcards led
    /// to, and those that went because of it. Whoever reads after it may see these.
    pub(crate) fn apply_traced(&mut self, command: &Command, left: &mut u64) -> (Answer, Vec<Path>) {
        self.trace = Some(Vec::new());
        let answer = self.apply_single(command, true, left);
        (answer, self.trace.take().unwrap_or_default())
    }

    /// Notes targets of the command under way, unless its path is one of names.
    pub(crate) fn trace_targets<'a>(&mut self, path: &[Step], targets: impl Iterator<Item = &'a Path>) {
        if let Some(trace) = &mut self.trace
            && !path.iter().all(|step| matches!(step, Step::Child(_)))
        {
            trace.extend(targets.cloned());
        }
    }

    /// Notes a node that goes because of the command under way.
    pub(crate) fn trace_followed(&mut self, path: &Path) {
        if let Some(trace) = &mut self.trace {
            trace.push(path.clone());
        }
    }

    /// What is kept of a request with this id; `None` when it was not applied, or so many others were since that it is
    /// not known any more.
    pub fn repeated(&self, id: &RequestId) -> Option<Repeated> {
        self.requests.repeated(id)
    }

    /// The revision of the last command applied.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Counts a command that was left out.
    pub fn skip_revision(&mut self) {
        self.revision = self.revision.saturating_add(1);
    }

    /// Forgets a command that is not to count: it was a conflict, and changed nothing.
    pub fn take_back_revision(&mut self) {
        self.revision = self.revision.saturating_sub(1);
    }

    pub(crate) fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    /// The number of nodes, the root included.
    pub fn node_count(&self) -> u64 {
        self.root.subtree_nodes
    }

    /// The root.
    pub fn root(&self) -> &Arc<Node> {
        &self.root
    }

    /// The node at this path.
    pub fn lookup(&self, path: &[Name]) -> Option<&Node> {
        path.iter().try_fold(&*self.root, |node, name| node.child(name))
    }

    /// How many of the names have nodes, and what the last one carries.
    pub(crate) fn found(&self, names: &[Name]) -> Present {
        let mut node = &*self.root;
        for (present, name) in names.iter().enumerate() {
            match node.child(name) {
                Some(child) => node = child,
                None => return Present { present, payload: None },
            }
        }
        Present { present: names.len(), payload: Some(node.payload.clone()) }
    }

    /// The number of nodes that depend on others.
    pub fn keep_while_count(&self) -> u64 {
        self.keep_while.len()
    }

    /// The nodes that depend on others, in the order of paths, each with what it depends on.
    pub fn keep_while(&self) -> impl Iterator<Item = (&Path, &[Watched])> {
        self.keep_while.iter().map(|(path, conditions)| (path, &conditions[..]))
    }

    /// The node that the steps lead to. They must name one node, and so must every step on the way.
    pub fn resolve(&self, steps: &[Step]) -> Result<Found<'_>, Refusal> {
        let mut left = COMMAND_STEPS_MAX as u64;
        let walk = walk(&self.root, steps, Ambiguous::RefusedAtNodes, &mut left)?;
        match (walk.first_missing, walk.target()) {
            (None, Some(node)) => Ok(Found { path: walk.names, node }),
            (position, _) => Err(not_found(steps, position.unwrap_or_default())),
        }
    }

    /// The large subtrees that commands detached since the last call. To drop one may take long if nothing else
    /// holds it, so do it on a thread that may wait.
    pub fn take_detached(&mut self) -> Vec<Arc<Node>> {
        std::mem::take(&mut self.detached)
    }

    pub(crate) fn detach(&mut self, subtree: Arc<Node>) {
        if subtree.subtree_nodes >= DETACHED_NODES_MIN && self.detached.len() < DETACHED_SUBTREES_MAX {
            self.detached.push(subtree);
        }
    }

    /// Changes the node at a path that exists, and what the nodes above it know of it: their newest revision and
    /// the number of nodes, by which the change makes the subtree grow.
    pub(crate) fn change<R>(
        &mut self,
        names: &[Name],
        growth: i64,
        change: impl FnOnce(&mut Node) -> R,
    ) -> Option<R> {
        let revision = self.revision;
        let mut node = Arc::make_mut(&mut self.root);
        let mut names = names.iter();
        loop {
            node.subtree_revision = revision;
            node.subtree_nodes = node.subtree_nodes.saturating_add_signed(growth);
            match names.next() {
                Some(name) => node = Arc::make_mut(node.children.get_mut(name)?),
                None => {
                    node.revision = revision;
                    return Some(change(node));
                }
            }
        }
    }
}

impl Default for State {
    fn default() -> State {
        State::new()
    }
}

impl Clone for State {
    /// The detached subtrees stay with the original: it is the one whose commands detached them.
    fn clone(&self) -> State {
        State {
            root: Arc::clone(&self.root),
            revision: self.revision,
            keep_while: self.keep_while.clone(),
            requests: self.requests.clone(),
            detached: Vec::new(),
            trace: None,
        }
    }
}

#[cfg(test)]
#[path = "state_test.rs"]
mod tests;
