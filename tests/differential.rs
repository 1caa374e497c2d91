//! Every scenario, many plans of drawn weather and some random ones on both backends: what processes see, and what happens to
//! them, must be the same. `cargo test --test differential -- kill`; `SQUALL_SEEDS=20` takes so many seeds of each scenario
//! in place of [`SEEDS`] and [`DRAWN`].
//!
//! Where two things at one moment decide what follows (whether a write leaves with the one before it, which of two clients is
//! first), two schedulers may decide differently, and neither is wrong; and a host of the backend that ticks lives through a
//! tick before another does, so that what begins in its midst reaches the other with the next. About three runs in a
//! thousand of the scenarios part there, and a few in a hundred of plans with twenty faults. So a run of a test may differ, if the
//! checkers say the same of both; what a backend does wrong shows in more than one. A plan of drawn weather has many faults
//! that begin in the midst of a tick: those that wait for bytes or records begin at the tick after they did on `event`. That
//! the backends begin them alike is tested where nothing else happens, in `sim/src/world/tests/triggers.rs`.

#[path = "differential/shown.rs"]
mod shown;
#[path = "interop/pairings/wire.rs"]
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use squall_sim::app::chat::Chat;
use squall_sim::history::Kind;
use squall_sim::hunt::{Judged, judged};
use squall_sim::plan::{self, Backend, Fault, Plan};
use squall_sim::scenario::limits::TICK;
use squall_sim::scenario::{ByteTrigger, DiskOpTrigger, EventTrigger, Trigger};
use squall_sim::subject::{self, Subject};
use squall_sim::units::{Span, SpanRange};
use squall_sim::world::RunOptions;

use shown::Shown;

/// How many seeds of each scenario are compared, where it has so many.
const SEEDS: u64 = 5;

/// How many seeds of each scenario that draws its weather, of which there are six: each is another plan.
const DRAWN: u64 = 100;

/// How many random plans.
const RANDOM: u64 = 100;

/// How many runs of a scenario may differ by chance.
const BY_CHANCE: usize = 1;

/// How many plans of drawn weather one test takes, and random ones, and how many of them may differ by chance: these have
/// twenty faults each, and so more that happens at one moment.
const AT_ONCE: u64 = 50;
const MANY_BY_CHANCE: usize = 6;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let most = std::env::var("SQUALL_SEEDS").ok().and_then(|count| count.parse().ok());
    let drawn: Vec<Subject> = load(root.join("swarm"));
    let names: BTreeSet<String> = drawn.iter().map(Subject::name).collect();
    let mut tests = Vec::new();
    for subject in load(root).into_iter().filter(|subject| !names.contains(&subject.name())) {
        let (name, seeds) = (subject.name(), subject.default_seeds());
        let seeds = seeds.start..seeds.end.min(seeds.start.saturating_add(most.unwrap_or(SEEDS)));
        tests.push(Trial::test(name, move || compare_all(seeds, BY_CHANCE, &|seed| subject.plan(seed))));
    }
    for subject in drawn.into_iter().map(Arc::new) {
        for seeds in pieces(most.unwrap_or(DRAWN)) {
            let (name, subject) = (format!("{} from {}", subject.name(), seeds.start), Arc::clone(&subject));
            let compare = move || compare_all(seeds, MANY_BY_CHANCE, &|seed| at_times(subject.plan(seed)));
            tests.push(Trial::test(name, compare));
        }
    }
    for seeds in pieces(RANDOM) {
        let name = format!("random plans from {}", seeds.start);
        tests.push(Trial::test(name, move || {
            compare_all(seeds, MANY_BY_CHANCE, &|seed| at_times(plan::random(seed)))
        }));
    }
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn load(folder: PathBuf) -> Vec<Subject> {
    subject::load(&[folder], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n")))
}

/// The seeds below a number, a test's worth at a time.
fn pieces(most: u64) -> impl Iterator<Item = Range<u64>> {
    (0..most).step_by(AT_ONCE as usize).map(move |first| first..most.min(first + AT_ONCE))
}

fn compare_all(seeds: Range<u64>, most_by_chance: usize, draw: &dyn Fn(u64) -> Plan) -> Result<(), Failed> {
    let differences: Vec<Difference> = seeds.filter_map(|seed| compare(&draw(seed))).collect();
    if differences.len() <= most_by_chance && differences.iter().all(|difference| difference.same_verdict) {
        return Ok(());
    }
    let says: Vec<String> = differences.into_iter().map(|difference| difference.says).collect();
    Err(says.join("\n").into())
}

/// Two runs that were not the same.
struct Difference {
    says: String,
    /// Whether the checkers say the same of both.
    same_verdict: bool,
}

/// What the backends show that is not the same, if anything.
fn compare(plan: &Plan) -> Option<Difference> {
    let plan = on_ticks(plan.clone());
    let [ticking, jumping] = [Backend::Turmoil, Backend::Event].map(|backend| {
        let options = RunOptions { seen: true, ..RunOptions::default() };
        judged(Plan { backend, ..plan.clone() }, &Chat::default(), &options)
    });
    for run in [&ticking, &jumping] {
        assert!(!run.outcome.seen.is_empty(), "{} seed {}: nobody saw anything", plan.scenario, plan.seed);
    }
    let until = ticking.outcome.elapsed.min(jumping.outcome.elapsed).saturating_sub(TICK);
    let difference = Shown::of(&ticking, until).difference(&Shown::of(&jumping, until))?;
    let verdict = |run: &Judged| run.judgement.violation().map(|violation| violation.anomaly);
    let failed = [&ticking, &jumping].into_iter().any(|run| run.harness_failure().is_some());
    Some(Difference {
        says: format!("{} seed {}: {difference}", plan.scenario, plan.seed),
        same_verdict: !failed && verdict(&ticking) == verdict(&jumping),
    })
}

/// What waits for bytes or records begins at the tick after it did on the backend that jumps, and what never did is left out.
fn at_times(plan: Plan) -> Plan {
    let plan = on_ticks(plan);
    let jumping =
        judged(Plan { backend: Backend::Event, ..plan.clone() }, &Chat::default(), &RunOptions::default());
    let mut began: BTreeMap<usize, Duration> = BTreeMap::new();
    for record in &jumping.outcome.history.records {
        if let Kind::FaultBegan { fault, .. } = record.kind {
            began.insert(fault, record.at);
        }
    }
    let mut timed = Plan { faults: Vec::new(), ..plan.clone() };
    for (place, fault) in plan.faults.into_iter().enumerate() {
        let at = match &fault.at {
            Trigger::Event(EventTrigger::Byte(_) | EventTrigger::Step(_)) => match began.get(&place) {
                Some(at) => next_tick(*at).into(),
                None => continue,
            },
            Trigger::Time(_) | Trigger::Event(EventTrigger::DiskOp(_)) => fault.at.clone(),
        };
        let mut with = timed.clone();
        with.faults.push(Fault { at, ..fault });
        with.faults.sort_by_key(|fault| fault.at.soonest());
        // What is down already cannot be stopped at a time.
        if with.validate().is_ok() {
            timed = with;
        }
    }
    timed
}

/// One backend plays ops and faults at its next tick: the same plan with times that are ticks, so that both play them at
/// the same time.
fn on_ticks(mut plan: Plan) -> Plan {
    plan.ops.iter_mut().for_each(|op| op.at.0 = next_tick(op.at.0));
    plan.heals.iter_mut().for_each(|heals| heals.0 = next_tick(heals.0));
    for fault in &mut plan.faults {
        match &mut fault.at {
            Trigger::Time(at) => {
                let (begins, ends) = (at.low, at.low + fault.lasts.unwrap_or_default().0);
                fault.lasts = fault.lasts.map(|_| Span(next_tick(ends) - next_tick(begins)));
                fault.at = next_tick(begins).into();
            }
            // It is armed then.
            Trigger::Event(
                EventTrigger::DiskOp(DiskOpTrigger { since, .. })
                | EventTrigger::Byte(ByteTrigger { since, .. }),
            ) => {
                let at = next_tick(since.low);
                *since = SpanRange { low: at, high: at };
            }
            Trigger::Event(EventTrigger::Step(_)) => {}
        }
    }
    plan
}

fn next_tick(time: Duration) -> Duration {
    let ticks = time.as_micros().div_ceil(TICK.as_micros());
    TICK * u32::try_from(ticks).expect("a plan is shorter than a year")
}
