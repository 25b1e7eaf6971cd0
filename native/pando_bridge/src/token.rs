//! A token: decides by one compare-and-swap whether a caller gets its reply or has given up.
//!
//! Invariants
//! 1. Exactly one of "sent" and "cancelled" ever happens.
//! 2. A reply is marked sent before it is sent. So a caller that fails to cancel may wait for its reply: it is there
//!    or under way.

use std::sync::atomic::{AtomicU8, Ordering};

const PENDING: u8 = 0;
const SENT: u8 = 1;
const CANCELLED: u8 = 2;

/// See the module.
#[derive(Debug, Default)]
pub struct Token {
    state: AtomicU8,
}

impl Token {
    /// The caller gives up: true if no reply will ever come.
    pub fn cancel(&self) -> bool {
        self.decide(CANCELLED)
    }

    /// The reply is about to be sent: true if it may be.
    pub fn mark_sent(&self) -> bool {
        self.decide(SENT)
    }

    /// Whether the caller has given up.
    pub fn is_cancelled(&self) -> bool {
        self.state.load(Ordering::Acquire) == CANCELLED
    }

    fn decide(&self, state: u8) -> bool {
        self.state.compare_exchange(PENDING, state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn of_a_reply_and_a_cancellation_that_race_exactly_one_wins() {
        for _ in 0..2_000 {
            let token = Arc::new(Token::default());
            let other = token.clone();
            let cancelling = std::thread::spawn(move || other.cancel());
            let sent = token.mark_sent();
            let cancelled = cancelling.join().unwrap();
            assert!(sent != cancelled);
            assert_eq!(token.is_cancelled(), cancelled);
        }
    }
}
