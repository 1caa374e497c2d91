//! A server behind somebody else's HTTP: [`ServerService`] answers requests, whoever took their stream.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::service::Service;
use hyper::{Request, Response};

use crate::io::env::BoxFuture;

use super::answer::{Caller, answer};
use super::endpoint::Host;

/// Answers the requests of a connection, as [`Server::serve`](super::Server::serve) would: for hyper's own servers, and
/// with the feature `tower` for those of tower.
/// Requests to other paths get the fallback's answer, or 404. Cheap to clone.
///
/// The connection must be served with upgrades, or no client gets a WebSocket. The stream of a WebSocket, and a session
/// that polls, live in tasks of the server's own [`Env`](crate::Env) and outlive the answer. An answer that is dropped
/// before it is ready tells its session that the request was aborted.
#[derive(Clone)]
pub struct ServerService {
    host: Arc<dyn Host>,
    peer: Option<SocketAddr>,
    secure: bool,
}

impl ServerService {
    pub(super) fn new(host: Arc<dyn Host>) -> Self {
        Self { host, peer: None, secure: false }
    }

    /// The same, for requests of a connection that comes from there.
    #[must_use]
    pub fn with_peer(self, peer: SocketAddr) -> Self {
        Self { peer: Some(peer), ..self }
    }

    /// The same, for requests of a connection that is encrypted, or not.
    #[must_use]
    pub fn with_secure(self, secure: bool) -> Self {
        Self { secure, ..self }
    }
}

impl<B> Service<Request<B>> for ServerService
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let host = self.host.clone();
        let caller = Caller::new(self.peer, self.secure);
        Box::pin(async move { Ok(answer(&host, &caller, request).await) })
    }
}
