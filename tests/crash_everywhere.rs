//! One story, and an end of the server at every place where there can be one: as it asks its disk for any operation, and at
//! every moment at which the story gets any further. Killed in one pass, without power in the other. After its restart no
//! message that was acknowledged may be missing, and none may be there twice.
//!
//! `cargo test --test crash_everywhere -- --nocapture` shows at how many points.

use std::collections::BTreeSet;

use squall_sim::app::chat::Chat;
use squall_sim::history::Kind;
use squall_sim::hunt::{Judged, judged};
use squall_sim::plan::{self, Backend, DiskOpTrigger, EventTrigger, Fault, FaultAct, Plan, SERVER, Trigger};
use squall_sim::scenario;
use squall_sim::units::{NumberRange, Span, SpanRange};
use squall_sim::world::RunOptions;

/// Thirty messages, three clients.
const STORY: &str = "\
name: crash-everywhere
about: Three people talk, and the server comes to its end.
guarantee: exactly_once
server: { ping_interval: 2s, ping_timeout: 1s }
clients:
  alice: { ack_timeout: 2s, reconnection_delay_max: 2s }
  bob: { ack_timeout: 2s, reconnection_delay_max: 2s }
  carol: { ack_timeout: 2s, reconnection_delay_max: 2s }
work:
  - { at: 100ms, who: [alice, bob, carol], do: { say: { count: 10, every: 10ms..150ms } } }
";

/// As long as nothing happens to the server.
fn story() -> Plan {
    let scenario =
        scenario::parse("crash-everywhere.yaml", STORY).unwrap_or_else(|errors| panic!("{errors}"));
    Plan { backend: Backend::Event, ..plan::draw(&scenario, 1) }
}

/// With that fault, for two seconds.
fn run(at: Trigger, what: FaultAct) -> Judged {
    let lasts = Some(Span(std::time::Duration::from_secs(2)));
    let plan = Plan { faults: vec![Fault { at, lasts, what }], ..story() };
    judged(plan, &Chat::default(), &RunOptions::default())
}

#[track_caller]
fn assert_held(run: &Judged) {
    let plan = run.plan.to_yaml();
    assert_eq!(run.harness_failure(), None, "{plan}");
    assert!(run.judgement.violation().is_none(), "{:?}\n{plan}", run.judgement.violation());
    let is_sent = |kind: &&Kind| matches!(kind, Kind::Sent { .. });
    let kinds = run.outcome.history.records.iter().map(|record| &record.kind);
    assert_eq!(kinds.filter(is_sent).count(), 30, "{plan}");
}

fn end_at_every_disk_operation(what: fn() -> FaultAct) {
    let mut points = 0;
    for n in 1.. {
        let nth = NumberRange { low: n, high: n };
        let operation = DiskOpTrigger { of: SERVER.into(), nth, since: SpanRange::default() };
        let run = run(Trigger::Event(EventTrigger::DiskOp(operation)), what());
        assert_held(&run);
        // There is no such operation.
        if run.outcome.touched[&0] == 0 {
            break;
        }
        points += 1;
    }
    println!("{points} disk operations, at each {}", what());
    assert!(points > 200, "{points}");
}

fn end_at_every_message(what: fn() -> FaultAct) {
    let undisturbed = judged(story(), &Chat::default(), &RunOptions::default());
    assert_held(&undisturbed);
    let boundaries = undisturbed.outcome.history.records.iter().filter(|record| {
        let (sent, known) =
            (matches!(record.kind, Kind::Sent { .. }), matches!(record.kind, Kind::Committed { .. }));
        sent || known || matches!(record.kind, Kind::Acknowledged { .. } | Kind::Delivered { .. })
    });
    let moments: BTreeSet<Span> = boundaries.map(|record| Span(record.at)).collect();
    for moment in &moments {
        assert_held(&run(moment.0.into(), what()));
    }
    println!("{} moments, at each {}", moments.len(), what());
    assert!(moments.len() > 60, "{}", moments.len());
}

#[test]
fn nothing_is_lost_or_repeated_whichever_disk_operation_kills_the_server() {
    end_at_every_disk_operation(|| FaultAct::Kill(SERVER.into()));
}

#[test]
fn nothing_is_lost_or_repeated_at_whichever_disk_operation_the_power_fails() {
    end_at_every_disk_operation(|| FaultAct::PowerOff(SERVER.into()));
}

#[test]
fn nothing_is_lost_or_repeated_whichever_message_the_server_is_killed_at() {
    end_at_every_message(|| FaultAct::Kill(SERVER.into()));
}

#[test]
fn nothing_is_lost_or_repeated_whichever_message_the_power_fails_at() {
    end_at_every_message(|| FaultAct::PowerOff(SERVER.into()));
}
