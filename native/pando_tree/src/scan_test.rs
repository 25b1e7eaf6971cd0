use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::command::Command;
use crate::model::{Model, arbitrary};
use crate::payload::Payload;
use crate::state::Context;
use crate::test_store::{path, steps};

fn put(state: &mut State, path: Vec<Step>) {
    let revision = state.revision() + 1;
    state.apply(&Command::put(path, Payload::None), &Context { revision, clock_ms: 0 });
}

fn tree(paths: &[&str]) -> State {
    let mut state = State::new();
    paths.iter().for_each(|path| put(&mut state, steps(path)));
    state
}

fn all(mut scan: Scan) -> Vec<Path> {
    std::iter::from_fn(|| scan.next().map(|found| found.0)).collect()
}

fn found(state: &State, pattern: &str) -> Vec<Path> {
    all(Scan::new(state, steps(pattern), false, None).unwrap())
}

fn paths<const N: usize>(texts: [&str; N]) -> Vec<Path> {
    texts.into_iter().map(path).collect()
}

/// The places where a walk along the steps can end, found by trying; `None` for a step that no scan supports is not
/// known here.
fn places(nodes: &BTreeSet<Path>, steps: &[Step]) -> BTreeSet<Path> {
    let mut places = BTreeSet::from([Path::new()]);
    for step in steps {
        let go = |place: &Path| -> Vec<Path> {
            let below = |depth_max: usize| {
                let is_below = |node: &&Path| {
                    node.starts_with(place)
                        && node.len() > place.len()
                        && node.len() - place.len() <= depth_max
                };
                nodes.iter().filter(is_below).cloned().collect()
            };
            match step {
                Step::This => vec![place.clone()],
                Step::Root => vec![Path::new()],
                Step::Parent => vec![place[..place.len().saturating_sub(1)].to_vec()],
                Step::AnyChild => below(1),
                Step::AnyDescendant => below(usize::MAX),
                Step::Child(name) => {
                    let child = [&place[..], std::slice::from_ref(name)].concat();
                    Vec::from_iter(nodes.contains(&child).then_some(child))
                }
                Step::Condition(_) => unreachable!(),
            }
        };
        places = places.iter().flat_map(go).collect();
    }
    places
}

fn pattern() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => arbitrary::name().prop_map(Step::Child),
        3 => Just(Step::AnyChild),
        3 => Just(Step::AnyDescendant),
        3 => Just(Step::Parent),
        1 => Just(Step::This),
        1 => Just(Step::Root),
    ];
    proptest::collection::vec(step, 0..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_scan_finds_each_place_a_walk_can_end_at_once_and_in_order(
        nodes in proptest::collection::vec(arbitrary::path(), 0..25),
        pattern in pattern(),
        include_root in any::<bool>(),
        steps_max in 1u64..6,
    ) {
        let mut state = State::new();
        nodes.into_iter().for_each(|path| put(&mut state, path));
        let nodes: BTreeSet<Path> = Model::of(&state).nodes.into_keys().collect();
        let Ok(mut scan) = Scan::new(&state, pattern.clone(), include_root, None) else {
            // What is refused: a step up or back behind a wildcard.
            let wildcard = pattern.iter().position(Step::is_wildcard).unwrap();
            prop_assert!(pattern[wildcard..].iter().any(|step| matches!(step, Step::Parent | Step::Root)));
            return Ok(());
        };
        let mut expected = places(&nodes, &pattern);
        if include_root && pattern.first().is_some_and(Step::is_wildcard) {
            expected.insert(Path::new());
        }
        let mut seen = Vec::new();
        while let Some((path, node)) = scan.next() {
            prop_assert!(std::ptr::eq(&*node, state.lookup(&path).unwrap()));
            seen.push(path);
        }
        let expected: Vec<Path> = expected.into_iter().collect();
        prop_assert_eq!(&seen, &expected);

        let mut by_pieces = Scan::new(&state, pattern.clone(), include_root, None).unwrap();
        let mut pulled = Vec::new();
        loop {
            let mut steps = steps_max;
            match by_pieces.next_within(&mut steps) {
                Pulled::Node(path, _) => pulled.push(path),
                Pulled::End => break,
                Pulled::OutOfSteps => prop_assert_eq!(steps, 0),
            }
        }
        prop_assert_eq!(&pulled, &expected);

        let mut counting = Scan::new(&state, pattern, include_root, None).unwrap();
        let returned = usize::from(counting.next().is_some());
        let count = loop {
            if let Progress::Done(count) = counting.count(steps_max) {
                break count;
            }
        };
        prop_assert_eq!(count as usize, expected.len() - returned);
    }
}

#[test]
fn the_examples_of_the_specification_hold() {
    let state = tree(&["a b c", "x y", "x z"]);
    assert_eq!(found(&state, ""), paths([""]));
    assert_eq!(found(&state, "nope"), paths([]));
    assert_eq!(found(&state, "nope ^"), paths([]));
    assert_eq!(found(&state, "**"), paths(["a", "a b", "a b c", "x", "x y", "x z"]));
    assert_eq!(found(&state, "x **"), paths(["x y", "x z"]));
    assert_eq!(found(&state, "* **"), paths(["a b", "a b c", "x y", "x z"]));
    assert_eq!(found(&state, "x ^"), paths([""]));
    assert_eq!(found(&state, "x . y"), paths(["x y"]));
    assert_eq!(found(&state, "* ^"), paths([""]));
    assert_eq!(found(&state, "** ^"), paths(["", "a", "a b", "x"]));
    assert_eq!(found(&state, "* y ^"), paths(["x"]));
    assert_eq!(found(&state, "/ x *"), paths(["x y", "x z"]));
}

#[test]
fn the_root_is_included_only_where_the_first_step_is_a_wildcard() {
    let state = tree(&["a b"]);
    let with_root = |pattern| all(Scan::new(&state, steps(pattern), true, None).unwrap());
    assert_eq!(with_root("*"), paths(["", "a"]));
    assert_eq!(with_root("** ^"), paths(["", "a"]));
    assert_eq!(with_root("a *"), paths(["a b"]));
    assert_eq!(with_root(""), paths([""]));
    assert_eq!(all(Scan::new(&State::new(), steps("*"), true, None).unwrap()), paths([""]));
}

#[test]
fn combinations_that_need_a_search_are_refused() {
    let state = tree(&["a"]);
    for (pattern, position) in [("* * ^ ^", 3), ("** ^ ^", 2), ("* /", 1), ("a ** b ^ ^", 4)] {
        let refused = Scan::new(&state, steps(pattern), false, None).err();
        assert_eq!(refused, Some(Refusal::UnsupportedPattern { position }), "{pattern}");
    }
}

#[test]
fn counting_everything_takes_a_bounded_number_of_steps() {
    let mut state = State::new();
    for i in 0..500 {
        put(&mut state, steps(&format!("p n{i}")));
    }
    for (pattern, count) in [("**", 501), ("p **", 500), ("p *", 500), ("*", 1)] {
        let mut scan = Scan::new(&state, steps(pattern), false, None).unwrap();
        assert_eq!(scan.count(3), Progress::Done(count), "{pattern}");
    }
}

#[test]
fn a_plain_step_behind_a_wildcard_is_looked_up_and_not_searched() {
    let mut state = State::new();
    for i in 0..500 {
        put(&mut state, steps(&format!("p n{i}")));
    }
    let mut steps_left = 10;
    let mut scan = Scan::new(&state, steps("* n77"), false, None).unwrap();
    assert!(matches!(scan.next_within(&mut steps_left), Pulled::Node(..)));
    assert!(matches!(scan.next_within(&mut steps_left), Pulled::End));
}

#[test]
fn a_scan_shows_the_tree_as_it_was() {
    let mut state = tree(&["a", "b"]);
    let mut scan = Scan::new(&state, steps("*"), false, None).unwrap();
    assert_eq!(scan.next().map(|found| found.0), Some(path("a")));
    state.apply(&Command::delete(vec![]), &Context { revision: 9, clock_ms: 0 });
    put(&mut state, steps("c"));
    assert_eq!(scan.next().map(|found| found.0), Some(path("b")));
    assert!(scan.next().is_none());
    assert_eq!(scan.into_root().subtree_nodes(), 3);
}

#[test]
fn a_pattern_of_the_longest_permitted_kind_is_scanned() {
    let depth = crate::limits::PATH_COMPONENTS_MAX;
    let mut state = State::new();
    put(&mut state, vec![Step::Child(Name::atom("d")); depth]);
    let pattern = vec![Step::AnyDescendant; depth];
    assert_eq!(all(Scan::new(&state, pattern, false, None).unwrap()).len(), 1);
    let over = vec![Step::AnyDescendant; depth + 1];
    assert!(matches!(Scan::new(&state, over, false, None), Err(Refusal::LimitExceeded(_))));
}
