//! The write-ahead log: what was acknowledged is on the disk, in order, and comes back after any crash.
//!
//! Its bytes are drawn in `docs/formats.md`. What may be relied upon, and what the tests of this folder hold it to:
//!
//! 1. A callback runs with `Ok` only after the bytes of its operation, and of all before it, were synced.
//! 2. Batch n+1 is written only after batch n was synced, so at most one batch can be torn, and it was never acknowledged.
//!    Reopening syncs what it found before anything is written after it.
//! 3. A torn batch is cut off only if nothing valid follows it, nothing says that it was synced, and a part of it is missing as
//!    a write that was cut short leaves it; anything else is damage and refused.
//! 4. The checksum of a batch covers store, segment and offset: bytes that were meant for another place never count.
//! 5. After a failed write or sync nothing is written any more: the log is poisoned until it is opened again.
//! 6. A segment is unlinked only when every entry in it lies below a purge point that is itself synced. All that an
//!    unlinked segment knew besides entries is repeated in the checkpoint at the head of the next one.
//! 7. Every `durable` callback is called exactly once, whatever happens, in the order of the calls.
//!
//! The writer thread does all writing, the preparer thread makes the next segment and unlinks old ones; callers only
//! change memory under a short lock and read.

mod batch;
mod cache;
mod checkpoint;
mod error;
mod handle;
mod index;
mod names;
mod open;
mod options;
mod position;
mod preparer;
mod reader;
mod record;
mod replay;
mod scan;
mod segment;
mod shared;
mod synced_mark;
mod writer;

pub use error::{LogError, OpenError};
pub use handle::Log;
pub use names::is_file_name;
pub use open::{ClosedLog, EntryVisitor, LogFacts, Recovered, ScannedLog, SegmentFacts, inspect};
pub use options::{
    BATCH_BODY_BYTES_MAX, CACHE_BYTES_DEFAULT, ENTRY_BYTES_MAX, LogOptions, SEGMENT_BYTES_FIRST,
    SEGMENT_BYTES_MAX, VOTE_BYTES_MAX,
};
pub use position::{LogEntry, LogPosition};
pub use scan::{ScanObserver, Tail, TailKind};
pub use shared::LogState;

/// Called once when an operation is durable, or when it is certain that this log will never say so.
///
/// It runs on the writer thread (or on the caller's, if the log was already closed or poisoned): it must be short and
/// must not wait for the log.
pub type Durable = Box<dyn FnOnce(Result<(), LogError>) + Send>;
