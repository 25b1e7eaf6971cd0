use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::arbitrary;
use crate::payload::Payload;
use crate::test_condition::{self, TestCondition, TestSubject};
use crate::test_store::{data, path, procedure, steps};

/// A tree as the map of its nodes. All parents are there.
type Nodes = BTreeMap<Path, TestNode>;

#[derive(Clone, Debug)]
struct TestNode {
    payload: Payload,
    payload_version: u64,
    child_list_version: u64,
}

const EMPTY: TestNode = TestNode { payload: Payload::None, payload_version: 1, child_list_version: 1 };

fn with_parents(nodes: impl IntoIterator<Item = (Path, TestNode)>) -> Nodes {
    let mut all = Nodes::from([(Path::new(), EMPTY)]);
    for (path, node) in nodes {
        for length in 0..path.len() {
            all.entry(path[..length].to_vec()).or_insert(EMPTY);
        }
        all.insert(path, node);
    }
    all
}

fn state(nodes: &Nodes) -> State {
    // A node comes behind its parent in the order of paths, so backwards the children are there before it.
    let mut children: BTreeMap<&[Name], Vec<(Name, Arc<Node>)>> = BTreeMap::new();
    for (path, test_node) in nodes.iter().rev() {
        let mut node = Node::new(test_node.payload.clone(), false, 1);
        node.payload_version = test_node.payload_version;
        node.child_list_version = test_node.child_list_version;
        for (name, child) in children.remove(&path[..]).unwrap_or_default() {
            node.subtree_nodes += child.subtree_nodes;
            node.children.insert(name, child);
        }
        match path.split_last() {
            None => return State::from_root(Arc::new(node), 1),
            Some((name, parent)) => children.entry(parent).or_default().push((name.clone(), Arc::new(node))),
        }
    }
    unreachable!("the root comes last")
}

fn tree(paths: &[&str]) -> State {
    state(&with_parents(paths.iter().map(|text| (path(text), EMPTY))))
}

fn all(mut scan: Scan) -> Vec<Path> {
    std::iter::from_fn(|| scan.next().map(|found| found.0)).collect()
}

fn scan(state: &State, pattern: &[Step]) -> Scan {
    Scan::new(state, pattern.to_vec(), false, None).unwrap()
}

fn found(state: &State, pattern: &str) -> Vec<Path> {
    all(scan(state, &steps(pattern)))
}

fn paths<const N: usize>(texts: [&str; N]) -> Vec<Path> {
    texts.into_iter().map(path).collect()
}

/// A step of a pattern as a test knows it.
#[derive(Clone, Debug)]
enum TestStep {
    Plain(Step),
    Condition(TestCondition),
}

impl TestStep {
    fn step(&self) -> Step {
        match self {
            TestStep::Plain(step) => step.clone(),
            TestStep::Condition(condition) => condition.step(),
        }
    }

    /// Whether it is a condition on children: sections 4.2 and 4.4.
    fn is_on_children(&self) -> bool {
        match self {
            TestStep::Plain(step) => matches!(step, Step::AnyChild | Step::AnyDescendant),
            TestStep::Condition(condition) => !condition.is_on_this(),
        }
    }
}

fn is_met(condition: &TestCondition, nodes: &Nodes, path: &Path) -> bool {
    let node = &nodes[path];
    condition.is_met(&TestSubject {
        name: path.last(),
        payload: &node.payload,
        payload_version: node.payload_version,
        child_list_version: node.child_list_version,
        child_list_length: below(nodes, path, 1).len() as u64,
    })
}

fn below(nodes: &Nodes, path: &Path, depth_max: usize) -> Vec<Path> {
    let is_below = |other: &&Path| {
        other.starts_with(path) && other.len() > path.len() && other.len() - path.len() <= depth_max
    };
    nodes.keys().filter(is_below).cloned().collect()
}

/// The places where a walk along the steps can end, found by trying (sections 4.1 to 4.3), sorted: each as often as there
/// are ways to it. Behind a step up the ways are not counted.
fn places(nodes: &Nodes, steps: &[TestStep]) -> Vec<Path> {
    let mut places = vec![Path::new()];
    for step in steps {
        let go = |place: &Path| -> Vec<Path> {
            match step {
                TestStep::Plain(Step::This) => vec![place.clone()],
                TestStep::Plain(Step::Root) => vec![Path::new()],
                TestStep::Plain(Step::Parent) => vec![place[..place.len().saturating_sub(1)].to_vec()],
                TestStep::Plain(Step::AnyChild) => below(nodes, place, 1),
                TestStep::Plain(Step::AnyDescendant) => below(nodes, place, usize::MAX),
                TestStep::Plain(Step::Child(name)) => {
                    let child = [&place[..], std::slice::from_ref(name)].concat();
                    Vec::from_iter(nodes.contains_key(&child).then_some(child))
                }
                TestStep::Plain(Step::Condition(_)) => unreachable!("conditions are not plain"),
                TestStep::Condition(condition) if condition.is_on_this() => {
                    Vec::from_iter(is_met(condition, nodes, place).then(|| place.clone()))
                }
                TestStep::Condition(condition) => {
                    let depth_max = if condition.applies_to_grandchildren() { usize::MAX } else { 1 };
                    // Where names are given to choose from, no other child is looked at.
                    let names = condition.names();
                    let is_looked_at = |path: &Path| {
                        let mut way = path[place.len()..].iter();
                        names.as_ref().is_none_or(|names| way.all(|name| names.contains(name)))
                    };
                    let mut met = below(nodes, place, depth_max);
                    met.retain(|path| is_looked_at(path) && is_met(condition, nodes, path));
                    met
                }
            }
        };
        places = places.iter().flat_map(go).collect();
        places.sort();
        if steps.iter().any(|step| matches!(step, TestStep::Plain(Step::Parent))) {
            places.dedup();
        }
    }
    places
}

fn pattern() -> impl Strategy<Value = Vec<TestStep>> {
    let step = prop_oneof![
        8 => arbitrary::name().prop_map(Step::Child).prop_map(TestStep::Plain),
        4 => Just(TestStep::Plain(Step::AnyChild)),
        4 => Just(TestStep::Plain(Step::AnyDescendant)),
        6 => Just(TestStep::Plain(Step::Parent)),
        1 => Just(TestStep::Plain(Step::This)),
        1 => Just(TestStep::Plain(Step::Root)),
        9 => test_condition::arbitrary(arbitrary::name().boxed()).prop_map(TestStep::Condition),
    ];
    proptest::collection::vec(step, 0..7)
}

fn nodes() -> impl Strategy<Value = Nodes> {
    let path = proptest::collection::vec(arbitrary::name(), 0..5);
    let node = (arbitrary::payload(), 1u64..4, 1u64..4).prop_map(
        |(payload, payload_version, child_list_version)| TestNode {
            payload,
            payload_version,
            child_list_version,
        },
    );
    proptest::collection::vec((path, node), 0..25).prop_map(with_parents)
}

/// Whether the steps go up behind a condition on names that is tried again below each child that it names.
fn is_up_behind_names(pattern: &[TestStep]) -> bool {
    let is_it = |step: &TestStep| match step {
        TestStep::Condition(condition) => condition.applies_to_grandchildren() && condition.names().is_some(),
        TestStep::Plain(_) => false,
    };
    let mut behind = pattern.iter().skip_while(|step| !is_it(step));
    behind.any(|step| matches!(step, TestStep::Plain(Step::Parent)))
}

/// Whether the steps go back to the root behind a step that can lead to many nodes.
fn is_root_behind_wildcard(pattern: &[TestStep]) -> bool {
    let wildcard = |step: &TestStep| match step {
        TestStep::Condition(condition) => {
            condition.applies_to_grandchildren() || condition.siblings().is_none_or(|names| names.len() > 1)
        }
        TestStep::Plain(_) => step.is_on_children(),
    };
    let root = pattern.iter().rposition(|step| matches!(step, TestStep::Plain(Step::Root)));
    root.is_some_and(|root| pattern[..root].iter().any(wildcard))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_scan_finds_each_place_a_walk_can_end_at_once_and_in_order(
        nodes in nodes(),
        pattern in pattern(),
        include_root in any::<bool>(),
        from in proptest::option::of(proptest::collection::vec(arbitrary::name(), 0..5)),
        steps_max in 0u64..6,
        returned_max in 0usize..3,
    ) {
        let state = state(&nodes);
        let steps: Vec<Step> = pattern.iter().map(TestStep::step).collect();
        let new = || Scan::new(&state, steps.clone(), include_root, from.clone());
        let Ok(mut scan) = new() else {
            prop_assert!(is_root_behind_wildcard(&pattern) || is_up_behind_names(&pattern));
            return Ok(());
        };
        let mut expected = places(&nodes, &pattern);
        if include_root && pattern.first().is_some_and(TestStep::is_on_children) {
            expected.retain(|path| !path.is_empty());
            expected.insert(0, Path::new());
        }
        if let Some(from) = &from {
            expected.retain(|path| path > from);
        }
        let mut seen = Vec::new();
        while let Some((path, node)) = scan.next() {
            prop_assert!(std::ptr::eq(&*node, state.lookup(&path).unwrap()));
            seen.push(path);
        }
        prop_assert_eq!(&seen, &expected);
        let mut once = expected.clone();
        once.dedup();
        prop_assert_eq!(all(new().unwrap().once()), once);

        let mut by_pieces = new().unwrap();
        let mut pulled = Vec::new();
        // A call visits a node at least, so this is more than enough calls, however few steps each brings.
        for _ in 0..=2 * nodes.len() + expected.len() {
            let mut steps = steps_max;
            match by_pieces.next_within(&mut steps) {
                Pulled::Node(path, _) => pulled.push(path),
                Pulled::End => break,
                Pulled::OutOfSteps => prop_assert_eq!(steps, 0),
            }
        }
        prop_assert!(matches!(by_pieces.next_within(&mut 1), Pulled::End));
        prop_assert_eq!(&pulled, &expected);

        let mut counting = new().unwrap();
        let returned = std::iter::from_fn(|| counting.next()).take(returned_max).count();
        let mut counts = std::iter::repeat_with(|| counting.count(steps_max)).take(2 * nodes.len() + 1);
        let done = counts.find(|progress| *progress != Progress::More);
        prop_assert_eq!(done, Some(Progress::Done((expected.len() - returned) as u64)));
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
    assert_eq!(found(&state, "* * ^ ^"), paths([""]));
    assert_eq!(found(&state, "** ^ ^"), paths(["", "a"]));
    assert_eq!(found(&state, "a ** c ^ ^"), paths(["a"]));
    assert_eq!(found(&state, "x y / a *"), paths(["a b"]));
    assert_eq!(found(&state, "nope / a *"), paths([]));
}

fn contains(byte: u8) -> test_condition::Regex {
    test_condition::Regex::Contains(byte)
}

#[test]
fn a_condition_that_applies_to_grandchildren_is_tried_below_children_that_do_not_meet_it() {
    let state = tree(&["baz pouet", "foo bar"]);
    let pattern = [TestCondition::PathMatches(contains(b'o')).step()];
    assert_eq!(all(scan(&state, &pattern)), paths(["baz pouet", "foo"]));
    let pattern = [TestCondition::NameMatches(contains(b'o')).step()];
    assert_eq!(all(scan(&state, &pattern)), paths(["foo"]));
}

#[test]
fn a_step_up_from_a_condition_leads_to_the_parents_of_those_that_meet_it() {
    let with = |payload| TestNode { payload, ..EMPTY };
    let nodes = with_parents([
        (path("a b"), with(data(1))),
        (path("c d"), with(procedure(1))),
        (path("e"), with(data(1))),
    ]);
    let state = state(&nodes);
    let has_data = || TestCondition::HasData(true).step();
    assert_eq!(all(scan(&state, &[has_data(), Step::Parent])), paths([""]));
    assert_eq!(all(scan(&state, &[Step::AnyChild, has_data(), Step::Parent])), paths(["a"]));
    let everywhere = TestCondition::All(vec![
        TestCondition::PathMatches(test_condition::Regex::Any),
        TestCondition::HasData(true),
    ]);
    assert_eq!(all(scan(&state, &[everywhere.step(), Step::Parent])), paths(["", "a"]));
}

#[test]
fn a_condition_on_the_node_itself_is_one_on_where_the_walk_stands() {
    let state = tree(&["a b", "c"]);
    let on = |place, length| {
        TestCondition::All(vec![place, TestCondition::ChildListLength(test_condition::Number::Is(length))])
            .step()
    };
    assert_eq!(all(scan(&state, &[on(TestCondition::Root, 2)])), paths([""]));
    assert_eq!(all(scan(&state, &[on(TestCondition::Root, 3)])), paths([]));
    assert_eq!(all(scan(&state, &[Step::AnyChild, on(TestCondition::This, 1)])), paths(["a"]));
    assert_eq!(all(scan(&state, &[Step::AnyChild, on(TestCondition::Root, 1)])), paths([]));
}

#[test]
fn the_root_is_included_only_where_the_first_step_is_on_children_by_a_condition() {
    let state = tree(&["a b"]);
    let scan = |pattern: Vec<Step>| all(Scan::new(&state, pattern, true, None).unwrap());
    assert_eq!(scan(steps("*")), paths(["", "a"]));
    assert_eq!(scan(steps("** ^")), paths(["", "a"]));
    assert_eq!(scan(steps("a *")), paths(["a b"]));
    assert_eq!(scan(steps("")), paths([""]));
    assert_eq!(scan(vec![TestCondition::Any(vec![]).step()]), paths([""]));
    let a = TestCondition::Name(Name::atom("a"));
    assert_eq!(scan(vec![TestCondition::All(vec![a]).step()]), paths(["", "a"]));
    let this_never = TestCondition::All(vec![TestCondition::This, TestCondition::Exists(false)]);
    assert_eq!(scan(vec![this_never.step()]), paths([]));
    let none = State::new();
    assert_eq!(all(Scan::new(&none, steps("*"), true, None).unwrap()), paths([""]));
}

#[test]
fn back_to_the_root_behind_a_wildcard_is_refused() {
    let state = tree(&["a"]);
    let name = TestCondition::NameMatches(contains(b'a')).step();
    let patterns = [
        (steps("* /"), 1),
        (steps("a ** . /"), 3),
        (vec![name, Step::Child(Name::atom("b")), Step::Root], 2),
    ];
    for (pattern, position) in patterns {
        let refused = Scan::new(&state, pattern, false, None).err();
        assert_eq!(refused, Some(Refusal::UnsupportedPattern { position }));
    }
}

#[test]
fn steps_up_are_supported_to_a_limit_behind_any_descendant_and_without_one_behind_names() {
    let depth = crate::limits::PATH_COMPONENTS_MAX / 2;
    let up = |to: Step, count| [vec![to; count], vec![Step::Parent; count]].concat();
    let name = Step::Child(Name::atom("d"));
    let mut state = state(&with_parents([(vec![Name::atom("d"); depth], EMPTY)]));
    assert_eq!(all(scan(&state, &up(name.clone(), depth))), paths([""]));
    assert_eq!(all(scan(&state, &up(Step::AnyChild, 32))), paths([""]));
    let refused = |pattern, state: &State| Scan::new(state, pattern, false, None).err();
    let unsupported = |position| Some(Refusal::UnsupportedPattern { position });
    assert_eq!(refused(up(Step::AnyChild, 33), &state), unsupported(65));
    assert_eq!(all(scan(&state, &up(Step::AnyDescendant, 6))).len(), depth - 5);
    assert!(matches!(refused(up(Step::AnyDescendant, 30), &state), Some(Refusal::UnsupportedPattern { .. })));
    let ups = |count| [vec![Step::AnyDescendant], vec![Step::Parent; count]].concat();
    assert_eq!(all(scan(&state, &ups(32))).len(), depth - 31);
    assert_eq!(refused(ups(33), &state), unsupported(33));
    // One name is missing at the end.
    Arc::make_mut(&mut state.root).children.remove(&Name::atom("d"));
    assert_eq!(all(scan(&state, &up(name, depth))), paths([]));
}

fn wide_tree() -> State {
    state(&with_parents((0..500).map(|i| (path(&format!("p n{i}")), EMPTY))))
}

#[test]
fn counting_everything_takes_a_bounded_number_of_steps() {
    let state = wide_tree();
    for (pattern, count) in [("**", 501), ("p **", 500), ("p *", 500), ("*", 1), ("* *", 500)] {
        assert_eq!(scan(&state, &steps(pattern)).count(4), Progress::Done(count), "{pattern}");
    }
    let mut behind = Scan::new(&state, steps("**"), false, Some(path("p"))).unwrap();
    assert_eq!(behind.count(4), Progress::Done(500));
}

#[test]
fn what_a_condition_takes_is_taken_off_the_steps_and_its_own_budget_is_not_the_callers() {
    let state = wide_tree();
    let has_payload = TestCondition::HasPayload(false).step();
    // The one child of the root is demanded to have a child that does not exist.
    let never = TestCondition::HasPayload(true).step();
    let mut search = scan(&state, &[Step::AnyChild, never, Step::Parent]);
    let mut left = 10_000;
    assert!(matches!(search.next_within(&mut left), Pulled::End));
    assert!(left < 10_000 - 500, "{left}");
    // A condition that takes more than the steps of the call is met all the same.
    let pattern = [Step::AnyChild, has_payload.clone(), has_payload, Step::Parent, Step::Parent];
    let mut scan = Scan::new(&tree(&["p q r"]), pattern.to_vec(), false, None).unwrap();
    assert!(matches!(scan.next_within(&mut 1), Pulled::OutOfSteps));
    assert!(matches!(scan.next_within(&mut 1), Pulled::Node(found, _) if found == path("p")));
}

#[test]
fn conditions_that_take_more_than_their_budget_count_as_not_met() {
    let state = tree(&["p a", "p b", "q c"]);
    let search = |budget| {
        let is_c = TestCondition::NameMatches(contains(b'c'));
        let is_b = TestCondition::NameMatches(contains(b'b'));
        let pattern = [Step::AnyChild, TestCondition::Any(vec![is_c, is_b]).step(), Step::Parent];
        let mut scan = scan(&state, &pattern);
        scan.pattern.evaluation_steps_max = budget;
        all(scan)
    };
    // For each child a step of its own, one for each of up to three conditions, one for each byte of the name
    // for each regular expression: at `c` 1 + 2 + 1, at `b` 1 + 3 + 2 behind as many at `a`.
    assert_eq!(search(12), paths(["p", "q"]));
    assert_eq!(search(11), paths(["q"]));
    assert_eq!(search(4), paths(["q"]));
    assert_eq!(search(3), paths([]));
}

#[test]
fn a_plain_step_behind_a_wildcard_is_looked_up_and_not_searched() {
    let state = wide_tree();
    let any_of = |names: [&str; 2]| {
        TestCondition::Any(names.map(|name| TestCondition::Name(Name::atom(name))).to_vec()).step()
    };
    for last in [Step::Child(Name::atom("n77")), any_of(["n77", "nope"])] {
        let mut steps_left = 12;
        let mut scan = scan(&state, &[Step::AnyChild, last]);
        assert!(matches!(scan.next_within(&mut steps_left), Pulled::Node(..)));
        assert!(matches!(scan.next_within(&mut steps_left), Pulled::End));
    }
}

#[test]
fn a_scan_begins_behind_a_path_without_visiting_what_is_before_it() {
    let state = wide_tree();
    for (from, next) in [("p n7", "p n70"), ("p n70a", "p n71"), ("p n", "p n0"), ("o", "p"), ("p", "p n0")] {
        let mut steps_left = 4;
        let mut scan = Scan::new(&state, steps("**"), false, Some(path(from))).unwrap();
        let found = scan.next_within(&mut steps_left);
        assert!(matches!(&found, Pulled::Node(found, _) if *found == path(next)), "{from}: {found:?}");
    }
    let mut scan = Scan::new(&state, steps("**"), true, Some(path("p n99"))).unwrap();
    assert!(matches!(scan.next_within(&mut 4), Pulled::End));
}

#[test]
fn a_scan_shows_the_tree_as_it_was() {
    let mut state = tree(&["a", "b"]);
    let mut scan = scan(&state, &steps("*"));
    assert_eq!(scan.next().map(|found| found.0), Some(path("a")));
    let root = Arc::make_mut(&mut state.root);
    root.children.remove(&Name::atom("b"));
    root.children.insert(Name::atom("c"), Arc::new(Node::new(Payload::None, false, 2)));
    assert_eq!(scan.next().map(|found| found.0), Some(path("b")));
    assert!(scan.next().is_none());
    assert_eq!(scan.into_root().subtree_nodes(), 3);
}

#[test]
fn a_pattern_of_the_longest_permitted_kind_is_scanned() {
    let depth = crate::limits::PATH_COMPONENTS_MAX;
    let state = state(&with_parents([(vec![Name::atom("d"); depth], EMPTY)]));
    assert_eq!(all(scan(&state, &vec![Step::AnyDescendant; depth])).len(), 1);
    let over = vec![Step::AnyDescendant; depth + 1];
    assert!(matches!(Scan::new(&state, over, false, None), Err(Refusal::LimitExceeded(_))));
}
