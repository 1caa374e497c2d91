//! A failing seed becomes a few steps, which break the same promise and replay from a file.

use std::path::PathBuf;

use squall_sim::app::chat::Chat;
use squall_sim::app::sabotage::Sabotage;
use squall_sim::command::leave_stuck_plan;
use squall_sim::hunt::{PATIENCE, Watch, judged};
use squall_sim::plan::{Act, Plan};
use squall_sim::shrink::{CANDIDATES_MAX, save, shrink};
use squall_sim::subject;
use squall_sim::world::RunOptions;

#[test]
fn a_message_stored_twice_takes_one_fault_and_one_message() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/delivery/ack-lost-message-not.yaml");
    let subjects = subject::load(&[path], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    let app = Chat::sabotaged(Sabotage::SkipDuplicateCheck);
    let mut plan = subjects[0].plan(0);
    let said =
        plan.ops.iter_mut().filter_map(|op| if let Act::Say(say) = &mut op.act { Some(say) } else { None });
    said.for_each(|say| say.content.push_str(&" and more".repeat(100)));
    let failing = judged(plan, &app, &RunOptions::default());
    let anomaly = failing.judgement.violation().unwrap().anomaly;
    assert_eq!((failing.plan.ops.len(), failing.plan.faults.len()), (22, 1));

    let stuck = |plan: &Plan| leave_stuck_plan(plan, PATIENCE);
    let watch = Watch { patience: PATIENCE, stuck: &stuck };
    let shrunk = shrink(failing, anomaly, &app, CANDIDATES_MAX, &watch).smallest;

    let violation = shrunk.judgement.violation().unwrap();
    assert_eq!(violation.anomaly, anomaly);
    // Alice connects, says one thing, and its acknowledgement is held back; Bob must be in the plan, not in the story.
    assert!(shrunk.plan.ops.len() <= 3 && shrunk.plan.faults.len() == 1, "{}", shrunk.plan.to_yaml());

    let says = shrunk.plan.ops.iter().filter_map(|op| op.act.text());
    assert!(
        says.clone().count() > 0 && says.clone().all(|(text, _)| text.len() < 20),
        "{}",
        shrunk.plan.to_yaml()
    );

    let folder = tempfile::tempdir().unwrap();
    let file = save(folder.path(), &shrunk, violation).unwrap();
    let again = judged(Plan::load(&file).unwrap(), &app, &RunOptions::default());
    assert_eq!(again.outcome.history.digest, shrunk.outcome.history.digest);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# What: duplicate commit: "), "{text}");
    assert!(text.contains(&shrunk.outcome.history.digest.to_string()), "{text}");
}
