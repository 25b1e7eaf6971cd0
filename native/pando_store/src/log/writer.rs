//! The thread that writes: takes all that has queued up, writes it as one batch, syncs once, completes the callbacks.
//!
//! 1. Between two batches `written` is exactly what a recovery of the log would find.
//! 2. A callback leaves `in_flight` only when it is called; whatever ends the thread calls those that are left.
//! 3. The first failure ends the thread. Nothing is tried twice.

use super::Durable;
use super::batch::{BATCH_HEADER_BYTES, BATCH_TRAILER_BYTES, BatchSeal};
use super::checkpoint::Checkpoint;
use super::error::LogError;
use super::index::Location;
use super::options::{BATCH_BODY_BYTES_MAX, LogOptions, MARK_IDLE_MS, ROOM_OVERHEAD_BYTES, SEGMENT_GROWTH};
use super::position::LogEntry;
use super::preparer::Preparer;
use super::record;
use super::segment::{SEGMENT_HEADER_BYTES, Segment};
use super::shared::{Job, JobKind, Lifecycle, Shared, UsedSegment};
use super::synced_mark::MarkWriter;
use crate::directory::StoreId;
use crate::disk::Disk;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

const RECORD_TOO_LONG: &str = "a record is longer than the format allows";

/// Where the writer goes on.
pub(super) struct WritePoint {
    pub(super) segment: Arc<Segment>,
    pub(super) offset: u64,
    pub(super) batch_sequence: u64,
    pub(super) written: Checkpoint,
    /// Segments that are ready, in order.
    pub(super) prepared: VecDeque<Segment>,
    pub(super) mark: MarkWriter,
}

/// The writer thread's own state.
pub(super) struct Writer<E> {
    pub(super) shared: Arc<Shared<E>>,
    pub(super) preparer: Arc<Preparer>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    pub(super) store_id: StoreId,
    pub(super) options: LogOptions,
    pub(super) point: WritePoint,
    batch: BatchInMaking,
    jobs: VecDeque<Job<E>>,
    in_flight: VecDeque<Durable>,
    next_is_requested: bool,
}

/// What the next write will bring.
#[derive(Default)]
struct BatchInMaking {
    /// Room for the header, then the records.
    buffer: Vec<u8>,
    record_count: u32,
    entries: Vec<NewEntry>,
    /// The state after this batch.
    after: Checkpoint,
    holds_purge: bool,
    /// How many of the callbacks in flight are done with it.
    completes_count: usize,
}

struct NewEntry {
    index: u64,
    generation: u64,
    /// Within the buffer.
    offset: usize,
    size_bytes: usize,
}

impl<E: LogEntry> Writer<E> {
    pub(super) fn new(
        shared: Arc<Shared<E>>,
        preparer: Arc<Preparer>,
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        store_id: StoreId,
        options: LogOptions,
        point: WritePoint,
    ) -> Writer<E> {
        let batch = BatchInMaking { after: point.written.clone(), ..BatchInMaking::default() };
        let (jobs, in_flight) = (VecDeque::new(), VecDeque::new());
        let next_is_requested = false;
        Writer {
            shared,
            preparer,
            disk,
            directory,
            store_id,
            options,
            point,
            batch,
            jobs,
            in_flight,
            next_is_requested,
        }
    }

    /// The body of the thread.
    pub(super) fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.work()));
        let failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => Some(reason),
            Err(panic) => Some(format!("the writer of the log has panicked: {}", panic_text(panic.as_ref()))),
        };
        if let Some(reason) = failure {
            self.poison(&reason);
        }
        self.preparer.close();
        self.shared.lock().writer_is_gone = true;
        self.shared.progress.notify_all();
    }

    fn work(&mut self) -> Result<(), String> {
        self.batch.clear();
        self.request_next_segment();
        while let Some(committed_is_new) = self.take_jobs() {
            while let Some(job) = self.jobs.pop_front() {
                if let JobKind::Reserve(size_bytes) = job.kind {
                    self.write_batch()?;
                    let reserved =
                        self.reserve(size_bytes).map_err(|reason| LogError::NoRoom { reason: reason.into() });
                    self.publish_room();
                    (job.durable)(reserved);
                    continue;
                }
                self.in_flight.push_back(job.durable);
                self.add(job.kind)?;
                self.batch.completes_count += 1;
            }
            if committed_is_new {
                // Last, so that it never comes to the disk before an entry that it names.
                record::append_committed(&mut self.batch.buffer, self.batch.after.committed)
                    .ok_or(RECORD_TOO_LONG)?;
                self.batch.record_count += 1;
            }
            self.write_batch()?;
        }
        self.point.mark.close(self.point.batch_sequence - 1);
        Ok(())
    }

    /// Waits for jobs and takes all. `None`: the log is closing and everything was taken before.
    fn take_jobs(&mut self) -> Option<bool> {
        let mut state = self.shared.lock();
        loop {
            let is_closing = !matches!(state.lifecycle, Lifecycle::Open);
            if !state.queue.is_empty() || (is_closing && state.committed_is_new) {
                std::mem::swap(&mut state.queue, &mut self.jobs);
                if state.queue_bytes > 0 {
                    state.queue_bytes = 0;
                    self.shared.progress.notify_all();
                }
                self.batch.after.committed = state.committed;
                return Some(std::mem::replace(&mut state.committed_is_new, false));
            }
            if is_closing {
                return None;
            }
            state.writer_is_idle = true;
            let synced = self.point.batch_sequence - 1;
            if self.point.mark.lags(synced) {
                // Under load the next batch proves that this one was synced.
                let idle = Duration::from_millis(MARK_IDLE_MS);
                let waited = self.shared.work.wait_timeout(state, idle);
                let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = again;
                if timeout.timed_out() && state.queue.is_empty() {
                    drop(state);
                    self.point.mark.advance(synced);
                    state = self.shared.lock();
                }
            } else {
                state = self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.writer_is_idle = false;
        }
    }

    fn add(&mut self, kind: JobKind<E>) -> Result<(), String> {
        let added = match kind {
            JobKind::Nothing | JobKind::Reserve(_) => return Ok(()),
            #[allow(clippy::panic, reason = "asked for, to show that a panic is survived")]
            JobKind::Panic => panic!("provoked in the writer of the log"),
            JobKind::Append { entries, generation } => return self.add_entries(&entries, generation),
            JobKind::Vote(vote) => {
                let added = record::append_vote(&mut self.batch.buffer, &vote);
                self.batch.after.vote = Some(vote);
                added
            }
            JobKind::TruncateAfter(last) => {
                self.batch.after.last = last;
                record::append_truncate_after(&mut self.batch.buffer, last)
            }
            JobKind::Purge(upto) => {
                self.batch.after.purged = Some(upto);
                if self.batch.after.last.is_none_or(|last| last.index <= upto.index) {
                    self.batch.after.last = Some(upto);
                }
                self.batch.holds_purge = true;
                record::append_purge(&mut self.batch.buffer, upto)
            }
        };
        added.ok_or(RECORD_TOO_LONG)?;
        self.batch.record_count += 1;
        Ok(())
    }

    fn add_entries(&mut self, entries: &[E], generation: u64) -> Result<(), String> {
        for entry in entries {
            if self.batch.buffer.len() >= BATCH_BODY_BYTES_MAX {
                self.write_batch()?;
            }
            let position = entry.position();
            let offset = self.batch.buffer.len();
            let size_bytes = record::append_entry(&mut self.batch.buffer, position, |out| entry.encode(out))
                .ok_or(RECORD_TOO_LONG)?;
            self.batch.entries.push(NewEntry { index: position.index, generation, offset, size_bytes });
            self.batch.record_count += 1;
            self.batch.after.last = Some(position);
        }
        Ok(())
    }

    /// Brings the batch to the disk and tells everybody. A batch of nothing only completes callbacks.
    fn write_batch(&mut self) -> Result<(), String> {
        if self.batch.record_count > 0 {
            self.find_room()?;
            self.point.write(self.store_id, &mut self.batch.buffer, self.batch.record_count)?;
            self.publish();
            self.point.written.clone_from(&self.batch.after);
        }
        let completes_count = self.batch.completes_count;
        self.batch.clear();
        for _ in 0..completes_count {
            if let Some(durable) = self.in_flight.pop_front() {
                durable(Ok(()));
            }
        }
        self.request_next_segment();
        Ok(())
    }

    /// Tells the readers where the entries of the synced batch stand, and lets go of segments that are not needed.
    fn publish(&mut self) {
        let segment = &self.point.segment;
        let batch_offset = self.point.offset - self.batch.buffer.len() as u64;
        let mut state = self.shared.lock();
        let state = &mut *state;
        for entry in &self.batch.entries {
            let offset = u32::try_from(batch_offset + entry.offset as u64).unwrap_or(u32::MAX);
            let size_bytes = u32::try_from(entry.size_bytes).unwrap_or(u32::MAX);
            let location = Location { segment: segment.sequence, offset, size_bytes };
            state.index.written(entry.index, entry.generation, location);
        }
        state.room_bytes = self.point.room_bytes();
        let index = &state.index;
        state.cache.evict(|entry_index| index.is_written(entry_index));
        let index_max = self.batch.entries.iter().map(|entry| entry.index).max();
        if let Some(used) = state.segments.get_mut(&segment.sequence) {
            used.index_max = used.index_max.max(index_max);
        }
        self.shared.bytes_appended.fetch_add(self.batch.buffer.len() as u64, Ordering::Relaxed);
        if self.batch.holds_purge {
            let purged = self.batch.after.purged.map(|position| position.index);
            let mut paths = Vec::new();
            while let Some(oldest) = state.segments.first_entry() {
                if *oldest.key() >= segment.sequence || oldest.get().index_max > purged {
                    break;
                }
                paths.push(oldest.remove().segment.path.clone());
            }
            self.preparer.unlink(paths);
        }
    }

    /// Goes on to the next segment if the batch does not fit into the rest of this one.
    fn find_room(&mut self) -> Result<(), String> {
        let room_bytes = self.point.rest_bytes();
        let is_first_batch = self.point.offset == SEGMENT_HEADER_BYTES;
        if !is_first_batch && self.batch.size_bytes() <= room_bytes {
            return Ok(());
        }
        self.batch.insert_checkpoint(&self.point.written)?;
        if is_first_batch {
            if self.batch.size_bytes() <= room_bytes {
                return Ok(());
            }
            // A segment without a batch must not have one after it.
            let mut alone = BatchInMaking::default();
            alone.clear();
            alone.insert_checkpoint(&self.point.written)?;
            self.point.write(self.store_id, &mut alone.buffer, alone.record_count)?;
        }
        let segment = self.next_segment(SEGMENT_HEADER_BYTES + self.batch.size_bytes())?;
        let segment = Arc::new(segment);
        let mut state = self.shared.lock();
        state.segments.insert(segment.sequence, UsedSegment { segment: segment.clone(), index_max: None });
        state.prepared_bytes = self.point.prepared_bytes();
        self.point.segment = segment;
        self.point.offset = SEGMENT_HEADER_BYTES;
        state.room_bytes = self.point.room_bytes();
        Ok(())
    }

    /// Makes sure that the rest of this segment or the next one takes so many bytes of entries.
    fn reserve(&mut self, size_bytes: u64) -> Result<(), String> {
        let vote_bytes = self.point.written.vote.as_ref().map_or(0, Vec::len) as u64;
        let needed_bytes = size_bytes.saturating_add(ROOM_OVERHEAD_BYTES + vote_bytes);
        if self.point.rest_bytes() >= needed_bytes {
            return Ok(());
        }
        let size_bytes_min = SEGMENT_HEADER_BYTES.saturating_add(needed_bytes);
        if self.point.prepared.is_empty()
            && (self.next_is_requested || size_bytes_min <= self.next_size_bytes())
        {
            self.take_requested()?;
        }
        if self.point.prepared.front().is_some_and(|next| next.size_bytes >= size_bytes_min) {
            return Ok(());
        }
        let next = self.create_next(size_bytes_min)?;
        self.point.prepared.pop_front();
        self.point.prepared.push_front(next);
        Ok(())
    }

    /// Waits for the next segment, asks for it if that was not done, and keeps it as prepared.
    fn take_requested(&mut self) -> Result<(), String> {
        if !self.next_is_requested {
            self.preparer.request(self.point.segment.sequence + 1, self.next_size_bytes());
            self.next_is_requested = true;
        }
        self.point.prepared.push_back(self.preparer.take()?);
        self.next_is_requested = false;
        Ok(())
    }

    /// Makes the next segment. Replaces one of the same name that is too small; it holds nothing yet.
    fn create_next(&self, size_bytes: u64) -> Result<Segment, String> {
        let sequence = self.point.segment.sequence + 1;
        Segment::create(self.disk.as_ref(), &self.directory, self.store_id, sequence, size_bytes, &|| true)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| "the next segment of the log was not made".to_owned())
    }

    fn publish_room(&self) {
        let mut state = self.shared.lock();
        state.prepared_bytes = self.point.prepared_bytes();
        state.room_bytes = self.point.room_bytes();
    }

    /// The segment after this one, with at least this size.
    fn next_segment(&mut self, size_bytes_min: u64) -> Result<Segment, String> {
        let is_ordinary = size_bytes_min <= self.next_size_bytes();
        if self.point.prepared.is_empty() && (self.next_is_requested || is_ordinary) {
            self.take_requested()?;
        }
        match self.point.prepared.pop_front() {
            Some(segment) if segment.size_bytes >= size_bytes_min => Ok(segment),
            _ => self.create_next(size_bytes_min),
        }
    }

    fn next_size_bytes(&self) -> u64 {
        let grown = self.point.segment.size_bytes.saturating_mul(SEGMENT_GROWTH);
        grown.clamp(self.options.segment_bytes_first, self.options.segment_bytes_max)
    }

    /// Has the next segment made in the background as soon as half of this one is used.
    fn request_next_segment(&mut self) {
        let is_half_full = self.point.offset >= self.point.segment.size_bytes / 2;
        if is_half_full && !self.next_is_requested && self.point.prepared.is_empty() {
            self.preparer.request(self.point.segment.sequence + 1, self.next_size_bytes());
            self.next_is_requested = true;
        }
    }

    /// Stops the log and tells everybody who waits.
    fn poison(&mut self, reason: &str) {
        let reason: Arc<str> = Arc::from(reason);
        let queued = {
            let mut state = self.shared.lock();
            state.lifecycle = Lifecycle::Poisoned(reason.clone());
            state.queue_bytes = 0;
            std::mem::take(&mut state.queue)
        };
        self.shared.progress.notify_all();
        let later = std::mem::take(&mut self.jobs).into_iter().chain(queued).map(|job| job.durable);
        for durable in std::mem::take(&mut self.in_flight).into_iter().chain(later) {
            let error = LogError::Poisoned { reason: reason.clone() };
            // One callback that panics must not keep the others from being called; the log has stopped already.
            let _ = catch_unwind(AssertUnwindSafe(|| durable(Err(error))));
        }
    }
}

impl WritePoint {
    /// What the rest of the current segment takes.
    fn rest_bytes(&self) -> u64 {
        self.segment.size_bytes.saturating_sub(self.offset)
    }

    /// What the segments that are ready take on the disk.
    pub(super) fn prepared_bytes(&self) -> u64 {
        self.prepared.iter().map(|segment| segment.size_bytes).sum()
    }

    /// What the rest of the current segment takes, or the next one if it takes more.
    pub(super) fn room_bytes(&self) -> u64 {
        self.prepared.front().map_or(0, Segment::capacity_bytes).max(self.rest_bytes())
    }

    /// Writes and syncs one batch, and moves on behind it.
    fn write(&mut self, store_id: StoreId, buffer: &mut Vec<u8>, record_count: u32) -> Result<(), String> {
        let seal = BatchSeal::new(store_id, self.segment.sequence);
        seal.seal(buffer, self.offset, self.batch_sequence, record_count).ok_or(RECORD_TOO_LONG)?;
        self.segment.file.write_all_at(buffer, self.offset).map_err(|error| error.to_string())?;
        self.segment.file.sync_data().map_err(|error| error.to_string())?;
        self.offset += buffer.len() as u64;
        self.batch_sequence += 1;
        Ok(())
    }
}

impl BatchInMaking {
    fn clear(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(2 * BATCH_BODY_BYTES_MAX);
        self.buffer.resize(BATCH_HEADER_BYTES, 0);
        self.record_count = 0;
        self.entries.clear();
        self.holds_purge = false;
        self.completes_count = 0;
    }

    /// With the trailer that it will have.
    fn size_bytes(&self) -> u64 {
        (self.buffer.len() + BATCH_TRAILER_BYTES) as u64
    }

    /// Puts a checkpoint before the other records.
    fn insert_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        let mut encoded = Vec::new();
        record::append_checkpoint(&mut encoded, checkpoint).ok_or(RECORD_TOO_LONG)?;
        for entry in &mut self.entries {
            entry.offset += encoded.len();
        }
        self.buffer.splice(BATCH_HEADER_BYTES..BATCH_HEADER_BYTES, encoded);
        self.record_count += 1;
        Ok(())
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
