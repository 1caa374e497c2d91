//! What is promised, and the options of clients that make it possible.
//!
//! They read and print the same in scenarios and in plans. Names and defaults are the official client's where it has them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use squall::chat::ChatOptions;
use squall::chat::wire::DEFAULT_ROOM;

use crate::units::Span;

use super::terms::Name;

/// The least that every message of a scenario is promised. What is excused of one message depends on how its sender sends
/// and its receiver receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// No message is repeated or reordered; it may be lost where a fault touched a connection of its sender or receiver.
    AtMostOnce,
    /// No message is lost or reordered, unless its sender is told that sending failed; it may be repeated.
    AtLeastOnce,
    /// Each acknowledged message is shown once, in one order, to everyone; nothing is excused.
    ExactlyOnce,
}

impl Guarantee {
    /// As scenarios name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtMostOnce => "at_most_once",
            Self::AtLeastOnce => "at_least_once",
            Self::ExactlyOnce => "exactly_once",
        }
    }

    /// Whether a client that sends like this can keep it.
    pub fn allows_send(self, send: Send) -> bool {
        match (self, send) {
            (Self::AtMostOnce, _) | (Self::AtLeastOnce, Send::Retry | Send::Manual) | (_, Send::Outbox) => {
                true
            }
            (Self::AtLeastOnce, Send::Plain)
            | (Self::ExactlyOnce, Send::Plain | Send::Retry | Send::Manual) => false,
        }
    }

    /// Whether a client that receives like this can keep it.
    pub fn allows_receive(self, receive: Receive) -> bool {
        match (self, receive) {
            (Self::AtMostOnce, _) | (_, Receive::Resume) => true,
            (Self::AtLeastOnce | Self::ExactlyOnce, Receive::Live) => false,
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A client's options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPlan {
    /// How it sends.
    pub send: Send,
    /// How it receives.
    pub receive: Receive,
    /// What it connects over, the first first.
    #[serde(default = "default_transports")]
    pub transports: Vec<Transport>,
    /// Whether it connects again by itself.
    #[serde(default = "default_reconnection")]
    pub reconnection: bool,
    /// After how many failed attempts it gives up; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconnection_attempts: Option<u32>,
    /// The delay before the first attempt, before jitter.
    #[serde(default = "default_reconnection_delay")]
    pub reconnection_delay: Span,
    /// The longest delay, after jitter.
    #[serde(default = "default_reconnection_delay_max")]
    pub reconnection_delay_max: Span,
    /// How often `retry` and `manual` send again before they report that sending failed.
    #[serde(default = "default_retries")]
    pub retries: u32,
    /// How long it waits for an acknowledgement before it sends again.
    pub ack_timeout: Span,
    /// The chat rooms that each of its lives is in from the start.
    #[serde(default = "default_rooms")]
    pub rooms: Vec<Name>,
    /// What becomes of what its user does while it does not run.
    #[serde(default, skip_serializing_if = "WhileDead::waits")]
    pub while_dead: WhileDead,
}

impl Default for ClientPlan {
    /// What a scenario means that says nothing.
    fn default() -> Self {
        Self {
            send: Send::default(),
            receive: Receive::default(),
            transports: default_transports(),
            reconnection: default_reconnection(),
            reconnection_attempts: None,
            reconnection_delay: default_reconnection_delay(),
            reconnection_delay_max: default_reconnection_delay_max(),
            retries: default_retries(),
            ack_timeout: Span(ChatOptions::default().ack_timeout),
            rooms: default_rooms(),
            while_dead: WhileDead::default(),
        }
    }
}

/// WebSocket alone.
pub(super) fn default_transports() -> Vec<Transport> {
    vec![Transport::Websocket]
}

/// Yes.
pub(super) fn default_reconnection() -> bool {
    true
}

/// A second.
pub(super) fn default_reconnection_delay() -> Span {
    Span(Duration::from_secs(1))
}

/// Five seconds.
pub(super) fn default_reconnection_delay_max() -> Span {
    Span(Duration::from_secs(5))
}

/// Three times.
pub(super) fn default_retries() -> u32 {
    3
}

/// The room of who names none.
pub(super) fn default_rooms() -> Vec<Name> {
    vec![Arc::from(DEFAULT_ROOM)]
}

/// What becomes of what a user does while the client does not run. Whether they want to be connected is known all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhileDead {
    /// The next life does it first: its user sits before a dead screen and tries again.
    #[default]
    Wait,
    /// It is never done.
    Skip,
}

impl WhileDead {
    fn waits(&self) -> bool {
        *self == Self::Wait
    }
}

/// How a client sends what its user says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Send {
    /// Once, without an id or an acknowledgement: `socket.emit`.
    Plain,
    /// By the client's option `retries`: without an id, one after the other, each again until acknowledged or given up.
    Retry,
    /// By the user's own loop over `socket.timeout(..)`: without an id, each for itself, again until acknowledged or given up.
    Manual,
    /// From a durable outbox, with an id, in order, until acknowledged.
    #[default]
    Outbox,
}

impl Send {
    /// As scenarios name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Retry => "retry",
            Self::Manual => "manual",
            Self::Outbox => "outbox",
        }
    }
}

/// How a client receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receive {
    /// What comes while it is connected, and nothing else.
    Live,
    /// From the start of the log; after a reconnection from where it was.
    #[default]
    Resume,
}

impl Receive {
    /// As scenarios name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Resume => "resume",
        }
    }
}

/// What carries a connection's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    Websocket,
}
