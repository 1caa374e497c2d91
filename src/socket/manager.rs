//! The client's machine: connects, connects again, buffers what is emitted meanwhile, and tracks acknowledgements.

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use serde_json::Value;
use thiserror::Error;

use crate::engine::{CloseReason, Entropy, Sid, Time};

use super::{AckId, Args, DisconnectReason, Encoded, Packet, ReconnectOptions};

/// The options of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagerOptions {
    /// How to reconnect.
    pub reconnect: ReconnectOptions,
    /// How long one attempt to connect may take, transport and handshake together.
    pub timeout: Duration,
}

impl Default for ManagerOptions {
    /// Reconnects; 20 s an attempt.
    fn default() -> Self {
        Self { reconnect: ReconnectOptions::default(), timeout: Duration::from_secs(20) }
    }
}

/// An emit that waits for its acknowledgement, numbered by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmitId(pub u64);

/// Why an acknowledgement will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AckError {
    /// It did not come in time. The event may have arrived all the same.
    #[error("operation has timed out")]
    TimedOut,
    /// The socket was disconnected after the event was sent. The event may have arrived all the same.
    #[error("socket has been disconnected")]
    Disconnected,
}

/// What the world did.
#[derive(Debug)]
pub enum ManagerInput {
    /// The engine session asked for by [`ManagerOutput::Dial`] is open.
    Opened,
    /// A packet arrived.
    Received(Packet),
    /// The engine session is over, or the attempt failed. Given once for each `Dial`.
    Closed(CloseReason),
    /// The moment of the last `Wait` has come.
    TimedOut,
    /// The application asks for something.
    Command(ManagerCommand),
}

/// What the application asks for.
#[derive(Debug)]
pub enum ManagerCommand {
    /// Connect, now. Does nothing where the socket is connected or on its way.
    Connect {
        /// Sent along at every CONNECT from now on.
        auth: Option<Value>,
    },
    /// Change what is sent along at the next CONNECT.
    SetAuth(Option<Value>),
    /// Send an event. While the socket is not connected it waits in the send buffer.
    Emit {
        /// The event's name.
        name: ByteString,
        /// Its arguments.
        args: Args,
        /// Wait for an acknowledgement, for so long (`None`: for ever); the time starts now, connected or not. An event
        /// that times out in the send buffer is never sent.
        ack: Option<(EmitId, Option<Duration>)>,
    },
    /// Answer an event of the server.
    Ack {
        /// The id that came with it.
        id: AckId,
        /// The answer.
        args: Args,
    },
    /// Leave, after what was sent before, and do not reconnect.
    Disconnect,
}

/// What became true, in order.
#[derive(Debug, PartialEq)]
pub enum ManagerEvent {
    /// The namespace answered. Comes before anything received on this connection.
    Connected {
        /// The socket's id, new for each connection.
        sid: Sid,
    },
    /// The namespace refused, with `{ message, data }`. The socket does not reconnect by itself.
    ConnectError(Value),
    /// An attempt to connect failed or took too long.
    ConnectFailed(CloseReason),
    /// Waiting to try again.
    Reconnecting {
        /// Which attempt, counted from one.
        attempt: u32,
        /// When it will be made.
        at: Time,
    },
    /// All attempts failed: the client has given up.
    ReconnectFailed,
    /// The socket is disconnected.
    Disconnected(DisconnectReason),
    /// An event arrived.
    Received {
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
}

/// What the driver must do, in order.
#[derive(Debug, PartialEq)]
pub enum ManagerOutput {
    /// Open an engine session; answer `Opened` or `Closed`.
    Dial,
    /// Send these engine messages.
    Transmit(Encoded),
    /// Close the engine session, after what was sent before, or drop the attempt; answer `Closed`.
    Close,
    /// Tell the application.
    Event(ManagerEvent),
    /// Nothing more to do before `until` (`None`: before the next input).
    Wait {
        /// When to hand in [`ManagerInput::TimedOut`].
        until: Option<Time>,
        /// What the client waits for, for logs and wait chains.
        why: ManagerWaiting,
    },
}

/// What the connection of a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagerWaiting {
    /// For the application to connect.
    Command,
    /// For the transport and the engine handshake.
    Handshake,
    /// For the namespace's answer.
    Namespace,
    /// For the next attempt.
    Backoff {
        /// Which, counted from one.
        attempt: u32,
        /// When.
        at: Time,
    },
    /// For the session to close.
    Closing,
    /// For traffic: it is connected.
    Traffic,
}

/// The client's machine, for the main namespace.
pub struct Manager {}

impl Manager {
    /// A client that has not connected.
    pub fn new(_options: ManagerOptions, _entropy: Arc<dyn Entropy>) -> Self {
        todo!()
    }

    /// Takes one input.
    pub fn handle(&mut self, _input: ManagerInput, _now: Time) {
        todo!()
    }

    /// The next thing to do. After [`ManagerOutput::Wait`], the next input.
    pub fn poll_output(&mut self) -> ManagerOutput {
        todo!()
    }
}
