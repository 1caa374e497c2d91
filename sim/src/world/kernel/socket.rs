//! One end of a connection, where two sides meet: its process and the kernel.
//!
//! The process reads, writes, shuts down and lets go; the kernel takes what is to be sent and puts what arrived. Each
//! direction has a send buffer and a receive buffer of [`BUFFER`] bytes: a reader that does not read stops its writer after
//! two buffers, and no byte is ever dropped for want of room.
//!
//! Errors are those of Linux: `ECONNRESET` once, `EPIPE` for writes after it. Knows nothing of links, faults and frames' ways.

use std::io;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::ReadBuf;
use tokio::sync::Notify;

use super::frame::{End, MachineId, Route, Segment};
use super::state::{BUFFER, Fin, Phase, Queued, State};

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

impl Socket {
    /// A socket whose handshake has begun.
    pub(super) fn new(route: Route, port: Option<u16>) -> Self {
        Self { route, port, state: Mutex::new(State::new()), stirred: Notify::new() }
    }

    /// The machine of the other end.
    pub(in crate::world) fn peer(&self) -> MachineId {
        self.route.to
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

    /// The machine has lost power: nothing of it is left, and nobody is told.
    pub(super) fn vanish(&self) {
        let mut state = self.lock();
        state.phase = Phase::Gone;
        state.outgoing.clear();
        state.outgoing_bytes = 0;
        state.incoming.clear();
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

    /// Takes what may be sent, at most so many bytes.
    pub(super) fn take(&self, piece: usize) -> Option<Segment> {
        self.lock().take(piece)
    }

    /// What was to be sent was sent as often as TCP does, and nothing was heard. An acknowledgement alone is not waited
    /// for: who only reads never learns of it.
    pub(super) fn give_up(&self) {
        if self.lock().outgoing.is_empty() {
            return;
        }
        self.fail(io::ErrorKind::TimedOut);
    }
}
