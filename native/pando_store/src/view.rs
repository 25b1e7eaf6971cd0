//! A view: everything a store knows at one point of its log, in one immutable value.
//!
//! Publishing a new view is one pointer swap, so whoever holds one sees a consistent cut: tree, members, log position.

use std::sync::Arc;

use pando_tree::State;

use crate::history::History;
use crate::log::LogPosition;
use crate::membership::Membership;
use crate::own_progress::OwnProgress;
use crate::sessions::Sessions;

/// What the store knows after applying the log up to `applied`. A clone costs a few reference counts.
#[derive(Clone)]
pub struct View {
    /// The tree.
    pub state: State,
    /// The last entry that is in this view; `None` before the first.
    pub applied: Option<LogPosition>,
    /// The newest members in this view, and where in the log they were set.
    pub membership: Option<(LogPosition, Arc<Membership>)>,
    /// The newest batches in this view.
    pub history: History,
    /// What was applied of each opening of each member.
    pub sessions: Sessions,
    /// Known here only.
    pub own: OwnProgress,
}

impl View {
    /// The view of a store that has never applied anything.
    pub fn empty() -> View {
        View {
            state: State::new(),
            applied: None,
            membership: None,
            history: History::default(),
            sessions: Sessions::default(),
            own: OwnProgress::default(),
        }
    }

    /// The index of the last entry in this view; 0 before the first.
    pub fn applied_index(&self) -> u64 {
        self.applied.map_or(0, |position| position.index)
    }
}
