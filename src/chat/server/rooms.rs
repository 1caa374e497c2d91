//! The rooms of one socket, and its cursor in each. In go joins, leaves and what was read; out comes what to read next, and
//! what comes before each message.
//!
//! Promise: who is in a room gets each of its messages after its start once and in order, and none after it has left.
//! Rooms that are behind take turns, a page each. Knows neither sockets nor the log.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::chat::wire::{ChatError, ErrorCode, JoinedRoom, JoinedRooms};
use crate::store::LogOffset;

/// The rooms of one socket.
#[derive(Debug)]
pub(in crate::chat) struct Rooms {
    joined: BTreeMap<String, Cursor>,
    max: usize,
    /// How many joins there were: tells a room from the same room left and joined again.
    joins: u64,
    /// The room that was read last.
    served: String,
}

/// One socket's place in one room.
#[derive(Debug)]
struct Cursor {
    /// Where it began.
    joined: JoinedRoom,
    /// The last offset sent, or where the socket starts.
    sent: LogOffset,
    /// Nothing of this room after `sent` is at or before this offset.
    checked: LogOffset,
    join: u64,
}

/// What to read next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chat) struct Turn {
    pub(in crate::chat) room: String,
    pub(in crate::chat) after: LogOffset,
    join: u64,
}

impl Rooms {
    /// None, and at most `max`.
    pub(in crate::chat) fn new(max: usize) -> Self {
        Self { joined: BTreeMap::new(), max, joins: 0, served: String::new() }
    }

    /// Joins a room of a log that ends at `head`, to be read after `since`, by default after `head`. Gives where it
    /// begins; for a room that was joined before, where it began.
    ///
    /// # Errors
    /// When the log does not reach to `since`, or there are too many rooms.
    pub(in crate::chat) fn join(
        &mut self,
        room: &str,
        since: Option<LogOffset>,
        head: LogOffset,
    ) -> Result<JoinedRoom, ChatError> {
        if let Some(cursor) = self.joined.get(room) {
            return Ok(cursor.joined);
        }
        let start = since.unwrap_or(head);
        if start > head {
            let message =
                format!("this log ends at offset {head}, before {start}: it is not the log that was read");
            return Err(ChatError::new(ErrorCode::UnknownOffset, message));
        }
        if self.joined.len() >= self.max {
            let message = format!("a client may be in {} rooms at once: leave one first", self.max);
            return Err(ChatError::new(ErrorCode::TooManyRooms, message));
        }
        self.joins += 1;
        let joined = JoinedRoom { offset: head, since: start };
        let cursor = Cursor { joined, sent: start, checked: start, join: self.joins };
        self.joined.insert(room.to_owned(), cursor);
        Ok(joined)
    }

    /// Leaves a room. Gives the offset after which nothing of it is sent; `None` where it was not joined.
    pub(in crate::chat) fn leave(&mut self, room: &str) -> Option<LogOffset> {
        self.joined.remove(room).map(|cursor| cursor.sent)
    }

    /// All of them, with where they began.
    pub(in crate::chat) fn joined(&self) -> JoinedRooms {
        self.joined.iter().map(|(room, cursor)| (room.clone(), cursor.joined)).collect()
    }

    /// The room whose turn it is, of those that a log which ends at `head` may have more of.
    pub(in crate::chat) fn turn(&mut self, head: LogOffset) -> Option<Turn> {
        let after_served = (Bound::Excluded(self.served.as_str()), Bound::Unbounded);
        let mut in_turn = self.joined.range::<str, _>(after_served).chain(&self.joined);
        let (room, cursor) = in_turn.find(|(_, cursor)| cursor.checked < head)?;
        let turn = Turn { room: room.clone(), after: cursor.checked, join: cursor.join };
        self.served.clone_from(&turn.room);
        Some(turn)
    }

    /// A message of the turn is sent: what comes before it. `None` where the room was left since, and it must not be sent.
    pub(in crate::chat) fn send(&mut self, turn: &Turn, offset: LogOffset) -> Option<LogOffset> {
        let cursor = self.cursor(turn)?;
        cursor.checked = offset;
        Some(std::mem::replace(&mut cursor.sent, offset))
    }

    /// The turn has shown that there is no more of its room up to `head`.
    pub(in crate::chat) fn exhausted(&mut self, turn: &Turn, head: LogOffset) {
        if let Some(cursor) = self.cursor(turn) {
            cursor.checked = cursor.checked.max(head);
        }
    }

    fn cursor(&mut self, turn: &Turn) -> Option<&mut Cursor> {
        self.joined.get_mut(&turn.room).filter(|cursor| cursor.join == turn.join)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> LogOffset {
        LogOffset(offset)
    }

    fn began(offset: u64, since: u64) -> JoinedRoom {
        JoinedRoom { offset: at(offset), since: at(since) }
    }

    fn next(rooms: &mut Rooms, head: u64) -> Option<(String, u64)> {
        rooms.turn(at(head)).map(|turn| (turn.room, turn.after.0))
    }

    #[test]
    fn a_room_is_read_from_its_start_or_from_the_head() {
        let mut rooms = Rooms::new(9);
        assert_eq!(rooms.join("a", None, at(5)), Ok(began(5, 5)));
        assert_eq!(next(&mut rooms, 5), None);
        assert_eq!(next(&mut rooms, 6), Some(("a".to_owned(), 5)));

        assert_eq!(rooms.join("b", Some(at(2)), at(7)), Ok(began(7, 2)));
        assert_eq!(next(&mut rooms, 7), Some(("b".to_owned(), 2)));
        let expected = JoinedRooms::from([("a".to_owned(), began(5, 5)), ("b".to_owned(), began(7, 2))]);
        assert_eq!(rooms.joined(), expected);
    }

    #[test]
    fn a_second_join_changes_nothing_and_is_answered_as_the_first() {
        let mut rooms = Rooms::new(1);
        rooms.join("a", None, at(5)).unwrap();
        assert_eq!(rooms.join("a", Some(at(0)), at(7)), Ok(began(5, 5)));
        assert_eq!(next(&mut rooms, 7), Some(("a".to_owned(), 5)));
    }

    #[test]
    fn too_many_rooms_and_an_offset_of_another_log_are_refused() {
        let mut rooms = Rooms::new(1);
        let code = |joined: Result<JoinedRoom, ChatError>| joined.map_err(|error| error.code);
        assert_eq!(code(rooms.join("a", Some(at(6)), at(5))), Err(ErrorCode::UnknownOffset));
        rooms.join("a", None, at(5)).unwrap();
        assert_eq!(code(rooms.join("b", None, at(5))), Err(ErrorCode::TooManyRooms));
        rooms.leave("a");
        assert_eq!(code(rooms.join("b", None, at(5))), Ok(began(5, 5)));
    }

    #[test]
    fn rooms_that_are_behind_take_turns() {
        let mut rooms = Rooms::new(9);
        for room in ["a", "b", "c"] {
            rooms.join(room, Some(at(0)), at(9)).unwrap();
        }
        let turn = rooms.turn(at(9)).unwrap();
        rooms.exhausted(&turn, at(9));
        let order: Vec<_> = (0..4).map(|_| next(&mut rooms, 9).unwrap().0).collect();
        assert_eq!(order, ["b", "c", "b", "c"]);
    }

    #[test]
    fn what_comes_before_a_message_is_what_was_sent_not_what_was_looked_at() {
        let mut rooms = Rooms::new(9);
        rooms.join("a", Some(at(1)), at(9)).unwrap();
        let turn = rooms.turn(at(9)).unwrap();
        rooms.exhausted(&turn, at(9));

        let turn = rooms.turn(at(12)).unwrap();

        assert_eq!(turn.after, at(9));
        assert_eq!(rooms.send(&turn, at(11)), Some(at(1)));
        assert_eq!(rooms.send(&turn, at(12)), Some(at(11)));
        assert_eq!(rooms.leave("a"), Some(at(12)));
        assert_eq!(rooms.leave("a"), None);
    }

    #[test]
    fn a_page_read_for_a_room_that_was_left_is_not_sent_even_if_it_was_joined_again() {
        let mut rooms = Rooms::new(9);
        rooms.join("a", Some(at(0)), at(9)).unwrap();
        let turn = rooms.turn(at(9)).unwrap();
        rooms.send(&turn, at(3)).unwrap();
        assert_eq!(rooms.leave("a"), Some(at(3)));
        rooms.join("a", None, at(9)).unwrap();

        assert_eq!(rooms.send(&turn, at(4)), None);
        rooms.exhausted(&turn, at(20));
        assert_eq!(next(&mut rooms, 10), Some(("a".to_owned(), 9)));
    }
}
