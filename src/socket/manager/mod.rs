//! The client's machine: connects, connects again, buffers what is emitted meanwhile, and tracks acknowledgements.
//!
//! Takes what happens on the one engine session there is and what the application asks, gives packets in their wire
//! form, events and the next deadline. For the main namespace only.
//!
//! Promise: a session is dialled only when the one before is over, so that nothing late can be taken for something new;
//! each `Connected` has exactly one `Disconnected`, all that is `Received` lies between the two; each [`EmitId`] is
//! settled exactly once, or waits while it can still be answered. Knows no transport and nothing of what an event means.

mod commands;
mod connection;
mod emits;
mod packets;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use serde_json::Value;
use thiserror::Error;

use crate::engine::{CloseReason, Entropy, Sid, Time};

use super::unanswered::Unanswered;
use super::{AckId, Args, Backoff, DisconnectReason, Encoded, Packet, ReconnectOptions};

use emits::Emits;

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
    /// A packet arrived. One that cannot be decoded is the driver's to answer: it closes the session, and says
    /// [`CloseReason::ParseError`].
    Received(Packet),
    /// The engine session is over, or the attempt failed. Given once for each `Dial`.
    Closed(CloseReason),
    /// The moment of the last `Wait` has come. Harmless when it has not.
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
    /// Send an event. While the socket is not connected it waits in the send buffer. Its name is none of
    /// [`super::RESERVED_EVENTS`].
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
    /// An attempt to connect failed, or took too long (then [`CloseReason::ForcedClose`]).
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
pub struct Manager {
    options: ManagerOptions,
    entropy: Arc<dyn Entropy>,
    auth: Option<Value>,
    connection: Connection,
    backoff: Backoff,
    emits: Emits,
    /// What the server asked on this connection.
    unanswered: Unanswered,
    outputs: VecDeque<ManagerOutput>,
}

/// How the connection stands.
#[derive(Debug)]
enum Connection {
    /// The application has not asked for one.
    Idle,
    /// Transport and engine handshake.
    Dialing { until: Time },
    /// CONNECT was sent. A server may emit before it answers; the application hears that after the answer.
    Joining { early: Vec<Packet> },
    /// The namespace answered.
    Connected,
    /// Told to close; `next` begins when the session is over.
    Closing { next: Next },
    /// The next attempt is scheduled.
    Backoff { attempt: u32, at: Time },
}

/// What begins when a session is over.
#[derive(Debug, Clone, Copy)]
enum Next {
    Idle,
    Retry,
    Dial,
}

impl Manager {
    /// A client that has not connected.
    pub fn new(options: ManagerOptions, entropy: Arc<dyn Entropy>) -> Self {
        let backoff = Backoff::new(&options.reconnect);
        Self {
            options,
            entropy,
            auth: None,
            connection: Connection::Idle,
            backoff,
            emits: Emits::default(),
            unanswered: Unanswered::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: ManagerInput, now: Time) {
        debug_assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        match input {
            ManagerInput::Opened => self.on_opened(),
            ManagerInput::Received(packet) => self.on_packet(packet),
            ManagerInput::Closed(reason) => self.on_closed(reason, now),
            ManagerInput::TimedOut => self.on_timed_out(now),
            ManagerInput::Command(command) => self.on_command(command, now),
        }
    }

    /// The next thing to do. After [`ManagerOutput::Wait`], the next input.
    pub fn poll_output(&mut self) -> ManagerOutput {
        self.outputs.pop_front().unwrap_or_else(|| self.wait())
    }

    fn wait(&self) -> ManagerOutput {
        let (stirs, why) = match self.connection {
            Connection::Idle => (None, ManagerWaiting::Command),
            Connection::Dialing { until } => (Some(until), ManagerWaiting::Handshake),
            Connection::Joining { .. } => (None, ManagerWaiting::Namespace),
            Connection::Connected => (None, ManagerWaiting::Traffic),
            Connection::Closing { .. } => (None, ManagerWaiting::Closing),
            Connection::Backoff { attempt, at } => (Some(at), ManagerWaiting::Backoff { attempt, at }),
        };
        let until = [stirs, self.emits.deadline()].into_iter().flatten().min();
        ManagerOutput::Wait { until, why }
    }

    fn event(&mut self, event: ManagerEvent) {
        self.outputs.push_back(ManagerOutput::Event(event));
    }
}
