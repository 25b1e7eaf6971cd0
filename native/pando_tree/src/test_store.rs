//! Tests only: a store as the examples of the specification use it, and short spellings of terms, paths and answers.

use std::sync::Arc;

use crate::answer::Answer;
use crate::command::{Command, Scope, Wanted, Watched};
use crate::condition::Condition;
use crate::name::{Name, NameKind, Path};
use crate::node::Node;
use crate::payload::Payload;
use crate::props::{DeleteReason, Props, PropsMask};
use crate::state::{Context, State};
use crate::step::Step;

/// Terms in external term format. All but [`etf::term`] make a part, which has no version byte.
pub(crate) mod etf {
    use super::{Name, NameKind};

    /// A part as a term of its own.
    pub(crate) fn term(part: &[u8]) -> Vec<u8> {
        [&[131], part].concat()
    }

    pub(crate) fn atom(text: &str) -> Vec<u8> {
        match u8::try_from(text.len()) {
            Ok(length) => [&[119, length], text.as_bytes()].concat(),
            Err(_) => [&[118], &(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat(),
        }
    }

    pub(crate) fn binary(bytes: &[u8]) -> Vec<u8> {
        [&[109], &(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
    }

    pub(crate) fn integer(value: i64) -> Vec<u8> {
        if let Ok(value) = u8::try_from(value) {
            return vec![97, value];
        }
        match i32::try_from(value) {
            Ok(value) => [&[98], &value.to_be_bytes()[..]].concat(),
            Err(_) => {
                let magnitude = value.unsigned_abs().to_le_bytes();
                [&[110, magnitude.len() as u8, u8::from(value < 0)], &magnitude[..]].concat()
            }
        }
    }

    pub(crate) fn tuple(parts: &[Vec<u8>]) -> Vec<u8> {
        [&[104, u8::try_from(parts.len()).unwrap()], &parts.concat()[..]].concat()
    }

    /// A list as the runtime writes it: small integers as a string.
    pub(crate) fn list(parts: &[Vec<u8>]) -> Vec<u8> {
        let byte = |part: &Vec<u8>| if let [97, byte] = part[..] { Some(byte) } else { None };
        match parts.iter().map(byte).collect::<Option<Vec<u8>>>() {
            Some(bytes) => string(&bytes),
            None => [&[108], &(parts.len() as u32).to_be_bytes()[..], &parts.concat(), &[106]].concat(),
        }
    }

    pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
        if bytes.is_empty() {
            return vec![106];
        }
        [&[107], &(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
    }

    pub(crate) fn map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let parts: Vec<u8> = pairs.iter().flat_map(|(key, value)| [&key[..], value].concat()).collect();
        [&[116], &(pairs.len() as u32).to_be_bytes()[..], &parts].concat()
    }

    pub(crate) fn name(name: &Name) -> Vec<u8> {
        match name.kind() {
            NameKind::Atom => atom(std::str::from_utf8(name.bytes()).unwrap()),
            NameKind::Binary => binary(name.bytes()),
        }
    }

    /// A record: a tuple that begins with an atom.
    pub(crate) fn record(tag: &str, fields: &[Vec<u8>]) -> Vec<u8> {
        tuple(&[&[atom(tag)], fields].concat())
    }

    pub(crate) fn boolean(value: bool) -> Vec<u8> {
        atom(if value { "true" } else { "false" })
    }
}

/// The condition with this term.
pub(crate) fn condition(part: &[u8]) -> Condition {
    Condition::from_term(&etf::term(part)).unwrap()
}

pub(crate) fn if_node_exists(exists: bool) -> Vec<u8> {
    etf::record("if_node_exists", &[etf::boolean(exists)])
}

pub(crate) fn if_has_data(has: bool) -> Vec<u8> {
    etf::record("if_has_data", &[etf::boolean(has)])
}

pub(crate) fn if_has_payload(has: bool) -> Vec<u8> {
    etf::record("if_has_payload", &[etf::boolean(has)])
}

pub(crate) fn if_payload_version(version: i64) -> Vec<u8> {
    etf::record("if_payload_version", &[etf::integer(version)])
}

/// That there are more children than these.
pub(crate) fn if_child_list_longer(count: i64) -> Vec<u8> {
    etf::record("if_child_list_length", &[etf::tuple(&[etf::atom("gt"), etf::integer(count)])])
}

pub(crate) fn if_not(part: Vec<u8>) -> Vec<u8> {
    etf::record("if_not", &[part])
}

pub(crate) fn if_all(parts: &[Vec<u8>]) -> Vec<u8> {
    etf::record("if_all", &[etf::list(parts)])
}

pub(crate) fn if_any(parts: &[Vec<u8>]) -> Vec<u8> {
    etf::record("if_any", &[etf::list(parts)])
}

/// The condition of a path whose last component, this one, is combined with more.
pub(crate) fn combined(component: Vec<u8>, parts: &[Vec<u8>]) -> Vec<u8> {
    if_all(&[&[component], parts].concat())
}

/// The steps of `text`, the last combined with conditions; the root becomes `.` first.
pub(crate) fn steps_if(text: &str, parts: &[Vec<u8>]) -> Vec<Step> {
    let mut steps = steps(text);
    let last = match steps.pop() {
        None | Some(Step::This) => etf::integer(i64::from(b'.')),
        Some(Step::Child(name)) => etf::name(&name),
        Some(Step::Root) => etf::integer(i64::from(b'/')),
        Some(other) => panic!("{other:?} takes no conditions"),
    };
    steps.push(Step::Condition(condition(&combined(last, parts))));
    steps
}

/// What nodes watch, each a path and a condition.
pub(crate) fn watched(of: &[(&str, Vec<u8>)]) -> Vec<Watched> {
    of.iter().map(|(path, part)| Watched { path: steps(path), condition: condition(part) }).collect()
}

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
        let context = Context { revision: self.state.revision() + 1, clock_ms: 0, is_as_predicted: true };
        self.state.apply(&command, &context)
    }

    /// A put that shows these properties of all nodes concerned.
    pub(crate) fn put_steps(&mut self, path: Vec<Step>, payload: Payload, props: PropsMask) -> Answer {
        let wanted = Some(Wanted { props, indirect_deletes: true });
        self.run(Command::Put { path, scope: Scope::One, payload, keep_while: None, wanted })
    }

    pub(crate) fn put(&mut self, text: &str, payload: Payload) -> Answer {
        self.put_steps(steps(text), payload, PropsMask::DEFAULT)
    }

    pub(crate) fn put_many(&mut self, path: Vec<Step>, payload: Payload) -> Answer {
        let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: true });
        self.run(Command::Put { path, scope: Scope::Many, payload, keep_while: None, wanted })
    }

    pub(crate) fn put_while(&mut self, text: &str, payload: Payload, of: &[(&str, Vec<u8>)]) -> Answer {
        let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: true });
        let keep_while = Some(watched(of).into());
        self.run(Command::Put { path: steps(text), scope: Scope::One, payload, keep_while, wanted })
    }

    pub(crate) fn put_showing(&mut self, text: &str, payload: Payload, props: PropsMask) -> Props {
        match self.put_steps(steps(text), payload, props) {
            Answer::Nodes(mut nodes) if nodes.len() == 1 => nodes.remove(0).1,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn delete_showing(&mut self, text: &str, props: PropsMask) -> Answer {
        let wanted = Some(Wanted { props, indirect_deletes: true });
        self.run(Command::Delete { path: steps(text), scope: Scope::One, wanted })
    }

    pub(crate) fn delete(&mut self, text: &str) -> Answer {
        self.delete_showing(text, PropsMask::DEFAULT)
    }

    pub(crate) fn delete_many(&mut self, path: Vec<Step>, scope: Scope) -> Answer {
        let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: true });
        self.run(Command::Delete { path, scope, wanted })
    }

    pub(crate) fn clear(&mut self, text: &str) -> Answer {
        self.clear_steps(steps(text), Scope::One)
    }

    pub(crate) fn clear_steps(&mut self, path: Vec<Step>, scope: Scope) -> Answer {
        let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: true });
        self.run(Command::Clear { path, scope, keep_while: None, wanted })
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

/// An answer of these nodes; it lists them in the order of paths.
pub(crate) fn nodes<const N: usize>(entries: [(&str, Props); N]) -> Answer {
    let mut nodes: Vec<_> = entries.into_iter().map(|(text, props)| (path(text), props)).collect();
    nodes.sort_by(|a, b| a.0.cmp(&b.0));
    Answer::Nodes(nodes)
}
