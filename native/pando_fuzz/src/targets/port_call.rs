//! Calls that come into the program behind a port, as terms.
//!
//! Input: the body of a call. What the program reads it writes as it was, and whatever the call is, its answer is a term.

use external_terms::{Atom, Encoder, Env, Heap, Term};
use pando_port::fuzzing::answer;
use pando_tree::term::validate;

use crate::Outcome;
use crate::memory::bounded;

/// As for commands: patterns are compiled.
const MEMORY_FIXED: usize = 64 * 1024 * 1024;
const MEMORY_PER_BYTE: usize = 1024;

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * input.len();
    let heap = Heap::default();
    let read = bounded("read", memory, || heap.read(input));
    if validate(input).is_ok() {
        assert!(read.is_ok(), "a term is not read");
    }
    if let Ok(term) = read {
        assert_eq!(term.to_binary().as_slice(), input, "written again");
    }
    let Some(answer) = bounded("answer", memory, || answer(input)) else { return Outcome::Refused };
    assert!(Heap::default().read(&answer).is_ok(), "the answer is no term: {answer:?}");
    if read.is_ok() { Outcome::Read } else { Outcome::Refused }
}

fn call(function: &str, arguments: impl for<'a> FnOnce(Env<'a>) -> Vec<Term<'a>>) -> Vec<u8> {
    let heap = Heap::default();
    let env = heap.env();
    (Term::of_atom_text(env, function), arguments(env)).encode(env).to_binary().into_vec()
}

/// A call of each kind of arguments.
pub fn seeds() -> Vec<Vec<u8>> {
    fn store(env: Env<'_>) -> Term<'_> {
        Atom::of("stock").to_term(env)
    }
    fn path(env: Env<'_>) -> Term<'_> {
        (vec!["wood"].encode(env)).list_prepend(Atom::of("stock"))
    }
    fn any(env: Env<'_>) -> Term<'_> {
        (Atom::of("if_name_matches"), Atom::of("any"), Atom::of("undefined")).encode(env)
    }
    let word = Atom::of;
    vec![
        call("get_data", |env| vec![store(env), path(env)]),
        call("read", |env| vec![store(env), path(env), 255u64.encode(env)]),
        call("scan", |env| {
            let what = (Atom::of("values"), 0u64).encode(env);
            vec![store(env), vec![any(env)].encode(env), what, true.encode(env), path(env), false.encode(env)]
        }),
        call("submit", |env| {
            let keep = vec![(path(env), any(env))].encode(env);
            let put =
                (word("put"), path(env), word("data"), "oak", word("one"), keep, (7u64, true)).encode(env);
            let delete = (word("delete"), path(env), word("many"), word("none")).encode(env);
            let requires = vec![(path(env), any(env))].encode(env);
            let all = (word("transaction"), requires, vec![put, delete]).encode(env);
            let once = (word("once"), "id", all).encode(env);
            vec![store(env), word("none").to_term(env), once, true.encode(env)]
        }),
        call("condition_met", |env| {
            let props = Term::map_from_pairs(env, &[(word("data"), 1u64)]).unwrap();
            vec![any(env), "wood".encode(env), props]
        }),
        call("cluster_request", |env| {
            let add = (word("add_member"), 7u64, "a@b", word("voter")).encode(env);
            vec![store(env), 1u64.encode(env), add]
        }),
        call("node_state", |env| vec![store(env), "a@b".encode(env), word("up").to_term(env)]),
        call("peer_frame", |env| vec![store(env), word("bulk").to_term(env), "frame".encode(env)]),
        call("transaction_commit", |env| {
            let once = ("id", 1u64).encode(env);
            vec![7u64.encode(env), 1u64.encode(env), once, false.encode(env)]
        }),
        call("limits", |_| Vec::new()),
        call("no_such_call", |_| Vec::new()),
    ]
}
