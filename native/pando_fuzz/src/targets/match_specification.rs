//! Match specifications over stored terms.
//!
//! Input: pattern, guards and data as parts. Where there are no guards, against a match of terms that are built.

use std::borrow::Cow;
use std::collections::BTreeMap;

use pando_tree::MatchSpecification;

use crate::input::{Parts, parts};
use crate::memory::bounded;
use crate::{Naive, Outcome};

const STEPS_MAX: u64 = 200_000;
/// A step copies so many bytes at most; a term that is being put together is there twice.
const MEMORY_PER_STEP: usize = 2 * 64;
const MEMORY_PER_BYTE: usize = 512;
const MEMORY_FIXED: usize = 256 * 1024;

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let mut from = Parts::new(input);
    let (pattern, guards, data) = (from.part(), from.part(), from.part());
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * (pattern.len() + guards.len());
    let parsed = bounded("parsing", memory, || MatchSpecification::parse(pattern, guards));
    assert_eq!(parsed, MatchSpecification::parse(pattern, guards), "parsed again");
    let Ok(specification) = parsed else { return Outcome::Refused };
    let pattern = Naive::read(pattern).expect("a pattern is a term");
    let guards = Naive::read(guards).expect("guards are a term");
    let mut left = STEPS_MAX;
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * data.len() + MEMORY_PER_STEP * STEPS_MAX as usize;
    let matches = bounded("matching", memory, || specification.matches(data, &mut left));
    let taken = STEPS_MAX - left;
    if matches.is_ok() {
        assert_eq!(
            specification.matches(data, &mut taken.clone()),
            matches,
            "with as many steps as it takes"
        );
        if taken > 0 {
            assert!(specification.matches(data, &mut (taken - 1)).is_err(), "with one step less");
        }
    }
    if let (Naive::Nil, Ok(data), Ok(matches)) = (&guards, Naive::read(data), matches) {
        let naive = naive_match(&pattern, &data, &mut BTreeMap::new());
        assert_eq!(matches, naive, "{pattern:?} over {data:?}");
    }
    Outcome::Read
}

fn naive_match<'a>(pattern: &Naive, data: &'a Naive, bindings: &mut BTreeMap<u32, Cow<'a, Naive>>) -> bool {
    if let Naive::Atom(text) = pattern {
        if text == "_" {
            return true;
        }
        if let Some(number) = variable(text) {
            return bind(number, Cow::Borrowed(data), bindings);
        }
    }
    match (pattern, data) {
        (Naive::Tuple(patterns), Naive::Tuple(elements)) if patterns.len() == elements.len() => {
            patterns.iter().zip(elements).all(|(pattern, element)| naive_match(pattern, element, bindings))
        }
        (Naive::List(patterns, tail), Naive::List(elements, end)) => {
            let Some(rest) = elements.get(patterns.len()..) else { return false };
            if !patterns
                .iter()
                .zip(elements)
                .all(|(pattern, element)| naive_match(pattern, element, bindings))
            {
                return false;
            }
            match &**tail {
                tail if rest.is_empty() => naive_match(tail, end, bindings),
                // The tail of a pattern is no list, so it takes what is left only if it stands for anything.
                Naive::Atom(text) if text == "_" => true,
                Naive::Atom(text) => variable(text).is_some_and(|number| {
                    bind(number, Cow::Owned(Naive::List(rest.to_vec(), end.clone())), bindings)
                }),
                _ => false,
            }
        }
        (Naive::Map(wanted), Naive::Map(pairs)) => wanted.iter().all(|(key, pattern)| {
            let found = pairs.iter().find(|(there, _)| there.is_same(key));
            found.is_some_and(|(_, value)| naive_match(pattern, value, bindings))
        }),
        _ => pattern.is_same(data),
    }
}

fn bind<'a>(number: u32, term: Cow<'a, Naive>, bindings: &mut BTreeMap<u32, Cow<'a, Naive>>) -> bool {
    match bindings.get(&number) {
        Some(bound) => bound.is_same(&term),
        None => {
            bindings.insert(number, term);
            true
        }
    }
}

fn variable(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('$')?;
    let is_plain =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if is_plain { digits.parse().ok() } else { None }
}

/// Functions of guards, each with its number of operands.
const FUNCTIONS: &[(&str, usize)] = &[
    ("is_atom", 1),
    ("is_float", 1),
    ("is_integer", 1),
    ("is_list", 1),
    ("is_number", 1),
    ("is_pid", 1),
    ("is_port", 1),
    ("is_reference", 1),
    ("is_tuple", 1),
    ("is_map", 1),
    ("is_binary", 1),
    ("is_function", 1),
    ("is_map_key", 2),
    ("map_get", 2),
    ("map_size", 1),
    ("is_record", 3),
    ("abs", 1),
    ("element", 2),
    ("hd", 1),
    ("length", 1),
    ("round", 1),
    ("size", 1),
    ("tl", 1),
    ("trunc", 1),
    ("float", 1),
    ("byte_size", 1),
    ("bit_size", 1),
    ("binary_part", 3),
    ("binary_part", 2),
    ("+", 1),
    ("-", 1),
    ("node", 1),
    ("+", 2),
    ("-", 2),
    ("*", 2),
    ("/", 2),
    ("div", 2),
    ("rem", 2),
    ("band", 2),
    ("bor", 2),
    ("bxor", 2),
    ("bnot", 1),
    ("bsl", 2),
    ("bsr", 2),
    (">", 2),
    (">=", 2),
    ("<", 2),
    ("=<", 2),
    ("=:=", 2),
    ("==", 2),
    ("=/=", 2),
    ("/=", 2),
    ("not", 1),
    ("and", 2),
    ("or", 2),
    ("xor", 2),
    ("andalso", 2),
    ("orelse", 2),
];

fn atom(text: &str) -> Vec<u8> {
    [&[119, text.len() as u8][..], text.as_bytes()].concat()
}

fn complete(part: &[u8]) -> Vec<u8> {
    [&[131], part].concat()
}

/// `[Guard]`.
fn guards(guard: &[u8]) -> Vec<u8> {
    complete(&[&[108, 0, 0, 0, 1][..], guard, &[106]].concat())
}

/// Patterns of several kinds, and each function as a guard.
pub fn seeds() -> Vec<Vec<u8>> {
    let (one, two) = (atom("$1"), atom("$2"));
    let variables = complete(&[&[104, 2][..], &one, &two].concat());
    let none = complete(&[106]);
    let data = complete(&[&[104, 2, 98, 0, 1, 0, 0][..], &[109, 0, 0, 0, 2, 1, 2]].concat());
    let numbers = complete(&[104, 2, 97, 9, 110, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let map = |key: &str, value: &[u8]| [&[116, 0, 0, 0, 1][..], &atom(key), value].concat();
    let mut seeds = vec![
        parts(&[&variables, &none, &data]),
        parts(&[&complete(&atom("_")), &none, &data]),
        parts(&[&complete(&[&[104, 2][..], &one, &one].concat()), &none, &complete(&[104, 2, 97, 1, 97, 1])]),
        parts(&[
            &complete(&[&[108, 0, 0, 0, 1][..], &one, &two].concat()),
            &none,
            &complete(&[107, 0, 3, 1, 2, 3]),
        ]),
        parts(&[&complete(&map("a", &one)), &guards(&atom("$$")), &complete(&map("a", &[97, 1]))]),
        parts(&[&complete(&one), &guards(&[&[104, 2][..], &atom("const"), &atom("true")].concat()), &data]),
        parts(&[&complete(&one), &guards(&map("a", &atom("$_"))), &data]),
        // {{ {'$1', '$1'} }}, compared with itself.
        parts(&[
            &complete(&one),
            &guards(
                &[&[104, 3][..], &atom("=:="), &[104, 1, 104, 2], &one, &one, &[104, 1, 104, 2], &one, &one]
                    .concat(),
            ),
            &data,
        ]),
    ];
    // More keys than are compared one by one.
    let keys = |values: &dyn Fn(u8) -> Vec<u8>| {
        let pairs: Vec<u8> = (0..12u8).flat_map(|key| [vec![97, key], values(key)].concat()).collect();
        complete(&[&[116, 0, 0, 0, 12][..], &pairs].concat())
    };
    seeds.push(parts(&[&keys(&|key| atom(&format!("${key}"))), &none, &keys(&|key| vec![97, key])]));
    seeds.push(parts(&[&keys(&|_| one.clone()), &none, &keys(&|_| data[1..].to_vec())]));
    for (name, count) in FUNCTIONS {
        let operands: Vec<u8> = [&one, &two, &one].into_iter().take(*count).flatten().copied().collect();
        let call = [&[104, *count as u8 + 1][..], &atom(name), &operands].concat();
        for data in [&data, &numbers] {
            seeds.push(parts(&[&variables, &guards(&call), data]));
            let compared = [&[104, 3][..], &atom(">"), &call, &one].concat();
            seeds.push(parts(&[&variables, &guards(&compared), data]));
        }
    }
    seeds
}
