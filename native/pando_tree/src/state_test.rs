//! Reading by path, counters, revisions, limits: sections 4.1, 6.1 and 9 of the specification.

use super::*;
use crate::command::Command;
use crate::limits::Limit;
use crate::test_store::*;

#[test]
fn a_fresh_tree_is_a_root_with_both_versions_at_1() {
    let store = Store::default();
    assert_eq!(store.versions(""), (1, 1));
    assert_eq!(store.state.node_count(), 1);
    assert!(!store.node("").is_implicit());
}

#[test]
fn resolve_tells_which_node_is_missing() {
    let mut s = Store::default();
    s.put("c", data(1));
    let missing = |s: &Store, text: &str| match s.state.resolve(&steps(text)) {
        Err(Refusal::NodeNotFound { name, path, is_target, condition: None }) => (name, path, is_target),
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(&s, "d e"), (name("d"), path("d"), false));
    assert_eq!(missing(&s, "c e f"), (name("e"), path("c e"), false));
    assert_eq!(missing(&s, "c e"), (name("e"), path("c e"), true));
    assert_eq!(missing(&s, "x ^ c"), (name("x"), path("x"), false));
    assert_eq!(missing(&s, "c ^ x"), (name("x"), path("x"), true));
    let found = |text: &str| s.state.resolve(&steps(text)).unwrap().path;
    assert_eq!(found("/ . c"), path("c"));
    assert_eq!(found("c ^ ^ ^"), path(""));
    assert_eq!(found("c / c"), path("c"));
}

#[test]
fn a_wildcard_in_a_command_is_refused() {
    let mut s = Store::default();
    for (text, position) in [("*", 0), ("a **", 1), ("a * b", 1)] {
        let refused = Answer::Refused(Refusal::WildcardInPath { position });
        assert_eq!(s.put(text, data(1)), refused);
        assert_eq!(s.delete(text), refused);
        assert_eq!(s.clear(text), refused);
    }
    assert_eq!(s.state.node_count(), 1);
}

#[test]
fn child_list_versions_count_children_that_come_and_go_but_not_their_changes() {
    let mut s = Store::default();
    s.put("p", data(1));
    s.put("p x", data(1));
    assert_eq!(s.versions("p"), (1, 2));
    s.put("p x", data(2));
    assert_eq!(s.versions("p"), (1, 2));
    s.put("p x y", data(2));
    assert_eq!(s.versions("p"), (1, 2));
    s.delete("p x");
    assert_eq!(s.versions("p"), (1, 3));
    assert_eq!(s.versions(""), (1, 2));
}

#[test]
fn revisions_tell_where_the_last_change_was() {
    let mut s = Store::default();
    s.put("a b", data(1)); // 1
    s.put("a c", data(1)); // 2
    s.put("a b", data(2)); // 3
    let revisions = |s: &Store, text: &str| (s.node(text).revision(), s.node(text).subtree_revision());
    assert_eq!(revisions(&s, ""), (1, 3));
    assert_eq!(revisions(&s, "a"), (2, 3));
    assert_eq!(revisions(&s, "a b"), (3, 3));
    assert_eq!(revisions(&s, "a c"), (2, 2));
    s.put("a b", data(2)); // 4: the same term
    assert_eq!(revisions(&s, ""), (1, 3));
    assert_eq!(s.state.revision(), 4);
    s.delete("a b"); // 5
    assert_eq!(revisions(&s, ""), (1, 5));
    assert_eq!(revisions(&s, "a"), (5, 5));
    s.delete("a c"); // 6: reclaims a
    assert_eq!(revisions(&s, ""), (6, 6));
}

#[test]
fn what_is_over_a_limit_is_refused_and_what_is_at_it_is_not() {
    use crate::limits::{
        NAME_SIZE_BYTES_MAX, PATH_COMPONENTS_MAX, PATH_SIZE_BYTES_MAX, PAYLOAD_SIZE_BYTES_MAX,
    };
    let mut s = Store::default();
    let mut put = |path: Vec<Step>, payload| match s.run(Command::put(path, payload)) {
        Answer::Done => None,
        Answer::Refused(Refusal::LimitExceeded(limit)) => Some(limit),
        other => panic!("{other:?}"),
    };
    let deep = |depth| vec![Step::Child(name("d")); depth];
    assert_eq!(put(deep(PATH_COMPONENTS_MAX), data(1)), None);
    assert_eq!(put(deep(PATH_COMPONENTS_MAX + 1), data(1)), Some(Limit::PathComponents));
    let named = |size| Step::Child(Name::binary(&vec![b'x'; size]));
    assert_eq!(put(vec![named(NAME_SIZE_BYTES_MAX)], data(1)), None);
    assert_eq!(put(vec![named(NAME_SIZE_BYTES_MAX + 1)], data(1)), Some(Limit::NameSizeBytes));
    let quarters = PATH_SIZE_BYTES_MAX / 4;
    assert_eq!(put(vec![named(quarters), named(quarters), named(quarters), named(quarters)], data(1)), None);
    let long = vec![named(quarters), named(quarters), named(quarters), named(quarters), named(1)];
    assert_eq!(put(long, data(1)), Some(Limit::PathSizeBytes));
    let sized = |size| Payload::Data(Arc::from(vec![0; size]));
    assert_eq!(put(steps("p"), sized(PAYLOAD_SIZE_BYTES_MAX)), None);
    assert_eq!(put(steps("q"), sized(PAYLOAD_SIZE_BYTES_MAX + 1)), Some(Limit::PayloadSizeBytes));
}
