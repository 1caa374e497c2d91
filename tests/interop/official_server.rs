//! The official server as a process, and our client of it, on each transport: what the stories of `our_client` begin with.

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use squall::engine::Transport;
use squall::io::net::TcpNet;
use squall::io::{ClientOptions, Event};
use squall::socket::{DisconnectReason, ReconnectOptions};
use squall::{Client, Env};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::node::{Node, Script};
use crate::process::Deadline;
use crate::squall::free_port;
use crate::{PATIENCE, SCRIPTS};

/// How the client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Way {
    WebSocket,
    Polling,
    Upgrade,
}

impl Way {
    const ALL: [Self; 3] = [Self::WebSocket, Self::Polling, Self::Upgrade];

    fn transports(self) -> Vec<Transport> {
        match self {
            Self::WebSocket => vec![Transport::WebSocket],
            Self::Polling => vec![Transport::Polling],
            Self::Upgrade => vec![Transport::Polling, Transport::WebSocket],
        }
    }

    /// What the client hears when the server is killed, as the official client does.
    pub(crate) fn end(self) -> DisconnectReason {
        match self {
            Self::WebSocket | Self::Upgrade => DisconnectReason::TransportClose,
            Self::Polling => DisconnectReason::TransportError,
        }
    }
}

/// The official server on a port, and our client of it.
pub(crate) struct Pair {
    /// How it is connected.
    pub(crate) way: Way,
    node: Node,
    /// Where the server listens.
    pub(crate) port: u16,
    deadline: Deadline,
    /// What tells what it hears; `None` while it is down.
    pub(crate) server: Option<Script>,
    /// Ours.
    pub(crate) client: Client,
    /// What ours hears.
    pub(crate) events: UnboundedReceiver<Event>,
}

impl Pair {
    fn start(node: Node, way: Way, options: ClientOptions) -> Self {
        let (port, deadline) = (free_port(), Deadline::after(PATIENCE));
        let (client, events) = connect_to(port, options);
        let mut pair = Self { way, node, port, deadline, server: None, client, events };
        pair.start_server();
        pair.client.connect();
        pair
    }

    /// As it was, on the same port.
    pub(crate) fn start_server(&mut self) {
        let mut server = self.node.run("server.mjs", &[&self.port.to_string()], self.deadline);
        server.until(|event| Ok((event["event"] == "listening").then_some(())));
        self.server = Some(server);
    }

    /// SIGKILL.
    pub(crate) fn kill_server(&mut self) {
        self.server = None;
    }

    /// What the server tells next under this name.
    pub(crate) fn told(&mut self, name: &str) -> Value {
        let server = self.server.as_mut().expect("the server runs");
        server.until(|event| Ok((event["event"] == name).then(|| event.clone())))
    }

    /// What the client hears next that is of interest.
    pub(crate) async fn heard<T>(&mut self, mut look: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv().await.expect("the client lives");
            if let Some(found) = look(&event) {
                return found;
            }
        }
    }

    /// Until the client is connected.
    pub(crate) async fn connected(&mut self) {
        self.heard(|event| matches!(event, Event::Connected { .. }).then_some(())).await;
    }

    /// Until the connection is on its last transport. What the server told before is skipped.
    pub(crate) fn upgraded(&mut self) {
        if self.way == Way::Upgrade {
            self.told("upgraded");
        }
    }
}

/// A client that has not connected yet.
pub(crate) fn connect_to(port: u16, options: ClientOptions) -> (Client, UnboundedReceiver<Event>) {
    let url = format!("http://127.0.0.1:{port}").parse().expect("a URL");
    Client::new(&Env::tokio(), TcpNet, url, options).expect("options that go together")
}

/// Comes back quickly.
pub(crate) fn eager(way: Way) -> ClientOptions {
    let reconnect = ReconnectOptions {
        reconnection_delay: Duration::from_millis(50),
        reconnection_delay_max: Duration::from_millis(250),
        ..ReconnectOptions::default()
    };
    ClientOptions {
        auth: Some(json!({ "token": "grüß dich" })),
        reconnect,
        transports: way.transports(),
        ..ClientOptions::default()
    }
}

/// Runs a story on each way, no longer than a test may wait.
pub(crate) fn run(test: &str, story: impl AsyncFn(Pair)) {
    run_with(test, |options| options, story);
}

/// The same with other options.
pub(crate) fn run_with(
    test: &str,
    change: impl Fn(ClientOptions) -> ClientOptions,
    story: impl AsyncFn(Pair),
) {
    for way in Way::ALL {
        let Some(node) = Node::ready(test, &[SCRIPTS]) else { return };
        println!("{way:?}");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async { within(PATIENCE, story(Pair::start(node, way, change(eager(way))))).await });
    }
}

/// Fails a story that goes on for longer.
#[expect(clippy::disallowed_methods, reason = "a real server answers in real time")]
pub(crate) async fn within(patience: Duration, story: impl Future<Output = ()>) {
    tokio::time::timeout(patience, story).await.expect("the client heard nothing more before the deadline");
}
