//! The examples of the specification for delete and for reclaimed parents: sections 8, 9 and 10.1.

use super::*;
use crate::command::{Command, Scope, Wanted};
use crate::payload::Payload;
use crate::props::{DeleteReason, Props, PropsMask};
use crate::test_store::*;

fn clear(text: &str, wanted: Option<Wanted>) -> Command {
    Command::Clear { path: steps(text), scope: Scope::One, keep_while: None, wanted }
}

#[test]
fn delete_answers_every_node_of_the_subtree() {
    let mut s = Store::default();
    s.put("t a", data(1));
    s.put("t b c", data(2));
    let explicit = |payload| deleted(payload, 1, DeleteReason::Explicit);
    assert_eq!(
        s.delete("t"),
        nodes([
            ("t", explicit(None)),
            ("t a", explicit(Some(data(1)))),
            ("t b", explicit(None)),
            ("t b c", explicit(Some(data(2)))),
        ])
    );
    assert_eq!(s.state.node_count(), 1);
}

#[test]
fn what_is_not_there_is_deleted_and_cleared_with_success() {
    let mut s = Store::default();
    s.put("a", data(1));
    for text in ["x", "a x", "x ^", "x ^ a", "x / a"] {
        assert_eq!(s.delete(text), nodes([]), "{text}");
        assert_eq!(s.clear(text), nodes([]), "{text}");
        assert_eq!(s.run(Command::delete(steps(text))), Answer::Done);
        assert_eq!(s.run(clear(text, None)), Answer::Done);
    }
    assert_eq!(s.state.node_count(), 2);
}

#[test]
fn a_node_that_is_removed_and_created_again_starts_at_1() {
    let mut s = Store::default();
    s.put("p", data(1));
    s.put("p", data(2));
    s.delete("p");
    s.put("p", data(3));
    assert_eq!(s.versions("p"), (1, 1));
}

#[test]
fn delete_of_the_root_clears_its_payload_and_removes_its_children() {
    let mut s = Store::default();
    s.put("", data(1));
    s.put("a b", data(2));
    let mask = PropsMask::DEFAULT | PropsMask::CHILD_LIST_VERSION;
    let entry = |props: Props, version| Props { child_list_version: Some(version), ..props };
    assert_eq!(
        s.delete_showing("", mask),
        nodes([
            ("", entry(deleted(Some(data(1)), 2, DeleteReason::Explicit), 2)),
            ("a", entry(deleted(None, 1, DeleteReason::Explicit), 1)),
            ("a b", entry(deleted(Some(data(2)), 1, DeleteReason::Explicit), 1)),
        ])
    );
    assert_eq!(s.versions(""), (3, 3));
    assert_eq!(s.state.node_count(), 1);
    let before = s.node("").revision();
    assert_eq!(s.delete("a ^"), nodes([]));
    assert_eq!(s.delete(""), nodes([("", deleted(None, 3, DeleteReason::Explicit))]));
    assert_eq!((s.versions(""), s.node("").revision()), ((3, 3), before));
}

#[test]
fn reclaimed_parents_count_like_ordinary_removals() {
    let mut s = Store::default();
    s.put("fleet van <7>", data(1));
    s.put("fleet van <8>", data(1));
    s.delete("fleet van <7>");
    let mask = PropsMask::DEFAULT | PropsMask::CHILD_LIST_VERSION | PropsMask::CHILD_LIST_LENGTH;
    let entry = |props: Props, version| Props {
        child_list_version: Some(version),
        child_list_length: Some(0),
        ..props
    };
    assert_eq!(
        s.delete_showing("fleet van <8>", mask),
        nodes([
            ("fleet van <8>", entry(deleted(Some(data(1)), 1, DeleteReason::Explicit), 1)),
            ("fleet van", entry(deleted(None, 1, DeleteReason::KeepWhile), 4)),
            ("fleet", entry(deleted(None, 1, DeleteReason::KeepWhile), 2)),
        ])
    );
    assert_eq!((s.versions(""), s.node("").children().len()), ((1, 3), 0));
}

#[test]
fn indirect_deletes_are_left_out_when_not_wanted() {
    let mut s = Store::default();
    let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: false });
    s.put("a x", data(1));
    assert_eq!(
        s.run(Command::Delete { path: steps("a x"), scope: Scope::One, wanted }),
        nodes([("a x", deleted(Some(data(1)), 1, DeleteReason::Explicit))])
    );
    assert_eq!(s.state.node_count(), 1);
    s.put("a x", data(1));
    s.put("a", data(1));
    s.delete("a x");
    assert_eq!(s.run(clear("a", wanted)), nodes([("a", default_props(Some(data(1)), 3))]));
    assert_eq!(s.state.node_count(), 1);
}

#[test]
fn an_implicit_node_goes_with_the_payload_that_kept_it() {
    let mut s = Store::default();
    s.put("au x", data(1));
    s.put("au", data(2));
    assert_eq!(s.delete("au x"), nodes([("au x", deleted(Some(data(1)), 1, DeleteReason::Explicit))]));
    assert!(s.exists("au"));
    assert_eq!(s.clear("au"), nodes([("au", deleted(None, 3, DeleteReason::KeepWhile))]));
    assert_eq!(s.state.node_count(), 1);
}

#[test]
fn a_clear_that_reclaims_a_node_reclaims_its_parents_too() {
    let mut s = Store::default();
    s.put("top au x", data(1));
    s.put("top au", data(2));
    s.delete("top au x");
    assert_eq!(
        s.clear("top au"),
        nodes([
            ("top au", deleted(None, 3, DeleteReason::KeepWhile)),
            ("top", deleted(None, 1, DeleteReason::KeepWhile)),
        ])
    );
    assert_eq!(s.state.node_count(), 1);
}

#[test]
fn a_node_created_as_target_stays_without_children_and_payload() {
    let mut s = Store::default();
    s.put("p", Payload::None);
    s.put("p x", data(1));
    s.delete("p x");
    assert_eq!(s.clear("p"), nodes([("p", default_props(None, 1))]));
    assert!(s.exists("p"));
}

#[test]
fn a_large_subtree_is_detached_for_the_reaper_and_a_small_one_is_not() {
    let mut s = Store::default();
    let fill = |s: &mut Store| (0..100).for_each(|i| drop(s.put(&format!("p n{i}"), data(1))));
    fill(&mut s);
    s.delete("p n0");
    assert!(s.state.take_detached().is_empty());
    assert_eq!(s.run(Command::delete(steps("p"))), Answer::Done);
    let detached: Vec<u64> = s.state.take_detached().iter().map(|node| node.subtree_nodes()).collect();
    assert_eq!(detached, [100]);
    assert!(s.state.take_detached().is_empty());
    fill(&mut s);
    s.delete("");
    assert_eq!(s.state.clone().take_detached().len(), 0, "a clone has none");
    assert_eq!(s.state.take_detached().len(), 1);
}

#[test]
fn a_delete_of_many_removes_each_match_once_and_its_parent_when_it_was_the_last() {
    let mut s = Store::default();
    for text in ["p a x", "p b", "q a"] {
        s.put(text, data(1));
    }
    let explicit = || deleted(Some(data(1)), 1, DeleteReason::Explicit);
    assert_eq!(
        s.delete_many(steps("* a"), Scope::Many),
        nodes([
            ("p a", deleted(None, 1, DeleteReason::Explicit)),
            ("p a x", explicit()),
            ("q a", explicit()),
            ("q", deleted(None, 1, DeleteReason::KeepWhile)),
        ])
    );
    assert_eq!(s.versions("p"), (1, 3));
    assert_eq!(s.versions(""), (1, 4));
    assert_eq!(s.delete_many(steps("* a"), Scope::Many), nodes([]));
}

#[test]
fn what_does_not_meet_its_condition_is_not_deleted_and_that_is_no_error() {
    let mut s = Store::default();
    s.put("a", data(1));
    let delete =
        |s: &mut Store, version| s.delete_many(steps_if("a", &[if_payload_version(version)]), Scope::One);
    assert_eq!(delete(&mut s, 2), nodes([]));
    assert_eq!(delete(&mut s, 1), nodes([("a", deleted(Some(data(1)), 1, DeleteReason::Explicit))]));
    assert_eq!(delete(&mut s, 1), nodes([]));
}
