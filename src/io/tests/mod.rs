//! Claims about servers and clients together, in virtual time and over streams in memory.

mod audiences;
mod binary;
mod client;
mod client_failures;
mod client_reasons;
mod events;
mod http;
mod lifecycle;
mod limits;
mod listeners;
mod namespaces;
mod net;
mod polling;
mod reasons;
mod recovery;
mod retries;
mod rooms;
pub(super) mod script;
mod service;
mod session_store;
mod shutdown;
mod sockets;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tower")]
mod tower;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::socket::DisconnectReason;

use super::net::Connector;
use super::{Client, ClientOptions, ConnectUrl, Env, Event, Server, ServerOptions};
use net::TestNet;

const SECOND: Duration = Duration::from_secs(1);

/// A server that serves, and the network it is on.
struct World {
    env: Env,
    net: TestNet,
    server: Server,
    /// Whether `serve` has returned `Ok`.
    served: watch::Receiver<bool>,
}

fn world(options: ServerOptions) -> World {
    World::on(TestNet::default(), options)
}

impl World {
    fn on(net: TestNet, options: ServerOptions) -> Self {
        let env = Env::tokio();
        let server = Server::new(&env, options);
        Self::of(env, net, server)
    }

    fn of(env: Env, net: TestNet, server: Server) -> Self {
        let (done, served) = watch::channel(false);
        let (serving, listener) = (server.clone(), net.listen());
        env.spawn(async move {
            done.send_replace(serving.serve(listener).await.is_ok());
        });
        Self { env, net, server, served }
    }

    fn client(&self) -> (Client, mpsc::UnboundedReceiver<Event>) {
        self.client_with(ClientOptions::default())
    }

    fn client_with(&self, options: ClientOptions) -> (Client, mpsc::UnboundedReceiver<Event>) {
        Client::new(&self.env, self.net.clone(), url(), options).unwrap()
    }

    /// A client that is connected.
    async fn connected(&self) -> (Client, mpsc::UnboundedReceiver<Event>) {
        let (client, mut events) = self.client();
        client.connect();
        until_connected(&mut events).await;
        (client, events)
    }

    /// A client whose every frame the test writes and reads itself, with a socket in the main namespace.
    async fn raw(&self) -> Raw {
        let mut raw = self.raw_engine().await;
        raw.send("40").await;
        assert!(raw.next().await.is_some_and(|text| text.starts_with("40{")));
        raw
    }

    /// The same, before it has joined.
    async fn raw_engine(&self) -> Raw {
        let stream = self.net.connect("server", 3000).await.unwrap();
        let request = "ws://server:3000/socket.io/?EIO=4&transport=websocket";
        let mut raw = Raw(client_async(request, stream).await.unwrap().0);
        assert!(raw.next().await.is_some_and(|text| text.starts_with('0')));
        raw
    }
}

fn url() -> ConnectUrl {
    "http://server:3000".parse().unwrap()
}

/// A WebSocket in the hands of the test.
struct Raw(WebSocketStream<DuplexStream>);

impl Raw {
    async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn send_binary(&mut self, bytes: &'static [u8]) {
        self.0.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next text; `None` at the end, however it comes.
    async fn next(&mut self) -> Option<String> {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Some(text.to_string()),
            _ => None,
        }
    }
}

async fn until_connected(events: &mut mpsc::UnboundedReceiver<Event>) {
    while !matches!(events.recv().await.expect("the client lives"), Event::Connected { .. }) {}
}

async fn until_disconnected(events: &mut mpsc::UnboundedReceiver<Event>) -> DisconnectReason {
    loop {
        if let Event::Disconnected(reason) = events.recv().await.expect("the client lives") {
            return reason;
        }
    }
}

/// The number that is the first argument of the next event received.
async fn next_number(events: &mut mpsc::UnboundedReceiver<Event>) -> u64 {
    loop {
        if let Event::Received { args, .. } = events.recv().await.expect("the client lives") {
            return args.get(0).unwrap();
        }
    }
}

fn number(number: u64) -> Vec<serde_json::Value> {
    vec![json!(number)]
}

/// Sends the reason of every disconnect.
fn report_disconnects(server: &Server) -> mpsc::UnboundedReceiver<DisconnectReason> {
    let (sender, reasons) = mpsc::unbounded_channel();
    server.on_connect(move |socket| {
        let sender = sender.clone();
        async move {
            socket.on_disconnect(|_socket, reason| async move { sender.send(reason).unwrap() });
        }
    });
    reasons
}

/// Answers `echo` with its arguments.
fn echo(server: &Server) {
    server.on_connect(|socket| async move {
        socket.on("echo", |_socket, event| async move { event.ack.send(event.args) });
    });
}
