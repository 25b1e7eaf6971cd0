//! One replicated Pando store: log, snapshots, consensus, the threads between them, and reads.
//!
//! Below it stands `pando_tree` (what commands do), above it `pando_bridge` (what the BEAM asks). Disk, clock and
//! randomness are passed in.

mod admission;
mod apply_thread;
pub mod batch;
mod bytes;
pub mod cluster;
pub mod consensus;
pub mod directory;
pub mod disk;
mod engine;
mod entry;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod ingest_thread;
mod lanes;
mod lineage;
pub mod log;
mod machine;
mod membership;
mod opening_progress;
mod operating_system;
pub mod options;
mod own_batches;
mod own_progress;
pub mod peers;
mod pending;
mod prediction;
mod proposer;
mod reaper;
pub mod recover;
mod repair_hint;
mod replay;
mod sessions;
mod shared;
pub mod snapshot;
mod snapshot_pace;
mod snapshot_progress;
mod snapshot_thread;
mod store;
mod ticket;
mod transaction;
pub mod verify;
mod view;
mod waiter;
mod waiters;

pub use error::{OpenError, OpenTrouble, OutcomeKnown, StoreError};
pub use lanes::Standing;
pub use membership::{Member, Membership, Role};
pub use opening_progress::OPENING_PROGRESS_INTERVAL_MS;
pub use options::{Birth, Clock, StoreOptions, SystemClock};
pub use reaper::{Garbage, Reaper};
pub use snapshot_thread::LoadError;
pub use store::{ProvokedThread, Store, StoreStatus};
pub use ticket::{Applied, NO_REVISION, Outcome, Replies, StoreEvents, Ticket};
pub use transaction::{Commit, Haste, Seen, StoreTransaction};
pub use view::View;
