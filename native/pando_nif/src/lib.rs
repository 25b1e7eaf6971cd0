//! The native functions of module `pando_nif`: the calls of `pando_calls`, with terms of the VM.
//!
//! Invariant: nothing is started when the library is loaded.

#[path = "../../pando_calls/mod.rs"]
mod calls;
mod raw;
mod reply;

use rustler::{Atom, Env, Term};

/// The words for terms in which the calls are written.
mod vm {
    pub use rustler::env::SavedTerm;
    pub use rustler::thread::is_scheduler_thread;
    pub use rustler::types::map::MapIterator;
    pub use rustler::types::tuple::get_tuple as tuple_elements;
    pub use rustler::{
        Atom, Binary, Encoder, Env, Error, LocalPid, NewBinary, NifResult, OwnedBinary, OwnedEnv, Resource,
        ResourceArc, Term, atoms, nif, resource_impl,
    };
}

/// `noop() -> ok`: what a call costs on a normal scheduler, for the benchmark's floor.
#[rustler::nif]
fn noop() -> Atom {
    calls::atoms::ok()
}

/// `noop_dirty() -> ok`: the same on a dirty scheduler.
#[rustler::nif(schedule = "DirtyCpu")]
fn noop_dirty() -> Atom {
    calls::atoms::ok()
}

fn load(_env: Env<'_>, _info: Term<'_>) -> bool {
    raw::pin_library();
    true
}

rustler::init!("pando_nif", load = load);
