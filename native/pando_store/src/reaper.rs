//! The reaper: a thread that frees what is large, so that no scheduler and no thread of a store does.
//!
//! What it is given may still be shared with readers. It waits until it is the last holder and only then drops, so
//! that a reader that lets go never pays for the freeing.
//!
//! Invariants
//! 1. It holds everything once: given the same thing twice (two scans of one root), it would wait for itself for ever.
//! 2. What is shared is looked at again at intervals, however much arrives meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use pando_tree::Node;

use crate::view::View;

/// How often shared garbage is looked at again.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// Memory of the thread's stack; dropping a tree is iterative.
const STACK_SIZE_BYTES: usize = 256 * 1024;

/// Something to free.
pub enum Garbage {
    /// A subtree that a delete detached.
    Subtree(Arc<Node>),
    /// A view that was published before.
    View(Arc<View>),
}

impl Garbage {
    fn is_shared(&self) -> bool {
        match self {
            Garbage::Subtree(node) => Arc::strong_count(node) > 1,
            Garbage::View(view) => Arc::strong_count(view) > 1,
        }
    }

    fn address(&self) -> usize {
        match self {
            Garbage::Subtree(node) => Arc::as_ptr(node).addr(),
            Garbage::View(view) => Arc::as_ptr(view).addr(),
        }
    }
}

/// A handle to the reaper's thread, which ends when the last handle is gone and everything is freed.
// The queue has no bound: refusing garbage would mean to free it where it must not be freed. What is queued exists
// already; the queue itself takes 16 bytes for each.
#[derive(Clone)]
pub struct Reaper {
    garbage: Sender<Garbage>,
}

impl Reaper {
    /// Starts the thread.
    pub fn start() -> std::io::Result<Reaper> {
        let (garbage, incoming) = unbounded();
        std::thread::Builder::new()
            .name("pando-reaper".to_owned())
            .stack_size(STACK_SIZE_BYTES)
            .spawn(move || run(&incoming))?;
        Ok(Reaper { garbage })
    }

    /// Frees `garbage` once nobody else holds it.
    pub fn free(&self, garbage: Garbage) {
        // Without a thread (it could only have panicked) the caller frees it: slow, but nothing leaks.
        let _ = self.garbage.send(garbage);
    }
}

fn run(incoming: &Receiver<Garbage>) {
    // By address, which is unique among what is alive.
    let mut shared: HashMap<usize, Garbage> = HashMap::new();
    let mut next_look = Instant::now();
    loop {
        let next = if shared.is_empty() {
            incoming.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            incoming.recv_deadline(next_look)
        };
        match next {
            Ok(garbage) if garbage.is_shared() => {
                if shared.is_empty() {
                    next_look = Instant::now() + RETRY_INTERVAL;
                }
                // Of something that is here already, the second handle is let go.
                shared.entry(garbage.address()).or_insert(garbage);
            }
            Ok(garbage) => drop(garbage),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if !shared.is_empty() && Instant::now() >= next_look {
            shared.retain(|_, garbage| garbage.is_shared());
            next_look = Instant::now() + RETRY_INTERVAL;
        }
    }
    while !shared.is_empty() {
        std::thread::sleep(RETRY_INTERVAL);
        shared.retain(|_, garbage| garbage.is_shared());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_still_holds_is_freed_only_after_the_reader_let_go() {
        let reaper = Reaper::start().unwrap();
        let view = Arc::new(View::empty());
        let gone = Arc::downgrade(&view);
        reaper.free(Garbage::View(view.clone()));
        assert_eq!(gone.strong_count(), 2);
        drop(view);
        while gone.strong_count() > 0 {
            std::thread::yield_now();
        }
    }

    fn wait_until_freed(gone: &std::sync::Weak<View>) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while gone.strong_count() > 0 {
            assert!(Instant::now() < deadline, "never freed");
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_is_given_twice_is_freed_all_the_same() {
        let reaper = Reaper::start().unwrap();
        let view = Arc::new(View::empty());
        let gone = Arc::downgrade(&view);
        reaper.free(Garbage::View(view.clone()));
        reaper.free(Garbage::View(view.clone()));
        reaper.free(Garbage::View(view));
        wait_until_freed(&gone);
    }

    #[test]
    fn what_was_shared_is_freed_while_other_garbage_keeps_arriving() {
        let reaper = Reaper::start().unwrap();
        let view = Arc::new(View::empty());
        let gone = Arc::downgrade(&view);
        reaper.free(Garbage::View(view.clone()));
        drop(view);
        let deadline = Instant::now() + Duration::from_secs(30);
        while gone.strong_count() > 0 {
            assert!(Instant::now() < deadline, "never freed");
            reaper.free(Garbage::View(Arc::new(View::empty())));
            std::thread::yield_now();
        }
    }
}
