//! Every scenario under `scenarios/`, each a named test over its own seeds: `cargo test --test scenarios -- delivery`.
//!
//! `SQUALL_SEEDS=500` runs so many seeds of each in place of its own number.

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use squall_sim::app::chat::Chat;
use squall_sim::hunt::hunt;
use squall_sim::report::{self, Exit, Failure};
use squall_sim::subject::{self, Subject};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let subjects = match subject::load(&[root.join("scenarios")], false) {
        Ok(subjects) => subjects,
        Err(errors) => {
            eprintln!("{}", errors.join("\n"));
            return ExitCode::from(Exit::Usage.code());
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
    let tally = hunt(&|seed| subject.plan(seed), &Chat::default(), seeds, 1, &|_| ())?;
    let exit = tally.exit(subject.must_reach());
    if exit == Exit::Held {
        return Ok(());
    }
    let mut text = format!("exit {}: {exit}", exit.code());
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
        text.push('\n');
        text.push_str(&failure.render(false));
    }
    if let Some((seed, histories)) = &tally.diverged {
        text.push('\n');
        text.push_str(&report::divergence(&subject.path, *seed, histories));
    }
    for idle in tally.idle_faults() {
        text.push_str(&format!("\nno {idle} touched traffic in any seed"));
    }
    for state in tally.not_reached(subject.must_reach()) {
        text.push_str(&format!("\n{state} was not reached in any seed"));
    }
    Err(text.into())
}
