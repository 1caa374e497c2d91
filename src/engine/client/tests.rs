//! A session on a WebSocket alone.

use super::*;
use crate::engine::TransportEnd;
use crate::engine::testing::{
    SECOND, arbitrary_inputs, assert_nothing_follows_closed, at, deadline, drain, frame, handshake,
};
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
        [Output::Event(Event::Opened(handshake())), Output::Wait { until: Some(at(47)), why: Waiting::Ping }]
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
        [
            Output::Transmit(frame("3data")),
            Output::Event(Event::Pinged),
            Output::Wait { until: Some(at(70)), why: Waiting::Ping }
        ]
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
    for (millis, until) in [(0, at(1)), (u64::MAX, at(1) + std::time::Duration::from_millis(u64::MAX) * 2)] {
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

    assert_eq!(give(&mut session, Input::Command(Command::Close), at(1)), closed(CloseReason::ForcedClose));
    assert_eq!(
        give(&mut session, Input::Closed(TransportEnd::Close), at(1)),
        [Output::Wait { until: None, why: Waiting::Nothing }],
        "a session says once that it is over"
    );
}

proptest! {
    #[test]
    fn any_inputs_keep_the_contract(inputs in arbitrary_inputs(), polling in any::<bool>()) {
        let mut session = if polling { ClientSession::polling(true) } else { ClientSession::new() };
        drain(|| session.poll_output());
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
