//! Any events, cuts, returns and kills, with a store that is slow: what is kept is what was up to some input, nobody has
//! heard of more, and who is told that it is recovered has got all that was sent to it by then, once and in order.

use proptest::prelude::*;

use super::*;

const ROOM: &str = "r";

#[derive(Debug, Clone)]
enum Act {
    Broadcast {
        to_room: bool,
    },
    Emit {
        who: usize,
    },
    /// Into the room, or out of it.
    Move {
        who: usize,
    },
    Note {
        who: usize,
    },
    /// The client leaves by itself, if it is connected.
    Leave {
        who: usize,
    },
    /// The client's connection breaks when it has read all but the last few packets; whether the server knows.
    Break {
        who: usize,
        unread: usize,
        told: bool,
    },
    Return {
        who: usize,
    },
    Pass {
        seconds: u64,
    },
    /// The store has kept what it was asked to keep.
    Keep,
    /// Whether what the store was asked to keep is kept, although nobody was told.
    Kill {
        kept: bool,
    },
}

fn arbitrary_act() -> impl Strategy<Value = Act> {
    let who = || 0..2_usize;
    prop_oneof![
        5 => any::<bool>().prop_map(|to_room| Act::Broadcast { to_room }),
        2 => who().prop_map(|who| Act::Emit { who }),
        2 => who().prop_map(|who| Act::Move { who }),
        1 => who().prop_map(|who| Act::Note { who }),
        1 => who().prop_map(|who| Act::Leave { who }),
        3 => (who(), 0..4_usize, any::<bool>()).prop_map(|(who, unread, told)| Act::Break { who, unread, told }),
        5 => who().prop_map(|who| Act::Return { who }),
        1 => (0..80_u64).prop_map(|seconds| Act::Pass { seconds }),
        9 => Just(Act::Keep),
        2 => any::<bool>().prop_map(|kept| Act::Kill { kept }),
    ]
}

/// A session as it is to be.
#[derive(Debug, Clone, Default, PartialEq)]
struct Owed {
    events: Vec<String>,
    in_room: bool,
    data: u64,
}

/// All sessions, by the ids of their sockets.
type Truth = BTreeMap<String, Owed>;

#[derive(Default)]
struct Client {
    known: Known,
    /// Whether its connection has been answered.
    is_here: bool,
    connection: Option<ConnectionId>,
    unread: Vec<HubOutput>,
}

impl Client {
    fn read(&mut self, packets: usize) {
        let Some(connection) = self.connection else { return };
        for packet in self.unread.drain(..packets) {
            let answered = self.known.read(connection, std::slice::from_ref(&packet));
            self.is_here |= answered.is_some();
            if answered == Some(false) {
                self.known.events.clear();
            }
        }
    }
}

/// Two clients, a server, and what is true after each batch.
struct Story {
    life: Life,
    clients: [Client; 2],
    connections: u64,
    count: u64,
    now: Truth,
    flying: Truth,
    kept: Truth,
    batch: Option<BatchId>,
}

impl Story {
    fn new() -> Self {
        Self {
            life: Life::first(),
            clients: Default::default(),
            connections: 0,
            count: 0,
            now: Truth::new(),
            flying: Truth::new(),
            kept: Truth::new(),
            batch: None,
        }
    }

    fn give(&mut self, input: HubInput) {
        let outputs = self.life.give(input);
        self.hear(outputs);
    }

    fn hear(&mut self, outputs: Vec<HubOutput>) {
        for output in outputs {
            match output {
                HubOutput::Transmit(to, encoded) => {
                    let client = self.clients.iter_mut().find(|client| client.connection == Some(to));
                    if let Some(client) = client {
                        client.unread.push(HubOutput::Transmit(to, encoded));
                    }
                }
                HubOutput::Close(connection) => {
                    let open = |client: &Client| client.connection == Some(connection);
                    assert!(!self.clients.iter().any(open), "only dead connections are closed");
                }
                HubOutput::Event(HubEvent::Connected { socket, recovered: None, .. }) => {
                    self.now.insert(socket.as_str().to_owned(), Owed::default());
                }
                HubOutput::Event(HubEvent::Forgotten { socket }) => {
                    self.now.remove(socket.as_str()).expect("it was there");
                }
                HubOutput::TransmitVolatile(..)
                | HubOutput::Event(_)
                | HubOutput::Persist(_)
                | HubOutput::Wait { .. } => {}
            }
        }
        let batch = self.life.flying.as_ref().map(|batch| batch.id);
        if batch.is_some() && batch != self.batch {
            self.flying = self.now.clone();
        }
        self.batch = batch;
    }

    /// The session that a client knows of, if there is one.
    fn session(&mut self, who: usize) -> Option<(Sid, &mut Owed)> {
        let sid = self.clients[who].known.sid.clone()?;
        Some((Sid::from_peer(sid.clone()), self.now.get_mut(&sid)?))
    }

    fn say(&mut self) -> String {
        self.count += 1;
        self.count.to_string()
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Broadcast { to_room } => {
                let text = self.say();
                let hears = |owed: &&mut Owed| !to_room || owed.in_room;
                self.now.values_mut().filter(hears).for_each(|owed| owed.events.push(text.clone()));
                let to = to_room.then(|| ROOM.into()).into_iter().collect();
                let audience = Audience { to, ..Audience::all(Namespace::MAIN) };
                let (name, args) = ("a".into(), args(&[&text]));
                self.give(HubInput::Command(HubCommand::Broadcast { audience, name, args, volatile: false }));
            }
            Act::Emit { who } => {
                let text = self.say();
                let Some((socket, owed)) = self.session(who) else { return };
                owed.events.push(text.clone());
                let args = args(&[&text]);
                let emit = HubCommand::Emit { socket, name: "a".into(), args, ack: None, volatile: false };
                self.give(HubInput::Command(emit));
            }
            Act::Move { who } => {
                let Some((socket, owed)) = self.session(who) else { return };
                owed.in_room = !owed.in_room;
                let room = ROOM.into();
                let command = if owed.in_room {
                    HubCommand::Join { socket, room }
                } else {
                    HubCommand::Leave { socket, room }
                };
                self.give(HubInput::Command(command));
            }
            Act::Note { who } => {
                let count = self.count;
                let Some((socket, owed)) = self.session(who) else { return };
                owed.data = count;
                self.give(HubInput::Command(HubCommand::Note { socket, data: json!(count) }));
            }
            Act::Leave { who } => {
                // Before its CONNECT is answered, it has nothing to leave.
                self.read_all(who);
                let client = &mut self.clients[who];
                if let Some(connection) = client.connection.filter(|_| client.is_here) {
                    self.give(HubInput::Received(connection, packet(Kind::Disconnect)));
                    self.clients[who] = Client { connection: None, ..Client::default() };
                }
            }
            Act::Break { who, unread, told } => {
                let client = &mut self.clients[who];
                client.read(client.unread.len().saturating_sub(unread));
                client.unread.clear();
                client.is_here = false;
                if let Some(connection) = client.connection.take().filter(|_| told) {
                    self.give(HubInput::Closed(connection, CloseReason::TransportError));
                }
            }
            Act::Return { who } => self.come_back(who),
            Act::Pass { seconds } => {
                self.life.now = self.life.now + Duration::from_secs(seconds);
                self.give(HubInput::TimedOut);
            }
            Act::Keep => {
                if self.life.flying.is_some() {
                    self.kept = self.flying.clone();
                    let outputs = self.life.keep();
                    self.hear(outputs);
                }
            }
            Act::Kill { kept } => self.kill(kept),
        }
    }

    fn read_all(&mut self, who: usize) {
        let client = &mut self.clients[who];
        client.read(client.unread.len());
    }

    fn come_back(&mut self, who: usize) {
        if self.clients[who].connection.is_some() {
            return;
        }
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.clients[who].connection = Some(connection);
        let auth = Some(self.clients[who].known.auth());
        self.give(HubInput::Opened(connection));
        self.give(HubInput::Received(connection, packet(Kind::Connect(auth))));
    }

    fn kill(&mut self, kept: bool) {
        if let Some(batch) = self.life.flying.take().filter(|_| kept) {
            self.life.store.commit(&batch, self.life.now.since_start());
            self.kept = self.flying.clone();
        }
        for who in 0..self.clients.len() {
            self.read_all(who);
            self.clients[who].connection = None;
            self.clients[who].is_here = false;
        }
        self.now = self.kept.clone();
        for client in &self.clients {
            if let Some(owed) = client.known.sid.as_ref().and_then(|sid| self.now.get(sid)) {
                assert!(
                    owed.events.starts_with(&client.known.events),
                    "nobody has heard of what is not kept"
                );
            }
        }
        self.batch = None;
        let (store, entropy) = (std::mem::take(&mut self.life.store), self.life.entropy.clone());
        self.life = Life::with(store, self.life.now, entropy);
        self.hear(Vec::new());
        self.check_store();
    }

    fn check_store(&self) {
        let stored = self.life.store.load(Duration::ZERO).map(|stored| stored.sessions).unwrap_or_default();
        let as_owed = |session: &StoredSession| {
            let owed = &self.now[session.socket.as_str()];
            let data = session.data.as_u64().unwrap_or_default();
            let in_room = session.rooms.contains(&RoomName::from(ROOM));
            (session.socket.as_str().to_owned(), Owed { events: owed.events.clone(), in_room, data })
        };
        assert_eq!(stored.iter().map(as_owed).collect::<Truth>(), self.now);
        let most = stored.iter().map(|session| session.events.len()).max();
        assert!(most <= Some(MAX_BYTES / 64), "what is not kept any more is not stored any more");
    }
}

proptest! {
    #[test]
    fn any_kills_leave_no_hole(acts in proptest::collection::vec(arbitrary_act(), 0..80)) {
        let mut story = Story::new();
        acts.into_iter().for_each(|act| story.act(act));
        for who in 0..2 {
            story.come_back(who);
        }
        while story.life.flying.is_some() {
            story.act(Act::Keep);
        }
        for who in 0..2 {
            story.read_all(who);
            let known = &story.clients[who].known;
            let sid = known.sid.as_ref().expect("it was answered");
            prop_assert_eq!(&known.events, &story.now[sid].events);
        }
    }
}
