//! A caller that has asked for something of the cluster, and the place that it takes until it is told.
//!
//! Invariants
//! 1. It is told once, also when it is dropped without an answer: then that the store has stopped, so that the outcome is unknown.
//! 2. The reply thread tells it, whichever thread has the answer: that may be a scheduler, which may not send so.
//! 3. No more than `CLUSTER_REQUESTS_MAX` of a store are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pando_store::cluster::{ClusterAnswer, ClusterError};

use crate::beam::Beam;
use crate::reply_queue::ReplyQueue;

/// Requests of the cluster that are under way in one store. Only people and members that join make them.
pub const CLUSTER_REQUESTS_MAX: usize = 1_024;

/// The places of one store.
#[derive(Clone, Default)]
pub(crate) struct ClusterPlaces(Arc<AtomicUsize>);

impl ClusterPlaces {
    fn take(&self) -> Option<ClusterPlace> {
        let more = |taken: usize| (taken < CLUSTER_REQUESTS_MAX).then_some(taken + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(ClusterPlace(self.0.clone()))
    }
}

/// One of them, free again when dropped.
pub(crate) struct ClusterPlace(Arc<AtomicUsize>);

impl Drop for ClusterPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// See the module.
pub(crate) struct ClusterCaller<B: Beam> {
    waiting: Option<(B::Address, ClusterPlace)>,
    replies: Arc<ReplyQueue<B>>,
}

impl<B: Beam> ClusterCaller<B> {
    /// A caller at `address`; gives that back when there is no place for it.
    pub(crate) fn new(
        address: B::Address,
        places: &ClusterPlaces,
        replies: Arc<ReplyQueue<B>>,
    ) -> Result<ClusterCaller<B>, B::Address> {
        match places.take() {
            Some(place) => Ok(ClusterCaller { waiting: Some((address, place)), replies }),
            None => Err(address),
        }
    }

    /// Has it told.
    pub(crate) fn answer(mut self, result: Result<ClusterAnswer, ClusterError>) {
        self.tell(result);
    }

    fn tell(&mut self, result: Result<ClusterAnswer, ClusterError>) {
        if let Some((address, place)) = self.waiting.take() {
            self.replies.push_cluster_reply(address, result, place);
        }
    }
}

impl<B: Beam> Drop for ClusterCaller<B> {
    fn drop(&mut self) {
        self.tell(Err(ClusterError::Stopped));
    }
}

#[cfg(test)]
#[path = "cluster_caller_test.rs"]
mod tests;
