//! A program under test that loops without yielding: the hunt sees it, says so and leaves. The test runs itself again in a
//! process of its own, because nothing else ends such a program.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use squall::io::env::BoxFuture;
use squall_sim::app::{App, Machine};
use squall_sim::command::leave_stuck;
use squall_sim::hunt::{Progress, hunt};
use squall_sim::plan::{Act, Plan};
use squall_sim::subject;
use tokio::sync::{mpsc, watch};

/// Tells the process that it is the one that loops.
const LOOPS: &str = "SQUALL_SIM_TEST_LOOPS";

/// Its server stops the world of one seed.
struct Livelock;

impl App for Livelock {
    fn server(&self, _: Machine, plan: &Plan, _: watch::Receiver<bool>) -> BoxFuture<()> {
        let loops = plan.seed == 3;
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

#[test]
fn a_livelock_is_exit_5_and_names_its_seed_and_how_to_repeat_it() {
    if std::env::var_os(LOOPS).is_some() {
        return hunt_livelocks();
    }
    let itself = std::env::current_exe().unwrap();
    let name = "a_livelock_is_exit_5_and_names_its_seed_and_how_to_repeat_it";

    let output =
        Command::new(itself).args(["--exact", name, "--nocapture"]).env(LOOPS, "1").output().unwrap();

    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("two-clients-chat, seed 3: livelock"), "{stderr}");
    assert!(stderr.contains("smoke/two-clients-chat.yaml --seed 3"), "{stderr}");
}

fn hunt_livelocks() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios/smoke/two-clients-chat.yaml");
    let subjects = subject::load(&[path], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    let patience = Duration::from_secs(1);
    let say = |progress| match progress {
        Progress::Done(_) => {}
        Progress::Stuck(seed) => leave_stuck(&subjects[0], seed, patience),
    };
    hunt(&|seed| subjects[0].plan(seed), &Livelock, 1..5, 2, patience, &say);
}
