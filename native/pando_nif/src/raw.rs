//! The calls to the VM's native interface that rustler has no safe form of. The only file with `unsafe` in this crate.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};

use rustler::sys::{ErlNifCharEncoding, ErlNifTerm, enif_get_atom, enif_is_atom};
use rustler::{Env, Term};

/// An atom's text has at most 255 characters, so in Latin-1 it and the terminator fit.
const ATOM_BUFFER_SIZE_BYTES: usize = 256;

/// The text of an atom in Latin-1, handed to `use_text`; `None` for other terms and for atoms outside of Latin-1.
pub fn with_latin1_atom<R>(term: Term<'_>, use_text: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let mut buffer = [0u8; ATOM_BUFFER_SIZE_BYTES];
    // SAFETY: the term belongs to its environment; the buffer is as long as we say. The call writes at most that many
    // bytes, a terminating zero among them, and returns how many, or 0 for what is no atom or does not fit the encoding.
    let written = unsafe {
        enif_get_atom(
            term.get_env().as_c_arg(),
            term.as_c_arg(),
            buffer.as_mut_ptr().cast::<c_char>(),
            ATOM_BUFFER_SIZE_BYTES as u32,
            ErlNifCharEncoding::ERL_NIF_LATIN1,
        )
    };
    let length = usize::try_from(written).ok()?.checked_sub(1)?;
    buffer.get(..length).map(use_text)
}

/// The term of stored external-format bytes. Atoms are made as needed: the bytes were written by this store from terms,
/// and after a restart their atoms may not exist yet. `None` if the bytes are no term.
pub fn stored_term<'a>(env: Env<'a>, bytes: &[u8]) -> Option<Term<'a>> {
    // SAFETY: "trusted" in the callee's name only means that atoms may be created; the VM checks the bytes all the same
    // and answers 0 for malformed ones.
    let (term, used) = unsafe { env.binary_to_term_trusted(bytes) }?;
    (used == bytes.len()).then_some(term)
}

/// An atom of this VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AtomKey(ErlNifTerm);

/// An atom as a key: its term is an immediate word that stands for the same atom as long as the VM lives.
pub fn atom_key(term: Term<'_>) -> Option<AtomKey> {
    // SAFETY: the term belongs to its environment.
    let is_atom = unsafe { enif_is_atom(term.get_env().as_c_arg(), term.as_c_arg()) } != 0;
    is_atom.then(|| AtomKey(term.as_c_arg()))
}

/// The atom of a key that [`atom_key`] gave.
pub fn key_atom(env: Env<'_>, key: AtomKey) -> Term<'_> {
    // SAFETY: atoms are immediate words, valid in every environment and never collected; `key` came from `atom_key`.
    unsafe { Term::new(env, key.0) }
}

/// Keeps this library mapped until the VM ends, because threads of open stores may outlive the module.
pub fn pin_library() {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let inside: *const c_void = (pin_library as fn()) as *const c_void;
    // SAFETY: `dladdr` fills `info` with pointers that stay valid while the library is mapped, which it is: we run in it.
    // `dlopen` of the same name with NOLOAD only raises its count; the handle is not closed on purpose.
    unsafe {
        if libc::dladdr(inside, &mut info) != 0 && !info.dli_fname.is_null() {
            libc::dlopen(info.dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}
