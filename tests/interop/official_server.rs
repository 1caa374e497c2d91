//! The other way round: our client against the official server. It is asked what it heard, and killed, and started again.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use squall::engine::Transport;
use squall::io::net::TcpNet;
use squall::io::{ClientOptions, Event};
use squall::socket::{DisconnectReason, ReconnectOptions, args};
use squall::{Client, Env};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::node::{Node, Script};
use crate::process::Deadline;
use crate::squall::free_port;
use crate::{PATIENCE, SCRIPTS};

/// How the client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
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
    fn end(self) -> DisconnectReason {
        match self {
            Self::WebSocket | Self::Upgrade => DisconnectReason::TransportClose,
            Self::Polling => DisconnectReason::TransportError,
        }
    }
}

/// The official server on a port, and our client of it.
struct Pair {
    way: Way,
    node: Node,
    port: u16,
    deadline: Deadline,
    server: Option<Script>,
    client: Client,
    events: UnboundedReceiver<Event>,
}

impl Pair {
    fn start(node: Node, way: Way) -> Self {
        let (port, deadline) = (free_port(), Deadline::after(PATIENCE));
        let url = format!("http://127.0.0.1:{port}").parse().expect("a URL");
        let (client, events) =
            Client::new(&Env::tokio(), TcpNet, url, eager(way)).expect("the options go together");
        let mut pair = Self { way, node, port, deadline, server: None, client, events };
        pair.start_server();
        pair.client.connect();
        pair
    }

    fn start_server(&mut self) {
        let mut server = self.node.run("server.mjs", &[&self.port.to_string()], self.deadline);
        server.until(|event| Ok((event["event"] == "listening").then_some(())));
        self.server = Some(server);
    }

    fn kill_server(&mut self) {
        self.server = None;
    }

    /// What the server tells next under this name.
    fn told(&mut self, name: &str) -> Value {
        let server = self.server.as_mut().expect("the server runs");
        server.until(|event| Ok((event["event"] == name).then(|| event.clone())))
    }

    /// What the client hears next that is of interest.
    async fn heard<T>(&mut self, mut look: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv().await.expect("the client lives");
            if let Some(found) = look(&event) {
                return found;
            }
        }
    }

    async fn connected(&mut self) {
        self.heard(|event| matches!(event, Event::Connected { .. }).then_some(())).await;
    }

    /// Until the connection is on its last transport. What the server told before is skipped.
    fn upgraded(&mut self) {
        if self.way == Way::Upgrade {
            self.told("upgraded");
        }
    }
}

/// Comes back quickly.
fn eager(way: Way) -> ClientOptions {
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
fn run(test: &str, story: impl AsyncFn(Pair)) {
    for way in Way::ALL {
        let Some(node) = Node::ready(test, &[SCRIPTS]) else { return };
        println!("{way:?}");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async { within(PATIENCE, story(Pair::start(node, way))).await });
    }
}

#[expect(clippy::disallowed_methods, reason = "a real server answers in real time")]
async fn within(patience: Duration, story: impl Future<Output = ()>) {
    tokio::time::timeout(patience, story).await.expect("the client heard nothing more before the deadline");
}

#[test]
fn the_official_server_acknowledges_us_and_we_acknowledge_it() {
    run("the_official_server_acknowledges_us_and_we_acknowledge_it", async |mut pair| {
        let sent = vec![json!(1), json!("2"), json!({ "3": ["4", null] }), json!("안녕 🦀\u{2028}")];
        let answer = pair.client.emit_with_ack("echo", sent.clone(), None).await.expect("an answer");
        assert_eq!(answer.values(), sent);
        assert_eq!(pair.told("connected")["auth"], json!({ "token": "grüß dich" }));

        pair.client.emit("ask me", vec![json!("who is there?")]);
        let ack = pair
            .heard(|event| {
                let Event::Received { name, args, ack } = event else { return None };
                assert_eq!((name.as_str(), args), ("question", &args!["who is there?"]));
                Some(ack.expect("the server asks for an answer"))
            })
            .await;
        pair.client.ack(ack, vec![json!({ "name": "squall" })]);
        assert_eq!(pair.told("answered")["answer"], json!({ "name": "squall" }));
    });
}

/// The third argument of the notes' example.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Complex {
    #[serde(rename = "3")]
    three: String,
    #[serde(rename = "5")]
    five: Bytes,
}

#[test]
fn bytes_travel_to_the_official_server_and_back_and_in_answers() {
    run("bytes_travel_to_the_official_server_and_back_and_in_answers", async |mut pair| {
        let complex = Complex { three: "4".to_owned(), five: Bytes::from_static(&[6]) };
        pair.client.emit("hello", args![1, "2", complex]);
        let greeted =
            json!({ "event": "greeted", "args": [1, "2"], "three": "4", "isBuffer": true, "five": "06" });
        assert_eq!(pair.told("greeted"), greeted);
        let back = pair
            .heard(|event| {
                let Event::Received { args, .. } = event else { return None };
                Some(args.clone())
            })
            .await;
        assert_eq!(back, args![1, "2", complex]);

        let long = Bytes::from((0..100_000).map(|n| n as u8).collect::<Vec<u8>>());
        let sent = args![long, "between", [Bytes::new(), Bytes::from_static(b"\0\x1e4")]];
        let answer = pair.client.emit_with_ack("echo", sent.clone(), None).await.expect("an answer");
        assert_eq!(answer, sent);
    });
}

#[test]
fn what_was_emitted_while_the_official_server_was_down_arrives_in_order_when_it_is_back() {
    let test = "what_was_emitted_while_the_official_server_was_down_arrives_in_order_when_it_is_back";
    run(test, async |mut pair| {
        pair.connected().await;
        pair.upgraded();
        pair.client.emit("note", vec![json!("before")]);
        assert_eq!(pair.told("noted")["text"], "before");

        pair.kill_server();
        let reason = pair
            .heard(|event| {
                let Event::Disconnected(reason) = event else { return None };
                Some(*reason)
            })
            .await;
        assert_eq!(reason, pair.way.end());
        for n in 0..20 {
            pair.client.emit("note", vec![json!(format!("meanwhile {n}"))]);
        }
        // An attempt was refused: it is not only the first that finds the server.
        pair.heard(|event| matches!(event, Event::ConnectFailed).then_some(())).await;
        pair.start_server();

        pair.connected().await;
        pair.client.emit("note", vec![json!("after")]);
        for n in 0..20 {
            assert_eq!(pair.told("noted")["text"], format!("meanwhile {n}"));
        }
        assert_eq!(pair.told("noted")["text"], "after");
    });
}
