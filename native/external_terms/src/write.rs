//! Writing terms out in the external format.

use crate::Term;
use crate::term::Shape;

/// What every term begins with that stands alone.
pub(crate) const VERSION: u8 = 131;

const SMALL_INTEGER: u8 = 97;
const INTEGER: u8 = 98;
const SMALL_BIG: u8 = 110;
const SMALL_ATOM_UTF8: u8 = 119;
const BINARY: u8 = 109;
const SMALL_TUPLE: u8 = 104;
const LARGE_TUPLE: u8 = 105;
const NIL: u8 = 106;
const STRING: u8 = 107;
const LIST: u8 = 108;
const MAP: u8 = 116;

/// Terms are made by calls, which count with less.
fn count(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Appends a term, without the version byte.
pub(crate) fn write(term: Term<'_>, to: &mut Vec<u8>) {
    // What is still to be written, the next one last.
    let mut waiting = vec![term];
    while let Some(term) = waiting.pop() {
        match term.shape() {
            Shape::External(bytes) => to.extend_from_slice(bytes),
            Shape::Cells { bytes, count: cells } => {
                to.push(LIST);
                to.extend_from_slice(&cells.to_be_bytes());
                // With its tail; what may stand behind that belongs to who holds this list.
                let rest = pando_tree::term::skip_many(bytes, u64::from(cells) + 1).unwrap_or_default();
                to.extend_from_slice(bytes.get(..bytes.len() - rest.len()).unwrap_or_default());
            }
            Shape::Characters(bytes) => {
                to.push(STRING);
                to.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
                to.extend_from_slice(bytes);
            }
            Shape::Atom(atom) => {
                to.extend_from_slice(&[SMALL_ATOM_UTF8, atom.text().len() as u8]);
                to.extend_from_slice(atom.text());
            }
            Shape::Signed(number) => write_integer(number.into(), to),
            Shape::Unsigned(number) => write_integer(number.into(), to),
            Shape::Binary(bytes) => {
                to.push(BINARY);
                to.extend_from_slice(&count(bytes.len()));
                to.extend_from_slice(bytes);
            }
            Shape::Tuple(elements) => {
                match u8::try_from(elements.len()) {
                    Ok(arity) => to.extend_from_slice(&[SMALL_TUPLE, arity]),
                    Err(_) => {
                        to.push(LARGE_TUPLE);
                        to.extend_from_slice(&count(elements.len()));
                    }
                }
                waiting.extend(elements.iter().rev());
            }
            Shape::Nil => to.push(NIL),
            Shape::List(elements) => {
                to.push(LIST);
                to.extend_from_slice(&count(elements.len()));
                waiting.push(Term::list_new_empty(term.get_env()));
                waiting.extend(elements.iter().rev());
            }
            Shape::Cons(_) => {
                let mut elements = Vec::new();
                let mut rest = term;
                while let Shape::Cons((first, after)) = rest.shape() {
                    elements.push(*first);
                    rest = *after;
                }
                to.push(LIST);
                to.extend_from_slice(&count(elements.len()));
                // A tail that is a list goes on with the list, whatever its form.
                waiting.push(rest);
                waiting.extend(elements.iter().rev());
            }
            Shape::Map(pairs) => {
                to.push(MAP);
                to.extend_from_slice(&count(pairs.len()));
                waiting.extend(pairs.iter().rev().flat_map(|(key, value)| [*value, *key]));
            }
        }
    }
}

fn write_integer(number: i128, to: &mut Vec<u8>) {
    if let Ok(number) = u8::try_from(number) {
        to.extend_from_slice(&[SMALL_INTEGER, number]);
    } else if let Ok(number) = i32::try_from(number) {
        to.push(INTEGER);
        to.extend_from_slice(&number.to_be_bytes());
    } else {
        let magnitude = number.unsigned_abs().to_le_bytes();
        let length = magnitude.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        to.extend_from_slice(&[SMALL_BIG, length as u8, u8::from(number < 0)]);
        to.extend(magnitude.iter().take(length));
    }
}
