//! What chat server and client say to each other. The names are the official tutorial's, so that its page works unchanged.
//!
//! Up: `chat message` `(content, clientOffset?, { room }?, ack?)`; the answer is `{ offset }` or
//! `{ error: { code, message } }`. Down: `chat message` `(content, serverOffset, { room, id, prev })`, where `prev` is the
//! offset before it that this socket is entitled to; the first `prev` of a socket is where it starts. CONNECT:
//! `{ serverOffset? }`; absent is live only, 0 is from the start. Who cannot be served hears `chat error`
//! `({ code, message })` and is disconnected.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::store::LogOffset;

/// The event, both ways.
pub const CHAT_MESSAGE: &str = "chat message";

/// The event before the server disconnects a socket that it cannot serve.
pub const CHAT_ERROR: &str = "chat error";

/// The room of who names none.
pub const DEFAULT_ROOM: &str = "general";

/// An id that begins so is none: before it connects, the tutorial's page has no socket id to put into its ids, and pages
/// of different users send the same `undefined-0`.
pub const NO_ID_PREFIX: &str = "undefined-";

/// The longest id, in bytes.
pub const ID_BYTES_MAX: usize = 128;

/// Why the server does not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// It is not what this page says.
    BadRequest,
    /// It is longer than this server takes.
    TooLarge,
    /// Another message has this id.
    Conflict,
    /// The server's log does not reach to where the client claims to have read: it is another log.
    UnknownOffset,
    /// The server cannot store it now: the client should try again.
    Unavailable,
    /// A code of a later version.
    #[serde(other)]
    Other,
}

/// An error, as it stands in an answer or in `chat error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatError {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    #[serde(default)]
    pub message: String,
}

impl ChatError {
    /// An error.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<&ChatError> for Value {
    fn from(error: &ChatError) -> Self {
        json!({ "code": error.code, "message": error.message })
    }
}

/// What follows content and offset on the way down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The chat room.
    pub room: String,
    /// What its sender calls the message.
    pub id: Option<String>,
    /// The offset before it that this socket is entitled to.
    pub prev: LogOffset,
}
