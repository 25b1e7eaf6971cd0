//! Tests only: a naive model of the tree, and arbitrary commands to compare the tree with it.
//!
//! The model is a map from paths to nodes, and one from nodes to what they depend on. It follows the specification rule
//! by rule, without regard for cost, and shares nothing with the tree but names, payloads and answers.

pub(crate) mod arbitrary;
pub(crate) mod command;
#[path = "model/compare_test.rs"]
mod compare;
pub(crate) mod generator;
#[path = "model/total_test.rs"]
mod total;

use std::collections::{BTreeMap, BTreeSet};

use crate::answer::{Answer, KeepWhileReason, Refusal};
use crate::command::{Scope, Wanted, Watched};
use crate::name::{Name, Path};
use crate::payload::Payload;
use crate::props::{DeleteReason, Props, PropsMask};
use crate::state::State;
use crate::step::Step;
use crate::test_condition::{TestCondition, TestSubject};

use command::{TestCommand, TestStep, TestWatched, Verb, steps_of};

/// A node, without what follows from its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelNode {
    payload: Payload,
    payload_version: u64,
    child_list_version: u64,
    payload_revision: u64,
    revision: u64,
    subtree_revision: u64,
    implicit: bool,
}

/// The tree; the order of paths is that of a walk with sorted siblings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    nodes: BTreeMap<Path, ModelNode>,
    keep_while: BTreeMap<Path, Vec<TestWatched>>,
}

/// What a tree holds, as a model and a state can both be seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contents {
    pub(crate) nodes: BTreeMap<Path, ModelNode>,
    pub(crate) keep_while: BTreeMap<Path, Vec<Watched>>,
}

/// A target of a command.
struct Target {
    path: Path,
    /// The places that the path enters, itself among them unless it is the root.
    entered: Vec<Path>,
}

/// What has changed since conditions were looked at.
#[derive(Default)]
struct Changes {
    /// Created, or another payload, or another list of children.
    changed: BTreeSet<Path>,
    fresh: BTreeSet<Path>,
    /// Lost a child, or its payload by a clear.
    lost: BTreeSet<Path>,
    removed: BTreeSet<Path>,
}

/// A command under way.
struct Course {
    revision: u64,
    wanted: Option<Wanted>,
    entries: BTreeMap<Path, Props>,
    /// Created by the command, or the list of children has counted its change.
    counted: BTreeSet<Path>,
    changes: Changes,
}

impl Model {
    pub(crate) fn new() -> Model {
        let root = created(Payload::None, false, 0);
        Model { nodes: BTreeMap::from([(Path::new(), root)]), keep_while: BTreeMap::new() }
    }

    /// What a state holds.
    pub(crate) fn of(state: &State) -> Contents {
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
                payload_revision: node.payload_revision(),
                revision: node.revision(),
                subtree_revision: node.subtree_revision(),
                implicit: node.is_implicit(),
            };
            nodes.insert(path, model);
        }
        let keep_while = state.keep_while().map(|(path, conditions)| (path.clone(), conditions.to_vec()));
        Contents { nodes, keep_while: keep_while.collect() }
    }

    /// What the model holds.
    pub(crate) fn contents(&self) -> Contents {
        let watched = |all: &Vec<TestWatched>| all.iter().map(TestWatched::watched).collect();
        let keep_while = self.keep_while.iter().map(|(path, all)| (path.clone(), watched(all)));
        Contents { nodes: self.nodes.clone(), keep_while: keep_while.collect() }
    }

    pub(crate) fn count_below(&self, path: &[Name]) -> u64 {
        self.nodes.keys().filter(|other| other.starts_with(path)).count() as u64
    }

    fn has(&self, path: &Path) -> bool {
        self.nodes.contains_key(path)
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

    /// The part of the condition that the node at the path does not meet.
    fn failing<'c>(&self, condition: &'c TestCondition, path: &Path) -> Option<&'c TestCondition> {
        let node = &self.nodes[path];
        condition.failing(&TestSubject {
            name: path.last(),
            payload: &node.payload,
            payload_version: node.payload_version,
            child_list_version: node.child_list_version,
            child_list_length: self.children(path).len() as u64,
        })
    }

    /// Notes a change at the path.
    fn touch(&mut self, path: &[Name], revision: u64) {
        self.nodes.get_mut(path).unwrap().revision = revision;
        for length in 0..=path.len() {
            self.nodes.get_mut(&path[..length]).unwrap().subtree_revision = revision;
        }
    }

    /// The places where the steps can lead (sections 4.2 to 4.4).
    pub(crate) fn matches(&self, steps: &[TestStep]) -> BTreeSet<Path> {
        let mut places = BTreeSet::from([Path::new()]);
        for step in steps {
            places = places.iter().flat_map(|place| self.go(place, step)).collect();
        }
        places
    }

    fn go(&self, place: &Path, step: &TestStep) -> Vec<Path> {
        let below = |depth_max: usize| {
            let is_below = move |node: &&Path| {
                node.starts_with(place) && node.len() > place.len() && node.len() - place.len() <= depth_max
            };
            self.nodes.keys().filter(is_below).cloned()
        };
        match step {
            TestStep::Plain(Step::This) => vec![place.clone()],
            TestStep::Plain(Step::Root) => vec![Path::new()],
            TestStep::Plain(Step::Parent) => vec![parent(place)],
            TestStep::Plain(Step::AnyChild) => below(1).collect(),
            TestStep::Plain(Step::AnyDescendant) => below(usize::MAX).collect(),
            TestStep::Plain(Step::Child(name)) => {
                Vec::from_iter(Some(child(place, name)).filter(|child| self.has(child)))
            }
            TestStep::Plain(Step::Condition(_)) => unreachable!("conditions are those of the model"),
            TestStep::If(condition) if condition.is_on_this() => {
                Vec::from_iter(Some(place.clone()).filter(|place| self.failing(condition, place).is_none()))
            }
            TestStep::If(condition) => {
                let depth_max = if condition.applies_to_grandchildren() { usize::MAX } else { 1 };
                // Where names are given to choose from, no other child is looked at.
                let names = condition.names();
                let is_looked_at = |path: &Path| {
                    let mut way = path[place.len()..].iter();
                    names.as_ref().is_none_or(|names| way.all(|name| names.contains(name)))
                };
                below(depth_max)
                    .filter(|path| is_looked_at(path) && self.failing(condition, path).is_none())
                    .collect()
            }
        }
    }

    pub(crate) fn apply(&mut self, command: &TestCommand, revision: u64) -> Answer {
        let before = self.clone();
        self.try_apply(&command.normal(), revision).unwrap_or_else(|refusal| {
            *self = before;
            Answer::Refused(refusal)
        })
    }

    fn try_apply(&mut self, command: &TestCommand, revision: u64) -> Result<Answer, Refusal> {
        if command.scope == Scope::One
            && let Some(position) = command.path.iter().position(TestStep::is_wildcard)
        {
            return Err(Refusal::WildcardInPath { position });
        }
        let mut course = Course {
            revision,
            wanted: command.wanted,
            entries: BTreeMap::new(),
            counted: BTreeSet::new(),
            changes: Changes::default(),
        };
        let mut seen = self.clone();
        match &command.verb {
            Verb::Delete => {
                let targets = self.delete_targets(command);
                self.remove(&targets, DeleteReason::Explicit, &mut course);
            }
            Verb::Put(payload) => self.put(command, payload, &mut course)?,
            Verb::Clear => self.put(command, &Payload::None, &mut course)?,
        }
        // Each round looks at one tree and then removes.
        while !course.changes.is_empty() {
            let doomed = self.doomed(&course.changes, &seen);
            seen = self.clone();
            course.changes = Changes::default();
            self.remove(&doomed, DeleteReason::KeepWhile, &mut course);
        }
        Ok(match command.wanted {
            Some(_) => Answer::Nodes(course.entries.into_iter().collect()),
            None => Answer::Done,
        })
    }

    fn delete_targets(&self, command: &TestCommand) -> BTreeSet<Path> {
        match command.scope {
            Scope::One => self.walk(command).ok().flatten().into_iter().map(|target| target.path).collect(),
            scope => {
                let mut targets = self.matches(&command.path);
                if scope == Scope::ManyAndRoot && command.path.first().is_some_and(TestStep::is_on_children) {
                    targets.insert(Path::new());
                }
                targets
            }
        }
    }

    /// Follows a path that names one node (section 4.1).
    fn walk(&self, command: &TestCommand) -> Result<Option<Target>, Refusal> {
        let creates = matches!(command.verb, Verb::Put(_));
        let (mut place, mut entered) = (Path::new(), Vec::new());
        for (position, step) in command.path.iter().enumerate() {
            self.enter(&mut place, &mut entered, step);
            let is_target = position + 1 == command.path.len();
            if !self.has(&place) && !creates {
                return Ok(None);
            }
            let TestStep::If(condition) = step else { continue };
            let name = place.last().cloned();
            if !self.has(&place) {
                if !condition.allows_creation() {
                    let condition = Some(condition.term().into());
                    let (name, path) = (name.unwrap(), place);
                    return Err(Refusal::NodeNotFound { name, path, is_target, condition });
                }
            } else if let Some(failing) = self.failing(condition, &place) {
                let condition = failing.term().into();
                let props = Box::new(self.props(&place, PropsMask::DEFAULT));
                return Err(Refusal::Mismatching { name, path: place, is_target, props, condition });
            }
        }
        Ok(Some(Target { path: place, entered }))
    }

    /// Moves along a step that leads to one place.
    fn enter(&self, place: &mut Path, entered: &mut Vec<Path>, step: &TestStep) {
        match step {
            TestStep::Plain(Step::This) => {}
            TestStep::Plain(Step::Root) => place.clear(),
            TestStep::Plain(Step::Parent) => drop(place.pop()),
            TestStep::Plain(Step::Child(name)) => {
                place.push(name.clone());
                entered.push(place.clone());
            }
            TestStep::If(condition) => {
                if let Some(name) = condition.child() {
                    place.push(name);
                    entered.push(place.clone());
                }
            }
            TestStep::Plain(other) => unreachable!("{other:?} leads to many places"),
        }
    }

    fn put_targets(&self, command: &TestCommand) -> Result<BTreeMap<Path, Vec<Path>>, Refusal> {
        let last_condition = command.path.iter().rposition(TestStep::is_conditional);
        let (Scope::Many | Scope::ManyAndRoot, Some(last)) = (command.scope, last_condition) else {
            return Ok(self.walk(command)?.into_iter().map(|target| (target.path, target.entered)).collect());
        };
        let (pattern, plain) = command.path.split_at(last + 1);
        let mut targets: BTreeMap<Path, Vec<Path>> = BTreeMap::new();
        if command.scope == Scope::ManyAndRoot && command.path[0].is_on_children() {
            targets.entry(Path::new()).or_default();
        }
        for base in self.matches(pattern) {
            let (mut place, mut entered) = (base, Vec::new());
            plain.iter().for_each(|step| self.enter(&mut place, &mut entered, step));
            if matches!(command.verb, Verb::Put(_)) || entered.iter().all(|path| self.has(path)) {
                targets.entry(place).or_default().extend(entered);
            }
        }
        Ok(targets)
    }

    fn put(&mut self, command: &TestCommand, payload: &Payload, course: &mut Course) -> Result<(), Refusal> {
        let targets = self.put_targets(command)?;
        if let Some(conditions) = &command.keep_while {
            targets.keys().try_for_each(|target| self.check_keep_while(target, conditions))?;
        }
        let before = self.clone();
        let places: BTreeSet<&Path> =
            targets.iter().flat_map(|(path, entered)| entered.iter().chain([path])).collect();
        for place in places {
            let is_target = targets.contains_key(place);
            if !before.has(place) {
                self.create(
                    place,
                    if is_target { payload.clone() } else { Payload::None },
                    !is_target,
                    course,
                );
            } else if is_target && !same(&before.nodes[place].payload, payload) {
                let node = self.nodes.get_mut(place).unwrap();
                node.payload = payload.clone();
                node.payload_revision = course.revision;
                node.payload_version += 1;
                self.touch(place, course.revision);
                course.changes.changed.insert(place.clone());
                if command.verb == Verb::Clear {
                    course.changes.lost.insert(place.clone());
                }
            }
        }
        for target in targets.keys() {
            if let Some(conditions) = &command.keep_while {
                self.set_keep_while(target, conditions, course.revision);
                course.changes.fresh.insert(target.clone());
            }
        }
        if let Some(wanted) = command.wanted {
            for target in targets.keys() {
                let previous = before.nodes.get(target).map(|node| &node.payload);
                let props = self.put_props(target, previous, wanted.props);
                course.entries.insert(target.clone(), props);
            }
        }
        Ok(())
    }

    fn create(&mut self, place: &Path, payload: Payload, implicit: bool, course: &mut Course) {
        self.nodes.insert(place.clone(), created(payload, implicit, course.revision));
        course.counted.insert(place.clone());
        course.changes.fresh.insert(place.clone());
        course.changes.changed.insert(place.clone());
        self.change_child_list(&parent(place), course);
    }

    fn change_child_list(&mut self, path: &Path, course: &mut Course) {
        self.nodes.get_mut(path).unwrap().child_list_version +=
            u64::from(course.counted.insert(path.clone()));
        self.touch(path, course.revision);
        course.changes.changed.insert(path.clone());
    }

    /// What the put family shows (section 8.1).
    fn put_props(&self, target: &Path, previous: Option<&Payload>, mask: PropsMask) -> Props {
        let mut props = self.props(target, mask);
        props.payload = previous.filter(|p| mask.contains(PropsMask::PAYLOAD) && !p.is_none()).cloned();
        if mask.contains(PropsMask::HAS_PAYLOAD) {
            props.has_data = props.has_data || matches!(previous, Some(Payload::Data(_)));
            props.is_procedure = props.is_procedure || matches!(previous, Some(Payload::Procedure(_)));
        }
        props
    }

    /// Removes the nodes and everything below them, all at once; the root is emptied instead.
    fn remove(&mut self, tops: &BTreeSet<Path>, reason: DeleteReason, course: &mut Course) {
        let tree = self.clone();
        let is_concerned = |path: &&Path| tops.iter().any(|top| path.starts_with(top));
        let concerned: BTreeSet<Path> = tree.nodes.keys().filter(is_concerned).cloned().collect();
        if let Some(wanted) = course.wanted
            && (reason == DeleteReason::Explicit || wanted.indirect_deletes)
        {
            let entry = |path: &Path| (path.clone(), tree.removed_props(path, wanted.props, reason));
            course.entries.extend(concerned.iter().map(entry));
        }
        for path in concerned.iter().filter(|path| !path.is_empty()) {
            self.nodes.remove(path);
            self.keep_while.remove(path);
            course.changes.removed.insert(path.clone());
        }
        let parents: BTreeSet<Path> = concerned.iter().filter(|path| !path.is_empty()).map(parent).collect();
        for parent in
            parents.iter().filter(|parent| self.nodes.contains_key(*parent)).cloned().collect::<Vec<_>>()
        {
            self.change_child_list(&parent, course);
            course.changes.lost.insert(parent);
        }
        let root = self.nodes.get_mut(&Path::new()).unwrap();
        if tops.contains(&Path::new()) && !root.payload.is_none() {
            root.payload = Payload::None;
            root.payload_revision = course.revision;
            root.payload_version += 1;
            self.touch(&[], course.revision);
            course.changes.changed.insert(Path::new());
        }
    }

    /// Whether conditions may be given to a node, which may not exist yet (section 10.2).
    fn check_keep_while(&self, target: &Path, conditions: &[TestWatched]) -> Result<(), Refusal> {
        for watched in resolved(conditions, target) {
            let is_at_or_below = target.iter().enumerate().all(|(position, name)| {
                matches!(watched.path.get(position), Some(TestStep::Plain(Step::Child(other))) if other == name)
            });
            if is_at_or_below && !self.has(target) {
                continue;
            }
            if let Some(reason) = self.broken(&watched) {
                let (name, path) = (target.last().cloned(), target.clone());
                return Err(Refusal::KeepWhileNotMet { name, path, reason });
            }
        }
        Ok(())
    }

    /// Why it does not hold, if so.
    fn broken(&self, watched: &TestWatched) -> Option<KeepWhileReason> {
        let matches = self.matches(&watched.path);
        if matches.is_empty() && watched.condition != TestCondition::Exists(false) {
            return Some(KeepWhileReason::NoNode(steps_of(&watched.path)));
        }
        let failing = matches.iter().find_map(|path| self.failing(&watched.condition, path));
        failing.map(|failing| KeepWhileReason::Condition(failing.term().into()))
    }

    fn set_keep_while(&mut self, target: &Path, conditions: &[TestWatched], revision: u64) {
        if target.is_empty() {
            return;
        }
        let conditions = resolved(conditions, target);
        let node = self.nodes.get_mut(target).unwrap();
        if !node.implicit && self.keep_while.get(target).cloned().unwrap_or_default() == conditions {
            return;
        }
        node.implicit = false;
        self.touch(target, revision);
        self.keep_while.remove(target);
        if !conditions.is_empty() {
            self.keep_while.insert(target.clone(), conditions);
        }
    }

    /// The nodes that go because of the changes; `seen` is the tree as it was when conditions were looked at last.
    fn doomed(&self, changes: &Changes, seen: &Model) -> BTreeSet<Path> {
        let is_reclaimed = |path: &&Path| {
            let node = self.nodes.get(*path);
            node.is_some_and(|node| node.implicit && node.payload.is_none()) && self.children(path).is_empty()
        };
        let mut doomed: BTreeSet<Path> = changes.lost.iter().filter(is_reclaimed).cloned().collect();
        for (watcher, conditions) in &self.keep_while {
            let watches_removed = conditions
                .iter()
                .filter_map(|watched| plain_names(&watched.path))
                .any(|path| changes.removed.iter().any(|removed| path.starts_with(removed)));
            let is_broken = |watched: &TestWatched| {
                (watches_removed || self.concerns(changes, seen, watcher, watched))
                    && self.broken(watched).is_some()
            };
            if conditions.iter().any(is_broken) {
                doomed.insert(watcher.clone());
            }
        }
        doomed
    }

    /// Whether the changes concern what is watched: a node that matches changed, or other nodes match. The watcher
    /// itself does not, in the command that creates it or gives it its conditions.
    fn concerns(&self, changes: &Changes, seen: &Model, watcher: &Path, watched: &TestWatched) -> bool {
        let is_exempt = |path: &Path| path == watcher && changes.fresh.contains(watcher);
        let matches = |model: &Model| {
            let all = model.matches(&watched.path).into_iter();
            all.filter(|path| !is_exempt(path)).collect::<BTreeSet<Path>>()
        };
        let (before, now) = (matches(seen), matches(self));
        before != now || now.iter().any(|path| changes.changed.contains(path))
    }
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

fn created(payload: Payload, implicit: bool, revision: u64) -> ModelNode {
    ModelNode {
        payload,
        payload_version: 1,
        child_list_version: 1,
        payload_revision: revision,
        revision,
        subtree_revision: revision,
        implicit,
    }
}

fn parent(path: &Path) -> Path {
    path[..path.len().saturating_sub(1)].to_vec()
}

fn child(path: &Path, name: &Name) -> Path {
    [&path[..], std::slice::from_ref(name)].concat()
}

/// The path of one node, when it is that.
fn plain_names(path: &[TestStep]) -> Option<Path> {
    let name = |step: &TestStep| match step {
        TestStep::Plain(Step::Child(name)) => Some(name.clone()),
        _ => None,
    };
    path.iter().map(name).collect()
}

/// Absolute, without steps up or back; of several that became the same path, the last counts.
fn resolved(conditions: &[TestWatched], watcher: &Path) -> Vec<TestWatched> {
    let mut all: Vec<TestWatched> = Vec::new();
    for watched in conditions {
        let mut path = Vec::new();
        if let Some(TestStep::Plain(Step::This | Step::Parent)) = watched.path.first() {
            path.extend(watcher.iter().map(|name| TestStep::Plain(Step::Child(name.clone()))));
        }
        for step in &watched.path {
            match step {
                TestStep::Plain(Step::This) => {}
                TestStep::Plain(Step::Parent) => drop(path.pop()),
                TestStep::Plain(Step::Root) => path.clear(),
                step => path.push(step.clone()),
            }
        }
        let condition = watched.condition.clone();
        match all.iter_mut().find(|other| other.path == path) {
            Some(other) => other.condition = condition,
            None => all.push(TestWatched { path, condition }),
        }
    }
    all
}

/// Of the payloads of [`arbitrary`], those are the same term which end in the same byte.
fn same(a: &Payload, b: &Payload) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
        && a.bytes().map(|a| a.last()) == b.bytes().map(|b| b.last())
}
