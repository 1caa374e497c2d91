//! Bytes of one direction of a TCP connection become the packets that are in them, as text: Engine.IO packets in the
//! bodies of HTTP and in WebSocket frames, `binary 00ff` for an attachment.
//!
//! HTTP is parsed by httparse, frame headers by tungstenite. Knows what both sides of these tests do: a length or chunks for
//! every body, no compression, no fragments.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

const RECORD_SEPARATOR: u8 = 0x1e;

/// Which protocol a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// A request for what comes next: how many there are is chance.
    Http,
    /// Requests that begin something, refusals, open, ping, pong, probe, upgrade, close.
    Engine,
    /// Socket.IO packets and their attachments.
    Socket,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

impl Direction {
    /// As the cases write it.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::ToServer => ">",
            Self::ToClient => "<",
        }
    }
}

/// What one direction of a connection says.
#[derive(Debug)]
pub(crate) struct Decoder {
    direction: Direction,
    rest: Vec<u8>,
    is_websocket: bool,
}

/// A packet, and the protocol it belongs to.
pub(crate) type Line = (Layer, String);

impl Decoder {
    /// At the beginning of a connection.
    pub(crate) fn new(direction: Direction) -> Self {
        Self { direction, rest: Vec::new(), is_websocket: false }
    }

    /// Whether it is a WebSocket, and no frame has begun that has not ended.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.is_websocket && self.rest.is_empty()
    }

    /// What these bytes complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Line> {
        self.rest.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while !self.rest.is_empty() {
            let taken = match (self.is_websocket, self.direction) {
                (true, _) => frame(&self.rest, &mut lines),
                (false, Direction::ToServer) => self.request(&mut lines),
                (false, Direction::ToClient) => self.response(&mut lines),
            };
            let Some(taken) = taken else { break };
            self.rest.drain(..taken);
        }
        lines
    }

    fn request(&mut self, lines: &mut Vec<Line>) -> Option<usize> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let head = request.parse(&self.rest).ok()?;
        let httparse::Status::Complete(head) = head else { return None };
        let target = request.path.unwrap_or_default().to_owned();
        let method = request.method.unwrap_or_default().to_owned();
        let upgrades = header(request.headers, "upgrade").is_some();
        let (body, taken) = body(&self.rest, head, request.headers)?;
        if upgrades {
            lines.push((Layer::Engine, "GET websocket".to_owned()));
            self.is_websocket = true;
        } else if !target.contains("sid=") {
            lines.push((Layer::Engine, "GET polling".to_owned()));
        } else if method == "GET" {
            lines.push((Layer::Http, "poll".to_owned()));
        }
        payload(&body, lines);
        Some(taken)
    }

    fn response(&mut self, lines: &mut Vec<Line>) -> Option<usize> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let head = response.parse(&self.rest).ok()?;
        let httparse::Status::Complete(head) = head else { return None };
        let status = response.code.unwrap_or_default();
        if status == 101 {
            self.is_websocket = true;
            return Some(head);
        }
        let (body, taken) = body(&self.rest, head, response.headers)?;
        match status {
            // The answer to a POST.
            200 if body == b"ok" => {}
            200 => payload(&body, lines),
            _ => lines.push((Layer::Engine, format!("{status} {}", String::from_utf8_lossy(&body)))),
        }
        Some(taken)
    }
}

fn header<'h>(headers: &[httparse::Header<'h>], name: &str) -> Option<&'h [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// A body, and where it ends; `None` where it is not all there.
fn body(bytes: &[u8], head: usize, headers: &[httparse::Header<'_>]) -> Option<(Vec<u8>, usize)> {
    let is_chunked =
        header(headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
    if is_chunked {
        return chunks(bytes, head);
    }
    let length = header(headers, "content-length").and_then(|value| std::str::from_utf8(value).ok());
    let end = head + length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    Some((bytes.get(head..end)?.to_vec(), end))
}

fn chunks(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(&bytes[at..]) else {
            return None;
        };
        let (start, size) = (at + line, usize::try_from(size).ok()?);
        body.extend_from_slice(bytes.get(start..start + size)?);
        // Behind each chunk, and in place of trailers, stands an empty line.
        at = start + size + 2;
        if bytes.len() < at {
            return None;
        }
        if size == 0 {
            return Some((body, at));
        }
    }
}

fn payload(body: &[u8], lines: &mut Vec<Line>) {
    for packet in body.split(|byte| *byte == RECORD_SEPARATOR).filter(|packet| !packet.is_empty()) {
        match packet {
            [b'b', attachment @ ..] => match STANDARD.decode(attachment) {
                Ok(bytes) => lines.push(binary(&bytes)),
                Err(error) => lines.push((Layer::Engine, format!("bad base64: {error}"))),
            },
            text => lines.extend(packet_line(&String::from_utf8_lossy(text))),
        }
    }
}

fn frame(bytes: &[u8], lines: &mut Vec<Line>) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    let (header, length) = FrameHeader::parse(&mut cursor).ok()??;
    let start = usize::try_from(cursor.position()).ok()?;
    let end = start + usize::try_from(length).ok()?;
    let mut content = bytes.get(start..end)?.to_vec();
    if let Some(mask) = header.mask {
        content.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
    match header.opcode {
        OpCode::Data(Data::Text) => lines.extend(packet_line(&String::from_utf8_lossy(&content))),
        OpCode::Data(Data::Binary) => lines.push(binary(&content)),
        OpCode::Control(Control::Close) => {
            let code = content.first_chunk().map(|code| u16::from_be_bytes(*code));
            lines.push((Layer::Engine, code.map_or("close".to_owned(), |code| format!("close {code}"))));
        }
        other @ (OpCode::Data(_) | OpCode::Control(_)) => lines.push((Layer::Engine, format!("{other:?}"))),
    }
    Some(end)
}

fn binary(bytes: &[u8]) -> Line {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    (Layer::Socket, format!("binary {hex}"))
}

/// A noop says nothing: how many there are in an upgrade is chance.
fn packet_line(packet: &str) -> Option<Line> {
    let layer = match packet.bytes().next() {
        Some(b'6') if packet.len() == 1 => return None,
        Some(b'4') => Layer::Socket,
        Some(_) | None => Layer::Engine,
    };
    Some((layer, packet.to_owned()))
}
