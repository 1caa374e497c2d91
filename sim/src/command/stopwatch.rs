//! Real time, for people only: no verdict depends on it.

use std::time::{Duration, Instant};

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
        Self { began: Instant::now(), had_worked: worked() }
    }

    /// The time since it was started.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// How long this process has worked since then, on all cores together; where the system does not say, all the time.
    pub(super) fn worked(&self) -> Duration {
        let worked = worked().zip(self.had_worked).map(|(now, then)| now.saturating_sub(then));
        worked.unwrap_or_else(|| self.elapsed())
    }
}

/// How long this process has worked, as Linux counts it: in hundredths of a second.
fn worked() -> Option<Duration> {
    let status = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets, and may have blanks; utime and stime are the 14th and the 15th.
    let fields: Vec<&str> = status.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}
