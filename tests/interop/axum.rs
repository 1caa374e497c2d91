//! The example of axum as a process: our client reaches its sockets by every transport, its own routes answer, and its end
//! is told to everyone.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use squall::engine::Transport::{self, Polling, WebSocket};
use squall::io::net::{Connector, TcpNet};
use squall::io::{ClientOptions, ConnectUrl, Event};
use squall::socket::{DisconnectReason, args};
use squall::{Client, Env};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::PATIENCE;
use crate::official_server::within;
use crate::process::{Deadline, Process};

/// Counts the streams that a client has opened.
struct Counting(Arc<AtomicUsize>);

impl Connector for Counting {
    type Stream = tokio::net::TcpStream;

    async fn connect(&self, host: &str, port: u16) -> io::Result<Self::Stream> {
        self.0.fetch_add(1, Ordering::Relaxed);
        TcpNet.connect(host, port).await
    }
}

struct Person {
    client: Client,
    events: UnboundedReceiver<Event>,
    streams: Arc<AtomicUsize>,
}

impl Person {
    fn connect(url: &ConnectUrl, transports: &[Transport]) -> Self {
        let streams = Arc::default();
        let options = ClientOptions { transports: transports.to_vec(), ..ClientOptions::default() };
        let connector = Counting(Arc::clone(&streams));
        let (client, events) = Client::new(&Env::tokio(), connector, url.clone(), options).expect("options");
        client.connect();
        Self { client, events, streams }
    }

    async fn hear<T>(&mut self, mut look: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = look(self.events.recv().await.expect("the client lives")) {
                return found;
            }
        }
    }
}

/// Cargo puts examples beside the tests, and builds them with the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let example = test.ancestors().nth(2).expect("it is in deps").join("examples/axum");
    assert!(example.exists(), "build it: cargo build --example axum --features tower");
    example
}

/// The answer to a request of axum's own, status line and all.
fn ask(url: &ConnectUrl, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect((url.host.as_str(), url.port)).expect("it listens");
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn clients_go_through_axum_beside_its_routes_and_hear_its_end() {
    let mut command = Command::new(example());
    let mut process = Process::start("axum", command.arg("127.0.0.1:0"), Deadline::after(PATIENCE));
    let line = process.line();
    let Some(url) = line.strip_prefix("listening on ").and_then(|url| url.parse().ok()) else {
        process.fail("said something else first than where it listens")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(within(PATIENCE, story(&url, &mut process)));
}

async fn story(url: &ConnectUrl, process: &mut Process) {
    let ways: [(&[Transport], usize); 3] = [(&[Polling], 2), (&[WebSocket], 1), (&[Polling, WebSocket], 3)];
    let mut people: Vec<Person> =
        ways.iter().map(|(transports, _)| Person::connect(url, transports)).collect();
    for person in &people {
        let echoed = person.client.emit_with_ack("echo", args!["hello"], None).await.expect("an answer");
        assert_eq!(echoed, args!["hello"]);
        let seen = person.client.emit_with_ack("whoami", args![], None).await.expect("an answer");
        assert_eq!(seen, args!["127.0.0.1"], "axum tells whom a request comes from");
    }

    assert!(ask(url, "GET /", "").ends_with("\r\n\r\na route of axum\n"));
    assert!(ask(url, "GET /nowhere", "").starts_with("HTTP/1.1 404"));
    assert!(ask(url, "POST /announce", "axum speaks").ends_with("told everyone\n"));
    for (person, (transports, streams)) in people.iter_mut().zip(ways) {
        let news = person.hear(|event| {
            let Event::Received { args, .. } = event else { return None };
            Some(args)
        });
        assert_eq!(news.await, args!["axum speaks"]);
        while person.streams.load(Ordering::Relaxed) < streams {
            tokio::task::yield_now().await;
        }
        let echoed = person.client.emit_with_ack("echo", args!["again"], None).await;
        assert_eq!(echoed, Ok(args!["again"]));
        assert_eq!(person.streams.load(Ordering::Relaxed), streams, "{transports:?}");
    }

    let exit = process.stop("INT");
    assert!(exit.success(), "it ended with {exit}");
    for person in &mut people {
        let reason = person.hear(|event| {
            let Event::Disconnected(reason) = event else { return None };
            Some(reason)
        });
        assert_eq!(reason.await, DisconnectReason::TransportClose);
    }
}
