//! Every scenario under `scenarios/`, each a named test over its own seeds: `cargo test --test scenarios -- delivery`.
//!
//! `SQUALL_SEEDS=500` runs so many seeds of each in place of its own number.

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use squall_sim::app::chat::Chat;
use squall_sim::command::leave_stuck;
use squall_sim::hunt::{PATIENCE, Watch, here};
use squall_sim::plan::Plan;
use squall_sim::report;
use squall_sim::subject::{self, Subject};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let subjects = match subject::load(&[root.join("scenarios")], false) {
        Ok(subjects) => subjects,
        Err(errors) => {
            eprintln!("{}", errors.join("\n"));
            return ExitCode::from(report::ExitCode::Usage.code());
        }
    };
    assert!(!subjects.is_empty(), "no scenario was found: the tests would prove nothing");
    let trials = subjects.into_iter().map(|subject| trial(&root, subject)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(root: &std::path::Path, mut subject: Subject) -> Trial {
    if let Ok(relative) = subject.path.strip_prefix(root) {
        subject.path = relative.to_owned();
    }
    let folder =
        subject.path.parent().and_then(|folder| folder.file_name()).unwrap_or_default().to_string_lossy();
    Trial::test(format!("{folder}::{}", subject.name()), move || run(&subject)).with_kind("sim")
}

fn run(subject: &Subject) -> Result<(), Failed> {
    let seeds = match std::env::var("SQUALL_SEEDS") {
        Ok(count) => 0..count.parse::<u64>().map_err(|error| format!("SQUALL_SEEDS={count}: {error}"))?,
        Err(_) => subject.default_seeds(),
    };
    let (app, stuck) = (Chat::default(), |plan: &Plan| leave_stuck(subject, plan.seed, PATIENCE));
    let watch = Watch { patience: PATIENCE, stuck: &stuck };
    let tally = here::hunt(&|seed| subject.plan(seed), &app, seeds, &watch);
    let exit = tally.exit(subject);
    if exit == report::ExitCode::Held {
        return Ok(());
    }
    let lowest = match tally.lowest_wrong(subject, &app) {
        Ok(lowest) => lowest.map(|(seed, judged)| judged.complaint(subject, seed, false)),
        Err(not_the_same) => Some(not_the_same),
    };
    let complaints: Vec<_> = lowest.into_iter().chain(tally.complaints(subject, false)).collect();
    Err(format!("exit code {}\n{}", exit.code(), complaints.join("\n")).into())
}
