//! The way in: HTTP requests open sessions, join them, become WebSockets, or go to the application's fallback.
//!
//! A stream in, and requests to its end; at the latest when the server has stopped and its session is over.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::engine;
use crate::io::link::LINGER;
use crate::io::net::BoxStream;
use crate::io::websocket::{self, WebSocket};

use super::Shared;
use super::connection::Connection;
use super::request::RequestInfo;
use super::route::{Refusal, Route, route};
use super::sessions::Mailbox;

/// How long a client may take to send the head of a request, and how long a connection is kept for the next.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How large the head of a request may be.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// Answers requests that are not the endpoint's.
pub(super) type Fallback = Arc<dyn Fn(Request<()>) -> Response<Bytes> + Send + Sync>;

type Answer = Response<Full<Bytes>>;

/// Serves a stream until it is closed.
pub(super) async fn serve(shared: Arc<Shared>, stream: BoxStream, peer: SocketAddr, secure: bool) {
    let visit = Visit { shared, peer, secure, upgrade: Mutex::default(), session: Mutex::default() };
    visit.serve_http(stream).await;
    let upgrade = visit.upgrade.into_inner().expect("no one panics while holding it");
    let Some((upgrade, session)) = upgrade else { return };
    let Some(socket) = websocket(upgrade, visit.shared.options.max_http_buffer_size).await else { return };
    match session {
        Target::Known(session) => session.websocket(socket),
        Target::New(request) => Connection::on_websocket(visit.shared, socket, request).run().await,
    }
}

/// Which session a WebSocket is for.
enum Target {
    Known(Mailbox),
    New(Arc<RequestInfo>),
}

/// One stream while it speaks HTTP.
struct Visit {
    shared: Arc<Shared>,
    peer: SocketAddr,
    secure: bool,
    /// The request that makes it a WebSocket, and the session that it is for.
    upgrade: Mutex<Option<(OnUpgrade, Target)>>,
    /// The session of the last request.
    session: Mutex<Option<Mailbox>>,
}

impl Visit {
    async fn serve_http(&self, stream: BoxStream) {
        let service = service_fn(|request| self.answer(request).map(Ok::<_, Infallible>));
        let served = http1::Builder::new()
            .timer(self.shared.http_timer.clone())
            .header_read_timeout(HEADER_READ_TIMEOUT)
            .max_buf_size(HEADER_BYTES_MAX)
            // It would come from the system's clock.
            .auto_date_header(false)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut served = pin!(served);
        let ended = tokio::select! {
            biased;
            ended = &mut served => Some(ended),
            () = self.dismissed() => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            // The last answer is still to be written.
            None => {
                served.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    ended = served => ended,
                    () = self.shared.env.sleep(LINGER) => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "HTTP failed");
        }
    }

    /// Ends when the server has stopped and has nothing more to say here. Who has no session is owed no goodbye.
    async fn dismissed(&self) {
        self.shared.stopped().await;
        let session = self.session().clone();
        if let Some(session) = session {
            session.closed().await;
        }
    }

    fn session(&self) -> MutexGuard<'_, Option<Mailbox>> {
        self.session.lock().expect("no one panics while holding it")
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if request.uri().path().trim_end_matches('/') != self.shared.options.path.trim_end_matches('/') {
            return fall_back(&self.shared, request);
        }
        let refused = |refusal: Refusal, request: &Request<Incoming>| {
            tracing::debug!(%refusal, uri = %request.uri(), "request is refused");
            refusal.response()
        };
        match route(&request) {
            Err(refusal) => refused(refusal, &request),
            Ok(Route::Open) => {
                let session = Connection::on_polling(&self.shared, self.info(&request));
                self.poll(session).await
            }
            Ok(Route::Poll(sid)) => match self.shared.sessions.find(sid) {
                Some(session) => self.poll(session).await,
                None => refused(Refusal::SessionUnknown, &request),
            },
            Ok(Route::Post(sid)) => match self.shared.sessions.find(sid) {
                Some(session) => self.post(session, request.into_body()).await,
                None => refused(Refusal::SessionUnknown, &request),
            },
            Ok(Route::WebSocket(None, accept)) => {
                let target = Target::New(self.info(&request));
                self.upgrade(request, target, accept)
            }
            Ok(Route::WebSocket(Some(sid), accept)) => match self.shared.sessions.find(sid) {
                Some(session) => self.upgrade(request, Target::Known(session), accept),
                None => refused(Refusal::SessionUnknown, &request),
            },
        }
    }

    fn info(&self, request: &Request<Incoming>) -> Arc<RequestInfo> {
        let now = self.shared.env.clock.wall();
        Arc::new(RequestInfo::new(request, Some(self.peer), self.secure, now))
    }

    async fn poll(&self, session: Mailbox) -> Answer {
        *self.session() = Some(session.clone());
        let mut held = session.request(engine::Request::Polled);
        from_session(held.answer().await)
    }

    async fn post(&self, session: Mailbox, body: Incoming) -> Answer {
        *self.session() = Some(session.clone());
        let mut held = session.request(engine::Request::Posting);
        let limit = self.shared.options.max_http_buffer_size;
        let request = tokio::select! {
            biased;
            // The session may end while the body comes.
            answer = held.answer() => return from_session(answer),
            request = read(body, limit) => request,
        };
        match request {
            Some(request) => held.tell(request),
            None => return Refusal::BadRequest.response(),
        }
        from_session(held.answer().await)
    }

    fn upgrade(&self, mut request: Request<Incoming>, target: Target, accept: HeaderValue) -> Answer {
        let upgrade = hyper::upgrade::on(&mut request);
        *self.upgrade.lock().expect("no one panics while holding it") = Some((upgrade, target));
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        response
    }
}

/// The body of a POST, no more than `limit` bytes of it in memory. `None` where it breaks off or is no text: whoever
/// drops the request says so.
async fn read(body: Incoming, limit: usize) -> Option<engine::Request> {
    if body.size_hint().lower() > limit as u64 {
        return Some(engine::Request::TooLarge);
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Some(engine::Request::Posted(ByteString::try_from(body.to_bytes()).ok()?)),
        Err(error) if error.is::<LengthLimitError>() => Some(engine::Request::TooLarge),
        Err(error) => {
            tracing::debug!(%error, "the body of a request broke off");
            None
        }
    }
}

/// The answer of a session as HTTP; without one, it is over.
fn from_session(answer: Option<engine::Response>) -> Answer {
    match answer {
        Some(engine::Response::Payload(body)) => {
            let mut response = response(StatusCode::OK, "text/plain; charset=UTF-8", body.into_bytes());
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Some(engine::Response::Ok) => response(StatusCode::OK, "text/html", "ok"),
        Some(engine::Response::TooLarge) => {
            response(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "Payload too large")
        }
        Some(engine::Response::BadRequest) => Refusal::BadRequest.response(),
        None => Refusal::SessionUnknown.response(),
    }
}

fn fall_back(shared: &Shared, request: Request<Incoming>) -> Answer {
    let fallback = shared.fallback().clone();
    match fallback {
        Some(fallback) if matches!(*request.method(), Method::GET | Method::HEAD) => {
            fallback(request.map(drop)).map(Full::new)
        }
        Some(_) | None => response(StatusCode::NOT_FOUND, "text/plain", "Not found"),
    }
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

async fn websocket(upgrade: OnUpgrade, max_message: usize) -> Option<WebSocket<BoxStream>> {
    let parts = match upgrade.await {
        Ok(upgraded) => upgraded.downcast::<TokioIo<BoxStream>>().expect("it was this stream"),
        Err(error) => {
            tracing::debug!(%error, "upgrade failed");
            return None;
        }
    };
    let config = websocket::config(max_message);
    let (stream, read) = (parts.io.into_inner(), parts.read_buf.into());
    Some(WebSocket::new(WebSocketStream::from_partially_read(stream, read, Role::Server, Some(config)).await))
}
