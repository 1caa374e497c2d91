//! A WebSocket as frames: in go [`Frame`]s to send, out come [`Frame`]s and the end of the transport.
//!
//! Promise: reading goes on while writing is stuck, and writing gets its turn while the peer floods. What is queued together
//! is flushed once. Knows nothing of Engine.IO.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::{Sink, SinkExt, Stream as _, StreamExt};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::engine::{Frame, TransportEnd};

use super::net::Stream;
use super::readiness::Readiness;

/// How many frames are read before what is written gets a turn.
const READS_IN_A_ROW: u32 = 32;

/// What a step of the transport was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A frame arrived.
    Received(Frame),
    /// All that was sent has been handed to the stream.
    Flushed,
    /// The transport is over. Nothing comes after it.
    Ended(TransportEnd),
}

/// One end of a WebSocket connection.
pub(super) struct WebSocket<S> {
    stream: WebSocketStream<S>,
    /// Whether there may be something to read.
    readable: Readiness,
    unsent: VecDeque<Frame>,
    flushed: bool,
    reads: u32,
    /// What the peer did wrong, to be told in the close frame.
    offence: Option<CloseCode>,
}

/// The limits of a WebSocket whose messages have at most `max_message` bytes. Its buffers are small, because most
/// connections of a chat are idle.
pub(super) fn config(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

impl<S: Stream> WebSocket<S> {
    /// Takes over after the opening handshake.
    pub(super) fn new(stream: WebSocketStream<S>) -> Self {
        let readable = Readiness::new();
        Self { stream, readable, unsent: VecDeque::new(), flushed: true, reads: 0, offence: None }
    }

    /// Queues a frame; [`WebSocket::poll_step`] writes it.
    pub(super) fn send(&mut self, frame: Frame) {
        self.unsent.push_back(frame);
        self.flushed = false;
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_flushed(&self) -> bool {
        self.flushed
    }

    /// Reads and writes until something is to be told.
    pub(super) fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        // Writing goes first once a flood of frames had its turn; else what has arrived is read first.
        if self.reads >= READS_IN_A_ROW {
            self.reads = 0;
            if let Poll::Ready(step) = self.poll_write(context) {
                return Poll::Ready(step);
            }
        }
        if let Poll::Ready(step) = self.poll_read(context) {
            self.reads += 1;
            return Poll::Ready(step);
        }
        self.reads = 0;
        self.poll_write(context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        loop {
            let stream = Pin::new(&mut self.stream);
            let message = match ready!(self.readable.poll(context, |context| stream.poll_next(context))) {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Poll::Ready(self.failed(&error)),
                None => return Poll::Ready(Step::Ended(TransportEnd::Close)),
            };
            match message {
                Message::Text(text) => {
                    let text =
                        ByteString::try_from(Bytes::from(text)).expect("a text message is valid UTF-8");
                    return Poll::Ready(Step::Received(Frame::Text(text)));
                }
                Message::Binary(bytes) => return Poll::Ready(Step::Received(Frame::Binary(bytes))),
                Message::Close(_) => {
                    // The peer reads nothing after its close frame; only the answer to it is still owed.
                    self.unsent.clear();
                    return Poll::Ready(Step::Ended(TransportEnd::Close));
                }
                // tungstenite answers a WebSocket ping by itself; the heartbeat is Engine.IO's own.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        if self.flushed {
            return Poll::Pending;
        }
        let step = match ready!(self.poll_flush(context)) {
            Ok(()) => {
                self.flushed = true;
                Step::Flushed
            }
            Err(error) => self.failed(&error),
        };
        Poll::Ready(step)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.unsent.is_empty() {
            ready!(stream.as_mut().poll_ready(context))?;
            if let Some(frame) = self.unsent.pop_front() {
                stream.as_mut().start_send(message(frame))?;
            }
        }
        stream.poll_flush(context)
    }

    fn failed(&mut self, error: &Error) -> Step {
        tracing::debug!(%error, "websocket failed");
        match error {
            // TLS tells an end that was not announced from one that was.
            Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Step::Ended(TransportEnd::Close);
            }
            // The stream ended without a close frame: for Engine.IO that is an end like any other.
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                return Step::Ended(TransportEnd::Close);
            }
            Error::Capacity(_) => self.offence = Some(CloseCode::Size),
            Error::Protocol(_) => self.offence = Some(CloseCode::Protocol),
            Error::Utf8(_) => self.offence = Some(CloseCode::Invalid),
            Error::Io(_)
            | Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::AttackAttempt
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => {}
        }
        Step::Ended(TransportEnd::Error)
    }

    /// Writes what was sent, says goodbye and waits for the peer to do the same, so that its system need not reset the
    /// connection over unread bytes. Takes as long as the peer likes: the caller bounds it.
    pub(super) async fn close(mut self) {
        if std::future::poll_fn(|context| self.poll_flush(context)).await.is_err() {
            return;
        }
        let frame = self.offence.map(|code| CloseFrame { code, reason: Utf8Bytes::default() });
        if self.stream.send(Message::Close(frame)).await.is_err() {
            return;
        }
        if self.offence.is_some() {
            // tungstenite reads no further after an error.
            let mut discarded = [0; 4096];
            while let Ok(1..) = self.stream.get_mut().read(&mut discarded).await {}
        } else {
            while let Some(Ok(_)) = self.stream.next().await {}
        }
    }
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => {
            Message::Text(Utf8Bytes::try_from(text.into_bytes()).expect("a ByteString is valid UTF-8"))
        }
        Frame::Binary(bytes) => Message::Binary(bytes),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::io::tests::script::Script;

    impl<S: Stream> WebSocket<S> {
        async fn step(&mut self) -> Step {
            std::future::poll_fn(|context| self.poll_step(context)).await
        }
    }

    async fn on<S: Stream>(stream: S, role: Role) -> WebSocket<S> {
        WebSocket::new(WebSocketStream::from_raw_socket(stream, role, Some(config(1000))).await)
    }

    #[tokio::test]
    async fn what_is_sent_together_is_written_and_flushed_once() {
        let script = Script::silent();
        let mut socket = on(script.clone(), Role::Server).await;
        for _ in 0..100 {
            socket.send(Frame::Text("hello".into()));
        }

        assert_eq!(socket.step().await, Step::Flushed);

        assert!(socket.is_flushed());
        assert_eq!((script.written().len(), script.writes(), script.flushes()), (700, 1, 1));
    }

    #[tokio::test]
    async fn who_writes_does_not_read_where_nothing_was_heard() {
        let script = Script::silent();
        let mut socket = on(script.clone(), Role::Server).await;

        for sent in 1..=3 {
            socket.send(Frame::Text("hello".into()));
            assert_eq!(socket.step().await, Step::Flushed);
            assert_eq!((script.writes(), script.reads()), (sent, 1));
        }
    }

    #[tokio::test]
    async fn text_and_bytes_arrive_as_they_are() {
        let (ours, theirs) = duplex(1000);
        let (mut ours, mut theirs) = (on(ours, Role::Client).await, on(theirs, Role::Server).await);
        let frames = [Frame::Text("h\u{e9}llo".into()), Frame::Binary(vec![0, 255].into())];
        frames.clone().into_iter().for_each(|frame| ours.send(frame));
        assert_eq!(ours.step().await, Step::Flushed);

        for frame in frames {
            assert_eq!(theirs.step().await, Step::Received(frame));
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_is_a_close_and_nonsense_is_an_error() {
        let (ours, theirs) = duplex(1000);
        let mut socket = on(ours, Role::Server).await;
        drop(theirs);
        assert_eq!(socket.step().await, Step::Ended(TransportEnd::Close));

        let (ours, mut theirs) = duplex(1000);
        let mut socket = on(ours, Role::Server).await;
        tokio::io::AsyncWriteExt::write_all(&mut theirs, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(socket.step().await, Step::Ended(TransportEnd::Error));
    }

    #[tokio::test]
    async fn both_ends_agree_on_a_close() {
        let (ours, theirs) = duplex(1000);
        let (mut ours, mut theirs) = (on(ours, Role::Client).await, on(theirs, Role::Server).await);
        ours.send(Frame::Text("last words".into()));
        theirs.send(Frame::Text("too late".into()));

        let server = async {
            assert_eq!(theirs.step().await, Step::Received(Frame::Text("last words".into())));
            let mut step = theirs.step().await;
            if step == Step::Flushed {
                step = theirs.step().await;
            }
            assert_eq!(step, Step::Ended(TransportEnd::Close));
            theirs.close().await;
        };
        tokio::join!(ours.close(), server);
    }
}
