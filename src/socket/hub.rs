//! The server's machine: namespaces, sockets, and one order for everything sent.

use std::sync::Arc;

use bytestring::ByteString;
use serde_json::Value;

use crate::engine::{CloseReason, Entropy, Sid, Time};

use super::{AckId, Args, DisconnectReason, Encoded, Packet};

/// An engine connection, numbered by the driver; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What the world did.
#[derive(Debug)]
pub enum HubInput {
    /// An engine session was opened.
    Opened(ConnectionId),
    /// A packet arrived on it.
    Received(ConnectionId, Packet),
    /// It is over. Given once for each that was opened.
    Closed(ConnectionId, CloseReason),
    /// The moment of the last `Wait` has come.
    TimedOut,
    /// The application asks for something.
    Command(HubCommand),
}

/// What the application asks for. A command about a socket that is gone does nothing.
#[derive(Debug)]
pub enum HubCommand {
    /// Send an event to one socket.
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
pub struct Hub {}

impl Hub {
    /// A hub without connections. A connection that joins no namespace within `connect_timeout` is closed.
    pub fn new(_entropy: Arc<dyn Entropy>, _connect_timeout: std::time::Duration) -> Self {
        todo!()
    }

    /// Takes one input.
    pub fn handle(&mut self, _input: HubInput, _now: Time) {
        todo!()
    }

    /// The next thing to do. After [`HubOutput::Wait`], the next input.
    pub fn poll_output(&mut self) -> HubOutput {
        todo!()
    }
}
