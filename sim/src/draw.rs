//! Keyed draws: chance as a pure function of what it is for.
//!
//! A draw depends on its key alone, never on how many draws came before it. So removing one step of a plan, or adding a
//! feature, moves no other draw.

use std::ops::RangeInclusive;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What chance is for. Each purpose has its own stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Times and sizes of the workload.
    Work,
    /// Times and lengths of faults.
    Fault,
    /// Latency of a chunk on a link.
    Latency,
    /// Whether a transmission is lost.
    Loss,
    /// Latency of an fsync.
    Fsync,
    /// What a loss of power leaves.
    Power,
    /// Random bytes of a process.
    Entropy,
    /// What a sabotage does.
    Sabotage,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Fault => "fault",
            Self::Latency => "latency",
            Self::Loss => "loss",
            Self::Fsync => "fsync",
            Self::Power => "power",
            Self::Entropy => "entropy",
            Self::Sabotage => "sabotage",
        }
    }
}

/// The `n`-th draw of a stream for one entity: 64 uniform bits.
pub fn draw(seed: u64, stream: Stream, entity: &str, n: u64) -> u64 {
    let mut key = Vec::with_capacity(64);
    for part in [stream.name(), entity] {
        key.extend_from_slice(part.as_bytes());
        key.push(0);
    }
    key.extend_from_slice(&n.to_le_bytes());
    // xxh3 is a specified hash: a draw is the same in every version of every dependency.
    xxh3_64_with_seed(&key, seed)
}

/// A whole number within `range`, both ends included.
pub fn draw_within(range: RangeInclusive<u64>, seed: u64, stream: Stream, entity: &str, n: u64) -> u64 {
    let (low, high) = range.into_inner();
    assert!(low <= high, "an empty range has nothing to draw");
    let width = u128::from(high - low) + 1;
    let scaled = (u128::from(draw(seed, stream, entity, n)) * width) >> 64;
    low + u64::try_from(scaled).expect("a product of 64 bits and 65 bits, shifted by 64, is below the width")
}

/// A duration within `range`, in whole microseconds, both ends included.
pub fn draw_duration(
    range: RangeInclusive<Duration>,
    seed: u64,
    stream: Stream,
    entity: &str,
    n: u64,
) -> Duration {
    let micros = |duration: &Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(draw_within(micros(range.start())..=micros(range.end()), seed, stream, entity, n))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_draw_is_the_same_for_ever() {
        // Saved seeds mean what they meant only while these hold.
        assert_eq!(draw(1, Stream::Work, "alice", 0), 8_389_674_736_491_144_649);
        assert_eq!(draw(u64::MAX, Stream::Fault, "", 7), 7_032_039_000_150_865_075);
    }

    #[test]
    fn each_part_of_the_key_matters() {
        let draws = [
            draw(1, Stream::Work, "alice", 0),
            draw(2, Stream::Work, "alice", 0),
            draw(1, Stream::Fault, "alice", 0),
            draw(1, Stream::Work, "bob", 0),
            draw(1, Stream::Work, "alice", 1),
        ];
        let distinct: std::collections::BTreeSet<u64> = draws.into();
        assert_eq!(distinct.len(), draws.len());
    }

    #[test]
    fn a_draw_reaches_both_ends_of_its_range() {
        let drawn: std::collections::BTreeSet<u64> =
            (0..100).map(|n| draw_within(3..=5, 1, Stream::Work, "", n)).collect();
        assert_eq!(drawn, [3, 4, 5].into());
    }

    proptest! {
        #[test]
        fn a_draw_stays_within_its_range(a: u64, b: u64, seed: u64, n: u64) {
            let range = a.min(b)..=a.max(b);
            prop_assert!(range.contains(&draw_within(range.clone(), seed, Stream::Work, "x", n)));
        }
    }
}
