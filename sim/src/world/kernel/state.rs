//! What one end of a connection holds, and what of it may be sent: no lock, no task, no time but what is passed in.
//!
//! Bytes leave the send buffer only when the peer's receive buffer has room for them (its *window*), and the window grows
//! again as the peer's process reads. What is sent keeps its place: FIN and RST queue behind the bytes written before them.

use std::collections::VecDeque;
use std::io;
use std::task::Waker;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;

use super::frame::Segment;

/// The bytes a send buffer holds, and those a receive buffer holds.
pub(in crate::world) const BUFFER: usize = 64 << 10;

/// How much the process must have read before the peer is told: often enough that it never waits for long.
const WINDOW_UPDATE: usize = BUFFER / 4;

/// The state of one end of a connection.
pub(super) struct State {
    pub(super) phase: Phase,
    /// Why the process's next call fails; it hears it once.
    pub(super) error: Option<io::ErrorKind>,
    pub(super) outgoing: VecDeque<Queued>,
    pub(super) outgoing_bytes: usize,
    /// How many bytes the peer has room for.
    pub(super) window: usize,
    /// When the window was last opened from nothing.
    pub(super) window_since: Duration,
    pub(super) incoming: VecDeque<Bytes>,
    /// How many bytes the process has read that the peer was not told of, and since when.
    pub(super) unannounced: usize,
    pub(super) unannounced_since: Duration,
    pub(super) fin: Fin,
    pub(super) fin_received: bool,
    /// The process has let go of it.
    pub(super) orphan: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

/// How far a socket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The handshake is under way.
    Opening,
    /// Bytes may pass.
    Open,
    /// There is no connection: the kernel has nothing more to do for it.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fin {
    NotYet,
    Queued,
    Sent,
}

pub(super) struct Queued {
    pub(super) segment: Segment,
    pub(super) since: Duration,
}

impl State {
    /// The handshake has begun, and both buffers are empty.
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Opening,
            error: None,
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            window: BUFFER,
            window_since: Duration::ZERO,
            incoming: VecDeque::new(),
            unannounced: 0,
            unannounced_since: Duration::ZERO,
            fin: Fin::NotYet,
            fin_received: false,
            orphan: false,
            reader: None,
            writer: None,
        }
    }

    /// Moves bytes to the process. Says whether the peer should now be told.
    pub(super) fn take_incoming(&mut self, buffer: &mut ReadBuf<'_>, now: Duration) -> bool {
        while let Some(first) = self.incoming.front_mut() {
            let length = first.len().min(buffer.remaining());
            if length == 0 {
                break;
            }
            buffer.put_slice(&first[..length]);
            first.advance(length);
            if first.is_empty() {
                self.incoming.pop_front();
            }
            self.unannounced += length;
        }
        self.unannounced_since = now;
        self.announces()
    }

    fn announces(&self) -> bool {
        self.unannounced >= WINDOW_UPDATE && !self.fin_received
    }

    /// Since when something may be sent.
    pub(super) fn sendable(&self) -> Option<Duration> {
        if self.phase == Phase::Gone {
            return None;
        }
        if self.announces() {
            return Some(self.unannounced_since);
        }
        let first = self.outgoing.front()?;
        match first.segment {
            Segment::Data(_) if self.window == 0 => None,
            Segment::Data(_) => Some(first.since.max(self.window_since)),
            Segment::Syn { .. }
            | Segment::SynAck
            | Segment::Refused
            | Segment::Ack
            | Segment::Window(_)
            | Segment::Fin
            | Segment::Rst => Some(first.since),
        }
    }

    /// Takes what may be sent, at most `piece` bytes of it.
    pub(super) fn take(&mut self, piece: usize) -> Option<Segment> {
        self.sendable()?;
        if self.announces() {
            let bytes = u32::try_from(std::mem::take(&mut self.unannounced)).ok()?;
            return Some(Segment::Window(bytes));
        }
        let most = self.window.min(piece);
        if let Segment::Data(bytes) = &mut self.outgoing.front_mut()?.segment
            && bytes.len() > most
        {
            let part = bytes.split_to(most);
            return Some(self.sent(Segment::Data(part)));
        }
        let segment = self.outgoing.pop_front()?.segment;
        Some(self.sent(segment))
    }

    /// What sending this changes here.
    fn sent(&mut self, segment: Segment) -> Segment {
        match &segment {
            Segment::Data(bytes) => {
                self.window -= bytes.len();
                self.outgoing_bytes -= bytes.len();
                if let Some(writer) = self.writer.take() {
                    writer.wake();
                }
            }
            Segment::Fin => {
                self.fin = Fin::Sent;
                if self.orphan {
                    self.phase = Phase::Gone;
                }
            }
            Segment::Rst => self.phase = Phase::Gone,
            Segment::Syn { .. } | Segment::SynAck | Segment::Refused | Segment::Ack | Segment::Window(_) => {}
        }
        segment
    }

    pub(super) fn queue_fin(&mut self, now: Duration) {
        match self.fin {
            Fin::NotYet => {
                self.outgoing.push_back(Queued { segment: Segment::Fin, since: now });
                self.fin = Fin::Queued;
            }
            Fin::Queued => {}
            // It was shut down before; now there is no one left to read for either.
            Fin::Sent if self.orphan => self.phase = Phase::Gone,
            Fin::Sent => {}
        }
    }

    /// RST keeps its place behind the bytes that are on their way, but bytes for which the peer has no room are not: it
    /// does not wait for them.
    pub(super) fn queue_rst(&mut self, now: Duration) {
        if self.outgoing.iter().any(|queued| queued.segment == Segment::Rst) {
            return;
        }
        let mut room = Some(self.window);
        self.outgoing.retain(|queued| {
            if let Segment::Data(bytes) = &queued.segment {
                room = room.and_then(|room| room.checked_sub(bytes.len()));
            }
            room.is_some()
        });
        self.outgoing.push_back(Queued { segment: Segment::Rst, since: now });
    }

    pub(super) fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    pub(super) fn wake(&mut self) {
        self.wake_reader();
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn open() -> State {
        let mut state = State::new();
        state.phase = Phase::Open;
        state
    }

    fn write(state: &mut State, length: usize) {
        let segment = Segment::Data(Bytes::from(vec![0; length]));
        state.outgoing.push_back(Queued { segment, since: NOW });
        state.outgoing_bytes += length;
    }

    fn lengths(state: &mut State) -> Vec<Option<usize>> {
        std::iter::from_fn(|| state.take(BUFFER))
            .map(|segment| if let Segment::Data(bytes) = segment { Some(bytes.len()) } else { None })
            .collect()
    }

    #[test]
    fn no_more_is_sent_than_the_peer_has_room_for() {
        let mut state = open();
        write(&mut state, BUFFER - 10);
        write(&mut state, 30);

        assert_eq!(lengths(&mut state), [Some(BUFFER - 10), Some(10)]);
        assert_eq!(state.outgoing_bytes, 20);
        assert_eq!(state.sendable(), None);
    }

    #[test]
    fn rst_comes_after_what_the_peer_has_room_for_and_waits_for_nothing_else() {
        let mut state = open();
        write(&mut state, BUFFER - 10);
        write(&mut state, 30);
        state.queue_rst(NOW);
        state.queue_rst(NOW);

        assert_eq!(lengths(&mut state), [Some(BUFFER - 10), None]);
        assert_eq!(state.phase, Phase::Gone);
    }

    #[test]
    fn who_has_let_go_is_gone_when_fin_has_left_and_who_has_not_still_reads() {
        for orphan in [true, false] {
            let mut state = open();
            state.orphan = orphan;
            state.queue_fin(NOW);

            assert_eq!(state.take(BUFFER), Some(Segment::Fin));

            assert_eq!(state.phase == Phase::Gone, orphan);
        }
    }

    #[test]
    fn the_peer_is_told_of_a_quarter_of_a_buffer_at_once() {
        let mut state = open();
        state.incoming.push_back(Bytes::from(vec![0; BUFFER]));
        let mut bytes = vec![0; WINDOW_UPDATE - 1];

        assert!(!state.take_incoming(&mut ReadBuf::new(&mut bytes), NOW));
        assert!(state.take_incoming(&mut ReadBuf::new(&mut bytes[..1]), NOW));

        assert_eq!(state.take(BUFFER), Some(Segment::Window(WINDOW_UPDATE as u32)));
        assert_eq!(state.take(BUFFER), None);
    }
}
