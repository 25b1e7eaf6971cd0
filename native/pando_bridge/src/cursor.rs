//! A cursor: a long read over one immutable root, taken in chunks.
//!
//! Invariants
//! 1. All chunks show the same point of the log, whatever is written meanwhile.
//! 2. A chunk is bounded in nodes and bytes, so that nobody works for long on a scheduler.
//! 3. The root is let go by the reaper, never by a scheduler.

use std::sync::Arc;

use pando_store::{Garbage, Reaper};
use pando_tree::{Node, Path, Progress, Pulled, Refusal, Scan, Step};

use crate::beam::Beam;
use crate::bridge::OpenStore;

/// Nodes in one chunk.
pub const CHUNK_NODES_MAX: usize = 256;
/// Bytes of payload after which a chunk takes no further node.
pub const CHUNK_SIZE_BYTES_MAX: usize = 256 * 1024;
/// Nodes visited for one chunk, matching or not.
pub const CHUNK_STEPS_MAX: u64 = 8_192;

/// See the module.
pub struct Cursor {
    scan: Option<Scan>,
    reaper: Reaper,
}

/// Some of a cursor's nodes.
pub struct Chunk {
    /// Parents first, siblings in Erlang's term order.
    pub nodes: Vec<(Path, Arc<Node>)>,
    /// Whether more may follow.
    pub more: bool,
}

impl Cursor {
    /// Starts at the newest view of `open`.
    pub fn new<B: Beam>(
        open: &OpenStore<B>,
        pattern: Vec<Step>,
        include_root: bool,
    ) -> Result<Cursor, Refusal> {
        let view = open.store().view_guard();
        Ok(Cursor {
            scan: Some(Scan::new(&view.state, pattern, include_root, None)?),
            reaper: open.store().reaper().clone(),
        })
    }

    /// The next nodes; there may be none in a chunk with more to follow.
    pub fn next_chunk(&mut self) -> Chunk {
        let mut nodes = Vec::new();
        let mut size_bytes = 0;
        let mut steps = CHUNK_STEPS_MAX;
        while let Some(scan) = self.scan.as_mut() {
            if nodes.len() >= CHUNK_NODES_MAX || size_bytes >= CHUNK_SIZE_BYTES_MAX {
                return Chunk { nodes, more: true };
            }
            match scan.next_within(&mut steps) {
                Pulled::Node(path, node) => {
                    size_bytes += node.payload().bytes().map_or(0, |bytes| bytes.len());
                    nodes.push((path, node));
                }
                Pulled::OutOfSteps => return Chunk { nodes, more: true },
                Pulled::End => self.finish(),
            }
        }
        Chunk { nodes, more: false }
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
