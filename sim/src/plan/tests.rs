//! Plans: drawn, printed, read back, made smaller, refused.

use std::time::Duration;

use proptest::prelude::*;

use crate::scenario::tests::work::{LESS, ROOMS};
use crate::scenario::tests::{GOOD, scenario_files};
use crate::scenario::{self, parse};
use crate::units::{NumberRange, Rate, SpanRange};

use super::*;

/// Faults that wait for something.
const WAITING: &str = "\
name: waiting
about: What breaks does so with what happens.
guarantee: exactly_once
clients: { alice: {}, bob: {} }
work:
  - { at: 1s..2s, who: [alice, bob], do: { say: { count: 3, every: 100ms..900ms } } }
faults:
  - { at: { step: 1..1000 }, what: { reload: alice } }
  - { at: { byte: { from: bob, to: server, nth: 1..1000 } }, lasts: 1s..2s, what: { partition: { between: [alice, server] } } }
  - { at: { byte: { between: [bob, server], connection: { nth: 2 }, nth: 5 } }, what: { reset: { between: [bob, server], connection: current } } }
  - { at: { disk_op: { of: server, nth: 1..1000, since: 2s..9s } }, lasts: 1s..2s, what: { kill: server } }
  - { at: { disk_op: { of: server, nth: 7 } }, lasts: 1s, what: { kill: server } }
";

const STORY: &str = "\
name: story
about: Three clients, bursts and faults with ranges.
guarantee: exactly_once
clients: { alice: {}, bob: { ack_timeout: 5s }, carol: {} }
work:
  - { at: 0s..1s, who: [alice, bob], do: connect }
  - { at: 1s..2s, who: [alice, bob], do: { say: { count: 3, every: 100ms..900ms } } }
  - { at: 1s..2s, who: bob, do: { say: { count: 1, bytes: 40 } } }
  - { at: 3s, who: bob, do: disconnect }
  - { at: 4s..5s, who: bob, do: connect }
faults:
  - { at: 1s..3s, lasts: 1s..8s, what: { stall: { from: alice, to: server } } }
  - { at: 2s, what: { reset: { between: [bob, server] } } }
  - { at: 4s, what: { cut: { between: [alice, server], after: 100..5000 } } }
  - { at: 5s, lasts: 2s, what: { slow: { from: server, to: bob, rate: 10KB/s } } }
  - { at: 12s..13s, lasts: 2s, what: { kill: server } }
";

fn drawn(story: &str, seed: u64) -> Plan {
    draw(&parse("story.yaml", story).expect("the story is sound"), seed)
}

/// When each client does what, and when what breaks: all that is drawn.
fn draws(plan: &Plan) -> Vec<(Span, String)> {
    let op = |op: &Op| {
        let act = match &op.act {
            Act::Connect => "connect",
            Act::Disconnect => "disconnect",
            Act::Join(_) => "join",
            Act::Leave(_) => "leave",
            Act::Say(_) => "say",
            Act::Emit(_) => "emit",
            Act::Broadcast(_) => "broadcast",
            Act::Reload => "reload",
            Act::Wait => "wait",
        };
        (op.at, format!("{} {act}", op.who))
    };
    let faults = plan
        .faults
        .iter()
        .map(|fault| (Span(fault.at.soonest()), format!("{} for {:?}", fault.what, fault.lasts)));
    plan.ops.iter().map(op).chain(faults).collect()
}

#[test]
fn a_drawn_plan_reads_like_this() {
    insta::assert_snapshot!(drawn(STORY, 7).to_yaml());
}

#[test]
fn a_plan_with_all_that_can_be_done_reads_like_this() {
    let plan = draw(&parse("rooms.yaml", ROOMS).unwrap(), 7);
    insta::assert_snapshot!(plan.to_yaml());
    assert_eq!(Plan::from_yaml("plan.yaml", &plan.to_yaml()), Ok(plan));
}

#[test]
fn what_a_plan_does_not_say_of_a_client_is_what_it_always_was() {
    let plan = drawn(STORY, 7);
    let keys = ["transports", "- websocket", "reconnection", "retries", "rooms", "- general"];
    let is_new = |line: &&str| keys.iter().any(|key| line.trim_start().starts_with(key));
    let yaml = plan.to_yaml();
    let old: Vec<&str> = yaml.lines().filter(|line| !is_new(line)).collect();
    assert!(old.len() < yaml.lines().count());
    assert_eq!(Plan::from_yaml("plan.yaml", &old.join("\n")), Ok(plan));
}

#[test]
fn a_guarantee_that_its_clients_cannot_keep_is_refused() {
    let mut plan = draw(&parse("less.yaml", LESS).unwrap(), 7);
    plan.validate().unwrap();
    plan.guarantee = Guarantee::ExactlyOnce;
    let error = plan.validate().unwrap_err().to_string();
    assert_eq!(error, "alice: `send: plain` and `receive: resume` cannot promise exactly_once");
}

#[test]
fn what_has_no_id_must_say_something_else_each_time() {
    let mut plan = draw(&parse("less.yaml", LESS).unwrap(), 7);
    let say = plan.ops.iter().position(|op| op.act.is_say()).unwrap();
    plan.ops.insert(say, plan.ops[say].clone());
    assert!(plan.validate().unwrap_err().to_string().contains("stands twice"));
    plan.clients.values_mut().for_each(|client| client.send = Send::Outbox);
    plan.validate().unwrap();
}

#[test]
fn an_attachment_has_its_length_and_depends_on_the_text() {
    let one = attachment("alice emit 1", 700);
    assert_eq!(one.len(), 700);
    assert_ne!(one, attachment("alice emit 2", 700));
    let values: BTreeSet<u8> = one.into_iter().collect();
    assert_eq!(values.len(), 256, "bytes of every value");
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
    assert_eq!(drawn(STORY, 1), drawn(STORY, 1));
    assert_ne!(draws(&drawn(STORY, 1)), draws(&drawn(STORY, 2)));
}

#[test]
fn removing_a_step_or_a_fault_moves_no_other_draw() {
    let whole = draws(&drawn(STORY, 7));
    let lines: Vec<&str> = STORY.lines().filter(|line| line.contains("at: ")).collect();
    // Without `bob`'s return, or without the only step of a burst's twin, the story is another one.
    let removable = lines.iter().filter(|line| !line.contains("bob, do: connect"));
    for line in removable {
        let without = draws(&drawn(&STORY.replace(&format!("{line}\n"), ""), 7));
        // Who loses the step that connects them does so at the start: that one op is new.
        let moved =
            without.iter().filter(|draw| !whole.contains(draw)).filter(|(at, _)| at.0 > Duration::ZERO);
        assert_eq!(moved.count(), 0, "without {line:?}: {without:#?}\nwhole: {whole:#?}");
        assert!(without.len() <= whole.len());
    }
}

#[test]
fn saying_more_moves_nothing_that_was_said_before() {
    let whole = draws(&drawn(STORY, 7));
    let more = draws(&drawn(&STORY.replace("count: 3", "count: 30"), 7));
    assert!(whole.iter().all(|draw| more.contains(draw)));
}

#[test]
fn two_steps_that_say_the_same_are_drawn_apart() {
    let step = "  - { at: 1s..2s, who: [alice, bob], do: { say: { count: 3, every: 100ms..900ms } } }\n";
    let plan = drawn(&STORY.replace(step, &step.repeat(2)), 7);
    let alice: Vec<Span> =
        plan.ops.iter().filter(|op| &*op.who == "alice" && op.act != Act::Connect).map(|op| op.at).collect();
    assert_eq!(alice.len(), 6);
    assert!(alice.windows(2).all(|pair| pair[0] < pair[1]), "{alice:?}");
}

#[test]
fn after_how_many_bytes_a_cut_comes_is_drawn() {
    let after = |seed| {
        let plan = drawn(STORY, seed);
        let mut cuts = plan
            .faults
            .iter()
            .filter_map(|fault| if let FaultAct::Cut(cut) = &fault.what { Some(cut.after) } else { None });
        cuts.next().unwrap()
    };
    let drawn: BTreeSet<u64> = (0..20).map(|seed| after(seed).low).collect();

    assert!(drawn.len() > 10 && drawn.iter().all(|after| (100..=5000).contains(after)), "{drawn:?}");
    assert_eq!(after(7).low, after(7).high);
}

#[test]
fn what_a_fault_waits_for_is_drawn_and_reads_as_it_prints() {
    let plan = |seed| draw(&parse("waiting.yaml", WAITING).expect("the story is sound"), seed);
    let numbers = |seed| -> Vec<u64> {
        let faults = plan(seed).faults.into_iter();
        let number = |at: Trigger| if let Trigger::Event(event) = at { event.number().low } else { 0 };
        faults.map(|fault| number(fault.at)).collect()
    };
    assert_ne!(numbers(1), numbers(2));
    for seed in 0..20 {
        let plan = plan(seed);
        plan.validate().unwrap();
        assert_eq!(Plan::from_yaml("plan.yaml", &plan.to_yaml()), Ok(plan));
    }
    insta::assert_snapshot!(plan(7).to_yaml().split("faults:").nth(1).unwrap());
}

#[test]
fn a_plan_in_which_faults_have_an_end_and_no_length_is_read_too() {
    let plan = drawn(STORY, 7);
    let old = plan.to_yaml().replace("at: 5s, lasts: 2s", "at: 5s, until: 7s");
    assert!(old.contains("until: 7s"));
    assert_eq!(Plan::from_yaml("plan.yaml", &old), Ok(plan.clone()));
    let both = plan.to_yaml().replace("at: 5s, lasts: 2s", "at: 5s, lasts: 2s, until: 7s");
    let error = Plan::from_yaml("plan.yaml", &both).unwrap_err().to_string();
    assert!(error.contains("`lasts` says for how long"), "{error}");
}

#[test]
fn messages_are_numbered_by_time_and_padded() {
    let plan = drawn(STORY, 7);
    let said = |who: &str| -> Vec<String> {
        let by = plan.ops.iter().filter(|op| &*op.who == who);
        by.filter_map(|op| op.act.text()).map(|(text, _)| text.to_owned()).collect()
    };
    assert_eq!(said("alice"), ["alice 1", "alice 2", "alice 3"]);
    let bob = said("bob");
    assert!(bob.iter().zip(1..).all(|(content, n)| content.starts_with(&format!("bob {n}"))), "{bob:?}");
    assert_eq!(bob.iter().filter(|content| content.len() == 40).count(), 1, "{bob:?}");
}

#[test]
fn who_is_not_told_to_connect_does_so_at_the_start() {
    let plan = drawn(STORY, 7);
    assert_eq!(plan.ops[0], Op { at: Span::default(), who: "carol".into(), act: Act::Connect });
}

#[test]
fn every_seed_of_the_repositorys_scenarios_gives_a_valid_plan() {
    for file in scenario_files() {
        let scenario = scenario::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
        for seed in 0..u64::from(scenario.seeds) {
            assert_eq!(draw(&scenario, seed).validate(), Ok(()), "{} with seed {seed}", file.display());
        }
    }
}

#[test]
fn dropping_an_op_that_everyone_needs_gives_no_plan() {
    let plan = drawn(STORY, 7);
    let is = |act: Act, who: &'static str| move |op: &Op| op.act == act && &*op.who == who;
    let carol = plan.ops.iter().position(is(Act::Connect, "carol")).unwrap();
    assert_eq!(plan.without_op(carol), None);
    let leaves = plan.ops.iter().position(is(Act::Disconnect, "bob")).unwrap();
    assert_eq!(plan.without_op(leaves).unwrap().ops.len(), plan.ops.len() - 1);
    assert_eq!(plan.without_op(plan.ops.len()), None);
    assert_eq!(plan.without_fault(0).unwrap().faults.len(), plan.faults.len() - 1);
    assert_eq!(plan.without_fault(plan.faults.len()), None);
}

/// A change to a valid plan, and what must be said of it.
fn refused(change: impl FnOnce(&mut Plan), says: &str) {
    let mut plan = drawn(STORY, 7);
    plan.validate().expect("a drawn plan is valid");
    change(&mut plan);
    let error = plan.validate().expect_err(says).to_string();
    assert!(error.contains(says), "{error:?} does not say {says:?}");
    let read = Plan::from_yaml("plan.yaml", &plan.to_yaml()).expect_err(says).to_string();
    assert!(read.contains("--> plan.yaml:"), "{read}");
}

#[test]
fn a_plan_that_the_world_cannot_run_is_refused() {
    refused(|plan| plan.version = 2, "version 2");
    refused(|plan| plan.clients.clear(), "0 clients");
    refused(|plan| plan.clients.retain(|name, _| &**name != "carol"), "op 0: unknown client `carol`");
    refused(|plan| plan.ops.swap(0, 9), "earlier than the op before it");
    refused(|plan| plan.ops.retain(|op| !matches!(op.act, Act::Say(_))), "nobody says anything");
    refused(|plan| drop(plan.ops.remove(0)), "`carol` never connects");
    let absent = |plan: &mut Plan| {
        plan.guarantee = Guarantee::AtMostOnce;
        plan.ops.remove(0);
    };
    refused(absent, "`carol` never connects, so a run would prove nothing of it");
    refused(|plan| drop(plan.ops.pop()), "`bob` never connects again");
    refused(|plan| plan.faults[0].lasts = None, "`lasts` is missing");
    refused(|plan| plan.faults[0].lasts = Some(Span::default()), "ends before it begins");
    refused(|plan| plan.faults.swap(0, 2), "earlier than the fault before it");
    refused(|plan| plan.faults.extend(plan.faults.last().cloned()), "down already");
    refused(|plan| plan.faults[0].what = FaultAct::Kill("alice".into()), "only the server");
    refused(|plan| plan.faults[0].what = FaultAct::Reload("server".into()), "only a client");
    let path = || Path::between(["alice".into(), "server".into()]);
    let loss = |percent| FaultAct::Loss(Loss { path: path(), percent });
    refused(|plan| plan.faults[0].what = loss(0), "cannot lose 0 %");
    refused(|plan| plan.faults[0].what = loss(100), "cannot lose 100 %");
    let rate = Rate(0);
    refused(|plan| plan.faults[0].what = FaultAct::Slow(Slow { path: path(), rate }), "nothing passes");
    let cut = |low, high| Fault {
        lasts: None,
        what: FaultAct::Cut(Cut { path: path(), after: NumberRange { low, high } }),
        ..drawn(STORY, 7).faults[0].clone()
    };
    refused(|plan| plan.faults[0] = cut(0, 0), "cannot be cut after 0 bytes");
    refused(|plan| plan.faults[0] = cut(1, 2), "cannot be cut after 1..2 bytes");
    refused(|plan| plan.faults[0].what = cut(1, 1).what, "`lasts` is not for it");
    let step = |low, high| Trigger::Event(EventTrigger::Step(NumberRange { low, high }));
    refused(|plan| plan.faults[0].at = step(1, 2), "it cannot begin with step 1..2");
    refused(|plan| plan.faults[0].at = step(1 << 40, 1 << 40), "it cannot begin with step");
    let byte = |path, n| {
        let (nth, since) = (NumberRange { low: n, high: n }, SpanRange::default());
        Trigger::Event(EventTrigger::Byte(ByteTrigger { path, nth, since }))
    };
    refused(|plan| plan.faults[0].at = byte(path(), 0), "it cannot begin with byte 0");
    refused(|plan| plan.heals = Some(Span::default()), "it goes on after the world heals at 0s");
    let connections =
        Connections { between: ["alice".into(), "server".into()], connection: Some(Which::Nth(0)) };
    let reset =
        Fault { lasts: None, what: FaultAct::Reset(connections), ..drawn(STORY, 7).faults[0].clone() };
    refused(|plan| plan.faults[0] = reset, "connections count from 1");
    let of_clients = Path::between(["alice".into(), "bob".into()]);
    refused(|plan| plan.faults[0].at = byte(of_clients, 1), "not `alice` and `bob`");
    let of = Name::from("dave");
    let operation = DiskOpTrigger { of, nth: NumberRange { low: 1, high: 1 }, since: SpanRange::default() };
    let at = Trigger::Event(EventTrigger::DiskOp(operation));
    refused(|plan| plan.faults[0].at = at, "unknown client `dave`");
    let between = ["alice".into(), "bob".into()];
    refused(|plan| plan.faults[0].what = FaultAct::Partition(Pair { between }), "not `alice` and `bob`");
    refused(|plan| plan.network.latency.low = Duration::ZERO, "latency is below the tick");
    refused(|plan| plan.network.latency.high = Duration::from_secs(60), "four round trips");
    refused(|plan| plan.server.ping_timeout = Span(Duration::from_millis(100)), "a pong may take");
    let lobby = || Act::Join(Join { room: "The Lobby".into(), since: None });
    refused(|plan| plan.ops[0].act = lobby(), "op 0: a room cannot be called `The Lobby`");
    let alice = |plan: &mut Plan, change: fn(&mut ClientPlan)| {
        change(plan.clients.get_mut("alice").expect("she is there"));
    };
    refused(|plan| alice(plan, |alice| alice.transports.clear()), "alice: there is no transport");
    refused(|plan| alice(plan, |alice| alice.rooms.push("A".into())), "a room cannot be called `A`");
    refused(|plan| alice(plan, |alice| alice.reconnection_attempts = Some(0)), "attempts or retries");
    refused(|plan| alice(plan, |alice| alice.reconnection_delay_max = Span::default()), "is longer than");
    refused(|plan| plan.settle = Span(Duration::from_secs(1 << 40)), "settle is longer than");
}

#[test]
fn a_plan_of_the_wrong_shape_is_refused_where_it_is_wrong() {
    let text = drawn(STORY, 7).to_yaml().replace("who: carol", "whom: carol");
    let errors = Plan::from_yaml("plan.yaml", &text).unwrap_err();
    assert_eq!(errors.list[0].title, "unknown key `whom`");
    assert_eq!(errors.list[0].help.as_deref(), Some("did you mean `who`?"));
    assert!(text.lines().nth(errors.list[0].line - 1).unwrap().contains("whom"));
}

/// Any text a user could say, with all that YAML makes special.
fn any_content() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ -~\n\t]{0,200}", "(null|~|yes|1e3|- |# |\\{|'|\"){1,5}"]
}

/// A good story with other numbers in it: well formed, and sound or not.
fn other_numbers() -> impl Strategy<Value = (&'static str, String)> {
    proptest::sample::select(vec![("good.yaml", GOOD), ("rooms.yaml", ROOMS)]).prop_flat_map(
        |(file, story)| {
            let places: Vec<usize> =
                story.match_indices(|letter: char| letter.is_ascii_digit()).map(|(at, _)| at).collect();
            let edit = (proptest::sample::select(places), "[0-9]");
            proptest::collection::vec(edit, 0..6).prop_map(move |edits| {
                let mut text = story.to_owned();
                for (at, digit) in edits {
                    text.replace_range(at..=at, &digit);
                }
                (file, text)
            })
        },
    )
}

proptest! {
    #[test]
    fn a_sound_scenario_has_no_seed_whose_plan_is_not_valid((file, text) in other_numbers(), seed: u64) {
        if let Ok(scenario) = parse(file, &text) {
            draw(&scenario, seed).validate()?;
        }
    }

    #[test]
    fn a_random_plan_is_valid(seed: u64) {
        random(seed).validate()?;
    }

    #[test]
    fn a_plan_reads_as_it_prints(seed: u64, contents in proptest::collection::vec(any_content(), 1..5)) {
        let mut plan = random(seed);
        let says = plan.ops.iter_mut().filter(|op| op.act.is_say());
        for ((op, new), room) in says.zip(contents).zip(["general", "lobby"].into_iter().cycle()) {
            // An empty one is refused.
            op.act = Act::Say(Say { room: room.into(), content: format!("{new}.") });
        }
        let text = plan.to_yaml();
        let read = Plan::from_yaml("plan.yaml", &text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(read, plan);
    }

    #[test]
    fn dropping_a_fault_of_a_random_plan_leaves_a_valid_one(seed: u64, fault in 0_usize..4) {
        if let Some(smaller) = random(seed).without_fault(fault) {
            smaller.validate()?;
        }
    }
}
