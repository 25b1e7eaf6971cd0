//! What the records of a log add up to. No I/O.
//!
//! 1. The first record of the first segment that is left must be a checkpoint; all later checkpoints must agree with
//!    what was replayed up to them.
//! 2. An entry must follow the one before it.

use super::checkpoint::Checkpoint;
use super::index::{Location, LogIndex, Place};
use super::position::LogPosition;
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
            Record::TruncateAfter(last) => {
                if is_below(last, self.state.purged) {
                    return Err("entries are cut off below the purge point");
                }
                self.index.truncate_after(last);
            }
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
            if is_below(checkpoint.last, checkpoint.purged) {
                return Err("a checkpoint has its last entry below its purge point");
            }
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

/// Whether the last entry lies below the purge point, which is itself the last if there is no entry after it.
fn is_below(last: Option<LogPosition>, purged: Option<LogPosition>) -> bool {
    last.map(|position| position.index) < purged.map(|position| position.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_ends_below_its_purge_point_is_refused() {
        let location = Location { segment: 1, offset: 0, size_bytes: 0 };
        let at = |index| Some(LogPosition { term: 1, node_id: 1, index });
        let begun = |purged, last| {
            let mut replay = Replay::default();
            let checkpoint = Checkpoint { purged, last, ..Checkpoint::default() };
            replay.apply(Record::Checkpoint(checkpoint), location).map(|()| replay)
        };
        assert!(begun(at(5), at(4)).is_err());
        assert!(begun(at(5), None).is_err());
        for last in [at(4), None] {
            let mut replay = begun(at(5), at(5)).unwrap_or_default();
            assert!(replay.apply(Record::TruncateAfter(last), location).is_err());
        }
        assert!(
            begun(at(5), at(9))
                .is_ok_and(|mut replay| { replay.apply(Record::TruncateAfter(at(5)), location).is_ok() })
        );
    }
}
