//! Whoever takes the injection of a kind of fault out, so that nothing breaks where the plan says that it does, is told: the
//! kind stands in a scenario of `scenarios/faults`, touches nothing there, and so nothing is proven. Nor is it where one fault
//! of two of a kind touches nothing.

use std::path::PathBuf;

use super::tried::try_plan;
use super::{PATIENCE, Tally, Watch, here};
use crate::app::chat::Chat;
use crate::plan::{FaultKind, Plan};
use crate::report::ExitCode;
use crate::subject::{self, Subject};
use crate::world::{self, RunOptions};

/// The first seed of each scenario of the folder.
fn first_plans() -> Vec<(Subject, Plan)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios/faults");
    let subjects = subject::load(&[folder], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    subjects
        .into_iter()
        .map(|subject| {
            let plan = subject.plan(0);
            (subject, plan)
        })
        .collect()
}

/// What one seed of a scenario comes to without a kind of fault.
fn without(kind: FaultKind, plan: &Plan) -> Tally {
    let options = RunOptions { taken_out: Some(kind), ..RunOptions::default() };
    let mut tally = Tally::default();
    tally.add(try_plan(0, plan.clone(), false, |plan| world::run(plan, &Chat::default(), &options)));
    tally
}

#[test]
fn a_kind_of_fault_that_is_taken_out_proves_nothing_in_a_scenario_about_faults() {
    let mut plans = first_plans();
    // The shorter, the sooner.
    plans.sort_by_key(|(_, plan)| plan.ops.len());
    for kind in FaultKind::ALL {
        let has = |(_, plan): &&(Subject, Plan)| plan.faults.iter().any(|fault| fault.what.kind() == kind);
        // Some go on to say that a client never noticed its silence, which is red too; of all scenarios the worst counts.
        let proves_nothing = |(subject, plan): &(Subject, Plan)| {
            let tally = without(kind, plan);
            let is_idle = tally.touched.idle().any(|idle| idle == kind.as_str());
            is_idle && tally.exit(subject) == ExitCode::NothingProven
        };
        assert!(plans.iter().filter(has).any(proves_nothing), "{}", kind.as_str());
    }
}

const ONE_NEVER_BEGINS: &str = "\
name: one-never-begins
about: The second reset waits for more than happens.
guarantee: exactly_once
clients: { alice: {}, bob: {} }
work:
  - { at: 1s, who: alice, do: { say: { count: 5, every: 500ms } } }
faults:
  - { at: { step: 100000 }, what: { reset: { between: [alice, server] } } }
  - { at: 2s..3s, what: { reset: { between: [alice, server] } } }
seeds: 3
";

#[test]
fn each_fault_of_a_scenario_must_touch_traffic_with_one_of_its_seeds() {
    let read = |text: &str| Subject::read("one-never-begins.yaml".into(), text.to_owned(), false);
    let subject = read(ONE_NEVER_BEGINS).unwrap_or_else(|error| panic!("{error}"));
    let tally = |subject: &Subject, seeds| {
        let stuck = |_: &Plan| panic!("it does not stand still");
        let watch = Watch { patience: PATIENCE, stuck: &stuck };
        here::hunt(&|seed| subject.plan(seed), &Chat::default(), seeds, &watch)
    };

    let all = tally(&subject, 0..3);
    assert_eq!(all.exit(&subject), ExitCode::NothingProven);
    let complaints = all.complaints(&subject, false);
    let [complaint] = &complaints[..] else { panic!("{complaints:?}") };
    assert!(
        complaint.contains("fault 1 of the file, `reset alice -- server` at step 100000, "),
        "{complaint}"
    );
    assert_eq!(tally(&subject, 0..2).exit(&subject), ExitCode::Held, "the third might have shown it");

    let both = ONE_NEVER_BEGINS.replace("{ step: 100000 }", "4s");
    let subject = read(&both).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(tally(&subject, 0..3).exit(&subject), ExitCode::Held);
}
