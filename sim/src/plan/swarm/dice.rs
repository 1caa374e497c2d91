//! The dice of one seed. Every draw has its own key, so that dropping a step of the plan moves nothing else.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::draw::{Stream, draw_duration, draw_within};

/// Rolls for one purpose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dice {
    seed: u64,
    stream: Stream,
}

impl Dice {
    pub(super) fn new(seed: u64, stream: Stream) -> Self {
        Self { seed, stream }
    }

    pub(super) fn within(&self, entity: &str, range: RangeInclusive<u64>) -> u64 {
        draw_within(range, self.seed, self.stream, entity, 0)
    }

    /// One of `several`, which are at least one.
    pub(super) fn pick<'a, T>(&self, entity: &str, several: &'a [T]) -> &'a T {
        let last = several.len().checked_sub(1).expect("there is something to pick");
        let place = usize::try_from(self.within(entity, 0..=last as u64));
        &several[place.expect("a place in memory is a usize")]
    }

    /// Yes, `percent` times of a hundred.
    pub(super) fn happens(&self, entity: &str, percent: u64) -> bool {
        self.within(entity, 1..=100) <= percent
    }

    pub(super) fn duration(&self, entity: &str, range: RangeInclusive<Duration>) -> Duration {
        draw_duration(range, self.seed, self.stream, entity, 0)
    }

    /// From `pivot / 2^below` to `2 * pivot`: as often a blink as a breakdown, since each doubling is as likely as the others.
    pub(super) fn around(&self, entity: &str, pivot: Duration, below: u32) -> Duration {
        let halvings = self.within(&format!("{entity}/order"), 0..=u64::from(below));
        let low = pivot / (1 << halvings);
        self.duration(entity, low..=low * 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_doubling_is_as_likely_as_the_others() {
        let pivot = Duration::from_secs(8);
        let drawn: Vec<Duration> =
            (0..1_000).map(|seed| Dice::new(seed, Stream::Fault).around("lasts", pivot, 3)).collect();
        assert!(drawn.iter().all(|drawn| (pivot / 8..=pivot * 2).contains(drawn)));
        for halvings in 0..=3 {
            let low = pivot / (1 << halvings);
            let times = drawn.iter().filter(|drawn| (low..low * 2).contains(drawn)).count();
            assert!((200..300).contains(&times), "{times} of 1,000 between {low:?} and its double");
        }
    }
}
