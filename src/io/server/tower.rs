//! The server for tower, and so for axum: a [`ServerLayer`] above other services, and [`ServerService`] as one.
//!
//! A request in, its answer out: ours where the path is the endpoint's, else that of the service below.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::TryFutureExt;
use futures_util::future::{Either, MapOk};
use http_body_util::Full;
use hyper::body::Body;
use hyper::http::Extensions;
use hyper::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::io::env::BoxFuture;

use super::answer::{Caller, answer};
use super::endpoint::{self, Host};
use super::service::ServerService;

/// Finds out whom a request comes from.
type Peer = Arc<dyn Fn(&Extensions) -> Option<SocketAddr> + Send + Sync>;

/// A layer that answers what is the server's and passes on all else; from [`Server::layer`](super::Server::layer). Cheap to
/// clone.
///
/// ```no_run
/// # async fn serve(server: squall::Server) -> std::io::Result<()> {
/// let app = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "hello" }))
///     .layer(server.layer());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// axum::serve(listener, app).await
/// # }
/// ```
///
/// Connections must be served with upgrades, as `axum::serve` does, or no client gets a WebSocket. The stream of a
/// WebSocket, and a session that polls, live in tasks of the server's own [`Env`](crate::Env) and outlive the answer. An
/// answer that is dropped before it is ready tells its session that the request was aborted.
#[derive(Clone)]
pub struct ServerLayer {
    host: Arc<dyn Host>,
    peer: Option<Peer>,
    secure: bool,
}

impl ServerLayer {
    pub(super) fn new(host: Arc<dyn Host>) -> Self {
        Self { host, peer: None, secure: false }
    }

    /// The same, with a function that tells from a request's extensions whom it comes from; with axum, that is
    /// `|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)`. Without one, handshakes do not say.
    #[must_use]
    pub fn with_peer<F>(self, peer: F) -> Self
    where
        F: Fn(&Extensions) -> Option<SocketAddr> + Send + Sync + 'static,
    {
        Self { peer: Some(Arc::new(peer)), ..self }
    }

    /// The same, for requests of connections that are encrypted, or not.
    #[must_use]
    pub fn with_secure(self, secure: bool) -> Self {
        Self { secure, ..self }
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Layered<S>;

    fn layer(&self, below: S) -> Layered<S> {
        Layered { layer: self.clone(), below }
    }
}

/// A service with a [`ServerLayer`] above it.
#[derive(Clone)]
pub struct Layered<S> {
    layer: ServerLayer,
    below: S,
}

/// A body of ours, or of the service below.
type EitherBody<B> = http_body_util::Either<Full<Bytes>, B>;

type FromBelow<F, B> = MapOk<F, fn(Response<B>) -> Response<EitherBody<B>>>;

impl<S, In, Out> Service<Request<In>> for Layered<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Future<Output = Result<Response<Out>, S::Error>>,
    In: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Response = Response<EitherBody<Out>>;
    type Error = S::Error;
    type Future = Either<BoxFuture<Result<Self::Response, S::Error>>, FromBelow<S::Future, Out>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.below.poll_ready(context)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let ServerLayer { host, peer, secure } = &self.layer;
        if endpoint::find(host, request.uri().path()).is_none() {
            let below: fn(_) -> _ = |response: Response<Out>| response.map(http_body_util::Either::Right);
            return Either::Right(self.below.call(request).map_ok(below));
        }
        let peer = peer.as_ref().and_then(|peer| peer(request.extensions()));
        let (host, caller) = (host.clone(), Caller::new(peer, *secure));
        Either::Left(Box::pin(async move {
            Ok(answer(&host, &caller, request).await.map(http_body_util::Either::Left))
        }))
    }
}

impl<B> Service<Request<B>> for ServerService
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        hyper::service::Service::call(self, request)
    }
}
