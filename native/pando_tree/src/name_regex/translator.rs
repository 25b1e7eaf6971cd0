//! Regular expressions of module `re` as those of crate `regex`.
//!
//! Invariants:
//! 1. Only what is known to mean the same is written; everything else is refused by name. What later versions
//!    of PCRE read otherwise than earlier ones is refused too, for members may differ.
//! 2. `re` has found the expression well-formed before. What is not, is refused too, with a vaguer text.
//! 3. What is written is ASCII, without a space: groups, alternatives, quantifiers, `\A`, `\z`, `\b`, `\B`,
//!    and for bytes `\x{..}` and classes of those. There are as many groups within groups as in the
//!    expression, and one more at most.

use std::fmt::Write;

use super::byte_set::ByteSet;

/// Groups within groups. The crate descends into groups with some 3 KiB of stack for each, and schedulers
/// have little.
pub(super) const GROUP_DEPTH_MAX: usize = 16;

/// A translation under way.
pub(super) struct Translator<'a> {
    /// What is still to be read.
    rest: &'a [u8],
    out: String,
    group: Group,
    /// The groups around it, the innermost last.
    groups: Vec<Group>,
    last: Last,
}

#[derive(Clone, Copy, Default)]
struct Group {
    is_caseless: bool,
    dot_is_any: bool,
    /// This alternative has passed an end, so nothing may follow.
    is_ended: bool,
    /// Some alternative has.
    has_end: bool,
}

/// What a quantifier would be about.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    Item,
    Quantified,
    /// A group that may pass an end.
    Ended,
}

enum Escape {
    Byte(u8),
    Set(ByteSet),
}

const END_NOT_LAST: &str = "something behind `$` or `\\Z`";
const MALFORMED: &str = "a malformed regular expression";

impl<'a> Translator<'a> {
    /// Translates an expression; what it has that is not supported, in words, when that cannot be done.
    pub(super) fn translate(expression: &'a [u8]) -> Result<String, String> {
        let mut translator = Translator {
            rest: expression,
            out: String::with_capacity(expression.len()),
            group: Group::default(),
            groups: Vec::new(),
            last: Last::Nothing,
        };
        while let Some(byte) = translator.next() {
            translator.token(byte)?;
        }
        if translator.groups.is_empty() { Ok(translator.out) } else { Err(MALFORMED.to_owned()) }
    }

    fn token(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'\\' => self.escape(),
            b'[' => self.class(),
            b'(' => self.open(),
            b')' => self.close(),
            b'|' => {
                self.out.push('|');
                self.group.is_ended = false;
                self.last = Last::Nothing;
                Ok(())
            }
            b'^' => self.assertion(r"\A"),
            b'$' => self.end(),
            b'.' if self.group.dot_is_any => self.set(&ByteSet::default().complement()),
            b'.' => self.set(&not_newline()),
            b'*' => self.quantifier("*"),
            b'+' => self.quantifier("+"),
            b'?' => self.quantifier("?"),
            b'{' => self.brace(),
            other => self.literal(other),
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.rest.first() == Some(&byte);
        if is_next {
            self.next();
        }
        is_next
    }

    /// Reads up to a byte, which is taken off too.
    fn until(&mut self, end: u8) -> Result<&'a [u8], String> {
        let length = self.rest.iter().position(|byte| *byte == end).ok_or(MALFORMED)?;
        let (before, rest) = self.rest.split_at(length);
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(before)
    }

    fn check_not_ended(&self) -> Result<(), String> {
        if self.group.is_ended { Err(END_NOT_LAST.to_owned()) } else { Ok(()) }
    }

    fn assertion(&mut self, text: &str) -> Result<(), String> {
        self.check_not_ended()?;
        self.out.push_str(text);
        self.last = Last::Nothing;
        Ok(())
    }

    /// The end, or before a newline that is the last byte. As nothing follows, the newline may as well be
    /// taken.
    fn end(&mut self) -> Result<(), String> {
        self.assertion(r"(?:\x{A}?\z)")?;
        (self.group.is_ended, self.group.has_end) = (true, true);
        Ok(())
    }

    fn set(&mut self, set: &ByteSet) -> Result<(), String> {
        self.check_not_ended()?;
        set.write(&mut self.out);
        self.last = Last::Item;
        Ok(())
    }

    fn literal(&mut self, byte: u8) -> Result<(), String> {
        if byte == 0 {
            return Err("a byte 0, where `re` takes the expression to end".to_owned());
        }
        self.byte(byte)
    }

    fn byte(&mut self, byte: u8) -> Result<(), String> {
        if self.group.is_caseless {
            let mut set = ByteSet::default();
            set.insert_caseless(byte);
            return self.set(&set);
        }
        self.check_not_ended()?;
        if byte.is_ascii_alphanumeric() {
            self.out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(self.out, r"\x{{{byte:X}}}");
        }
        self.last = Last::Item;
        Ok(())
    }

    fn quantifier(&mut self, text: &str) -> Result<(), String> {
        match self.last {
            Last::Item => {}
            Last::Quantified => return Err("a quantifier behind a quantifier".to_owned()),
            Last::Ended => return Err(END_NOT_LAST.to_owned()),
            Last::Nothing => return Err(MALFORMED.to_owned()),
        }
        if self.eat(b'+') {
            return Err(format!("the possessive quantifier `{text}+`"));
        }
        // Whether it takes much or little first makes no difference to whether there is a match.
        self.eat(b'?');
        self.out.push_str(text);
        self.last = Last::Quantified;
        Ok(())
    }

    /// A quantifier in braces, or a brace that stands for itself.
    fn brace(&mut self) -> Result<(), String> {
        let length = self.rest.iter().position(|byte| *byte == b'}').unwrap_or_default();
        let text = self.rest.get(..length).unwrap_or_default();
        if !text.iter().any(u8::is_ascii_digit) || !text.iter().all(|byte| b"0123456789, \t".contains(byte)) {
            return self.literal(b'{');
        }
        let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let is_quantifier = match text.iter().position(|byte| *byte == b',') {
            None => is_number(text),
            Some(comma) => {
                let (least, most) = text.split_at(comma);
                is_number(least) && (most.len() == 1 || most.get(1..).is_some_and(is_number))
            }
        };
        let text = format!("{{{}}}", text.escape_ascii());
        if !is_quantifier {
            return Err(format!("`{text}`, which versions of PCRE read differently"));
        }
        self.until(b'}')?;
        self.quantifier(&text)
    }

    fn escape(&mut self) -> Result<(), String> {
        let byte = self.next().ok_or(MALFORMED)?;
        match byte {
            b'A' => self.assertion(r"\A"),
            b'z' => self.assertion(r"\z"),
            b'Z' => self.end(),
            b'b' => self.assertion(r"\b"),
            b'B' => self.assertion(r"\B"),
            b'N' => self.set(&not_newline()),
            b'E' => Ok(()),
            b'Q' => self.quoted(),
            _ => match self.simple_escape(byte)? {
                Escape::Byte(byte) => self.byte(byte),
                Escape::Set(set) => self.set(&set),
            },
        }
    }

    /// Everything up to `\E` stands for itself.
    fn quoted(&mut self) -> Result<(), String> {
        while let Some(byte) = self.next() {
            if byte == b'\\' && self.eat(b'E') {
                break;
            }
            self.literal(byte)?;
        }
        Ok(())
    }

    /// What means the same in a class and outside.
    fn simple_escape(&mut self, byte: u8) -> Result<Escape, String> {
        if let Some(set) = ByteSet::of_escape(byte) {
            return Ok(Escape::Set(set));
        }
        let refused = match byte {
            b'a' => return Ok(Escape::Byte(7)),
            b'e' => return Ok(Escape::Byte(27)),
            b'f' => return Ok(Escape::Byte(12)),
            b'n' => return Ok(Escape::Byte(b'\n')),
            b'r' => return Ok(Escape::Byte(b'\r')),
            b't' => return Ok(Escape::Byte(b'\t')),
            b'c' => return self.control().map(Escape::Byte),
            b'x' => return self.hexadecimal().map(Escape::Byte),
            b'o' if self.eat(b'{') => return self.number_in_braces(8).map(Escape::Byte),
            b'0' => {
                let digits = self.digits(8, 2);
                return byte_of(&digits, 8).map(Escape::Byte);
            }
            1..=b'/' | b':'..=b'@' | b'['..=b'`' | b'{'..=u8::MAX => return Ok(Escape::Byte(byte)),
            b'1'..=b'9' | b'g' | b'k' => "the back-reference or octal number",
            b'R' => "the line break",
            b'X' => "the extended character",
            b'C' => "the single unit",
            b'p' | b'P' => "the Unicode property",
            b'G' => "the start of the search",
            b'K' => "the reset of the match",
            b'Q' | b'E' => "in a class the quotation",
            _ => "the escape",
        };
        Err(format!("{refused} `\\{}`", char::from(byte).escape_default()))
    }

    fn control(&mut self) -> Result<u8, String> {
        let letter = self.next().filter(u8::is_ascii).ok_or(MALFORMED)?;
        Ok(letter.to_ascii_uppercase() ^ 0x40)
    }

    fn hexadecimal(&mut self) -> Result<u8, String> {
        if self.eat(b'{') {
            return self.number_in_braces(16);
        }
        let digits = self.digits(16, 2);
        byte_of(&digits, 16)
    }

    fn number_in_braces(&mut self, radix: u32) -> Result<u8, String> {
        let digits = self.until(b'}')?;
        if digits.is_empty() { Err(MALFORMED.to_owned()) } else { byte_of(digits, radix) }
    }

    /// So many digits at most.
    fn digits(&mut self, radix: u32, digits_max: usize) -> Vec<u8> {
        let mut digits = Vec::new();
        while digits.len() < digits_max
            && let Some(digit) = self.rest.first().filter(|byte| char::from(**byte).is_digit(radix))
        {
            digits.push(*digit);
            self.next();
        }
        digits
    }

    fn open(&mut self) -> Result<(), String> {
        if self.eat(b'*') {
            return Err("the verb `(*`".to_owned());
        }
        if !self.eat(b'?') {
            return self.push(self.group);
        }
        let kind = self.next().ok_or(MALFORMED)?;
        let next = self.rest.first().copied().unwrap_or_default();
        let refused = match (kind, next) {
            // The numbers of groups do not matter, and so `(?|` is as any.
            (b':' | b'|', _) => return self.push(self.group),
            (b'#', _) => return self.until(b')').map(|_| ()),
            (b'=' | b'!', _) => "look-ahead",
            (b'<', b'=' | b'!') => "look-behind",
            (b'<', _) => return self.named(b'>'),
            (b'\'', _) => return self.named(b'\''),
            (b'P', b'<') => return self.named(b'>'),
            (b'P', b'=') => "the back-reference",
            (b'P', b'>') | (b'R' | b'&' | b'+' | b'0'..=b'9', _) | (b'-', b'0'..=b'9') => "recursion",
            (b'>', _) => "the atomic group",
            (b'(', _) => "the conditional group",
            (b'C', _) => "the callout",
            _ => return self.options(kind),
        };
        Err(format!("{refused} `(?{}`", char::from(kind).escape_default()))
    }

    fn named(&mut self, end: u8) -> Result<(), String> {
        self.until(end)?;
        self.push(self.group)
    }

    /// Options, for the rest of the group or for a group of their own.
    fn options(&mut self, first: u8) -> Result<(), String> {
        let mut group = self.group;
        let (mut option, mut is_on) = (first, true);
        loop {
            match option {
                b')' => {
                    self.group = group;
                    self.last = Last::Nothing;
                    return Ok(());
                }
                b':' => return self.push(group),
                b'-' => is_on = false,
                b'i' => group.is_caseless = is_on,
                b's' => group.dot_is_any = is_on,
                b'U' | b'J' => {} // What is tried first, and what groups are called, does not matter.
                b'm' => return Err("the multi-line mode `(?m)`".to_owned()),
                b'x' => return Err("the extended mode `(?x)`".to_owned()),
                other => return Err(format!("the option `(?{})`", char::from(other).escape_default())),
            }
            option = self.next().ok_or(MALFORMED)?;
        }
    }

    fn push(&mut self, group: Group) -> Result<(), String> {
        self.check_not_ended()?;
        if self.groups.len() >= GROUP_DEPTH_MAX {
            return Err(format!(
                "a regular expression with more than {GROUP_DEPTH_MAX} groups within each other"
            ));
        }
        self.groups.push(self.group);
        self.group = Group { has_end: false, ..group };
        self.out.push_str("(?:");
        self.last = Last::Nothing;
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let inner = self.group;
        self.group = self.groups.pop().ok_or(MALFORMED)?;
        self.group.is_ended |= inner.has_end;
        self.group.has_end |= inner.has_end;
        self.out.push(')');
        self.last = if inner.has_end { Last::Ended } else { Last::Item };
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        let is_negated = self.eat(b'^');
        let mut set = ByteSet::default();
        let mut is_first = true;
        loop {
            let byte = self.next().ok_or(MALFORMED)?;
            if byte == b']' && !is_first {
                break;
            }
            is_first = false;
            let first = self.class_item(byte)?;
            let has_range = matches!(self.rest, [b'-', next, ..] if *next != b']');
            match first {
                Escape::Set(_) if has_range => return Err(hyphen_beside_class()),
                Escape::Set(more) => set = set.union(&more),
                Escape::Byte(first) if has_range => {
                    self.next();
                    let byte = self.next().ok_or(MALFORMED)?;
                    let Escape::Byte(last) = self.class_item(byte)? else {
                        return Err(hyphen_beside_class());
                    };
                    if last < first {
                        return Err(MALFORMED.to_owned());
                    }
                    (first..=last).for_each(|byte| self.insert(&mut set, byte));
                }
                Escape::Byte(byte) => self.insert(&mut set, byte),
            }
        }
        self.set(&if is_negated { set.complement() } else { set })
    }

    fn insert(&self, set: &mut ByteSet, byte: u8) {
        if self.group.is_caseless { set.insert_caseless(byte) } else { set.insert(byte) }
    }

    fn class_item(&mut self, byte: u8) -> Result<Escape, String> {
        match (byte, self.rest.first()) {
            (b'\\', _) => match self.next().ok_or(MALFORMED)? {
                b'b' => Ok(Escape::Byte(8)),
                other => self.simple_escape(other),
            },
            (b'[', Some(b':' | b'.' | b'=')) => self.posix_class().map(Escape::Set),
            (0, _) => self.literal(0).map(|()| Escape::Byte(0)),
            _ => Ok(Escape::Byte(byte)),
        }
    }

    fn posix_class(&mut self) -> Result<ByteSet, String> {
        let text = self.until(b']')?;
        let name = text.strip_prefix(b":").and_then(|text| text.strip_suffix(b":"));
        let (name, is_negated) = match name {
            Some([b'^', name @ ..]) => (name, true),
            name => (name.unwrap_or_default(), false),
        };
        let unknown = format!("`[{}]` in a class", text.escape_ascii());
        let set = ByteSet::of_posix_name(name, self.group.is_caseless).ok_or(unknown)?;
        Ok(if is_negated { set.complement() } else { set })
    }
}

fn not_newline() -> ByteSet {
    let mut newline = ByteSet::default();
    newline.insert(b'\n');
    newline.complement()
}

fn hyphen_beside_class() -> String {
    "a hyphen beside a class in a class".to_owned()
}

/// The byte of this number; no digits are 0.
fn byte_of(digits: &[u8], radix: u32) -> Result<u8, String> {
    let mut number = 0u32;
    for digit in digits {
        let digit = char::from(*digit).to_digit(radix).ok_or(MALFORMED)?;
        number = number.saturating_mul(radix).saturating_add(digit);
    }
    u8::try_from(number).map_err(|_| MALFORMED.to_owned())
}
