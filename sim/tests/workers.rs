//! Worker processes and programs under test that loop, abort and print: the hunt names their seeds and goes on.
//!
//! This program is its own worker, and where the parent itself must die, its own parent.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use squall::io::env::BoxFuture;
use squall_sim::app::chat::Chat;
use squall_sim::app::{App, Machine};
use squall_sim::history::Kind;
use squall_sim::hunt::workers::{Stop, Workers, serve};
use squall_sim::hunt::{Fate, Lost, Tally};
use squall_sim::plan::{Act, Plan};
use squall_sim::report;
use squall_sim::subject::{self, Subject};
use tokio::sync::{mpsc, watch};

/// What the program under test does, told to each worker.
const DOES: &str = "SQUALL_SIM_TEST_DOES";

/// Where a worker writes which process it is.
const PID_FILE: &str = "SQUALL_SIM_TEST_PID_FILE";

/// With which seed it does so.
const SEED: u64 = 3;

/// And with which it is forgetful: the fourth, of those that begin with 8.
const FORGETFUL: u64 = 11;

const PATIENCE: Duration = Duration::from_secs(5);

/// How often the server of a process began with it: what a program that repeats must not know.
static LIVES: AtomicU64 = AtomicU64::new(0);

/// The chat, whose server does something else with one seed.
struct Planted(String);

impl App for Planted {
    fn server(&self, machine: Machine, plan: &Plan, stop: watch::Receiver<bool>) -> BoxFuture<()> {
        match self.0.as_str() {
            "loop" if plan.seed == SEED => loop {
                std::hint::spin_loop();
            },
            "sleep" if plan.seed == SEED => loop {
                std::thread::park();
            },
            "forgetful" if plan.seed == FORGETFUL => {
                let life = LIVES.fetch_add(1, Ordering::Relaxed);
                machine.record(0, Kind::Trouble { what: format!("this is life {life} of the program") });
            }
            "abort" if plan.seed == SEED => std::process::abort(),
            "print" => println!("{{ \"a line\": \"that is no answer\" }}"),
            _ => {}
        }
        Chat::default().server(machine, plan, stop)
    }

    fn client(&self, machine: Machine, plan: &Plan, ops: mpsc::UnboundedReceiver<Act>) -> BoxFuture<()> {
        Chat::default().client(machine, plan, ops)
    }
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("worker") => {
            if let Some(file) = std::env::var_os(PID_FILE) {
                std::fs::write(file, std::process::id().to_string()).expect("the test made its folder");
            }
            serve(&Planted(std::env::var(DOES).unwrap_or_default()))
        }
        Some("parent") => {
            drop(hunt("loop", 1, Duration::from_secs(600)));
            ExitCode::SUCCESS
        }
        _ => {
            let trials = [
                Trial::test("a_livelock_is_named_and_the_others_are_tried", livelock),
                // Only there it is known who works.
                #[cfg(target_os = "linux")]
                Trial::test("a_worker_that_sleeps_is_named_and_the_others_are_tried", sleep),
                Trial::test("a_worker_that_dies_is_named_and_the_others_are_tried", death),
                Trial::test("what_the_program_prints_is_no_answer", print),
                Trial::test("one_worker_and_three_come_to_the_same", any_number),
                Trial::test("what_does_not_repeat_is_named_where_its_seed_is_run_twice", forgetful),
                Trial::test("an_interrupted_hunt_ends", interrupt),
                Trial::test("workers_end_with_their_parent", orphan),
            ];
            libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
        }
    }
}

fn scenario() -> Subject {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios/smoke/two-clients-chat.yaml");
    let mut subjects = subject::load(&[path], false).unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    subjects.remove(0)
}

fn workers(does: &'static str, jobs: usize, patience: Duration) -> Workers {
    let program = std::env::current_exe().expect("it runs");
    let workers = Workers::new(jobs, patience, move || {
        let mut command = Command::new(&program);
        command.arg("worker").env(DOES, does);
        command
    });
    workers.expect("there are threads")
}

fn hunt(does: &'static str, jobs: usize, patience: Duration) -> Tally {
    let mut tally = Tally::default();
    let ended = workers(does, jobs, patience).hunt(&scenario(), 0..8, &mut |fate| tally.take(fate));
    ended.expect("nobody interrupts it");
    tally
}

/// All seeds but the one were tried; that one was lost.
fn lost(tally: &Tally) -> &Lost {
    assert_eq!(tally.seeds, 7, "{tally:?}");
    assert_eq!(tally.exit(&scenario()), report::ExitCode::HarnessFailed);
    assert_eq!(tally.lost.keys().collect::<Vec<_>>(), [&SEED]);
    &tally.lost[&SEED]
}

fn livelock() -> Result<(), Failed> {
    let tally = hunt("loop", 2, PATIENCE);
    assert_eq!(lost(&tally), &Lost::Stuck(PATIENCE));
    let complaints = tally.complaints(&scenario(), false).join("\n");
    assert!(complaints.contains("two-clients-chat, seed 3: livelock"), "{complaints}");
    assert!(complaints.contains("smoke/two-clients-chat.yaml --seed 3"), "{complaints}");
    Ok(())
}

#[cfg(target_os = "linux")]
fn sleep() -> Result<(), Failed> {
    // It may sleep fifteen times as long.
    let patience = Duration::from_millis(500);
    let tally = hunt("sleep", 2, patience);
    assert_eq!(lost(&tally), &Lost::Asleep(patience * 15));
    let complaints = tally.complaints(&scenario(), false).join("\n");
    assert!(complaints.contains("two-clients-chat, seed 3: asleep"), "{complaints}");
    assert!(complaints.contains("waits for something outside of its world"), "{complaints}");
    Ok(())
}

fn death() -> Result<(), Failed> {
    let tally = hunt("abort", 2, PATIENCE);
    let how = lost(&tally);
    assert!(matches!(how, Lost::Died(how) if how.contains("signal: 6")), "{how:?}");
    let complaints = tally.complaints(&scenario(), false).join("\n");
    assert!(complaints.contains("two-clients-chat, seed 3: death"), "{complaints}");
    Ok(())
}

fn print() -> Result<(), Failed> {
    assert_eq!(hunt("print", 2, PATIENCE), hunt("", 2, PATIENCE));
    Ok(())
}

fn any_number() -> Result<(), Failed> {
    let one = hunt("", 1, PATIENCE);
    assert_eq!((one.seeds, one.digests.len(), one.lost.len()), (8, 8, 0));
    assert_eq!(one, hunt("", 3, PATIENCE));
    Ok(())
}

fn forgetful() -> Result<(), Failed> {
    let twice_each = |seeds| {
        let mut tally = Tally::default();
        let mut workers = workers("forgetful", 2, PATIENCE).twice_each(seeds);
        let ended = workers.hunt(&scenario(), 8..16, &mut |fate| tally.take(fate));
        ended.expect("nobody interrupts it");
        tally
    };
    let unseen = twice_each(2);
    assert_eq!((unseen.twice, unseen.exit(&scenario())), (4, report::ExitCode::Held));

    let seen = twice_each(3);

    assert_eq!((seen.twice, seen.diverged.keys().collect::<Vec<_>>()), (3, vec![&FORGETFUL]));
    assert_eq!(seen.exit(&scenario()), report::ExitCode::NotDeterministic);
    Ok(())
}

fn interrupt() -> Result<(), Failed> {
    let mut workers = workers("loop", 1, Duration::from_secs(600));
    let interrupter = workers.interrupter();
    assert!(!interrupter.interrupt(), "there is no hunt yet");
    let mut tried = 0;
    let ended = workers.hunt(&scenario(), 0..8, &mut |fate| {
        tried += u64::from(matches!(fate, Fate::Tried(_)));
        if tried == SEED {
            assert!(interrupter.interrupt(), "the hunt goes on");
        }
    });
    assert_eq!((ended, tried), (Err(Stop::Interrupted), SEED));
    Ok(())
}

fn orphan() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let pid_file = folder.path().join("pid");
    let mut parent = Command::new(std::env::current_exe()?)
        .arg("parent")
        .env(PID_FILE, &pid_file)
        .stderr(Stdio::null())
        .spawn()?;
    let pid = until(|| std::fs::read_to_string(&pid_file).ok().filter(|pid| !pid.is_empty()));
    let process = PathBuf::from("/proc").join(pid);
    assert!(process.exists() || !cfg!(target_os = "linux"), "the worker runs");

    parent.kill()?;
    parent.wait()?;

    until(|| (!process.exists() || is_zombie(&process)).then_some(()));
    Ok(())
}

/// Where nobody collects orphans, they stay as zombies.
fn is_zombie(process: &std::path::Path) -> bool {
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
}

/// Asks until there is an answer.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3_000 {
        match ask() {
            Some(answer) => return answer,
            None => std::thread::park_timeout(Duration::from_millis(10)),
        }
    }
    panic!("there was no answer in 30 s");
}
