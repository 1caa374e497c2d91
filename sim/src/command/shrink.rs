//! `cargo sim shrink`: a failing seed becomes a small plan, in a file of its own.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::app::App;
use crate::app::chat::Chat;
use crate::hunt::{Judged, PATIENCE, Watch, judged_or_stuck};
use crate::plan::{Backend, Plan};
use crate::report::ExitCode;
use crate::shrink::{self, CANDIDATES_MAX};
use crate::subject::load;
use crate::world::RunOptions;

use super::{default_scenarios, leave_stuck, leave_stuck_plan};

/// Make a failing seed as small as it can be and save it as a regression.
#[derive(Debug, Args)]
pub(super) struct Shrink {
    /// A scenario file, or a plan file
    path: PathBuf,
    /// The seed [default: a plan's own; 0 for a scenario]
    #[arg(long)]
    seed: Option<u64>,
    /// What carries the bytes [default: turmoil; a plan file's own]
    #[arg(long)]
    backend: Option<Backend>,
    /// How many smaller plans to try at most
    #[arg(long, default_value_t = CANDIDATES_MAX)]
    candidates: u32,
    /// Where to save what remains [default: scenarios/regressions]
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

impl Shrink {
    pub(super) fn execute(self) -> ExitCode {
        let subject = match load(std::slice::from_ref(&self.path), std::io::stderr().is_terminal()) {
            Ok(mut subjects) if subjects.len() == 1 => subjects.remove(0).on(self.backend),
            Ok(_) => {
                anstream::eprintln!(
                    "error: {} is not one file: name the scenario to shrink",
                    self.path.display()
                );
                return ExitCode::Usage;
            }
            Err(errors) => {
                anstream::eprintln!("{}", errors.join("\n"));
                return ExitCode::Usage;
            }
        };
        let seed = self.seed.unwrap_or(subject.default_seeds().start);
        let app = Chat::default();
        let stuck = |_: &Plan| leave_stuck(&subject, seed, PATIENCE);
        let watch = Watch { patience: PATIENCE, stuck: &stuck };
        let run = judged_or_stuck(subject.plan(seed), &app, &RunOptions::default(), &watch);
        if run.judgement.violation().is_none() {
            anstream::eprintln!(
                "error: seed {seed} of {} breaks no promise: there is nothing to shrink",
                subject.name()
            );
            return ExitCode::Usage;
        }
        let into = self.into.unwrap_or_else(regressions);
        match shrink_and_save(run, &app, self.candidates, &into) {
            Ok(says) => {
                anstream::println!("{says}");
                ExitCode::Broken
            }
            Err(error) => {
                anstream::eprintln!("error: {error}");
                ExitCode::HarnessFailed
            }
        }
    }
}

/// Where regressions are kept.
pub(super) fn regressions() -> PathBuf {
    default_scenarios().join("regressions")
}

/// Shrinks a run that broke a promise, saves what remains, and says so.
///
/// # Errors
/// When the file cannot be written; it says which.
pub(super) fn shrink_and_save(
    run: Judged,
    app: &dyn App,
    candidates: u32,
    into: &Path,
) -> Result<String, String> {
    let Some(anomaly) = run.judgement.violation().map(|violation| violation.anomaly) else {
        return Ok("no promise was broken".to_owned());
    };
    let (ops, faults) = (run.plan.ops.len(), run.plan.faults.len());
    let stuck = |plan: &Plan| leave_stuck_plan(plan, PATIENCE);
    let watch = Watch { patience: PATIENCE, stuck: &stuck };
    let shrunk = shrink::shrink(run, anomaly, app, candidates, &watch);
    let small = &shrunk.smallest;
    let Some(violation) = small.judgement.violation() else {
        return Ok("no promise was broken".to_owned());
    };
    let file = shrink::save(into, small, violation)
        .map_err(|error| format!("failed to save a regression into {}: {error}", into.display()))?;
    Ok(format!(
        "  shrunk in {} runs: {ops} -> {} ops, {faults} -> {} faults; saved, to be replayed with\n    cargo sim replay {}",
        shrunk.tried,
        small.plan.ops.len(),
        small.plan.faults.len(),
        file.display()
    ))
}
