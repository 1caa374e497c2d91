//! Sessions as a store knows them: what changes, in the order in which it changed, and what there is at the start.
//!
//! A batch is kept as a whole or not at all. Nothing here knows how.

#[cfg(test)]
pub(crate) mod model;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::engine::Sid;

use super::super::super::{Encoded, Namespace};
use super::super::RoomName;
use super::super::roster::Place;

/// A session, among all that a store knows: in the order in which their sockets connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl From<Place> for SessionId {
    fn from(place: Place) -> Self {
        Self(place.0)
    }
}

impl From<SessionId> for Place {
    fn from(session: SessionId) -> Self {
        Self(session.0)
    }
}

/// A batch of changes; counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// What is to be kept as a whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionBatch {
    /// Which.
    pub id: BatchId,
    /// Tells this hub's positions from those of others; the same in all batches.
    pub epoch: String,
    /// The last position given.
    pub head: u64,
    /// What changed, in order.
    pub changes: Vec<SessionChange>,
}

/// A change of what is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionChange {
    /// A session begins, with its socket connected.
    Began {
        /// Which.
        session: SessionId,
        /// The secret by which its client asks for it.
        pid: String,
        /// Its socket.
        socket: Sid,
        /// Of which namespace.
        namespace: Namespace,
        /// In which rooms, the one of its own among them.
        rooms: BTreeSet<RoomName>,
        /// What the application noted about it.
        data: Value,
        /// The position before the first that it may have.
        start: u64,
    },
    /// It has lost its connection.
    Parted(SessionId),
    /// It has a connection again.
    Resumed(SessionId),
    /// Its socket is in this room.
    Joined(SessionId, RoomName),
    /// Its socket is not in this room any more.
    Left(SessionId, RoomName),
    /// What the application noted about its socket, in place of what it noted before.
    Noted(SessionId, Value),
    /// An event was sent to these sessions.
    Recorded {
        /// Its position.
        position: u64,
        /// What was sent.
        encoded: Encoded,
        /// To whom.
        sessions: Vec<SessionId>,
    },
    /// Its events up to this position are not kept any more.
    Trimmed {
        /// Whose.
        session: SessionId,
        /// The last position that is gone.
        floor: u64,
    },
    /// It is over, and all that was kept of it.
    Ended(SessionId),
}

/// All that a store has.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSessions {
    /// As in the last batch.
    pub epoch: String,
    /// As in the last batch.
    pub head: u64,
    /// In the order of their ids.
    pub sessions: Vec<StoredSession>,
}

/// A session as a store has it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSession {
    /// Which.
    pub session: SessionId,
    /// The secret by which its client asks for it.
    pub pid: String,
    /// Its socket.
    pub socket: Sid,
    /// Of which namespace.
    pub namespace: Namespace,
    /// In which rooms its socket is.
    pub rooms: BTreeSet<RoomName>,
    /// What the application noted about its socket.
    pub data: Value,
    /// The position before the first that it may have.
    pub start: u64,
    /// The last position whose event is not kept any more; `start` where all are.
    pub floor: u64,
    /// For how long it has had no connection; `None` where it had one to the end.
    pub parted_for: Option<Duration>,
    /// The events that were sent to it after `floor`, with their positions, in order.
    pub events: Vec<(u64, Encoded)>,
}
