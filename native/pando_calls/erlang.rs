//! Erlang processes as the bridge's other side.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::vm::{Atom, Encoder, Env, LocalPid, NifResult, OwnedEnv, Resource, SavedTerm, Term};
use pando_bridge::{Beam, OpenFailure, Opening, SharedBridge, Verification, VerificationObserver};
use pando_store::Outcome;
use pando_store::cluster::{ClusterAnswer, ClusterError, ClusterEvent};
use pando_store::verify::Report;

use super::answers::{answer_term, holds_terms, report_term, store_error_term};
use super::asker::Asker;
use super::atoms;
use super::cluster::{event_term, result_term};
use crate::raw::{AtomKey, key_atom};
use crate::reply::{in_batch, later_answer_term};

/// The stores that are open in this VM.
pub static BRIDGE: SharedBridge<Erlang> = SharedBridge::new();

/// See the module.
pub struct Erlang;

/// Where a reply goes.
pub enum Address {
    /// To nobody.
    Nobody,
    /// To a process, in an environment that becomes the message.
    Process {
        /// The process.
        pid: LocalPid,
        /// Holds the terms that it knows the reply by.
        environment: OwnedEnv,
        /// These terms.
        known_by: KnownBy,
    },
}

/// What tells a process to which of its requests a message is the reply.
pub enum KnownBy {
    /// `{pando_reply, Reference, Reply}`.
    Reference(SavedTerm),
    /// `{ra_event, From, {applied, [{Correlation, Reply}]}}`.
    Correlation {
        /// What stands for the store.
        from: SavedTerm,
        /// An integer or a reference.
        correlation: SavedTerm,
    },
}

impl Address {
    /// The calling process of `env`, known by a reference or by `{From, Correlation}`; nobody for `none`.
    pub fn new(env: Env<'_>, reply_to: Term<'_>) -> NifResult<Address> {
        if reply_to.decode::<Atom>().is_ok_and(|atom| atom == atoms::none()) {
            return Ok(Address::Nobody);
        }
        let environment = OwnedEnv::new();
        let known_by = if reply_to.is_ref() {
            KnownBy::Reference(environment.save(reply_to))
        } else {
            let (from, correlation) = reply_to.decode::<(Term<'_>, Term<'_>)>()?;
            KnownBy::Correlation { from: environment.save(from), correlation: environment.save(correlation) }
        };
        Ok(Address::Process { pid: env.pid(), environment, known_by })
    }

    /// Sends `{pando_reply, Reference, ok}` from within a native function.
    pub fn tell_ok(self, env: Env<'_>) {
        // Who is gone needs no turn: his attempt is collected, and passes it on.
        self.tell(env, atoms::ok().to_term(env));
    }

    /// Sends `{pando_reply, Reference, Reply}` from within a native function.
    pub fn tell<'a>(self, env: Env<'a>, reply: Term<'a>) {
        let Address::Process { pid, environment, known_by: KnownBy::Reference(reference) } = self else {
            return;
        };
        let reference = environment.run(|kept| reference.load(kept).in_env(env));
        let _ = env.send(&pid, (atoms::pando_reply(), reference, reply));
    }
}

fn reply_term(env: Env<'_>, outcome: Outcome) -> Term<'_> {
    match outcome {
        Ok(applied) if holds_terms(&applied.answer) => {
            (atoms::answer(), later_answer_term(env, applied.answer)).encode(env)
        }
        Ok(applied) => answer_term(env, &applied.answer),
        Err(error) => (atoms::error(), store_error_term(env, &error)).encode(env),
    }
}

/// The process that owns an open store.
pub struct Owner {
    /// Its pid.
    pub pid: LocalPid,
}

impl Owner {
    fn tell(&self, message: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) {
        // An owner that is gone needs to hear nothing.
        let _ = OwnedEnv::new().send_and_clear(&self.pid, message);
    }
}

impl Beam for Erlang {
    type Key = AtomKey;
    type Address = Address;
    type Owner = Owner;

    fn is_scheduler() -> bool {
        crate::vm::is_scheduler_thread()
    }

    fn in_batch(replies: impl FnOnce()) {
        in_batch(replies);
    }

    fn reply(address: Address, outcome: Outcome) {
        let Address::Process { pid, mut environment, known_by } = address else { return };
        // A caller that is gone needs no reply.
        let _ = environment.send_and_clear(&pid, |env| match known_by {
            KnownBy::Reference(reference) => {
                (atoms::pando_reply(), reference.load(env), reply_term(env, outcome)).encode(env)
            }
            KnownBy::Correlation { from, correlation } => {
                let correlation = correlation.load(env);
                let applied = (atoms::applied(), vec![(correlation, reply_term(env, outcome))]);
                (atoms::ra_event(), from.load(env), applied).encode(env)
            }
        });
    }

    fn cluster_reply(address: Address, result: Result<ClusterAnswer, ClusterError>) {
        let Address::Process { pid, mut environment, known_by: KnownBy::Reference(reference) } = address
        else {
            return;
        };
        // A caller that is gone needs no reply.
        let _ = environment.send_and_clear(&pid, |env| {
            (atoms::pando_reply(), reference.load(env), result_term(env, &result)).encode(env)
        });
    }

    fn opened(owner: &Owner, key: AtomKey, result: Result<(), OpenFailure>) {
        owner.tell(|env| {
            let result = match result {
                Ok(()) => atoms::ok().to_term(env),
                Err(OpenFailure::Busy) => (atoms::error(), atoms::busy()).encode(env),
                Err(OpenFailure::Panicked(text)) => {
                    (atoms::error(), (atoms::open_failed(), "panic", text)).encode(env)
                }
                Err(OpenFailure::Store(error)) => {
                    (atoms::error(), (atoms::open_failed(), error.trouble().name(), error.to_string()))
                        .encode(env)
                }
            };
            (atoms::pando_opened(), key_atom(env, key), result).encode(env)
        });
    }

    fn closed(owner: &Owner, key: AtomKey) {
        owner.tell(|env| (atoms::pando_closed(), key_atom(env, key)).encode(env));
    }

    fn halted(owner: &Owner, key: AtomKey, reason: &str) {
        owner.tell(|env| (atoms::pando_halted(), key_atom(env, key), reason).encode(env));
    }

    fn notice(owner: &Owner, key: AtomKey, text: &str) {
        owner.tell(|env| (atoms::pando_notice(), key_atom(env, key), text).encode(env));
    }

    fn progress(owner: &Owner, key: AtomKey, text: &str) {
        owner.tell(|env| (atoms::pando_progress(), key_atom(env, key), text).encode(env));
    }

    fn cluster_event(owner: &Owner, key: AtomKey, event: &ClusterEvent) {
        owner.tell(|env| (atoms::pando_event(), key_atom(env, key), event_term(env, event)).encode(env));
    }
}

/// Held by the process that opened a store: when the process dies without closing, the store closes by itself.
pub struct OpenHandle {
    key: AtomKey,
    opening: Mutex<Option<Opening>>,
}

#[crate::vm::resource_impl]
impl Resource for OpenHandle {}

impl OpenHandle {
    /// Guards one opening.
    pub fn new(key: AtomKey, opening: Opening) -> OpenHandle {
        OpenHandle { key, opening: Mutex::new(Some(opening)) }
    }

    fn take(&self) -> Option<Opening> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for OpenHandle {
    fn drop(&mut self) {
        if let Some(opening) = self.take() {
            BRIDGE.get().close(self.key, Some(opening), None::<Arc<Owner>>);
        }
    }
}

/// The process that has asked for a verification.
pub struct VerificationOwner(Asker);

impl VerificationOwner {
    /// The calling process of `env`, and the reference that it knows it by.
    pub fn new(env: Env<'_>, reference: Term<'_>) -> VerificationOwner {
        VerificationOwner(Asker::new(env, atoms::pando_verify(), reference))
    }
}

impl VerificationObserver for VerificationOwner {
    fn progress(&self, path: &Path, read_bytes: u64, size_bytes: u64) -> ControlFlow<()> {
        self.0.tell(|env| {
            (atoms::progress(), path.to_string_lossy().as_ref(), read_bytes, size_bytes).encode(env)
        })
    }

    fn ended(&self, result: Result<Vec<Report>, String>) {
        // A process that is gone needs to hear nothing.
        let _ = self.0.tell(|env| {
            let result = match result {
                Ok(reports) => {
                    let reports: Vec<Term<'_>> =
                        reports.iter().map(|report| report_term(env, report)).collect();
                    (atoms::ok(), reports).encode(env)
                }
                Err(text) => (atoms::error(), text).encode(env),
            };
            (atoms::ended(), result).encode(env)
        });
    }
}

/// A verification in Erlang's hands. When its process dies, it is collected, and the verification ends.
pub struct VerificationHandle(Verification);

#[crate::vm::resource_impl]
impl Resource for VerificationHandle {}

impl VerificationHandle {
    /// In Erlang's hands from now on.
    pub fn new(verification: Verification) -> VerificationHandle {
        VerificationHandle(verification)
    }

    /// Nobody wants to know any more.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}
