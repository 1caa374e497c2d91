//! `cargo sim run`: scenarios, many seeds, one line each.

use std::io::IsTerminal;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::app::chat::Chat;
use crate::hunt::{PATIENCE, Progress, Tally, hunt};
use crate::plan::Backend;
use crate::report::{ExitCode, ScenarioLine, Status, Summary};
use crate::shrink::CANDIDATES_MAX;
use crate::subject::{Subject, load};

use super::save::save_failure;
use super::shrink::{regressions, shrink_and_save};
use super::{default_scenarios, leave_stuck};

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
    /// What carries the bytes [default: turmoil; a plan file's own]
    #[arg(long)]
    backend: Option<Backend>,
    /// Run so many seeds at a time [default: the number of cores]
    #[arg(long, short, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Do not make the lowest failing seed smaller, nor save it under `scenarios/regressions`; so it is where CI is set
    #[arg(long, env = "CI", value_parser = clap::builder::FalseyValueParser::new(), hide_env = true)]
    no_shrink: bool,
    /// Print `scenario seed digest` for each seed instead of a report: two builds must print the same
    #[arg(long)]
    digests: bool,
}

impl Run {
    pub(super) fn execute(self) -> ExitCode {
        let paths = if self.paths.is_empty() { vec![default_scenarios()] } else { self.paths.clone() };
        let subjects = match load(&paths, std::io::stderr().is_terminal()) {
            Ok(subjects) => subjects.into_iter().map(|subject| subject.on(self.backend)).collect::<Vec<_>>(),
            Err(errors) => {
                anstream::eprintln!("{}", errors.join("\n"));
                return ExitCode::Usage;
            }
        };
        if subjects.is_empty() {
            let folders: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            anstream::eprintln!("error: no scenario (*.yaml) under {}", folders.join(", "));
            return ExitCode::NothingProven;
        }
        self.run_all(&subjects)
    }

    fn run_all(&self, subjects: &[Subject]) -> ExitCode {
        let clock = Stopwatch::start();
        let mut lines = Vec::new();
        let mut exit = ExitCode::Held;
        for subject in subjects {
            let started = clock.elapsed();
            let tally = self.run_one(subject);
            let line = line(subject, &tally, clock.elapsed() - started);
            exit = exit.max(tally.exit(&subject.expectations()));
            self.print(subject, &tally, &line);
            self.shrink_lowest(subject, tally);
            lines.push(line);
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
        for complaint in tally.complaints(subject, true) {
            anstream::eprintln!("{complaint}");
        }
        let expectations = subject.expectations();
        if let Some((seed, judged)) = tally.lowest_wrong(&expectations) {
            anstream::eprintln!("{}", save_failure(judged, seed));
        }
    }

    /// Makes the lowest seed that broke a promise smaller.
    fn shrink_lowest(&self, subject: &Subject, mut tally: Tally) {
        let Some(run) = tally.lowest_broken(&subject.expectations()) else { return };
        if self.no_shrink {
            return;
        }
        match shrink_and_save(run, &Chat::default(), CANDIDATES_MAX, &regressions()) {
            Ok(says) => anstream::eprintln!("{says}"),
            Err(error) => anstream::eprintln!("  {error}"),
        }
    }

    fn run_one(&self, subject: &Subject) -> Tally {
        let seeds = self.seeds_of(subject);
        let jobs = self
            .jobs
            .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
        let bar = progress(&subject.name(), seeds.end - seeds.start);
        let say = |progress| match progress {
            Progress::Done(_) => bar.inc(1),
            Progress::Stuck(seed) => {
                bar.finish_and_clear();
                leave_stuck(subject, seed, PATIENCE)
            }
        };
        let tally = hunt(&|seed| subject.plan(seed), &Chat::default(), seeds, jobs, PATIENCE, &say);
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

fn line(subject: &Subject, tally: &Tally, real: Duration) -> ScenarioLine {
    let status = match tally.exit(&subject.expectations()) {
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
        messages: tally.messages,
        touched: tally.touched.clone(),
        simulated: tally.elapsed,
        real,
        note: unmet.first().map(ToString::to_string),
    }
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
