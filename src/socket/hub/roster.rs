//! Who is in the namespace: sockets by id, and in the order in which they connected.

use std::collections::BTreeMap;

use crate::engine::Sid;

use super::super::unanswered::Unanswered;
use super::ConnectionId;

/// A socket that is connected.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) connection: ConnectionId,
    pub(super) unanswered: Unanswered,
    /// Its place in the order.
    place: u64,
}

/// The sockets of a namespace.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: BTreeMap<Sid, Member>,
    order: BTreeMap<u64, (Sid, ConnectionId)>,
    next_place: u64,
}

impl Roster {
    pub(super) fn join(&mut self, socket: Sid, connection: ConnectionId) {
        let place = self.next_place;
        self.next_place += 1;
        self.order.insert(place, (socket.clone(), connection));
        let member = Member { connection, unanswered: Unanswered::default(), place };
        let taken = self.members.insert(socket, member);
        assert!(taken.is_none(), "ids of one hub differ in their serial");
    }

    pub(super) fn leave(&mut self, socket: &Sid) -> Option<Member> {
        let member = self.members.remove(socket)?;
        self.order.remove(&member.place);
        Some(member)
    }

    pub(super) fn get_mut(&mut self, socket: &Sid) -> Option<&mut Member> {
        self.members.get_mut(socket)
    }

    /// A number that no other id of this hub has, until 2^32 sockets later.
    pub(super) fn next_serial(&self) -> u32 {
        (self.next_place & u64::from(u32::MAX)) as u32
    }

    /// Everyone, in the order in which they connected.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Sid, ConnectionId)> {
        self.order.values()
    }
}
