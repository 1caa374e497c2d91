//! Real time, for people only: no verdict depends on it.

use std::time::{Duration, Instant};

/// How long something takes in reality.
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a run took in reality is told to people, outside any world"
    )]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
