//! The official JavaScript client against the real server: a process on a real port, a real file, a real kill. Against the
//! server's own API, in `our_server`. And our client against the official server, in `our_client`.
//!
//! Needs `node` and `npm`; `SQUALL_NO_NODE=1` leaves it out. The scripts only talk and tell; this test kills, restarts
//! and judges. Every wait ends at a deadline.
#![cfg(feature = "cli")]

#[cfg(feature = "tower")]
#[path = "interop/axum.rs"]
mod axum;
#[path = "interop/judge.rs"]
mod judge;
#[path = "interop/node.rs"]
mod node;
#[path = "interop/official_server.rs"]
mod official_server;
#[path = "interop/our_client.rs"]
mod our_client;
#[path = "interop/our_server.rs"]
mod our_server;
#[path = "interop/process.rs"]
mod process;
#[path = "interop/recovery.rs"]
mod recovery;
#[path = "interop/squall.rs"]
mod squall;
#[cfg(feature = "tls")]
#[path = "interop/tls.rs"]
mod tls;

use std::time::Duration;

use serde_json::{Value, json};

use judge::{Report, judge};
use node::{Node, Script};
use process::Deadline;
use squall::{Squall, free_port};

/// Far longer than a test needs on a busy machine (some seconds).
const PATIENCE: Duration = Duration::from_secs(90);
const TALKERS: usize = 3;
const SCRIPTS: &str = "tests/interop";

#[test]
fn acknowledged_messages_survive_a_kill_over_websocket() {
    let test = "acknowledged_messages_survive_a_kill_over_websocket";
    let Some(reports) = survive_a_kill(test, "websocket") else { return };
    assert_eq!(upgraded(&reports), 0);
}

#[test]
fn acknowledged_messages_survive_a_kill_over_polling() {
    let test = "acknowledged_messages_survive_a_kill_over_polling";
    let Some(reports) = survive_a_kill(test, "polling") else { return };
    assert_eq!(upgraded(&reports), 0);
}

#[test]
fn acknowledged_messages_survive_a_kill_through_the_upgrade() {
    let test = "acknowledged_messages_survive_a_kill_through_the_upgrade";
    let Some(reports) = survive_a_kill(test, "polling,websocket") else { return };
    assert!(upgraded(&reports) >= TALKERS, "only {} of {TALKERS} went over to WebSocket", upgraded(&reports));
}

fn upgraded(reports: &[Report]) -> usize {
    reports.iter().filter(|report| report.upgrades > 0).count()
}

/// Three users talk over these transports while the server is killed and started again: each acknowledged message is seen
/// by all, once and in one order.
fn survive_a_kill(test: &str, transports: &str) -> Option<Vec<Report>> {
    Some(survive_a_kill_of(&Node::ready(test, &[SCRIPTS])?, transports, &[]))
}

/// The same, of a server that is started with these flags.
fn survive_a_kill_of(node: &Node, transports: &str, flags: &[&str]) -> Vec<Report> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let database = directory.path().join("chat.db");
    let deadline = Deadline::after(PATIENCE);
    let port = free_port();
    let mut server = Squall::start(port, &database, flags, deadline);
    let mut users = node.run("delivery.mjs", &[&server.url, "100", "30", transports], deadline);

    wait_for_acks(&mut users, 60);
    server.kill();
    let unacknowledged = unacknowledged_at_the_kill(&mut users);
    assert!(unacknowledged >= 20, "only {unacknowledged} messages were unacknowledged at the kill");

    let _server = Squall::start(port, &database, flags, deadline);
    let reports = reports(&mut users);

    let wrong = judge(&reports);
    assert!(
        wrong.is_empty(),
        "{} things are wrong, first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
    let acknowledged: usize = reports.iter().map(|report| report.acknowledged.len()).sum();
    assert!(acknowledged >= 300, "only {acknowledged} messages were acknowledged");
    assert_eq!(reports.len(), TALKERS + 1, "the three and one who came late report");
    reports
}

#[test]
fn a_client_stays_through_heartbeats_and_hears_a_shutdown_as_transport_close() {
    let test = "a_client_stays_through_heartbeats_and_hears_a_shutdown_as_transport_close";
    stays_and_hears_a_shutdown(test, "websocket");
}

#[test]
fn a_client_that_polls_stays_and_hears_a_shutdown_as_transport_close() {
    let test = "a_client_that_polls_stays_and_hears_a_shutdown_as_transport_close";
    stays_and_hears_a_shutdown(test, "polling");
}

fn stays_and_hears_a_shutdown(test: &str, transport: &str) {
    let Some(node) = Node::ready(test, &[SCRIPTS]) else {
        return;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let deadline = Deadline::after(PATIENCE);
    let flags = ["--ping-interval", "300ms", "--ping-timeout", "10s"];
    let mut server = Squall::start(0, &directory.path().join("chat.db"), &flags, deadline);

    // The server pings again only after a pong: seven pings are six pongs, however busy the machine is.
    let mut user = node.run("heartbeat.mjs", &[&server.url, "7", transport], deadline);
    let mut story = Vec::new();
    user.until(|event| {
        story.push(event.clone());
        Ok((event["event"] == "alive").then_some(()))
    });
    let exit = server.terminate();
    let end = user.until(|event| Ok((event["event"] == "disconnected").then(|| event.clone())));

    let told = |name: &str| story.iter().filter(|event| event["event"] == name).cloned().collect::<Vec<_>>();
    assert_eq!(told("connected").len(), 1, "connected once");
    assert_eq!(told("disconnected"), Vec::<Value>::new(), "and stayed so");
    let answers: Vec<Value> =
        (1..=7).map(|n| json!({ "event": "answered", "ping": n, "offset": n })).collect();
    assert_eq!(told("answered"), answers, "one round trip a ping");
    let heard: Vec<Value> = (1..=7)
        .map(|n| json!({ "event": "heard", "content": format!("at ping {n}"), "offset": n }))
        .collect();
    assert_eq!(told("heard"), heard, "a sender sees its own messages too");
    // As with the official server's `io.close()`: not a namespace disconnect, after which no client would come back.
    assert_eq!(end, json!({ "event": "disconnected", "reason": "transport close", "active": true }));
    assert!(exit.success(), "the server ended with {exit} on SIGTERM");
}

fn wait_for_acks(users: &mut Script, wanted: u64) {
    users.until(|event| {
        nothing_refused(event)?;
        Ok((event["acked"].as_u64() >= Some(wanted)).then_some(()))
    });
}

/// Each user tells how many sends were open when it lost its connection. After the kill no acknowledgement was written,
/// and those written before it came before the end of the stream: so this is the state at the moment of the kill.
fn unacknowledged_at_the_kill(users: &mut Script) -> u64 {
    let mut open = Vec::new();
    users.until(|event| {
        nothing_refused(event)?;
        if event["event"] == "disconnected" {
            open.push(event["unacked"].as_u64().ok_or("a disconnect without a count")?);
        }
        Ok((open.len() == TALKERS).then(|| open.iter().sum()))
    })
}

fn reports(users: &mut Script) -> Vec<Report> {
    let mut reports = Vec::new();
    users.until(|event| {
        nothing_refused(event)?;
        if event["event"] == "report" {
            reports.push(
                serde_json::from_value(event.clone()).map_err(|error| format!("reports badly: {error}"))?,
            );
        }
        Ok((event["event"] == "end").then_some(()))
    });
    reports
}

/// The server has no reason to refuse anything in this story.
fn nothing_refused(event: &Value) -> Result<(), String> {
    match event["event"].as_str() {
        Some("refused" | "rejected") => Err(format!("was refused: {event}")),
        Some(_) => Ok(()),
        None => Err(format!("told something nameless: {event}")),
    }
}
