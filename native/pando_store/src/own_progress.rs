//! What this opening of the store knows of its own batches in a view, and of what came between them. Not replicated.

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnProgress {
    next_sequence: u64,
    surprises: u64,
    surprises_before_own: u64,
}

impl OwnProgress {
    /// The number below which all commands that this opening proposes are in the view, or never will be.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// How often something happened that nobody here could foresee: a batch of another origin was applied, an own one left
    /// out or applied although it had been given up, everything replaced by a snapshot. What was predicted from a view
    /// holds as long as this is what it was there.
    pub fn surprises(&self) -> u64 {
        self.surprises
    }

    /// How many of these came before the last own batch in the view, and so between some of them.
    pub fn surprises_before_own(&self) -> u64 {
        self.surprises_before_own
    }

    /// Something happened that nobody here could foresee.
    pub fn note_surprise(&mut self) {
        self.surprises += 1;
    }

    /// Nothing below this number will be applied any more.
    pub fn note_own(&mut self, next_sequence: u64) {
        self.next_sequence = self.next_sequence.max(next_sequence);
        self.surprises_before_own = self.surprises;
    }
}
