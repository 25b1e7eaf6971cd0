//! The limits of a store by name, as documentation and tests show them.

use pando_store::options;
use pando_tree::Limit;
use pando_tree::limits::{REQUESTS_KEPT_MAX, REQUESTS_SIZE_BYTES_MAX, TRANSACTION_SCOPES_SIZE_BYTES_MAX};

use crate::cluster_caller::CLUSTER_REQUESTS_MAX;
use crate::cursor;

/// Name and value of every limit. Units are at the end of the names; those without one are counts.
pub fn limits() -> Vec<(&'static str, u64)> {
    let mut limits: Vec<(&'static str, u64)> =
        Limit::ALL.into_iter().map(|limit| (limit.name(), limit.max() as u64)).collect();
    limits.extend([
        ("transaction_scopes_size_bytes_max", TRANSACTION_SCOPES_SIZE_BYTES_MAX as u64),
        ("requests_kept_max", REQUESTS_KEPT_MAX as u64),
        ("requests_size_bytes_max", REQUESTS_SIZE_BYTES_MAX as u64),
        ("queued_commands_max", options::QUEUED_COMMANDS_MAX as u64),
        ("waiting_commands_size_bytes_max", options::COMMANDS_SIZE_BYTES_MAX as u64),
        ("batch_commands_max", options::BATCH_COMMANDS_MAX as u64),
        ("batch_size_bytes_max", options::BATCH_SIZE_BYTES_MAX as u64),
        ("waiters_max", options::WAITERS_MAX as u64),
        ("entries_in_flight_max", options::ENTRIES_IN_FLIGHT_MAX as u64),
        ("predicted_commands_max", options::PREDICTED_COMMANDS_MAX as u64),
        ("commands_without_transaction_max", options::COMMANDS_WITHOUT_TRANSACTION_MAX as u64),
        ("lanes_max", options::LANES_MAX as u64),
        ("lane_hold_ms_max", options::LANE_HOLD_MS_MAX),
        ("lane_hot_ms", options::LANE_HOT_MS),
        ("snapshot_log_bytes_min", options::SNAPSHOT_LOG_BYTES_MIN),
        ("close_drain_timeout_ms", options::CLOSE_DRAIN_TIMEOUT_MS),
        ("open_recovery_timeout_ms", options::OPEN_RECOVERY_TIMEOUT_MS),
        ("cluster_requests_max", CLUSTER_REQUESTS_MAX as u64),
        ("chunk_nodes_max", cursor::CHUNK_NODES_MAX as u64),
        ("chunk_size_bytes_max", cursor::CHUNK_SIZE_BYTES_MAX as u64),
        ("chunk_steps_max", cursor::CHUNK_STEPS_MAX),
    ]);
    limits
}
