//! Packets as engine messages: `type [namespace ","] [ack id] [JSON]` (Socket.IO v5 "Packet encoding").
//!
//! Takes packets and gives messages, and back. What is decoded is valid: a payload that does not fit its packet's type,
//! and an event with a reserved name, are errors of the peer. Knows no connection and no acknowledgement's history.

use std::fmt::Write as _;
use std::sync::Arc;

use bytestring::ByteString;
use serde_json::{Number, Value};

use crate::engine::{Message, TextMessage};

use super::{AckId, Args, Kind, Namespace, Packet, PacketError};

/// A packet in its wire form: one engine message, later followed by its attachments. Encoded once, sent to many.
pub type Encoded = Arc<[Message]>;

/// Names that mean something to the client or server itself. Events cannot have them: a peer closes the connection on
/// which one arrives.
pub const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// The wire form of a packet.
pub fn encode(packet: &Packet) -> Encoded {
    Arc::from([Message::Text(TextMessage::build(|wire| write_packet(wire, packet)))])
}

fn write_packet(wire: &mut String, packet: &Packet) {
    wire.push(match packet.kind {
        Kind::Connect(_) => '0',
        Kind::Disconnect => '1',
        Kind::Event { .. } => '2',
        Kind::Ack { .. } => '3',
        Kind::ConnectError(_) => '4',
    });
    if packet.namespace != Namespace::MAIN {
        wire.push_str(packet.namespace.as_str());
        wire.push(',');
    }
    match &packet.kind {
        Kind::Connect(None) | Kind::Disconnect => {}
        Kind::Connect(Some(payload)) | Kind::ConnectError(payload) => push(wire, payload),
        Kind::Event { name, args, ack } => {
            if let Some(AckId(id)) = ack {
                push(wire, id);
            }
            let name = serde_json::to_string(&**name).expect("a string always serialises");
            write_array(wire, Some(name), args);
        }
        Kind::Ack { id: AckId(id), args } => {
            push(wire, id);
            write_array(wire, None, args);
        }
    }
}

fn write_array(wire: &mut String, name: Option<String>, Args(args): &Args) {
    let mut separator = '[';
    if let Some(name) = name {
        wire.push(separator);
        wire.push_str(&name);
        separator = ',';
    }
    for arg in args {
        wire.push(separator);
        push(wire, arg);
        separator = ',';
    }
    if separator == '[' {
        wire.push('[');
    }
    wire.push(']');
}

fn push(wire: &mut String, value: &impl std::fmt::Display) {
    write!(wire, "{value}").expect("writing to a string cannot fail");
}

/// Turns the messages of one connection into packets.
#[derive(Debug, Default)]
pub struct Decoder {}

impl Decoder {
    /// Takes the next message; a packet when one is complete.
    ///
    /// # Errors
    /// When the peer sent what is not Socket.IO; the connection must then be closed.
    pub fn receive(&mut self, message: Message) -> Result<Option<Packet>, PacketError> {
        match message {
            Message::Text(text) => decode(text.as_str()).map(Some),
            Message::Binary(_) => Err(PacketError::StrayBinary),
        }
    }
}

fn decode(text: &str) -> Result<Packet, PacketError> {
    let kind = text.chars().next().ok_or(PacketError::Empty)?;
    if !('0'..='4').contains(&kind) {
        return Err(PacketError::UnknownType(kind));
    }
    let (namespace, rest) = split_namespace(&text[kind.len_utf8()..]);
    let (id, rest) = split_ack_id(rest)?;
    let payload = parse_payload(rest, text.len() - rest.len())?;
    let kind = match (kind, payload) {
        ('0', None) => Kind::Connect(None),
        ('0', Some(payload @ Value::Object(_))) => Kind::Connect(Some(payload)),
        ('0', Some(_)) => return Err(PacketError::BadPayload("CONNECT")),
        ('1', None) => Kind::Disconnect,
        ('1', Some(_)) => return Err(PacketError::BadPayload("DISCONNECT")),
        ('2', Some(Value::Array(values))) => event(values, id)?,
        ('2', _) => return Err(PacketError::BadPayload("EVENT")),
        ('3', Some(Value::Array(values))) => {
            Kind::Ack { id: id.ok_or(PacketError::BadAckId)?, args: Args(values) }
        }
        ('3', _) => return Err(PacketError::BadPayload("ACK")),
        ('4', Some(payload @ (Value::Object(_) | Value::String(_)))) => Kind::ConnectError(payload),
        ('4', _) => return Err(PacketError::BadPayload("CONNECT_ERROR")),
        (unknown, _) => return Err(PacketError::UnknownType(unknown)),
    };
    Ok(Packet { namespace, kind })
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

fn split_ack_id(text: &str) -> Result<(Option<AckId>, &str), PacketError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let id = digits.parse().map_err(|_| PacketError::BadAckId)?;
    Ok((Some(AckId(id)), rest))
}

fn parse_payload(json: &str, at: usize) -> Result<Option<Value>, PacketError> {
    if json.is_empty() {
        return Ok(None);
    }
    let payload = serde_json::from_str(json)
        .map_err(|error| PacketError::BadJson { at, message: error.to_string() })?;
    Ok(Some(payload))
}

fn event(mut values: Vec<Value>, ack: Option<AckId>) -> Result<Kind, PacketError> {
    if values.is_empty() {
        return Err(PacketError::BadPayload("EVENT"));
    }
    let args = Args(values.split_off(1));
    let name: ByteString = match values.pop() {
        Some(Value::String(name)) if !RESERVED_EVENTS.contains(&name.as_str()) => name.into(),
        Some(Value::Number(number)) => decimal(&number).into(),
        _ => return Err(PacketError::BadPayload("EVENT")),
    };
    Ok(Kind::Event { name, args, ack })
}

/// A number as JavaScript would use it for an event's name: `1` and `1.0` are the same event.
fn decimal(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float.to_string(),
        Some(_) | None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::arbitrary_packet;
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    fn wire(packet: &Packet) -> String {
        match &*encode(packet) {
            [Message::Text(text)] => text.as_str().to_owned(),
            other => panic!("one text message, not {other:?}"),
        }
    }

    fn receive(text: &str) -> Result<Packet, PacketError> {
        let packet = Decoder::default().receive(Message::text(text))?;
        Ok(packet.expect("without attachments each message is a packet"))
    }

    fn main(kind: Kind) -> Packet {
        Packet { namespace: Namespace::MAIN, kind }
    }

    fn event(name: &str, args: Vec<Value>, ack: Option<u64>) -> Kind {
        Kind::Event { name: name.into(), args: Args(args), ack: ack.map(AckId) }
    }

    #[test]
    fn packets_look_like_the_protocol_says() {
        let admin = |kind| Packet { namespace: Namespace::new("admin"), kind };
        for (packet, text) in [
            (main(Kind::Connect(None)), "0"),
            (main(Kind::Connect(Some(json!({"token": "123"})))), r#"0{"token":"123"}"#),
            (admin(Kind::Connect(None)), "0/admin,"),
            (main(Kind::Disconnect), "1"),
            (admin(Kind::Disconnect), "1/admin,"),
            (main(event("foo", vec![json!(1), json!({"a": [null]})], None)), r#"2["foo",1,{"a":[null]}]"#),
            (main(event("say \"hi\"", vec![], Some(12))), r#"212["say \"hi\""]"#),
            (admin(event("foo", vec![], Some(0))), r#"2/admin,0["foo"]"#),
            (main(Kind::Ack { id: AckId(12), args: Args::none() }), "312[]"),
            (
                admin(Kind::Ack { id: AckId(7), args: Args(vec![json!("ok"), json!(2)]) }),
                r#"3/admin,7["ok",2]"#,
            ),
            (main(Kind::ConnectError(json!({"message": "no"}))), r#"4{"message":"no"}"#),
        ] {
            assert_eq!(wire(&packet), text);
            assert_eq!(receive(text), Ok(packet));
        }
    }

    #[test]
    fn a_namespace_ends_at_the_comma_or_at_the_end_and_loses_its_query() {
        for text in ["0/admin", "0/admin,", "0/admin?token=1", "0/admin?token=1,"] {
            let packet = Packet { namespace: Namespace::new("/admin"), kind: Kind::Connect(None) };
            assert_eq!(receive(text), Ok(packet), "for {text:?}");
        }
        assert_eq!(receive("0/?token=1,{}"), Ok(main(Kind::Connect(Some(json!({}))))));
    }

    #[test]
    fn a_number_is_an_event_name_too() {
        for (text, name) in [
            ("2[1]", "1"),
            ("2[1.0]", "1"),
            ("2[-2.5]", "-2.5"),
            ("2[18446744073709551615]", "18446744073709551615"),
        ] {
            assert_eq!(receive(text), Ok(main(event(name, vec![], None))));
        }
    }

    #[test]
    fn reserved_names_are_refused() {
        for name in RESERVED_EVENTS {
            assert_eq!(receive(&format!("2[\"{name}\"]")), Err(PacketError::BadPayload("EVENT")));
        }
    }

    #[test]
    fn a_payload_must_fit_its_type() {
        for (texts, kind) in [
            (&["0[]", "0null", "0\"auth\"", "01 2"][..], "CONNECT"),
            (&["1{}", "1[]", "1null"], "DISCONNECT"),
            (&["2", "21", "2{}", "2[]", "2[{}]", "2[null]", "2[[\"a\"]]", "2\"a\""], "EVENT"),
            (&["3", "31", "31{}", "31null"], "ACK"),
            (&["4", "4[]", "4null", "41"], "CONNECT_ERROR"),
        ] {
            for text in texts {
                assert_eq!(receive(text), Err(PacketError::BadPayload(kind)), "for {text:?}");
            }
        }
    }

    #[test]
    fn bad_json_is_located() {
        for (text, at) in [("2[\"a\"", 1), ("2/admin,17x", 10), ("0{", 1), ("251-[\"a\"]", 3)] {
            match receive(text) {
                Err(PacketError::BadJson { at: found, .. }) => assert_eq!(found, at, "for {text:?}"),
                other => panic!("{text:?} gave {other:?}"),
            }
        }
        let deep = format!("2{}", "[".repeat(100_000));
        assert!(matches!(receive(&deep), Err(PacketError::BadJson { .. })));
    }

    #[test]
    fn an_acknowledgement_needs_an_id_of_64_bits() {
        assert_eq!(receive("3[]"), Err(PacketError::BadAckId));
        assert_eq!(receive("318446744073709551616[]"), Err(PacketError::BadAckId));
        assert_eq!(receive("299999999999999999999[\"a\"]"), Err(PacketError::BadAckId));
    }

    #[test]
    fn what_no_packet_announces_is_refused() {
        assert_eq!(receive(""), Err(PacketError::Empty));
        for (text, kind) in [("51-[\"a\"]", '5'), ("61-1[]", '6'), ("7", '7'), ("\u{e9}", '\u{e9}')] {
            assert_eq!(receive(text), Err(PacketError::UnknownType(kind)));
        }
        let bytes = Message::Binary(Bytes::from_static(&[4]));
        assert_eq!(Decoder::default().receive(bytes), Err(PacketError::StrayBinary));
    }

    proptest! {
        #[test]
        fn a_packet_survives_the_wire(packet in arbitrary_packet()) {
            prop_assert_eq!(receive(&wire(&packet)), Ok(packet));
        }

        #[test]
        fn no_text_panics(anything in ".*", nearly in "[0-6](/[a-z?]*,?)?[0-9]{0,22}[\\[\\]{}\",0-9a-z]{0,12}") {
            drop(receive(&anything));
            drop(receive(&nearly));
        }
    }
}
