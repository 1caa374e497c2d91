//! Engine.IO v4, sans-IO: frames, HTTP requests and time in; frames, answers, events and deadlines out.
//!
//! One machine per session, on HTTP long-polling, on a WebSocket, or first the one and then the other: [`ServerSession`] and [`ClientSession`] share one contract. Hand in one [`Input`], then
//! drain `poll_output` until it answers [`Output::Wait`]. One queue, and so one total order of outputs. Frames that have
//! arrived are handed in before [`Input::TimedOut`]: a pong that was in time to be read ends no session.
//!
//! A session has at most one WebSocket: its transport, or the probe of an upgrade. Requests are told apart by
//! [`RequestId`].
//!
//! Promise: after [`Event::Closed`] nothing more comes out. Peer input never panics.
//! Knows no socket, clock, entropy, task or Socket.IO: time is an argument and a message body is opaque.

mod client;
mod entropy;
mod handshake;
mod packet;
mod payload;
mod polling;
mod server;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod time;

pub use client::ClientSession;
pub use entropy::{Entropy, Sid};
pub use handshake::{Handshake, HandshakeError, Heartbeat};
pub use packet::{Frame, Message, Packet, PacketError, TextMessage};
pub use polling::{Answer, Ask, Request, RequestId, Response, Transport, TransportUnknown};
pub use server::ServerSession;
pub use time::Time;

/// What the world did to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The WebSocket is open: it was accepted (server) or answered (client). A session that has polled takes it for the
    /// probe of an upgrade.
    Opened,
    /// The peer's next frame arrived on the WebSocket.
    Received(Frame),
    /// The WebSocket ended, by whomever, or could not be opened.
    Closed(TransportEnd),
    /// Something became of an HTTP request (server; a client's session ignores it).
    Request(RequestId, Request),
    /// HTTP answered (client; a server's session ignores it).
    Answer(Answer),
    /// The moment of the last [`Output::Wait`] has come. Harmless when it has not.
    TimedOut,
    /// The layer above asks for something.
    Command(Command),
}

/// What the layer above asks of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Send a message. Ignored before the session is open and, as in the reference implementation, once it is closed.
    Send(Message),
    /// Close the session after what was sent before; its reason is [`CloseReason::ForcedClose`].
    Close,
}

/// How a transport ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportEnd {
    /// A close frame or the end of the stream.
    Close,
    /// An I/O error, a reset, or bytes that are not WebSocket.
    Error,
}

impl From<TransportEnd> for CloseReason {
    fn from(end: TransportEnd) -> Self {
        match end {
            TransportEnd::Close => Self::TransportClose,
            TransportEnd::Error => Self::TransportError,
        }
    }
}

/// What the driver must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write this frame to the WebSocket.
    Transmit(Frame),
    /// Answer this HTTP request (server).
    Respond(RequestId, Response),
    /// Ask this of HTTP (client).
    Ask(Ask),
    /// Close the WebSocket, which was a probe; the session goes on without it.
    CloseProbe,
    /// Flush what was transmitted and asked for, then close the WebSocket, where there is one.
    Close,
    /// Tell the layer above.
    Event(Event),
    /// Nothing more to do before `until` (`None`: before the next input).
    Wait {
        /// When to hand in [`Input::TimedOut`].
        until: Option<Time>,
        /// What the session waits for, for logs and wait chains.
        why: Waiting,
    },
}

/// What became true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The handshake is done (server: sent; client: received).
    Opened(Handshake),
    /// A message arrived.
    Received(Message),
    /// A ping arrived, and is answered (client).
    Pinged,
    /// The session is over. The last thing a session says.
    Closed(CloseReason),
}

/// Why a session stirs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// For the transport to open.
    Transport,
    /// For the server's handshake (client).
    Handshake,
    /// For the moment to send the next ping (server).
    NextPing,
    /// For the peer's pong (server).
    Pong,
    /// For the server's next ping (client).
    Ping,
    /// For the moment to free a waiting poll, so that the client can upgrade (server).
    Noop,
    /// For the client to finish its upgrade (server).
    Upgrade,
    /// For the client's next poll, to say that the session is closed (server).
    LastPoll,
    /// For nothing: the session is closed.
    Nothing,
}

/// Why a session ended; the words of the reference implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The transport was closed.
    TransportClose,
    /// The transport failed.
    TransportError,
    /// The peer was silent for too long.
    PingTimeout,
    /// This side closed it.
    ForcedClose,
    /// The peer sent what is not Engine.IO. (A client whose session was open calls that [`Self::TransportError`], as
    /// the reference implementation's does.)
    ParseError,
}

impl CloseReason {
    /// The reason as Socket.IO users know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ForcedClose => "forced close",
            Self::ParseError => "parse error",
        }
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
