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

/// How many bytes most messages have at most: no less is asked for, so that few grow as they are written.
const TYPICAL: usize = 128;

/// A text message in its wire form, so that what goes to many peers is encoded once and never copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMessage(ByteString);

impl TextMessage {
    /// Builds the message in place, behind its type character.
    pub fn build(write: impl FnOnce(&mut String)) -> Self {
        let mut wire = String::with_capacity(TYPICAL);
        wire.push(MESSAGE);
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
    /// A binary packet of a payload that is not base64.
    #[error("binary packet is not base64")]
    Base64,
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

#[cfg(test)]
mod tests {
    use super::super::testing::{arbitrary_frame, frame, handshake};
    use super::super::{Heartbeat, Sid};
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn arbitrary_packet() -> impl Strategy<Value = Packet> {
        let open = (".*", any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
            |(sid, interval, timeout, max_payload)| {
                let heartbeat = Heartbeat {
                    ping_interval: Duration::from_millis(interval),
                    ping_timeout: Duration::from_millis(timeout),
                };
                Packet::Open(Handshake { sid: Sid::from_peer(sid), upgrades: vec![], heartbeat, max_payload })
            },
        );
        prop_oneof![
            open,
            Just(Packet::Close),
            ".*".prop_map(|data| Packet::Ping(data.into())),
            ".*".prop_map(|data| Packet::Pong(data.into())),
            ".*".prop_map(|text| Packet::Message(Message::text(&text))),
            proptest::collection::vec(any::<u8>(), 0..64)
                .prop_map(|bytes| Packet::Message(Message::Binary(bytes.into()))),
            Just(Packet::Upgrade),
            Just(Packet::Noop),
        ]
    }

    #[test]
    fn packets_look_like_the_protocol_says() {
        for (packet, text) in [
            (Packet::Close, "1"),
            (Packet::Ping("".into()), "2"),
            (Packet::Ping("probe".into()), "2probe"),
            (Packet::Pong("probe".into()), "3probe"),
            (Packet::Message(Message::text("hello")), "4hello"),
            (Packet::Upgrade, "5"),
            (Packet::Noop, "6"),
        ] {
            assert_eq!(packet.encode(), frame(text));
        }
        assert_eq!(
            Packet::Open(handshake()).encode(),
            frame(
                r#"0{"sid":"sid","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
            )
        );
    }

    #[test]
    fn bytes_travel_without_a_type() {
        let bytes = Bytes::from_static(&[1, 2, 3]);

        assert_eq!(Packet::Message(Message::Binary(bytes.clone())).encode(), Frame::Binary(bytes));
    }

    #[test]
    fn what_is_no_packet_is_named() {
        assert_eq!(Packet::decode(frame("")), Err(PacketError::Empty));
        assert_eq!(Packet::decode(frame("7")), Err(PacketError::UnknownType('7')));
        assert_eq!(Packet::decode(frame("\u{20ac}uro")), Err(PacketError::UnknownType('\u{20ac}')));
        assert!(matches!(Packet::decode(frame("0null")), Err(PacketError::Handshake(_))));
    }

    #[test]
    fn a_message_knows_its_length_on_the_wire() {
        assert_eq!(Message::text("\u{e9}").wire_len(), 3);
        assert_eq!(Message::Binary(Bytes::from_static(&[0; 5])).wire_len(), 5);
    }

    proptest! {
        #[test]
        fn a_packet_survives_the_wire(packet in arbitrary_packet()) {
            prop_assert_eq!(Packet::decode(packet.encode()), Ok(packet));
        }

        #[test]
        fn no_frame_panics(text in ".*", frame in arbitrary_frame()) {
            drop(Packet::decode(Frame::Text(text.into())));
            drop(Packet::decode(frame));
        }
    }
}
