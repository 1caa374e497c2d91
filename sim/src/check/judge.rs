//! Puts every checker that applies to one history, and says which verdict leads.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::naming::named;
use super::roll::{Entry, Roll};
use super::{Anomaly, Ending, Run, Verdict, Violation, checkers};
use crate::history::{History, Kind};
use crate::plan::Plan;

/// What the checkers say of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// One verdict for each checker that applies, in the order of the anomalies.
    pub verdicts: Vec<(Anomaly, Verdict)>,
    /// How often each anomaly came up where the clients' options excuse it; none with zero.
    pub allowed: BTreeMap<Anomaly, u64>,
    /// How many messages and events were followed from their sending.
    pub messages: u64,
}

/// Judges a run of a plan.
pub fn judge(plan: &Plan, history: &History, ending: &Ending) -> Judgement {
    let records = named(&history.records);
    let mut roll = Roll::new(plan);
    let entries: Vec<Entry<'_>> = records.iter().map(|record| roll.enter(record)).collect();
    let is_sent = |entry: &&Entry<'_>| matches!(entry.kind, Kind::Sent { .. } | Kind::Emitted { .. });
    let messages = entries.iter().filter(is_sent).count() as u64;
    let checkers = checkers(plan, &mut roll);
    let run = Run { ending, entries: &entries, roll: &roll };
    let (mut verdicts, mut allowed) = (Vec::new(), BTreeMap::new());
    for mut checker in checkers {
        entries.iter().for_each(|entry| checker.observe(entry));
        let anomaly = checker.anomaly();
        let finding = checker.finish(&run);
        verdicts.push((anomaly, finding.verdict));
        if finding.allowed > 0 {
            allowed.insert(anomaly, finding.allowed);
        }
    }
    verdicts.sort_by_key(|(anomaly, _)| *anomaly);
    Judgement { verdicts, allowed, messages }
}

impl Judgement {
    /// The verdict that leads: the worst; of several broken promises the one that broke first, and of those that broke
    /// with the same record the first in the order of the anomalies. `Idle` where no checker applies.
    pub fn worst(&self) -> &Verdict {
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Idle => (0, Reverse(0)),
            Verdict::Held { .. } => (1, Reverse(0)),
            Verdict::Unknown { .. } => (2, Reverse(0)),
            Verdict::Broken(violation) => (3, Reverse(violation.step)),
        };
        // The last of equals is the greatest, so the first anomaly must come last.
        let verdicts = self.verdicts.iter().rev().map(|(_, verdict)| verdict);
        verdicts.max_by_key(|verdict| rank(verdict)).unwrap_or(&Verdict::Idle)
    }

    /// How often each anomaly came up: what is excused, and one for each promise that was broken.
    pub fn counts(&self) -> BTreeMap<Anomaly, u64> {
        let mut counts = self.allowed.clone();
        let broken = self.verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Broken(_)));
        broken.for_each(|(anomaly, _)| *counts.entry(*anomaly).or_default() += 1);
        counts
    }

    /// The broken promise that leads, if one was broken.
    pub fn violation(&self) -> Option<&Violation> {
        match self.worst() {
            Verdict::Broken(violation) => Some(violation),
            Verdict::Idle | Verdict::Held { .. } | Verdict::Unknown { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(anomaly: Anomaly, step: u64) -> (Anomaly, Verdict) {
        (anomaly, Verdict::Broken(Violation { anomaly, says: String::new(), step, witness: Vec::new() }))
    }

    fn of(verdicts: Vec<(Anomaly, Verdict)>) -> Judgement {
        Judgement { verdicts, allowed: BTreeMap::from([(Anomaly::Lost, 2)]), messages: 0 }
    }

    fn leader(verdicts: Vec<(Anomaly, Verdict)>) -> Option<Anomaly> {
        of(verdicts).violation().map(|violation| violation.anomaly)
    }

    #[test]
    fn the_promise_that_broke_first_leads() {
        let verdicts =
            vec![broken(Anomaly::Lost, 9), broken(Anomaly::Phantom, 4), broken(Anomaly::NoProgress, 9)];
        assert_eq!(leader(verdicts), Some(Anomaly::Phantom));
    }

    #[test]
    fn of_promises_that_broke_together_the_first_anomaly_leads() {
        let verdicts = vec![broken(Anomaly::Phantom, 4), broken(Anomaly::TotalOrderDivergence, 4)];
        assert_eq!(leader(verdicts), Some(Anomaly::Phantom));
    }

    #[test]
    fn what_is_broken_leads_what_is_unknown_and_that_what_held() {
        let held = (Anomaly::Lost, Verdict::Held { examined: 1 });
        let unknown = (Anomaly::Phantom, Verdict::Unknown { why: "no clock".to_owned() });
        let mut verdicts = vec![held, unknown.clone(), (Anomaly::NoProgress, Verdict::Idle)];
        assert_eq!(*of(verdicts.clone()).worst(), unknown.1);
        verdicts.push(broken(Anomaly::VacuousRun, 0));
        assert_eq!(leader(verdicts), Some(Anomaly::VacuousRun));
    }

    #[test]
    fn with_no_checker_there_is_nothing_to_say() {
        assert_eq!(*of(Vec::new()).worst(), Verdict::Idle);
    }

    #[test]
    fn what_is_excused_and_what_is_broken_count_together() {
        let counts = of(vec![broken(Anomaly::Lost, 9), broken(Anomaly::Phantom, 4)]).counts();
        assert_eq!(counts, BTreeMap::from([(Anomaly::Lost, 3), (Anomaly::Phantom, 1)]));
    }
}
