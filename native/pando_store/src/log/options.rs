//! Limits of the log, and what may be chosen when it is opened.

use super::segment::SEGMENT_HEADER_BYTES;

/// The size of the first segment of a store: small, because most stores are.
pub const SEGMENT_BYTES_FIRST: u64 = 1024 * 1024;
/// The size that segments grow to. A batch that does not fit in it gets a segment of its own size.
pub const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How much larger than its predecessor a segment is, up to the maximum.
pub(super) const SEGMENT_GROWTH: u64 = 4;
/// A batch is closed after the record that made it this long; the rest goes into the next one.
pub const BATCH_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The largest entry that is accepted, in memory and encoded.
pub const ENTRY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The longest vote that is accepted. It is repeated in every checkpoint.
pub const VOTE_BYTES_MAX: usize = 64 * 1024;
/// Memory for decoded entries at the end of the log. Entries that are not yet durable are kept besides.
pub const CACHE_BYTES_DEFAULT: usize = 4 * 1024 * 1024;
/// Callers wait when entries of this size are queued for the writer. More than a store ever has under way (two entries,
/// each at most a batch and a payload), because its caller is the thread that runs consensus for all stores.
pub(super) const QUEUE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// How long a caller waits for room in the queue before it is refused.
pub(super) const QUEUE_WAIT_MS_MAX: u64 = 60_000;
/// How long the writer waits for a segment that is being prepared before it gives up.
pub(super) const PREPARE_WAIT_MS_MAX: u64 = 120_000;
/// How long the preparer waits before it tries again to make a segment that it could not make.
pub(super) const PREPARE_RETRY_MS: u64 = 1_000;
/// How long a closing log waits for its threads.
pub(super) const CLOSE_WAIT_MS_MAX: u64 = 30_000;
/// A log that has been idle for so long notes how far it was synced.
pub(super) const MARK_IDLE_MS: u64 = 200;
/// The largest piece that is read from a segment at once, unless one entry is larger.
pub(super) const READ_SPAN_BYTES_MAX: u64 = 1024 * 1024;
/// Segments are filled with zeros in pieces of this size, each synced, so that the writer's syncs are not held up for long.
pub(super) const ZERO_FILL_BYTES: usize = 1024 * 1024;

/// Segments must have room for a checkpoint and a few records.
const SEGMENT_BYTES_MIN: u64 = 2 * SEGMENT_HEADER_BYTES;
/// Offsets within a segment are kept in 32 bits.
const SEGMENT_BYTES_LIMIT: u64 = 1024 * 1024 * 1024;

/// What may be chosen when a log is opened.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The threads are called `<prefix>-log` and `<prefix>-prep`. Linux shows 15 bytes of it.
    pub thread_name_prefix: String,
    /// Memory for decoded entries at the end of the log.
    pub cache_bytes_max: usize,
    /// The size of the first segment.
    pub segment_bytes_first: u64,
    /// The size that segments grow to.
    pub segment_bytes_max: u64,
    /// Refuse a directory without segments. Set it when the store is known to have had a log: an empty one would let
    /// the member forget its vote.
    pub must_exist: bool,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            thread_name_prefix: "pando".to_owned(),
            cache_bytes_max: CACHE_BYTES_DEFAULT,
            segment_bytes_first: SEGMENT_BYTES_FIRST,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            must_exist: false,
        }
    }
}

impl LogOptions {
    /// Brings sizes within what a log can do.
    pub(super) fn clamp(&mut self) {
        self.segment_bytes_max = self.segment_bytes_max.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_LIMIT);
        self.segment_bytes_first = self.segment_bytes_first.clamp(SEGMENT_BYTES_MIN, self.segment_bytes_max);
    }
}
