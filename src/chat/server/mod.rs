//! The chat server: a message is durable before it is acknowledged or shown; each socket reads one log through one cursor.
//!
//! Handlers only append to the log. What sockets see comes from their [`reader::Reader`], which reads it there.

mod reader;

use std::sync::Arc;

use serde_json::{Value, json};

use super::log::ChatLog;
use super::wire::{CHAT_ERROR, CHAT_MESSAGE, ChatError, DEFAULT_ROOM, ErrorCode, ID_BYTES_MAX, NO_ID_PREFIX};
use crate::io::{Env, Incoming, Server, Socket};
use crate::socket::Args;
use crate::store::{Appended, Draft, LogOffset, MessageId};
use reader::Reader;

/// The limits of a chat.
#[derive(Debug, Clone)]
pub struct ChatConfig {
    /// The longest content it takes, in bytes; 65,536.
    pub max_content_bytes: usize,
    /// How many messages of the log are read at once while a socket catches up; 100.
    pub page: usize,
}

impl Default for ChatConfig {
    fn default() -> Self {
        Self { max_content_bytes: 64 << 10, page: 100 }
    }
}

/// Puts the chat on a server.
pub fn serve(env: &Env, server: &Server, log: &impl ChatLog, config: ChatConfig) {
    let chat = Arc::new(Chat { env: env.clone(), log: log.clone(), config });
    server.on_connect(move |socket| {
        chat.welcome(&socket);
        std::future::ready(())
    });
}

struct Chat<L> {
    env: Env,
    log: L,
    config: ChatConfig,
}

impl<L: ChatLog> Chat<L> {
    fn welcome(self: &Arc<Self>, socket: &Socket) {
        let cursor = match start(socket.auth(), self.log.head()) {
            Ok(cursor) => cursor,
            Err(error) => {
                tracing::warn!(socket = %socket.id(), reason = error.message, "a client cannot be served");
                socket.emit(CHAT_ERROR, vec![Value::from(&error)]);
                socket.disconnect(false);
                return;
            }
        };
        let chat = Arc::clone(self);
        socket.on(CHAT_MESSAGE, move |_, incoming| Arc::clone(&chat).on_message(incoming));
        let (env, log, page) = (self.env.clone(), self.log.clone(), self.config.page);
        socket.spawn(Reader { env, log, socket: socket.clone(), cursor, page }.run());
    }

    async fn on_message(self: Arc<Self>, incoming: Incoming) {
        let answer = match self.submit(&incoming.args).await {
            Ok(offset) => json!({ "offset": offset }),
            Err(error) => {
                tracing::debug!(code = ?error.code, reason = error.message, "a message was refused");
                json!({ "error": Value::from(&error) })
            }
        };
        incoming.ack.send(vec![answer]);
    }

    async fn submit(&self, args: &Args) -> Result<LogOffset, ChatError> {
        let Submission { content, id, room } = read_submission(args, self.config.max_content_bytes)?;
        let draft = Draft { room, id, content, at: self.env.clock.wall() };
        match self.log.append(draft).await {
            Ok(Appended::New(offset)) => Ok(offset),
            Ok(Appended::Repeat(offset)) => {
                tracing::debug!(reached = "chat.repeat", %offset, "a message was sent again");
                Ok(offset)
            }
            Ok(Appended::Conflict) => {
                let message = "another message has this clientOffset: each message needs an id of its own";
                Err(ChatError::new(ErrorCode::Conflict, message))
            }
            Err(error) => {
                // What failed is not for the client: it may tell of the server's files.
                tracing::debug!(%error, "a message was not stored");
                Err(ChatError::new(ErrorCode::Unavailable, "the message cannot be stored now; try again"))
            }
        }
    }
}

/// Where a socket's cursor starts.
fn start(auth: &Value, head: LogOffset) -> Result<LogOffset, ChatError> {
    let Some(claimed) = auth.get("serverOffset").filter(|offset| !offset.is_null()) else {
        return Ok(head);
    };
    let Some(offset) = claimed.as_u64().map(LogOffset) else {
        return Err(bad_request("auth.serverOffset must be a number, zero or more, without a fraction"));
    };
    if offset > head {
        let message =
            format!("this log ends at offset {head}, before {offset}: it is not the log that was read");
        return Err(ChatError::new(ErrorCode::UnknownOffset, message));
    }
    Ok(offset)
}

/// What a client may ask for.
#[derive(Debug, PartialEq, Eq)]
struct Submission {
    content: String,
    id: Option<MessageId>,
    room: String,
}

fn read_submission(args: &Args, max_content_bytes: usize) -> Result<Submission, ChatError> {
    let content: &Value = args.0.first().unwrap_or(&Value::Null);
    let Value::String(content) = content else {
        return Err(bad_request("the first argument must be the content, a string"));
    };
    if content.len() > max_content_bytes {
        let message =
            format!("the content has {} bytes; at most {max_content_bytes} are taken", content.len());
        return Err(ChatError::new(ErrorCode::TooLarge, message));
    }
    let id = read_id(args.0.get(1).unwrap_or(&Value::Null))?;
    let room = read_room(args.0.get(2).unwrap_or(&Value::Null))?;
    Ok(Submission { content: content.clone(), id, room })
}

fn read_id(id: &Value) -> Result<Option<MessageId>, ChatError> {
    match id {
        Value::Null => Ok(None),
        Value::String(id) if id.is_empty() || id.len() > ID_BYTES_MAX => Err(bad_request(format!(
            "the second argument, clientOffset, must have 1 to {ID_BYTES_MAX} bytes"
        ))),
        Value::String(id) if id.starts_with(NO_ID_PREFIX) => Ok(None),
        Value::String(id) => Ok(Some(MessageId(id.clone()))),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(bad_request("the second argument, clientOffset, must be a string or null"))
        }
    }
}

fn read_room(options: &Value) -> Result<String, ChatError> {
    match options {
        Value::Null => Ok(DEFAULT_ROOM.to_owned()),
        Value::Object(options) => match options.get("room") {
            None => Ok(DEFAULT_ROOM.to_owned()),
            Some(Value::String(room)) if room == DEFAULT_ROOM => Ok(room.clone()),
            Some(_) => Err(bad_request(format!("there is no such room, only {DEFAULT_ROOM:?}"))),
        },
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(bad_request("the third argument must be an object of options"))
        }
    }
}

fn bad_request(message: impl Into<String>) -> ChatError {
    ChatError::new(ErrorCode::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: Value) -> Result<Submission, ErrorCode> {
        let Value::Array(args) = args else { panic!("arguments are an array") };
        read_submission(&Args(args), 10).map_err(|error| error.code)
    }

    fn id_of(args: Value) -> Option<String> {
        read(args).unwrap().id.map(|id| id.0)
    }

    #[test]
    fn a_submission_may_have_an_id_and_options() {
        let expected = Submission {
            content: "hi".to_owned(),
            id: Some(MessageId("a-1".to_owned())),
            room: "general".to_owned(),
        };
        assert_eq!(read(json!(["hi", "a-1", { "room": "general" }])), Ok(expected));
        assert_eq!(id_of(json!(["hi", "a-1"])), Some("a-1".to_owned()));
        assert_eq!(id_of(json!(["hi", null, {}])), None);
        assert_eq!(id_of(json!(["hi"])), None);
    }

    #[test]
    fn an_id_made_without_a_socket_id_is_none() {
        assert_eq!(id_of(json!(["hi", "undefined-0"])), None);
        assert_eq!(id_of(json!(["hi", "undefined"])), Some("undefined".to_owned()));
    }

    #[test]
    fn what_is_not_a_submission_is_a_bad_request() {
        let not_submissions = [
            json!([]),
            json!([null]),
            json!([1, "a-1"]),
            json!([["hi"]]),
            json!(["hi", 1]),
            json!(["hi", ""]),
            json!(["hi", "x".repeat(129)]),
            json!(["hi", {}]),
            json!(["hi", null, "general"]),
            json!(["hi", null, { "room": "other" }]),
            json!(["hi", null, { "room": 1 }]),
        ];
        for args in not_submissions {
            assert_eq!(read(args.clone()), Err(ErrorCode::BadRequest), "{args}");
        }
    }

    #[test]
    fn content_is_limited_in_bytes_not_characters() {
        assert!(read(json!(["1234567890"])).is_ok());
        assert_eq!(read(json!(["12345678é1"])), Err(ErrorCode::TooLarge));
    }

    #[test]
    fn a_socket_starts_where_it_claims_to_be_or_at_the_head() {
        let head = LogOffset(5);
        let start = |auth: Value| start(&auth, head).map_err(|error| error.code);
        assert_eq!(start(json!({})), Ok(head));
        assert_eq!(start(json!({ "serverOffset": null })), Ok(head));
        assert_eq!(start(json!({ "serverOffset": 0 })), Ok(LogOffset::START));
        assert_eq!(start(json!({ "serverOffset": 5 })), Ok(head));
        assert_eq!(start(json!({ "serverOffset": 6 })), Err(ErrorCode::UnknownOffset));
        for wrong in [json!("3"), json!(-1), json!(1.5), json!([]), json!(true)] {
            assert_eq!(start(json!({ "serverOffset": wrong })), Err(ErrorCode::BadRequest), "{wrong}");
        }
    }
}
