use proptest::prelude::*;

use super::*;
use crate::command::{Command, Once};
use crate::limits::{PATH_COMPONENTS_MAX, PATH_SIZE_BYTES_MAX};
use crate::model::command::TestCommand;
use crate::model::{Model, arbitrary};
use crate::payload::Payload;
use crate::request_window::RequestId;
use crate::state::Context;
use crate::step::Step;
use crate::test_store::{condition, etf, if_node_exists, steps, watched};

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

fn after(commands: &[TestCommand]) -> State {
    let mut state = State::new();
    for (index, command) in commands.iter().enumerate() {
        // Some of them once, and of these some again.
        let id = RequestId::new(&[(index % 10) as u8]).unwrap();
        let command = match index % 3 {
            0 => Command::Once(Box::new(Once::new(id, command.command(), None))),
            _ => command.command(),
        };
        state.apply(&command, &Context { revision: index as u64 + 1, clock_ms: 0, is_as_predicted: true });
    }
    state
}

/// A record of what a node depends on.
fn conditions(path: &[Step], watched: &[Watched]) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, CONDITIONS);
    super::super::command::put_path(&mut out, path);
    put_number(&mut out, watched.len() as u64);
    put_watched(&mut out, watched);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_tree_built_from_records_has_the_same_records_and_counts(
        commands in arbitrary::test_commands(),
    ) {
        let state = after(&commands);
        let before = records(&state);
        let built = build(&before, state.revision()).unwrap();
        prop_assert_eq!(records(&built), before.clone());
        prop_assert_eq!(built.node_count(), state.node_count());
        prop_assert_eq!(before.len() as u64, TreeRecords::new(&state).count());
        prop_assert_eq!(built.revision(), state.revision());
        prop_assert_eq!(Model::of(&built), Model::of(&state));
        built.keep_while.check(&built);
        built.requests.check();
    }

    #[test]
    fn damaged_records_never_panic_and_build_only_what_has_these_records(
        commands in arbitrary::test_commands(),
        damage in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 0..3),
        swap in any::<(usize, usize)>(),
    ) {
        let state = after(&commands);
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
            built.keep_while.check(&built);
            built.requests.check();
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
fn conditions_that_no_command_leaves_are_refused() {
    let implicit = record(1, Some(&Name::atom("p")), |node| {
        *node = Node::new(Payload::None, true, 1);
    });
    let tree = [plain(0, ""), plain(1, "a"), plain(1, "b"), implicit, plain(2, "c")];
    let built =
        |records: &[Vec<u8>]| build(&[&tree[..], records].concat(), 9).map(|state| state.keep_while.len());
    let of = |text: &str| watched(&[(text, if_node_exists(true))]);
    let one = |path: &str, watched: &[Watched]| built(&[conditions(&steps(path), watched)]);
    assert_eq!(built(&[conditions(&steps("a"), &of("x")), conditions(&steps("p c"), &of("b *"))]), Ok(2));
    let wrong = Err(DecodeError::WrongConditions);
    assert_eq!(one("x", &of("b")), wrong, "no such node");
    assert_eq!(one("", &of("b")), wrong, "the root depends on nothing");
    assert_eq!(one("p", &of("b")), wrong, "created on the way");
    assert_eq!(one("a", &[]), wrong);
    assert_eq!(one("a ^ b", &of("b")), wrong);
    assert_eq!(one("a", &of(". b")), wrong, "relative");
    assert_eq!(one("a", &of("b ^ a")), wrong);
    assert_eq!(one("a", &[of("b"), of("x"), of("b")].concat()), wrong, "twice the same");
    let (first, second) = (conditions(&steps("a"), &of("x")), conditions(&steps("b"), &of("x")));
    let order = Err(DecodeError::WrongOrder);
    assert_eq!(built(&[second.clone(), first.clone()]), order);
    assert_eq!(built(&[first.clone(), first.clone()]), order);
    assert_eq!(built(&[first.clone(), plain(1, "z")]), order);
    assert_eq!(built(&[[&first[..], &[0]].concat()]), Err(DecodeError::TrailingBytes));
    assert_eq!(built(&[first[..first.len() - 1].to_vec()]), Err(DecodeError::Truncated));
    let mut neither = Vec::new();
    put_number(&mut neither, REQUEST + 1);
    assert_eq!(built(&[neither]), Err(DecodeError::LimitExceeded(Limit::PathComponents)));
    let mut too_many = Vec::new();
    put_number(&mut too_many, CONDITIONS);
    super::super::command::put_path(&mut too_many, &steps("a"));
    put_number(&mut too_many, crate::limits::KEEP_WHILE_MAX as u64 + 1);
    assert_eq!(built(&[too_many]), Err(DecodeError::LimitExceeded(Limit::KeepWhile)));
}

/// A record of a request.
fn request(id: &[u8], answer: Option<&[u8]>, note: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, REQUEST);
    put_bytes(&mut out, id);
    put_optional_bytes(&mut out, answer);
    put_optional_bytes(&mut out, note);
    out
}

#[test]
fn requests_that_no_command_leaves_are_refused() {
    let built = |records: &[Vec<u8>]| {
        let all = [&[plain(0, ""), plain(1, "a")], records].concat();
        build(&all, 9).map(|state| state.requests.len())
    };
    let one = |id: &[u8], answer: Option<&[u8]>, note| built(&[request(id, answer, note)]);
    let encoded = |answer: Answer| {
        let mut out = Vec::new();
        answer.encode(&mut out);
        out
    };
    assert_eq!(one(b"r", None, None), Ok(1));
    let results = encoded(Answer::Results(vec![Answer::Done, Answer::Nodes(vec![])]));
    assert_eq!(one(b"r", Some(&results), Some(b"")), Ok(1));
    let (done, wrong) = (encoded(Answer::Done), Err(DecodeError::WrongRequests));
    assert_eq!(
        one(b"r", Some(&encoded(Answer::Refused(crate::Refusal::WildcardInPath { position: 0 }))), None),
        wrong
    );
    assert_eq!(one(b"r", Some(&encoded(Answer::Conflict(vec![]))), None), wrong);
    assert_eq!(one(b"r", Some(&[&done[..], &[0]].concat()), None), wrong, "bytes behind the answer");
    assert_eq!(one(b"r", Some(b""), None), Err(DecodeError::Truncated));
    let id_limit = Err(DecodeError::LimitExceeded(Limit::RequestIdSizeBytes));
    assert_eq!(one(b"", None, None), id_limit);
    assert_eq!(one(&[0; 257], None, None), id_limit);
    let size_limit = Err(DecodeError::LimitExceeded(Limit::RequestAnswerSizeBytes));
    assert_eq!(one(b"r", None, Some(&[0; 65_537])), size_limit);

    let (first, second) = (request(b"z", Some(&done), None), request(b"a", Some(&done), None));
    assert_eq!(built(&[first.clone(), second.clone()]), Ok(2), "in the order of applying, not of ids");
    assert_eq!(built(&[first.clone(), second, first.clone()]), wrong, "twice");
    assert_eq!(built(&[[&first[..], &[0]].concat()]), Err(DecodeError::TrailingBytes));
    let behind = conditions(&steps("a"), &watched(&[("x", if_node_exists(true))]));
    assert_eq!(built(&[behind.clone(), first.clone()]), Ok(1));
    assert_eq!(built(&[first.clone(), behind]), Err(DecodeError::WrongOrder));
    assert_eq!(built(&[first, plain(1, "b")]), Err(DecodeError::WrongOrder));
}

#[test]
fn more_requests_than_are_kept_are_refused() {
    let built = |count: usize, note: Option<&[u8]>| {
        let requests = (0..count as u32).map(|number| request(&number.to_be_bytes(), None, note));
        build(&[&[plain(0, "")], &requests.collect::<Vec<_>>()[..]].concat(), 9)
            .map(|state| state.requests.len())
    };
    let wrong = Err(DecodeError::WrongRequests);
    assert_eq!(built(REQUESTS_KEPT_MAX, None), Ok(65_536));
    assert_eq!(built(REQUESTS_KEPT_MAX + 1, None), wrong);
    // With the four bytes of its id each is a part of the limit.
    let note = vec![0; 65_532];
    assert_eq!(built(1024, Some(&note)), Ok(1024));
    assert_eq!(built(1025, Some(&note)), wrong);
}

#[test]
fn records_with_what_they_cannot_hold_are_refused() {
    let after_root =
        |record: &[u8]| build(&[plain(0, ""), record.to_vec()], 9).map(|state| state.node_count());
    // Depth 1, an atom of one letter; explicit; no payload; five numbers.
    let good = [1, 0, 1, b'a', 0, 0, 1, 1, 1, 1, 1];
    assert_eq!(after_root(&good), Ok(2));
    let with = |at: usize, byte: u8| {
        let mut record = good;
        record[at] = byte;
        after_root(&record)
    };
    assert_eq!(with(1, 2), Err(DecodeError::UnknownTag { of: "name", tag: 2 }));
    assert_eq!(with(3, 0xFF), Err(DecodeError::MalformedAtom));
    assert_eq!(with(4, 2), Err(DecodeError::UnknownTag { of: "node", tag: 2 }));
    assert_eq!(with(5, 3), Err(DecodeError::UnknownTag { of: "payload", tag: 3 }));
    assert_eq!(after_root(&good[..9]), Err(DecodeError::Truncated));
    assert_eq!(after_root(&[&good[..9], &[0x81, 0]].concat()), Err(DecodeError::MalformedNumber));
}

#[test]
fn a_damaged_condition_is_refused_and_one_that_is_not_known_any_more_is_kept() {
    let build_with = |part: &[u8]| {
        let term = etf::term(part);
        let mut record = conditions(&steps("a"), &watched(&[("b", if_node_exists(true))]));
        let size = condition(&if_node_exists(true)).term().len();
        record.truncate(record.len() - size - 1);
        put_number(&mut record, term.len() as u64);
        record.extend(term);
        let all = [plain(0, ""), plain(1, "a"), record];
        build(&all, 9).map(|built| assert_eq!(records(&built), all))
    };
    assert_eq!(build_with(&if_node_exists(false)), Ok(()));
    assert_eq!(build_with(&etf::atom("b")), Ok(()), "a name is a condition");
    assert_eq!(build_with(&etf::record("if_moon", &[])), Err(DecodeError::MalformedCondition));
    assert_eq!(build_with(&etf::integer(94)), Err(DecodeError::MalformedCondition), "the parent");
    let behind = etf::record("if_name_matches", &[etf::binary(b"a(?=b)"), etf::atom("undefined")]);
    assert!(crate::Condition::from_term(&etf::term(&behind)).is_err());
    assert_eq!(build_with(&behind), Ok(()));
}

#[test]
fn counters_that_no_command_makes_are_refused() {
    let name = Name::atom("a");
    let child = |change: fn(&mut Node)| build(&[plain(0, ""), record(1, Some(&name), change)], 1).err();
    assert_eq!(child(|_| {}), None);
    assert_eq!(child(|node| node.payload_version = 0), Some(DecodeError::WrongCounters));
    assert_eq!(child(|node| node.child_list_version = 0), Some(DecodeError::WrongCounters));
    assert_eq!(child(|node| node.set_payload_revision(2)), Some(DecodeError::WrongCounters));
    assert_eq!(child(|node| node.subtree_revision = 0), Some(DecodeError::WrongCounters));
    assert_eq!(child(|node| node.subtree_revision = 2), Some(DecodeError::WrongCounters));
    assert_eq!(build(&[plain(0, "")], 0).err(), Some(DecodeError::WrongCounters));
    let implicit_root = record(0, None, |node| {
        *node = Node::new(Payload::None, true, 1);
    });
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
    let delete = Command::delete(vec![]);
    state.apply(&delete, &Context { revision: 2, clock_ms: 0, is_as_predicted: true });
    let mut seen = Vec::new();
    let mut record = Vec::new();
    while at_first.next_into(&mut record) {
        seen.push(std::mem::take(&mut record));
    }
    assert_eq!(seen, before);
    assert_eq!(at_first.into_root().subtree_nodes(), 3);
}
