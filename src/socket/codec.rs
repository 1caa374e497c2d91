//! Packets as engine messages: `type [namespace ","] [ack id] [JSON]` (Socket.IO v5 "Packet encoding").

use std::sync::Arc;

use crate::engine::Message;

use super::{Packet, PacketError};

/// A packet in its wire form: one engine message, later followed by its attachments. Encoded once, sent to many.
pub type Encoded = Arc<[Message]>;

/// The wire form of a packet.
pub fn encode(_packet: &Packet) -> Encoded {
    todo!()
}

/// Turns the messages of one connection into packets.
#[derive(Debug, Default)]
pub struct Decoder {}

impl Decoder {
    /// Takes the next message; a packet when one is complete.
    ///
    /// # Errors
    /// When the peer sent what is not Socket.IO; the connection must then be closed.
    pub fn receive(&mut self, _message: Message) -> Result<Option<Packet>, PacketError> {
        todo!()
    }
}
