//! The client's machine: connects, connects again, buffers what is emitted meanwhile, and tracks acknowledgements.
//!
//! Takes what happens on the one engine session there is and what the application asks for each namespace, gives packets
//! in their wire form, events of each namespace and the next deadline. All namespaces share the session: it is there as
//! long as one of them is wanted.
//!
//! Promise: a session is dialled only when the one before is over, so that nothing late can be taken for something new;
//! in each namespace, each `Connected` has exactly one `Disconnected`, all that is `Received` lies between the two; each
//! [`EmitId`] is settled exactly once, or waits while it can still be answered. Knows no transport and nothing of what
//! an event means.

mod commands;
mod connection;
mod emits;
mod packets;
mod recovery;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use serde_json::Value;
use thiserror::Error;

use crate::engine::{CloseReason, Entropy, Sid, Time};

use super::unanswered::Unanswered;
use super::{
    AckError, AckId, Args, Backoff, DisconnectReason, EmitId, Encoded, Namespace, Packet, ReconnectOptions,
};

use emits::{EmitOptions, Emits};

/// The options of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagerOptions {
    /// How to reconnect.
    pub reconnect: ReconnectOptions,
    /// How long one attempt to connect may take, transport and handshake together.
    pub timeout: Duration,
    /// How often an event that is not acknowledged in time is sent again; `None`: every event is sent once. With
    /// retries, events that are not volatile go one at a time, the next only when the one before is acknowledged or
    /// given up, so that they keep their order; and the application on the other side must acknowledge each.
    pub retries: Option<u32>,
    /// How long to wait for an acknowledgement where the emit does not say; `None`: for ever. With retries, how long each
    /// try waits.
    pub ack_timeout: Option<Duration>,
}

impl Default for ManagerOptions {
    /// Reconnects; 20 s an attempt; sends once and waits for ever.
    fn default() -> Self {
        Self {
            reconnect: ReconnectOptions::default(),
            timeout: Duration::from_secs(20),
            retries: None,
            ack_timeout: None,
        }
    }
}

/// Options that do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// Retries, but no time after which to try again. (The reference implementation takes this, and then sends every
    /// event as often as it may.)
    #[error("`retries` needs `ack_timeout`: without it, no try is ever over")]
    RetriesWithoutAckTimeout,
}

/// What the world did.
#[derive(Debug)]
pub enum ManagerInput {
    /// The engine session asked for by [`ManagerOutput::Dial`] is open.
    Opened,
    /// A packet arrived. One that cannot be decoded is the driver's to answer: it closes the session, and says
    /// [`CloseReason::ParseError`].
    Received(Packet),
    /// The server's ping arrived.
    Pinged,
    /// The engine session is over, or the attempt failed. Given once for each `Dial`.
    Closed(CloseReason),
    /// The moment of the last `Wait` has come. Harmless when it has not.
    TimedOut,
    /// The application asks for something in a namespace.
    Command(Namespace, ManagerCommand),
}

/// What the application asks for, in one namespace.
#[derive(Debug)]
pub enum ManagerCommand {
    /// Connect, now. Does nothing where the socket is connected or on its way.
    Connect {
        /// Sent along at every CONNECT from now on.
        auth: Option<Value>,
    },
    /// Change what is sent along at the next CONNECT.
    SetAuth(Option<Value>),
    /// Whether [`ManagerOutput::AskAuth`] asks what to send along at each CONNECT, in place of what was set.
    AskAuth(bool),
    /// The answer to [`ManagerOutput::AskAuth`]. One that comes late, or a second time, is ignored.
    Auth(Option<Value>),
    /// Send an event. While the socket is not connected it waits in the send buffer. Its name is none of
    /// [`super::RESERVED_EVENTS`].
    Emit {
        /// The event's name.
        name: ByteString,
        /// Its arguments.
        args: Args,
        /// Wait for an acknowledgement, for so long (`None`: as the options say); the time starts now, connected or not.
        /// An event that times out in the send buffer is never sent. With retries, the time is that of each try, and
        /// starts when it is sent.
        ack: Option<(EmitId, Option<Duration>)>,
        /// Drop it where the socket is not connected, or the transport has something to write already; send it once. An
        /// acknowledgement that is waited for comes too late then.
        volatile: bool,
    },
    /// Answer an event of the server.
    Ack {
        /// The id that came with it.
        id: AckId,
        /// The answer.
        args: Args,
    },
    /// Leave, after what was sent before, and do not reconnect. The session is closed when no namespace wants it.
    Disconnect,
}

/// What became true in a namespace, in order. What concerns the session is said in each that wants it.
#[derive(Debug, PartialEq)]
pub enum ManagerEvent {
    /// The namespace answered. Comes before anything received on this connection.
    Connected {
        /// The socket's id, new for each connection that is not recovered.
        sid: Sid,
        /// Whether the server took up the socket where it was: what was missed follows, and nothing is lost.
        recovered: bool,
    },
    /// The namespace refused, with `{ message, data }`. The socket does not reconnect by itself.
    ConnectError(Value),
    /// An attempt to connect failed.
    ConnectFailed(CloseReason),
    /// An attempt to connect took longer than [`ManagerOptions::timeout`].
    ConnectTimedOut,
    /// Waiting to try again.
    Reconnecting {
        /// Which attempt, counted from one.
        attempt: u32,
        /// When it will be made.
        at: Time,
    },
    /// Trying again, now.
    ReconnectAttempt {
        /// Which attempt, counted from one.
        attempt: u32,
    },
    /// There is a session again; the namespaces are asked for next.
    Reconnected {
        /// How many attempts it took.
        attempts: u32,
    },
    /// All attempts failed: the client has given up.
    ReconnectFailed,
    /// The socket is disconnected.
    Disconnected(DisconnectReason),
    /// The server's ping arrived.
    Pinged,
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
    /// Send these engine messages if they can leave at once: if nothing that was sent before waits to be written. Else drop
    /// them.
    TransmitVolatile(Encoded),
    /// Close the engine session, after what was sent before, or drop the attempt; answer `Closed`.
    Close,
    /// Ask the application what to send along with CONNECT; CONNECT waits for [`ManagerCommand::Auth`].
    AskAuth(Namespace),
    /// Tell the application what happened in a namespace.
    Event(Namespace, ManagerEvent),
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
    /// For a namespace's answer.
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

/// The client's machine.
pub struct Manager {
    options: ManagerOptions,
    entropy: Arc<dyn Entropy>,
    connection: Connection,
    backoff: Backoff,
    sockets: BTreeMap<Namespace, Socket>,
    outputs: VecDeque<ManagerOutput>,
}

/// How the session stands.
#[derive(Debug)]
enum Connection {
    /// There is none, and none will come by itself.
    Idle,
    /// Transport and engine handshake.
    Dialing { until: Time },
    /// It carries packets.
    Open,
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

/// What there is of one namespace.
#[derive(Debug)]
struct Socket {
    /// Whether the application asked to connect, and neither side has ended that.
    wanted: bool,
    auth: Option<Value>,
    asks_auth: bool,
    standing: Standing,
    emits: Emits,
    /// What the server asked on this connection.
    unanswered: Unanswered,
    session: recovery::Session,
}

/// How a namespace stands.
#[derive(Debug)]
enum Standing {
    /// Nothing was asked of the server.
    Away,
    /// The application was asked what to send along with CONNECT.
    Asking,
    /// CONNECT was sent. A server may emit before it answers; the application hears that after the answer. Where the
    /// socket is not wanted any more, it leaves when it is answered.
    Joining { early: Vec<Packet> },
    /// The namespace answered.
    Connected,
}

impl Socket {
    fn is_connected(&self) -> bool {
        matches!(self.standing, Standing::Connected)
    }
}

impl Manager {
    /// A client that has not connected.
    ///
    /// # Errors
    /// When options do not go together.
    pub fn new(options: ManagerOptions, entropy: Arc<dyn Entropy>) -> Result<Self, OptionsError> {
        if options.retries.is_some() && options.ack_timeout.is_none() {
            return Err(OptionsError::RetriesWithoutAckTimeout);
        }
        let backoff = Backoff::new(&options.reconnect);
        Ok(Self {
            options,
            entropy,
            connection: Connection::Idle,
            backoff,
            sockets: BTreeMap::new(),
            outputs: VecDeque::new(),
        })
    }

    /// Takes one input.
    pub fn handle(&mut self, input: ManagerInput, now: Time) {
        debug_assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        match input {
            ManagerInput::Opened => self.on_opened(),
            ManagerInput::Received(packet) => self.on_packet(packet, now),
            ManagerInput::Pinged => self.on_pinged(),
            ManagerInput::Closed(reason) => self.on_closed(reason, now),
            ManagerInput::TimedOut => self.on_timed_out(now),
            ManagerInput::Command(namespace, command) => self.on_command(namespace, command, now),
        }
    }

    /// The next thing to do. After [`ManagerOutput::Wait`], the next input.
    pub fn poll_output(&mut self) -> ManagerOutput {
        self.outputs.pop_front().unwrap_or_else(|| self.wait())
    }

    fn wait(&self) -> ManagerOutput {
        let joining = |socket: &Socket| socket.wanted && !socket.is_connected();
        let (stirs, why) = match self.connection {
            Connection::Idle => (None, ManagerWaiting::Command),
            Connection::Dialing { until } => (Some(until), ManagerWaiting::Handshake),
            Connection::Open if self.sockets.values().any(joining) => (None, ManagerWaiting::Namespace),
            Connection::Open => (None, ManagerWaiting::Traffic),
            Connection::Closing { .. } => (None, ManagerWaiting::Closing),
            Connection::Backoff { attempt, at } => (Some(at), ManagerWaiting::Backoff { attempt, at }),
        };
        let answers = self.sockets.values().filter_map(|socket| socket.emits.deadline());
        ManagerOutput::Wait { until: answers.chain(stirs).min(), why }
    }

    fn socket(&mut self, namespace: &Namespace) -> &mut Socket {
        let ManagerOptions { retries, ack_timeout, .. } = self.options;
        self.sockets.entry(namespace.clone()).or_insert_with(|| Socket {
            wanted: false,
            auth: None,
            asks_auth: false,
            standing: Standing::Away,
            emits: Emits::new(EmitOptions { retries, ack_timeout }),
            unanswered: Unanswered::default(),
            session: recovery::Session::default(),
        })
    }

    /// The namespaces whose application waits for a connection or has one.
    fn wanted(&self) -> Vec<Namespace> {
        self.sockets.iter().filter(|(_, socket)| socket.wanted).map(|(name, _)| name.clone()).collect()
    }

    /// Whether a namespace connects by itself: from [`ManagerCommand::Connect`] until either side has ended that.
    pub fn is_active(&self, namespace: &Namespace) -> bool {
        self.sockets.get(namespace).is_some_and(|socket| socket.wanted)
    }

    fn is_wanted(&self) -> bool {
        self.sockets.values().any(|socket| socket.wanted)
    }

    fn event(&mut self, namespace: &Namespace, event: ManagerEvent) {
        self.outputs.push_back(ManagerOutput::Event(namespace.clone(), event));
    }

    /// Says what concerns the session.
    fn tell_wanted(&mut self, event: impl Fn() -> ManagerEvent) {
        for namespace in self.wanted() {
            self.event(&namespace, event());
        }
    }

    fn settled(&mut self, namespace: &Namespace, settled: impl IntoIterator<Item = emits::Settled>) {
        for (emit, result) in settled {
            self.event(namespace, ManagerEvent::Acked { emit, result });
        }
    }
}
