#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn the_parts_of_calls_that_are_interleaved_are_put_together_each() {
    let mut parts = Parts::default();
    parts.add(1, b"a").unwrap();
    parts.add(2, b"x").unwrap();
    parts.add(1, b"b").unwrap();
    assert_eq!(parts.finish(1, b"c").unwrap(), Some(b"abc".to_vec()));
    assert_eq!(parts.finish(2, b"").unwrap(), Some(b"x".to_vec()));
    assert_eq!(parts.finish(3, b"whole").unwrap(), None);
    assert_eq!(parts.size_bytes, 0);
}

#[test]
fn a_call_that_is_forgotten_leaves_nothing() {
    let mut parts = Parts::default();
    parts.add(1, b"a").unwrap();
    parts.forget(1);
    parts.forget(1);
    assert_eq!((parts.size_bytes, parts.bodies.len()), (0, 0));
}

#[test]
fn a_call_beyond_its_limit_is_refused_and_so_are_too_many_large_ones() {
    let large = vec![0; CALL_SIZE_BYTES_MAX];
    let mut parts = Parts::default();
    parts.add(1, &large).unwrap();
    assert_eq!(parts.add(1, b"x"), Err(TooMuch(1)));
    parts.add(2, &large).unwrap();
    assert_eq!(parts.add(3, b"x"), Err(TooMuch(3)));
    parts.forget(1);
    parts.add(3, b"x").unwrap();
}
