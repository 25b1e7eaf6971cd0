//! What comes into the program behind a port: packets, and the frames in them.
//!
//! Input: a byte that says how many bytes arrive at a time, and the stream.

use std::io::{self, Read};

use pando_port::frame::{PART_SIZE_BYTES_MAX, Request, Requests};
use pando_port::packets::Packets;

use crate::Outcome;
use crate::memory::bounded;

const MAGIC: &[u8] = b"PANDO";
/// Room is made for the largest packet as soon as one is promised.
const MEMORY_FIXED: usize = 4 * 1024 * 1024;
const MEMORY_PER_BYTE: usize = 8;

/// Gives so many bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(to.len());
        to[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let Some((at_a_time, stream)) = input.split_first() else { return Outcome::Refused };
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * stream.len();
    let slowly = bounded("packets", memory, || packets(Slow(stream, usize::from(*at_a_time) + 1)));
    assert_eq!(slowly, packets(stream), "as the bytes arrive");
    let (packets, is_whole) = slowly;
    // What was read is what was there.
    let read: Vec<u8> = packets
        .iter()
        .flat_map(|packet| [&(packet.len() as u32).to_be_bytes(), packet.as_slice()].concat())
        .collect();
    assert!(stream.starts_with(&read) && (!is_whole || read.len() == stream.len()));
    let are_frames = packets.iter().map(|packet| bounded("frames", memory, || frames(packet)));
    if are_frames.fold(is_whole, |all, one| all && one) { Outcome::Read } else { Outcome::Refused }
}

fn packets(stream: impl Read) -> (Vec<Vec<u8>>, bool) {
    let (mut reader, mut packets) = (Packets::new(stream), Vec::new());
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) => packets.push(packet.to_vec()),
            Ok(None) => return (packets, true),
            Err(_) => return (packets, false),
        }
    }
}

/// Whether all of a packet is frames; they are written again as they were.
fn frames(packet: &[u8]) -> bool {
    let mut rest = packet;
    for request in Requests::of_packet(packet) {
        let content = match request {
            Err(_) => return false,
            Ok(Request::Hello { version }) => [&[1], MAGIC, &version.to_be_bytes()].concat(),
            Ok(Request::Bye) => vec![4],
            Ok(Request::Release { id }) => [&[3][..], &id.to_be_bytes()].concat(),
            Ok(Request::Call { id, has_more, is_quiet, body }) => {
                assert!(body.len() <= PART_SIZE_BYTES_MAX);
                let flags = u8::from(has_more) | u8::from(is_quiet) << 1;
                [&[2][..], &id.to_be_bytes(), &[flags], body].concat()
            }
        };
        let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let (frame, after) = rest[4..].split_at(size);
        // Behind a hello's version there may be more.
        assert!(if matches!(request, Ok(Request::Hello { .. })) {
            frame.starts_with(&content)
        } else {
            frame == content
        });
        rest = after;
    }
    assert!(rest.is_empty());
    true
}

fn framed(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes(), content].concat()
}

/// A greeting, a call, a call in parts, and what ends them, in one packet and in several.
pub fn seeds() -> Vec<Vec<u8>> {
    let id = 7u64.to_be_bytes();
    let call = |flags: u8, body: &[u8]| framed(&[&[2][..], &id, &[flags], body].concat());
    let hello = framed(b"\x01PANDO\0\x01");
    let later_hello = framed(b"\x01PANDO\0\x02and more");
    let release = framed(&[&[3][..], &id].concat());
    let several = [hello.clone(), call(2, b"one"), call(1, b"part"), call(0, b""), release, framed(&[4])];
    let one_packet = [&[0][..], &framed(&several.concat())].concat();
    let packets: Vec<u8> = several.iter().flat_map(|frame| framed(frame)).collect();
    vec![one_packet, [&[2][..], &packets].concat(), [&[255][..], &framed(&later_hello)].concat(), vec![0]]
}
