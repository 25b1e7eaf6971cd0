//! Tests only: strategies over a small set of names.

use std::sync::Arc;

use proptest::prelude::*;

use super::command::TestCommand;
use super::generator::{Generator, Random};
use crate::command::{Command, Once};
use crate::name::Name;
use crate::payload::Payload;
use crate::request_window::RequestId;

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
    any::<u64>().prop_map(|seed| Random(seed).payload())
}

/// A command of the model. A seed is not worth shrinking, but a list of commands is.
pub(crate) fn test_command() -> impl Strategy<Value = TestCommand> {
    any::<u64>().no_shrink().prop_map(|seed| Generator::new(seed).command())
}

/// Commands one after another, of which the first only make a tree.
pub(crate) fn test_commands() -> impl Strategy<Value = Vec<TestCommand>> {
    let put = any::<u64>().no_shrink().prop_map(|seed| Generator::new(seed).plain_put());
    let (first, then) =
        (proptest::collection::vec(put, 0..15), proptest::collection::vec(test_command(), 0..50));
    (first, then).prop_map(|(first, then)| [first, then].concat())
}

/// A command.
pub(crate) fn command() -> impl Strategy<Value = Command> {
    let single = || test_command().prop_map(|command| command.command());
    let note = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..6).prop_map(Arc::from));
    let once =
        (proptest::collection::vec(any::<u8>(), 1..6), single(), note).prop_map(|(id, command, note)| {
            Command::Once(Box::new(Once { id: RequestId::new(&id).unwrap(), command, note }))
        });
    prop_oneof![2 => single(), 1 => once]
}
