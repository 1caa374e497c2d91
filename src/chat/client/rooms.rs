//! The rooms of a client: in which it is and which its server has, what to ask for so that they become the same, and for each
//! message that arrives whether it is the next one to be shown.
//!
//! Promise: what is shown of a room never goes back, never repeats and, where the server says what came before, never leaves a
//! gap; it begins where the room was joined and ends where it was left.
//!
//! To be told what happens in the order in which the server did it. One request is under way at a time.

mod arrival;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::chat::ChatEvent;
use crate::chat::wire::{ChatError, DEFAULT_ROOM, JoinedRoom, JoinedRooms};
use crate::reached::reached;
use crate::store::LogOffset;

use super::ReceiveMode;
pub(in crate::chat) use arrival::Arrival;

/// All rooms of a client.
#[derive(Debug)]
pub(in crate::chat) struct Rooms {
    receive: ReceiveMode,
    rooms: BTreeMap<String, Room>,
    /// Rooms in which the server has this client and it is not, or not so: to be left, and joined again where it should be.
    strays: BTreeSet<String>,
    asked: Option<Request>,
}

/// One of them.
#[derive(Debug)]
struct Room {
    /// The last offset shown, or where the room begins; `None` until the server says.
    position: Option<LogOffset>,
    /// Whether the server sends it, as far as it is known.
    on_server: bool,
    /// Whether the user knows that it is joined.
    announced: bool,
    leaving: bool,
    /// Whether messages of it went by while it was asked for: the server's answer was too late, and it is asked again.
    went_by: bool,
    /// Joined again, before the server has answered that it is left.
    rejoin: Option<Since>,
}

/// After which offset to read a room that is joined; `None` is from its end.
type Since = Option<LogOffset>;

/// What to ask the server for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chat) enum Request {
    Join { room: String, since: Since },
    Leave { room: String },
}

/// The server's answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) struct Granted {
    /// The log's last offset at joining, or the last that is sent of a room that is left.
    pub(in crate::chat) offset: LogOffset,
    /// After which offset a room is sent, where the server says.
    pub(in crate::chat) since: Option<LogOffset>,
}

impl Room {
    fn new(since: Since) -> Self {
        Self {
            position: since,
            on_server: false,
            announced: false,
            leaving: false,
            went_by: false,
            rejoin: None,
        }
    }
}

impl Rooms {
    /// With the rooms of a client that was never connected: to be read from the start, or live.
    pub(in crate::chat) fn new(receive: ReceiveMode, names: Vec<String>) -> Self {
        let start = match receive {
            ReceiveMode::Resume => Some(LogOffset::START),
            ReceiveMode::Live => None,
        };
        let room = |name| (name, Room { announced: true, ..Room::new(start) });
        let rooms = names.into_iter().map(room).collect();
        Self { receive, rooms, strays: BTreeSet::new(), asked: None }
    }

    /// What is sent along with the next CONNECT.
    pub(in crate::chat) fn auth(&self) -> Value {
        let staying = self.rooms.iter().filter(|(_, room)| !room.leaving);
        match self.receive {
            ReceiveMode::Live => json!({ "rooms": staying.map(|(name, _)| name).collect::<Vec<_>>() }),
            // Servers that know no rooms, as the official tutorial's, read the first.
            ReceiveMode::Resume => json!({
                "serverOffset": self.rooms.get(DEFAULT_ROOM).and_then(|room| room.position),
                "rooms": staying.map(|(name, room)| (name, room.position)).collect::<BTreeMap<_, _>>(),
            }),
        }
    }

    /// The rooms, each with the last offset shown or where it begins.
    pub(in crate::chat) fn positions(&self) -> BTreeMap<String, Option<LogOffset>> {
        let staying = self.rooms.iter().filter(|(_, room)| !room.leaving);
        staying.map(|(name, room)| (name.clone(), room.position)).collect()
    }

    /// The user joins a room; does nothing where he has.
    pub(in crate::chat) fn join(&mut self, name: String, since: Since) {
        let since = match self.receive {
            ReceiveMode::Resume => since,
            ReceiveMode::Live => None,
        };
        match self.rooms.get_mut(&name) {
            None => drop(self.rooms.insert(name, Room::new(since))),
            Some(room) if room.leaving => room.rejoin = Some(since),
            Some(_) => {}
        }
    }

    /// The user leaves a room; does nothing where he has.
    pub(in crate::chat) fn leave(&mut self, name: &str) -> Option<ChatEvent> {
        let is_asked = matches!(&self.asked, Some(Request::Join { room, .. }) if room == name);
        let room = self.rooms.get_mut(name)?;
        room.rejoin = None;
        if room.on_server || is_asked {
            room.leaving = true;
            return None;
        }
        self.end(name, None)
    }

    /// Connected: the server has read what was sent along with CONNECT, and corrects it with [`Self::joined`].
    pub(in crate::chat) fn connected(&mut self) {
        for room in self.rooms.values_mut() {
            room.on_server = !room.leaving;
            room.went_by = false;
            if self.receive == ReceiveMode::Live {
                room.position = None;
            }
        }
    }

    /// The server says in which rooms this connection has begun.
    pub(in crate::chat) fn joined(&mut self, joined: &JoinedRooms) -> Vec<ChatEvent> {
        self.rooms.values_mut().for_each(|room| room.on_server = false);
        self.strays.clear();
        let began = joined.iter().filter_map(|(name, joined)| self.began(name, *joined));
        let mut events: Vec<_> = began.collect();
        events.extend(self.end_where(|room| room.leaving && !room.on_server));
        events
    }

    /// The connection is gone, and with it what the server knew. A request that is under way stays so.
    pub(in crate::chat) fn disconnected(&mut self) -> Vec<ChatEvent> {
        self.strays.clear();
        self.rooms.values_mut().for_each(|room| room.on_server = false);
        self.end_where(|room| room.leaving)
    }

    /// What to ask the server for, while connected. It is under way until [`Self::answered`] or [`Self::unanswered`].
    pub(in crate::chat) fn next_request(&mut self) -> Option<Request> {
        if self.asked.is_some() {
            return None;
        }
        let stray = self.strays.pop_first().map(|room| Request::Leave { room });
        self.asked = stray.or_else(|| {
            self.rooms.iter().find(|(_, room)| room.leaving == room.on_server).map(|(name, room)| {
                if room.leaving {
                    Request::Leave { room: name.clone() }
                } else {
                    Request::Join { room: name.clone(), since: self.since_of(room) }
                }
            })
        });
        self.asked.clone()
    }

    fn since_of(&self, room: &Room) -> Since {
        match self.receive {
            ReceiveMode::Resume => room.position,
            ReceiveMode::Live => None,
        }
    }

    /// What is under way.
    pub(in crate::chat) fn asked(&self) -> Option<&Request> {
        self.asked.as_ref()
    }

    /// The server did what was under way, on the connection that stands, or refused it.
    pub(in crate::chat) fn answered(&mut self, answer: Result<Granted, ChatError>) -> Option<ChatEvent> {
        match (self.asked.take()?, answer) {
            (Request::Join { room, since: asked }, Ok(Granted { offset, since })) => {
                let since = since.or(asked).unwrap_or(offset);
                self.began(&room, JoinedRoom { offset, since })
            }
            (Request::Join { room, .. }, Err(ChatError { message, .. })) => {
                // What the connection itself has joined is joined, whatever came of a request of an earlier one.
                if self.rooms.get(&room).is_none_or(|room| room.on_server) {
                    return None;
                }
                self.rooms.remove(&room);
                Some(ChatEvent::NotJoined { room, reason: message })
            }
            (Request::Leave { room: name }, left) => {
                let room = self.rooms.get_mut(&name)?;
                let was_on_server = std::mem::replace(&mut room.on_server, false);
                let last = left.ok().filter(|_| was_on_server).map(|left| left.offset);
                if room.leaving { self.end(&name, last) } else { None }
            }
        }
    }

    /// What was under way was not done on the connection that stands, and never will be.
    pub(in crate::chat) fn unanswered(&mut self) -> Vec<ChatEvent> {
        self.asked = None;
        self.end_where(|room| room.leaving && !room.on_server)
    }

    /// The server sends a room from now on.
    fn began(&mut self, name: &str, JoinedRoom { offset, since }: JoinedRoom) -> Option<ChatEvent> {
        // What was sent along with CONNECT may be older than what was shown, left or joined since.
        let Some(room) = self.rooms.get_mut(name) else {
            self.strays.insert(name.to_owned());
            return None;
        };
        // The server's cursor is behind what went by: it comes once more when the room is joined anew.
        if std::mem::take(&mut room.went_by) {
            reached!("chat.went_by");
            room.on_server = false;
            self.strays.insert(name.to_owned());
            return None;
        }
        let position = *room.position.get_or_insert(offset);
        room.on_server = self.receive == ReceiveMode::Live || position == since;
        if !room.on_server {
            reached!("chat.stray");
            self.strays.insert(name.to_owned());
        }
        let is_news = !room.announced && !room.leaving;
        room.announced |= is_news;
        is_news.then(|| ChatEvent::Joined { room: name.to_owned(), offset })
    }

    fn end_where(&mut self, is_ending: impl Fn(&Room) -> bool) -> Vec<ChatEvent> {
        let ending = self.rooms.iter().filter(|(_, room)| is_ending(room));
        let ending: Vec<String> = ending.map(|(name, _)| name.clone()).collect();
        ending.iter().filter_map(|name| self.end(name, None)).collect()
    }

    /// A room is left, and may begin anew.
    fn end(&mut self, name: &str, offset: Option<LogOffset>) -> Option<ChatEvent> {
        let room = self.rooms.remove(name)?;
        let offset = offset.or(room.position).unwrap_or(LogOffset::START);
        if let Some(since) = room.rejoin {
            self.rooms.insert(name.to_owned(), Room::new(since));
        }
        Some(ChatEvent::Left { room: name.to_owned(), offset })
    }
}
