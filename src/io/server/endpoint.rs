//! One Engine.IO endpoint: what its requests and its sessions share, and what lives above them, behind [`Host`].
//!
//! Promise: whatever lives above, requests, sessions, the heartbeat and the shutdown are the same code.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response};
use tokio::sync::watch;

use crate::engine::{CloseReason, Message};
use crate::io::Env;
use crate::io::env::BoxFuture;
use crate::io::env::http_timer::HttpTimer;
use crate::socket::ConnectionId;

use super::ServerOptions;
use super::outgoing;
use super::request::RequestInfo;
use super::sessions::Sessions;
use super::tasks::Tasks;

/// What lives above the sessions of an endpoint, and owns it.
pub(super) trait Host: Send + Sync + 'static {
    /// The endpoint that it owns.
    fn endpoint(&self) -> &Endpoint;
    /// A session was opened by `request`. What is for it goes to `outgoing`; what it receives goes to what this gives.
    fn open(
        self: Arc<Self>,
        connection: ConnectionId,
        outgoing: outgoing::Sender,
        request: Arc<RequestInfo>,
    ) -> Box<dyn Inlet>;
    /// Closes every session, now and from now on, after what was sent before.
    fn close_all(&self);
    /// Ends every session at once.
    fn abort_all(&self);
    /// Lets go of the application's functions, which may hold this host.
    fn forget(&self);
}

/// Where what one session receives goes.
pub(super) trait Inlet: Send {
    /// Takes a message. After an error, which says why, the session is closed.
    fn receive(&mut self, message: Message) -> Result<(), String>;
    /// The session is over.
    fn closed(self: Box<Self>, reason: CloseReason);
}

/// Answers requests that are no endpoint's.
pub(super) type Fallback = Arc<dyn Fn(Request<()>) -> Response<Bytes> + Send + Sync>;

/// Decides whether a request may open a session; else what it hears.
pub(super) type AllowRequest = Arc<dyn Fn(Request<()>) -> BoxFuture<Result<(), String>> + Send + Sync>;

/// What the requests and sessions of one endpoint share.
pub(super) struct Endpoint {
    pub(super) env: Env,
    pub(super) options: ServerOptions,
    pub(super) sessions: Sessions,
    pub(super) tasks: Tasks,
    pub(super) http_timer: HttpTimer,
    connections: AtomicU64,
    stopping: watch::Sender<bool>,
    fallback: Mutex<Option<Fallback>>,
    allow_request: Mutex<Option<AllowRequest>>,
    attached: Mutex<Vec<Arc<dyn Host>>>,
}

impl Endpoint {
    /// An endpoint without sessions.
    pub(super) fn new(env: &Env, options: ServerOptions) -> Self {
        Self {
            env: env.clone(),
            options,
            sessions: Sessions::default(),
            tasks: Tasks::default(),
            http_timer: HttpTimer::new(env.clock.clone()),
            connections: AtomicU64::new(0),
            stopping: watch::Sender::new(false),
            fallback: Mutex::default(),
            allow_request: Mutex::default(),
            attached: Mutex::default(),
        }
    }

    /// A number that no other session of this endpoint has.
    pub(super) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a future that a shutdown waits for.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.start();
        self.env.spawn(async move {
            future.await;
            drop(task);
        });
    }

    /// Whether it shuts down.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Ends when it shuts down.
    pub(super) async fn stopped(&self) {
        // The sender lives as long as `self`.
        drop(self.stopping.subscribe().wait_for(|stopping| *stopping).await);
    }

    pub(super) fn fallback(&self) -> MutexGuard<'_, Option<Fallback>> {
        self.fallback.lock().expect("no one panics while holding it")
    }

    pub(super) fn allow_request(&self) -> MutexGuard<'_, Option<AllowRequest>> {
        self.allow_request.lock().expect("no one panics while holding it")
    }

    pub(super) fn set_allow_request<F, Fut>(&self, decide: F)
    where
        F: Fn(Request<()>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        *self.allow_request() = Some(Arc::new(move |request| Box::pin(decide(request))));
    }

    /// Other endpoints that are served beside this one.
    pub(super) fn attached(&self) -> MutexGuard<'_, Vec<Arc<dyn Host>>> {
        self.attached.lock().expect("no one panics while holding it")
    }

    /// Lets go of the application's functions, which may hold the endpoint's host.
    pub(super) fn forget(&self) {
        let functions = (self.fallback().take(), self.allow_request().take());
        drop(functions);
    }

    fn is_at(&self, path: &str) -> bool {
        path.trim_end_matches('/') == self.options.path.trim_end_matches('/')
    }
}

/// Whose path this is: the host's own, or that of one attached to it.
pub(super) fn find(host: &Arc<dyn Host>, path: &str) -> Option<Arc<dyn Host>> {
    if host.endpoint().is_at(path) {
        return Some(host.clone());
    }
    host.endpoint().attached().iter().find(|attached| attached.endpoint().is_at(path)).cloned()
}

/// Closes every session of a host and of those attached to it, and waits until all is done, or for `grace`.
pub(super) async fn shutdown(host: &Arc<dyn Host>, grace: Duration) {
    let mut hosts = vec![host.clone()];
    hosts.extend(std::mem::take(&mut *host.endpoint().attached()));
    for host in &hosts {
        host.endpoint().stopping.send_replace(true);
        host.close_all();
    }
    let idle = async {
        for host in &hosts {
            host.endpoint().tasks.idle().await;
        }
    };
    tokio::select! {
        biased;
        () = idle => {}
        () = host.endpoint().env.sleep(grace) => {
            tracing::warn!("connections or handlers are left after {grace:?}");
            hosts.iter().for_each(|host| host.abort_all());
        }
    }
    for host in &hosts {
        host.forget();
    }
}
