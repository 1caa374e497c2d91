//! What a process takes from its world: clock, entropy, tasks and blocking work.
//!
//! Production is [`Env::tokio`]. A simulation brings its own, and so owns time and chance.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::engine::{Entropy, Time};

pub(super) mod http_timer;
mod system;

/// A boxed future, as the seams need it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Time.
pub trait Clock: Send + Sync {
    /// For timers: never jumps, never runs backwards.
    fn monotonic(&self) -> Time;
    /// For dates that people read and timestamps that are stored: may jump either way.
    fn wall(&self) -> SystemTime;
    /// Ends when [`Clock::monotonic`] has reached `until`.
    fn sleep_until(&self, until: Time) -> BoxFuture<()>;
}

/// Tasks.
pub trait Spawn: Send + Sync {
    /// Runs a future to its end, or until the process dies.
    fn spawn(&self, future: BoxFuture<()>);
}

/// Work that blocks, such as a commit.
pub trait Blocking: Send + Sync {
    /// Runs a job; jobs of one process run one at a time, in order. The future ends after the job, and ends with nothing
    /// done only if the process dies.
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()>;
}

/// What a process takes from its world.
#[derive(Clone)]
pub struct Env {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Tasks.
    pub spawn: Arc<dyn Spawn>,
    /// Work that blocks.
    pub blocking: Arc<dyn Blocking>,
}

impl Env {
    /// The operating system and the tokio runtime this is called in. Blocking work has one thread of its own, which ends
    /// with the last clone.
    ///
    /// # Panics
    /// Outside a tokio runtime, or where the operating system gives no thread.
    pub fn tokio() -> Self {
        Self {
            clock: Arc::new(system::TokioClock::new()),
            entropy: Arc::new(system::SystemEntropy),
            spawn: Arc::new(system::TokioSpawn::new()),
            blocking: Arc::new(system::BlockingThread::new()),
        }
    }

    /// Runs a future as a task.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn.spawn(Box::pin(future));
    }

    /// Ends after `duration`.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.clock.sleep_until(self.clock.monotonic() + duration)
    }

    /// Runs blocking work and gives its result; `None` if the process is dying.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = tokio::sync::oneshot::channel();
        self.blocking
            .run(Box::new(move || {
                // The waiter may be gone; the work is done all the same.
                drop(done.send(job()));
            }))
            .await;
        result.await.ok()
    }
}
