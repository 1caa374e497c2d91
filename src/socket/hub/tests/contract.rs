//! Any inputs in any order, by a driver that keeps its contract: the hub keeps its promise.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::super::testing::{arbitrary_close_reason, arbitrary_packet};
use super::*;

/// What may happen, with connections and sockets picked by number from those that there are or were.
#[derive(Debug, Clone)]
enum Act {
    Open,
    Receive(usize, Packet),
    Close(usize, CloseReason),
    TimeOut,
    Emit(usize),
    Broadcast,
    Ack(usize, u64),
    Disconnect(usize, bool),
    Shutdown,
}

fn arbitrary_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => Just(Act::Open),
        12 => any::<usize>().prop_map(|n| Act::Receive(n, packet(Kind::Connect(None)))),
        24 => (any::<usize>(), arbitrary_packet()).prop_map(|(n, packet)| Act::Receive(n, packet)),
        8 => (any::<usize>(), arbitrary_close_reason()).prop_map(|(n, reason)| Act::Close(n, reason)),
        8 => Just(Act::TimeOut),
        4 => any::<usize>().prop_map(Act::Emit),
        4 => Just(Act::Broadcast),
        8 => (any::<usize>(), 0_u64..4).prop_map(|(n, id)| Act::Ack(n, id)),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(n, close)| Act::Disconnect(n, close)),
        1 => Just(Act::Shutdown),
    ]
}

/// A driver that keeps its side of the contract, and judges the hub by its outputs.
#[derive(Default)]
struct Judge {
    opened: Vec<ConnectionId>,
    over: BTreeSet<ConnectionId>,
    told_to_close: BTreeSet<ConnectionId>,
    sockets: Vec<Sid>,
    connected: BTreeMap<Sid, ConnectionId>,
    asked: BTreeSet<(Sid, AckId)>,
}

impl Judge {
    fn input(&mut self, act: Act) -> Option<HubInput> {
        let pick = |n: usize| self.opened.get(n.checked_rem(self.opened.len())?).copied();
        let whom = |n: usize| self.sockets.get(n.checked_rem(self.sockets.len())?).cloned();
        let (name, args) = (ByteString::from_static("a"), Args::none());
        let command = match act {
            Act::Open => {
                let connection = ConnectionId(self.opened.len() as u64);
                self.opened.push(connection);
                return Some(HubInput::Opened(connection));
            }
            Act::Receive(n, packet) => return Some(HubInput::Received(pick(n)?, packet)),
            Act::Close(n, reason) => {
                let connection = pick(n)?;
                return self.over.insert(connection).then_some(HubInput::Closed(connection, reason));
            }
            Act::TimeOut => return Some(HubInput::TimedOut),
            Act::Emit(n) => HubCommand::Emit { socket: whom(n)?, name, args },
            Act::Broadcast => HubCommand::Broadcast { name, args },
            Act::Ack(n, id) => HubCommand::Ack { socket: whom(n)?, id: AckId(id), args },
            Act::Disconnect(n, close) => HubCommand::Disconnect { socket: whom(n)?, close },
            Act::Shutdown => HubCommand::Shutdown,
        };
        Some(HubInput::Command(command))
    }

    fn judge(&mut self, output: HubOutput) {
        match output {
            HubOutput::Transmit(connection, encoded) => {
                assert!(!self.over.contains(&connection) && !self.told_to_close.contains(&connection));
                let mut characters = text(&encoded).chars();
                if characters.next() == Some('3') {
                    let id = characters.take_while(char::is_ascii_digit).collect::<String>();
                    let socket =
                        self.connected.iter().find(|&(_, &on)| on == connection).expect("acks go to sockets");
                    let id = AckId(id.parse().expect("an ack has an id"));
                    assert!(self.asked.remove(&(socket.0.clone(), id)), "answered twice or unasked");
                }
            }
            HubOutput::Close(connection) => {
                assert!(!self.over.contains(&connection));
                assert!(self.told_to_close.insert(connection), "closed once");
            }
            HubOutput::Event(HubEvent::Connected { socket, connection, .. }) => {
                assert!(self.connected.insert(socket.clone(), connection).is_none());
                assert!(!self.sockets.contains(&socket), "an id is new");
                self.sockets.push(socket);
            }
            HubOutput::Event(HubEvent::Received { socket, ack, .. }) => {
                assert!(self.connected.contains_key(&socket));
                self.asked.extend(ack.map(|id| (socket, id)));
            }
            HubOutput::Event(HubEvent::Disconnected { socket, .. }) => {
                assert!(self.connected.remove(&socket).is_some(), "disconnected once");
            }
            HubOutput::Wait { .. } => {}
        }
    }
}

proptest! {
    #[test]
    fn any_inputs_keep_the_contract(acts in proptest::collection::vec((arbitrary_act(), 0_u32..20), 0..60)) {
        let (mut hub, mut judge, mut now) = (hub(), Judge::default(), Time::ZERO);
        for (act, wait) in acts {
            now = now + Duration::from_secs(1) * wait;
            if let Some(input) = judge.input(act) {
                give(&mut hub, input, now).into_iter().for_each(|output| judge.judge(output));
            }
        }

        // Every deadline makes progress: after as many as there are connections, none is left.
        for _ in 0..judge.opened.len() {
            if let Some(until) = until(&mut hub) {
                give(&mut hub, HubInput::TimedOut, until).into_iter().for_each(|output| judge.judge(output));
            }
        }
        prop_assert_eq!(until(&mut hub), None);

        // When every connection is over, every socket is gone and nothing is remembered.
        for n in 0..judge.opened.len() {
            if let Some(input) = judge.input(Act::Close(n, CloseReason::TransportClose)) {
                give(&mut hub, input, now).into_iter().for_each(|output| judge.judge(output));
            }
        }
        prop_assert!(judge.connected.is_empty());
        prop_assert!(hub.connections.is_empty() && hub.deadlines.is_empty());
        prop_assert_eq!(hub.sockets.iter().count(), 0);
    }
}
