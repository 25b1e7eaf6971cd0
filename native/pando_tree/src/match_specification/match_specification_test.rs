use proptest::prelude::*;

use super::*;
use crate::term::TERM_DEPTH_MAX;
use crate::term::test_terms::term as parsed;
use crate::term::tests::{Term, altered, choices, encode, same, term};

/// More than any of these tests needs.
const ENOUGH: u64 = 1_000_000_000;

fn specification(pattern: &str, conditions: &str) -> Result<MatchSpecification, MatchSpecificationError> {
    MatchSpecification::parse(&parsed(pattern), &parsed(conditions))
}

fn matches(pattern: &str, conditions: &str, data: &str) -> bool {
    let specification =
        specification(pattern, conditions).unwrap_or_else(|e| panic!("{pattern} {conditions} {e}"));
    specification.matches(&parsed(data), &mut ENOUGH.clone()).unwrap()
}

/// Whether a guard about the data, which is `'$1'`, holds.
fn holds(guard: &str, data: &str) -> bool {
    matches("'$1'", &format!("[{guard}]"), data)
}

#[test]
fn a_pattern_matches_what_it_describes() {
    let cases = [
        ("'_'", "{1, 2}", true),
        ("'$1'", "[]", true),
        ("a", "a", true),
        ("a", "b", false),
        ("1", "1.0", false),
        ("0.0", "-0.0", false),
        ("-0.0", "-0.0", true),
        ("18446744073709551616", "18446744073709551616", true),
        ("18446744073709551616", "18446744073709551617", false),
        ("<<\"abc\">>", "<<\"abc\">>", true),
        ("<<5:3>>", "<<5:3>>", true),
        ("<<5:3>>", "<<5:4>>", false),
        ("{}", "{}", true),
        ("{}", "{a}", false),
        ("{a, '_'}", "{a, 1}", true),
        ("{a, '_'}", "{a, 1, 2}", false),
        ("{a, '_'}", "[a, 1]", false),
        ("{'_', '_', c}", "{{[1, #{}], {}}, \"text\", c}", true),
        ("{'_', b, '_'}", "{a, b, c}", true),
        ("{{'$1', 2}, '$1'}", "{{1, 2}, 1}", true),
        ("{{'$1', 2}, '$1'}", "{{1, 2}, 2}", false),
        ("{'$1', '$1'}", "{1, 1.0}", false),
        ("{'$1', '$1'}", "{#{a => 1, b => [x]}, #{b => [x], a => 1}}", true),
        // These look like variables and are none.
        ("{'$01'}", "{5}", false),
        ("{'$01'}", "{'$01'}", true),
        ("{'$', '$_', '$$', '$1a'}", "{'$', '$_', '$$', '$1a'}", true),
        ("{'$_'}", "{5}", false),
        ("{'$0', '$100000000'}", "{5, 6}", true),
    ];
    for (pattern, data, expected) in cases {
        assert_eq!(matches(pattern, "[]", data), expected, "{pattern} {data}");
    }
}

#[test]
fn a_list_matches_element_by_element_and_then_its_tail() {
    let cases = [
        ("[]", "[]", true),
        ("[]", "\"\"", true),
        ("['$1']", "[]", false),
        ("[a, '_']", "[a, b]", true),
        ("[a, '_']", "[a]", false),
        ("[a, '_']", "[a, b, c]", false),
        ("[a | '_']", "[a, b, c]", true),
        ("[a | '_']", "[a | b]", true),
        ("[a, b | '$1']", "[a | b]", false),
        ("[a | {'$1'}]", "[a | {1}]", true),
        ("[a | {'$1'}]", "[a, {1}]", false),
        ("[a | #{x => '_'}]", "[a | #{x => 1}]", true),
        ("[97, '$1' | '$2']", "\"abc\"", true),
        ("['$1', '$1' | '_']", "\"aab\"", true),
        ("['$1', '$1' | '_']", "\"aba\"", false),
        ("[97 | \"bc\"]", "\"abc\"", true),
        ("['_' | \"bc\"]", "\"abc\"", true),
        ("['_' | \"bc\"]", "[a | \"bc\"]", true),
        ("['_' | \"bc\"]", "[a, 98, 99]", true),
        ("[{'_'} | '_']", "\"abc\"", false),
        ("['_' | {'_'}]", "\"abc\"", false),
        ("{['$1' | '$2'], '$2'}", "{[1, 2, 3], [2, 3]}", true),
        ("{['$1' | '$2'], '$2'}", "{\"abc\", \"bc\"}", true),
        ("{['$1' | '$2'], '$2'}", "{\"abc\", \"bd\"}", false),
        ("{['_' | '_'], b}", "{\"abc\", b}", true),
        ("{['_' | '_'], b}", "{[1, {2}, [3] | 4], b}", true),
        ("{['_' | '_'], b}", "{[1], c}", false),
    ];
    for (pattern, data, expected) in cases {
        assert_eq!(matches(pattern, "[]", data), expected, "{pattern} {data}");
    }
}

#[test]
fn a_map_matches_if_it_has_the_keys_and_their_values_match() {
    let cases = [
        ("#{}", "#{}", true),
        ("#{}", "#{a => 1}", true),
        ("#{}", "[]", false),
        ("#{a => '_'}", "#{b => 1, a => 2}", true),
        ("#{a => 1}", "#{b => 1, a => 2}", false),
        ("#{a => 1, b => '_'}", "#{a => 1}", false),
        ("#{1 => '_'}", "#{1.0 => a}", false),
        ("#{{'$1'} => a}", "#{{'$1'} => a}", true),
        ("#{{'$1'} => a}", "#{{1} => a}", false),
        ("#{'$_' => a}", "#{'$_' => a}", true),
        ("#{#{a => 1, b => 2} => '$1'}", "#{x => y, #{b => 2, a => 1} => z}", true),
        ("#{a => #{b => {'$1'}}, c => '$1'}", "#{c => 7, a => #{b => {7}, d => 1}, e => 1}", true),
        ("#{a => #{b => {'$1'}}, c => '$1'}", "#{c => 7, a => #{b => {8}, d => 1}, e => 1}", false),
        ("{#{b => '$1'}, '$1'}", "{#{a => {x, y}, b => 1, c => [3, 4]}, 1}", true),
        ("{#{}, z}", "{#{a => {x, y}, b => 1}, z}", true),
    ];
    for (pattern, data, expected) in cases {
        assert_eq!(matches(pattern, "[]", data), expected, "{pattern} {data}");
    }
}

#[test]
fn more_variables_than_have_room_in_line_are_bound() {
    let joined = |write: &dyn Fn(usize) -> String| (0..40).map(write).collect::<Vec<_>>().join(", ");
    let pattern = format!("{{{}}}", joined(&|number| format!("'${number}'")));
    let data = format!("{{{}}}", joined(&|number| number.to_string()));
    assert!(matches(&pattern, "[{'==', '$39', 39}, {'==', '$0', 0}, {'==', {length, '$$'}, 40}]", &data));
}

#[test]
fn all_guards_must_be_true() {
    assert!(matches("{user, '$1'}", "[{'>=', '$1', 18}]", "{user, 30}"));
    assert!(!matches("{user, '$1'}", "[{'>=', '$1', 18}]", "{user, 17}"));
    assert!(matches("'$1'", "[]", "1"));
    assert!(matches("'$1'", "[true, {const, true}]", "1"));
    assert!(!matches("'$1'", "[true, false]", "1"));
    assert!(!matches("'$1'", "[ok]", "1"));
    assert!(!matches("'$1'", "['$1']", "1"));
    assert!(matches("'$1'", "['$1']", "true"));
    assert!(!matches("'$1'", "\"text\"", "1"));
}

#[test]
fn expressions_have_the_values_they_have_in_erlang() {
    let cases = [
        // What stands for what.
        ("'$_'", "{a}", "{const, {a}}"),
        ("'$$'", "{a}", "[{{a}}]"),
        ("{{}}", "x", "{const, {}}"),
        ("{{a, '$1'}}", "x", "{const, {a, x}}"),
        ("[a, '$1' | '$1']", "x", "{const, [a, x | x]}"),
        ("#{'$1' => {{'$1'}}}", "x", "{const, #{x => {x}}}"),
        ("#{a => {{b}}, c => [{const, {d}}]}", "x", "{const, #{c => [{d}], a => {b}}}"),
        ("#{1 => b, '$1' => a}", "1", "{const, #{1 => a}}"),
        ("{const, {const, '$1'}}", "x", "{const, {const, '$1'}}"),
        // Logic.
        ("{'andalso', false, '$1'}", "1", "false"),
        ("{'andalso', true, '$1'}", "1", "1"),
        ("{'andthen', true, '$1'}", "1", "1"),
        ("{'andalso', '$1'}", "1", "1"),
        ("{'orelse', true, '$1'}", "1", "true"),
        ("{'orelse', false, '$1'}", "1", "1"),
        ("{'and', true, true, false}", "1", "false"),
        ("{'or', false, false, true}", "1", "true"),
        ("{'xor', true, false}", "1", "true"),
        ("{'not', false}", "1", "true"),
        // Tests.
        ("{is_list, '$1'}", "\"a\"", "true"),
        ("{is_list, '$1'}", "[]", "true"),
        ("{is_binary, '$1'}", "<<1:1>>", "false"),
        ("{is_binary, '$1'}", "<<1>>", "true"),
        ("{is_number, '$1'}", "18446744073709551616", "true"),
        ("{is_map_key, a, '$1'}", "#{a => 1}", "true"),
        ("{is_map_key, 1.0, '$1'}", "#{1 => 1}", "false"),
        ("{is_record, '$1', a, 2}", "{a, 1}", "true"),
        ("{is_record, '$1', a, 2}", "{b, 1}", "false"),
        ("{is_record, '$1', a, -1}", "{a}", "false"),
        ("{is_record, '$1', a, 0}", "{}", "false"),
        ("{is_record, '$1', a, 1}", "x", "false"),
        // Parts.
        ("{element, 2, '$1'}", "{a, {b}, c}", "{{b}}"),
        ("{hd, '$1'}", "\"ab\"", "97"),
        ("{tl, '$1'}", "\"ab\"", "\"b\""),
        ("{tl, '$1'}", "\"a\"", "[]"),
        ("{tl, '$1'}", "[a | b]", "b"),
        ("{tl, '$1'}", "[{a}, b, c]", "[b, c]"),
        ("{tl, {tl, '$1'}}", "[{a}, b, c]", "[c]"),
        ("{hd, {tl, [a, '$1']}}", "{x}", "{{x}}"),
        ("{element, 1, {{'$1', b}}}", "\"text\"", "\"text\""),
        ("{map_get, '$1', #{'$1' => {{'$1'}}}}", "x", "{{x}}"),
        ("{map_get, b, '$1'}", "#{a => 1, b => [2]}", "[2]"),
        ("{binary_part, '$1', 1, 2}", "<<\"abc\">>", "<<\"bc\">>"),
        ("{binary_part, '$1', 3, -2}", "<<\"abc\">>", "<<\"bc\">>"),
        ("{binary_part, '$1', {{0, 1}}}", "<<1, 2:4>>", "<<1>>"),
        ("{binary_part, '$1', 3, 0}", "<<\"abc\">>", "<<>>"),
        // Sizes.
        ("{length, '$1'}", "[a, b]", "2"),
        ("{length, '$1'}", "\"abc\"", "3"),
        ("{length, [a | '$1']}", "\"abc\"", "4"),
        ("{length, '$1'}", "[]", "0"),
        ("{map_size, '$1'}", "#{a => 1}", "1"),
        ("{size, '$1'}", "{a, b}", "2"),
        ("{size, '$1'}", "<<1, 2:4>>", "1"),
        ("{byte_size, '$1'}", "<<1, 2:4>>", "2"),
        ("{bit_size, '$1'}", "<<1, 2:4>>", "12"),
        // Numbers.
        ("{'+', '$1', 1}", "9223372036854775807", "9223372036854775808"),
        ("{'-', '$1'}", "-9223372036854775808", "9223372036854775808"),
        ("{'-', '$1', 1}", "9223372036854775808", "9223372036854775807"),
        ("{'*', '$1', '$1'}", "-18446744073709551616", "340282366920938463463374607431768211456"),
        ("{'+', '$1', 1.5}", "1", "2.5"),
        ("{'*', '$1', -1}", "0.0", "-0.0"),
        ("{'-', '$1'}", "0.0", "-0.0"),
        ("{'+', '$1', 0}", "-0.0", "0.0"),
        ("{'/', '$1', 2}", "3", "1.5"),
        ("{'div', '$1', 3}", "-7", "-2"),
        ("{'rem', '$1', 3}", "-7", "-1"),
        ("{'rem', '$1', -3}", "7", "1"),
        ("{'div', '$1', -1}", "-9223372036854775808", "9223372036854775808"),
        ("{'rem', '$1', -1}", "-9223372036854775808", "0"),
        ("{'band', '$1', -2}", "1208925819614629174706177", "1208925819614629174706176"),
        ("{'bor', '$1', 1}", "-2", "-1"),
        ("{'bxor', '$1', 1208925819614629174706176}", "-1", "-1208925819614629174706177"),
        ("{'bnot', '$1'}", "1208925819614629174706176", "-1208925819614629174706177"),
        ("{'bsl', '$1', 70}", "1", "1180591620717411303424"),
        ("{'bsl', '$1', -1}", "-7", "-4"),
        ("{'bsr', '$1', -70}", "1", "1180591620717411303424"),
        ("{'bsr', '$1', 1180591620717411303424}", "-1", "-1"),
        ("{'bsr', '$1', 1180591620717411303424}", "5", "0"),
        ("{'bsl', '$1', 1180591620717411303424}", "0", "0"),
        ("{'bsr', '$1', 100}", "-1267650600228229401496703205377", "-2"),
        ("{abs, '$1'}", "-5", "5"),
        ("{abs, '$1'}", "-0.0", "-0.0"),
        ("{abs, '$1'}", "-1.5", "1.5"),
        ("{round, '$1'}", "2.5", "3"),
        ("{round, '$1'}", "-2.5", "-3"),
        ("{round, '$1'}", "0.49999999999999994", "0"),
        ("{trunc, '$1'}", "-1.9", "-1"),
        ("{trunc, '$1'}", "-1.0e20", "-100000000000000000000"),
        ("{trunc, '$1'}", "9223372036854775808.0", "9223372036854775808"),
        ("{float, '$1'}", "18446744073709551617", "18446744073709551616.0"),
        ("{'+', '$1'}", "7", "7"),
    ];
    for (expression, data, value) in cases {
        assert!(holds(&format!("{{'=:=', {expression}, {value}}}"), data), "{expression} {data} {value}");
    }
}

#[test]
fn identifiers_and_funs_are_told_apart() {
    let pid = [&[131, 88, 119, 3][..], b"a@b", &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]].concat();
    let port = [&[131, 89, 119, 3][..], b"a@b", &[0, 0, 0, 1, 0, 0, 0, 3]].concat();
    let reference = [&[131, 90, 0, 1, 119, 3][..], b"a@b", &[0, 0, 0, 3, 0, 0, 0, 1]].concat();
    let export = [&[131, 113, 119, 1, b'm', 119, 1, b'f', 97, 2][..]].concat();
    let of_term = |guard: &str, data: &[u8]| {
        let specification = specification("'$1'", &format!("[{guard}]")).unwrap();
        specification.matches(data, &mut ENOUGH.clone()).unwrap()
    };
    for (index, data) in [&pid, &port, &reference, &export].iter().enumerate() {
        for (other, test) in ["is_pid", "is_port", "is_reference", "is_function"].iter().enumerate() {
            assert_eq!(of_term(&format!("{{{test}, '$1'}}"), data), index == other, "{test} {data:?}");
        }
        // The node is that in the term, wherever it is evaluated.
        assert_eq!(of_term("{'==', {node, '$1'}, a@b}", data), index < 3);
    }
}

#[test]
fn a_guard_that_fails_is_false() {
    let failing = [
        ("{'+', '$1', 1}", "a"),
        ("{'/', '$1', 0}", "1"),
        ("{'/', '$1', 0.0}", "1"),
        ("{'div', '$1', 0}", "1"),
        ("{'rem', '$1', 0}", "18446744073709551616"),
        ("{'div', '$1', 1.0}", "1"),
        ("{'band', '$1', 1.0}", "1"),
        ("{'bsl', '$1', 1.0}", "1"),
        ("{'bsl', '$1', 1180591620717411303424}", "1"),
        ("{'*', '$1', 2}", "1.7976931348623157e308"),
        ("{hd, '$1'}", "[]"),
        ("{tl, '$1'}", "{a}"),
        ("{length, '$1'}", "[a | b]"),
        ("{length, '$1'}", "a"),
        ("{element, 0, '$1'}", "{a}"),
        ("{element, 2, '$1'}", "{a}"),
        ("{element, 1.0, '$1'}", "{a}"),
        ("{element, 1180591620717411303424, '$1'}", "{a}"),
        ("{size, '$1'}", "[a]"),
        ("{map_size, '$1'}", "{}"),
        ("{map_get, b, '$1'}", "#{a => 1}"),
        ("{is_map_key, b, '$1'}", "[]"),
        ("{is_record, '$1', 1, 1}", "{1}"),
        ("{is_record, '$1', a, 1.0}", "{a}"),
        ("{is_record, '$1', a, 576460752303423488}", "x"),
        ("{binary_part, '$1', 1, 3}", "<<\"abc\">>"),
        ("{binary_part, '$1', 0, -1}", "<<\"abc\">>"),
        ("{binary_part, '$1', {{1, 2, 3}}}", "<<\"abc\">>"),
        ("{binary_part, '$1', 0, 2}", "<<1, 2:4>>"),
        ("{byte_size, '$1'}", "{a}"),
        ("{node, '$1'}", "a"),
        ("{round, '$1'}", "a"),
        ("{'not', '$1'}", "1"),
        ("{'xor', '$1', true}", "1"),
        ("{'and', '$1', true}", "1"),
        ("{'or', true, '$1'}", "1"),
        ("{'andalso', '$1', true}", "1"),
        ("{'orelse', '$1', true}", "1"),
        ("{{{'+', '$1', 1}}}", "a"),
        ("[{'+', '$1', 1}]", "a"),
        ("#{a => {'+', '$1', 1}}", "a"),
    ];
    for (expression, data) in failing {
        // Neither this nor its opposite.
        assert!(!holds(&format!("{{'==', {expression}, x}}"), data), "{expression} {data}");
        assert!(!holds(&format!("{{'/=', {expression}, x}}"), data), "{expression} {data}");
    }
    assert!(!holds("{'or', true, {'+', '$1', 1}}", "a"), "all operands are evaluated");
    assert!(holds("{'orelse', true, {'+', '$1', 1}}", "a"), "what follows is not evaluated");
}

#[test]
fn zeros_with_different_signs_are_equal_but_not_the_same() {
    assert!(!matches("{'$1', '$1'}", "[]", "{0.0, -0.0}"));
    assert!(holds("{'==', '$1', 0.0}", "-0.0"));
    assert!(!holds("{'=:=', '$1', 0.0}", "-0.0"));
    assert!(!matches("#{0.0 => '_'}", "[]", "#{-0.0 => a}"));
}

#[test]
fn a_specification_that_erlang_refuses_is_ill_formed() {
    for pattern in ["#{'$1' => a}", "#{'_' => a}", "[{#{'$7' => a}}]"] {
        assert_eq!(specification(pattern, "[]"), Err(MatchSpecificationError::IllFormed), "{pattern}");
    }
    for conditions in [
        "true",
        "{}",
        "#{}",
        "[true | true]",
        "['$2']",
        "[{is_atom, '$2'}]",
        "[{}]",
        "[{1, 2}]",
        "[{'$1', 2}]",
        "[{'$_'}]",
        "[{'$$'}]",
        "[{'_'}]",
        "[{const}]",
        "[{const, a, b}]",
        "[{'and'}]",
        "[{'or'}]",
        "[{'andalso'}]",
        "[{'orelse'}]",
        "[{is_atom}]",
        "[{is_atom, a, b}]",
        "[{nonsense, a}]",
        "[{self, a}]",
        "[{node, a, b}]",
        "[{ceil, 1.0}]",
        "[{floor, 1.0}]",
        "[{is_boolean, a}]",
        "[{is_function, a, 1}]",
        "[{tuple_size, {{}}}]",
        "[{is_record, '$1', a}]",
        "[{get_tcw}]",
        "[{set_tcw, 1}]",
        "[{message, a}]",
        "[{display, a}]",
        "[{return_trace}]",
        "[{caller}]",
        "[{silent, true}]",
        "[{{a}, b}]",
        "[[a | '$2']]",
        "[#{a => '$2'}]",
        "[#{'$2' => a}]",
        "[#{{a} => b}]",
        "[{{{}}}]",
        "{const, []}",
        "[true | {const, []}]",
        "[\"\", {}]",
        "[{'é', a}]",
    ] {
        assert_eq!(
            specification("'$1'", conditions),
            Err(MatchSpecificationError::IllFormed),
            "{conditions}"
        );
    }
    let good = parsed("'_'");
    for bytes in [&b""[..], &[130, 106], &[131], &[131, 106, 0], &[131, 108, 0, 0, 0, 9, 106]] {
        assert_eq!(MatchSpecification::parse(&good, bytes), Err(MatchSpecificationError::IllFormed));
        assert_eq!(MatchSpecification::parse(bytes, &good), Err(MatchSpecificationError::IllFormed));
    }
}

#[test]
fn what_depends_on_the_member_is_not_supported_unless_something_is_ill_formed() {
    let not_supported = |pattern: &str, conditions: &str| match specification(pattern, conditions) {
        Err(MatchSpecificationError::NotSupported(text)) => text,
        other => panic!("{pattern} {conditions} {other:?}"),
    };
    assert_eq!(not_supported("'_'", "[{'==', {node}, a@b}]"), "node/0 depends on the member it runs on");
    assert_eq!(not_supported("'_'", "[{is_pid, {self}}]"), "self/0 depends on the member it runs on");
    assert_eq!(
        not_supported("'_'", "[{'==', {node, {self}}, a}]"),
        "self/0 depends on the member it runs on"
    );
    assert_eq!(not_supported("'$100000001'", "[]"), "variables end at $100000000");
    assert_eq!(not_supported("'$4294967296'", "[]"), "variables end at $100000000");
    assert_eq!(specification("'_'", "[{is_pid, {self}}, '$1']"), Err(MatchSpecificationError::IllFormed));
}

/// Tuples in tuples, around a term.
fn nested(depth: usize, inner: &str) -> Vec<u8> {
    [&[131][..], &[104, 1].repeat(depth), &parsed(inner)[1..]].concat()
}

#[test]
fn specifications_nest_up_to_the_limit() {
    let run = |pattern: &[u8], conditions: &[u8], data: &[u8]| {
        MatchSpecification::parse(pattern, conditions)
            .map(|specification| specification.matches(data, &mut ENOUGH.clone()).unwrap())
    };
    let no_guards = parsed("[]");
    let deep = |depth| run(&nested(depth, "{'$1', '$1'}"), &no_guards, &nested(depth, "{1, 1}"));
    assert_eq!(deep(MATCH_SPECIFICATION_DEPTH_MAX - 2), Ok(true));
    let too_deep = "the match specification is nested deeper than 256 levels".to_owned();
    assert_eq!(
        deep(MATCH_SPECIFICATION_DEPTH_MAX - 1),
        Err(MatchSpecificationError::NotSupported(too_deep.clone()))
    );
    assert_eq!(deep(1_000_000), Err(MatchSpecificationError::NotSupported(too_deep.clone())));
    // A guard of many nested operators, as `ets:fun2ms/1` makes them.
    let guard = |depth: usize| {
        let (open, close) = ("{'andalso', true, ".repeat(depth), "}".repeat(depth));
        parsed(&format!("[{open}'$1'{close}]"))
    };
    let data = parsed("true");
    let variable = parsed("'$1'");
    assert_eq!(run(&variable, &guard(MATCH_SPECIFICATION_DEPTH_MAX - 2), &data), Ok(true));
    assert_eq!(
        run(&variable, &guard(MATCH_SPECIFICATION_DEPTH_MAX - 1), &data),
        Err(MatchSpecificationError::NotSupported(too_deep))
    );
    // The tail of a list does not nest, but a pattern in a tail does.
    let tails = format!("{}'_'{}", "[a | {".repeat(120), "}]".repeat(120));
    let data = format!("{}b{}", "[a | {".repeat(120), "}]".repeat(120));
    assert!(matches(&tails, "[]", &data));
}

#[test]
fn data_may_nest_as_deep_as_it_likes() {
    let run = |pattern: &str, conditions: &str, data: &[u8]| {
        specification(pattern, conditions).unwrap().matches(data, &mut ENOUGH.clone()).unwrap()
    };
    let deep = &nested(2_000_000, "x")[1..];
    let pair = |a: &[u8], b: &[u8]| [&[131, 104, 2][..], a, b].concat();
    let data = pair(deep, &parsed("a")[1..]);
    assert!(run("{'_', a}", "[]", &data));
    assert!(run("{'$1', a}", "[{is_tuple, {element, 1, '$1'}}]", &data));
    assert!(!run("{'_', b}", "[]", &data));
    assert!(run("{'$1', '$1'}", "[]", &pair(deep, deep)));
    assert!(!run("{'$1', '$1'}", "[]", &pair(deep, &nested(2_000_000, "y")[1..])));
    assert!(run("{'$1', '$2'}", "[{'<', '$1', '$2'}]", &pair(deep, &nested(2_000_000, "y")[1..])));
    assert!(run(
        "{'$1', '$1'}",
        "[]",
        &pair(&nested(TERM_DEPTH_MAX, "x")[1..], &nested(TERM_DEPTH_MAX, "x")[1..])
    ));
}

#[test]
fn integers_have_a_longest_length() {
    let largest = INTEGER_BITS_MAX - 1;
    assert!(holds(&format!("{{'>', {{'bsl', '$1', {largest}}}, 0}}"), "1"));
    assert!(!holds(&format!("{{'>', {{'bsl', '$1', {INTEGER_BITS_MAX}}}, 0}}"), "1"));
    assert!(!holds("{'>', {'bsl', '$1', 9223372036854775807}, 0}", "1"));
    // The largest number times two, plus one, squared.
    let all_ones =
        format!("{{'-', {{'-', {{'bsl', '$1', {largest}}}, 1}}, {{'-', 0, {{'bsl', '$1', {largest}}}}}}}");
    assert!(holds(&format!("{{'>', {all_ones}, 0}}"), "1"));
    assert!(!holds(&format!("{{'>', {{'+', {all_ones}, 1}}, 0}}"), "1"));
    assert!(!holds(&format!("{{'>', {{'*', {all_ones}, {all_ones}}}, 0}}"), "1"));
    assert!(!holds(&format!("{{'>', {{'*', {all_ones}, 2}}, 0}}"), "1"));
    // A longer one that is stored can be compared.
    let length = 1 + INTEGER_BITS_MAX as usize / 8;
    let stored = [&[131, 111][..], &(length as u32).to_be_bytes(), &[0], &vec![1; length]].concat();
    let run = |conditions: &str| {
        specification("'$1'", conditions).unwrap().matches(&stored, &mut ENOUGH.clone()).unwrap()
    };
    assert!(run("[{is_integer, '$1'}, {'>', '$1', 1.0e300}, {'=:=', '$1', '$_'}]"));
    assert!(!run("[{'>', {'+', '$1', 1}, 0}]"));
}

#[test]
fn terms_that_guards_put_together_have_a_longest_length() {
    let length = BUILT_TERM_SIZE_BYTES_MAX / 2;
    let data = [&[131, 109][..], &(length as u32).to_be_bytes(), &vec![0; length]].concat();
    let run = |conditions: &str| {
        specification("'$1'", conditions).unwrap().matches(&data, &mut ENOUGH.clone()).unwrap()
    };
    assert!(run("[{'==', {size, {{'$1', a}}}, 2}]"));
    assert!(!run("[{'==', {size, {{'$1', '$1'}}}, 2}]"));
    assert!(!run("[{'==', {size, {{'$1', a, '$1'}}}, 3}]"));
    assert!(!run("[{'==', {length, ['$1', '$1']}, 2}]"));
    assert!(!run("[{'==', {map_size, #{'$1' => '$1'}}, 1}]"));
}

#[test]
fn a_specification_is_evaluated_in_so_many_steps() {
    let specification = specification("{'$1', '_', a}", "[{'==', {length, '$1'}, 3}]").unwrap();
    let data = parsed("{[1, 2, 3], {b, [c, d]}, a}");
    let mut steps = ENOUGH;
    assert_eq!(specification.matches(&data, &mut steps), Ok(true));
    let used = ENOUGH - steps;
    for budget in 0..used {
        let mut steps = budget;
        assert_eq!(specification.matches(&data, &mut steps), Err(OutOfSteps), "{budget}");
        assert_eq!(steps, 0);
    }
    let mut steps = used;
    assert_eq!(specification.matches(&data, &mut steps), Ok(true));
    assert_eq!(steps, 0);
}

#[test]
fn long_work_takes_many_steps() {
    let steps_of = |pattern: &str, conditions: &str, data: &[u8]| {
        let mut steps = ENOUGH;
        specification(pattern, conditions).unwrap().matches(data, &mut steps).unwrap();
        ENOUGH - steps
    };
    let count = 10_000_usize;
    let list = [&[108][..], &(count as u32).to_be_bytes(), &[97, 7].repeat(count), &[106]].concat();
    let pair = [&[131, 104, 2][..], &list, &list].concat();
    assert!(steps_of("{'_', a}", "[]", &pair) > count as u64);
    assert!(steps_of("{'$1', '$1'}", "[]", &pair) > count as u64);
    assert!(steps_of("{'$1', '_'}", "[{'==', {length, '$1'}, 5}]", &pair) > count as u64);
    assert!(steps_of("'_'", "[]", &pair) < 10);
    let bytes = [&[131, 109][..], &(640_000_u32).to_be_bytes(), &vec![1; 640_000]].concat();
    assert!(steps_of("'$1'", "[{'==', '$1', '$_'}]", &bytes) >= 10_000);
    assert!(steps_of("'$1'", "[{'==', {{'$1'}}, a}]", &bytes) >= 10_000);
    let one = parsed("1");
    assert!(steps_of("'$1'", "[{'>', {'*', {'bsl', '$1', 32000}, {'bsl', '$1', 32000}}, 0}]", &one) > 60_000);
}

#[test]
fn data_that_is_no_term_does_not_match() {
    let run = |pattern: &str, conditions: &str, data: &[u8]| {
        specification(pattern, conditions).unwrap().matches(data, &mut ENOUGH.clone()).unwrap()
    };
    assert!(!run("'_'", "[]", b""));
    assert!(!run("'_'", "[]", &[130, 106]));
    assert!(!run("{'_', a}", "[]", &[131, 104, 2, 255, 119, 1, b'a']));
    assert!(!run("{a, '_'}", "[]", &[131, 104, 2, 119, 9, b'a']));
    assert!(!run("['_', '_']", "[]", &[131, 108, 0, 0, 0, 2, 97]));
    assert!(!run("#{a => '_'}", "[]", &[131, 116, 0, 0, 0, 9]));
    assert!(!run("'$1'", "[{'==', {length, '$1'}, 2}]", &[131, 108, 255, 255, 255, 255, 106]));
    assert!(!run("'$1'", "[{is_atom, '$1'}]", &[131, 119, 1, 255]));
}

/// Patterns and guards that look at all kinds of things.
fn specifications() -> Vec<MatchSpecification> {
    let texts = [
        ("'_'", "[{'==', '$_', '$_'}, {is_list, ['$_' | '$_']}]"),
        ("{'$1', '$2'}", "[{'orelse', {'=<', '$1', '$2'}, {'=:=', '$1', '$2'}}]"),
        ("{'_', '$1'}", "[{'>', {length, '$1'}, 0}, {is_tuple, {hd, '$1'}}]"),
        ("['$1' | '$2']", "[{'==', {tl, '$_'}, '$2'}, {'<', {'+', '$1', 1}, {element, 1, {{5}}}}]"),
        ("['_', '$1', '$1' | '_']", "[]"),
        ("#{a => '$1', '' => '$2'}", "[{'==', {map_get, a, '$_'}, '$1'}]"),
        ("'$1'", "[{is_map_key, 1, '$1'}]"),
        ("'$1'", "[{'>', {byte_size, '$1'}, {size, '$1'}}]"),
        ("'$1'", "[{'>', {'bsl', '$1', 3}, {'div', '$1', 3}}, {'>', {'*', '$1', '$1'}, {float, '$1'}}]"),
        ("'$1'", "[{'==', {node, '$1'}, a}]"),
        ("'$1'", "[{'==', {binary_part, '$1', 0, 1}, a}]"),
        ("'$1'", "[{'<', #{'$1' => '$$'}, #{a => {{'$1'}}}}]"),
    ];
    texts.iter().map(|(pattern, conditions)| specification(pattern, conditions).unwrap()).collect()
}

/// The bytes of a tuple of two terms.
fn pair(a: &[u8], b: &[u8]) -> Vec<u8> {
    [&[131, 104, 2], &a[1..], &b[1..]].concat()
}

/// Whether a pattern with this term in it stands for itself.
fn is_literal(term: &Term) -> bool {
    match term {
        Term::Map(_) => false,
        Term::Tuple(terms) => terms.iter().all(is_literal),
        Term::List(terms, tail) => terms.iter().all(is_literal) && is_literal(tail),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_literal_matches_the_same_term_in_any_spelling(
        a in term(), by in term(), place in any::<usize>(), spelling_a in choices(), spelling_b in choices(),
    ) {
        prop_assume!(is_literal(&a));
        let b = altered(&a, place, &by);
        let specification = MatchSpecification::parse(&encode(&a, &spelling_a), &parsed("[]")).unwrap();
        for (data, expected) in [(&a, true), (&b, same(&a, &b))] {
            let matches = specification.matches(&encode(data, &spelling_b), &mut ENOUGH.clone());
            prop_assert_eq!(matches, Ok(expected));
        }
    }

    #[test]
    fn a_variable_twice_matches_the_same_term_twice(
        a in term(), by in term(), place in any::<usize>(), spelling_a in choices(), spelling_b in choices(),
    ) {
        let b = altered(&a, place, &by);
        let data = pair(&encode(&a, &spelling_a), &encode(&b, &spelling_b));
        for (pattern, guards) in [("{'$1', '$1'}", "[]"), ("{'$1', '$2'}", "[{'=:=', '$1', '$2'}]")] {
            let matches = specification(pattern, guards).unwrap().matches(&data, &mut ENOUGH.clone());
            prop_assert_eq!(matches, Ok(same(&a, &b)));
        }
    }

    #[test]
    fn a_map_matches_with_some_of_its_keys(
        pairs in proptest::collection::vec((term(), term()), 1..24), kept in any::<u32>(), by in term(),
        spelling_a in choices(), spelling_b in choices(),
    ) {
        let mut distinct: Vec<(Term, Term)> = Vec::new();
        for pair in pairs {
            if distinct.iter().all(|(key, _)| !same(key, &pair.0)) {
                distinct.push(pair);
            }
        }
        let data = encode(&Term::Map(distinct.clone()), &spelling_a);
        let mut wanted: Vec<_> = distinct
            .iter()
            .enumerate()
            .filter(|(index, (_, value))| kept >> index & 1 == 1 && is_literal(value))
            .map(|(_, pair)| pair.clone())
            .collect();
        let matches = |wanted: &[(Term, Term)]| {
            let pattern = encode(&Term::Map(wanted.to_vec()), &spelling_b);
            let specification = MatchSpecification::parse(&pattern, &parsed("[]")).unwrap();
            specification.matches(&data, &mut ENOUGH.clone())
        };
        prop_assert_eq!(matches(&wanted), Ok(true));
        if let Some((_, value)) = wanted.first_mut()
            && is_literal(&by)
        {
            let expected = same(value, &by);
            *value = by;
            prop_assert_eq!(matches(&wanted), Ok(expected));
        }
    }

    #[test]
    fn damaged_data_never_panics(
        a in term(), b in term(), spelling in choices(),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
    ) {
        let (a, b) = (encode(&a, &spelling), encode(&b, &spelling));
        for mut data in [pair(&a, &b), a] {
            for (at, byte) in &damage {
                let at = at % data.len();
                data[at] = *byte;
            }
            for specification in specifications() {
                let mut steps = 1_000_000;
                let answer = specification.matches(&data, &mut steps);
                prop_assert!(answer.is_ok());
                let mut again = 1_000_000;
                prop_assert_eq!(specification.matches(&data, &mut again), answer);
                prop_assert_eq!(steps, again, "the steps depend on specification and data only");
            }
        }
    }

    #[test]
    fn damaged_specifications_never_panic(
        a in term(), b in term(), spelling in choices(),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..3),
    ) {
        let guards = parsed("[{'==', {{'_', [1 | 2], #{a => {size, \"xy\"}}}}, {const, {a}}}]");
        for mut bytes in [encode(&a, &spelling), guards] {
            for (at, byte) in &damage {
                let at = at % bytes.len();
                bytes[at] = *byte;
            }
            let data = encode(&b, &spelling);
            let as_pattern = MatchSpecification::parse(&bytes, &parsed("[]"));
            let as_guards = MatchSpecification::parse(&parsed("'$1'"), &bytes);
            for specification in as_pattern.into_iter().chain(as_guards) {
                prop_assert!(specification.matches(&data, &mut ENOUGH.clone()).is_ok());
            }
        }
    }
}

#[test]
fn a_map_of_many_keys_is_matched_in_steps_for_each_and_not_for_each_pair() {
    let count = 20_000u32;
    let map = |value: u8| {
        let pairs = (0..count).flat_map(|key| [&[98][..], &key.to_be_bytes(), &[97, value]].concat());
        [131, 116].into_iter().chain(count.to_be_bytes()).chain(pairs).collect::<Vec<u8>>()
    };
    let specification = MatchSpecification::parse(&map(1), &parsed("[]")).unwrap();
    let enough = u64::from(count) * 64;
    assert_eq!(specification.matches(&map(1), &mut enough.clone()), Ok(true));
    assert_eq!(specification.matches(&map(2), &mut enough.clone()), Ok(false));
}
