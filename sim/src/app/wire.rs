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
    /// The headers of the packets in the frames that these bytes complete.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Vec<Header> {
        if let Stage::Other = self.stage {
            return Vec::new();
        }
        self.rest.extend_from_slice(bytes);
        if let Stage::Head = self.stage {
            self.take_head();
        }
        let (mut headers, mut passed) = (Vec::new(), 0);
        while let Stage::Handshake | Stage::Session = self.stage
            && let Some(frame) = WebSocketFrame::first(&self.rest[passed..])
        {
            let (begins, ends) = (passed + frame.payload.start, passed + frame.payload.end);
            let text = std::str::from_utf8(&self.rest[begins..ends]).ok().filter(|_| frame.is_text);
            if let Some(text) = text {
                headers.extend(self.stage.on_text(text));
            }
            passed = ends;
        }
        self.rest.drain(..passed);
        headers
    }

    fn take_head(&mut self) {
        let Some(at) = self.rest.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
            return;
        };
        let is_websocket = self.rest.starts_with(b"HTTP/1.1 101 ");
        self.rest.drain(..at + HEAD_END.len());
        self.stage = if is_websocket { Stage::Handshake } else { Stage::Other };
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

    fn namespaces(headers: &[Header]) -> Vec<&str> {
        headers.iter().map(|header| header.namespace.as_str()).collect()
    }

    #[test]
    fn packets_are_found_however_the_bytes_come_in_pieces() {
        let long = format!(r#"42["{}"]"#, "x".repeat(500));
        let texts = [HANDSHAKE, "2", r#"42/events,["a"]"#, &long, r#"40/events,{"sid":"x"}"#];
        let stream = stream("101 Switching Protocols", &texts);
        for length in [1, 2, 3, 7, 100, stream.len()] {
            let mut wire = Wire::default();
            let headers: Vec<_> = stream.chunks(length).flat_map(|piece| wire.pass(piece)).collect();
            assert_eq!(namespaces(&headers), ["/events", "/", "/events"], "in pieces of {length}");
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
            assert_eq!(namespaces(&wire.pass(&stream)), [""; 0]);
            assert_eq!(namespaces(&wire.pass(&stream)), [""; 0]);
        }
    }
}
