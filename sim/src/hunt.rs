//! Seeds of one scenario, run and judged on several cores: every seed is a world of its own on a thread of its own.

pub mod crossing;
mod watchdog;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::app::App;
use crate::check::{Expectations, Judgement, Observed, Unmet, Verdict, judge};
use crate::history::{Digest, History};
use crate::plan::Plan;
use crate::report::{ExitCode, Failure, Touched};
use crate::subject::Subject;
use crate::world::{self, Outcome, RunOptions};
use watchdog::Watchdog;

/// How long the virtual time of a run may stand still, in real time: a tick takes milliseconds, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(20);

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
    fn of(plan: Plan, outcome: Outcome) -> Self {
        let judgement = judge(&plan, &outcome.history, &outcome.ending);
        Self { plan, outcome, judgement }
    }

    /// What is wrong with the harness itself: nothing a checker says about this seed counts then.
    pub fn harness_failure(&self) -> Option<String> {
        if !self.outcome.panics.is_empty() {
            return Some(format!("panicked: {}", self.outcome.panics.join("; ")));
        }
        let stray = self.outcome.stray_tasks;
        (stray > 0).then(|| {
            format!("{stray} tasks were spawned outside Env: they can be neither killed nor replayed")
        })
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
                Failure::broken(place, seed, violation, history, ending).on(subject.backend).render(colour)
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

/// As [`judged`]. `stuck` hears the seed, from another thread, where virtual time stands still for [`PATIENCE`]: this may
/// never return then.
pub fn judged_or_stuck(
    plan: Plan,
    app: &dyn App,
    options: &RunOptions,
    stuck: &(dyn Fn(u64) + Sync),
) -> Judged {
    let outcome = Watchdog::over(PATIENCE, stuck, |watchdog| watchdog.run(&plan, app, options));
    Judged::of(plan, outcome)
}

/// What all seeds of a scenario came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many seeds were run.
    pub seeds: u64,
    /// How many messages the checkers followed.
    pub messages: u64,
    /// How often its faults touched traffic.
    pub touched: Touched,
    /// Virtual time over all seeds.
    pub elapsed: Duration,
    /// What was broken, counted and reached, over all of them.
    pub observed: Observed,
    /// The digest of each seed, in order of seeds.
    pub digests: BTreeMap<u64, Digest>,
    /// The seeds with a broken promise or an unknown verdict, or where the harness failed, in order of seeds.
    pub failures: BTreeMap<u64, Judged>,
    /// The seed whose second run differed from its first, with both histories.
    pub diverged: Option<(u64, Box<[History; 2]>)>,
}

impl Tally {
    fn add(&mut self, seed: u64, judged: Judged) {
        self.seeds += 1;
        self.messages += judged.judgement.messages;
        self.elapsed += judged.outcome.elapsed;
        self.observed.reached.extend(judged.outcome.reached.iter().cloned());
        for (anomaly, count) in judged.judgement.counts() {
            *self.observed.counted.entry(anomaly).or_default() += count;
        }
        if let Some(violation) = judged.judgement.violation() {
            self.observed.broken.insert(seed, violation.anomaly);
        }
        self.digests.insert(seed, judged.outcome.history.digest);
        self.touched.add(&Touched::of(&judged.plan, &judged.outcome.touched));
        if !judged.held() {
            self.failures.insert(seed, judged);
        }
    }

    /// What it means for who asked, the worst first: a harness that failed proves nothing about the program.
    pub fn exit(&self, expectations: &Expectations) -> ExitCode {
        let unmet = expectations.judge(&self.observed);
        if self.failures.values().any(|judged| judged.harness_failure().is_some()) {
            ExitCode::HarnessFailed
        } else if self.diverged.is_some() {
            ExitCode::NotDeterministic
        } else if unmet.iter().any(Unmet::is_broken) {
            ExitCode::Broken
        } else if !unmet.is_empty() || self.proves_nothing() {
            ExitCode::NothingProven
        } else {
            ExitCode::Held
        }
    }

    fn proves_nothing(&self) -> bool {
        let unknown = self.failures.values().any(|judged| judged.judgement.violation().is_none());
        unknown || self.messages == 0 || self.touched.idle().next().is_some()
    }

    /// The lowest seed that broke a promise which was not to be broken.
    pub fn lowest_broken(&mut self, expectations: &Expectations) -> Option<Judged> {
        let is_wrong = |judged: &Judged| {
            let violation = judged.judgement.violation();
            judged.harness_failure().is_none()
                && violation.is_some_and(|violation| !expectations.expects_broken(violation.anomaly))
        };
        let seed = self.failures.iter().find(|(_, judged)| is_wrong(judged)).map(|(seed, _)| *seed)?;
        self.failures.remove(&seed)
    }

    /// The seeds that failed and were not to, in order.
    fn wrong<'a>(&'a self, expectations: &'a Expectations) -> impl Iterator<Item = (u64, &'a Judged)> {
        let is_wrong = |judged: &Judged| {
            let violation = judged.judgement.violation();
            judged.harness_failure().is_some()
                || violation.is_none_or(|violation| !expectations.expects_broken(violation.anomaly))
        };
        let failures = self.failures.iter().map(|(seed, judged)| (*seed, judged));
        failures.filter(move |(_, judged)| is_wrong(judged))
    }

    /// The lowest seed that failed and was not to.
    pub fn lowest_wrong<'a>(&'a self, expectations: &'a Expectations) -> Option<(u64, &'a Judged)> {
        self.wrong(expectations).next()
    }

    /// The lowest failing seed as text, whatever the order in which seeds ended; and what else is wrong, a paragraph each.
    pub fn complaints(&self, subject: &Subject, colour: bool) -> Vec<String> {
        let expectations = subject.expectations();
        let wrong: Vec<_> = self.wrong(&expectations).collect();
        let mut complaints = Vec::new();
        if let Some((seed, judged)) = wrong.first() {
            complaints.push(judged.complaint(subject, *seed, colour));
        }
        if wrong.len() > 1 {
            let others: Vec<_> = wrong.iter().skip(1).take(10).map(|(seed, _)| seed.to_string()).collect();
            complaints.push(format!("  {} more seeds failed: {} …", wrong.len() - 1, others.join(", ")));
        }
        if let Some((seed, histories)) = &self.diverged {
            complaints.push(divergence(subject, *seed, histories));
        }
        for kind in self.touched.idle() {
            complaints.push(format!(
                "  nothing proven: no {kind} touched traffic in any seed; move it to where there is some"
            ));
        }
        let unmet = expectations.judge(&self.observed).into_iter().filter(|unmet| !unmet.is_broken());
        complaints.extend(unmet.map(|unmet| format!("  nothing proven: {unmet}")));
        complaints
    }
}

/// What to say of a seed whose virtual time stands still, and the one command that repeats it.
pub fn stuck_complaint(subject: &Subject, seed: u64, patience: Duration, colour: bool) -> String {
    let path = subject.path.display().to_string();
    Failure::stuck((&subject.name(), &path), seed, patience).on(subject.backend).render(colour)
}

/// The first record in which two runs of one plan differ.
fn divergence(subject: &Subject, seed: u64, [first, second]: &[History; 2]) -> String {
    let (name, path) = (subject.name(), subject.path.display());
    let differ = first.records.iter().zip(&second.records).find(|(one, other)| one != other);
    let what = match differ {
        Some((one, other)) => format!("    first run:  {one}\n    second run: {other}"),
        None => format!(
            "    the records are the same as far as both go ({} and {}): bytes or their times differ",
            first.records.len(),
            second.records.len()
        ),
    };
    format!(
        "NOT DETERMINISTIC {name}, seed {seed}: two runs of one plan gave {} and {}\n{what}\n    {path}",
        first.digest, second.digest
    )
}

/// What a hunt says while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A seed was run and judged.
    Done(u64),
    /// The virtual time of a seed has stood still for as long as it may. The hunt cannot end its thread: it goes on with
    /// the other seeds and then waits for this one, for ever if need be.
    Stuck(u64),
}

/// Runs seeds on `jobs` threads, each of which may stand still for `patience`. The first seed runs twice, and the two
/// digests are compared.
pub fn hunt(
    draw: &(dyn Fn(u64) -> Plan + Sync),
    app: &dyn App,
    seeds: Range<u64>,
    jobs: usize,
    patience: Duration,
    say: &(dyn Fn(Progress) + Sync),
) -> Tally {
    let stuck = |seed| say(Progress::Stuck(seed));
    Watchdog::over(patience, &stuck, |watchdog| hunt_watched(draw, app, seeds, jobs, say, watchdog))
}

fn hunt_watched(
    draw: &(dyn Fn(u64) -> Plan + Sync),
    app: &dyn App,
    seeds: Range<u64>,
    jobs: usize,
    say: &(dyn Fn(Progress) + Sync),
    watchdog: &Watchdog,
) -> Tally {
    let run = |plan: &Plan| watchdog.run(plan, app, &RunOptions::default());
    let next = AtomicU64::new(seeds.start);
    let tally = Mutex::new(Tally::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let plan = draw(seed);
            let outcome = run(&plan);
            let judged = Judged::of(plan, outcome);
            let diverged = if seed == seeds.start { diverged(&judged, run(&judged.plan)) } else { None };
            let mut tally = tally.lock().expect("a worker that panics ends the hunt");
            if let Some(histories) = diverged {
                tally.diverged = Some((seed, histories));
            }
            tally.add(seed, judged);
            drop(tally);
            say(Progress::Done(seed));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(work);
        }
    });
    tally.into_inner().expect("all workers have ended")
}

fn diverged(first: &Judged, second: Outcome) -> Option<Box<[History; 2]>> {
    let same = second.history.digest == first.outcome.history.digest;
    (!same).then(|| Box::new([first.outcome.history.clone(), second.history]))
}
