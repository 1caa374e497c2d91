//! Durations as people write them: `1500ms`, `4s`, `1m 30s`, and ranges of them: `10ms..80ms`. So too numbers and rates.

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

/// A whole number, or a range from which the plan draws one: `1234` or `100..5000`, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NumberRange {
    /// The smallest.
    pub low: u64,
    /// The largest.
    pub high: u64,
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high { self.low.fmt(f) } else { write!(f, "{}..{}", self.low, self.high) }
    }
}

impl FromStr for NumberRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse().map_err(|_| format!("{text:?} is not a whole number"));
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let (low, high) = (number(low)?, number(high)?);
        if low > high {
            return Err(format!("{text:?} is an empty range: the larger number comes last"));
        }
        Ok(Self { low, high })
    }
}

impl Serialize for NumberRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.low == self.high { self.low.serialize(serializer) } else { serializer.collect_str(self) }
    }
}

impl<'de> Deserialize<'de> for NumberRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrRange;

        impl de::Visitor<'_> for NumberOrRange {
            type Value = NumberRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or a range of them")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<NumberRange, E> {
                Ok(NumberRange { low: number, high: number })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<NumberRange, E> {
                text.parse().map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(NumberOrRange)
    }
}

/// Bytes a second, written with their unit: `500B/s`, `10KB/s` (1,000 bytes), `64KiB/s` (1,024), `2MB/s`, `1MiB/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);

/// The unit that people expect first stands first.
const RATE_UNITS: [(&str, u64); 5] =
    [("MB/s", 1_000_000), ("MiB/s", 1 << 20), ("KB/s", 1_000), ("KiB/s", 1 << 10), ("B/s", 1)];

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = RATE_UNITS.into_iter().find(|(_, bytes)| self.0.is_multiple_of(*bytes));
        let (unit, bytes) = fits.unwrap_or(("B/s", 1));
        f.pad(&format!("{}{unit}", self.0 / bytes))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim().find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.trim().len());
        let (number, unit) = text.trim().split_at(digits);
        let number: Option<u64> = number.parse().ok();
        let bytes = RATE_UNITS.into_iter().find(|(known, _)| *known == unit.trim()).map(|(_, bytes)| bytes);
        number.zip(bytes).and_then(|(number, bytes)| number.checked_mul(bytes)).map(Self).ok_or_else(|| {
            format!("{text:?} is not a rate: write `10KB/s`; the units are B/s, KB/s, KiB/s, MB/s and MiB/s")
        })
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
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

    #[test]
    fn numbers_and_rates_read_as_they_print() {
        for text in ["0", "1234", "100..5000"] {
            assert_eq!(text.parse::<NumberRange>().unwrap().to_string(), text);
        }
        for (text, bytes) in [("1B/s", 1), ("10KB/s", 10_000), ("64KiB/s", 65_536), ("2MB/s", 2_000_000)] {
            assert_eq!(text.parse(), Ok(Rate(bytes)));
            assert_eq!(Rate(bytes).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_number_or_rate_says_why() {
        for (text, says) in [("9..1", "the larger number"), ("x..1", "\"x\" is not a whole"), ("-1", "whole")]
        {
            let error = text.parse::<NumberRange>().unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        for text in ["10", "KB/s", "10kb/s", "10 bytes", "99999999999999999999B/s", "-1B/s", ""] {
            assert!(text.parse::<Rate>().unwrap_err().contains("the units are"), "{text}");
        }
    }
}
