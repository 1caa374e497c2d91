//! What stands before a packet's payload: `type [attachments "-"] [namespace ","]` (Socket.IO v5 "Packet encoding").
//!
//! Text goes in, out come the header and the rest. Whoever only wants to know what passes by, and for which namespace, is
//! spared the payload.

use super::arguments::ATTACHMENTS_MAX;
use super::{Namespace, PacketError};

/// The types of packets. Whether an event or an acknowledgement is binary, its attachments say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketType {
    /// `0`
    Connect,
    /// `1`
    Disconnect,
    /// `2`, and `5` where attachments are announced.
    Event,
    /// `3`, and `6` where attachments are announced.
    Ack,
    /// `4`
    ConnectError,
}

/// The beginning of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What the packet is for.
    pub packet_type: PacketType,
    /// How many attachments come behind it.
    pub attachments: usize,
    /// Whose it is.
    pub namespace: Namespace,
}

impl Header {
    /// The header of a packet's text, and what comes behind it: an acknowledgement's id and the payload, unread.
    ///
    /// # Errors
    /// When the text begins like no packet.
    pub fn split(text: &str) -> Result<(Self, &str), PacketError> {
        let digit = text.chars().next().ok_or(PacketError::Empty)?;
        let packet_type = match digit {
            '0' => PacketType::Connect,
            '1' => PacketType::Disconnect,
            '2' | '5' => PacketType::Event,
            '3' | '6' => PacketType::Ack,
            '4' => PacketType::ConnectError,
            unknown => return Err(PacketError::UnknownType(unknown)),
        };
        let rest = &text[digit.len_utf8()..];
        let (attachments, rest) = if digit >= '5' { split_attachments(rest)? } else { (0, rest) };
        let (namespace, rest) = split_namespace(rest);
        Ok((Self { packet_type, attachments, namespace }, rest))
    }
}

fn split_attachments(text: &str) -> Result<(usize, &str), PacketError> {
    let (number, rest) = text.split_once('-').ok_or(PacketError::BadAttachments)?;
    // `parse` would also take a sign.
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|&number| digits && number <= ATTACHMENTS_MAX);
    Ok((number.ok_or(PacketError::BadAttachments)?, rest))
}

/// A namespace starts with `/` and ends at the first `,` or at the end. The query string that older clients append to
/// it is no part of its name.
fn split_namespace(text: &str) -> (Namespace, &str) {
    if !text.starts_with('/') {
        return (Namespace::MAIN, text);
    }
    let (name, rest) = text.split_once(',').unwrap_or((text, ""));
    let name = name.split_once('?').map_or(name, |(name, _query)| name);
    (Namespace::new(name), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_not_looked_at() {
        for (text, packet_type, attachments, namespace, rest) in [
            (r#"2["a""#, PacketType::Event, 0, "/", r#"["a""#),
            ("52-/admin,7[no", PacketType::Event, 2, "/admin", "7[no"),
            ("61-3[]", PacketType::Ack, 1, "/", "3[]"),
            ("0/admin?token=1", PacketType::Connect, 0, "/admin", ""),
        ] {
            let header = Header { packet_type, attachments, namespace: Namespace::new(namespace) };
            assert_eq!(Header::split(text), Ok((header, rest)));
        }
    }

    #[test]
    fn what_begins_like_no_packet_is_refused() {
        assert_eq!(Header::split(""), Err(PacketError::Empty));
        assert_eq!(Header::split("7[]"), Err(PacketError::UnknownType('7')));
        assert_eq!(Header::split("é"), Err(PacketError::UnknownType('é')));
        for text in ["5[]", "5+1-[]", "5-[]", "599999999999999999999-[]"] {
            assert_eq!(Header::split(text), Err(PacketError::BadAttachments), "for {text:?}");
        }
    }
}
