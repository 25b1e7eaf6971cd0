//! A cursor: a long read over one immutable root, taken in chunks.
//!
//! Invariants
//! 1. All chunks show the same point of the log, whatever is written meanwhile.
//! 2. A chunk is bounded in nodes, in bytes of what is shown of them, and in nodes visited, so that nobody works for long on
//!    a scheduler.
//! 3. The root is let go by the reaper, never by a scheduler.

use pando_store::{Garbage, Reaper};
use pando_tree::{Name, Node, Path, Progress, Pulled, Refusal, Scan, State, Step};

use crate::beam::Beam;
use crate::bridge::OpenStore;

/// Nodes in one chunk. So many of the smallest take about a millisecond.
pub const CHUNK_NODES_MAX: usize = 4_096;
/// Bytes shown after which a chunk takes no further node.
pub const CHUNK_SIZE_BYTES_MAX: usize = 256 * 1024;
/// Nodes visited for one chunk, matching or not.
pub const CHUNK_STEPS_MAX: u64 = 8_192;

/// See the module.
pub struct Cursor {
    scan: Option<Scan>,
    reaper: Reaper,
}

impl Cursor {
    /// Starts at the newest view of `open`; with `from`, behind this path in the order of the walk. With `each_once`, a
    /// node comes once, otherwise as often as there are ways of the pattern to it.
    pub fn new<B: Beam>(
        open: &OpenStore<B>,
        pattern: Vec<Step>,
        include_root: bool,
        from: Option<Path>,
        each_once: bool,
    ) -> Result<Cursor, Refusal> {
        let reaper = open.store().reaper().clone();
        Cursor::of_state(&open.store().view_guard().state, reaper, pattern, include_root, from, each_once)
    }

    /// The same over a tree that the caller has.
    pub fn of_state(
        state: &State,
        reaper: Reaper,
        pattern: Vec<Step>,
        include_root: bool,
        from: Option<Path>,
        each_once: bool,
    ) -> Result<Cursor, Refusal> {
        let scan = Scan::new(state, pattern, include_root, from)?;
        Ok(Cursor { scan: Some(if each_once { scan.once() } else { scan }), reaper })
    }

    /// Shows the next nodes, at most `nodes_max`: parents first, siblings in Erlang's term order. `show` gives the size of
    /// what it made of a node, in bytes. Gives whether more may follow; there may be none in a chunk with more to follow.
    pub fn next_chunk(&mut self, nodes_max: usize, mut show: impl FnMut(&[Name], &Node) -> usize) -> bool {
        let mut nodes_left = nodes_max.min(CHUNK_NODES_MAX);
        let mut size_bytes = 0;
        let mut steps = CHUNK_STEPS_MAX;
        while let Some(scan) = self.scan.as_mut() {
            if nodes_left == 0 || size_bytes >= CHUNK_SIZE_BYTES_MAX {
                return true;
            }
            match scan.next_within(&mut steps) {
                Pulled::Node(path, node) => {
                    nodes_left -= 1;
                    size_bytes += show(&path, &node);
                }
                Pulled::OutOfSteps => return true,
                Pulled::End => self.finish(),
            }
        }
        false
    }

    /// Counts instead: how many were found since the last chunk, and whether there may be others.
    pub fn count_chunk(&mut self) -> (u64, bool) {
        match self.scan.as_mut().map(|scan| scan.count(CHUNK_STEPS_MAX)) {
            Some(Progress::More) => (0, true),
            Some(Progress::Done(found)) => {
                self.finish();
                (found, false)
            }
            None => (0, false),
        }
    }

    /// Lets the root go.
    pub fn finish(&mut self) {
        if let Some(scan) = self.scan.take() {
            self.reaper.free(Garbage::Subtree(scan.into_root()));
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.finish();
    }
}
