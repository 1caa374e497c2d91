//! `cargo sim` as its caller sees it: exit codes and what is said, from the real program.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use squall_sim::history::History;

fn sim(args: &[&str]) -> Output {
    sim_in(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")), args)
}

/// The same in another folder.
fn sim_in(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_squall-sim"))
        .args(args)
        .current_dir(folder)
        .output()
        .expect("cargo built it")
}

fn exit_code(output: &Output) -> i32 {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output.status.code().unwrap_or_else(|| panic!("killed\n{stdout}\n{stderr}"))
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const SMOKE: &str = "scenarios/smoke/two-clients-chat.yaml";

#[test]
fn promises_that_hold_are_exit_0_and_quiet() {
    let output = sim(&["run", SMOKE, "--seeds", "2"]);
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    assert!(stdout(&output).starts_with("PASS  two-clients-chat"), "{}", stdout(&output));
}

#[test]
fn a_mistake_in_a_scenario_is_exit_2_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("unknown-key", "guarantee: exactly_once", "guarantee: exactly_once\nsettel: 1s", ":4:1"),
        ("wrong-unit", "at: 1s", "at: 1 parsec", ":6:11"),
        ("unknown-client", "who: alice", "who: allice", ":6:20"),
        ("empty-workload", "say: { count: 1 }", "say: { count: 0 }", ":6:"),
        (
            "unknown-place",
            "guarantee: exactly_once",
            "guarantee: exactly_once\nexpect: { reached: [chat.repaet] }",
            ":4:21",
        ),
    ];
    for (name, from, to, place) in cases {
        let good = format!(
            "name: {name}\nabout: A mistake.\nguarantee: exactly_once\nclients: {{ alice: {{}} }}\nwork:\n  - {{ at: 1s, who: alice, do: {{ say: {{ count: 1 }} }} }}\n"
        );
        let file = folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, good.replace(from, to)).unwrap();

        let output = sim(&["run", file.to_str().unwrap()]);

        assert_eq!(exit_code(&output), 2, "{name}: {}", stdout(&output));
        assert!(
            stderr(&output).contains(&format!("{}{place}", file.display())),
            "{name}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn nothing_to_run_is_exit_4() {
    let folder = tempfile::tempdir().unwrap();
    let output = sim(&["run", folder.path().to_str().unwrap()]);
    assert_eq!(exit_code(&output), 4);
    assert!(stderr(&output).contains("no scenario"), "{}", stderr(&output));
}

#[test]
fn a_fault_that_touches_nothing_is_exit_4() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("too-late.yaml");
    let scenario = "name: too-late\nabout: The connection is reset before there is one.\nguarantee: exactly_once\nclients: { alice: {} }\nwork:\n  - { at: 1s, who: alice, do: connect }\n  - { at: 2s, who: alice, do: { say: { count: 1 } } }\nfaults:\n  - { at: 100ms, what: { reset: { between: [alice, server] } } }\nseeds: 2\n";
    std::fs::write(&file, scenario).unwrap();

    let output = sim(&["run", file.to_str().unwrap()]);

    assert_eq!(exit_code(&output), 4, "{}{}", stdout(&output), stderr(&output));
    assert!(stderr(&output).contains("no reset touched traffic"), "{}", stderr(&output));
}

#[test]
fn wrong_usage_is_exit_2() {
    assert_eq!(exit_code(&sim(&["run", "--sneeds", "3"])), 2);
    assert_eq!(exit_code(&sim(&["run", "scenarios/no-such.yaml"])), 2);
    assert_eq!(exit_code(&sim(&["replay", "scenarios"])), 2);
}

#[test]
fn a_replay_prints_the_same_twice_and_its_digest() {
    let [first, second] = [(); 2].map(|()| sim(&["replay", SMOKE, "--seed", "3"]));
    assert_eq!(exit_code(&first), 0, "{}", stderr(&first));
    assert_eq!(stdout(&first), stdout(&second));
    assert!(stdout(&first).lines().last().unwrap().starts_with("digest "), "{}", stdout(&first));
}

#[test]
fn a_plan_that_is_printed_runs_again_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.yaml");
    std::fs::write(&file, sim(&["replay", SMOKE, "--seed", "3", "--plan"]).stdout).unwrap();

    let drawn = sim(&["replay", SMOKE, "--seed", "3"]);
    let read = sim(&["replay", file.to_str().unwrap()]);

    assert_eq!(exit_code(&read), 0, "{}", stderr(&read));
    assert_eq!(stdout(&read), stdout(&drawn));
}

#[test]
fn logs_are_stamped_with_virtual_time_and_host() {
    let output = sim(&["replay", SMOKE, "--seed", "3", "--log", "debug"]);
    let stamped =
        |line: &str| line.contains("server#1") && line.contains("DEBUG") && line.contains("squall::");
    assert!(stdout(&output).lines().any(stamped), "{}", stdout(&output));
}

/// A folder with a scenario that breaks its promise in its first seed.
fn failing() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("the system has a place for it");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let reorders = std::fs::read_to_string(root.join("scenarios/guarantees/manual-retry-reorders.yaml"))
        .expect("it is a scenario");
    let promised: String = reorders
        .lines()
        .filter(|line| !line.starts_with("expect:"))
        .fold(String::new(), |text, line| text + line + "\n");
    std::fs::create_dir(folder.path().join("scenarios")).expect("it is new");
    std::fs::write(folder.path().join("scenarios/manual-retry-reorders.yaml"), promised).expect("it is new");
    folder
}

/// Whose history it is: the seed.
fn seed_of(file: &Path) -> u64 {
    let (header, history) =
        History::read_jsonl(std::fs::read(file).expect("it was written").as_slice()).expect("it is whole");
    assert_eq!(header.scenario, "manual-retry-reorders");
    assert!(history.records.len() > 100, "{}", history.records.len());
    header.seed
}

#[test]
fn a_broken_promise_is_exit_1_and_its_history_is_kept() {
    let folder = failing();

    let output = sim_in(folder.path(), &["run", "--no-shrink", "--seeds", "3"]);

    assert_eq!(exit_code(&output), 1, "{}", stderr(&output));
    let file = "target/squall/manual-retry-reorders-seed-0.jsonl";
    assert!(stderr(&output).contains(&format!("all that happened is in {file}")), "{}", stderr(&output));
    assert_eq!(seed_of(&folder.path().join(file)), 0);
}

#[test]
fn a_replay_writes_its_history_where_it_is_told() {
    let folder = failing();
    let replay = ["replay", "scenarios/manual-retry-reorders.yaml", "--seed", "1"];
    let told = [replay.as_slice(), &["--history", "here/one.jsonl"]].concat();

    let output = sim_in(folder.path(), &told);
    assert_eq!(exit_code(&output), 1, "{}", stderr(&output));
    assert_eq!(seed_of(&folder.path().join("here/one.jsonl")), 1);
    assert!(!folder.path().join("target").exists());

    assert!(stderr(&sim_in(folder.path(), &replay)).contains("reorders-seed-1.jsonl"));
    assert_eq!(seed_of(&folder.path().join("target/squall/manual-retry-reorders-seed-1.jsonl")), 1);
}

#[test]
fn a_history_that_cannot_be_written_is_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    let output = sim(&["replay", SMOKE, "--history", folder.path().to_str().unwrap()]);
    assert_eq!(exit_code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("failed to save the history"), "{}", stderr(&output));
}

/// Ctrl-C, as a terminal sends it to the process that it started.
#[test]
#[cfg(target_os = "linux")]
fn an_interrupted_run_is_exit_130_and_says_what_it_has() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_squall-sim"))
        .args(["run", SMOKE, "--seeds", "1000000"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let children = format!("/proc/{0}/task/{0}/children", run.id());
    let has_workers = || std::fs::read_to_string(&children).is_ok_and(|children| !children.trim().is_empty());
    while !has_workers() {
        assert_eq!(run.try_wait().unwrap(), None, "it has not begun");
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }

    let sent = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    let output = run.wait_with_output().unwrap();

    assert!(sent.success());
    assert_eq!(exit_code(&output), 130, "{}", stderr(&output));
    assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
    assert!(stdout(&output).contains("0 scenarios"), "{}", stdout(&output));
}

#[test]
fn a_hunt_says_each_find_at_once_and_keeps_it_in_a_file() {
    let folder = failing();
    let hunt = ["hunt", "--seeds", "3", "--from", "5", "--backend", "turmoil", "--out", "finds.jsonl"];

    let output = sim_in(folder.path(), &hunt);

    assert_eq!(exit_code(&output), 1, "{}", stderr(&output));
    let command = "cargo sim replay scenarios/manual-retry-reorders.yaml --seed 5 --backend turmoil";
    assert!(stdout(&output).contains(command), "{}", stdout(&output));
    let finds = std::fs::read_to_string(folder.path().join("finds.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        finds.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, finds) = lines.split_last().unwrap();
    assert_eq!((summary["seeds"].as_u64(), summary["exit_code"].as_u64()), (Some(3), Some(1)), "{summary}");
    assert_eq!(summary["found"].as_u64(), Some(finds.len() as u64));
    let first = finds.iter().find(|find| find["seed"] == 5).expect("seed 5 breaks it");
    assert_eq!(first["replay"], command);
    assert_eq!(first["backend"], "turmoil");
    assert_eq!((&summary["weather"]["all"], &summary["run_twice"]), (&json!(3), &json!(1)), "{summary}");
    assert!(summary["coverage"]["reached"]["client.connected"].as_u64() > Some(0), "{summary}");
}

#[test]
fn a_run_says_what_was_reached_by_which_fault_where_that_is_asked_for() {
    let cut = "scenarios/faults/reset-mid-burst.yaml";
    let output = sim(&["run", cut, "--seeds", "2", "--reach"]);

    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    let says = stdout(&output);
    let row = says.lines().find(|line| line.starts_with("reset ")).expect("a row of the table");
    let in_flight = row.split_whitespace().nth(4).and_then(|cell| cell.parse::<u64>().ok());
    assert!(in_flight > Some(0), "it is in the middle of a burst: {row}");
    let unreached = says.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let unreached: Vec<&str> = unreached.collect();
    assert!(unreached.contains(&"recovery.granted"), "{says}");
    assert!(!unreached.contains(&"client.reconnect"), "{says}");
}

#[test]
fn a_hunt_that_is_to_be_rough_and_was_not_is_exit_4_and_says_where() {
    let output = sim(&["hunt", SMOKE, "--seeds", "2", "--rough"]);
    assert_eq!(exit_code(&output), 4, "{}", stdout(&output));
    for what in
        ["kill touched traffic in 0 of 2 seeds, not in 5 % of them", "repeats suppressed: 0, not 1000"]
    {
        assert!(stderr(&output).contains(&format!("too calm: {what}")), "{what}: {}", stderr(&output));
    }
}

#[test]
fn a_hunt_for_a_time_ends_with_it() {
    let output = sim(&["hunt", SMOKE, "--for", "1ms"]);
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).starts_with("PASS  two-clients-chat"), "{}", stdout(&output));
    assert!(stdout(&output).contains("100 seeds"), "one round: {}", stdout(&output));
}
