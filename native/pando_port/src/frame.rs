//! The form of frames (`docs/formats.md`, section "Port"). Pure.
//!
//! A packet is one frame or more; a frame is `size: u32`, `kind: u8`, and what the kind says; numbers are big-endian, and the
//! size counts what follows it. What is longer than a part goes as several frames with the same id.

use std::fmt;

/// The version of the protocol. Each side says its own first, and ends when the other's is different.
pub const VERSION: u16 = 1;
/// Bytes of the body of one frame.
pub const PART_SIZE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a packet, without its own length.
pub const PACKET_SIZE_BYTES_MAX: usize = 1024 * 1024;

const MAGIC: &[u8; 5] = b"PANDO";

const HELLO: u8 = 1;
const CALL: u8 = 2;
const RELEASE: u8 = 3;
const BYE: u8 = 4;

const RESULT: u8 = 2;
const MESSAGE: u8 = 3;
const SEND: u8 = 4;
const END: u8 = 5;
const LOG: u8 = 6;

const MORE: u8 = 1;
const QUIET: u8 = 2;
const LIVES_ON: u8 = 2;
const RAISED: u8 = 4;

/// A frame from the VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// The first one.
    Hello {
        /// Of the protocol.
        version: u16,
    },
    /// A call, or a part of it.
    Call {
        /// Counted up by the VM, never given twice.
        id: u64,
        /// Further parts follow.
        has_more: bool,
        /// A result `ok` or `{ok, _}` is not wanted: the reply says more.
        is_quiet: bool,
        /// `{Function, Arguments}` in the external term format.
        body: &'a [u8],
    },
    /// What a call made, or would make, is of no more use.
    Release {
        /// The call's.
        id: u64,
    },
    /// The program is to close its stores and end, as at the end of its input.
    Bye,
}

/// Why bytes are no frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// They end within one.
    Truncated,
    /// No frame has this kind.
    UnknownKind(u8),
    /// The flags of a call that do not exist.
    UnknownFlags(u8),
    /// A body is longer than a part may be.
    PartTooLong(usize),
    /// It is not what its kind should be.
    Malformed,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Truncated => f.write_str("a frame is cut off"),
            FrameError::UnknownKind(kind) => write!(f, "no frame is of kind {kind}"),
            FrameError::UnknownFlags(flags) => write!(f, "a call has unknown flags: {flags}"),
            FrameError::PartTooLong(size) => {
                write!(f, "a part of {size} bytes is longer than {PART_SIZE_BYTES_MAX}")
            }
            FrameError::Malformed => f.write_str("a frame is malformed"),
        }
    }
}

impl std::error::Error for FrameError {}

/// The frames of a packet, one after the other. Ends after the first error.
pub struct Requests<'a> {
    rest: &'a [u8],
}

impl<'a> Requests<'a> {
    /// Of a whole packet.
    pub fn of_packet(packet: &'a [u8]) -> Requests<'a> {
        Requests { rest: packet }
    }

    fn read(&mut self) -> Result<Request<'a>, FrameError> {
        let (size, rest) = self.rest.split_first_chunk::<4>().ok_or(FrameError::Truncated)?;
        let size = u32::from_be_bytes(*size) as usize;
        let (frame, rest) = rest.split_at_checked(size).ok_or(FrameError::Truncated)?;
        self.rest = rest;
        let (kind, content) = frame.split_first().ok_or(FrameError::Truncated)?;
        match *kind {
            HELLO => hello(content),
            CALL => call(content),
            RELEASE => {
                let id = content.try_into().map_err(|_| FrameError::Malformed)?;
                Ok(Request::Release { id: u64::from_be_bytes(id) })
            }
            BYE if content.is_empty() => Ok(Request::Bye),
            BYE => Err(FrameError::Malformed),
            kind => Err(FrameError::UnknownKind(kind)),
        }
    }
}

fn hello(content: &[u8]) -> Result<Request<'_>, FrameError> {
    match content.strip_prefix(MAGIC) {
        // A later version may say more behind its number.
        Some([a, b, ..]) => Ok(Request::Hello { version: u16::from_be_bytes([*a, *b]) }),
        _ => Err(FrameError::Malformed),
    }
}

fn call(content: &[u8]) -> Result<Request<'_>, FrameError> {
    let (id, rest) = content.split_first_chunk::<8>().ok_or(FrameError::Truncated)?;
    let (flags, body) = rest.split_first().ok_or(FrameError::Truncated)?;
    if flags & !(MORE | QUIET) != 0 {
        return Err(FrameError::UnknownFlags(*flags));
    }
    if body.len() > PART_SIZE_BYTES_MAX {
        return Err(FrameError::PartTooLong(body.len()));
    }
    let (has_more, is_quiet) = (flags & MORE != 0, flags & QUIET != 0);
    Ok(Request::Call { id: u64::from_be_bytes(*id), has_more, is_quiet, body })
}

impl<'a> Iterator for Requests<'a> {
    type Item = Result<Request<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.rest = &[];
        }
        Some(read)
    }
}

/// How grave a line in the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Something is wrong.
    Error = 1,
    /// Something may be.
    Warning = 2,
    /// Nothing is.
    Info = 3,
}

/// What a frame to the VM is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The result of a call. `lives_on`: an object was made, or messages may follow.
    Result {
        /// The call's.
        id: u64,
        /// See above.
        lives_on: bool,
        /// The body is why the call failed.
        is_raised: bool,
    },
    /// A message for the process that made a call.
    Message {
        /// The call's.
        id: u64,
    },
    /// `{Pid, Message}`.
    Send {
        /// The number of this message, by which its parts are known.
        stream: u64,
    },
}

impl Subject {
    fn header(self, has_more: bool) -> (u8, u64, u8) {
        let more = if has_more { MORE } else { 0 };
        match self {
            Subject::Result { id, lives_on, is_raised } => {
                let lives_on = if lives_on { LIVES_ON } else { 0 };
                let raised = if is_raised { RAISED } else { 0 };
                (RESULT, id, more | lives_on | raised)
            }
            Subject::Message { id } => (MESSAGE, id, more),
            Subject::Send { stream } => (SEND, stream, more),
        }
    }
}

/// The frames of a body that may be long, each to be sent by itself.
pub fn parts(subject: Subject, body: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let count = body.len().div_ceil(PART_SIZE_BYTES_MAX).max(1);
    (0..count).map(move |index| {
        let from = index * PART_SIZE_BYTES_MAX;
        let until = body.len().min(from + PART_SIZE_BYTES_MAX);
        let part = body.get(from..until).unwrap_or_default();
        let (kind, id, flags) = subject.header(index + 1 < count);
        frame(kind, &[&id.to_be_bytes(), &[flags], part])
    })
}

/// The first frame to the VM.
pub fn hello_frame(text: &str) -> Vec<u8> {
    frame(HELLO, &[MAGIC, &VERSION.to_be_bytes(), text.as_bytes()])
}

/// Nothing more comes of a call.
pub fn end_frame(id: u64) -> Vec<u8> {
    frame(END, &[&id.to_be_bytes()])
}

/// A line for the log; what is too long for one is cut off.
pub fn log_frame(level: LogLevel, text: &str) -> Vec<u8> {
    let cut = text.floor_char_boundary(PART_SIZE_BYTES_MAX);
    frame(LOG, &[&[level as u8], text.get(..cut).unwrap_or_default().as_bytes()])
}

fn frame(kind: u8, contents: &[&[u8]]) -> Vec<u8> {
    let size = 1 + contents.iter().map(|content| content.len()).sum::<usize>();
    let mut frame = Vec::with_capacity(4 + size);
    // Bodies are parts, so this is far below 4 GiB.
    frame.extend_from_slice(&(size as u32).to_be_bytes());
    frame.push(kind);
    contents.iter().for_each(|content| frame.extend_from_slice(content));
    frame
}

#[cfg(test)]
#[path = "frame_test.rs"]
mod tests;
