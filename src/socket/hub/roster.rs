//! Who is connected to one namespace: in the order in which they connected, and by rooms.

use std::collections::{BTreeMap, BTreeSet};

use super::{Audience, ConnectionId, RoomName};

/// A socket's place in the order of connecting; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) u64);

/// A place, and the connection of the socket that has it: `None` while its session waits for one.
pub(super) type Seat = (Place, Option<ConnectionId>);

/// The connected sockets of a namespace, and those whose sessions wait for them to come back.
#[derive(Debug, Default)]
pub(super) struct Roster {
    order: BTreeMap<Place, Option<ConnectionId>>,
    rooms: BTreeMap<RoomName, BTreeSet<Place>>,
}

impl Roster {
    pub(super) fn enter(&mut self, place: Place, connection: ConnectionId, rooms: &BTreeSet<RoomName>) {
        self.sit(place, Some(connection));
        rooms.iter().for_each(|room| self.join(place, room));
    }

    /// The socket has a connection, another one, or none.
    pub(super) fn sit(&mut self, place: Place, connection: Option<ConnectionId>) {
        self.order.insert(place, connection);
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
    pub(super) fn iter(&self) -> impl Iterator<Item = Seat> {
        self.order.iter().map(|(&place, &connection)| (place, connection))
    }

    /// Whom a broadcast goes to, each once, in the order in which they connected.
    pub(super) fn audience(&self, Audience { to, except, .. }: &Audience) -> Vec<Seat> {
        let except = self.in_rooms(except);
        let wanted = |place: &Place| !except.contains(place);
        if to.is_empty() {
            self.iter().filter(|(place, _)| wanted(place)).collect()
        } else {
            let seat = |place: Place| (place, self.order[&place]);
            self.in_rooms(to).into_iter().filter(wanted).map(seat).collect()
        }
    }

    /// Whether no one is here, and no room is left.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.rooms.is_empty()
    }

    fn in_rooms(&self, rooms: &BTreeSet<RoomName>) -> BTreeSet<Place> {
        rooms.iter().filter_map(|room| self.rooms.get(room)).flatten().copied().collect()
    }
}
