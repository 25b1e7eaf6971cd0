#![allow(clippy::unwrap_used)]

use super::*;

/// Gives so many bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(to.len());
        let (now, later) = self.0.split_at(count);
        to.get_mut(..count).unwrap().copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

fn packet(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes(), content].concat()
}

#[test]
fn packets_come_out_as_they_went_in_however_their_bytes_arrive() {
    let large = vec![7; 3 * READ_SIZE_BYTES];
    let contents: [&[u8]; 5] = [b"one", b"", &large, b"two", &large];
    let stream: Vec<u8> = contents.iter().flat_map(|content| packet(content)).collect();
    for count in [1, 3, 1_000, READ_SIZE_BYTES, stream.len()] {
        let mut packets = Packets::new(Slow(&stream, count));
        for content in contents {
            assert_eq!(packets.next_packet().unwrap().unwrap(), content, "{count} bytes at a time");
        }
        assert!(packets.next_packet().unwrap().is_none());
    }
}

#[test]
fn a_stream_that_ends_within_a_packet_is_an_error() {
    let stream = packet(b"one");
    for length in 1..stream.len() {
        let cut = stream.get(..length).unwrap();
        assert!(matches!(Packets::new(cut).next_packet(), Err(PacketError::Truncated)), "{length}");
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_any_memory_is_taken() {
    let stream = u32::MAX.to_be_bytes();
    let mut packets = Packets::new(stream.as_slice());
    assert!(matches!(packets.next_packet(), Err(PacketError::TooLong(_))));
    assert_eq!(packets.buffer.len(), READ_SIZE_BYTES);
}
