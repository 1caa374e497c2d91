//! Scenarios: a story that says everything, and what is said to stories that make no sense.

use proptest::prelude::*;

use super::*;

macro_rules! tells {
    ($($claim:ident: $errors:expr;)*) => {$(
        #[test]
        fn $claim() {
            insta::assert_snapshot!($errors);
        }
    )*};
}

pub(crate) mod work;

/// A sound story that says everything that can be said.
pub(crate) const GOOD: &str = "\
name: good
about: Two clients, and the network between them stalls.
guarantee: exactly_once
server: { ping_interval: 5s, ping_timeout: 4s, fsync: 1ms..20ms }
clients: { alice: {}, bob: { send: outbox, receive: resume, ack_timeout: 5s } }
network: { latency: 10ms..80ms }
work:
  - { at: 0s, who: [alice, bob], do: connect }
  - { at: 1s..2s, who: alice, do: { say: { count: 20, every: 100ms, bytes: 200 } } }
  - { at: 2s..3s, who: bob, do: disconnect }
  - { at: 9s, who: bob, do: connect }
faults:
  - { at: 1500ms, lasts: 4s, what: { stall: { between: [alice, server] } } }
  - { at: 2s..4s, lasts: 1s..8s, what: { stall: { from: alice, to: server } } }
  - { at: 2s, lasts: 4s, what: { partition: { between: [alice, server] } } }
  - { at: 2s, what: { reset: { between: [bob, server] } } }
  - { at: 2s, lasts: 1s..2s, what: { kill: server } }
  - { at: 5s, lasts: 2s, what: { shutdown: server } }
  - { at: 6s, lasts: 2s, what: { delay: { between: [alice, server], by: 200ms..1s } } }
  - { at: 6s, lasts: 2s, what: { loss: { from: server, to: alice, percent: 20 } } }
  - { at: 6s, lasts: 2s, what: { slow: { between: [bob, server], rate: 10KB/s } } }
  - { at: 7s, what: { half_open: { between: [alice, server] } } }
  - { at: 7s, what: { cut: { from: alice, to: server, after: 100..5000 } } }
  - { at: 8s, what: { reload: alice } }
  - { at: 8s, lasts: 1s, what: { reload: bob } }
  - { at: 8s, lasts: 1s, what: { pause: server } }
  - { at: 9s, lasts: 1s, what: { power_off: server } }
  - { at: 9s, lasts: 1s, what: { disk_full: server } }
  - { at: 9s, lasts: 1s, what: { disk_error: bob } }
  - { at: 9s, lasts: 1s, what: { disk_slow: { of: alice, by: 1s..2s } } }
  - { at: 9s, lasts: 9s, what: { clock_skew: { of: alice, percent: 98..102 } } }
  - { at: 9s, what: { clock_jump: { of: server, by: 1m..1h, back: true } } }
  - { at: 15s, what: { rolling_restart: server } }
  - { at: { disk_op: { of: server, nth: 1..300, since: 12s } }, lasts: 3s, what: { disk_slow: { of: bob, by: 5s } } }
  - { at: { step: 120 }, lasts: 3s, what: { clock_jump: { of: alice, by: 2m } } }
  - { at: { byte: { from: bob, to: server, nth: 4096 } }, lasts: 3s, what: { stall: { from: server, to: bob } } }
settle: 60s
expect: { reached: [chat.repeat] }
seeds: 7
core: [alice]
";

/// Bob is left behind, and nothing breaks him.
const LEFT_UNBROKEN: &str = "\
name: bad
about: Somebody is left behind for no reason.
guarantee: exactly_once
clients: { alice: {}, bob: {} }
work:
  - { at: 1s, who: [alice, bob], do: { say: { count: 1 } } }
faults:
  - { at: 1s, what: { reset: { between: [bob, server] } } }
  - { at: 2s, lasts: 1s, what: { kill: server } }
core: alice
";

/// What is said of a text under the name `bad.yaml`.
fn errors(text: &str) -> String {
    parse("scenarios/bad.yaml", text).expect_err("the text is bad").to_string()
}

/// What is said of the good story after something in it was replaced.
fn spoilt(good: &str, bad: &str) -> String {
    assert!(GOOD.contains(good), "{good:?} is not in the good story");
    errors(&GOOD.replace("name: good", "name: bad").replace(good, bad))
}

/// What is said of a swarm.
fn swarm(faults: &str) -> String {
    errors(&format!("name: bad\nabout: Anything.\nguarantee: exactly_once\nfaults: {faults}\n"))
}

#[test]
fn a_good_story_is_understood() {
    let scenario = parse("scenarios/good.yaml", GOOD).unwrap();
    assert_eq!(scenario.work[0].who.len(), 2);
    assert_eq!(scenario.faults[3].lasts, None);
    assert_eq!(scenario.faults[1].what.to_string(), "stall alice -> server");
    let faults = scenario.faults[6..].iter().map(|fault| fault.what.to_string());
    assert_eq!(
        faults.collect::<Vec<_>>(),
        [
            "delay alice -- server by 200ms..1s",
            "loss server -> alice 20 %",
            "slow bob -- server to 10KB/s",
            "half_open alice -- server",
            "cut alice -> server after 100..5000 bytes",
            "reload alice",
            "reload bob",
            "pause server",
            "power_off server",
            "disk_full server",
            "disk_error bob",
            "disk_slow alice by 1s..2s",
            "clock_skew alice to 98..102 %",
            "clock_jump server back by 1m..1h",
            "rolling_restart server",
            "disk_slow bob by 5s",
            "clock_jump alice ahead by 2m",
            "stall server -> bob",
        ]
    );
    let triggers = scenario.faults[scenario.faults.len() - 3..].iter().map(|fault| fault.at.to_string());
    assert_eq!(
        triggers.collect::<Vec<_>>(),
        ["disk operation 1..300 of server since 12s", "step 120", "byte 4096 of bob -> server"]
    );
    assert_eq!(scenario.core, Some(Core::Of(["alice".into()].into())));
    assert_eq!(scenario.settle.unwrap().to_string(), "1m");
    assert_eq!((scenario.seeds, scenario.expect.reached.len()), (7, 1));
}

/// Every YAML file of the repository's scenarios.
pub(crate) fn scenario_files() -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the scenarios are there") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                // What is kept there are plans.
                folders.extend((!path.ends_with("regressions")).then_some(path));
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn every_scenario_of_the_repository_is_sound() {
    let files = scenario_files();
    assert!(files.len() >= 9, "{files:?}");
    for file in files {
        load(&file).unwrap_or_else(|errors| panic!("{errors}"));
    }
}

#[test]
fn the_stories_that_the_readme_tells_are_sound() {
    let readme = include_str!("../../../scenarios/README.md");
    let stories: Vec<&str> = readme
        .split("```yaml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .filter(|block| block.starts_with("name: "))
        .collect();
    assert!(!stories.is_empty());
    for story in stories {
        let name = story.lines().next().unwrap_or_default().trim_start_matches("name: ").split(' ').next();
        let file = format!("{}.yaml", name.unwrap_or_default());
        parse(&file, story).unwrap_or_else(|errors| panic!("{errors}"));
    }
}

#[test]
fn what_is_not_said_has_a_default() {
    let text = "\
name: short
about: Alice talks.
guarantee: exactly_once
clients: { alice: {} }
work: [{ at: 1s, who: alice, do: { say: { count: 2 } } }]
";
    insta::assert_debug_snapshot!(parse("short.yaml", text).unwrap());
}

tells! {
    a_misspelt_key_is_pointed_at: spoilt("ping_timeout:", "ping_timout:");
    an_unknown_key_lists_the_known_ones: spoilt("settle:", "patience:");
    a_misspelt_verb_is_pointed_at: spoilt("do: { say:", "do: { sya:");
    an_unknown_fault_lists_the_known_ones: spoilt("what: { reset:", "what: { earthquake:");
    an_unknown_guarantee_is_refused: spoilt("exactly_once", "at_most_twice");
    a_missing_key_is_named: spoilt("guarantee: exactly_once\n", "");
    a_key_that_stands_twice_is_refused: spoilt("seeds: 7", "seeds: 7\nseeds: 8");
    a_client_that_stands_twice_is_refused: spoilt("alice: {}", "alice: {}, alice: {}");
    a_wrong_type_is_named: spoilt("count: 20", "count: many");
    a_list_where_a_name_is_due: spoilt("kill: server", "kill: [server]");
    a_number_where_a_name_or_a_list_is_due: spoilt("who: [alice, bob]", "who: { alice: 1 }");
    an_unknown_client_is_guessed: spoilt("who: alice", "who: alcie");
    an_unknown_client_on_a_link_is_guessed: spoilt("from: alice", "from: alic");
    an_unknown_client_of_the_core_is_guessed: spoilt("core: [alice]", "core: [alcie]");
    a_server_in_the_core_is_refused: spoilt("core: [alice]", "core: [alice, server]");
    a_core_of_nobody_is_refused: spoilt("core: [alice]", "core: []");
    a_core_of_everyone_is_refused: spoilt("core: [alice]", "core: [alice, bob]");
    who_is_left_must_be_broken: errors(LEFT_UNBROKEN);
    a_core_that_cannot_be_drawn_is_refused: errors(&LEFT_UNBROKEN.replace("core: alice", "core: drawn"));
    a_duration_without_unit_is_refused: spoilt("lasts: 4s", "lasts: 4");
    a_wrong_unit_is_refused: spoilt("every: 100ms", "every: 100 parsecs");
    a_range_the_wrong_way_round_is_refused: spoilt("1s..8s", "8s..1s");
    a_range_where_one_duration_is_due: spoilt("settle: 60s", "settle: 60s..70s");
    nobody_says_anything: spoilt("{ say: { count: 20, every: 100ms, bytes: 200 } }", "connect");
    the_name_differs_from_the_files: errors(&GOOD.replace("name: good", "name: worse"));
    a_stall_without_an_end: spoilt("lasts: 1s..8s, ", "");
    a_reset_that_lasts: spoilt("{ at: 2s, what: { reset", "{ at: 2s, lasts: 1s, what: { reset");
    a_fault_shorter_than_the_tick: spoilt("lasts: 1s..8s", "lasts: 1ms..8s");
    a_stall_that_says_too_much: spoilt("from: alice, to: server", "from: alice, between: [alice, server]");
    only_the_server_is_killed: spoilt("kill: server", "kill: alice");
    a_loss_of_everything: spoilt("percent: 20", "percent: 100");
    a_loss_that_is_no_number: spoilt("percent: 20", "percent: some");
    a_rate_without_unit: spoilt("rate: 10KB/s", "rate: 10");
    a_rate_of_nothing: spoilt("rate: 10KB/s", "rate: 0KB/s");
    a_delay_of_nothing: spoilt("by: 200ms..1s", "by: 0s");
    a_cut_behind_no_byte: spoilt("after: 100..5000", "after: 0");
    a_cut_behind_words: spoilt("after: 100..5000", "after: a while");
    a_cut_that_lasts: spoilt("{ at: 7s, what: { cut", "{ at: 7s, lasts: 1s, what: { cut");
    a_half_open_connection_that_ends: spoilt("{ at: 7s, what: { half", "{ at: 7s, lasts: 1s, what: { half");
    a_cut_that_says_too_much: spoilt("{ from: alice, to: server, after", "{ between: [alice, server], from: alice, after");
    a_key_that_a_fault_does_not_have: spoilt("rate: 10KB/s", "rte: 10KB/s");
    a_loss_of_power_while_the_server_is_stopped: spoilt("{ at: 9s, lasts: 1s, what: { power", "{ at: 6s, lasts: 1s, what: { power");
    a_loss_of_power_without_an_end: spoilt("lasts: 1s, what: { power_off", "what: { power_off");
    a_trigger_that_is_none: spoilt("{ step: 120 }", "{ stop: 120 }");
    a_trigger_of_two_kinds: spoilt("{ step: 120 }", "{ step: 120, byte: 7 }");
    a_trigger_that_is_a_list: spoilt("{ step: 120 }", "[120]");
    a_time_that_is_no_time: spoilt("{ step: 120 }", "soon");
    a_connection_that_is_none: spoilt("half_open: { between: [alice, server]", "half_open: { between: [alice, server], connection: { nth: 0 }");
    a_connection_of_no_kind: spoilt("half_open: { between: [alice, server]", "half_open: { between: [alice, server], connection: curent");
    a_partition_of_one_connection: spoilt("partition: { between: [alice, server]", "partition: { between: [alice, server], connection: current");
    a_step_in_words: spoilt("{ step: 120 }", "{ step: twelve }");
    a_disk_operation_of_nobody: spoilt("disk_op: { of: server", "disk_op: { of: sever");
    a_disk_operation_that_is_none: spoilt("nth: 1..300", "nth: 0..300");
    a_byte_that_is_none: spoilt("nth: 4096", "nth: 0");
    a_byte_between_clients: spoilt("byte: { from: bob, to: server", "byte: { from: bob, to: alice");
    a_byte_of_no_way: spoilt("byte: { from: bob, to: server", "byte: { from: bob");
    a_byte_that_counts_too_late: spoilt("nth: 4096", "nth: 4096, since: 25h");
    a_disk_of_nobody: spoilt("disk_full: server", "disk_full: sever");
    a_disk_that_is_slow_by_nothing: spoilt("by: 1s..2s", "by: 0s");
    a_pause_without_an_end: spoilt("lasts: 1s, what: { pause", "what: { pause");
    who_does_not_exist_is_not_paused: spoilt("pause: server", "pause: sever");
    a_clock_that_is_too_wrong: spoilt("percent: 98..102", "percent: 97..102");
    a_clock_that_runs_by_words: spoilt("percent: 98..102", "percent: fast");
    a_date_that_leaps_nowhere: spoilt("by: 1m..1h", "by: 0s");
    a_skew_without_an_end: spoilt("lasts: 9s, what: { clock", "what: { clock");
    a_rolling_restart_that_lasts: spoilt("{ at: 15s, what: { roll", "{ at: 15s, lasts: 1s, what: { roll");
    only_the_server_is_replaced: spoilt("rolling_restart: server", "rolling_restart: alice");
    only_a_client_is_reloaded: spoilt("reload: alice", "reload: server");
    a_client_that_does_not_exist_is_not_reloaded: spoilt("reload: alice", "reload: alicia");
    a_link_between_clients: spoilt("reset: { between: [bob, server]", "reset: { between: [bob, alice]");
    a_link_of_one_process: spoilt("reset: { between: [bob, server]", "reset: { between: [server, server]");
    a_fault_on_a_client_that_does_nothing: errors(&GOOD
        .replace("name: good", "name: bad")
        .replace("alice: {}", "alice: {}, carol: {}")
        .replace("reset: { between: [bob, server]", "reset: { between: [carol, server]"));
    a_count_of_nothing: spoilt("count: 20", "count: 0");
    a_count_without_measure: spoilt("count: 20", "count: 20000");
    a_message_that_nobody_says: spoilt("bytes: 200", "bytes: 200000");
    latency_below_the_tick: spoilt("10ms..80ms", "1ms..80ms");
    latency_over_which_nobody_connects: spoilt("10ms..80ms", "10ms..3s");
    a_heartbeat_that_no_connection_survives: spoilt("ping_timeout: 4s", "ping_timeout: 100ms");
    sessions_without_recovery_are_not_stored: spoilt("fsync: 1ms..20ms", "store_sessions: true");
    an_ack_timeout_that_no_message_meets: spoilt("ack_timeout: 5s", "ack_timeout: 100ms");
    a_name_twice_in_who: spoilt("[alice, bob], do", "[alice, bob, alice], do");
    an_empty_who: spoilt("who: [alice, bob]", "who: []");
    a_client_called_server: spoilt("alice: {}", "alice: {}, server: {}");
    a_client_with_a_wrong_name: spoilt("alice: {}", "alice: {}, Bob Dylan: {}");
    no_clients: spoilt("{ alice: {}, bob: { send: outbox, receive: resume, ack_timeout: 5s } }", "{}");
    the_server_does_not_work: spoilt("who: alice", "who: server");
    too_many_ops: spoilt("[alice, bob], do: connect", "[alice, bob], do: { say: { count: 10000 } } }\n".to_owned()
        .repeat(6).replace("}\n[", "}\n  - { at: 0s, who: [").trim_end_matches(" }\n"));
    too_many_bytes: spoilt("count: 20, every: 100ms, bytes: 200", "count: 1000, bytes: 60000");
    a_burst_without_end: spoilt("every: 100ms", "every: 2h");
    a_time_without_measure: spoilt("settle: 60s", "settle: 1000years");
    a_client_that_stays_away: spoilt("  - { at: 9s, who: bob, do: connect }\n", "");
    a_client_that_may_stay_away: spoilt("at: 9s, who: bob", "at: 2500ms..9s, who: bob");
    the_server_may_be_down_already: spoilt("at: 5s, lasts: 2s", "at: 3s..5s, lasts: 2s");
    a_place_with_a_wrong_name: spoilt("[chat.repeat]", "[chat.repeat, chat.repaet, Chat, chat.repeat]");
    no_seeds: spoilt("seeds: 7", "seeds: 0");
    about_nothing: spoilt("Two clients, and the network between them stalls.", "' '");
    a_story_without_work_and_without_a_swarm: errors("\
name: bad
about: Nobody does anything.
guarantee: exactly_once
clients: { alice: {} }
");
    work_of_nobody: errors("\
name: bad
about: Alice works, and is not there.
guarantee: exactly_once
work: [{ at: 1s, who: alice, do: { say: { count: 2 } } }]
faults: swarm
");
    a_swarm_of_nothing: swarm("{ swarm: { kinds: [] } }");
    a_swarm_of_unknown_kinds: swarm("{ swarm: { kinds: [stall, kil, stall] } }");
    a_swarm_of_unknown_intensity: swarm("{ swarm: { intensity: violent } }");
    a_swarm_with_an_unknown_key: swarm("{ swarm: { kind: stall } }");
    a_swarm_that_is_misspelt: swarm("swam");
    faults_that_are_a_number: swarm("7");
    an_empty_file: errors("");
    a_file_of_comments: errors("# later\n");
    a_list: errors("- name: bad\n- about: nothing\n");
    a_scalar: errors("bad");
    a_tab: errors("name: bad\n\tabout: x\n");
    a_quote_that_never_ends: errors("name: bad\nabout: 'Alice\n");
    two_documents: errors("name: bad\n---\nname: worse\n");
    an_unknown_alias: spoilt("who: alice", "who: *alice");
    everything_at_once: errors("\
name: worse
about: All of it is told.
guarantee: exactly_once
clients: { alice: {}, bob: { ack_timeout: 5 } }
network: { latency: 1ms }
work:
  - { at: 1, who: [alicia, bob], do: connect }
  - { at: 1s, who: alice, do: { say: { count: 0, every: 3 lightyears } } }
  - { at: 2s, who: alice, do: disconnect }
faults:
  - { at: 1s, what: { stall: { between: [alice, bob] } } }
  - { at: 1s, lasts: 1s, what: { kill: bob } }
");
}

#[test]
fn an_error_knows_its_line_and_column() {
    let errors = parse("bad.yaml", &GOOD.replace("who: alice,", "who: alcie,")).unwrap_err();
    let unknown = errors.list.iter().find(|error| error.title.starts_with("unknown client")).unwrap();
    assert_eq!((unknown.line, unknown.column), (9, 24));
    assert_eq!(&GOOD[unknown.mark.clone().unwrap()], "alice");
}

#[test]
fn colour_is_only_there_when_it_is_asked_for() {
    let errors = parse("bad.yaml", "").unwrap_err();
    assert!(!errors.render(false).contains('\u{1b}'));
    assert!(errors.render(true).contains('\u{1b}'));
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_refused() {
    let missing = load("scenarios/no-such-file.yaml").unwrap_err().to_string();
    assert!(
        missing.contains("failed to read the file") && missing.contains("no-such-file.yaml"),
        "{missing}"
    );
    let folder = load(env!("CARGO_MANIFEST_DIR")).unwrap_err().to_string();
    assert!(folder.contains("failed to read the file"), "{folder}");

    let path = std::env::temp_dir().join(format!("squall-{}-not-utf8.yaml", std::process::id()));
    std::fs::write(&path, b"name: x\nabout: \xff\xfe\n").unwrap();
    let binary = load(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(binary.list[0].title, "the file is not UTF-8");
    assert_eq!((binary.list[0].line, binary.list[0].column), (2, 8));
    binary.render(true);
}

#[test]
fn a_hostile_file_is_refused_at_once() {
    let doubling = |levels: usize| {
        let mut text = "a0: &a0 [x, x]\n".to_owned();
        for level in 1..levels {
            text.push_str(&format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1));
        }
        text
    };
    let hostile = [
        format!("name: bad\nabout: x\nguarantee: exactly_once\nclients: {{}}\nwork: []\n{}", doubling(40)),
        doubling(40),
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        format!("name: {}", "x".repeat(2 << 20)),
        "name: &a [*a]".to_owned(),
        "*".repeat(1_000),
        format!("work: [{}]", "x, ".repeat(200_000)),
    ];
    for text in hostile {
        let told = errors(&text);
        assert!(told.starts_with("error: "), "{told}");
        assert!(told.len() < 4_000, "{} bytes about a file of {}", told.len(), text.len());
    }
}

/// A story with parts of it cut out, doubled, or replaced: nearly right, where mistakes hide.
fn nearly_good() -> impl Strategy<Value = String> {
    let edit =
        (0..GOOD.len(), 0_usize..40, prop_oneof![any::<String>(), "[ -~\n]{0,20}", Just(String::new())]);
    proptest::collection::vec(edit, 1..4).prop_map(|edits| {
        let mut text = GOOD.to_owned();
        for (start, length, new) in edits {
            let start = text.floor_char_boundary(start);
            let end = text.floor_char_boundary(start + length);
            text.replace_range(start..end, &new);
        }
        text
    })
}

proptest! {
    #[test]
    fn any_text_is_understood_or_refused(text in prop_oneof![any::<String>(), "[ -~\n\t]*", nearly_good()]) {
        if let Err(errors) = parse("good.yaml", &text) {
            errors.render(true);
            for error in &errors.list {
                let lines = text.split('\n').count();
                prop_assert!((1..=lines).contains(&error.line), "{} of {lines}", error.line);
            }
        }
    }
}
