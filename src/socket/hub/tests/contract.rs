//! Any inputs in any order, by a driver that keeps its contract: the hub keeps its promise.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::super::testing::{arbitrary_close_reason, arbitrary_packet, text_of};
use super::*;

/// What may happen, with connections and sockets picked by number from those that there are or were.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Open,
    Receive(usize, Packet),
    /// An answer to something that the hub may have asked.
    Answer(usize, u64),
    Close(usize, CloseReason),
    TimeOut,
    Guard,
    GuardOthers,
    Admit(usize),
    Refuse(usize),
    Emit(usize, Option<Option<u64>>, bool),
    Broadcast(Vec<usize>, Vec<usize>, bool),
    BroadcastWithAck(Vec<usize>, Vec<usize>, Option<u64>),
    JoinAll(Vec<usize>, usize),
    LeaveAll(Vec<usize>, usize),
    DisconnectAll(Vec<usize>, bool),
    Join(usize, usize),
    Leave(usize, usize),
    Ack(usize, u64),
    Disconnect(usize, bool),
    CloseUnder(usize),
    Shutdown,
}

/// One that always exists, one that may be guarded, and one that exists at most while someone is in it.
const NAMESPACES: [&str; 3] = ["/", "/guarded", "/nowhere"];
const ROOMS: [&str; 3] = ["a", "b", "c"];
/// The event that goes to many.
pub(super) const BROADCAST: &str = "broadcast";

pub(super) fn arbitrary_act() -> impl Strategy<Value = Act> {
    let n = || any::<usize>();
    let rooms = || proptest::collection::vec(0..ROOMS.len(), 0..3);
    let namespace = proptest::sample::select(&NAMESPACES[..]).prop_map(Namespace::new);
    let connect = namespace.prop_map(|namespace| Packet { namespace, kind: Kind::Connect(None) });
    prop_oneof![
        12 => Just(Act::Open),
        18 => (n(), connect).prop_map(|(n, packet)| Act::Receive(n, packet)),
        24 => (n(), arbitrary_packet()).prop_map(|(n, packet)| Act::Receive(n, packet)),
        8 => (n(), 0_u64..8).prop_map(|(n, id)| Act::Answer(n, id)),
        8 => (n(), arbitrary_close_reason()).prop_map(|(n, reason)| Act::Close(n, reason)),
        8 => Just(Act::TimeOut),
        2 => Just(Act::Guard),
        1 => Just(Act::GuardOthers),
        8 => n().prop_map(Act::Admit),
        4 => n().prop_map(Act::Refuse),
        8 => (n(), proptest::option::of(proptest::option::of(0_u64..30)), any::<bool>())
            .prop_map(|(n, ack, volatile)| Act::Emit(n, ack, volatile)),
        8 => (rooms(), rooms(), any::<bool>())
            .prop_map(|(to, except, volatile)| Act::Broadcast(to, except, volatile)),
        8 => (rooms(), rooms(), proptest::option::of(0_u64..30))
            .prop_map(|(to, except, timeout)| Act::BroadcastWithAck(to, except, timeout)),
        4 => (rooms(), 0..ROOMS.len()).prop_map(|(to, room)| Act::JoinAll(to, room)),
        2 => (rooms(), 0..ROOMS.len()).prop_map(|(to, room)| Act::LeaveAll(to, room)),
        1 => (rooms(), any::<bool>()).prop_map(|(to, close)| Act::DisconnectAll(to, close)),
        8 => (n(), 0..ROOMS.len()).prop_map(|(n, room)| Act::Join(n, room)),
        4 => (n(), 0..ROOMS.len()).prop_map(|(n, room)| Act::Leave(n, room)),
        8 => (n(), 0_u64..4).prop_map(|(n, id)| Act::Ack(n, id)),
        8 => (n(), any::<bool>()).prop_map(|(n, close)| Act::Disconnect(n, close)),
        2 => n().prop_map(Act::CloseUnder),
        1 => Just(Act::Shutdown),
    ]
}

fn audience(to: &[usize], except: &[usize]) -> Audience {
    let rooms = |rooms: &[usize]| rooms.iter().map(|&room| ROOMS[room].into()).collect();
    Audience { namespace: Namespace::MAIN, to: rooms(to), except: rooms(except) }
}

/// A socket, as the judge knows it.
#[derive(Debug)]
struct Known {
    connection: ConnectionId,
    namespace: Namespace,
    connected: bool,
    rooms: BTreeSet<RoomName>,
}

/// Whether a broadcast is for who is in these rooms.
pub(super) fn are_meant(rooms: &BTreeSet<RoomName>, audience: &Audience) -> bool {
    (audience.to.is_empty() || !audience.to.is_disjoint(rooms)) && audience.except.is_disjoint(rooms)
}

/// A driver that keeps its side of the contract, and judges the hub by its outputs.
#[derive(Default)]
struct Judge {
    opened: Vec<ConnectionId>,
    over: BTreeSet<ConnectionId>,
    told_to_close: BTreeSet<ConnectionId>,
    /// All that there ever were.
    sockets: Vec<Sid>,
    here: BTreeMap<Sid, Known>,
    /// In the order of connecting, with their connection and namespace.
    order: Vec<Sid>,
    asked: BTreeSet<(Sid, AckId)>,
    emitted: u64,
    settled: BTreeSet<EmitId>,
    /// Whom the broadcast that is under way goes to.
    expected: Option<Vec<ConnectionId>>,
    /// How many each broadcast with acknowledgements went to.
    surveyed: BTreeMap<EmitId, usize>,
    others_guarded: bool,
    /// Who is to be gone after this step.
    dismissed: Vec<Sid>,
}

impl Act {
    /// The input that it is, where it concerns something that there is or was. Counts the emits that wait.
    pub(super) fn input(self, opened: &[ConnectionId], sockets: &[Sid], emits: &mut u64) -> Option<HubInput> {
        let pick = |n: usize| opened.get(n.checked_rem(opened.len())?).copied();
        let whom = |n: usize| sockets.get(n.checked_rem(sockets.len())?).cloned();
        let mut next_emit = || {
            *emits += 1;
            EmitId(*emits)
        };
        let (name, args) = (ByteString::from_static("a"), Args::none());
        let command = match self {
            Self::Open => return Some(HubInput::Opened(ConnectionId(opened.len() as u64))),
            Self::Receive(n, packet) => return Some(HubInput::Received(pick(n)?, packet)),
            Self::Answer(n, id) => {
                return Some(HubInput::Received(pick(n)?, packet(Kind::Ack { id: AckId(id), args })));
            }
            Self::Close(n, reason) => return Some(HubInput::Closed(pick(n)?, reason)),
            Self::TimeOut => return Some(HubInput::TimedOut),
            Self::Guard => HubCommand::Guard(Namespace::new("guarded")),
            Self::GuardOthers => HubCommand::GuardOthers,
            Self::Admit(n) => HubCommand::Admit(whom(n)?),
            Self::Refuse(n) => HubCommand::Refuse { socket: whom(n)?, error: json!({"message": "no"}) },
            Self::Emit(n, ack, volatile) => {
                let socket = whom(n)?;
                let ack = ack.map(|timeout| (next_emit(), timeout.map(Duration::from_secs)));
                HubCommand::Emit { socket, name, args, ack, volatile }
            }
            Self::Broadcast(to, except, volatile) => {
                let audience = audience(&to, &except);
                HubCommand::Broadcast { audience, name: BROADCAST.into(), args, volatile }
            }
            Self::BroadcastWithAck(to, except, timeout) => {
                let (emit, timeout) = (next_emit(), timeout.map(Duration::from_secs));
                let audience = audience(&to, &except);
                HubCommand::BroadcastWithAck { audience, name: BROADCAST.into(), args, emit, timeout }
            }
            Self::JoinAll(to, room) => {
                HubCommand::JoinAll { audience: audience(&to, &[]), rooms: vec![ROOMS[room].into()] }
            }
            Self::LeaveAll(to, room) => {
                HubCommand::LeaveAll { audience: audience(&to, &[]), rooms: vec![ROOMS[room].into()] }
            }
            Self::DisconnectAll(to, close) => {
                HubCommand::DisconnectAll { audience: audience(&to, &[]), close }
            }
            Self::Join(n, room) => HubCommand::Join { socket: whom(n)?, room: ROOMS[room].into() },
            Self::Leave(n, room) => HubCommand::Leave { socket: whom(n)?, room: ROOMS[room].into() },
            Self::Ack(n, id) => HubCommand::Ack { socket: whom(n)?, id: AckId(id), args },
            Self::Disconnect(n, close) => HubCommand::Disconnect { socket: whom(n)?, close },
            Self::CloseUnder(n) => HubCommand::Close(whom(n)?),
            Self::Shutdown => HubCommand::Shutdown,
        };
        Some(HubInput::Command(command))
    }
}

impl Judge {
    /// What to hand in, if the driver may.
    fn input(&mut self, act: Act) -> Option<HubInput> {
        let input = act.input(&self.opened, &self.sockets, &mut self.emitted)?;
        match &input {
            HubInput::Opened(connection) => self.opened.push(*connection),
            HubInput::Closed(connection, _) if !self.over.insert(*connection) => return None,
            HubInput::Closed(..)
            | HubInput::Received(..)
            | HubInput::TimedOut
            | HubInput::Loaded(_)
            | HubInput::Persisted(_)
            | HubInput::PersistFailed => {}
            HubInput::Command(command) => self.note(command),
        }
        Some(input)
    }

    /// What follows from a command, said the long way.
    fn note(&mut self, command: &HubCommand) {
        match command {
            HubCommand::GuardOthers => self.others_guarded = true,
            HubCommand::Broadcast { audience, .. } => {
                self.expected = Some(self.connections(&self.audience(audience)));
            }
            HubCommand::BroadcastWithAck { audience, emit, .. } => {
                let asked = self.audience(audience);
                self.expected = Some(self.connections(&asked));
                self.surveyed.insert(*emit, asked.len());
            }
            HubCommand::JoinAll { audience, rooms } => {
                for socket in self.audience(audience) {
                    self.here
                        .get_mut(&socket)
                        .into_iter()
                        .for_each(|known| known.rooms.extend(rooms.clone()));
                }
            }
            HubCommand::LeaveAll { audience, rooms } => {
                for socket in self.audience(audience) {
                    let known = self.here.get_mut(&socket);
                    known.into_iter().for_each(|known| known.rooms.retain(|room| !rooms.contains(room)));
                }
            }
            HubCommand::DisconnectAll { audience, .. } => self.dismissed = self.audience(audience),
            HubCommand::Join { socket, room } => {
                self.here.get_mut(socket).map(|known| known.rooms.insert(room.clone()));
            }
            HubCommand::Leave { socket, room } => {
                self.here.get_mut(socket).map(|known| known.rooms.remove(room));
            }
            HubCommand::Create(_)
            | HubCommand::Guard(_)
            | HubCommand::Admit(_)
            | HubCommand::Refuse { .. }
            | HubCommand::Emit { .. }
            | HubCommand::EmitOn { .. }
            | HubCommand::Ack { .. }
            | HubCommand::Disconnect { .. }
            | HubCommand::Close(_)
            | HubCommand::Note { .. }
            | HubCommand::Shutdown => {}
        }
    }

    /// Whom a broadcast in the main namespace goes to, said the long way.
    fn audience(&self, audience: &Audience) -> Vec<Sid> {
        let hears = |socket: &&Sid| {
            let known = &self.here[*socket];
            known.namespace == audience.namespace && are_meant(&known.rooms, audience)
        };
        self.order.iter().filter(hears).cloned().collect()
    }

    fn connections(&self, sockets: &[Sid]) -> Vec<ConnectionId> {
        sockets.iter().map(|socket| self.here[socket].connection).collect()
    }

    fn judge(&mut self, outputs: Vec<HubOutput>) {
        let is_broadcast = |encoded: &Encoded| text_of(encoded).contains(BROADCAST);
        let mut heard = Vec::new();
        for output in outputs {
            if let HubOutput::Transmit(connection, encoded) | HubOutput::TransmitVolatile(connection, encoded) =
                &output
                && is_broadcast(encoded)
            {
                heard.push(*connection);
            }
            self.judge_one(output);
        }
        if let Some(expected) = self.expected.take() {
            assert_eq!(heard, expected);
        }
        for socket in std::mem::take(&mut self.dismissed) {
            assert!(!self.here.contains_key(&socket), "all of them are disconnected at once");
        }
    }

    fn judge_one(&mut self, output: HubOutput) {
        match output {
            HubOutput::Transmit(connection, encoded) | HubOutput::TransmitVolatile(connection, encoded) => {
                assert!(!self.over.contains(&connection) && !self.told_to_close.contains(&connection));
                self.judge_packet(connection, text_of(&encoded));
            }
            HubOutput::Close(connection) => {
                assert!(!self.over.contains(&connection));
                assert!(self.told_to_close.insert(connection), "closed once");
            }
            HubOutput::Event(event) => self.judge_event(event),
            HubOutput::Persist(_) => panic!("nothing is stored"),
            HubOutput::Wait { .. } => {}
        }
    }

    /// Events and answers go to who is connected; CONNECT comes before it is.
    fn judge_packet(&mut self, connection: ConnectionId, packet: &str) {
        let kind = packet.chars().next().expect("no packet is empty");
        let rest = &packet[1..];
        let (namespace, rest) = if rest.starts_with('/') {
            rest.split_once(',').map(|(name, rest)| (Namespace::new(name), rest)).expect("a comma ends it")
        } else {
            (Namespace::MAIN, rest)
        };
        if kind != '3' {
            return;
        }
        let id: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let id = AckId(id.parse().expect("an ack has an id"));
        let on = |known: &Known| known.connection == connection && known.namespace == namespace;
        let (socket, known) = self.here.iter().find(|(_, known)| on(known)).expect("acks go to sockets");
        assert!(known.connected);
        assert!(self.asked.remove(&(socket.clone(), id)), "answered twice or unasked");
    }

    fn judge_event(&mut self, event: HubEvent) {
        match event {
            HubEvent::Asked { socket, connection, namespace, .. } => {
                assert_ne!(namespace, Namespace::MAIN);
                assert!(self.others_guarded || namespace == Namespace::new("guarded"));
                self.arrive(socket, connection, namespace);
            }
            HubEvent::Abandoned { socket } => {
                assert!(!self.here.remove(&socket).expect("who asked is known").connected);
            }
            HubEvent::Connected { socket, connection, namespace, .. } => {
                if !self.here.contains_key(&socket) {
                    self.arrive(socket.clone(), connection, namespace.clone());
                }
                let known = self.here.get_mut(&socket).expect("it has arrived");
                assert_eq!((known.connection, &known.namespace), (connection, &namespace));
                assert!(!std::mem::replace(&mut known.connected, true), "connected once");
                self.order.push(socket);
            }
            HubEvent::Received { socket, ack, .. } => {
                assert!(self.here[&socket].connected);
                self.asked.extend(ack.map(|id| (socket, id)));
            }
            HubEvent::AllAcked { emit, answers, missing } => {
                assert!(answers.len() + missing <= self.surveyed[&emit]);
                assert!(self.settled.insert(emit), "settled once");
            }
            HubEvent::Acked { emit, .. } => {
                assert!(!self.surveyed.contains_key(&emit));
                assert!((1..=self.emitted).contains(&emit.0));
                assert!(self.settled.insert(emit), "settled once");
            }
            HubEvent::Disconnected { socket, rooms, .. } => {
                let known = self.here.remove(&socket).expect("disconnected once");
                assert!(known.connected);
                assert_eq!(rooms, known.rooms);
                self.order.retain(|other| *other != socket);
            }
            HubEvent::Forgotten { socket } => panic!("nothing is kept of {socket}"),
        }
    }

    fn arrive(&mut self, socket: Sid, connection: ConnectionId, namespace: Namespace) {
        assert!(!self.sockets.contains(&socket), "an id is new");
        self.sockets.push(socket.clone());
        let rooms = BTreeSet::from([RoomName::from(&socket)]);
        let known = Known { connection, namespace, connected: false, rooms };
        self.here.insert(socket, known);
    }
}

proptest! {
    #[test]
    fn any_inputs_keep_the_contract(acts in proptest::collection::vec((arbitrary_act(), 0_u32..20), 0..80)) {
        let (mut hub, mut judge, mut now) = (hub(), Judge::default(), Time::ZERO);
        command(&mut hub, HubCommand::Create(Namespace::new("guarded")));
        for (act, wait) in acts {
            now = now + Duration::from_secs(1) * wait;
            if let Some(input) = judge.input(act) {
                judge.judge(give(&mut hub, input, now));
            }
        }

        // Every deadline makes progress: after as many as there are connections and waiting emits, none is left.
        for _ in 0..judge.opened.len() + hub.waiters.len() {
            if let Some(until) = until(&mut hub) {
                judge.judge(give(&mut hub, HubInput::TimedOut, until));
            }
        }
        prop_assert_eq!(until(&mut hub), None);

        // When every connection is over, every socket is gone, every emit is settled and nothing is remembered.
        for n in 0..judge.opened.len() {
            if let Some(input) = judge.input(Act::Close(n, CloseReason::TransportClose)) {
                judge.judge(give(&mut hub, input, now));
            }
        }
        prop_assert!(judge.here.is_empty());
        prop_assert_eq!(judge.settled.len() as u64, judge.emitted);
        prop_assert!(hub.connections.is_empty() && hub.deadlines.is_empty() && hub.members.is_empty());
        prop_assert!(hub.waiters.len() == 0 && hub.surveys.is_empty());
        prop_assert_eq!(hub.namespaces.len(), 2);
        prop_assert!(hub.namespaces.values().all(|state| state.roster.is_empty()));
    }
}
