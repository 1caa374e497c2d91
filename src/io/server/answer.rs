//! The way in: a request opens a session, joins one, becomes a WebSocket, or goes to the application's fallback.
//!
//! A request in, its answer out, whoever speaks HTTP. Promise: an answer that is no longer waited for leaves nothing
//! behind but the session's knowledge that its request was aborted.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use bytestring::ByteString;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};

use crate::engine;

use super::connection::Connection;
use super::endpoint::{self, Endpoint, Host};
use super::request::RequestInfo;
use super::route::{Refusal, Route, is_upgrade, route, speaks_version_4};
use super::sessions::Mailbox;
use super::upgrade::{self, Target};

pub(super) type Answer = Response<Full<Bytes>>;

/// A body that can be read.
pub(super) trait Readable: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send {}

impl<B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send> Readable for B {}

/// Who asks.
#[derive(Default)]
pub(super) struct Caller {
    peer: Option<SocketAddr>,
    secure: bool,
    /// The session of the last request.
    session: Mutex<Option<Mailbox>>,
}

impl Caller {
    /// One who has asked for nothing yet.
    pub(super) fn new(peer: Option<SocketAddr>, secure: bool) -> Self {
        Self { peer, secure, session: Mutex::default() }
    }

    /// The session of the last request.
    pub(super) fn session(&self) -> MutexGuard<'_, Option<Mailbox>> {
        self.session.lock().expect("no one panics while holding it")
    }
}

/// Answers a request to a host, or to one that is attached to it.
pub(super) async fn answer<B: Readable>(
    host: &Arc<dyn Host>,
    caller: &Caller,
    request: Request<B>,
) -> Answer {
    match endpoint::find(host, request.uri().path()) {
        Some(host) => of_endpoint(host, caller, request).await,
        None => fall_back(host.endpoint(), request),
    }
}

async fn of_endpoint<B: Readable>(host: Arc<dyn Host>, caller: &Caller, request: Request<B>) -> Answer {
    let head = head(&request);
    let cors = host.endpoint().options.cors.as_ref();
    if let Some(cors) = cors.filter(|_| head.method() == Method::OPTIONS) {
        return cors.preflight(head.headers());
    }
    let mut answer = match accept(&host, caller, request).await {
        Ok(answer) => answer,
        Err(refusal) => {
            refusal.note();
            tracing::debug!(%refusal, uri = %head.uri(), "request is refused");
            if is_upgrade(head.headers()) {
                return refusal.of_upgrade();
            }
            refusal.response()
        }
    };
    if let Some(cors) = cors {
        cors.apply(head.headers(), answer.headers_mut());
    }
    answer
}

async fn accept<B: Readable>(
    host: &Arc<dyn Host>,
    caller: &Caller,
    mut request: Request<B>,
) -> Result<Answer, Refusal> {
    let endpoint = host.endpoint();
    match route(&request, &endpoint.options.transports, |sid| endpoint.sessions.find(sid))? {
        Route::Open => {
            let session = Connection::on_polling(host.clone(), admit(endpoint, caller, &request).await?);
            poll(caller, session).await
        }
        Route::Poll(session) => poll(caller, session).await,
        Route::Post(session) => post(endpoint, caller, session, request.into_body()).await,
        Route::PostBytes(session) => {
            // It has begun to post, and what it posts is never complete.
            drop(session.request(engine::Request::Posting));
            Err(Refusal::BadRequest)
        }
        Route::WebSocket(session, accept) => {
            let target = match session {
                Some(session) => Target::Known(session),
                None => Target::New(admit(endpoint, caller, &request).await?),
            };
            upgrade::start(host.clone(), hyper::upgrade::on(&mut request), target);
            Ok(switching_protocols(accept))
        }
    }
}

/// A server that stops takes none. Else asks the application whether this request may open a session; then, as in the reference implementation, whether it
/// speaks our version.
fn admit<B>(
    endpoint: &Endpoint,
    caller: &Caller,
    request: &Request<B>,
) -> impl Future<Output = Result<Arc<RequestInfo>, Refusal>> + Send + use<B> {
    let allow = endpoint.allow_request().clone();
    let allowed = allow.map(|allow| allow(head(request)));
    let speaks = speaks_version_4(request);
    let info = RequestInfo::new(request, caller.peer, caller.secure, endpoint.env.clock.wall());
    let stopping = endpoint.is_stopping();
    async move {
        if stopping {
            return Err(Refusal::ShuttingDown);
        }
        if let Some(allowed) = allowed {
            allowed.await.map_err(Refusal::forbidden)?;
        }
        speaks?;
        Ok(Arc::new(info))
    }
}

/// A request without its body.
fn head<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    head
}

async fn poll(caller: &Caller, session: Mailbox) -> Result<Answer, Refusal> {
    *caller.session() = Some(session.clone());
    let mut held = session.request(engine::Request::Polled);
    from_session(held.answer().await)
}

async fn post<B: Readable>(
    endpoint: &Endpoint,
    caller: &Caller,
    session: Mailbox,
    body: B,
) -> Result<Answer, Refusal> {
    *caller.session() = Some(session.clone());
    let mut held = session.request(engine::Request::Posting);
    let request = tokio::select! {
        biased;
        // The session may end while the body comes.
        answer = held.answer() => return from_session(answer),
        request = read(body, endpoint.options.max_http_buffer_size) => request,
    };
    match request {
        Some(request) => held.tell(request),
        None => return Err(Refusal::BadRequest),
    }
    from_session(held.answer().await)
}

/// The body of a POST, no more than `limit` bytes of it in memory. `None` where it breaks off or is no text: whoever
/// drops the request says so.
async fn read<B: Readable>(body: B, limit: usize) -> Option<engine::Request> {
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
fn from_session(answer: Option<engine::Response>) -> Result<Answer, Refusal> {
    Ok(match answer.ok_or(Refusal::SessionUnknown)? {
        engine::Response::Payload(body) => {
            let mut response = response(StatusCode::OK, "text/plain; charset=UTF-8", body.into_bytes());
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        engine::Response::Ok => response(StatusCode::OK, "text/html", "ok"),
        engine::Response::TooLarge => {
            response(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "Payload too large")
        }
        engine::Response::BadRequest => return Err(Refusal::BadRequest),
    })
}

fn switching_protocols(accept: HeaderValue) -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn fall_back<B>(endpoint: &Endpoint, request: Request<B>) -> Answer {
    let fallback = endpoint.fallback().clone();
    match fallback {
        Some(fallback) if matches!(*request.method(), Method::GET | Method::HEAD) => {
            fallback(request.map(drop)).map(Full::new)
        }
        Some(_) | None => response(StatusCode::NOT_FOUND, "text/plain", "Not found"),
    }
}

/// A response with a body of that type.
pub(super) fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
