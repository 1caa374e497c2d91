//! One deadline, as the machines ask for it: in goes `Wait { until }`, out comes the moment to say `TimedOut`.

use std::future;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::engine::Time;

use super::env::{BoxFuture, Clock};
use super::readiness::Readiness;

/// A timer that is set again and again.
pub(super) struct Alarm {
    clock: Arc<dyn Clock>,
    until: Option<Time>,
    /// The timer, once someone waits for it.
    sleep: Option<(BoxFuture<()>, Readiness)>,
}

impl Alarm {
    /// An alarm that is not set.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, until: None, sleep: None }
    }

    /// Sets it, or switches it off. To set it to the same moment again costs nothing.
    pub(super) fn set(&mut self, until: Option<Time>) {
        if until != self.until {
            self.until = until;
            self.sleep = None;
        }
    }

    /// Ends when the moment has come; never while the alarm is off. May be dropped and asked again.
    pub(super) async fn expired(&mut self) {
        future::poll_fn(|context| self.poll_expired(context)).await;
    }

    /// Ready when the moment has come; never while the alarm is off.
    pub(super) fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.until else { return Poll::Pending };
        let (sleep, readiness) =
            self.sleep.get_or_insert_with(|| (self.clock.sleep_until(until), Readiness::new()));
        ready!(readiness.poll(context, |context| sleep.as_mut().poll(context)));
        // Rings once: whoever set it must say when it rings next.
        self.set(None);
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::io::Env;

    #[tokio::test(start_paused = true)]
    async fn the_last_deadline_counts() {
        let env = Env::tokio();
        let start = env.clock.monotonic();
        let mut alarm = Alarm::new(env.clock.clone());

        alarm.set(Some(start + Duration::from_secs(1)));
        assert_eq!(alarm.expired().now_or_never(), None);
        alarm.set(Some(start + Duration::from_secs(5)));
        alarm.expired().await;

        assert!(env.clock.monotonic().since(start) >= Duration::from_secs(5));
        assert_eq!(alarm.expired().now_or_never(), None, "it rings once");
    }
}
