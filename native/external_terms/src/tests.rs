//! Terms as the BEAM writes them, and back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::{Arc, Mutex};

use crate::*;

/// Takes what is sent, and keeps what is made.
#[derive(Default)]
struct Recorder {
    messages: Mutex<Vec<Vec<u8>>>,
    sent: Mutex<Vec<(Vec<u8>, Vec<u8>)>>,
    objects: Mutex<Vec<Object>>,
}

impl Caller for Recorder {
    fn message(&self, message: Vec<u8>) -> bool {
        self.messages.lock().unwrap().push(message);
        true
    }
    fn send(&self, pid: &[u8], message: Vec<u8>) -> bool {
        self.sent.lock().unwrap().push((pid.to_vec(), message));
        true
    }
    fn keep(&self, object: Object) -> u64 {
        let mut objects = self.objects.lock().unwrap();
        objects.push(object);
        objects.len() as u64
    }
    fn kept(&self, number: u64) -> Option<Object> {
        self.objects.lock().unwrap().get(number as usize - 1).cloned()
    }
}

fn bytes_of(make: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) -> Vec<u8> {
    let heap = Heap::default();
    make(heap.env()).to_binary().into_vec()
}

#[test]
fn what_is_made_is_written_as_the_beam_writes_it() {
    // `term_to_binary/1` of OTP 25 gave the bytes on the right.
    assert_eq!(bytes_of(|env| (Atom::of("ok"), 5u64).encode(env)), [131, 104, 2, 119, 2, 111, 107, 97, 5]);
    assert_eq!(bytes_of(|env| "ab".encode(env)), [131, 109, 0, 0, 0, 2, 97, 98]);
    assert_eq!(bytes_of(|env| Vec::<u64>::new().encode(env)), [131, 106]);
    assert_eq!(
        bytes_of(|env| vec![true].encode(env)),
        [131, 108, 0, 0, 0, 1, 119, 4, 116, 114, 117, 101, 106]
    );
    assert_eq!(bytes_of(|env| 256u64.encode(env)), [131, 98, 0, 0, 1, 0]);
    assert_eq!(bytes_of(|env| (-1i64).encode(env)), [131, 98, 255, 255, 255, 255]);
    assert_eq!(bytes_of(|env| (1u64 << 32).encode(env)), [131, 110, 5, 0, 0, 0, 0, 0, 1]);
    assert_eq!(bytes_of(|env| i64::MIN.encode(env)), [131, 110, 8, 1, 0, 0, 0, 0, 0, 0, 0, 128]);
    let map = bytes_of(|env| Term::map_from_pairs(env, &[(Atom::of("a"), 1u64)]).unwrap());
    assert_eq!(map, [131, 116, 0, 0, 0, 1, 119, 1, 97, 97, 1]);
}

#[test]
fn integers_come_back_at_every_border() {
    for number in
        [0, 1, 255, 256, i32::MAX as u64, i32::MAX as u64 + 1, u64::MAX >> 8, (u64::MAX >> 8) + 1, u64::MAX]
    {
        let bytes = bytes_of(|env| number.encode(env));
        assert_eq!(Heap::default().read(&bytes).unwrap().decode::<u64>(), Ok(number));
    }
    for number in [-1, i64::from(i32::MIN), i64::from(i32::MIN) - 1, i64::MIN, i64::MAX] {
        let bytes = bytes_of(|env| number.encode(env));
        let heap = Heap::default();
        let term = heap.read(&bytes).unwrap();
        assert_eq!(term.decode::<i64>(), Ok(number));
        assert_eq!(term.decode::<u64>().is_ok(), number >= 0);
    }
    assert!(Heap::default().read(&bytes_of(|env| 65_536u64.encode(env))).unwrap().decode::<u16>().is_err());
}

#[test]
fn a_list_of_small_numbers_comes_in_as_characters_and_is_a_list_all_the_same() {
    let bytes = [131, 107, 0, 3, 7, 8, 9];
    let heap = Heap::default();
    let list = heap.read(&bytes).unwrap();
    assert_eq!(list.decode::<Vec<u64>>(), Ok(vec![7, 8, 9]));
    let (first, rest) = list.list_get_cell().unwrap();
    assert_eq!(first.decode::<u64>(), Ok(7));
    assert_eq!(rest.to_binary().as_slice(), [131, 107, 0, 2, 8, 9]);
    assert_eq!(rest.list_prepend(1u64).decode::<Vec<u64>>(), Ok(vec![1, 8, 9]));
}

#[test]
fn a_list_can_be_walked_cut_and_made_longer() {
    let bytes = bytes_of(|env| vec!["a", "b", "c"].encode(env));
    let heap = Heap::default();
    let list = heap.read(&bytes).unwrap();
    let (_, rest) = list.list_get_cell().unwrap();
    assert_eq!(rest.to_binary().into_vec(), bytes_of(|env| vec!["b", "c"].encode(env)));
    let longer = rest.list_prepend("x").list_prepend("y");
    assert_eq!(longer.decode::<Vec<String>>().unwrap(), ["y", "x", "b", "c"]);
    // Written as a list with a list for a tail, which is the same list.
    let written = longer.to_binary().into_vec();
    assert_eq!(
        Heap::default().read(&written).unwrap().decode::<Vec<String>>().unwrap(),
        ["y", "x", "b", "c"]
    );
    let (_, rest) = rest.list_get_cell().unwrap();
    let (last, empty) = rest.list_get_cell().unwrap();
    assert_eq!(last.decode::<&str>(), Ok("c"));
    assert!(empty.is_empty_list() && empty.list_get_cell().is_err());
}

#[test]
fn an_improper_list_is_no_vector_and_ends_in_its_tail() {
    // [1 | a]
    let bytes = [131, 108, 0, 0, 0, 1, 97, 1, 119, 1, 97];
    let heap = Heap::default();
    let list = heap.read(&bytes).unwrap();
    assert!(list.decode::<Vec<u64>>().is_err());
    let (_, tail) = list.list_get_cell().unwrap();
    assert!(tail.is_atom() && !tail.is_empty_list());
}

#[test]
fn atoms_are_known_by_their_text_in_either_encoding() {
    let heap = Heap::default();
    for bytes in [
        &[131, 119, 2, 111, 107][..],
        &[131, 118, 0, 2, 111, 107],
        &[131, 100, 0, 2, 111, 107],
        &[131, 115, 2, 111, 107],
    ] {
        assert_eq!(heap.read(bytes).unwrap().decode::<Atom>(), Ok(Atom::of("ok")));
    }
    let long = "an_atom_that_is_longer_than_any_word_of_a_call";
    let bytes = bytes_of(|env| Term::of_atom_text(env, long));
    let term = heap.read(&bytes).unwrap();
    assert!(term.is_atom() && term.decode::<Atom>().is_err());
    assert_eq!(term.utf8_atom(), Some(long));
    assert_eq!(Atom::of("ok").text(), b"ok");
}

#[test]
fn a_map_gives_the_value_of_a_key_or_says_that_there_is_none() {
    let bytes =
        bytes_of(|env| Term::map_from_pairs(env, &[(Atom::of("a"), 1u64), (Atom::of("b"), 2)]).unwrap());
    let heap = Heap::default();
    let map = heap.read(&bytes).unwrap();
    assert_eq!(map.map_get(Atom::of("b")).unwrap().decode::<u64>(), Ok(2));
    assert!(map.map_get(Atom::of("c")).is_err());
    assert_eq!(MapIterator::new(map).unwrap().count(), 2);
    assert!(MapIterator::new(1u64.encode(heap.env())).is_none());
}

#[test]
fn a_tuple_of_another_size_or_with_other_elements_is_refused() {
    let bytes = bytes_of(|env| (Atom::of("ok"), 5u64, "x").encode(env));
    let heap = Heap::default();
    let term = heap.read(&bytes).unwrap();
    assert_eq!(term.decode::<(Atom, u64, &str)>(), Ok((Atom::of("ok"), 5, "x")));
    assert!(term.decode::<(Atom, u64)>().is_err());
    assert!(term.decode::<(Atom, &str, &str)>().is_err());
}

#[test]
fn bytes_that_are_no_term_are_refused_as_a_whole() {
    let heap = Heap::default();
    for bytes in [
        &[][..],
        &[131],
        &[130, 97, 1],
        &[131, 97],
        &[131, 97, 1, 97, 1],
        &[131, 104, 2, 97, 1],
        &[131, 80, 0, 0, 0, 1, 0],
    ] {
        assert!(heap.read(bytes).is_err(), "{bytes:?}");
        assert!(Term::of_stored(heap.env(), bytes).is_none());
    }
    // A count that promises more than there is.
    assert!(heap.read(&[131, 108, 255, 255, 255, 255, 97, 1, 106]).is_err());
}

#[test]
fn nesting_of_any_depth_is_read_and_written_without_recursion() {
    let depth = 200_000;
    let mut bytes = vec![131];
    (0..depth).for_each(|_| bytes.extend_from_slice(&[104, 1]));
    bytes.push(106);
    let heap = Heap::default();
    assert_eq!(heap.read(&bytes).unwrap().to_binary().as_slice(), bytes);
    let mut made = Term::list_new_empty(heap.env());
    for _ in 0..depth {
        made = (made, Atom::of("x")).encode(heap.env());
    }
    assert_eq!(made.to_binary().as_slice().len(), 1 + depth * (2 + 3) + 1);
}

#[test]
fn a_kept_term_comes_back_in_another_heap() {
    let environment = OwnedEnv::new();
    let saved = {
        let heap = Heap::default();
        environment.save((Atom::of("ok"), "kept").encode(heap.env()))
    };
    let heap = Heap::default();
    let loaded = environment.run(|kept| saved.load(kept).in_env(heap.env()));
    assert_eq!(loaded.decode::<(Atom, &str)>(), Ok((Atom::of("ok"), "kept")));
}

#[test]
fn messages_reach_the_caller_and_processes_that_it_names() {
    let recorder = Arc::new(Recorder::default());
    let heap = Heap::of_call(recorder.clone());
    let env = heap.env();
    env.send(&env.pid(), 1u64.encode(env)).unwrap();
    OwnedEnv::new().send_and_clear(&env.pid(), |env| 2u64.encode(env)).unwrap();
    assert_eq!(*recorder.messages.lock().unwrap(), [vec![131, 97, 1], vec![131, 97, 2]]);
    // <0.5.0> of a node without a name.
    let pid = [&[131, 88, 119, 13][..], b"nonode@nohost", &[0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let other = heap.read(&pid).unwrap().decode::<LocalPid>().unwrap();
    OwnedEnv::new().send_and_clear(&other, |env| 3u64.encode(env)).unwrap();
    assert_eq!(*recorder.sent.lock().unwrap(), [(pid, vec![131, 97, 3])]);
    assert!(1u64.encode(env).decode::<LocalPid>().is_err());
    assert_eq!(
        OwnedEnv::new().send_and_clear(&Heap::default().env().pid(), |env| 1u64.encode(env)),
        Err(SendError)
    );
}

struct Counter(u64);
impl Resource for Counter {}
struct Other;
impl Resource for Other {}

#[test]
fn what_a_call_makes_is_found_by_its_number_and_only_as_what_it_is() {
    let recorder = Arc::new(Recorder::default());
    let heap = Heap::of_call(recorder);
    let number = ResourceArc::new(Counter(7)).encode(heap.env());
    assert_eq!(number.decode::<ResourceArc<Counter>>().unwrap().0, 7);
    assert!(number.decode::<ResourceArc<Other>>().is_err());
    assert!(99u64.encode(heap.env()).decode::<ResourceArc<Counter>>().is_err());
}

#[test]
fn any_bytes_that_are_read_are_written_as_they_were() {
    // Small words are likely to be terms, and a multiplicative generator needs no dependency.
    let mut state = 1u64;
    let mut read = 0;
    for _ in 0..200_000 {
        let mut bytes = vec![131];
        for _ in 0..state % 9 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let tags = [97, 104, 106, 107, 108, 109, 116, 119, 0, 1, 2, 3];
            bytes.push(tags[(state >> 33) as usize % tags.len()]);
        }
        state = state.wrapping_add(1);
        let heap = Heap::default();
        if let Ok(term) = heap.read(&bytes) {
            read += 1;
            assert_eq!(term.to_binary().as_slice(), bytes);
            let _ = (
                term.decode::<Vec<Term<'_>>>(),
                term.decode::<(Term<'_>, Term<'_>)>(),
                term.decode::<Atom>(),
            );
            if let Some(pairs) = MapIterator::new(term) {
                pairs.for_each(drop);
            }
        }
    }
    assert!(read > 1_000, "{read}");
}
