//! A session on a WebSocket alone.

use super::*;
use crate::engine::testing::{
    SECOND, arbitrary_inputs, assert_nothing_follows_closed, at, deadline, drain, frame, handshake,
};
use crate::engine::{Heartbeat, TransportEnd};
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
        assert_eq!(outputs, [Output::Wait { until: Some(at(25)), why: Waiting::NextPing }], "for {text:?}");
    }
}

#[test]
fn the_application_closes_after_what_it_sent() {
    let mut session = open();
    let sent = give(&mut session, Input::Command(Command::Send(Message::text("bye"))), at(1));
    assert_eq!(sent[0], Output::Transmit(frame("4bye")));

    assert_eq!(give(&mut session, Input::Command(Command::Close), at(1)), closed(CloseReason::ForcedClose));
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
    let heartbeat = Heartbeat { ping_interval: Duration::MAX, ping_timeout: Duration::MAX };
    let mut session = ServerSession::new(Handshake { heartbeat, ..handshake() });
    give(&mut session, Input::Opened, at(1));
    give(&mut session, Input::Received(frame("3")), at(2));
    let end = Time::from_start(Duration::MAX);

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

        // A silent client is noticed by deadlines alone: those of a probe, a ping, then its timeout.
        for _ in 0..4 {
            if let Some(until) = deadline(&session.poll_output()) {
                give(&mut session, Input::TimedOut, until);
            }
        }
        prop_assert_eq!(deadline(&session.poll_output()), None);
    }
}
