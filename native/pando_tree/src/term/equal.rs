//! Whether two encodings are the same term.
//!
//! Invariants:
//! 1. The relation is Erlang's `=:=` as OTP 27 has it: 1 and 1.0 differ, 0.0 and -0.0 differ, the order of the pairs
//!    of a map and the spelling of a term do not matter. Bytes that are no valid term are the same only bytewise.
//! 2. Where both encodings list the keys of their maps in the same order, which they do when one runtime made both,
//!    nothing is copied and the first difference ends it.

use super::TermError;
use super::canonical::{canonical, check_keys};
use super::head::Head;
use super::tokens::{Token, Tokens};

/// What reading both side by side tells.
enum Verdict {
    Same,
    Different,
    /// They differ within a key: the keys may only be in another order.
    KeysDiffer,
}

/// Whether both are the same term, `=:=`; both begin with the version byte. Bytes that [`super::validate`] refuses,
/// terms that are too deep among them, are the same only if they are the same bytes.
pub fn exactly_equal(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match side_by_side(a, b) {
        Ok(Verdict::Same) => true,
        Ok(Verdict::Different) | Err(_) => false,
        Ok(Verdict::KeysDiffer) => matches!((canonical(a), canonical(b)), (Ok(a), Ok(b)) if a == b),
    }
}

fn side_by_side(a: &[u8], b: &[u8]) -> Result<Verdict, TermError> {
    let (mut tokens_a, mut tokens_b) = (Tokens::new(a)?, Tokens::new(b)?);
    let mut has_map = false;
    loop {
        let in_key = tokens_a.is_in_key();
        let (token_a, token_b) = (tokens_a.next_token()?, tokens_b.next_token()?);
        if token_a != token_b {
            return Ok(if in_key { Verdict::KeysDiffer } else { Verdict::Different });
        }
        if token_a.is_none() {
            break;
        }
        has_map |= matches!(token_a, Some(Token::Head(Head::Map { pairs: 2.. })));
    }
    // The same, but spelled in two ways, which is rare: what is no term then must be no term here.
    if has_map {
        check_keys(a)?;
    }
    Ok(Verdict::Same)
}
