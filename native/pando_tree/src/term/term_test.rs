use proptest::prelude::*;

use super::*;

/// A term, and with `encode` every legal spelling of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Term {
    Integer(i128),
    Float(u64),
    Atom(String),
    Binary(Vec<u8>),
    Bits(Vec<u8>, u8),
    Tuple(Vec<Term>),
    /// Elements and a tail; the tail of a proper list is `Nil`.
    List(Vec<Term>, Box<Term>),
    Nil,
    /// Keys differ from each other.
    Map(Vec<(Term, Term)>),
    Pid(String, u32),
    Port(String, u32),
    Reference(String, Vec<u32>),
    Fun(String, Vec<Term>),
    Export(String, String),
}

/// Chooses spellings: a sequence of small numbers, repeated.
struct Choices<'a>(std::iter::Cycle<std::slice::Iter<'a, u8>>);

impl<'a> Choices<'a> {
    fn new(choices: &'a [u8]) -> Self {
        Choices(choices.iter().cycle())
    }

    fn below(&mut self, count: usize) -> usize {
        self.0.next().map_or(0, |choice| usize::from(*choice) % count)
    }
}

pub(crate) fn encode(term: &Term, choices: &[u8]) -> Vec<u8> {
    let mut out = vec![131];
    spell(&mut out, term, &mut Choices::new(choices));
    out
}

fn spell_atom(out: &mut Vec<u8>, text: &str, choices: &mut Choices<'_>) {
    let latin1: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    let (small, large, bytes) = match latin1 {
        Some(bytes) if choices.below(2) == 0 => (115, 100, bytes),
        _ => (119, 118, text.as_bytes().to_vec()),
    };
    if choices.below(2) == 0 && bytes.len() < 256 {
        out.extend([small, bytes.len() as u8]);
    } else {
        out.push(large);
        out.extend((bytes.len() as u16).to_be_bytes());
    }
    out.extend(bytes);
}

fn spell_integer(out: &mut Vec<u8>, value: i128, choices: &mut Choices<'_>) {
    match choices.below(4) {
        0 if u8::try_from(value).is_ok() => out.extend([97, value as u8]),
        1 if i32::try_from(value).is_ok() => {
            out.push(98);
            out.extend((value as i32).to_be_bytes());
        }
        form => {
            let mut magnitude = value.unsigned_abs().to_le_bytes().to_vec();
            while form != 3 && magnitude.last() == Some(&0) {
                magnitude.pop(); // Form 3 keeps zeros that mean nothing.
            }
            let sign = u8::from(value < 0);
            if form == 2 {
                out.push(111);
                out.extend((magnitude.len() as u32).to_be_bytes());
                out.push(sign);
            } else {
                out.extend([110, magnitude.len() as u8, sign]);
            }
            out.extend(magnitude);
        }
    }
}

fn spell_list(out: &mut Vec<u8>, elements: &[Term], tail: &Term, choices: &mut Choices<'_>) {
    let characters: Option<Vec<u8>> = elements
        .iter()
        .map(|term| match term {
            Term::Integer(value) => u8::try_from(*value).ok(),
            _ => None,
        })
        .collect();
    match (choices.below(3), characters, tail) {
        (0, Some(characters), Term::Nil) => {
            out.push(107);
            out.extend((characters.len() as u16).to_be_bytes());
            out.extend(characters);
        }
        // The rest spelled as a list that is the tail of the first part.
        (1, _, _) if !elements.is_empty() => {
            let (first, rest) = elements.split_at(1 + choices.below(elements.len()));
            out.push(108);
            out.extend((first.len() as u32).to_be_bytes());
            first.iter().for_each(|term| spell(out, term, choices));
            spell_list(out, rest, tail, choices);
        }
        (_, _, tail) => {
            if !elements.is_empty() || choices.below(2) == 0 {
                out.push(108);
                out.extend((elements.len() as u32).to_be_bytes());
                elements.iter().for_each(|term| spell(out, term, choices));
            }
            spell(out, tail, choices);
        }
    }
}

fn spell(out: &mut Vec<u8>, term: &Term, choices: &mut Choices<'_>) {
    match term {
        Term::Integer(value) => spell_integer(out, *value, choices),
        Term::Float(bits) => {
            out.push(70);
            out.extend(bits.to_be_bytes());
        }
        Term::Atom(text) => spell_atom(out, text, choices),
        Term::Binary(bytes) => {
            if choices.below(2) == 0 || bytes.is_empty() {
                out.push(109);
                out.extend((bytes.len() as u32).to_be_bytes());
            } else {
                out.push(77);
                out.extend((bytes.len() as u32).to_be_bytes());
                out.push(8);
            }
            out.extend(bytes);
        }
        Term::Bits(bytes, last_bits) => {
            out.push(77);
            out.extend((bytes.len() as u32).to_be_bytes());
            out.push(*last_bits);
            out.extend(bytes);
            // The bits behind the last one mean nothing.
            *out.last_mut().unwrap() ^= choices.below(2) as u8;
        }
        Term::Tuple(elements) => {
            if choices.below(2) == 0 {
                out.extend([104, elements.len() as u8]);
            } else {
                out.push(105);
                out.extend((elements.len() as u32).to_be_bytes());
            }
            elements.iter().for_each(|term| spell(out, term, choices));
        }
        Term::List(elements, tail) => spell_list(out, elements, tail, choices),
        Term::Nil => match choices.below(3) {
            0 => out.extend([107, 0, 0]),
            _ => out.push(106),
        },
        Term::Map(pairs) => {
            out.push(116);
            out.extend((pairs.len() as u32).to_be_bytes());
            let mut pairs: Vec<_> = pairs.iter().collect();
            let (by, turn) = (pairs.len().max(1), choices.below(2) == 0);
            pairs.rotate_left(choices.below(by));
            if turn {
                pairs.reverse();
            }
            for (key, value) in pairs {
                spell(out, key, choices);
                spell(out, value, choices);
            }
        }
        Term::Pid(node, id) => {
            let old = choices.below(2) == 0;
            out.push(if old { 103 } else { 88 });
            spell_atom(out, node, choices);
            out.extend(id.to_be_bytes());
            out.extend(7u32.to_be_bytes());
            if old { out.push(3) } else { out.extend(3u32.to_be_bytes()) }
        }
        Term::Port(node, id) => {
            let form = choices.below(3);
            out.push([102, 89, 120][form]);
            spell_atom(out, node, choices);
            if form == 2 {
                out.extend(u64::from(*id).to_be_bytes())
            } else {
                out.extend(id.to_be_bytes())
            }
            if form == 0 { out.push(3) } else { out.extend(3u32.to_be_bytes()) }
        }
        Term::Reference(node, ids) => {
            let old = choices.below(2) == 0;
            if old && ids.len() == 1 {
                out.push(101);
                spell_atom(out, node, choices);
                out.extend(ids[0].to_be_bytes());
                out.push(3);
                return;
            }
            out.push(if old { 114 } else { 90 });
            out.extend((ids.len() as u16).to_be_bytes());
            spell_atom(out, node, choices);
            if old {
                out.push(3)
            } else {
                out.extend(3u32.to_be_bytes())
            }
            ids.iter().for_each(|id| out.extend(id.to_be_bytes()));
        }
        Term::Fun(module, free) => {
            out.push(112);
            out.extend([0; 4]);
            out.push(2);
            out.extend([9; 16]);
            out.extend(5u32.to_be_bytes());
            out.extend((free.len() as u32).to_be_bytes());
            spell_atom(out, module, choices);
            out.extend([97, 5, 97, 6]);
            // Whoever created it is not part of the fun.
            let creator = choices.below(100) as u32;
            spell(out, &Term::Pid("n@h".into(), creator), choices);
            free.iter().for_each(|term| spell(out, term, choices));
        }
        Term::Export(module, function) => {
            out.push(113);
            spell_atom(out, module, choices);
            spell_atom(out, function, choices);
            out.extend([97, 2]);
        }
    }
}

fn atom_text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-c]{1,2}", "[\u{e0}-\u{ff}]{1,2}", "[\u{100}-\u{110}]{1,2}"]
}

pub(crate) fn term() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        (-3i128..300).prop_map(Term::Integer),
        prop_oneof![
            Just(i128::from(i32::MIN)),
            Just(i128::from(i32::MAX) + 1),
            Just((1 << 56) - 1),
            Just(1 << 56),
            Just(-(1 << 63)),
            Just(1 << 64),
            Just(i128::MIN),
        ]
        .prop_map(Term::Integer),
        prop_oneof![Just(0.0f64), Just(-0.0), Just(1.0), Just(255.0), Just(0.1)]
            .prop_map(|f| Term::Float(f.to_bits())),
        atom_text().prop_map(Term::Atom),
        proptest::collection::vec(0u8..3, 0..3).prop_map(Term::Binary),
        (proptest::collection::vec(0u8..3, 0..2), 1u8..7, any::<u8>()).prop_map(|(mut bytes, bits, last)| {
            bytes.push(last & (0xFF << (8 - bits)));
            Term::Bits(bytes, bits)
        }),
        Just(Term::Nil),
        (atom_text(), 0u32..3).prop_map(|(node, id)| Term::Pid(node, id)),
        (atom_text(), 0u32..3).prop_map(|(node, id)| Term::Port(node, id)),
        (atom_text(), proptest::collection::vec(0u32..2, 1..5))
            .prop_map(|(node, ids)| Term::Reference(node, ids)),
        (atom_text(), atom_text()).prop_map(|(module, function)| Term::Export(module, function)),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let terms = || proptest::collection::vec(inner.clone(), 0..5);
        prop_oneof![
            terms().prop_map(Term::Tuple),
            terms().prop_map(|elements| normal_list(elements, Term::Nil)),
            (terms(), inner.clone()).prop_map(|(elements, tail)| normal_list(elements, tail)),
            proptest::collection::vec(0u8..255, 1..5).prop_map(|bytes| {
                normal_list(bytes.into_iter().map(|byte| Term::Integer(byte.into())).collect(), Term::Nil)
            }),
            proptest::collection::vec((inner.clone(), inner.clone()), 0..5).prop_map(|pairs| {
                let mut distinct: Vec<(Term, Term)> = Vec::new();
                for pair in pairs {
                    if distinct.iter().all(|(key, _)| !same(key, &pair.0)) {
                        distinct.push(pair);
                    }
                }
                Term::Map(distinct)
            }),
            (atom_text(), terms()).prop_map(|(module, free)| Term::Fun(module, free)),
        ]
    })
}

/// A list without elements is its tail, and a tail that is a list goes on with its elements.
fn normal_list(mut elements: Vec<Term>, tail: Term) -> Term {
    if elements.is_empty() {
        return tail;
    }
    match tail {
        Term::List(more, tail) => {
            elements.extend(more);
            Term::List(elements, tail)
        }
        tail => Term::List(elements, Box::new(tail)),
    }
}

/// The model of `=:=`: by definition, without encodings.
pub(crate) fn same(a: &Term, b: &Term) -> bool {
    let all = |a: &[Term], b: &[Term]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    match (a, b) {
        (Term::Tuple(a), Term::Tuple(b)) => all(a, b),
        (Term::List(a, tail_a), Term::List(b, tail_b)) => all(a, b) && same(tail_a, tail_b),
        (Term::Fun(module_a, a), Term::Fun(module_b, b)) => module_a == module_b && all(a, b),
        (Term::Map(a), Term::Map(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.iter().any(|pair| same(key, &pair.0) && same(value, &pair.1)))
        }
        _ => a == b,
    }
}

/// The term with one of its parts replaced.
pub(crate) fn altered(term: &Term, place: usize, by: &Term) -> Term {
    let replace = |terms: &[Term]| {
        let mut terms = terms.to_vec();
        let index = place % terms.len().max(1);
        match terms.get(index) {
            Some(part) => terms[index] = altered(part, place / 3, by),
            None => terms.push(by.clone()),
        }
        terms
    };
    match term {
        Term::Tuple(elements) => Term::Tuple(replace(elements)),
        Term::List(elements, tail) => normal_list(replace(elements), (**tail).clone()),
        Term::Fun(module, free) => Term::Fun(module.clone(), replace(free)),
        Term::Map(pairs) if !pairs.is_empty() => {
            let mut pairs = pairs.clone();
            let index = place % pairs.len();
            pairs[index].1 = altered(&pairs[index].1, place / 3, by);
            Term::Map(pairs)
        }
        _ => by.clone(),
    }
}

pub(crate) fn choices() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_spelling_of_a_term_is_the_same_term(term in term(), a in choices(), b in choices()) {
        let (a, b) = (encode(&term, &a), encode(&term, &b));
        prop_assert_eq!(validate(&a), Ok(()));
        prop_assert_eq!(validate(&b), Ok(()));
        prop_assert!(exactly_equal(&a, &b), "{:?} {:?}", a, b);
    }

    #[test]
    fn a_term_that_differs_in_one_part_is_another_term(
        term in term(), by in term(), place in any::<usize>(), a in choices(), b in choices(),
    ) {
        let other = altered(&term, place, &by);
        let (encoded, encoded_other) = (encode(&term, &a), encode(&other, &b));
        prop_assert_eq!(exactly_equal(&encoded, &encoded_other), same(&term, &other));
    }

    #[test]
    fn a_term_cut_off_or_lengthened_is_invalid(term in term(), a in choices()) {
        let mut bytes = encode(&term, &a);
        for end in 0..bytes.len() {
            prop_assert!(validate(&bytes[..end]).is_err());
        }
        bytes.push(106);
        prop_assert_eq!(validate(&bytes), Err(TermError::TrailingBytes));
    }

    #[test]
    fn damaged_terms_never_panic(
        term in term(), a in choices(), damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let good = encode(&term, &a);
        let mut bad = good.clone();
        for (at, byte) in damage {
            let at = at % bad.len();
            bad[at] = byte;
        }
        let _ = validate(&bad);
        let _ = exactly_equal(&good, &bad);
        if validate(&bad).is_ok() {
            prop_assert_eq!(exactly_equal(&good, &bad), exactly_equal(&bad, &good));
        }
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        bytes.insert(0, VERSION);
        let _ = validate(&bytes);
        let _ = canonical::canonical(&bytes);
    }
}

fn list_headers(count: usize) -> Vec<u8> {
    let mut bytes = vec![131];
    (0..count).for_each(|_| bytes.extend([108, 0, 0, 0, 1]));
    bytes.extend(std::iter::repeat_n(106, count + 1));
    bytes
}

#[test]
fn nesting_is_admitted_up_to_the_limit() {
    assert_eq!(validate(&list_headers(TERM_DEPTH_MAX)), Ok(()));
    assert_eq!(validate(&list_headers(TERM_DEPTH_MAX + 1)), Err(TermError::TooDeep));
    assert_eq!(validate(&list_headers(2_000_000)), Err(TermError::TooDeep));
}

#[test]
fn the_tails_of_lists_do_not_nest() {
    let count = 100_000;
    let mut chained = vec![131];
    (0..count).for_each(|_| chained.extend([108, 0, 0, 0, 1, 97, 7]));
    chained.push(106);
    let mut plain = vec![131, 108];
    plain.extend((count as u32).to_be_bytes());
    (0..count).for_each(|_| plain.extend([97, 7]));
    plain.push(106);
    assert_eq!(validate(&chained), Ok(()));
    assert!(exactly_equal(&chained, &plain));
    assert_eq!(canonical::canonical(&chained), canonical::canonical(&plain));
}

#[test]
fn a_count_that_the_bytes_cannot_hold_is_refused_at_once() {
    for tag in [105, 108, 109, 111, 116] {
        assert_eq!(validate(&[131, tag, 255, 255, 255, 255, 0, 0]), Err(TermError::Truncated), "tag {tag}");
    }
}

#[test]
fn compressed_unknown_and_foreign_bytes_are_refused() {
    assert_eq!(validate(&[131, 80, 0, 0, 0, 1]), Err(TermError::UnsupportedTag(80)));
    assert_eq!(validate(&[131, 117]), Err(TermError::UnsupportedTag(117)));
    assert_eq!(validate(&[130, 106]), Err(TermError::WrongVersion));
    assert_eq!(validate(&[]), Err(TermError::Truncated));
    assert_eq!(validate(&[131, 119, 1, 0xFF]), Err(TermError::Malformed)); // Not UTF-8.
    assert_eq!(validate(&[131, 70, 0x7F, 0xF0, 0, 0, 0, 0, 0, 0]), Err(TermError::Malformed)); // Infinity.
    assert_eq!(validate(&[131, 77, 0, 0, 0, 1, 9, 0]), Err(TermError::Malformed)); // Nine bits of a byte.
}

#[test]
fn a_key_twice_in_a_map_is_refused_in_any_spelling() {
    let map = |first: &[u8], second: &[u8]| [&[131, 116, 0, 0, 0, 2], first, &[106], second, &[106]].concat();
    assert_eq!(validate(&map(&[97, 1], &[98, 0, 0, 0, 1])), Err(TermError::DuplicateKey));
    assert_eq!(validate(&map(&[97, 1], &[97, 2])), Ok(()));
    let one = 1.0f64.to_be_bytes();
    assert_eq!(validate(&map(&[97, 1], &[&[70][..], &one].concat())), Ok(()), "1 and 1.0 are two keys");
    // In a map that is itself a key, and in one that is a value.
    let inner = &map(&[97, 1], &[97, 1])[1..];
    assert_eq!(validate(&[&[131, 116, 0, 0, 0, 1], inner, &[106]].concat()), Err(TermError::DuplicateKey));
    assert_eq!(validate(&[&[131, 116, 0, 0, 0, 1, 106], inner].concat()), Err(TermError::DuplicateKey));
}

#[test]
fn a_float_in_the_old_text_form_is_the_number_it_spells() {
    let mut old = vec![131, 99];
    old.extend(b"1.50000000000000000000e+00");
    old.resize(33, 0);
    let new = [&[131, 70][..], &1.5f64.to_be_bytes()].concat();
    assert_eq!(validate(&old), Ok(()));
    assert!(exactly_equal(&old, &new));
    let mut nonsense = vec![131, 99];
    nonsense.extend([b'x'; 31]);
    assert_eq!(validate(&nonsense), Err(TermError::Malformed));
}

#[test]
fn positive_and_negative_zero_differ_and_so_do_integers_and_floats() {
    let float = |value: f64| [&[131, 70][..], &value.to_be_bytes()].concat();
    assert!(!exactly_equal(&float(0.0), &float(-0.0)));
    assert!(!exactly_equal(&float(1.0), &[131, 97, 1]));
}

#[test]
fn bytes_that_are_no_term_are_the_same_only_bytewise() {
    assert!(exactly_equal(b"junk", b"junk"));
    assert!(!exactly_equal(b"junk", b"jump"));
    assert!(!exactly_equal(&[131, 97, 1, 0], &[131, 98, 0, 0, 0, 1, 0]));
}

#[test]
fn what_is_no_term_in_two_spellings_is_not_the_same() {
    // A key twice, its atom spelled in two ways.
    let twice = |tag: u8| [131, 116, 0, 0, 0, 2, tag, 1, b'b', 106, 119, 1, b'b', 106];
    assert_eq!(validate(&twice(119)), Err(TermError::DuplicateKey));
    assert!(!exactly_equal(&twice(119), &twice(115)));
}
