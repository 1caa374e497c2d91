//! What kernels say to each other, and how it is written on a carrier.
//!
//! One carrier between two hosts carries the frames of all connections between their machines. Each frame says when it is
//! due: the carrier brings it early, and the receiving host waits for the moment.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A machine, by its place in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::world) struct MachineId(pub(in crate::world) u16);

/// A connection: the machine that dialled it, and which one of that machine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::world) struct ConnectionId {
    pub(in crate::world) dialer: MachineId,
    pub(in crate::world) serial: u32,
}

/// One of the two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::world) enum End {
    Dialer,
    Acceptor,
}

impl End {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Acceptor,
            Self::Acceptor => Self::Dialer,
        }
    }
}

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::world) struct Route {
    pub(super) connection: ConnectionId,
    pub(super) from: MachineId,
    pub(super) to: MachineId,
    /// Which end it goes to; a machine may have dialled itself.
    pub(super) end: End,
}

impl Route {
    /// The direction, which all connections between the two machines share.
    pub(super) fn way(self) -> (MachineId, MachineId) {
        (self.from, self.to)
    }

    pub(super) fn back(self) -> Self {
        Self { connection: self.connection, from: self.to, to: self.from, end: self.end.other() }
    }
}

/// One thing that a kernel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) route: Route,
    /// The virtual time at which it arrives.
    pub(super) due: Duration,
    pub(super) segment: Segment,
}

/// The segments of TCP, as far as a process can tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Asks for a connection to a port.
    Syn { port: u16 },
    /// The connection is granted.
    SynAck,
    /// Nobody listens there: TCP's RST in answer to a SYN.
    Refused,
    /// The grant arrived: the third step of the handshake.
    Ack,
    /// Bytes.
    Data(Bytes),
    /// The process has read that many bytes: they may be followed by as many more.
    Window(u32),
    /// The end of the bytes.
    Fin,
    /// The connection is no more.
    Rst,
}

const HEADER: usize = 2 + 2 + 1 + 2 + 4 + 8 + 1;

impl Frame {
    /// Writes the frame behind what is in `out`.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        let length_at = out.len();
        out.put_u32(0);
        out.put_u16(self.route.from.0);
        out.put_u16(self.route.to.0);
        out.put_u8(match self.route.end {
            End::Dialer => 0,
            End::Acceptor => 1,
        });
        out.put_u16(self.route.connection.dialer.0);
        out.put_u32(self.route.connection.serial);
        out.put_u64(u64::try_from(self.due.as_micros()).expect("a run is shorter than 500,000 years"));
        match &self.segment {
            Segment::Syn { port } => {
                out.put_u8(0);
                out.put_u16(*port);
            }
            Segment::SynAck => out.put_u8(1),
            Segment::Refused => out.put_u8(2),
            Segment::Ack => out.put_u8(3),
            Segment::Data(bytes) => {
                out.put_u8(4);
                out.put_slice(bytes);
            }
            Segment::Window(bytes) => {
                out.put_u8(5);
                out.put_u32(*bytes);
            }
            Segment::Fin => out.put_u8(6),
            Segment::Rst => out.put_u8(7),
        }
        let length = u32::try_from(out.len() - length_at - 4).expect("a frame holds at most one buffer");
        out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Takes the first frame off `input`; none while it is not complete.
    ///
    /// # Panics
    /// On what [`Frame::encode`] did not write: a carrier loses and changes nothing.
    pub(super) fn decode(input: &mut BytesMut) -> Option<Self> {
        let length = usize::try_from(u32::from_be_bytes(*input.first_chunk()?)).ok()?;
        if input.len() < 4 + length {
            return None;
        }
        input.advance(4);
        let mut body = input.split_to(length).freeze();
        assert!(body.len() >= HEADER, "a frame is at least its header");
        let (from, to) = (MachineId(body.get_u16()), MachineId(body.get_u16()));
        let end = if body.get_u8() == 0 { End::Dialer } else { End::Acceptor };
        let connection = ConnectionId { dialer: MachineId(body.get_u16()), serial: body.get_u32() };
        let due = Duration::from_micros(body.get_u64());
        let segment = match body.get_u8() {
            0 => Segment::Syn { port: body.get_u16() },
            1 => Segment::SynAck,
            2 => Segment::Refused,
            3 => Segment::Ack,
            4 => Segment::Data(body),
            5 => Segment::Window(body.get_u32()),
            6 => Segment::Fin,
            7 => Segment::Rst,
            unknown => panic!("no kernel wrote segment {unknown}"),
        };
        Some(Self { route: Route { connection, from, to, end }, due, segment })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(segment: Segment) -> Frame {
        let connection = ConnectionId { dialer: MachineId(3), serial: 70_000 };
        let route = Route { connection, from: MachineId(3), to: MachineId(300), end: End::Acceptor };
        Frame { route, due: Duration::from_micros(12_345_678), segment }
    }

    #[test]
    fn what_is_encoded_decodes_to_itself_wherever_the_carrier_cuts_it() {
        let frames = [
            frame(Segment::Syn { port: 80 }),
            frame(Segment::SynAck),
            frame(Segment::Refused),
            frame(Segment::Ack),
            frame(Segment::Data(Bytes::from_static(b"hello"))),
            frame(Segment::Window(65_536)),
            frame(Segment::Fin),
            frame(Segment::Rst),
        ];
        let mut written = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut written));

        let mut input = BytesMut::new();
        let mut decoded = Vec::new();
        for byte in written {
            input.put_u8(byte);
            decoded.extend(Frame::decode(&mut input));
        }

        assert_eq!(decoded, frames);
        assert!(input.is_empty());
    }

    #[test]
    fn the_way_back_of_the_way_back_is_the_way() {
        let route = frame(Segment::Fin).route;

        assert_ne!(route.back(), route);
        assert_eq!(route.back().back(), route);
    }
}
