//! Real time, for people only: no verdict depends on it.

use std::time::{Duration, Instant};

use crate::hunt::processor::worked;

/// How long something takes in reality.
pub(super) struct Stopwatch {
    began: Instant,
    /// How long this process had worked then, where the system says so.
    had_worked: Option<Duration>,
}

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a run took in reality is told to people, outside any world"
    )]
    pub(super) fn start() -> Self {
        Self { began: Instant::now(), had_worked: worked("self") }
    }

    /// The time since it was started.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// How long this process has worked since then, on all cores together; where the system does not say, all the time.
    pub(super) fn worked(&self) -> Duration {
        let worked = worked("self").zip(self.had_worked).map(|(now, then)| now.saturating_sub(then));
        worked.unwrap_or_else(|| self.elapsed())
    }
}
