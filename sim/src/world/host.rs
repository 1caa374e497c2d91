//! One runtime of the backend: its clock, its timers and its tasks.
//!
//! Counts the tasks it is given, so that a task which someone spawned past it is found.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{EnterGuard, Handle};
use tokio::time::Instant;

use super::moment;

/// A handle: cheap to clone.
#[derive(Clone)]
pub(super) struct Host {
    handle: Handle,
    /// The runtime's time at the start of the run.
    zero: Instant,
    alive: Arc<AtomicU64>,
}

impl Host {
    /// The run starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the seam to the backend's paused clock")]
    pub(super) fn new(handle: Handle) -> Self {
        let zero = {
            let _inside = handle.enter();
            Instant::now()
        };
        Self { handle, zero, alive: Arc::default() }
    }

    /// Makes what needs a runtime possible outside of one: to create timers, above all.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Virtual time, as this runtime has it. Only within a task of it.
    #[expect(clippy::disallowed_methods, reason = "this is the seam to the backend's paused clock")]
    pub(super) fn now(&self) -> Duration {
        Instant::now().duration_since(self.zero)
    }

    /// Ends when virtual time has reached `until`, rounded up to a millisecond, the grain of tokio's timers.
    #[expect(clippy::disallowed_methods, reason = "this is the seam to the backend's paused clock")]
    pub(super) fn sleep_until(&self, until: Duration) -> impl Future<Output = ()> + Send + 'static {
        let sleep = self.zero.checked_add(until).map(tokio::time::sleep_until);
        async {
            match sleep {
                Some(sleep) => sleep.await,
                // Past the end of time.
                None => std::future::pending().await,
            }
        }
    }

    /// Runs a future as a task of this runtime. It ends with the run at the latest.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.alive.fetch_add(1, Ordering::Relaxed);
        drop(self.handle.spawn(Task { future: Box::pin(future), host: self.clone() }));
    }

    /// How many tasks of this runtime nobody spawned through it.
    pub(super) fn strays(&self) -> u64 {
        let alive = self.handle.metrics().num_alive_tasks() as u64;
        alive.saturating_sub(self.alive.load(Ordering::Relaxed))
    }
}

struct Task<F> {
    future: Pin<Box<F>>,
    host: Host,
}

impl<F: Future<Output = ()>> Future for Task<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        moment::set(self.host.now());
        self.future.as_mut().poll(context)
    }
}

impl<F> Drop for Task<F> {
    fn drop(&mut self) {
        self.host.alive.fetch_sub(1, Ordering::Relaxed);
    }
}
