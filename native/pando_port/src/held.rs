//! Frames that this thread adds while it is at a batch are written together, at the batch's end.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crate::output::Output;

#[derive(Default)]
struct Held {
    depth: usize,
    /// Where there is something to be written.
    output: Option<Arc<Output>>,
}

thread_local! {
    static HELD: RefCell<Held> = RefCell::default();
}

/// Adds frames; they are on their way at once, or at the end of this thread's batch. False: not all of them could be added.
pub fn send(output: &Arc<Output>, frames: impl Iterator<Item = Vec<u8>>, wait_max: Option<Duration>) -> bool {
    for frame in frames {
        if !output.add(&frame, wait_max) {
            return false;
        }
    }
    let is_held = HELD.with_borrow_mut(|held| {
        if held.depth > 0 {
            held.output = Some(output.clone());
        }
        held.depth > 0
    });
    if !is_held {
        output.flush();
    }
    true
}

/// Ends a batch, also when it panics.
struct Batch;

impl Drop for Batch {
    fn drop(&mut self) {
        let output = HELD.with_borrow_mut(|held| {
            held.depth = held.depth.saturating_sub(1);
            if held.depth == 0 { held.output.take() } else { None }
        });
        if let Some(output) = output {
            output.flush();
        }
    }
}

/// Runs a batch.
pub fn batch(work: impl FnOnce()) {
    HELD.with_borrow_mut(|held| held.depth += 1);
    let _batch = Batch;
    work();
}
