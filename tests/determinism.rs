//! The same plan gives the same digest: twice in one process, in two processes, in parallel threads.

use std::path::PathBuf;
use std::process::Command;

use squall_sim::app::chat::Chat;
use squall_sim::hunt::judged;
use squall_sim::plan::Plan;
use squall_sim::subject;
use squall_sim::world::RunOptions;

/// Scenarios with much going on: retransmissions, reconnections, a server that dies.
const BUSY: [&str; 2] =
    ["scenarios/delivery/server-killed-mid-burst.yaml", "scenarios/delivery/burst-across-stall.yaml"];

fn plan(path: &str, seed: u64) -> Plan {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let subjects = subject::load(&[path], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    subjects[0].plan(seed)
}

fn digest(plan: Plan) -> String {
    let run = judged(plan, &Chat::default(), &RunOptions::default());
    assert!(run.outcome.history.chunks > 100, "a run without traffic proves nothing");
    run.outcome.history.digest.to_string()
}

#[test]
fn one_plan_twice_in_one_process_is_one_history() {
    for path in BUSY {
        assert_eq!(digest(plan(path, 3)), digest(plan(path, 3)), "{path}");
    }
}

#[test]
fn parallel_worlds_do_not_disturb_each_other() {
    let alone = digest(plan(BUSY[0], 5));
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| digest(plan(BUSY[0], 5)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(together, vec![alone; 4]);
}

/// Set in the child process of [`two_processes_give_one_history`].
const CHILD: &str = "SQUALL_DETERMINISM_CHILD";

#[test]
fn two_processes_give_one_history() {
    if std::env::var_os(CHILD).is_some() {
        println!("digest={}", digest(plan(BUSY[0], 9)));
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "two_processes_give_one_history", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    let theirs =
        printed.lines().find_map(|line| line.split_once("digest=").map(|(_, digest)| digest.to_owned()));
    assert_eq!(theirs, Some(digest(plan(BUSY[0], 9))), "child printed: {printed}");
}

#[test]
fn another_seed_gives_another_history() {
    assert_ne!(digest(plan(BUSY[0], 1)), digest(plan(BUSY[0], 2)));
}
