//! The client: [`Client`] connects, connects again, and sends what was emitted meanwhile.

use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::engine::{Sid, Time};
use crate::socket::{AckError, AckId, Args, DisconnectReason, ManagerWaiting, ReconnectOptions};

use super::Env;
use super::net::Connector;

/// Where a server is: `http://host[:port]`, default port 80.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectUrl {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A URL that no client can dial.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Only `http` and `ws` are spoken.
    #[error("{0:?} is not a URL that starts with http:// or ws://")]
    Scheme(String),
    /// There is no host in it, or the port is no number.
    #[error("{0:?} names no host, or a port that is not a number up to 65535")]
    Authority(String),
    /// There is more behind the authority: namespaces and query strings are not supported.
    #[error("{0:?} has a path or a query: give the server's address alone")]
    Path(String),
}

impl FromStr for ConnectUrl {
    type Err = UrlError;

    fn from_str(_url: &str) -> Result<Self, UrlError> {
        todo!()
    }
}

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
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// A client that has not connected, and what it will hear. Spawns its task. Events must be read: they are kept
    /// without bound.
    pub fn new<C: Connector>(
        _env: &Env,
        _connector: C,
        _url: ConnectUrl,
        _options: ClientOptions,
    ) -> (Self, mpsc::UnboundedReceiver<Event>) {
        todo!()
    }

    /// Connects now, and from then on by itself until [`Client::disconnect`].
    pub fn connect(&self) {
        todo!()
    }

    /// Changes what is sent along at the next CONNECT.
    pub fn set_auth(&self, _auth: Option<Value>) {
        todo!()
    }

    /// Sends an event; while the client is not connected it waits in the send buffer.
    pub fn emit(&self, _name: &str, _args: impl Into<Args>) {
        todo!()
    }

    /// Sends an event and waits for the answer; `timeout` counts from now, connected or not.
    ///
    /// # Errors
    /// When no answer came in time, or the connection broke after the event was sent. Either way the event may have arrived.
    pub async fn emit_with_ack(
        &self,
        _name: &str,
        _args: impl Into<Args>,
        _timeout: Option<Duration>,
    ) -> Result<Args, AckError> {
        todo!()
    }

    /// Answers an event of the server.
    pub fn ack(&self, _id: AckId, _args: impl Into<Args>) {
        todo!()
    }

    /// Disconnects, after what was sent before, and stays so until [`Client::connect`].
    pub fn disconnect(&self) {
        todo!()
    }

    /// How the client stands.
    pub fn status(&self) -> Status {
        todo!()
    }
}
