//! Engine.IO alone: [`EngineServer`] for those who speak a protocol of their own above sessions, without Socket.IO.
//!
//! It shares everything below with [`Server`](super::Server): requests, sessions, transports, heartbeat, limits.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;
use std::{fmt, io};

use hyper::Request;
use tokio::sync::mpsc;

use crate::engine::{CloseReason, Message};
use crate::io::env::{BoxFuture, Env};
use crate::io::net::Listener;
use crate::socket::ConnectionId;

use super::endpoint::{self, Endpoint, Host, Inlet};
use super::request::RequestInfo;
use super::{ServerOptions, accept, outgoing};

type Handler = Arc<dyn Fn(EngineSocket) -> BoxFuture<()> + Send + Sync>;

/// An Engine.IO server. A handle: cheap to clone, usable from any task.
///
/// ```
/// use squall::io::{EngineServer, ServerOptions};
/// use squall::Env;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let env = Env::tokio();
/// let engine = EngineServer::new(&env, ServerOptions { path: "/engine.io/".to_owned(), ..Default::default() });
/// engine.on_connection(|mut socket| async move {
///     while let Ok(message) = socket.receive().await {
///         socket.send(message);
///     }
/// });
/// # }
/// ```
#[derive(Clone)]
pub struct EngineServer {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Endpoint,
    handler: Mutex<Option<Handler>>,
    /// Weak, so that a session ends with the socket that its handler drops.
    sessions: Mutex<BTreeMap<ConnectionId, Weak<outgoing::Sender>>>,
}

impl EngineServer {
    /// A server that listens nowhere yet. Of the options, `connect_timeout` is Socket.IO's alone.
    pub fn new(env: &Env, options: ServerOptions) -> Self {
        let endpoint = Endpoint::new(env, options);
        Self { shared: Arc::new(Shared { endpoint, handler: Mutex::default(), sessions: Mutex::default() }) }
    }

    /// Runs for each session that opens, in a task of its own; the session is closed when it drops the socket. A later
    /// function replaces an earlier one; without one, sessions are closed at once.
    pub fn on_connection<F, Fut>(&self, handler: F)
    where
        F: Fn(EngineSocket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        *self.shared.handler() = Some(Arc::new(move |socket| Box::pin(handler(socket))));
    }

    /// As [`Server::allow_request`](super::Server::allow_request).
    pub fn allow_request<F, Fut>(&self, decide: F)
    where
        F: Fn(Request<()>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.shared.endpoint.set_allow_request(decide);
    }

    /// Accepts connections until [`EngineServer::shutdown`] or an error of the listener itself.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve<L: Listener>(&self, listener: L) -> io::Result<()> {
        accept::serve(self.host(), listener).await
    }

    /// Closes every session after what was sent before, and ends [`EngineServer::serve`]. Returns when all connections
    /// are closed and all handlers have ended, or after `grace`; then the connections that are left are dropped, and
    /// handlers that still run are left alone.
    pub async fn shutdown(&self, grace: Duration) {
        endpoint::shutdown(&self.host(), grace).await;
    }

    pub(super) fn host(&self) -> Arc<dyn Host> {
        self.shared.clone()
    }
}

impl Shared {
    fn handler(&self) -> MutexGuard<'_, Option<Handler>> {
        self.handler.lock().expect("no one panics while holding it")
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Weak<outgoing::Sender>>> {
        self.sessions.lock().expect("no one panics while holding it")
    }
}

impl Host for Shared {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn open(
        self: Arc<Self>,
        connection: ConnectionId,
        outgoing: outgoing::Sender,
        request: Arc<RequestInfo>,
    ) -> Box<dyn Inlet> {
        let outgoing = Arc::new(outgoing);
        let (sender, incoming) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        self.sessions().insert(connection, Arc::downgrade(&outgoing));
        if self.endpoint.is_stopping() {
            outgoing.close();
        }
        let handler = self.handler().clone();
        if let Some(handler) = handler {
            let waiting = waiting.clone();
            let socket = EngineSocket { outgoing, incoming, waiting, request, closed: None };
            self.endpoint.spawn(handler(socket));
        }
        Box::new(Messages { connection, shared: self, sender, waiting })
    }

    fn close_all(&self) {
        self.sessions().values().filter_map(Weak::upgrade).for_each(|session| session.close());
    }

    fn abort_all(&self) {
        self.sessions().values().filter_map(Weak::upgrade).for_each(|session| session.abort());
    }

    fn forget(&self) {
        let handler = self.handler().take();
        drop(handler);
        self.endpoint.forget();
    }
}

/// The session's side of what it receives.
struct Messages {
    connection: ConnectionId,
    shared: Arc<Shared>,
    sender: mpsc::UnboundedSender<Result<Message, CloseReason>>,
    waiting: Arc<AtomicUsize>,
}

impl Inlet for Messages {
    fn receive(&mut self, message: Message) -> Result<(), String> {
        let limit = self.shared.endpoint.options.max_incoming_bytes;
        if self.waiting.fetch_add(cost(&message), Ordering::AcqRel) > limit {
            return Err("its handler is slow: more than max_incoming_bytes wait for it".to_owned());
        }
        // A handler that has dropped its socket wants no more.
        drop(self.sender.send(Ok(message)));
        Ok(())
    }

    fn closed(self: Box<Self>, reason: CloseReason) {
        self.shared.sessions().remove(&self.connection);
        drop(self.sender.send(Err(reason)));
    }
}

/// What a message costs while it waits, in bytes.
fn cost(message: &Message) -> usize {
    size_of::<Message>() + message.wire_len()
}

/// A session, as its handler holds it. Dropped, it closes the session after what was sent before.
pub struct EngineSocket {
    outgoing: Arc<outgoing::Sender>,
    incoming: mpsc::UnboundedReceiver<Result<Message, CloseReason>>,
    waiting: Arc<AtomicUsize>,
    request: Arc<RequestInfo>,
    closed: Option<CloseReason>,
}

impl fmt::Debug for EngineSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineSocket({:?})", self.request.peer)
    }
}

impl EngineSocket {
    /// The request that opened the session.
    pub fn request(&self) -> &RequestInfo {
        &self.request
    }

    /// The next message. May be dropped and called again: nothing is lost.
    ///
    /// # Errors
    /// When the session is over, and why, after all that arrived before.
    pub async fn receive(&mut self) -> Result<Message, CloseReason> {
        if let Some(reason) = self.closed {
            return Err(reason);
        }
        // Without a word its task is gone, and so is the process.
        let next = self.incoming.recv().await.unwrap_or(Err(CloseReason::ForcedClose));
        match &next {
            Ok(message) => drop(self.waiting.fetch_sub(cost(message), Ordering::AcqRel)),
            Err(reason) => self.closed = Some(*reason),
        }
        next
    }

    /// Sends a message. Does nothing where the session is over. A peer that reads so slowly that more than
    /// `max_outgoing_bytes` wait for it loses its session.
    pub fn send(&self, message: Message) {
        if self.outgoing.send([message].into()).is_err() {
            tracing::warn!(socket = ?self, "its reader is slow: more than max_outgoing_bytes wait for it");
            self.outgoing.abort();
        }
    }

    /// Closes the session after what was sent before.
    pub fn close(&self) {
        self.outgoing.close();
    }
}
