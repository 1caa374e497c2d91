//! The server's side of a session: handshake, pings, the ping timeout.
//!
//! Takes frames and time, gives frames, events and the next deadline; [`super`] has the contract.
//! Promise: a silent client is noticed at most `ping_interval + ping_timeout` after its last pong.

use std::collections::VecDeque;

use super::{CloseReason, Command, Event, Frame, Handshake, Input, Message, Output, Packet, Time, Waiting};

/// A session as the server sees it.
#[derive(Debug)]
pub struct ServerSession {
    handshake: Handshake,
    state: State,
    outputs: VecDeque<Output>,
}

/// What the session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Transport,
    NextPing { at: Time },
    Pong { until: Time },
    Closed,
}

impl ServerSession {
    /// A session that will open with `handshake`.
    pub fn new(handshake: Handshake) -> Self {
        Self { handshake, state: State::Transport, outputs: VecDeque::new() }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Time) {
        debug_assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        if self.state == State::Closed {
            return;
        }
        match input {
            Input::Opened => self.on_opened(now),
            Input::Received(frame) => self.on_frame(frame, now),
            Input::Closed(end) => self.end(end.into()),
            Input::TimedOut => self.on_timed_out(now),
            Input::Command(Command::Send(message)) => self.send(message),
            Input::Command(Command::Close) => self.close(CloseReason::ForcedClose),
        }
    }

    /// The next thing to do. After [`Output::Wait`], the next input.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| self.wait())
    }

    fn wait(&self) -> Output {
        let (until, why) = match self.state {
            State::Transport => (None, Waiting::Transport),
            State::NextPing { at } => (Some(at), Waiting::NextPing),
            State::Pong { until } => (Some(until), Waiting::Pong),
            State::Closed => (None, Waiting::Nothing),
        };
        Output::Wait { until, why }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::NextPing { .. } | State::Pong { .. })
    }

    fn on_opened(&mut self, now: Time) {
        if self.state != State::Transport {
            return;
        }
        self.transmit(&Packet::Open(self.handshake.clone()));
        self.outputs.push_back(Output::Event(Event::Opened(self.handshake.clone())));
        self.await_next_ping(now);
    }

    fn on_frame(&mut self, frame: Frame, now: Time) {
        if !self.is_open() {
            return;
        }
        match Packet::decode(frame) {
            Err(_) => self.close(CloseReason::ParseError),
            Ok(Packet::Message(message)) => self.outputs.push_back(Output::Event(Event::Received(message))),
            // A pong that answers no ping moves the next ping all the same, as in the reference implementation.
            Ok(Packet::Pong(_)) => self.await_next_ping(now),
            // In v4 only the server pings ("Heartbeat"); a client that does speaks another version.
            Ok(Packet::Ping(_)) => self.close(CloseReason::TransportError),
            // The reference implementation ignores this packet on a WebSocket and leaves the session to its ping
            // timeout. The client has said that it is gone: nobody gains by waiting.
            Ok(Packet::Close) => self.close(CloseReason::TransportClose),
            // Nothing to do on a WebSocket, and ignored there by the reference implementation.
            Ok(Packet::Open(_) | Packet::Upgrade | Packet::Noop) => {}
        }
    }

    /// A process that was paused finds its deadline long past. An overdue ping is sent now and its pong may take all of
    /// `ping_timeout` from now: the client cannot answer what it was not asked. An overdue pong ends the session, since
    /// the ping did leave; if the pong has arrived meanwhile, the driver hands it in before [`Input::TimedOut`].
    fn on_timed_out(&mut self, now: Time) {
        match self.state {
            State::NextPing { at } if now >= at => {
                self.transmit(&Packet::Ping("".into()));
                self.state = State::Pong { until: now + self.handshake.heartbeat.ping_timeout };
            }
            State::Pong { until } if now >= until => {
                tracing::debug!(
                    reached = "engine.ping_timeout.server",
                    sid = %self.handshake.sid,
                    "client sent no pong in time"
                );
                self.close(CloseReason::PingTimeout);
            }
            // The driver woke too early, or has nothing to wake for.
            State::Transport | State::NextPing { .. } | State::Pong { .. } | State::Closed => {}
        }
    }

    fn await_next_ping(&mut self, now: Time) {
        self.state = State::NextPing { at: now + self.handshake.heartbeat.ping_interval };
    }

    fn send(&mut self, message: Message) {
        if self.is_open() {
            self.transmit(&Packet::Message(message));
        }
    }

    fn transmit(&mut self, packet: &Packet) {
        self.outputs.push_back(Output::Transmit(packet.encode()));
    }

    /// Ends the session from this side. No `close` packet: on a WebSocket its own close frame says it, as in the
    /// reference implementation.
    fn close(&mut self, reason: CloseReason) {
        self.outputs.push_back(Output::Close);
        self.end(reason);
    }

    fn end(&mut self, reason: CloseReason) {
        self.state = State::Closed;
        self.outputs.push_back(Output::Event(Event::Closed(reason)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        SECOND, arbitrary_inputs, assert_nothing_follows_closed, at, deadline, drain, frame, handshake,
    };
    use super::super::{Heartbeat, TransportEnd};
    use super::*;
    use proptest::prelude::*;

    fn give(session: &mut ServerSession, input: Input, now: Time) -> Vec<Output> {
        session.handle(input, now);
        drain(|| session.poll_output())
    }

    /// Interval 25 s, timeout 20 s, opened at 0 s.
    fn open() -> ServerSession {
        let mut session = ServerSession::new(handshake());
        give(&mut session, Input::Opened, Time::ZERO);
        session
    }

    fn closed(reason: CloseReason) -> Vec<Output> {
        vec![
            Output::Close,
            Output::Event(Event::Closed(reason)),
            Output::Wait { until: None, why: Waiting::Nothing },
        ]
    }

    #[test]
    fn opens_with_the_handshake_and_pings_after_the_interval() {
        let mut session = ServerSession::new(handshake());

        let outputs = give(&mut session, Input::Opened, Time::ZERO);

        assert_eq!(
            outputs,
            [
                Output::Transmit(Packet::Open(handshake()).encode()),
                Output::Event(Event::Opened(handshake())),
                Output::Wait { until: Some(at(25)), why: Waiting::NextPing },
            ]
        );
        assert_eq!(
            give(&mut session, Input::TimedOut, at(25)),
            [Output::Transmit(frame("2")), Output::Wait { until: Some(at(45)), why: Waiting::Pong }]
        );
    }

    #[test]
    fn a_pong_moves_the_next_ping() {
        let mut session = open();
        give(&mut session, Input::TimedOut, at(25));

        let outputs = give(&mut session, Input::Received(frame("3")), at(30));

        assert_eq!(outputs, [Output::Wait { until: Some(at(55)), why: Waiting::NextPing }]);
    }

    #[test]
    fn a_missing_pong_closes_with_ping_timeout() {
        let mut session = open();
        give(&mut session, Input::TimedOut, at(25));

        assert_eq!(give(&mut session, Input::TimedOut, at(45)), closed(CloseReason::PingTimeout));
    }

    #[test]
    fn only_a_pong_satisfies_a_ping() {
        let mut session = open();
        give(&mut session, Input::TimedOut, at(25));

        let outputs = give(&mut session, Input::Received(frame("4hi")), at(44));

        assert_eq!(outputs.last(), Some(&Output::Wait { until: Some(at(45)), why: Waiting::Pong }));
    }

    #[test]
    fn waking_too_early_changes_nothing() {
        let mut session = open();
        let next_ping = [Output::Wait { until: Some(at(25)), why: Waiting::NextPing }];
        assert_eq!(give(&mut session, Input::TimedOut, at(24)), next_ping);

        give(&mut session, Input::TimedOut, at(25));
        let pong = [Output::Wait { until: Some(at(45)), why: Waiting::Pong }];
        assert_eq!(give(&mut session, Input::TimedOut, at(44)), pong);
    }

    #[test]
    fn an_overdue_ping_still_grants_the_whole_timeout() {
        let mut session = open();

        let outputs = give(&mut session, Input::TimedOut, at(1_000));

        assert_eq!(
            outputs,
            [Output::Transmit(frame("2")), Output::Wait { until: Some(at(1_020)), why: Waiting::Pong }]
        );
    }

    #[test]
    fn each_wrong_frame_has_its_reason() {
        for (text, reason) in [
            ("2", CloseReason::TransportError),
            ("2probe", CloseReason::TransportError),
            ("1", CloseReason::TransportClose),
            ("", CloseReason::ParseError),
            ("7", CloseReason::ParseError),
            ("\u{e9}", CloseReason::ParseError),
        ] {
            let outputs = give(&mut open(), Input::Received(frame(text)), at(1));
            assert_eq!(outputs, closed(reason), "for {text:?}");
        }
    }

    #[test]
    fn packets_without_a_use_here_are_ignored() {
        for text in ["5", "6", "6anything"] {
            let outputs = give(&mut open(), Input::Received(frame(text)), at(1));
            assert_eq!(
                outputs,
                [Output::Wait { until: Some(at(25)), why: Waiting::NextPing }],
                "for {text:?}"
            );
        }
    }

    #[test]
    fn the_application_closes_after_what_it_sent() {
        let mut session = open();
        let sent = give(&mut session, Input::Command(Command::Send(Message::text("bye"))), at(1));
        assert_eq!(sent[0], Output::Transmit(frame("4bye")));

        assert_eq!(
            give(&mut session, Input::Command(Command::Close), at(1)),
            closed(CloseReason::ForcedClose)
        );
    }

    #[test]
    fn a_transport_that_ended_is_not_closed_again() {
        let outputs = give(&mut open(), Input::Closed(TransportEnd::Error), at(1));

        assert_eq!(
            outputs,
            [
                Output::Event(Event::Closed(CloseReason::TransportError)),
                Output::Wait { until: None, why: Waiting::Nothing }
            ]
        );
    }

    #[test]
    fn nothing_is_heard_or_said_before_the_transport_is_open() {
        let mut session = ServerSession::new(handshake());
        let silent = [Output::Wait { until: None, why: Waiting::Transport }];

        assert_eq!(give(&mut session, Input::Received(frame("4hi")), at(1)), silent);
        assert_eq!(give(&mut session, Input::Command(Command::Send(Message::text("hi"))), at(1)), silent);
    }

    #[test]
    fn intervals_beyond_the_end_of_time_do_not_overflow() {
        let heartbeat =
            Heartbeat { ping_interval: std::time::Duration::MAX, ping_timeout: std::time::Duration::MAX };
        let mut session = ServerSession::new(Handshake { heartbeat, ..handshake() });
        give(&mut session, Input::Opened, at(1));
        give(&mut session, Input::Received(frame("3")), at(2));
        let end = Time::from_start(std::time::Duration::MAX);

        assert_eq!(
            give(&mut session, Input::TimedOut, end),
            [Output::Transmit(frame("2")), Output::Wait { until: Some(end), why: Waiting::Pong }]
        );
    }

    proptest! {
        #[test]
        fn any_inputs_keep_the_contract(inputs in arbitrary_inputs()) {
            let mut session = ServerSession::new(handshake());
            let mut said = Vec::new();
            let mut now = Time::ZERO;
            for (input, wait) in inputs {
                now = now + SECOND * wait;
                said.extend(give(&mut session, input, now));
            }
            assert_nothing_follows_closed(&said)?;

            // A silent client is noticed by deadlines alone: a ping, then its timeout.
            for _ in 0..2 {
                if let Some(until) = deadline(&session.poll_output()) {
                    give(&mut session, Input::TimedOut, until);
                }
            }
            prop_assert_eq!(deadline(&session.poll_output()), None);
        }
    }
}
