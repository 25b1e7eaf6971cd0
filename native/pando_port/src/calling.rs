//! The process behind one call.
//!
//! Invariant: of a call whose result says that it lives on, or was not sent, and of which somebody had kept the process, the end
//! is told once: when nobody keeps it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use external_terms::{Caller, Object, OwnedBinary};

use crate::frame::{Subject, end_frame, parts};
use crate::held;
use crate::objects::Objects;
use crate::output::Output;

/// How long a message to other nodes waits for a VM that does not read. Then it is lost, as on a bad line.
const SEND_WAIT_MAX_MS: u64 = 1_000;

/// What all calls share.
#[derive(Clone)]
pub struct Shared {
    /// To the VM.
    pub output: Arc<Output>,
    /// What calls have made.
    pub objects: Arc<Objects>,
    /// Numbers for messages to other processes.
    pub streams: Arc<AtomicU64>,
}

/// See the module.
pub struct Calling {
    id: u64,
    shared: Shared,
    /// The call has made something.
    has_kept: AtomicBool,
    /// The VM waits for the end.
    is_end_told: AtomicBool,
}

/// What a call has come to.
pub struct Outcome {
    /// A term with its version byte.
    pub term: OwnedBinary,
    /// It is why the call failed.
    pub is_raised: bool,
}

impl Calling {
    /// The process that makes call `id`.
    pub fn new(id: u64, shared: Shared) -> Arc<Calling> {
        Arc::new(Calling {
            id,
            shared,
            has_kept: AtomicBool::new(false),
            is_end_told: AtomicBool::new(false),
        })
    }

    /// The call has ended: tells the VM, unless a quiet one has gone well.
    pub fn end_call(self: Arc<Calling>, outcome: &Outcome, is_quiet: bool) {
        let is_watched = Arc::strong_count(&self) > 1;
        let is_silent = is_quiet && !outcome.is_raised && is_ok(outcome.term.as_slice());
        if is_watched || is_silent {
            self.is_end_told.store(true, Ordering::Release);
        }
        if !is_silent {
            let lives_on = is_watched || self.has_kept.load(Ordering::Acquire);
            let subject = Subject::Result { id: self.id, lives_on, is_raised: outcome.is_raised };
            held::send(&self.shared.output, parts(subject, outcome.term.as_slice()), None);
        }
    }
}

/// Whether a term is `ok` or `{ok, _}`.
fn is_ok(term: &[u8]) -> bool {
    const OK: &[u8] = &[119, 2, b'o', b'k'];
    match term {
        [131, 104, 2, rest @ ..] => rest.starts_with(OK),
        [131, rest @ ..] => rest == OK,
        _ => false,
    }
}

impl Caller for Calling {
    fn message(&self, message: Vec<u8>) -> bool {
        held::send(&self.shared.output, parts(Subject::Message { id: self.id }, &message), None)
    }

    fn send(&self, pid: &[u8], message: Vec<u8>) -> bool {
        // `{Pid, Message}`; both come with a version byte, which a tuple has once. One copy: a message may be a large frame.
        let inner = |term| <[u8]>::get(term, 1..).unwrap_or_default();
        let body = [&[131, 104, 2], inner(pid), inner(&message)].concat();
        let stream = self.shared.streams.fetch_add(1, Ordering::Relaxed);
        let wait_max = Duration::from_millis(SEND_WAIT_MAX_MS);
        held::send(&self.shared.output, parts(Subject::Send { stream }, &body), Some(wait_max))
    }

    fn keep(&self, object: Object) -> u64 {
        self.has_kept.store(true, Ordering::Release);
        self.shared.objects.keep(self.id, object);
        self.id
    }

    fn kept(&self, number: u64) -> Option<Object> {
        self.shared.objects.get(number)
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if self.is_end_told.load(Ordering::Acquire) {
            self.shared.objects.release(self.id);
            held::send(&self.shared.output, std::iter::once(end_frame(self.id)), None);
        }
    }
}

#[cfg(test)]
#[path = "calling_test.rs"]
mod tests;
