//! A program under test that loops without yielding: the hunt sees it, says so and leaves. The test runs itself again in a
//! process of its own, because nothing else ends such a program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use squall::io::env::BoxFuture;
use squall_sim::app::{App, Machine};
use squall_sim::command::{leave_stuck, leave_stuck_plan};
use squall_sim::hunt::{Watch, here, judged_or_stuck};
use squall_sim::plan::{Act, Plan};
use squall_sim::shrink::{CANDIDATES_MAX, shrink};
use squall_sim::subject::{self, Subject};
use squall_sim::world::RunOptions;
use tokio::sync::{mpsc, watch};

/// How long a run may stand still.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells the process that it is the one that loops.
const LOOPS: &str = "SQUALL_SIM_TEST_LOOPS";

/// Its server stops the world of one seed, or of a plan that was made smaller.
struct Livelock {
    /// Only where the plan has fewer ops than that.
    ops: usize,
}

impl App for Livelock {
    fn server(&self, _: Machine, plan: &Plan, _: watch::Receiver<bool>) -> BoxFuture<()> {
        let loops = plan.seed == 3 && plan.ops.len() < self.ops;
        Box::pin(async move {
            if loops {
                loop {
                    std::hint::spin_loop();
                }
            }
        })
    }

    fn client(&self, _: Machine, _: &Plan, _: mpsc::UnboundedReceiver<Act>) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }
}

/// Runs the test of this name again, in a folder of its own, and gives what it complains of. It must exit with 5.
fn complaint_of(name: &str, folder: &Path) -> String {
    let itself = std::env::current_exe().expect("a process knows its program");

    let output = Command::new(itself)
        .args(["--exact", name, "--nocapture"])
        .env(LOOPS, "1")
        .current_dir(folder)
        .output()
        .expect("a program that runs can be run");

    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    stderr
}

fn subject() -> Subject {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios/smoke/two-clients-chat.yaml");
    subject::load(&[path], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n"))).remove(0)
}

#[test]
fn a_livelock_is_exit_5_and_names_its_seed_and_how_to_repeat_it() {
    if std::env::var_os(LOOPS).is_some() {
        return hunt_livelocks();
    }
    let folder = tempfile::tempdir().unwrap();

    let says = complaint_of("a_livelock_is_exit_5_and_names_its_seed_and_how_to_repeat_it", folder.path());

    assert!(says.contains("two-clients-chat, seed 3: livelock"), "{says}");
    assert!(says.contains("smoke/two-clients-chat.yaml --seed 3"), "{says}");
}

fn hunt_livelocks() {
    let subject = subject();
    let stuck = |plan: &Plan| leave_stuck(&subject, plan.seed, PATIENCE);
    let watch = Watch { patience: PATIENCE, stuck: &stuck };
    here::hunt(&|seed| subject.plan(seed), &Livelock { ops: usize::MAX }, 1..5, &watch);
}

#[test]
fn a_livelock_of_a_plan_that_was_made_smaller_is_exit_5_and_the_plan_is_kept() {
    if std::env::var_os(LOOPS).is_some() {
        return shrink_into_a_livelock();
    }
    let folder = tempfile::tempdir().unwrap();

    let says = complaint_of(
        "a_livelock_of_a_plan_that_was_made_smaller_is_exit_5_and_the_plan_is_kept",
        folder.path(),
    );

    assert!(says.contains("two-clients-chat-stuck-seed-3, seed 3: livelock"), "{says}");
    let kept = folder.path().join("target/squall/two-clients-chat-stuck-seed-3.yaml");
    let smaller = Plan::load(&kept).unwrap();
    assert!(smaller.ops.len() < subject().plan(3).ops.len(), "{}", smaller.to_yaml());
}

fn shrink_into_a_livelock() {
    let plan = subject().plan(3);
    let app = Livelock { ops: plan.ops.len() };
    let stuck = |plan: &Plan| leave_stuck_plan(plan, PATIENCE);
    let watch = Watch { patience: PATIENCE, stuck: &stuck };
    let failing = judged_or_stuck(plan, &app, &RunOptions::default(), &watch);
    let anomaly = failing.judgement.violation().expect("nobody is ever connected").anomaly;
    shrink(failing, anomaly, &app, CANDIDATES_MAX, &watch);
}
