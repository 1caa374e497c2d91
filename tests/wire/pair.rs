//! A server and its clients, joined by pipes in memory: the machines are real, time is a number, and every frame that
//! is sent is written down.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use squall::engine::{
    ClientSession, CloseReason, Command, Entropy, Event, Frame, Handshake, Heartbeat, Input, Message, Output,
    ServerSession, Sid, Time, TransportEnd,
};
use squall::socket::{
    ConnectionId, Decoder, Hub, HubCommand, HubEvent, HubInput, HubOutput, Manager, ManagerCommand,
    ManagerEvent, ManagerInput, ManagerOptions, ManagerOutput, Namespace, ReconnectOptions,
};

/// How long a frame takes, either way.
const LATENCY: Duration = Duration::from_millis(10);

/// Counts: each draw is the bytes of the next number.
#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (byte, value) in bytes.iter_mut().zip(number.into_iter().cycle()) {
            *byte = value;
        }
    }
}

/// A machine, and so a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Machine {
    Hub,
    ServerSession(ConnectionId),
    ClientSession(ConnectionId),
    /// A client, by its place.
    Manager(usize),
}

/// An input that waits for its machine. One queue, so that no machine is handed one before the last was drained.
#[derive(Debug)]
enum Work {
    Hub(HubInput),
    ServerSession(ConnectionId, Input),
    ClientSession(ConnectionId, Input),
    Manager(usize, ManagerInput),
}

/// What travels.
#[derive(Debug)]
enum Parcel {
    /// The client's request to upgrade to a WebSocket.
    Dial,
    /// The server's consent.
    Accept,
    Frame(Frame),
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

struct Client {
    name: &'static str,
    manager: Manager,
    events: Vec<(Time, ManagerEvent)>,
    /// How often it was asked for `auth`.
    asked: u32,
}

/// Both ends of one connection. An end that is `None` is over.
struct Link {
    client: usize,
    client_session: Option<(ClientSession, Decoder)>,
    server_session: Option<(ServerSession, Decoder)>,
}

/// A server, its clients, and what lies between.
pub(crate) struct World {
    now: Time,
    hub: Hub,
    server_events: Vec<(Time, HubEvent)>,
    clients: Vec<Client>,
    links: BTreeMap<ConnectionId, Link>,
    in_flight: VecDeque<(Time, ConnectionId, Way, Parcel)>,
    silent: bool,
    work: VecDeque<Work>,
    timers: BTreeMap<Machine, Time>,
    entropy: Arc<dyn Entropy>,
    transcript: String,
}

impl World {
    /// Clients that have not connected. Reconnection has no jitter.
    pub(crate) fn new(names: &[&'static str]) -> Self {
        Self::with(names, ManagerOptions::default())
    }

    /// The same, with options of their own.
    pub(crate) fn with(names: &[&'static str], options: ManagerOptions) -> Self {
        let entropy: Arc<dyn Entropy> = Arc::new(Counting::default());
        let reconnect = ReconnectOptions { randomization_factor: 0.0, ..ReconnectOptions::default() };
        let options = ManagerOptions { reconnect, ..options };
        let client = |&name| Client {
            name,
            manager: Manager::new(options.clone(), entropy.clone()).expect("options go together"),
            events: Vec::new(),
            asked: 0,
        };
        Self {
            now: Time::ZERO,
            hub: Hub::new(entropy.clone(), Duration::from_secs(45)),
            server_events: Vec::new(),
            clients: names.iter().map(client).collect(),
            links: BTreeMap::new(),
            in_flight: VecDeque::new(),
            silent: false,
            work: VecDeque::new(),
            timers: BTreeMap::new(),
            entropy,
            transcript: String::new(),
        }
    }

    /// From now on nothing arrives, and nobody is told.
    pub(crate) fn silence(&mut self) {
        self.silent = true;
    }

    /// What is sent from now on arrives again.
    pub(crate) fn heal(&mut self) {
        self.silent = false;
    }

    /// The server's application asks for something, now.
    pub(crate) fn server(&mut self, command: HubCommand) {
        self.work.push_back(Work::Hub(HubInput::Command(command)));
        self.settle();
    }

    /// A client's application asks for something, now.
    pub(crate) fn client(&mut self, client: usize, command: ManagerCommand) {
        self.client_of(client, Namespace::MAIN, command);
    }

    /// The same, in a namespace.
    pub(crate) fn client_of(&mut self, client: usize, namespace: Namespace, command: ManagerCommand) {
        self.work.push_back(Work::Manager(client, ManagerInput::Command(namespace, command)));
        self.settle();
    }

    /// What the server's application heard since the last time.
    pub(crate) fn server_heard(&mut self) -> Vec<(Time, HubEvent)> {
        std::mem::take(&mut self.server_events)
    }

    /// What a client's application heard since the last time.
    pub(crate) fn client_heard(&mut self, client: usize) -> Vec<(Time, ManagerEvent)> {
        std::mem::take(&mut self.clients[client].events)
    }

    /// What was sent since the last time, a line each.
    pub(crate) fn transcript(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }

    /// Lets time pass. What arrives at a moment is handed in before the timers of that moment.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let arrival = self.in_flight.front().map(|&(at, ..)| at);
            let timer = self.timers.values().min().copied();
            let Some(next) = [arrival, timer].into_iter().flatten().min().filter(|&next| next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                self.arrive();
            } else {
                self.time_out();
            }
            self.settle();
        }
        self.now = end;
    }

    fn arrive(&mut self) {
        let Some((_, connection, way, parcel)) = self.in_flight.pop_front() else { return };
        if self.silent {
            return;
        }
        let input = match parcel {
            Parcel::Dial => {
                self.accept(connection);
                Input::Opened
            }
            Parcel::Accept => Input::Opened,
            Parcel::Frame(frame) => Input::Received(frame),
            Parcel::Close => Input::Closed(TransportEnd::Close),
        };
        self.work.push_back(match way {
            Way::Up => Work::ServerSession(connection, input),
            Way::Down => Work::ClientSession(connection, input),
        });
    }

    fn accept(&mut self, connection: ConnectionId) {
        let sid = Sid::generate(&*self.entropy, 0);
        let handshake =
            Handshake { sid, upgrades: vec![], heartbeat: Heartbeat::default(), max_payload: 1_000_000 };
        let link = self.links.get_mut(&connection).expect("a link begins with its dial");
        link.server_session = Some((ServerSession::new(handshake), Decoder::default()));
        self.send(connection, Way::Down, Parcel::Accept);
    }

    fn time_out(&mut self) {
        let due = self.timers.iter().filter(|&(_, &at)| at <= self.now).map(|(&machine, _)| machine);
        self.work.extend(due.map(|machine| match machine {
            Machine::Hub => Work::Hub(HubInput::TimedOut),
            Machine::ServerSession(connection) => Work::ServerSession(connection, Input::TimedOut),
            Machine::ClientSession(connection) => Work::ClientSession(connection, Input::TimedOut),
            Machine::Manager(client) => Work::Manager(client, ManagerInput::TimedOut),
        }));
    }

    fn settle(&mut self) {
        while let Some(work) = self.work.pop_front() {
            match work {
                Work::Hub(input) => self.drive_hub(input),
                Work::Manager(client, input) => self.drive_manager(client, input),
                Work::ServerSession(connection, input) => self.drive_server_session(connection, input),
                Work::ClientSession(connection, input) => self.drive_client_session(connection, input),
            }
        }
    }

    fn drive_hub(&mut self, input: HubInput) {
        self.hub.handle(input, self.now);
        loop {
            match self.hub.poll_output() {
                // Nothing ever waits to be sent here: a frame is on its way at once.
                HubOutput::Transmit(connection, encoded)
                | HubOutput::TransmitVolatile(connection, encoded) => self.work.extend(
                    encoded.iter().map(|message| Work::ServerSession(connection, send(message.clone()))),
                ),
                HubOutput::Close(connection) => {
                    self.work.push_back(Work::ServerSession(connection, Input::Command(Command::Close)));
                }
                HubOutput::Event(event) => self.server_events.push((self.now, event)),
                HubOutput::Persist(batch) => panic!("nothing is stored here: {batch:?}"),
                HubOutput::Wait { until } => return self.set_timer(Machine::Hub, until),
            }
        }
    }

    fn drive_manager(&mut self, client: usize, input: ManagerInput) {
        self.clients[client].manager.handle(input, self.now);
        loop {
            match self.clients[client].manager.poll_output() {
                ManagerOutput::Dial => self.dial(client),
                // These links are always writable.
                ManagerOutput::Transmit(encoded) | ManagerOutput::TransmitVolatile(encoded) => {
                    let connection = self.newest_link(client);
                    self.work.extend(
                        encoded.iter().map(|message| Work::ClientSession(connection, send(message.clone()))),
                    );
                }
                ManagerOutput::Close => {
                    let connection = self.newest_link(client);
                    self.work.push_back(Work::ClientSession(connection, Input::Command(Command::Close)));
                }
                ManagerOutput::AskAuth(namespace) => {
                    let asked = &mut self.clients[client].asked;
                    *asked += 1;
                    let answer = ManagerCommand::Auth(Some(serde_json::json!({ "asked": asked })));
                    self.work.push_back(Work::Manager(client, ManagerInput::Command(namespace, answer)));
                }
                ManagerOutput::Event(_, event) => self.clients[client].events.push((self.now, event)),
                ManagerOutput::Wait { until, .. } => return self.set_timer(Machine::Manager(client), until),
            }
        }
    }

    fn dial(&mut self, client: usize) {
        let connection = ConnectionId(self.links.len() as u64);
        let client_session = Some((ClientSession::new(), Decoder::default()));
        self.links.insert(connection, Link { client, client_session, server_session: None });
        self.send(connection, Way::Up, Parcel::Dial);
    }

    fn newest_link(&self, client: usize) -> ConnectionId {
        let newest = self.links.iter().rev().find(|(_, link)| link.client == client);
        *newest.expect("who transmits has dialled").0
    }

    fn drive_server_session(&mut self, connection: ConnectionId, input: Input) {
        let link = self.links.get_mut(&connection).expect("links are kept");
        let Some((session, decoder)) = &mut link.server_session else { return };
        session.handle(input, self.now);
        let mut parcels = Vec::new();
        let mut over = false;
        let until = loop {
            match session.poll_output() {
                Output::Transmit(frame) => parcels.push(Parcel::Frame(frame)),
                Output::Close => parcels.push(Parcel::Close),
                Output::Event(Event::Opened(_)) => {
                    self.work.push_back(Work::Hub(HubInput::Opened(connection)))
                }
                // A server's session has none.
                Output::Event(Event::Pinged) => {}
                Output::Event(Event::Received(message)) => {
                    let work = match decoder.receive(message) {
                        Ok(packet) => packet.map(|packet| Work::Hub(HubInput::Received(connection, packet))),
                        Err(_) => Some(Work::ServerSession(connection, Input::Command(Command::Close))),
                    };
                    self.work.extend(work);
                }
                Output::Event(Event::Closed(reason)) => {
                    over = true;
                    self.work.push_back(Work::Hub(HubInput::Closed(connection, reason)));
                }
                Output::Respond(..) | Output::Ask(_) | Output::CloseProbe => {
                    panic!("these sessions do not poll")
                }
                Output::Wait { until, .. } => break until,
            }
        };
        if over {
            link.server_session = None;
        }
        self.set_timer(Machine::ServerSession(connection), until);
        parcels.into_iter().for_each(|parcel| self.send(connection, Way::Down, parcel));
    }

    fn drive_client_session(&mut self, connection: ConnectionId, input: Input) {
        let link = self.links.get_mut(&connection).expect("links are kept");
        let Some((session, decoder)) = &mut link.client_session else { return };
        session.handle(input, self.now);
        let client = link.client;
        let mut parcels = Vec::new();
        let mut over = false;
        let until = loop {
            match session.poll_output() {
                Output::Transmit(frame) => parcels.push(Parcel::Frame(frame)),
                Output::Close => parcels.push(Parcel::Close),
                Output::Event(Event::Opened(_)) => {
                    self.work.push_back(Work::Manager(client, ManagerInput::Opened));
                }
                Output::Event(Event::Pinged) => {
                    self.work.push_back(Work::Manager(client, ManagerInput::Pinged));
                }
                Output::Event(Event::Received(message)) => match decoder.receive(message) {
                    Ok(packet) => {
                        let received =
                            packet.map(|packet| Work::Manager(client, ManagerInput::Received(packet)));
                        self.work.extend(received);
                    }
                    Err(_) => {
                        over = true;
                        parcels.push(Parcel::Close);
                        let closed = ManagerInput::Closed(CloseReason::ParseError);
                        self.work.push_back(Work::Manager(client, closed));
                    }
                },
                Output::Event(Event::Closed(reason)) => {
                    over = true;
                    self.work.push_back(Work::Manager(client, ManagerInput::Closed(reason)));
                }
                Output::Respond(..) | Output::Ask(_) | Output::CloseProbe => {
                    panic!("these sessions do not poll")
                }
                Output::Wait { until, .. } => break until,
            }
        };
        if over {
            link.client_session = None;
        }
        self.set_timer(Machine::ClientSession(connection), if over { None } else { until });
        parcels.into_iter().for_each(|parcel| self.send(connection, Way::Up, parcel));
    }

    fn set_timer(&mut self, machine: Machine, until: Option<Time>) {
        match until {
            Some(until) => self.timers.insert(machine, until),
            None => self.timers.remove(&machine),
        };
    }

    fn send(&mut self, connection: ConnectionId, way: Way, parcel: Parcel) {
        let client = self.clients[self.links[&connection].client].name;
        let (from, to) = match way {
            Way::Up => (client, "server"),
            Way::Down => ("server", client),
        };
        let lost = if self.silent { "(lost) " } else { "" };
        let what = match &parcel {
            Parcel::Dial => "GET, upgrade to websocket",
            Parcel::Accept => "101 switching protocols",
            Parcel::Frame(Frame::Text(text)) => text,
            Parcel::Frame(Frame::Binary(bytes)) => &format!("binary {:02x?}", &bytes[..]),
            Parcel::Close => "close frame",
        };
        writeln!(self.transcript, "{} {from} > {to}: {lost}{what}", self.now).expect("a string takes all");
        if !self.silent {
            self.in_flight.push_back((self.now + LATENCY, connection, way, parcel));
        }
    }
}

fn send(message: Message) -> Input {
    Input::Command(Command::Send(message))
}
