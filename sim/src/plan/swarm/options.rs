//! The options that a story leaves open: heartbeat, disk, network, and what clients are like.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use squall::chat::wire::DEFAULT_ROOM;

use crate::scenario::Open;
use crate::scenario::limits::{never_acknowledged, never_connects, never_holds, round_trip};
use crate::units::{Span, SpanRange};

use super::super::{ClientPlan, Name, NetworkPlan, Plan, Receive, Send, ServerPlan, Transport, WhileDead};
use super::dice::Dice;
use super::work::ROOMS;

const NAMES: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];

/// Interval and timeout, in seconds: brisk ones find dead connections often, the defaults find what long outages do.
const HEARTBEATS: [(u64, u64); 4] = [(2, 3), (5, 4), (10, 8), (25, 20)];

/// How long a commit takes at most, in milliseconds.
const FSYNCS: [u64; 3] = [1, 20, 200];

/// How long a chunk travels at most, in milliseconds.
const LATENCIES: [u64; 4] = [20, 80, 150, 300];

/// For how long a socket can be taken up again, in seconds; none, and it never is.
const WINDOWS: [Option<u64>; 4] = [None, Some(5), Some(30), Some(120)];

const TRANSPORTS: [&[Transport]; 3] =
    [&[Transport::Websocket], &[Transport::Polling], &[Transport::Polling, Transport::Websocket]];

/// Not `manual`: the user's own loop may change the order, and no guarantee excuses that.
const SENDS: [Send; 3] = [Send::Outbox, Send::Retry, Send::Plain];

const RECEIVES: [Receive; 2] = [Receive::Resume, Receive::Live];

/// Draws the open ones, each so that a healthy world can live with those that stand.
pub(super) fn fill(plan: &mut Plan, open: Open, dice: Dice) {
    if open.network {
        let networks = LATENCIES.map(|most| NetworkPlan { latency: millis(10, most) });
        let suits = |network: &NetworkPlan| suit(&plan.server, network, &plan.clients);
        plan.network = suitable(dice, "latency", networks.into(), suits, &plan.network);
    }
    if open.server {
        let suits = |server: &ServerPlan| suit(server, &plan.network, &plan.clients);
        plan.server = suitable(dice, "server", servers(dice), suits, &plan.server);
    }
    if open.clients {
        let count = dice.within("clients", 2..=NAMES.len() as u64);
        let names = NAMES.iter().zip(0..count).map(|(name, _)| Name::from(*name));
        plan.clients = names.map(|name| (name.clone(), client(plan, &name, dice))).collect();
    }
}

/// All heartbeats, with one disk and one window.
fn servers(dice: Dice) -> Vec<ServerPlan> {
    let fsync = millis(1, *dice.pick("fsync", &FSYNCS));
    let recovery = dice.pick("recovery", &WINDOWS).map(seconds);
    let store_sessions = recovery.is_some() && dice.happens("store sessions", 50);
    let server = |(interval, timeout)| ServerPlan {
        ping_interval: seconds(interval),
        ping_timeout: seconds(timeout),
        fsync,
        recovery,
        store_sessions,
    };
    HEARTBEATS.into_iter().map(server).collect()
}

/// One of those that suit; the one that stands where none does.
fn suitable<T: Clone>(dice: Dice, entity: &str, all: Vec<T>, suits: impl Fn(&T) -> bool, stands: &T) -> T {
    let suitable: Vec<T> = all.into_iter().filter(suits).collect();
    if suitable.is_empty() { stands.clone() } else { dice.pick(entity, &suitable).clone() }
}

/// Whether a healthy world holds connections, and acknowledges in time.
fn suit(server: &ServerPlan, network: &NetworkPlan, clients: &BTreeMap<Name, ClientPlan>) -> bool {
    let late = |client| never_acknowledged(client, server, network).is_some();
    never_connects(network).is_none() && never_holds(server, network).is_none() && !clients.values().any(late)
}

fn client(plan: &Plan, name: &str, dice: Dice) -> ClientPlan {
    let of = |what: &str| format!("{name}/{what}");
    let sends: Vec<Send> = SENDS.into_iter().filter(|send| plan.guarantee.allows_send(*send)).collect();
    let receives: Vec<Receive> =
        RECEIVES.into_iter().filter(|receive| plan.guarantee.allows_receive(*receive)).collect();
    let send = *dice.pick(&of("send"), &sends);
    let standard = ClientPlan::default();
    let delay_max = dice.around(&of("reconnection_delay_max"), Duration::from_secs(4), 3);
    ClientPlan {
        send,
        receive: *dice.pick(&of("receive"), &receives),
        transports: dice.pick(&of("transports"), &TRANSPORTS).to_vec(),
        reconnection_delay: Span(dice.around(&of("reconnection_delay"), delay_max / 2, 4)),
        reconnection_delay_max: Span(delay_max),
        retries: match send {
            Send::Retry | Send::Manual => u32::try_from(dice.within(&of("retries"), 0..=5)).unwrap_or(0),
            Send::Outbox | Send::Plain => standard.retries,
        },
        // Beyond what a healthy world takes.
        ack_timeout: Span(
            round_trip(&plan.network)
                + plan.server.fsync.high
                + dice.around(&of("ack_timeout"), Duration::from_secs(8), 4),
        ),
        rooms: rooms(name, dice),
        while_dead: if dice.happens(&of("while_dead"), 20) { WhileDead::Skip } else { WhileDead::Wait },
        ..standard
    }
}

/// Everyone is in the room in which most is said; of the others each has its own public.
fn rooms(name: &str, dice: Dice) -> Vec<Name> {
    let others = ROOMS.iter().filter(|room| dice.happens(&format!("{name}/in/{room}"), 40));
    [DEFAULT_ROOM].into_iter().chain(others.copied()).map(Arc::from).collect()
}

fn millis(low: u64, high: u64) -> SpanRange {
    SpanRange { low: Duration::from_millis(low), high: Duration::from_millis(high) }
}

fn seconds(seconds: u64) -> Span {
    Span(Duration::from_secs(seconds))
}
