//! Whoever takes the injection of a kind of fault out, so that nothing breaks where the plan says that it does, is told: the
//! kind stands in a scenario of `scenarios/faults`, touches nothing there, and so nothing is proven.

use std::path::PathBuf;

use super::Tally;
use super::tried::try_plan;
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
            is_idle && tally.exit(&subject.expectations()) == ExitCode::NothingProven
        };
        assert!(plans.iter().filter(has).any(proves_nothing), "{}", kind.as_str());
    }
}
