//! Who is connected to one namespace: in the order in which they connected, and by rooms.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Sid;

use super::{Audience, ConnectionId, RoomName};

/// A socket's place in the order of connecting; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) u64);

/// A place, and who has it.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) place: Place,
    pub(super) socket: Sid,
    /// `None` while its session waits for one.
    pub(super) connection: Option<ConnectionId>,
}

/// The connected sockets of a namespace, and those whose sessions wait for them to come back.
#[derive(Debug, Default)]
pub(super) struct Roster {
    order: BTreeMap<Place, Seat>,
    rooms: BTreeMap<RoomName, BTreeSet<Place>>,
}

impl Roster {
    pub(super) fn enter(
        &mut self,
        place: Place,
        socket: Sid,
        connection: Option<ConnectionId>,
        rooms: &BTreeSet<RoomName>,
    ) {
        self.order.insert(place, Seat { place, socket, connection });
        rooms.iter().for_each(|room| self.join(place, room));
    }

    /// The socket has a connection, another one, or none.
    pub(super) fn sit(&mut self, place: Place, connection: Option<ConnectionId>) {
        if let Some(seat) = self.order.get_mut(&place) {
            seat.connection = connection;
        }
    }

    /// `rooms` are those that the socket is in.
    pub(super) fn leave(&mut self, place: Place, rooms: &BTreeSet<RoomName>) {
        self.order.remove(&place);
        rooms.iter().for_each(|room| self.leave_room(place, room));
    }

    pub(super) fn join(&mut self, place: Place, room: &RoomName) {
        self.rooms.entry(room.clone()).or_default().insert(place);
    }

    /// A room is there as long as someone is in it.
    pub(super) fn leave_room(&mut self, place: Place, room: &RoomName) {
        if let Some(places) = self.rooms.get_mut(room) {
            places.remove(&place);
            if places.is_empty() {
                self.rooms.remove(room);
            }
        }
    }

    /// Everyone, in the order in which they connected.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, Option<ConnectionId>)> {
        self.order.values().map(|seat| (seat.place, seat.connection))
    }

    /// Whom a broadcast goes to, each once, in the order in which they connected.
    pub(super) fn audience(&self, Audience { to, except, .. }: &Audience) -> Vec<&Seat> {
        let except = self.in_rooms(except);
        let wanted = |place: &Place| !except.contains(place);
        if to.is_empty() {
            self.order.values().filter(|seat| wanted(&seat.place)).collect()
        } else {
            self.in_rooms(to).iter().filter(|place| wanted(place)).map(|place| &self.order[place]).collect()
        }
    }

    /// Whether no one is here, and no room is left.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.rooms.is_empty()
    }

    fn in_rooms(&self, rooms: &BTreeSet<RoomName>) -> BTreeSet<Place> {
        rooms.iter().filter_map(|room| self.rooms.get(room)).flatten().copied().collect()
    }
}
