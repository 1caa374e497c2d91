//! The server's machines as `squall::io` puts them together: engine sessions, a decoder each, and the hub. What a peer and
//! the application do comes from bytes; what the machines promise is asserted at every output.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use squall::args;
use squall::engine::{
    Command, Entropy, Event, Frame, Handshake, Heartbeat, Input, Message, Output, Request, RequestId,
    ServerSession, Sid, Time, Transport, TransportEnd,
};
use squall::socket::{
    AckId, Audience, ConnectionId, Decoder, EmitId, Hub, HubCommand, HubEvent, HubInput, HubOutput,
    Namespace, RoomName,
};

use crate::words::Words;

/// More outputs than any one input can cause here.
const OUTPUTS_MAX: usize = 10_000;

/// Always the same: what is random is not what is tested.
struct Same;

impl Entropy for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// One connection.
struct Connection {
    session: ServerSession,
    decoder: Decoder,
    /// When the session wants to hear that time has passed.
    until: Option<Time>,
    over: bool,
}

impl Connection {
    /// What a message is to the layer above.
    fn receive(&mut self, id: ConnectionId, message: Message) -> Option<Work> {
        match self.decoder.receive(message) {
            Ok(packet) => packet.map(|packet| Work::Hub(HubInput::Received(id, packet))),
            Err(_) => Some(Work::Session(id, Input::Command(Command::Close))),
        }
    }
}

/// An input that waits for its machine. One queue, so that no machine is handed one before the last was drained.
enum Work {
    Session(ConnectionId, Input),
    Hub(HubInput),
}

/// A server without a network.
pub(crate) struct Server {
    hub: Hub,
    hub_until: Option<Time>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Requests that were not answered.
    held: BTreeSet<(ConnectionId, RequestId)>,
    work: VecDeque<Work>,
    /// Who waits to be let in.
    asking: BTreeSet<Sid>,
    connected: BTreeSet<Sid>,
    /// All that there ever were.
    sockets: Vec<Sid>,
    /// Emits whose acknowledgement was not heard.
    waiting: BTreeSet<u64>,
    count: u64,
    now: Time,
}

impl Server {
    /// With a namespace that lets everyone in, `/`, and one that asks first, `/admin`.
    pub(crate) fn new() -> Self {
        let mut server = Self {
            hub: Hub::new(Arc::new(Same), Duration::from_secs(45)),
            hub_until: None,
            connections: BTreeMap::new(),
            held: BTreeSet::new(),
            work: VecDeque::new(),
            asking: BTreeSet::new(),
            connected: BTreeSet::new(),
            sockets: Vec::new(),
            waiting: BTreeSet::new(),
            count: 0,
            now: Time::from_start(Duration::ZERO),
        };
        server.command(HubCommand::Guard(Namespace::new("/admin")));
        server
    }

    /// One thing happens.
    pub(crate) fn step(&mut self, words: &mut Words<'_>) {
        match words.number() % 24 {
            0..4 => self.open(words.coin()),
            4 => self.pass(Duration::from_millis(words.number() as u64 * 200)),
            5 => self.close(words),
            6..14 => {
                // A packet that is complete, or anything.
                let packet = words.packet();
                self.at_one(words, Input::Received(Frame::Text(packet.into())));
            }
            14 => {
                let body = words.packet();
                self.post(words, body);
            }
            15 | 16 => {
                let frame = if words.coin() {
                    Frame::Binary(words.bytes())
                } else {
                    Frame::Text(words.text().into())
                };
                self.at_one(words, Input::Received(frame));
            }
            17 => self.request(words, Request::Polled),
            18 => {
                let body = words.text();
                self.post(words, body);
            }
            19 => self.at_one(words, Input::Opened),
            _ => self.application(words),
        }
    }

    /// Everyone goes. Nobody is left behind, and nothing waits for an answer that cannot come.
    pub(crate) fn end(mut self) {
        self.command(HubCommand::Shutdown);
        for connection in self.connections.keys().copied().collect::<Vec<_>>() {
            // A polling session takes it for the end of its probe, and ends by itself.
            self.input(connection, Input::Closed(TransportEnd::Error));
        }
        // The longest that anything here waits.
        for _ in 0..60 {
            self.pass(Duration::from_secs(60));
        }
        assert!(self.connected.is_empty(), "still connected: {:?}", self.connected);
        assert!(self.asking.is_empty(), "neither let in nor sent away: {:?}", self.asking);
        assert!(self.waiting.is_empty(), "never settled: {:?}", self.waiting);
        assert!(self.connections.values().all(|connection| connection.over), "a session never ended");
        assert!(self.held.is_empty(), "requests were never answered: {:?}", self.held);
    }

    fn open(&mut self, polls: bool) {
        let id = ConnectionId(self.next());
        let handshake = Handshake {
            sid: Sid::from_peer(format!("engine{}", id.0)),
            upgrades: if polls { vec![Transport::WebSocket] } else { Vec::new() },
            heartbeat: Heartbeat::default(),
            max_payload: 1_000_000,
        };
        let session = ServerSession::new(handshake);
        let connection = Connection { session, decoder: Decoder::default(), until: None, over: false };
        self.connections.insert(id, connection);
        self.hub(HubInput::Opened(id));
        if polls {
            self.ask(id, Request::Polled);
        } else {
            self.input(id, Input::Opened);
        }
    }

    fn close(&mut self, words: &mut Words<'_>) {
        let end = if words.coin() { TransportEnd::Close } else { TransportEnd::Error };
        self.at_one(words, Input::Closed(end));
    }

    fn at_one(&mut self, words: &mut Words<'_>, input: Input) {
        if let Some(id) = self.pick_connection(words) {
            self.input(id, input);
        }
    }

    fn request(&mut self, words: &mut Words<'_>, request: Request) {
        if let Some(id) = self.pick_connection(words) {
            self.ask(id, request);
        }
    }

    /// One that is not over: to who names any other, the driver says so itself.
    fn pick_connection(&self, words: &mut Words<'_>) -> Option<ConnectionId> {
        let open = self.connections.iter().filter(|(_, connection)| !connection.over);
        let open: Vec<ConnectionId> = open.map(|(&id, _)| id).collect();
        pick(open.iter(), words)
    }

    fn ask(&mut self, connection: ConnectionId, request: Request) -> RequestId {
        let id = RequestId(self.next());
        self.held.insert((connection, id));
        self.input(connection, Input::Request(id, request));
        id
    }

    /// The head of a POST, and what became of its body, if the session still wants to know.
    fn post(&mut self, words: &mut Words<'_>, body: String) {
        let Some(connection) = self.pick_connection(words) else { return };
        let id = self.ask(connection, Request::Posting);
        if self.held.contains(&(connection, id)) {
            let rest = match words.number() % 8 {
                0 => Request::TooLarge,
                1 => Request::Aborted,
                _ => Request::Posted(body.into()),
            };
            if rest == Request::Aborted {
                self.held.remove(&(connection, id));
            }
            self.input(connection, Input::Request(id, rest));
        }
    }

    fn application(&mut self, words: &mut Words<'_>) {
        let socket = pick(self.sockets.iter(), words).unwrap_or_else(|| Sid::from_peer("nobody"));
        let rooms = |word: usize| BTreeSet::from([RoomName::from(["a", "b", "c"][word % 3])]);
        let room = || RoomName::from("a");
        let audience = |word: usize| Audience { to: rooms(word), ..Audience::all(Namespace::MAIN) };
        let command = match words.number() % 14 {
            0 => HubCommand::Admit(socket),
            1 => HubCommand::Refuse { socket, error: json!({ "message": "no" }) },
            2..5 => {
                let emit = self.next();
                self.waiting.insert(emit);
                let timeout = words.coin().then(|| Duration::from_secs(words.number() as u64));
                let ack = Some((EmitId(emit), timeout));
                HubCommand::Emit { socket, name: "b".into(), args: args![1], ack, volatile: words.coin() }
            }
            5 => HubCommand::Join { socket, room: room() },
            6 => HubCommand::Leave { socket, room: room() },
            7 => HubCommand::Ack { socket, id: AckId(words.number() as u64), args: args!["ok"] },
            8 => HubCommand::Disconnect { socket, close: words.coin() },
            9 => HubCommand::DisconnectAll { audience: audience(words.number()), close: words.coin() },
            10 | 11 => {
                let emit = self.next();
                self.waiting.insert(emit);
                let timeout = words.coin().then(|| Duration::from_secs(words.number() as u64));
                let (audience, name, args) = (audience(words.number()), "d".into(), args![2]);
                HubCommand::BroadcastWithAck { audience, name, args, emit: EmitId(emit), timeout }
            }
            _ => HubCommand::Broadcast {
                audience: audience(words.number()),
                name: "c".into(),
                args: args![words.bytes()],
                volatile: words.coin(),
            },
        };
        self.command(command);
    }

    /// Time goes from deadline to deadline.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let sessions = self.connections.iter().map(|(&id, connection)| (connection.until, Some(id)));
            let next = sessions.chain([(self.hub_until, None)]);
            let next = next.filter_map(|(until, who)| until.map(|until| (until, who))).min();
            let Some((until, who)) = next.filter(|&(until, _)| until <= end) else { break };
            self.now = until.max(self.now);
            match who {
                Some(id) => self.input(id, Input::TimedOut),
                None => self.hub(HubInput::TimedOut),
            }
        }
        self.now = end;
    }

    /// Hands in one input and all that comes of it.
    fn input(&mut self, id: ConnectionId, input: Input) {
        // A driver hands in a WebSocket only where the session takes one.
        let refused = |connection: &Connection| !connection.session.takes_websocket();
        if !(matches!(input, Input::Opened) && self.connections.get(&id).is_none_or(refused)) {
            self.work.push_back(Work::Session(id, input));
        }
        self.run();
    }

    fn hub(&mut self, input: HubInput) {
        self.work.push_back(Work::Hub(input));
        self.run();
    }

    fn command(&mut self, command: HubCommand) {
        self.hub(HubInput::Command(command));
    }

    fn run(&mut self) {
        while let Some(work) = self.work.pop_front() {
            match work {
                Work::Session(id, input) => self.run_session(id, input),
                Work::Hub(input) => self.run_hub(input),
            }
        }
    }

    fn run_session(&mut self, id: ConnectionId, input: Input) {
        let connection = self.connections.get_mut(&id).expect("connections are never removed");
        connection.session.handle(input, self.now);
        for _ in 0..OUTPUTS_MAX {
            let output = connection.session.poll_output();
            assert!(
                !connection.over || matches!(output, Output::Wait { until: None, .. }),
                "after the end: {output:?}"
            );
            match output {
                Output::Wait { until, .. } => {
                    connection.until = until;
                    return;
                }
                Output::Respond(request, _) => {
                    assert!(self.held.remove(&(id, request)), "a second answer to one request");
                }
                Output::Event(Event::Received(message)) => self.work.extend(connection.receive(id, message)),
                Output::Event(Event::Closed(reason)) => {
                    connection.over = true;
                    self.work.push_back(Work::Hub(HubInput::Closed(id, reason)));
                }
                Output::Event(Event::Opened(_) | Event::Pinged)
                | Output::Transmit(_)
                | Output::Ask(_)
                | Output::CloseProbe
                | Output::Close => {}
            }
        }
        panic!("a session that does not come to rest");
    }

    fn run_hub(&mut self, input: HubInput) {
        self.hub.handle(input, self.now);
        for _ in 0..OUTPUTS_MAX {
            match self.hub.poll_output() {
                HubOutput::Wait { until } => {
                    self.hub_until = until;
                    return;
                }
                HubOutput::Transmit(id, messages) | HubOutput::TransmitVolatile(id, messages) => {
                    for message in messages.iter() {
                        self.work
                            .push_back(Work::Session(id, Input::Command(Command::Send(message.clone()))));
                    }
                }
                HubOutput::Close(id) => {
                    self.work.push_back(Work::Session(id, Input::Command(Command::Close)));
                }
                HubOutput::Event(event) => self.on_hub_event(event),
                HubOutput::Persist(batch) => panic!("nothing is stored here: {batch:?}"),
            }
        }
        panic!("a hub that does not come to rest");
    }

    fn on_hub_event(&mut self, event: HubEvent) {
        match event {
            HubEvent::Asked { socket, .. } => {
                assert!(self.asking.insert(socket.clone()), "asked twice");
                self.sockets.push(socket);
            }
            HubEvent::Abandoned { socket } => assert!(self.asking.remove(&socket), "abandoned by nobody"),
            HubEvent::Connected { socket, .. } => {
                self.asking.remove(&socket);
                self.sockets.push(socket.clone());
                assert!(self.connected.insert(socket), "connected twice");
            }
            HubEvent::Received { socket, .. } => {
                assert!(self.connected.contains(&socket), "heard from nobody");
            }
            HubEvent::Acked { emit, .. } | HubEvent::AllAcked { emit, .. } => {
                assert!(self.waiting.remove(&emit.0), "settled twice")
            }
            HubEvent::Disconnected { socket, .. } => {
                assert!(self.connected.remove(&socket), "disconnected twice");
            }
            HubEvent::Forgotten { socket } => panic!("nothing is kept of {socket} here"),
        }
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

/// One of them, if there are any.
fn pick<'a, T: Clone + 'a>(from: impl ExactSizeIterator<Item = &'a T>, words: &mut Words<'_>) -> Option<T> {
    let (count, mut from) = (from.len(), from);
    (count > 0).then(|| from.nth(words.number() % count).cloned()).flatten()
}
