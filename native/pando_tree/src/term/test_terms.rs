//! Tests only: terms written as in Erlang, as bytes.

use num_bigint::{BigInt, Sign};

/// The complete term, version byte included. Knows atoms, numbers, tuples, lists, maps, strings, and binaries of bytes
/// or a string, the last byte with a size if need be.
pub(crate) fn term(text: &str) -> Vec<u8> {
    let mut parser = Parser { rest: text };
    let mut out = vec![131];
    out.extend(parser.term());
    assert!(parser.peek().is_none(), "behind the term: {}", parser.rest);
    out
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn accept(&mut self, token: &str) -> bool {
        self.peek();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) {
        assert!(self.accept(token), "{token} expected: {}", self.rest);
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken.to_owned()
    }

    /// The terms up to `end`.
    fn terms(&mut self, end: &str) -> Vec<Vec<u8>> {
        let mut terms = Vec::new();
        while !self.accept(end) {
            if !terms.is_empty() {
                self.expect(",");
            }
            terms.push(self.term());
        }
        terms
    }

    fn term(&mut self) -> Vec<u8> {
        if self.accept("{") {
            let elements = self.terms("}");
            return if elements.len() < 256 {
                [vec![104, elements.len() as u8], elements.concat()].concat()
            } else {
                [&[105][..], &(elements.len() as u32).to_be_bytes(), &elements.concat()].concat()
            };
        }
        if self.accept("#{") {
            return self.map();
        }
        if self.accept("[") {
            return self.list();
        }
        if self.accept("<<") {
            return self.bits();
        }
        if self.accept("\"") {
            let text = self.text('"');
            return [&[107][..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
        }
        if self.accept("'") {
            return atom(&self.text('\''));
        }
        match self.peek() {
            Some(c) if c.is_ascii_digit() || c == '-' => self.number(),
            Some(c) if c.is_lowercase() => {
                atom(&self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '@'))
            }
            _ => panic!("a term expected: {}", self.rest),
        }
    }

    fn text(&mut self, quote: char) -> String {
        let text = self.take_while(|c| c != quote);
        self.expect(&quote.to_string());
        text
    }

    fn map(&mut self) -> Vec<u8> {
        let mut pairs = Vec::new();
        while !self.accept("}") {
            if !pairs.is_empty() {
                self.expect(",");
            }
            let key = self.term();
            self.expect("=>");
            pairs.push([key, self.term()].concat());
        }
        [&[116][..], &(pairs.len() as u32).to_be_bytes(), &pairs.concat()].concat()
    }

    fn list(&mut self) -> Vec<u8> {
        let mut elements = Vec::new();
        let mut tail = vec![106];
        while !self.accept("]") {
            if self.accept("|") {
                tail = self.term();
                self.expect("]");
                break;
            }
            if !elements.is_empty() {
                self.expect(",");
            }
            elements.push(self.term());
        }
        if elements.is_empty() {
            return tail;
        }
        [&[108][..], &(elements.len() as u32).to_be_bytes(), &elements.concat(), &tail].concat()
    }

    fn bits(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut last_bits = 8;
        while !self.accept(">>") {
            if self.accept("\"") {
                bytes.extend(self.text('"').bytes());
            } else if self.accept(":") {
                last_bits = self.take_while(|c| c.is_ascii_digit()).parse().unwrap();
                *bytes.last_mut().unwrap() <<= 8 - last_bits;
            } else {
                if !bytes.is_empty() {
                    self.expect(",");
                }
                self.peek();
                bytes.push(self.take_while(|c| c.is_ascii_digit()).parse().unwrap());
            }
        }
        let length = (bytes.len() as u32).to_be_bytes();
        match last_bits {
            8 => [&[109][..], &length, &bytes].concat(),
            _ => [&[77][..], &length, &[last_bits], &bytes].concat(),
        }
    }

    fn number(&mut self) -> Vec<u8> {
        let text = self.take_while(|c| c.is_ascii_digit() || "+-.e".contains(c));
        if text.contains('.') {
            return [&[70][..], &text.parse::<f64>().unwrap().to_be_bytes()].concat();
        }
        integer(&text.parse().unwrap())
    }
}

/// The shortest spelling of an integer, without version byte.
pub(crate) fn integer(value: &BigInt) -> Vec<u8> {
    if let Ok(byte) = u8::try_from(value) {
        return vec![97, byte];
    }
    if let Ok(value) = i32::try_from(value) {
        return [&[98][..], &value.to_be_bytes()].concat();
    }
    let (sign, magnitude) = value.to_bytes_le();
    let sign = u8::from(sign == Sign::Minus);
    match u8::try_from(magnitude.len()) {
        Ok(length) => [&[110, length, sign][..], &magnitude].concat(),
        Err(_) => [&[111][..], &(magnitude.len() as u32).to_be_bytes(), &[sign], &magnitude].concat(),
    }
}

fn atom(text: &str) -> Vec<u8> {
    match u8::try_from(text.len()) {
        Ok(length) => [&[119, length][..], text.as_bytes()].concat(),
        Err(_) => [&[118][..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat(),
    }
}
