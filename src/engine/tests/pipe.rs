//! A client and a server and what is under way between them: HTTP requests, each on its own way, and one WebSocket, which
//! keeps its order. What arrives next is for the test to say.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytestring::ByteString;

use crate::engine::testing::handshake;
use crate::engine::{
    Answer, Ask, ClientSession, Command, Event, Frame, Handshake, Input, Message, Output, Request, RequestId,
    Response, ServerSession, Time, TransportEnd,
};

/// What happens next.
#[derive(Debug, Clone)]
pub(super) enum Step {
    ClientSends {
        binary: bool,
    },
    ServerSends {
        binary: bool,
    },
    /// One of those things that are under way arrives.
    Deliver(usize),
    /// Milliseconds pass, and deadlines with them.
    Wait(u64),
    BreakWebSocket,
    /// One of the requests that are under way breaks, and both sides see it.
    BreakRequest(usize),
}

/// Where an HTTP request is.
#[derive(Debug)]
enum Http {
    /// On its way to the server.
    Get,
    /// Its head is on its way.
    PostHead(ByteString),
    /// Its body is.
    PostBody(ByteString),
    /// The server has it.
    Held,
    /// The answer is on its way back.
    Answered(Response),
}

/// What may arrive next.
#[derive(Debug, Clone, Copy)]
enum Way {
    Http(RequestId),
    Dial,
    Up,
    Down,
}

/// What travels on the WebSocket.
#[derive(Debug)]
enum Parcel {
    Frame(Frame),
    Close,
}

#[derive(Debug, Default)]
struct Socket {
    /// The server has it, and the client will know.
    accepted: bool,
    open_at_client: bool,
    up: VecDeque<Parcel>,
    /// `None`: the answer to the dial.
    down: VecDeque<Option<Parcel>>,
}

pub(super) struct Pipe {
    now: Time,
    client: ClientSession,
    server: ServerSession,
    requests: BTreeMap<RequestId, Http>,
    next_request: u64,
    /// POSTs that wait for the one before.
    posts: VecDeque<(RequestId, ByteString)>,
    socket: Option<Socket>,
    sent: (u64, u64),
    server_heard: Vec<u64>,
    client_heard: Vec<u64>,
    client_upgraded: bool,
    server_over: bool,
    client_over: bool,
}

impl Pipe {
    /// The client has polled for the first time.
    pub(super) fn open(max_payload: u64) -> Self {
        let mut pipe = Self {
            now: Time::ZERO,
            client: ClientSession::polling(true),
            server: ServerSession::new(Handshake { max_payload, ..handshake() }),
            requests: BTreeMap::new(),
            next_request: 0,
            posts: VecDeque::new(),
            socket: None,
            sent: (0, 0),
            server_heard: Vec::new(),
            client_heard: Vec::new(),
            client_upgraded: false,
            server_over: false,
            client_over: false,
        };
        pipe.drain_client();
        // The handshake, so that both may send.
        pipe.step(Step::Deliver(0));
        pipe.step(Step::Deliver(0));
        pipe
    }

    pub(super) fn sent(&self) -> (u64, u64) {
        self.sent
    }

    pub(super) fn server_heard(&self) -> &[u64] {
        &self.server_heard
    }

    pub(super) fn client_heard(&self) -> &[u64] {
        &self.client_heard
    }

    /// Whether the client has said `5`.
    pub(super) fn is_upgraded(&self) -> bool {
        self.client_upgraded
    }

    pub(super) fn is_open(&self) -> bool {
        !self.client_over && !self.server_over
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::ClientSends { binary } if !self.client_over => {
                let message = numbered(self.sent.0, binary);
                self.sent.0 += 1;
                self.client_input(Input::Command(Command::Send(message)));
            }
            Step::ServerSends { binary } if !self.server_over => {
                let message = numbered(self.sent.1, binary);
                self.sent.1 += 1;
                self.server_input(Input::Command(Command::Send(message)));
            }
            Step::ClientSends { .. } | Step::ServerSends { .. } => {}
            Step::Deliver(which) => {
                let ways = self.ways();
                if !ways.is_empty() {
                    self.deliver(ways[which % ways.len()]);
                }
            }
            Step::Wait(millis) => {
                self.now = self.now + Duration::from_millis(millis);
                self.server_input(Input::TimedOut);
                self.client_input(Input::TimedOut);
            }
            Step::BreakWebSocket => {
                if self.socket.take().is_some_and(|socket| socket.accepted) {
                    self.server_input(Input::Closed(TransportEnd::Error));
                    self.client_input(Input::Closed(TransportEnd::Error));
                } else {
                    self.client_input(Input::Closed(TransportEnd::Error));
                }
            }
            Step::BreakRequest(which) => {
                let ids: Vec<_> = self.requests.keys().copied().collect();
                if !ids.is_empty() {
                    self.break_request(ids[which % ids.len()]);
                }
            }
        }
    }

    /// Delivers all that is under way, lets a second pass, and so on until nothing moves: less than a heartbeat.
    pub(super) fn settle(&mut self) {
        for _ in 0..12 {
            while let Some(&way) = self.ways().first() {
                self.deliver(way);
            }
            self.step(Step::Wait(150));
        }
    }

    fn ways(&self) -> Vec<Way> {
        let moving = self.requests.iter().filter(|(_, http)| !matches!(http, Http::Held));
        let mut ways: Vec<Way> = moving.map(|(&id, _)| Way::Http(id)).collect();
        if let Some(socket) = &self.socket {
            ways.extend((!socket.accepted).then_some(Way::Dial));
            ways.extend((!socket.up.is_empty()).then_some(Way::Up));
            ways.extend((!socket.down.is_empty()).then_some(Way::Down));
        }
        ways
    }

    fn deliver(&mut self, way: Way) {
        match way {
            Way::Http(id) => self.deliver_http(id),
            Way::Dial => {
                let takes = self.server.takes_websocket();
                if let Some(socket) = &mut self.socket {
                    socket.accepted = true;
                    socket.down.push_back(None);
                    if takes {
                        self.server_input(Input::Opened);
                    } else {
                        socket.down.push_back(Some(Parcel::Close));
                    }
                }
            }
            Way::Up => match self.socket.as_mut().and_then(|socket| socket.up.pop_front()) {
                Some(Parcel::Frame(frame)) => self.server_input(Input::Received(frame)),
                Some(Parcel::Close) => {
                    self.socket = None;
                    self.server_input(Input::Closed(TransportEnd::Close));
                }
                None => {}
            },
            Way::Down => match self.socket.as_mut().and_then(|socket| socket.down.pop_front()) {
                Some(None) => {
                    if let Some(socket) = &mut self.socket {
                        socket.open_at_client = true;
                    }
                    self.client_input(Input::Opened);
                }
                Some(Some(Parcel::Frame(frame))) => self.client_input(Input::Received(frame)),
                Some(Some(Parcel::Close)) => {
                    self.socket = None;
                    self.client_input(Input::Closed(TransportEnd::Close));
                }
                None => {}
            },
        }
    }

    fn deliver_http(&mut self, id: RequestId) {
        let Some(http) = self.requests.remove(&id) else { return };
        let mut hold = |state| self.requests.insert(id, state);
        match http {
            // A session that is over is not known any more.
            Http::Get | Http::PostHead(_) if self.server_over => {
                hold(Http::Answered(Response::BadRequest));
            }
            Http::Get => {
                hold(Http::Held);
                self.server_input(Input::Request(id, Request::Polled));
            }
            Http::PostHead(body) => {
                hold(Http::PostBody(body));
                self.server_input(Input::Request(id, Request::Posting));
            }
            Http::PostBody(body) => {
                hold(Http::Held);
                self.server_input(Input::Request(id, Request::Posted(body)));
            }
            Http::Held => {}
            Http::Answered(response) => {
                let answer = match response {
                    Response::Payload(body) => Answer::Polled(body),
                    Response::Ok => Answer::Posted,
                    Response::BadRequest | Response::TooLarge => Answer::Failed,
                };
                if answer == Answer::Posted {
                    self.next_post();
                }
                self.client_input(Input::Answer(answer));
            }
        }
    }

    fn break_request(&mut self, id: RequestId) {
        let http = self.requests.remove(&id);
        if matches!(http, Some(Http::Held | Http::PostBody(_))) {
            self.server_input(Input::Request(id, Request::Aborted));
        }
        self.client_input(Input::Answer(Answer::Failed));
    }

    fn client_input(&mut self, input: Input) {
        self.client.handle(input, self.now);
        self.drain_client();
    }

    fn drain_client(&mut self) {
        loop {
            match self.client.poll_output() {
                Output::Transmit(frame) => {
                    self.client_upgraded |= frame == Frame::Text("5".into());
                    if let Some(socket) = &mut self.socket {
                        assert!(socket.open_at_client, "nothing is written before it is open");
                        socket.up.push_back(Parcel::Frame(frame));
                    }
                }
                Output::Ask(Ask::Poll(_)) => {
                    let id = self.next_id();
                    let get = |http: &Http| matches!(http, Http::Get);
                    assert!(!self.requests.values().any(get), "one GET at a time");
                    self.requests.insert(id, Http::Get);
                }
                Output::Ask(Ask::Post(_, body)) => {
                    let id = self.next_id();
                    self.posts.push_back((id, body));
                    if self.posts.len() == 1 {
                        self.start_post();
                    }
                }
                Output::Ask(Ask::WebSocket(_)) => self.socket = Some(Socket::default()),
                Output::Ask(Ask::Hangup) => assert!(self.requests.is_empty(), "hung up on a request"),
                Output::CloseProbe | Output::Close => {
                    if let Some(socket) = &mut self.socket {
                        socket.up.push_back(Parcel::Close);
                    }
                }
                Output::Event(Event::Received(message)) => self.client_heard.push(number(&message)),
                Output::Event(Event::Closed(_)) => self.client_over = true,
                Output::Event(Event::Opened(_) | Event::Pinged) => {}
                Output::Respond(..) => panic!("a client answers no requests"),
                Output::Wait { .. } => return,
            }
        }
    }

    fn next_id(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    fn start_post(&mut self) {
        if let Some((id, body)) = self.posts.front() {
            self.requests.insert(*id, Http::PostHead(body.clone()));
        }
    }

    fn next_post(&mut self) {
        self.posts.pop_front();
        self.start_post();
    }

    fn server_input(&mut self, input: Input) {
        self.server.handle(input, self.now);
        loop {
            match self.server.poll_output() {
                Output::Transmit(frame) => {
                    if let Some(socket) = &mut self.socket {
                        socket.down.push_back(Some(Parcel::Frame(frame)));
                    }
                }
                Output::Respond(id, response) => {
                    if let Some(http) = self.requests.get_mut(&id) {
                        assert!(!matches!(http, Http::Answered(_)), "one answer for {id:?}");
                        *http = Http::Answered(response);
                    }
                }
                Output::CloseProbe | Output::Close => {
                    if let Some(socket) = &mut self.socket {
                        socket.down.push_back(Some(Parcel::Close));
                    }
                }
                Output::Event(Event::Received(message)) => self.server_heard.push(number(&message)),
                Output::Event(Event::Closed(_)) => self.server_over = true,
                Output::Event(Event::Opened(_) | Event::Pinged) => {}
                Output::Ask(_) => panic!("a server asks for no requests"),
                Output::Wait { .. } => return,
            }
        }
    }
}

fn numbered(number: u64, binary: bool) -> Message {
    if binary {
        Message::Binary(number.to_be_bytes().to_vec().into())
    } else {
        Message::text(&number.to_string())
    }
}

fn number(message: &Message) -> u64 {
    match message {
        Message::Text(text) => text.as_str().parse().unwrap(),
        Message::Binary(bytes) => u64::from_be_bytes(bytes[..].try_into().unwrap()),
    }
}
