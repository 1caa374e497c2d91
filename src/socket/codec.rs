//! Packets as engine messages: `type [attachments "-"] [namespace ","] [ack id] [JSON]`, then a binary message for each
//! attachment (Socket.IO v5 "Packet encoding").
//!
//! Takes packets and gives messages, and back. What is decoded is valid: a payload that does not fit its packet's type,
//! an event with a reserved name, and attachments that do not come as announced, are errors of the peer. Knows no
//! connection and no acknowledgement's history.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::{Number, Value};

use crate::engine::{Message, TextMessage};

use super::arguments::push_json;
use super::header::{Header, PacketType};
use super::{AckId, Args, Kind, Namespace, Packet, PacketError};

/// A packet in its wire form: one text message, then its attachments. Encoded once, sent to many.
pub type Encoded = Arc<[Message]>;

/// Names that mean something to the client or server itself. Events cannot have them: a peer closes the connection on
/// which one arrives.
pub const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// The wire form of a packet.
pub fn encode(packet: &Packet) -> Encoded {
    let attachments = attachments(&packet.kind);
    let header = TextMessage::build(|wire| write_packet(wire, packet, attachments.len()));
    let attachments = attachments.iter().cloned().map(Message::Binary);
    std::iter::once(Message::Text(header)).chain(attachments).collect()
}

fn attachments(kind: &Kind) -> &[Bytes] {
    match kind {
        Kind::Event { args, .. } | Kind::Ack { args, .. } => args.attachments(),
        Kind::Connect(_) | Kind::Disconnect | Kind::ConnectError(_) => &[],
    }
}

fn write_packet(wire: &mut String, packet: &Packet, attachments: usize) {
    wire.push(match packet.kind {
        Kind::Connect(_) => '0',
        Kind::Disconnect => '1',
        Kind::Event { .. } if attachments > 0 => '5',
        Kind::Event { .. } => '2',
        Kind::Ack { .. } if attachments > 0 => '6',
        Kind::Ack { .. } => '3',
        Kind::ConnectError(_) => '4',
    });
    if attachments > 0 {
        push(wire, &attachments);
        wire.push('-');
    }
    if packet.namespace != Namespace::MAIN {
        wire.push_str(packet.namespace.as_str());
        wire.push(',');
    }
    match &packet.kind {
        Kind::Connect(None) | Kind::Disconnect => {}
        Kind::Connect(Some(payload)) | Kind::ConnectError(payload) => push_json(wire, payload),
        Kind::Event { name, args, ack } => {
            if let Some(AckId(id)) = ack {
                push(wire, id);
            }
            write_array(wire, Some(name), args);
        }
        Kind::Ack { id: AckId(id), args } => {
            push(wire, id);
            write_array(wire, None, args);
        }
    }
}

fn write_array(wire: &mut String, name: Option<&str>, args: &Args) {
    wire.push('[');
    if let Some(name) = name {
        push_json(wire, name);
        if !args.is_empty() {
            wire.push(',');
        }
    }
    args.write(wire);
    wire.push(']');
}

fn push(wire: &mut String, value: &impl std::fmt::Display) {
    write!(wire, "{value}").expect("writing to a string cannot fail");
}

/// Turns the messages of one connection into packets.
#[derive(Debug, Default)]
pub struct Decoder {
    incomplete: Option<Incomplete>,
}

/// A packet whose attachments have not all arrived.
#[derive(Debug)]
struct Incomplete {
    packet: Packet,
    announced: usize,
    attachments: Vec<Bytes>,
}

impl Decoder {
    /// Takes the next message; a packet when one is complete.
    ///
    /// # Errors
    /// When the peer sent what is not Socket.IO; the connection must then be closed.
    pub fn receive(&mut self, message: Message) -> Result<Option<Packet>, PacketError> {
        match (message, self.incomplete.take()) {
            (Message::Text(text), None) => {
                let (packet, announced) = decode(text.as_str())?;
                Ok(self.proceed(Incomplete { packet, announced, attachments: Vec::new() }))
            }
            (Message::Binary(bytes), Some(mut incomplete)) => {
                incomplete.attachments.push(bytes);
                Ok(self.proceed(incomplete))
            }
            (Message::Text(_), Some(_)) => Err(PacketError::MissingAttachment),
            (Message::Binary(_), None) => Err(PacketError::StrayBinary),
        }
    }

    fn proceed(&mut self, mut incomplete: Incomplete) -> Option<Packet> {
        if incomplete.attachments.len() < incomplete.announced {
            self.incomplete = Some(incomplete);
            return None;
        }
        if let Kind::Event { args, .. } | Kind::Ack { args, .. } = &mut incomplete.packet.kind {
            args.attach(incomplete.attachments);
        }
        Some(incomplete.packet)
    }
}

/// A packet without its attachments, and how many it announces.
fn decode(text: &str) -> Result<(Packet, usize), PacketError> {
    let (Header { packet_type, attachments, namespace }, rest) = Header::split(text)?;
    let (id, rest) = split_ack_id(rest)?;
    let payload = parse_payload(rest, text.len() - rest.len())?;
    let args = |values| Args::announced(values, attachments).map_err(|_| PacketError::BadPlaceholder);
    let kind = match (packet_type, payload) {
        (PacketType::Connect, None) => Kind::Connect(None),
        (PacketType::Connect, Some(payload @ Value::Object(_))) => Kind::Connect(Some(payload)),
        (PacketType::Connect, Some(_)) => return Err(PacketError::BadPayload("CONNECT")),
        (PacketType::Disconnect, None) => Kind::Disconnect,
        (PacketType::Disconnect, Some(_)) => return Err(PacketError::BadPayload("DISCONNECT")),
        (PacketType::Event, Some(Value::Array(mut values))) => {
            let name = event_name(&mut values)?;
            Kind::Event { name, args: args(values)?, ack: id }
        }
        (PacketType::Event, _) => return Err(PacketError::BadPayload("EVENT")),
        (PacketType::Ack, Some(Value::Array(values))) => {
            Kind::Ack { id: id.ok_or(PacketError::BadAckId)?, args: args(values)? }
        }
        (PacketType::Ack, _) => return Err(PacketError::BadPayload("ACK")),
        (PacketType::ConnectError, Some(payload @ (Value::Object(_) | Value::String(_)))) => {
            Kind::ConnectError(payload)
        }
        (PacketType::ConnectError, _) => return Err(PacketError::BadPayload("CONNECT_ERROR")),
    };
    Ok((Packet { namespace, kind }, attachments))
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

/// Takes the name out of an event's array.
fn event_name(values: &mut Vec<Value>) -> Result<ByteString, PacketError> {
    if values.is_empty() {
        return Err(PacketError::BadPayload("EVENT"));
    }
    match values.remove(0) {
        Value::String(name) if !RESERVED_EVENTS.contains(&name.as_str()) => Ok(name.into()),
        Value::Number(number) => Ok(decimal(&number).into()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Err(PacketError::BadPayload("EVENT"))
        }
    }
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
    use super::super::testing::{arbitrary_message, arbitrary_packet};
    use super::*;
    use crate::socket::args;
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

    /// What comes of the last message.
    fn receive_all(messages: &[Message]) -> Result<Option<Packet>, PacketError> {
        let mut decoder = Decoder::default();
        let (last, before) = messages.split_last().expect("there is a message");
        for message in before {
            assert_eq!(decoder.receive(message.clone()), Ok(None));
        }
        decoder.receive(last.clone())
    }

    fn binary(bytes: &'static [u8]) -> Message {
        Message::Binary(Bytes::from_static(bytes))
    }

    fn main(kind: Kind) -> Packet {
        Packet { namespace: Namespace::MAIN, kind }
    }

    fn event(name: &str, args: Vec<Value>, ack: Option<u64>) -> Kind {
        Kind::Event { name: name.into(), args: args.into(), ack: ack.map(AckId) }
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
                admin(Kind::Ack { id: AckId(7), args: vec![json!("ok"), json!(2)].into() }),
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
        for (text, kind) in [("7", '7'), ("\u{e9}", '\u{e9}')] {
            assert_eq!(receive(text), Err(PacketError::UnknownType(kind)));
        }
        assert_eq!(Decoder::default().receive(binary(&[4])), Err(PacketError::StrayBinary));
    }

    #[test]
    fn attachments_follow_their_packet_in_order() {
        let (one, two) = (Bytes::from_static(&[1]), Bytes::from_static(&[2, 2]));
        let event = Kind::Event { name: "foo".into(), args: args!["bar", one, [two]], ack: Some(AckId(9)) };
        let ack = Kind::Ack { id: AckId(7), args: args![Bytes::new()] };
        for (kind, text, attachments) in [
            (
                event,
                r#"52-/admin,9["foo","bar",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]"#,
                &[&[1][..], &[2, 2]][..],
            ),
            (ack, r#"61-/admin,7[{"_placeholder":true,"num":0}]"#, &[&[]]),
        ] {
            let packet = Packet { namespace: Namespace::new("admin"), kind };
            let mut messages = vec![Message::text(text)];
            messages.extend(attachments.iter().map(|bytes| binary(bytes)));

            assert_eq!(*encode(&packet), messages);
            assert_eq!(receive_all(&messages), Ok(Some(packet)));
        }
    }

    #[test]
    fn what_looks_like_a_placeholder_without_attachments_is_an_object() {
        let lookalike = json!({"_placeholder": true, "num": 3});
        for text in [r#"2["a",{"_placeholder":true,"num":3}]"#, r#"50-["a",{"_placeholder":true,"num":3}]"#] {
            assert_eq!(receive(text), Ok(main(event("a", vec![lookalike.clone()], None))));
        }
        assert_eq!(wire(&main(event("a", vec![lookalike], None))), r#"2["a",{"_placeholder":true,"num":3}]"#);
    }

    #[test]
    fn attachments_come_as_announced() {
        for text in [
            "5",
            "5[\"a\"]",
            "5-[\"a\"]",
            "5+1-[\"a\"]",
            "511-[\"a\"]",
            "599999999999999999999-[\"a\"]",
            "6x-1[]",
        ] {
            assert_eq!(receive(text), Err(PacketError::BadAttachments), "for {text:?}");
        }
        for text in [r#"51-["a",{"_placeholder":true,"num":1}]"#, r#"61-1[{"_placeholder":true}]"#] {
            assert_eq!(receive(text), Err(PacketError::BadPlaceholder), "for {text:?}");
        }
        assert_eq!(receive("51-[{\"_placeholder\":true,\"num\":0}]"), Err(PacketError::BadPayload("EVENT")));
        let announced = Message::text(r#"52-["a"]"#);
        assert_eq!(
            receive_all(&[announced.clone(), binary(&[1]), Message::text("2[\"b\"]")]),
            Err(PacketError::MissingAttachment)
        );
        let packet = receive_all(&[announced, binary(&[1]), binary(&[2])]);
        assert!(
            packet.is_ok_and(|packet| packet.is_some()),
            "what no placeholder names is taken all the same"
        );
    }

    proptest! {
        #[test]
        fn a_packet_survives_the_wire(packet in arbitrary_packet()) {
            prop_assert_eq!(receive_all(&encode(&packet)), Ok(Some(packet)));
        }

        #[test]
        fn no_messages_panic(messages in proptest::collection::vec(arbitrary_message(), 0..8)) {
            let mut decoder = Decoder::default();
            for message in messages {
                drop(decoder.receive(message));
            }
        }

        #[test]
        fn no_text_panics(anything in ".*", nearly in "[0-6]([0-9]{0,3}-)?(/[a-z?]*,?)?[0-9]{0,22}[\\[\\]{}\",0-9a-z]{0,12}") {
            drop(receive(&anything));
            drop(receive(&nearly));
        }
    }
}
