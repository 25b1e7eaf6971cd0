//! Sections 2.5, 3.1, 3.3, 3.5, 3.6 and 3.7 of the specification.

use proptest::prelude::*;

use super::*;
use crate::model::arbitrary;
use crate::test_condition::{self, Number, Regex, TestCondition, TestSubject};
use crate::test_store::etf::record;
use crate::test_store::{data, etf, procedure};
use TestCondition::*;

const NO_COUNTERS: Subject<'_> = Subject {
    payload: &Payload::None,
    payload_version: None,
    child_list_version: None,
    child_list_length: None,
};

fn name(text: &str) -> TestCondition {
    Name(crate::name::Name::atom(text))
}

fn has_data() -> TestCondition {
    HasData(true)
}

fn not(inner: TestCondition) -> TestCondition {
    Not(Box::new(inner))
}

/// Whether a node named `a` with these counters, from `payload_version` on, meets the condition.
fn is_met(condition: &TestCondition, payload: &Payload, counters: [u64; 3]) -> bool {
    let [payload_version, child_list_version, child_list_length] = counters.map(Some);
    let subject = Subject { payload, payload_version, child_list_version, child_list_length };
    verdict(condition, &subject) == Verdict::Met
}

fn verdict(condition: &TestCondition, subject: &Subject<'_>) -> Verdict {
    let node_name = crate::name::Name::atom("a");
    condition.compile().test(Some(&node_name), subject, &mut 100_000).unwrap()
}

fn parse(part: &[u8]) -> Result<Condition, BadCondition> {
    Condition::from_term(&[&[131], part].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_condition_is_met_when_the_specification_says_so(
        condition in test_condition::arbitrary(arbitrary::name().boxed()),
        name in proptest::option::of(arbitrary::name()),
        payload in arbitrary::payload(),
        payload_version in 0u64..4,
        child_list_version in 0u64..4,
        child_list_length in 0u64..4,
    ) {
        let compiled = condition.compile();
        let subject = Subject {
            payload: &payload,
            payload_version: Some(payload_version),
            child_list_version: Some(child_list_version),
            child_list_length: Some(child_list_length),
        };
        let verdict = compiled.test(name.as_ref(), &subject, &mut 100_000).unwrap();
        let expected = condition.is_met(&TestSubject {
            name: name.as_ref(),
            payload: &payload,
            payload_version,
            child_list_version,
            child_list_length,
        });
        prop_assert_eq!(verdict == Verdict::Met, expected);
        // What an error shows is a condition which is not met either.
        if let Verdict::NotMet(part) = verdict {
            let part = Condition::from_term(&part).unwrap();
            let verdict = part.test(name.as_ref(), &subject, &mut 100_000).unwrap();
            prop_assert_eq!(verdict, Verdict::NotMet(part.term().clone()));
        }
    }

    #[test]
    fn where_a_condition_leads_follows_from_the_names_in_it(
        condition in test_condition::arbitrary(arbitrary::name().boxed()),
    ) {
        let compiled = condition.compile();
        prop_assert_eq!(compiled.applies_to_grandchildren(), condition.applies_to_grandchildren());
        let siblings = condition.siblings();
        let target = match siblings.as_deref() {
            Some([Name(name)]) => Target::Child(name),
            Some([This | Root]) => Target::This,
            _ => Target::Many,
        };
        prop_assert_eq!(compiled.target(), target);
        let names: Option<Vec<_>> = siblings.and_then(|siblings| {
            let names = siblings.into_iter().map(|sibling| if let Name(name) = sibling { Some(name) } else { None });
            let mut names = names.collect::<Option<Vec<_>>>()?;
            names.sort();
            Some(names)
        });
        prop_assert_eq!(compiled.names(), names.as_deref());
    }

    #[test]
    fn the_term_of_a_condition_is_one_of_the_same_condition(
        condition in test_condition::arbitrary(arbitrary::name().boxed()),
    ) {
        let compiled = condition.compile();
        let again = Condition::from_stored_term(compiled.term()).unwrap();
        prop_assert_eq!(&again, &compiled);
        prop_assert_eq!(again.target(), compiled.target());
        prop_assert_eq!(again.allows_creation(), compiled.allows_creation());
    }

    #[test]
    fn damaged_terms_never_panic(
        condition in test_condition::arbitrary(arbitrary::name().boxed()),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let mut term = condition.term();
        for (at, byte) in damage {
            let at = at % term.len();
            term[at] = byte;
        }
        if let Ok(condition) = Condition::from_term(&term) {
            prop_assert_eq!(&Condition::from_term(condition.term()).unwrap(), &condition);
        }
    }
}

#[test]
fn conditions_on_payloads_tell_their_kinds_apart() {
    let met = |condition: TestCondition| {
        [Payload::None, data(1), procedure(1)].map(|payload| is_met(&condition, &payload, [1, 1, 0]))
    };
    assert_eq!(met(HasPayload(true)), [false, true, true]);
    assert_eq!(met(HasPayload(false)), [true, false, false]);
    assert_eq!(met(HasData(true)), [false, true, false]);
    assert_eq!(met(HasData(false)), [true, false, true]);
    assert_eq!(met(HasProcedure(true)), [false, false, true]);
    assert_eq!(met(HasProcedure(false)), [true, true, false]);
    assert_eq!(met(Exists(true)), [true; 3]);
    assert_eq!(met(Exists(false)), [false; 3]);
}

#[test]
fn counters_are_compared_exactly_and_what_is_no_comparison_is_never_met() {
    let met = |number: Number| {
        [4, 5, 6].map(|counter| is_met(&PayloadVersion(number.clone()), &Payload::None, [counter, 0, 0]))
    };
    assert_eq!(met(Number::Is(5)), [false, true, false]);
    assert_eq!(met(Number::Compared("eq", 5)), [false, true, false]);
    assert_eq!(met(Number::Compared("ne", 5)), [true, false, true]);
    assert_eq!(met(Number::Compared("lt", 5)), [true, false, false]);
    assert_eq!(met(Number::Compared("le", 5)), [true, true, false]);
    assert_eq!(met(Number::Compared("gt", 5)), [false, false, true]);
    assert_eq!(met(Number::Compared("ge", 5)), [false, true, true]);
    assert_eq!(met(Number::Compared("foo", 5)), [false; 3]);
    assert_eq!(met(Number::Atom), [false; 3]);
    let five = Number::Is(5);
    assert!(is_met(&ChildListVersion(five.clone()), &Payload::None, [0, 5, 0]));
    assert!(is_met(&ChildListLength(five), &Payload::None, [0, 0, 5]));
}

#[test]
fn a_counter_is_not_equal_to_a_float_or_an_atom_and_no_float_stands_for_a_comparison() {
    let float = [&[70][..], &5f64.to_be_bytes()].concat();
    let five = Subject { payload_version: Some(5), ..NO_COUNTERS };
    let is_met = |number: Vec<u8>| {
        let condition = parse(&record("if_payload_version", &[number])).unwrap();
        condition.test(None, &five, &mut 10).unwrap() == Verdict::Met
    };
    let compared = |operator, operand| etf::tuple(&[etf::atom(operator), operand]);
    assert!(!is_met(float.clone()));
    assert!(!is_met(compared("eq", float.clone())));
    assert!(is_met(compared("ne", float)));
    assert!(is_met(compared("ne", etf::atom("five"))));
    assert!(!is_met(etf::tuple(&[etf::atom("eq"), vec![97, 5], vec![97, 5]])));
    let big = vec![110, 9, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1];
    assert!(!is_met(big.clone()));
    assert!(is_met(compared("ne", big)));
}

#[test]
fn a_condition_on_a_counter_that_is_not_known_is_not_met() {
    for operator in ["eq", "ne", "lt", "le", "gt", "ge"] {
        let number = Number::Compared(operator, 0);
        for condition in
            [PayloadVersion(number.clone()), ChildListVersion(number.clone()), ChildListLength(number)]
        {
            let not_met = Verdict::NotMet(condition.term().into());
            assert_eq!(verdict(&condition, &NO_COUNTERS), not_met);
        }
    }
}

#[test]
fn a_missing_node_may_be_created_under_conditions_that_no_node_can_fail() {
    let absent = || Exists(false);
    for allowing in [
        name("a"),
        absent(),
        All(vec![name("a"), absent()]),
        Any(vec![has_data(), absent()]),
        All(vec![name("a"), Any(vec![absent(), Exists(true)])]),
    ] {
        assert!(allowing.compile().allows_creation(), "{allowing:?}");
    }
    for refusing in [
        Exists(true),
        HasData(false),
        not(Exists(true)),
        not(absent()),
        PayloadVersion(Number::Is(1)),
        ChildListLength(Number::Is(0)),
        NameMatches(Regex::Any),
        All(vec![name("a"), has_data()]),
        Any(vec![has_data(), Exists(true)]),
        Any(vec![]),
        This,
    ] {
        assert!(!refusing.compile().allows_creation(), "{refusing:?}");
    }
    assert!(absent().compile().is_absence());
    assert!(!not(Exists(true)).compile().is_absence());
}

#[test]
fn what_names_one_sibling_leads_to_it() {
    let a = crate::name::Name::atom("a");
    assert_eq!(Any(vec![name("a")]).compile().target(), Target::Child(&a));
    assert_eq!(All(vec![has_data(), name("a")]).compile().target(), Target::Child(&a));
    assert_eq!(All(vec![Root, has_data()]).compile().target(), Target::This);
    assert_eq!(All(vec![name("a"), name("b")]).compile().target(), Target::Many);
    assert_eq!(Any(vec![name("a"), has_data()]).compile().target(), Target::Many);
    assert_eq!(not(name("a")).compile().target(), Target::Many);
}

#[test]
fn an_error_shows_the_first_part_of_all_that_fails_and_the_whole_of_any_and_not() {
    let shown = |condition: TestCondition| match verdict(&condition, &NO_COUNTERS) {
        Verdict::NotMet(term) => term.to_vec(),
        Verdict::Met => panic!("{condition:?} is met"),
    };
    let any = Any(vec![has_data(), Exists(false)]);
    assert_eq!(shown(All(vec![name("a"), Exists(true), has_data(), Exists(false)])), has_data().term());
    assert_eq!(shown(All(vec![has_data(), name("b")])), name("b").term());
    assert_eq!(shown(any.clone()), any.term());
    assert_eq!(shown(All(vec![name("a"), any.clone()])), any.term());
    assert_eq!(shown(not(Exists(true))), not(Exists(true)).term());
    // One condition alone is what fails, whatever it is wrapped in.
    assert_eq!(shown(Any(vec![All(vec![has_data()])])), has_data().term());
}

#[test]
fn plain_names_come_first_and_combinations_of_one_are_what_they_combine() {
    let term = |condition: TestCondition| condition.compile().term().to_vec();
    let binary = || Name(crate::name::Name::binary(b"x"));
    assert_eq!(
        term(All(vec![has_data(), name("b"), This, binary(), Exists(true), name("a")])),
        All(vec![name("b"), binary(), name("a"), has_data(), This, Exists(true)]).term()
    );
    assert_eq!(term(Any(vec![has_data(), name("b")])), Any(vec![has_data(), name("b")]).term());
    assert_eq!(
        term(not(All(vec![has_data(), Any(vec![All(vec![name("b")])])]))),
        not(All(vec![name("b"), has_data()])).term()
    );
    assert_eq!(term(All(vec![This, Root])), All(vec![This, Root]).term());
    assert_eq!(term(All(vec![])), All(vec![]).term());
}

#[test]
fn what_is_no_condition_is_refused() {
    use etf::{atom, binary, boolean, list, string, tuple};
    let malformed = [
        vec![97, 1],
        string(b"ab"),
        vec![106],
        tuple(&[]),
        tuple(&[atom("if_has_data")]),
        tuple(&[atom("if_foo"), boolean(true)]),
        record("if_has_data", &[vec![97, 1]]),
        record("if_has_data", &[boolean(true), boolean(true)]),
        record("if_all", &[atom("a")]),
        record("if_all", &[vec![108, 0, 0, 0, 1, 119, 1, b'a', 119, 1, b'b']]),
        record("if_not", &[list(&[atom("a")])]),
        record("if_name_matches", &[atom("foo"), atom("undefined")]),
        record("if_name_matches", &[vec![108, 0, 0, 0, 1, 98, 0, 0, 1, 0, 106], atom("undefined")]),
        vec![77, 0, 0, 0, 1, 3, 0xA0],
        [binary(b"a"), vec![0]].concat(),
    ];
    for term in malformed {
        assert_eq!(parse(&term), Err(BadCondition::Malformed), "{term:?}");
    }
    assert_eq!(Condition::from_term(&[]), Err(BadCondition::Malformed));
    assert_eq!(Condition::from_term(&[130, 97, b'.']), Err(BadCondition::Malformed));
    let parent = vec![97, b'^'];
    assert_eq!(parse(&parent), Err(BadCondition::TargetsParent));
    let inner = record("if_all", &[list(&[atom("a"), record("if_not", std::slice::from_ref(&parent))])]);
    assert_eq!(parse(&inner), Err(BadCondition::TargetsParent));
    assert_eq!(
        parse(&record("if_any", &[list(&[vec![97, b'.'], parent])])),
        Err(BadCondition::TargetsParent)
    );
}

#[test]
fn a_regular_expression_is_read_in_every_form_that_iodata_has() {
    use etf::{atom, binary, string};
    let compile = |regex: Vec<u8>| parse(&record("if_name_matches", &[regex, atom("undefined")])).unwrap();
    let nested = [
        vec![108, 0, 0, 0, 3],
        binary(b"^"),
        [vec![108, 0, 0, 0, 1], string(b"a"), binary(b"b")].concat(),
        vec![97, b'c'],
        binary(b"$"),
    ];
    for regex in [string(b"^abc$"), binary(b"^abc$"), nested.concat()] {
        let condition = compile(regex);
        let is_met = |name: &[u8]| {
            let name = crate::name::Name::binary(name);
            condition.test(Some(&name), &NO_COUNTERS, &mut 1000).unwrap() == Verdict::Met
        };
        assert!(is_met(b"abc"));
        assert!(!is_met(b"xabc"));
    }
    let root = |regex: &[u8]| compile(string(regex)).test(None, &NO_COUNTERS, &mut 10).unwrap();
    assert_eq!(root(b"^$"), Verdict::Met);
    assert_ne!(root(b"."), Verdict::Met);
}

#[test]
fn what_a_regular_expression_cannot_do_is_named_with_the_record_that_asks_for_it() {
    use etf::{atom, list, string};
    let matches = record("if_path_matches", &[string(b"a(?=b)"), atom("undefined")]);
    let term = record("if_all", &[list(&[atom("x"), matches.clone()])]);
    let Err(BadCondition::NotSupported { condition, text }) = parse(&term) else { panic!() };
    assert_eq!(&condition[1..], matches);
    assert_eq!(text, "look-ahead `(?=`");
    // In a log or a snapshot it is there all the same, but it is never met and creates no node.
    let stored = Condition::from_stored_term(&[vec![131], matches.clone()].concat()).unwrap();
    assert_eq!(&stored.term()[1..], matches);
    assert!(matches!(stored.test(None, &NO_COUNTERS, &mut 10), Ok(Verdict::NotMet(_))));
    assert!(!stored.allows_creation());
}

#[test]
fn conditions_nest_up_to_a_limit_and_have_so_many_parts() {
    use crate::limits::{CONDITION_DEPTH_MAX, CONDITION_PARTS_MAX};
    let nested = |depth| (0..depth).fold(has_data(), |inner, _| not(inner));
    assert!(Condition::from_term(&nested(CONDITION_DEPTH_MAX).term()).is_ok());
    let over = |limit| Err(BadCondition::LimitExceeded(limit));
    assert_eq!(Condition::from_term(&nested(CONDITION_DEPTH_MAX + 1).term()), over(Limit::ConditionDepth));
    let wide = |parts| Any(vec![has_data(); parts - 1]);
    assert!(Condition::from_term(&wide(CONDITION_PARTS_MAX).term()).is_ok());
    assert_eq!(Condition::from_term(&wide(CONDITION_PARTS_MAX + 1).term()), over(Limit::ConditionParts));
}

#[test]
fn a_large_pattern_nested_deep_is_refused_before_it_is_copied_for_each_level() {
    const PATTERN_SIZE_BYTES: usize = 5 * 1024 * 1024;
    let pattern = etf::binary(&vec![b'x'; PATTERN_SIZE_BYTES]);
    let matches = record("if_data_matches", &[pattern.clone(), vec![106], etf::atom("undefined")]);
    let nested = |depth| (0..depth).fold(matches.clone(), |inner, _| record("if_not", &[inner]));
    assert!(parse(&nested(5)).is_ok());
    // Within the limits of depth and size; the parts together are 60 times the pattern.
    assert_eq!(parse(&nested(60)), Err(BadCondition::LimitExceeded(Limit::ConditionSizeBytes)));
}

#[test]
fn a_large_name_test_takes_its_steps_and_stops_where_there_are_none() {
    let contains = NameMatches(Regex::Contains(b'x')).compile();
    let long = crate::name::Name::binary(&[b'a'; 1000]);
    let mut steps = 5000;
    assert!(contains.test(Some(&long), &NO_COUNTERS, &mut steps).is_ok());
    assert_eq!(steps, 5000 - 1001);
    assert_eq!(contains.test(Some(&long), &NO_COUNTERS, &mut 1000), Err(OutOfSteps));
}

#[test]
fn iodata_in_any_shape_is_read_in_one_pass() {
    // A list for each element, each the tail of the one before: no encoder spells it so.
    let chained = |count: usize, element: &[u8]| {
        [&[&[108, 0, 0, 0, 1], element].concat().repeat(count)[..], &[106]].concat()
    };
    let count = 5_000;
    let regex = |iodata: &[u8]| record("if_name_matches", &[iodata.to_vec(), etf::atom("undefined")]);
    let condition = parse(&regex(&chained(count, &[97, b'a']))).unwrap();
    let name = |length: usize| crate::name::Name::binary("a".repeat(length).as_bytes());
    let verdict = |length| condition.test(Some(&name(length)), &NO_COUNTERS, &mut 1_000_000);
    assert_eq!(verdict(count), Ok(Verdict::Met));
    assert_ne!(verdict(count - 1), Ok(Verdict::Met));
    // So many, of nothing, that going through the rest for each would not end.
    assert!(parse(&regex(&chained(500_000, &[106]))).is_ok());
    // Lists within lists, to the depth that a term may have.
    let depth = 200;
    let mut nested: Vec<u8> = [108, 0, 0, 0, 2, 97, b'b'].repeat(depth);
    nested.extend([106].repeat(depth + 1));
    assert!(parse(&regex(&nested)).is_ok());
}

#[test]
fn a_condition_of_far_too_many_parts_is_refused_before_they_are_listed() {
    let many = |tag: u8, count: usize| {
        [&[tag][..], &(count as u32).to_be_bytes(), &[106].repeat(count), &[106][..usize::from(tag == 108)]]
            .concat()
    };
    let too_many = Err(BadCondition::LimitExceeded(Limit::ConditionParts));
    assert_eq!(parse(&record("if_any", &[many(108, 1_000_000)])), too_many);
    assert_eq!(parse(&many(105, 1_000_000)), Err(BadCondition::Malformed));
}
