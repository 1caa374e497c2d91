//! Counts what still runs, so that a shutdown knows when it is done.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The tasks of a server that must end before it is shut down. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Tasks(Arc<Running>);

#[derive(Debug, Default)]
struct Running {
    count: AtomicUsize,
    idle: Notify,
}

/// A task that runs, until this is dropped.
#[derive(Debug)]
pub(super) struct Task(Arc<Running>);

impl Tasks {
    /// One more.
    pub(super) fn start(&self) -> Task {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        Task(self.0.clone())
    }

    /// Ends when none runs.
    pub(super) async fn idle(&self) {
        loop {
            let mut idle = pin!(self.0.idle.notified());
            idle.as_mut().enable();
            if self.0.count.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn idle_when_the_last_one_has_ended() {
        let tasks = Tasks::default();
        let (one, two) = (tasks.start(), tasks.start());
        let mut idle = Box::pin(tasks.idle());

        drop(one);
        assert!((&mut idle).now_or_never().is_none());
        drop(two);
        assert!(idle.now_or_never().is_some());
    }
}
