//! `cargo sim run`: scenarios, many seeds, one line each.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::app::chat::Chat;
use crate::hunt::{Tally, hunt};
use crate::report::{self, Exit, Failure, ScenarioLine, Status, Summary};
use crate::subject::{Subject, load};

use super::default_scenarios;

/// Run scenarios and check every promise.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Scenario or plan files, or folders of them [default: scenarios]
    paths: Vec<PathBuf>,
    /// Run this seed only
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run so many seeds of each scenario, from 0, in place of its own number
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Run so many seeds at a time [default: the number of cores]
    #[arg(long, short, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Print `scenario seed digest` for each seed instead of a report: two builds must print the same
    #[arg(long)]
    digests: bool,
}

impl Run {
    pub(super) fn execute(self) -> Exit {
        let paths = if self.paths.is_empty() { vec![default_scenarios()] } else { self.paths.clone() };
        let subjects = match load(&paths, std::io::stderr().is_terminal()) {
            Ok(subjects) => subjects,
            Err(errors) => {
                anstream::eprintln!("{}", errors.join("\n"));
                return Exit::Usage;
            }
        };
        if subjects.is_empty() {
            anstream::eprintln!("error: no scenario (*.yaml) under {}", report::paths(&paths));
            return Exit::NothingProven;
        }
        self.run_all(&subjects)
    }

    fn run_all(&self, subjects: &[Subject]) -> Exit {
        let mut summary = Summary::default();
        let mut exit = Exit::Held;
        for subject in subjects {
            let clock = Stopwatch::start();
            let tally = match self.run_one(subject) {
                Ok(tally) => tally,
                Err(error) => {
                    anstream::eprintln!("error: {error}");
                    return Exit::Harness;
                }
            };
            if self.digests {
                for (seed, digest) in &tally.digests {
                    anstream::println!("{} {seed} {digest}", subject.name());
                }
            }
            let result = report_one(subject, &tally, clock.elapsed(), &mut summary, self.digests);
            exit = exit.worst(result);
        }
        if !self.digests {
            anstream::println!("{}", summary.render(true));
        }
        exit
    }

    fn run_one(&self, subject: &Subject) -> Result<Tally, crate::world::WorldError> {
        let seeds = self.seeds_of(subject);
        let jobs = self
            .jobs
            .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
        let bar = progress(&subject.name(), seeds.end - seeds.start);
        let tally = hunt(&|seed| subject.plan(seed), &Chat::default(), seeds, jobs, &|_| bar.inc(1));
        bar.finish_and_clear();
        tally
    }

    fn seeds_of(&self, subject: &Subject) -> Range<u64> {
        match (self.seed, self.seeds) {
            (Some(seed), _) => seed..seed.saturating_add(1),
            (None, Some(seeds)) => 0..seeds,
            (None, None) => subject.default_seeds(),
        }
    }
}

/// Prints what became of a scenario, and says what it means for the exit code.
fn report_one(subject: &Subject, tally: &Tally, wall: Duration, summary: &mut Summary, quiet: bool) -> Exit {
    let exit = tally.exit(subject.must_reach());
    let line = ScenarioLine {
        status: Status::of(exit),
        name: subject.name(),
        seeds: tally.seeds,
        examined: tally.examined,
        touched: tally.faults.clone(),
        elapsed: tally.elapsed,
        wall,
    };
    summary.add(&line);
    if !quiet {
        anstream::println!("{}", line.render(true));
    }
    // The lowest failing seed comes first, whatever the order in which seeds ended.
    if let Some((seed, judged)) = tally.failures.first_key_value() {
        let failure = Failure {
            scenario: subject.name(),
            path: subject.path.clone(),
            seed: *seed,
            others: tally.failures.keys().skip(1).copied().collect(),
            harness: judged.harness_failure(),
            judgement: &judged.judgement,
            history: &judged.outcome.history,
        };
        anstream::eprintln!("{}", failure.render(true));
    }
    if let Some((seed, histories)) = &tally.diverged {
        anstream::eprintln!("{}", report::divergence(&subject.path, *seed, histories));
    }
    for kind in tally.idle_faults() {
        anstream::eprintln!(
            "  nothing proven: no {kind} of {} touched traffic in any seed; move it to where there is some",
            subject.name()
        );
    }
    for state in tally.not_reached(subject.must_reach()) {
        anstream::eprintln!(
            "  nothing proven: {} never reached {state} in any seed, which it expects",
            subject.name()
        );
    }
    drop(std::io::stdout().flush());
    exit
}

/// Real time, for people only: no verdict depends on it.
struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a run took in reality is told to people, outside any world"
    )]
    fn start() -> Self {
        Self(std::time::Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(name: &str, seeds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:40} {wide_bar} {pos}/{len} seeds, {per_sec}, {eta} left")
        .expect("the template is a constant");
    let target = ProgressDrawTarget::stderr();
    ProgressBar::with_draw_target(Some(seeds), target).with_style(style).with_message(name.to_owned())
}
