//! Processes, and messages to them.

use std::sync::Arc;

use crate::resource::Object;
use crate::write::write;
use crate::{Decoder, Env, Error, Heap, NifResult, Term};

/// The process behind one call, as the program that serves it knows it.
pub trait Caller: Send + Sync {
    /// Sends it a message, in the external format with the version byte. False: it cannot be reached any more.
    fn message(&self, message: Vec<u8>) -> bool;
    /// The same for another process, by its pid in that format.
    fn send(&self, pid: &[u8], message: Vec<u8>) -> bool;
    /// Keeps what the call has made; gives the number that stands for it.
    fn keep(&self, object: Object) -> u64;
    /// What an earlier call has made.
    fn kept(&self, number: u64) -> Option<Object>;
}

/// A process of the VM.
#[derive(Clone)]
pub struct LocalPid(Process);

#[derive(Clone)]
enum Process {
    Nobody,
    Caller(Arc<dyn Caller>),
    Other { pid: Arc<[u8]>, by: Arc<dyn Caller> },
}

/// The process cannot be reached any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendError;

impl LocalPid {
    pub(crate) fn of_caller(caller: Option<Arc<dyn Caller>>) -> LocalPid {
        LocalPid(caller.map_or(Process::Nobody, Process::Caller))
    }

    pub(crate) fn deliver(&self, message: &Term<'_>) -> Result<(), SendError> {
        let is_sent = match &self.0 {
            Process::Nobody => false,
            Process::Caller(caller) => caller.message(message.to_binary().into_vec()),
            Process::Other { pid, by } => by.send(pid, message.to_binary().into_vec()),
        };
        if is_sent { Ok(()) } else { Err(SendError) }
    }
}

impl Decoder<'_> for LocalPid {
    fn decode(term: Term<'_>) -> NifResult<LocalPid> {
        let caller = term.get_env().heap.caller().cloned();
        match caller {
            Some(by) if term.is_pid() => {
                Ok(LocalPid(Process::Other { pid: term.to_binary().as_slice().into(), by }))
            }
            _ => Err(Error::BadArg),
        }
    }
}

/// A term that outlives its call.
#[derive(Clone)]
pub struct SavedTerm(Arc<[u8]>);

impl SavedTerm {
    /// It, in a heap.
    pub fn load<'a>(&self, env: Env<'a>) -> Term<'a> {
        Term::of_external(env, &self.0)
    }
}

/// Where terms are kept, and messages made, outside of a call. Kept terms are with their [`SavedTerm`].
#[derive(Default)]
pub struct OwnedEnv;

impl OwnedEnv {
    /// An empty one.
    pub fn new() -> OwnedEnv {
        OwnedEnv
    }

    /// Keeps a term.
    pub fn save(&self, term: Term<'_>) -> SavedTerm {
        let mut bytes = Vec::new();
        write(term, &mut bytes);
        SavedTerm(bytes.into())
    }

    /// Works with what is kept.
    pub fn run<R>(&self, work: impl for<'a> FnOnce(Env<'a>) -> R) -> R {
        let heap = Heap::default();
        work(heap.env())
    }

    /// Sends what `message` makes.
    pub fn send_and_clear(
        &mut self,
        pid: &LocalPid,
        message: impl for<'a> FnOnce(Env<'a>) -> Term<'a>,
    ) -> Result<(), SendError> {
        let heap = Heap::default();
        pid.deliver(&message(heap.env()))
    }
}
