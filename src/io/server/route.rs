//! What an HTTP request to the endpoint wants: to open a session, to join one, or to be refused as Engine.IO refuses.
//!
//! The checks are the reference implementation's, in its order. The application is asked between [`route`] and
//! [`speaks_version_4`].

use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use hyper::{Method, Request, StatusCode};
use serde_json::json;
use thiserror::Error;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::engine::Transport;
use crate::reached::reached;

use super::answer::{Answer, response};

/// What a request wants, and of which session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<S> {
    /// To open a session by polling.
    Open,
    /// To open a session on a WebSocket, or to bring one to a session; with what proves that the request was understood.
    WebSocket(Option<S>, HeaderValue),
    /// To wait for packets of a session.
    Poll(S),
    /// To send packets to a session.
    Post(S),
    /// To send bytes to a session. In v4 a payload is text: who sends bytes speaks another version, and its session ends.
    PostBytes(S),
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    #[error("Transport unknown")]
    TransportUnknown,
    #[error("Session ID unknown")]
    SessionUnknown,
    #[error("Bad handshake method")]
    BadMethod,
    #[error("Bad request")]
    BadRequest,
    /// The application says so.
    #[error("{0}")]
    Forbidden(String),
    #[error("Unsupported protocol version")]
    UnsupportedProtocolVersion,
    /// The server takes no new sessions. Only behind an HTTP server that is not our own can one be asked for.
    #[error("The server is shutting down")]
    ShuttingDown,
}

impl Refusal {
    /// The code of Engine.IO, which has none for a shutdown: there its general one.
    fn code(&self) -> u8 {
        match self {
            Self::TransportUnknown => 0,
            Self::SessionUnknown => 1,
            Self::BadMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden(_) | Self::ShuttingDown => 4,
            Self::UnsupportedProtocolVersion => 5,
        }
    }

    /// Says that a request is refused so.
    pub(super) fn note(&self) {
        match self {
            Self::TransportUnknown => reached!("http.transport_unknown"),
            Self::SessionUnknown => reached!("http.session_unknown"),
            Self::BadMethod => reached!("http.bad_method"),
            Self::BadRequest => reached!("http.bad_request"),
            Self::Forbidden(_) => reached!("http.forbidden"),
            Self::UnsupportedProtocolVersion => reached!("http.unsupported_version"),
            Self::ShuttingDown => reached!("http.shutting_down"),
        }
    }

    /// What the application says; without a word, the reference implementation's.
    pub(super) fn forbidden(message: String) -> Self {
        Self::Forbidden(if message.is_empty() { "Forbidden".to_owned() } else { message })
    }

    /// The answer to a request.
    pub(super) fn response(&self) -> Answer {
        let body = json!({ "code": self.code(), "message": self.to_string() }).to_string();
        let status = match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            // For whoever spreads requests over servers: another may take it.
            Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::TransportUnknown
            | Self::SessionUnknown
            | Self::BadMethod
            | Self::BadRequest
            | Self::UnsupportedProtocolVersion => StatusCode::BAD_REQUEST,
        };
        response(status, "application/json", body)
    }

    /// The answer to a request for a WebSocket: no client can read it but a person, and nothing comes after it.
    pub(super) fn of_upgrade(&self) -> Answer {
        let mut response = response(StatusCode::BAD_REQUEST, "text/html", self.to_string());
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// What the request wants, with the session that `find` knows by its id.
pub(super) fn route<B, S>(
    request: &Request<B>,
    transports: &[Transport],
    find: impl FnOnce(&str) -> Option<S>,
) -> Result<Route<S>, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    let transport = parameter(query, "transport").and_then(|name| name.parse().ok());
    let transport =
        transport.filter(|transport| transports.contains(transport)).ok_or(Refusal::TransportUnknown)?;
    let sid = parameter(query, "sid").filter(|sid| !sid.is_empty());
    let session = sid.map(|sid| find(sid).ok_or(Refusal::SessionUnknown)).transpose()?;
    if session.is_none() && request.method() != Method::GET {
        return Err(Refusal::BadMethod);
    }
    match (transport, session) {
        (Transport::WebSocket, session) if request.method() == Method::GET => {
            Ok(Route::WebSocket(session, accept_key(request.headers()).ok_or(Refusal::BadRequest)?))
        }
        (Transport::Polling, None) => Ok(Route::Open),
        (Transport::Polling, Some(session)) if request.method() == Method::GET => Ok(Route::Poll(session)),
        (Transport::Polling, Some(session)) if request.method() == Method::POST => {
            Ok(if is_binary(request.headers()) { Route::PostBytes(session) } else { Route::Post(session) })
        }
        (Transport::Polling | Transport::WebSocket, _) => Err(Refusal::BadRequest),
    }
}

/// Whether who opens a session speaks our version of Engine.IO.
pub(super) fn speaks_version_4<B>(request: &Request<B>) -> Result<(), Refusal> {
    match parameter(request.uri().query().unwrap_or_default(), "EIO") {
        Some("4") => Ok(()),
        Some(_) | None => Err(Refusal::UnsupportedProtocolVersion),
    }
}

fn parameter<'query>(query: &'query str, name: &str) -> Option<&'query str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

fn is_binary(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value == "application/octet-stream")
}

/// Whether a request asks for another protocol (RFC 9110 §7.8).
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE) && names(headers, CONNECTION, "upgrade")
}

/// The answer to the opening handshake of a WebSocket (RFC 6455 §4.2.1), if the request is one.
fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    if !names(headers, CONNECTION, "upgrade")
        || !names(headers, UPGRADE, "websocket")
        || !names(headers, SEC_WEBSOCKET_VERSION, "13")
    {
        return None;
    }
    HeaderValue::from_str(&derive_accept_key(headers.get(SEC_WEBSOCKET_KEY)?.as_bytes())).ok()
}

/// Whether a header that lists tokens has this one.
fn names(headers: &HeaderMap, header: HeaderName, token: &str) -> bool {
    let values = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, query: &str) -> Request<()> {
        Request::builder().method(method).uri(format!("/socket.io/?{query}")).body(()).unwrap()
    }

    fn bytes(query: &str) -> Request<()> {
        let mut request = request(Method::POST, query);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        request
    }

    /// Knows one session.
    fn find(sid: &str) -> Option<&'static str> {
        (sid == "a").then_some("a")
    }

    fn upgrade(query: &str) -> Request<()> {
        let mut request = request(Method::GET, query);
        for (name, value) in [
            (CONNECTION, "keep-alive, Upgrade"),
            (UPGRADE, "websocket"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request
    }

    const BOTH: [Transport; 2] = [Transport::Polling, Transport::WebSocket];

    #[test]
    fn requests_find_their_way() {
        let accept = || HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for (request, route_expected) in [
            (request(Method::GET, "EIO=4&transport=polling"), Route::Open),
            (request(Method::GET, "EIO=4&transport=polling&t=x&sid=a"), Route::Poll("a")),
            (request(Method::GET, "EIO=4&transport=polling&sid="), Route::Open),
            (request(Method::POST, "EIO=4&transport=polling&sid=a"), Route::Post("a")),
            (bytes("EIO=4&transport=polling&sid=a"), Route::PostBytes("a")),
            (upgrade("EIO=4&transport=websocket"), Route::WebSocket(None, accept())),
            (upgrade("EIO=4&transport=websocket&sid=a"), Route::WebSocket(Some("a"), accept())),
        ] {
            assert_eq!(route(&request, &BOTH, find), Ok(route_expected), "{request:?}");
        }
    }

    #[test]
    fn each_wrong_request_has_its_code() {
        for (request, code) in [
            (request(Method::GET, "EIO=4"), 0),
            (request(Method::GET, "EIO=4&transport=abc"), 0),
            (request(Method::POST, "EIO=4&transport=polling"), 2),
            (request(Method::OPTIONS, "EIO=4&transport=polling"), 2),
            (request(Method::GET, "EIO=4&transport=websocket"), 3),
            (request(Method::GET, "EIO=4&transport=websocket&sid=a"), 3),
            (request(Method::PUT, "EIO=4&transport=polling&sid=a"), 3),
        ] {
            assert_eq!(
                route(&request, &BOTH, find).map_err(|refusal| refusal.code()),
                Err(code),
                "{request:?}"
            );
        }
    }

    #[test]
    fn of_several_mistakes_the_first_in_the_order_of_the_reference_is_told() {
        for (request, code) in [
            (request(Method::PUT, "transport=abc&sid=unknown"), 0),
            (request(Method::PUT, "transport=polling&sid=unknown"), 1),
            (request(Method::GET, "transport=websocket&sid=unknown"), 1),
            (bytes("transport=polling&sid=unknown"), 1),
            (request(Method::POST, "transport=websocket"), 2),
        ] {
            assert_eq!(
                route(&request, &BOTH, find).map_err(|refusal| refusal.code()),
                Err(code),
                "{request:?}"
            );
        }
    }

    #[test]
    fn only_version_4_is_spoken() {
        assert_eq!(speaks_version_4(&upgrade("EIO=4&transport=websocket")), Ok(()));
        for query in ["transport=polling", "EIO=3&transport=polling", "EIO=abc&transport=polling"] {
            assert_eq!(
                speaks_version_4(&upgrade(query)),
                Err(Refusal::UnsupportedProtocolVersion),
                "{query}"
            );
        }
    }

    #[test]
    fn a_transport_that_is_not_offered_is_unknown() {
        for (request, transports) in [
            (upgrade("EIO=4&transport=websocket"), [Transport::Polling]),
            (request(Method::GET, "EIO=4&transport=polling"), [Transport::WebSocket]),
        ] {
            assert_eq!(route(&request, &transports, find), Err(Refusal::TransportUnknown));
        }
    }
}
