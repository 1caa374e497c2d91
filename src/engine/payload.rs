//! Packets as the body of a polling request: joined by the record separator, bytes as `b` and base64 (Engine.IO v4
//! "HTTP long-polling"). Frames in, a body out, and back to packets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use bytestring::ByteString;

use super::{Frame, Message, Packet, PacketError};

const SEPARATOR: char = '\x1e';

/// What stands for a binary message in a payload.
const BINARY: char = 'b';

/// How many bytes a frame takes in a payload.
pub(super) fn encoded_len(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => BINARY.len_utf8() + bytes.len().div_ceil(3) * 4,
    }
}

/// The body that carries these frames.
pub(super) fn encode(frames: impl IntoIterator<Item = Frame>) -> ByteString {
    let mut frames = frames.into_iter();
    let (first, second) = (frames.next(), frames.next());
    // Most bodies carry one packet, which needs no copy.
    if let (Some(Frame::Text(text)), None) = (&first, &second) {
        return text.clone();
    }
    let mut body = String::new();
    for (index, frame) in first.into_iter().chain(second).chain(frames).enumerate() {
        if index > 0 {
            body.push(SEPARATOR);
        }
        match frame {
            Frame::Text(text) => body.push_str(&text),
            Frame::Binary(bytes) => {
                body.push(BINARY);
                STANDARD.encode_string(bytes, &mut body);
            }
        }
    }
    body.into()
}

/// Takes as many frames from the front as fit into `limit` bytes, and at least one: what is larger by itself is the
/// server's to refuse.
pub(super) fn take_up_to(limit: u64, frames: &mut std::collections::VecDeque<Frame>) -> ByteString {
    let mut length = 0;
    let fits = frames.iter().take_while(|frame| {
        length += encoded_len(frame) as u64 + SEPARATOR.len_utf8() as u64;
        length - 1 <= limit
    });
    let count = fits.count().max(1).min(frames.len());
    encode(frames.drain(..count))
}

/// The packets of a body, in order. Nothing comes after the first error.
pub(super) fn decode(body: &ByteString) -> impl Iterator<Item = Result<Packet, PacketError>> {
    let mut failed = false;
    body.split(SEPARATOR)
        .map(decode_one)
        .take_while(move |packet| !std::mem::replace(&mut failed, packet.is_err()))
}

fn decode_one(text: &str) -> Result<Packet, PacketError> {
    match text.strip_prefix(BINARY) {
        Some(base64) => {
            let bytes = STANDARD.decode(base64).map_err(|_| PacketError::Base64)?;
            Ok(Packet::Message(Message::Binary(Bytes::from(bytes))))
        }
        None => Packet::decode(Frame::Text(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::super::testing::frame;
    use super::*;

    fn binary(bytes: &[u8]) -> Frame {
        Frame::Binary(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn a_payload_looks_like_the_protocol_says() {
        let body = encode([frame("4hello"), frame("2"), binary(&[1, 2, 3, 4])]);

        assert_eq!(&*body, "4hello\x1e2\x1ebAQIDBA==");
    }

    #[test]
    fn a_payload_stops_at_the_first_error() {
        let packets: Vec<_> = decode(&"4a\x1e9\x1e4b".into()).collect();

        assert_eq!(packets, [Ok(Packet::Message(Message::text("a"))), Err(PacketError::UnknownType('9'))]);
        assert_eq!(decode(&"".into()).collect::<Vec<_>>(), [Err(PacketError::Empty)]);
        assert_eq!(decode(&"b?".into()).collect::<Vec<_>>(), [Err(PacketError::Base64)]);
    }

    #[test]
    fn a_body_is_cut_at_the_limit_but_a_single_packet_never_is() {
        let mut frames = VecDeque::from([frame("4aa"), frame("4bb"), frame("4cc"), binary(&[0; 90])]);

        assert_eq!(&*take_up_to(7, &mut frames), "4aa\x1e4bb");
        assert_eq!(&*take_up_to(6, &mut frames), "4cc");
        assert_eq!(take_up_to(6, &mut frames).len(), 121);
        assert_eq!(frames, []);
    }

    /// What a session sends: no separator can be in it, because JSON escapes control characters.
    fn arbitrary_message() -> impl Strategy<Value = Message> {
        prop_oneof![
            "[^\x1e]{0,20}".prop_map(|text| Message::text(&text)),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Message::Binary(bytes.into())),
        ]
    }

    proptest! {
        #[test]
        fn messages_survive_a_body_and_fill_what_they_say(
            messages in proptest::collection::vec(arbitrary_message(), 1..8),
            limit in 0_u64..100,
        ) {
            let packets: Vec<_> = messages.into_iter().map(Packet::Message).collect();
            let mut frames: VecDeque<Frame> = packets.iter().map(Packet::encode).collect();
            let mut read = Vec::new();
            while !frames.is_empty() {
                let before = frames.len();
                let first = encoded_len(&frames[0]) as u64;
                let body = take_up_to(limit, &mut frames);
                prop_assert!(body.len() as u64 <= limit.max(first), "{} bytes", body.len());
                let packets: Vec<_> = decode(&body).collect::<Result<_, _>>()?;
                prop_assert_eq!(packets.len(), before - frames.len());
                read.extend(packets);
            }
            prop_assert_eq!(read, packets);
        }

        #[test]
        fn no_body_panics(body in ".{0,40}") {
            decode(&body.into()).for_each(drop);
        }
    }
}
