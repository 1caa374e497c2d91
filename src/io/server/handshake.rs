//! What is known of a socket besides its events: how its client came, and what the application noted about it.

use std::sync::{Arc, Mutex, MutexGuard};

use serde::Serialize;
use serde_json::{Value, json};

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

/// What the application noted about a socket; one for all handles of one id.
#[derive(Clone)]
pub(super) struct Notes(Arc<Mutex<Value>>);

impl Notes {
    pub(super) fn new(data: Value) -> Self {
        Self(Arc::new(Mutex::new(data)))
    }

    fn lock(&self) -> MutexGuard<'_, Value> {
        self.0.lock().expect("no one panics while holding it")
    }
}

impl Default for Notes {
    fn default() -> Self {
        Self::new(json!({}))
    }
}

impl Socket {
    /// What the client sent along with CONNECT; `{}` where it sent nothing.
    pub fn auth(&self) -> &Value {
        &self.handshake().auth
    }

    /// What the application noted by [`Socket::set_data`], readable by any holder of this socket; `{}` before. A socket that
    /// [`recovered`](Self::recovered) finds what was noted about it before, its middlewares included.
    pub fn data(&self) -> Value {
        self.notes().lock().clone()
    }

    /// Notes something about this socket, in place of what was noted. It concerns the id: every handle of it sees it.
    ///
    /// # Panics
    /// As `json!` does, when the value has no JSON form.
    pub fn set_data(&self, data: impl Serialize) {
        let data = serde_json::to_value(data).unwrap_or_else(|error| panic!("{error}"));
        let mut noted = self.notes().lock();
        // Under the lock: the store hears of what is noted in the same order.
        self.note(&data);
        *noted = data;
    }
}
