//! The state that a store will have when everything that is proposed, or waits to be, is applied.
//!
//! Made so that a transaction which would lose is told before it is written, and so that the next one can begin with what
//! the one before it will leave.
//!
//! Invariants
//! 1. It is a view and the commands behind it, applied in the order in which they will be proposed.
//! 2. It says what applying will come to, as long as nothing comes between: of each transaction that has read from a prediction
//!    also whether it will be seen that this came true. So predictions of the same commands are the same, whatever view they
//!    began with.
//! 3. Nothing is concluded from it alone: what was read from it counts only if it came true (`history.rs`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pando_tree::{Answer, Command, Context, Node, State};

use crate::batch::{Batch, Origin};
use crate::history::PredictedFrom;
use crate::view::View;

/// See the module.
pub struct Prediction {
    view: View,
    from: PredictedFrom,
    commands: usize,
    /// Whether it will be seen of the next batch that it was applied to this.
    can_come_true: bool,
}

/// A prediction went wrong in a command: it made the tree's code panic.
#[derive(Debug)]
pub struct Panicked;

impl Prediction {
    /// Begins with a view and the batches that were proposed behind it; `next_sequence` is that of the next batch.
    pub fn new(view: &View, proposed: &[Arc<Batch>], next_sequence: u64) -> Result<Prediction, Panicked> {
        let sequence = proposed.first().map_or(next_sequence, |batch| batch.origin.first_sequence);
        let from = PredictedFrom { last_index: view.history.last_index(), sequence };
        let mut prediction = Prediction { view: view.clone(), from, commands: 0, can_come_true: true };
        for batch in proposed {
            let is_as_predicted = prediction.view.history.is_as_predicted(batch);
            // Where it will stand in the log is not known, and not asked for behind a batch of the same proposer.
            prediction.view.history.note(batch, 0);
            for command in batch.commands.iter() {
                prediction.apply_as(command, is_as_predicted)?;
            }
        }
        if let Some(last) = proposed.last() {
            // A number that was left out between them: it cannot be seen whether something else came there.
            let next = Origin { first_sequence: next_sequence, ..last.origin };
            prediction.can_come_true = prediction.view.history.is_predicted_from(&next, from);
        }
        Ok(prediction)
    }

    /// Whether transactions that read from it can succeed. If not, those can that read from one which is made anew when all that
    /// is proposed now is applied.
    pub fn can_come_true(&self) -> bool {
        self.can_come_true
    }

    /// What it was predicted from, for the next batch.
    pub fn from(&self) -> PredictedFrom {
        self.from
    }

    /// How many commands were applied to the view that it began with.
    pub fn commands(&self) -> usize {
        self.commands
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.view.state
    }

    /// Applies the command that will be proposed next; gives what it will answer, but for what only its caller wants to see.
    pub fn apply(&mut self, command: &Command) -> Result<Answer, Panicked> {
        self.apply_as(command, self.can_come_true)
    }

    /// What a command would answer; it changes nothing, and is not proposed, if it conflicts. After
    /// a panic the prediction is of no more use.
    pub fn apply_unless_conflict(&mut self, command: &Command) -> Result<Answer, Panicked> {
        let answer = self.apply(command)?;
        if matches!(answer, Answer::Conflict(_)) {
            self.view.state.take_back_revision();
            self.commands -= 1;
        }
        Ok(answer)
    }

    /// Subtrees that commands detached since the last call, to be freed where nobody waits.
    pub fn take_detached(&mut self) -> Vec<Arc<Node>> {
        self.view.state.take_detached()
    }

    fn apply_as(&mut self, command: &Command, is_as_predicted: bool) -> Result<Answer, Panicked> {
        self.commands += 1;
        let state = &mut self.view.state;
        // The clock of the batch is not known yet; no command looks at it.
        let context = Context { revision: state.revision() + 1, clock_ms: 0, is_as_predicted };
        let answer = catch_unwind(AssertUnwindSafe(|| state.predict(command, &context)));
        answer.map_err(|_| Panicked)
    }
}
