//! The server's machine: namespaces, sockets, and one order for everything sent.
//!
//! Takes what happens on all engine connections and what the application asks, gives packets in their wire form, events
//! and the next deadline. Of the namespaces only the main one exists; any other is refused.
//!
//! Promise: each `Connected` has exactly one `Disconnected`, all that is `Received` from a socket lies between the two,
//! and nothing is sent on a connection that was told to close. Knows no transport and nothing of what an event means.

mod commands;
mod connections;
mod packets;
mod roster;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use serde_json::Value;

use crate::engine::{CloseReason, Entropy, Sid, Time};

use super::{AckId, Args, DisconnectReason, Encoded, Packet};

use roster::Roster;

/// An engine connection, numbered by the driver; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

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
}

/// What the application asks for. A command about a socket that is gone does nothing.
#[derive(Debug)]
pub enum HubCommand {
    /// Send an event to one socket. Its name is none of [`super::RESERVED_EVENTS`].
    Emit {
        /// To whom.
        socket: Sid,
        /// The event's name.
        name: ByteString,
        /// Its arguments.
        args: Args,
    },
    /// Send an event to every socket of the main namespace, in the order in which they connected.
    Broadcast {
        /// The event's name.
        name: ByteString,
        /// Its arguments.
        args: Args,
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
    /// Disconnect a socket from its namespace, or close the connection under it.
    Disconnect {
        /// Whom.
        socket: Sid,
        /// Whether to close the connection too.
        close: bool,
    },
    /// Disconnect every socket with [`DisconnectReason::ServerShuttingDown`] and close every connection, after what was
    /// sent before; refuse new ones.
    Shutdown,
}

/// What became true, in order.
#[derive(Debug, PartialEq)]
pub enum HubEvent {
    /// A client joined the namespace and was answered.
    Connected {
        /// The socket's id.
        socket: Sid,
        /// Its connection.
        connection: ConnectionId,
        /// What the client sent along (`{}` where it sent nothing).
        auth: Value,
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
    /// A socket is gone. The last thing said of it.
    Disconnected {
        /// Which.
        socket: Sid,
        /// Why.
        reason: DisconnectReason,
    },
}

/// What the driver must do, in order.
#[derive(Debug, PartialEq)]
pub enum HubOutput {
    /// Send these engine messages.
    Transmit(ConnectionId, Encoded),
    /// Close the engine session after what was sent before.
    Close(ConnectionId),
    /// Tell the application.
    Event(HubEvent),
    /// Nothing more to do before `until` (`None`: before the next input).
    Wait {
        /// When to hand in [`HubInput::TimedOut`].
        until: Option<Time>,
    },
}

/// The server's machine.
pub struct Hub {
    entropy: Arc<dyn Entropy>,
    connect_timeout: Duration,
    /// Every connection that was opened and is not yet over.
    connections: BTreeMap<ConnectionId, Connection>,
    /// When which [`Connection::Unjoined`] is closed, earliest first.
    deadlines: BTreeSet<(Time, ConnectionId)>,
    sockets: Roster,
    shutting_down: bool,
    outputs: VecDeque<HubOutput>,
}

/// How a connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Connection {
    /// In no namespace; closed if that lasts.
    Unjoined { until: Time },
    /// In the main namespace, as this socket.
    Joined(Sid),
    /// Told to close. What still arrives on it is not heard.
    Closing,
}

impl Hub {
    /// A hub without connections. A connection that joins no namespace within `connect_timeout` is closed.
    pub fn new(entropy: Arc<dyn Entropy>, connect_timeout: Duration) -> Self {
        Self {
            entropy,
            connect_timeout,
            connections: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            sockets: Roster::default(),
            shutting_down: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: HubInput, now: Time) {
        debug_assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        match input {
            HubInput::Opened(connection) => self.on_opened(connection, now),
            HubInput::Received(connection, packet) => self.on_packet(connection, packet, now),
            HubInput::Closed(connection, reason) => self.on_closed(connection, reason),
            HubInput::TimedOut => self.on_timed_out(now),
            HubInput::Command(command) => self.on_command(command, now),
        }
    }

    /// The next thing to do. After [`HubOutput::Wait`], the next input.
    pub fn poll_output(&mut self) -> HubOutput {
        let wait = || HubOutput::Wait { until: self.deadlines.first().map(|&(until, _)| until) };
        self.outputs.pop_front().unwrap_or_else(wait)
    }

    fn event(&mut self, event: HubEvent) {
        self.outputs.push_back(HubOutput::Event(event));
    }
}
