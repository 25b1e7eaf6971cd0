//! Input that is looked at for a moment before it is waited for.
//!
//! A caller that makes one call after the other makes the next one some microseconds after a result. To put this thread to
//! sleep for so short a time, and its processor with it, would take longer than the call (`docs/nif-or-port.md`). So it looks again for
//! `LOOK_TIME_US` first, and yields to whoever has something to do. Where nothing is going on it sleeps.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long it looks.
const LOOK_TIME_US: u64 = 60;

/// See the module.
pub struct Waiting<R>(pub R);

impl<R: AsFd> Waiting<R> {
    /// Whether reading would not wait. Whatever cannot be found out is left to the reading.
    fn is_ready(&self) -> bool {
        let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&nothing)).map_or(true, |ready| ready > 0)
    }
}

impl<R: Read + AsFd> Read for Waiting<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let end = Instant::now() + Duration::from_micros(LOOK_TIME_US);
        while !self.is_ready() && Instant::now() < end {
            std::thread::yield_now();
        }
        self.0.read(to)
    }
}

#[cfg(test)]
#[path = "waiting_test.rs"]
mod tests;
