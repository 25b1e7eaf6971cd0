use super::*;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use pando_store::Outcome;
use pando_store::cluster::ClusterEvent;

use crate::beam::OpenFailure;

/// Longer than any honest wait; a test that reaches it has failed.
const WAIT_MAX: Duration = Duration::from_secs(60);

type Told = (u64, Result<ClusterAnswer, ClusterError>, Option<String>);

/// Tells a channel which caller was told what, on which thread.
struct Channels;

impl Beam for Channels {
    type Key = u64;
    type Address = (u64, Sender<Told>);
    type Owner = ();

    fn is_scheduler() -> bool {
        false
    }
    fn in_batch(replies: impl FnOnce()) {
        replies();
    }
    fn reply(_: Self::Address, _: Outcome) {}
    fn cluster_reply((number, sender): Self::Address, result: Result<ClusterAnswer, ClusterError>) {
        let thread = std::thread::current().name().map(str::to_owned);
        sender.send((number, result, thread)).unwrap();
    }
    fn opened((): &(), _: u64, _: Result<(), OpenFailure>) {}
    fn closed((): &(), _: u64) {}
    fn halted((): &(), _: u64, _: &str) {}
    fn notice((): &(), _: u64, _: &str) {}
    fn progress((): &(), _: u64, _: &str) {}
    fn cluster_event((): &(), _: u64, _: &ClusterEvent) {}
}

type Caller = ClusterCaller<Channels>;

fn replies() -> (Arc<ReplyQueue<Channels>>, Sender<Told>, Receiver<Told>) {
    let (sender, receiver) = channel();
    (ReplyQueue::start("test", |_: &str| {}).unwrap(), sender, receiver)
}

fn next(told: &Receiver<Told>) -> (u64, Result<ClusterAnswer, ClusterError>) {
    let (number, result, thread) = told.recv_timeout(WAIT_MAX).unwrap();
    assert_eq!(thread.as_deref(), Some("pando-reply-test"));
    (number, result)
}

#[test]
fn a_caller_of_the_cluster_is_told_once_by_the_reply_thread() {
    let (queue, sender, told) = replies();
    let places = ClusterPlaces::default();
    let caller = |number| Caller::new((number, sender.clone()), &places, queue.clone()).ok().unwrap();
    caller(1).answer(Ok(ClusterAnswer::MemberId(7)));
    caller(2).answer(Err(ClusterError::NotLeader(Some("a@b".to_owned()))));
    assert_eq!(next(&told), (1, Ok(ClusterAnswer::MemberId(7))));
    assert_eq!(next(&told), (2, Err(ClusterError::NotLeader(Some("a@b".to_owned())))));
    drop(sender);
    assert!(told.recv_timeout(WAIT_MAX).is_err(), "nobody is left who could tell more");
}

#[test]
fn a_caller_of_the_cluster_that_is_dropped_is_told_that_the_store_has_stopped() {
    let (queue, sender, told) = replies();
    drop(Caller::new((1, sender), &ClusterPlaces::default(), queue).ok().unwrap());
    assert_eq!(next(&told), (1, Err(ClusterError::Stopped)));
}

#[test]
fn no_more_requests_of_the_cluster_are_under_way_than_there_are_places_and_each_comes_back() {
    let (queue, sender, told) = replies();
    let places = ClusterPlaces::default();
    let caller = |number| Caller::new((number, sender.clone()), &places, queue.clone());
    let count = CLUSTER_REQUESTS_MAX as u64;
    let mut waiting: Vec<Caller> = (0..count).map(|number| caller(number).ok().unwrap()).collect();
    assert_eq!(caller(count).err().map(|(number, _)| number), Some(count));
    waiting.pop().unwrap().answer(Ok(ClusterAnswer::Done));
    assert_eq!(next(&told), (count - 1, Ok(ClusterAnswer::Done)));
    // The place is free a moment after the caller was told.
    let deadline = std::time::Instant::now() + WAIT_MAX;
    while caller(count).is_err() {
        assert!(std::time::Instant::now() < deadline, "the place did not come back");
        std::thread::yield_now();
    }
    drop(waiting);
}
