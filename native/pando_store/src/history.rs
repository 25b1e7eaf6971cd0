//! The newest batches as the log has them: enough to tell whether a batch is applied to the state that its proposer had
//! predicted.
//!
//! A proposer predicts from a view (the state at a log position) and the batches that it has proposed since. The prediction
//! comes true exactly if these batches, and no others, were applied between that position and the batch: batches are
//! applied once, and applying is deterministic.
//!
//! Invariants
//! 1. It is a function of the entries that were applied, so every member has the same; snapshots hold it.
//! 2. It knows only batches that were applied: one that was left out (`sessions.rs`) has changed nothing that anybody predicted.
//! 3. `run` describes the longest sequence of batches, up to the last one, that one opening of one member proposed without
//!    a gap and that nobody else's came between.

use serde::{Deserialize, Serialize};

use crate::batch::{Batch, Origin};
use crate::sessions::Session;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The log index of the last batch; 0 before the first.
    last_index: u64,
    run: Run,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    member_id: u64,
    incarnation: u64,
    /// The number of its first command.
    first_sequence: u64,
    /// The number of the command that would follow.
    next_sequence: u64,
    /// The log index of the last batch before it.
    before_index: u64,
}

/// What a batch's proposer predicted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredictedFrom {
    /// The log index of the last batch in the view.
    pub last_index: u64,
    /// The number of the first command, of the same origin, that is not in the view.
    pub sequence: u64,
}

impl History {
    /// The log index of the last batch; 0 before the first.
    pub fn last_index(&self) -> u64 {
        self.last_index
    }

    /// The session of the last batch: what snapshots said of sessions before they held all of them.
    pub fn last_session(&self) -> Option<Session> {
        let Run { member_id, incarnation, next_sequence, .. } = self.run;
        (next_sequence != 0).then_some(Session { member_id, incarnation, next_sequence })
    }

    /// Whether the state is the one that the proposer of this batch, the next, had predicted.
    pub fn is_as_predicted(&self, batch: &Batch) -> bool {
        batch.predicted_from.is_some_and(|from| self.is_predicted_from(&batch.origin, from))
    }

    /// The same of a batch of this origin that was predicted from there.
    pub fn is_predicted_from(&self, origin: &Origin, from: PredictedFrom) -> bool {
        if self.run.is_continued_by(origin) {
            let begins_there =
                self.run.first_sequence == from.sequence && self.run.before_index == from.last_index;
            self.run.first_sequence < from.sequence || begins_there
        } else {
            origin.first_sequence == from.sequence && self.last_index == from.last_index
        }
    }

    /// A batch was applied, from this log index.
    pub fn note(&mut self, batch: &Batch, index: u64) {
        if !self.run.is_continued_by(&batch.origin) {
            self.run = Run {
                member_id: batch.origin.member_id,
                incarnation: batch.origin.incarnation,
                first_sequence: batch.origin.first_sequence,
                next_sequence: batch.origin.first_sequence,
                before_index: self.last_index,
            };
        }
        self.run.next_sequence = self.run.next_sequence.saturating_add(batch.commands.len() as u64);
        self.last_index = index;
    }
}

impl Run {
    fn is_continued_by(&self, origin: &Origin) -> bool {
        self.member_id == origin.member_id
            && self.incarnation == origin.incarnation
            && self.next_sequence == origin.first_sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pando_tree::Command;

    fn batch(incarnation: u64, first_sequence: u64, from: Option<(u64, u64)>) -> Batch {
        let origin = Origin { member_id: 1, incarnation, first_sequence };
        let predicted_from = from.map(|(last_index, sequence)| PredictedFrom { last_index, sequence });
        Batch::new(origin, 0, vec![Command::delete(Vec::new()); 2], predicted_from)
    }

    /// The history after batches of two commands, each with its incarnation, first sequence and log index.
    fn after(batches: &[(u64, u64, u64)]) -> History {
        let mut history = History::default();
        for (incarnation, first_sequence, index) in batches {
            history.note(&batch(*incarnation, *first_sequence, None), *index);
        }
        history
    }

    #[test]
    fn a_batch_straight_behind_the_view_is_as_predicted() {
        assert!(History::default().is_as_predicted(&batch(7, 1, Some((0, 1)))));
        assert!(after(&[(7, 1, 5)]).is_as_predicted(&batch(7, 3, Some((5, 3)))));
        assert!(after(&[(8, 1, 5)]).is_as_predicted(&batch(7, 1, Some((5, 1)))));
    }

    #[test]
    fn a_batch_behind_those_that_were_predicted_is_as_predicted() {
        assert!(after(&[(7, 1, 5), (7, 3, 7)]).is_as_predicted(&batch(7, 5, Some((0, 1)))));
        assert!(after(&[(7, 1, 5), (7, 3, 7)]).is_as_predicted(&batch(7, 5, Some((5, 3)))));
        assert!(after(&[(8, 9, 4), (7, 1, 5), (7, 3, 7)]).is_as_predicted(&batch(7, 5, Some((4, 1)))));
    }

    #[test]
    fn a_batch_of_another_proposer_in_between_is_seen() {
        assert!(!after(&[(8, 1, 5)]).is_as_predicted(&batch(7, 1, Some((0, 1)))));
        assert!(!after(&[(7, 1, 5), (8, 1, 6)]).is_as_predicted(&batch(7, 3, Some((5, 3)))));
        assert!(!after(&[(7, 1, 5), (8, 1, 6), (7, 3, 7)]).is_as_predicted(&batch(7, 5, Some((5, 3)))));
        assert!(!after(&[(8, 1, 4), (8, 3, 5), (7, 1, 6)]).is_as_predicted(&batch(7, 3, Some((4, 1)))));
    }

    #[test]
    fn a_predicted_batch_that_was_never_applied_is_seen() {
        assert!(!after(&[(7, 1, 5)]).is_as_predicted(&batch(7, 5, Some((5, 3)))));
        assert!(!after(&[(7, 1, 5), (7, 5, 6)]).is_as_predicted(&batch(7, 7, Some((5, 3)))));
        assert!(!after(&[]).is_as_predicted(&batch(7, 3, Some((0, 1)))));
    }

    #[test]
    fn a_batch_that_was_refused_and_applied_all_the_same_is_seen_by_the_number_left_out_behind_it() {
        // Predicted from the view at 5, without the batch from 3 on, which was refused.
        let after_the_gap = batch(7, 6, Some((5, 6)));
        assert!(after(&[(7, 1, 5)]).is_as_predicted(&after_the_gap));
        assert!(!after(&[(7, 1, 5), (7, 3, 6)]).is_as_predicted(&after_the_gap));
    }

    #[test]
    fn without_a_prediction_nothing_is_as_predicted() {
        assert!(!after(&[]).is_as_predicted(&batch(7, 1, None)));
    }
}
