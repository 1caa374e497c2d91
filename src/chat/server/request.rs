//! What a client asks for, read from what it sent. Promise: whatever it is, the answer is what it means or a clear error.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::chat::wire::{ChatError, DEFAULT_ROOM, ErrorCode, ID_BYTES_MAX, NO_ID_PREFIX, check_room};
use crate::socket::Args;
use crate::store::{LogOffset, MessageId};

/// A message to be stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Submission {
    pub(super) content: String,
    pub(super) id: Option<MessageId>,
    pub(super) room: String,
}

/// The rooms of a CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::chat) struct Start {
    /// After which offset each is read; `None` is live only.
    pub(in crate::chat) rooms: BTreeMap<String, Option<LogOffset>>,
    /// Whether the client named them, and so knows of `joined`.
    pub(in crate::chat) named: bool,
}

/// Reads what was sent along with CONNECT.
pub(in crate::chat) fn read_start(auth: &Value) -> Result<Start, ChatError> {
    let from = read_offset(auth.get("serverOffset"), "auth.serverOffset")?;
    let rooms = match auth.get("rooms") {
        None | Some(Value::Null) => {
            return Ok(Start { rooms: BTreeMap::from([(DEFAULT_ROOM.to_owned(), from)]), named: false });
        }
        Some(Value::Array(names)) => {
            names.iter().map(|name| Ok((read_name(name)?, from))).collect::<Result<_, ChatError>>()?
        }
        Some(Value::Object(offsets)) => offsets
            .iter()
            .map(|(name, offset)| {
                check_room(name)?;
                Ok((name.clone(), read_offset(Some(offset), "each offset of auth.rooms")?))
            })
            .collect::<Result<_, ChatError>>()?,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            return Err(ChatError::bad_request(
                "auth.rooms must be a list of names, or an object of names and offsets",
            ));
        }
    };
    Ok(Start { rooms, named: true })
}

/// Reads the arguments of `join`: the room, and after which offset it is read.
pub(super) fn read_join(args: &Args) -> Result<(String, Option<LogOffset>), ChatError> {
    let room = read_name(args.values().first().unwrap_or(&Value::Null))?;
    let since = match args.values().get(1) {
        None | Some(Value::Null) => None,
        Some(Value::Object(options)) => read_offset(options.get("since"), "since")?,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(ChatError::bad_request("the second argument must be an object of options"));
        }
    };
    Ok((room, since))
}

/// Reads the arguments of `leave`: the room.
pub(super) fn read_leave(args: &Args) -> Result<String, ChatError> {
    read_name(args.values().first().unwrap_or(&Value::Null))
}

/// Reads the arguments of `chat message`.
pub(super) fn read_submission(args: &Args, max_content_bytes: usize) -> Result<Submission, ChatError> {
    let content: &Value = args.values().first().unwrap_or(&Value::Null);
    let Value::String(content) = content else {
        return Err(ChatError::bad_request("the first argument must be the content, a string"));
    };
    if content.len() > max_content_bytes {
        let message =
            format!("the content has {} bytes; at most {max_content_bytes} are taken", content.len());
        return Err(ChatError::new(ErrorCode::TooLarge, message));
    }
    let id = read_id(args.values().get(1).unwrap_or(&Value::Null))?;
    let room = read_room(args.values().get(2).unwrap_or(&Value::Null))?;
    Ok(Submission { content: content.clone(), id, room })
}

fn read_id(id: &Value) -> Result<Option<MessageId>, ChatError> {
    match id {
        Value::Null => Ok(None),
        Value::String(id) if id.is_empty() || id.len() > ID_BYTES_MAX => Err(ChatError::bad_request(
            format!("the second argument, clientOffset, must have 1 to {ID_BYTES_MAX} bytes"),
        )),
        Value::String(id) if id.starts_with(NO_ID_PREFIX) => Ok(None),
        Value::String(id) => Ok(Some(MessageId(id.as_str().into()))),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(ChatError::bad_request("the second argument, clientOffset, must be a string or null"))
        }
    }
}

fn read_room(options: &Value) -> Result<String, ChatError> {
    match options {
        Value::Null => Ok(DEFAULT_ROOM.to_owned()),
        Value::Object(options) => options.get("room").map_or_else(|| Ok(DEFAULT_ROOM.to_owned()), read_name),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(ChatError::bad_request("the third argument must be an object of options"))
        }
    }
}

fn read_name(name: &Value) -> Result<String, ChatError> {
    let Value::String(name) = name else {
        return Err(ChatError::bad_request("a room is named by a string"));
    };
    check_room(name)?;
    Ok(name.clone())
}

fn read_offset(offset: Option<&Value>, what: &str) -> Result<Option<LogOffset>, ChatError> {
    let Some(claimed) = offset.filter(|offset| !offset.is_null()) else { return Ok(None) };
    match claimed.as_u64() {
        Some(offset) => Ok(Some(LogOffset(offset))),
        None => Err(ChatError::bad_request(format!(
            "{what} must be a number, zero or more, without a fraction, or null"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(args: Value) -> Args {
        let Value::Array(args) = args else { panic!("arguments are an array") };
        Args::from(args)
    }

    fn read(sent: Value) -> Result<Submission, ErrorCode> {
        read_submission(&args(sent), 10).map_err(|error| error.code)
    }

    fn id_of(sent: Value) -> Option<String> {
        read(sent).unwrap().id.map(|id| id.to_string())
    }

    #[test]
    fn a_submission_may_have_an_id_and_a_room() {
        let expected = Submission {
            content: "hi".to_owned(),
            id: Some(MessageId("a-1".into())),
            room: "lobby".to_owned(),
        };
        assert_eq!(read(json!(["hi", "a-1", { "room": "lobby" }])), Ok(expected));
        assert_eq!(read(json!(["hi", "a-1"])).unwrap().room, "general");
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
            json!(["hi", null, { "room": "" }]),
            json!(["hi", null, { "room": 1 }]),
            json!(["hi", null, { "room": null }]),
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
    fn a_join_may_say_since_when() {
        let join = |sent| read_join(&args(sent)).map_err(|error| error.code);
        assert_eq!(join(json!(["lobby"])), Ok(("lobby".to_owned(), None)));
        assert_eq!(join(json!(["lobby", null])), Ok(("lobby".to_owned(), None)));
        assert_eq!(join(json!(["lobby", {}])), Ok(("lobby".to_owned(), None)));
        assert_eq!(join(json!(["lobby", { "since": 3 }])), Ok(("lobby".to_owned(), Some(LogOffset(3)))));
        for wrong in [
            json!([]),
            json!([7]),
            json!(["a\u{0}"]),
            json!(["lobby", 3]),
            json!(["lobby", { "since": "3" }]),
            json!(["lobby", { "since": -1 }]),
        ] {
            assert_eq!(join(wrong.clone()), Err(ErrorCode::BadRequest), "{wrong}");
        }
        assert!(read_leave(&args(json!([{}]))).is_err());
    }

    #[test]
    fn a_connect_names_its_rooms_in_a_list_or_with_an_offset_each() {
        let rooms = |auth: Value| {
            let start = read_start(&auth).map_err(|error| error.code)?;
            let offsets: Vec<_> =
                start.rooms.into_iter().map(|(name, offset)| (name, offset.map(|offset| offset.0))).collect();
            Ok((offsets, start.named))
        };
        let room = |name: &str, offset: Option<u64>| (name.to_owned(), offset);
        assert_eq!(rooms(json!({})), Ok((vec![room("general", None)], false)));
        assert_eq!(rooms(json!({ "serverOffset": null })), Ok((vec![room("general", None)], false)));
        assert_eq!(rooms(json!({ "serverOffset": 0 })), Ok((vec![room("general", Some(0))], false)));
        assert_eq!(rooms(json!({ "rooms": [] })), Ok((vec![], true)));
        assert_eq!(
            rooms(json!({ "serverOffset": 5, "rooms": ["b", "a", "b"] })),
            Ok((vec![room("a", Some(5)), room("b", Some(5))], true))
        );
        assert_eq!(
            rooms(json!({ "serverOffset": 5, "rooms": { "b": 7, "a": null } })),
            Ok((vec![room("a", None), room("b", Some(7))], true))
        );
        for wrong in [json!("3"), json!(-1), json!(1.5), json!([]), json!(true)] {
            assert_eq!(rooms(json!({ "serverOffset": wrong })), Err(ErrorCode::BadRequest), "{wrong}");
            assert_eq!(rooms(json!({ "rooms": { "a": wrong } })), Err(ErrorCode::BadRequest), "{wrong}");
        }
        for wrong in [json!("general"), json!(["a", 1]), json!([""]), json!({ "": 1 }), json!(true)] {
            assert_eq!(rooms(json!({ "rooms": wrong })), Err(ErrorCode::BadRequest), "{wrong}");
        }
    }
}
