//! A transaction under way: a private copy of a tree, in which its own writes are seen, and what was read and written so far.
//!
//! Invariants:
//! 1. The tree that it began with never changes, and nobody else sees what it writes.
//! 2. Everything that is told of the tree is noted before it is told.
//! 3. A write whose answer is certain is applied only when something is read after it, or when many wait: most of the time
//!    never here.
//! 4. A write beyond a limit leaves it without a future: it can only be given up.

use crate::answer::{Answer, Refusal};
use crate::command::Command;
use crate::limits::{COMMAND_STEPS_MAX, Limit};
use crate::name::{Name, Path};
use crate::node::Node;
use crate::props::PropsMask;
use crate::read_set::{Extent, ReadSet};
use crate::state::{Found, State};
use crate::step::Step;
use crate::transaction::{Expected, Transaction, Write, plain_beginning};

/// Writes that wait to be applied: what a reader may have to catch up with.
const DEFERRED_WRITES_MAX: usize = 16;
/// What is little work for a commit: see [`OpenTransaction::is_small`].
const SMALL_WRITES_MAX: usize = 16;
const SMALL_READS_MAX: usize = 64;
const SMALL_SIZE_BYTES_MAX: usize = 64 * 1024;
const SMALL_STEPS_MAX: u64 = 4_096;
const SMALL_NODES_MAX: u64 = 256;

/// See the module.
#[derive(Debug)]
pub struct OpenTransaction {
    base: State,
    state: State,
    is_predicted: bool,
    reads: ReadSet,
    writes: Vec<Write>,
    /// How many of the writes are applied to the private tree.
    applied: usize,
    size_bytes: usize,
    steps_left: u64,
    over: Option<Limit>,
}

impl OpenTransaction {
    /// Begins with this tree, which may be a prediction.
    pub fn new(base: State, is_predicted: bool) -> OpenTransaction {
        OpenTransaction {
            state: base.clone(),
            base,
            is_predicted,
            reads: ReadSet::default(),
            writes: Vec::new(),
            applied: 0,
            size_bytes: 0,
            steps_left: COMMAND_STEPS_MAX as u64,
            over: None,
        }
    }

    /// Whether the tree that it began with was a prediction.
    pub fn is_predicted(&self) -> bool {
        self.is_predicted
    }

    /// The revision of the tree that it began with.
    pub fn base_revision(&self) -> u64 {
        self.base.revision()
    }

    /// Whether nothing was read or written yet.
    pub fn is_fresh(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty()
    }

    /// Whether anything was written, or was tried to be.
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty() || self.over.is_some()
    }

    /// The tree as it is with what was written. To read from it, note first what is read.
    pub fn state(&mut self) -> &State {
        self.catch_up();
        &self.state
    }

    /// The node at a path of names; `extent` of it is read.
    pub fn lookup(&mut self, path: &[Name], extent: Extent) -> Option<&Node> {
        self.reads.note(&self.base, path, extent);
        self.state().lookup(path)
    }

    /// The node that the steps lead to, of which these properties are read.
    pub fn resolve(&mut self, steps: &[Step], props: PropsMask) -> Result<Found<'_>, Refusal> {
        self.reads.note_path(&self.base, steps, extent_of(props));
        self.state().resolve(steps)
    }

    /// Everything that a pattern matches is read, from [`OpenTransaction::state`].
    pub fn note_pattern(&mut self, pattern: &[Step]) {
        self.reads.note_pattern(&self.base, pattern);
    }

    /// Applies a command to the private tree. It must be one that a transaction may hold, and have been checked.
    pub fn write(&mut self, command: Command) -> Answer {
        if let Err(limit) = self.admit(&command) {
            self.over = Some(limit);
            return Answer::Refused(limit.into());
        }
        let deferred = self.writes.len() - self.applied;
        if deferred < DEFERRED_WRITES_MAX && self.state.only_answers_done(&command) {
            self.writes.push(Write { command, expected: Expected::Done });
            return Answer::Done;
        }
        self.catch_up();
        let (answer, trace) = self.apply(&command);
        self.writes.push(Write { command, expected: Expected::again(&answer, &trace) });
        self.applied = self.writes.len();
        answer
    }

    /// Applies the writes that are not applied yet.
    fn catch_up(&mut self) {
        let writes = std::mem::take(&mut self.writes);
        for write in writes.iter().skip(self.applied) {
            self.apply(&write.command);
        }
        self.applied = writes.len();
        self.writes = writes;
    }

    fn apply(&mut self, command: &Command) -> (Answer, Vec<Path>) {
        self.state.set_revision(self.base.revision().saturating_add(1));
        let applied = self.state.apply_traced(command, &mut self.steps_left);
        // What it replaced is held by the base, or nobody has ever seen it.
        drop(self.state.take_detached());
        applied
    }

    fn admit(&mut self, command: &Command) -> Result<(), Limit> {
        if let Some(limit) = self.over {
            return Err(limit);
        }
        self.size_bytes = self.size_bytes.saturating_add(size_of::<Expected>() + command.size_bytes());
        Limit::TransactionCommands.check(self.writes.len() + 1)?;
        Limit::TransactionSizeBytes.check(self.size_bytes)
    }

    /// Ends it: gives what is to be committed, and the trees, to be let go where that may take long.
    pub fn finish(self) -> (Result<Transaction, Limit>, [State; 2]) {
        let transaction = Transaction {
            base_revision: self.base.revision(),
            is_predicted: self.is_predicted,
            reads: self.reads.into_scopes(),
            requirements: Vec::new(),
            writes: self.writes,
            wants_results: false,
        };
        (self.over.map_or(Ok(transaction), Err), [self.base, self.state])
    }

    /// Whether to commit it, or to forget it, is little work: few things read, few commands, of one node each, that took few
    /// steps and removed little.
    pub fn is_small(&self) -> bool {
        let (before, after) = (self.base.node_count(), self.state.node_count());
        self.writes.len() <= SMALL_WRITES_MAX
            && self.reads.len() <= SMALL_READS_MAX
            && self.size_bytes <= SMALL_SIZE_BYTES_MAX
            && COMMAND_STEPS_MAX as u64 - self.steps_left <= SMALL_STEPS_MAX
            && before.abs_diff(after) <= SMALL_NODES_MAX
    }

    /// The path of everything that was read or written by plain paths: those that others may be told to keep away from.
    pub fn touched(&self) -> impl Iterator<Item = Path> + '_ {
        let written = self.writes.iter().map(|write| plain_beginning(write.command.path()));
        self.reads.paths().cloned().chain(written)
    }
}

/// How much of a node is read by who sees these properties of it.
fn extent_of(props: PropsMask) -> Extent {
    let of_children = [PropsMask::CHILD_LIST_VERSION, PropsMask::CHILD_LIST_LENGTH, PropsMask::CHILD_NAMES];
    if of_children.into_iter().any(|of_children| props.contains(of_children)) {
        Extent::Node
    } else if props == PropsMask::NONE {
        Extent::Presence
    } else {
        Extent::Payload
    }
}
