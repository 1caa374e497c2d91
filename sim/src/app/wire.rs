//! What a server says over a WebSocket: in go the bytes that it writes on a stream, out come the headers of Socket.IO's packets.
//!
//! Reads streams that begin with the answer to a WebSocket's handshake and then carry an Engine.IO session from its start.
//! Of others, such as those of sessions that poll, nothing comes out: their packets go over several streams.

use std::ops::Range;

use squall::engine::{Frame, Packet as EnginePacket};
use squall::socket::Header;

/// The end of an HTTP head (RFC 9112 §2.1).
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A stream that is read along.
#[derive(Default)]
pub(super) struct Wire {
    stage: Stage,
    /// What has come and is not complete.
    rest: Vec<u8>,
}

#[derive(Default)]
enum Stage {
    /// HTTP answers.
    #[default]
    Head,
    /// The session's handshake is next.
    Handshake,
    Session,
    /// Nothing that is read here.
    Other,
}

impl Wire {
    /// Calls `see` with the headers of the packets in the frames that these bytes complete.
    pub(super) fn pass(&mut self, bytes: &[u8], mut see: impl FnMut(Header)) {
        if let Stage::Other = self.stage {
            return;
        }
        let mut rest = std::mem::take(&mut self.rest);
        let bytes = if rest.is_empty() {
            bytes
        } else {
            rest.extend_from_slice(bytes);
            &rest
        };
        let mut passed = if let Stage::Head = self.stage { self.stage.on_head(bytes) } else { 0 };
        while let Stage::Handshake | Stage::Session = self.stage
            && let Some(frame) = WebSocketFrame::first(&bytes[passed..])
        {
            let (begins, ends) = (passed + frame.payload.start, passed + frame.payload.end);
            let text = std::str::from_utf8(&bytes[begins..ends]).ok().filter(|_| frame.is_text);
            text.and_then(|text| self.stage.on_text(text)).into_iter().for_each(&mut see);
            passed = ends;
        }
        self.rest = bytes[passed..].to_vec();
    }
}

/// Where a frame's payload is.
struct WebSocketFrame {
    is_text: bool,
    payload: Range<usize>,
}

impl WebSocketFrame {
    /// The first frame, if it is complete (RFC 6455 §5.2): of a server, so not masked; of this one, so not in fragments.
    fn first(bytes: &[u8]) -> Option<Self> {
        let (opcode, length) = (bytes.first()? & 0x0f, *bytes.get(1)?);
        let (length, begins) = match length {
            126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            length => (u64::from(length), 2),
        };
        let ends = usize::try_from(length).ok()?.checked_add(begins)?;
        (ends <= bytes.len()).then_some(Self { is_text: opcode == 1, payload: begins..ends })
    }
}

impl Stage {
    /// How long the head is, as soon as it is complete.
    fn on_head(&mut self, bytes: &[u8]) -> usize {
        let Some(at) = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
            return 0;
        };
        let is_websocket = bytes.starts_with(b"HTTP/1.1 101 ");
        *self = if is_websocket { Self::Handshake } else { Self::Other };
        at + HEAD_END.len()
    }

    fn on_text(&mut self, text: &str) -> Option<Header> {
        match self {
            Self::Session => {
                // Engine.IO's type of a message (protocol v4, "Packet types").
                let (header, _payload) = Header::split(text.strip_prefix('4')?).ok()?;
                return Some(header);
            }
            Self::Handshake => {
                let packet = EnginePacket::decode(Frame::Text(text.into()));
                // A probe is no handshake: its session has begun elsewhere.
                let begins = matches!(packet, Ok(EnginePacket::Open(_)));
                *self = if begins { Self::Session } else { Self::Other };
            }
            Self::Head | Self::Other => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: &str =
        r#"0{"sid":"s","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;

    /// What a server writes: the answer to the handshake, then text in frames.
    fn stream(status: &str, texts: &[&str]) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {status}\r\nupgrade: websocket\r\n\r\n").into_bytes();
        for text in texts {
            bytes.push(0x81);
            match u16::try_from(text.len()).unwrap() {
                length @ 126.. => {
                    bytes.push(126);
                    bytes.extend(length.to_be_bytes());
                }
                length => bytes.push(length as u8),
            }
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    /// The namespaces of the packets in what comes in pieces.
    fn namespaces<'a>(wire: &mut Wire, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut namespaces = Vec::new();
        let mut see = |header: Header| namespaces.push(header.namespace.as_str().to_owned());
        pieces.into_iter().for_each(|piece| wire.pass(piece, &mut see));
        namespaces
    }

    #[test]
    fn packets_are_found_however_the_bytes_come_in_pieces() {
        let long = format!(r#"42["{}"]"#, "x".repeat(500));
        let texts = [HANDSHAKE, "2", r#"42/events,["a"]"#, &long, r#"40/events,{"sid":"x"}"#];
        let stream = stream("101 Switching Protocols", &texts);
        for length in [1, 2, 3, 7, 100, stream.len()] {
            let mut wire = Wire::default();
            let namespaces = namespaces(&mut wire, stream.chunks(length));
            assert_eq!(namespaces, ["/events", "/", "/events"], "in pieces of {length}");
            assert!(wire.rest.is_empty());
        }
    }

    #[test]
    fn of_what_begins_elsewhere_nothing_comes_out() {
        let event = r#"42["a"]"#;
        for stream in
            [stream("101 Switching Protocols", &["3probe", event]), stream("200 OK", &[HANDSHAKE, event])]
        {
            let mut wire = Wire::default();
            assert_eq!(namespaces(&mut wire, [&stream[..], &stream]), [""; 0]);
        }
    }
}
