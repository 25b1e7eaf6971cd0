//! What the expressions mean was read off `re:run/3`: Erlang/OTP 25, which has PCRE 8.44. So were the sets
//! below.

use super::*;

fn compile(expression: &[u8]) -> NameRegex {
    NameRegex::compile(expression).unwrap_or_else(|text| panic!("{}: {text}", expression.escape_ascii()))
}

fn is_found(expression: &[u8], name: &[u8]) -> bool {
    compile(expression).is_found_in(Some(&Name::binary(name)), &mut 1_000_000).unwrap()
}

fn assert_found(expression: &[u8], found: &[&[u8]], not_found: &[&[u8]]) {
    for name in found {
        assert!(is_found(expression, name), "{} in {}", expression.escape_ascii(), name.escape_ascii());
    }
    for name in not_found {
        assert!(!is_found(expression, name), "{} in {}", expression.escape_ascii(), name.escape_ascii());
    }
}

fn refusal(expression: &[u8]) -> String {
    NameRegex::compile(expression).err().unwrap_or_else(|| panic!("{} is taken", expression.escape_ascii()))
}

/// The bytes that an expression matches, in ranges.
fn bytes_of(expression: &str) -> Vec<(u8, u8)> {
    let regex = compile(format!(r"\A{expression}\z").as_bytes());
    let is_found = |byte| regex.is_found_in(Some(&Name::binary(&[byte])), &mut 1).unwrap();
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for byte in (0..=u8::MAX).filter(|byte| is_found(*byte)) {
        match ranges.last_mut() {
            Some((_, last)) if u16::from(*last) + 1 == u16::from(byte) => *last = byte,
            _ => ranges.push((byte, byte)),
        }
    }
    ranges
}

#[test]
fn classes_are_those_of_latin_1() {
    let letters =
        [(65, 90), (97, 122), (170, 170), (181, 181), (186, 186), (192, 214), (216, 246), (248, 255)];
    let word = [&[(48, 57), (65, 90), (95, 95)], &letters[1..]].concat();
    let space = vec![(9, 13), (32, 32)];
    let expected = [
        (r"\d", vec![(48, 57)]),
        (r"\s", space.clone()),
        (r"\w", word.clone()),
        (r"\h", vec![(9, 9), (32, 32), (160, 160)]),
        (r"\v", vec![(10, 13), (133, 133)]),
        (r"\D", vec![(0, 47), (58, 255)]),
        (r"\S", vec![(0, 8), (14, 31), (33, 255)]),
        (r"\N", vec![(0, 9), (11, 255)]),
        (".", vec![(0, 9), (11, 255)]),
        ("(?s).", vec![(0, 255)]),
        ("[[:alpha:]]", letters.to_vec()),
        ("[[:lower:]]", vec![(97, 122), (170, 170), (181, 181), (186, 186), (223, 246), (248, 255)]),
        ("[[:upper:]]", vec![(65, 90), (192, 214), (216, 222)]),
        ("(?i)[[:upper:]]", letters.to_vec()),
        ("(?i)[[:lower:]]", letters.to_vec()),
        ("[[:alnum:]]", [&[(48, 57)][..], &letters].concat()),
        ("[[:ascii:]]", vec![(0, 255)]),
        ("[[:blank:]]", vec![(9, 9), (32, 32)]),
        ("[[:cntrl:]]", vec![(0, 31), (127, 159)]),
        ("[[:digit:]]", vec![(48, 57)]),
        ("[[:graph:]]", vec![(33, 126), (160, 255)]),
        ("[[:print:]]", vec![(32, 126), (160, 255)]),
        (
            "[[:punct:]]",
            vec![
                (33, 47),
                (58, 64),
                (91, 96),
                (123, 126),
                (160, 169),
                (171, 180),
                (182, 185),
                (187, 191),
                (215, 215),
                (247, 247),
            ],
        ),
        ("[[:space:]]", space),
        ("[[:word:]]", word),
        ("[[:xdigit:]]", vec![(48, 57), (65, 70), (97, 102)]),
        (
            "[[:^alpha:]_]",
            vec![(0, 64), (91, 96), (123, 169), (171, 180), (182, 185), (187, 191), (215, 215), (247, 247)],
        ),
        (r"[^\d\D]", vec![]),
    ];
    for (expression, bytes) in expected {
        assert_eq!(bytes_of(expression), bytes, "{expression}");
    }
}

#[test]
fn letters_without_regard_to_case_are_those_of_latin_1() {
    for byte in 0..=u8::MAX {
        let other = match byte {
            b'A'..=b'Z' | 192..=214 | 216..=222 => byte + 32,
            b'a'..=b'z' | 224..=246 | 248..=254 => byte - 32,
            _ => byte,
        };
        let mut both = [byte, other];
        both.sort_unstable();
        let mut expected = both.map(|byte| (byte, byte)).to_vec();
        expected.dedup();
        assert_eq!(bytes_of(&format!(r"(?i)\x{{{byte:x}}}")), expected);
        assert_eq!(bytes_of(&format!(r"(?i:[\x{{{byte:x}}}])")), expected);
    }
}

#[test]
fn characters_can_be_spelled_in_all_ways_that_are_understood() {
    for (expression, byte) in [
        (r"\a", 7),
        (r"\e", 27),
        (r"\f", 12),
        (r"\n", 10),
        (r"\r", 13),
        (r"\t", 9),
        (r"\cA", 1),
        (r"\ca", 1),
        (r"\c[", 27),
        (r"\c\", 28),
        (r"\c{", 59),
        (r"\x", 0),
        (r"\x7", 7),
        (r"\x61", b'a'),
        (r"\x{e9}", 233),
        (r"\0", 0),
        (r"\01", 1),
        (r"\012", 10),
        (r"\o{351}", 233),
        (r"\.", b'.'),
        (r"\<", b'<'),
        (r"\_", b'_'),
        (r"\Q.\E", b'.'),
        ("{", b'{'),
        ("}", b'}'),
        ("]", b']'),
        ("-", b'-'),
        (r"[\b]", 8),
        (r"[\x61]", b'a'),
        ("[]]", b']'),
        (r"[\]]", b']'),
        ("[-]", b'-'),
        ("[[]", b'['),
        ("(?#no)a", b'a'),
        (r"a\E", b'a'),
    ] {
        assert_eq!(bytes_of(expression), [(byte, byte)], "{expression}");
    }
    assert_found(b"^\\\xe9$", &[b"\xe9"], &[b"e", "é".as_bytes()]);
    assert_found(br"^\0012$", &[b"\x012"], &[b"\n"]);
    assert_found(b"^a{,x}b{$", &[b"a{,x}b{"], &[b"ab"]);
}

#[test]
fn what_is_an_operator_to_crate_regex_only_is_itself_in_a_class() {
    for (expression, bytes) in [
        ("[a&&b]", vec![(38, 38), (97, 98)]),
        ("[a~~b]", vec![(97, 98), (126, 126)]),
        ("[+--]", vec![(43, 45)]),
        ("[a[b]", vec![(91, 91), (97, 98)]),
        ("[a-c-e]", vec![(45, 45), (97, 99), (101, 101)]),
        ("[a-c--/]", vec![(45, 47), (97, 99)]),
        ("[--a]", vec![(45, 97)]),
        ("[^]a]", vec![(0, 92), (94, 96), (98, 255)]),
    ] {
        assert_eq!(bytes_of(expression), bytes, "{expression}");
    }
}

#[test]
fn the_end_is_also_before_a_last_newline() {
    for expression in [&b"a$"[..], br"a\Z", b"(x|a$)", b"(?:c|(a)$)"] {
        assert_found(expression, &[b"a", b"a\n", b"ba"], &[b"a\n\n", b"a\nb", b"ab"]);
    }
    assert_found(br"a\z", &[b"a"], &[b"a\n"]);
    assert_found(b"^$", &[b"", b"\n"], &[b"a", b"\n\n"]);
    assert_found(b"a$|bc", &[b"a\n", b"bcd"], &[b"ab"]);
    for expression in
        [&b"$a"[..], b"a$$", br"$\n", b"(a$)b", b"(a|b$)c", b"(a$)*", b"$(a)", br"\Z\z", br"$\b"]
    {
        assert_eq!(refusal(expression), r"something behind `$` or `\Z`", "{}", expression.escape_ascii());
    }
}

#[test]
fn word_boundaries_know_the_letters_of_latin_1() {
    assert_found(br"\ba\b", &[b"a", b"-a-", b"\xd7a\xd7"], &[b"ab", b"a_", b"a\xe9", b"\xaaa"]);
    assert_found(br"a\B", &[b"ab", b"a\xff", b"a0"], &[b"a", b"a ", b"a\xa0"]);
    assert_found(b"\\b\xe9\\b", &[b"\xe9", b" \xe9 "], &[b"\xe9\xe9", b"a\xe9"]);
}

#[test]
fn options_hold_for_the_rest_of_their_group() {
    assert_found(b"^(?i)ab$", &[b"AB", b"ab"], &[]);
    assert_found(b"^a(?i)b$", &[b"aB"], &[b"AB"]);
    assert_found(b"^(a(?i)b|c)d$", &[b"aBd", b"Cd"], &[b"Abd", b"aBD"]);
    assert_found(b"^(?i:a(?-i:b))c$", &[b"Abc"], &[b"ABc", b"AbC"]);
    assert_found(b"^(?i-s:a).$", &[b"Ab"], &[b"a\n\n"]);
    assert_found(b"^(?i)[a-c][^x]$", &[b"Bz"], &[b"BX", b"bx"]);
}

#[test]
fn groups_and_quantifiers_match_as_often_as_they_say() {
    assert_found(b"^(?:ab){2}$", &[b"abab"], &[b"ab", b"ababab"]);
    assert_found(b"^a{1,2}?$", &[b"a", b"aa"], &[b"", b"aaa"]);
    assert_found(b"^(a|)*b+?c??$", &[b"b", b"aab", b"bbc"], &[b"c"]);
    assert_found(b"^(?<n>a)(?P<m>b)(?'o'c)(?|d|e)$", &[b"abcd", b"abce"], &[b"abc"]);
    assert_found(b"^a(?#no)*$", &[b"aaa"], &[b"b"]);
    assert_found(br"^a\Qb\E*$", &[b"abbb"], &[b"abab"]);
    assert_found(b"", &[b"", b"x"], &[]);
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (expression, text) in [
        (&br"(a)\1"[..], r"the back-reference or octal number `\1`"),
        (br"\101", r"the back-reference or octal number `\1`"),
        (br"[\101]", r"the back-reference or octal number `\1`"),
        (br"(?<n>a)\k<n>", r"the back-reference or octal number `\k`"),
        (br"(a)\g{1}", r"the back-reference or octal number `\g`"),
        (b"(?P<n>a)(?P=n)", "the back-reference `(?P`"),
        (b"a(?=b)", "look-ahead `(?=`"),
        (b"a(?!b)", "look-ahead `(?!`"),
        (b"(?<=a)b", "look-behind `(?<`"),
        (b"(?<!a)b", "look-behind `(?<`"),
        (b"(?>a)", "the atomic group `(?>`"),
        (b"a*+", "the possessive quantifier `*+`"),
        (b"a{2}+", "the possessive quantifier `{2}+`"),
        (b"(?R)", "recursion `(?R`"),
        (b"(a)(?1)", "recursion `(?1`"),
        (b"(a)(?-1)", "recursion `(?-`"),
        (b"(?<n>a)(?&n)", "recursion `(?&`"),
        (b"(?P<n>a)(?P>n)", "recursion `(?P`"),
        (b"(a)?(?(1)b)", "the conditional group `(?(`"),
        (b"(?C)a", "the callout `(?C`"),
        (b"(*UTF8)a", "the verb `(*`"),
        (b"a(*FAIL)", "the verb `(*`"),
        (br"a\Kb", r"the reset of the match `\K`"),
        (br"\Ga", r"the start of the search `\G`"),
        (br"\X", r"the extended character `\X`"),
        (br"\C", r"the single unit `\C`"),
        (br"\R", r"the line break `\R`"),
        (br"\pL", r"the Unicode property `\p`"),
        (br"[\P{L}]", r"the Unicode property `\P`"),
        (b"(?m)^a", "the multi-line mode `(?m)`"),
        (b"(?im:^a)", "the multi-line mode `(?m)`"),
        (b"(?x) a", "the extended mode `(?x)`"),
        (b"(?X)a", "the option `(?X)`"),
        (b"(?^)a", "the option `(?^)`"),
        (br"\y", r"the escape `\y`"),
        (br"[\B]", r"the escape `\B`"),
        (br"[\Qa\E]", r"in a class the quotation `\Q`"),
        (b"[[:<:]]a", "`[:<:]` in a class"),
        (b"[[.a]", "`[.a]` in a class"),
        (br"[\d-z]", "a hyphen beside a class in a class"),
        (b"[[:alpha:]-z]", "a hyphen beside a class in a class"),
        (b"a{,2}", "`{,2}`, which versions of PCRE read differently"),
        (b"a{ 1}", "`{ 1}`, which versions of PCRE read differently"),
        (b"a{1}{2}", "a quantifier behind a quantifier"),
        (b"a\0b", "a byte 0, where `re` takes the expression to end"),
    ] {
        assert_eq!(refusal(expression), text, "{}", expression.escape_ascii());
    }
}

#[test]
fn what_is_malformed_is_refused_too() {
    for expression in [
        "(", ")", "[", "[]", "[b-a]", "*", "a|*", "^*", r"\", r"\x{100}", r"\x{", r"\o{}", r"\c", "(?",
        "(?i", "(?<n",
    ] {
        assert_eq!(refusal(expression.as_bytes()), "a malformed regular expression", "{expression}");
    }
}

#[test]
fn what_would_take_too_much_is_refused() {
    let nested = |depth| format!("{}a{}", "(b|".repeat(depth), ")*".repeat(depth)).into_bytes();
    // The stack that a scheduler thread has, and about what the unoptimized crate takes of it.
    let small = std::thread::Builder::new().stack_size(768 * 1024);
    let compiled = small.spawn(move || NameRegex::compile(&nested(16)).is_ok()).unwrap().join().unwrap();
    assert!(compiled);
    assert_eq!(refusal(&nested(17)), "a regular expression with more than 16 groups within each other");
    assert_eq!(
        refusal(b"(?:(?:a{1000}){1000}){1000}"),
        "a regular expression whose compiled form takes more than 1048576 bytes"
    );
    assert!(NameRegex::compile(&vec![b'a'; EXPRESSION_SIZE_BYTES_MAX / 8]).is_ok());
    assert_eq!(
        refusal(&vec![b'a'; EXPRESSION_SIZE_BYTES_MAX + 1]),
        "a regular expression of more than 65536 bytes"
    );
}

#[test]
fn an_atom_is_matched_through_its_text() {
    let is_found = |expression: &[u8], text: &str| {
        NameRegex::compile(expression).unwrap().is_found_in(Some(&Name::atom(text)), &mut 1000).unwrap()
    };
    assert!(is_found(b"^a.c$", "abc"));
    assert!(is_found(b"^\xe9.$", "\u{e9}t"));
    assert!(is_found(b"^\xff$", "\u{ff}"));
    assert!(is_found(b"^..$", "\u{100}"));
    assert!(is_found("^\u{100}\u{e9}$".as_bytes(), "\u{100}\u{e9}"));
    assert!(!is_found(b"^.$", "\u{100}"));
}

#[test]
fn a_search_that_backtracking_never_ends_is_over_soon() {
    let name = [b'a'; 60_000];
    assert!(!is_found(b"^(a+)+$", &[&name[..], b"b"].concat()));
    assert!(!is_found(br"^(\w+\b\W?)+$", &[&name[..], b"\xe9-", &name, b"--"].concat()));
}
