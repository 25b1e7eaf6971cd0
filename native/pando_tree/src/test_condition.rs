//! Tests only: conditions as plain values, their terms, and when they are met, rule by rule after section 3
//! of the specification.

use std::cell::RefCell;
use std::collections::HashMap;

use proptest::prelude::*;

use crate::condition::Condition;
use crate::name::Name;
use crate::payload::Payload;
use crate::step::Step;
use crate::test_store::etf;

/// A condition, as the caller writes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TestCondition {
    Name(Name),
    This,
    Root,
    Exists(bool),
    NameMatches(Regex),
    PathMatches(Regex),
    HasPayload(bool),
    HasData(bool),
    HasProcedure(bool),
    /// Of data that is a small integer, as the payloads of tests are.
    DataMatches(DataPattern),
    PayloadVersion(Number),
    ChildListVersion(Number),
    ChildListLength(Number),
    Not(Box<TestCondition>),
    All(Vec<TestCondition>),
    Any(Vec<TestCondition>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Regex {
    Any,
    /// The caller's runtime found it to be none.
    Invalid,
    Contains(u8),
    Begins(u8),
    Ends(u8),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DataPattern {
    Any,
    Is(u8),
    /// A variable with the guard that it is greater.
    Greater(u8),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Number {
    Is(u8),
    /// An operator by its name, known or not.
    Compared(&'static str, u8),
    /// No number at all.
    Atom,
}

/// What a condition is tested against.
#[derive(Clone, Debug)]
pub(crate) struct TestSubject<'a> {
    /// `None` is the root.
    pub(crate) name: Option<&'a Name>,
    pub(crate) payload: &'a Payload,
    pub(crate) payload_version: u64,
    pub(crate) child_list_version: u64,
    pub(crate) child_list_length: u64,
}

impl TestCondition {
    pub(crate) fn is_met(&self, subject: &TestSubject<'_>) -> bool {
        use TestCondition::*;
        match self {
            Name(name) => subject.name == Some(name),
            This => true,
            Root => subject.name.is_none(),
            Exists(exists) => *exists,
            NameMatches(regex) | PathMatches(regex) => {
                regex.is_found_in(subject.name.map_or(&b""[..], crate::name::Name::bytes))
            }
            HasPayload(has) => *has == (*subject.payload != Payload::None),
            HasData(has) => *has == matches!(subject.payload, Payload::Data(_)),
            HasProcedure(has) => *has == matches!(subject.payload, Payload::Procedure(_)),
            DataMatches(pattern) => match subject.payload {
                Payload::Data(data) => pattern.matches(data[data.len() - 1]),
                Payload::None | Payload::Procedure(_) => false,
            },
            PayloadVersion(number) => number.is_met(subject.payload_version),
            ChildListVersion(number) => number.is_met(subject.child_list_version),
            ChildListLength(number) => number.is_met(subject.child_list_length),
            Not(inner) => !inner.is_met(subject),
            All(inner) => inner.iter().all(|inner| inner.is_met(subject)),
            Any(inner) => inner.iter().any(|inner| inner.is_met(subject)),
        }
    }

    /// Section 3.7: names come first in an `if_all`, and one condition alone stands for itself.
    pub(crate) fn normal(&self) -> TestCondition {
        use TestCondition::*;
        let normal = |inner: &[TestCondition]| inner.iter().map(TestCondition::normal).collect::<Vec<_>>();
        match self {
            Not(inner) => Not(Box::new(inner.normal())),
            All(inner) | Any(inner) if inner.len() == 1 => inner[0].normal(),
            All(inner) => {
                let mut inner = normal(inner);
                inner.sort_by_key(|inner| !matches!(inner, Name(_)));
                All(inner)
            }
            Any(inner) => Any(normal(inner)),
            other => other.clone(),
        }
    }

    /// Section 3.7: the part of a normal condition that an error shows when it is not met.
    pub(crate) fn failing(&self, subject: &TestSubject<'_>) -> Option<&TestCondition> {
        match self {
            TestCondition::All(inner) => inner.iter().find_map(|inner| inner.failing(subject)),
            other => (!other.is_met(subject)).then_some(self),
        }
    }

    /// Section 3.5: whether a put may create the node that it stands for.
    pub(crate) fn allows_creation(&self) -> bool {
        use TestCondition::*;
        match self {
            Name(_) | Exists(false) => true,
            All(inner) => inner.iter().all(TestCondition::allows_creation),
            Any(inner) => inner.iter().any(TestCondition::allows_creation),
            _ => false,
        }
    }

    /// Section 3.6.
    pub(crate) fn applies_to_grandchildren(&self) -> bool {
        use TestCondition::*;
        match self {
            PathMatches(_) => true,
            Not(inner) => inner.applies_to_grandchildren(),
            All(inner) | Any(inner) => inner.iter().any(TestCondition::applies_to_grandchildren),
            _ => false,
        }
    }

    /// Section 2.5: the siblings named, `$.` and `$/` among them; `None` when none are.
    pub(crate) fn siblings(&self) -> Option<Vec<TestCondition>> {
        use TestCondition::*;
        let mut siblings = match self {
            Name(_) | This | Root => vec![self.clone()],
            All(inner) => inner.iter().filter_map(TestCondition::siblings).flatten().collect(),
            Any(inner) => inner.iter().map(TestCondition::siblings).collect::<Option<Vec<_>>>()?.concat(),
            _ => Vec::new(),
        };
        siblings.sort_by_key(|sibling| format!("{sibling:?}"));
        siblings.dedup();
        if siblings.is_empty() { None } else { Some(siblings) }
    }

    /// Whether it is about the node that the walk stands on (section 4.2).
    pub(crate) fn is_on_this(&self) -> bool {
        matches!(self.siblings().as_deref(), Some([TestCondition::This | TestCondition::Root]))
    }

    /// The names that it gives to choose from, if it gives nothing else (section 2.5).
    pub(crate) fn names(&self) -> Option<Vec<Name>> {
        let name = |sibling: TestCondition| match sibling {
            TestCondition::Name(name) => Some(name),
            _ => None,
        };
        self.siblings()?.into_iter().map(name).collect()
    }

    /// The child that it names, if it leads to that one only (section 4.1).
    pub(crate) fn child(&self) -> Option<Name> {
        self.names().filter(|names| names.len() == 1)?.pop()
    }

    pub(crate) fn step(&self) -> Step {
        Step::Condition(self.compile())
    }

    /// The condition of the crate. Each is compiled once per thread: a regular expression takes long.
    pub(crate) fn compile(&self) -> Condition {
        thread_local! {
            static COMPILED: RefCell<HashMap<Vec<u8>, Condition>> = RefCell::default();
        }
        let term = self.term();
        COMPILED.with_borrow_mut(|compiled| {
            let compile = |term: &Vec<u8>| Condition::from_term(term).unwrap();
            compiled.entry(term).or_insert_with_key(compile).clone()
        })
    }

    /// The record in external term format.
    pub(crate) fn term(&self) -> Vec<u8> {
        etf::term(&self.part())
    }

    pub(crate) fn part(&self) -> Vec<u8> {
        use TestCondition::*;
        use etf::{boolean, name as named, record};
        let list =
            |inner: &[TestCondition]| etf::list(&inner.iter().map(TestCondition::part).collect::<Vec<_>>());
        match self {
            Name(name) => named(name),
            This => vec![97, b'.'],
            Root => vec![97, b'/'],
            Exists(exists) => record("if_node_exists", &[boolean(*exists)]),
            NameMatches(regex) => record("if_name_matches", &regex.parts()),
            PathMatches(regex) => record("if_path_matches", &regex.parts()),
            HasPayload(has) => record("if_has_payload", &[boolean(*has)]),
            HasData(has) => record("if_has_data", &[boolean(*has)]),
            HasProcedure(has) => record("if_has_sproc", &[boolean(*has)]),
            DataMatches(pattern) => record("if_data_matches", &pattern.parts()),
            PayloadVersion(number) => record("if_payload_version", &[number.part()]),
            ChildListVersion(number) => record("if_child_list_version", &[number.part()]),
            ChildListLength(number) => record("if_child_list_length", &[number.part()]),
            Not(inner) => record("if_not", &[inner.part()]),
            All(inner) => record("if_all", &[list(inner)]),
            Any(inner) => record("if_any", &[list(inner)]),
        }
    }
}

impl Regex {
    fn is_found_in(&self, name: &[u8]) -> bool {
        match self {
            Regex::Any => true,
            Regex::Invalid => false,
            Regex::Contains(byte) => name.contains(byte),
            Regex::Begins(byte) => name.first() == Some(byte),
            Regex::Ends(byte) => name.last() == Some(byte),
        }
    }

    fn parts(&self) -> [Vec<u8>; 2] {
        use etf::{atom, binary, string, tuple};
        let regex = |text: &[u8]| [binary(text), atom("undefined")];
        match self {
            Regex::Any => [atom("any"), atom("undefined")],
            Regex::Invalid => {
                let why = tuple(&[string(b"missing )"), vec![97, 1]]);
                [string(b"("), tuple(&[atom("error"), why])]
            }
            Regex::Contains(byte) => regex(&[*byte]),
            Regex::Begins(byte) => [string(&[b'^', *byte]), atom("undefined")],
            Regex::Ends(byte) => regex(&[*byte, b'$']),
        }
    }
}

impl DataPattern {
    fn matches(&self, value: u8) -> bool {
        match self {
            DataPattern::Any => true,
            DataPattern::Is(other) => value == *other,
            DataPattern::Greater(other) => value > *other,
        }
    }

    /// `pattern`, `conditions` and `compiled`.
    fn parts(&self) -> [Vec<u8>; 3] {
        let integer = |value: &u8| etf::integer(i64::from(*value));
        let variable = || etf::atom("$1");
        let (pattern, guards) = match self {
            DataPattern::Any => (etf::atom("_"), vec![]),
            DataPattern::Is(value) => (integer(value), vec![]),
            DataPattern::Greater(value) => {
                (variable(), vec![etf::tuple(&[etf::atom(">"), variable(), integer(value)])])
            }
        };
        [pattern, etf::list(&guards), etf::atom("undefined")]
    }
}

impl Number {
    fn is_met(&self, counter: u64) -> bool {
        match self {
            Number::Is(number) => counter == u64::from(*number),
            Number::Compared(operator, number) => {
                let number = u64::from(*number);
                match *operator {
                    "eq" => counter == number,
                    "ne" => counter != number,
                    "lt" => counter < number,
                    "le" => counter <= number,
                    "gt" => counter > number,
                    "ge" => counter >= number,
                    _ => false,
                }
            }
            Number::Atom => false,
        }
    }

    fn part(&self) -> Vec<u8> {
        match self {
            Number::Is(number) => etf::integer(i64::from(*number)),
            Number::Compared(operator, number) => {
                etf::tuple(&[etf::atom(operator), etf::integer(i64::from(*number))])
            }
            Number::Atom => etf::atom("eq"),
        }
    }
}

/// Any condition of one part and without a name.
pub(crate) fn nameless() -> impl Strategy<Value = TestCondition> + Clone {
    use TestCondition::*;
    let regex = || {
        let byte = || prop_oneof![Just(b'a'), Just(b'b'), Just(b'o')];
        prop_oneof![
            2 => Just(Regex::Any),
            1 => Just(Regex::Invalid),
            2 => byte().prop_map(Regex::Contains),
            2 => byte().prop_map(Regex::Begins),
            2 => byte().prop_map(Regex::Ends),
        ]
    };
    let number = || {
        let operator =
            prop_oneof![Just("eq"), Just("ne"), Just("lt"), Just("le"), Just("gt"), Just("ge"), Just("foo")];
        prop_oneof![
            2 => (0u8..4).prop_map(Number::Is),
            3 => (operator, 0u8..4).prop_map(|(operator, number)| Number::Compared(operator, number)),
            1 => Just(Number::Atom),
        ]
    };
    let data = prop_oneof![
        Just(DataPattern::Any),
        (0u8..3).prop_map(DataPattern::Is),
        (0u8..3).prop_map(DataPattern::Greater),
    ];
    let condition = prop_oneof![
        2 => data.prop_map(DataMatches),
        2 => any::<bool>().prop_map(Exists),
        4 => regex().prop_map(NameMatches),
        2 => regex().prop_map(PathMatches),
        1 => any::<bool>().prop_map(HasPayload),
        2 => any::<bool>().prop_map(HasData),
        1 => any::<bool>().prop_map(HasProcedure),
        1 => number().prop_map(PayloadVersion),
        1 => number().prop_map(ChildListVersion),
        2 => number().prop_map(ChildListLength),
    ];
    condition.boxed()
}

/// Any condition, over names from `name`.
pub(crate) fn arbitrary(
    name: impl Strategy<Value = Name> + Clone + 'static,
) -> impl Strategy<Value = TestCondition> + Clone {
    use TestCondition::*;
    let leaf = prop_oneof![
        6 => name.prop_map(Name),
        2 => Just(This),
        1 => Just(Root),
        16 => nameless(),
    ];
    let condition = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            1 => inner.clone().prop_map(|inner| Not(Box::new(inner))),
            2 => proptest::collection::vec(inner.clone(), 0..4).prop_map(All),
            2 => proptest::collection::vec(inner, 0..4).prop_map(Any),
        ]
    });
    condition.boxed()
}
