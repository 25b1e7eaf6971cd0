//! Applying entries where callers of this opening wait for theirs: who is to be told what, once the view is published.
//!
//! Invariants
//! 1. A caller is told that its command was not applied only if it never will be: a later batch of this opening was applied, or the
//!    batch itself was left out.
//! 2. What the view says of own batches ([`OwnProgress`](crate::own_progress::OwnProgress)) is in it before it is published: whoever
//!    predicts from it knows whether what was predicted before goes on.

use crate::batch::Origin;
use crate::entry::{Change, Entry};
use crate::error::StoreError;
use crate::machine::{Answers, CommandAnswer, Effect, Machine};
use crate::pending::Pending;
use crate::ticket::{Applied, Outcome};
use crate::view::View;

/// See the module.
pub struct OwnBatches<'pending, T> {
    /// Who waits.
    pub pending: &'pending Pending<T>,
    /// This member.
    pub member_id: u64,
    /// This opening.
    pub incarnation: u64,
}

/// An own batch whose callers were taken: they are to be told, then the batch is
/// [answered](Pending::answered).
pub struct Settled<T> {
    /// The batch.
    pub first_sequence: u64,
    /// What to tell whom, in the order of the commands.
    pub replies: Vec<(T, Outcome)>,
}

impl<T> OwnBatches<'_, T> {
    /// Applies an entry. To `settled` comes who is to be told.
    pub fn apply(&self, machine: &mut Machine, entry: &Entry, settled: &mut Vec<Settled<T>>) {
        let answers = machine.apply(entry);
        let Change::Commands(batch) = &entry.change else { return };
        let is_own = self.is_own(&batch.origin);
        let first_sequence = batch.origin.first_sequence;
        let next_sequence = first_sequence.saturating_add(batch.commands.len() as u64);
        match answers.effect {
            Effect::Applied if is_own => {
                let overtaken = self.pending.take_before(first_sequence);
                let callers = self.pending.take(first_sequence);
                // Nobody waits: it was given up, and what was predicted since is without it.
                if callers.is_none() || !overtaken.is_empty() {
                    machine.own_mut().note_surprise();
                }
                machine.own_mut().note_own(next_sequence);
                settled.extend(overtaken.into_iter().map(|(first, callers)| left_out(first, callers)));
                settled.extend(callers.map(|callers| Settled {
                    first_sequence,
                    replies: pair(callers, answers, entry.position.index),
                }));
            }
            Effect::Applied => machine.own_mut().note_surprise(),
            Effect::Dropped if is_own => {
                // Of one that is sent again nobody waits any more.
                if let Some(callers) = self.pending.take(first_sequence) {
                    machine.own_mut().note_surprise();
                    machine.own_mut().note_own(next_sequence);
                    settled.push(left_out(first_sequence, callers));
                }
            }
            Effect::Dropped | Effect::Repeated => {}
        }
    }

    /// Replaces everything by the view of a snapshot. Gives the batches that were settled by what is in it, one cannot tell how: their
    /// callers are let go, and so learn that the outcome is unknown.
    pub fn install(&self, machine: &mut Machine, mut view: View) -> Vec<Settled<T>> {
        view.own = machine.view().own;
        view.own.note_surprise();
        view.own.note_own(view.sessions.next_sequence(self.member_id, self.incarnation));
        let unknown = self.pending.take_before(view.own.next_sequence());
        *machine = Machine::new(view);
        let settle = |(first_sequence, callers)| {
            drop(callers);
            Settled { first_sequence, replies: Vec::new() }
        };
        unknown.into_iter().map(settle).collect()
    }

    fn is_own(&self, origin: &Origin) -> bool {
        origin.member_id == self.member_id && origin.incarnation == self.incarnation
    }
}

fn left_out<T>(first_sequence: u64, callers: Vec<T>) -> Settled<T> {
    let replies = callers.into_iter().map(|caller| (caller, Err(StoreError::LeaderChanged))).collect();
    Settled { first_sequence, replies }
}

/// Each caller with the answer to its command. Lengths differ only if a member's batch was changed on the way, which
/// checksums exclude; callers left over drop their tickets, and so learn that the outcome is unknown.
fn pair<T>(callers: Vec<T>, applied: Answers, log_index: u64) -> Vec<(T, Outcome)> {
    callers
        .into_iter()
        .zip(applied.answers.into_iter().zip(applied.first_revision..))
        .map(|(caller, (answer, revision))| {
            let outcome = match answer {
                CommandAnswer::Answer(answer) => Ok(Applied { answer, log_index, revision }),
                CommandAnswer::Failed(text) => Err(StoreError::CommandFailed(text)),
            };
            (caller, outcome)
        })
        .collect()
}

#[cfg(test)]
#[path = "own_batches_test.rs"]
mod tests;
