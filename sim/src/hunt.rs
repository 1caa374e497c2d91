//! Seeds of one scenario, run and judged on several cores: every seed is a world of its own on a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::app::App;
use crate::check::{Judgement, judge};
use crate::history::{Digest, History};
use crate::plan::Plan;
use crate::report::Exit;
use crate::world::{self, Outcome, RunOptions};

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
    /// What is wrong with the harness itself: nothing a checker says about this seed counts then.
    pub fn harness_failure(&self) -> Option<String> {
        let panics = self.outcome.panics.first().map(|panic| format!("panicked: {panic}"));
        panics.or_else(|| {
            let stray = self.outcome.stray_tasks;
            (stray > 0)
                .then(|| format!("{stray} tasks were spawned outside Env: they cannot be killed or replayed"))
        })
    }
}

/// Runs one plan and judges its history.
///
/// # Errors
/// When the world cannot run at all.
pub fn judged(plan: Plan, app: &dyn App, options: &RunOptions) -> Result<Judged, world::WorldError> {
    let outcome = world::run(&plan, app, options)?;
    let judgement = judge(&plan, &outcome.history, &outcome.ending);
    Ok(Judged { plan, outcome, judgement })
}

/// What all seeds of a scenario came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many seeds were run.
    pub seeds: u64,
    /// How many messages the checkers examined.
    pub examined: u64,
    /// How many seeds had this kind of fault, and how often it touched traffic over all of them.
    pub faults: BTreeMap<&'static str, u64>,
    /// Virtual time over all seeds.
    pub elapsed: Duration,
    /// The states that were reached in any seed.
    pub reached: BTreeSet<String>,
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
        self.examined += judged.judgement.examined();
        self.elapsed += judged.outcome.elapsed;
        self.reached.extend(judged.outcome.reached.iter().cloned());
        self.digests.insert(seed, judged.outcome.history.digest);
        for (index, fault) in judged.plan.faults.iter().enumerate() {
            let touched = judged.outcome.touched.get(&index).copied().unwrap_or_default();
            *self.faults.entry(fault.what.kind()).or_default() += touched;
        }
        if judged.judgement.failed() || judged.harness_failure().is_some() {
            self.failures.insert(seed, judged);
        }
    }

    /// The kinds of fault that touched nothing in any seed.
    pub fn idle_faults(&self) -> Vec<&'static str> {
        self.faults.iter().filter(|(_, touched)| **touched == 0).map(|(kind, _)| *kind).collect()
    }

    /// The states of `must_reach` that no seed reached.
    pub fn not_reached<'a>(&self, must_reach: &'a [String]) -> Vec<&'a str> {
        must_reach.iter().map(String::as_str).filter(|state| !self.reached.contains(*state)).collect()
    }

    /// What it means for who asked, the worst first: a harness that failed proves nothing about the program.
    pub fn exit(&self, must_reach: &[String]) -> Exit {
        if self.failures.values().any(|judged| judged.harness_failure().is_some()) {
            Exit::Harness
        } else if self.diverged.is_some() {
            Exit::NotDeterministic
        } else if self.failures.values().any(|judged| judged.judgement.broken().is_some()) {
            Exit::Broken
        } else if !self.failures.is_empty() || self.examined == 0 {
            Exit::NothingProven
        } else if !self.idle_faults().is_empty() || !self.not_reached(must_reach).is_empty() {
            Exit::NothingProven
        } else {
            Exit::Held
        }
    }
}

/// Runs seeds on `jobs` threads. The first seed runs twice, and the two digests are compared.
///
/// # Errors
/// When the world cannot run at all.
pub fn hunt(
    draw: &(dyn Fn(u64) -> Plan + Sync),
    app: &dyn App,
    seeds: Range<u64>,
    jobs: usize,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Tally, world::WorldError> {
    let next = AtomicU64::new(seeds.start);
    let tally = Mutex::new(Tally::default());
    let work = || -> Result<(), world::WorldError> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(());
            }
            let judged = judged(draw(seed), app, &RunOptions::default())?;
            let diverged = if seed == seeds.start { run_again(&judged, app)? } else { None };
            let mut tally = tally.lock().expect("a worker that panics ends the hunt");
            if let Some(histories) = diverged {
                tally.diverged = Some((seed, histories));
            }
            tally.add(seed, judged);
            drop(tally);
            done(seed);
        }
    };
    std::thread::scope(|scope| -> Result<(), world::WorldError> {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("a seed's panics are caught in its own thread"))
    })?;
    Ok(tally.into_inner().expect("all workers have ended"))
}

fn run_again(first: &Judged, app: &dyn App) -> Result<Option<Box<[History; 2]>>, world::WorldError> {
    let second = world::run(&first.plan, app, &RunOptions::default())?;
    let same = second.history.digest == first.outcome.history.digest;
    Ok((!same).then(|| Box::new([first.outcome.history.clone(), second.history])))
}
