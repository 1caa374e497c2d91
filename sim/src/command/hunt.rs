//! `cargo sim hunt`: many seeds of many scenarios, for a number of seeds or for a time.
//!
//! Seeds come in rounds, so that a hunt that ends early has been everywhere. A find is said, and written to the file, as
//! soon as it is made.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::app::chat::Chat;
use crate::check::Expectations;
use crate::hunt::crossing::shown_on_turmoil;
use crate::hunt::tally::is_find;
use crate::hunt::workers::{Stop, Workers};
use crate::hunt::{Fate, Lost, Tally, Tried, Wrong};
use crate::plan::Backend;
use crate::report::{Coverage, ExitCode, ScenarioLine, Summary, replay_command, too_calm};
use crate::subject::Subject;

use super::stopwatch::Stopwatch;
use super::{crew, load_or_say, run};

/// Search for long: many seeds of many scenarios, every find said at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo sim hunt --for 10m                         every scenario, in turn, for ten minutes
  cargo sim hunt scenarios/recovery --seeds 5000   so many seeds of each of these
  cargo sim hunt scenarios/swarm --seeds 10000 --rough
                                                   and fail where faults led to too little to prove something
  cargo sim hunt --for 8h --from 1000000 --out finds.jsonl
                                                   other seeds than last night; a line of JSON for each find

At the end stand what faults led to, which of them met which states of the protocol, and what was never reached.
Each tenth seed is run twice; where its digests differ, that is a find.
A find is said at once, with the command that replays it; `cargo sim shrink FILE --seed N` makes it small.
Exit codes are those of `run`.")]
pub(super) struct Hunt {
    /// Scenario or plan files, or folders of them [default: scenarios]
    paths: Vec<PathBuf>,
    /// Try so many seeds of each scenario
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Try seeds for so long instead, such as `10m`
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "seeds")]
    time: Option<Duration>,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// What carries the bytes [default: event; a plan file's own]
    #[arg(long)]
    backend: Option<Backend>,
    /// Run so many worker processes [default: the number of cores]
    #[arg(long, short, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Write finds here, a JSON object a line, and at the end a line that says what was searched
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Fail, as where nothing is proven, if it was not rough enough for 10,000 seeds of a swarm: each kind of fault touches
    /// traffic in 5 % of the seeds, and so on
    #[arg(long)]
    rough: bool,
}

/// Each so-manieth seed is run twice, and its two digests are compared.
const TWICE_EACH: u64 = 10;

/// How many seeds of a scenario are tried before it is the next one's turn.
const ROUND: u64 = 100;

impl Hunt {
    pub(super) fn execute(self) -> ExitCode {
        let subjects: Vec<Subject> = match load_or_say(&self.paths) {
            Ok(subjects) => subjects.into_iter().map(|subject| self.carried(subject)).collect(),
            Err(exit) => return exit,
        };
        let out = match self.out.as_ref().map(File::create).transpose() {
            Ok(out) => out,
            Err(error) => {
                let file = self.out.unwrap_or_default();
                anstream::eprintln!("error: failed to create {}: {error}", file.display());
                return ExitCode::Usage;
            }
        };
        match crew::workers(self.jobs) {
            Ok(workers) => self.search(&subjects, Finds { out, number: 0 }, workers.twice_each(TWICE_EACH)),
            Err(error) => {
                anstream::eprintln!("error: failed to prepare workers: {error}");
                ExitCode::HarnessFailed
            }
        }
    }

    fn carried(&self, subject: Subject) -> Subject {
        let backend = self.backend.or_else(|| subject.fast_backend());
        subject.on(backend)
    }

    fn search(&self, subjects: &[Subject], mut finds: Finds, mut workers: Workers) -> ExitCode {
        let clock = Stopwatch::start();
        let bar = progress();
        let mut searched: Vec<Searched> = subjects.iter().map(Searched::of).collect();
        let mut stop = None;
        // Whatever the time, something is searched.
        let mut spent = Duration::ZERO;
        for round in 0.. {
            let mut is_over = true;
            for one in &mut searched {
                let count = self.count(one.subject, round, spent);
                if count == 0 {
                    continue;
                }
                is_over = false;
                bar.set_message(one.subject.name());
                let first = self.from.saturating_add(round * ROUND);
                let began = clock.elapsed();
                stop = one.search(first, count, &mut workers, &mut finds, &bar).err();
                spent = clock.elapsed();
                one.real += spent - began;
                if stop.is_some() {
                    break;
                }
            }
            if is_over || stop.is_some() {
                break;
            }
        }
        bar.finish_and_clear();
        let exit = self.report(&searched, &mut finds, clock.elapsed());
        stop.map_or(exit, |stop| exit.max(crew::say_stop(&stop)))
    }

    /// How many seeds of a file to try in a round.
    fn count(&self, subject: &Subject, round: u64, elapsed: Duration) -> u64 {
        let is_exhausted = round > 0 && subject.fast_backend().is_none();
        match self.time {
            _ if is_exhausted => 0,
            Some(time) if elapsed >= time => 0,
            Some(_) => ROUND,
            None => self.seeds.saturating_sub(round * ROUND).min(ROUND),
        }
    }

    /// Says what was searched, and what it means for who asked.
    fn report(&self, searched: &[Searched<'_>], finds: &mut Finds, real: Duration) -> ExitCode {
        let ran = || searched.iter().filter(|one| one.tally.seeds > 0 || !one.tally.lost.is_empty());
        let lines: Vec<ScenarioLine> =
            ran().map(|one| run::line(one.subject, &one.tally, one.real)).collect();
        for (one, line) in ran().zip(&lines) {
            anstream::println!("{}", line.render(true));
            one.tally
                .complaints(one.subject, true)
                .iter()
                .for_each(|complaint| anstream::eprintln!("{complaint}"));
            if let Some(crossing) = one.crossing() {
                anstream::println!("  {crossing}");
            }
        }
        let mut exit = ran().map(|one| one.tally.exit(one.subject)).max().unwrap_or(ExitCode::NothingProven);
        let mut coverage = Coverage::default();
        ran().for_each(|one| one.tally.cover(&mut coverage));
        let summary = Summary::of(&lines, real);
        anstream::println!("\n{}\n\n{}\n{} found", coverage.render(), summary.render(true), finds.number);
        let too_calm = if self.rough { too_calm(&summary.weather) } else { Vec::new() };
        too_calm.iter().for_each(|what| anstream::eprintln!("  too calm: {what}"));
        if exit == ExitCode::Held && !too_calm.is_empty() {
            exit = ExitCode::NothingProven;
        }
        finds.write(&json!({
            "seeds": summary.seeds, "run_twice": summary.twice, "messages": summary.messages, "found": finds.number,
            "simulated_seconds": summary.simulated.as_secs(), "real_seconds": real.as_secs(), "exit_code": exit.code(),
            "weather": summary.weather, "too_calm": too_calm, "coverage": coverage.to_json(),
        }));
        exit
    }
}

/// What was searched of one file.
struct Searched<'a> {
    subject: &'a Subject,
    expectations: Expectations,
    tally: Tally,
    real: Duration,
}

impl<'a> Searched<'a> {
    fn of(subject: &'a Subject) -> Self {
        let expectations = subject.expectations();
        Self { subject, expectations, tally: Tally::default(), real: Duration::ZERO }
    }

    fn search(
        &mut self,
        first: u64,
        count: u64,
        workers: &mut Workers,
        finds: &mut Finds,
        bar: &ProgressBar,
    ) -> Result<(), Stop> {
        let Self { subject, expectations, tally, .. } = self;
        workers.hunt(subject, subject.seeds_from(first, count), &mut |fate| {
            if let Some((seed, what)) = find(&fate, expectations) {
                finds.add(subject, seed, &what, bar);
            }
            tally.take(fate);
            bar.inc(1);
        })
    }
}

impl Searched<'_> {
    /// Whether turmoil shows the lowest broken promise that another backend found.
    fn crossing(&self) -> Option<String> {
        let broken = self.tally.failures.iter().find_map(|(seed, wrong)| match wrong {
            Wrong::Broken(anomaly) if is_find(wrong, &self.expectations) => Some((*seed, *anomaly)),
            Wrong::Broken(_) | Wrong::Harness(_) | Wrong::Unknown(_) => None,
        });
        let (seed, anomaly) =
            broken.filter(|(seed, _)| self.subject.plan(*seed).backend == Backend::Event)?;
        let crossing = shown_on_turmoil(self.subject, seed, anomaly, &Chat::default());
        Some(format!("seed {seed}, {anomaly}: {crossing}"))
    }
}

/// What is found with a seed, if anything is.
fn find(fate: &Fate, expectations: &Expectations) -> Option<(u64, String)> {
    match fate {
        Fate::Tried(Tried { seed, diverged: Some(_), .. }) => Some((*seed, "not deterministic".to_owned())),
        Fate::Tried(Tried { seed, wrong: Some(wrong), .. }) if is_find(wrong, expectations) => {
            let what = match wrong {
                Wrong::Broken(anomaly) => anomaly.to_string(),
                Wrong::Harness(why) | Wrong::Unknown(why) => why.clone(),
            };
            Some((*seed, what))
        }
        Fate::Tried(_) => None,
        Fate::Lost(seed, Lost::Stuck(_)) => Some((*seed, "livelock".to_owned())),
        Fate::Lost(seed, Lost::Asleep(_)) => Some((*seed, "asleep".to_owned())),
        Fate::Lost(seed, Lost::Died(how)) => Some((*seed, format!("death: {how}"))),
    }
}

/// Where finds go.
struct Finds {
    out: Option<File>,
    number: u64,
}

impl Finds {
    fn add(&mut self, subject: &Subject, seed: u64, what: &str, bar: &ProgressBar) {
        self.number += 1;
        let (name, path) = (subject.name(), subject.path.display().to_string());
        let command = replay_command(&path, seed, subject.backend);
        bar.suspend(|| anstream::println!("FIND  {name}, seed {seed}: {what}\n      {command}"));
        let backend = subject.plan(seed).backend;
        self.write(&json!({
            "scenario": name, "path": path, "seed": seed, "backend": backend, "found": what, "replay": command,
        }));
    }

    fn write(&mut self, line: &serde_json::Value) {
        let Some(out) = &mut self.out else { return };
        if let Err(error) = writeln!(out, "{line}") {
            anstream::eprintln!("error: finds are no longer written to the file: {error}");
            self.out = None;
        }
    }
}

/// What goes on, on a terminal; nothing elsewhere.
fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg:40} {pos} seeds, {per_sec}, {elapsed}")
        .expect("the template is a constant");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}
