//! How often faults touched traffic, by kind.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::{FaultAct, Plan};

/// The name of a fault's kind, as scenarios have it.
pub fn fault_kind(act: &FaultAct) -> &'static str {
    act.kind().as_str()
}

/// How often each kind of fault touched traffic. A kind that is planned and touched nothing is in it with zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched(BTreeMap<Cow<'static, str>, u64>);

impl Touched {
    /// Of one run: how often each fault of its plan, by place, touched traffic.
    pub fn of(plan: &Plan, touched: &BTreeMap<usize, u64>) -> Self {
        let mut kinds = BTreeMap::new();
        for (place, fault) in plan.faults.iter().enumerate() {
            let kind = Cow::Borrowed(fault_kind(&fault.what));
            *kinds.entry(kind).or_default() += touched.get(&place).copied().unwrap_or(0);
        }
        Self(kinds)
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            *self.0.entry(kind.clone()).or_default() += count;
        }
    }

    /// The kinds that were planned, and whether they touched traffic.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.iter().map(|(kind, count)| (&**kind, *count > 0))
    }

    /// The kinds that were planned and touched nothing: they prove nothing.
    pub fn idle(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, count)| **count == 0).map(|(kind, _)| &**kind)
    }
}

impl FromIterator<(&'static str, u64)> for Touched {
    fn from_iter<I: IntoIterator<Item = (&'static str, u64)>>(kinds: I) -> Self {
        Self(kinds.into_iter().map(|(kind, count)| (Cow::Borrowed(kind), count)).collect())
    }
}

impl fmt::Display for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.pad("none");
        }
        let kinds: Vec<String> = self.0.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        f.pad(&kinds.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::planted::plan;
    use crate::plan::{Connections, Fault};

    fn fault(what: FaultAct) -> Fault {
        Fault { at: Duration::ZERO.into(), lasts: None, what }
    }

    #[test]
    fn faults_are_counted_by_kind_and_those_that_touched_nothing_are_named() {
        let between = || Connections { connection: None, between: ["alice".into(), "server".into()] };
        let mut plan = plan();
        plan.faults = vec![
            fault(FaultAct::Reset(between())),
            fault(FaultAct::Kill("server".into())),
            fault(FaultAct::Reset(between())),
        ];

        let mut touched = Touched::of(&plan, &BTreeMap::from([(0, 2), (2, 3)]));
        assert_eq!(
            (touched.to_string(), touched.idle().collect::<Vec<_>>()),
            ("kill 0, reset 5".to_owned(), vec!["kill"])
        );

        touched.add(&Touched::of(&plan, &BTreeMap::from([(1, 1)])));
        assert_eq!((touched.to_string(), touched.idle().count()), ("kill 1, reset 5".to_owned(), 0));
    }
}
