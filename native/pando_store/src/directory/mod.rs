//! The directory of one store: whose it is, and that only one process uses it.
//!
//! 1. [`StoreDirectory::open`] holds an exclusive lock until it is dropped; a second opener learns who has it.
//! 2. The identity is there whole or not at all; it is replaced in one step.
//! 3. A directory that has a log or snapshots but no identity is refused: an identity is never guessed.
//! 4. A reset (leaving one cluster to join another) survives a crash at any point: what it has to do is written down
//!    first, and the next open goes on with it.
//! 5. A directory that is not there because a recovery was interrupted while it took the place is refused, not founded.

mod error;
mod identity;
mod recovery_places;
mod reset;
mod store_directory;
mod store_id;

pub use error::DirectoryError;
pub(crate) use identity::FOUNDING_MEMBER_ID;
pub use identity::Identity;
pub(crate) use recovery_places::RecoveryPlaces;
pub use store_directory::{DirectoryFacts, StoreDirectory};
pub(crate) use store_directory::{IDENTITY_FILE, LOCK_FILE, LOG_DIRECTORY, RESET_FILE, SNAPSHOT_DIRECTORY};
pub use store_id::StoreId;
