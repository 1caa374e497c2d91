//! What is known to be in the log, by room and place: what was committed, and what someone was told is.

use std::collections::BTreeSet;

use squall::store::LogOffset;

use super::roll::{Message, Room};
use super::table::Table;

/// The messages that readers can be entitled to.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    places: Table<Message, (Room, LogOffset)>,
    rooms: Table<Room, BTreeSet<(LogOffset, Message)>>,
}

impl Ledger {
    /// Takes a message in at the place that was named first. False where it is known.
    pub(super) fn enter(&mut self, message: Message, room: Room, offset: LogOffset) -> bool {
        let place = self.places.row(message);
        if place.is_some() {
            return false;
        }
        *place = Some((room, offset));
        self.rooms.entry(room).insert((offset, message));
        true
    }

    /// Where a message is.
    pub(super) fn place(&self, message: Message) -> Option<(Room, LogOffset)> {
        self.places.get(message).copied()
    }

    /// Every message: its room, and its place.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Room, LogOffset, Message)> {
        self.rooms.iter().flat_map(|(room, messages)| {
            messages.iter().map(move |(offset, message)| (room, *offset, *message))
        })
    }
}
