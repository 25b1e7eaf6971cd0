//! The state machine: entries in, answers out. Pure; it runs wherever it is called.
//!
//! Invariants
//! 1. Applying is total: every command gets exactly one answer. Should a command panic all the same, its batch is
//!    applied again command by command from the state before, the culprit is answered [`CommandAnswer::Failed`] and
//!    changes nothing. That is deterministic, so replicas stay equal, and no entry can brick a store.
//! 2. A batch of one opening of a member is applied once, and never behind a later one (`sessions.rs`); nor is that of who is no
//!    member. One that is not applied changes nothing at all: neither the tree, nor its revision, nor what is known of batches.
//! 3. The revision of a change is the number of its command, of all that were ever applied: whoever knows which commands
//!    come next knows their revisions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pando_tree::{Answer, Command, Context, State};

use crate::batch::Batch;
use crate::entry::{Change, Entry};
use crate::membership::Membership;
use crate::own_progress::OwnProgress;
use crate::view::View;

/// What became of one command.
#[derive(Debug)]
pub enum CommandAnswer {
    /// The tree's answer.
    Answer(Answer),
    /// The command made the tree's code panic; it changed nothing. The text says where.
    Failed(String),
}

/// What applying an entry came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is in the view now.
    Applied,
    /// Its commands were left out: the same batch, or a later one of the same opening, was applied before, or its proposer is no
    /// member.
    Dropped,
    /// It was in the view before: nothing was done.
    Repeated,
}

/// The answers of one entry.
#[derive(Debug)]
pub struct Answers {
    /// What became of the entry. There are answers only if it was applied.
    pub effect: Effect,
    /// The revision of the first; each other has the next one.
    pub first_revision: u64,
    /// In the order of the commands.
    pub answers: Vec<CommandAnswer>,
}

/// The view under construction.
pub struct Machine {
    view: View,
}

impl Machine {
    /// Continues from `view`.
    pub fn new(view: View) -> Machine {
        Machine { view }
    }

    /// What has been applied so far.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// What is known here only: whoever applies tells what it means for this opening of the store.
    pub fn own_mut(&mut self) -> &mut OwnProgress {
        &mut self.view.own
    }

    /// Subtrees that deletes detached since the last call, to be freed where nobody waits.
    pub fn take_detached(&mut self) -> Vec<std::sync::Arc<pando_tree::Node>> {
        self.view.state.take_detached()
    }

    /// Applies one entry; the answers are those of its commands, in their order.
    ///
    /// An entry at or below what is applied changes nothing and is answered with nothing: replays are harmless.
    pub fn apply(&mut self, entry: &Entry) -> Answers {
        self.apply_by(entry, Machine::apply_batch)
    }

    /// The same where answers are not wanted, without a copy to go back to: pages that nobody else holds are changed in
    /// place. False: a command panicked, and this machine is of no more use.
    pub fn apply_in_place(&mut self, entry: &Entry) -> bool {
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            self.apply_by(entry, |machine, batch, is_as_predicted| {
                for command in batch.commands.iter() {
                    machine.apply_command(batch, command, is_as_predicted);
                }
                Vec::new()
            });
        }));
        attempt.is_ok()
    }

    fn apply_by(
        &mut self,
        entry: &Entry,
        apply_batch: impl FnOnce(&mut Machine, &Batch, bool) -> Vec<CommandAnswer>,
    ) -> Answers {
        if self.view.applied.is_some_and(|applied| entry.position.index <= applied.index) {
            return Answers { effect: Effect::Repeated, first_revision: 0, answers: Vec::new() };
        }
        let first_revision = self.view.state.revision() + 1;
        let mut effect = Effect::Applied;
        let answers = match &entry.change {
            Change::Blank => Vec::new(),
            Change::Membership(membership) => {
                self.view.membership = Some((entry.position, membership.clone()));
                self.view.sessions.retain(membership);
                Vec::new()
            }
            Change::Commands(batch) if !self.admit(batch) => {
                effect = Effect::Dropped;
                Vec::new()
            }
            Change::Commands(batch) => {
                let is_as_predicted = self.view.history.is_as_predicted(batch);
                self.view.history.note(batch, entry.position.index);
                apply_batch(self, batch, is_as_predicted)
            }
        };
        self.view.applied = Some(entry.position);
        Answers { effect, first_revision, answers }
    }

    /// Whether a batch is to be applied. What a removed member sends again would not be known any more: so nothing of it is.
    fn admit(&mut self, batch: &Batch) -> bool {
        let is_member = |(_, membership): &(_, Arc<Membership>)| membership.has(batch.origin.member_id);
        self.view.membership.as_ref().is_none_or(is_member)
            && self.view.sessions.admit(&batch.origin, batch.commands.len())
    }

    fn apply_batch(&mut self, batch: &Batch, is_as_predicted: bool) -> Vec<CommandAnswer> {
        let before = self.view.state.clone();
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let apply = |command| CommandAnswer::Answer(self.apply_command(batch, command, is_as_predicted));
            batch.commands.iter().map(apply).collect()
        }));
        attempt.unwrap_or_else(|_| {
            self.view.state = before;
            batch
                .commands
                .iter()
                .map(|command| {
                    let context = context(&self.view.state, batch, is_as_predicted);
                    apply_alone(&mut self.view.state, command, &context)
                })
                .collect()
        })
    }

    fn apply_command(&mut self, batch: &Batch, command: &Command, is_as_predicted: bool) -> Answer {
        let context = context(&self.view.state, batch, is_as_predicted);
        self.view.state.apply(command, &context)
    }
}

fn context(state: &State, batch: &Batch, is_as_predicted: bool) -> Context {
    Context { revision: state.revision() + 1, clock_ms: batch.clock_ms, is_as_predicted }
}

/// One command, with a copy of the state to go back to if it panics.
fn apply_alone(state: &mut State, command: &Command, context: &Context) -> CommandAnswer {
    let before = state.clone();
    match catch_unwind(AssertUnwindSafe(|| state.apply(command, context))) {
        Ok(answer) => CommandAnswer::Answer(answer),
        Err(panic) => {
            *state = before;
            state.skip_revision();
            CommandAnswer::Failed(panic_text(&*panic))
        }
    }
}

/// The words of a panic.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
