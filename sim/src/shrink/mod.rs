//! A failing plan becomes the smallest plan that breaks the same promise.
//!
//! Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002) over the plan's
//! faults and ops, and over what is long in what is said. Draws are keyed by what they are for, so leaving a step out moves no other step; what is drawn during
//! the run, such as latency, may shift all the same. So a candidate counts only if it breaks the *same* promise.

mod ddmin;
mod regression;

pub use regression::save;

use crate::app::App;
use crate::check::Anomaly;
use crate::hunt::{Judged, Watch, judged_or_stuck};
use crate::plan::{Act, Plan};
use crate::world::RunOptions;

/// How many candidates are tried at most: a few seconds' work for most plans.
pub const CANDIDATES_MAX: u32 = 400;

/// A plan that was made smaller.
#[derive(Debug)]
pub struct Shrunk {
    /// The smallest plan found, run and judged.
    pub smallest: Judged,
    /// How many candidates were run.
    pub tried: u32,
}

/// Makes a plan smaller that breaks `anomaly`. Faults go first: what remains of them says most. Each candidate is watched.
pub fn shrink(
    failing: Judged,
    anomaly: Anomaly,
    app: &dyn App,
    candidates_max: u32,
    watch: &Watch<'_>,
) -> Shrunk {
    let mut search = Search { smallest: failing, anomaly, app, left: candidates_max, watch };
    loop {
        let before = search.size();
        for part in Part::ALL {
            let steps = part.count(&search.smallest.plan);
            ddmin::minimise(steps, |kept| search.accepts(part, kept));
        }
        // Fewer ops may make a fault needless that was not before.
        if search.size() == before || search.left == 0 {
            return Shrunk { smallest: search.smallest, tried: candidates_max - search.left };
        }
    }
}

/// What of a plan is left out.
#[derive(Debug, Clone, Copy)]
enum Part {
    Faults,
    /// What texts and attachments have beyond what tells them apart.
    Lengths,
    Ops,
}

impl Part {
    const ALL: [Self; 3] = [Self::Faults, Self::Lengths, Self::Ops];

    fn count(self, plan: &Plan) -> usize {
        match self {
            Self::Faults => plan.faults.len(),
            Self::Lengths => long(plan).count(),
            Self::Ops => plan.ops.len(),
        }
    }

    /// The plan with only these steps of the part, by their places in `of`.
    fn keep(self, of: &Plan, kept: &[usize]) -> Plan {
        let mut plan = of.clone();
        match self {
            Self::Faults => plan.faults = kept.iter().map(|place| of.faults[*place].clone()).collect(),
            Self::Ops => plan.ops = kept.iter().map(|place| of.ops[*place].clone()).collect(),
            Self::Lengths => {
                let shortened = long(of).enumerate().filter(|(n, _)| kept.binary_search(n).is_err());
                shortened.for_each(|(_, (op, short))| plan.ops[op].act = short);
            }
        }
        plan
    }
}

/// Which ops have more to say than they need, and what they would say without it.
fn long(plan: &Plan) -> impl Iterator<Item = (usize, Act)> {
    plan.ops.iter().enumerate().filter_map(|(place, op)| Some((place, op.act.in_short()?)))
}

struct Search<'a> {
    smallest: Judged,
    anomaly: Anomaly,
    app: &'a dyn App,
    left: u32,
    watch: &'a Watch<'a>,
}

impl Search<'_> {
    fn size(&self) -> usize {
        Part::ALL.iter().map(|part| part.count(&self.smallest.plan)).sum()
    }

    /// Whether the smallest plan, cut down to these steps, still breaks the promise; then it is the smallest.
    fn accepts(&mut self, part: Part, kept: &[usize]) -> bool {
        let candidate = part.keep(&self.smallest.plan, kept);
        if self.left == 0 || candidate.validate().is_err() {
            return false;
        }
        self.left -= 1;
        let run = judged_or_stuck(candidate, self.app, &RunOptions::default(), self.watch);
        let same = run.judgement.violation().is_some_and(|violation| violation.anomaly == self.anomaly);
        if same {
            self.smallest = run;
        }
        same
    }
}
