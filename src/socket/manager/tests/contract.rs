//! Any inputs in any order, by a driver that keeps its contract: the manager keeps its promise.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::super::testing::{arbitrary_close_reason, arbitrary_packet};
use super::*;

/// What may happen. The driver's inputs are handed in where its contract allows them.
#[derive(Debug, Clone)]
enum Act {
    Open,
    Receive(Packet),
    Ping,
    Close(CloseReason),
    TimeOut,
    Connect(Namespace),
    Emit { namespace: Namespace, timeout: Option<u64>, ack: bool, volatile: bool },
    Ack(Namespace, u64),
    Disconnect(Namespace),
    AskAuth(Namespace, bool),
    Auth(Namespace),
}

fn arbitrary_namespace() -> impl Strategy<Value = Namespace> {
    prop_oneof![3 => Just(Namespace::MAIN), 2 => Just(Namespace::new("other"))]
}

fn arbitrary_act() -> impl Strategy<Value = Act> {
    let namespaced = |strategy: BoxedStrategy<Packet>| {
        (arbitrary_namespace(), strategy).prop_map(|(namespace, packet)| Packet { namespace, ..packet })
    };
    let emit = (arbitrary_namespace(), proptest::option::of(0_u64..30), any::<bool>(), 0..4);
    prop_oneof![
        6 => Just(Act::Open),
        8 => namespaced(Just(welcome()).boxed()).prop_map(Act::Receive),
        4 => namespaced((0_u64..8).prop_map(ack).boxed()).prop_map(Act::Receive),
        6 => namespaced(arbitrary_packet().boxed()).prop_map(Act::Receive),
        2 => Just(Act::Ping),
        3 => arbitrary_close_reason().prop_map(Act::Close),
        6 => Just(Act::TimeOut),
        5 => arbitrary_namespace().prop_map(Act::Connect),
        6 => emit.prop_map(|(namespace, timeout, ack, volatile)| {
            Act::Emit { namespace, timeout, ack, volatile: volatile == 0 }
        }),
        2 => (arbitrary_namespace(), 0_u64..4).prop_map(|(namespace, id)| Act::Ack(namespace, id)),
        2 => arbitrary_namespace().prop_map(Act::Disconnect),
        1 => (arbitrary_namespace(), any::<bool>()).prop_map(|(namespace, asks)| Act::AskAuth(namespace, asks)),
        3 => arbitrary_namespace().prop_map(Act::Auth),
    ]
}

/// A driver that keeps its side of the contract, and judges the manager by its outputs.
#[derive(Default)]
struct Judge {
    /// Dialled and not over.
    session: bool,
    opened: bool,
    told_to_close: bool,
    connected: BTreeSet<Namespace>,
    asked: u64,
    settled: BTreeSet<EmitId>,
}

impl Judge {
    fn input(&mut self, act: Act) -> Option<ManagerInput> {
        let (namespace, command) = match act {
            Act::Open => {
                let opens = self.session && !self.opened;
                self.opened |= opens;
                return opens.then_some(ManagerInput::Opened);
            }
            Act::Receive(packet) => return self.opened.then_some(ManagerInput::Received(packet)),
            Act::Ping => return self.opened.then_some(ManagerInput::Pinged),
            Act::Close(reason) => {
                self.opened = false;
                self.told_to_close = false;
                return std::mem::take(&mut self.session).then_some(ManagerInput::Closed(reason));
            }
            Act::TimeOut => return Some(ManagerInput::TimedOut),
            Act::Connect(namespace) => (namespace, connect()),
            Act::Emit { namespace, timeout, ack, volatile } => {
                self.asked += u64::from(ack);
                let ack = ack.then(|| (EmitId(self.asked), timeout.map(Duration::from_secs)));
                let (name, args) = (ByteString::from_static("a"), Args::none());
                (namespace, ManagerCommand::Emit { name, args, ack, volatile })
            }
            Act::Ack(namespace, id) => (namespace, ManagerCommand::Ack { id: AckId(id), args: Args::none() }),
            Act::Disconnect(namespace) => (namespace, ManagerCommand::Disconnect),
            Act::AskAuth(namespace, asks) => (namespace, ManagerCommand::AskAuth(asks)),
            Act::Auth(namespace) => (namespace, ManagerCommand::Auth(Some(json!({"token": 1})))),
        };
        Some(ManagerInput::Command(namespace, command))
    }

    fn judge(&mut self, output: ManagerOutput) {
        match output {
            ManagerOutput::Dial => {
                assert!(!std::mem::replace(&mut self.session, true), "one session at a time");
                assert!(self.connected.is_empty());
            }
            ManagerOutput::Transmit(_) | ManagerOutput::TransmitVolatile(_) => {
                assert!(self.session && self.opened && !self.told_to_close)
            }
            ManagerOutput::Close => {
                assert!(self.session);
                assert!(!std::mem::replace(&mut self.told_to_close, true), "closed once");
            }
            ManagerOutput::Event(namespace, ManagerEvent::Connected { .. }) => {
                assert!(self.session && !self.told_to_close);
                assert!(self.connected.insert(namespace), "connected once");
            }
            ManagerOutput::Event(namespace, ManagerEvent::Disconnected(_)) => {
                assert!(self.connected.remove(&namespace), "disconnected once");
            }
            ManagerOutput::Event(namespace, ManagerEvent::Received { .. }) => {
                assert!(self.connected.contains(&namespace));
            }
            ManagerOutput::Event(_, ManagerEvent::Acked { emit, .. }) => {
                assert!((1..=self.asked).contains(&emit.0));
                assert!(self.settled.insert(emit), "settled once");
            }
            ManagerOutput::Event(_, ManagerEvent::Pinged) => {
                assert!(self.session && self.opened && !self.told_to_close)
            }
            ManagerOutput::Event(
                namespace,
                ManagerEvent::ConnectError(_)
                | ManagerEvent::ConnectFailed(_)
                | ManagerEvent::ConnectTimedOut
                | ManagerEvent::Reconnecting { .. }
                | ManagerEvent::ReconnectAttempt { .. }
                | ManagerEvent::Reconnected { .. }
                | ManagerEvent::ReconnectFailed,
            ) => assert!(!self.connected.contains(&namespace)),
            ManagerOutput::AskAuth(namespace) => {
                assert!(self.session && self.opened && !self.told_to_close);
                assert!(!self.connected.contains(&namespace));
            }
            ManagerOutput::Wait { .. } => {}
        }
    }

    fn settles(&self, emit: u64) -> bool {
        self.settled.contains(&EmitId(emit))
    }
}

fn arbitrary_options() -> impl Strategy<Value = ManagerOptions> {
    let retries = proptest::option::of((0_u32..3, 1_u64..10));
    (any::<bool>(), proptest::option::of(0_u32..3), retries).prop_map(
        |(reconnection, reconnection_attempts, retries)| ManagerOptions {
            reconnect: ReconnectOptions { reconnection, reconnection_attempts, ..without_jitter() },
            retries: retries.map(|(retries, _)| retries),
            ack_timeout: retries.map(|(_, timeout)| Duration::from_secs(timeout)),
            ..ManagerOptions::default()
        },
    )
}

/// Emits that are not settled, in all namespaces; and of the connected ones those that are not sent, of the others those
/// that are.
fn unsettled(manager: &Manager) -> (usize, usize) {
    let mut total = (0, 0);
    for socket in manager.sockets.values() {
        let (all, unsent) = socket.emits.unsettled();
        total.0 += all;
        total.1 += if socket.is_connected() { unsent } else { all - unsent };
    }
    total
}

proptest! {
    #[test]
    fn any_inputs_keep_the_contract(
        options in arbitrary_options(),
        acts in proptest::collection::vec((arbitrary_act(), 0_u32..8), 0..80),
    ) {
        let retries = options.retries.is_some();
        let (mut manager, mut judge, mut now) = (manager_of(options), Judge::default(), Time::ZERO);
        for (act, wait) in acts {
            now = now + Duration::from_secs(1) * wait;
            if let Some(input) = judge.input(act) {
                give(&mut manager, input, now).into_iter().for_each(|output| judge.judge(output));
            }
            let (unsettled, misplaced) = unsettled(&manager);
            prop_assert!(misplaced == 0 || retries, "nobody is left to answer, or to send");
            prop_assert_eq!(unsettled as u64 + judge.settled.len() as u64, judge.asked, "an emit was forgotten");
        }

        // Waking at a deadline does something, or the next deadline is later.
        for _ in 0..200 {
            let (Some(until), _) = wait(&mut manager) else { break };
            now = now.max(until);
            let outputs = give(&mut manager, ManagerInput::TimedOut, until);
            let later = wait(&mut manager).0.is_none_or(|next| next > until);
            prop_assert!(later || !outputs.is_empty(), "{until} comes for ever");
            outputs.into_iter().for_each(|output| judge.judge(output));
        }

        // However it stood, it can be brought to rest, and comes back from there.
        let both = [Namespace::MAIN, Namespace::new("other")];
        let rest = both.clone().map(Act::Disconnect).into_iter().chain([Act::Close(CloseReason::TransportClose)]);
        let connects = both.clone().map(Act::Connect).into_iter().chain([Act::Open]);
        for act in rest.chain(connects).chain(both.clone().map(Act::Auth)) {
            if let Some(input) = judge.input(act) {
                give(&mut manager, input, now).into_iter().for_each(|output| judge.judge(output));
            }
        }
        for namespace in both.clone() {
            let outputs = receive(&mut manager, Packet { namespace, ..welcome() }, now);
            outputs.into_iter().for_each(|output| judge.judge(output));
        }
        prop_assert_eq!(&judge.connected, &BTreeSet::from(both));

        // In the end nobody waits: what was sent is settled by the loss, and what is tried again is acknowledged.
        for id in 0..500 {
            for namespace in judge.connected.clone() {
                let outputs = receive(&mut manager, Packet { namespace, ..ack(id) }, now);
                outputs.into_iter().for_each(|output| judge.judge(output));
            }
        }
        close(&mut manager, now).into_iter().for_each(|output| judge.judge(output));
        prop_assert!((1..=judge.asked).all(|emit| judge.settles(emit)));
    }

    #[test]
    fn a_driver_that_breaks_its_contract_is_survived(
        acts in proptest::collection::vec((arbitrary_act(), 0_u32..8), 0..40),
    ) {
        let (mut manager, mut now) = (manager(), Time::ZERO);
        for (act, wait) in acts {
            now = now + Duration::from_secs(1) * wait;
            let mut reckless = Judge { session: true, ..Judge::default() };
            let input = match act {
                Act::Receive(packet) => ManagerInput::Received(packet),
                Act::Ping => ManagerInput::Pinged,
                Act::Open | Act::Close(_) | Act::TimeOut | Act::Connect(_) | Act::Emit { .. } | Act::Ack(..)
                | Act::Disconnect(_) | Act::AskAuth(..) | Act::Auth(_) => reckless.input(act).expect("there is a session"),
            };
            give(&mut manager, input, now);
        }
    }
}
