//! Answers that a caller makes terms of.

use std::sync::{Mutex, PoisonError};

use pando_tree::Answer;
use rustler::{Encoder, Env, NifResult, Resource, ResourceArc, Term};

use crate::calls::answers::answer_term;

/// An answer on its way, which the caller makes terms of (`answer/1`).
///
/// The reply thread must not do that: to make a map of more than a few hundred keys, the VM asks for the data of the
/// scheduler that it runs on, and crashes on a thread that is none (OTP 25: `erts_qsort`). Besides, callers share that
/// work among themselves.
pub struct AnswerHandle(Mutex<Option<Answer>>);

#[rustler::resource_impl]
impl Resource for AnswerHandle {}

impl AnswerHandle {
    fn new(answer: Answer) -> AnswerHandle {
        AnswerHandle(Mutex::new(Some(answer)))
    }

    /// The answer, once.
    pub fn take(&self) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What a reply has in the place of an answer with terms.
pub fn later_answer_term(env: Env<'_>, answer: Answer) -> Term<'_> {
    ResourceArc::new(AnswerHandle::new(answer)).encode(env)
}

/// Sends several replies, each by itself: to send one is cheap inside the VM.
pub fn in_batch(send: impl FnOnce()) {
    send();
}

/// `answer(Answer) -> ok | {ok, #{Path => Props}} | {error, Reason}`: the terms of a reply `{answer, Answer}`. Once.
#[rustler::nif(schedule = "DirtyCpu")]
pub fn answer<'a>(env: Env<'a>, handle: ResourceArc<AnswerHandle>) -> NifResult<Term<'a>> {
    handle.take().map(|answer| answer_term(env, &answer)).ok_or(rustler::Error::BadArg)
}
