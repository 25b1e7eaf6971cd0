//! Conditions on nodes from their terms, and regular expressions on names.
//!
//! Input: a byte that says what follows. Even: a condition's term, a name and a payload as parts. Odd: an expression and a name as
//! parts. Of the byte, 2 makes the name an atom where its bytes are UTF-8, 4 the payload a stored procedure.

use std::sync::Arc;

use pando_tree::fuzzing::{regex_finds, stored_condition};
use pando_tree::term::validate;
use pando_tree::{BadCondition, Condition, Name, Payload, Subject};

use crate::Outcome;
use crate::input::{Parts, parts};
use crate::memory::bounded;

const STEPS_MAX: u64 = 1_000_000;
/// Of all regular expressions of one condition, and of what reading them takes.
const MEMORY_FIXED: usize = 64 * 1024 * 1024;
/// Each part of a condition has a copy of its term, and parts nest in each other.
const MEMORY_PER_BYTE: usize = 1024;

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let mut from = Parts::new(input);
    let selector = from.byte();
    let term = from.part();
    let name_bytes = from.part();
    let name = match std::str::from_utf8(name_bytes) {
        Ok(text) if selector & 2 != 0 => Name::atom(text),
        _ => Name::binary(name_bytes),
    };
    if selector & 1 != 0 {
        return expression(term, &name);
    }
    let data: Arc<[u8]> = from.part().into();
    let payload = if selector & 4 != 0 { Payload::Procedure(data) } else { Payload::Data(data) };
    condition(term, &name, &payload)
}

fn condition(term: &[u8], name: &Name, payload: &Payload) -> Outcome {
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * term.len();
    let parsed = bounded("a condition", memory, || Condition::from_term(term));
    let stored = stored_condition(term);
    let condition = match (parsed, stored) {
        (Ok(condition), Ok(stored)) => {
            assert_eq!(condition, stored);
            condition
        }
        // Met by nothing, but it can be read.
        (Err(BadCondition::NotSupported { .. } | BadCondition::MatchSpecification), Ok(stored)) => {
            assert_eq!(&**stored.term(), term);
            return Outcome::Refused;
        }
        (Err(error), Err(same)) => {
            assert_eq!(error, same);
            return Outcome::Refused;
        }
        (parsed, stored) => panic!("{parsed:?}, but from a log {stored:?}"),
    };
    assert_eq!(validate(term), Ok(()), "a condition is a term");
    assert_eq!(validate(condition.term()), Ok(()), "a normal condition is a term");
    let normal = Condition::from_term(condition.term()).expect("a normal condition is a condition");
    assert_eq!(normal, condition, "a normal condition is normal");
    assert_eq!(normal.target(), condition.target());
    assert_eq!(normal.applies_to_grandchildren(), condition.applies_to_grandchildren());
    let length = u64::try_from(name.bytes().len()).unwrap_or_default();
    let counters = [(None, None, None), (Some(1), Some(2), Some(length))];
    for (payload_version, child_list_version, child_list_length) in counters {
        let subject = Subject { payload, payload_version, child_list_version, child_list_length };
        for name in [None, Some(name)] {
            let mut left = STEPS_MAX;
            let verdict = condition.test(name, &subject, &mut left);
            assert_eq!(
                normal.test(name, &subject, &mut STEPS_MAX.clone()),
                verdict,
                "the verdict of the normal one"
            );
            let taken = STEPS_MAX - left;
            if verdict.is_ok() {
                assert!(condition.test(name, &subject, &mut (taken - 1)).is_err(), "with one step less");
            }
        }
    }
    Outcome::Read
}

fn expression(expression: &[u8], name: &Name) -> Outcome {
    let find = || regex_finds(expression, name, &mut STEPS_MAX.clone());
    let Ok(found) = bounded("an expression", MEMORY_FIXED, find) else { return Outcome::Refused };
    assert_eq!(find(), Ok(found), "searched again");
    if !expression.is_empty() && expression.iter().all(u8::is_ascii_alphanumeric) {
        let is_there = name.bytes().windows(expression.len()).any(|part| part == expression);
        assert_eq!(found, Ok(is_there), "plain letters");
    }
    Outcome::Read
}

fn atom(text: &str) -> Vec<u8> {
    [&[119, text.len() as u8][..], text.as_bytes()].concat()
}

fn record(tag: &str, fields: &[&[u8]]) -> Vec<u8> {
    [&[104, fields.len() as u8 + 1][..], &atom(tag), &fields.concat()].concat()
}

fn list(terms: &[&[u8]]) -> Vec<u8> {
    [&[108][..], &(terms.len() as u32).to_be_bytes(), &terms.concat(), &[106]].concat()
}

fn binary(bytes: &[u8]) -> Vec<u8> {
    [&[109][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// The terms of conditions, without version byte; also for other targets.
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let (yes, undefined) = (atom("true"), atom("undefined"));
    let regex = record("if_name_matches", &[&binary(b"^[a-z]+(x|y){2,3}$"), &undefined]);
    let data = record("if_data_matches", &[&record("a", &[&atom("$1")]), &list(&[]), &undefined]);
    let exists = record("if_node_exists", &[&yes]);
    let name = binary(b"x");
    vec![
        exists.clone(),
        atom("name"),
        name.clone(),
        vec![97, b'.'],
        vec![97, b'/'],
        regex.clone(),
        record("if_path_matches", &[&atom("any"), &undefined]),
        record(
            "if_name_matches",
            &[&list(&[&binary(b"a"), &[107, 0, 2, b'b', b'*'], &[97, b'c']]), &undefined],
        ),
        record("if_has_payload", &[&yes]),
        record("if_has_data", &[&atom("false")]),
        record("if_has_sproc", &[&yes]),
        data.clone(),
        record("if_payload_version", &[&[97, 1]]),
        record("if_child_list_version", &[&record("ge", &[&[97, 2]])]),
        record("if_child_list_length", &[&record("lt", &[&[97, 9]])]),
        record("if_not", &[&regex]),
        record("if_all", &[&list(&[&exists, &name, &data])]),
        record("if_any", &[&list(&[&record("if_all", &[&list(&[&name])]), &regex])]),
        record("if_any", &[&[107, 0, 2, b'.', b'/']]),
    ]
}

/// Conditions and expressions.
pub fn seeds() -> Vec<Vec<u8>> {
    let data = [131, 104, 2, 119, 1, b'a', 97, 1];
    let conditions = samples().into_iter().enumerate().map(|(number, sample)| {
        let selector = (number as u8 % 4) * 2;
        [&[selector][..], &parts(&[&[&[131], &sample[..]].concat(), b"xabc", &data])].concat()
    });
    let expressions: [&[u8]; 12] = [
        b"abc",
        b"^a.*(b|c)+?$",
        b"[^a-z\\d\\x{e9}]{1,3}",
        b"(?i)\\bword\\b",
        b"(?:x(?<name>y)?)*\\Z",
        b"\\Qa.b\\E",
        b"[[:alpha:]]\\w\\W\\s\\S",
        b"(((((a)))))|^$",
        b"\\o{101}\\n\\t\\cA",
        b"(?#comment)a",
        b"a{1000}",
        b"(?sU:a+b)",
    ];
    let expressions = expressions.iter().map(|text| [&[1][..], &parts(&[text, b"abc"])].concat());
    conditions.chain(expressions).collect()
}
