//! Whether two encodings are the same term.
//!
//! Invariants:
//! 1. The relation is Erlang's `=:=` as OTP 27 has it: 1 and 1.0 differ, 0.0 and -0.0 differ, the order of the pairs
//!    of a map and the spelling of a term do not matter. Bytes that are no valid term are the same only bytewise.
//! 2. Where both encodings list the keys of their maps in the same order, which they do when one runtime made both,
//!    nothing is copied and the first difference ends it.

use super::TermError;
use super::canonical::canonical;
use super::tokens::Tokens;

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
    let (mut a, mut b) = (Tokens::new(a)?, Tokens::new(b)?);
    loop {
        let in_key = a.is_in_key();
        let (token_a, token_b) = (a.next_token()?, b.next_token()?);
        if token_a != token_b {
            return Ok(if in_key { Verdict::KeysDiffer } else { Verdict::Different });
        }
        if token_a.is_none() {
            return Ok(Verdict::Same);
        }
    }
}
