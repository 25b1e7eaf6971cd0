//! The reply queue and its thread, which does all sending to Erlang processes.
//!
//! One thread for each store, so that replies to one process keep their order and a fault stays with its store. It ends
//! when the last handle is gone.
//!
//! A few replies are sent by the thread that has them, if nothing is before them in the queue: to wake another thread
//! would take longer, and a single caller would wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use pando_store::cluster::{ClusterAnswer, ClusterError};
use pando_store::{Outcome, Replies, StoreError};

use crate::beam::Beam;
use crate::caller::Caller;
use crate::cluster_caller::ClusterPlace;

/// Replies that are not worth waking a thread for.
const DIRECT_REPLIES_MAX: usize = 4;
/// Memory of the thread's stack.
const STACK_SIZE_BYTES: usize = 1024 * 1024;

enum Job<B: Beam> {
    Replies(Vec<(Caller<B>, Outcome)>),
    Unanswered(Caller<B>, StoreError),
    Cluster(B::Address, Result<ClusterAnswer, ClusterError>, ClusterPlace),
    Panic,
}

/// A handle to the thread. The queue needs no bound of its own: each entry stands for an admitted command, a waiter, or the
/// place of a request of the cluster.
pub struct ReplyQueue<B: Beam> {
    jobs: Sender<Job<B>>,
    /// Jobs that are queued or being worked on: with none, whoever sends directly overtakes nobody.
    unfinished: Arc<AtomicUsize>,
}

impl<B: Beam> ReplyQueue<B> {
    /// Starts the thread of the store `name`. After a panic it tells `on_panic` and goes on, so that everybody who
    /// waits is still answered while the store halts.
    pub fn start(
        name: &str,
        on_panic: impl Fn(&str) + Send + 'static,
    ) -> std::io::Result<Arc<ReplyQueue<B>>> {
        let (jobs, incoming) = unbounded();
        let unfinished = Arc::new(AtomicUsize::new(0));
        let counter = unfinished.clone();
        std::thread::Builder::new().name(format!("pando-reply-{name}")).stack_size(STACK_SIZE_BYTES).spawn(
            move || {
                while let Err(panic) =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&incoming, &counter)))
                {
                    let text = panic.downcast_ref::<&str>().copied().unwrap_or("a panic without words");
                    on_panic(text);
                }
            },
        )?;
        Ok(Arc::new(ReplyQueue { jobs, unfinished }))
    }

    fn push(&self, job: Job<B>) -> Result<(), Job<B>> {
        self.unfinished.fetch_add(1, Ordering::AcqRel);
        self.jobs.send(job).map_err(|refused| {
            self.unfinished.fetch_sub(1, Ordering::AcqRel);
            refused.into_inner()
        })
    }

    fn deliver(&self, replies: Vec<(Caller<B>, Outcome)>) {
        let is_idle = self.unfinished.load(Ordering::Acquire) == 0;
        if is_idle && replies.len() <= DIRECT_REPLIES_MAX && !B::is_scheduler() {
            answer_all(replies);
        } else {
            // Refused only when the thread is gone; the callers are then dropped, which is all that can be done.
            let _ = self.push(Job::Replies(replies));
        }
    }

    /// Tells a caller that nobody answered.
    pub(crate) fn push_unanswered(&self, caller: Caller<B>, error: StoreError) {
        if let Err(Job::Unanswered(caller, _)) = self.push(Job::Unanswered(caller, error)) {
            // Without a reply thread nobody can be told. It ends only with the library.
            caller.dismiss();
        }
    }

    /// Tells a caller what became of its request of the cluster; its place is free then.
    pub(crate) fn push_cluster_reply(
        &self,
        address: B::Address,
        result: Result<ClusterAnswer, ClusterError>,
        place: ClusterPlace,
    ) {
        // Refused only when the thread is gone: nobody can be told then.
        let _ = self.push(Job::Cluster(address, result, place));
    }

    /// Makes the thread panic, to show what that does.
    pub fn provoke_panic(&self) {
        let _ = self.push(Job::Panic);
    }
}

fn answer_all<B: Beam>(replies: Vec<(Caller<B>, Outcome)>) {
    B::in_batch(|| {
        for (caller, outcome) in replies {
            caller.answer(outcome);
        }
    });
}

/// One job less, also when it panics.
struct Finished<'counter>(&'counter AtomicUsize);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn run<B: Beam>(jobs: &Receiver<Job<B>>, unfinished: &AtomicUsize) {
    while let Ok(job) = jobs.recv() {
        let _finished = Finished(unfinished);
        match job {
            Job::Replies(replies) => answer_all(replies),
            Job::Unanswered(caller, error) => caller.answer(Err(error)),
            Job::Cluster(address, result, _place) => B::cluster_reply(address, result),
            #[allow(clippy::panic, reason = "asked for, to test that stores survive it")]
            Job::Panic => panic!("provoked in the reply thread"),
        }
    }
}

/// The reply queue as a store sees it.
pub(crate) struct StoreReplies<B: Beam>(pub(crate) Arc<ReplyQueue<B>>);

impl<B: Beam> Replies<Caller<B>> for StoreReplies<B> {
    fn deliver(&self, replies: Vec<(Caller<B>, Outcome)>) {
        self.0.deliver(replies);
    }
}
