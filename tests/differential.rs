//! Every scenario and many random plans on both backends: what processes see, and what happens to them, must be the same.
//! `cargo test --test differential -- kill`; `SQUALL_SEEDS=20` takes so many seeds of each in place of [`SEEDS`].
//!
//! Where two things at one moment decide what follows (which of two timers of one process fires first), two schedulers may
//! decide differently, and neither is wrong: about three runs in a thousand part there. So one run of a test may differ, if
//! the checkers say the same of both; what a backend does wrong shows in more than one. Where the server's message log and
//! its sessions share a disk, which of the two is synced first at one moment moves all that follows: there all runs may
//! differ, and only the checkers must agree.

#[path = "differential/shown.rs"]
mod shown;
#[path = "interop/pairings/wire.rs"]
mod wire;

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use squall_sim::app::chat::Chat;
use squall_sim::hunt::{Judged, judged};
use squall_sim::plan::{self, Backend, Plan};
use squall_sim::scenario::limits::TICK;
use squall_sim::subject;
use squall_sim::units::Span;
use squall_sim::world::RunOptions;

use shown::Shown;

/// How many seeds of each scenario are compared, where it has so many.
const SEEDS: u64 = 5;

/// How many random plans.
const RANDOM: u64 = 500;

/// How many runs of one test may differ by chance.
const BY_CHANCE: usize = 1;

/// How many random plans one test takes.
const RANDOM_AT_ONCE: u64 = 50;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let subjects = subject::load(&[folder], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    let most = std::env::var("SQUALL_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(SEEDS);
    let scenarios = subjects.into_iter().map(|subject| {
        let seeds = subject.default_seeds();
        let seeds = seeds.start..seeds.end.min(seeds.start.saturating_add(most));
        Trial::test(subject.name(), move || compare_all(seeds, &|seed| subject.plan(seed)))
    });
    let random = (0..RANDOM).step_by(RANDOM_AT_ONCE as usize).map(|first| {
        let seeds = first..first + RANDOM_AT_ONCE;
        Trial::test(format!("random plans from {first}"), move || compare_all(seeds, &plan::random))
    });
    libtest_mimic::run(&arguments, scenarios.chain(random).collect()).exit_code()
}

fn compare_all(seeds: Range<u64>, draw: &dyn Fn(u64) -> Plan) -> Result<(), Failed> {
    let differences: Vec<Difference> = seeds.filter_map(|seed| compare(&draw(seed))).collect();
    let by_chance =
        differences.len() <= BY_CHANCE || differences.iter().all(|difference| difference.shares_disk);
    if by_chance && differences.iter().all(|difference| difference.same_verdict) {
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
    /// Whether two stores of the server share its disk: the message log, and sessions.
    shares_disk: bool,
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
        says: format!(
            "{} seed {} {:?} stores {} : {difference}",
            plan.scenario,
            plan.seed,
            plan.faults.iter().map(|f| f.what.kind().as_str()).collect::<std::collections::BTreeSet<_>>(),
            plan.server.store_sessions
        ),
        same_verdict: !failed && verdict(&ticking) == verdict(&jumping),
        shares_disk: plan.server.store_sessions,
    })
}

/// One backend plays ops and faults at its next tick: the same plan with times that are ticks, so that both play them at
/// the same time.
fn on_ticks(mut plan: Plan) -> Plan {
    let round_up = |time: &mut Span| {
        let ticks = time.0.as_micros().div_ceil(TICK.as_micros());
        time.0 = TICK * u32::try_from(ticks).expect("a plan is shorter than a year");
    };
    plan.ops.iter_mut().for_each(|op| round_up(&mut op.at));
    for fault in &mut plan.faults {
        round_up(&mut fault.at);
        fault.until.iter_mut().for_each(round_up);
    }
    plan
}
