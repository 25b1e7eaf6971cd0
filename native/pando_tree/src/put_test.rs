//! The examples of the specification for put, create, update and clear: sections 6.1, 8, 9 and 10.1.

use std::sync::Arc;

use super::*;
use crate::props::{Props, PropsMask};
use crate::test_store::*;

#[test]
fn put_answers_the_previous_payload_with_the_new_version() {
    let mut s = Store::default();
    assert_eq!(s.put("a b", data(1)), nodes([("a b", default_props(None, 1))]));
    assert_eq!(s.put("a b", data(1)), nodes([("a b", default_props(Some(data(1)), 1))]));
    assert_eq!(s.put("a b", data(2)), nodes([("a b", default_props(Some(data(1)), 2))]));
}

#[test]
fn clear_answers_like_put_and_again_changes_nothing() {
    let mut s = Store::default();
    s.put("cp", data(1));
    assert_eq!(s.clear("cp"), nodes([("cp", default_props(Some(data(1)), 2))]));
    let before = s.node("cp").revision();
    assert_eq!(s.clear("cp"), nodes([("cp", default_props(None, 2))]));
    assert_eq!(s.node("cp").revision(), before);
    assert!(s.node("cp").payload().is_none());
}

#[test]
fn create_of_an_existing_node_is_mismatching_also_at_the_root() {
    let mut s = Store::default();
    s.put("c", data(1));
    let refused = |name, text, props| {
        Answer::Refused(Refusal::Mismatching {
            name,
            path: path(text),
            is_target: true,
            props: Box::new(props),
            condition: etf::term(&if_node_exists(false)).into(),
        })
    };
    let create = |s: &mut Store, text| {
        s.put_steps(steps_if(text, &[if_node_exists(false)]), data(2), PropsMask::DEFAULT)
    };
    assert_eq!(create(&mut s, "c"), refused(Some(name("c")), "c", default_props(Some(data(1)), 1)));
    assert_eq!(create(&mut s, ""), refused(None, "", default_props(None, 1)));
    assert_eq!(create(&mut s, "/"), refused(None, "", default_props(None, 1)));
    assert_eq!(create(&mut s, "n m"), nodes([("n m", default_props(None, 1))]));
}

#[test]
fn update_of_a_missing_node_is_refused_and_creates_no_parent() {
    let mut s = Store::default();
    let update = |s: &mut Store, text| {
        s.put_steps(steps_if(text, &[if_node_exists(true)]), data(2), PropsMask::DEFAULT)
    };
    let condition = etf::term(&combined(etf::atom("e"), &[if_node_exists(true)]));
    assert_eq!(
        update(&mut s, "d e"),
        Answer::Refused(Refusal::NodeNotFound {
            name: name("e"),
            path: path("d e"),
            is_target: true,
            condition: Some(condition.into()),
        })
    );
    assert_eq!(s.state.node_count(), 1);
    assert_eq!(update(&mut s, ""), nodes([("", default_props(None, 2))]));
}

#[test]
fn a_created_node_starts_at_1_whatever_is_created_below_it() {
    let mut s = Store::default();
    s.put("a b c", data(1));
    for text in ["a", "a b", "a b c"] {
        assert_eq!(s.versions(text), (1, 1), "{text}");
    }
    assert_eq!(s.versions(""), (1, 2));
    assert!(s.node("a").is_implicit() && s.node("a b").is_implicit() && !s.node("a b c").is_implicit());
}

#[test]
fn payload_versions_count_changes_of_the_term() {
    let mut s = Store::default();
    s.put("p", data(1));
    s.put("p", Payload::Data(Arc::from(&[131, 98, 0, 0, 0, 1][..]))); // 1 in another encoding
    assert_eq!((s.versions("p"), s.node("p").payload()), ((1, 1), &data(1)));
    s.put("p", Payload::Data(Arc::from(&[131, 70, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0][..]))); // 1.0
    assert_eq!(s.versions("p"), (2, 1));
    s.put("p", procedure(1));
    assert_eq!(s.versions("p"), (3, 1));
    s.put("p", Payload::None);
    assert_eq!(s.versions("p"), (4, 1));
    s.put("p", Payload::None);
    assert_eq!(s.versions("p"), (4, 1));
}

#[test]
fn has_payload_tells_of_the_payload_before_and_after() {
    let mut s = Store::default();
    let has = |props: Props| (props.has_data, props.is_procedure);
    assert_eq!(has(s.put_showing("p", data(1), PropsMask::HAS_PAYLOAD)), (true, false));
    assert_eq!(has(s.put_showing("p", Payload::None, PropsMask::HAS_PAYLOAD)), (true, false));
    s.put("p", data(1));
    assert_eq!(has(s.put_showing("p", procedure(1), PropsMask::HAS_PAYLOAD)), (true, true));
    assert_eq!(has(s.put_showing("q", Payload::None, PropsMask::HAS_PAYLOAD)), (false, false));
}

#[test]
fn put_shows_the_children_and_the_raw_payload_as_they_are_afterwards() {
    let mut s = Store::default();
    s.put("p c", data(1));
    assert_eq!(
        s.put_showing("p", data(2), PropsMask::ALL),
        Props {
            payload: None,
            payload_version: Some(2),
            child_list_version: Some(1),
            child_list_length: Some(1),
            child_names: Some(vec![name("c")]),
            has_data: true,
            is_procedure: false,
            raw_payload: Some(data(2)),
            delete_reason: None,
        }
    );
}

#[test]
fn an_explicit_put_of_no_payload_does_not_reclaim_the_node() {
    let mut s = Store::default();
    s.put("au x", data(1));
    s.put("au", data(2));
    s.delete("au x");
    assert_eq!(s.put("au", Payload::None), nodes([("au", default_props(Some(data(2)), 3))]));
    assert!(s.exists("au"));
    s.put("au y", data(1));
    s.delete("au y");
    assert!(!s.exists("au"), "it is still implicit");
}

#[test]
fn a_put_creates_what_is_missing_on_a_path_that_strays() {
    let mut s = Store::default();
    s.put("old", data(1));
    assert_eq!(s.put("a b ^ ^ c", data(1)), nodes([("c", default_props(None, 1))]));
    assert!(s.node("a").is_implicit() && s.node("a b").is_implicit() && !s.node("c").is_implicit());
    assert_eq!(s.versions(""), (1, 3), "one change of the list per command");
    assert_eq!(s.versions("a"), (1, 1));
    assert_eq!(s.state.node_count(), 5);
    s.put("n x ^ y ^ z", data(1));
    assert_eq!(s.versions("n"), (1, 1), "created by the command, whatever is created below");
    s.put("n u ^ v ^", data(1));
    assert_eq!(s.versions("n"), (2, 2));
    s.put("m k ^", data(1));
    assert!(!s.node("m").is_implicit() && s.node("m k").is_implicit());
    assert_eq!(s.versions("m"), (1, 1));
}
