//! What the tests of this layer share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::engine::{CloseReason, Entropy, Message, Time};

use super::{AckId, Args, Encoded, Kind, Namespace, Packet, RESERVED_EVENTS};

/// Counts: each draw is the bytes of the next number.
#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (byte, value) in bytes.iter_mut().zip(number.into_iter().cycle()) {
            *byte = value;
        }
    }
}

pub(super) fn counting() -> Arc<dyn Entropy> {
    Arc::new(Counting::default())
}

/// Draws one fraction of the unit interval for ever.
pub(super) struct Always(pub(super) f64);

impl Entropy for Always {
    fn fill(&self, bytes: &mut [u8]) {
        let draw = (self.0 * (1_u64 << 53) as f64) as u64;
        bytes.copy_from_slice(&(draw << 11).to_le_bytes());
    }
}

pub(super) fn at(seconds: u64) -> Time {
    Time::from_start(std::time::Duration::from_secs(seconds))
}

pub(super) fn args(values: &[&str]) -> Args {
    values.iter().map(|&value| value.into()).collect::<Vec<Value>>().into()
}

/// The text of a packet's only message.
pub(super) fn text(encoded: &Encoded) -> &str {
    match &**encoded {
        [Message::Text(text)] => text.as_str(),
        other => panic!("one text message, not {other:?}"),
    }
}

/// The text of a packet, whatever is attached to it.
pub(super) fn text_of(encoded: &Encoded) -> &str {
    match encoded.first() {
        Some(Message::Text(text)) => text.as_str(),
        other => panic!("a text message comes first, not {other:?}"),
    }
}

pub(super) fn packet(kind: Kind) -> Packet {
    Packet { namespace: Namespace::MAIN, kind }
}

pub(super) fn event(name: &str, values: &[&str], ack: Option<u64>) -> Packet {
    packet(Kind::Event { name: name.into(), args: args(values), ack: ack.map(AckId) })
}

fn arbitrary_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Quarters: serde_json reads other fractions back with an error in the last place.
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// JSON first, then bytes, bare and within.
fn arbitrary_args() -> impl Strategy<Value = Args> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..4).prop_map(Bytes::from);
    let values = proptest::collection::vec(arbitrary_value(), 0..4);
    (values, proptest::collection::vec((bytes, any::<bool>()), 0..3)).prop_map(|(values, attached)| {
        attached.iter().fold(Args::from(values), |args, (bytes, within)| {
            let added = if *within { args.and(&("beside", [bytes])) } else { args.and(bytes) };
            added.expect("no arbitrary key begins with an underscore")
        })
    })
}

/// Messages that are nearly packets with attachments.
pub(super) fn arbitrary_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        "5[0-3]-[0-9]{0,1}\\[\"a\",\\{\"_placeholder\":true,\"num\":[0-3]\\}\\]"
            .prop_map(|text| Message::text(&text)),
        "[0-6][0-9]{0,1}\\[\"a\"\\]".prop_map(|text| Message::text(&text)),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(|bytes| Message::Binary(bytes.into())),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(|bytes| Message::Binary(bytes.into())),
    ]
}

/// Valid packets of every type; namespaces without the characters that end them.
pub(super) fn arbitrary_packet() -> impl Strategy<Value = Packet> {
    let object = proptest::collection::vec((".{0,4}", arbitrary_value()), 0..3)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()));
    let ack_id = || prop_oneof![any::<u64>(), 0_u64..4].prop_map(AckId);
    let name = ".{0,8}".prop_filter("reserved", |name| !RESERVED_EVENTS.contains(&name.as_str()));
    let kind = prop_oneof![
        1 => Just(Kind::Connect(None)),
        1 => object.prop_map(|auth| Kind::Connect(Some(auth))),
        1 => ".{0,4}".prop_map(|sid| Kind::Connect(Some(json!({ "sid": sid })))),
        1 => Just(Kind::Disconnect),
        4 => (name, arbitrary_args(), proptest::option::of(ack_id()))
            .prop_map(|(name, args, ack)| Kind::Event { name: name.into(), args, ack }),
        2 => (ack_id(), arbitrary_args()).prop_map(|(id, args)| Kind::Ack { id, args }),
        1 => ".{0,8}".prop_map(|message| Kind::ConnectError(json!({ "message": message }))),
    ];
    (prop_oneof![6 => Just("/".to_owned()), 1 => "/[^,?]{0,6}"], kind)
        .prop_map(|(namespace, kind)| Packet { namespace: Namespace::new(&namespace), kind })
}

pub(super) fn arbitrary_close_reason() -> impl Strategy<Value = CloseReason> {
    prop_oneof![
        Just(CloseReason::TransportClose),
        Just(CloseReason::TransportError),
        Just(CloseReason::PingTimeout),
        Just(CloseReason::ForcedClose),
        Just(CloseReason::ParseError),
    ]
}
