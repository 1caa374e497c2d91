//! The packets of Socket.IO v5 and what they carry.

use std::fmt;

use bytestring::ByteString;
use serde_json::Value;
use thiserror::Error;

use super::Args;

/// A namespace: `/` or `/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(ByteString);

impl Namespace {
    /// The main namespace, `/`.
    pub const MAIN: Self = Self(ByteString::from_static("/"));

    /// The namespace of that name; a leading `/` is added where it is missing.
    pub fn new(name: &str) -> Self {
        if name.starts_with('/') { Self(name.into()) } else { Self(format!("/{name}").into()) }
    }

    /// The name, with its leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ties an acknowledgement to its event; counted by the sender of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AckId(pub u64);

/// What a packet is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `0`. Client: asks for the namespace, with its `auth`. Server: `{ sid }`, the socket's id.
    Connect(Option<Value>),
    /// `1`: leaves the namespace.
    Disconnect,
    /// `2`, with attachments `5`: an event and its arguments; with an id, the sender waits for an acknowledgement.
    Event {
        /// The event's name.
        name: ByteString,
        /// What comes after the name.
        args: Args,
        /// The acknowledgement asked for.
        ack: Option<AckId>,
    },
    /// `3`, with attachments `6`: the answer to an event.
    Ack {
        /// Which.
        id: AckId,
        /// The answer.
        args: Args,
    },
    /// `4`, server: the namespace is refused, with `{ message, data }`.
    ConnectError(Value),
}

/// A packet of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Whose.
    pub namespace: Namespace,
    /// What.
    pub kind: Kind,
}

/// Messages that are not a packet.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PacketError {
    /// A text message of zero bytes.
    #[error("packet is empty")]
    Empty,
    /// No packet type has this character.
    #[error("packet type {0:?} is unknown")]
    UnknownType(char),
    /// An acknowledgement id that does not fit 64 bits, or an ACK without one.
    #[error("acknowledgement id is missing or too large")]
    BadAckId,
    /// A payload that is not JSON.
    #[error("payload at byte {at} is not JSON: {message}")]
    BadJson {
        /// Where the payload starts, in bytes.
        at: usize,
        /// What the parser says.
        message: String,
    },
    /// A payload that is JSON, but not what this type of packet carries.
    #[error("payload does not fit a packet of type {0}")]
    BadPayload(&'static str),
    /// A number of attachments that is missing, or too large to be taken.
    #[error("number of attachments is missing or too large")]
    BadAttachments,
    /// A placeholder that names none of the attachments announced.
    #[error("placeholder names no attachment")]
    BadPlaceholder,
    /// A text message while attachments are to come.
    #[error("text message in the place of an attachment")]
    MissingAttachment,
    /// A binary message that no packet announced.
    #[error("binary message without a packet that announces it")]
    StrayBinary,
}
