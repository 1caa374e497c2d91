//! What the client shows: decides for each message that arrives whether it is the next one.
//!
//! Promise: what is shown never goes back, never repeats and, where the server says what came before, never leaves a gap.

use serde_json::Value;

use super::Shown;
use crate::chat::wire::Meta;
use crate::socket::Args;
use crate::store::{LogOffset, MessageId};

/// The client's place in the log.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    shown: Option<LogOffset>,
}

/// What to do with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Show it: it is the next one.
    Next(Shown),
    /// It was shown before.
    Known,
    /// Messages between what was shown and this one are missing: catch up.
    Gap {
        /// What the server says comes before it.
        prev: LogOffset,
    },
}

impl Incoming {
    /// The last offset shown.
    pub(super) fn shown(&self) -> Option<LogOffset> {
        self.shown
    }

    /// From where the server shall send.
    pub(super) fn position(&self) -> LogOffset {
        self.shown.unwrap_or(LogOffset::START)
    }

    /// Takes a message as it arrived.
    ///
    /// # Errors
    /// When it is not a chat message; it says why.
    pub(super) fn receive(&mut self, args: &Args) -> Result<Arrival, &'static str> {
        let Some(Value::String(content)) = args.values().first() else {
            return Err("the content is not a string");
        };
        let Some(offset) = args.values().get(1).and_then(Value::as_u64).map(LogOffset) else {
            return Err("the server offset is not a number");
        };
        // The official server sends no such object, though with recovery a string in its place.
        let meta = match args.values().get(2) {
            Some(meta @ Value::Object(_)) => Some(serde_json::from_value::<Meta>(meta.clone())),
            Some(_) | None => None,
        };
        let meta = meta.transpose().map_err(|_| "the third argument is not { room, id, prev }")?;

        if self.shown.is_some_and(|shown| offset <= shown) {
            return Ok(Arrival::Known);
        }
        if let Some(Meta { prev, .. }) = meta
            && prev != self.position()
        {
            return Ok(Arrival::Gap { prev });
        }
        self.shown = Some(offset);
        let id = meta.and_then(|meta| meta.id).map(MessageId);
        Ok(Arrival::Next(Shown { offset, id, content: content.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn receive(incoming: &mut Incoming, args: Value) -> Result<Arrival, &'static str> {
        let Value::Array(args) = args else { panic!("arguments are an array") };
        incoming.receive(&Args::from(args))
    }

    fn after(prev: u64, offset: u64) -> Value {
        json!([format!("message {offset}"), offset, { "room": "general", "id": null, "prev": prev }])
    }

    fn is_next(arrival: &Result<Arrival, &str>) -> bool {
        matches!(arrival, Ok(Arrival::Next(_)))
    }

    #[test]
    fn the_next_message_is_the_one_whose_predecessor_was_shown() {
        let mut incoming = Incoming::default();
        assert!(is_next(&receive(&mut incoming, after(0, 3))));
        assert!(is_next(&receive(&mut incoming, after(3, 4))));
        assert_eq!(incoming.shown(), Some(LogOffset(4)));
    }

    #[test]
    fn a_missing_predecessor_is_a_gap_and_shows_nothing() {
        let mut incoming = Incoming::default();
        assert_eq!(receive(&mut incoming, after(2, 3)), Ok(Arrival::Gap { prev: LogOffset(2) }));
        assert_eq!(incoming.shown(), None);
        assert!(is_next(&receive(&mut incoming, after(0, 1))));
        assert_eq!(receive(&mut incoming, after(2, 3)), Ok(Arrival::Gap { prev: LogOffset(2) }));
        assert_eq!(incoming.position(), LogOffset(1));
    }

    #[test]
    fn what_was_shown_is_known_whatever_comes_before_it() {
        let mut incoming = Incoming::default();
        receive(&mut incoming, after(0, 5)).unwrap();
        assert_eq!(receive(&mut incoming, after(0, 5)), Ok(Arrival::Known));
        assert_eq!(receive(&mut incoming, after(5, 4)), Ok(Arrival::Known));
        assert_eq!(incoming.position(), LogOffset(5));
    }

    #[test]
    fn without_predecessors_whatever_is_newer_is_shown() {
        let mut incoming = Incoming::default();
        assert!(is_next(&receive(&mut incoming, json!(["a", 2]))));
        assert_eq!(receive(&mut incoming, json!(["b", 1])), Ok(Arrival::Known));
        assert!(is_next(&receive(&mut incoming, json!(["c", 9, "an offset of recovery"]))));
    }

    #[test]
    fn what_is_not_a_chat_message_shows_nothing() {
        let mut incoming = Incoming::default();
        let not_messages = [
            json!([]),
            json!([1, 1]),
            json!(["a"]),
            json!(["a", "1"]),
            json!(["a", -1]),
            json!(["a", 1, {}]),
            json!(["a", 1, { "room": "general", "id": null, "prev": "0" }]),
        ];
        for args in not_messages {
            assert!(receive(&mut incoming, args.clone()).is_err(), "{args}");
        }
        assert_eq!(incoming.shown(), None);
    }
}
