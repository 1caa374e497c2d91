//! Packets as WebSocket frames: one packet a frame, `type` then data; binary messages are raw (Engine.IO v4 "Protocol").

use bytes::Bytes;
use bytestring::ByteString;
use thiserror::Error;

use super::{Handshake, HandshakeError};

/// One WebSocket message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

impl Frame {
    /// How many bytes it carries.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it carries none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The type character of a message packet.
const MESSAGE: char = '4';

/// A text message in its wire form, so that what goes to many peers is encoded once and never copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMessage(ByteString);

impl TextMessage {
    /// Builds the message in place, behind its type character.
    pub fn build(write: impl FnOnce(&mut String)) -> Self {
        let mut wire = String::from(MESSAGE);
        write(&mut wire);
        Self(wire.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0[MESSAGE.len_utf8()..]
    }
}

/// A message: what the layer above sends, opaque here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(TextMessage),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// A text message.
    pub fn text(text: &str) -> Self {
        Self::Text(TextMessage::build(|wire| wire.push_str(text)))
    }

    /// How many bytes it takes on the wire, WebSocket header excluded.
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Text(text) => text.0.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// An Engine.IO packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// `0`, server: the handshake.
    Open(Handshake),
    /// `1`: the session is over.
    Close,
    /// `2`, server in a heartbeat (empty) or client in an upgrade (`probe`).
    Ping(ByteString),
    /// `3`: the answer to a ping, with its data.
    Pong(ByteString),
    /// `4` and text, or a binary frame.
    Message(Message),
    /// `5`, client: the upgrade is done.
    Upgrade,
    /// `6`, server: frees a waiting poll.
    Noop,
}

/// A frame that is not a packet.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PacketError {
    /// A text frame of zero bytes.
    #[error("packet is empty")]
    Empty,
    /// No packet type has this character.
    #[error("packet type {0:?} is unknown")]
    UnknownType(char),
    /// An `open` packet with a bad handshake.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

impl Packet {
    /// The frame that carries this packet.
    pub fn encode(&self) -> Frame {
        let text = match self {
            Self::Open(handshake) => format!("0{}", handshake.to_json()).into(),
            Self::Close => ByteString::from_static("1"),
            Self::Ping(data) => format!("2{data}").into(),
            Self::Pong(data) => format!("3{data}").into(),
            Self::Message(Message::Text(text)) => text.0.clone(),
            Self::Message(Message::Binary(bytes)) => return Frame::Binary(bytes.clone()),
            Self::Upgrade => ByteString::from_static("5"),
            Self::Noop => ByteString::from_static("6"),
        };
        Frame::Text(text)
    }

    /// The packet in a frame.
    ///
    /// # Errors
    /// When the frame is empty, its type is unknown, or a handshake is not valid.
    pub fn decode(frame: Frame) -> Result<Self, PacketError> {
        let text = match frame {
            Frame::Binary(bytes) => return Ok(Self::Message(Message::Binary(bytes))),
            Frame::Text(text) => text,
        };
        let kind = text.chars().next().ok_or(PacketError::Empty)?;
        let data = || ByteString::from(&text[kind.len_utf8()..]);
        Ok(match kind {
            '0' => Self::Open(Handshake::from_json(&data())?),
            '1' => Self::Close,
            '2' => Self::Ping(data()),
            '3' => Self::Pong(data()),
            MESSAGE => Self::Message(Message::Text(TextMessage(text))),
            '5' => Self::Upgrade,
            '6' => Self::Noop,
            unknown => return Err(PacketError::UnknownType(unknown)),
        })
    }
}
