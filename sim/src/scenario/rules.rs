//! What must hold between the parts of a scenario, so that a run of it ends and means something.
//!
//! Judges what is drawn in ranges by the worst of it: a scenario that passes has no seed whose plan does not.

mod core;
mod rooms;

use std::time::Duration;

use crate::units::Span;

use super::client::{ClientPlan, Guarantee, Send};
use super::limits::{self, CONTENT_BYTES_TOTAL_MAX, OPS_MAX, TIME_MAX};
use super::resolve::Resolver;
use super::schema::{ScenarioText, StepActText};
use super::terms::{Core, Name, NetworkPlan, ServerPlan};
use super::{FaultStep, Step, StepAct};

/// What is written, and what of it is understood, part by part.
pub(super) struct Told<'a> {
    pub(super) written: &'a ScenarioText,
    pub(super) server: Option<&'a ServerPlan>,
    pub(super) network: Option<&'a NetworkPlan>,
    pub(super) clients: &'a [(Name, Option<ClientPlan>)],
    pub(super) work: &'a [Option<Step>],
    pub(super) faults: &'a [Option<FaultStep>],
    pub(super) core: Option<&'a Core>,
}

/// Adds what is wrong to the findings.
pub(super) fn judge(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    clients_can_keep_the_guarantee(told, resolver);
    timers_outlast_a_healthy_network(told, resolver);
    something_is_said(told, resolver);
    who_says_nothing_says_who(told, resolver);
    the_work_is_bounded(told, resolver);
    all_ends_in_time(told, resolver);
    rooms::someone_is_there(told, resolver);
    everyone_ends_connected(told, resolver);
    the_server_stops_once_at_a_time(told, resolver);
    core::who_is_left_is_broken(told, resolver);
}

/// A guarantee is kept by options, not by wishing.
fn clients_can_keep_the_guarantee(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    let guarantee = told.written.guarantee.value;
    for (name, client) in told.written.clients() {
        if let Some(send) = client.send.as_ref().filter(|send| !guarantee.allows_send(send.value)) {
            let label = match send.value {
                Send::Plain => "what is on its way when the connection breaks is lost",
                Send::Retry | Send::Manual | Send::Outbox => {
                    "what is sent again without an id may be stored twice"
                }
            };
            resolver
                .wrong(
                    send,
                    format!(
                        "`{}` cannot promise {guarantee} with `send: {}`",
                        name.value,
                        send.value.as_str()
                    ),
                )
                .label(label)
                .help(match guarantee {
                    Guarantee::AtLeastOnce => {
                        "write `send: retry` or `send: outbox`, or `guarantee: at_most_once`"
                    }
                    Guarantee::ExactlyOnce | Guarantee::AtMostOnce => {
                        "write `send: outbox`, or another `guarantee`"
                    }
                });
        }
        if let Some(receive) =
            client.receive.as_ref().filter(|receive| !guarantee.allows_receive(receive.value))
        {
            resolver
                .wrong(
                    receive,
                    format!(
                        "`{}` cannot promise {guarantee} with `receive: {}`",
                        name.value,
                        receive.value.as_str()
                    ),
                )
                .label("what is said while it is not connected never reaches it")
                .help("write `receive: resume`, or `guarantee: at_most_once`");
        }
        let send = client.send.as_ref().map_or_else(Send::default, |send| send.value);
        if let (Some(retries), Send::Plain | Send::Outbox) = (&client.retries, send) {
            resolver
                .wrong(retries, format!("`retries` means nothing to `send: {}`", send.as_str()))
                .label(if send == Send::Plain { "it sends once" } else { "it sends until acknowledged" })
                .help("remove it, or write `send: retry`");
        }
    }
}

fn timers_outlast_a_healthy_network(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    let Some(network) = told.network else { return };
    let written = told.written.network.as_ref().and_then(|network| network.latency.as_ref());
    if let (Some(why), Some(latency)) = (limits::never_connects(network), written) {
        resolver.wrong(latency, "nobody can connect over such a network").label(why);
        return;
    }
    let Some(server) = told.server else { return };
    if let Some(why) = limits::never_holds(server, network) {
        // Either of the two is written, or it would not be wrong.
        let server = told.written.server.as_ref();
        let blamed = server.and_then(|server| server.ping_timeout.as_ref()).or(written);
        if let Some(blamed) = blamed {
            resolver.wrong(blamed, "every connection would end by ping timeout").label(why);
        }
    }
    for ((name, client), (_, client_written)) in told.clients.iter().zip(told.written.clients()) {
        let late = client.as_ref().and_then(|client| limits::never_acknowledged(client, server, network));
        let blamed = client_written.ack_timeout.as_ref();
        let fsync = told.written.server.as_ref().and_then(|server| server.fsync.as_ref());
        let blamed = blamed.or(fsync).or(written);
        if let (Some(why), Some(blamed)) = (late, blamed) {
            resolver.wrong(blamed, format!("`{name}` would give up on every message")).label(why);
        }
    }
}

fn something_is_said(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    let Some(work) = &told.written.work else { return };
    let says = |act: &StepActText| {
        matches!(act, StepActText::Say(_) | StepActText::Emit(_) | StepActText::Broadcast(_))
    };
    if !work.value.iter().any(|step| says(&step.value.act.value)) {
        resolver
            .wrong(work, "nobody says anything")
            .label("no `say`, `emit` or `broadcast` in this work")
            .help("add `{ at: 1s, who: alice, do: { say: { count: 10 } } }`: a run without a message proves nothing");
    }
}

/// Where a message has no id, its text tells whose it is.
fn who_says_nothing_says_who(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    let has_outbox = |who: &Name| {
        let client = told.clients.iter().find(|(name, _)| name == who);
        client.is_none_or(|(_, client)| client.as_ref().is_none_or(|client| client.send == Send::Outbox))
    };
    for (step, written) in told.work.iter().zip(told.written.work()) {
        let StepActText::Say(say) = &written.value.act.value else { continue };
        let without = step.iter().flat_map(|step| &step.who).find(|who| !has_outbox(who));
        if let (Some(bytes), Some(who)) = (say.bytes.as_ref().filter(|bytes| bytes.value == 0), without) {
            resolver
                .wrong(bytes, format!("`{who}` cannot say a message of 0 bytes"))
                .label("it sends without ids, and nothing would tell its messages apart")
                .help("leave `bytes` out, or let it have `send: outbox`");
        }
    }
}

fn the_work_is_bounded(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    let (mut ops, mut bytes) = (0, 0);
    for step in told.work.iter().flatten() {
        let times = step.who.len() as u64 * u64::from(step.act.pace().count);
        ops += times;
        bytes += times * u64::from(step.act.bytes().unwrap_or(0));
    }
    let Some(work) = &told.written.work else { return };
    if ops > OPS_MAX {
        resolver
            .wrong(work, format!("too much to do: {ops} ops"))
            .label(format!("at most {OPS_MAX} together"));
    }
    if bytes > CONTENT_BYTES_TOTAL_MAX {
        resolver
            .wrong(work, format!("too much to say: {bytes} bytes"))
            .label(format!("at most {CONTENT_BYTES_TOTAL_MAX} together"));
    }
}

fn all_ends_in_time(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    let late = format!("at most {} after the start", Span(TIME_MAX));
    for (step, written) in told.work.iter().zip(told.written.work()) {
        let end = step.as_ref().map_or(Duration::ZERO, |step| {
            let pace = step.act.pace();
            step.at.high + pace.every.high * (pace.count - 1)
        });
        if end > TIME_MAX {
            let title = format!("this may go on until {}", Span(end));
            resolver.wrong(&written.value.at, title).label(&late);
        }
    }
    for (fault, written) in told.faults.iter().zip(told.written.faults()) {
        let end = fault.as_ref().map_or(Duration::ZERO, latest_end);
        if end > TIME_MAX {
            let title = format!("this may last until {}", Span(end));
            resolver.wrong(&written.value.at, title).label(&late);
        }
    }
}

/// Where no loss is excused everyone is owed every message, so that a client who stays away can never be given what is
/// owed.
fn everyone_ends_connected(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    if told.written.guarantee.value == Guarantee::AtMostOnce {
        return;
    }
    let steps = told.work.iter().zip(told.written.work()).enumerate();
    for (place, (step, written)) in steps {
        let Some(step) = step else { continue };
        if step.act != StepAct::Disconnect {
            continue;
        }
        for name in &step.who {
            // A step that was not understood might be the one: it is not held against the story.
            let comes_back = told.work.iter().enumerate().any(|(later, other)| {
                other.as_ref().is_none_or(|other| {
                    let surely_after =
                        other.at.low > step.at.high || (other.at.low == step.at.high && later > place);
                    other.act == StepAct::Connect && surely_after && other.who.contains(name)
                })
            });
            if !comes_back {
                resolver
                    .wrong(&written.value.act, format!("`{name}` may stay away for good"))
                    .label("no `connect` is sure to follow")
                    .help(format!(
                        "everyone is owed every message, so this could never settle: let `{name}` connect again \
                         after {}",
                        Span(step.at.high)
                    ));
            }
        }
    }
}

/// What is stopped cannot be stopped again before it runs. What waits for something comes when it will.
fn the_server_stops_once_at_a_time(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    let stops: Vec<_> = told
        .faults
        .iter()
        .zip(told.written.faults())
        .filter_map(|(fault, written)| fault.as_ref().map(|fault| (fault, written)))
        .filter(|(fault, _)| fault.what.stops().is_some() && fault.at.time().is_some())
        .collect();
    for (place, (fault, written)) in stops.iter().enumerate() {
        let overlaps = |other: &FaultStep| {
            other.at.soonest() <= latest_end(fault) && fault.at.soonest() <= latest_end(other)
        };
        if let Some((other, _)) = stops[..place].iter().find(|(other, _)| overlaps(other)) {
            resolver.wrong(&written.value.what, "the server may be down at that time").label(format!(
                "`{}` at {} may last until {}",
                other.what,
                other.at,
                Span(latest_end(other))
            ));
        }
    }
}

/// Of one that waits for something: if that happens at once.
fn latest_end(fault: &FaultStep) -> Duration {
    fault.at.armed_by() + fault.lasts.map_or(Duration::ZERO, |lasts| lasts.high)
}
