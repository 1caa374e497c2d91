//! Whether it is worth to poll something: it says `Pending` to a waker of its own, and is polled again only when that was
//! woken.
//!
//! A task is woken for many reasons. Who has a message to write need not look each time whether there is one to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// What is known of something that is polled.
pub(super) struct Readiness {
    state: Arc<State>,
    /// Sets the state to ready.
    waker: Waker,
}

struct State {
    ready: AtomicBool,
    /// The task that polls.
    task: AtomicWaker,
}

impl Wake for State {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Readiness {
    /// Of something that was not polled yet.
    pub(super) fn new() -> Self {
        let state = Arc::new(State { ready: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { waker: state.clone().into(), state }
    }

    /// Polls it, unless it has said `Pending` and nothing was heard of it since. The task is woken when it is to be polled
    /// again.
    pub(super) fn poll<T>(
        &self,
        context: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Registered before looking, so that what happens between the two is not missed.
        self.state.task.register(context.waker());
        if !self.state.ready.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let polled = poll(&mut Context::from_waker(&self.waker));
        if polled.is_ready() {
            self.state.ready.store(true, Ordering::Release);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a task finds that polls.
    struct Polls {
        readiness: Readiness,
        woken: Arc<Woken>,
        /// What was polled has left this.
        left: Option<Waker>,
    }

    impl Polls {
        fn new() -> Self {
            Self { readiness: Readiness::new(), woken: Arc::default(), left: None }
        }

        /// Whether it was polled; it says `Pending` then.
        fn is_polled(&mut self) -> bool {
            let waker = self.woken.clone().into();
            let mut polled = false;
            let answer: Poll<()> = self.readiness.poll(&Context::from_waker(&waker), |context| {
                polled = true;
                self.left = Some(context.waker().clone());
                Poll::Pending
            });
            assert!(answer.is_pending());
            polled
        }
    }

    #[test]
    fn what_is_pending_is_polled_again_when_it_was_woken() {
        let mut polls = Polls::new();
        assert!(polls.is_polled(), "nothing is known of it");
        assert!(!polls.is_polled());

        polls.left.take().unwrap().wake();

        assert_eq!(polls.woken.0.load(Ordering::Relaxed), 1);
        assert!(polls.is_polled());
        assert!(!polls.is_polled());
    }

    #[test]
    fn what_was_ready_is_polled_again() {
        let mut polls = Polls::new();
        let waker = polls.woken.clone().into();

        assert!(polls.readiness.poll(&Context::from_waker(&waker), |_| Poll::Ready(())).is_ready());

        assert!(polls.is_polled());
    }

    #[test]
    fn what_is_woken_while_it_is_polled_is_polled_again() {
        let mut polls = Polls::new();
        let waker = polls.woken.clone().into();

        let answer: Poll<()> = polls.readiness.poll(&Context::from_waker(&waker), |context| {
            context.waker().wake_by_ref();
            Poll::Pending
        });

        assert!(answer.is_pending());
        assert_eq!(polls.woken.0.load(Ordering::Relaxed), 1);
        assert!(polls.is_polled());
    }
}
