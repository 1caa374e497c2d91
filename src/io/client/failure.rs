//! Why an attempt to connect failed: from the errors of what carries it, in words for users.

use std::error::Error;
use std::io;

use thiserror::Error;
use tokio_tungstenite::tungstenite;

use crate::engine::CloseReason;

use super::dial::DialError;
use super::lane::RequestError;

/// Why an attempt to connect failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectFailure {
    /// The server was not reached, or the network broke: refused, unreachable, a name that nobody knows, reset.
    #[error("failed to connect: {says}")]
    Network {
        /// What kind of failure.
        kind: io::ErrorKind,
        /// What the system says of it.
        says: String,
    },
    /// It took longer than [`ClientOptions::timeout`](super::ClientOptions::timeout).
    #[error("timeout")]
    TimedOut,
    /// HTTP was answered with this status, in place of 200, or of 101 for a WebSocket.
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    /// Who answered does not speak HTTP, WebSocket, Engine.IO v4 or Socket.IO v5 as it should.
    #[error("{0}")]
    Protocol(String),
    /// The session ended before the namespace had answered, without an error.
    #[error("the connection ended before the namespace answered: {0}")]
    Closed(CloseReason),
}

impl From<CloseReason> for ConnectFailure {
    /// Where nothing more is known.
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::ParseError => Self::Protocol("the server does not speak Socket.IO v5".to_owned()),
            CloseReason::TransportClose
            | CloseReason::TransportError
            | CloseReason::PingTimeout
            | CloseReason::ForcedClose => Self::Closed(reason),
        }
    }
}

impl From<&DialError> for ConnectFailure {
    fn from(error: &DialError) -> Self {
        match error {
            DialError::Connect(error) => Self::network(error),
            DialError::WebSocket(tungstenite::Error::Http(response)) => {
                Self::Status(response.status().as_u16())
            }
            DialError::WebSocket(tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::HandshakeIncomplete,
            )) => Self::ended(error),
            DialError::WebSocket(_) => Self::within(error),
        }
    }
}

impl From<&RequestError> for ConnectFailure {
    fn from(error: &RequestError) -> Self {
        match error {
            RequestError::Connect(error) => Self::network(error),
            RequestError::Status(status) => Self::Status(status.as_u16()),
            RequestError::Http(http) if http.is_incomplete_message() || http.is_canceled() => {
                Self::ended(error)
            }
            RequestError::Url(_) | RequestError::Http(_) | RequestError::Body(_) | RequestError::Utf8 => {
                Self::within(error)
            }
        }
    }
}

impl ConnectFailure {
    fn network(error: &io::Error) -> Self {
        Self::Network { kind: error.kind(), says: error.to_string() }
    }

    /// The stream ended before the answer did.
    fn ended(error: &dyn Error) -> Self {
        Self::Network { kind: io::ErrorKind::UnexpectedEof, says: error.to_string() }
    }

    /// The network's, if it is at the root of it; else it is what was said that was wrong.
    fn within(error: &(dyn Error + 'static)) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return Self::network(error);
            }
            cause = error.source();
        }
        Self::Protocol(error.to_string())
    }
}
