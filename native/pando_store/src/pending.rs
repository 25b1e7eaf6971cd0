//! Callers whose commands are proposed and not yet applied, by the first sequence number of their batch; and barriers.
//!
//! Invariants
//! 1. A batch is entered before it is proposed. Its callers are taken exactly once: when it is applied here, when a later one is
//!    (then it never will be), when its proposal is refused, or when the store ends. Who took them answers them and then says so ([`Pending::answered`]).
//! 2. No more than `entries_max` batches are entered at a time; [`Pending::wait_for_room`] waits for room.
//! 3. A barrier is entered behind the batches that were entered before it. It is handed out when consensus has told how
//!    far one must have applied to read, and the callers of those batches were answered; or when the store ends.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::waiter::Waiter;

struct Entered<T> {
    batches: BTreeMap<u64, Batch<T>>,
    /// Barriers whose index is not known yet, by numbers of their own.
    asking: BTreeMap<u64, Asking<T>>,
    next_asking: u64,
    /// Set when the store ends: nothing may be entered any more.
    ended: bool,
}

struct Batch<T> {
    /// `None` while they are being answered.
    callers: Option<Vec<T>>,
    /// Barriers that wait for this batch, and for those before it.
    barriers: Vec<Waiter<T>>,
}

struct Asking<T> {
    /// Batches below this sequence number were entered before.
    before: u64,
    barriers: Vec<Waiter<T>>,
}

/// See the module.
pub struct Pending<T> {
    entered: Mutex<Entered<T>>,
    changed: Condvar,
    entries_max: usize,
}

impl<T> Pending<T> {
    /// Room for `entries_max` batches.
    pub fn new(entries_max: usize) -> Pending<T> {
        Pending {
            entered: Mutex::new(Entered {
                batches: BTreeMap::new(),
                asking: BTreeMap::new(),
                next_asking: 0,
                ended: false,
            }),
            changed: Condvar::new(),
            entries_max,
        }
    }

    // A panic while the lock is held cannot leave the maps half changed: each critical section is a few map operations.
    fn lock(&self) -> MutexGuard<'_, Entered<T>> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another batch may be entered; `false` when the store has ended.
    pub fn wait_for_room(&self) -> bool {
        let mut entered = self.lock();
        while !entered.ended && entered.batches.len() >= self.entries_max {
            entered = self.changed.wait(entered).unwrap_or_else(PoisonError::into_inner);
        }
        !entered.ended
    }

    /// Enters a batch; gives the callers back when the store has ended.
    pub fn enter(&self, first_sequence: u64, callers: Vec<T>) -> Result<(), Vec<T>> {
        let mut entered = self.lock();
        if entered.ended {
            return Err(callers);
        }
        entered.batches.insert(first_sequence, Batch { callers: Some(callers), barriers: Vec::new() });
        Ok(())
    }

    /// Whether a batch is entered, and its callers have not been answered.
    pub fn holds(&self, first_sequence: u64) -> bool {
        self.lock().batches.contains_key(&first_sequence)
    }

    /// Takes the callers of one batch; `None` if they were taken before or are not of this opening.
    pub fn take(&self, first_sequence: u64) -> Option<Vec<T>> {
        self.lock().batches.get_mut(&first_sequence)?.callers.take()
    }

    /// Takes the callers of all batches below a sequence number that were not taken before, in the order of the batches.
    pub fn take_before(&self, sequence: u64) -> Vec<(u64, Vec<T>)> {
        let mut entered = self.lock();
        let before = entered.batches.range_mut(..sequence);
        before.filter_map(|(first_sequence, batch)| Some((*first_sequence, batch.callers.take()?))).collect()
    }

    /// The callers of a batch have their answers: makes room, and gives the barriers that waited for it alone.
    pub fn answered(&self, first_sequence: u64) -> Vec<Waiter<T>> {
        let mut entered = self.lock();
        let Some(batch) = entered.batches.remove(&first_sequence) else { return Vec::new() };
        let ready = entered.behind_batches(first_sequence, batch.barriers);
        drop(entered);
        self.changed.notify_all();
        ready
    }

    /// Enters barriers behind all batches below a sequence number, and gives the number to tell their index by; gives them
    /// back when the store has ended.
    pub fn enter_barriers(&self, before: u64, barriers: Vec<Waiter<T>>) -> Result<u64, Vec<Waiter<T>>> {
        let mut entered = self.lock();
        if entered.ended {
            return Err(barriers);
        }
        let number = entered.next_asking;
        entered.next_asking += 1;
        entered.asking.insert(number, Asking { before, barriers });
        Ok(number)
    }

    /// The index that must be applied for these barriers is known: gives those that have no batch to wait for.
    pub fn barriers_until(&self, number: u64, index: u64) -> Vec<Waiter<T>> {
        let mut entered = self.lock();
        let Some(Asking { before, barriers }) = entered.asking.remove(&number) else { return Vec::new() };
        let barriers = barriers.into_iter().map(|barrier| barrier.until(index)).collect();
        let ready = entered.behind_batches(before, barriers);
        drop(entered);
        self.changed.notify_all();
        ready
    }

    /// Takes barriers whose index nobody can tell.
    pub fn take_barriers(&self, number: u64) -> Vec<Waiter<T>> {
        let taken = self.lock().asking.remove(&number);
        self.changed.notify_all();
        taken.map(|asking| asking.barriers).unwrap_or_default()
    }

    /// Waits until no batch and no barrier is entered, at most for `timeout`; `false` when some were left.
    pub fn wait_until_empty(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut entered = self.lock();
        while !entered.is_empty() && !entered.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            entered = self.changed.wait_timeout(entered, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        entered.is_empty()
    }

    /// Ends: hands out everybody who still waits, in the order of their commands and barriers last, and refuses later
    /// entries.
    pub fn end(&self) -> Vec<T> {
        let mut entered = self.lock();
        entered.ended = true;
        let batches = std::mem::take(&mut entered.batches);
        let asking = std::mem::take(&mut entered.asking);
        drop(entered);
        self.changed.notify_all();
        let mut left = Vec::new();
        let mut barriers = Vec::new();
        for batch in batches.into_values() {
            left.extend(batch.callers.into_iter().flatten());
            barriers.extend(batch.barriers);
        }
        barriers.extend(asking.into_values().flat_map(|asking| asking.barriers));
        left.extend(barriers.into_iter().map(Waiter::into_ticket));
        left
    }
}

impl<T> Entered<T> {
    fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.asking.is_empty()
    }

    /// Puts barriers behind the newest batch below a sequence number; gives them back when there is none.
    fn behind_batches(&mut self, before: u64, barriers: Vec<Waiter<T>>) -> Vec<Waiter<T>> {
        match self.batches.range_mut(..before).next_back() {
            Some((_, batch)) => {
                batch.barriers.extend(barriers);
                Vec::new()
            }
            None => barriers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiter::Places;
    use std::sync::Arc;

    #[test]
    fn a_batch_is_taken_once() {
        let pending = Pending::new(2);
        pending.enter(1, vec!['a', 'b']).unwrap();
        assert_eq!(pending.take(1), Some(vec!['a', 'b']));
        assert_eq!(pending.take(1), None);
        assert!(pending.answered(1).is_empty());
        assert_eq!(pending.take(1), None);
    }

    #[test]
    fn batches_below_a_number_are_handed_out_in_order_unless_they_were_taken() {
        let pending = Pending::new(5);
        for (first_sequence, caller) in [(5, 'c'), (1, 'a'), (3, 'b'), (7, 'd')] {
            pending.enter(first_sequence, vec![caller]).unwrap();
        }
        assert_eq!(pending.take(3), Some(vec!['b']));
        assert_eq!(pending.take_before(7), [(1, vec!['a']), (5, vec!['c'])]);
        assert_eq!(pending.take_before(7), []);
        assert_eq!(pending.end(), ['d']);
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
    fn room_is_made_when_the_callers_were_answered() {
        let pending = Arc::new(Pending::new(1));
        pending.enter(1, vec![()]).unwrap();
        let waiting = std::thread::spawn({
            let pending = pending.clone();
            move || pending.wait_for_room()
        });
        assert!(!pending.wait_until_empty(Duration::from_millis(1)));
        assert_eq!(pending.take(1), Some(vec![()]));
        assert!(!pending.wait_until_empty(Duration::from_millis(1)));
        assert!(pending.answered(1).is_empty());
        assert!(waiting.join().unwrap());
        assert!(pending.wait_until_empty(Duration::from_millis(1)));
    }

    fn barriers(tickets: &[char]) -> Vec<Waiter<char>> {
        let places = Places::new(tickets.len());
        tickets.iter().map(|ticket| Waiter::new(*ticket, 0, places.take().unwrap())).collect()
    }

    fn tickets(waiters: Vec<Waiter<char>>) -> Vec<char> {
        waiters.into_iter().map(Waiter::into_ticket).collect()
    }

    #[test]
    fn a_barrier_waits_for_its_index_and_for_every_batch_before_it_and_for_none_behind_it() {
        let pending = Pending::new(3);
        pending.enter(1, vec!['a']).unwrap();
        pending.enter(2, vec!['b']).unwrap();
        let number = pending.enter_barriers(3, barriers(&['x'])).ok().unwrap();
        pending.enter(3, vec!['c']).unwrap();
        assert!(pending.barriers_until(number, 9).is_empty());
        assert_eq!(pending.take(2), Some(vec!['b']));
        assert!(pending.answered(2).is_empty());
        assert_eq!(pending.take(1), Some(vec!['a']));
        let ready = pending.answered(1);
        assert!(ready.iter().all(|barrier| barrier.index() == 9));
        assert_eq!(tickets(ready), ['x']);
        assert_eq!(pending.end(), ['c']);
    }

    #[test]
    fn a_barrier_waits_while_the_callers_of_a_batch_before_it_are_being_answered() {
        let pending = Pending::new(3);
        pending.enter(1, vec!['a']).unwrap();
        let number = pending.enter_barriers(2, barriers(&['x'])).ok().unwrap();
        assert_eq!(pending.take(1), Some(vec!['a']));
        assert!(pending.barriers_until(number, 1).is_empty());
        assert_eq!(tickets(pending.answered(1)), ['x']);
    }

    #[test]
    fn barriers_without_batches_wait_for_their_index_alone() {
        let pending = Pending::new(1);
        let (first, second) =
            (pending.enter_barriers(1, barriers(&['x', 'y'])), pending.enter_barriers(1, barriers(&['z'])));
        assert!(!pending.wait_until_empty(Duration::from_millis(1)));
        assert_eq!(tickets(pending.take_barriers(second.ok().unwrap())), ['z']);
        assert_eq!(tickets(pending.barriers_until(first.ok().unwrap(), 1)), ['x', 'y']);
        assert!(pending.wait_until_empty(Duration::from_millis(1)));
    }

    #[test]
    fn barriers_that_are_left_at_the_end_are_handed_out_behind_all_commands_and_none_enters_afterwards() {
        let pending = Pending::new(3);
        pending.enter(1, vec!['a']).unwrap();
        let number = pending.enter_barriers(2, barriers(&['x'])).ok().unwrap();
        pending.barriers_until(number, 1);
        pending.enter(2, vec!['b']).unwrap();
        assert!(pending.enter_barriers(3, barriers(&['y'])).is_ok());
        assert_eq!(pending.end(), ['a', 'b', 'x', 'y']);
        assert_eq!(pending.enter_barriers(3, barriers(&['z'])).map_err(tickets), Err(vec!['z']));
    }
}
