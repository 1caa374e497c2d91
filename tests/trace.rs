//! One golden trace: a quiet conversation as `cargo sim replay` prints it. It changes when a layer begins to behave, or to
//! count time, in another way.

use std::path::PathBuf;

use squall_sim::app::chat::Chat;
use squall_sim::hunt::judged;
use squall_sim::subject;
use squall_sim::world::RunOptions;

#[test]
fn a_quiet_conversation_reads_from_top_to_bottom() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/smoke/two-clients-chat.yaml");
    let subjects = subject::load(&[path], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));

    let run = judged(subjects[0].plan(0), &Chat::default(), &RunOptions::default());

    let lines: Vec<_> = run.outcome.history.records.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
