//! Replies, where they differ from those of the NIF library.

use pando_tree::Answer;

use crate::calls::answers::answer_term;
use crate::vm::{Encoder, Env, Term};

/// What a reply has in the place of an answer with terms: a binary, of which who asked makes the terms.
pub fn later_answer_term(env: Env<'_>, answer: Answer) -> Term<'_> {
    answer_term(env, &answer).to_binary().release(env).encode(env)
}

/// Sends several replies as one packet.
pub fn in_batch(send: impl FnOnce()) {
    crate::held::batch(send);
}
