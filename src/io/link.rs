//! An engine session on its transports: frames, requests and time go to the machine, what it says is written, asked for or
//! told above.
//!
//! One code for both ends; what they do with HTTP is behind [`Http`]. Promise: what has arrived is handed in before a
//! deadline that would end the session.

use std::collections::VecDeque;
use std::future::Future;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::engine::{
    Ask, ClientSession, CloseReason, Command, Event, Input, Message, Output, RequestId, Response,
    ServerSession, Time, Waiting,
};

use super::Env;
use super::alarm::Alarm;
use super::net::Stream;
use super::websocket::{Step, WebSocket};

/// How long a closed session may take to write what was sent before, and to hear its peer's goodbye: as long as `ws`, the
/// WebSocket of the official software for Node.js, gives it (`closeTimeout`). A message of a million bytes takes ten seconds
/// where a round trip takes half a one.
pub(super) const LINGER: Duration = Duration::from_secs(30);

/// What both engine machines have in common.
pub(super) trait Session: Send {
    /// Takes one input.
    fn handle(&mut self, input: Input, now: Time);
    /// The next thing to do.
    fn poll_output(&mut self) -> Output;
    /// Whether a WebSocket that has come may be handed in.
    fn takes_websocket(&self) -> bool;
    /// Whether nothing that was sent waits in the machine.
    fn is_drained(&self) -> bool;
}

impl Session for ServerSession {
    fn handle(&mut self, input: Input, now: Time) {
        Self::handle(self, input, now);
    }

    fn poll_output(&mut self) -> Output {
        Self::poll_output(self)
    }

    fn takes_websocket(&self) -> bool {
        Self::takes_websocket(self)
    }

    fn is_drained(&self) -> bool {
        Self::is_drained(self)
    }
}

impl Session for ClientSession {
    fn handle(&mut self, input: Input, now: Time) {
        Self::handle(self, input, now);
    }

    fn poll_output(&mut self) -> Output {
        Self::poll_output(self)
    }

    fn takes_websocket(&self) -> bool {
        Self::takes_websocket(self)
    }

    fn is_drained(&self) -> bool {
        Self::is_drained(self)
    }
}

/// What HTTP has for a session.
pub(super) enum Arrival<S> {
    /// Something to hand in.
    Input(Input),
    /// A WebSocket, open.
    WebSocket(Box<WebSocket<S>>),
}

/// What HTTP is to do for a session.
pub(super) enum Errand {
    /// Answer a request (server).
    Respond(RequestId, Response),
    /// Ask this (client).
    Ask(Ask),
}

/// A session's HTTP: the requests it is asked (server), or the requests it asks (client).
pub(super) trait Http<S>: Send {
    /// What comes next; never ready where nothing will.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Arrival<S>>;
    /// Does what the session says.
    fn run(&mut self, errand: Errand);
    /// Brings to its end what is to be written although the session is over.
    fn finish(self) -> impl Future<Output = ()> + Send;
}

/// A session and its transports.
pub(super) struct Link<S, M, H> {
    env: Env,
    session: M,
    http: H,
    socket: Option<WebSocket<S>>,
    alarm: Alarm,
    /// Whether the alarm is to send something, rather than to judge the peer.
    alarm_first: bool,
    events: VecDeque<Event>,
    over: Option<CloseReason>,
}

impl<S: Stream, M: Session, H: Http<S>> Link<S, M, H> {
    /// A session whose first transport is yet to come from `http`.
    pub(super) fn new(env: &Env, session: M, http: H) -> Self {
        let alarm = Alarm::new(env.clock.clone());
        let events = VecDeque::new();
        let env = env.clone();
        let mut link =
            Self { env, session, http, socket: None, alarm, alarm_first: false, events, over: None };
        link.drain();
        link
    }

    /// Puts a session on an open WebSocket.
    pub(super) fn open(env: &Env, session: M, http: H, socket: WebSocket<S>) -> Self {
        let mut link = Self::new(env, session, http);
        link.take(socket);
        link
    }

    /// Sends a message; [`Link::poll_progress`] writes it.
    pub(super) fn send(&mut self, message: Message) {
        self.hand_in(Input::Command(Command::Send(message)));
    }

    /// Closes the session after what was sent before.
    pub(super) fn close(&mut self) {
        self.hand_in(Input::Command(Command::Close));
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_flushed(&self) -> bool {
        self.session.is_drained() && self.socket.as_ref().is_none_or(WebSocket::is_flushed)
    }

    /// What the session said, in order; its end is told by [`Link::over`].
    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Why the session is over, once it is.
    pub(super) fn over(&self) -> Option<CloseReason> {
        self.over
    }

    /// What the session asks of HTTP.
    pub(super) fn http(&self) -> &H {
        &self.http
    }

    /// Takes one step: a frame, a request, a flush or a deadline.
    pub(super) fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // A peer that floods must not keep the ping from it, or it would miss the heartbeat by its own doing.
        if self.alarm_first && self.alarm.poll_expired(context).is_ready() {
            self.hand_in(Input::TimedOut);
            return Poll::Ready(());
        }
        if let Poll::Ready(arrival) = self.poll_arrival(context) {
            match arrival {
                Some(Arrival::Input(input)) => self.hand_in(input),
                Some(Arrival::WebSocket(socket)) => self.take(*socket),
                None => {}
            }
            return Poll::Ready(());
        }
        if !self.alarm_first {
            ready!(self.alarm.poll_expired(context));
            self.hand_in(Input::TimedOut);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// What comes next, by whichever transport; `None` for a flush.
    fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<Option<Arrival<S>>> {
        if let Some(socket) = &mut self.socket
            && let Poll::Ready(step) = socket.poll_step(context)
        {
            return Poll::Ready(match step {
                Step::Received(frame) => Some(Arrival::Input(Input::Received(frame))),
                Step::Ended(end) => Some(Arrival::Input(Input::Closed(end))),
                Step::Flushed => None,
            });
        }
        self.http.poll_next(context).map(Some)
    }

    fn take(&mut self, socket: WebSocket<S>) {
        if self.over.is_none() && self.session.takes_websocket() {
            self.let_socket_go();
            self.socket = Some(socket);
            self.hand_in(Input::Opened);
        } else {
            tracing::debug!("a WebSocket has come that no one waits for");
            self.env.spawn(goodbye(self.env.clone(), socket));
        }
    }

    fn hand_in(&mut self, input: Input) {
        if self.over.is_some() {
            return;
        }
        let socket_ended = matches!(input, Input::Closed(_));
        self.session.handle(input, self.env.clock.monotonic());
        self.drain();
        if socket_ended {
            // Only its goodbye is still owed.
            self.let_socket_go();
        }
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll_output() {
                Output::Transmit(frame) => {
                    if let Some(socket) = &mut self.socket {
                        socket.send(frame);
                    }
                }
                Output::Respond(id, response) => self.http.run(Errand::Respond(id, response)),
                Output::Ask(ask) => self.http.run(Errand::Ask(ask)),
                Output::CloseProbe => self.let_socket_go(),
                Output::Close => self.over = Some(self.over.unwrap_or(CloseReason::ForcedClose)),
                Output::Event(Event::Closed(reason)) => self.over = Some(reason),
                Output::Event(event) => self.events.push_back(event),
                Output::Wait { until, why } => {
                    self.alarm_first = matches!(why, Waiting::NextPing | Waiting::Noop);
                    return self.alarm.set(until);
                }
            }
        }
    }

    /// Lets a WebSocket end by itself, while the session goes on without it.
    fn let_socket_go(&mut self) {
        if self.over.is_none()
            && let Some(socket) = self.socket.take()
        {
            self.env.spawn(goodbye(self.env.clone(), socket));
        }
    }

    /// Ends the transports of a session that is over: writes what was sent before it was, and says goodbye. A peer that
    /// does not read holds it for [`LINGER`] only.
    pub(super) async fn finish(self) {
        let Self { env, socket, http, .. } = self;
        let finish = async {
            http.finish().await;
            if let Some(socket) = socket {
                socket.close().await;
            }
        };
        within_linger(env, finish).await;
    }
}

/// Ends a WebSocket that its session has no use for.
async fn goodbye<S: Stream>(env: Env, socket: WebSocket<S>) {
    within_linger(env, socket.close()).await;
}

async fn within_linger(env: Env, finish: impl Future<Output = ()> + Send) {
    tokio::select! {
        biased;
        () = finish => {}
        () = env.sleep(LINGER) => tracing::debug!("the peer did not take its goodbye"),
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

    /// No requests come.
    struct NoHttp;

    impl<S: Stream> Http<S> for NoHttp {
        fn poll_next(&mut self, _context: &mut Context<'_>) -> Poll<Arrival<S>> {
            Poll::Pending
        }

        fn run(&mut self, _errand: Errand) {}

        async fn finish(self) {}
    }

    impl<S: Stream> Link<S, ServerSession, NoHttp> {
        async fn progress(&mut self) {
            std::future::poll_fn(|context| self.poll_progress(context)).await;
        }
    }

    async fn link<S: Stream>(env: &Env, stream: S) -> Link<S, ServerSession, NoHttp> {
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        let handshake = Handshake {
            sid: Sid::from_peer("s"),
            upgrades: Vec::new(),
            heartbeat: HEARTBEAT,
            max_payload: 1,
        };
        Link::open(env, ServerSession::new(handshake), NoHttp, WebSocket::new(stream))
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
