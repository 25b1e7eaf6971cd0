//! The bridge as a program behind an Erlang port: frames on standard input and output (`docs/formats.md`, section "Port").
//!
//! Erlang's side is `pando_port_connection`. The calls are those of the NIF library, the same source (`pando_calls`), with terms
//! in the external format.
//!
//! The map: [`frame`] is the form of frames, [`packets`] reads packets of them, [`output`] writes them. `calling` is the process
//! behind a call, `dispatch` finds the call of a name, [`program`] puts it all together.
//!
//! Invariants
//! 1. Nothing is written to standard output but packets.
//! 2. What comes in is checked like any hostile input; what is malformed ends the program, after a line in the log.

mod calling;
#[path = "../../pando_calls/mod.rs"]
mod calls;
mod dispatch;
pub mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod held;
mod objects;
pub mod output;
pub mod packets;
mod parts;
pub mod program;
mod raw;
mod reply;
pub mod waiting;

/// The words for terms in which the calls are written.
mod vm {
    pub use external_terms::{
        Atom, Binary, Encoder, Env, Error, LocalPid, MapIterator, NewBinary, NifResult, OwnedBinary,
        OwnedEnv, Resource, ResourceArc, SavedTerm, Term, atoms, is_scheduler_thread, nif, resource_impl,
        tuple_elements,
    };
}
