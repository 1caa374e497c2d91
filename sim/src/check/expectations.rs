//! What all seeds of a scenario must show together, judged in one place.
//!
//! In: what a scenario expects, and what was observed over its seeds. Out: what is not as expected. Knows no run.

use std::collections::BTreeMap;
use std::fmt;

use super::Anomaly;
use crate::reach::Reached;
use crate::scenario::{Count, Expect};

/// What a scenario expects; nothing, for a plan that stands alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectations(Expect);

/// What was observed over all seeds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The broken promise that leads, of each seed that broke one.
    pub broken: BTreeMap<u64, Anomaly>,
    /// How often each anomaly came up, broken or excused: [`super::Judgement::counts`], summed.
    pub counted: BTreeMap<Anomaly, u64>,
    /// The places that were reached.
    pub reached: Reached,
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmet {
    /// A promise was broken, and not the one that was to be.
    Broken {
        /// With which seed; the lowest.
        seed: u64,
        /// Which.
        anomaly: Anomaly,
        /// The one that was to be, if one was.
        expected: Option<Anomaly>,
    },
    /// A promise that was to be broken was not, with any seed.
    NotFound {
        /// Which.
        anomaly: Anomaly,
    },
    /// Something came up too often, or not often enough.
    Counted {
        /// What.
        anomaly: Anomaly,
        /// How often it did.
        times: u64,
        /// How often it was to.
        expected: Count,
    },
    /// A place was reached with no seed.
    NotReached {
        /// Which.
        place: &'static str,
    },
}

impl From<Expect> for Expectations {
    fn from(expect: Expect) -> Self {
        Self(expect)
    }
}

impl Expectations {
    /// What is not as expected, the worst first; nothing where all is.
    pub fn judge(&self, observed: &Observed) -> Vec<Unmet> {
        let Expect { broken: expected, counted, reached } = &self.0;
        let mut unmet = Vec::new();
        let other = observed.broken.iter().find(|(_, anomaly)| Some(**anomaly) != *expected);
        if let Some((seed, anomaly)) = other {
            unmet.push(Unmet::Broken { seed: *seed, anomaly: *anomaly, expected: *expected });
        }
        let is_found = |anomaly: &Anomaly| observed.broken.values().any(|broken| broken == anomaly);
        let not_found = expected.iter().copied().filter(|anomaly| !is_found(anomaly));
        unmet.extend(not_found.map(|anomaly| Unmet::NotFound { anomaly }));
        for (anomaly, expected) in counted {
            let times = observed.counted.get(anomaly).copied().unwrap_or_default();
            if !expected.holds(times) {
                unmet.push(Unmet::Counted { anomaly: *anomaly, times, expected: *expected });
            }
        }
        let not_reached = reached.iter().filter(|place| observed.reached.times(place) == 0);
        unmet.extend(not_reached.map(|place| Unmet::NotReached { place }));
        unmet
    }

    /// Whether this promise is to be broken: a seed that breaks it is as it should be.
    pub fn expects_broken(&self, anomaly: Anomaly) -> bool {
        self.0.broken == Some(anomaly)
    }
}

impl Unmet {
    /// Whether a promise was broken; if not, the seeds only did not prove what they were to.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { seed, anomaly, expected: None } => write!(f, "{anomaly} (seed {seed})"),
            Self::Broken { seed, anomaly, expected: Some(expected) } => {
                write!(f, "{anomaly} (seed {seed}), where the scenario expects {expected}")
            }
            Self::NotFound { anomaly } => {
                write!(f, "no seed broke what the scenario expects to be broken: {anomaly}")
            }
            Self::Counted { anomaly, times, expected } => {
                write!(f, "{anomaly} came up {times} times, where the scenario expects {expected}")
            }
            Self::NotReached { place } => write!(f, "no seed reached {place}, which the scenario expects"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(broken: &[(u64, Anomaly)], counted: &[(Anomaly, u64)]) -> Observed {
        Observed {
            broken: broken.iter().copied().collect(),
            counted: counted.iter().copied().collect(),
            reached: [("chat.repeat", 1)].into_iter().collect(),
        }
    }

    fn expect(
        broken: Option<Anomaly>,
        counted: &[(Anomaly, &str)],
        reached: &[&'static str],
    ) -> Expectations {
        let counted = counted.iter().map(|(anomaly, count)| (*anomaly, count.parse().unwrap())).collect();
        Expect { broken, counted, reached: reached.to_vec() }.into()
    }

    #[test]
    fn where_nothing_is_expected_no_promise_may_be_broken() {
        let nothing = Expectations::default();
        assert_eq!(nothing.judge(&observed(&[], &[(Anomaly::Lost, 3)])), []);
        let unmet = nothing.judge(&observed(&[(7, Anomaly::Lost), (9, Anomaly::Skip)], &[]));
        assert_eq!(unmet, [Unmet::Broken { seed: 7, anomaly: Anomaly::Lost, expected: None }]);
        assert!(unmet[0].is_broken());
    }

    #[test]
    fn what_is_to_be_broken_must_be_and_nothing_else() {
        let reorder = expect(Some(Anomaly::SenderReorder), &[], &[]);
        assert_eq!(reorder.judge(&observed(&[(3, Anomaly::SenderReorder)], &[])), []);
        let not_found = reorder.judge(&observed(&[], &[]));
        assert_eq!(not_found, [Unmet::NotFound { anomaly: Anomaly::SenderReorder }]);
        assert!(!not_found[0].is_broken());
        let another = reorder.judge(&observed(&[(3, Anomaly::SenderReorder), (5, Anomaly::Lost)], &[]));
        assert_eq!(another[0].to_string(), "lost (seed 5), where the scenario expects sender reorder");
        assert_eq!(another.len(), 1);
    }

    #[test]
    fn counts_and_places_are_of_all_seeds_together() {
        let lossy =
            expect(None, &[(Anomaly::Lost, ">0"), (Anomaly::DuplicateDelivery, "==0")], &["chat.repeat"]);
        assert_eq!(lossy.judge(&observed(&[], &[(Anomaly::Lost, 3)])), []);
        let unmet = lossy.judge(&Observed::default());
        let says: Vec<String> = unmet.iter().map(ToString::to_string).collect();
        assert_eq!(
            says,
            [
                "lost came up 0 times, where the scenario expects >0",
                "no seed reached chat.repeat, which the scenario expects",
            ]
        );
    }
}
