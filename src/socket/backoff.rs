//! When to try again: exponential backoff with jitter, as documented for the official client.

use std::time::Duration;

use crate::engine::Entropy;

/// How a client reconnects. The names, defaults and meanings are the official client's.
#[derive(Debug, Clone, PartialEq)]
pub struct ReconnectOptions {
    /// Whether to reconnect at all.
    pub reconnection: bool,
    /// After how many failed attempts to give up; `None` is never.
    pub reconnection_attempts: Option<u32>,
    /// The delay before the first attempt, before jitter.
    pub reconnection_delay: Duration,
    /// The longest delay, after jitter.
    pub reconnection_delay_max: Duration,
    /// How much of the delay jitter may add or take, from 0 to 1.
    pub randomization_factor: f64,
}

impl Default for ReconnectOptions {
    /// Always; from 1 s to 5 s, by half.
    fn default() -> Self {
        Self {
            reconnection: true,
            reconnection_attempts: None,
            reconnection_delay: Duration::from_secs(1),
            reconnection_delay_max: Duration::from_secs(5),
            randomization_factor: 0.5,
        }
    }
}

/// The attempts of one outage.
#[derive(Debug)]
pub struct Backoff {
    delay: Duration,
    delay_max: Duration,
    randomization_factor: f64,
    attempts: u32,
}

impl Backoff {
    /// No attempt was made.
    pub fn new(options: &ReconnectOptions) -> Self {
        Self {
            delay: options.reconnection_delay,
            delay_max: options.reconnection_delay_max,
            randomization_factor: options.randomization_factor,
            attempts: 0,
        }
    }

    /// Counts an attempt and says how long to wait before it: `delay * 2^attempts`, more or less up to
    /// `randomization_factor` of that, at most `delay_max`; in whole milliseconds.
    pub fn next_delay(&mut self, entropy: &dyn Entropy) -> Duration {
        let base = self.delay.saturating_mul(2_u32.saturating_pow(self.attempts));
        self.attempts = self.attempts.saturating_add(1);
        let millis = self.jittered(base.as_millis() as f64, entropy).min(self.delay_max.as_millis() as f64);
        // The cast saturates: no factor that a user may have set, NaN included, gives more than a wrong delay. The second
        // cap is for a maximum so long that an `f64` rounds it up.
        Duration::from_millis(millis as u64).min(self.delay_max)
    }

    /// One draw decides both how far and which way, as in the reference implementation: an even first decimal shortens.
    fn jittered(&self, millis: f64, entropy: &dyn Entropy) -> f64 {
        if self.randomization_factor == 0.0 {
            return millis;
        }
        let draw = unit(entropy);
        let deviation = (draw * self.randomization_factor * millis).floor();
        let first_decimal = (draw * 10.0) as u32;
        if first_decimal.is_multiple_of(2) { millis - deviation } else { millis + deviation }
    }

    /// How many attempts were counted.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Forgets them: the connection is back.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// Uniform from 0 to 1, 1 excluded: 53 bits, all that an `f64` can tell apart there.
fn unit(entropy: &dyn Entropy) -> f64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Always, counting};
    use super::*;
    use proptest::prelude::*;

    fn delays(options: &ReconnectOptions, draw: f64, count: usize) -> Vec<u128> {
        let mut backoff = Backoff::new(options);
        (0..count).map(|_| backoff.next_delay(&Always(draw)).as_millis()).collect()
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let options = ReconnectOptions { randomization_factor: 0.0, ..ReconnectOptions::default() };

        assert_eq!(delays(&options, 0.9, 5), [1_000, 2_000, 4_000, 5_000, 5_000]);
    }

    #[test]
    fn an_even_first_decimal_shortens_and_an_odd_one_lengthens() {
        let options = ReconnectOptions::default();

        assert_eq!(delays(&options, 0.25, 3), [875, 1_750, 3_500]);
        assert_eq!(delays(&options, 0.75, 3), [1_375, 2_750, 5_000]);
    }

    #[test]
    fn the_cap_comes_after_the_jitter() {
        let options =
            ReconnectOptions { reconnection_delay: Duration::from_secs(8), ..ReconnectOptions::default() };

        assert_eq!(delays(&options, 0.875, 1), [4_500], "8 s less 3.5 s is below the cap of 5 s");
    }

    #[test]
    fn the_longest_delay_is_kept_to_the_millisecond() {
        let max = Duration::from_millis((1 << 53) + 3);
        let options = ReconnectOptions {
            reconnection_delay: Duration::MAX,
            reconnection_delay_max: max,
            randomization_factor: 0.0,
            ..ReconnectOptions::default()
        };

        assert_eq!(delays(&options, 0.0, 1), [max.as_millis()]);
    }

    #[test]
    fn a_reset_starts_over() {
        let options = ReconnectOptions { randomization_factor: 0.0, ..ReconnectOptions::default() };
        let mut backoff = Backoff::new(&options);
        backoff.next_delay(&Always(0.0));
        backoff.next_delay(&Always(0.0));
        assert_eq!(backoff.attempts(), 2);

        backoff.reset();

        assert_eq!(backoff.attempts(), 0);
        assert_eq!(backoff.next_delay(&Always(0.0)), Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn no_options_overflow(delay in any::<Duration>(), max in any::<Duration>(), factor in any::<f64>()) {
            let entropy = counting();
            let mut backoff = Backoff::new(&ReconnectOptions {
                reconnection_delay: delay,
                reconnection_delay_max: max,
                randomization_factor: factor,
                ..ReconnectOptions::default()
            });
            for _ in 0..1_100 {
                prop_assert!(backoff.next_delay(&*entropy) <= max);
            }
        }
    }
}
