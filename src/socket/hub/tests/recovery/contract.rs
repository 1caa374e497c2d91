//! Any inputs in any order, and clients that ask for sessions of before: the hub that recovers keeps its promise.

use proptest::prelude::*;

use super::super::contract::{Act, BROADCAST, arbitrary_act, are_meant};
use super::*;

/// What may happen.
#[derive(Debug, Clone)]
enum Step {
    Act(Act),
    /// CONNECT on a connection, for the session of an answer that was given before.
    Return(usize, usize),
}

fn arbitrary_step() -> impl Strategy<Value = Step> {
    let n = || any::<usize>();
    prop_oneof![
        8 => arbitrary_act().prop_map(Step::Act),
        2 => (n(), n()).prop_map(|(connection, answer)| Step::Return(connection, answer)),
    ]
}

/// Where a client is in a namespace.
type Place = (ConnectionId, Namespace);

/// What a client was answered, and the last offset that it then heard.
#[derive(Debug, Clone)]
struct Answered {
    place: Place,
    socket: Sid,
    pid: String,
    offset: Option<String>,
}

/// A socket that was let in.
#[derive(Debug)]
struct Known {
    pid: String,
    namespace: Namespace,
    rooms: BTreeSet<RoomName>,
    /// `None` while it is away, or gone.
    connection: Option<ConnectionId>,
}

/// A driver that keeps its side of the contract, and judges the hub by its outputs.
#[derive(Default)]
struct Judge {
    opened: Vec<ConnectionId>,
    over: BTreeSet<ConnectionId>,
    told_to_close: BTreeSet<ConnectionId>,
    /// All ids that there ever were.
    sockets: Vec<Sid>,
    /// Who has asked and is not let in, with the rooms that it is in by then.
    asking: BTreeMap<Sid, BTreeSet<RoomName>>,
    let_in: BTreeMap<Sid, Known>,
    forgotten: BTreeSet<Sid>,
    answers: Vec<Answered>,
    /// Where CONNECT is answered, and by which answer.
    answered: BTreeMap<Place, usize>,
    emitted: u64,
    settled: BTreeSet<EmitId>,
    /// Whom the broadcast that is under way goes to.
    expected: Option<BTreeSet<ConnectionId>>,
}

impl Judge {
    fn input(&mut self, step: Step) -> Option<HubInput> {
        let input = match step {
            Step::Act(act) => act.input(&self.opened, &self.sockets, &mut self.emitted)?,
            Step::Return(connection, answer) => {
                let connection = *self.opened.get(connection.checked_rem(self.opened.len())?)?;
                let Answered { place: (_, namespace), pid, offset, .. } =
                    self.answers.get(answer.checked_rem(self.answers.len())?)?.clone();
                let known = super::Known { pid: Some(pid), offset, ..super::Known::default() };
                let kind = Kind::Connect(Some(known.auth()));
                HubInput::Received(connection, Packet { namespace, kind })
            }
        };
        match &input {
            HubInput::Opened(connection) => self.opened.push(*connection),
            HubInput::Closed(connection, _) if !self.over.insert(*connection) => return None,
            HubInput::Received(connection, _) if self.over.contains(connection) => return None,
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

    /// What follows from a command, said the long way. Who is away is in its rooms, and can be put into others.
    fn note(&mut self, command: &HubCommand) {
        match command {
            HubCommand::Broadcast { audience, .. } | HubCommand::BroadcastWithAck { audience, .. } => {
                let heard = self.let_in.values().filter(|known| known.is_meant(audience));
                self.expected = Some(heard.filter_map(|known| known.connection).collect());
            }
            HubCommand::JoinAll { audience, rooms } => {
                for known in self.let_in.values_mut().filter(|known| known.is_meant(audience)) {
                    known.rooms.extend(rooms.clone());
                }
            }
            HubCommand::LeaveAll { audience, rooms } => {
                for known in self.let_in.values_mut().filter(|known| known.is_meant(audience)) {
                    known.rooms.retain(|room| !rooms.contains(room));
                }
            }
            HubCommand::Join { socket, room } => {
                self.rooms(socket).map(|rooms| rooms.insert(room.clone()));
            }
            HubCommand::Leave { socket, room } => {
                self.rooms(socket).map(|rooms| rooms.remove(room));
            }
            HubCommand::Create(_)
            | HubCommand::Guard(_)
            | HubCommand::GuardOthers
            | HubCommand::Admit(_)
            | HubCommand::Refuse { .. }
            | HubCommand::Emit { .. }
            | HubCommand::EmitOn { .. }
            | HubCommand::DisconnectAll { .. }
            | HubCommand::Ack { .. }
            | HubCommand::Disconnect { .. }
            | HubCommand::Close(_)
            | HubCommand::Note { .. }
            | HubCommand::Shutdown => {}
        }
    }

    fn rooms(&mut self, socket: &Sid) -> Option<&mut BTreeSet<RoomName>> {
        let known = self.let_in.get_mut(socket).map(|known| &mut known.rooms);
        known.or_else(|| self.asking.get_mut(socket))
    }

    fn judge(&mut self, outputs: Vec<HubOutput>) {
        let mut heard = Vec::new();
        for output in outputs {
            match output {
                HubOutput::Transmit(connection, encoded)
                | HubOutput::TransmitVolatile(connection, encoded) => {
                    assert!(!self.over.contains(&connection) && !self.told_to_close.contains(&connection));
                    if text_of(&encoded).contains(BROADCAST) {
                        heard.push(connection);
                    }
                    self.judge_packet(connection, &encoded);
                }
                HubOutput::Close(connection) => {
                    assert!(!self.over.contains(&connection));
                    assert!(self.told_to_close.insert(connection), "closed once");
                    self.answered.retain(|(on, _), _| *on != connection);
                }
                HubOutput::Event(event) => self.judge_event(event),
                HubOutput::Persist(_) => panic!("nothing is stored"),
                HubOutput::Wait { .. } => {}
            }
        }
        // What is replayed is no broadcast of now.
        if let Some(expected) = self.expected.take() {
            assert_eq!(heard.len(), expected.len(), "each at most once");
            assert_eq!(heard.into_iter().collect::<BTreeSet<_>>(), expected);
        }
        let places = self.answered.keys().map(|(connection, _)| connection);
        assert!(places.into_iter().all(|connection| !self.told_to_close.contains(connection)));
    }

    /// The answer to CONNECT goes first, and once.
    fn judge_packet(&mut self, connection: ConnectionId, encoded: &Encoded) {
        let Packet { namespace, kind } = Decoder::default().receive(encoded[0].clone()).unwrap().unwrap();
        let place = (connection, namespace);
        match kind {
            Kind::Connect(answer) => {
                let answer = answer.expect("it says the id");
                let said = |field: &str| answer[field].as_str().expect("it is text").to_owned();
                let answered = Answered {
                    place: place.clone(),
                    socket: Sid::from_peer(said("sid")),
                    pid: said("pid"),
                    offset: None,
                };
                let before = self.answered.insert(place, self.answers.len());
                assert_eq!(before, None, "answered once");
                self.answers.push(answered);
            }
            Kind::Event { args, ack, .. } => {
                let answer = self.answered.get(&place).expect("an event comes after the answer");
                if ack.is_none() {
                    self.answers[*answer].offset = args.get(args.len() - 1).ok();
                }
            }
            Kind::Ack { .. } => assert!(self.answered.contains_key(&place), "so does an answer"),
            Kind::Disconnect => assert!(self.answered.remove(&place).is_some(), "so does the end"),
            Kind::ConnectError(_) => assert!(!self.answered.contains_key(&place), "refused or let in"),
        }
    }

    fn judge_event(&mut self, event: HubEvent) {
        match event {
            HubEvent::Asked { socket, recovers, .. } => {
                assert!(!self.sockets.contains(&socket), "an id is new");
                assert!(recovers.is_none_or(|socket| self.let_in.contains_key(&socket)));
                self.asking.insert(socket.clone(), BTreeSet::from([RoomName::from(&socket)]));
                self.sockets.push(socket);
            }
            HubEvent::Abandoned { socket } => {
                // Who asked nobody, as in a namespace without guard, was never announced.
                self.asking.remove(&socket);
            }
            HubEvent::Connected { socket, connection, namespace, recovered, .. } => {
                let answer = self.answered.get(&(connection, namespace.clone())).expect("answered first");
                let Answered { socket: answered, pid, .. } = self.answers[*answer].clone();
                assert_eq!(answered, socket);
                match recovered {
                    Some(Recovered { asked, .. }) => self.on_recovered(&socket, &asked, connection, &pid),
                    None => self.on_connected(socket, connection, namespace, pid),
                }
            }
            HubEvent::Received { socket, .. } => assert!(self.let_in[&socket].connection.is_some()),
            HubEvent::Acked { emit, .. } | HubEvent::AllAcked { emit, .. } => {
                assert!(self.settled.insert(emit), "settled once");
            }
            HubEvent::Disconnected { socket, rooms, .. } => {
                let known = self.let_in.get_mut(&socket).expect("who is disconnected was connected");
                let connection = known.connection.take().expect("disconnected once");
                assert_eq!(rooms, known.rooms);
                self.answered.remove(&(connection, known.namespace.clone()));
            }
            HubEvent::Forgotten { socket } => {
                assert_eq!(self.let_in[&socket].connection, None, "disconnected before");
                assert!(self.forgotten.insert(socket), "forgotten once");
            }
        }
    }

    fn on_connected(&mut self, socket: Sid, connection: ConnectionId, namespace: Namespace, pid: String) {
        let rooms = self.asking.remove(&socket).unwrap_or_else(|| {
            self.sockets.push(socket.clone());
            BTreeSet::from([RoomName::from(&socket)])
        });
        assert!(self.let_in.values().all(|known| known.pid != pid), "a secret is new");
        let known = Known { pid, namespace, rooms, connection: Some(connection) };
        assert!(self.let_in.insert(socket, known).is_none(), "an id is new");
    }

    /// One secret has one live socket.
    fn on_recovered(&mut self, socket: &Sid, asked: &Sid, connection: ConnectionId, pid: &str) {
        self.asking.remove(asked);
        assert!(!self.forgotten.contains(socket), "who is forgotten does not come back");
        let known = self.let_in.get_mut(socket).expect("who is recovered was there");
        assert_eq!(known.pid, pid);
        assert_eq!(known.connection.replace(connection), None, "parted from its connection before");
    }
}

impl Known {
    fn is_meant(&self, audience: &Audience) -> bool {
        self.namespace == audience.namespace && are_meant(&self.rooms, audience)
    }
}

proptest! {
    #[test]
    fn any_inputs_keep_the_contract(
        steps in proptest::collection::vec((arbitrary_step(), 0_u32..20), 0..80),
        skip_middlewares in any::<bool>(),
    ) {
        let options = Recovery { skip_middlewares, ..Recovery::default() };
        let (mut hub, mut judge, mut now) = (recovering(options), Judge::default(), Time::ZERO);
        command(&mut hub, HubCommand::Create(Namespace::new("guarded")));
        for (step, wait) in steps {
            now = now + Duration::from_secs(1) * wait;
            if let Some(input) = judge.input(step) {
                judge.judge(give(&mut hub, input, now));
            }
        }

        // When every connection is over and every session too, every emit is settled and nothing is remembered.
        for connection in judge.opened.clone() {
            if judge.over.insert(connection) {
                judge.judge(give(&mut hub, HubInput::Closed(connection, CloseReason::TransportClose), now));
            }
        }
        prop_assert!(judge.let_in.values().all(|known| known.connection.is_none()));
        prop_assert!(judge.asking.is_empty());
        // Waking at a deadline does something: one for each that waits, session and look through what is kept is enough.
        for _ in 0..1000 {
            let Some(next) = until(&mut hub) else { break };
            now = now.max(next);
            judge.judge(give(&mut hub, HubInput::TimedOut, now));
        }
        prop_assert_eq!(until(&mut hub), None);
        prop_assert_eq!(judge.forgotten.len(), judge.let_in.len());
        prop_assert_eq!(judge.settled.len() as u64, judge.emitted);
        prop_assert!(hub.connections.is_empty() && hub.members.is_empty() && hub.waiters.len() == 0);
        prop_assert_eq!(hub.namespaces.len(), 2);
        prop_assert!(hub.namespaces.values().all(|state| state.roster.is_empty()));
    }
}
