use num_bigint::BigInt;
use proptest::prelude::*;

use super::super::test_terms::{integer, term as parsed};
use super::super::tests::{Term, altered, choices, encode, same, term};
use super::super::{exactly_equal, validate};
use super::*;
use crate::term::canonical::canonical;

/// Each comes before those behind it, as OTP 25 orders them.
const ASCENDING: &[&str] = &[
    "-100000000000000000000000000000000000001",
    "-99999999999999999999999999999999999999",
    "-1.0e38",
    "-18446744073709551617",
    "-18446744073709551616.0",
    "-18446744073709551615",
    "-9007199254740993",
    "-9007199254740992.0",
    "-1.5",
    "-1",
    "-5.0e-324",
    "0",
    "5.0e-324",
    "0.5",
    "1",
    "1.0000000000000002",
    "2",
    "255",
    "255.5",
    "256",
    "9007199254740991",
    "9007199254740992.0",
    "9007199254740993",
    "9007199254740994.0",
    "9223372036854775807",
    "9223372036854775808.0",
    "9223372036854775809",
    "18446744073709549568.0",
    "18446744073709551615",
    "18446744073709551616.0",
    "18446744073709551617",
    "1.7976931348623157e308",
    "''",
    "'A'",
    "a",
    "aa",
    "ab",
    "b",
    "'é'",
    "'Ā'",
    "'日本'",
    "'\u{10000}'",
    "{}",
    "{b}",
    "{1, 2}",
    "{1.5, 0}",
    "{a, 1}",
    "{0, 0, 0}",
    "#{}",
    "#{1 => z}",
    "#{2 => a}",
    "#{1.0 => a}",
    "#{a => 1}",
    "#{a => 2}",
    "#{b => 0}",
    "#{{2} => a}",
    "#{{1.0} => a}",
    "#{{a} => a}",
    "#{#{a => 1} => 1}",
    "#{#{a => 1.0} => 1}",
    "#{1 => a, 2 => a}",
    "#{1 => a, 2 => b}",
    "#{1 => b, 2 => a}",
    "#{1 => y, 1.0 => x}",
    "#{1 => x, 2.0 => y}",
    "#{a => 1, b => 9}",
    "#{a => 2, b => 1}",
    "#{a => 1, c => 0}",
    "[]",
    "[1 | a]",
    "[1]",
    "[1, 2]",
    "[1, 2, 3]",
    "[1, a]",
    "[1 | <<>>]",
    "[2]",
    "[a]",
    "[[]]",
    "<<>>",
    "<<0:1>>",
    "<<0>>",
    "<<1>>",
    "<<1, 0:1>>",
    "<<1, 0>>",
    "<<1:1>>",
    "<<128>>",
    "<<255>>",
    "<<255, 1:1>>",
    "<<255, 128>>",
];

#[test]
fn terms_are_ordered_as_in_erlang() {
    for (index, a) in ASCENDING.iter().enumerate() {
        for (other, b) in ASCENDING.iter().enumerate() {
            assert_eq!(compare(&parsed(a), &parsed(b)), index.cmp(&other), "{a} {b}");
        }
    }
}

#[test]
fn numbers_are_equal_by_value_but_not_in_the_keys_of_maps() {
    let equal = [
        ("1", "1.0"),
        ("0.0", "-0.0"),
        ("9007199254740992", "9007199254740992.0"),
        ("-9223372036854775808", "-9223372036854775808.0"),
        ("18446744073709551616", "18446744073709551616.0"),
        ("{[1 | 2]}", "{[1.0 | 2.0]}"),
        ("#{a => 1}", "#{a => 1.0}"),
        ("#{a => #{b => [0.0]}}", "#{a => #{b => [-0.0]}}"),
    ];
    for (a, b) in equal {
        assert_eq!(compare(&parsed(a), &parsed(b)), Ordering::Equal, "{a} {b}");
        assert_eq!(relation(&parsed(a), &parsed(b), Relation::Equal), Ordering::Equal, "{a} {b}");
        assert_ne!(relation(&parsed(a), &parsed(b), Relation::Same), Ordering::Equal, "{a} {b}");
    }
    for (a, b) in [("#{1 => a}", "#{1.0 => a}"), ("#{{1} => a}", "#{{1.0} => a}")] {
        assert_ne!(relation(&parsed(a), &parsed(b), Relation::Equal), Ordering::Equal, "{a} {b}");
    }
}

#[test]
fn the_order_of_the_pairs_of_a_map_is_of_no_account() {
    let (a, b) =
        (parsed("{#{a => 1, 2 => {x}, 1.5 => #{}}, 1}"), parsed("{#{1.5 => #{}, a => 1, 2 => {x}}, 1}"));
    for relation_asked in [Relation::Same, Relation::Equal, Relation::Order] {
        assert_eq!(relation(&a, &b, relation_asked), Ordering::Equal);
    }
    // What is behind the map counts.
    let c = parsed("{#{1.5 => #{}, a => 1, 2 => {x}}, 2}");
    assert_eq!(compare(&a, &c), Ordering::Less);
}

#[test]
fn identifiers_are_ordered_as_in_erlang() {
    let node = |name: u8| [119, 1, name];
    let pid = |name: u8, id: u32, serial: u32, creation: u32| {
        [&[131, 88][..], &node(name), &id.to_be_bytes(), &serial.to_be_bytes(), &creation.to_be_bytes()]
            .concat()
    };
    let port = |name: u8, id: u64, creation: u32| {
        [&[131, 120][..], &node(name), &id.to_be_bytes(), &creation.to_be_bytes()].concat()
    };
    let reference = |name: u8, creation: u32, ids: [u32; 3]| {
        let ids = ids.map(u32::to_be_bytes).concat();
        [&[131, 90, 0, 3][..], &node(name), &creation.to_be_bytes(), &ids].concat()
    };
    let export = |module: u8, function: u8, arity: u8| {
        [&[131, 113][..], &node(module), &node(function), &[97, arity]].concat()
    };
    let ascending = [
        parsed("z"),
        reference(b'a', 1, [9, 9, 2]),
        reference(b'a', 2, [1, 2, 1]),
        reference(b'a', 2, [2, 1, 2]),
        reference(b'a', 2, [1, 2, 2]),
        reference(b'b', 1, [0, 0, 0]),
        export(b'a', b'b', 1),
        export(b'a', b'b', 2),
        export(b'a', b'c', 0),
        export(b'b', b'a', 0),
        port(b'a', 9, 1),
        port(b'a', 1, 2),
        port(b'a', 1 << 63, 2),
        port(b'b', 0, 0),
        pid(b'b', 9, 1, 1),
        pid(b'a', 1, 2, 1),
        pid(b'a', 1, 2, 2),
        pid(b'b', 1, 2, 1),
        pid(b'a', 2, 2, 0),
        parsed("{}"),
    ];
    for (index, a) in ascending.iter().enumerate() {
        for (other, b) in ascending.iter().enumerate() {
            assert_eq!(compare(a, b), index.cmp(&other), "{index} {other}");
        }
    }
}

/// Tuples in tuples, around the bytes of a term.
fn nested(depth: usize, inner: &[u8]) -> Vec<u8> {
    [&[131][..], &[104, 1].repeat(depth), inner].concat()
}

#[test]
fn what_is_nested_too_deep_is_compared_by_its_bytes() {
    let (byte, word) = ([97, 1], [98, 0, 0, 0, 1]);
    let compared = |depth| compare(&nested(depth, &byte), &nested(depth, &word));
    assert_eq!(compared(TERM_DEPTH_MAX), Ordering::Equal);
    assert_eq!(compared(TERM_DEPTH_MAX + 1), Ordering::Less);
    let deep = nested(2_000_000, &byte);
    assert_eq!(compare(&deep, &deep.clone()), Ordering::Equal);
    assert_eq!(compare(&deep, &nested(2_000_000, &[97, 2])), Ordering::Less);
    // Within a string too.
    let string = nested(TERM_DEPTH_MAX, &[107, 0, 1, 5]);
    let list = nested(TERM_DEPTH_MAX, &[108, 0, 0, 0, 1, 97, 5, 106]);
    assert_eq!(compare(&string, &list), Ordering::Equal);
}

#[test]
fn maps_with_keys_that_are_nested_too_deep_are_compared() {
    let map = |value: u8| {
        let key = &nested(TERM_DEPTH_MAX + 9, &[106])[1..];
        [&[131, 116, 0, 0, 0, 2][..], key, &[97, value, 97, 1, 106]].concat()
    };
    assert_eq!(compare(&map(1), &map(1)), Ordering::Equal);
    assert_eq!(compare(&map(1), &map(2)), Ordering::Less);
}

fn relation(a: &[u8], b: &[u8], relation: Relation) -> Ordering {
    relate(View::of_term(a).unwrap(), View::of_term(b).unwrap(), relation, &mut 1_000_000_000).unwrap()
}

/// The order of an integer and a float, calculated by bringing both to whole numbers.
fn model(integer: &BigInt, float: f64) -> Ordering {
    let bits = float.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i64;
    let fraction = (bits & ((1 << 52) - 1)) | if exponent > 0 { 1 << 52 } else { 0 };
    let signed = if float < 0.0 { -BigInt::from(fraction) } else { BigInt::from(fraction) };
    let shift = exponent.max(1) - 1075;
    if shift >= 0 { integer.cmp(&(signed << shift)) } else { (integer << -shift).cmp(&signed) }
}

fn any_integer() -> impl Strategy<Value = BigInt> {
    prop_oneof![
        any::<i64>().prop_map(BigInt::from),
        (any::<i128>(), 0u32..1000).prop_map(|(value, shift)| (BigInt::from(value) << shift) + (value % 3)),
        (-3i64..4, 0u32..1030, any::<bool>()).prop_map(|(near, shift, negative)| {
            let power = BigInt::from(1) << shift;
            (if negative { -power } else { power }) + near
        }),
    ]
}

fn any_finite_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
        (-1023i32..1024).prop_map(|exponent| 2f64.powi(exponent)),
        (-1023i32..1024).prop_map(|exponent| -2f64.powi(exponent)),
        any::<i64>().prop_map(|value| value as f64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn integers_and_floats_are_compared_by_value(
        integer_value in any_integer(), float in any_finite_float(), use_float in any::<bool>(),
    ) {
        // Half of the time the integer is the float's own value, or next to it.
        let near = model_integer(float) + (&integer_value % 2);
        let integer_value = if use_float { near } else { integer_value };
        let a = [vec![131], integer(&integer_value)].concat();
        let b = [&[131, 70][..], &float.to_be_bytes()].concat();
        prop_assert_eq!(compare(&a, &b), model(&integer_value, float));
        prop_assert_eq!(compare(&b, &a), model(&integer_value, float).reverse());
    }

    #[test]
    fn integers_are_compared_by_value(a in any_integer(), b in any_integer()) {
        let spelled = |value: &BigInt| [vec![131], integer(value)].concat();
        prop_assert_eq!(compare(&spelled(&a), &spelled(&b)), a.cmp(&b));
        prop_assert_eq!(compare(&spelled(&a), &spelled(&a)), Ordering::Equal);
    }

    #[test]
    fn spelling_is_of_no_account(
        a in term(), b in term(), spelling_a in choices(), spelling_b in choices(),
    ) {
        prop_assert_eq!(compare(&encode(&a, &spelling_a), &encode(&a, &spelling_b)), Ordering::Equal);
        let order = compare(&encode(&a, &spelling_a), &encode(&b, &spelling_a));
        prop_assert_eq!(compare(&encode(&a, &spelling_b), &encode(&b, &spelling_b)), order);
        prop_assert_eq!(compare(&encode(&b, &spelling_a), &encode(&a, &spelling_b)), order.reverse());
    }

    #[test]
    fn the_order_is_transitive(
        a in term(), by in term(), place in any::<usize>(), c in term(), spelling in choices(),
    ) {
        let (b, d) = (altered(&a, place, &by), altered(&c, place, &by));
        let mut terms: Vec<_> = [a, b, c, d, by].iter().map(|term| encode(term, &spelling)).collect();
        terms.sort_by(|a, b| compare(a, b));
        for (index, a) in terms.iter().enumerate() {
            for b in terms.iter().skip(index) {
                prop_assert_ne!(compare(a, b), Ordering::Greater);
            }
        }
    }

    #[test]
    fn the_same_terms_are_those_that_are_exactly_equal(
        a in term(), by in term(), place in any::<usize>(), spelling_a in choices(), spelling_b in choices(),
    ) {
        let b = altered(&a, place, &by);
        let (encoded_a, encoded_b) = (encode(&a, &spelling_a), encode(&b, &spelling_b));
        let is_same = relation(&encoded_a, &encoded_b, Relation::Same) == Ordering::Equal;
        prop_assert_eq!(is_same, same(&a, &b));
        prop_assert_eq!(is_same, exactly_equal(&encoded_a, &encoded_b));
        let is_equal = relation(&encoded_a, &encoded_b, Relation::Equal) == Ordering::Equal;
        prop_assert_eq!(is_equal, compare(&encoded_a, &encoded_b) == Ordering::Equal);
        prop_assert!(is_equal || !is_same);
    }

    #[test]
    fn canonical_bytes_are_in_the_order_of_terms_without_floats(
        a in term(), by in term(), place in any::<usize>(), spelling_a in choices(), spelling_b in choices(),
    ) {
        let (a, b) = (without_floats(&a), without_floats(&altered(&a, place, &by)));
        let (a, b) = (encode(&a, &spelling_a), encode(&b, &spelling_b));
        prop_assert_eq!(canonical(&a).unwrap().cmp(&canonical(&b).unwrap()), compare(&a, &b));
    }

    #[test]
    fn too_few_steps_end_a_comparison_and_enough_do_not_change_it(
        a in term(), by in term(), place in any::<usize>(), spelling in choices(), steps in 0u64..60,
    ) {
        let (a, b) = (encode(&a, &spelling), encode(&altered(&a, place, &by), &spelling));
        let views = || (View::of_term(&a).unwrap(), View::of_term(&b).unwrap());
        let mut left = steps;
        match relate(views().0, views().1, Relation::Order, &mut left) {
            Ok(order) => prop_assert_eq!(order, compare(&a, &b)),
            Err(stopped) => {
                prop_assert_eq!(stopped, Stopped::OutOfSteps);
                prop_assert_eq!(left, 0);
            }
        }
    }

    #[test]
    fn damaged_terms_never_panic(
        a in term(), b in term(), spelling in choices(),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let good = encode(&b, &spelling);
        let mut bad = encode(&a, &spelling);
        for (at, byte) in damage {
            let at = at % bad.len();
            bad[at] = byte;
        }
        for other in [&good, &bad, &encode(&a, &spelling)] {
            let order = compare(&bad, other);
            prop_assert_eq!(compare(&bad, other), order);
            if validate(&bad).is_ok() {
                prop_assert_eq!(compare(other, &bad), order.reverse());
            }
        }
    }
}

/// The float without its fraction.
fn model_integer(float: f64) -> BigInt {
    let bits = float.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i64 - 1075;
    let fraction = BigInt::from((bits & ((1 << 52) - 1)) | 1 << 52);
    let magnitude = if exponent >= 0 { fraction << exponent } else { fraction >> -exponent };
    if float < 0.0 { -magnitude } else { magnitude }
}

/// The term with other terms in the places of floats.
fn without_floats(term: &Term) -> Term {
    let all = |terms: &[Term]| terms.iter().map(without_floats).collect();
    match term {
        Term::Float(bits) => Term::Integer(i128::from(*bits) << 60),
        Term::Tuple(terms) => Term::Tuple(all(terms)),
        Term::Fun(module, terms) => Term::Fun(module.clone(), all(terms)),
        Term::List(terms, tail) => Term::List(all(terms), Box::new(without_floats(tail))),
        Term::Map(pairs) => {
            Term::Map(pairs.iter().map(|(key, value)| (without_floats(key), without_floats(value))).collect())
        }
        leaf => leaf.clone(),
    }
}
