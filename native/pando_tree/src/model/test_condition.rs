//! Tests only: conditions as the specification describes them (section 3), evaluated naively, and their terms.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::condition::Condition;
use crate::name::Name;
use crate::payload::Payload;
use crate::test_store::etf;

/// A condition. It knows its term but nothing of how the crate evaluates one.
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
    PayloadVersion(Comparison),
    ChildListVersion(Comparison),
    ChildListLength(Comparison),
    Not(Box<TestCondition>),
    All(Vec<TestCondition>),
    Any(Vec<TestCondition>),
}

/// Regular expressions whose meaning is plain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Regex {
    Any,
    /// The name has this in it; a text without special characters.
    Contains(&'static str),
    /// The name is this.
    Whole(&'static str),
    /// The caller's runtime said that it is none.
    Invalid,
}

/// What a counter is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Comparison {
    Number(i64),
    With(&'static str, i64),
    /// No comparison at all.
    Nonsense,
}

/// Where a condition leads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Leads {
    ToChild(Name),
    Nowhere,
    ToMany,
}

/// What a condition looks at.
pub(crate) struct Looked<'a> {
    /// `None` at the root.
    pub(crate) name: Option<&'a Name>,
    pub(crate) payload: &'a Payload,
    pub(crate) payload_version: u64,
    pub(crate) child_list_version: u64,
    pub(crate) child_list_length: u64,
}

impl TestCondition {
    /// The part that an error shows when it is not met (section 3.7).
    pub(crate) fn failing(&self, node: &Looked<'_>) -> Option<&TestCondition> {
        let is_met = match self {
            TestCondition::Name(name) => node.name == Some(name),
            TestCondition::This => true,
            TestCondition::Root => node.name.is_none(),
            TestCondition::Exists(exists) => *exists,
            TestCondition::NameMatches(regex) | TestCondition::PathMatches(regex) => {
                regex.is_found(node.name.map_or(&[], |name| name.bytes()))
            }
            TestCondition::HasPayload(has) => *has == !node.payload.is_none(),
            TestCondition::HasData(has) => *has == matches!(node.payload, Payload::Data(_)),
            TestCondition::HasProcedure(has) => *has == matches!(node.payload, Payload::Procedure(_)),
            TestCondition::PayloadVersion(comparison) => comparison.holds(node.payload_version),
            TestCondition::ChildListVersion(comparison) => comparison.holds(node.child_list_version),
            TestCondition::ChildListLength(comparison) => comparison.holds(node.child_list_length),
            TestCondition::Not(inner) => inner.failing(node).is_some(),
            TestCondition::All(inner) => {
                let (names, others): (Vec<_>, Vec<_>) =
                    inner.iter().partition(|inner| matches!(inner, TestCondition::Name(_)));
                return names.into_iter().chain(others).find_map(|inner| inner.failing(node));
            }
            TestCondition::Any(inner) => match &inner[..] {
                [only] => return only.failing(node),
                _ => inner.iter().any(|inner| inner.failing(node).is_none()),
            },
        };
        (!is_met).then_some(self)
    }

    /// Whether a put may create the node that it stands for (section 3.5).
    pub(crate) fn allows_creation(&self) -> bool {
        match self {
            TestCondition::Name(_) | TestCondition::Exists(false) => true,
            TestCondition::All(inner) => inner.iter().all(TestCondition::allows_creation),
            TestCondition::Any(inner) => inner.iter().any(TestCondition::allows_creation),
            _ => false,
        }
    }

    /// Section 3.6.
    pub(crate) fn applies_to_grandchildren(&self) -> bool {
        match self {
            TestCondition::PathMatches(_) => true,
            TestCondition::Not(inner) => inner.applies_to_grandchildren(),
            TestCondition::All(inner) | TestCondition::Any(inner) => {
                inner.iter().any(TestCondition::applies_to_grandchildren)
            }
            _ => false,
        }
    }

    /// Sections 2.5 and 4.2.
    pub(crate) fn leads(&self) -> Leads {
        match &self.siblings()[..] {
            [TestCondition::Name(name)] => Leads::ToChild(name.clone()),
            [_] => Leads::Nowhere,
            _ => Leads::ToMany,
        }
    }

    /// The names and special components that it names, each once; empty when it names none.
    fn siblings(&self) -> Vec<&TestCondition> {
        let mut found = match self {
            TestCondition::Name(_) | TestCondition::This | TestCondition::Root => vec![self],
            TestCondition::All(inner) => inner.iter().flat_map(TestCondition::siblings).collect(),
            TestCondition::Any(inner) if inner.iter().all(|inner| !inner.siblings().is_empty()) => {
                inner.iter().flat_map(TestCondition::siblings).collect()
            }
            _ => Vec::new(),
        };
        let mut once: Vec<&TestCondition> = Vec::new();
        found.drain(..).for_each(|name| {
            if !once.contains(&name) {
                once.push(name);
            }
        });
        once
    }

    /// Its term, without the version byte.
    pub(crate) fn part(&self) -> Vec<u8> {
        let list = |inner: &[TestCondition]| {
            let parts: Vec<Vec<u8>> = inner.iter().map(TestCondition::part).collect();
            match inner {
                // Numbers only are spelled as a string by the BEAM.
                [TestCondition::This] => vec![107, 0, 1, b'.'],
                [TestCondition::Root] => vec![107, 0, 1, b'/'],
                _ => etf::list(&parts),
            }
        };
        match self {
            TestCondition::Name(name) => etf::name(name),
            TestCondition::This => etf::integer(i64::from(b'.')),
            TestCondition::Root => etf::integer(i64::from(b'/')),
            TestCondition::Exists(exists) => etf::record("if_node_exists", &[etf::boolean(*exists)]),
            TestCondition::NameMatches(regex) => etf::record("if_name_matches", &regex.fields()),
            TestCondition::PathMatches(regex) => etf::record("if_path_matches", &regex.fields()),
            TestCondition::HasPayload(has) => etf::record("if_has_payload", &[etf::boolean(*has)]),
            TestCondition::HasData(has) => etf::record("if_has_data", &[etf::boolean(*has)]),
            TestCondition::HasProcedure(has) => etf::record("if_has_sproc", &[etf::boolean(*has)]),
            TestCondition::PayloadVersion(with) => etf::record("if_payload_version", &[with.part()]),
            TestCondition::ChildListVersion(with) => etf::record("if_child_list_version", &[with.part()]),
            TestCondition::ChildListLength(with) => etf::record("if_child_list_length", &[with.part()]),
            TestCondition::Not(inner) => etf::record("if_not", &[inner.part()]),
            TestCondition::All(inner) => etf::record("if_all", &[list(inner)]),
            TestCondition::Any(inner) => etf::record("if_any", &[list(inner)]),
        }
    }

    /// Its term.
    pub(crate) fn term(&self) -> Vec<u8> {
        etf::term(&self.part())
    }

    /// The condition of the crate. Each is compiled once per thread: that takes long.
    pub(crate) fn compiled(&self) -> Condition {
        thread_local! {
            static COMPILED: RefCell<HashMap<Vec<u8>, Condition>> = RefCell::default();
        }
        let term = self.term();
        COMPILED.with_borrow_mut(|compiled| {
            if let Some(condition) = compiled.get(&term) {
                return condition.clone();
            }
            let condition = Condition::from_term(&term).unwrap();
            compiled.insert(term, condition.clone());
            condition
        })
    }
}

impl Regex {
    fn is_found(self, text: &[u8]) -> bool {
        match self {
            Regex::Any => true,
            Regex::Contains(part) => (0..=text.len()).any(|start| text[start..].starts_with(part.as_bytes())),
            Regex::Whole(whole) => text == whole.as_bytes(),
            Regex::Invalid => false,
        }
    }

    /// `regex` and `compiled`.
    fn fields(self) -> [Vec<u8>; 2] {
        let undefined = || etf::atom("undefined");
        match self {
            Regex::Any => [etf::atom("any"), undefined()],
            Regex::Contains(part) => [etf::binary(part.as_bytes()), undefined()],
            Regex::Whole(whole) => {
                let text = format!("^{whole}$");
                let characters = [&[107], &(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
                [characters, undefined()]
            }
            Regex::Invalid => {
                let reason = etf::tuple(&[etf::list(&[]), etf::integer(1)]);
                [etf::binary(b"("), etf::tuple(&[etf::atom("error"), reason])]
            }
        }
    }
}

impl Comparison {
    fn holds(self, counter: u64) -> bool {
        let counter = i64::try_from(counter).unwrap();
        match self {
            Comparison::Number(number) | Comparison::With("eq", number) => counter == number,
            Comparison::With("ne", number) => counter != number,
            Comparison::With("lt", number) => counter < number,
            Comparison::With("le", number) => counter <= number,
            Comparison::With("gt", number) => counter > number,
            Comparison::With("ge", number) => counter >= number,
            Comparison::With(..) | Comparison::Nonsense => false,
        }
    }

    fn part(self) -> Vec<u8> {
        match self {
            Comparison::Number(number) => etf::integer(number),
            Comparison::With(operator, number) => etf::tuple(&[etf::atom(operator), etf::integer(number)]),
            Comparison::Nonsense => etf::atom("many"),
        }
    }
}
