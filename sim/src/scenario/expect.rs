//! What the seeds of a scenario must show together.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::anomaly::Anomaly;

/// What the seeds of a scenario must show together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// The promise that must be broken: with at least one seed, and with no seed another.
    pub broken: Option<Anomaly>,
    /// How often each of these must come up over all seeds, broken or excused.
    pub counted: BTreeMap<Anomaly, Count>,
    /// Places of [`squall::reached::SITES`] that the program must reach, each with at least one seed.
    pub reached: Vec<&'static str>,
}

/// A number that is compared with a limit, as in `>0` or `==3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub limit: u64,
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Comparison {
    /// Every one of them; what begins like another comes first.
    const ALL: [(&'static str, Self); 5] = [
        ("==", Self::Equal),
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        (">", Self::Above),
        ("<", Self::Below),
    ];
}

impl Count {
    /// Whether `number` is as it should be.
    pub fn holds(self, number: u64) -> bool {
        match self.comparison {
            Comparison::Equal => number == self.limit,
            Comparison::Above => number > self.limit,
            Comparison::AtLeast => number >= self.limit,
            Comparison::Below => number < self.limit,
            Comparison::AtMost => number <= self.limit,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = Comparison::ALL.into_iter().find(|(_, comparison)| *comparison == self.comparison);
        write!(f, "{}{}", sign.map_or("", |(sign, _)| sign), self.limit)
    }
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no comparison: write `>0`, `>=1`, `==3`, `<5` or `<=5`");
        let (comparison, number) = Comparison::ALL
            .into_iter()
            .find_map(|(sign, comparison)| Some((comparison, text.trim().strip_prefix(sign)?)))
            .ok_or_else(wrong)?;
        let limit = number.trim().parse().map_err(|_| wrong())?;
        Ok(Self { comparison, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_reads_as_it_prints_and_means_what_it_says() {
        let holds = |text: &str| {
            let count: Count = text.parse().unwrap();
            assert_eq!(count.to_string().parse(), Ok(count));
            [1, 2, 3].map(|number| count.holds(number))
        };
        assert_eq!(holds("==2"), [false, true, false]);
        assert_eq!(holds(">2"), [false, false, true]);
        assert_eq!(holds(">= 2"), [false, true, true]);
        assert_eq!(holds("<2"), [true, false, false]);
        assert_eq!(holds("<=2"), [true, true, false]);
    }

    #[test]
    fn what_is_no_comparison_is_refused() {
        for text in ["", "2", ">", "=2", ">-1", "some", ">1.5", ">18446744073709551616"] {
            assert!(text.parse::<Count>().is_err(), "{text}");
        }
    }
}
