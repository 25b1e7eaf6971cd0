//! Terms that were built to do harm: to everything that reads terms they cost no more than their length, in memory and in steps,
//! and none overflows the stack.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::cmp::Ordering;
use std::sync::Arc;

use pando_fuzz::memory::bounded;
use pando_tree::fuzzing::{Relation, canonical, relate, skip};
use pando_tree::term::{TermError, compare, exactly_equal, validate};
use pando_tree::{
    Answer, Command, Condition, Context, MatchSpecification, Name, Payload, State, Step, Subject,
    TreeBuilder, TreeRecords,
};

const NESTED: usize = 2_000_000;
/// Of those that differ from these in their tags only.
const NESTED_ALSO: usize = 100_000;
const HUGE: [u8; 4] = [255; 4];
const MEMORY_FIXED: usize = 1024 * 1024;

struct Hostile {
    what: &'static str,
    /// Version byte included.
    term: Vec<u8>,
    validity: Result<(), TermError>,
}

fn hostile(what: &'static str, parts: &[&[u8]], validity: Result<(), TermError>) -> Hostile {
    Hostile { what, term: [&[131], &parts.concat()[..]].concat(), validity }
}

fn all() -> Vec<Hostile> {
    use TermError::{Malformed, TooDeep, Truncated, UnsupportedTag};
    let node = [119, 3, b'a', b'@', b'b'];
    let pid = [&[88][..], &node, &[0; 12]].concat();
    let fun = |size: [u8; 4], free: [u8; 4]| {
        let head =
            [&[112][..], &size, &[1], &[7; 16], &[0, 0, 0, 1], &free, &[119, 1, b'm'], &[97, 0, 97, 0]]
                .concat();
        [&head[..], &pid].concat()
    };
    let many = vec![0xAB; 1024 * 1024];
    let length = (many.len() as u32).to_be_bytes();
    vec![
        hostile(
            "lists in lists",
            &[&[108, 0, 0, 0, 1].repeat(NESTED), &[106].repeat(NESTED + 1)],
            Err(TooDeep),
        ),
        hostile("tuples in tuples", &[&[104, 1].repeat(NESTED), &[106]], Err(TooDeep)),
        hostile(
            "large tuples in large tuples",
            &[&[105, 0, 0, 0, 1].repeat(NESTED_ALSO), &[106]],
            Err(TooDeep),
        ),
        hostile("maps as values", &[&[116, 0, 0, 0, 1, 97, 1].repeat(NESTED_ALSO), &[106]], Err(TooDeep)),
        hostile(
            "maps as keys",
            &[&[116, 0, 0, 0, 1].repeat(NESTED_ALSO), &[106].repeat(NESTED_ALSO + 1)],
            Err(TooDeep),
        ),
        hostile("heads of lists and nothing else", &[&[108, 0, 0, 0, 1].repeat(NESTED_ALSO)], Err(TooDeep)),
        hostile("funs in funs", &[&fun([0; 4], [0, 0, 0, 1]).repeat(10_000), &[106]], Err(TooDeep)),
        hostile("tails of tails", &[&[108, 0, 0, 0, 1, 97, 1].repeat(NESTED_ALSO), &[106]], Ok(())),
        hostile("lists of nothing", &[&[108, 0, 0, 0, 0].repeat(NESTED_ALSO), &[106]], Ok(())),
        hostile("a list of 2^32-1", &[&[108], &HUGE, &[97, 1]], Err(Truncated)),
        hostile("a tuple of 2^32-1", &[&[105], &HUGE, &[97, 1]], Err(Truncated)),
        hostile("a map of 2^32-1", &[&[116], &HUGE, &[97, 1]], Err(Truncated)),
        hostile("a map of 2^31", &[&[116, 128, 0, 0, 0], &[97, 1]], Err(Truncated)),
        hostile("a binary of 2^32-1", &[&[109], &HUGE, &[1]], Err(Truncated)),
        hostile("a bitstring of 2^32-1", &[&[77], &HUGE, &[3, 1]], Err(Truncated)),
        hostile("an integer of 2^32-1", &[&[111], &HUGE, &[0, 1]], Err(Truncated)),
        hostile("a string of 65535", &[&[107, 255, 255, 1]], Err(Truncated)),
        hostile("an atom of 65535", &[&[118, 255, 255], &[b'a'; 65_535]], Err(Malformed)),
        hostile("an atom of 65535 that is not there", &[&[100, 255, 255, b'a']], Err(Truncated)),
        hostile("a reference of 65535 words", &[&[90, 255, 255], &node, &[0; 64]], Err(Malformed)),
        hostile(
            "a compressed gigabyte",
            &[&[80, 64, 0, 0, 0, 0x78, 0x9C, 0xED, 0xC1]],
            Err(UnsupportedTag(80)),
        ),
        hostile("compressed in compressed", &[&[80, 0, 0, 0, 9].repeat(1_000)], Err(UnsupportedTag(80))),
        hostile("a fun of 2^32-1 bytes", &[&fun(HUGE, [0; 4])], Ok(())),
        hostile("a fun with 2^32-1 variables", &[&fun([0; 4], HUGE), &[97, 1]], Err(Truncated)),
        hostile("a large list of nothing more", &[&[108], &length, &[106].repeat(many.len() + 1)], Ok(())),
        hostile("a large tuple", &[&[105], &length, &[106].repeat(many.len())], Ok(())),
        hostile("an integer of 1 MiB", &[&[111], &length, &[1], &many], Ok(())),
        hostile("an integer of 1 MiB zeros", &[&[111], &length, &[1], &vec![0; many.len()]], Ok(())),
        hostile("a binary of 1 MiB", &[&[109], &length, &many], Ok(())),
        hostile("a bitstring of 1 MiB", &[&[77], &length, &[1], &many], Ok(())),
        hostile("nine bits in a byte", &[&[77, 0, 0, 0, 1, 9, 255]], Err(Malformed)),
        hostile("bits of no byte", &[&[77, 0, 0, 0, 0, 3]], Err(Malformed)),
        hostile("a list that ends in itself", &[&[108, 0, 0, 0, 1, 106, 109], &HUGE], Err(Truncated)),
    ]
}

/// What memory may be taken for each byte of a term: parts and frames of some tens of bytes for terms of one.
fn memory(hostile: &Hostile, per_byte: usize) -> usize {
    MEMORY_FIXED + hostile.term.len() * per_byte
}

#[test]
fn it_is_told_whether_they_are_terms() {
    for hostile in all() {
        let validity = bounded(hostile.what, memory(&hostile, 0), || validate(&hostile.term));
        assert_eq!(validity, hostile.validity, "{}", hostile.what);
    }
}

#[test]
fn where_they_end_is_found_without_going_into_them() {
    for hostile in all() {
        let steps_max = hostile.term.len() as u64;
        let end = bounded(hostile.what, MEMORY_FIXED, || skip(&hostile.term, &mut steps_max.clone()));
        let end = end.expect("a step for each byte is enough");
        match hostile.validity {
            Ok(()) | Err(TermError::TooDeep) if hostile.what != "heads of lists and nothing else" => {
                assert_eq!(end, Some(hostile.term.len()), "{}", hostile.what);
            }
            Err(TermError::Truncated | TermError::UnsupportedTag(_)) => {
                assert_eq!(end, None, "{}", hostile.what)
            }
            _ => {}
        }
    }
}

#[test]
fn they_are_compared() {
    for hostile in all() {
        // Another one in the last byte, so that all of it is looked at.
        let mut other = hostile.term.clone();
        *other.last_mut().unwrap() ^= 1;
        let (a, b) = (&hostile.term, &other);
        assert!(bounded(hostile.what, memory(&hostile, 0), || exactly_equal(a, a)), "{}", hostile.what);
        let is_same = bounded(hostile.what, memory(&hostile, 8), || exactly_equal(a, b));
        assert!(!is_same || hostile.validity.is_ok(), "{}", hostile.what);
        assert_eq!(compare(a, a), Ordering::Equal, "{}", hostile.what);
        let order = bounded(hostile.what, memory(&hostile, 64), || compare(a, b));
        assert_eq!(compare(b, a), order.reverse(), "{}", hostile.what);
        for relation in [Relation::Same, Relation::Equal, Relation::Order] {
            let mut left = 64 * a.len() as u64;
            let related = bounded(hostile.what, memory(&hostile, 64), || relate(a, b, relation, &mut left));
            assert!(related.is_ok(), "{}: more than 64 steps a byte", hostile.what);
            assert!(
                relate(a, b, relation, &mut 1).is_err() || left >= 64 * a.len() as u64 - 2,
                "{}",
                hostile.what
            );
        }
        let canonical = bounded(hostile.what, memory(&hostile, 64), || canonical(a));
        assert!(canonical.is_some() || hostile.validity.is_err(), "{}", hostile.what);
    }
}

fn atom(text: &str) -> Vec<u8> {
    [&[119, text.len() as u8][..], text.as_bytes()].concat()
}

/// Patterns and guards that look at all of the data, or at what it consists of.
fn specifications() -> Vec<MatchSpecification> {
    let (one, two) = (atom("$1"), atom("$2"));
    let patterns = [
        one.clone(),
        [&[104, 2][..], &one, &two].concat(),
        [&[108, 0, 0, 0, 1][..], &one, &two].concat(),
        [&[104, 1][..], &one].concat(),
        [&[116, 0, 0, 0, 1, 97, 1][..], &one].concat(),
        [&[116, 0, 0, 0, 1, 106][..], &one].concat(),
        vec![106],
    ];
    let data = atom("$_");
    let guards: Vec<Vec<u8>> =
        ["length", "size", "hd", "tl", "bit_size", "map_size", "is_list", "abs", "bnot", "float"]
            .iter()
            .map(|name| [&[104, 2][..], &atom(name), &data].concat())
            .chain(
                ["=:=", "==", ">", "+", "rem", "bsl"]
                    .iter()
                    .map(|name| [&[104, 3][..], &atom(name), &data, &data].concat()),
            )
            .map(|call| [&[131, 108, 0, 0, 0, 1, 104, 3][..], &atom("=/="), &call, &[97, 0, 106]].concat())
            .collect();
    let parse = |pattern: &Vec<u8>, guards: &Vec<u8>| {
        MatchSpecification::parse(&[&[131], &pattern[..]].concat(), guards).expect("a specification")
    };
    let first = guards.iter().map(|guards| parse(&patterns[0], guards));
    let others = patterns.iter().map(|pattern| parse(pattern, &vec![131, 106]));
    first.chain(others).collect()
}

#[test]
fn specifications_are_matched_against_them() {
    let specifications = specifications();
    for hostile in all() {
        for specification in &specifications {
            let mut left = 128 * hostile.term.len() as u64;
            let matched = bounded(hostile.what, memory(&hostile, 64), || {
                specification.matches(&hostile.term, &mut left)
            });
            assert!(matched.is_ok(), "{}: more than 128 steps a byte, {specification:?}", hostile.what);
        }
    }
}

#[test]
fn they_are_patterns_and_conditions_or_are_refused() {
    for hostile in all() {
        let part = &hostile.term[1..];
        let fields = [atom("if_data_matches"), part.to_vec(), vec![106], atom("undefined")].concat();
        let condition = [&[131, 104, 4][..], &fields].concat();
        let compiled = bounded(hostile.what, memory(&hostile, 64), || Condition::from_term(&condition));
        assert!(compiled.is_err() || hostile.validity.is_ok(), "{}", hostile.what);
        if let Ok(condition) = compiled {
            let payload = Payload::Data(hostile.term.as_slice().into());
            let subject = Subject {
                payload: &payload,
                payload_version: None,
                child_list_version: None,
                child_list_length: None,
            };
            let verdict = condition.test(None, &subject, &mut (64 * part.len() as u64));
            assert_eq!(verdict, Ok(pando_tree::Verdict::Met), "{} does not match itself", hostile.what);
        }
        let regex = [&[131, 104, 3][..], &atom("if_name_matches"), part, &atom("undefined")].concat();
        for term in [&hostile.term, &regex] {
            let refused = bounded(hostile.what, memory(&hostile, 64), || Condition::from_term(term));
            // A list of nothing but lists of nothing is an expression: an empty one.
            assert!(refused.is_err() || hostile.validity.is_ok(), "{}", hostile.what);
        }
    }
}

#[test]
fn they_are_kept_as_payloads() {
    let mut state = State::new();
    let path = vec![Step::Child(Name::atom("a"))];
    for hostile in all() {
        let bytes: Arc<[u8]> = hostile.term.as_slice().into();
        let command = Command::put(path.clone(), Payload::Data(bytes.clone()));
        let mut encoded = Vec::new();
        command.encode(&mut encoded);
        let decoded = bounded(hostile.what, memory(&hostile, 2), || Command::decode(&encoded));
        assert_eq!(decoded, Ok((command.clone(), encoded.len())));
        let revision = state.revision() + 1;
        let context = Context { revision, clock_ms: 0, is_as_predicted: false };
        assert_eq!(state.apply(&command, &context), Answer::Done);
        let mut records = TreeRecords::new(&state);
        let mut builder = TreeBuilder::new();
        let mut record = Vec::new();
        while records.next_into(&mut record) {
            builder.push(&record).expect("a record");
            record.clear();
        }
        let read = builder.finish(revision).expect("a tree");
        let node = read.lookup(&[Name::atom("a")]).expect("the node");
        assert_eq!(node.payload().bytes(), Some(&bytes), "{}", hostile.what);
    }
}
