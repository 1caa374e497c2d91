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
    Close(CloseReason),
    TimeOut,
    Connect,
    Emit { timeout: Option<u64>, ack: bool },
    Ack(u64),
    Disconnect,
}

fn arbitrary_act() -> impl Strategy<Value = Act> {
    let ack = (0_u64..8).prop_map(ack);
    prop_oneof![
        6 => Just(Act::Open),
        6 => Just(Act::Receive(welcome())),
        4 => ack.prop_map(Act::Receive),
        6 => arbitrary_packet().prop_map(Act::Receive),
        3 => arbitrary_close_reason().prop_map(Act::Close),
        6 => Just(Act::TimeOut),
        4 => Just(Act::Connect),
        6 => (proptest::option::of(0_u64..30), any::<bool>()).prop_map(|(timeout, ack)| Act::Emit { timeout, ack }),
        2 => (0_u64..4).prop_map(Act::Ack),
        1 => Just(Act::Disconnect),
    ]
}

/// A driver that keeps its side of the contract, and judges the manager by its outputs.
#[derive(Default)]
struct Judge {
    /// Dialled and not over.
    session: bool,
    opened: bool,
    told_to_close: bool,
    connected: bool,
    asked: u64,
    settled: BTreeSet<EmitId>,
}

impl Judge {
    fn input(&mut self, act: Act) -> Option<ManagerInput> {
        let command = match act {
            Act::Open => {
                let opens = self.session && !self.opened;
                self.opened |= opens;
                return opens.then_some(ManagerInput::Opened);
            }
            Act::Receive(packet) => return self.opened.then_some(ManagerInput::Received(packet)),
            Act::Close(reason) => {
                self.opened = false;
                self.told_to_close = false;
                return std::mem::take(&mut self.session).then_some(ManagerInput::Closed(reason));
            }
            Act::TimeOut => return Some(ManagerInput::TimedOut),
            Act::Connect => connect(),
            Act::Emit { timeout, ack: true } => {
                self.asked += 1;
                emit_with_ack("a", self.asked, timeout)
            }
            Act::Emit { ack: false, .. } => emit("a"),
            Act::Ack(id) => ManagerCommand::Ack { id: AckId(id), args: Args::none() },
            Act::Disconnect => ManagerCommand::Disconnect,
        };
        Some(ManagerInput::Command(command))
    }

    fn judge(&mut self, output: ManagerOutput) {
        match output {
            ManagerOutput::Dial => {
                assert!(!std::mem::replace(&mut self.session, true), "one session at a time");
                assert!(!self.connected);
            }
            ManagerOutput::Transmit(_) => assert!(self.session && self.opened && !self.told_to_close),
            ManagerOutput::Close => {
                assert!(self.session);
                assert!(!std::mem::replace(&mut self.told_to_close, true), "closed once");
            }
            ManagerOutput::Event(ManagerEvent::Connected { .. }) => {
                assert!(self.session && !self.told_to_close);
                assert!(!std::mem::replace(&mut self.connected, true), "connected once");
            }
            ManagerOutput::Event(ManagerEvent::Disconnected(_)) => {
                assert!(std::mem::take(&mut self.connected), "disconnected once");
            }
            ManagerOutput::Event(ManagerEvent::Received { .. }) => assert!(self.connected),
            ManagerOutput::Event(ManagerEvent::Acked { emit, .. }) => {
                assert!((1..=self.asked).contains(&emit.0));
                assert!(self.settled.insert(emit), "settled once");
            }
            ManagerOutput::Event(
                ManagerEvent::ConnectError(_)
                | ManagerEvent::ConnectFailed(_)
                | ManagerEvent::Reconnecting { .. }
                | ManagerEvent::ReconnectFailed,
            ) => assert!(!self.connected),
            ManagerOutput::Wait { .. } => {}
        }
    }

    fn settles(&self, emit: u64) -> bool {
        self.settled.contains(&EmitId(emit))
    }
}

fn arbitrary_options() -> impl Strategy<Value = ReconnectOptions> {
    (any::<bool>(), proptest::option::of(0_u32..3)).prop_map(|(reconnection, reconnection_attempts)| {
        ReconnectOptions { reconnection, reconnection_attempts, ..ReconnectOptions::default() }
    })
}

proptest! {
    #[test]
    fn any_inputs_keep_the_contract(
        options in arbitrary_options(),
        acts in proptest::collection::vec((arbitrary_act(), 0_u32..8), 0..80),
    ) {
        let (mut manager, mut judge, mut now) = (manager_with(options), Judge::default(), Time::ZERO);
        for (act, wait) in acts {
            now = now + Duration::from_secs(1) * wait;
            if let Some(input) = judge.input(act) {
                give(&mut manager, input, now).into_iter().for_each(|output| judge.judge(output));
            }
            let (unsettled, buffered) = manager.emits.unsettled();
            prop_assert_eq!(buffered, if judge.connected { 0 } else { unsettled }, "nobody is left to answer");
            prop_assert_eq!(unsettled as u64 + judge.settled.len() as u64, judge.asked, "an emit was forgotten");
        }

        // Waking at a deadline does something, or the next deadline is later.
        for _ in 0..200 {
            let (Some(until), _) = wait(&mut manager) else { break };
            let outputs = give(&mut manager, ManagerInput::TimedOut, until);
            let later = wait(&mut manager).0.is_none_or(|next| next > until);
            prop_assert!(later || !outputs.is_empty(), "{until} comes for ever");
            outputs.into_iter().for_each(|output| judge.judge(output));
        }

        // However it stood, it can be brought to rest, and comes back from there.
        for act in [Act::Disconnect, Act::Close(CloseReason::TransportClose), Act::Connect, Act::Open] {
            if let Some(input) = judge.input(act) {
                give(&mut manager, input, now).into_iter().for_each(|output| judge.judge(output));
            }
        }
        let outputs = receive(&mut manager, welcome(), now);
        outputs.into_iter().for_each(|output| judge.judge(output));
        prop_assert!(judge.connected);
        close(&mut manager, now).into_iter().for_each(|output| judge.judge(output));
        prop_assert!((1..=judge.asked).all(|emit| judge.settles(emit)), "what was sent is settled by the loss");
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
                Act::Open | Act::Close(_) | Act::TimeOut | Act::Connect | Act::Emit { .. } | Act::Ack(_)
                | Act::Disconnect => reckless.input(act).expect("there is a session"),
            };
            give(&mut manager, input, now);
        }
    }
}
