//! What calls have made and Erlang holds, by the id of the call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use external_terms::Object;

/// See the module.
#[derive(Default)]
pub struct Objects(Mutex<HashMap<u64, Object>>);

impl Objects {
    /// Keeps one.
    pub fn keep(&self, id: u64, object: Object) {
        self.lock().insert(id, object);
    }

    /// One of them.
    pub fn get(&self, id: u64) -> Option<Object> {
        self.lock().get(&id).cloned()
    }

    /// Lets one go.
    pub fn release(&self, id: u64) {
        // What dropping it does is not done under the lock.
        let released = self.lock().remove(&id);
        drop(released);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Object>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
