//! What waits to be proposed, in order, and the prediction of the state when it is applied.
//!
//! Commands come through the ingest queue, transactions directly: a transaction that is committed first takes over what is
//! queued, so that it stands behind it, and is checked against the prediction. So a transaction that would lose is told at
//! once, and nothing of it is logged.
//!
//! Invariants
//! 1. `ready` is in the order in which commands are proposed. While there is a prediction, all of it is in that.
//! 2. A command that was predicted is proposed: it is dropped no more, though its caller gives up.
//! 3. When a prediction will not come true (a batch was refused, or one of another member was applied), all that was concluded
//!    from it is taken back: those that read from it conflict, here or when they are applied.
//! 4. Whoever is in `ready` and read from a prediction read from one of this lineage; and all predictions of a lineage continue each
//!    other.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, TryRecvError};
use pando_tree::{Answer, Command, Node, Path, State};

use crate::admission::Admission;
use crate::batch::{Batch, Origin};
use crate::error::StoreError;
use crate::history::PredictedFrom;
use crate::ingest_thread::IngestJob;
use crate::lineage::Lineage;
use crate::options::{
    BATCH_COMMANDS_MAX, BATCH_SIZE_BYTES_MAX, COMMANDS_WITHOUT_TRANSACTION_MAX, PREDICTED_COMMANDS_MAX,
};
use crate::prediction::{Panicked, Prediction};
use crate::ticket::Ticket;
use crate::view::View;
use crate::waiter::Waiter;

/// See the module.
pub struct Proposer<T> {
    ready: VecDeque<IngestJob<T>>,
    /// Batches of this opening that were proposed and that the newest view may not have yet.
    proposed: VecDeque<Arc<Batch>>,
    prediction: Option<Prediction>,
    /// Changes when a prediction was wrong: what was read from an earlier one is worth nothing.
    lineage: Lineage,
    /// Callers of transactions that read from one of another lineage.
    lost: Vec<T>,
    next_sequence: u64,
    since_transaction: usize,
    /// The ingest thread works, or will look here before it sleeps.
    is_awake: bool,
    /// Nothing is proposed any more.
    pub has_ended: bool,
}

/// What the ingest thread takes at a time.
pub struct Round<T> {
    /// The commands, with their callers; sequence numbers are given.
    pub commands: Vec<Command>,
    /// In the order of the commands.
    pub callers: Vec<T>,
    /// To be asked about behind the commands.
    pub barriers: Vec<Waiter<T>>,
    /// Of the commands, as admission counts them.
    pub size_bytes: usize,
    /// What the batch was predicted from.
    pub predicted_from: Option<PredictedFrom>,
    /// No further round follows.
    pub is_last: bool,
    /// Panic, to show that it is survived.
    pub panics: bool,
}

/// What became of a transaction.
#[derive(Debug)]
pub enum Committed<T> {
    /// It will be proposed, and its caller answered.
    Queued,
    /// What it has read has changed; nothing will happen.
    Conflict(T, Path),
    /// The store refused it; nothing will happen.
    Refused(T, StoreError),
}

impl<T: Ticket> Proposer<T> {
    /// Nothing waits; the next command has this number.
    pub fn new(next_sequence: u64) -> Proposer<T> {
        Proposer {
            ready: VecDeque::new(),
            proposed: VecDeque::new(),
            prediction: None,
            lineage: Lineage::default(),
            lost: Vec::new(),
            next_sequence,
            since_transaction: 0,
            is_awake: false,
            has_ended: false,
        }
    }

    /// How much work a commit finds besides its own. `view` is the newest.
    pub fn backlog(&self, view: &View) -> usize {
        match self.prediction {
            Some(_) if self.lineage.goes_on_in(&view.own) => 0,
            _ => self.ready.len() + self.proposed.iter().map(|batch| batch.commands.len()).sum::<usize>(),
        }
    }

    /// Jobs that are taken over and not yet proposed.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// By this, transactions name the prediction they read from.
    pub fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// The prediction, if there is one that is ahead of the newest view.
    pub fn ahead_of(&self, view: &View) -> Option<(State, Lineage)> {
        let state = self.prediction.as_ref().filter(|prediction| prediction.can_come_true())?.state();
        // A view with as many commands has the same ones, and they are committed.
        let is_ahead = self.lineage.goes_on_in(&view.own) && state.revision() > view.state.revision();
        is_ahead.then(|| (state.clone(), self.lineage))
    }

    /// Callers to be told of a conflict: what they read from was not to be.
    pub fn take_lost(&mut self) -> Vec<T> {
        std::mem::take(&mut self.lost)
    }

    /// Subtrees that are to be freed where nobody waits.
    pub fn take_detached(&mut self) -> Vec<Arc<Node>> {
        self.prediction.as_mut().map(Prediction::take_detached).unwrap_or_default()
    }

    /// Whether the ingest thread may wait for work: nothing is ready. Afterwards it must be woken.
    pub fn may_sleep(&mut self) -> bool {
        self.is_awake = !self.ready.is_empty();
        !self.is_awake
    }

    /// Whether the ingest thread must be woken, for something is ready that it may not know of.
    pub fn must_wake(&mut self) -> bool {
        !self.ready.is_empty() && !std::mem::replace(&mut self.is_awake, true)
    }

    /// Takes over what is queued, up to so many jobs.
    pub fn take_queued(
        &mut self,
        queue: &Receiver<IngestJob<T>>,
        jobs_max: usize,
        admission: &Admission,
    ) -> Result<(), Panicked> {
        for _ in 0..jobs_max {
            match queue.try_recv() {
                Ok(job) => self.push(job, admission)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.ready.push_back(IngestJob::End);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Puts a job behind all others.
    pub fn push(&mut self, job: IngestJob<T>, admission: &Admission) -> Result<(), Panicked> {
        match job {
            IngestJob::Command(command, caller) if caller.is_cancelled() => {
                admission.release(command.size_bytes());
                drop(caller);
            }
            job => {
                let predicted = match (&mut self.prediction, &job) {
                    (Some(prediction), IngestJob::Command(command, _)) => prediction.apply(command).map(drop),
                    _ => Ok(()),
                };
                self.ready.push_back(job);
                predicted?;
            }
        }
        Ok(())
    }

    /// Makes sure that there is a prediction that goes on from the newest view.
    pub fn predict(&mut self, view: &View, admission: &Admission) -> Result<(), Panicked> {
        self.look_at(view, admission);
        if self.prediction.is_none() {
            self.prediction = Some(self.predict_anew(view)?);
        }
        Ok(())
    }

    fn predict_anew(&mut self, view: &View) -> Result<Prediction, Panicked> {
        let mut prediction = Prediction::new(view, self.proposed.make_contiguous(), self.next_sequence)?;
        for job in &self.ready {
            if let IngestJob::Command(command, _) = job {
                prediction.apply(command)?;
            }
        }
        Ok(prediction)
    }

    /// Checks a transaction against the prediction, which must be there, and puts it behind all others.
    pub fn commit(
        &mut self,
        command: Command,
        lineage: Lineage,
        caller: T,
        admission: &Admission,
    ) -> Committed<T> {
        self.since_transaction = 0;
        let Some(prediction) = &mut self.prediction else {
            return Committed::Conflict(caller, Path::new());
        };
        if reads_prediction(&command) && lineage != self.lineage {
            return Committed::Conflict(caller, Path::new());
        }
        match prediction.apply_unless_conflict(&command) {
            Ok(Answer::Conflict(path)) => Committed::Conflict(caller, path),
            Ok(_) => {
                self.ready.push_back(IngestJob::Command(command, caller));
                Committed::Queued
            }
            Err(Panicked) => {
                // Made anew by the next one: the command that panicked is not in it.
                self.give_up_prediction(admission);
                let text = "it made the tree's code panic".to_owned();
                Committed::Refused(caller, StoreError::CommandFailed(text))
            }
        }
    }

    /// Takes the next round.
    pub fn round(&mut self, view: &View, admission: &Admission) -> Round<T> {
        self.is_awake = true;
        self.look_at(view, admission);
        let mut round = Round {
            commands: Vec::new(),
            callers: Vec::new(),
            barriers: Vec::new(),
            size_bytes: 0,
            predicted_from: self.prediction.as_ref().map(Prediction::from),
            is_last: false,
            panics: false,
        };
        while round.commands.len() + round.barriers.len() < BATCH_COMMANDS_MAX
            && round.size_bytes < BATCH_SIZE_BYTES_MAX
        {
            match self.ready.pop_front() {
                Some(IngestJob::Command(command, caller))
                    if self.prediction.is_none() && caller.is_cancelled() =>
                {
                    admission.release(command.size_bytes());
                    drop(caller);
                }
                Some(IngestJob::Command(command, caller)) => {
                    round.size_bytes += command.size_bytes();
                    round.commands.push(command);
                    round.callers.push(caller);
                }
                Some(IngestJob::Barrier(waiter)) if waiter.ticket().is_cancelled() => drop(waiter),
                Some(IngestJob::Barrier(waiter)) => round.barriers.push(waiter),
                Some(IngestJob::End) => {
                    round.is_last = true;
                    break;
                }
                Some(IngestJob::Panic) => {
                    round.panics = true;
                    break;
                }
                None => break,
            }
        }
        self.since_transaction += round.commands.len();
        round
    }

    /// The batch of a round, which is proposed next.
    pub fn propose(
        &mut self,
        (member_id, incarnation): (u64, u64),
        clock_ms: u64,
        commands: Vec<Command>,
        predicted_from: Option<PredictedFrom>,
    ) -> Batch {
        let origin = Origin { member_id, incarnation, first_sequence: self.next_sequence };
        self.next_sequence += commands.len() as u64;
        let batch = Batch::new(origin, clock_ms, commands, predicted_from);
        self.proposed.push_back(Arc::new(batch.clone()));
        batch
    }

    /// The number of the next command.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// After a round, with its view: lets a prediction go that nobody needs, and makes one anew that has become large.
    pub fn refresh(&mut self, view: &View) -> Result<(), Panicked> {
        self.refresh_beyond(PREDICTED_COMMANDS_MAX, COMMANDS_WITHOUT_TRANSACTION_MAX, view)
    }

    pub(crate) fn refresh_beyond(
        &mut self,
        commands_max: usize,
        without_transaction_max: usize,
        view: &View,
    ) -> Result<(), Panicked> {
        let Some(prediction) = &self.prediction else { return Ok(()) };
        if self.ready.is_empty() && self.since_transaction > without_transaction_max {
            self.prediction = None;
        } else if prediction.commands() > commands_max {
            // The round has seen that it goes on from this view: the same state, so the same lineage.
            self.prediction = Some(self.predict_anew(view)?);
        }
        Ok(())
    }

    /// The prediction is wrong: those who read from it have [lost](Proposer::take_lost). A batch that was refused is not
    /// proposed any more.
    pub fn take_back(&mut self, refused: Option<u64>, admission: &Admission) {
        self.proposed.retain(|batch| Some(batch.origin.first_sequence) != refused);
        self.give_up_prediction(admission);
        // A number is left out, so that what follows continues nothing: should the refused batch be applied all the same, what is
        // predicted from now on is seen not to come true.
        self.next_sequence += 1;
    }

    /// Looks at the newest view. If there is something in it that nobody here could foresee, a prediction from before is of no more use.
    fn look_at(&mut self, view: &View, admission: &Admission) {
        if !self.lineage.goes_on_in(&view.own) {
            self.lineage.go_on_in(&view.own);
            // That what waits here comes later than was predicted can be learned only so. Of what is proposed, the view tells.
            if self.ready.iter().any(|job| matches!(job, IngestJob::Command(..))) {
                self.give_up_prediction(admission);
            }
            self.prediction = None;
        }
        let proposed = self.proposed.len();
        while self
            .proposed
            .front()
            .is_some_and(|batch| batch.origin.first_sequence < view.own.next_sequence())
        {
            self.proposed.pop_front();
        }
        let has_advanced = self.proposed.len() < proposed;
        if has_advanced && self.prediction.as_ref().is_some_and(|prediction| !prediction.can_come_true()) {
            self.prediction = None;
        }
    }

    fn give_up_prediction(&mut self, admission: &Admission) {
        self.prediction = None;
        self.lineage.take_back();
        let is_lost =
            |job: &IngestJob<T>| matches!(job, IngestJob::Command(command, _) if reads_prediction(command));
        if !self.ready.iter().any(is_lost) {
            return;
        }
        for job in std::mem::take(&mut self.ready) {
            match job {
                IngestJob::Command(command, caller) if reads_prediction(&command) => {
                    admission.release(command.size_bytes());
                    self.lost.push(caller);
                }
                job => self.ready.push_back(job),
            }
        }
    }

    /// Ends: gives what was not proposed, in order.
    pub fn end(&mut self) -> Vec<IngestJob<T>> {
        self.has_ended = true;
        self.prediction = None;
        self.proposed.clear();
        std::mem::take(&mut self.ready).into()
    }
}

fn reads_prediction(command: &Command) -> bool {
    match command {
        Command::Transaction(transaction) => transaction.is_predicted,
        Command::Once(once) => reads_prediction(&once.command),
        Command::Put { .. } | Command::Clear { .. } | Command::Delete { .. } => false,
    }
}

#[cfg(test)]
#[path = "proposer_test.rs"]
mod tests;
