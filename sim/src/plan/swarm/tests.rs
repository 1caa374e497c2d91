//! What a swarm draws is valid, varied, and nothing that the file has said.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::plan::{EventTrigger, Fault, FaultKind, Receive, Send, Trigger, Which, draw};
use crate::scenario::{Scenario, parse};

const KEEPS: &str = "\
name: keeps
about: The work stands; what breaks is drawn.
guarantee: exactly_once
server: { ping_interval: 5s, ping_timeout: 1s }
clients: { alice: { ack_timeout: 500ms }, bob: {} }
work:
  - { at: 0s, who: [alice, bob], do: connect }
  - { at: 1s, who: alice, do: { say: { count: 2, every: 1s } } }
faults: { swarm: { intensity: heavy, kinds: [stall, kill] } }
";

fn open(guarantee: &str) -> Scenario {
    let text = format!("name: open\nabout: Anything.\nguarantee: {guarantee}\nfaults: swarm\n");
    parse("open.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn what_the_file_says_stands() {
    let scenario = parse("keeps.yaml", KEEPS).unwrap();
    for seed in 0..100 {
        let plan = draw(&scenario, seed);
        plan.validate().unwrap();
        assert_eq!((&plan.server, &plan.clients), (&scenario.server, &scenario.clients));
        assert_eq!(plan.ops.len(), 4);
        let kinds = plan.faults.iter().map(|fault| fault.what.kind());
        assert!(kinds.clone().all(|kind| [FaultKind::Stall, FaultKind::Kill].contains(&kind)));
    }
}

#[test]
fn over_its_seeds_a_swarm_has_every_kind_of_fault_and_none_of_it_in_all() {
    let scenario = open("exactly_once");
    let plans: Vec<Plan> = (0..200).map(|seed| draw(&scenario, seed)).collect();
    for kind in FaultKind::ALL {
        let has = |plan: &&Plan| plan.faults.iter().any(|fault| fault.what.kind() == kind);
        let with = plans.iter().filter(has).count();
        assert!((20..150).contains(&with), "{} of 200 plans have {}", with, kind.as_str());
    }
}

#[test]
fn over_its_seeds_a_swarm_has_clients_of_every_kind_that_the_guarantee_allows() {
    let ways = |guarantee: &str| -> BTreeSet<(&'static str, &'static str)> {
        let scenario = open(guarantee);
        let plans = (0..200).map(|seed| draw(&scenario, seed));
        let clients = plans.flat_map(|plan| plan.clients.into_values());
        clients.map(|client| (client.send.as_str(), client.receive.as_str())).collect()
    };
    assert_eq!(ways("exactly_once"), [(Send::Outbox.as_str(), Receive::Resume.as_str())].into());
    assert_eq!((ways("at_least_once").len(), ways("at_most_once").len()), (2, 6));
}

#[test]
fn the_last_words_of_a_swarm_come_when_nothing_can_break_any_more() {
    let scenario = open("exactly_once");
    let mut waiting = 0;
    for plan in (0..100).map(|seed| draw(&scenario, seed)) {
        let waits = plan.faults.iter().any(|fault| fault.at.time().is_none());
        assert_eq!(plan.heals.is_some(), waits, "seed {}", plan.seed);
        waiting += usize::from(waits);
        let heals = plan.heals.unwrap_or_default().0;
        let ends = plan.faults.iter().map(|fault| fault.latest_end(heals)).max().unwrap_or_default();
        assert!(plan.ops.last().is_some_and(|last| last.at.0 > ends.max(heals)), "seed {}", plan.seed);
    }
    assert!((20..100).contains(&waiting), "{waiting} of 100 plans wait for something");
}

#[test]
fn over_its_seeds_a_swarm_has_everything_that_a_fault_can_begin_with_and_be_about() {
    let scenario = open("exactly_once");
    let faults: Vec<Fault> = (0..200).flat_map(|seed| draw(&scenario, seed).faults).collect();
    let share =
        |of: &dyn Fn(&Fault) -> bool| faults.iter().filter(|fault| of(fault)).count() * 100 / faults.len();
    let waits = |fault: &Fault, is: fn(&EventTrigger) -> bool| match &fault.at {
        Trigger::Time(_) => false,
        Trigger::Event(event) => is(event),
    };

    let steps = share(&|fault| waits(fault, |event| matches!(event, EventTrigger::Step(_))));
    let operations = share(&|fault| waits(fault, |event| matches!(event, EventTrigger::DiskOp(_))));
    let bytes = share(&|fault| waits(fault, |event| matches!(event, EventTrigger::Byte(_))));
    assert!(steps > 4 && operations > 2 && bytes > 6, "{steps}, {operations}, {bytes} % wait");
    let current = share(&|fault| fault.what.connection() == Some(Which::Current));
    let early = share(&|fault| matches!(fault.what.connection(), Some(Which::Nth(1..=8))));
    assert!(current > 4 && early > 2, "{current}, {early} % are about one connection");
}

#[test]
fn a_heavier_swarm_breaks_more() {
    let faults = |intensity: &str| -> usize {
        let text = KEEPS.replace("heavy, kinds: [stall, kill]", intensity);
        let scenario = parse("keeps.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"));
        (0..100).map(|seed| draw(&scenario, seed).faults.len()).sum()
    };
    let [light, moderate, heavy] = ["light", "moderate", "heavy"].map(faults);
    assert!(light * 2 < moderate && moderate * 2 < heavy, "{light}, {moderate}, {heavy}");
}

proptest! {
    #[test]
    fn every_seed_of_a_swarm_is_a_valid_plan(
        seed: u64,
        guarantee in prop::sample::select(vec!["exactly_once", "at_least_once", "at_most_once"]),
    ) {
        draw(&open(guarantee), seed).validate()?;
    }
}
