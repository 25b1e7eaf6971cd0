//! A term as a sequence of tokens, in which every spelling of a term looks the same, but for the order of map pairs.
//!
//! Invariants:
//! 1. No recursion: what is open lies on a stack of at most `TERM_DEPTH_MAX` frames.
//! 2. A list is a `Cons` before each element and a term for the tail; so `STRING_EXT`, and lists whose tail is spelled
//!    as one more list, look like any other list.
//! 3. `None` is returned once the term is complete and nothing follows it.

use super::head::{Head, HeadReader, Integer};
use super::{TERM_DEPTH_MAX, TermError};

/// A piece of a term. Terms of other terms are followed by the tokens of these.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// One element of a list and its tail follow.
    Cons,
    /// Never that of a list with elements.
    Head(Head<'a>),
}

/// What is open: how the next terms belong together.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// So many terms follow.
    Terms { left: u32 },
    /// So many keys and values follow; a key when the number is even.
    KeysAndValues { left: u64 },
    /// So many elements follow, and then the tail; `announced` when the next element's `Cons` was returned.
    Elements { left: u32, announced: bool },
    /// So many characters follow, and then nothing.
    Characters { left: u32, announced: bool },
}

/// A reader of the tokens of one term.
#[derive(Clone, Debug)]
pub(crate) struct Tokens<'a> {
    reader: HeadReader<'a>,
    open: Vec<Frame>,
    /// How many of the open frames are maps in whose key the reader stands.
    open_keys: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, TermError> {
        Ok(Tokens::from(HeadReader::of_term(bytes)?))
    }

    /// Whether the next token belongs to the key of a map.
    pub(super) fn is_in_key(&self) -> bool {
        self.open_keys > 0 || matches!(self.open.last(), Some(Frame::KeysAndValues { left }) if left % 2 == 0)
    }

    /// The next token; `None` at the end.
    pub(crate) fn next_token(&mut self) -> Result<Option<Token<'a>>, TermError> {
        loop {
            let token = match self.open.last_mut() {
                None if self.reader.rest.is_empty() => return Ok(None),
                None => return Err(TermError::TrailingBytes),
                Some(Frame::Terms { left }) => {
                    *left = left.saturating_sub(1);
                    self.read()?
                }
                Some(Frame::KeysAndValues { left }) => {
                    *left = left.saturating_sub(1);
                    self.read()?
                }
                Some(Frame::Elements { left: 0, .. }) => {
                    // What the tail opens takes the place of the list: it does not nest.
                    self.pop();
                    self.read()?
                }
                Some(Frame::Characters { left: 0, .. }) => {
                    self.pop();
                    Some(Token::Head(Head::Nil))
                }
                Some(Frame::Elements { announced, .. } | Frame::Characters { announced, .. })
                    if !*announced =>
                {
                    *announced = true;
                    Some(Token::Cons)
                }
                Some(Frame::Elements { left, announced }) => {
                    (*left, *announced) = (left.saturating_sub(1), false);
                    self.read()?
                }
                Some(Frame::Characters { left, announced }) => {
                    (*left, *announced) = (left.saturating_sub(1), false);
                    Some(Token::Head(Head::Integer(Integer::Small(self.reader.character()?.into()))))
                }
            };
            while let Some(Frame::Terms { left: 0 } | Frame::KeysAndValues { left: 0 }) = self.open.last() {
                self.pop();
            }
            if token.is_some() {
                return Ok(token);
            }
        }
    }

    /// Whether the innermost open frame is a map in whose key the reader stands.
    fn top_is_in_key(&self) -> bool {
        matches!(self.open.last(), Some(Frame::KeysAndValues { left }) if left % 2 == 1)
    }

    fn push(&mut self, frame: Frame) -> Result<(), TermError> {
        if self.open.len() > TERM_DEPTH_MAX {
            return Err(TermError::TooDeep);
        }
        self.open_keys += usize::from(self.top_is_in_key());
        self.open.push(frame);
        Ok(())
    }

    fn pop(&mut self) {
        self.open.pop();
        self.open_keys -= usize::from(self.top_is_in_key() && self.open_keys > 0);
    }

    /// Reads a term up to the terms within it; `None` for a list, whose tokens are those of its elements.
    fn read(&mut self) -> Result<Option<Token<'a>>, TermError> {
        let head = self.reader.read()?;
        match head {
            Head::List { elements: left } => self.push(Frame::Elements { left, announced: false })?,
            Head::Characters { length: left } => self.push(Frame::Characters { left, announced: false })?,
            Head::Tuple { arity: left } | Head::Fun { free_variables: left, .. } => {
                self.push(Frame::Terms { left })?;
            }
            Head::Map { pairs } => self.push(Frame::KeysAndValues { left: u64::from(pairs) * 2 })?,
            _ => {}
        }
        let is_list = matches!(head, Head::List { .. } | Head::Characters { .. });
        Ok(if is_list { None } else { Some(Token::Head(head)) })
    }
}

impl<'a> From<HeadReader<'a>> for Tokens<'a> {
    /// The tokens of the one term that is left to the reader.
    fn from(reader: HeadReader<'a>) -> Self {
        Tokens { reader, open: vec![Frame::Terms { left: 1 }], open_keys: 0 }
    }
}
