//! The examples of the specification: sections 4.1, 6.1, 8.2, 9 and 10.1.

use super::*;
use crate::command::{Expectation, Wanted};
use crate::limits::Limit;
use crate::props::{DeleteReason, Props, PropsMask};

const ALL_VERSIONS: PropsMask = PropsMask::ALL;

fn data(value: u8) -> Payload {
    Payload::Data(Arc::from([131, 97, value]))
}

fn procedure(value: u8) -> Payload {
    Payload::Procedure(Arc::from([131, 97, value]))
}

/// `a/b/<c>` is two atoms and a binary; `.`, `^`, `/`, `*` and `**` (as whole components) are the special steps.
fn steps(text: &str) -> Vec<Step> {
    text.split(' ')
        .filter(|part| !part.is_empty())
        .map(|part| match part {
            "." => Step::This,
            "^" => Step::Parent,
            "/" => Step::Root,
            "*" => Step::AnyChild,
            "**" => Step::AnyDescendant,
            name => Step::Child(self::name(name)),
        })
        .collect()
}

fn name(text: &str) -> Name {
    match text.strip_prefix('<') {
        Some(rest) => Name::binary(rest.trim_end_matches('>').as_bytes()),
        None => Name::atom(text),
    }
}

fn path(text: &str) -> Path {
    text.split(' ').filter(|part| !part.is_empty()).map(name).collect()
}

/// A store as the specification's examples use it: each command gets the next revision.
#[derive(Default)]
struct Store {
    state: State,
}

impl Store {
    fn run(&mut self, command: Command) -> Answer {
        let context = Context { revision: self.state.revision() + 1, clock_ms: 0 };
        self.state.apply(&command, &context)
    }

    fn put_expecting(
        &mut self,
        text: &str,
        payload: Payload,
        expectation: Expectation,
        props: PropsMask,
    ) -> Answer {
        let wanted = Some(Wanted { props, indirect_deletes: true });
        self.run(Command::Put { path: steps(text), payload, expectation, wanted })
    }

    fn put(&mut self, text: &str, payload: Payload) -> Answer {
        self.put_expecting(text, payload, Expectation::Anything, PropsMask::DEFAULT)
    }

    fn put_showing(&mut self, text: &str, payload: Payload, props: PropsMask) -> Props {
        match self.put_expecting(text, payload, Expectation::Anything, props) {
            Answer::Nodes(mut nodes) if nodes.len() == 1 => nodes.remove(0).1,
            other => panic!("{other:?}"),
        }
    }

    fn delete_showing(&mut self, text: &str, props: PropsMask) -> Answer {
        let wanted = Some(Wanted { props, indirect_deletes: true });
        self.run(Command::Delete { path: steps(text), wanted })
    }

    fn delete(&mut self, text: &str) -> Answer {
        self.delete_showing(text, PropsMask::DEFAULT)
    }

    fn clear(&mut self, text: &str) -> Answer {
        let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: true });
        self.run(Command::Clear { path: steps(text), wanted })
    }

    fn node(&self, text: &str) -> &Node {
        self.state.lookup(&path(text)).unwrap()
    }

    fn exists(&self, text: &str) -> bool {
        self.state.lookup(&path(text)).is_some()
    }

    /// `payload_version` and `child_list_version`.
    fn versions(&self, text: &str) -> (u64, u64) {
        (self.node(text).payload_version(), self.node(text).child_list_version())
    }
}

fn default_props(payload: Option<Payload>, payload_version: u64) -> Props {
    Props { payload, payload_version: Some(payload_version), ..Props::default() }
}

fn deleted(payload: Option<Payload>, payload_version: u64, reason: DeleteReason) -> Props {
    Props { delete_reason: Some(reason), ..default_props(payload, payload_version) }
}

fn nodes<const N: usize>(entries: [(&str, Props); N]) -> Answer {
    Answer::Nodes(entries.into_iter().map(|(text, props)| (path(text), props)).collect())
}

#[test]
fn a_fresh_tree_is_a_root_with_both_versions_at_1() {
    let store = Store::default();
    assert_eq!(store.versions(""), (1, 1));
    assert_eq!(store.state.node_count(), 1);
    assert!(!store.node("").is_implicit());
}

#[test]
fn put_answers_the_previous_payload_with_the_new_version() {
    let mut s = Store::default();
    assert_eq!(s.put("a b", data(1)), nodes([("a b", default_props(None, 1))]));
    assert_eq!(s.put("a b", data(1)), nodes([("a b", default_props(Some(data(1)), 1))]));
    assert_eq!(s.put("a b", data(2)), nodes([("a b", default_props(Some(data(1)), 2))]));
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
fn what_is_not_there_is_deleted_and_cleared_with_success() {
    let mut s = Store::default();
    s.put("a", data(1));
    for text in ["x", "a x", "x ^", "x ^ a", "x / a"] {
        assert_eq!(s.delete(text), nodes([]), "{text}");
        assert_eq!(s.clear(text), nodes([]), "{text}");
        assert_eq!(s.run(Command::Delete { path: steps(text), wanted: None }), Answer::Done);
        assert_eq!(s.run(Command::Clear { path: steps(text), wanted: None }), Answer::Done);
    }
    assert_eq!(s.state.node_count(), 2);
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
        })
    };
    let create =
        |s: &mut Store, text| s.put_expecting(text, data(2), Expectation::Absent, PropsMask::DEFAULT);
    assert_eq!(create(&mut s, "c"), refused(Some(name("c")), "c", default_props(Some(data(1)), 1)));
    assert_eq!(create(&mut s, ""), refused(None, "", default_props(None, 1)));
    assert_eq!(create(&mut s, "."), refused(None, "", default_props(None, 1)));
    assert_eq!(create(&mut s, "n m"), nodes([("n m", default_props(None, 1))]));
}

#[test]
fn update_of_a_missing_node_is_refused_and_creates_no_parent() {
    let mut s = Store::default();
    let update =
        |s: &mut Store, text| s.put_expecting(text, data(2), Expectation::Present, PropsMask::DEFAULT);
    assert_eq!(
        update(&mut s, "d e"),
        Answer::Refused(Refusal::NodeNotFound { name: name("e"), path: path("d e"), is_target: true })
    );
    assert_eq!(s.state.node_count(), 1);
    assert_eq!(update(&mut s, ""), nodes([("", default_props(None, 2))]));
}

#[test]
fn resolve_tells_which_node_is_missing() {
    let mut s = Store::default();
    s.put("c", data(1));
    let missing = |s: &Store, text: &str| match s.state.resolve(&steps(text)) {
        Err(Refusal::NodeNotFound { name, path, is_target }) => (name, path, is_target),
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
fn a_node_that_is_removed_and_created_again_starts_at_1() {
    let mut s = Store::default();
    s.put("p", data(1));
    s.put("p", data(2));
    s.delete("p");
    s.put("p", data(3));
    assert_eq!(s.versions("p"), (1, 1));
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
        s.put_showing("p", data(2), ALL_VERSIONS),
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
        s.run(Command::Delete { path: steps("a x"), wanted }),
        nodes([("a x", deleted(Some(data(1)), 1, DeleteReason::Explicit))])
    );
    assert_eq!(s.state.node_count(), 1);
    s.put("a x", data(1));
    s.put("a", data(1));
    s.delete("a x");
    assert_eq!(
        s.run(Command::Clear { path: steps("a"), wanted }),
        nodes([("a", default_props(Some(data(1)), 3))])
    );
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
fn a_node_created_as_target_stays_without_children_and_payload() {
    let mut s = Store::default();
    s.put("p", Payload::None);
    s.put("p x", data(1));
    s.delete("p x");
    assert_eq!(s.clear("p"), nodes([("p", default_props(None, 1))]));
    assert!(s.exists("p"));
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
fn a_large_subtree_is_detached_for_the_reaper_and_a_small_one_is_not() {
    let mut s = Store::default();
    let fill = |s: &mut Store| (0..100).for_each(|i| drop(s.put(&format!("p n{i}"), data(1))));
    fill(&mut s);
    s.delete("p n0");
    assert!(s.state.take_detached().is_empty());
    assert_eq!(s.run(Command::Delete { path: steps("p"), wanted: None }), Answer::Done);
    let detached: Vec<u64> = s.state.take_detached().iter().map(|node| node.subtree_nodes()).collect();
    assert_eq!(detached, [100]);
    assert!(s.state.take_detached().is_empty());
    fill(&mut s);
    s.delete("");
    assert_eq!(s.state.clone().take_detached().len(), 0, "a clone has none");
    assert_eq!(s.state.take_detached().len(), 1);
}

#[test]
fn what_is_over_a_limit_is_refused_and_what_is_at_it_is_not() {
    use crate::limits::{
        NAME_SIZE_BYTES_MAX, PATH_COMPONENTS_MAX, PATH_SIZE_BYTES_MAX, PAYLOAD_SIZE_BYTES_MAX,
    };
    let mut s = Store::default();
    let mut put = |path: Vec<Step>, payload| {
        let command = Command::Put { path, payload, expectation: Expectation::Anything, wanted: None };
        match s.run(command) {
            Answer::Done => None,
            Answer::Refused(Refusal::LimitExceeded(limit)) => Some(limit),
            other => panic!("{other:?}"),
        }
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
