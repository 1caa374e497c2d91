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
pub struct Backoff {}

impl Backoff {
    /// No attempt was made.
    pub fn new(_options: &ReconnectOptions) -> Self {
        todo!()
    }

    /// Counts an attempt and says how long to wait before it: `delay * 2^attempts`, more or less up to
    /// `randomization_factor` of that, at most `delay_max`.
    pub fn next_delay(&mut self, _entropy: &dyn Entropy) -> Duration {
        todo!()
    }

    /// How many attempts were counted.
    pub fn attempts(&self) -> u32 {
        todo!()
    }

    /// Forgets them: the connection is back.
    pub fn reset(&mut self) {
        todo!()
    }
}
