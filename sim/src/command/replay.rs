//! `cargo sim replay`: one seed again, with all that happened.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;

use crate::app::chat::Chat;
use crate::hunt::{Judged, PATIENCE, Watch, judged_or_stuck};
use crate::plan::{Backend, Plan, SettleBound};
use crate::report::ExitCode;
use crate::subject::{Subject, load};
use crate::world::{self, RunOptions};

use super::leave_stuck;
use super::save::{save, save_failure};

/// Run one seed again and print all that happened.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// A scenario file, or a plan file
    path: PathBuf,
    /// The seed [default: a plan's own; 0 for a scenario]
    #[arg(long)]
    seed: Option<u64>,
    /// What carries the bytes [default: turmoil; a plan file's own]
    #[arg(long)]
    backend: Option<Backend>,
    /// Print the plan and run nothing: what the seed made of the scenario, as YAML that replays
    #[arg(long)]
    plan: bool,
    /// Print what the programs log, too, stamped with virtual time and host: a level, or a filter such as
    /// `squall::socket=trace`
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Write all that happened here, a JSON object a line [default: under target/squall, where the seed fails]
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

impl Replay {
    pub(super) fn execute(self) -> ExitCode {
        let subject = match load(std::slice::from_ref(&self.path), std::io::stderr().is_terminal()) {
            Ok(mut subjects) if subjects.len() == 1 => Some(subjects.remove(0).on(self.backend)),
            Ok(_) => None,
            Err(errors) => {
                anstream::eprintln!("{}", errors.join("\n"));
                return ExitCode::Usage;
            }
        };
        let Some(subject) = subject else {
            anstream::eprintln!(
                "error: {} is not one file: name the scenario to replay",
                self.path.display()
            );
            return ExitCode::Usage;
        };
        let seed = self.seed.unwrap_or(subject.default_seeds().start);
        let plan = subject.plan(seed);
        if self.plan {
            anstream::print!("{}", plan.to_yaml());
            anstream::println!("# The protocol's own timers: {}", SettleBound::of(&plan));
            return ExitCode::Held;
        }
        let options = RunOptions { log: self.log.clone(), ..RunOptions::default() };
        if let Err(why) = world::preflight(&options) {
            anstream::eprintln!("error: {why}");
            return ExitCode::Usage;
        }
        let stuck = |_: &Plan| leave_stuck(&subject, seed, PATIENCE);
        let watch = Watch { patience: PATIENCE, stuck: &stuck };
        let judged = judged_or_stuck(plan, &Chat::default(), &options, &watch);
        let exit = report(&subject, seed, &judged);
        self.keep(&judged, seed).unwrap_or(exit)
    }

    /// Writes the history where it was asked for, or where failures are kept. Gives another exit code where it cannot.
    fn keep(&self, judged: &Judged, seed: u64) -> Option<ExitCode> {
        let Some(file) = &self.history else {
            if !judged.held() {
                anstream::eprintln!("{}", save_failure(judged, seed));
            }
            return None;
        };
        let error = save(judged, seed, file).err()?;
        anstream::eprintln!("error: {error}");
        Some(ExitCode::Usage)
    }
}

fn report(subject: &Subject, seed: u64, judged: &Judged) -> ExitCode {
    let history = &judged.outcome.history;
    let mut log = judged.outcome.log.iter().peekable();
    for record in &history.records {
        while let Some(line) = log.next_if(|line| line.before <= record.step) {
            anstream::println!("{}", line.text);
        }
        anstream::println!("{record}");
    }
    log.for_each(|line| anstream::println!("{}", line.text));
    let (records, chunks, digest) = (history.records.len(), history.chunks, history.digest);
    anstream::println!(
        "\n{records} records, {chunks} chunks, {} virtual seconds",
        judged.outcome.elapsed.as_secs()
    );
    anstream::println!("digest {digest}");
    if judged.held() {
        return ExitCode::Held;
    }
    anstream::eprintln!("\n{}", judged.complaint(subject, seed, true));
    match (judged.harness_failure(), judged.judgement.violation()) {
        (Some(_), _) => ExitCode::HarnessFailed,
        (None, Some(_)) => ExitCode::Broken,
        (None, None) => ExitCode::NothingProven,
    }
}
