#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::{self, Write};

use crossbeam_channel::{Receiver, Sender, unbounded};
use external_terms::{Encoder, Heap, OwnedEnv, Resource, ResourceArc};

use super::*;

struct Channel(Sender<Vec<u8>>);

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).unwrap();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shared() -> (Shared, Receiver<Vec<u8>>) {
    let (sender, packets) = unbounded();
    let output = Arc::new(Output::new(Channel(sender)));
    (Shared { output, objects: Arc::default(), streams: Arc::default() }, packets)
}

/// Kinds and flags of the frames that were sent: 2 a result, 3 a message, 5 an end.
fn frames(packets: &Receiver<Vec<u8>>) -> Vec<(u8, u8)> {
    let mut frames = Vec::new();
    for packet in packets.try_iter() {
        let mut rest = &packet[4..];
        while !rest.is_empty() {
            let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            frames.push((rest[4], rest.get(13).copied().filter(|_| size > 9).unwrap_or_default()));
            rest = &rest[4 + size..];
        }
    }
    frames
}

fn outcome(make: impl for<'a> FnOnce(external_terms::Env<'a>) -> external_terms::Term<'a>) -> Outcome {
    Outcome { term: make(Heap::default().env()).to_binary(), is_raised: false }
}

fn ok() -> Outcome {
    outcome(|env| external_terms::Atom::of("ok").to_term(env))
}

#[test]
fn a_call_that_nobody_remembers_ends_with_its_result() {
    let (shared, packets) = shared();
    Calling::new(1, shared).end_call(&ok(), false);
    assert_eq!(frames(&packets), [(2, 0)]);
}

#[test]
fn a_call_whose_process_is_kept_ends_when_it_is_let_go_and_not_before_the_result() {
    let (shared, packets) = shared();
    let calling = Calling::new(1, shared);
    let kept = Heap::of_call(calling.clone()).env().pid();
    OwnedEnv::new().send_and_clear(&kept, |env| 1u64.encode(env)).unwrap();
    calling.end_call(&ok(), false);
    assert_eq!(frames(&packets), [(3, 0), (2, 2)]);
    drop(kept);
    assert_eq!(frames(&packets), [(5, 0)]);
}

#[test]
fn a_quiet_call_that_goes_well_says_nothing_but_its_end() {
    let (shared, packets) = shared();
    let calling = Calling::new(1, shared.clone());
    let kept = Heap::of_call(calling.clone()).env().pid();
    calling.end_call(&outcome(|env| (external_terms::Atom::of("ok"), 7u64).encode(env)), true);
    assert_eq!(frames(&packets), []);
    drop(kept);
    assert_eq!(frames(&packets), [(5, 0)]);
    Calling::new(2, shared.clone()).end_call(&ok(), true);
    assert_eq!(frames(&packets), [(5, 0)]);
    Calling::new(3, shared)
        .end_call(&outcome(|env| (external_terms::Atom::of("error"), 1u64).encode(env)), true);
    assert_eq!(frames(&packets), [(2, 0)]);
}

struct Thing;
impl Resource for Thing {}

#[test]
fn what_a_call_has_made_stays_until_it_is_released_and_no_end_is_told() {
    let (shared, packets) = shared();
    let calling = Calling::new(9, shared.clone());
    let heap = Heap::of_call(calling.clone());
    assert_eq!(ResourceArc::new(Thing).encode(heap.env()).decode::<u64>(), Ok(9));
    drop(heap);
    calling.end_call(&ok(), false);
    assert_eq!(frames(&packets), [(2, 2)]);
    assert!(shared.objects.get(9).is_some());
    shared.objects.release(9);
    assert!(shared.objects.get(9).is_none());
    assert_eq!(frames(&packets), []);
}

#[test]
fn a_message_to_another_process_names_it_in_one_term() {
    let (shared, packets) = shared();
    let calling = Calling::new(1, shared);
    assert!(calling.send(&[131, 119, 1, b'p'], vec![131, 97, 5]));
    let packet = packets.try_recv().unwrap();
    assert_eq!(packet[8], 4);
    assert_eq!(packet[18..], [131, 104, 2, 119, 1, b'p', 97, 5]);
}
