//! How a store is opened: limits with their units, and what comes from outside (clock, randomness, names).

use std::sync::Arc;

use crate::peers::PeerTransport;

/// Commands that may wait to be proposed; one more is refused with "overload".
pub const QUEUED_COMMANDS_MAX: usize = 16_384;
/// Bytes of commands that may wait or be under way; more are refused with "overload".
pub const COMMANDS_SIZE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Commands in one log entry.
pub const BATCH_COMMANDS_MAX: usize = 1_024;
/// Bytes of commands after which an entry takes no further one. The last one may be large: an entry has at most this
/// and one payload more.
pub const BATCH_SIZE_BYTES_MAX: usize = 1024 * 1024;
/// Entries proposed and not yet applied. Two: one is synced while the next is on its way to the log.
pub const ENTRIES_IN_FLIGHT_MAX: usize = 2;
/// Bytes of log after which a snapshot is taken; a snapshot larger than this raises it to its own size.
pub const SNAPSHOT_LOG_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// Callers that may wait for a barrier or for a log index; one more is refused with "overload".
pub const WAITERS_MAX: usize = 16_384;
/// Commands in a prediction before it is made anew from the newest view: what they changed is in memory twice.
pub const PREDICTED_COMMANDS_MAX: usize = 8_192;
/// Commands without a transaction among them, after which nothing is predicted any more.
pub const COMMANDS_WITHOUT_TRANSACTION_MAX: usize = 4_096;
/// How long a transaction has its turn before others go on without waiting for it, in milliseconds.
pub const LANE_HOLD_MS_MAX: u64 = 100;
/// How long a lane stays open that nobody stands in, in milliseconds.
pub const LANE_HOT_MS: u64 = 100;
/// Lanes of one store.
pub const LANES_MAX: usize = 4_096;
/// How long closing waits for commands under way, in milliseconds; those left are answered "unknown".
pub const CLOSE_DRAIN_TIMEOUT_MS: u64 = 5_000;
/// How long opening waits for the member to lead and to have applied its log, in milliseconds.
pub const OPEN_RECOVERY_TIMEOUT_MS: u64 = 120_000;

/// The time of day, passed in.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
}

/// The computer's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// What an empty directory becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// A cluster of one, with this id: 128 random bits.
    Found([u8; 16]),
    /// A member of a cluster that has allocated this id for it, and will add it.
    Join {
        /// The cluster.
        cluster_id: [u8; 16],
        /// The member.
        member_id: u64,
    },
}

/// What opening a store needs to know.
#[derive(Clone)]
pub struct StoreOptions {
    /// For thread names and messages.
    pub name: String,
    /// The Erlang node that runs this member.
    pub node_name: String,
    /// Written into the lock file, and shown to a second opener.
    pub holder: String,
    /// What an empty directory becomes.
    pub birth: Birth,
    /// The way to the other members.
    pub transport: Arc<dyn PeerTransport>,
    /// Among voters that have caught up, leadership goes to one of the highest priority.
    pub priority: i64,
    /// A random number, different at each opening (see [`crate::batch::Origin`]).
    pub incarnation: u64,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// See [`SNAPSHOT_LOG_BYTES_MIN`].
    pub snapshot_log_bytes_min: u64,
    /// See [`QUEUED_COMMANDS_MAX`].
    pub queued_commands_max: usize,
    /// See [`crate::log::SEGMENT_BYTES_FIRST`]: smaller for tests, so that a short life has many segments.
    pub segment_bytes_first: u64,
    /// See [`crate::log::SEGMENT_BYTES_MAX`].
    pub segment_bytes_max: u64,
}
