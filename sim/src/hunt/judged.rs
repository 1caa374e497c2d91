//! One plan, run and judged.

use std::time::Duration;

use crate::app::App;
use crate::check::{Judgement, Verdict, judge};
use crate::plan::Plan;
use crate::report::Failure;
use crate::subject::Subject;
use crate::world::{self, Outcome, RunOptions};

use super::watchdog::Watchdog;

/// A seed, run and judged.
#[derive(Debug)]
pub struct Judged {
    /// What was run.
    pub plan: Plan,
    /// What came of it.
    pub outcome: Outcome,
    /// What the checkers say.
    pub judgement: Judgement,
}

impl Judged {
    pub(super) fn of(plan: Plan, outcome: Outcome) -> Self {
        let judgement = judge(&plan, &outcome.history, &outcome.ending);
        Self { plan, outcome, judgement }
    }

    /// What is wrong with the harness itself: nothing a checker says about this seed counts then.
    pub fn harness_failure(&self) -> Option<String> {
        if !self.outcome.panics.is_empty() {
            return Some(format!("panicked: {}", self.outcome.panics.join("; ")));
        }
        let stray = self.outcome.stray_tasks;
        if stray > 0 {
            return Some(format!(
                "{stray} tasks were spawned outside Env: they can be neither killed nor replayed"
            ));
        }
        let leaked = self.outcome.leaked;
        (leaked > 0).then(|| format!("what was put to the test outlived its world, with {leaked} handles to it: it keeps itself alive"))
    }

    /// Whether every promise held.
    pub fn held(&self) -> bool {
        self.harness_failure().is_none() && matches!(self.judgement.worst(), Verdict::Held { .. })
    }

    /// What is wrong, and the one command that repeats it.
    pub fn complaint(&self, subject: &Subject, seed: u64, colour: bool) -> String {
        let path = subject.path.display().to_string();
        let place = (subject.name(), path);
        let place = (place.0.as_str(), place.1.as_str());
        let Outcome { history, ending, .. } = &self.outcome;
        match (self.harness_failure(), self.judgement.violation()) {
            (Some(failure), _) => {
                Failure::panicked(place, seed, &[failure], history).on(subject.backend).render(colour)
            }
            (None, Some(violation)) => {
                let failure = Failure::broken(place, seed, violation, history, ending).of(&self.plan);
                failure.on(subject.backend).render(colour)
            }
            (None, None) => format!("{} seed {seed}: {:?}", place.0, self.judgement.worst()),
        }
    }
}

/// Runs one plan and judges its history.
pub fn judged(plan: Plan, app: &dyn App, options: &RunOptions) -> Judged {
    let outcome = world::run(&plan, app, options);
    Judged::of(plan, outcome)
}

/// How long the virtual time of a run may stand still, and who hears of a run in which it does.
pub struct Watch<'a> {
    /// In real time.
    pub patience: Duration,
    /// Hears the plan, from another thread. The run may never return: only to leave the program ends it.
    pub stuck: &'a (dyn Fn(&Plan) + Sync),
}

/// As [`judged`], watched.
pub fn judged_or_stuck(plan: Plan, app: &dyn App, options: &RunOptions, watch: &Watch<'_>) -> Judged {
    let outcome = Watchdog::over(watch, |watchdog| watchdog.run(&plan, app, options));
    Judged::of(plan, outcome)
}
