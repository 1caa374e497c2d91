//! Socket.IO v5, sans-IO: engine messages and time in, engine messages, events and deadlines out.
//!
//! [`Hub`] is the server's machine, one for all its connections: it owns namespaces, sockets and rooms, so that there is
//! one order of what it sends. [`Manager`] is the client's: connecting again, the send buffer, acknowledgements.
//! Hand in one input, then drain `poll_output` until it answers `Wait`.
//!
//! Promise: peer input never panics; each acknowledgement is heard at most once; events of one socket keep their order.
//! Knows no stream, clock, task or storage, and nothing of what an event means.

mod arguments;
mod backoff;
mod codec;
mod header;
mod hub;
mod manager;
mod packet;
#[cfg(test)]
mod testing;
mod unanswered;
mod waiters;

pub use arguments::{Args, ArgsError, FromArgs, NotSendable, args};
pub use backoff::{Backoff, ReconnectOptions};
pub use codec::{Decoder, Encoded, RESERVED_EVENTS, encode};
pub use header::{Header, PacketType};
pub use hub::{
    Audience, ConnectionId, Hub, HubCommand, HubEvent, HubInput, HubOutput, Recovered, Recovery, RoomName,
    stored,
};
pub use manager::{
    Manager, ManagerCommand, ManagerEvent, ManagerInput, ManagerOptions, ManagerOutput, ManagerWaiting,
    OptionsError,
};
pub use packet::{AckId, Kind, Namespace, Packet, PacketError};
pub use waiters::{AckError, EmitId};

/// Why a socket was disconnected; the words of the reference implementation, which differ by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisconnectReason {
    /// The transport was closed.
    TransportClose,
    /// The transport failed.
    TransportError,
    /// The peer was silent for too long.
    PingTimeout,
    /// This side closed the connection under the socket.
    ForcedClose,
    /// The peer sent what cannot be parsed.
    ParseError,
    /// On the server: the client called `disconnect`.
    ClientNamespaceDisconnect,
    /// On the server: the server called `disconnect`.
    ServerNamespaceDisconnect,
    /// On the server: it is shutting down.
    ServerShuttingDown,
    /// On the client: the server called `disconnect`. The client does not reconnect by itself.
    IoServerDisconnect,
    /// On the client: the client called `disconnect`. The client does not reconnect by itself.
    IoClientDisconnect,
}

impl DisconnectReason {
    /// The reason as Socket.IO users know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ForcedClose => "forced close",
            Self::ParseError => "parse error",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ServerShuttingDown => "server shutting down",
            Self::IoServerDisconnect => "io server disconnect",
            Self::IoClientDisconnect => "io client disconnect",
        }
    }
}

impl From<crate::engine::CloseReason> for DisconnectReason {
    fn from(reason: crate::engine::CloseReason) -> Self {
        use crate::engine::CloseReason;
        match reason {
            CloseReason::TransportClose => Self::TransportClose,
            CloseReason::TransportError => Self::TransportError,
            CloseReason::PingTimeout => Self::PingTimeout,
            CloseReason::ForcedClose => Self::ForcedClose,
            CloseReason::ParseError => Self::ParseError,
        }
    }
}

impl std::fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
