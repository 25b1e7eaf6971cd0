//! Reading entries: from the cache where they are there, else from the segments, a run at a time.

use super::error::LogError;
use super::index::{Location, Place};
use super::options::READ_SPAN_BYTES_MAX;
use super::position::{LogEntry, LogPosition};
use super::record::{self, Record};
use super::segment::Segment;
use super::shared::State;
use std::sync::Arc;

/// What to read: made under the lock, carried out without it. The segments stay readable even if they are unlinked.
pub(super) struct ReadPlan<E> {
    runs: Vec<Run>,
    cached: Vec<E>,
}

/// Entries that stand near each other in one segment.
struct Run {
    segment: Arc<Segment>,
    entries: Vec<(LogPosition, Location)>,
}

impl Run {
    fn begin(&self) -> u64 {
        self.entries.first().map_or(0, |(_, location)| u64::from(location.offset))
    }

    fn end(&self) -> u64 {
        self.entries.last().map_or(0, |(_, location)| end_of(location))
    }

    fn takes(&self, location: &Location) -> bool {
        self.segment.sequence == location.segment
            && u64::from(location.offset) >= self.end()
            && end_of(location) - self.begin() <= READ_SPAN_BYTES_MAX
    }
}

fn end_of(location: &Location) -> u64 {
    u64::from(location.offset) + u64::from(location.size_bytes)
}

impl<E: LogEntry> ReadPlan<E> {
    /// Entries from `from` to before `end`, of about `size_bytes_max` together, but at least one.
    pub(super) fn new(
        state: &State<E>,
        from: u64,
        end: u64,
        size_bytes_max: usize,
    ) -> Result<ReadPlan<E>, LogError> {
        let mut plan = ReadPlan { runs: Vec::new(), cached: Vec::new() };
        let next = state.index.next_index().unwrap_or(0);
        if end <= from {
            return Ok(plan);
        }
        match state.index.first_available() {
            Some(first_available) if from < first_available => {
                return Err(LogError::Purged { from, first_available });
            }
            _ => {}
        }
        let cache_first = state.cache.first().unwrap_or(next);
        let mut size_bytes = 0usize;
        for index in from..end.min(next) {
            let is_first = index == from;
            if index >= cache_first {
                let Some(entry) = state.cache.get(index) else { break };
                size_bytes = size_bytes.saturating_add(entry.size_bytes());
                if size_bytes > size_bytes_max && !is_first {
                    break;
                }
                plan.cached.push(entry.clone());
                continue;
            }
            let place = state.index.position(index).zip(state.index.place(index));
            let Some((position, Place::Written(location))) = place else { break };
            size_bytes = size_bytes.saturating_add(location.size_bytes as usize);
            if (size_bytes > size_bytes_max && !is_first) || !plan.add(state, position, location) {
                break;
            }
        }
        Ok(plan)
    }

    fn add(&mut self, state: &State<E>, position: LogPosition, location: Location) -> bool {
        if let Some(run) = self.runs.last_mut().filter(|run| run.takes(&location)) {
            run.entries.push((position, location));
            return true;
        }
        let Some(used) = state.segments.get(&location.segment) else { return false };
        self.runs.push(Run { segment: used.segment.clone(), entries: vec![(position, location)] });
        true
    }

    /// Reads and decodes.
    pub(super) fn run(self) -> Result<Vec<E>, LogError> {
        let count = self.runs.iter().map(|run| run.entries.len()).sum::<usize>() + self.cached.len();
        let mut entries = Vec::with_capacity(count);
        let mut buffer = Vec::new();
        for run in &self.runs {
            let begin = run.begin();
            buffer.resize(usize::try_from(run.end() - begin).unwrap_or(usize::MAX), 0);
            run.segment
                .file
                .read_exact_at(&mut buffer, begin)
                .map_err(|error| LogError::Read(Arc::new(error)))?;
            for (position, location) in &run.entries {
                let at = usize::try_from(u64::from(location.offset) - begin).unwrap_or(usize::MAX);
                let bytes = buffer.get(at..).unwrap_or_default();
                let decoded = decode(*position, bytes).map_err(|detail| LogError::Damaged {
                    path: run.segment.path.clone(),
                    offset: u64::from(location.offset),
                    detail,
                })?;
                entries.push(decoded);
            }
        }
        entries.extend(self.cached);
        Ok(entries)
    }
}

fn decode<E: LogEntry>(position: LogPosition, bytes: &[u8]) -> Result<E, String> {
    match record::parse(bytes)? {
        (Record::Entry { position: found, body }, ..) if found == position => E::decode(position, body),
        _ => Err(format!("entry {} should stand here and does not", position.index)),
    }
}
