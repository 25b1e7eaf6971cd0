//! Callers whose commands are proposed and not yet applied, by the first sequence number of their batch.
//!
//! Invariants
//! 1. A batch is entered before it is proposed and taken out exactly once: when it is applied here, when its proposal
//!    is refused, or when the store ends.
//! 2. No more than `entries_max` batches are entered at a time; [`Pending::wait_for_room`] waits for room.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

struct Batches<T> {
    by_sequence: HashMap<u64, Vec<T>>,
    /// Set when the store ends: nothing may be entered any more.
    ended: bool,
}

/// See the module.
pub struct Pending<T> {
    batches: Mutex<Batches<T>>,
    changed: Condvar,
    entries_max: usize,
}

impl<T> Pending<T> {
    /// Room for `entries_max` batches.
    pub fn new(entries_max: usize) -> Pending<T> {
        Pending {
            batches: Mutex::new(Batches { by_sequence: HashMap::new(), ended: false }),
            changed: Condvar::new(),
            entries_max,
        }
    }

    // A panic while the lock is held cannot leave the map half changed: each critical section is one map operation.
    fn lock(&self) -> MutexGuard<'_, Batches<T>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another batch may be entered; `false` when the store has ended.
    pub fn wait_for_room(&self) -> bool {
        let mut batches = self.lock();
        while !batches.ended && batches.by_sequence.len() >= self.entries_max {
            batches = self.changed.wait(batches).unwrap_or_else(PoisonError::into_inner);
        }
        !batches.ended
    }

    /// Enters a batch; gives the callers back when the store has ended.
    pub fn enter(&self, first_sequence: u64, callers: Vec<T>) -> Result<(), Vec<T>> {
        let mut batches = self.lock();
        if batches.ended {
            return Err(callers);
        }
        batches.by_sequence.insert(first_sequence, callers);
        Ok(())
    }

    /// Takes the callers of one batch; `None` if they were taken before or are not of this opening.
    pub fn take(&self, first_sequence: u64) -> Option<Vec<T>> {
        let taken = self.lock().by_sequence.remove(&first_sequence);
        if taken.is_some() {
            self.changed.notify_all();
        }
        taken
    }

    /// Waits until no batch is entered, at most for `timeout`; `false` when some were left.
    pub fn wait_until_empty(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut batches = self.lock();
        while !batches.by_sequence.is_empty() && !batches.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            batches = self.changed.wait_timeout(batches, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        batches.by_sequence.is_empty()
    }

    /// Ends: hands out everybody who still waits, in the order of their commands, and refuses later entries.
    pub fn end(&self) -> Vec<T> {
        let mut batches = self.lock();
        batches.ended = true;
        let mut left: Vec<(u64, Vec<T>)> = batches.by_sequence.drain().collect();
        drop(batches);
        self.changed.notify_all();
        left.sort_by_key(|(sequence, _)| *sequence);
        left.into_iter().flat_map(|(_, callers)| callers).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_batch_is_taken_once() {
        let pending = Pending::new(2);
        pending.enter(1, vec!['a', 'b']).unwrap();
        assert_eq!(pending.take(1), Some(vec!['a', 'b']));
        assert_eq!(pending.take(1), None);
    }

    #[test]
    fn whoever_is_left_at_the_end_is_handed_out_in_order_and_nobody_enters_afterwards() {
        let pending = Pending::new(3);
        pending.enter(5, vec![5, 6]).unwrap();
        pending.enter(1, vec![1, 2]).unwrap();
        assert_eq!(pending.end(), vec![1, 2, 5, 6]);
        assert_eq!(pending.enter(7, vec![7]), Err(vec![7]));
        assert!(!pending.wait_for_room());
    }

    #[test]
    fn room_is_made_by_taking() {
        let pending = Arc::new(Pending::new(1));
        pending.enter(1, vec![()]).unwrap();
        let waiting = std::thread::spawn({
            let pending = pending.clone();
            move || pending.wait_for_room()
        });
        assert!(!pending.wait_until_empty(Duration::from_millis(1)));
        assert_eq!(pending.take(1), Some(vec![()]));
        assert!(waiting.join().unwrap());
        assert!(pending.wait_until_empty(Duration::from_millis(1)));
    }
}
