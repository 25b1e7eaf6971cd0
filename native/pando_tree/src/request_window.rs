//! The window of requests that were applied: what a command that is sent again is told instead of being applied again.
//!
//! Invariants:
//! 1. It depends on nothing but the commands applied, in their order; no clock decides. So every replica has the same.
//! 2. It holds the last `REQUESTS_KEPT_MAX` requests at most, and at most `REQUESTS_SIZE_BYTES_MAX` bytes of what is kept with
//!    them; the oldest go first. An id that has gone is a new one: the window promises nothing beyond itself.
//! 3. A request is in both maps or in none, and each id is there once.
//! 4. A copy costs two references.

use std::fmt;
use std::sync::Arc;

use crate::answer::{Answer, Repeated};
use crate::command::Once;
use crate::limits::{
    Limit, REQUEST_ANSWER_SIZE_BYTES_MAX, REQUEST_ID_SIZE_BYTES_MAX, REQUESTS_KEPT_MAX,
    REQUESTS_SIZE_BYTES_MAX,
};
use crate::sorted_map::{Cursor, SortedMap};

/// What names a request: bytes that the caller chose, and that mean nothing here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Arc<[u8]>);

impl RequestId {
    /// The id of these bytes, of which there must be one at least and `REQUEST_ID_SIZE_BYTES_MAX` at most.
    pub fn new(bytes: &[u8]) -> Result<RequestId, Limit> {
        match bytes.len() {
            1..=REQUEST_ID_SIZE_BYTES_MAX => Ok(RequestId(Arc::from(bytes))),
            _ => Err(Limit::RequestIdSizeBytes),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<<\"{}\">>", self.0.escape_ascii())
    }
}

/// A request that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    /// The encoded answer, if it was small enough.
    pub(crate) answer: Option<Arc<[u8]>>,
    pub(crate) note: Option<Arc<[u8]>>,
}

impl Request {
    /// What counts of the bytes that the window may hold: the same on every machine, so not what the allocator takes.
    pub(crate) fn size_bytes(&self) -> usize {
        let kept = [self.answer.as_deref(), self.note.as_deref()];
        self.id.bytes().len() + kept.into_iter().flatten().map(<[u8]>::len).sum::<usize>()
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestWindow {
    /// By their numbers, which ascend in the order of applying.
    requests: SortedMap<u64, Arc<Request>>,
    numbers: SortedMap<RequestId, u64>,
    next_number: u64,
    size_bytes: usize,
}

/// How much a window holds.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    requests_max: u64,
    size_bytes_max: usize,
}

const BOUNDS: Bounds =
    Bounds { requests_max: REQUESTS_KEPT_MAX as u64, size_bytes_max: REQUESTS_SIZE_BYTES_MAX };

// The newest always fits, so a window that has room for one never ends up empty.
const _: () =
    assert!(REQUEST_ID_SIZE_BYTES_MAX + 2 * REQUEST_ANSWER_SIZE_BYTES_MAX <= REQUESTS_SIZE_BYTES_MAX);

impl RequestWindow {
    /// What is told of a request that was applied.
    pub(crate) fn repeated(&self, id: &RequestId) -> Option<Repeated> {
        let request = self.requests.get(self.numbers.get(id)?)?;
        let decoded = |bytes: &Arc<[u8]>| Answer::decode(bytes).ok().map(|(answer, _)| answer);
        Some(Repeated { answer: request.answer.as_ref().and_then(decoded), note: request.note.clone() })
    }

    /// Keeps a request that is not in the window, if its command did something.
    pub(crate) fn keep(&mut self, once: &Once, answer: &Answer) {
        if matches!(answer, Answer::Refused(_) | Answer::Conflict(_) | Answer::Repeated(_)) {
            return; // Nothing happened: to try again is right.
        }
        let answer = answer.encode_within(REQUEST_ANSWER_SIZE_BYTES_MAX).map(Arc::from);
        let note = once.note.clone().filter(|note| note.len() <= REQUEST_ANSWER_SIZE_BYTES_MAX);
        self.push(Request { id: once.id.clone(), answer, note }, BOUNDS);
    }

    fn push(&mut self, request: Request, bounds: Bounds) {
        self.size_bytes += request.size_bytes();
        self.numbers.insert(request.id.clone(), self.next_number);
        self.requests.insert(self.next_number, Arc::new(request));
        self.next_number += 1;
        while self.requests.len() > bounds.requests_max || self.size_bytes > bounds.size_bytes_max {
            let Some(number) = self.requests.iter().next().map(|(number, _)| *number) else { return };
            if let Some(oldest) = self.requests.remove(&number) {
                self.size_bytes -= oldest.size_bytes();
                self.numbers.remove(&oldest.id);
            }
        }
    }

    /// A window of these requests, the oldest first. `None` when they are more than one holds, or an id is there twice.
    pub(crate) fn from_requests(requests: Vec<Request>) -> Option<RequestWindow> {
        let size_bytes = requests.iter().map(Request::size_bytes).sum();
        let next_number = requests.len() as u64;
        if next_number > BOUNDS.requests_max || size_bytes > BOUNDS.size_bytes_max {
            return None;
        }
        let mut numbers: Vec<_> = (0..).zip(&requests).map(|(number, of)| (of.id.clone(), number)).collect();
        numbers.sort();
        let numbers = SortedMap::from_sorted(numbers)?;
        let requests = SortedMap::from_sorted((0..).zip(requests.into_iter().map(Arc::new)).collect())?;
        Some(RequestWindow { requests, numbers, next_number, size_bytes })
    }

    pub(crate) fn len(&self) -> u64 {
        self.requests.len()
    }

    /// The requests, the oldest first, through a cursor that holds them.
    pub(crate) fn cursor(&self) -> Cursor<u64, Arc<Request>> {
        self.requests.cursor()
    }

    /// Checks the invariants.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        assert_eq!(self.requests.len(), self.numbers.len());
        let mut size_bytes = 0;
        for (number, request) in self.requests.iter() {
            assert_eq!(self.numbers.get(&request.id), Some(number));
            assert!(*number < self.next_number);
            size_bytes += request.size_bytes();
        }
        assert_eq!(self.size_bytes, size_bytes);
        assert!(self.len() <= BOUNDS.requests_max && size_bytes <= BOUNDS.size_bytes_max);
    }
}

#[cfg(test)]
#[path = "request_window_test.rs"]
mod tests;
