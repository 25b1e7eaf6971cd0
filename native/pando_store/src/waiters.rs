//! Waiters by the log index that each of them waits to be applied.
//!
//! Invariants
//! 1. A waiter is handed out once: to whoever adds it, when its index is published already; to the apply thread, when it
//!    has published a view that has it; or at the end.
//! 2. None is overlooked: who adds writes the smallest index and then reads what is applied, the apply thread writes what
//!    is applied and then reads the smallest index, all in one total order.
//! 3. While nobody waits for what was applied, the apply thread takes no lock.
//! 4. Waiters whose callers have given up go when [`ADDITIONS_PER_SWEEP`] others have been added, or would have been.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ticket::Ticket;
use crate::waiter::Waiter;

/// The waiters are looked through for cancelled ones each time so many have been added: less than a microsecond for each
/// addition, also when all places are taken.
const ADDITIONS_PER_SWEEP: u32 = 256;

/// See the module.
pub struct Waiters<T> {
    applied: AtomicU64,
    /// The smallest index that somebody waits for; `u64::MAX` for none.
    smallest: AtomicU64,
    waiting: Mutex<Waiting<T>>,
}

struct Waiting<T> {
    by_index: BTreeMap<u64, Vec<Waiter<T>>>,
    additions: u32,
    ended: bool,
}

impl<T: Ticket> Waiters<T> {
    /// Nobody waits; the published view has `applied`.
    pub fn new(applied: u64) -> Waiters<T> {
        Waiters {
            applied: AtomicU64::new(applied),
            smallest: AtomicU64::new(u64::MAX),
            waiting: Mutex::new(Waiting { by_index: BTreeMap::new(), additions: 0, ended: false }),
        }
    }

    // A panic while the lock is held cannot leave the map half changed: each critical section is a few map operations.
    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index that the published view has.
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::SeqCst)
    }

    /// Adds a waiter. Gives those whose index is applied, usually just that one or nobody; gives it back as an error
    /// after the end.
    pub fn add(&self, waiter: Waiter<T>) -> Result<Vec<Waiter<T>>, Waiter<T>> {
        if waiter.index() <= self.applied() {
            return Ok(vec![waiter]);
        }
        let mut waiting = self.lock();
        if waiting.ended {
            return Err(waiter);
        }
        waiting.by_index.entry(waiter.index()).or_default().push(waiter);
        self.note_smallest(&waiting);
        Ok(self.take_applied_of(&mut waiting))
    }

    /// Counts an addition, or one that there was no place for; gives the waiters that were cancelled if it is time to look.
    pub fn sweep(&self) -> Vec<Waiter<T>> {
        let mut waiting = self.lock();
        waiting.additions += 1;
        if waiting.additions < ADDITIONS_PER_SWEEP {
            return Vec::new();
        }
        waiting.additions = 0;
        let mut cancelled = Vec::new();
        for waiters in waiting.by_index.values_mut() {
            cancelled.extend(waiters.extract_if(.., |waiter| waiter.ticket().is_cancelled()));
        }
        waiting.by_index.retain(|_, waiters| !waiters.is_empty());
        self.note_smallest(&waiting);
        cancelled
    }

    /// The published view has `applied` now: later ones do not wait for it. [`Waiters::take_applied`] is due.
    pub fn note_applied(&self, applied: u64) {
        self.applied.store(applied, Ordering::SeqCst);
    }

    /// Those who waited for what is applied now, in the order of their indexes.
    pub fn take_applied(&self) -> Vec<Waiter<T>> {
        if self.smallest.load(Ordering::SeqCst) > self.applied() {
            return Vec::new();
        }
        self.take_applied_of(&mut self.lock())
    }

    /// Ends: hands out everybody who still waits, and refuses later ones.
    pub fn end(&self) -> Vec<Waiter<T>> {
        let mut waiting = self.lock();
        waiting.ended = true;
        let left = std::mem::take(&mut waiting.by_index);
        self.note_smallest(&waiting);
        left.into_values().flatten().collect()
    }

    fn take_applied_of(&self, waiting: &mut Waiting<T>) -> Vec<Waiter<T>> {
        let applied = self.applied();
        let mut taken = Vec::new();
        while let Some(first) = waiting.by_index.first_entry()
            && *first.key() <= applied
        {
            taken.extend(first.remove());
        }
        self.note_smallest(waiting);
        taken
    }

    fn note_smallest(&self, waiting: &Waiting<T>) {
        let smallest = waiting.by_index.first_key_value().map_or(u64::MAX, |(index, _)| *index);
        self.smallest.store(smallest, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiter::Places;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// Cancelled when the flag is set.
    struct Flag(u64, Arc<AtomicBool>);

    impl Ticket for Flag {
        fn is_cancelled(&self) -> bool {
            self.1.load(Ordering::Acquire)
        }

        fn dismiss(self) {}
    }

    fn waiter(places: &Places, index: u64) -> Waiter<Flag> {
        Waiter::new(Flag(index, Arc::default()), index, places.take().unwrap())
    }

    fn indexes(waiters: Vec<Waiter<Flag>>) -> Vec<u64> {
        waiters.into_iter().map(|waiter| waiter.into_ticket().0).collect()
    }

    fn advance(waiters: &Waiters<Flag>, applied: u64) -> Vec<u64> {
        waiters.note_applied(applied);
        indexes(waiters.take_applied())
    }

    fn add(waiters: &Waiters<Flag>, waiter: Waiter<Flag>) -> Vec<u64> {
        indexes(waiters.add(waiter).ok().unwrap())
    }

    #[test]
    fn what_is_applied_already_does_not_wait() {
        let (places, waiters) = (Places::new(10), Waiters::new(5));
        assert_eq!(add(&waiters, waiter(&places, 5)), [5]);
        assert!(add(&waiters, waiter(&places, 6)).is_empty());
        assert_eq!(indexes(waiters.end()), [6]);
    }

    #[test]
    fn an_advance_hands_out_what_it_reached_and_no_more() {
        let (places, waiters) = (Places::new(10), Waiters::new(0));
        for index in [7, 3, 5, 5] {
            assert!(add(&waiters, waiter(&places, index)).is_empty());
        }
        assert!(advance(&waiters, 2).is_empty());
        assert_eq!(advance(&waiters, 5), [3, 5, 5]);
        assert!(advance(&waiters, 6).is_empty());
        assert_eq!(advance(&waiters, 8), [7]);
    }

    #[test]
    fn whoever_is_left_at_the_end_is_handed_out_and_later_ones_are_refused() {
        let (places, waiters) = (Places::new(10), Waiters::new(0));
        assert!(add(&waiters, waiter(&places, 2)).is_empty());
        assert!(add(&waiters, waiter(&places, 1)).is_empty());
        assert_eq!(indexes(waiters.end()), [1, 2]);
        assert!(waiters.add(waiter(&places, 3)).is_err());
        assert!(advance(&waiters, 9).is_empty());
    }

    #[test]
    fn cancelled_ones_go_after_so_many_additions_and_give_their_places_back() {
        let (places, waiters) = (Places::new(3), Waiters::new(0));
        let cancelled = Arc::new(AtomicBool::new(false));
        for index in [4, 9] {
            let ticket = Flag(index, cancelled.clone());
            assert!(add(&waiters, Waiter::new(ticket, index, places.take().unwrap())).is_empty());
        }
        assert!(add(&waiters, waiter(&places, 9)).is_empty());
        cancelled.store(true, Ordering::Release);
        assert!(places.take().is_none());
        let swept: Vec<u64> = (0..ADDITIONS_PER_SWEEP).flat_map(|_| indexes(waiters.sweep())).collect();
        assert_eq!(swept, [4, 9]);
        assert!(places.take().is_some());
        assert_eq!(waiters.smallest.load(Ordering::SeqCst), 9);
        assert_eq!(advance(&waiters, 9), [9]);
    }

    #[test]
    fn nobody_is_overlooked_who_adds_while_the_index_is_applied() {
        const LAST: u64 = 20_000;
        let (places, waiters) = (Places::new(usize::MAX), Arc::new(Waiters::new(0)));
        let applying = std::thread::spawn({
            let waiters = waiters.clone();
            move || (1..=LAST).map(|index| advance(&waiters, index).len()).sum::<usize>()
        });
        let added: usize = (1..=LAST).map(|index| add(&waiters, waiter(&places, index)).len()).sum();
        let advanced = applying.join().unwrap();
        assert!(waiters.end().is_empty());
        assert_eq!(added + advanced, usize::try_from(LAST).unwrap());
    }
}
