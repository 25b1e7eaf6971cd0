//! Commands, transactions and commands that are applied once; and the entries of the log that hold them.
//!
//! Input: a byte that says what follows. Even: commands, one behind the other, which are applied to a small tree. Odd: the body of
//! an entry.

use pando_store::fuzzing::Entry;
use pando_store::log::{LogEntry, LogPosition};
use pando_tree::{
    Answer, Command, Condition, Context, Expected, Extent, Name, Once, Payload, PropsMask, ReadScope,
    RequestId, Scope, State, Step, Transaction, TreeBuilder, TreeRecords, Wanted, Watched, Write,
};

use crate::Outcome;
use crate::memory::bounded;

const COMMANDS_MAX: usize = 12;
/// A step of a path takes a byte, a condition with a regular expression some tens.
const MEMORY_PER_BYTE: usize = 1024;
const MEMORY_FIXED: usize = 64 * 1024 * 1024;

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let Some((selector, bytes)) = input.split_first() else { return Outcome::Refused };
    if selector & 1 != 0 { entry(bytes) } else { commands(bytes) }
}

fn entry(body: &[u8]) -> Outcome {
    let position = LogPosition { term: 1, node_id: 1, index: 1 };
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * body.len();
    let Ok(entry) = bounded("an entry", memory, || Entry::decode(position, body)) else {
        return Outcome::Refused;
    };
    let mut again = Vec::new();
    entry.encode(&mut again);
    // Members of version 1 are written as version 2.
    let expected = if body.starts_with(&[2, 1]) {
        let entry = Entry::decode(position, &again).expect("what was read is written");
        let mut third = Vec::new();
        entry.encode(&mut third);
        third
    } else {
        body.to_vec()
    };
    assert_eq!(again, expected, "an entry is written as it was read");
    Outcome::Read
}

fn commands(mut bytes: &[u8]) -> Outcome {
    let mut state = small_tree();
    let mut outcome = Outcome::Refused;
    for number in 0..COMMANDS_MAX {
        let memory = MEMORY_FIXED + MEMORY_PER_BYTE * bytes.len();
        let Ok((command, size)) = bounded("a command", memory, || Command::decode(bytes)) else { break };
        outcome = Outcome::Read;
        let mut again = Vec::new();
        command.encode(&mut again);
        assert_eq!(again, bytes[..size], "a command is written as it was read");
        bytes = &bytes[size..];
        apply(&mut state, &command, number % 2 == 0);
    }
    outcome
}

fn apply(state: &mut State, command: &Command, is_as_predicted: bool) {
    let context = Context { revision: state.revision() + 1, clock_ms: 0, is_as_predicted };
    let checked = command.check();
    let before = records(state);
    let mut predicted = state.clone();
    predicted.predict(command, &context);
    let answer = state.apply(command, &context);
    let after = records(state);
    assert_eq!(records(&predicted), after, "a prediction comes true");
    // What is not done is never kept either.
    let is_kept = matches!(answer, Answer::Done | Answer::Nodes(_) | Answer::Results(_));
    assert!(is_kept || before == after, "{answer:?}, but the tree has changed");
    assert!(
        !is_kept || checked.is_ok(),
        "the border refuses {command:?}: {checked:?}, the tree does not: {answer:?}"
    );
    let mut encoded = Vec::new();
    answer.encode(&mut encoded);
    let size = encoded.len();
    match Answer::decode(&encoded) {
        Ok(decoded) => assert_eq!(decoded, (answer, size), "an answer is read as it was written"),
        Err(error) => assert!(!is_kept, "{answer:?}: {error}"),
    }
    let mut builder = TreeBuilder::new();
    after.iter().for_each(|record| builder.push(record).expect("what commands made can be a snapshot"));
    let read = builder.finish(state.revision()).expect("what commands made can be a snapshot");
    assert_eq!(records(&read), after, "a tree is read as it was written");
    drop(state.take_detached());
}

/// The records of a tree, which are those of no other.
pub(crate) fn records(state: &State) -> Vec<Vec<u8>> {
    let mut records = TreeRecords::new(state);
    let mut all = Vec::new();
    loop {
        let mut record = Vec::new();
        if !records.next_into(&mut record) {
            return all;
        }
        all.push(record);
    }
}

fn path(text: &str) -> Vec<Step> {
    text.split('/').filter(|name| !name.is_empty()).map(|name| Step::Child(Name::atom(name))).collect()
}

fn data(number: u8) -> Payload {
    Payload::Data([131, 97, number].as_slice().into())
}

/// A tree of some nodes, one of which depends on another.
pub(crate) fn small_tree() -> State {
    let mut state = State::new();
    let exists =
        Condition::from_term(b"\x83\x68\x02\x77\x0eif_node_exists\x77\x04true").expect("a condition");
    let watched = Watched { path: path("a/b"), condition: exists };
    let commands = [
        Command::put(path("a"), data(1)),
        Command::put(path("a/b"), data(2)),
        Command::put(path("c/d/e"), Payload::Procedure([131, 106].as_slice().into())),
        Command::Put {
            path: path("f"),
            scope: Scope::One,
            payload: data(3),
            keep_while: Some([watched].into()),
            wanted: None,
        },
    ];
    for command in commands {
        let context = Context { revision: state.revision() + 1, clock_ms: 0, is_as_predicted: false };
        assert_eq!(state.apply(&command, &context), Answer::Done);
    }
    state
}

/// Commands of each kind; also for other targets.
pub(crate) fn samples() -> Vec<Command> {
    let all = Some(Wanted { props: PropsMask::ALL, indirect_deletes: true });
    let conditions = super::condition::samples();
    let condition = |number: usize| {
        let term = [&[131], &conditions[number][..]].concat();
        Condition::from_term(&term).expect("a condition")
    };
    let watched =
        Watched { path: vec![Step::Parent, Step::Child(Name::binary(b"x"))], condition: condition(0) };
    let put = Command::Put {
        path: vec![Step::Child(Name::atom("c")), Step::Condition(condition(16)), Step::AnyDescendant],
        scope: Scope::Many,
        payload: data(9),
        keep_while: Some([watched.clone()].into()),
        wanted: all,
    };
    let clear = Command::Clear { path: path("a"), scope: Scope::One, keep_while: None, wanted: all };
    let delete = Command::Delete { path: vec![Step::AnyChild], scope: Scope::ManyAndRoot, wanted: all };
    let mut commands = vec![put.clone(), clear, delete.clone(), Command::put(path("f/g"), data(1))];
    commands.extend((0..conditions.len()).filter(|number| *number != 3 && *number != 4).map(|number| {
        Command::Delete {
            path: vec![
                Step::Root,
                Step::Child(Name::atom("a")),
                Step::This,
                Step::Condition(condition(number)),
            ],
            scope: Scope::Many,
            wanted: None,
        }
    }));
    let write = |command: Command, expected| Write { command, expected };
    let names = |text: &str| text.split('/').map(Name::atom).collect();
    let transaction = Transaction {
        base_revision: 4,
        is_predicted: false,
        reads: vec![ReadScope { path: names("a/b"), extent: Extent::Payload, was_present: true }],
        requirements: vec![Watched { path: path("a"), condition: condition(0) }],
        writes: vec![
            write(Command::put(path("z"), data(1)), Expected::Done),
            write(delete, Expected::Success),
            write(put, Expected::Digest([7; 32])),
        ],
        wants_results: true,
    };
    commands.push(Command::Transaction(Box::new(transaction.clone())));
    let id = RequestId::new(b"request").expect("an id");
    let once =
        |command| Command::Once(Box::new(Once::new(id.clone(), command, Some([1, 2].as_slice().into()))));
    commands.push(once(Command::delete(path("c"))));
    commands.push(once(Command::Transaction(Box::new(transaction))));
    commands
}

/// Each sample twice, as commands and as an entry; blank entries and members.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![1, 0]];
    for command in samples() {
        let mut encoded = Vec::new();
        command.encode(&mut encoded);
        seeds.push([&[0], &encoded[..], &encoded[..]].concat());
        let origin = [1u64, 2, 3, 4, 5, 6].iter().flat_map(|field| field.to_le_bytes());
        let batch: Vec<u8> = [3].into_iter().chain(origin).chain(1u32.to_le_bytes()).chain(encoded).collect();
        seeds.push([&[1, 1], &batch[..]].concat());
    }
    seeds.push([&[1, 2], &super::control::membership_sample()[..]].concat());
    seeds.push([&[1, 2], &super::control::membership_sample_1()[..]].concat());
    seeds
}
