//! What is known of a socket besides its events: how its client came, and what the application noted about it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::request::RequestInfo;
use super::socket::Socket;

/// How a client came.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// What the client sent along with CONNECT; `{}` where it sent nothing.
    pub auth: Value,
    /// The HTTP request that opened its connection: headers, query, address, time. Sockets of one connection share it.
    pub request: Arc<RequestInfo>,
}

impl Socket {
    /// What the client sent along with CONNECT; `{}` where it sent nothing.
    pub fn auth(&self) -> &Value {
        &self.handshake().auth
    }

    /// What the application noted by [`Socket::set_data`], readable by any holder of this socket; `{}` before.
    pub fn data(&self) -> Value {
        self.noted().clone()
    }

    /// Notes something about this socket, in place of what was noted.
    ///
    /// # Panics
    /// As `json!` does, when the value has no JSON form.
    pub fn set_data(&self, data: impl Serialize) {
        let data = serde_json::to_value(data).unwrap_or_else(|error| panic!("{error}"));
        *self.noted() = data;
    }
}
