//! What is kept of a seed that was run and judged: a few hundred bytes, the same in whichever process it was run.
//!
//! Its history is not kept: whoever wants it runs the seed again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::{Anomaly, Verdict};
use crate::history::{Digest, History};
use crate::plan::Plan;
use crate::reach::{Matrix, Reached};
use crate::report::{Touched, Weather};
use crate::world::Outcome;

use super::Judged;

/// A seed that was run and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Which.
    pub seed: u64,
    /// Of its history.
    pub digest: Digest,
    /// How many messages the checkers followed.
    pub messages: u64,
    /// Virtual time.
    pub elapsed: Duration,
    /// How often its faults touched traffic.
    pub touched: Touched,
    /// Which of them did, by their places in the plan.
    pub busy: BTreeSet<usize>,
    /// How often each anomaly came up, broken or excused.
    pub counted: BTreeMap<Anomaly, u64>,
    /// The places that were reached.
    pub reached: Reached,
    /// In which states of the protocol its faults touched connections.
    pub matrix: Box<Matrix>,
    /// What its faults led to.
    pub weather: Box<Weather>,
    /// What is wrong, where not every promise held.
    pub wrong: Option<Wrong>,
    /// Whether it was run twice.
    pub twice: bool,
    /// How a second run of the same plan differed, where there was one and it did.
    pub diverged: Option<String>,
}

/// What is wrong with a seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// The harness failed: this says nothing of the program.
    Harness(String),
    /// A promise was broken; of several, the one that leads.
    Broken(Anomaly),
    /// The checkers cannot say.
    Unknown(String),
}

impl Tried {
    /// What is to be kept of a run.
    pub(super) fn of(seed: u64, judged: &Judged, second: Option<&History>) -> Self {
        let outcome = &judged.outcome;
        let touched = Touched::of(&judged.plan, &outcome.touched);
        Self {
            seed,
            digest: outcome.history.digest,
            messages: judged.judgement.messages,
            elapsed: outcome.elapsed,
            counted: judged.judgement.counts(),
            reached: outcome.reached.clone(),
            matrix: Box::new(Matrix::of(&judged.plan, &outcome.history, &outcome.steps)),
            weather: Box::new(Weather::of(&outcome.reached, &outcome.history, &touched)),
            touched,
            busy: outcome.touched.iter().filter(|(_, times)| **times > 0).map(|(place, _)| *place).collect(),
            wrong: wrong(judged),
            twice: second.is_some(),
            diverged: second.and_then(|second| divergence(&outcome.history, second)),
        }
    }
}

fn wrong(judged: &Judged) -> Option<Wrong> {
    if let Some(failure) = judged.harness_failure() {
        return Some(Wrong::Harness(failure));
    }
    match judged.judgement.worst() {
        Verdict::Held { .. } => None,
        Verdict::Broken(violation) => Some(Wrong::Broken(violation.anomaly)),
        Verdict::Unknown { why } => Some(Wrong::Unknown(why.clone())),
        Verdict::Idle => Some(Wrong::Unknown("there was nothing to examine".to_owned())),
    }
}

/// Runs a plan with `run` and judges it; `twice`, and compares what came of it.
pub(super) fn try_plan(seed: u64, plan: Plan, twice: bool, run: impl Fn(&Plan) -> Outcome) -> Tried {
    let outcome = run(&plan);
    let judged = Judged::of(plan, outcome);
    let second = twice.then(|| run(&judged.plan).history);
    Tried::of(seed, &judged, second.as_ref())
}

/// The first record in which two runs of one plan differ.
fn divergence(first: &History, second: &History) -> Option<String> {
    if first.digest == second.digest {
        return None;
    }
    let differ = first.records.iter().zip(&second.records).find(|(one, other)| one != other);
    let what = match differ {
        Some((one, other)) => format!("    first run:  {one}\n    second run: {other}"),
        None => format!(
            "    the records are the same as far as both go ({} and {}): bytes or their times differ",
            first.records.len(),
            second.records.len()
        ),
    };
    Some(format!("two runs of one plan gave {} and {}\n{what}", first.digest, second.digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, Planted};
    use crate::plan::FaultKind;
    use crate::reach::state::State;

    #[test]
    fn two_histories_differ_in_the_record_that_is_named() {
        let (one, other) = (Planted::good().finish(), Planted::good().say(ALICE).finish());
        assert_eq!(divergence(&one, &one), None);
        let says = divergence(&one, &other).expect("their digests differ");
        assert!(says.contains("second run") || says.contains("as far as both go"), "{says}");
    }

    #[test]
    fn what_is_kept_of_a_seed_reads_as_it_was_written() {
        let tried = Tried {
            seed: 7,
            digest: Digest(u128::MAX - 5),
            messages: 3,
            elapsed: Duration::from_nanos(1_000_000_001),
            touched: [("reset", 2), ("stall", 0)].into_iter().collect(),
            busy: [3, 5].into(),
            counted: BTreeMap::from([(Anomaly::TotalOrderDivergence, 1)]),
            reached: [("chat.repeat", 2)].into_iter().collect(),
            matrix: Box::new([(FaultKind::Reset, State::Idle, 1)].into_iter().collect()),
            weather: Box::new(Weather { granted: 2, ..Weather::default() }),
            wrong: Some(Wrong::Broken(Anomaly::Lost)),
            twice: true,
            diverged: Some("a\nb".to_owned()),
        };
        let line = serde_json::to_string(&tried).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Tried>(&line).unwrap(), tried);
    }
}
