//! hyper's timers on [`Clock`], so that whoever owns the clock owns the timeouts of HTTP too.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use crate::engine::Time;
use crate::io::env::{BoxFuture, Clock};

/// A clock as hyper wants it.
#[derive(Clone)]
pub(in crate::io) struct HttpTimer {
    clock: Arc<dyn Clock>,
    /// What hyper is told for the birth of the clock. Which moment it is does not matter: only differences are used.
    birth: Instant,
}

impl HttpTimer {
    #[expect(clippy::disallowed_methods, reason = "std gives no other Instant to count from")]
    pub(in crate::io) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, birth: Instant::now() }
    }
}

impl Timer for HttpTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let until = Time::from_start(deadline.saturating_duration_since(self.birth));
        Box::pin(ClockSleep(Mutex::new(self.clock.sleep_until(until))))
    }

    fn now(&self) -> Instant {
        self.birth + self.clock.monotonic().since_start()
    }
}

/// A sleep that may be shared between threads, as hyper demands; it is never locked.
struct ClockSleep(Mutex<BoxFuture<()>>);

impl Sleep for ClockSleep {}

impl Future for ClockSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.get_mut().expect("no one panics while holding it").as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Env;

    #[tokio::test(start_paused = true)]
    async fn hyper_sleeps_by_the_clock() {
        let env = Env::tokio();
        let timer = HttpTimer::new(env.clock.clone());
        let start = env.clock.monotonic();

        timer.sleep(Duration::from_secs(10)).await;

        assert!(env.clock.monotonic().since(start) >= Duration::from_secs(10));
    }
}
