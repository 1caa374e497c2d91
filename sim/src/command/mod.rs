//! The commands of `cargo sim`.

mod bench;
mod crew;
mod hunt;
mod replay;
mod run;
mod sabotage;
mod save;
mod shrink;
mod stopwatch;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::app::chat::Chat;
use crate::hunt::{Lost, workers};
use crate::plan::Plan;
use crate::report::ExitCode;
use crate::subject::{Content, Subject, load};
use crate::world::{self, RunOptions};

/// Runs the real Socket.IO server and clients in a simulated network and says which delivery promise broke.
#[derive(Debug, Parser)]
#[command(
    name = "cargo sim",
    bin_name = "cargo sim",
    version,
    after_help = "Examples:
  cargo sim run                                    every scenario, with its own seeds
  cargo sim run scenarios/delivery --seeds 500     more seeds of some
  cargo sim run scenarios/smoke --seed 7           one seed
  cargo sim replay scenarios/delivery/burst-across-stall.yaml --seed 7
                                                   one seed again, with everything that happened
  cargo sim replay FILE --seed 7 --log debug       and what the programs logged, in virtual time
  cargo sim hunt --for 10m --out finds.jsonl       as many seeds as ten minutes hold, finds kept in a file

Exit codes:
  0 every promise held            1 a promise was broken     2 usage, or a scenario that is not valid
  3 not deterministic             4 nothing was proven       5 the simulation itself failed
  130 interrupted"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios and check every promise.
    Run(run::Run),
    /// Search for long: many seeds of many scenarios, every find said at once.
    Hunt(hunt::Hunt),
    /// Run one seed again and print all that happened.
    Replay(replay::Replay),
    /// Make a failing seed as small as it can be and save it as a regression.
    Shrink(shrink::Shrink),
    /// Put known bugs in, one at a time, and see that the checkers find them.
    Sabotage(sabotage::Hunt),
    /// Measure what a seed costs, how that grows, and where it goes.
    Bench(bench::Bench),
    /// Try seeds that the standard input names: what `run` and `hunt` start.
    #[command(hide = true)]
    Worker,
}

impl Cli {
    /// Does what was asked.
    pub fn execute(self) -> ExitCode {
        if let Err(why) = world::preflight(&RunOptions::default()) {
            anstream::eprintln!("error: {why}");
            return ExitCode::HarnessFailed;
        }
        match self.command {
            Command::Run(run) => run.execute(),
            Command::Hunt(hunt) => hunt.execute(),
            Command::Replay(replay) => replay.execute(),
            Command::Shrink(shrink) => shrink.execute(),
            Command::Sabotage(hunt) => hunt.execute(),
            Command::Bench(bench) => bench.execute(),
            Command::Worker => workers::serve(&Chat::default()),
        }
    }
}

/// Says which seed stands still, and leaves the program: nothing else can end it.
pub fn leave_stuck(subject: &Subject, seed: u64, patience: Duration) -> ! {
    anstream::eprintln!("{}", Lost::Stuck(patience).complaint(subject, seed, true));
    std::process::exit(ExitCode::HarnessFailed.code().into());
}

/// The same of a plan that is in no file, such as one that was made smaller: it is kept in one first.
pub fn leave_stuck_plan(plan: &Plan, patience: Duration) -> ! {
    match save::save_plan(plan) {
        Ok(path) => {
            let content = Content::Plan(Box::new(plan.clone()));
            let subject = Subject { path, text: plan.to_yaml(), content, backend: None };
            leave_stuck(&subject, plan.seed, patience)
        }
        Err(error) => {
            anstream::eprintln!("livelock: virtual time has stood still for {patience:?}, and {error}");
            std::process::exit(ExitCode::HarnessFailed.code().into())
        }
    }
}

/// The files to run, or those under `scenarios` where none is named.
///
/// # Errors
/// The exit code, when there is nothing to run; the reason has been said.
fn load_or_say(paths: &[PathBuf]) -> Result<Vec<Subject>, ExitCode> {
    let paths = if paths.is_empty() { vec![default_scenarios()] } else { paths.to_owned() };
    let subjects = load(&paths, std::io::stderr().is_terminal()).map_err(|errors| {
        anstream::eprintln!("{}", errors.join("\n"));
        ExitCode::Usage
    })?;
    if subjects.is_empty() {
        let folders: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        anstream::eprintln!("error: no scenario (*.yaml) under {}", folders.join(", "));
        return Err(ExitCode::NothingProven);
    }
    Ok(subjects)
}

/// Where scenarios are: the nearest `scenarios` folder, from here upwards.
fn default_scenarios() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    here.ancestors().map(|folder| folder.join("scenarios")).find(|folder| folder.is_dir()).map_or_else(
        || PathBuf::from("scenarios"),
        |found| found.strip_prefix(&here).map(PathBuf::from).unwrap_or(found),
    )
}
