//! The server: [`Server`] for the application, [`Socket`] for its handlers.

use std::future::Future;
use std::io;
use std::time::Duration;

use serde_json::Value;

use crate::engine::{Heartbeat, Sid};
use crate::socket::{Args, DisconnectReason};

use super::Env;
use super::net::Listener;

/// The options of a server. The names, defaults and meanings are the official server's where it has them.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The path of the endpoint; `/socket.io/`.
    pub path: String,
    /// How it notices that a client is gone; 25 s and 20 s.
    pub heartbeat: Heartbeat,
    /// The largest message it takes, in bytes; 1,000,000.
    pub max_http_buffer_size: usize,
    /// How long a connection may stay without joining a namespace; 45 s.
    pub connect_timeout: Duration,
    /// How many bytes may wait for one slow reader before it is closed; 1 MiB. Not in the official server, which buffers
    /// without bound.
    pub max_outgoing_bytes: usize,
    /// How many bytes of events may wait for the handlers of one socket before it is closed; 1 MiB. Not in the official
    /// server, which buffers without bound.
    pub max_incoming_bytes: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            path: "/socket.io/".to_owned(),
            heartbeat: Heartbeat::default(),
            max_http_buffer_size: 1_000_000,
            connect_timeout: Duration::from_secs(45),
            max_outgoing_bytes: 1 << 20,
            max_incoming_bytes: 1 << 20,
        }
    }
}

/// A Socket.IO server. A handle: cheap to clone, usable from any task.
#[derive(Clone)]
pub struct Server {}

impl Server {
    /// A server that listens nowhere yet. Spawns its hub.
    pub fn new(_env: &Env, _options: ServerOptions) -> Self {
        todo!()
    }

    /// Runs for each socket that connects, before any event of it: the place to register its handlers. Several
    /// registered functions run one after another, in order.
    pub fn on_connect<F, Fut>(&self, _handler: F)
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        todo!()
    }

    /// Sends an event to every socket.
    pub fn emit(&self, _name: &str, _args: impl Into<Args>) {
        todo!()
    }

    /// Accepts connections until [`Server::shutdown`] or an error of the listener itself.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve<L: Listener>(&self, _listener: L) -> io::Result<()> {
        todo!()
    }

    /// Disconnects every socket with [`DisconnectReason::ServerShuttingDown`], after what was sent before, and ends
    /// [`Server::serve`]. Returns when all connections are closed and all handlers have ended, or after `grace`.
    pub async fn shutdown(&self, _grace: Duration) {
        todo!()
    }
}

/// An event as a handler receives it.
#[derive(Debug)]
pub struct Incoming {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Args,
    /// To answer it with; does nothing where the client asked for no answer.
    pub ack: Ack,
}

/// The answer to an event. Dropped unused, the client gets none.
#[derive(Debug)]
pub struct Ack {}

impl Ack {
    /// Answers.
    pub fn send(self, _args: impl Into<Args>) {
        todo!()
    }
}

/// A client's connection to a namespace, on the server. A handle: cheap to clone, usable from any task.
#[derive(Clone)]
pub struct Socket {}

impl Socket {
    /// Its id, new for each connection.
    pub fn id(&self) -> &Sid {
        todo!()
    }

    /// What the client sent along with CONNECT; `{}` where it sent nothing.
    pub fn auth(&self) -> &Value {
        todo!()
    }

    /// Runs for each event of that name, in this socket's own task: one handler at a time, in the order in which the
    /// events arrived, and none after a disconnect that arrived before it. What arrived before a disconnect is still
    /// dispatched. A later registration for the same name replaces the earlier one.
    pub fn on<F, Fut>(&self, _name: &str, _handler: F)
    where
        F: Fn(Self, Incoming) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        todo!()
    }

    /// Runs when the socket is gone, after the last event was handled. Several registered functions run one after another.
    pub fn on_disconnect<F, Fut>(&self, _handler: F)
    where
        F: FnOnce(Self, DisconnectReason) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        todo!()
    }

    /// Sends an event. Does nothing where the socket is gone.
    pub fn emit(&self, _name: &str, _args: impl Into<Args>) {
        todo!()
    }

    /// Runs a future beside the handlers, in a task of its own that ends when the socket is gone.
    pub fn spawn(&self, _future: impl Future<Output = ()> + Send + 'static) {
        todo!()
    }

    /// Ends when less than a quarter of [`ServerOptions::max_outgoing_bytes`] waits to be written: who sends much awaits
    /// it in between. Ends at once where the socket is gone.
    pub async fn writable(&self) {
        todo!()
    }

    /// Disconnects the socket, after what was sent before; with `close`, its connection too.
    pub fn disconnect(&self, _close: bool) {
        todo!()
    }
}
