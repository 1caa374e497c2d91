//! The client's side of a session: pongs, and its own ping timeout.
//!
//! Takes frames and time, gives frames, events and the next deadline; [`super`] has the contract.
//! Promise: a silent server is noticed `ping_interval + ping_timeout` after its last ping. How long the handshake may
//! take is not known here: the layer above bounds the whole attempt.

use std::collections::VecDeque;

use super::{
    CloseReason, Command, Event, Frame, Handshake, Heartbeat, Input, Message, Output, Packet, Time, Waiting,
};

/// A session as the client sees it.
#[derive(Debug)]
pub struct ClientSession {
    state: State,
    outputs: VecDeque<Output>,
}

/// What the session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Transport,
    Handshake,
    Ping { until: Time, heartbeat: Heartbeat },
    Closed,
}

impl Default for ClientSession {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientSession {
    /// A session that waits for its transport.
    pub fn new() -> Self {
        Self { state: State::Transport, outputs: VecDeque::new() }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Time) {
        debug_assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        if self.state == State::Closed {
            return;
        }
        match input {
            Input::Opened => self.on_opened(),
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
            State::Handshake => (None, Waiting::Handshake),
            State::Ping { until, .. } => (Some(until), Waiting::Ping),
            State::Closed => (None, Waiting::Nothing),
        };
        Output::Wait { until, why }
    }

    fn on_opened(&mut self) {
        if self.state == State::Transport {
            self.state = State::Handshake;
        }
    }

    fn on_frame(&mut self, frame: Frame, now: Time) {
        match self.state {
            State::Transport | State::Closed => {}
            State::Handshake => match Packet::decode(frame) {
                Ok(Packet::Open(handshake)) => self.on_handshake(handshake, now),
                // Whoever is at the other end, it is no Engine.IO server.
                Ok(_) | Err(_) => self.close(CloseReason::ParseError),
            },
            State::Ping { heartbeat, .. } => self.on_packet(frame, heartbeat, now),
        }
    }

    fn on_handshake(&mut self, handshake: Handshake, now: Time) {
        self.await_ping(handshake.heartbeat, now);
        self.outputs.push_back(Output::Event(Event::Opened(handshake)));
    }

    fn on_packet(&mut self, frame: Frame, heartbeat: Heartbeat, now: Time) {
        match Packet::decode(frame) {
            // The reference implementation's client names this so; its server says "parse error".
            Err(_) => self.close(CloseReason::TransportError),
            Ok(Packet::Message(message)) => self.outputs.push_back(Output::Event(Event::Received(message))),
            Ok(Packet::Ping(data)) => {
                self.transmit(&Packet::Pong(data));
                // Pings alone prove that the server hears us: it sends the next one only after a pong.
                self.await_ping(heartbeat, now);
            }
            // Ignored on a WebSocket by the reference implementation, which then waits for the close frame. The server
            // has said that it is gone: nobody gains by waiting.
            Ok(Packet::Close) => self.close(CloseReason::TransportClose),
            // Nothing to do, and ignored by the reference implementation. A session has one handshake: a second one
            // must not change its heartbeat.
            Ok(Packet::Open(_) | Packet::Pong(_) | Packet::Upgrade | Packet::Noop) => {}
        }
    }

    /// A process that was paused finds its deadline long past and ends the session, although the server may be well: it
    /// has been without our pong for so long that it has given us up, or is about to. If pings have arrived meanwhile,
    /// the driver hands them in before [`Input::TimedOut`], and they move the deadline.
    fn on_timed_out(&mut self, now: Time) {
        match self.state {
            State::Ping { until, .. } if now >= until => {
                tracing::debug!(reached = "engine.ping_timeout.client", "server sent no ping in time");
                self.close(CloseReason::PingTimeout);
            }
            // The driver woke too early, or has nothing to wake for.
            State::Transport | State::Handshake | State::Ping { .. } | State::Closed => {}
        }
    }

    fn await_ping(&mut self, heartbeat: Heartbeat, now: Time) {
        // Two additions to a time, which saturate: the server may have sent any numbers.
        let until = now + heartbeat.ping_interval + heartbeat.ping_timeout;
        self.state = State::Ping { until, heartbeat };
    }

    fn send(&mut self, message: Message) {
        if matches!(self.state, State::Ping { .. }) {
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
    use super::super::TransportEnd;
    use super::super::testing::{
        SECOND, arbitrary_inputs, assert_nothing_follows_closed, at, deadline, drain, frame, handshake,
    };
    use super::*;
    use proptest::prelude::*;

    fn give(session: &mut ClientSession, input: Input, now: Time) -> Vec<Output> {
        session.handle(input, now);
        drain(|| session.poll_output())
    }

    /// Interval 25 s, timeout 20 s, opened at 0 s.
    fn open() -> ClientSession {
        let mut session = ClientSession::new();
        give(&mut session, Input::Opened, Time::ZERO);
        give(&mut session, Input::Received(Packet::Open(handshake()).encode()), Time::ZERO);
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
    fn waits_for_the_transport_then_for_the_handshake() {
        let mut session = ClientSession::new();
        assert_eq!(session.poll_output(), Output::Wait { until: None, why: Waiting::Transport });
        assert_eq!(
            give(&mut session, Input::Opened, at(1)),
            [Output::Wait { until: None, why: Waiting::Handshake }]
        );

        let outputs = give(&mut session, Input::Received(Packet::Open(handshake()).encode()), at(2));

        assert_eq!(
            outputs,
            [
                Output::Event(Event::Opened(handshake())),
                Output::Wait { until: Some(at(47)), why: Waiting::Ping }
            ]
        );
    }

    #[test]
    fn anything_before_the_handshake_is_a_parse_error() {
        for text in ["4hi", "2", "3", "1", "6", "", "HTTP/1.1", "0", "0{}", "0{\"sid\":7}"] {
            let mut session = ClientSession::new();
            give(&mut session, Input::Opened, Time::ZERO);
            let outputs = give(&mut session, Input::Received(frame(text)), at(1));
            assert_eq!(outputs, closed(CloseReason::ParseError), "for {text:?}");
        }
    }

    #[test]
    fn a_ping_is_answered_with_its_data_and_moves_the_deadline() {
        let outputs = give(&mut open(), Input::Received(frame("2data")), at(25));

        assert_eq!(
            outputs,
            [Output::Transmit(frame("3data")), Output::Wait { until: Some(at(70)), why: Waiting::Ping }]
        );
    }

    #[test]
    fn messages_do_not_move_the_deadline() {
        let outputs = give(&mut open(), Input::Received(frame("4hi")), at(44));

        assert_eq!(
            outputs,
            [
                Output::Event(Event::Received(Message::text("hi"))),
                Output::Wait { until: Some(at(45)), why: Waiting::Ping }
            ]
        );
    }

    #[test]
    fn a_silent_server_is_a_ping_timeout() {
        let mut session = open();
        assert_eq!(
            give(&mut session, Input::TimedOut, at(44)),
            [Output::Wait { until: Some(at(45)), why: Waiting::Ping }],
            "waking too early changes nothing"
        );

        assert_eq!(give(&mut session, Input::TimedOut, at(45)), closed(CloseReason::PingTimeout));
    }

    #[test]
    fn each_wrong_frame_has_its_reason() {
        for (text, reason) in [
            ("", CloseReason::TransportError),
            ("9", CloseReason::TransportError),
            ("1", CloseReason::TransportClose),
        ] {
            let outputs = give(&mut open(), Input::Received(frame(text)), at(1));
            assert_eq!(outputs, closed(reason), "for {text:?}");
        }
    }

    #[test]
    fn a_second_handshake_does_not_change_the_heartbeat() {
        let mut other = handshake();
        other.heartbeat.ping_interval = SECOND;

        let outputs = give(&mut open(), Input::Received(Packet::Open(other).encode()), at(1));

        assert_eq!(outputs, [Output::Wait { until: Some(at(45)), why: Waiting::Ping }]);
    }

    #[test]
    fn a_heartbeat_of_silly_numbers_only_ends_the_session() {
        for (millis, until) in
            [(0, at(1)), (u64::MAX, at(1) + std::time::Duration::from_millis(u64::MAX) * 2)]
        {
            let json = format!(
                r#"0{{"sid":"","upgrades":[],"pingInterval":{millis},"pingTimeout":{millis},"maxPayload":0}}"#
            );
            let mut session = ClientSession::new();
            give(&mut session, Input::Opened, at(1));

            let outputs = give(&mut session, Input::Received(frame(&json)), at(1));

            assert_eq!(outputs.last(), Some(&Output::Wait { until: Some(until), why: Waiting::Ping }));
            assert_eq!(give(&mut session, Input::TimedOut, until), closed(CloseReason::PingTimeout));
        }
    }

    #[test]
    fn closing_before_the_transport_is_open_ends_the_attempt() {
        let mut session = ClientSession::new();

        assert_eq!(
            give(&mut session, Input::Command(Command::Close), at(1)),
            closed(CloseReason::ForcedClose)
        );
        assert_eq!(
            give(&mut session, Input::Closed(TransportEnd::Close), at(1)),
            [Output::Wait { until: None, why: Waiting::Nothing }],
            "a session says once that it is over"
        );
    }

    proptest! {
        #[test]
        fn any_inputs_keep_the_contract(inputs in arbitrary_inputs()) {
            let mut session = ClientSession::new();
            let mut said = Vec::new();
            let mut now = Time::ZERO;
            for (input, wait) in inputs {
                now = now + SECOND * wait;
                said.extend(give(&mut session, input, now));
            }
            assert_nothing_follows_closed(&said)?;

            if let Some(until) = deadline(&session.poll_output()) {
                give(&mut session, Input::TimedOut, until);
            }
            prop_assert_eq!(deadline(&session.poll_output()), None);
        }
    }
}
