//! What chat server and client say to each other. The names are the official tutorial's, so that its page works unchanged.
//!
//! Up, each with an answer `{ offset }` or `{ error: { code, message } }` where one is asked for:
//!
//! - `chat message` `(content, clientOffset?, { room }?, ack?)` stores a message; `offset` is where it is. Who is not in a
//!   room may say in it: being in a room is about what one hears, and an outbox may hold messages for a room that its user
//!   has left since.
//! - `join` `(room, { since }?, ack?)`: from now on the room's messages are sent. `offset` is the log's last at joining;
//!   nothing at or before it is sent, unless `since` is given: then everything of that room after `since`. The answer says
//!   `since` too, by default `offset`. Who is in the room already stays as he is and gets the answer of his first `join`.
//! - `leave` `(room, ack?)`: nothing of that room after `offset` is sent.
//!
//! CONNECT: `{ serverOffset?, rooms? }`, where `rooms` is a list of names, all read from `serverOffset`, or an object of
//! names and the offset of each; an absent or null offset is live only, 0 is from the start; absent `rooms` are
//! [`DEFAULT_ROOM`] alone. A disconnected socket is in no room: its client names its rooms when it comes back.
//!
//! Down: `joined` `({ room: { offset, since } })`, first of all and only where CONNECT named rooms, as the answers of a `join`
//! of each: a client sees where a CONNECT said less than it knows by now.
//! `chat message` `(content, serverOffset, { room, id, prev })`, where `prev` is the offset before it in that room that this
//! socket is entitled to; the first `prev` is `since`, or the `offset` of the join. Who cannot be served hears
//! `chat error` `({ code, message })` and is disconnected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::store::{LogOffset, MessageId};

/// The event, both ways.
pub const CHAT_MESSAGE: &str = "chat message";

/// The event with which a client enters a room.
pub const JOIN: &str = "join";

/// The event with which a client leaves a room.
pub const LEAVE: &str = "leave";

/// The event that says which rooms a CONNECT has joined.
pub const JOINED: &str = "joined";

/// The event before the server disconnects a socket that it cannot serve.
pub const CHAT_ERROR: &str = "chat error";

/// The room of who names none.
pub const DEFAULT_ROOM: &str = "general";

/// The longest name of a room, in bytes.
pub const ROOM_BYTES_MAX: usize = 64;

/// An id that begins so is none: before it connects, the tutorial's page has no socket id to put into its ids, and pages
/// of different users send the same `undefined-0`.
pub const NO_ID_PREFIX: &str = "undefined-";

/// The longest id, in bytes.
pub const ID_BYTES_MAX: usize = 128;

/// What [`JOINED`] says of each room.
pub type JoinedRooms = BTreeMap<String, JoinedRoom>;

/// Where a room begins on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinedRoom {
    /// The log's last offset at joining.
    pub offset: LogOffset,
    /// After which offset the room is sent.
    pub since: LogOffset,
}

/// Why the server does not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// It is not what this page says.
    BadRequest,
    /// It is longer than this server takes.
    TooLarge,
    /// One socket may not be in so many rooms.
    TooManyRooms,
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

    /// It is not what this page says.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }
}

impl From<&ChatError> for Value {
    fn from(error: &ChatError) -> Self {
        json!({ "code": error.code, "message": error.message })
    }
}

/// Whether a room can be called so: 1 to [`ROOM_BYTES_MAX`] bytes of text, without control characters.
///
/// # Errors
/// [`ErrorCode::BadRequest`] where it cannot.
pub fn check_room(name: &str) -> Result<(), ChatError> {
    if name.is_empty() || name.len() > ROOM_BYTES_MAX || name.chars().any(char::is_control) {
        let message = format!("a room's name has 1 to {ROOM_BYTES_MAX} bytes, and no control characters");
        return Err(ChatError::bad_request(message));
    }
    Ok(())
}

/// What follows content and offset on the way down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The chat room.
    pub room: String,
    /// What its sender calls the message.
    pub id: Option<MessageId>,
    /// The offset before it in that room that this socket is entitled to.
    pub prev: LogOffset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rooms_name_is_short_text_without_control_characters() {
        for name in ["general", "x", "two words", "Küche 🍳", &"x".repeat(64)] {
            assert_eq!(check_room(name), Ok(()), "{name}");
        }
        for name in ["", "a\nb", "\u{7f}", "\u{85}", &"x".repeat(65), &"é".repeat(33)] {
            assert!(check_room(name).is_err(), "{name:?}");
        }
    }
}
