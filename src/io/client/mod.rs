//! The client: [`Client`] connects, connects again, and sends what was emitted meanwhile.

mod dial;
mod task;
mod url;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Sid, Time};
use crate::socket::{
    AckError, AckId, Args, DisconnectReason, ManagerCommand, ManagerWaiting, ReconnectOptions,
};

use super::Env;
use super::net::Connector;

use task::{ClientTask, Request};

pub use url::{ConnectUrl, UrlError};

/// The options of a client. The names, defaults and meanings are the official client's.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The path of the endpoint; `/socket.io/`.
    pub path: String,
    /// What to send along with CONNECT.
    pub auth: Option<Value>,
    /// How to reconnect.
    pub reconnect: ReconnectOptions,
    /// How long one attempt to connect may take; 20 s.
    pub timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            path: "/socket.io/".to_owned(),
            auth: None,
            reconnect: ReconnectOptions::default(),
            timeout: Duration::from_secs(20),
        }
    }
}

/// What a client hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The server answered. Comes before anything received on this connection.
    Connected {
        /// The socket's id, new for each connection.
        sid: Sid,
    },
    /// The server refused, with `{ message, data }`. The client does not reconnect by itself.
    ConnectError(Value),
    /// An attempt to connect failed.
    ConnectFailed,
    /// Waiting to try again.
    Reconnecting {
        /// Which attempt, counted from one.
        attempt: u32,
        /// When it will be made.
        at: Time,
    },
    /// All attempts failed: the client has given up.
    ReconnectFailed,
    /// The socket is disconnected.
    Disconnected(DisconnectReason),
    /// An event arrived.
    Received {
        /// Its name.
        name: String,
        /// Its arguments.
        args: Args,
        /// To be given to [`Client::ack`], where the server asks for an answer.
        ack: Option<AckId>,
    },
}

/// How a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Whether the socket is connected.
    pub connected: bool,
    /// What its connection waits for.
    pub waiting: ManagerWaiting,
}

/// A Socket.IO client of the main namespace. A handle: cheap to clone. When the last clone is dropped, it disconnects.
///
/// It takes messages of up to 16 MiB.
#[derive(Clone)]
pub struct Client {
    requests: mpsc::UnboundedSender<Request>,
    status: Arc<Mutex<Status>>,
}

impl Client {
    /// A client that has not connected, and what it will hear. Spawns its task. Events must be read: they are kept
    /// without bound.
    pub fn new<C: Connector>(
        env: &Env,
        connector: C,
        url: ConnectUrl,
        options: ClientOptions,
    ) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (requests, inbox) = mpsc::unbounded_channel();
        let (sender, events) = mpsc::unbounded_channel();
        let status = Arc::new(Mutex::new(Status { connected: false, waiting: ManagerWaiting::Command }));
        let task = ClientTask::new(env, connector, url, options, inbox, sender, status.clone());
        env.spawn(task.run());
        (Self { requests, status }, events)
    }

    /// Connects now, and from then on by itself until [`Client::disconnect`].
    pub fn connect(&self) {
        self.request(Request::Connect);
    }

    /// Changes what is sent along at the next CONNECT.
    pub fn set_auth(&self, auth: Option<Value>) {
        self.request(Request::SetAuth(auth));
    }

    /// Sends an event; while the client is not connected it waits in the send buffer.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        super::assert_not_reserved(name);
        self.command(ManagerCommand::Emit { name: name.into(), args: args.into(), ack: None });
    }

    /// Sends an event and waits for the answer; `timeout` counts from now, connected or not.
    ///
    /// # Errors
    /// When no answer came in time, or the connection broke after the event was sent. Either way the event may have arrived.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub async fn emit_with_ack(
        &self,
        name: &str,
        args: impl Into<Args>,
        timeout: Option<Duration>,
    ) -> Result<Args, AckError> {
        super::assert_not_reserved(name);
        let (answer, result) = oneshot::channel();
        self.request(Request::EmitWithAck { name: name.into(), args: args.into(), timeout, answer });
        // The client's task ends before its handles only with the process.
        result.await.unwrap_or(Err(AckError::Disconnected))
    }

    /// Answers an event of the server.
    pub fn ack(&self, id: AckId, args: impl Into<Args>) {
        self.command(ManagerCommand::Ack { id, args: args.into() });
    }

    /// Disconnects, after what was sent before, and stays so until [`Client::connect`].
    pub fn disconnect(&self) {
        self.command(ManagerCommand::Disconnect);
    }

    /// How the client stands.
    pub fn status(&self) -> Status {
        *self.status.lock().expect("no one panics while holding it")
    }

    fn command(&self, command: ManagerCommand) {
        self.request(Request::Command(command));
    }

    fn request(&self, request: Request) {
        // The client's task ends before its handles only with the process.
        drop(self.requests.send(request));
    }
}
