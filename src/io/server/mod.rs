//! The server: [`Server`] for the application, [`Socket`] for its handlers.
//!
//! Streams come in at [`Server::serve`] and speak `http`; each request gets its `answer`. A session begins there, by poll or
//! by an `upgrade`, and gets a `connection`, whom later requests find in the `sessions` of the `endpoint`. Up to here, all
//! is shared with [`EngineServer`]. Behind the `inlet` packets go to the one `hub_task`, which starts a task of `handlers`
//! for each socket: the `registry` knows whose, `listeners` are what they add to it. What the application sends goes the
//! same way back, through the hub's one queue. Where sessions are to outlive the server, the hub's task waits for a
//! `session_store` before it sends.

mod accept;
mod answer;
mod broadcast;
mod connection;
mod cors;
mod endpoint;
mod engine;
mod handlers;
mod handshake;
mod http;
mod hub_task;
mod incoming;
mod inlet;
mod listeners;
mod main_namespace;
mod matching;
mod middleware;
mod namespace;
mod options;
mod outgoing;
mod registry;
mod request;
mod route;
mod service;
mod session_store;
mod sessions;
mod socket;
mod state;
mod tasks;
#[cfg(feature = "tower")]
mod tower;
mod upgrade;

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response};
use tokio::sync::mpsc;

use crate::socket::Namespace;

use super::Env;
use super::net::Listener;

use endpoint::{Endpoint, Host};
use hub_task::{HubTask, ToHub};
use registry::Registry;
use session_store::Keeper;
use state::States;
use tasks::Tasks;

pub use broadcast::{AcksMissing, Broadcast, IntoRooms};
pub use cors::{CorsOptions, CorsOrigins};
pub use engine::{EngineServer, EngineSocket};
pub use handlers::EventError;
pub use handshake::Handshake;
pub use matching::ParentNamespace;
pub use middleware::ConnectError;
pub use namespace::ServerNamespace;
pub use options::ServerOptions;
pub use request::RequestInfo;
pub use service::ServerService;
pub use session_store::{SessionStore, SessionStoreError};
pub use socket::{Ack, Incoming, Socket};
#[cfg(feature = "tower")]
pub use tower::{Layered, ServerLayer};

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
    tasks: Tasks,
    states: States,
    endpoint: Endpoint,
    /// Whether sessions outlive the server.
    stores_sessions: bool,
}

impl Shared {
    fn tell_hub(&self, input: ToHub) {
        // Without a hub there is nothing left to tell about.
        drop(self.hub.send(input));
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().expect("no one panics while holding it")
    }
}

impl Server {
    /// A server that listens nowhere yet. Spawns its hub.
    pub fn new(env: &Env, options: ServerOptions) -> Self {
        Self::start(env, options, None)
    }

    /// A server whose clients are recovered, as by [`ServerOptions::recovery`], even where it was killed meanwhile and has
    /// started again: what they need for it is in the store. Clients that connect before it is loaded wait.
    ///
    /// Nothing is sent to any client before what was changed by then is durable: rooms, data, who is connected, and what
    /// was sent to those who can be recovered. So the answer to an event says that all its handler did at the server by
    /// then survives. What a client was not sent, and no one else heard of, may be lost with the server, and who is
    /// recovered does not get it.
    ///
    /// After a restart the wall clock tells how long a client was away; for one that was connected to the end the time
    /// begins with the restart. A store that fails is given up, with a word in the log, until the server starts again;
    /// what it has is forgotten as soon as it can, and recovery goes on in memory.
    pub fn with_session_store(env: &Env, mut options: ServerOptions, store: impl SessionStore) -> Self {
        options.recovery.get_or_insert_default();
        Self::start(env, options, Some(Box::new(store)))
    }

    fn start(env: &Env, options: ServerOptions, store: Option<Box<dyn SessionStore>>) -> Self {
        let (hub, inputs) = mpsc::unbounded_channel();
        let endpoint = Endpoint::new(env, options.clone());
        let tasks = endpoint.tasks.clone();
        let shared = Arc::new(Shared {
            env: env.clone(),
            options,
            hub,
            registry: Mutex::default(),
            tasks,
            states: States::default(),
            endpoint,
            stores_sessions: store.is_some(),
        });
        let keeper = store.map(|store| Keeper::new(env, store, Arc::downgrade(&shared)));
        env.spawn(HubTask::new(&shared, inputs).run(keeper));
        Self { shared }
    }

    /// The namespace of that name; from now on it exists. A leading `/` is added where it is missing.
    ///
    /// What else the server offers is its main namespace's, `/`.
    pub fn of(&self, name: &str) -> ServerNamespace {
        ServerNamespace::new(&self.shared, Namespace::new(name))
    }

    /// Decides for each request that would open a session whether it may. What it refuses hears "Forbidden" and the
    /// message; an empty message becomes "Forbidden" too. A later function replaces an earlier one.
    pub fn allow_request<F, Fut>(&self, decide: F)
    where
        F: Fn(Request<()>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.shared.endpoint.set_allow_request(decide);
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
        *self.shared.endpoint.fallback() = Some(Arc::new(handler));
    }

    /// Accepts connections until [`Server::shutdown`] or an error of the listener itself.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve<L: Listener>(&self, listener: L) -> io::Result<()> {
        tokio::select! {
            biased;
            () = self.shared.hub.closed() => Err(io::Error::other("the server's hub has failed")),
            served = accept::serve(self.shared.clone(), listener) => served,
        }
    }

    /// The server as a service, for those who serve HTTP by themselves.
    pub fn service(&self) -> ServerService {
        ServerService::new(self.shared.clone())
    }

    /// The server as a layer of tower: requests to its path are answered here, all others go on to what is below, such as
    /// the routes of axum. Neither uses [`Server::fallback`].
    #[cfg(feature = "tower")]
    pub fn layer(&self) -> ServerLayer {
        ServerLayer::new(self.shared.clone())
    }

    /// Serves another endpoint beside this server's, on every listener of this server. It shuts down with this one.
    pub fn attach(&self, engine: &EngineServer) {
        self.shared.endpoint.attached().push(engine.host());
    }

    /// Disconnects every socket with [`DisconnectReason::ServerShuttingDown`], after what was sent before, and ends
    /// [`Server::serve`], whose listener is gone at once. Clients hear "transport close", as of the official server's
    /// `io.close()`, and come back by themselves; who asks for a session meanwhile, through an HTTP server that is not
    /// our own, is answered 503. Returns when all connections are closed and all handlers have ended, or after `grace`; then
    /// the connections that are left are dropped, and handlers that still run are left alone. A server that was shut
    /// down stays so.
    ///
    /// [`DisconnectReason::ServerShuttingDown`]: crate::socket::DisconnectReason::ServerShuttingDown
    pub async fn shutdown(&self, grace: Duration) {
        let host: Arc<dyn Host> = self.shared.clone();
        endpoint::shutdown(&host, grace).await;
    }
}
