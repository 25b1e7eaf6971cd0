//! Tests only: a naive model of the tree, and arbitrary commands to compare the tree with it.
//!
//! The model is a map from paths to nodes and follows the specification rule by rule, without regard for cost.

use std::collections::BTreeMap;

use crate::answer::{Answer, Refusal};
use crate::command::{Command, Expectation, Wanted};
use crate::name::{Name, Path};
use crate::payload::Payload;
use crate::props::{DeleteReason, Props, PropsMask};
use crate::state::State;
use crate::step::Step;

/// A node, without what follows from its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelNode {
    payload: Payload,
    payload_version: u64,
    child_list_version: u64,
    revision: u64,
    subtree_revision: u64,
    implicit: bool,
}

/// The tree; the order of paths is that of a walk with sorted siblings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub(crate) nodes: BTreeMap<Path, ModelNode>,
}

impl Model {
    pub(crate) fn new() -> Model {
        Model { nodes: BTreeMap::from([(Path::new(), created(Payload::None, false, 0))]) }
    }

    /// What a state holds, as a model.
    pub(crate) fn of(state: &State) -> Model {
        let mut nodes = BTreeMap::new();
        let mut open = vec![(Path::new(), &**state.root())];
        while let Some((path, node)) = open.pop() {
            for (name, child) in node.children().iter() {
                let mut path = path.clone();
                path.push(name.clone());
                open.push((path, child));
            }
            let model = ModelNode {
                payload: node.payload().clone(),
                payload_version: node.payload_version(),
                child_list_version: node.child_list_version(),
                revision: node.revision(),
                subtree_revision: node.subtree_revision(),
                implicit: node.is_implicit(),
            };
            nodes.insert(path, model);
        }
        Model { nodes }
    }

    pub(crate) fn count_below(&self, path: &[Name]) -> u64 {
        self.nodes.keys().filter(|other| other.starts_with(path)).count() as u64
    }

    fn children(&self, path: &[Name]) -> Vec<Name> {
        let below =
            self.nodes.keys().filter(|other| other.len() == path.len() + 1 && other.starts_with(path));
        below.map(|other| other.last().unwrap().clone()).collect()
    }

    fn props(&self, path: &[Name], mask: PropsMask) -> Props {
        let node = &self.nodes[path];
        let children = self.children(path);
        let has = |bit| mask.contains(bit);
        Props {
            payload: Some(node.payload.clone())
                .filter(|payload| has(PropsMask::PAYLOAD) && !payload.is_none()),
            payload_version: Some(node.payload_version).filter(|_| has(PropsMask::PAYLOAD_VERSION)),
            child_list_version: Some(node.child_list_version).filter(|_| has(PropsMask::CHILD_LIST_VERSION)),
            child_list_length: Some(children.len() as u64).filter(|_| has(PropsMask::CHILD_LIST_LENGTH)),
            child_names: Some(children).filter(|_| has(PropsMask::CHILD_NAMES)),
            has_data: has(PropsMask::HAS_PAYLOAD) && matches!(node.payload, Payload::Data(_)),
            is_procedure: has(PropsMask::HAS_PAYLOAD) && matches!(node.payload, Payload::Procedure(_)),
            raw_payload: Some(node.payload.clone()).filter(|_| has(PropsMask::RAW_PAYLOAD)),
            delete_reason: None,
        }
    }

    fn removed_props(&self, path: &[Name], mask: PropsMask, reason: DeleteReason) -> Props {
        let delete_reason = Some(reason).filter(|_| mask.contains(PropsMask::DELETE_REASON));
        Props { delete_reason, ..self.props(path, mask) }
    }

    /// Notes a change at the path.
    fn touch(&mut self, path: &[Name], revision: u64) {
        self.nodes.get_mut(path).unwrap().revision = revision;
        for length in 0..=path.len() {
            self.nodes.get_mut(&path[..length]).unwrap().subtree_revision = revision;
        }
    }

    pub(crate) fn apply(&mut self, command: &Command, revision: u64) -> Answer {
        let (Command::Put { path, wanted, .. }
        | Command::Delete { path, wanted }
        | Command::Clear { path, wanted }) = command;
        let (mut target, mut entered) = (Path::new(), Vec::new());
        for (position, step) in path.iter().enumerate() {
            match step {
                Step::This => {}
                Step::Parent => drop(target.pop()),
                Step::Root => target.clear(),
                Step::Child(name) => {
                    target.push(name.clone());
                    entered.push(target.clone());
                }
                Step::AnyChild | Step::AnyDescendant | Step::Condition(_) => {
                    return Answer::Refused(Refusal::WildcardInPath { position });
                }
            }
        }
        let entries = match command {
            Command::Put { payload, expectation, .. } => {
                match self.put(&target, &entered, payload, *expectation, wanted.as_ref(), revision) {
                    Ok(entries) => entries,
                    Err(refusal) => return Answer::Refused(refusal),
                }
            }
            _ if entered.iter().any(|path| !self.nodes.contains_key(path)) => Vec::new(),
            Command::Delete { .. } => self.delete(&target, wanted.as_ref(), revision),
            Command::Clear { .. } => self.clear(&target, wanted.as_ref(), revision),
        };
        if wanted.is_some() { Answer::Nodes(entries) } else { Answer::Done }
    }

    fn put(
        &mut self,
        target: &Path,
        entered: &[Path],
        payload: &Payload,
        expectation: Expectation,
        wanted: Option<&Wanted>,
        revision: u64,
    ) -> Result<Vec<(Path, Props)>, Refusal> {
        let (name, path) = (target.last().cloned(), target.clone());
        let before = self.clone();
        let previous = before.nodes.get(target);
        if expectation == Expectation::Absent && previous.is_some() {
            let props = Box::new(self.props(target, PropsMask::DEFAULT));
            return Err(Refusal::Mismatching { name, path, is_target: true, props });
        }
        if expectation == Expectation::Present && previous.is_none() {
            return Err(Refusal::NodeNotFound { name: name.unwrap(), path, is_target: true });
        }
        for place in entered.iter().filter(|place| !before.nodes.contains_key(*place)) {
            let is_target = place == target;
            let payload = if is_target { payload.clone() } else { Payload::None };
            if self.nodes.insert(place.clone(), created(payload, !is_target, revision)).is_none() {
                let parent = &place[..place.len() - 1];
                if let Some(parent_before) = before.nodes.get(parent) {
                    self.nodes.get_mut(parent).unwrap().child_list_version =
                        parent_before.child_list_version + 1;
                }
                self.touch(parent, revision);
            }
        }
        if let Some(previous) = previous
            && !same(&previous.payload, payload)
        {
            let node = self.nodes.get_mut(target).unwrap();
            node.payload = payload.clone();
            node.payload_version += 1;
            self.touch(target, revision);
        }
        Ok(self.put_entry(target, previous.map(|node| &node.payload), wanted))
    }

    fn put_entry(
        &self,
        target: &Path,
        previous: Option<&Payload>,
        wanted: Option<&Wanted>,
    ) -> Vec<(Path, Props)> {
        let mask = wanted.map_or(PropsMask::NONE, |wanted| wanted.props);
        let mut props = self.props(target, mask);
        props.payload = previous.filter(|p| mask.contains(PropsMask::PAYLOAD) && !p.is_none()).cloned();
        if mask.contains(PropsMask::HAS_PAYLOAD) {
            props.has_data = props.has_data || matches!(previous, Some(Payload::Data(_)));
            props.is_procedure = props.is_procedure || matches!(previous, Some(Payload::Procedure(_)));
        }
        vec![(target.clone(), props)]
    }

    fn delete(&mut self, target: &Path, wanted: Option<&Wanted>, revision: u64) -> Vec<(Path, Props)> {
        let mask = wanted.map_or(PropsMask::NONE, |wanted| wanted.props);
        let below: Vec<Path> = self.nodes.keys().filter(|path| path.starts_with(target)).cloned().collect();
        let mut entries: Vec<_> = below
            .iter()
            .map(|path| (path.clone(), self.removed_props(path, mask, DeleteReason::Explicit)))
            .collect();
        let has_children = below.len() > 1;
        below.iter().filter(|path| !path.is_empty()).for_each(|path| drop(self.nodes.remove(path)));
        if target.is_empty() {
            let root = self.nodes.get_mut(target).unwrap();
            let has_payload = !root.payload.is_none();
            root.payload = Payload::None;
            root.payload_version += u64::from(has_payload);
            root.child_list_version += u64::from(has_children);
            if has_payload || has_children {
                self.touch(target, revision);
            }
        } else {
            entries.extend(self.lose_child(&target[..target.len() - 1], wanted, revision));
        }
        entries
    }

    /// What follows from the loss of a child.
    fn lose_child(&mut self, parent: &[Name], wanted: Option<&Wanted>, revision: u64) -> Vec<(Path, Props)> {
        self.nodes.get_mut(parent).unwrap().child_list_version += 1;
        self.touch(parent, revision);
        let node = &self.nodes[parent];
        if !node.implicit || !node.payload.is_none() || self.count_below(parent) > 1 {
            return Vec::new();
        }
        let mut entries = Vec::new();
        if let Some(Wanted { props, indirect_deletes: true }) = wanted {
            entries.push((parent.to_vec(), self.removed_props(parent, *props, DeleteReason::KeepWhile)));
        }
        self.nodes.remove(parent);
        entries.extend(self.lose_child(&parent[..parent.len() - 1], wanted, revision));
        entries
    }

    fn clear(&mut self, target: &Path, wanted: Option<&Wanted>, revision: u64) -> Vec<(Path, Props)> {
        let previous = self.nodes[target].payload.clone();
        if previous.is_none() {
            return self.put_entry(target, Some(&previous), wanted);
        }
        let node = self.nodes.get_mut(target).unwrap();
        node.payload = Payload::None;
        node.payload_version += 1;
        let implicit = node.implicit;
        self.touch(target, revision);
        let mut entries = self.put_entry(target, Some(&previous), wanted);
        if implicit && self.count_below(target) == 1 {
            if let Some(Wanted { props, indirect_deletes: true }) = wanted {
                entries = vec![(target.clone(), self.removed_props(target, *props, DeleteReason::KeepWhile))];
            }
            self.nodes.remove(target);
            entries.extend(self.lose_child(&target[..target.len() - 1], wanted, revision));
        }
        entries
    }
}

fn created(payload: Payload, implicit: bool, revision: u64) -> ModelNode {
    ModelNode {
        payload,
        payload_version: 1,
        child_list_version: 1,
        revision,
        subtree_revision: revision,
        implicit,
    }
}

/// Of the payloads of [`arbitrary`], those are the same term which end in the same byte.
fn same(a: &Payload, b: &Payload) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
        && a.bytes().map(|a| a.last()) == b.bytes().map(|b| b.last())
}

/// Commands over a small set of names, so that they meet each other.
pub(crate) mod arbitrary {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

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

    fn wanted() -> impl Strategy<Value = Option<Wanted>> {
        let some = (0u16..=PropsMask::ALL.bits(), any::<bool>()).prop_map(|(bits, indirect_deletes)| {
            Some(Wanted { props: PropsMask::from_bits(bits).unwrap(), indirect_deletes })
        });
        prop_oneof![1 => Just(None), 3 => some]
    }

    pub(crate) fn command() -> impl Strategy<Value = Command> {
        let expectation = prop_oneof![
            4 => Just(Expectation::Anything),
            1 => Just(Expectation::Absent),
            1 => Just(Expectation::Present),
        ];
        prop_oneof![
            6 => (path(), payload(), expectation, wanted()).prop_map(|(path, payload, expectation, wanted)| {
                Command::Put { path, payload, expectation, wanted }
            }),
            3 => (path(), wanted()).prop_map(|(path, wanted)| Command::Delete { path, wanted }),
            2 => (path(), wanted()).prop_map(|(path, wanted)| Command::Clear { path, wanted }),
        ]
    }
}

mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::node::Node;
    use crate::state::Context;

    /// Checks the counts of nodes, which the model computes from the paths.
    fn check_counts(state: &State, model: &Model) {
        let node = |path: &Path| state.lookup(path).map(Node::subtree_nodes);
        for path in model.nodes.keys() {
            assert_eq!(node(path), Some(model.count_below(path)), "{path:?}");
        }
        assert_eq!(state.node_count(), model.nodes.len() as u64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]

        #[test]
        fn the_tree_answers_and_holds_what_the_model_says_and_old_copies_never_change(
            commands in proptest::collection::vec(arbitrary::command(), 0..60),
        ) {
            let (mut state, mut model) = (State::new(), Model::new());
            let mut copies = Vec::new();
            for (index, command) in commands.iter().enumerate() {
                if index % 7 == 0 {
                    copies.push((state.clone(), model.clone()));
                }
                let revision = index as u64 + 1;
                let answer = state.apply(command, &Context { revision, clock_ms: 0 });
                prop_assert_eq!(answer, model.apply(command, revision), "command {}: {:?}", index, command);
                prop_assert_eq!(state.revision(), revision);
                prop_assert_eq!(&Model::of(&state), &model, "after command {}: {:?}", index, command);
            }
            check_counts(&state, &model);
            for (state, model) in &copies {
                prop_assert_eq!(&Model::of(state), model);
            }
        }
    }
}
