//! Reading packets: four bytes of length, big-endian, and so many bytes.

use std::fmt;
use std::io::{self, Read};

use crate::frame::PACKET_SIZE_BYTES_MAX;

/// Bytes that are asked for at once.
const READ_SIZE_BYTES: usize = 64 * 1024;

/// Why there is no further packet.
#[derive(Debug)]
pub enum PacketError {
    /// It could not be read.
    Unreadable(io::Error),
    /// It would be longer than one may be.
    TooLong(usize),
    /// The bytes end within it.
    Truncated,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PacketError::Unreadable(error) => write!(f, "standard input cannot be read: {error}"),
            PacketError::TooLong(size) => {
                write!(f, "a packet of {size} bytes is longer than {PACKET_SIZE_BYTES_MAX}")
            }
            PacketError::Truncated => f.write_str("standard input ends within a packet"),
        }
    }
}

/// Packets from a stream of bytes.
pub struct Packets<R: Read> {
    from: R,
    buffer: Vec<u8>,
    /// What of the buffer was read and not given away yet.
    begin: usize,
    end: usize,
}

impl<R: Read> Packets<R> {
    /// Of this stream.
    pub fn new(from: R) -> Packets<R> {
        Packets { from, buffer: vec![0; READ_SIZE_BYTES], begin: 0, end: 0 }
    }

    /// Waits for the next one; `None` at the end of the stream.
    pub fn next_packet(&mut self) -> Result<Option<&[u8]>, PacketError> {
        let size = loop {
            let waiting = self.buffer.get(self.begin..self.end).unwrap_or_default();
            let wanted = match waiting.first_chunk::<4>() {
                None => 4,
                Some(size) => {
                    let size = u32::from_be_bytes(*size) as usize;
                    if size > PACKET_SIZE_BYTES_MAX {
                        return Err(PacketError::TooLong(size));
                    }
                    if waiting.len() - 4 >= size {
                        break size;
                    }
                    4 + size
                }
            };
            let is_within = !waiting.is_empty();
            if self.fill(wanted)? == 0 {
                return if is_within { Err(PacketError::Truncated) } else { Ok(None) };
            }
        };
        let begin = self.begin + 4;
        self.begin = begin + size;
        Ok(Some(self.buffer.get(begin..begin + size).unwrap_or_default()))
    }

    /// Reads what is there, with room for so many bytes that wait. Gives how many came.
    fn fill(&mut self, wanted: usize) -> Result<usize, PacketError> {
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        }
        if self.begin + wanted > self.buffer.len() {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        loop {
            match self.from.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(PacketError::Unreadable(error)),
            }
        }
    }
}

#[cfg(test)]
#[path = "packets_test.rs"]
mod tests;
