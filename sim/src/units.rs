//! Durations as people write them: `1500ms`, `4s`, `1m 30s`, and ranges of them: `10ms..80ms`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration, written with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text.trim())
            .map(Self)
            .map_err(|error| format!("{text:?} is not a duration: {error}"))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A duration, or a range from which the plan draws one: `4s` or `2s..8s`, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanRange {
    /// The shortest.
    pub low: Duration,
    /// The longest.
    pub high: Duration,
}

impl SpanRange {
    /// As std has it.
    pub fn inclusive(self) -> RangeInclusive<Duration> {
        self.low..=self.high
    }
}

impl fmt::Display for SpanRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            Span(self.low).fmt(f)
        } else {
            write!(f, "{}..{}", Span(self.low), Span(self.high))
        }
    }
}

impl FromStr for SpanRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (low, high) = match text.split_once("..") {
            None => {
                let Span(only) = text.parse()?;
                (only, only)
            }
            Some((low, high)) => (low.parse::<Span>()?.0, high.parse::<Span>()?.0),
        };
        if low > high {
            return Err(format!("{text:?} is an empty range: the longer duration comes last"));
        }
        Ok(Self { low, high })
    }
}

impl Serialize for SpanRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SpanRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_as_it_prints() {
        for text in ["4s", "10ms..80ms", "1m 30s..2m", "0s..1s 500ms", "1us..20ms"] {
            let range: SpanRange = text.parse().unwrap();
            assert_eq!(range.to_string().parse(), Ok(range), "{text}");
        }
    }

    #[test]
    fn a_range_with_equal_ends_is_one_duration() {
        assert_eq!("4s..4s".parse::<SpanRange>().unwrap().to_string(), "4s");
    }

    #[test]
    fn what_is_no_duration_says_what_is_missing() {
        let error = |text: &str| text.parse::<SpanRange>().unwrap_err();
        assert!(error("4").contains("time unit needed"), "{}", error("4"));
        assert!(error("4 parsecs").contains("supported units"), "{}", error("4 parsecs"));
        assert!(error("..4s").contains("value was empty"), "{}", error("..4s"));
        assert!(error("4s..2s").contains("the longer duration comes last"));
    }
}
