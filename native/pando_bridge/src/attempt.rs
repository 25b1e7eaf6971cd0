//! An attempt of a transaction, as the process that runs its function holds it.
//!
//! Invariants
//! 1. However it ends (committed, closed, or dropped because its process died), it leaves all lines, and those whose turn it
//!    is then are told.
//! 2. It does not keep its store: when the store has closed meanwhile, an attempt is of no more use, and says so.

use std::sync::{Arc, Weak};

use pando_store::{Commit, Haste, Reaper, Seen, Standing, StoreError, StoreTransaction};
use pando_tree::{Command, Limit, OpenTransaction, Path};

use crate::beam::Beam;
use crate::bridge::OpenStore;
use crate::caller::Caller;
use crate::token::Token;

/// See the module.
pub struct Attempt<B: Beam> {
    store: Weak<OpenStore<B>>,
    attempt: Option<StoreTransaction>,
    is_read_only: bool,
    /// When it has ended without a commit: what it had read.
    seen: Option<Seen>,
}

/// What became of an attempt to commit.
pub enum CommitReply {
    /// The reply will come.
    Queued,
    /// What was read has changed, at or around this path.
    Conflict(Path),
    /// Another one has his turn; a reply will come, then commit again.
    InLine,
    /// More work than a scheduler is for: ask again, without haste.
    Slow,
    /// A write was over a limit.
    TooLarge(Limit),
    /// The store refused it.
    Refused(StoreError),
}

impl<B: Beam> Attempt<B> {
    /// Begins with the newest view.
    pub fn begin(open: &Arc<OpenStore<B>>, is_read_only: bool) -> Attempt<B> {
        Attempt { store: Arc::downgrade(open), attempt: Some(open.store().begin()), is_read_only, seen: None }
    }

    /// Whether it only reads, and so notes nothing.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// What it has read and written; `None` when it has ended.
    pub fn open(&mut self) -> Option<&mut OpenTransaction> {
        self.attempt.as_mut().map(StoreTransaction::open)
    }

    /// Where its trees are let go; `None` when its store has closed.
    pub fn reaper(&self) -> Option<Reaper> {
        self.store.upgrade().map(|open| open.store().reaper().clone())
    }

    /// Stands in line for these paths, one after another; `true` when it has its turn on all of them. Else `address` is told
    /// when it is its turn.
    pub fn stand_in_line(&mut self, paths: &[Path], mut address: impl FnMut() -> B::Address) -> bool {
        let (Some(open), Some(attempt)) = (self.store.upgrade(), &mut self.attempt) else { return true };
        for path in paths {
            let caller = Caller::new(address(), None, open.replies().clone());
            match open.store().stand_in_line(attempt, path, caller) {
                Standing::Turn(caller) => caller.dismiss(),
                Standing::InLine => return false,
            }
        }
        true
    }

    /// The same, if this is the first thing it does and others stand in line for the path.
    pub fn enter(&mut self, path: Path, address: impl FnMut() -> B::Address) -> bool {
        let is_contended = !self.is_read_only
            && self.attempt.as_ref().is_some_and(|attempt| attempt.opened().is_fresh())
            && self.store.upgrade().is_some_and(|open| open.store().is_contended(&path));
        !is_contended || self.stand_in_line(&[path], address)
    }

    /// Has waited long enough. Gives whether it has been told of its turn meanwhile, and those whose turn it is now.
    pub fn go_on(&mut self) -> (bool, Vec<B::Address>) {
        let (Some(open), Some(attempt)) = (self.store.upgrade(), &mut self.attempt) else {
            return (false, Vec::new());
        };
        let (is_told, turns) = open.store().go_on(attempt);
        (is_told, addresses(turns))
    }

    /// Commits. Gives those whose turn it is now besides.
    pub fn commit(
        &mut self,
        wrap: impl FnOnce(Command) -> Command,
        address: B::Address,
        token: Option<Arc<Token>>,
        haste: Haste,
    ) -> (CommitReply, Vec<B::Address>) {
        let (Some(open), Some(attempt)) = (self.store.upgrade(), self.attempt.take()) else {
            return (CommitReply::Refused(StoreError::NotRunning), Vec::new());
        };
        let caller = Caller::new(address, token, open.replies().clone());
        let (commit, turns) = open.store().commit(attempt, wrap, caller, haste);
        let reply = match commit {
            Commit::Queued => CommitReply::Queued,
            Commit::Conflict(caller, path) => {
                caller.dismiss();
                CommitReply::Conflict(path)
            }
            Commit::InLine(attempt) => {
                self.attempt = Some(attempt);
                CommitReply::InLine
            }
            Commit::Slow(attempt, caller) => {
                caller.dismiss();
                self.attempt = Some(attempt);
                CommitReply::Slow
            }
            Commit::TooLarge(caller, limit) => {
                caller.dismiss();
                CommitReply::TooLarge(limit)
            }
            Commit::Refused(caller, error) => {
                caller.dismiss();
                CommitReply::Refused(error)
            }
        };
        (reply, addresses(turns))
    }

    /// Ends it without a commit. Gives whether it has read what was not committed yet, and those whose turn it is now.
    pub fn close(&mut self) -> (bool, Vec<B::Address>) {
        let Some(attempt) = self.attempt.take() else { return (false, Vec::new()) };
        self.seen = attempt.seen();
        let turns = self.store.upgrade().map(|open| open.store().end(attempt)).unwrap_or_default();
        (self.seen.is_some(), addresses(turns))
    }

    /// Whether what it had read is committed now, when it was not when it was closed. To be asked when a barrier was answered
    /// that was asked for after that.
    pub fn has_come_true(&self) -> bool {
        let Some(seen) = self.seen else { return true };
        self.store.upgrade().is_some_and(|open| open.store().has_come_true(seen))
    }
}

fn addresses<B: Beam>(callers: Vec<Caller<B>>) -> Vec<B::Address> {
    callers.into_iter().filter_map(Caller::into_address).collect()
}

impl<B: Beam> Drop for Attempt<B> {
    fn drop(&mut self) {
        if let (Some(open), Some(attempt)) = (self.store.upgrade(), self.attempt.take()) {
            let turns = open.store().end(attempt);
            open.tell_turns(turns);
        }
    }
}
