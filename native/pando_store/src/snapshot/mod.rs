//! Snapshots: one file each, streamed out, checksummed, named by the log position that it reflects.
//!
//! 1. A file with the name of a snapshot is complete: it was written under another name, synced, then renamed.
//! 2. Each block and the whole carry checksums; nothing is handed out of a block that was not checked.
//! 3. A file that ends without its footer is refused: a cut one is never taken for a short one.
//! 4. Records are opaque bytes. What they mean belongs to the caller, who keeps a version of its own in the metadata.
//!
//! The bytes are drawn in `docs/formats.md`.

mod directory;
mod error;
mod format;
mod reader;
mod transfer;
mod writer;

pub use directory::{NewestSnapshot, SnapshotDirectory, SnapshotName};
pub use error::SnapshotError;
pub use format::{METADATA_BYTES_MAX, RECORD_BYTES_MAX};
pub use reader::SnapshotReader;
pub use transfer::{ReceivedSnapshot, SnapshotContent};
pub use writer::SnapshotWriter;
