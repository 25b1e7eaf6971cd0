//! A caller that runs transactions: attempts, standing in line for what was lost, telling others of their turns.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use pando_store::{
    Applied, Commit, Haste, NO_REVISION, Outcome, Replies, Standing, StoreError, StoreTransaction,
};
use pando_tree::{Answer, Command, OpenTransaction, Path};

use crate::store_support::*;

/// Attempts of one transaction; a test that needs more has failed.
pub const ATTEMPTS_MAX: usize = 10_000;

/// How the caller goes about it.
#[derive(Clone, Copy)]
pub struct Manner {
    /// Commit as a scheduler would: quickly, unless the store says that it is slow.
    pub is_quick: bool,
    /// How long it waits for its turn.
    pub turn_wait_max: Duration,
    /// What becomes of the command before it is committed. Anything but "nothing" breaks the store.
    pub wrap: fn(Command) -> Command,
}

impl Default for Manner {
    fn default() -> Manner {
        Manner { is_quick: false, turn_wait_max: Duration::from_millis(100), wrap: |command| command }
    }
}

/// What the function of a transaction wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Commit,
    Abort,
}

/// A transaction that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The number of its command; without one, the revision of the tree that it has read.
    pub revision: u64,
    pub has_committed: bool,
}

/// What happened on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub attempts: usize,
    /// Attempts on a state that was not committed yet.
    pub predicted: usize,
    pub waits: usize,
    pub waits_given_up: usize,
    pub slow_commits: usize,
    /// Numbers of commands that were applied and answered with a conflict.
    pub conflicts_applied: Vec<u64>,
    pub conflicts_early: usize,
}

/// A caller, and where its answer comes.
pub fn caller() -> (Caller, Receiver<Outcome>) {
    let (sender, receiver) = channel();
    (Caller { answers: Some(sender), cancelled: Arc::default() }, receiver)
}

/// Tells callers that it is their turn.
pub fn tell(turns: Vec<Caller>) {
    let applied = || Ok(Applied { answer: Answer::Done, log_index: 0, revision: 0 });
    Channels.deliver(turns.into_iter().map(|caller| (caller, applied())).collect());
}

impl Caller {
    /// Gives up a ticket that was given back.
    pub fn forget(mut self) {
        self.answers = None;
    }
}

enum Waited {
    Turn,
    TooLong,
    Failed(StoreError),
}

fn wait_for_turn(answer: &Receiver<Outcome>, manner: &Manner, way: &mut Way) -> Waited {
    way.waits += 1;
    match answer.recv_timeout(manner.turn_wait_max) {
        Ok(Ok(_)) => Waited::Turn,
        Ok(Err(error)) => Waited::Failed(error),
        Err(RecvTimeoutError::Timeout) => {
            way.waits_given_up += 1;
            Waited::TooLong
        }
        Err(RecvTimeoutError::Disconnected) => panic!("a ticket was dropped without an answer"),
    }
}

/// Begins: at once, or, when it has lost before, when it is its turn.
pub fn begin_in_line(
    store: &TestStore,
    lost: &[Path],
    manner: &Manner,
    way: &mut Way,
) -> Result<StoreTransaction, StoreError> {
    let mut attempt = store.begin();
    for path in lost {
        loop {
            let (ticket, answer) = caller();
            match store.stand_in_line(&mut attempt, path, ticket) {
                Standing::Turn(ticket) => {
                    ticket.forget();
                    break;
                }
                Standing::InLine => match wait_for_turn(&answer, manner, way) {
                    Waited::Turn => {}
                    Waited::TooLong => {
                        tell(store.go_on(&mut attempt).1);
                        return Ok(attempt);
                    }
                    Waited::Failed(error) => {
                        tell(store.end(attempt));
                        return Err(error);
                    }
                },
            }
        }
    }
    Ok(attempt)
}

/// What became of a commit.
pub enum End {
    Applied(Applied),
    Lost(Path),
    Failed(StoreError),
}

/// Commits, however often it has to be asked for.
pub fn commit(store: &TestStore, attempt: StoreTransaction, manner: &Manner, way: &mut Way) -> End {
    let mut attempt = attempt;
    let mut haste = if manner.is_quick { Haste::Quick } else { Haste::Unhurried };
    loop {
        let (ticket, answer) = caller();
        let (commit, turns) = store.commit(attempt, manner.wrap, ticket, haste);
        tell(turns);
        match commit {
            Commit::Queued => {
                let applied = match answer.recv_timeout(WAIT_MAX).expect("an answer to a commit") {
                    Ok(applied) => applied,
                    Err(error) => return End::Failed(error),
                };
                return match &applied.answer {
                    // What it read was not to be: it was never proposed.
                    Answer::Conflict(path) if applied.revision == NO_REVISION => {
                        way.conflicts_early += 1;
                        End::Lost(path.clone())
                    }
                    Answer::Conflict(path) => {
                        way.conflicts_applied.push(applied.revision);
                        End::Lost(path.clone())
                    }
                    _ => End::Applied(applied),
                };
            }
            Commit::Conflict(ticket, path) => {
                ticket.forget();
                way.conflicts_early += 1;
                return End::Lost(path);
            }
            Commit::InLine(going_on) => {
                attempt = going_on;
                match wait_for_turn(&answer, manner, way) {
                    Waited::Turn => {}
                    Waited::TooLong => tell(store.go_on(&mut attempt).1),
                    Waited::Failed(error) => {
                        tell(store.end(attempt));
                        return End::Failed(error);
                    }
                }
            }
            Commit::Slow(going_on, ticket) => {
                assert_eq!(haste, Haste::Quick);
                ticket.forget();
                way.slow_commits += 1;
                attempt = going_on;
                haste = Haste::Unhurried;
            }
            Commit::TooLarge(ticket, limit) => {
                ticket.forget();
                panic!("too large: {limit}");
            }
            Commit::Refused(ticket, error) => {
                ticket.forget();
                return End::Failed(error);
            }
        }
    }
}

/// Ends without a commit; whether what was read was to be.
pub fn end(store: &TestStore, attempt: StoreTransaction) -> Result<bool, StoreError> {
    let seen = attempt.seen();
    tell(store.end(attempt));
    let Some(seen) = seen else { return Ok(true) };
    barrier(store)?.recv_timeout(WAIT_MAX).expect("an answer to a barrier")?;
    Ok(store.has_come_true(seen))
}

/// Runs a transaction to its end.
pub fn transaction(
    store: &TestStore,
    manner: &Manner,
    way: &mut Way,
    mut function: impl FnMut(&mut OpenTransaction) -> Verdict,
) -> Result<Ended, StoreError> {
    let mut lost: Vec<Path> = Vec::new();
    for _ in 0..ATTEMPTS_MAX {
        let mut attempt = begin_in_line(store, &lost, manner, way)?;
        way.attempts += 1;
        way.predicted += usize::from(attempt.opened().is_predicted());
        let revision = attempt.opened().base_revision();
        let verdict = function(attempt.open());
        if verdict == Verdict::Abort || !attempt.opened().has_writes() {
            if end(store, attempt)? {
                return Ok(Ended { revision, has_committed: false });
            }
            continue;
        }
        match commit(store, attempt, manner, way) {
            End::Applied(Applied { answer: Answer::Done, revision, .. }) => {
                return Ok(Ended { revision, has_committed: true });
            }
            End::Applied(applied) => panic!("a transaction answered {applied:?}"),
            End::Lost(path) => {
                if !lost.contains(&path) {
                    lost.push(path);
                    // In one order for all, so that no two wait for each other.
                    lost.sort();
                }
            }
            End::Failed(error) => return Err(error),
        }
    }
    panic!("lost {ATTEMPTS_MAX} times, on {lost:?}");
}
