//! One session's requests and frames, each on its way for 10 ms, written down as they are sent.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use squall::engine::{
    Answer, Ask, ClientSession, Command, Frame, Handshake, Heartbeat, Input, Message, Output, Request,
    RequestId, Response, ServerSession, Sid, Time, TransportEnd,
};

/// How long anything takes, either way.
const LATENCY: Duration = Duration::from_millis(10);

/// What travels.
enum Parcel {
    Ask(RequestId, Ask),
    Answer(Response),
    /// The server takes the WebSocket.
    Accept,
    Up(Frame),
    Down(Frame),
    CloseUp,
    CloseDown,
}

/// A client's session and a server's.
pub(crate) struct Conversation {
    now: Time,
    client: ClientSession,
    server: ServerSession,
    deadlines: (Option<Time>, Option<Time>),
    in_flight: VecDeque<(Time, Parcel)>,
    requests: u64,
    /// The client has asked for a WebSocket.
    websocket: bool,
    transcript: String,
}

impl Conversation {
    /// A client that polls, and upgrades if it may.
    pub(crate) fn polling(upgrade: bool) -> Self {
        let handshake = Handshake {
            sid: Sid::from_peer("abc"),
            upgrades: vec![],
            heartbeat: Heartbeat::default(),
            max_payload: 1_000_000,
        };
        let mut conversation = Self {
            now: Time::ZERO,
            client: ClientSession::polling(upgrade),
            server: ServerSession::new(handshake),
            deadlines: (None, None),
            in_flight: VecDeque::new(),
            requests: 0,
            websocket: false,
            transcript: String::new(),
        };
        conversation.drain_client();
        conversation
    }

    pub(crate) fn client_sends(&mut self, message: Message) {
        self.client(Input::Command(Command::Send(message)));
    }

    pub(crate) fn server_sends(&mut self, message: Message) {
        self.server(Input::Command(Command::Send(message)));
    }

    pub(crate) fn client_closes(&mut self) {
        self.client(Input::Command(Command::Close));
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let arrival = self.in_flight.front().map(|&(at, _)| at);
            let next = [arrival, self.deadlines.0, self.deadlines.1].into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next <= end) else { break };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                self.arrive();
            } else if self.deadlines.0 == Some(next) {
                self.client(Input::TimedOut);
            } else {
                self.server(Input::TimedOut);
            }
        }
        self.now = end;
    }

    /// What was sent since the last time, a line each.
    pub(crate) fn transcript(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }

    fn arrive(&mut self) {
        let Some((_, parcel)) = self.in_flight.pop_front() else { return };
        match parcel {
            Parcel::Ask(id, Ask::Poll(_)) => self.server(Input::Request(id, Request::Polled)),
            Parcel::Ask(id, Ask::Post(_, body)) => {
                self.server(Input::Request(id, Request::Posting));
                self.server(Input::Request(id, Request::Posted(body)));
            }
            Parcel::Ask(_, Ask::WebSocket(_)) => {
                assert!(self.server.takes_websocket(), "a session has one probe");
                self.send("server: 101 switching protocols".to_owned(), Parcel::Accept);
                self.server(Input::Opened);
            }
            Parcel::Ask(_, Ask::Hangup) => {}
            Parcel::Answer(Response::Payload(body)) => self.client(Input::Answer(Answer::Polled(body))),
            Parcel::Answer(Response::Ok) => self.client(Input::Answer(Answer::Posted)),
            Parcel::Answer(Response::BadRequest | Response::TooLarge) => {
                self.client(Input::Answer(Answer::Failed));
            }
            Parcel::Accept => self.client(Input::Opened),
            Parcel::Up(frame) => self.server(Input::Received(frame)),
            Parcel::Down(frame) => self.client(Input::Received(frame)),
            Parcel::CloseUp => self.server(Input::Closed(TransportEnd::Close)),
            Parcel::CloseDown => self.client(Input::Closed(TransportEnd::Close)),
        }
    }

    fn client(&mut self, input: Input) {
        self.client.handle(input, self.now);
        self.drain_client();
    }

    fn drain_client(&mut self) {
        loop {
            match self.client.poll_output() {
                Output::Ask(ask) => self.ask(ask),
                Output::Transmit(frame) => {
                    self.send(format!("client: ws {}", show(&frame)), Parcel::Up(frame))
                }
                Output::CloseProbe | Output::Close if self.websocket => {
                    self.send("client: ws closed".to_owned(), Parcel::CloseUp);
                }
                Output::CloseProbe | Output::Close => {}

                Output::Event(_) => {}
                Output::Respond(..) => panic!("a client answers nothing"),
                Output::Wait { until, .. } => return self.deadlines.0 = until,
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        let line = match &ask {
            Ask::Poll(sid) => format!("client: GET sid={}", sid.as_ref().map_or("", Sid::as_str)),
            Ask::Post(sid, body) => format!("client: POST sid={sid} {}", show_body(body)),
            Ask::WebSocket(sid) => format!("client: GET sid={sid}, upgrade to websocket"),
            Ask::Hangup => return,
        };
        self.websocket |= matches!(ask, Ask::WebSocket(_));
        self.requests += 1;
        self.send(line, Parcel::Ask(RequestId(self.requests), ask));
    }

    fn server(&mut self, input: Input) {
        self.server.handle(input, self.now);
        loop {
            match self.server.poll_output() {
                Output::Respond(_, response) => {
                    let line = match &response {
                        Response::Payload(body) => format!("server: 200 {}", show_body(body)),
                        Response::Ok => "server: 200 ok".to_owned(),
                        Response::BadRequest => "server: 400".to_owned(),
                        Response::TooLarge => "server: 413".to_owned(),
                    };
                    self.send(line, Parcel::Answer(response));
                }
                Output::Transmit(frame) => {
                    self.send(format!("server: ws {}", show(&frame)), Parcel::Down(frame));
                }
                Output::CloseProbe | Output::Close if self.websocket => {
                    self.send("server: ws closed".to_owned(), Parcel::CloseDown);
                }
                Output::CloseProbe | Output::Close => {}
                Output::Event(_) => {}
                Output::Ask(_) => panic!("a server asks for nothing"),
                Output::Wait { until, .. } => return self.deadlines.1 = until,
            }
        }
    }

    fn send(&mut self, line: String, parcel: Parcel) {
        writeln!(self.transcript, "{} {line}", self.now).expect("a string takes all");
        self.in_flight.push_back((self.now + LATENCY, parcel));
    }
}

/// The separator made visible.
fn show_body(body: &str) -> String {
    body.replace('\x1e', "\\x1e")
}

fn show(frame: &Frame) -> &str {
    match frame {
        Frame::Text(text) => text,
        Frame::Binary(_) => "(binary)",
    }
}
