//! The client: [`Client`] connects, connects again, and sends what was emitted meanwhile.

mod dial;
mod lane;
mod requests;
mod task;
mod url;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Sid, Time, Transport};
use crate::socket::{
    AckError, AckId, Args, DisconnectReason, ManagerCommand, ManagerWaiting, Namespace, OptionsError,
    ReconnectOptions,
};

use super::Env;
use super::flags::{Timeout, Volatile};
use super::net::Connector;

use task::{ClientTask, Request};

pub use url::{ConnectUrl, UrlError};

/// The options of a client. The names, defaults and meanings are the official client's.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The path of the endpoint; `/socket.io/`.
    pub path: String,
    /// What to send along with CONNECT to the main namespace; see [`Client::set_auth`].
    pub auth: Option<Value>,
    /// How to reconnect.
    pub reconnect: ReconnectOptions,
    /// How long one attempt to connect may take; 20 s.
    pub timeout: Duration,
    /// What to try: polling, then a WebSocket. A connection begins on the first; none means the default.
    pub transports: Vec<Transport>,
    /// Whether a connection that began by polling moves to a WebSocket, where [`ClientOptions::transports`] has one
    /// later and the server offers it; `true`.
    pub upgrade: bool,
    /// How often an event that is not acknowledged in time is sent again; `None`: every event is sent once. Needs
    /// `ack_timeout`, and a server that acknowledges every event.
    ///
    /// With retries, events go one at a time and so keep their order: the next is sent when the one before is
    /// acknowledged, or was sent `1 + retries` times in vain and is given up. A connection that breaks ends a try, too.
    /// Volatile events are sent once and at once. What waits is lost with the process.
    pub retries: Option<u32>,
    /// How long to wait for an acknowledgement where the emit does not say; `None`: for ever.
    pub ack_timeout: Option<Duration>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            path: "/socket.io/".to_owned(),
            auth: None,
            reconnect: ReconnectOptions::default(),
            timeout: Duration::from_secs(20),
            transports: vec![Transport::Polling, Transport::WebSocket],
            upgrade: true,
            retries: None,
            ack_timeout: None,
        }
    }
}

/// What a client hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The server answered. Comes before anything received on this connection.
    Connected {
        /// The socket's id, new for each connection that is not recovered.
        sid: Sid,
        /// Whether the server took up the socket where it was: what was missed follows, and nothing is lost.
        recovered: bool,
    },
    /// The namespace refused, with `{ message, data }`. The client does not connect to it again by itself.
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
    /// Whether the last time it connected, the server took it up where it was.
    pub recovered: bool,
    /// What its connection waits for.
    pub waiting: ManagerWaiting,
}

/// What the task shows to its handles.
#[derive(Debug)]
struct Board {
    waiting: ManagerWaiting,
    connected: BTreeSet<Namespace>,
    recovered: BTreeSet<Namespace>,
}

/// A Socket.IO client in one namespace, the main one unless it is from [`Client::of`]. A handle: cheap to clone. When
/// the last handle on a connection is dropped, it disconnects.
///
/// It takes messages of up to 16 MiB.
#[derive(Clone)]
pub struct Client {
    requests: mpsc::UnboundedSender<(Namespace, Request)>,
    namespace: Namespace,
    board: Arc<Mutex<Board>>,
}

impl Client {
    /// A client that has not connected, and what it will hear. Spawns its task. Events must be read: they are kept
    /// without bound.
    ///
    /// # Errors
    /// When options do not go together.
    pub fn new<C: Connector>(
        env: &Env,
        connector: C,
        url: ConnectUrl,
        options: ClientOptions,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Event>), OptionsError> {
        let (requests, inbox) = mpsc::unbounded_channel();
        let waiting = ManagerWaiting::Command;
        let board =
            Arc::new(Mutex::new(Board { waiting, connected: BTreeSet::new(), recovered: BTreeSet::new() }));
        let task = ClientTask::new(env, connector, url, options, inbox, board.clone())?;
        env.spawn(task.run());
        let client = Self { requests, namespace: Namespace::MAIN, board };
        let events = client.listen();
        Ok((client, events))
    }

    /// Another namespace over the same connection, and what it will hear. It connects on its own, when
    /// [`Client::connect`] is called on it. A leading `/` is added where it is missing.
    pub fn of(&self, name: &str) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let client = Self { namespace: Namespace::new(name), ..self.clone() };
        let events = client.listen();
        (client, events)
    }

    fn listen(&self) -> mpsc::UnboundedReceiver<Event> {
        let (listener, events) = mpsc::unbounded_channel();
        self.request(Request::Listen(listener));
        events
    }

    /// Connects now, and from then on by itself until [`Client::disconnect`].
    pub fn connect(&self) {
        self.request(Request::Connect);
    }

    /// Changes what is sent along at the next CONNECT.
    pub fn set_auth(&self, auth: Option<Value>) {
        self.request(Request::SetAuth(auth));
    }

    /// Sends an event; while the client is not connected it waits in the send buffer. With [`ClientOptions::retries`] it
    /// waits for its turn, and is sent again until the server acknowledges it.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        self.send(name, args.into(), false);
    }

    /// What is emitted so is dropped where it could not leave at once: where the client is not connected.
    pub fn volatile(&self) -> Volatile<'_, Self> {
        Volatile(self)
    }

    pub(super) fn send(&self, name: &str, args: Args, volatile: bool) {
        super::assert_not_reserved(name);
        self.command(ManagerCommand::Emit { name: name.into(), args, ack: None, volatile });
    }

    /// Sends an event and waits for the answer; `timeout` counts from now, connected or not, and is
    /// [`ClientOptions::ack_timeout`] where it is `None`. With [`ClientOptions::retries`] it is how long each try waits.
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

    /// As [`Client::emit_with_ack`], with the timeout said first.
    pub fn timeout(&self, timeout: Duration) -> Timeout<'_, Self> {
        Timeout { on: self, timeout }
    }

    /// Answers an event of the server.
    pub fn ack(&self, id: AckId, args: impl Into<Args>) {
        self.command(ManagerCommand::Ack { id, args: args.into() });
    }

    /// Leaves the namespace, after what was sent before, and stays out until [`Client::connect`]. The last one to leave
    /// closes the connection.
    pub fn disconnect(&self) {
        self.command(ManagerCommand::Disconnect);
    }

    /// How the client stands.
    pub fn status(&self) -> Status {
        let board = self.board.lock().expect("no one panics while holding it");
        Status {
            connected: board.connected.contains(&self.namespace),
            recovered: board.recovered.contains(&self.namespace),
            waiting: board.waiting,
        }
    }

    /// Whether the last time the socket connected, the server took it up where it was: connection state recovery.
    pub fn recovered(&self) -> bool {
        self.status().recovered
    }

    fn command(&self, command: ManagerCommand) {
        self.request(Request::Command(command));
    }

    fn request(&self, request: Request) {
        // The client's task ends before its handles only with the process.
        drop(self.requests.send((self.namespace.clone(), request)));
    }
}
