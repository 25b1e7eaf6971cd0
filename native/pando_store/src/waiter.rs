//! A caller that waits without a command: for a barrier, or for a log index to be applied here.
//!
//! Invariant: each holds one of the store's places from its admission to its answer, so their number is bounded wherever
//! they wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module.
pub struct Waiter<T> {
    ticket: T,
    index: u64,
    _place: Place,
}

impl<T> Waiter<T> {
    /// Waits until `index` is applied.
    pub fn new(ticket: T, index: u64, place: Place) -> Waiter<T> {
        Waiter { ticket, index, _place: place }
    }

    /// What it waits for.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The same, waiting until `index` is applied.
    pub fn until(self, index: u64) -> Waiter<T> {
        Waiter { index, ..self }
    }

    /// Who waits.
    pub fn ticket(&self) -> &T {
        &self.ticket
    }

    /// Who waited; the place is free again.
    pub fn into_ticket(self) -> T {
        self.ticket
    }
}

/// The places of one store.
pub struct Places {
    taken: Arc<AtomicUsize>,
    places_max: usize,
}

/// One of them, free again when it is dropped.
pub struct Place(Arc<AtomicUsize>);

impl Places {
    /// All are free.
    pub fn new(places_max: usize) -> Places {
        Places { taken: Arc::default(), places_max }
    }

    /// Takes one, if one is free.
    pub fn take(&self) -> Option<Place> {
        let place = Place(self.taken.clone());
        // One too many is given back by the drop of `place`.
        (self.taken.fetch_add(1, Ordering::Relaxed) < self.places_max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_places_are_taken_than_there_are_and_each_comes_back() {
        let places = Places::new(2);
        let first = places.take().unwrap();
        let waiter = Waiter::new('a', 1, places.take().unwrap());
        assert!(places.take().is_none());
        assert!(places.take().is_none());
        drop(first);
        let again = places.take().unwrap();
        assert!(places.take().is_none());
        assert_eq!(waiter.until(2).into_ticket(), 'a');
        assert!(places.take().is_some());
        drop(again);
    }
}
