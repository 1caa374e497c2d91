//! The client: [`Client`] connects, connects again, and sends what was emitted meanwhile.

mod auth;
mod dial;
mod failure;
mod handlers;
mod lane;
mod requests;
mod task;
mod url;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::HeaderMap;
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

use handlers::Handlers;
use task::{ClientTask, Inbox, Request};

pub use failure::ConnectFailure;
pub use handlers::{Answer, Received};
pub use url::{ConnectUrl, UrlError};

/// The options of a client. The names, defaults and meanings are the official client's.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The path of the endpoint; `/socket.io/`.
    pub path: String,
    /// What to send along with CONNECT to the main namespace; see [`Client::set_auth`].
    pub auth: Option<Value>,
    /// What stands in the query of every request, beside what the protocol needs; the server sees it in the handshake.
    pub query: Vec<(String, String)>,
    /// Headers of every request.
    pub extra_headers: HeaderMap,
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
            query: Vec::new(),
            extra_headers: HeaderMap::new(),
            reconnect: ReconnectOptions::default(),
            timeout: Duration::from_secs(20),
            transports: vec![Transport::Polling, Transport::WebSocket],
            upgrade: true,
            retries: None,
            ack_timeout: None,
        }
    }
}

/// What a client hears, in order.
///
/// | the official client says | here |
/// |---|---|
/// | `connect` | [`Event::Connected`] |
/// | `connect_error` | [`Event::ConnectError`] where the namespace refuses, [`Event::ConnectFailed`] where there is no session |
/// | `disconnect` | [`Event::Disconnected`] |
/// | `reconnect_attempt` | [`Event::ReconnectAttempt`] |
/// | `reconnect_error` | [`Event::ConnectFailed`] after a [`Event::ReconnectAttempt`] |
/// | `ping` | [`Event::Ping`] |
/// | `reconnect` | [`Event::Reconnected`] |
/// | `reconnect_failed` | [`Event::ReconnectFailed`] |
/// | an event of the server | [`Event::Received`] |
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The server answered. Comes before anything received on this connection, and before what waits in the send buffer
    /// is sent; but it is sent without waiting for the application. What must come first is best emitted when it is
    /// known that the connection is new: before [`Client::connect`], or with `auth`.
    Connected {
        /// The socket's id, new for each connection that is not recovered.
        sid: Sid,
        /// Whether the server took up the socket where it was: what was missed follows, and nothing is lost.
        recovered: bool,
    },
    /// The namespace refused, with `{ message, data }`. The client does not connect to it again by itself.
    ConnectError(Value),
    /// An attempt to connect failed. The client tries again, unless it was told not to.
    ConnectFailed(ConnectFailure),
    /// Waiting to try again.
    Reconnecting {
        /// Which attempt, counted from one.
        attempt: u32,
        /// When it will be made.
        at: Time,
    },
    /// Trying again, now.
    ReconnectAttempt {
        /// Which attempt, counted from one.
        attempt: u32,
    },
    /// There is a session again; the namespace is asked for next.
    Reconnected {
        /// How many attempts it took.
        attempts: u32,
    },
    /// All attempts failed: the client has given up, until [`Client::connect`].
    ReconnectFailed,
    /// The socket is disconnected.
    Disconnected(DisconnectReason),
    /// The server's ping arrived, and was answered.
    Ping,
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
    connected: BTreeMap<Namespace, Sid>,
    active: BTreeSet<Namespace>,
    recovered: BTreeSet<Namespace>,
}

impl Board {
    fn set_active(&mut self, namespace: &Namespace, active: bool) {
        if !active {
            self.active.remove(namespace);
        } else if !self.active.contains(namespace) {
            self.active.insert(namespace.clone());
        }
    }
}

/// A Socket.IO client in one namespace, the main one unless it is from [`Client::of`]. A handle: cheap to clone. When
/// the last handle on a connection is dropped, it disconnects.
///
/// It takes messages of up to 16 MiB.
#[derive(Clone)]
pub struct Client {
    env: Env,
    requests: mpsc::UnboundedSender<(Namespace, Request)>,
    namespace: Namespace,
    board: Arc<Mutex<Board>>,
    handlers: Arc<Mutex<Handlers>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.namespace)
    }
}

impl Client {
    /// A client that has not connected, and what it will hear. Spawns its task. Events must be read, or their receiver
    /// dropped, as by who has handlers ([`Client::on`]) instead: they are kept without bound.
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
        let inbox = Inbox { requests: inbox, later: requests.downgrade() };
        let waiting = ManagerWaiting::Command;
        let board = Arc::new(Mutex::new(Board {
            waiting,
            connected: BTreeMap::new(),
            active: BTreeSet::new(),
            recovered: BTreeSet::new(),
        }));
        let task = ClientTask::new(env, connector, url, options, inbox, board.clone())?;
        env.spawn(task.run());
        let (env, namespace, handlers) = (env.clone(), Namespace::MAIN, Arc::default());
        let client = Self { env, requests, namespace, board, handlers };
        let events = client.listen();
        Ok((client, events))
    }

    /// Another namespace over the same connection, and what it will hear. It connects on its own, when
    /// [`Client::connect`] is called on it. A leading `/` is added where it is missing.
    pub fn of(&self, name: &str) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let client = Self { namespace: Namespace::new(name), handlers: Arc::default(), ..self.clone() };
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

    /// Sends an event; while the client is not connected it waits in the send buffer. With [`ClientOptions::retries`] it
    /// waits for its turn, and is sent again until the server acknowledges it.
    ///
    /// An event is sent once, and no one says whether it arrived: what is emitted while the connection is dead, and neither
    /// side knows of it yet, is lost without a word. [`Client::emit_with_ack`] says so; retries send it again.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        self.send(name, args.into(), false);
    }

    /// What is emitted so is dropped where it could not leave at once: where the client is not connected, or where its
    /// transport has something to write already. On a WebSocket that is a frame that the operating system has not taken, on
    /// polling a POST that the server has not answered; and while the one makes way for the other, everything. Of several
    /// emitted at once, the first leaves. (The official client keeps what is emitted before it is connected.)
    pub fn volatile(&self) -> Volatile<'_, Self> {
        Volatile(self)
    }

    pub(super) fn send(&self, name: &str, args: Args, volatile: bool) {
        super::assert_not_reserved(name);
        self.heed_outgoing(name, &args);
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
        self.ask(name, args.into(), timeout, false).await
    }

    pub(super) async fn ask(
        &self,
        name: &str,
        args: Args,
        timeout: Option<Duration>,
        volatile: bool,
    ) -> Result<Args, AckError> {
        super::assert_not_reserved(name);
        let (answer, result) = oneshot::channel();
        self.heed_outgoing(name, &args);
        self.request(Request::EmitWithAck { name: name.into(), args, timeout, volatile, answer });
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

    /// Closes the connection under all namespaces, as the official client's `io.engine.close()`: they are disconnected by
    /// "forced close", and connect again by themselves.
    pub fn close_connection(&self) {
        self.request(Request::CloseConnection);
    }

    /// How the client stands.
    pub fn status(&self) -> Status {
        let board = self.board();
        Status {
            connected: board.connected.contains_key(&self.namespace),
            recovered: board.recovered.contains(&self.namespace),
            waiting: board.waiting,
        }
    }

    /// Whether the last time the socket connected, the server took it up where it was: connection state recovery.
    pub fn recovered(&self) -> bool {
        self.status().recovered
    }

    /// Whether the socket is connected.
    pub fn connected(&self) -> bool {
        self.board().connected.contains_key(&self.namespace)
    }

    /// The socket's id, while it is connected; new for each connection.
    pub fn id(&self) -> Option<Sid> {
        self.board().connected.get(&self.namespace).cloned()
    }

    /// Whether the socket connects by itself: from [`Client::connect`], once the client's task has heard it, until either
    /// side disconnects it or the namespace refuses.
    pub fn active(&self) -> bool {
        self.board().active.contains(&self.namespace)
    }

    fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        self.board.lock().expect("no one panics while holding it")
    }

    fn command(&self, command: ManagerCommand) {
        self.request(Request::Command(command));
    }

    fn request(&self, request: Request) {
        // The client's task ends before its handles only with the process.
        drop(self.requests.send((self.namespace.clone(), request)));
    }
}
