//! The server: [`Server`] for the application, [`Socket`] for its handlers.
//!
//! Streams come in at [`Server::serve`] and speak `http`; a session begins there, by poll or as a WebSocket, and gets a
//! `connection`, whom later requests find in `sessions`. Its packets go to the one `hub_task`, which starts
//! a task of `handlers` for each socket: the `registry` knows whose, `listeners` are what they add to it. What the application sends goes the same way back, through the hub's one queue.

mod broadcast;
mod connection;
mod handlers;
mod handshake;
mod http;
mod hub_task;
mod incoming;
mod listeners;
mod main_namespace;
mod matching;
mod middleware;
mod namespace;
mod outgoing;
mod registry;
mod request;
mod route;
mod sessions;
mod socket;
mod state;
mod tasks;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response};
use tokio::sync::{mpsc, watch};

use crate::engine::Heartbeat;
use crate::socket::{ConnectionId, HubCommand, Namespace, Recovery};

use super::Env;
use super::env::http_timer::HttpTimer;
use super::net::{BoxStream, Listener};

use http::Fallback;
use hub_task::{HubTask, ToHub};
use registry::Registry;
use sessions::Sessions;
use state::States;
use tasks::Tasks;

pub use broadcast::{AcksMissing, Broadcast, IntoRooms};
pub use handlers::EventError;
pub use handshake::Handshake;
pub use matching::ParentNamespace;
pub use middleware::ConnectError;
pub use namespace::ServerNamespace;
pub use request::RequestInfo;
pub use socket::{Ack, Incoming, Socket};

/// How long to wait after a stream could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// The options of a server. The names, defaults and meanings are the official server's where it has them.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The path of the endpoint, with or without a slash at its end; `/socket.io/`.
    pub path: String,
    /// How it notices that a client is gone; 25 s and 20 s.
    pub heartbeat: Heartbeat,
    /// The largest message it takes, in bytes, and the largest body of a POST; 1,000,000. A larger message ends its
    /// connection with "transport error", a larger body with "transport close".
    pub max_http_buffer_size: usize,
    /// How long a connection may stay without joining a namespace; 45 s.
    pub connect_timeout: Duration,
    /// How many bytes may wait for one slow reader before its connection is dropped, with "forced close" as the reason its
    /// socket sees; 1 MiB. Each message counts 64 bytes more than it has. Not in the official server, which buffers
    /// without bound.
    pub max_outgoing_bytes: usize,
    /// How many bytes of events may wait for the handlers of one socket before its connection is dropped, with "forced
    /// close" as the reason; 1 MiB. What arrived before is still dispatched. Not in the official server, which buffers
    /// without bound.
    pub max_incoming_bytes: usize,
    /// How a client whose connection breaks takes up its socket where it was, and misses nothing: connection state
    /// recovery; `None`: it does not.
    ///
    /// Sessions live in memory: a server that starts again knows none of before.
    pub recovery: Option<Recovery>,
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
            recovery: None,
        }
    }
}

/// A Socket.IO server. A handle: cheap to clone, usable from any task.
///
/// ```
/// use serde_json::json;
/// use squall::io::net::TcpNet;
/// use squall::io::{ClientOptions, ServerOptions};
/// use squall::{Client, Env, Server};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let env = Env::tokio();
/// let server = Server::new(&env, ServerOptions::default());
/// server.on_connect(|socket| async move {
///     socket.on("echo", |_socket, event| async move { event.ack.send(event.args) });
/// });
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let url = format!("http://{}", listener.local_addr()?).parse()?;
/// let serving = tokio::spawn({
///     let server = server.clone();
///     async move { server.serve(listener).await }
/// });
///
/// let (client, _events) = Client::new(&env, TcpNet, url, ClientOptions::default())?;
/// client.connect();
/// let answer = client.emit_with_ack("echo", vec![json!("hello")], None).await?;
/// assert_eq!(answer.get::<String>(0)?, "hello");
///
/// server.shutdown(Duration::from_secs(1)).await;
/// serving.await??;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What all parts of a server share.
struct Shared {
    env: Env,
    options: ServerOptions,
    hub: mpsc::UnboundedSender<ToHub>,
    registry: Mutex<Registry>,
    connections: AtomicU64,
    sessions: Sessions,
    tasks: Tasks,
    states: States,
    stopping: watch::Sender<bool>,
    http_timer: HttpTimer,
    fallback: Mutex<Option<Fallback>>,
}

impl Shared {
    fn tell_hub(&self, input: ToHub) {
        // Without a hub there is nothing left to tell about.
        drop(self.hub.send(input));
    }

    fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Ends when the server shuts down.
    async fn stopped(&self) {
        // The sender lives as long as `self`.
        drop(self.stopping.subscribe().wait_for(|stopping| *stopping).await);
    }

    fn fallback(&self) -> MutexGuard<'_, Option<Fallback>> {
        self.fallback.lock().expect("no one panics while holding it")
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().expect("no one panics while holding it")
    }
}

impl Server {
    /// A server that listens nowhere yet. Spawns its hub.
    pub fn new(env: &Env, options: ServerOptions) -> Self {
        let (hub, inputs) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            env: env.clone(),
            options,
            hub,
            registry: Mutex::default(),
            connections: AtomicU64::new(0),
            sessions: Sessions::default(),
            tasks: Tasks::default(),
            states: States::default(),
            stopping: watch::Sender::new(false),
            http_timer: HttpTimer::new(env.clock.clone()),
            fallback: Mutex::default(),
        });
        env.spawn(HubTask::new(&shared, inputs).run());
        Self { shared }
    }

    /// The namespace of that name; from now on it exists. A leading `/` is added where it is missing.
    ///
    /// What else the server offers is its main namespace's, `/`.
    pub fn of(&self, name: &str) -> ServerNamespace {
        ServerNamespace::new(&self.shared, Namespace::new(name))
    }

    /// Answers GET and HEAD requests to every path but the endpoint's own: the place for a page and its script. A later
    /// one replaces an earlier one; without one, and for other methods, the answer is 404.
    ///
    /// The path is the endpoint's own with or without its slash; `/socket.io/socket.io.js` is another. The function runs
    /// in the connection's task, so it must not block.
    pub fn fallback<F>(&self, handler: F)
    where
        F: Fn(Request<()>) -> Response<Bytes> + Send + Sync + 'static,
    {
        *self.shared.fallback() = Some(Arc::new(handler));
    }

    /// Accepts connections until [`Server::shutdown`] or an error of the listener itself.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve<L: Listener>(&self, mut listener: L) -> io::Result<()> {
        loop {
            tokio::select! {
                biased;
                () = self.shared.stopped() => return Ok(()),
                () = self.shared.hub.closed() => return Err(io::Error::other("the server's hub has failed")),
                accepted = self.accept(&mut listener) => {
                    let (stream, peer) = accepted?;
                    let task = self.shared.tasks.start();
                    let connection = http::serve(self.shared.clone(), BoxStream::new(stream), peer, L::SECURE);
                    self.shared.env.spawn(async move {
                        connection.await;
                        drop(task);
                    });
                }
            }
        }
    }

    async fn accept<L: Listener>(&self, listener: &mut L) -> io::Result<(L::Stream, std::net::SocketAddr)> {
        loop {
            match listener.accept().await {
                Err(error) if is_transient(&error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.shared.env.sleep(ACCEPT_RETRY).await;
                }
                accepted => return accepted,
            }
        }
    }

    /// Disconnects every socket with [`DisconnectReason::ServerShuttingDown`], after what was sent before, and ends
    /// [`Server::serve`]. Returns when all connections are closed and all handlers have ended, or after `grace`; then
    /// the connections that are left are dropped, and handlers that still run are left alone. A server that was shut
    /// down stays so.
    ///
    /// [`DisconnectReason::ServerShuttingDown`]: crate::socket::DisconnectReason::ServerShuttingDown
    pub async fn shutdown(&self, grace: Duration) {
        self.shared.stopping.send_replace(true);
        self.shared.tell_hub(ToHub::Command(HubCommand::Shutdown));
        tokio::select! {
            biased;
            () = self.shared.tasks.idle() => {}
            () = self.shared.env.sleep(grace) => {
                tracing::warn!("connections or handlers are left after {grace:?}");
                self.shared.tell_hub(ToHub::AbortAll);
            }
        }
        // They may hold this server, which holds them.
        *self.shared.registry() = Registry::default();
        *self.shared.fallback() = None;
    }
}

/// Whether an error of `accept` concerns one stream, or will pass: the peer gave up while it waited, the network had an
/// error for it (which Linux reports here), or there are no more files or buffers until others are closed.
fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let kinds = [
        Kind::ConnectionAborted,
        Kind::ConnectionReset,
        Kind::ConnectionRefused,
        Kind::BrokenPipe,
        Kind::NotConnected,
        Kind::TimedOut,
        Kind::Interrupted,
        Kind::NetworkDown,
        Kind::NetworkUnreachable,
        Kind::HostUnreachable,
        Kind::OutOfMemory,
    ];
    kinds.contains(&error.kind()) || matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
