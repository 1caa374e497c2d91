//! An engine session on its WebSocket: frames and time go to the machine, what it says is written or told above.
//!
//! One code for both ends. Promise: a frame that has arrived is handed in before a deadline that would end the session.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::{
    ClientSession, CloseReason, Command, Event, Input, Message, Output, ServerSession, Time, TransportEnd,
    Waiting,
};

use super::Env;
use super::alarm::Alarm;
use super::net::Stream;
use super::websocket::{Step, WebSocket};

/// How long a closed session may take to write what was sent before, and to hear its peer's goodbye.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// What both engine machines have in common.
pub(super) trait Session: Send {
    /// Takes one input.
    fn handle(&mut self, input: Input, now: Time);
    /// The next thing to do.
    fn poll_output(&mut self) -> Output;
}

impl Session for ServerSession {
    fn handle(&mut self, input: Input, now: Time) {
        Self::handle(self, input, now);
    }

    fn poll_output(&mut self) -> Output {
        Self::poll_output(self)
    }
}

impl Session for ClientSession {
    fn handle(&mut self, input: Input, now: Time) {
        Self::handle(self, input, now);
    }

    fn poll_output(&mut self) -> Output {
        Self::poll_output(self)
    }
}

/// A session and its transport.
pub(super) struct Link<S, M> {
    env: Env,
    session: M,
    socket: WebSocket<S>,
    alarm: Alarm,
    /// Whether the alarm is to send something, rather than to judge the peer.
    alarm_first: bool,
    events: VecDeque<Event>,
    over: Option<CloseReason>,
}

impl<S: Stream, M: Session> Link<S, M> {
    /// Puts a session on an open WebSocket.
    pub(super) fn open(env: &Env, session: M, socket: WebSocket<S>) -> Self {
        let alarm = Alarm::new(env.clock.clone());
        let events = VecDeque::new();
        let mut link =
            Self { env: env.clone(), session, socket, alarm, alarm_first: false, events, over: None };
        link.hand_in(Input::Opened);
        link
    }

    /// Sends a message; [`Link::progress`] writes it.
    pub(super) fn send(&mut self, message: Message) {
        self.hand_in(Input::Command(Command::Send(message)));
    }

    /// Closes the session after what was sent before.
    pub(super) fn close(&mut self) {
        self.hand_in(Input::Command(Command::Close));
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_flushed(&self) -> bool {
        self.socket.is_flushed()
    }

    /// What the session said, in order; its end is told by [`Link::over`].
    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Why the session is over, once it is.
    pub(super) fn over(&self) -> Option<CloseReason> {
        self.over
    }

    /// Takes one step: a frame, a flush or a deadline. May be dropped and called again: nothing is lost.
    pub(super) async fn progress(&mut self) {
        let step = if self.alarm_first {
            // A peer that floods must not keep the ping from it, or it would miss the heartbeat by its own doing.
            tokio::select! {
                biased;
                () = self.alarm.expired() => None,
                step = self.socket.step() => Some(step),
            }
        } else {
            tokio::select! {
                biased;
                step = self.socket.step() => Some(step),
                () = self.alarm.expired() => None,
            }
        };
        match step {
            Some(Step::Received(frame)) => self.hand_in(Input::Received(frame)),
            Some(Step::Ended(end)) => self.hand_in(Input::Closed(end)),
            Some(Step::Flushed) => {}
            None => self.hand_in(Input::TimedOut),
        }
    }

    fn hand_in(&mut self, input: Input) {
        if self.over.is_some() {
            return;
        }
        let transport_end = if let Input::Closed(end) = input { Some(end) } else { None };
        self.session.handle(input, self.env.clock.monotonic());
        self.drain();
        if let Some(end) = transport_end {
            // No machine can outlive its transport.
            self.over.get_or_insert(match end {
                TransportEnd::Close => CloseReason::TransportClose,
                TransportEnd::Error => CloseReason::TransportError,
            });
        }
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll_output() {
                Output::Transmit(frame) => self.socket.send(frame),
                Output::Close => self.over = Some(self.over.unwrap_or(CloseReason::ForcedClose)),
                Output::Event(Event::Closed(reason)) => self.over = Some(reason),
                Output::Event(event) => self.events.push_back(event),
                Output::Wait { until, why } => {
                    self.alarm_first = why == Waiting::NextPing;
                    return self.alarm.set(until);
                }
            }
        }
    }

    /// Ends the transport of a session that is over: writes what was sent before it was, and says goodbye. A peer that
    /// does not read holds it for [`LINGER`] only.
    pub(super) async fn finish(self) {
        let Self { env, socket, .. } = self;
        tokio::select! {
            biased;
            () = socket.close() => {}
            () = env.sleep(LINGER) => tracing::debug!("the peer did not take its goodbye"),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::AsyncWriteExt;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::engine::{Handshake, Heartbeat, Sid};
    use crate::io::tests::script::Script;

    const HEARTBEAT: Heartbeat =
        Heartbeat { ping_interval: Duration::from_secs(25), ping_timeout: Duration::from_secs(20) };

    async fn link<S: Stream>(env: &Env, stream: S) -> Link<S, ServerSession> {
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        let handshake = Handshake { sid: Sid::from_peer("s"), heartbeat: HEARTBEAT, max_payload: 1 };
        Link::open(env, ServerSession::new(handshake), WebSocket::new(stream))
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_frames_does_not_keep_the_ping_from_the_peer() {
        let env = Env::tokio();
        // A text frame "4", masked with zeros.
        let script = Script::endless(&[0x81, 0x81, 0, 0, 0, 0, b'4']);
        let mut link = link(&env, script.clone()).await;
        for _ in 0..100 {
            link.progress().await;
        }
        assert!(link.is_flushed(), "the handshake was written in spite of the flood");
        let before = script.written().len();

        tokio::time::advance(HEARTBEAT.ping_interval).await;
        for _ in 0..100 {
            link.progress().await;
        }

        assert_eq!(script.written()[before..], [0x81, 1, b'2']);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pong_that_has_arrived_is_in_time() {
        let env = Env::tokio();
        let (ours, mut theirs) = tokio::io::duplex(1000);
        let mut link = link(&env, ours).await;
        link.progress().await;
        tokio::time::advance(HEARTBEAT.ping_interval).await;
        link.progress().await;
        link.progress().await;
        assert!(link.progress().now_or_never().is_none(), "the ping is written and waits for its pong");

        // As after a pause: the pong and the end of all patience are found at once.
        theirs.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'3']).await.unwrap();
        tokio::time::advance(HEARTBEAT.ping_timeout).await;
        link.progress().await;

        assert_eq!(link.over(), None);
        tokio::time::advance(HEARTBEAT.ping_interval).await;
        link.progress().await;
        link.progress().await;
        tokio::time::advance(HEARTBEAT.ping_timeout).await;
        link.progress().await;
        assert_eq!(link.over(), Some(CloseReason::PingTimeout));
    }
}
