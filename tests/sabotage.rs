//! The harness is put to the test: each known bug must be found, under its right name, within the scenarios' own seeds.
//! A green run with a bug in is a failed test.

use std::path::PathBuf;

use squall_sim::app::chat::Chat;
use squall_sim::app::sabotage::Sabotage;
use squall_sim::hunt::judged;
use squall_sim::subject::{self, Subject};
use squall_sim::world::RunOptions;

fn scenarios() -> Vec<Subject> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    subject::load(&[folder], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n")))
}

/// Runs every scenario over its own seeds until one turns red under `sabotage`, and says under which names they did.
fn first_red(sabotage: Sabotage) -> Option<(String, u64, String)> {
    for subject in scenarios() {
        for seed in subject.default_seeds() {
            let run = judged(subject.plan(seed), &Chat::sabotaged(sabotage), &RunOptions::default());
            assert_eq!(
                run.harness_failure(),
                None,
                "{} seed {seed}: the harness itself failed",
                subject.name()
            );
            if let Some(violation) = run.judgement.violation() {
                return Some((subject.name(), seed, violation.anomaly.to_string()));
            }
        }
    }
    None
}

fn is_found_under_its_right_name(sabotage: Sabotage) {
    let found = first_red(sabotage);
    let name = found.as_ref().map(|(_, _, anomaly)| anomaly.as_str());
    assert_eq!(name, Some(sabotage.breaks().as_str()), "{}: first red run: {found:?}", sabotage.as_str());
}

#[test]
fn handlers_that_emit_for_themselves_diverge_from_the_log() {
    is_found_under_its_right_name(Sabotage::HandlersEmit);
}

#[test]
fn an_acknowledgement_before_the_commit_loses_messages() {
    is_found_under_its_right_name(Sabotage::AcknowledgeFirst);
}

#[test]
fn a_skipped_duplicate_check_commits_twice() {
    is_found_under_its_right_name(Sabotage::SkipDuplicateCheck);
}

#[test]
fn a_message_that_comes_from_the_log_and_live_is_shown_twice() {
    is_found_under_its_right_name(Sabotage::ReplayOverlapsLive);
}

#[test]
fn an_offset_that_a_live_message_moves_over_a_hole_loses_what_is_in_it() {
    is_found_under_its_right_name(Sabotage::OffsetOverAHole);
}

#[test]
fn ids_without_a_socket_id_are_acknowledged_for_one_another() {
    is_found_under_its_right_name(Sabotage::UndefinedIds);
}
