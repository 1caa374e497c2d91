//! The way in: an HTTP request becomes a WebSocket, or is refused as Engine.IO refuses.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use thiserror::Error;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::io::net::Stream;
use crate::io::websocket::{self, WebSocket};

use super::Shared;

/// How long a client may take to send the head of a request.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How large the head of a request may be.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// Answers requests that are not the endpoint's.
pub(super) type Fallback = Arc<dyn Fn(Request<()>) -> Response<Bytes> + Send + Sync>;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum Refusal {
    #[error("Transport unknown")]
    TransportUnknown,
    #[error("Session ID unknown")]
    SessionUnknown,
    #[error("Bad handshake method")]
    BadMethod,
    #[error("Bad request")]
    BadRequest,
    #[error("Unsupported protocol version")]
    UnsupportedProtocolVersion,
}

impl Refusal {
    /// The code of Engine.IO.
    fn code(self) -> u8 {
        match self {
            Self::TransportUnknown => 0,
            Self::SessionUnknown => 1,
            Self::BadMethod => 2,
            Self::BadRequest => 3,
            Self::UnsupportedProtocolVersion => 5,
        }
    }

    fn response(self) -> Response<Full<Bytes>> {
        let body = json!({ "code": self.code(), "message": self.to_string() }).to_string();
        response(StatusCode::BAD_REQUEST, "application/json", body)
    }
}

/// Answers the requests of one connection until one of them makes it a WebSocket; `None` where none does.
pub(super) async fn upgrade<S: Stream>(shared: &Shared, stream: S) -> Option<WebSocket<S>> {
    let upgrade = Mutex::new(None);
    let service = service_fn(|request| {
        let response = answer(shared, request, &upgrade);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(shared.http_timer.clone())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        // It would come from the system's clock.
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "HTTP failed");
    }
    let upgrade = upgrade.into_inner().expect("no one panics while holding it")?;
    let parts = match upgrade.await {
        Ok(upgraded) => upgraded.downcast::<TokioIo<S>>().expect("it was this stream"),
        Err(error) => {
            tracing::debug!(%error, "upgrade failed");
            return None;
        }
    };
    let config = websocket::config(shared.options.max_http_buffer_size);
    let (stream, read) = (parts.io.into_inner(), parts.read_buf.into());
    Some(WebSocket::new(WebSocketStream::from_partially_read(stream, read, Role::Server, Some(config)).await))
}

fn answer(
    shared: &Shared,
    mut request: Request<Incoming>,
    upgrade: &Mutex<Option<OnUpgrade>>,
) -> Response<Full<Bytes>> {
    if request.uri().path().trim_end_matches('/') != shared.options.path.trim_end_matches('/') {
        return fall_back(shared, request);
    }
    match check(&request) {
        Ok(accept) => {
            *upgrade.lock().expect("no one panics while holding it") = Some(hyper::upgrade::on(&mut request));
            switching_protocols(accept)
        }
        Err(refusal) => {
            tracing::debug!(%refusal, uri = %request.uri(), "request is refused");
            refusal.response()
        }
    }
}

fn fall_back(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let fallback = shared.fallback().clone();
    match fallback {
        Some(fallback) if matches!(*request.method(), Method::GET | Method::HEAD) => {
            fallback(request.map(drop)).map(Full::new)
        }
        Some(_) | None => response(StatusCode::NOT_FOUND, "text/plain", "Not found"),
    }
}

/// The checks of the reference implementation, in its order. Gives what proves that the request was understood.
fn check<B>(request: &Request<B>) -> Result<HeaderValue, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    if parameter(query, "transport") != Some("websocket") {
        return Err(Refusal::TransportUnknown);
    }
    if parameter(query, "sid").is_some() {
        // A session is bound to the WebSocket that opened it: no request can join one.
        return Err(Refusal::SessionUnknown);
    }
    if request.method() != Method::GET {
        return Err(Refusal::BadMethod);
    }
    let accept = accept_key(request.headers()).ok_or(Refusal::BadRequest)?;
    if parameter(query, "EIO") != Some("4") {
        return Err(Refusal::UnsupportedProtocolVersion);
    }
    Ok(accept)
}

fn parameter<'query>(query: &'query str, name: &str) -> Option<&'query str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The answer to the opening handshake of a WebSocket (RFC 6455 §4.2.1), if the request is one.
fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let names = |header: HeaderName, token: &str| {
        let tokens = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
        tokens.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
    };
    if !names(CONNECTION, "upgrade") || !names(UPGRADE, "websocket") || !names(SEC_WEBSOCKET_VERSION, "13") {
        return None;
    }
    HeaderValue::from_str(&derive_accept_key(headers.get(SEC_WEBSOCKET_KEY)?.as_bytes())).ok()
}

fn switching_protocols(accept: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
