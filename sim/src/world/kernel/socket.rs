//! One end of a connection: its buffers, its state, and who waits for it.
//!
//! Two sides meet here. The process reads, writes, shuts down and lets go; the kernel takes what is to be sent and puts
//! what arrived. Each direction has a send buffer and a receive buffer of [`BUFFER`] bytes. Bytes leave the send buffer
//! only when the peer's receive buffer has room for them (its *window*), and the window grows again as the peer's process
//! reads. So a reader that does not read stops its writer after two buffers, and no byte is ever dropped for want of room.
//!
//! What is sent keeps its place: FIN and RST queue behind the bytes that were written before them.
//! Errors are those of Linux: `ECONNRESET` once, `EPIPE` for writes after it. Knows nothing of links, faults and frames' ways.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;
use tokio::sync::Notify;

use super::frame::{End, Route, Segment};

/// The bytes a send buffer holds, and those a receive buffer holds.
pub(in crate::world) const BUFFER: usize = 64 << 10;

/// How much the process must have read before the peer is told: often enough that it never waits for long.
const WINDOW_UPDATE: usize = BUFFER / 4;

/// One end of a connection.
pub(in crate::world) struct Socket {
    /// From this end to the other.
    pub(super) route: Route,
    /// The port it was accepted on; none for who dialled.
    pub(super) port: Option<u16>,
    state: Mutex<State>,
    /// Tells the one kernel task of this socket that there may be something to do.
    stirred: Notify,
}

struct State {
    phase: Phase,
    /// Why the process's next call fails; it hears it once.
    error: Option<io::ErrorKind>,
    outgoing: VecDeque<Queued>,
    outgoing_bytes: usize,
    /// How many bytes the peer has room for.
    window: usize,
    /// When the window was last opened from nothing.
    window_since: Duration,
    incoming: VecDeque<Bytes>,
    /// How many bytes the process has read that the peer was not told of, and since when.
    unannounced: usize,
    unannounced_since: Duration,
    fin: Fin,
    fin_received: bool,
    /// The process has let go of it.
    orphan: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// How far a socket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The handshake is under way.
    Opening,
    /// Bytes may pass.
    Open,
    /// There is no connection: the kernel has nothing more to do for it.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fin {
    NotYet,
    Queued,
    Sent,
}

struct Queued {
    segment: Segment,
    since: Duration,
}

impl Socket {
    /// A socket whose handshake has begun.
    pub(super) fn new(route: Route, port: Option<u16>) -> Self {
        let state = State {
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
        };
        Self { route, port, state: Mutex::new(state), stirred: Notify::new() }
    }

    /// A number for this end, the same in every run of a plan.
    pub(in crate::world) fn id(&self) -> u64 {
        let connection = self.route.connection;
        let end = u64::from(self.route.end == End::Dialer);
        u64::from(connection.dialer.0) << 33 | u64::from(connection.serial) << 1 | end
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }
}

/// The process's side.
impl Socket {
    /// Ready when the handshake has succeeded or failed.
    pub(in crate::world) fn poll_connected(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        match state.phase {
            Phase::Open => Poll::Ready(Ok(())),
            Phase::Gone => {
                let error = state.error.take().unwrap_or(io::ErrorKind::ConnectionReset);
                Poll::Ready(Err(error.into()))
            }
            Phase::Opening => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes as many of the bytes that arrived as fit. What arrived before an RST can still be read, as on Linux.
    pub(in crate::world) fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        now: Duration,
    ) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if !state.incoming.is_empty() {
            if state.take_incoming(buffer, now) {
                self.stirred.notify_one();
            }
            return Poll::Ready(Ok(()));
        }
        if state.fin_received {
            return Poll::Ready(Ok(()));
        }
        match (state.error.take(), state.phase) {
            (Some(error), _) => Poll::Ready(Err(error.into())),
            (None, Phase::Gone) => Poll::Ready(Ok(())),
            (None, Phase::Opening | Phase::Open) => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes as many bytes as the send buffer has room for.
    pub(in crate::world) fn poll_write(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        now: Duration,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if state.phase == Phase::Gone {
            return Poll::Ready(Err(state.error.take().unwrap_or(io::ErrorKind::BrokenPipe).into()));
        }
        if state.fin != Fin::NotYet {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let length = bytes.len().min(BUFFER - state.outgoing_bytes);
        if length == 0 && !bytes.is_empty() {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        if length > 0 {
            let segment = Segment::Data(Bytes::copy_from_slice(&bytes[..length]));
            state.outgoing.push_back(Queued { segment, since: now });
            state.outgoing_bytes += length;
            self.stirred.notify_one();
        }
        Poll::Ready(Ok(length))
    }

    /// Says that nothing more will be written. What is still to be read can be read.
    ///
    /// # Errors
    /// Where there is no connection any more.
    pub(in crate::world) fn shutdown(&self, now: Duration) -> io::Result<()> {
        let mut state = self.lock();
        if state.phase == Phase::Gone {
            return Err(io::ErrorKind::NotConnected.into());
        }
        state.queue_fin(now);
        self.stirred.notify_one();
        Ok(())
    }

    /// The process lets go of the socket, or is gone. The kernel sends what is still to be sent and then FIN; RST if
    /// there is something that the process has not read. Says whether there was a connection that this closed.
    pub(in crate::world) fn close(&self, now: Duration) -> bool {
        let mut state = self.lock();
        if std::mem::replace(&mut state.orphan, true) {
            return false;
        }
        state.reader = None;
        state.writer = None;
        self.stirred.notify_one();
        match state.phase {
            Phase::Gone => false,
            Phase::Opening => {
                state.phase = Phase::Gone;
                false
            }
            Phase::Open => {
                if state.incoming.is_empty() {
                    state.queue_fin(now);
                } else {
                    state.incoming.clear();
                    state.queue_rst(now);
                }
                true
            }
        }
    }

    /// As [`Socket::close`], but with RST: what Linux does to connections that a listener never accepted.
    pub(super) fn abandon(&self, now: Duration) {
        let mut state = self.lock();
        state.orphan = true;
        if state.phase == Phase::Open {
            state.queue_rst(now);
        }
        self.stirred.notify_one();
    }
}

/// The kernel's side.
impl Socket {
    /// The handshake has succeeded. Says whether this ended it.
    pub(super) fn open(&self) -> bool {
        let mut state = self.lock();
        if state.phase != Phase::Opening {
            return false;
        }
        state.phase = Phase::Open;
        state.wake();
        self.stirred.notify_one();
        true
    }

    /// There is no connection any more: the process hears `error` once.
    pub(super) fn fail(&self, error: io::ErrorKind) {
        let mut state = self.lock();
        if state.phase == Phase::Gone {
            return;
        }
        // Linux: after the peer's FIN, its RST is no surprise to a reader; a writer hears that no one reads.
        state.error = Some(if state.fin_received { io::ErrorKind::BrokenPipe } else { error });
        state.phase = Phase::Gone;
        state.outgoing.clear();
        state.outgoing_bytes = 0;
        state.wake();
        self.stirred.notify_one();
    }

    pub(super) fn is_opening(&self) -> bool {
        self.lock().phase == Phase::Opening
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    pub(super) fn is_gone(&self) -> bool {
        self.lock().phase == Phase::Gone
    }

    /// Whether a process still holds it.
    pub(super) fn is_held(&self) -> bool {
        !self.lock().orphan
    }

    /// Bytes arrived. If no process will ever read them, the peer is told so.
    pub(super) fn receive(&self, bytes: Bytes, now: Duration) {
        let mut state = self.lock();
        if state.orphan {
            state.queue_rst(now);
            self.stirred.notify_one();
        } else {
            state.incoming.push_back(bytes);
            state.wake_reader();
        }
    }

    /// The peer will write nothing more.
    pub(super) fn receive_fin(&self) {
        let mut state = self.lock();
        state.fin_received = true;
        state.wake_reader();
    }

    /// The peer has room for more.
    pub(super) fn receive_window(&self, bytes: usize, now: Duration) {
        let mut state = self.lock();
        if state.window == 0 {
            state.window_since = now;
        }
        state.window += bytes;
        self.stirred.notify_one();
    }

    /// Puts something behind what is to be sent.
    pub(super) fn queue(&self, segment: Segment, now: Duration) {
        self.lock().outgoing.push_back(Queued { segment, since: now });
        self.stirred.notify_one();
    }

    /// Ends when there is something that may be sent, and says since when; none when there will never be.
    pub(super) async fn sendable(&self) -> Option<Duration> {
        loop {
            {
                let state = self.lock();
                if state.phase == Phase::Gone {
                    return None;
                }
                if let Some(since) = state.sendable() {
                    return Some(since);
                }
            }
            self.stirred.notified().await;
        }
    }

    /// Ends when the handshake is over, well or not.
    pub(super) async fn shaken(&self) {
        while self.is_opening() {
            self.stirred.notified().await;
        }
    }

    /// Ends when there is no connection any more.
    pub(super) async fn gone(&self) {
        while !self.is_gone() {
            self.stirred.notified().await;
        }
    }

    /// Takes what may be sent.
    pub(super) fn take(&self) -> Option<Segment> {
        self.lock().take()
    }
}

impl State {
    /// Moves bytes to the process. Says whether the peer should now be told.
    fn take_incoming(&mut self, buffer: &mut ReadBuf<'_>, now: Duration) -> bool {
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
    fn sendable(&self) -> Option<Duration> {
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

    fn take(&mut self) -> Option<Segment> {
        self.sendable()?;
        if self.announces() {
            let bytes = u32::try_from(std::mem::take(&mut self.unannounced)).ok()?;
            return Some(Segment::Window(bytes));
        }
        if let Segment::Data(bytes) = &mut self.outgoing.front_mut()?.segment
            && bytes.len() > self.window
        {
            let part = bytes.split_to(self.window);
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

    fn queue_fin(&mut self, now: Duration) {
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
    fn queue_rst(&mut self, now: Duration) {
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

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn wake(&mut self) {
        self.wake_reader();
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}
