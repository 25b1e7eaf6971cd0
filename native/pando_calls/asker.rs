//! A process that has asked for something that takes long, and is told of it by messages.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use crate::vm::{Atom, Encoder, Env, LocalPid, OwnedEnv, SavedTerm, Term};

/// See the module.
pub struct Asker {
    pid: LocalPid,
    tag: Atom,
    reference: Mutex<(OwnedEnv, SavedTerm)>,
}

impl Asker {
    /// The calling process of `env`, which knows it by `tag` and `reference`.
    pub fn new(env: Env<'_>, tag: Atom, reference: Term<'_>) -> Asker {
        let kept = OwnedEnv::new();
        let saved = kept.save(reference);
        Asker { pid: env.pid(), tag, reference: Mutex::new((kept, saved)) }
    }

    /// Sends `{Tag, Reference, Event}`. `Break`: the process is gone.
    pub fn tell(&self, event: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) -> ControlFlow<()> {
        let sent = OwnedEnv::new().send_and_clear(&self.pid, |env| {
            let (kept, saved) = &*self.reference.lock().unwrap_or_else(PoisonError::into_inner);
            let reference = kept.run(|kept| saved.load(kept).in_env(env));
            (self.tag, reference, event(env)).encode(env)
        });
        if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}
