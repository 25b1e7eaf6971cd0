//! `State::apply` is total: whatever the command, it answers, and the state stays one that commands could have made.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Model;
use super::command::{TestCommand, steps_of};
use super::generator::{Generator, Random};
use crate::answer::{Answer, Refusal, Repeated};
use crate::codec::{TreeBuilder, TreeRecords};
use crate::command::{Command, Once, Scope, Watched};
use crate::condition::{BadCondition, Condition};
use crate::limits::{
    KEEP_WHILE_MAX, Limit, NAME_SIZE_BYTES_MAX, PATH_COMPONENTS_MAX, PATH_SIZE_BYTES_MAX,
    PAYLOAD_SIZE_BYTES_MAX, REQUEST_ANSWER_SIZE_BYTES_MAX,
};
use crate::name::{Name, Path};
use crate::node::Node;
use crate::payload::Payload;
use crate::request_window::RequestId;
use crate::state::{Context, State};
use crate::step::Step;
use crate::test_store::{condition, if_child_list_longer, if_node_exists, if_not, if_payload_version};

const COMMANDS: usize = 200_000;
const COMMANDS_PER_STORE: usize = 80;
/// A larger tree is given up: it makes every command slow.
const NODES_MAX: u64 = 200;
/// The state is checked after so many commands.
const CHECK_INTERVAL: usize = 20;

/// A source of commands that no caller would send, among others.
struct Hostile {
    generator: Generator,
    too_large: Payload,
    too_long: Name,
    quarter: Name,
    /// What is kept of requests, by id: the answer, if it is small enough, and the note.
    kept: BTreeMap<RequestId, Repeated>,
    /// Commands to be damaged.
    sent: Vec<Command>,
    counts: BTreeMap<String, usize>,
}

impl Hostile {
    fn new(seed: u64) -> Hostile {
        Hostile {
            generator: Generator::new(seed),
            too_large: Payload::Data(vec![131; PAYLOAD_SIZE_BYTES_MAX + 1].into()),
            too_long: Name::binary(&vec![b'x'; NAME_SIZE_BYTES_MAX + 1]),
            quarter: Name::binary(&vec![b'x'; PATH_SIZE_BYTES_MAX / 4]),
            kept: BTreeMap::new(),
            sent: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    fn random(&mut self) -> &mut Random {
        &mut self.generator.random
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    /// The next command, or none when what was made is refused before it is one.
    fn command(&mut self) -> Option<Command> {
        let command = match self.random().weighted(&[60, 12, 8, 6, 6, 4, 4]) {
            0 => self.generator.command().command(),
            1 => self.dependence(),
            2 => self.damaged()?,
            3 => self.with_damaged_condition()?,
            4 => self.any_steps(),
            5 => self.stepping_back(),
            _ => self.over_limits(),
        };
        let command = if self.random().percent(30) { self.with_id(command) } else { command };
        match self.sent.len() {
            0..100 => self.sent.push(command.clone()),
            count => {
                let at = self.random().below(count);
                self.sent[at] = command.clone();
            }
        }
        Some(command)
    }

    /// With one of few request ids, so that many are repetitions.
    fn with_id(&mut self, command: Command) -> Command {
        let random = self.random();
        let id = RequestId::new(&[random.below(20) as u8]).unwrap();
        let size = if random.percent(2) { REQUEST_ANSWER_SIZE_BYTES_MAX + 1 } else { random.below(3) };
        let note = random.percent(30).then(|| Arc::from(vec![0; size]));
        Command::Once(Box::new(Once { id, command, note }))
    }

    /// What the answer must be if the command is a repetition.
    fn repeated(&self, command: &Command) -> Option<Answer> {
        let Command::Once(once) = command else { return None };
        self.kept.get(&once.id).map(|kept| Answer::Repeated(Box::new(kept.clone())))
    }

    /// Keeps what is to be kept of a command that was applied.
    fn keep(&mut self, command: &Command, answer: &Answer) {
        if let Command::Once(once) = command {
            let mut encoded = Vec::new();
            answer.encode(&mut encoded);
            let is_small = |size: usize| size <= REQUEST_ANSWER_SIZE_BYTES_MAX;
            let answer = is_small(encoded.len()).then(|| answer.clone());
            let note = once.note.clone().filter(|note| is_small(note.len()));
            self.kept.insert(once.id.clone(), Repeated { answer, note });
        }
    }

    /// Few nodes that depend on each other and on themselves in all ways.
    fn dependence(&mut self) -> Command {
        let name = |random: &mut Random| Step::Child(Name::atom(random.pick::<&str>(&["a", "b"])));
        let place =
            |random: &mut Random| -> Vec<Step> { (0..1 + random.below(2)).map(|_| name(random)).collect() };
        let random = self.random();
        let watched = |random: &mut Random| {
            let path = match random.below(6) {
                0 => vec![Step::This],
                1 => vec![Step::Parent],
                2 => vec![Step::This, Step::AnyDescendant],
                3 => vec![Step::AnyDescendant],
                _ => place(random),
            };
            let version = 1 + random.below(3) as i64;
            let parts = [
                if_node_exists(true),
                if_node_exists(false),
                if_not(if_payload_version(version)),
                if_payload_version(version),
                if_child_list_longer(0),
                if_not(if_child_list_longer(1)),
            ];
            Watched { path, condition: condition(random.pick::<Vec<u8>>(&parts)) }
        };
        let keep_while = random.percent(70).then(|| (0..random.below(4)).map(|_| watched(random)).collect());
        let (path, payload) = (place(random), random.payload());
        let scope = Scope::One;
        match random.weighted(&[6, 1, 2]) {
            0 => Command::Put { path, scope, payload, keep_while, wanted: None },
            1 => Command::Clear { path, scope, keep_while, wanted: None },
            _ => Command::Delete { path, scope, wanted: None },
        }
    }

    /// What is read of damaged bytes.
    fn damaged(&mut self) -> Option<Command> {
        let mut bytes = Vec::new();
        let generator = &mut self.generator;
        if self.sent.is_empty() {
            return None;
        }
        let command = generator.random.pick(&self.sent);
        if command.size_bytes() > 10_000 {
            return None; // It would take long, and is damaged as well when it is small.
        }
        command.encode(&mut bytes);
        for _ in 0..1 + generator.random.below(3) {
            let at = generator.random.below(bytes.len());
            bytes[at] = generator.random.next() as u8;
        }
        match Command::decode(&bytes) {
            Ok((command, size)) => {
                let mut again = Vec::new();
                command.encode(&mut again);
                assert_eq!(again, bytes[..size]);
                self.count("damaged and read");
                Some(command)
            }
            Err(error) => {
                let of = format!("{error:?}");
                self.count(of.split([' ', '(']).next().unwrap());
                None
            }
        }
    }

    /// A command whose path ends with a condition of damaged bytes.
    fn with_damaged_condition(&mut self) -> Option<Command> {
        let mut term = self.generator.condition().term();
        let random = self.random();
        for _ in 0..1 + random.below(2) {
            let at = random.below(term.len());
            match random.below(3) {
                0 => term[at] = random.next() as u8,
                1 => term.truncate(at.max(1)),
                _ => term.insert(at, random.next() as u8),
            }
        }
        match Condition::from_term(&term) {
            Ok(condition) => {
                let mut command = self.generator.command();
                command.scope = Scope::Many;
                Some(with_path(&command, |path| path.push(Step::Condition(condition))))
            }
            Err(error) => {
                let of = match error {
                    BadCondition::LimitExceeded(_) => "condition over a limit".to_owned(),
                    other => format!("condition {other:?}").split(" {").next().unwrap().to_owned(),
                };
                self.count(&of);
                None
            }
        }
    }

    /// Steps in any order and any scope.
    fn any_steps(&mut self) -> Command {
        let mut command = self.generator.command();
        command.scope = *self.random().pick(&[Scope::One, Scope::Many, Scope::ManyAndRoot]);
        let steps: Vec<Step> = (0..self.random().below(12))
            .map(|_| match self.random().below(8) {
                0 => Step::This,
                1 => Step::Parent,
                2 => Step::Root,
                3 => Step::AnyChild,
                4 => Step::AnyDescendant,
                5 => self.generator.condition().step(),
                6 => self.generator.nameless().step(),
                _ => Step::Child(Name::atom("a")),
            })
            .collect();
        with_path(&command, |path| *path = steps)
    }

    /// Wildcards, and steps up and back behind them.
    fn stepping_back(&mut self) -> Command {
        let mut command = self.generator.command();
        command.scope = Scope::Many;
        let random = self.random();
        let count = 1 + random.below(40);
        let down = (0..count).map(|_| random.pick(&[Step::AnyChild, Step::AnyDescendant]).clone());
        let mut steps: Vec<Step> = down.collect();
        steps.extend(vec![Step::Parent; random.below(count + 1)]);
        if random.percent(20) {
            steps.push(Step::Root);
        }
        with_path(&command, |path| *path = steps)
    }

    fn over_limits(&mut self) -> Command {
        let command = self.generator.command();
        let deep = self.random().percent(2);
        match self.random().below(6) {
            0 => {
                let components = PATH_COMPONENTS_MAX + self.random().below(2);
                let depth = if deep { components } else { components + 1 };
                with_path(&command, |path| *path = vec![Step::Child(Name::atom("d")); depth])
            }
            1 => {
                let too_long = Step::Child(self.too_long.clone());
                with_path(&command, |path| path.push(too_long))
            }
            2 => {
                let quarter = Step::Child(self.quarter.clone());
                let depth = 4 + usize::from(!deep);
                with_path(&command, |path| *path = vec![quarter; depth])
            }
            3 => Command::put(steps_of(&command.path), self.too_large.clone()),
            4 => {
                let count = if deep { KEEP_WHILE_MAX } else { KEEP_WHILE_MAX + 1 };
                let exists = condition(&if_node_exists(false));
                let one = Watched { path: vec![Step::This, Step::Parent], condition: exists };
                let keep_while = Some(vec![one; count].into());
                Command::Clear { path: vec![Step::This], scope: Scope::One, keep_while, wanted: None }
            }
            _ => {
                // A path that is not too deep as it is given, but where it leads.
                let below = if deep { PATH_COMPONENTS_MAX - 1 } else { self.random().below(12) };
                let path = [vec![Step::AnyDescendant], vec![Step::Child(Name::atom("d")); below]].concat();
                Command::Put {
                    path,
                    scope: Scope::Many,
                    payload: Payload::None,
                    keep_while: None,
                    wanted: command.wanted,
                }
            }
        }
    }
}

fn with_path(command: &TestCommand, change: impl FnOnce(&mut Vec<Step>)) -> Command {
    let mut command = command.command();
    match &mut command {
        Command::Put { path, .. } | Command::Clear { path, .. } | Command::Delete { path, .. } => {
            change(path);
        }
        Command::Transaction(_) | Command::Once(_) => {}
    }
    command
}

/// Checks what holds of every state that commands made.
fn check(state: &State) {
    let mut open: Vec<(Path, &Arc<Node>)> = vec![(Path::new(), state.root())];
    assert!(!state.root().is_implicit() && state.root().subtree_revision() <= state.revision());
    while let Some((path, node)) = open.pop() {
        assert!(path.len() <= PATH_COMPONENTS_MAX);
        assert!(node.revision() <= node.subtree_revision());
        assert!(node.payload_version() >= 1 && node.child_list_version() >= 1);
        let mut below = 1;
        for (name, child) in node.children().iter() {
            assert!(child.subtree_revision() <= node.subtree_revision());
            below += child.subtree_nodes();
            open.push(([&path[..], std::slice::from_ref(name)].concat(), child));
        }
        assert_eq!(node.subtree_nodes(), below, "{path:?}");
    }
    state.keep_while.check(state);
    state.requests.check();
}

/// Checks that the state comes back from its records.
fn check_records(state: &State) {
    let (mut records, mut builder, mut record) = (TreeRecords::new(state), TreeBuilder::new(), Vec::new());
    while records.next_into(&mut record) {
        builder.push(&record).unwrap();
        record.clear();
    }
    let built = builder.finish(state.revision()).unwrap();
    assert_eq!(Model::of(&built), Model::of(state));
    let requests = |state: &State| state.requests.cursor().map(|(_, request)| request).collect::<Vec<_>>();
    assert_eq!(requests(&built), requests(state));
}

#[test]
fn no_command_makes_apply_panic_or_leaves_a_state_that_is_none() {
    let mut hostile = Hostile::new(7);
    let mut state = State::new();
    for index in 0..COMMANDS {
        if index % COMMANDS_PER_STORE == 0 || state.node_count() > NODES_MAX {
            check(&state);
            // To read records takes longer than all else: their conditions are compiled.
            if hostile.random().percent(20) {
                check_records(&state);
            }
            state = State::new();
            hostile.kept.clear();
        }
        let seed = hostile.generator.random.0;
        let made = catch_unwind(AssertUnwindSafe(|| hostile.command()));
        let command = made.unwrap_or_else(|_| panic!("command {index}, seed {seed}: making it panicked"));
        let Some(command) = command else { continue };
        let root = Arc::clone(state.root());
        let context = Context { revision: state.revision() + 1, clock_ms: 0, is_as_predicted: true };
        let applied = catch_unwind(AssertUnwindSafe(|| {
            // Whether it would be proposed is asked of every command.
            drop(command.check());
            state.apply(&command, &context)
        }));
        let answer = applied.unwrap_or_else(|_| panic!("command {index} panicked: {command:?}"));
        if let Some(expected) = hostile.repeated(&command) {
            assert_eq!(answer, expected, "{command:?}");
            assert!(Arc::ptr_eq(&root, state.root()), "{command:?} was repeated and changed something");
            hostile.count("repeated");
        } else if let Answer::Refused(refusal) = &answer {
            assert!(Arc::ptr_eq(&root, state.root()), "{command:?} was refused and changed something");
            hostile.count(match refusal {
                Refusal::NodeNotFound { .. } => "not found",
                Refusal::Mismatching { .. } => "mismatching",
                Refusal::KeepWhileNotMet { .. } => "keep while not met",
                Refusal::WildcardInPath { .. } => "wildcard",
                Refusal::UnsupportedPattern { .. } => "unsupported",
                Refusal::RequirementNotMet { .. } => "requirement",
                Refusal::InTransaction { .. } => "in transaction",
                Refusal::Nested => "nested",
                Refusal::LimitExceeded(limit) => limit.name(),
            });
        } else {
            assert!(!matches!(answer, Answer::Repeated(_)), "{command:?} is no repetition");
            hostile.keep(&command, &answer);
            hostile.count("done");
        }
        if index % CHECK_INTERVAL == 0 {
            check(&state);
        }
    }
    // Every way to go wrong was taken, and most commands did something.
    let at_least = |what: &str, count: usize| {
        let seen = hostile.counts.get(what).copied().unwrap_or_default();
        assert!(seen >= count, "{what}: {:#?}", hostile.counts);
    };
    at_least("done", COMMANDS / 3);
    let often = [
        "not found",
        "mismatching",
        "keep while not met",
        "wildcard",
        "unsupported",
        "repeated",
        "damaged and read",
        "condition Malformed",
        Limit::PathComponents.name(),
        Limit::PathSizeBytes.name(),
        Limit::NameSizeBytes.name(),
        Limit::PayloadSizeBytes.name(),
        Limit::KeepWhile.name(),
    ];
    often.iter().for_each(|what| at_least(what, COMMANDS / 2000));
    for what in
        ["nested", "Truncated", "UnknownTag", "MalformedCondition", "LimitExceeded", "condition NotSupported"]
    {
        at_least(what, 1);
    }
}
