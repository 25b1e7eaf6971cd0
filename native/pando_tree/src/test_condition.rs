//! Tests only: conditions as plain values, their terms, and when they are met, rule by rule after section 3
//! of the specification.

use proptest::prelude::*;

use crate::condition::Condition;
use crate::name::{Name, NameKind};
use crate::payload::Payload;
use crate::step::Step;

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
            PayloadVersion(number) => number.is_met(subject.payload_version),
            ChildListVersion(number) => number.is_met(subject.child_list_version),
            ChildListLength(number) => number.is_met(subject.child_list_length),
            Not(inner) => !inner.is_met(subject),
            All(inner) => inner.iter().all(|inner| inner.is_met(subject)),
            Any(inner) => inner.iter().any(|inner| inner.is_met(subject)),
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

    pub(crate) fn step(&self) -> Step {
        Step::Condition(self.compile())
    }

    pub(crate) fn compile(&self) -> Condition {
        Condition::from_term(&self.term()).unwrap()
    }

    /// The record in external term format.
    pub(crate) fn term(&self) -> Vec<u8> {
        [vec![131], self.part()].concat()
    }

    fn part(&self) -> Vec<u8> {
        use TestCondition::*;
        let list = |inner: &[TestCondition]| list(&inner.iter().map(TestCondition::part).collect::<Vec<_>>());
        match self {
            Name(name) => named(name),
            This => vec![97, b'.'],
            Root => vec![97, b'/'],
            Exists(exists) => record("if_node_exists", [boolean(*exists)]),
            NameMatches(regex) => record("if_name_matches", regex.parts()),
            PathMatches(regex) => record("if_path_matches", regex.parts()),
            HasPayload(has) => record("if_has_payload", [boolean(*has)]),
            HasData(has) => record("if_has_data", [boolean(*has)]),
            HasProcedure(has) => record("if_has_sproc", [boolean(*has)]),
            PayloadVersion(number) => record("if_payload_version", [number.part()]),
            ChildListVersion(number) => record("if_child_list_version", [number.part()]),
            ChildListLength(number) => record("if_child_list_length", [number.part()]),
            Not(inner) => record("if_not", [inner.part()]),
            All(inner) => record("if_all", [list(inner)]),
            Any(inner) => record("if_any", [list(inner)]),
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
            Number::Is(number) => vec![97, *number],
            Number::Compared(operator, number) => tuple(&[atom(operator), vec![97, *number]]),
            Number::Atom => atom("eq"),
        }
    }
}

pub(crate) fn record<const N: usize>(tag: &str, fields: [Vec<u8>; N]) -> Vec<u8> {
    tuple(&[&[atom(tag)], &fields[..]].concat())
}

pub(crate) fn tuple(parts: &[Vec<u8>]) -> Vec<u8> {
    [vec![104, u8::try_from(parts.len()).unwrap()], parts.concat()].concat()
}

/// A list as the runtime writes it: small integers as a string.
pub(crate) fn list(parts: &[Vec<u8>]) -> Vec<u8> {
    let bytes: Option<Vec<u8>> =
        parts.iter().map(|part| if let [97, byte] = part[..] { Some(byte) } else { None }).collect();
    match bytes {
        Some(bytes) => string(&bytes),
        None => {
            let length = u32::try_from(parts.len()).unwrap().to_be_bytes();
            [vec![108], length.to_vec(), parts.concat(), vec![106]].concat()
        }
    }
}

pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return vec![106];
    }
    [vec![107], u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec(), bytes.to_vec()].concat()
}

pub(crate) fn atom(text: &str) -> Vec<u8> {
    match u8::try_from(text.len()) {
        Ok(length) => [vec![119, length], text.as_bytes().to_vec()].concat(),
        Err(_) => {
            let length = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
            [vec![118], length, text.as_bytes().to_vec()].concat()
        }
    }
}

pub(crate) fn binary(bytes: &[u8]) -> Vec<u8> {
    [vec![109], u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec(), bytes.to_vec()].concat()
}

pub(crate) fn boolean(value: bool) -> Vec<u8> {
    atom(if value { "true" } else { "false" })
}

pub(crate) fn named(name: &Name) -> Vec<u8> {
    match name.kind() {
        NameKind::Atom => atom(std::str::from_utf8(name.bytes()).unwrap()),
        NameKind::Binary => binary(name.bytes()),
    }
}

/// Any condition but one on data, over names from `name`.
pub(crate) fn arbitrary(
    name: impl Strategy<Value = Name> + Clone + 'static,
) -> impl Strategy<Value = TestCondition> + Clone {
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
    let leaf = prop_oneof![
        6 => name.prop_map(Name),
        2 => Just(This),
        1 => Just(Root),
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
    let condition = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            1 => inner.clone().prop_map(|inner| Not(Box::new(inner))),
            2 => proptest::collection::vec(inner.clone(), 0..4).prop_map(All),
            2 => proptest::collection::vec(inner, 0..4).prop_map(Any),
        ]
    });
    condition.boxed()
}
