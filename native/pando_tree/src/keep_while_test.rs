//! The examples of the specification for conditions on other nodes (sections 10.2 and 21), and the indexes.

use std::collections::BTreeSet;

use super::*;
use crate::answer::{Answer, KeepWhileReason, Refusal};
use crate::command::{Command, Scope, Wanted};
use crate::payload::Payload;
use crate::props::{DeleteReason, Props, PropsMask};
use crate::state::State;
use crate::test_store::*;

impl KeepWhile {
    /// Checks the invariants: both indexes hold what the conditions say and nothing else; paths are absolute and each is
    /// watched once; and those that watch are nodes of the state that can have conditions.
    pub(crate) fn check(&self, state: &State) {
        let (mut nodes, mut patterns) = (BTreeSet::new(), BTreeSet::new());
        for (watcher, conditions) in self.iter() {
            let node = state.lookup(watcher);
            assert!(node.is_some_and(|node| !node.is_implicit()), "{watcher:?} cannot depend on anything");
            assert!(!watcher.is_empty() && !conditions.is_empty(), "{watcher:?}: {conditions:?}");
            for (index, watched) in conditions.iter().enumerate() {
                assert_eq!(resolve(&watched.path, watcher), watched.path, "of {watcher:?}");
                let is_same = |other: &Watched| other.path == watched.path;
                assert_eq!(conditions.iter().position(is_same), Some(index), "of {watcher:?}");
                match place_of(&watched.path) {
                    Place::Node(path) => nodes.insert((path, watcher.clone())),
                    Place::PatternBelow(path) => patterns.insert((path, watcher.clone())),
                };
            }
        }
        let keys = |index: &SortedMap<(Path, Path), ()>| index.iter().map(|(key, ())| key.clone()).collect();
        let (of_nodes, of_patterns): (Vec<_>, Vec<_>) = (keys(&self.nodes), keys(&self.patterns));
        assert_eq!(of_nodes, nodes.into_iter().collect::<Vec<_>>());
        assert_eq!(of_patterns, patterns.into_iter().collect::<Vec<_>>());
    }
}

fn not_met(text: &str, reason: KeepWhileReason) -> Answer {
    Answer::Refused(Refusal::KeepWhileNotMet { name: path(text).last().cloned(), path: path(text), reason })
}

fn because(part: &[u8]) -> KeepWhileReason {
    KeepWhileReason::Condition(etf::term(part).into())
}

fn explicit(value: u8) -> Props {
    deleted(Some(data(value)), 1, DeleteReason::Explicit)
}

fn followed(payload: Option<Payload>) -> Props {
    deleted(payload, 1, DeleteReason::KeepWhile)
}

fn put(s: &mut Store, text: &str) {
    let answer = s.put(text, data(1));
    assert!(matches!(answer, Answer::Nodes(_)), "{answer:?}");
    s.state.keep_while.check(&s.state);
}

fn put_while(s: &mut Store, text: &str, of: &[(&str, Vec<u8>)]) {
    let answer = s.put_while(text, data(1), of);
    assert!(matches!(answer, Answer::Nodes(_)), "{answer:?}");
    s.state.keep_while.check(&s.state);
}

#[test]
fn what_does_not_hold_when_it_is_given_is_refused() {
    let mut s = Store::default();
    let exists = [("sess", if_node_exists(true))];
    assert_eq!(
        s.put_while("lock a", data(1), &exists),
        not_met("lock a", KeepWhileReason::NoNode(steps("sess")))
    );
    assert_eq!(s.state.node_count(), 1);
    put(&mut s, "sess");
    let has_children = [("sess", if_child_list_longer(0))];
    assert_eq!(
        s.put_while("lock a", data(1), &has_children),
        not_met("lock a", because(&if_child_list_longer(0)))
    );
    assert_eq!(s.put_while("lock a", data(1), &exists), nodes([("lock a", default_props(None, 1))]));
    let both = if_all(&[if_node_exists(true), if_has_data(false)]);
    assert_eq!(
        s.put_while("lock b", data(1), &[("sess", both)]),
        not_met("lock b", because(&if_has_data(false)))
    );
    let either = if_any(&[if_child_list_longer(0), if_has_data(false)]);
    assert_eq!(
        s.put_while("lock b", data(1), &[("sess", either.clone())]),
        not_met("lock b", because(&either))
    );
}

#[test]
fn a_node_goes_with_what_it_depends_on_and_so_does_its_parent() {
    let mut s = Store::default();
    put(&mut s, "sess");
    put_while(&mut s, "lock a", &[("sess", if_node_exists(true))]);
    assert_eq!(
        s.delete("sess"),
        nodes([("sess", explicit(1)), ("lock a", followed(Some(data(1)))), ("lock", followed(None))])
    );
    assert!(s.state.keep_while.is_empty());
}

#[test]
fn a_group_vanishes_when_it_is_empty_but_not_when_it_is_made() {
    let mut s = Store::default();
    let has_children = [(".", if_child_list_longer(0))];
    assert_eq!(s.put_while("grp", data(1), &has_children), nodes([("grp", default_props(None, 1))]));
    assert_eq!(s.put_while("grp", data(1), &has_children), not_met("grp", because(&if_child_list_longer(0))));
    put(&mut s, "grp m");
    assert_eq!(s.delete("grp m"), nodes([("grp m", explicit(1)), ("grp", followed(Some(data(1))))]));
    put_while(&mut s, "grp", &has_children);
    put(&mut s, "grp m");
    let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: false });
    let delete = Command::Delete { path: steps("grp m"), scope: Scope::One, wanted };
    assert_eq!(s.run(delete), nodes([("grp m", explicit(1))]));
    assert!(!s.exists("grp"));
}

#[test]
fn a_node_is_bound_to_the_payload_of_its_parent() {
    let mut s = Store::default();
    put(&mut s, "pp");
    put_while(&mut s, "pp cc", &[("^", if_has_data(true))]);
    assert_eq!(
        s.clear("pp"),
        nodes([("pp", default_props(Some(data(1)), 2)), ("pp cc", followed(Some(data(1))))])
    );
}

#[test]
fn a_node_vanishes_when_another_appears() {
    let mut s = Store::default();
    put_while(&mut s, "nx", &[("ghost", if_node_exists(false))]);
    assert_eq!(
        s.put_while("ny", data(1), &[("ghost", if_not(if_node_exists(true)))]),
        not_met("ny", KeepWhileReason::NoNode(steps("ghost")))
    );
    assert_eq!(
        s.put("ghost", data(1)),
        nodes([("ghost", default_props(None, 1)), ("nx", followed(Some(data(1))))])
    );
    assert_eq!(
        s.put_while("nx", data(1), &[("ghost", if_node_exists(false))]),
        not_met("nx", because(&if_node_exists(false)))
    );
}

#[test]
fn a_put_with_conditions_replaces_them_and_one_without_keeps_them() {
    let mut s = Store::default();
    put(&mut s, "x");
    put(&mut s, "y");
    put_while(&mut s, "a", &[("x", if_node_exists(true))]);
    s.put("a", data(2));
    put_while(&mut s, "b", &[("x", if_node_exists(true))]);
    put_while(&mut s, "b", &[("y", if_node_exists(true))]);
    s.delete("x");
    assert!(!s.exists("a") && s.exists("b"));
    put_while(&mut s, "b", &[]);
    s.delete("y");
    assert!(s.exists("b") && s.state.keep_while.is_empty());
    // A parent that was created on the way becomes permanent.
    put(&mut s, "p q");
    put_while(&mut s, "p", &[]);
    s.delete("p q");
    s.clear("p");
    assert!(s.exists("p"));
}

#[test]
fn relative_paths_are_those_of_each_node_and_all_targets_get_the_conditions() {
    let mut s = Store::default();
    for text in ["u a", "u b", "v a", "v b"] {
        put(&mut s, text);
    }
    let keep_while =
        Some(watched(&[("^ ^ v", if_node_exists(true)), (". ^ b", if_node_exists(true))]).into());
    let many =
        Command::Put { path: steps("* a"), scope: Scope::Many, payload: data(2), keep_while, wanted: None };
    assert_eq!(s.run(many), Answer::Done);
    let of: Vec<_> = s.state.keep_while().map(|(path, watched)| (path.clone(), watched.to_vec())).collect();
    let both = |text| watched(&[("v", if_node_exists(true)), (text, if_node_exists(true))]);
    assert_eq!(of, [(path("u a"), both("u b")), (path("v a"), both("v b"))]);
    s.delete("u b");
    assert!(!s.exists("u a") && s.exists("v a"));
}

#[test]
fn of_two_spellings_of_a_path_the_last_counts() {
    let mut s = Store::default();
    put(&mut s, "x");
    put_while(&mut s, "a", &[("x", if_has_data(true)), ("^ x", if_node_exists(true))]);
    s.clear("x");
    assert!(s.exists("a"));
}

#[test]
fn nodes_that_depend_on_each_other_go_together() {
    let mut s = Store::default();
    put(&mut s, "a");
    put_while(&mut s, "b", &[("a", if_node_exists(true))]);
    put_while(&mut s, "a", &[("b", if_node_exists(true))]);
    put_while(&mut s, "c", &[("c", if_payload_version(1)), ("a", if_node_exists(true))]);
    assert_eq!(
        s.delete("b"),
        nodes([("b", explicit(1)), ("a", followed(Some(data(1)))), ("c", followed(Some(data(1)))),])
    );
    assert_eq!(s.state.node_count(), 1);
}

#[test]
fn a_long_chain_goes_link_by_link() {
    let mut s = Store::default();
    put(&mut s, "n0");
    for link in 1..300 {
        put_while(&mut s, &format!("n{link}"), &[(&format!("n{}", link - 1), if_node_exists(true))]);
    }
    s.delete("n0");
    assert_eq!(s.state.node_count(), 1);
    assert_eq!(s.versions(""), (1, 302), "one change of the list for all of them");
}

#[test]
fn a_removed_subtree_takes_along_what_depended_on_anything_below_it() {
    let mut s = Store::default();
    put(&mut s, "x y z");
    put_while(&mut s, "a", &[("x y", if_node_exists(true))]);
    put_while(&mut s, "b", &[("x y z", if_node_exists(true))]);
    put_while(&mut s, "c", &[("x y none", if_node_exists(false))]);
    put_while(&mut s, "d e", &[("x * z", if_node_exists(true))]);
    put_while(&mut s, "f", &[("x y *", if_node_exists(true))]);
    s.delete("x");
    assert!(!s.exists("a") && !s.exists("b") && s.exists("c") && !s.exists("d") && !s.exists("f"));
}

#[test]
fn a_delete_of_many_lists_a_match_once_that_would_have_followed_another() {
    let mut s = Store::default();
    put(&mut s, "v");
    put_while(&mut s, "v6", &[("v", if_node_exists(true))]);
    assert_eq!(s.delete_many(steps("*"), Scope::Many), nodes([("v", explicit(1)), ("v6", explicit(1))]));
    s.put("", data(3));
    put(&mut s, "v");
    put_while(&mut s, "v6", &[("v", if_node_exists(true))]);
    assert_eq!(
        s.delete_many(steps("**"), Scope::ManyAndRoot),
        nodes([
            ("", deleted(Some(data(3)), 2, DeleteReason::Explicit)),
            ("v", explicit(1)),
            ("v6", explicit(1)),
        ])
    );
    assert!(s.node("").payload().is_none() && s.state.keep_while.is_empty());
}

#[test]
fn a_put_of_many_that_matches_nothing_gives_no_conditions() {
    let mut s = Store::default();
    let of = [("none", if_node_exists(true))];
    let put = Command::Put {
        path: steps("* x"),
        scope: Scope::Many,
        payload: data(1),
        keep_while: Some(watched(&of).into()),
        wanted: Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: true }),
    };
    assert_eq!(s.run(put), nodes([]));
}

#[test]
fn a_put_that_breaks_its_own_condition_is_answered_with_the_removal() {
    let mut s = Store::default();
    put_while(&mut s, "a", &[(".", if_payload_version(1))]);
    assert_eq!(s.put("a", data(2)), nodes([("a", deleted(Some(data(2)), 2, DeleteReason::KeepWhile))]));
    put_while(&mut s, "a", &[(".", if_payload_version(1))]);
    let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: false });
    let (path, scope) = (steps("a"), Scope::One);
    let put = Command::Put { path, scope, payload: data(2), keep_while: None, wanted };
    assert_eq!(s.run(put), nodes([("a", default_props(Some(data(1)), 2))]));
    assert!(!s.exists("a"));
}

/// As it is recorded of the original.
#[test]
fn a_put_does_not_break_the_condition_on_itself_that_it_gives() {
    for others in [false, true] {
        let mut s = Store::default();
        if others {
            put_while(&mut s, "z", &[(".", if_node_exists(true))]);
        }
        put(&mut s, "a");
        let answer = s.put_while("a", data(2), &[("a", if_payload_version(1))]);
        assert_eq!(answer, nodes([("a", default_props(Some(data(1)), 2))]));
        assert!(s.exists("a"));
        put(&mut s, "a x");
        assert!(!s.exists("a"), "its list of children changed");
    }
}

#[test]
fn the_root_is_watched_but_depends_on_nothing() {
    let mut s = Store::default();
    s.put("", data(1));
    put_while(&mut s, "a", &[("", if_has_data(true))]);
    put_while(&mut s, "b", &[("/", if_payload_version(2))]);
    s.put("", data(2));
    assert!(s.exists("a") && !s.exists("b"));
    s.clear("");
    assert!(!s.exists("a"));
    let of = [("x", if_node_exists(true))];
    let refused = s.put_while("", data(1), &of);
    assert_eq!(refused, not_met("", KeepWhileReason::NoNode(steps("x"))));
    put(&mut s, "x");
    assert_eq!(s.put_while("", data(1), &of), nodes([("", default_props(None, 5))]));
    assert!(s.state.keep_while.is_empty());
    s.delete("x");
    assert_eq!(s.node("").payload(), &data(1));
}

#[test]
fn a_watched_pattern_holds_while_something_matches_and_all_that_matches_meets_the_condition() {
    let mut s = Store::default();
    let of = [("p *", if_has_data(true))];
    assert_eq!(s.put_while("w", data(1), &of), not_met("w", KeepWhileReason::NoNode(steps("p *"))));
    put(&mut s, "p a");
    put(&mut s, "p b");
    put_while(&mut s, "w", &of);
    s.delete("p a");
    assert!(s.exists("w"));
    s.put("p b", data(2));
    assert!(s.exists("w"));
    s.put("p c", Payload::None);
    assert!(!s.exists("w"));
    s.delete("p c");
    put_while(&mut s, "w", &of);
    s.delete("p b");
    assert!(!s.exists("w"), "nothing matches");
    put(&mut s, "p b");
    put_while(&mut s, "w", &of);
    s.delete("p");
    assert!(!s.exists("w"), "what matched went with its parent");
}

#[test]
fn a_watched_pattern_is_asked_when_a_condition_within_it_lets_others_match() {
    let mut s = Store::default();
    put(&mut s, "p a x");
    put(&mut s, "p a");
    let has_data = Step::Condition(condition(&if_has_data(true)));
    let pattern = [steps("p"), vec![has_data], steps("x")].concat();
    let watched = Watched { path: pattern, condition: condition(&if_node_exists(true)) };
    let keep_while = Some(vec![watched].into());
    let (path, scope) = (steps("w"), Scope::One);
    s.run(Command::Put { path, scope, payload: data(1), keep_while, wanted: None });
    assert!(s.exists("w"));
    s.clear("p a");
    assert!(!s.exists("w") && s.exists("p a x"));
}

/// The fault: whatever happened around the pattern, it was asked, and the node went before anything could match.
#[test]
fn a_new_node_may_wait_for_the_first_match_of_a_pattern_below_it() {
    let mut s = Store::default();
    put(&mut s, "other");
    put_while(&mut s, "depends", &[("other", if_node_exists(true))]);
    put_while(&mut s, "grp", &[(". * x", if_has_data(true))]);
    assert!(s.exists("grp"), "it was just created");
    put(&mut s, "unrelated");
    put(&mut s, "grp m");
    assert!(s.exists("grp"), "still nothing matches");
    put(&mut s, "grp m x");
    s.delete("grp m y");
    assert!(s.exists("grp"));
    s.delete("grp m x");
    assert!(!s.exists("grp"));
}

#[test]
fn a_match_that_comes_and_goes_with_one_command_was_one() {
    let mut s = Store::default();
    put_while(&mut s, "grp", &[(". *", if_node_exists(true))]);
    let version_1 = etf::record("if_child_list_version", &[etf::integer(1)]);
    s.put_while("grp m", data(1), &[("^", version_1)]);
    assert_eq!(s.state.node_count(), 1);
}

/// The fault: what the command created before it gave the first conditions of the tree was not looked at.
#[test]
fn the_first_conditions_are_asked_about_what_the_same_command_created() {
    for others in [false, true] {
        let mut s = Store::default();
        if others {
            put_while(&mut s, "z", &[(".", if_node_exists(true))]);
        }
        let answer = s.put_while("p t", data(1), &[("p", if_node_exists(false))]);
        let gone = nodes([("p t", followed(Some(data(1)))), ("p", followed(None))]);
        assert_eq!(answer, gone, "others: {others}");
    }
}

/// The fault: each change asked every watcher of the pattern again, which made a put of many quadratic.
#[test]
fn many_changes_ask_a_watcher_once() {
    let mut s = Store::default();
    (0..200).for_each(|index| put(&mut s, &format!("p n{index}")));
    put_while(&mut s, "w", &[("p *", if_node_exists(true))]);
    let targets: Vec<Path> = (0..200).map(|index| path(&format!("p n{index}"))).collect();
    let mut left = 5000;
    let mut edit = crate::edit::Edit::new(
        &mut s.state,
        None,
        crate::edit::Plan { is_manifold: true, depends: false },
        &mut left,
    );
    let change = crate::edit::Change { payload: &data(7), is_clear: false, keep_while: None };
    targets.iter().for_each(|target| edit.put(target, &change));
    assert_eq!(edit.finish(), Ok(Answer::Done));
}
