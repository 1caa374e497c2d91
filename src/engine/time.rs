//! A moment that can be printed, stored and replayed, which std's `Instant` cannot.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// A moment, counted from the birth of the clock that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(Duration);

impl Time {
    /// The birth of the clock.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment `elapsed` after the birth of the clock.
    pub const fn from_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after the birth of the clock this is.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates: a deadline past the end of time is never reached.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0.as_secs(), self.0.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_overflow() {
        let end = Time::from_start(Duration::MAX);

        assert_eq!(Time::from_start(Duration::from_secs(1)) + Duration::MAX, end);
        assert_eq!(end + Duration::MAX, end);
    }

    #[test]
    fn what_is_later_is_no_time_ago() {
        let (early, late) =
            (Time::from_start(Duration::from_secs(1)), Time::from_start(Duration::from_secs(3)));

        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn time_reads_as_seconds() {
        assert_eq!(Time::from_start(Duration::from_micros(12_034_567)).to_string(), "12.034s");
    }
}
