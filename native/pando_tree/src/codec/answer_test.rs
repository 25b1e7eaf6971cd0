use proptest::prelude::*;

use super::*;
use crate::model::arbitrary;
use crate::payload::Payload;
use crate::state::{Context, State};
use crate::step::Step;
use crate::test_store::{condition, if_has_data};

fn encode(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    answer.encode(&mut out);
    out
}

fn path_of_names() -> impl Strategy<Value = Path> {
    proptest::collection::vec(arbitrary::name(), 0..4)
}

fn term() -> impl Strategy<Value = Arc<[u8]>> {
    proptest::collection::vec(any::<u8>(), 0..6).prop_map(Arc::from)
}

fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(number, shift)| number >> shift)
}

fn arbitrary_props() -> impl Strategy<Value = Props> {
    let payload = || proptest::option::of(arbitrary::payload());
    let number = || proptest::option::of(number());
    let reason =
        proptest::option::of(prop_oneof![Just(DeleteReason::Explicit), Just(DeleteReason::KeepWhile)]);
    let names = proptest::option::of(path_of_names());
    (payload(), payload(), number(), number(), number(), names, any::<(bool, bool)>(), reason).prop_map(
        |(payload, raw, payload_version, list_version, length, child_names, has, delete_reason)| Props {
            payload,
            payload_version,
            child_list_version: list_version,
            child_list_length: length,
            child_names,
            has_data: has.0,
            is_procedure: has.1,
            raw_payload: raw,
            delete_reason,
        },
    )
}

fn arbitrary_refusal() -> impl Strategy<Value = Refusal> {
    let name = || proptest::option::of(arbitrary::name());
    let step = prop_oneof![
        arbitrary::name().prop_map(Step::Child),
        Just(Step::AnyDescendant),
        Just(Step::Condition(condition(&if_has_data(true)))),
    ];
    let reason = prop_oneof![
        term().prop_map(KeepWhileReason::Condition),
        proptest::collection::vec(step, 0..4).prop_map(KeepWhileReason::NoNode),
    ];
    let position = || number().prop_map(|number| number as usize);
    prop_oneof![
        (arbitrary::name(), path_of_names(), any::<bool>(), proptest::option::of(term())).prop_map(
            |(name, path, is_target, condition)| Refusal::NodeNotFound { name, path, is_target, condition }
        ),
        (name(), path_of_names(), any::<bool>(), arbitrary_props(), term()).prop_map(
            |(name, path, is_target, props, condition)| {
                let props = Box::new(props);
                Refusal::Mismatching { name, path, is_target, props, condition }
            }
        ),
        (name(), path_of_names(), reason).prop_map(|(name, path, reason)| Refusal::KeepWhileNotMet {
            name,
            path,
            reason
        }),
        position().prop_map(|position| Refusal::WildcardInPath { position }),
        position().prop_map(|position| Refusal::UnsupportedPattern { position }),
        proptest::sample::select(&Limit::ALL[..]).prop_map(Refusal::LimitExceeded),
    ]
}

fn arbitrary_result() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::Done),
        proptest::collection::vec((path_of_names(), arbitrary_props()), 0..4).prop_map(Answer::Nodes),
        arbitrary_refusal().prop_map(Answer::Refused),
    ]
}

fn arbitrary_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        6 => arbitrary_result(),
        3 => proptest::collection::vec(arbitrary_result(), 0..4).prop_map(Answer::Results),
        1 => path_of_names().prop_map(Answer::Conflict),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_answer_is_read_as_written_and_bytes_behind_it_are_left(
        answer in arbitrary_answer(), behind in proptest::collection::vec(any::<u8>(), 0..5),
    ) {
        let mut bytes = encode(&answer);
        let size = bytes.len();
        bytes.extend(behind);
        prop_assert_eq!(Answer::decode(&bytes), Ok((answer, size)));
        for end in 0..size {
            prop_assert_eq!(Answer::decode(&bytes[..end]), Err(DecodeError::Truncated));
        }
    }

    #[test]
    fn damaged_answers_never_panic_and_what_is_read_has_one_encoding(
        answer in arbitrary_answer(),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encode(&answer);
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok((answer, size)) = Answer::decode(&bytes) {
            prop_assert_eq!(encode(&answer), &bytes[..size]);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Answer::decode(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_commands_answer_is_read_as_written(commands in arbitrary::test_commands()) {
        let mut state = State::new();
        for (index, command) in commands.iter().enumerate() {
            let context = Context { revision: index as u64 + 1, clock_ms: 0, is_as_predicted: true };
            let answer = state.apply(&command.command(), &context);
            let bytes = encode(&answer);
            prop_assert_eq!(Answer::decode(&bytes), Ok((answer, bytes.len())));
        }
    }
}

#[test]
fn every_limit_has_a_tag_of_its_own() {
    for limit in Limit::ALL {
        let answer = Answer::Refused(Refusal::LimitExceeded(limit));
        let bytes = encode(&answer);
        assert_eq!(Answer::decode(&bytes), Ok((answer, bytes.len())));
    }
}

#[test]
fn results_conflicts_and_repetitions_within_results_are_refused() {
    let repeated = Answer::Repeated(Box::default());
    assert_eq!(
        Answer::decode(&encode(&repeated)),
        Err(DecodeError::UnknownTag { of: "answer", tag: REPEATED })
    );
    for within in [Answer::Results(vec![]), Answer::Conflict(Path::new()), repeated] {
        let tag = encode(&within)[0];
        let nested = encode(&Answer::Results(vec![Answer::Done, within]));
        assert_eq!(Answer::decode(&nested), Err(DecodeError::UnknownTag { of: "answer", tag }));
        assert_eq!(Answer::decode(&[RESULTS, 1, tag, 0]), Err(DecodeError::UnknownTag { of: "answer", tag }));
    }
}

#[test]
fn tags_without_meaning_are_refused() {
    let unknown = |bytes: &[u8]| match Answer::decode(bytes) {
        Err(DecodeError::UnknownTag { of, tag }) => (of, tag),
        other => panic!("{other:?}"),
    };
    assert_eq!(unknown(&[0]), ("answer", 0));
    assert_eq!(unknown(&[6]), ("answer", 6));
    assert_eq!(unknown(&[REFUSED, 7]), ("refusal", 7));
    assert_eq!(unknown(&[REFUSED, LIMIT_EXCEEDED, 0]), ("limit", 0));
    assert_eq!(unknown(&[REFUSED, NODE_NOT_FOUND, 1]), ("name", 1));
    assert_eq!(unknown(&[REFUSED, NODE_NOT_FOUND, ATOM, 0, 0, 2]), ("yes or no", 2));
    // One node, the root, with a bit of no meaning, and removed for two reasons.
    assert_eq!(unknown(&[NODES, 1, 0, 0, 4]), ("set of properties", 4));
    assert_eq!(unknown(&[NODES, 1, 0, 0, 3]), ("set of properties", 3));
    assert_eq!(Answer::decode(&[NODES, 1, 1, 0]), Err(DecodeError::WrongConditions), "no name");
}

#[test]
fn a_count_is_believed_as_far_as_the_bytes_reach() {
    let mut count = Vec::new();
    put_number(&mut count, u64::MAX);
    for start in [&[RESULTS][..], &[NODES], &[NODES, 1, 0, CHILD_NAMES as u8, 0]] {
        assert_eq!(Answer::decode(&[start, &count].concat()), Err(DecodeError::Truncated));
    }
    assert_eq!(
        Answer::decode(&[&[CONFLICT], &count[..]].concat()),
        Err(DecodeError::LimitExceeded(Limit::PathComponents))
    );
}

#[test]
fn a_list_of_more_children_than_a_path_has_names_is_read() {
    let names = (0..5000u32).map(|number| Name::binary(&number.to_be_bytes())).collect();
    let props = Props { child_names: Some(names), ..Props::default() };
    let payload = Props { payload: Some(Payload::None), ..Props::default() };
    let answer = Answer::Nodes(vec![(Path::new(), props), (vec![Name::atom("a")], payload)]);
    let bytes = encode(&answer);
    assert_eq!(Answer::decode(&bytes), Ok((answer, bytes.len())));
}
