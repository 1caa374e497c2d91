//! What is known to be in the log, by room and place: what was committed, and what someone was told is.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::LogOffset;

use super::message::Message;
use crate::plan::Name;

/// The messages that readers can be entitled to.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    places: BTreeMap<Message, (Name, LogOffset)>,
    rooms: BTreeMap<Name, BTreeSet<(LogOffset, Message)>>,
}

impl Ledger {
    /// Takes a message in at the place that was named first. False where it is known.
    pub(super) fn enter(&mut self, message: &Message, room: &Name, offset: LogOffset) -> bool {
        if self.places.contains_key(message) {
            return false;
        }
        self.places.insert(message.clone(), (room.clone(), offset));
        self.rooms.entry(room.clone()).or_default().insert((offset, message.clone()));
        true
    }

    /// Where a message is.
    pub(super) fn place(&self, message: &Message) -> Option<&(Name, LogOffset)> {
        self.places.get(message)
    }

    /// Every message: its room, and its place.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &(LogOffset, Message))> {
        self.rooms.iter().flat_map(|(room, messages)| messages.iter().map(move |message| (room, message)))
    }
}
