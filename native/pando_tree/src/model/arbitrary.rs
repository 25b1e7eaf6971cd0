//! Tests only: arbitrary commands over a small set of names, so that they meet each other.

use std::sync::Arc;

use proptest::prelude::*;

use super::command::{TestCommand, TestStep, TestWatched, Verb};
use crate::command::{Command, Scope, Wanted};
use crate::name::Name;
use crate::payload::Payload;
use crate::props::PropsMask;
use crate::step::Step;
use crate::test_condition::{self, Number, TestCondition};

pub(crate) fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        4 => Just(Name::atom("a")),
        3 => Just(Name::atom("b")),
        3 => Just(Name::binary(b"a")),
        1 => Just(Name::binary(b"")),
        1 => Just(Name::binary(b"a name too long to be stored in place")),
        1 => Just(Name::atom("\u{e9}t\u{e9} \u{10000} too long to be stored in place")),
    ]
}

pub(crate) fn payload() -> impl Strategy<Value = Payload> {
    let integer = prop_oneof![
        (0u8..3).prop_map(|value| vec![131, 97, value]),
        (0u8..3).prop_map(|value| vec![131, 98, 0, 0, 0, value]),
    ];
    prop_oneof![
        2 => Just(Payload::None),
        4 => integer.clone().prop_map(|bytes| Payload::Data(Arc::from(bytes))),
        1 => integer.prop_map(|bytes| Payload::Procedure(Arc::from(bytes))),
    ]
}

/// Without condition records.
pub(crate) fn path() -> impl Strategy<Value = Vec<Step>> {
    let plain = proptest::collection::vec(name().prop_map(Step::Child), 0..5);
    let step = prop_oneof![
        20 => name().prop_map(Step::Child),
        1 => Just(Step::This),
        3 => Just(Step::Parent),
        1 => Just(Step::Root),
        1 => prop_oneof![Just(Step::AnyChild), Just(Step::AnyDescendant)],
    ];
    prop_oneof![3 => plain, 1 => proptest::collection::vec(step, 0..8)]
}

fn condition() -> impl Strategy<Value = TestCondition> {
    test_condition::arbitrary(name().boxed())
}

/// A component that leads to one place, and conditions on the node there.
fn conditional_component() -> impl Strategy<Value = TestStep> {
    let component = prop_oneof![
        8 => name().prop_map(TestCondition::Name),
        1 => Just(TestCondition::This),
        1 => Just(TestCondition::Root),
    ];
    let conditions = proptest::collection::vec(test_condition::nameless(), 1..3);
    (component, conditions, any::<prop::sample::Index>()).prop_map(|(component, mut conditions, at)| {
        conditions.insert(at.index(conditions.len() + 1), component);
        TestStep::If(TestCondition::All(conditions))
    })
}

/// A path that mostly leads to one node.
fn single_path() -> impl Strategy<Value = Vec<TestStep>> {
    let plain = proptest::collection::vec(name().prop_map(|name| TestStep::Plain(Step::Child(name))), 0..4);
    let last = prop_oneof![
        2 => Just(None),
        1 => conditional_component().prop_map(Some),
    ];
    let any_step = prop_oneof![
        8 => name().prop_map(|name| TestStep::Plain(Step::Child(name))),
        6 => conditional_component(),
        1 => condition().prop_map(TestStep::If),
    ];
    prop_oneof![
        4 => (plain, last).prop_map(|(path, last)| path.into_iter().chain(last).collect()),
        2 => path().prop_map(|path| path.into_iter().map(TestStep::Plain).collect()),
        1 => proptest::collection::vec(any_step, 0..4),
    ]
}

/// A path that mostly leads to many nodes, one node after another.
pub(crate) fn pattern() -> impl Strategy<Value = Vec<TestStep>> {
    let step = prop_oneof![
        8 => name().prop_map(|name| TestStep::Plain(Step::Child(name))),
        4 => Just(TestStep::Plain(Step::AnyChild)),
        2 => Just(TestStep::Plain(Step::AnyDescendant)),
        4 => condition().prop_map(TestStep::If),
        2 => conditional_component(),
        1 => Just(TestStep::Plain(Step::This)),
        2 => Just(TestStep::Plain(Step::Parent)),
    ];
    proptest::collection::vec(step, 0..5)
}

fn watched_path() -> impl Strategy<Value = Vec<TestStep>> {
    let names =
        || proptest::collection::vec(name().prop_map(|name| TestStep::Plain(Step::Child(name))), 0..3);
    let ups = proptest::collection::vec(Just(TestStep::Plain(Step::Parent)), 0..3);
    let relative = (ups, names()).prop_map(|(ups, names)| {
        std::iter::once(TestStep::Plain(Step::This)).chain(ups).chain(names).collect()
    });
    let below = pattern().prop_map(|path| std::iter::once(TestStep::Plain(Step::This)).chain(path).collect());
    prop_oneof![
        3 => names(),
        3 => relative,
        1 => below,
        2 => pattern(),
    ]
}

fn watched() -> impl Strategy<Value = TestWatched> {
    let more_children = Number::Compared("gt", 0);
    let condition = prop_oneof![
        4 => Just(TestCondition::Exists(true)),
        3 => Just(TestCondition::Exists(false)),
        2 => Just(TestCondition::HasData(true)),
        2 => Just(TestCondition::ChildListLength(more_children)),
        4 => condition(),
    ];
    (watched_path(), condition).prop_map(|(path, condition)| TestWatched { path, condition })
}

fn wanted() -> impl Strategy<Value = Option<Wanted>> {
    let some = (0u16..=PropsMask::ALL.bits(), any::<bool>()).prop_map(|(bits, indirect_deletes)| {
        Some(Wanted { props: PropsMask::from_bits(bits).unwrap(), indirect_deletes })
    });
    prop_oneof![1 => Just(None), 3 => some]
}

fn targets() -> impl Strategy<Value = (Vec<TestStep>, Scope)> {
    prop_oneof![
        6 => single_path().prop_map(|path| (path, Scope::One)),
        2 => pattern().prop_map(|path| (path, Scope::Many)),
        1 => pattern().prop_map(|path| (path, Scope::ManyAndRoot)),
    ]
}

/// A command of the model.
pub(crate) fn test_command() -> impl Strategy<Value = TestCommand> {
    let verb = prop_oneof![
        6 => payload().prop_map(Verb::Put),
        2 => Just(Verb::Clear),
        3 => Just(Verb::Delete),
    ];
    let keep_while = prop_oneof![
        3 => Just(None),
        2 => proptest::collection::vec(watched(), 0..3).prop_map(Some),
    ];
    (verb, targets(), keep_while, wanted()).prop_map(|(verb, (path, scope), keep_while, wanted)| {
        let keep_while = keep_while.filter(|_| verb != Verb::Delete);
        TestCommand { verb, path, scope, keep_while, wanted }
    })
}

/// A command.
pub(crate) fn command() -> impl Strategy<Value = Command> {
    test_command().prop_map(|command| command.command())
}
