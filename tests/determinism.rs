//! The same plan gives the same digest: twice in one process, in two processes, in parallel threads, on every backend.

use std::path::PathBuf;
use std::process::Command;

use squall_sim::app::chat::Chat;
use squall_sim::hunt::judged;
use squall_sim::plan::{Backend, Plan};
use squall_sim::subject;
use squall_sim::world::RunOptions;

/// Scenarios with much going on: retransmissions, reconnections, a server that dies.
const BUSY: [&str; 2] =
    ["scenarios/delivery/server-killed-mid-burst.yaml", "scenarios/delivery/burst-across-stall.yaml"];

const BACKENDS: [Backend; 2] = [Backend::Turmoil, Backend::Event];

fn plan(backend: Backend, path: &str, seed: u64) -> Plan {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let subjects = subject::load(&[path], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    Plan { backend, ..subjects[0].plan(seed) }
}

fn digest(plan: Plan) -> String {
    let run = judged(plan, &Chat::default(), &RunOptions::default());
    assert!(run.outcome.history.chunks > 100, "a run without traffic proves nothing");
    run.outcome.history.digest.to_string()
}

#[test]
fn one_plan_twice_in_one_process_is_one_history() {
    for backend in BACKENDS {
        for path in BUSY {
            assert_eq!(digest(plan(backend, path, 3)), digest(plan(backend, path, 3)), "{path} on {backend}");
        }
    }
}

#[test]
fn parallel_worlds_do_not_disturb_each_other() {
    for backend in BACKENDS {
        let alone = digest(plan(backend, BUSY[0], 5));
        let together: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| digest(plan(backend, BUSY[0], 5)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(together, vec![alone; 4], "on {backend}");
    }
}

/// Set in the child process of [`two_processes_give_one_history`].
const CHILD: &str = "SQUALL_DETERMINISM_CHILD";

#[test]
fn two_processes_give_one_history() {
    let digests = || BACKENDS.map(|backend| digest(plan(backend, BUSY[0], 9))).join(" ");
    if std::env::var_os(CHILD).is_some() {
        println!("digests={}", digests());
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "two_processes_give_one_history", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    let theirs =
        printed.lines().find_map(|line| line.split_once("digests=").map(|(_, digests)| digests.to_owned()));
    assert_eq!(theirs, Some(digests()), "child printed: {printed}");
}

#[test]
fn another_seed_gives_another_history() {
    for backend in BACKENDS {
        assert_ne!(digest(plan(backend, BUSY[0], 1)), digest(plan(backend, BUSY[0], 2)), "on {backend}");
    }
}
