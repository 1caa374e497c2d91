//! When TCP sends again what nobody acknowledged, and when it gives up.

use std::time::Duration;

/// What TCP waits before it sends again what nobody acknowledged (Linux: at least this, whatever the round trip); doubles.
const TIMEOUT: Duration = Duration::from_millis(200);

/// The longest that it grows (Linux: `TCP_RTO_MAX`).
const TIMEOUT_MAX: Duration = Duration::from_secs(120);

/// How long after the first transmission the connection is given up (Linux: `tcp_retries2` 15, with these timeouts).
const GIVES_UP_AFTER: Duration = Duration::from_millis(924_600);

/// The transmissions of one thing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transmissions {
    first: Duration,
    last: Duration,
    timeout: Duration,
}

impl Transmissions {
    /// It was sent for the first time at `first`.
    pub(super) fn new(first: Duration) -> Self {
        Self { first, last: first, timeout: TIMEOUT }
    }

    /// The next transmission that is at or after `from`. None when TCP has given up before.
    pub(super) fn next(&mut self, from: Duration) -> Option<Duration> {
        loop {
            self.last += self.timeout;
            self.timeout = (self.timeout * 2).min(TIMEOUT_MAX);
            if self.last >= self.gives_up_at() {
                return None;
            }
            if self.last >= from {
                return Some(self.last);
            }
        }
    }

    /// When TCP gives up.
    pub(super) fn gives_up_at(&self) -> Duration {
        self.first + GIVES_UP_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn retransmissions_come_200_ms_after_the_first_sending_and_double() {
        for (healed, at) in
            [(1000, 1200), (1200, 1200), (1201, 1600), (1601, 2400), (2401, 4000), (4001, 7200)]
        {
            let next = Transmissions::new(ms(1000)).next(ms(healed));
            assert_eq!(next, Some(ms(at)), "healed at {healed} ms");
        }
    }

    #[test]
    fn each_that_is_lost_doubles_the_wait_for_the_next_up_to_two_minutes() {
        let mut transmissions = Transmissions::new(Duration::ZERO);

        let times: Vec<Duration> = std::iter::from_fn(|| transmissions.next(Duration::ZERO)).collect();

        assert_eq!(times[..4], [ms(200), ms(600), ms(1400), ms(3000)]);
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert_eq!(longest, Some(TIMEOUT_MAX));
    }

    #[test]
    fn a_quarter_of_an_hour_and_15_retransmissions_later_tcp_gives_up() {
        let mut transmissions = Transmissions::new(ms(1000));

        assert_eq!(std::iter::from_fn(|| transmissions.next(Duration::ZERO)).count(), 15);
        assert_eq!(transmissions.gives_up_at(), ms(925_600));
    }
}
