//! Writing frames, by whichever thread has one.
//!
//! Who finds nobody writing writes all that is there, as one packet; meanwhile the others add to the next one. So a single frame
//! is on its way at once, and many share a packet, without a thread of their own.
//!
//! Invariants
//! 1. No more than `PACKET_SIZE_BYTES_MAX` wait; who has more to say waits for the VM to read. That is the back-pressure.
//! 2. Frames leave in the order in which they were added.
//! 3. When writing has failed, the VM is gone: nothing is kept from then on.

use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::frame::PACKET_SIZE_BYTES_MAX;

/// Bytes of a packet's own length.
const LENGTH_SIZE_BYTES: usize = 4;

/// See the module.
pub struct Output {
    state: Mutex<State>,
    has_room: Condvar,
    to: Mutex<Box<dyn Write + Send>>,
}

struct State {
    /// The next packet, with room for its length at its beginning.
    packet: Vec<u8>,
    /// The memory of the last one.
    spare: Vec<u8>,
    is_writing: bool,
    is_broken: bool,
}

impl Output {
    /// To this.
    pub fn new(to: impl Write + Send + 'static) -> Output {
        let state = State {
            packet: vec![0; LENGTH_SIZE_BYTES],
            spare: Vec::new(),
            is_writing: false,
            is_broken: false,
        };
        Output { state: Mutex::new(state), has_room: Condvar::new(), to: Mutex::new(Box::new(to)) }
    }

    /// Adds a frame, and waits for room if there is none, so long at most. False: the VM is gone, or there was no room.
    pub fn add(&self, frame: &[u8], wait_max: Option<Duration>) -> bool {
        let deadline = wait_max.map(|wait_max| Instant::now() + wait_max);
        let mut state = self.lock();
        while state.packet.len() + frame.len() > LENGTH_SIZE_BYTES + PACKET_SIZE_BYTES_MAX {
            if state.is_broken {
                return false;
            }
            if !state.is_writing {
                state = self.write(state);
                continue;
            }
            let wait = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            state = match wait {
                Some(Duration::ZERO) => return false,
                Some(wait) => {
                    self.has_room.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.has_room.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        if state.is_broken {
            return false;
        }
        state.packet.extend_from_slice(frame);
        true
    }

    /// Has what was added written, by this thread or the one that is just writing.
    pub fn flush(&self) {
        let state = self.lock();
        if !state.is_writing {
            drop(self.write(state));
        }
    }

    /// Writes until nothing is there.
    fn write<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.is_writing = true;
        while state.packet.len() > LENGTH_SIZE_BYTES && !state.is_broken {
            let mut next = std::mem::take(&mut state.spare);
            next.resize(LENGTH_SIZE_BYTES, 0);
            let mut packet = std::mem::replace(&mut state.packet, next);
            drop(state);
            self.has_room.notify_all();
            let size = (packet.len() - LENGTH_SIZE_BYTES) as u32;
            if let Some(length) = packet.first_chunk_mut::<LENGTH_SIZE_BYTES>() {
                *length = size.to_be_bytes();
            }
            let written = {
                let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
                to.write_all(&packet).and_then(|()| to.flush())
            };
            packet.clear();
            state = self.lock();
            state.spare = packet;
            state.is_broken |= written.is_err();
        }
        if state.is_broken {
            state.packet.truncate(LENGTH_SIZE_BYTES);
        }
        state.is_writing = false;
        self.has_room.notify_all();
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "output_test.rs"]
mod tests;
