//! A caller of one command, or one that waits: where its reply goes, and the token that says whether it still waits.
//!
//! Invariant: a caller that is dropped without a reply is told that the outcome is unknown.

use std::sync::Arc;

use pando_store::{Outcome, StoreError, Ticket};

use crate::beam::Beam;
use crate::reply_queue::ReplyQueue;
use crate::token::Token;

/// See the module.
pub struct Caller<B: Beam> {
    reply: Option<Reply<B>>,
    token: Option<Arc<Token>>,
    queue: Arc<ReplyQueue<B>>,
}

/// A reply that may be sent once.
pub(crate) struct Reply<B: Beam> {
    pub(crate) address: B::Address,
}

impl<B: Beam> Caller<B> {
    /// A caller at `address`; without a token it waits for ever.
    pub fn new(address: B::Address, token: Option<Arc<Token>>, queue: Arc<ReplyQueue<B>>) -> Caller<B> {
        Caller { reply: Some(Reply { address }), token, queue }
    }

    /// Sends the outcome, if the caller still waits. On the reply thread only.
    pub(crate) fn answer(mut self, outcome: Outcome) {
        if let Some(reply) = self.reply.take()
            && self.token.as_ref().is_none_or(|token| token.mark_sent())
        {
            B::reply(reply.address, outcome);
        }
    }

    /// Where it is, for who tells it himself; `None` if it waits no longer.
    pub(crate) fn into_address(mut self) -> Option<B::Address> {
        let reply = self.reply.take()?;
        self.token.as_ref().is_none_or(|token| token.mark_sent()).then_some(reply.address)
    }

    /// Forgets the caller without a word: it is told otherwise.
    pub fn dismiss(mut self) {
        self.reply = None;
    }
}

impl<B: Beam> Ticket for Caller<B> {
    fn is_cancelled(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.is_cancelled())
    }

    fn dismiss(self) {
        Caller::dismiss(self);
    }
}

impl<B: Beam> Drop for Caller<B> {
    fn drop(&mut self) {
        if let Some(reply) = self.reply.take() {
            let forgotten =
                Caller { reply: Some(reply), token: self.token.take(), queue: self.queue.clone() };
            self.queue.push_unanswered(forgotten, StoreError::Closed);
        }
    }
}
