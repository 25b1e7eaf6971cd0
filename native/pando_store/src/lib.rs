//! One replicated store. This half keeps bytes on disk: the log, the snapshots and the directory they live in.
//!
//! Everything goes through [`disk::Disk`], so that a test can tear, lose and fail any write.

pub mod directory;
pub mod disk;
pub mod log;
pub mod snapshot;
