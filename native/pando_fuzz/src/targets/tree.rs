//! Trees from the records of a snapshot, and answers that were kept.
//!
//! Input: a byte that says what follows. Even: the revision in eight bytes, and the records as parts. Odd: an answer.

use pando_tree::{Answer, Command, Context, Name, Payload, Scan, Step, TreeBuilder};

use super::command::{records, samples, small_tree};
use crate::Outcome;
use crate::input::{Parts, put_part};
use crate::memory::bounded;

const MEMORY_PER_BYTE: usize = 1024;
const MEMORY_FIXED: usize = 64 * 1024 * 1024;

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let Some((selector, bytes)) = input.split_first() else { return Outcome::Refused };
    if selector & 1 != 0 { answer(bytes) } else { tree(bytes) }
}

fn answer(bytes: &[u8]) -> Outcome {
    let memory = MEMORY_PER_BYTE * bytes.len().max(64);
    let Ok((answer, size)) = bounded("an answer", memory, || Answer::decode(bytes)) else {
        return Outcome::Refused;
    };
    let mut again = Vec::new();
    answer.encode(&mut again);
    assert_eq!(again, bytes[..size], "an answer is written as it was read");
    Outcome::Read
}

fn tree(bytes: &[u8]) -> Outcome {
    let mut from = Parts::new(bytes);
    let revision = u64::from_le_bytes(std::array::from_fn(|_| from.byte()));
    let mut pushed = Vec::new();
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * bytes.len();
    let built = bounded("a tree", memory, || {
        let mut builder = TreeBuilder::new();
        while !from.is_empty() {
            let record = from.part();
            pushed.push(record.to_vec());
            builder.push(record)?;
        }
        builder.finish(revision)
    });
    let Ok(mut state) = built else { return Outcome::Refused };
    assert_eq!(records(&state), pushed, "a tree is written as it was read");
    let everything =
        Scan::new(&state, vec![Step::AnyDescendant], false, None).map(|mut scan| scan.count(u64::MAX));
    let below_root = pando_tree::Progress::Done(state.node_count() - 1);
    assert_eq!(everything, Ok(below_root), "a scan finds each node");
    // Whatever it holds, commands can be applied to it, and the tree is one afterwards.
    let paths = [
        vec![Step::AnyDescendant],
        vec![Step::Child(Name::atom("a")), Step::Child(Name::atom("new"))],
        vec![],
    ];
    for (number, path) in paths.into_iter().enumerate() {
        let payload = Payload::Data([131, 106].as_slice().into());
        let command = match number {
            0 => Command::Clear { path, scope: pando_tree::Scope::Many, keep_while: None, wanted: None },
            1 => Command::put(path, payload),
            _ => Command::delete(path),
        };
        let context =
            Context { revision: state.revision().saturating_add(1), clock_ms: 0, is_as_predicted: false };
        state.apply(&command, &context);
        let after = records(&state);
        if revision < u64::MAX - 8 {
            let mut builder = TreeBuilder::new();
            after.iter().for_each(|record| builder.push(record).expect("a tree after a command"));
            let again = builder.finish(state.revision()).expect("a tree after a command");
            assert_eq!(records(&again), after);
        }
    }
    Outcome::Read
}

/// Trees of all commands that are samples, and what these answered.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut state = small_tree();
    for command in [vec![], samples()].concat() {
        seeds.push(seed(&state));
        let context = Context { revision: state.revision() + 1, clock_ms: 0, is_as_predicted: true };
        let answer = state.apply(&command, &context);
        let mut encoded = vec![1];
        answer.encode(&mut encoded);
        if Answer::decode(&encoded[1..]).is_ok() {
            seeds.push(encoded);
        }
        state = if seeds.len() % 5 == 0 { small_tree() } else { state };
    }
    let mut conflict = vec![1];
    Answer::Conflict(vec![Name::atom("a"), Name::binary(b"b")]).encode(&mut conflict);
    seeds.push(conflict);
    seeds
}

/// A tree in which all samples were applied.
pub(crate) fn large_sample() -> pando_tree::State {
    let mut state = small_tree();
    for command in samples() {
        let context = Context { revision: state.revision() + 1, clock_ms: 0, is_as_predicted: true };
        state.apply(&command, &context);
    }
    for text in ["a", "b", "c"] {
        let path = vec![Step::Child(Name::atom(text)), Step::Child(Name::binary(text.as_bytes()))];
        let payload = Payload::Data([131, 106].as_slice().into());
        let context = Context { revision: state.revision() + 1, clock_ms: 0, is_as_predicted: true };
        state.apply(&Command::put(path, payload), &context);
    }
    state
}

fn seed(state: &pando_tree::State) -> Vec<u8> {
    let mut seed = vec![0];
    seed.extend(state.revision().to_le_bytes());
    records(state).iter().for_each(|record| put_part(&mut seed, record));
    seed
}
