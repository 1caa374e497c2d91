//! Numbers in place of names: a record goes in; what comes out calls its process, its room and its message by number.
//!
//! Checkers ask of each record many times whether they know what it is about, and to compare numbers is cheaper than to
//! compare names. In one roll, two things have one number if and only if they have one name. The clients of a plan come
//! first, in the order of their names.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use squall::store::{LogOffset, MessageId};

use super::table::Number;
use crate::history::{Kind, Record};
use crate::plan::{Name, Plan};

/// A process, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Host(usize);

/// A chat room, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Room(usize);

/// A message or an event, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Message(usize);

impl Message {
    /// Before all others.
    pub(super) const FIRST: Self = Self(0);
    /// After all others; and what a record is about that is about none.
    pub(super) const LAST: Self = Self(usize::MAX);
}

macro_rules! number {
    ($($kind:ident)*) => {
        $(impl Number for $kind {
            fn place(self) -> usize {
                self.0
            }

            fn at(place: usize) -> Self {
                Self(place)
            }
        })*
    };
}

number!(Host Room Message);

/// A life of a process.
pub(super) type Life = (Host, u32);

/// What makes two sightings, by whomever, sightings of one message: its id, or, where its sender gave it none, its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MessageName {
    Id(MessageId),
    At(LogOffset),
}

/// A record, and whom and what it names.
#[derive(Debug, Clone)]
pub(super) struct Entry<'r> {
    pub(super) record: &'r Record,
    /// Whom it happened to.
    pub(super) who: Host,
    /// Its room; where it names none, one that no record names.
    pub(super) room: Room,
    /// Its message or event; where it names none, one that no record names.
    pub(super) message: Message,
    /// The processes that it names besides: to whom something was relayed, who was touched, who is the peer.
    pub(super) named: Vec<Host>,
}

/// Who and what is called by which number.
#[derive(Debug, Clone, Default)]
pub(super) struct Roll {
    hosts: Numbers<Name>,
    rooms: Numbers<Name>,
    messages: Numbers<MessageName>,
}

/// Things, numbered in the order in which they came up.
#[derive(Debug, Clone)]
struct Numbers<T> {
    numbers: BTreeMap<T, usize>,
    names: Vec<T>,
    /// The number that was asked for last: the records of a message come together.
    last: usize,
}

impl Roll {
    /// Knows the clients of a plan.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut roll = Self::default();
        for client in plan.clients.keys() {
            roll.host(client);
        }
        roll
    }

    pub(super) fn host(&mut self, name: &Name) -> Host {
        Host(self.hosts.number(name))
    }

    pub(super) fn room(&mut self, name: &Name) -> Room {
        Room(self.rooms.number(name))
    }

    /// What a record is about, in numbers.
    pub(super) fn enter<'r>(&mut self, record: &'r Record) -> Entry<'r> {
        let (room, message) = (room(&record.kind), message(&record.kind));
        Entry {
            record,
            who: self.host(&record.host),
            room: room.map_or(Room(usize::MAX), |room| self.room(room)),
            message: message.map_or(Message::LAST, |name| Message(self.messages.number(&name))),
            named: self.named(&record.kind),
        }
    }

    fn named(&mut self, kind: &Kind) -> Vec<Host> {
        if let Kind::Relayed { audience, .. } = kind {
            audience.iter().map(|listener| self.host(&listener.client)).collect()
        } else if let Kind::Touched { processes, .. } = kind {
            processes.iter().map(|name| self.host(name)).collect()
        } else if let Kind::Connected { peer: Some(peer) } = kind {
            vec![self.host(peer)]
        } else {
            Vec::new()
        }
    }

    pub(super) fn host_name(&self, host: Host) -> &Name {
        self.hosts.name(host.0).expect("this roll has given the number")
    }

    pub(super) fn room_name(&self, room: Room) -> &str {
        self.rooms.name(room.0).map_or("no room", |name| name)
    }

    pub(super) fn message_name(&self, message: Message) -> MessageName {
        self.messages.name(message.0).cloned().unwrap_or(MessageName::At(LogOffset::START))
    }
}

fn room(kind: &Kind) -> Option<&Name> {
    match kind {
        Kind::Sent { room, .. }
        | Kind::Delivered { room, .. }
        | Kind::Committed { room, .. }
        | Kind::Asked { room, .. }
        | Kind::Joined { room, .. }
        | Kind::Left { room, .. } => Some(room),
        Kind::Acknowledged { .. }
        | Kind::Failed { .. }
        | Kind::SendFailed { .. }
        | Kind::Suppressed { .. }
        | Kind::Emitted { .. }
        | Kind::Arrived { .. }
        | Kind::Relayed { .. }
        | Kind::Persisted { .. }
        | Kind::Resumed { .. }
        | Kind::Heard { .. }
        | Kind::Answered { .. }
        | Kind::Connected { .. }
        | Kind::Early { .. }
        | Kind::Disconnected { .. }
        | Kind::Did { .. }
        | Kind::Trouble { .. }
        | Kind::Started
        | Kind::Exited { .. }
        | Kind::Skipped { .. }
        | Kind::FaultBegan { .. }
        | Kind::FaultDisarmed { .. }
        | Kind::FaultEnded { .. }
        | Kind::Touched { .. } => None,
    }
}

fn message(kind: &Kind) -> Option<MessageName> {
    match kind {
        Kind::Delivered { id, offset, .. } | Kind::Committed { id, offset, .. } => {
            Some(MessageName::seen(id.as_ref(), *offset))
        }
        Kind::Sent { id, .. }
        | Kind::Acknowledged { id, .. }
        | Kind::Failed { id, .. }
        | Kind::SendFailed { id, .. }
        | Kind::Suppressed { id, .. }
        | Kind::Emitted { id, .. }
        | Kind::Arrived { id, .. }
        | Kind::Relayed { id, .. }
        | Kind::Persisted { id }
        | Kind::Heard { id, .. }
        | Kind::Answered { id, .. } => Some(MessageName::Id(id.clone())),
        Kind::Asked { .. }
        | Kind::Joined { .. }
        | Kind::Left { .. }
        | Kind::Resumed { .. }
        | Kind::Connected { .. }
        | Kind::Early { .. }
        | Kind::Disconnected { .. }
        | Kind::Did { .. }
        | Kind::Trouble { .. }
        | Kind::Started
        | Kind::Exited { .. }
        | Kind::Skipped { .. }
        | Kind::FaultBegan { .. }
        | Kind::FaultDisarmed { .. }
        | Kind::FaultEnded { .. }
        | Kind::Touched { .. } => None,
    }
}

impl Entry<'_> {
    /// Which life of whom it happened to.
    pub(super) fn life(&self) -> Life {
        (self.who, self.record.process)
    }
}

impl Deref for Entry<'_> {
    type Target = Record;

    fn deref(&self) -> &Record {
        self.record
    }
}

impl MessageName {
    pub(super) fn seen(id: Option<&MessageId>, offset: LogOffset) -> Self {
        id.map_or(Self::At(offset), |id| Self::Id(id.clone()))
    }
}

impl fmt::Display for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::At(offset) => write!(f, "the message at offset {offset}"),
        }
    }
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), names: Vec::new(), last: 0 }
    }
}

impl<T: Clone + Ord> Numbers<T> {
    /// The number of a name, which is given the next one where it has none.
    fn number(&mut self, name: &T) -> usize {
        if self.name(self.last) != Some(name) {
            self.last = self.numbers.get(name).copied().unwrap_or(self.names.len());
            if self.last == self.names.len() {
                self.numbers.insert(name.clone(), self.last);
                self.names.push(name.clone());
            }
        }
        self.last
    }

    fn name(&self, number: usize) -> Option<&T> {
        self.names.get(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, CAROL, Planted, nameless, plan};

    #[test]
    fn one_name_has_one_number_and_the_clients_of_the_plan_come_first() {
        let mut roll = Roll::new(&plan());
        let history = Planted::unconnected().show(CAROL, "alice-1", 1).show(BOB, "alice-1", 1).finish();

        let entries: Vec<Entry<'_>> = history.records.iter().map(|record| roll.enter(record)).collect();

        assert_eq!([roll.host(&ALICE.into()), roll.host(&BOB.into())], [Host(0), Host(1)]);
        assert_ne!(entries[0].who, entries[1].who);
        assert_eq!((entries[0].message, entries[0].room), (entries[1].message, entries[1].room));
        assert_eq!(roll.message_name(entries[0].message).to_string(), "alice-1");
        assert_eq!((&**roll.host_name(entries[1].who), roll.room_name(entries[1].room)), (BOB, "general"));
    }

    #[test]
    fn a_message_without_id_is_its_place() {
        let mut roll = Roll::new(&plan());
        let planted = Planted::unconnected().record(BOB, nameless("a", 1)).record(ALICE, nameless("b", 1));
        let history = planted.record(BOB, nameless("a", 2)).finish();
        let [one, same, other] = [0, 1, 2].map(|place: usize| roll.enter(&history.records[place]).message);
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(roll.message_name(one).to_string(), "the message at offset 1");
    }
}
