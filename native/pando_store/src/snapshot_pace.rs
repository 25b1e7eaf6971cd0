//! How fast a snapshot is written: slowly enough that the log's syncs hardly notice, fast enough that the log which
//! piles up meanwhile stays bounded. No I/O, no clock.
//!
//! A snapshot may be ahead of nobody: at any moment it has at most `BYTES_PER_S_MIN` for each second since it was begun,
//! and `BYTES_PER_LOG_BYTE` for each byte of log applied since then. So while little is written it takes its time; and
//! while much is, it is done, if the disk can do it at all, before the log has grown by as many bytes as it has itself.

use std::time::Duration;

/// What is written in a second when nothing else is.
pub const BYTES_PER_S_MIN: u64 = 16 * 1024 * 1024;
/// What may be written besides for each byte of log.
pub const BYTES_PER_LOG_BYTE: u64 = 1;
/// The longest pause without a look at the log, and at whether the store closes.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// How long to wait before more is written.
pub fn pause(written_bytes: u64, log_bytes: u64, elapsed: Duration) -> Option<Duration> {
    let beyond_log = written_bytes.saturating_sub(log_bytes.saturating_mul(BYTES_PER_LOG_BYTE));
    let due_us = beyond_log.saturating_mul(1_000_000) / BYTES_PER_S_MIN;
    let ahead = Duration::from_micros(due_us).saturating_sub(elapsed);
    (!ahead.is_zero()).then_some(ahead.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_not_ahead_of_time_does_not_wait_and_what_is_waits_in_small_parts() {
        assert_eq!(pause(BYTES_PER_S_MIN, 0, SECOND), None);
        assert_eq!(
            pause(BYTES_PER_S_MIN, 0, SECOND - Duration::from_millis(3)),
            Some(Duration::from_millis(3))
        );
        assert_eq!(pause(100 * BYTES_PER_S_MIN, 0, SECOND), Some(PAUSE_MAX));
        assert_eq!(pause(u64::MAX, u64::MAX, Duration::ZERO), None);
        assert_eq!(pause(u64::MAX, 0, Duration::ZERO), Some(PAUSE_MAX));
    }

    #[test]
    fn no_snapshot_waits_once_the_log_has_grown_by_as_much_as_it_has_itself() {
        for written_bytes in [1, 1_000, BYTES_PER_S_MIN, 1 << 40] {
            assert_eq!(
                pause(written_bytes, written_bytes.div_ceil(BYTES_PER_LOG_BYTE), Duration::ZERO),
                None
            );
        }
    }
}
