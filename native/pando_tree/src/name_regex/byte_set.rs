//! Sets of bytes: the classes of regular expressions.
//!
//! Invariant: the classes that have names are those of the tables for Latin-1 which the runtime compiles PCRE
//! with.

use std::fmt::Write;

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSet {
    low: u128,
    high: u128,
}

const DIGIT: &[(u8, u8)] = &[(b'0', b'9')];
const SPACE: &[(u8, u8)] = &[(9, 13), (b' ', b' ')];
const UPPER: &[(u8, u8)] = &[(b'A', b'Z'), (192, 214), (216, 222)];
const LOWER: &[(u8, u8)] = &[(b'a', b'z'), (170, 170), (181, 181), (186, 186), (223, 246), (248, 255)];
const UNDERSCORE: &[(u8, u8)] = &[(b'_', b'_')];

impl ByteSet {
    /// The class that a letter behind a backslash means.
    pub(super) fn of_escape(letter: u8) -> Option<ByteSet> {
        let set = match letter.to_ascii_lowercase() {
            b'd' => ByteSet::of(&[DIGIT]),
            b's' => ByteSet::of(&[SPACE]),
            b'w' => ByteSet::of(&[DIGIT, UPPER, LOWER, UNDERSCORE]),
            b'h' => ByteSet::of(&[&[(9, 9), (b' ', b' '), (160, 160)]]),
            b'v' => ByteSet::of(&[&[(10, 13), (133, 133)]]),
            _ => return None,
        };
        Some(if letter.is_ascii_uppercase() { set.complement() } else { set })
    }

    /// The class of this POSIX name.
    pub(super) fn of_posix_name(name: &[u8], caseless: bool) -> Option<ByteSet> {
        Some(match name {
            b"upper" | b"lower" if caseless => ByteSet::of(&[UPPER, LOWER]),
            b"upper" => ByteSet::of(&[UPPER]),
            b"lower" => ByteSet::of(&[LOWER]),
            b"alpha" => ByteSet::of(&[UPPER, LOWER]),
            b"alnum" => ByteSet::of(&[UPPER, LOWER, DIGIT]),
            // As the runtime has it: all that is printed or controls.
            b"ascii" => ByteSet::default().complement(),
            b"blank" => ByteSet::of(&[&[(9, 9), (b' ', b' ')]]),
            b"cntrl" => ByteSet::of(&[&[(0, 31), (127, 159)]]),
            b"digit" => ByteSet::of(&[DIGIT]),
            b"graph" => ByteSet::of(&[&[(33, 126), (160, 255)]]),
            b"print" => ByteSet::of(&[&[(32, 126), (160, 255)]]),
            b"punct" => {
                ByteSet::of(&[&[(33, 126), (160, 255)]]).without(&ByteSet::of(&[UPPER, LOWER, DIGIT]))
            }
            b"space" => ByteSet::of(&[SPACE]),
            b"word" => ByteSet::of(&[DIGIT, UPPER, LOWER, UNDERSCORE]),
            b"xdigit" => ByteSet::of(&[&[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')]]),
            _ => return None,
        })
    }

    fn of(ranges: &[&[(u8, u8)]]) -> ByteSet {
        let mut set = ByteSet::default();
        for (first, last) in ranges.iter().copied().flatten() {
            (*first..=*last).for_each(|byte| set.insert(byte));
        }
        set
    }

    pub(super) fn insert(&mut self, byte: u8) {
        let bit = 1 << (byte % 128);
        if byte < 128 { self.low |= bit } else { self.high |= bit }
    }

    /// Inserts a byte and, if it is a letter, also the one that differs from it in case.
    pub(super) fn insert_caseless(&mut self, byte: u8) {
        self.insert(byte);
        self.insert(other_case(byte));
    }

    fn contains(&self, byte: u8) -> bool {
        let word = if byte < 128 { self.low } else { self.high };
        word >> (byte % 128) & 1 == 1
    }

    pub(super) fn union(&self, other: &ByteSet) -> ByteSet {
        ByteSet { low: self.low | other.low, high: self.high | other.high }
    }

    fn without(&self, other: &ByteSet) -> ByteSet {
        ByteSet { low: self.low & !other.low, high: self.high & !other.high }
    }

    pub(super) fn complement(&self) -> ByteSet {
        ByteSet { low: !self.low, high: !self.high }
    }

    /// Appends the set as a class of characters.
    pub(super) fn write(&self, out: &mut String) {
        if *self == ByteSet::default() {
            out.push_str(r"[^\x{0}-\x{10FFFF}]");
            return;
        }
        out.push('[');
        let mut first = None;
        for byte in 0..=u8::MAX {
            if !self.contains(byte) {
                continue;
            }
            let start = *first.get_or_insert(byte);
            if byte == u8::MAX || !self.contains(byte + 1) {
                // Writing to a string does not fail.
                let _ = write!(out, r"\x{{{start:X}}}-\x{{{byte:X}}}");
                first = None;
            }
        }
        out.push(']');
    }
}

/// The letter that differs only in case; the byte itself if there is none.
fn other_case(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | 192..=214 | 216..=222 | 224..=246 | 248..=254 => byte ^ 0x20,
        _ => byte,
    }
}
