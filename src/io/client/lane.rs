//! One HTTP connection to the server, opened as needed and kept for the next request: a request in, its answer out.
//!
//! Everything here is polled where it is used and ends when it is dropped: there is no task behind it.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;

use crate::engine::{Sid, Time, Transport};
use crate::io::Env;
use crate::io::env::BoxFuture;
use crate::io::net::{Connector, Stream};

use super::dial::{Endpoint, MESSAGE_BYTES_MAX};

/// How long a connection is kept for the next request. Shorter than servers keep theirs, so that a request rarely meets
/// a connection that is being closed; it could not be told whether it was heard.
const KEPT: Duration = Duration::from_secs(3);

/// The largest body of an answer: a message as base64, and what comes along with it.
const BODY_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// Why a request failed.
#[derive(Debug, Error)]
pub(super) enum RequestError {
    #[error("failed to connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the endpoint's URL is not valid: {0}")]
    Url(#[from] hyper::http::Error),
    #[error("HTTP failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("failed to read the answer: {0}")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("the answer is not UTF-8")]
    Utf8,
}

/// What one request gave: the body, and the connection where it may be used again.
type Exchange<S> = Result<(ByteString, Option<Http1<S>>), RequestError>;

struct Http1<S: Stream> {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<S>, Full<Bytes>>,
}

/// A connection for one request at a time.
pub(super) struct Lane<C: Connector> {
    env: Env,
    endpoint: Arc<Endpoint<C>>,
    kept: Option<(Http1<C::Stream>, Time)>,
    under_way: Option<BoxFuture<Exchange<C::Stream>>>,
}

impl<C: Connector> Lane<C> {
    pub(super) fn new(env: &Env, endpoint: &Arc<Endpoint<C>>) -> Self {
        Self { env: env.clone(), endpoint: endpoint.clone(), kept: None, under_way: None }
    }

    /// Whether a request is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins a GET, or with a body a POST.
    pub(super) fn start(&mut self, sid: Option<&Sid>, body: Option<ByteString>) {
        debug_assert!(!self.is_busy(), "one request at a time");
        let now = self.env.clock.monotonic();
        let kept = self.kept.take().filter(|(_, since)| now.since(*since) < KEPT).map(|(http, _)| http);
        let request = request(&self.endpoint, sid, body);
        let endpoint = self.endpoint.clone();
        self.under_way = Some(Box::pin(async move {
            let request = request?;
            let http = match kept {
                Some(http) => http,
                None => Http1::open(endpoint.connect().await?).await?,
            };
            http.exchange(request).await
        }));
    }

    /// The answer to the request that is under way, once it has come.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<ByteString, RequestError>> {
        let Some(under_way) = &mut self.under_way else { return Poll::Pending };
        let exchange = std::task::ready!(under_way.as_mut().poll(context));
        self.under_way = None;
        Poll::Ready(exchange.map(|(body, http)| {
            self.kept = http.map(|http| (http, self.env.clock.monotonic()));
            body
        }))
    }

    /// Closes the connection.
    pub(super) fn hang_up(&mut self) {
        self.kept = None;
        self.under_way = None;
    }
}

fn request<C: Connector>(
    endpoint: &Endpoint<C>,
    sid: Option<&Sid>,
    body: Option<ByteString>,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let builder = Request::builder()
        .uri(endpoint.target(Transport::Polling, sid))
        .header(HOST, endpoint.url().authority());
    let mut request = match body {
        None => builder.body(Full::default()),
        Some(body) => builder
            .method(Method::POST)
            .header(CONTENT_TYPE, "text/plain;charset=UTF-8")
            .body(Full::new(body.into_bytes())),
    }?;
    endpoint.add_headers(request.headers_mut());
    Ok(request)
}

impl<S: Stream> Http1<S> {
    async fn open(stream: S) -> Result<Self, hyper::Error> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection })
    }

    async fn exchange(mut self, request: Request<Full<Bytes>>) -> Exchange<S> {
        let mut alive = true;
        let body = {
            let mut answer = std::pin::pin!(ask(&mut self.sender, request));
            loop {
                tokio::select! {
                    biased;
                    body = &mut answer => break body?,
                    // It may end behind an answer that is complete; if not, the answer fails by itself.
                    ended = &mut self.connection, if alive => {
                        alive = false;
                        if let Err(error) = ended {
                            tracing::debug!(%error, "HTTP connection failed");
                        }
                    }
                }
            }
        };
        Ok((body, alive.then_some(self)))
    }
}

async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<ByteString, RequestError> {
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(RequestError::Status(response.status()));
    }
    let body =
        Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await.map_err(RequestError::Body)?;
    ByteString::try_from(body.to_bytes()).map_err(|_| RequestError::Utf8)
}
