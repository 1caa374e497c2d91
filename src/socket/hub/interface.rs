//! The words of the hub: what it is told, what it says, and the names in both.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use bytestring::ByteString;
use serde_json::Value;

use crate::engine::{CloseReason, Sid, Time};

use super::super::{AckError, AckId, Args, DisconnectReason, EmitId, Encoded, Namespace, Packet};
use super::recovery::stored::{BatchId, SessionBatch, StoredSessions};

/// An engine connection, numbered by the driver; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A room: sockets of one namespace that hear something together. Each socket is in the room that is named as its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(ByteString);

impl RoomName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for RoomName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for RoomName {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl From<&Sid> for RoomName {
    /// The room in which the socket of this id is alone, unless others have joined it.
    fn from(socket: &Sid) -> Self {
        socket.as_str().into()
    }
}

/// Whom a broadcast goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The sockets of this namespace,
    pub namespace: Namespace,
    /// in any of these rooms; where there are none, all,
    pub to: BTreeSet<RoomName>,
    /// but in none of these.
    pub except: BTreeSet<RoomName>,
}

impl Audience {
    /// Everyone in a namespace.
    pub fn all(namespace: Namespace) -> Self {
        Self { namespace, to: BTreeSet::new(), except: BTreeSet::new() }
    }
}

/// What the world did.
#[derive(Debug)]
pub enum HubInput {
    /// An engine session was opened.
    Opened(ConnectionId),
    /// A packet arrived on it. One that cannot be decoded is the driver's to answer: it closes the session.
    Received(ConnectionId, Packet),
    /// It is over. Given once for each that was opened.
    Closed(ConnectionId, CloseReason),
    /// The moment of the last `Wait` has come. Harmless when it has not.
    TimedOut,
    /// The application asks for something.
    Command(HubCommand),
    /// What the store has, `None` where it has nothing yet. From now on, what changes about sessions is for the store. Given
    /// before anything else, where sessions are stored; see [`Recovery`](super::Recovery).
    Loaded(Option<StoredSessions>),
    /// The batch of the last [`HubOutput::Persist`] is kept: it will be there after a loss of power.
    Persisted(BatchId),
    /// The store has failed. What waited for it goes, and nothing is for the store any more: what it has must not be loaded
    /// again.
    PersistFailed,
}

/// What the application asks for. A command about a socket that is gone does nothing, but to fail what would wait for it.
#[derive(Debug)]
pub enum HubCommand {
    /// Let clients into a namespace. Where it exists already, nothing changes.
    Create(Namespace),
    /// Let clients into a namespace, but from now on only those that are admitted: of each that asks, the application is
    /// told by [`HubEvent::Asked`].
    Guard(Namespace),
    /// Ask the application about every namespace but the main one from now on, as if it were guarded: about those that do
    /// not exist, too, which come to be when someone is let in.
    GuardOthers,
    /// Let in who asked.
    Admit(Sid),
    /// Do not let in who asked.
    Refuse {
        /// Whom.
        socket: Sid,
        /// What to say: `{ message, data }`.
        error: Value,
    },
    /// Send an event to one socket. Its name is none of [`crate::socket::RESERVED_EVENTS`]. Who asked and is not yet let
    /// in gets it after the answer.
    Emit {
        /// To whom.
        socket: Sid,
        /// The event's name.
        name: ByteString,
        /// Its arguments.
        args: Args,
        /// Wait for an acknowledgement, for so long from now (`None`: while the socket is there).
        ack: Option<(EmitId, Option<Duration>)>,
        /// Only if the socket can take it at once.
        volatile: bool,
    },
    /// Send an event to one socket, unless it was taken up by another connection than this.
    EmitOn {
        /// Which.
        connection: ConnectionId,
        /// To whom.
        socket: Sid,
        /// The event's name.
        name: ByteString,
        /// Its arguments.
        args: Args,
    },
    /// Send an event to many sockets, each at most once, in the order in which they connected.
    Broadcast {
        /// To whom.
        audience: Audience,
        /// The event's name.
        name: ByteString,
        /// Its arguments.
        args: Args,
        /// Only to those who can take it at once.
        volatile: bool,
    },
    /// Send an event to many sockets, one packet for all, and wait for their acknowledgements: [`HubEvent::AllAcked`].
    BroadcastWithAck {
        /// To whom.
        audience: Audience,
        /// The event's name.
        name: ByteString,
        /// Its arguments.
        args: Args,
        /// Which.
        emit: EmitId,
        /// How long to wait from now; `None`: as long as a socket is there that has not answered.
        timeout: Option<Duration>,
    },
    /// Put many sockets into rooms.
    JoinAll {
        /// Whom.
        audience: Audience,
        /// Where.
        rooms: Vec<RoomName>,
    },
    /// Take many sockets out of rooms.
    LeaveAll {
        /// Whom.
        audience: Audience,
        /// From where.
        rooms: Vec<RoomName>,
    },
    /// As [`HubCommand::Disconnect`], of many sockets.
    DisconnectAll {
        /// Whom.
        audience: Audience,
        /// Whether to close their connections too.
        close: bool,
    },
    /// What the application notes about a socket, for the store: in place of what it noted before.
    Note {
        /// About whom.
        socket: Sid,
        /// What.
        data: Value,
    },
    /// Answer an event. Only the first answer to an id is sent.
    Ack {
        /// Who sent the event.
        socket: Sid,
        /// The id that came with it.
        id: AckId,
        /// The answer.
        args: Args,
    },
    /// Put a socket into a room.
    Join {
        /// Whom.
        socket: Sid,
        /// Where.
        room: RoomName,
    },
    /// Take a socket out of a room.
    Leave {
        /// Whom.
        socket: Sid,
        /// From where.
        room: RoomName,
    },
    /// Disconnect a socket from its namespace, or close the connection under it.
    Disconnect {
        /// Whom.
        socket: Sid,
        /// Whether to close the connection too, and with it what other sockets it has.
        close: bool,
    },
    /// Close the connection under a socket, after what was sent before. Its sockets are not told DISCONNECT, so that the
    /// client comes back.
    Close(Sid),
    /// Disconnect every socket with [`DisconnectReason::ServerShuttingDown`] and close every connection, after what was
    /// sent before; refuse new ones.
    Shutdown,
}

/// What became true, in order.
#[derive(Debug, PartialEq)]
pub enum HubEvent {
    /// A client asks for a guarded namespace: admit or refuse it.
    Asked {
        /// The socket's id, if it is let in.
        socket: Sid,
        /// Its connection.
        connection: ConnectionId,
        /// What it asks for.
        namespace: Namespace,
        /// What the client sent along (`{}` where it sent nothing).
        auth: Value,
        /// The socket that it takes up again, if it is let in: that of the session it asks for.
        recovers: Option<Sid>,
    },
    /// Who asked will not connect: refused, or the connection is gone. The last thing said of it.
    Abandoned {
        /// Who.
        socket: Sid,
    },
    /// A client joined a namespace and was answered.
    Connected {
        /// The socket's id.
        socket: Sid,
        /// Its connection.
        connection: ConnectionId,
        /// What it joined.
        namespace: Namespace,
        /// What the client sent along (`{}` where it sent nothing).
        auth: Value,
        /// What it took up again, where it did.
        recovered: Option<Recovered>,
    },
    /// An event arrived.
    Received {
        /// From whom.
        socket: Sid,
        /// Its name.
        name: ByteString,
        /// Its arguments.
        args: Args,
        /// The acknowledgement asked for.
        ack: Option<AckId>,
    },
    /// An emit that waited for its acknowledgement is settled. Once for each [`EmitId`].
    Acked {
        /// Which.
        emit: EmitId,
        /// The answer, or why there is none.
        result: Result<Args, AckError>,
    },
    /// A broadcast that waited for acknowledgements is settled: everyone has answered, is gone, or had time enough.
    AllAcked {
        /// Which.
        emit: EmitId,
        /// The answers, in the order in which they came.
        answers: Vec<Args>,
        /// How many did not answer in time. Who was disconnected meanwhile is not among them.
        missing: usize,
    },
    /// A socket is gone. Only what waits for its acknowledgements is told after it.
    Disconnected {
        /// Which.
        socket: Sid,
        /// Why.
        reason: DisconnectReason,
        /// In which rooms it was, the one of its own among them.
        rooms: BTreeSet<RoomName>,
    },
    /// A socket that was disconnected will not be taken up again. Said once of each where connections are recovered, and
    /// where they are not, never.
    Forgotten {
        /// Which.
        socket: Sid,
    },
}

/// A socket that goes on where it was when its connection broke: with its id and its rooms.
#[derive(Debug, PartialEq)]
pub struct Recovered {
    /// The id under which it asked, where the application was told of that.
    pub asked: Sid,
    /// The events that it had missed and that were sent now, names and arguments (without the offset), in order.
    pub replayed: Vec<(ByteString, Args)>,
}

/// What the driver must do, in order.
#[derive(Debug, PartialEq)]
pub enum HubOutput {
    /// Send these engine messages.
    Transmit(ConnectionId, Encoded),
    /// Send these engine messages if they can leave at once: if nothing waits to be sent on this connection. Else drop
    /// them.
    TransmitVolatile(ConnectionId, Encoded),
    /// Close the engine session after what was sent before.
    Close(ConnectionId),
    /// Tell the application.
    Event(HubEvent),
    /// Keep this durably, and say so by [`HubInput::Persisted`]: a socket hears nothing meanwhile.
    Persist(SessionBatch),
    /// Nothing more to do before `until` (`None`: before the next input).
    Wait {
        /// When to hand in [`HubInput::TimedOut`].
        until: Option<Time>,
    },
}
