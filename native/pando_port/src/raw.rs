//! What the calls need of terms beyond the words that rustler has for them.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use external_terms::{Env, Term};

/// Stores that one program has ever heard of. A VM asks each of its programs for one.
const KEYS_MAX: usize = 1_024;

/// The text of an atom in Latin-1, or in ASCII, handed to `use_text`; `None` for other terms and other atoms.
pub fn with_latin1_atom<R>(term: Term<'_>, use_text: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let text = match (term.utf8_atom(), term.latin1_atom()) {
        (Some(text), _) if text.is_ascii() => text.as_bytes(),
        (_, Some(text)) => text,
        _ => return None,
    };
    Some(use_text(text))
}

/// The term of stored external-format bytes; `None` if the bytes are no term.
pub fn stored_term<'a>(env: Env<'a>, bytes: &[u8]) -> Option<Term<'a>> {
    Term::of_stored(env, bytes)
}

/// The name of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AtomKey(usize);

#[derive(Default)]
struct Keys {
    by_name: HashMap<String, AtomKey>,
    names: Vec<String>,
}

fn keys() -> &'static RwLock<Keys> {
    static KEYS: OnceLock<RwLock<Keys>> = OnceLock::new();
    KEYS.get_or_init(RwLock::default)
}

/// An atom as a key. `None` for other terms, and when there are too many already.
pub fn atom_key(term: Term<'_>) -> Option<AtomKey> {
    // The old encoding is not used for atoms outside of ASCII any more.
    let name = term.utf8_atom().or_else(|| std::str::from_utf8(term.latin1_atom()?).ok())?;
    if let Some(key) = keys().read().unwrap_or_else(PoisonError::into_inner).by_name.get(name) {
        return Some(*key);
    }
    let mut keys = keys().write().unwrap_or_else(PoisonError::into_inner);
    if keys.names.len() >= KEYS_MAX {
        return None;
    }
    let key = AtomKey(keys.names.len());
    // Another thread may have been here meanwhile.
    let key = *keys.by_name.entry(name.to_owned()).or_insert(key);
    if key.0 == keys.names.len() {
        keys.names.push(name.to_owned());
    }
    Some(key)
}

/// The atom of a key that [`atom_key`] gave.
pub fn key_atom(env: Env<'_>, key: AtomKey) -> Term<'_> {
    let keys = keys().read().unwrap_or_else(PoisonError::into_inner);
    Term::of_atom_text(env, keys.names.get(key.0).map_or("undefined", String::as_str))
}
