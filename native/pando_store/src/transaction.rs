//! Transactions of a store: beginning one, standing in line for what it has lost on before, committing it.
//!
//! The way of one: [`Store::begin`]; or, after it was lost, [`Store::stand_in_line`] until it is its turn; reads and writes in
//! [`StoreTransaction::open`]; [`Store::commit`], or [`Store::end`].
//!
//! Invariants
//! 1. An attempt leaves all lines when it ends, however it ends; those whose turn it is then are given to whoever ended it,
//!    to be told by him.
//! 2. What the tree of an attempt frees is bounded by what was written meanwhile, or left to the reaper.

use std::sync::{Arc, MutexGuard};

use pando_tree::{Answer, Command, Limit, OpenTransaction, Path, State};

use crate::error::StoreError;
use crate::lanes::{Runner, Standing};
use crate::lineage::Lineage;
use crate::options::QUEUED_COMMANDS_MAX;
use crate::prediction::Panicked;
use crate::proposer::{Committed, Proposer};
use crate::reaper::Garbage;
use crate::store::Store;
use crate::ticket::Ticket;
use crate::view::View;

/// Commands written since, up to which a tree is freed on the spot.
const FREED_COMMANDS_MAX: u64 = 1_024;
/// How often whoever is in haste tries to get at the proposer, and how long it spins in between: some ten microseconds in all.
const QUICK_COMMIT_TRIES_MAX: usize = 32;
/// See [`QUICK_COMMIT_TRIES_MAX`].
const QUICK_COMMIT_SPINS: usize = 16;

/// An attempt of a transaction.
pub struct StoreTransaction {
    open: OpenTransaction,
    runner: Runner,
    /// Lanes that it holds or stands in.
    lanes: Vec<Path>,
    /// Its caller stood in line when it was last asked for.
    awaits_turn: bool,
    lineage: Lineage,
    /// Has waited long enough.
    ignores_turns: bool,
}

impl StoreTransaction {
    /// The tree of its own.
    pub fn open(&mut self) -> &mut OpenTransaction {
        &mut self.open
    }

    /// What was read and written so far.
    pub fn opened(&self) -> &OpenTransaction {
        &self.open
    }

    /// The prediction that it began with, if it did: who ends without a commit asks after a barrier whether it
    /// [has come true](Store::has_come_true), and concludes nothing from it otherwise.
    pub fn seen(&self) -> Option<Seen> {
        self.open.is_predicted().then_some(Seen { lineage: self.lineage })
    }
}

/// A prediction that an attempt has read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    lineage: Lineage,
}

/// What became of an attempt to commit. Callers that are given back are told by who asked.
pub enum Commit<T> {
    /// The caller will be answered.
    Queued,
    /// What was read has changed, at or around this path. Nothing was done.
    Conflict(T, Path),
    /// Somebody has his turn on what was touched: the caller stands in line behind him, and is told when it is his. The
    /// attempt goes on.
    InLine(StoreTransaction),
    /// More work than a scheduler is for. Nothing was done, and the attempt goes on.
    Slow(StoreTransaction, T),
    /// A write was over a limit. Nothing was done.
    TooLarge(T, Limit),
    /// The store refused it. Nothing was done.
    Refused(T, StoreError),
}

/// How a commit may take its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// It is called on a scheduler.
    Quick,
    /// It may wait for its place.
    Unhurried,
}

impl<T: Ticket> Store<T> {
    /// Begins a transaction with the newest view.
    pub fn begin(&self) -> StoreTransaction {
        let view = self.view_guard();
        StoreTransaction {
            open: OpenTransaction::new(view.state.clone(), false),
            runner: self.shared.new_runner(),
            lanes: Vec::new(),
            awaits_turn: false,
            lineage: Lineage::default(),
            ignores_turns: false,
        }
    }

    /// Whether transactions that touch this path are to stand in line for it.
    pub fn is_contended(&self, path: &Path) -> bool {
        self.shared.has_lanes() && self.shared.with_lanes(|lanes, now_ms| lanes.is_open(path, now_ms))
    }

    /// Stands in line for a path: for several, in the order of the paths, or two may wait for each other. With the turn, the
    /// attempt is begun anew with the newest prediction; until then it must not have read or written anything.
    pub fn stand_in_line(&self, attempt: &mut StoreTransaction, path: &Path, caller: T) -> Standing<T> {
        let standing =
            self.shared.with_lanes(|lanes, now_ms| lanes.stand(path, attempt.runner, caller, now_ms));
        if !attempt.lanes.contains(path) {
            attempt.lanes.push(path.clone());
        }
        attempt.awaits_turn = matches!(standing, Standing::InLine);
        if !attempt.awaits_turn {
            self.renew(attempt);
        }
        standing
    }

    /// Has waited long enough: leaves all lines and begins anew with the newest prediction. Gives whether its caller has been
    /// told meanwhile, or is about to be, and those whose turn it is now.
    pub fn go_on(&self, attempt: &mut StoreTransaction) -> (bool, Vec<T>) {
        attempt.ignores_turns = true;
        let (has_withdrawn, turns) = self.leave(attempt);
        let is_told = std::mem::take(&mut attempt.awaits_turn) && !has_withdrawn;
        self.renew(attempt);
        (is_told, turns)
    }

    fn renew(&self, attempt: &mut StoreTransaction) {
        if !attempt.open.is_fresh() {
            return;
        }
        // Without the proposer, or without a prediction, the newest view has to do: at worst, the attempt is lost once more.
        let predicted = self.try_proposer().and_then(|proposer| proposer.ahead_of(&self.view()));
        let open = match predicted {
            Some((state, lineage)) => {
                attempt.lineage = lineage;
                OpenTransaction::new(state, true)
            }
            None => OpenTransaction::new(self.view().state.clone(), false),
        };
        let (_, trees) = std::mem::replace(&mut attempt.open, open).finish();
        trees.into_iter().for_each(|tree| self.let_go(tree, true));
    }

    /// Leaves all lines. Gives whether it stood in one, and its caller was let go, and those whose turn it is now.
    fn leave(&self, attempt: &mut StoreTransaction) -> (bool, Vec<T>) {
        if attempt.lanes.is_empty() {
            return (false, Vec::new());
        }
        let paths = std::mem::take(&mut attempt.lanes);
        let (withdrawn, turns) = self.shared.with_lanes(|lanes, now_ms| {
            let withdrawn = lanes.withdraw(&paths, attempt.runner);
            (withdrawn, lanes.leave(&paths, attempt.runner, now_ms))
        });
        let has_withdrawn = !withdrawn.is_empty();
        withdrawn.into_iter().for_each(Ticket::dismiss);
        (has_withdrawn, turns)
    }

    /// Ends an attempt without a commit. Gives those whose turn it is now.
    pub fn end(&self, mut attempt: StoreTransaction) -> Vec<T> {
        let (_, turns) = self.leave(&mut attempt);
        if attempt.open.is_small() {
            let (_, trees) = attempt.open.finish();
            trees.into_iter().for_each(|tree| self.let_go(tree, true));
        } else {
            self.reaper().free(Garbage::Transaction(Box::new(attempt.open)));
        }
        turns
    }

    /// Tells callers that it is their turn.
    pub fn tell_turns(&self, turns: Vec<T>) {
        self.shared.answer_now(turns, &Answer::Done);
    }

    /// Whether a prediction has come true. To be asked when a barrier was answered that was queued after it was read: by
    /// then all of it is applied, or was refused.
    pub fn has_come_true(&self, seen: Seen) -> bool {
        seen.lineage.has_come_true(self.shared.taken_back(), &self.view_guard().own)
    }

    /// Commits. `wrap` gives the command its last form. Gives those whose turn it is now besides.
    pub fn commit(
        &self,
        mut attempt: StoreTransaction,
        wrap: impl FnOnce(Command) -> Command,
        caller: T,
        haste: Haste,
    ) -> (Commit<T>, Vec<T>) {
        // What stands in the queue, or is to be predicted first, may be of any size.
        let is_quick = |(proposer, view): &(MutexGuard<'_, Proposer<T>>, Arc<View>)| {
            self.queue.is_empty() && proposer.backlog(view) == 0
        };
        let is_small = attempt.open.is_small();
        if haste == Haste::Quick && !is_small {
            return (Commit::Slow(attempt, caller), Vec::new());
        }
        let caller = match self.give_way(&mut attempt, caller) {
            Standing::Turn(caller) => caller,
            Standing::InLine => return (Commit::InLine(attempt), Vec::new()),
        };
        let proposer = match haste {
            Haste::Unhurried => Some(self.shared.proposer()),
            Haste::Quick => self.try_proposer(),
        };
        // The view only now: nobody who had the proposer before has seen a newer one.
        let place = proposer.map(|proposer| (proposer, self.view()));
        let place = place.filter(|place| haste == Haste::Unhurried || is_quick(place));
        let Some(place) = place else { return (Commit::Slow(attempt, caller), Vec::new()) };
        let StoreTransaction { open, runner, lanes, lineage, .. } = attempt;
        let (transaction, trees) = open.finish();
        let commit = match transaction {
            Err(limit) => Commit::TooLarge(caller, limit),
            Ok(transaction) => {
                let command = wrap(Command::Transaction(Box::new(transaction)));
                self.propose(place, command, lineage, caller, haste)
            }
        };
        let conflict = match &commit {
            Commit::Conflict(_, path) => Some(path),
            _ => None,
        };
        let mut turns = Vec::new();
        if conflict.is_some() || !lanes.is_empty() {
            turns = self.shared.with_lanes(|all, now_ms| {
                conflict.iter().for_each(|path| all.open(path, now_ms));
                all.leave(&lanes, runner, now_ms)
            });
        }
        trees.into_iter().for_each(|tree| self.let_go(tree, is_small));
        (commit, turns)
    }

    /// The proposer, if nobody is at it for longer than a commit takes.
    fn try_proposer(&self) -> Option<MutexGuard<'_, Proposer<T>>> {
        for _ in 0..QUICK_COMMIT_TRIES_MAX {
            if let Some(proposer) = self.shared.try_proposer() {
                return Some(proposer);
            }
            (0..QUICK_COMMIT_SPINS).for_each(|_| std::hint::spin_loop());
        }
        None
    }

    /// Stands in line where another one has his turn on what was touched. Who is in line for something waits only for what
    /// comes behind that in the order of paths: so no two ever wait for each other, if they stand in line in that order.
    fn give_way(&self, attempt: &mut StoreTransaction, caller: T) -> Standing<T> {
        attempt.awaits_turn = false;
        if attempt.ignores_turns || !self.shared.has_lanes() {
            return Standing::Turn(caller);
        }
        let (open, runner, behind) = (&attempt.open, attempt.runner, attempt.lanes.iter().max());
        let (path, standing) = self.shared.with_lanes(|lanes, now_ms| {
            match lanes.held_by_another(open.touched(), behind.map(Vec::as_slice), runner, now_ms) {
                None => (None, Standing::Turn(caller)),
                Some(path) => {
                    let standing = lanes.stand(&path, runner, caller, now_ms);
                    (Some(path), standing)
                }
            }
        });
        attempt.lanes.extend(path);
        attempt.awaits_turn = matches!(standing, Standing::InLine);
        standing
    }

    fn propose(
        &self,
        (mut proposer, view): (MutexGuard<'_, Proposer<T>>, Arc<View>),
        command: Command,
        lineage: Lineage,
        caller: T,
        haste: Haste,
    ) -> Commit<T> {
        if proposer.has_ended || !self.is_running() {
            return Commit::Refused(caller, StoreError::NotRunning);
        }
        let size_bytes = command.size_bytes();
        if proposer.ready() >= QUEUED_COMMANDS_MAX || !self.shared.admission.admit(size_bytes) {
            return Commit::Refused(caller, StoreError::Overloaded);
        }
        // In haste, the queue was empty: what has come since may stand behind.
        let queued_max = if haste == Haste::Quick { 0 } else { QUEUED_COMMANDS_MAX };
        let behind = proposer
            .predict(&view, &self.shared.admission)
            .and_then(|()| proposer.take_queued(&self.queue, queued_max, &self.shared.admission));
        let committed = match behind {
            Ok(()) => proposer.commit(command, lineage, caller, &self.shared.admission),
            Err(Panicked) => {
                proposer.take_back(None, &self.shared.admission);
                Committed::Conflict(caller, Path::new())
            }
        };
        let must_wake = proposer.must_wake();
        self.shared.let_go(proposer);
        // Only now, or the thread would wake up to wait for the proposer.
        if must_wake {
            // Full: it is being woken.
            let _ = self.wake.try_send(());
        }
        match committed {
            Committed::Queued => Commit::Queued,
            Committed::Conflict(caller, path) => {
                self.shared.admission.release(size_bytes);
                Commit::Conflict(caller, path)
            }
            Committed::Refused(caller, error) => {
                self.shared.admission.release(size_bytes);
                Commit::Refused(caller, error)
            }
        }
    }

    /// Lets a tree go that may be the last one to hold what others have replaced.
    fn let_go(&self, tree: State, is_small: bool) {
        let newest = self.view_guard().state.revision();
        if is_small && newest.saturating_sub(tree.revision()) <= FREED_COMMANDS_MAX {
            drop(tree);
        } else {
            self.reaper().free(Garbage::Tree(tree));
        }
    }
}
