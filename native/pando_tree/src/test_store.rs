//! Tests only: a store as the examples of the specification use it, and short spellings of paths and answers.

use std::sync::Arc;

use crate::answer::Answer;
use crate::command::{Command, Expectation, Wanted};
use crate::name::{Name, Path};
use crate::node::Node;
use crate::payload::Payload;
use crate::props::{DeleteReason, Props, PropsMask};
use crate::state::{Context, State};
use crate::step::Step;

pub(crate) fn data(value: u8) -> Payload {
    Payload::Data(Arc::from([131, 97, value]))
}

pub(crate) fn procedure(value: u8) -> Payload {
    Payload::Procedure(Arc::from([131, 97, value]))
}

/// `a/b/<c>` is two atoms and a binary; `.`, `^`, `/`, `*` and `**` (as whole components) are the special steps.
pub(crate) fn steps(text: &str) -> Vec<Step> {
    text.split(' ')
        .filter(|part| !part.is_empty())
        .map(|part| match part {
            "." => Step::This,
            "^" => Step::Parent,
            "/" => Step::Root,
            "*" => Step::AnyChild,
            "**" => Step::AnyDescendant,
            name => Step::Child(self::name(name)),
        })
        .collect()
}

pub(crate) fn name(text: &str) -> Name {
    match text.strip_prefix('<') {
        Some(rest) => Name::binary(rest.trim_end_matches('>').as_bytes()),
        None => Name::atom(text),
    }
}

pub(crate) fn path(text: &str) -> Path {
    text.split(' ').filter(|part| !part.is_empty()).map(name).collect()
}

/// A store as the specification's examples use it: each command gets the next revision.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) state: State,
}

impl Store {
    pub(crate) fn run(&mut self, command: Command) -> Answer {
        let context = Context { revision: self.state.revision() + 1, clock_ms: 0 };
        self.state.apply(&command, &context)
    }

    pub(crate) fn put_expecting(
        &mut self,
        text: &str,
        payload: Payload,
        expectation: Expectation,
        props: PropsMask,
    ) -> Answer {
        let wanted = Some(Wanted { props, indirect_deletes: true });
        self.run(Command::Put { path: steps(text), payload, expectation, wanted })
    }

    pub(crate) fn put(&mut self, text: &str, payload: Payload) -> Answer {
        self.put_expecting(text, payload, Expectation::Anything, PropsMask::DEFAULT)
    }

    pub(crate) fn put_showing(&mut self, text: &str, payload: Payload, props: PropsMask) -> Props {
        match self.put_expecting(text, payload, Expectation::Anything, props) {
            Answer::Nodes(mut nodes) if nodes.len() == 1 => nodes.remove(0).1,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn delete_showing(&mut self, text: &str, props: PropsMask) -> Answer {
        let wanted = Some(Wanted { props, indirect_deletes: true });
        self.run(Command::Delete { path: steps(text), wanted })
    }

    pub(crate) fn delete(&mut self, text: &str) -> Answer {
        self.delete_showing(text, PropsMask::DEFAULT)
    }

    pub(crate) fn clear(&mut self, text: &str) -> Answer {
        let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: true });
        self.run(Command::Clear { path: steps(text), wanted })
    }

    pub(crate) fn node(&self, text: &str) -> &Node {
        self.state.lookup(&path(text)).unwrap()
    }

    pub(crate) fn exists(&self, text: &str) -> bool {
        self.state.lookup(&path(text)).is_some()
    }

    /// `payload_version` and `child_list_version`.
    pub(crate) fn versions(&self, text: &str) -> (u64, u64) {
        (self.node(text).payload_version(), self.node(text).child_list_version())
    }
}

pub(crate) fn default_props(payload: Option<Payload>, payload_version: u64) -> Props {
    Props { payload, payload_version: Some(payload_version), ..Props::default() }
}

pub(crate) fn deleted(payload: Option<Payload>, payload_version: u64, reason: DeleteReason) -> Props {
    Props { delete_reason: Some(reason), ..default_props(payload, payload_version) }
}

pub(crate) fn nodes<const N: usize>(entries: [(&str, Props); N]) -> Answer {
    Answer::Nodes(entries.into_iter().map(|(text, props)| (path(text), props)).collect())
}
