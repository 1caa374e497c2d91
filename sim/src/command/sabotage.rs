//! `cargo sim sabotage`: a bug at a time, until a checker names it.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;

use crate::app::chat::Chat;
use crate::app::sabotage::Sabotage;
use crate::check::Anomaly;
use crate::hunt::{PATIENCE, Watch, judged_or_stuck};
use crate::plan::{Backend, Plan};
use crate::report::ExitCode;
use crate::subject::{Subject, load};
use crate::world::RunOptions;

use super::{default_scenarios, leave_stuck_plan};

/// Put known bugs in, one at a time, and see that the checkers find them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo sim sabotage                               each bug, in every scenario until one finds it
  cargo sim sabotage scenarios/swarm/anything-at-all.yaml --seeds 50 --bug handlers-emit
                                                   whether a swarm finds this one within 50 seeds

Exit codes: 0 each was found under its right name, 1 one was not.")]
pub(super) struct Hunt {
    /// Scenario files, or folders of them [default: scenarios]
    paths: Vec<PathBuf>,
    /// What carries the bytes [default: turmoil; a plan file's own]
    #[arg(long)]
    backend: Option<Backend>,
    /// Put this one in only, as often as it is given [default: all of them]
    #[arg(long, value_name = "NAME")]
    bug: Vec<Sabotage>,
    /// Run so many seeds of each scenario, from 0, in place of its own number
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
}

impl Hunt {
    pub(super) fn execute(self) -> ExitCode {
        let paths = if self.paths.is_empty() { vec![default_scenarios()] } else { self.paths };
        let subjects = match load(&paths, std::io::stderr().is_terminal()) {
            Ok(subjects) => subjects.into_iter().map(|subject| subject.on(self.backend)).collect::<Vec<_>>(),
            Err(errors) => {
                anstream::eprintln!("{}", errors.join("\n"));
                return ExitCode::Usage;
            }
        };
        let mut exit = ExitCode::Held;
        let bugs = if self.bug.is_empty() { Sabotage::ALL.to_vec() } else { self.bug };
        for sabotage in bugs {
            let Found { runs, by, others } = find(sabotage, &subjects, self.seeds);
            let (name, breaks) = (sabotage.as_str(), sabotage.breaks());
            match by {
                Some((scenario, seed)) => {
                    anstream::println!(
                        "{name:<22} found as {breaks} by {scenario}, seed {seed}, in run {runs}"
                    );
                }
                None => {
                    anstream::println!(
                        "{name:<22} NOT FOUND as {breaks} in {runs} runs; other names: {others:?}"
                    );
                    exit = ExitCode::Broken;
                }
            }
        }
        exit
    }
}

/// What became of a search for a sabotage.
struct Found {
    /// How many seeds were run.
    runs: u64,
    /// The scenario and seed that turned red under the right name.
    by: Option<(String, u64)>,
    /// Wrong names under which runs turned red before.
    others: Vec<Anomaly>,
}

fn find(sabotage: Sabotage, subjects: &[Subject], seeds: Option<u64>) -> Found {
    let mut found = Found { runs: 0, by: None, others: Vec::new() };
    let stuck = |plan: &Plan| {
        anstream::eprintln!("with {} in:", sabotage.as_str());
        leave_stuck_plan(plan, PATIENCE)
    };
    let watch = Watch { patience: PATIENCE, stuck: &stuck };
    for subject in subjects {
        for seed in seeds.map_or_else(|| subject.default_seeds(), |seeds| subject.seeds_from(0, seeds)) {
            let app = Chat::sabotaged(sabotage);
            let judged = judged_or_stuck(subject.plan(seed), &app, &RunOptions::default(), &watch);
            found.runs += 1;
            match judged.judgement.violation() {
                Some(violation) if violation.anomaly == sabotage.breaks() => {
                    found.by = Some((subject.name(), seed));
                    return found;
                }
                Some(violation) => found.others.push(violation.anomaly),
                None => {}
            }
        }
    }
    found
}
