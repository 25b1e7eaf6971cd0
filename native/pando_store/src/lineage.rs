//! Which predictions continue each other.
//!
//! A transaction names what it read by the revision of the tree: in another prediction, in which other commands have these
//! revisions, that would mean something else. Predictions of one lineage have the same commands in the same places, as far
//! as both go.

use crate::own_progress::OwnProgress;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    taken_back: u64,
    surprises: u64,
}

impl Lineage {
    /// How often something was taken back that had been predicted.
    pub fn taken_back(&self) -> u64 {
        self.taken_back
    }

    /// Something that was predicted will not be proposed, or was refused.
    pub fn take_back(&mut self) {
        self.taken_back += 1;
    }

    /// Whether a prediction of this lineage can be made from a view in which this opening has come so far.
    pub fn goes_on_in(&self, own: &OwnProgress) -> bool {
        self.surprises == own.surprises()
    }

    /// Begins with a view in which this opening has come so far.
    pub fn go_on_in(&mut self, own: &OwnProgress) {
        self.surprises = own.surprises();
    }

    /// Whether what was read from a prediction of this lineage is committed, if all own commands in it were applied or given up: by
    /// `own` of the newest view, and by how often something was taken back.
    pub fn has_come_true(&self, taken_back: u64, own: &OwnProgress) -> bool {
        self.taken_back == taken_back && own.surprises_before_own() <= self.surprises
    }
}
