//! What all open stores of one operating-system process share: the tokio runtime of consensus, and the reaper.
//!
//! It belongs to the first open store and goes with the last; a loaded library without a store runs nothing.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::{Builder, Runtime};

use crate::reaper::Reaper;

/// Threads that run consensus tasks. One waits for a disk only where it reads entries that the log no longer has in memory:
/// when a store opens.
const CONSENSUS_THREADS: usize = 1;
/// Memory of each thread's stack.
const STACK_SIZE_BYTES: usize = 2 * 1024 * 1024;

/// See the module.
pub struct Engine {
    runtime: Option<Runtime>,
    reaper: Reaper,
}

static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());

impl Engine {
    /// The process's engine, started if this is the first store.
    pub fn shared() -> std::io::Result<Arc<Engine>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = shared.upgrade() {
            return Ok(engine);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(CONSENSUS_THREADS)
            .thread_name("pando-consensus")
            .thread_stack_size(STACK_SIZE_BYTES)
            .enable_time()
            .build()?;
        let engine = Arc::new(Engine { runtime: Some(runtime), reaper: Reaper::start()? });
        *shared = Arc::downgrade(&engine);
        Ok(engine)
    }

    /// The consensus runtime, if it still runs (it does until the engine is dropped).
    pub fn handle(&self) -> Option<&tokio::runtime::Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }

    /// The reaper.
    pub fn reaper(&self) -> &Reaper {
        &self.reaper
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Whoever drops the last store must not wait for tasks.
            runtime.shutdown_background();
        }
    }
}
