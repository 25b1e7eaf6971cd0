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
use pando_tree::{Node, OpenTransaction, State};

use crate::operating_system::{give_back_free_memory, let_others_go_first};
use crate::view::View;

/// How often shared garbage is looked at again.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// Nodes freed after which the memory is given back to the system.
const FREED_NODES_MIN: u64 = 10_000;
/// Memory of the thread's stack; dropping a tree is iterative.
const STACK_SIZE_BYTES: usize = 256 * 1024;

/// Something to free.
pub enum Garbage {
    /// A subtree that a delete detached.
    Subtree(Arc<Node>),
    /// A view that was published before.
    View(Arc<View>),
    /// The tree of a transaction that has ended.
    Tree(State),
    /// A transaction that has ended, with its trees and all that it has read and written.
    Transaction(Box<OpenTransaction>),
    /// The last view of a store that has closed: all of its tree goes.
    LastView(Arc<View>),
}

impl Garbage {
    fn is_shared(&self) -> bool {
        match self {
            Garbage::Subtree(node) => Arc::strong_count(node) > 1,
            // It is held by nobody else; its nodes may be.
            Garbage::Tree(_) | Garbage::Transaction(_) => false,
            Garbage::View(view) | Garbage::LastView(view) => Arc::strong_count(view) > 1,
        }
    }

    /// About how many nodes go with it. An old view shares all but a few with the one after it.
    fn nodes(&self) -> u64 {
        match self {
            Garbage::Subtree(node) => node.subtree_nodes(),
            Garbage::View(_) | Garbage::Tree(_) | Garbage::Transaction(_) => 0,
            Garbage::LastView(view) => view.state.node_count(),
        }
    }

    fn address(&self) -> usize {
        match self {
            Garbage::Subtree(node) => Arc::as_ptr(node).addr(),
            Garbage::Tree(state) => std::ptr::from_ref(state).addr(),
            Garbage::Transaction(transaction) => std::ptr::from_ref(&**transaction).addr(),
            Garbage::View(view) | Garbage::LastView(view) => Arc::as_ptr(view).addr(),
        }
    }
}

/// A handle to the reaper's thread, which ends when the last handle is gone and everything is freed.
// The queue has no bound: refusing garbage would mean to free it where it must not be freed. What is queued exists
// already; the queue itself takes 16 bytes for each.
#[derive(Clone)]
pub struct Reaper {
    garbage: Sender<Job>,
}

enum Job {
    Free(Garbage),
    GiveBack,
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
        let _ = self.garbage.send(Job::Free(garbage));
    }

    /// Gives memory that others have freed back to the system: after something that needed much for a while.
    pub fn give_back_memory(&self) {
        let _ = self.garbage.send(Job::GiveBack);
    }
}

fn run(incoming: &Receiver<Job>) {
    let_others_go_first();
    // By address, which is unique among what is alive.
    let mut shared: HashMap<usize, Garbage> = HashMap::new();
    let mut next_look = Instant::now();
    let mut freed_nodes = 0;
    loop {
        let next = if shared.is_empty() {
            incoming.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            incoming.recv_deadline(next_look)
        };
        match next {
            Ok(Job::Free(garbage)) if garbage.is_shared() => {
                if shared.is_empty() {
                    next_look = Instant::now() + RETRY_INTERVAL;
                }
                // Of something that is here already, the second handle is let go.
                shared.entry(garbage.address()).or_insert(garbage);
            }
            Ok(Job::Free(garbage)) => freed_nodes += garbage.nodes(),
            Ok(Job::GiveBack) => freed_nodes = FREED_NODES_MIN,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if !shared.is_empty() && Instant::now() >= next_look {
            freed_nodes += free_unshared(&mut shared);
            next_look = Instant::now() + RETRY_INTERVAL;
        }
        if freed_nodes >= FREED_NODES_MIN && incoming.is_empty() {
            give_back_free_memory();
            freed_nodes = 0;
        }
    }
    while !shared.is_empty() {
        std::thread::sleep(RETRY_INTERVAL);
        freed_nodes += free_unshared(&mut shared);
    }
    if freed_nodes >= FREED_NODES_MIN {
        give_back_free_memory();
    }
}

/// Frees what nobody else holds any more, and says how many nodes that were.
fn free_unshared(shared: &mut HashMap<usize, Garbage>) -> u64 {
    let mut freed_nodes = 0;
    shared.retain(|_, garbage| {
        let is_shared = garbage.is_shared();
        if !is_shared {
            freed_nodes += garbage.nodes();
        }
        is_shared
    });
    freed_nodes
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
