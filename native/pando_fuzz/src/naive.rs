//! Terms as values: what the walkers over bytes do without building anything, done the simple way.
//!
//! Knows nothing of the product's code; written from the description of the external term format.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};

/// Deeper terms are not built. More than the walkers take.
const DEPTH_MAX: usize = 600;

/// A term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naive {
    /// A number.
    Integer(BigInt),
    /// The bits of a number.
    Float(u64),
    /// Its text.
    Atom(String),
    /// Bytes, the last one with zeros behind its own bits, and how many bits there are.
    Bits(Vec<u8>, usize),
    /// The empty list.
    Nil,
    /// Elements, at least one, and a tail that is no list with elements.
    List(Vec<Naive>, Box<Naive>),
    /// Elements.
    Tuple(Vec<Naive>),
    /// Pairs in the order of the bytes, each key once.
    Map(Vec<(Naive, Naive)>),
    /// Pids, ports, references and funs: a kind, all that makes them what they are, and free variables.
    Opaque(u8, Vec<u8>, Vec<Naive>),
}

/// Why bytes were not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// They are no term.
    Malformed,
    /// They are nested deeper than [`DEPTH_MAX`].
    TooDeep,
}

use Unreadable::{Malformed, TooDeep};

impl Naive {
    /// The one term, version byte included, that the bytes are.
    pub fn read(bytes: &[u8]) -> Result<Naive, Unreadable> {
        let [131, rest @ ..] = bytes else { return Err(Malformed) };
        let mut reader = Reader { rest };
        let term = reader.term(0)?;
        if reader.rest.is_empty() { Ok(term) } else { Err(Malformed) }
    }

    /// How deep tuples, maps, funs and elements of lists nest; tails do not.
    pub fn depth(&self) -> usize {
        let deepest = |terms: &[Naive]| terms.iter().map(Naive::depth).max().unwrap_or(0);
        match self {
            Naive::List(elements, tail) => (1 + deepest(elements)).max(tail.depth()),
            Naive::Tuple(elements) | Naive::Opaque(_, _, elements) => 1 + deepest(elements),
            Naive::Map(pairs) => 1 + pairs.iter().map(|(k, v)| k.depth().max(v.depth())).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether pids, ports, references or funs are in it.
    pub fn has_opaque(&self) -> bool {
        match self {
            Naive::Opaque(..) => true,
            Naive::List(elements, tail) => tail.has_opaque() || elements.iter().any(Naive::has_opaque),
            Naive::Tuple(elements) => elements.iter().any(Naive::has_opaque),
            Naive::Map(pairs) => pairs.iter().any(|(k, v)| k.has_opaque() || v.has_opaque()),
            _ => false,
        }
    }

    /// Whether both are the same, `=:=`.
    pub fn is_same(&self, other: &Naive) -> bool {
        let all = |a: &[Naive], b: &[Naive]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b));
        match (self, other) {
            (Naive::List(a, tail_a), Naive::List(b, tail_b)) => all(a, b) && tail_a.is_same(tail_b),
            (Naive::Tuple(a), Naive::Tuple(b)) => all(a, b),
            (Naive::Opaque(a, of_a, free_a), Naive::Opaque(b, of_b, free_b)) => {
                a == b && of_a == of_b && all(free_a, free_b)
            }
            (Naive::Map(a), Naive::Map(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, value)| {
                        b.iter().any(|(other, theirs)| other.is_same(key) && theirs.is_same(value))
                    })
            }
            (a, b) => a == b,
        }
    }

    /// The order of Erlang; of the keys of maps (`in_key`), each integer comes before each float. `None` where what is opaque
    /// would have to be compared.
    pub fn order(&self, other: &Naive, in_key: bool) -> Option<Ordering> {
        let all = |a: &[Naive], b: &[Naive]| -> Option<Ordering> {
            for (a, b) in a.iter().zip(b) {
                match a.order(b, in_key)? {
                    Ordering::Equal => {}
                    order => return Some(order),
                }
            }
            Some(Ordering::Equal)
        };
        Some(match (self, other) {
            (Naive::Integer(a), Naive::Integer(b)) => a.cmp(b),
            (Naive::Float(a), Naive::Float(b)) => {
                let order = f64::from_bits(*a).partial_cmp(&f64::from_bits(*b))?;
                // -0.0 before 0.0
                if in_key { order.then(b.cmp(a)) } else { order }
            }
            (Naive::Integer(_), Naive::Float(_)) if in_key => Ordering::Less,
            (Naive::Float(_), Naive::Integer(_)) if in_key => Ordering::Greater,
            (Naive::Integer(a), Naive::Float(b)) => integer_and_float(a, f64::from_bits(*b)),
            (Naive::Float(a), Naive::Integer(b)) => integer_and_float(b, f64::from_bits(*a)).reverse(),
            (Naive::Atom(a), Naive::Atom(b)) => a.chars().cmp(b.chars()),
            (Naive::Bits(a, size_a), Naive::Bits(b, size_b)) => a.cmp(b).then(size_a.cmp(size_b)),
            (Naive::Tuple(a), Naive::Tuple(b)) => match a.len().cmp(&b.len()) {
                Ordering::Equal => all(a, b)?,
                order => order,
            },
            (Naive::List(a, tail_a), Naive::List(b, tail_b)) => match all(a, b)? {
                Ordering::Equal if a.len() == b.len() => tail_a.order(tail_b, in_key)?,
                // The one goes on where the other has its tail.
                Ordering::Equal if a.len() < b.len() => tail_a.rank().cmp(&LIST_RANK),
                Ordering::Equal => LIST_RANK.cmp(&tail_b.rank()),
                order => order,
            },
            (Naive::Map(a), Naive::Map(b)) => {
                if a.len() != b.len() {
                    return Some(a.len().cmp(&b.len()));
                }
                let (a, b) = (sorted(a)?, sorted(b)?);
                for (a, b) in a.iter().zip(&b) {
                    match a.0.order(&b.0, true)? {
                        Ordering::Equal => {}
                        order => return Some(order),
                    }
                }
                for (a, b) in a.iter().zip(&b) {
                    match a.1.order(&b.1, in_key)? {
                        Ordering::Equal => {}
                        order => return Some(order),
                    }
                }
                Ordering::Equal
            }
            (Naive::Opaque(..), Naive::Opaque(..)) => return None,
            (a, b) => a.rank().cmp(&b.rank()),
        })
    }

    fn rank(&self) -> u8 {
        match self {
            Naive::Integer(_) | Naive::Float(_) => 0,
            Naive::Atom(_) => 1,
            Naive::Opaque(kind, ..) => *kind,
            Naive::Tuple(_) => 7,
            Naive::Map(_) => 8,
            Naive::Nil => 9,
            Naive::List(..) => LIST_RANK,
            Naive::Bits(..) => 11,
        }
    }

    /// The same term spelled otherwise, version byte included; `None` if there is something opaque in it.
    pub fn respelled(&self) -> Option<Vec<u8>> {
        let mut out = vec![131];
        self.respell(&mut out)?;
        Some(out)
    }

    fn respell(&self, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Naive::Integer(value) => {
                // A big number with a zero behind it, however small it is.
                let (sign, magnitude) = value.to_bytes_le();
                out.push(111);
                out.extend((magnitude.len() as u32 + 1).to_be_bytes());
                out.push(u8::from(sign == Sign::Minus));
                out.extend(magnitude);
                out.push(0);
            }
            Naive::Float(bits) => {
                out.push(70);
                out.extend(bits.to_be_bytes());
            }
            Naive::Atom(text) => {
                let latin1: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
                let (tag, bytes) = match latin1 {
                    Some(bytes) if !text.is_ascii() => (100, bytes),
                    _ => (118, text.as_bytes().to_vec()),
                };
                out.push(tag);
                out.extend((bytes.len() as u16).to_be_bytes());
                out.extend(bytes);
            }
            Naive::Bits(bytes, size) => {
                let last_bits = if bytes.is_empty() { 0 } else { (*size - 1) % 8 + 1 };
                out.push(77);
                out.extend((bytes.len() as u32).to_be_bytes());
                out.push(last_bits as u8);
                out.extend(bytes);
                // What is behind the last bit does not belong to it.
                if let (1..8, Some(last)) = (last_bits, out.last_mut()) {
                    *last |= 1;
                }
            }
            Naive::Nil => out.extend([107, 0, 0]),
            Naive::List(elements, tail) => {
                // A list for each element: the tail of each is the next.
                for element in elements {
                    out.extend([108, 0, 0, 0, 1]);
                    element.respell(out)?;
                }
                tail.respell(out)?;
            }
            Naive::Tuple(elements) => {
                out.push(105);
                out.extend((elements.len() as u32).to_be_bytes());
                elements.iter().try_for_each(|element| element.respell(out))?;
            }
            Naive::Map(pairs) => {
                out.push(116);
                out.extend((pairs.len() as u32).to_be_bytes());
                for (key, value) in pairs.iter().rev() {
                    key.respell(out)?;
                    value.respell(out)?;
                }
            }
            Naive::Opaque(..) => return None,
        }
        Some(())
    }
}

const LIST_RANK: u8 = 10;

fn sorted(pairs: &[(Naive, Naive)]) -> Option<Vec<(Naive, Naive)>> {
    let mut sorted: Vec<(Naive, Naive)> = Vec::new();
    for pair in pairs {
        let mut place = 0;
        while place < sorted.len() && sorted[place].0.order(&pair.0, true)? == Ordering::Less {
            place += 1;
        }
        sorted.insert(place, pair.clone());
    }
    Some(sorted)
}

/// By value, exactly.
fn integer_and_float(integer: &BigInt, float: f64) -> Ordering {
    let bits = float.to_bits();
    let exponent = (bits >> 52 & 0x7FF) as i64;
    let fraction = bits & ((1 << 52) - 1);
    let (fraction, exponent) =
        if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
    let signed = if bits >> 63 == 1 { -BigInt::from(fraction) } else { BigInt::from(fraction) };
    // Both times a power of two, so that both are integers.
    if exponent >= 0 {
        integer.cmp(&(signed << exponent as usize))
    } else {
        (integer.clone() << (-exponent) as usize).cmp(&signed)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, size: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self, size: usize) -> Result<u64, Unreadable> {
        Ok(self.take(size)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// So many terms, each of which takes a byte.
    fn terms(&mut self, count: u64, depth: usize) -> Result<Vec<Naive>, Unreadable> {
        if count > self.rest.len() as u64 {
            return Err(Malformed);
        }
        (0..count).map(|_| self.term(depth)).collect()
    }

    fn term(&mut self, depth: usize) -> Result<Naive, Unreadable> {
        if depth > DEPTH_MAX {
            return Err(TooDeep);
        }
        let tag = self.number(1)?;
        Ok(match tag {
            97 => Naive::Integer(self.number(1)?.into()),
            98 => Naive::Integer((self.number(4)? as u32 as i32).into()),
            110 | 111 => {
                let size = self.number(if tag == 110 { 1 } else { 4 })?;
                let sign = match self.number(1)? {
                    0 => Sign::Plus,
                    1 => Sign::Minus,
                    _ => return Err(Malformed),
                };
                Naive::Integer(BigInt::from_bytes_le(sign, self.take(size as usize)?))
            }
            70 => {
                self.float(f64::from_bits(self.rest.first_chunk().map_or(0, |b| u64::from_be_bytes(*b))), 8)?
            }
            99 => {
                let text = self.rest.get(..31).ok_or(Malformed)?;
                let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
                let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
                let is_plain = text.chars().all(|c| c.is_ascii_digit() || "+-.e".contains(c));
                if !is_plain || !text.contains('.') {
                    return Err(Malformed);
                }
                self.float(text.parse().map_err(|_| Malformed)?, 31)?
            }
            100 | 115 | 118 | 119 => Naive::Atom(self.atom_behind(tag)?),
            109 => {
                let size = self.number(4)? as usize;
                Naive::Bits(self.take(size)?.to_vec(), size * 8)
            }
            77 => {
                let (size, last_bits) = (self.number(4)? as usize, self.number(1)? as usize);
                if last_bits > 8 || (last_bits == 0) != (size == 0) {
                    return Err(Malformed);
                }
                let mut bytes = self.take(size)?.to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last = (u16::from(*last) >> (8 - last_bits) << (8 - last_bits)) as u8;
                }
                let size_bits = if size == 0 { 0 } else { (size - 1) * 8 + last_bits };
                Naive::Bits(bytes, size_bits)
            }
            106 => Naive::Nil,
            107 => {
                let size = self.number(2)? as usize;
                let elements: Vec<Naive> =
                    self.take(size)?.iter().map(|byte| Naive::Integer((*byte).into())).collect();
                if elements.is_empty() { Naive::Nil } else { Naive::List(elements, Naive::Nil.into()) }
            }
            108 => return self.list(depth),
            104 | 105 => {
                let count = self.number(if tag == 104 { 1 } else { 4 })?;
                Naive::Tuple(self.terms(count, depth + 1)?)
            }
            116 => {
                let count = self.number(4)?;
                if count * 2 > self.rest.len() as u64 {
                    return Err(Malformed);
                }
                let mut pairs: Vec<(Naive, Naive)> = Vec::new();
                for _ in 0..count {
                    let pair = (self.term(depth + 1)?, self.term(depth + 1)?);
                    if pairs.iter().any(|(key, _)| key.is_same(&pair.0)) {
                        return Err(Malformed);
                    }
                    pairs.push(pair);
                }
                Naive::Map(pairs)
            }
            88 | 103 => {
                let node = self.atom()?;
                let (id, serial, creation) =
                    (self.number(4)?, self.number(4)?, self.number(if tag == 103 { 1 } else { 4 })?);
                opaque(6, &[&node], &[id, serial, creation], &[])
            }
            89 | 102 | 120 => {
                let node = self.atom()?;
                let id = self.number(if tag == 120 { 8 } else { 4 })?;
                let creation = self.number(if tag == 102 { 1 } else { 4 })?;
                opaque(5, &[&node], &[id, creation], &[])
            }
            101 => {
                let node = self.atom()?;
                let ids = self.take(4)?;
                opaque(2, &[&node], &[self.number(1)?], ids)
            }
            90 | 114 => {
                let words = self.number(2)? as usize;
                if !(1..=5).contains(&words) {
                    return Err(Malformed);
                }
                let node = self.atom()?;
                let creation = self.number(if tag == 114 { 1 } else { 4 })?;
                opaque(2, &[&node], &[creation], self.take(words * 4)?)
            }
            112 => {
                self.take(4)?;
                let arity = self.number(1)?;
                let unique = self.take(16)?;
                let (index, free) = (self.number(4)?, self.number(4)?);
                let module = self.atom()?;
                let mut old = [0; 2];
                for number in &mut old {
                    *number = match self.number(1)? {
                        97 => self.number(1)?,
                        98 => self.number(4)? as u32 as i32 as u64,
                        _ => return Err(Malformed),
                    };
                }
                let creator = self.number(1)?;
                if !matches!(creator, 88 | 103) {
                    return Err(Malformed);
                }
                self.atom()?;
                self.take(8)?;
                self.number(if creator == 103 { 1 } else { 4 })?;
                let Naive::Opaque(kind, of, _) =
                    opaque(3, &[&module], &[arity, index, old[0], old[1]], unique)
                else {
                    return Err(Malformed);
                };
                Naive::Opaque(kind, of, self.terms(free, depth + 1)?)
            }
            113 => {
                let (module, function) = (self.atom()?, self.atom()?);
                let (97, arity) = (self.number(1)?, self.number(1)?) else { return Err(Malformed) };
                opaque(4, &[&module, &function], &[arity], &[])
            }
            _ => return Err(Malformed),
        })
    }

    /// Behind the tag. Tails that are lists belong to the list, and do not nest.
    fn list(&mut self, depth: usize) -> Result<Naive, Unreadable> {
        let mut elements = Vec::new();
        loop {
            let count = self.number(4)?;
            if count >= self.rest.len() as u64 {
                return Err(Malformed);
            }
            for _ in 0..count {
                elements.push(self.term(depth + 1)?);
            }
            if let [108, rest @ ..] = self.rest {
                self.rest = rest;
                continue;
            }
            let tail = match self.term(depth)? {
                Naive::List(more, tail) => {
                    elements.extend(more);
                    tail
                }
                tail => tail.into(),
            };
            return Ok(if elements.is_empty() { *tail } else { Naive::List(elements, tail) });
        }
    }

    fn float(&mut self, value: f64, size: usize) -> Result<Naive, Unreadable> {
        self.take(size)?;
        if value.is_finite() { Ok(Naive::Float(value.to_bits())) } else { Err(Malformed) }
    }

    fn atom(&mut self) -> Result<String, Unreadable> {
        let tag = self.number(1)?;
        self.atom_behind(tag)
    }

    fn atom_behind(&mut self, tag: u64) -> Result<String, Unreadable> {
        let size = match tag {
            100 | 118 => self.number(2)?,
            115 | 119 => self.number(1)?,
            _ => return Err(Malformed),
        };
        let bytes = self.take(size as usize)?;
        let text: String = if matches!(tag, 100 | 115) {
            bytes.iter().map(|byte| char::from(*byte)).collect()
        } else {
            String::from_utf8(bytes.to_vec()).map_err(|_| Malformed)?
        };
        if text.chars().count() > 255 { Err(Malformed) } else { Ok(text) }
    }
}

fn opaque(kind: u8, atoms: &[&str], numbers: &[u64], bytes: &[u8]) -> Naive {
    let mut of = Vec::new();
    for atom in atoms {
        of.extend((atom.len() as u32).to_be_bytes());
        of.extend(atom.bytes());
    }
    numbers.iter().for_each(|number| of.extend(number.to_be_bytes()));
    of.extend(bytes);
    Naive::Opaque(kind, of, Vec::new())
}
