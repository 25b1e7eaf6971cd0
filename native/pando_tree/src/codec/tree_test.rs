use proptest::prelude::*;

use super::*;
use crate::limits::{PATH_COMPONENTS_MAX, PATH_SIZE_BYTES_MAX};
use crate::model::arbitrary;
use crate::payload::Payload;
use crate::state::Context;

fn records(state: &State) -> Vec<Vec<u8>> {
    let mut records = TreeRecords::new(state);
    let mut all = Vec::new();
    loop {
        let mut record = Vec::new();
        if !records.next_into(&mut record) {
            assert!(record.is_empty());
            return all;
        }
        all.push(record);
    }
}

fn build(records: &[Vec<u8>], revision: u64) -> Result<State, DecodeError> {
    let mut builder = TreeBuilder::new();
    for record in records {
        builder.push(record)?;
    }
    builder.finish(revision)
}

/// A record of a node with these names of its last component and this depth, and nothing special.
fn record(depth: usize, name: Option<&Name>, change: impl FnOnce(&mut Node)) -> Vec<u8> {
    let mut node = Node::new(Payload::None, false, 1);
    change(&mut node);
    let mut out = Vec::new();
    put_record(&mut out, depth, name, &node);
    out
}

fn plain(depth: usize, name: &str) -> Vec<u8> {
    record(depth, (depth > 0).then(|| Name::atom(name)).as_ref(), |_| {})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_tree_built_from_records_has_the_same_records_and_counts(
        commands in proptest::collection::vec(arbitrary::command(), 0..60),
    ) {
        let mut state = State::new();
        for (index, command) in commands.iter().enumerate() {
            state.apply(command, &Context { revision: index as u64 + 1, clock_ms: 0 });
        }
        let before = records(&state);
        let built = build(&before, state.revision()).unwrap();
        prop_assert_eq!(records(&built), before.clone());
        prop_assert_eq!(built.node_count(), state.node_count());
        prop_assert_eq!(before.len() as u64, TreeRecords::new(&state).count());
        prop_assert_eq!(built.revision(), state.revision());
    }

    #[test]
    fn damaged_records_never_panic_and_build_only_what_has_these_records(
        commands in proptest::collection::vec(arbitrary::command(), 1..30),
        damage in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 0..3),
        swap in any::<(usize, usize)>(),
    ) {
        let mut state = State::new();
        for (index, command) in commands.iter().enumerate() {
            state.apply(command, &Context { revision: index as u64 + 1, clock_ms: 0 });
        }
        let mut bad = records(&state);
        let count = bad.len();
        bad.swap(swap.0 % count, swap.1 % count);
        for (record, at, byte) in damage {
            let record = &mut bad[record % count];
            let at = at % record.len();
            record[at] = byte;
        }
        if let Ok(built) = build(&bad, state.revision()) {
            prop_assert_eq!(records(&built), bad);
        }
    }

    #[test]
    fn random_records_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut builder = TreeBuilder::new();
        builder.push(&plain(0, "")).unwrap();
        let _ = builder.push(&bytes);
    }
}

#[test]
fn records_in_a_wrong_order_or_depth_are_refused() {
    let root = plain(0, "");
    let built = |records: &[Vec<u8>]| build(records, 9).map(|state| state.node_count());
    assert_eq!(built(&[root.clone(), plain(1, "a"), plain(2, "c"), plain(1, "b")]), Ok(4));
    assert_eq!(built(&[root.clone(), plain(1, "b"), plain(1, "a")]), Err(DecodeError::WrongOrder));
    assert_eq!(built(&[root.clone(), plain(1, "a"), plain(1, "a")]), Err(DecodeError::WrongOrder));
    assert_eq!(built(&[root.clone(), plain(2, "a")]), Err(DecodeError::WrongDepth));
    assert_eq!(built(&[root.clone(), root.clone()]), Err(DecodeError::WrongDepth));
    assert_eq!(built(&[plain(1, "a")]), Err(DecodeError::WrongDepth));
    assert_eq!(built(&[]), Err(DecodeError::NoRoot));
    let mut longer = root.clone();
    longer.push(0);
    assert_eq!(built(&[longer]), Err(DecodeError::TrailingBytes));
}

#[test]
fn counters_that_no_command_makes_are_refused() {
    let name = Name::atom("a");
    let child = |change: fn(&mut Node)| build(&[plain(0, ""), record(1, Some(&name), change)], 1).err();
    assert_eq!(child(|_| {}), None);
    assert_eq!(child(|node| node.payload_version = 0), Some(DecodeError::WrongCounters));
    assert_eq!(child(|node| node.child_list_version = 0), Some(DecodeError::WrongCounters));
    assert_eq!(child(|node| node.subtree_revision = 0), Some(DecodeError::WrongCounters));
    assert_eq!(child(|node| node.subtree_revision = 2), Some(DecodeError::WrongCounters));
    assert_eq!(build(&[plain(0, "")], 0).err(), Some(DecodeError::WrongCounters));
    let implicit_root = record(0, None, |node| node.implicit = true);
    assert_eq!(build(&[implicit_root], 1).err(), Some(DecodeError::WrongCounters));
}

#[test]
fn a_tree_over_a_limit_is_refused_and_one_at_it_is_built() {
    let chain = |depth: usize, size: usize| -> Result<u64, DecodeError> {
        let name = Name::binary(&vec![b'x'; size]);
        let records = (0..=depth).map(|depth| record(depth, (depth > 0).then_some(&name), |_| {}));
        build(&records.collect::<Vec<_>>(), 1).map(|state| state.node_count())
    };
    assert_eq!(chain(PATH_COMPONENTS_MAX, 1), Ok(PATH_COMPONENTS_MAX as u64 + 1));
    assert_eq!(chain(PATH_COMPONENTS_MAX + 1, 1), Err(DecodeError::LimitExceeded(Limit::PathComponents)));
    assert_eq!(chain(4, PATH_SIZE_BYTES_MAX / 4), Ok(5));
    assert_eq!(chain(5, PATH_SIZE_BYTES_MAX / 4), Err(DecodeError::LimitExceeded(Limit::PathSizeBytes)));
}

#[test]
fn the_records_are_those_of_the_moment_they_were_asked_for() {
    let mut state = build(&[plain(0, ""), plain(1, "a"), plain(1, "b")], 1).unwrap();
    let mut at_first = TreeRecords::new(&state);
    let before = records(&state);
    let delete = crate::Command::delete(vec![]);
    state.apply(&delete, &Context { revision: 2, clock_ms: 0 });
    let mut seen = Vec::new();
    let mut record = Vec::new();
    while at_first.next_into(&mut record) {
        seen.push(std::mem::take(&mut record));
    }
    assert_eq!(seen, before);
    assert_eq!(at_first.into_root().subtree_nodes(), 3);
}
