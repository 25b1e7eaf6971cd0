//! The reply queue and its thread, which does all sending to Erlang processes.
//!
//! One thread for each store, so that replies to one process keep their order and a fault stays with its store. It ends
//! when the last handle is gone.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use pando_store::{Outcome, Replies, StoreError};

use crate::beam::Beam;
use crate::caller::Caller;

/// Memory of the thread's stack.
const STACK_SIZE_BYTES: usize = 1024 * 1024;

enum Job<B: Beam> {
    Replies(Vec<(Caller<B>, Outcome)>),
    Unanswered(Caller<B>, StoreError),
    Panic,
}

/// A handle to the thread. The queue needs no bound of its own: each entry stands for an admitted command.
pub struct ReplyQueue<B: Beam> {
    jobs: Sender<Job<B>>,
}

impl<B: Beam> ReplyQueue<B> {
    /// Starts the thread of the store `name`. After a panic it tells `on_panic` and goes on, so that everybody who
    /// waits is still answered while the store halts.
    pub fn start(
        name: &str,
        on_panic: impl Fn(&str) + Send + 'static,
    ) -> std::io::Result<Arc<ReplyQueue<B>>> {
        let (jobs, incoming) = unbounded();
        std::thread::Builder::new().name(format!("pando-reply-{name}")).stack_size(STACK_SIZE_BYTES).spawn(
            move || {
                while let Err(panic) =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&incoming)))
                {
                    let text = panic.downcast_ref::<&str>().copied().unwrap_or("a panic without words");
                    on_panic(text);
                }
            },
        )?;
        Ok(Arc::new(ReplyQueue { jobs }))
    }

    /// Tells a caller that nobody answered.
    pub(crate) fn push_unanswered(&self, caller: Caller<B>, error: StoreError) {
        if let Err(refused) = self.jobs.send(Job::Unanswered(caller, error))
            && let Job::Unanswered(caller, _) = refused.into_inner()
        {
            // Without a reply thread nobody can be told. It ends only with the library.
            caller.dismiss();
        }
    }

    /// Makes the thread panic, to show what that does.
    pub fn provoke_panic(&self) {
        let _ = self.jobs.send(Job::Panic);
    }
}

fn run<B: Beam>(jobs: &Receiver<Job<B>>) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Replies(replies) => {
                for (caller, outcome) in replies {
                    caller.answer(outcome);
                }
            }
            Job::Unanswered(caller, error) => caller.answer(Err(error)),
            #[allow(clippy::panic, reason = "asked for, to test that stores survive it")]
            Job::Panic => panic!("provoked in the reply thread"),
        }
    }
}

/// The reply queue as a store sees it.
pub(crate) struct StoreReplies<B: Beam>(pub(crate) Arc<ReplyQueue<B>>);

impl<B: Beam> Replies<Caller<B>> for StoreReplies<B> {
    fn deliver(&self, replies: Vec<(Caller<B>, Outcome)>) {
        // Refused only when the thread is gone; the callers are then dropped, which is all that can be done.
        let _ = self.0.jobs.send(Job::Replies(replies));
    }
}
