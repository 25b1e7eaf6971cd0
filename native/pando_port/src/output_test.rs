#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::*;

/// Hands over what is written, when it is allowed to.
struct Gate {
    written: Sender<Vec<u8>>,
    allowed: Receiver<io::Result<()>>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.send(bytes.to_vec()).unwrap();
        self.allowed.recv().unwrap_or(Ok(()))?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gate() -> (Arc<Output>, Receiver<Vec<u8>>, Sender<io::Result<()>>) {
    let (written, packets) = unbounded();
    let (allow, allowed) = bounded(0);
    (Arc::new(Output::new(Gate { written, allowed })), packets, allow)
}

fn packet(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes(), content].concat()
}

#[test]
fn what_is_added_while_a_packet_is_written_goes_together_in_the_next_one() {
    let (output, packets, allow) = gate();
    output.add(b"one", None);
    let writing = output.clone();
    let writer = std::thread::spawn(move || writing.flush());
    assert_eq!(packets.recv().unwrap(), packet(b"one"));
    for frame in [b"two", b"six"] {
        assert!(output.add(frame, None));
        output.flush();
    }
    allow.send(Ok(())).unwrap();
    assert_eq!(packets.recv().unwrap(), packet(b"twosix"));
    allow.send(Ok(())).unwrap();
    writer.join().unwrap();
}

#[test]
fn who_has_more_to_say_than_is_read_waits_and_gives_up_in_time() {
    let (output, packets, allow) = gate();
    output.add(b"first", None);
    let writing = output.clone();
    let writer = std::thread::spawn(move || writing.flush());
    packets.recv().unwrap();
    assert!(output.add(&vec![0; PACKET_SIZE_BYTES_MAX], None));
    assert!(!output.add(b"x", Some(Duration::from_millis(1))));
    let waiting = output.clone();
    let waiter = std::thread::spawn(move || waiting.add(b"waited", None));
    drop(allow);
    assert!(waiter.join().unwrap());
    writer.join().unwrap();
    output.flush();
    assert_eq!(packets.recv().unwrap().len(), PACKET_SIZE_BYTES_MAX + 4);
    assert_eq!(packets.recv().unwrap(), packet(b"waited"));
}

#[test]
fn after_a_failed_write_nothing_is_kept_and_nobody_waits() {
    let (output, packets, allow) = gate();
    output.add(b"one", None);
    let writing = output.clone();
    let writer = std::thread::spawn(move || writing.flush());
    packets.recv().unwrap();
    output.add(&vec![0; PACKET_SIZE_BYTES_MAX], None);
    let waiting = output.clone();
    let waiter = std::thread::spawn(move || waiting.add(b"waited", None));
    allow.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
    writer.join().unwrap();
    assert!(!waiter.join().unwrap());
    assert!(!output.add(b"later", None));
    output.flush();
    assert!(packets.try_recv().is_err());
}

#[test]
fn of_frames_that_many_threads_add_none_is_lost_or_torn_and_each_thread_keeps_its_order() {
    let (written, packets) = unbounded();
    let (_, allowed) = bounded(0);
    let output = Arc::new(Output::new(Gate { written, allowed }));
    let threads: Vec<_> = (0..8u8)
        .map(|thread| {
            let output = output.clone();
            std::thread::spawn(move || {
                for number in 0..500u16 {
                    let [high, low] = number.to_be_bytes();
                    assert!(output.add(&[thread, high, low], None));
                    output.flush();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    output.flush();
    drop(output);
    let mut next = [0u16; 8];
    for packet in packets {
        for frame in packet.get(4..).unwrap().chunks(3) {
            let [thread, high, low] = frame.try_into().unwrap();
            let expected = next.get_mut(usize::from(thread)).unwrap();
            assert_eq!(u16::from_be_bytes([high, low]), *expected);
            *expected += 1;
        }
    }
    assert_eq!(next, [500; 8]);
}
