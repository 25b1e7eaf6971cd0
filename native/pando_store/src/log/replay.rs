//! What the records of a log add up to. No I/O.
//!
//! 1. The first record of the first segment that is left must be a checkpoint; all later checkpoints must agree with
//!    what was replayed up to them.
//! 2. An entry must follow the one before it.

use super::checkpoint::Checkpoint;
use super::index::{Location, LogIndex, Place};
use super::record::Record;

/// The state of a log while its records are read.
#[derive(Default)]
pub(super) struct Replay {
    pub(super) index: LogIndex,
    pub(super) state: Checkpoint,
    has_begun: bool,
}

impl Replay {
    /// Takes the next record, which stands at `location`.
    pub(super) fn apply(&mut self, record: Record<'_>, location: Location) -> Result<(), &'static str> {
        match record {
            Record::Checkpoint(checkpoint) => return self.checkpoint(checkpoint),
            _ if !self.has_begun => {
                return Err("the first batch of a segment does not begin with a checkpoint");
            }
            Record::Entry { position, .. } => {
                if !self.index.push(position, Place::Written(location)) {
                    return Err("an entry does not follow the one before it");
                }
            }
            Record::Vote(vote) => self.state.vote = Some(vote.to_vec()),
            Record::Committed(committed) => self.state.committed = committed,
            Record::TruncateAfter(last) => self.index.truncate_after(last),
            Record::Purge(upto) => {
                self.index.purge(upto);
                self.state.purged = self.index.purged();
            }
        }
        self.state.last = self.index.last();
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), &'static str> {
        if !self.has_begun {
            self.has_begun = true;
            self.index = LogIndex::after(checkpoint.purged, checkpoint.last);
            self.state = checkpoint;
            return Ok(());
        }
        if checkpoint != self.state {
            return Err("a checkpoint does not agree with the segments before it");
        }
        Ok(())
    }
}
