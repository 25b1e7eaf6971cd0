//! The bridge between Pando's stores and the BEAM: requests, replies and events, whichever way they travel.
//!
//! It knows neither NIFs nor ports; both are thin shells around it that implement [`Beam`].

mod attempt;
mod beam;
mod bridge;
mod caller;
mod cluster_caller;
mod cursor;
mod limits;
mod recovery;
mod reply_queue;
mod token;
mod verification;

pub use attempt::{Attempt, CommitReply};
pub use beam::{Beam, OpenFailure};
pub use bridge::{
    Bridge, CLOSING_WAIT_MAX_MS, OpenRequest, OpenStore, Opening, PanickingThread, SharedBridge,
};
pub use cluster_caller::CLUSTER_REQUESTS_MAX;
pub use cursor::{CHUNK_NODES_MAX, CHUNK_SIZE_BYTES_MAX, CHUNK_STEPS_MAX, Cursor};
pub use limits::limits;
pub use recovery::{RecoveryEnd, RecoveryObserver, RecoveryRequest, RecoveryTask};
pub use token::Token;
pub use verification::{PROGRESS_INTERVAL_MS_MIN, Verification, VerificationObserver};
