//! A message that arrives: whether it is the next one of its room.

use serde::Deserialize;
use serde_json::Value;

use crate::chat::Shown;
use crate::chat::client::ReceiveMode;
use crate::chat::wire::{DEFAULT_ROOM, Meta};
use crate::socket::Args;
use crate::store::LogOffset;

use super::{Request, Rooms};

/// What to do with a message.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::chat) enum Arrival {
    /// Show it: it is the next one.
    Next(Shown),
    /// It was shown before.
    Known,
    /// It is of a room in which this client is not.
    Elsewhere,
    /// Messages between what was shown and this one are missing: catch up.
    Gap {
        /// What the server says comes before it.
        prev: LogOffset,
    },
}

impl Rooms {
    /// Takes a message as it arrived.
    ///
    /// # Errors
    /// When it is not a chat message; it says why.
    pub(in crate::chat) fn receive(&mut self, args: &Args) -> Result<Arrival, &'static str> {
        let Some(Value::String(content)) = args.values().first() else {
            return Err("the content is not a string");
        };
        let Some(offset) = args.values().get(1).and_then(Value::as_u64).map(LogOffset) else {
            return Err("the server offset is not a number");
        };
        // The official server sends no such object, though with recovery a string in its place.
        let meta = match args.values().get(2) {
            Some(meta @ Value::Object(_)) => Some(Meta::deserialize(meta)),
            Some(_) | None => None,
        };
        let meta = meta.transpose().map_err(|_| "the third argument is not { room, id, prev }")?;
        let (name, id, prev) = match meta {
            Some(Meta { room, id, prev }) => (room, id, Some(prev)),
            None => (DEFAULT_ROOM.to_owned(), None, None),
        };
        let is_asked = matches!(&self.asked, Some(Request::Join { room, .. }) if *room == name);
        let Some(room) = self.rooms.get_mut(&name) else { return Ok(Arrival::Elsewhere) };
        if !room.on_server {
            room.went_by |= is_asked;
            return Ok(Arrival::Elsewhere);
        }
        if !room.announced && !room.leaving {
            // Recovered of a connection whose answer to the join was lost. It comes again behind that of this one.
            return Ok(Arrival::Elsewhere);
        }
        if room.position.is_some_and(|position| offset <= position) {
            return Ok(Arrival::Known);
        }
        if let (ReceiveMode::Resume, Some(prev), Some(position)) = (self.receive, prev, room.position)
            && prev != position
        {
            return Ok(Arrival::Gap { prev });
        }
        room.position = Some(offset);
        Ok(Arrival::Next(Shown { room: name, offset, id, content: content.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::client::rooms::Granted;

    fn connected(receive: ReceiveMode) -> Rooms {
        let mut rooms = Rooms::new(receive, vec!["general".to_owned(), "lobby".to_owned()]);
        rooms.connected();
        rooms
    }

    fn receive(rooms: &mut Rooms, args: Value) -> Result<Arrival, &'static str> {
        let Value::Array(args) = args else { panic!("arguments are an array") };
        rooms.receive(&Args::from(args))
    }

    fn in_room(room: &str, prev: u64, offset: u64) -> Value {
        json!([format!("message {offset}"), offset, { "room": room, "id": null, "prev": prev }])
    }

    fn after(prev: u64, offset: u64) -> Value {
        in_room("general", prev, offset)
    }

    fn position(rooms: &Rooms) -> Option<LogOffset> {
        rooms.positions()["general"]
    }

    fn is_next(arrival: &Result<Arrival, &str>) -> bool {
        matches!(arrival, Ok(Arrival::Next(_)))
    }

    #[test]
    fn what_goes_by_before_a_late_answer_to_a_join_comes_again() {
        let granted = |offset, since| Ok(Granted { offset: LogOffset(offset), since });
        let mut rooms = Rooms::new(ReceiveMode::Resume, vec!["general".to_owned()]);
        rooms.connected();
        let since = Some(LogOffset::START);
        rooms.join("lobby".to_owned(), since);
        let join = Some(Request::Join { room: "lobby".to_owned(), since });
        assert_eq!(rooms.next_request(), join);
        assert_eq!(receive(&mut rooms, in_room("lobby", 0, 7)), Ok(Arrival::Elsewhere));

        assert_eq!(rooms.answered(granted(41, since)), None);

        assert_eq!(rooms.next_request(), Some(Request::Leave { room: "lobby".to_owned() }));
        assert_eq!(rooms.answered(granted(7, None)), None);
        assert_eq!(rooms.next_request(), join);
        assert!(rooms.answered(granted(42, since)).is_some(), "now it is joined");
        assert!(is_next(&receive(&mut rooms, in_room("lobby", 0, 7))));
    }

    #[test]
    fn the_next_message_is_the_one_whose_predecessor_in_its_room_was_shown() {
        let mut rooms = connected(ReceiveMode::Resume);
        assert!(is_next(&receive(&mut rooms, after(0, 3))));
        assert!(is_next(&receive(&mut rooms, in_room("lobby", 0, 2))));
        assert!(is_next(&receive(&mut rooms, after(3, 4))));
        assert_eq!(position(&rooms), Some(LogOffset(4)));
    }

    #[test]
    fn a_missing_predecessor_is_a_gap_and_shows_nothing() {
        let mut rooms = connected(ReceiveMode::Resume);
        assert_eq!(receive(&mut rooms, after(2, 3)), Ok(Arrival::Gap { prev: LogOffset(2) }));
        assert_eq!(position(&rooms), Some(LogOffset::START));
        assert!(is_next(&receive(&mut rooms, after(0, 1))));
        assert_eq!(receive(&mut rooms, after(2, 3)), Ok(Arrival::Gap { prev: LogOffset(2) }));
        assert_eq!(position(&rooms), Some(LogOffset(1)));
    }

    #[test]
    fn what_was_shown_is_known_whatever_comes_before_it() {
        let mut rooms = connected(ReceiveMode::Resume);
        receive(&mut rooms, after(0, 5)).unwrap();
        assert_eq!(receive(&mut rooms, after(0, 5)), Ok(Arrival::Known));
        assert_eq!(receive(&mut rooms, after(5, 4)), Ok(Arrival::Known));
        assert_eq!(position(&rooms), Some(LogOffset(5)));
    }

    #[test]
    fn without_predecessors_whatever_is_newer_is_shown() {
        let mut rooms = connected(ReceiveMode::Resume);
        assert!(is_next(&receive(&mut rooms, json!(["a", 2]))));
        assert_eq!(receive(&mut rooms, json!(["b", 1])), Ok(Arrival::Known));
        assert!(is_next(&receive(&mut rooms, json!(["c", 9, "an offset of recovery"]))));
    }

    #[test]
    fn who_receives_live_misses_what_is_missing_and_sees_nothing_twice() {
        let mut rooms = connected(ReceiveMode::Live);
        assert!(is_next(&receive(&mut rooms, after(7, 9))));
        assert!(is_next(&receive(&mut rooms, after(10, 11))));
        assert_eq!(receive(&mut rooms, after(9, 10)), Ok(Arrival::Known));
        rooms.disconnected();
        rooms.connected();
        assert!(is_next(&receive(&mut rooms, after(20, 21))));
    }

    #[test]
    fn messages_of_other_rooms_are_not_shown() {
        let mut rooms = connected(ReceiveMode::Resume);
        assert_eq!(receive(&mut rooms, in_room("elsewhere", 0, 1)), Ok(Arrival::Elsewhere));
    }

    #[test]
    fn what_is_not_a_chat_message_shows_nothing() {
        let mut rooms = connected(ReceiveMode::Resume);
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
            assert!(receive(&mut rooms, args.clone()).is_err(), "{args}");
        }
        assert_eq!(position(&rooms), Some(LogOffset::START));
    }
}
