//! `cargo sim run`: scenarios, many seeds, one line each.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::app::chat::Chat;
use crate::hunt::Tally;
use crate::hunt::crossing::shown_on_turmoil;
use crate::hunt::workers::{Stop, Workers};
use crate::plan::Backend;
use crate::report::{Coverage, ExitCode, ScenarioLine, Status, Summary};
use crate::shrink::CANDIDATES_MAX;
use crate::subject::Subject;

use super::save::save_failure;
use super::shrink::{regressions, shrink_and_save};
use super::stopwatch::Stopwatch;
use super::{crew, load_or_say};

/// With more seeds of each scenario than that, the faster backend carries them.
const SEEDS_ON_TURMOIL: u64 = 100;

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
    /// What carries the bytes [default: turmoil, or event for more than 100 seeds; a plan file's own]
    #[arg(long)]
    backend: Option<Backend>,
    /// Run so many worker processes [default: the number of cores]
    #[arg(long, short, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Do not make the lowest failing seed smaller, nor save it under `scenarios/regressions`; so it is where CI is set
    #[arg(long, env = "CI", value_parser = clap::builder::FalseyValueParser::new(), hide_env = true)]
    no_shrink: bool,
    /// Print `scenario seed digest` for each seed instead of a report: two builds must print the same
    #[arg(long)]
    digests: bool,
    /// Print at the end which faults met which states of the protocol, and which places no seed reached
    #[arg(long, conflicts_with = "digests")]
    reach: bool,
}

impl Run {
    pub(super) fn execute(self) -> ExitCode {
        match load_or_say(&self.paths) {
            Ok(subjects) => {
                let subjects: Vec<_> = subjects.into_iter().map(|subject| self.carried(subject)).collect();
                self.run_all(&subjects)
            }
            Err(exit) => exit,
        }
    }

    /// What carries it: many seeds are for the backend that has many.
    fn carried(&self, subject: Subject) -> Subject {
        let many = self.seeds.is_some_and(|seeds| seeds > SEEDS_ON_TURMOIL);
        let backend = if many { self.backend.or_else(|| subject.fast_backend()) } else { self.backend };
        subject.on(backend)
    }

    fn run_all(&self, subjects: &[Subject]) -> ExitCode {
        let mut workers = match crew::workers(self.jobs) {
            Ok(workers) => workers,
            Err(error) => {
                anstream::eprintln!("error: failed to prepare workers: {error}");
                return ExitCode::HarnessFailed;
            }
        };
        let clock = Stopwatch::start();
        let (mut lines, mut coverage) = (Vec::new(), Coverage::default());
        let mut exit = ExitCode::Held;
        for subject in subjects {
            let started = clock.elapsed();
            let (tally, stop) = self.run_one(&mut workers, subject);
            if let Some(stop) = stop {
                exit = exit.max(crew::say_stop(&stop));
                break;
            }
            let line = line(subject, &tally, clock.elapsed() - started);
            self.print(subject, &tally, &line);
            exit = exit.max(tally.exit(subject)).max(self.explain(subject, &tally));
            tally.cover(&mut coverage);
            lines.push(line);
        }
        if self.reach {
            anstream::println!("\n{}", coverage.render());
        }
        if !self.digests {
            anstream::println!("\n{}", Summary::of(&lines, clock.elapsed()).render(true));
        }
        exit
    }

    fn print(&self, subject: &Subject, tally: &Tally, line: &ScenarioLine) {
        if self.digests {
            for (seed, digest) in &tally.digests {
                anstream::println!("{} {seed} {digest}", subject.name());
            }
        } else {
            anstream::println!("{}", line.render(true));
        }
    }

    /// Says what is wrong, and makes the lowest seed that broke a promise smaller.
    fn explain(&self, subject: &Subject, tally: &Tally) -> ExitCode {
        let app = Chat::default();
        let (lowest, exit) = match tally.lowest_wrong(subject, &app) {
            Ok(lowest) => (lowest, ExitCode::Held),
            Err(not_the_same) => {
                anstream::eprintln!("{not_the_same}");
                (None, ExitCode::NotDeterministic)
            }
        };
        if let Some((seed, judged)) = &lowest {
            anstream::eprintln!("{}", judged.complaint(subject, *seed, true));
            if let (Backend::Event, Some(violation)) = (judged.plan.backend, judged.judgement.violation()) {
                let crossing = shown_on_turmoil(subject, *seed, violation.anomaly, &app);
                anstream::eprintln!("  {crossing}");
            }
        }
        for complaint in tally.complaints(subject, true) {
            anstream::eprintln!("{complaint}");
        }
        let Some((seed, judged)) = lowest else { return exit };
        anstream::eprintln!("{}", save_failure(&judged, seed));
        if !self.no_shrink && judged.harness_failure().is_none() && judged.judgement.violation().is_some() {
            match shrink_and_save(judged, &app, CANDIDATES_MAX, &regressions()) {
                Ok(says) => anstream::eprintln!("{says}"),
                Err(error) => anstream::eprintln!("  {error}"),
            }
        }
        exit
    }

    fn run_one(&self, workers: &mut Workers, subject: &Subject) -> (Tally, Option<Stop>) {
        let seeds = self.seeds_of(subject);
        let bar = progress(&subject.name(), seeds.end - seeds.start);
        let mut tally = Tally::default();
        let ended = workers.hunt(subject, seeds, &mut |fate| {
            tally.take(fate);
            bar.inc(1);
        });
        bar.finish_and_clear();
        (tally, ended.err())
    }

    fn seeds_of(&self, subject: &Subject) -> Range<u64> {
        match (self.seed, self.seeds) {
            (Some(seed), _) => seed..seed.saturating_add(1),
            (None, Some(seeds)) => subject.seeds_from(0, seeds),
            (None, None) => subject.default_seeds(),
        }
    }
}

pub(super) fn line(subject: &Subject, tally: &Tally, real: Duration) -> ScenarioLine {
    let status = match tally.exit(subject) {
        ExitCode::Held => Status::Pass,
        ExitCode::NothingProven => Status::Unproven,
        ExitCode::Broken
        | ExitCode::Usage
        | ExitCode::NotDeterministic
        | ExitCode::HarnessFailed
        | ExitCode::Interrupted => Status::Fail,
    };
    let unmet = subject.expectations().judge(&tally.observed);
    ScenarioLine {
        name: subject.name(),
        status,
        seeds: tally.seeds,
        twice: tally.twice,
        messages: tally.messages,
        touched: tally.touched.clone(),
        weather: tally.weather.clone(),
        simulated: tally.elapsed,
        real,
        note: unmet.first().map(ToString::to_string),
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(name: &str, seeds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:40} {wide_bar} {pos}/{len} seeds, {per_sec}, {eta} left")
        .expect("the template is a constant");
    let target = ProgressDrawTarget::stderr();
    ProgressBar::with_draw_target(Some(seeds), target).with_style(style).with_message(name.to_owned())
}
