//! A session that polls, and its upgrade.

use crate::engine::testing::{at, drain, frame, handshake};
use crate::engine::{
    CloseReason, Command, Event, Input, Message, Output, Packet, Request, RequestId, Response, Time,
    Transport, TransportEnd, Waiting,
};
use std::time::Duration;

use super::ServerSession;

const NEXT_PING: Output =
    Output::Wait { until: Some(Time::from_start(Duration::from_secs(25))), why: Waiting::NextPing };
const OVER: Output = Output::Wait { until: None, why: Waiting::Nothing };

fn give(session: &mut ServerSession, input: Input, now: Time) -> Vec<Output> {
    session.handle(input, now);
    drain(|| session.poll_output())
}

/// Without the wait at the end.
fn said(session: &mut ServerSession, input: Input, now: Time) -> Vec<Output> {
    let mut outputs = give(session, input, now);
    outputs.pop();
    outputs
}

fn request(id: u64, request: Request) -> Input {
    Input::Request(RequestId(id), request)
}

fn poll(id: u64) -> Input {
    request(id, Request::Polled)
}

fn payload(id: u64, body: &'static str) -> Output {
    Output::Respond(RequestId(id), Response::Payload(body.into()))
}

fn respond(id: u64, response: Response) -> Output {
    Output::Respond(RequestId(id), response)
}

fn received(text: &str) -> Output {
    Output::Event(Event::Received(Message::text(text)))
}

fn closed(reason: CloseReason) -> Output {
    Output::Event(Event::Closed(reason))
}

fn send(text: &str) -> Input {
    Input::Command(Command::Send(Message::text(text)))
}

/// Opened at 0 s by request 0.
fn open() -> ServerSession {
    let mut session = ServerSession::new(handshake());
    give(&mut session, poll(0), Time::ZERO);
    session
}

/// Posts a whole body at once.
fn post(session: &mut ServerSession, id: u64, body: &'static str) -> Vec<Output> {
    assert_eq!(said(session, request(id, Request::Posting), at(1)), []);
    said(session, request(id, Request::Posted(body.into())), at(1))
}

/// With a probe that has been answered at 1 s.
fn probed() -> ServerSession {
    let mut session = open();
    give(&mut session, Input::Opened, at(1));
    let answered = said(&mut session, Input::Received(frame("2probe")), at(1));
    assert_eq!(answered, [Output::Transmit(frame("3probe"))]);
    session
}

#[test]
fn the_first_poll_opens_and_offers_an_upgrade() {
    let mut session = ServerSession::new(handshake());

    let outputs = give(&mut session, poll(0), Time::ZERO);

    let mut handshake = handshake();
    handshake.upgrades = vec![Transport::WebSocket];
    let Output::Respond(RequestId(0), Response::Payload(body)) = &outputs[0] else { panic!("{outputs:?}") };
    assert!(body.starts_with(r#"0{"sid":"sid","upgrades":["websocket"],"#), "{body}");
    assert_eq!(outputs[1..], [Output::Event(Event::Opened(handshake)), NEXT_PING]);
}

#[test]
fn a_poll_is_held_until_there_is_something_to_say() {
    let mut session = open();
    assert_eq!(give(&mut session, poll(1), at(1)), [NEXT_PING]);

    assert_eq!(said(&mut session, send("a"), at(2)), [payload(1, "4a")]);
    assert_eq!(said(&mut session, send("b"), at(2)), []);
    assert_eq!(said(&mut session, send("c"), at(2)), []);
    assert!(!session.is_drained());
    assert_eq!(said(&mut session, poll(2), at(3)), [payload(2, "4b\x1e4c")]);
    assert!(session.is_drained());
    give(&mut session, poll(3), at(3));
    assert_eq!(said(&mut session, Input::TimedOut, at(25)), [payload(3, "2")]);
}

#[test]
fn a_post_is_answered_after_its_packets() {
    let mut session = open();

    let outputs = post(&mut session, 1, "4a\x1e3\x1e4b");

    assert_eq!(outputs, [received("a"), received("b"), respond(1, Response::Ok)]);
}

#[test]
fn a_post_stops_at_the_first_error() {
    let mut session = open();
    give(&mut session, poll(1), at(1));

    let outputs = post(&mut session, 2, "4a\x1e9\x1e4b");

    let end =
        [Output::Close, payload(1, "1"), respond(2, Response::BadRequest), closed(CloseReason::ParseError)];
    assert_eq!(outputs, [vec![received("a")], end.to_vec()].concat());
}

#[test]
fn overlapping_requests_end_the_session() {
    let mut session = open();
    give(&mut session, poll(1), at(1));
    assert_eq!(
        said(&mut session, poll(2), at(1)),
        [
            respond(2, Response::BadRequest),
            Output::Close,
            payload(1, "1"),
            closed(CloseReason::TransportError)
        ]
    );

    let mut session = open();
    give(&mut session, request(1, Request::Posting), at(1));
    assert_eq!(
        said(&mut session, request(2, Request::Posting), at(1)),
        [
            respond(2, Response::BadRequest),
            Output::Close,
            respond(1, Response::BadRequest),
            closed(CloseReason::TransportError)
        ]
    );
}

#[test]
fn a_body_that_is_too_large_is_refused_and_leaves_the_session_to_its_client() {
    let mut session = open();
    give(&mut session, poll(1), at(1));
    give(&mut session, request(2, Request::Posting), at(1));

    let outputs = give(&mut session, request(2, Request::TooLarge), at(1));

    assert_eq!(outputs, [respond(2, Response::TooLarge), NEXT_PING]);
    assert_eq!(post(&mut session, 3, "4small"), [received("small"), respond(3, Response::Ok)]);
    assert_eq!(
        post(&mut session, 4, "1"),
        [Output::Close, payload(1, "6"), respond(4, Response::Ok), closed(CloseReason::TransportClose)]
    );
}

#[test]
fn a_request_that_breaks_ends_the_session_until_it_is_answered() {
    let mut session = open();
    give(&mut session, poll(1), at(1));
    assert_eq!(
        said(&mut session, request(1, Request::Aborted), at(1)),
        [Output::Close, closed(CloseReason::TransportError)]
    );

    let mut session = open();
    give(&mut session, request(1, Request::Posting), at(1));
    assert_eq!(
        said(&mut session, request(1, Request::Aborted), at(1)),
        [Output::Close, closed(CloseReason::TransportError)]
    );

    assert_eq!(give(&mut open(), request(0, Request::Aborted), at(1)), [NEXT_PING], "it has its answer");
}

#[test]
fn a_client_says_goodbye_by_post() {
    let mut session = open();
    give(&mut session, poll(1), at(1));

    assert_eq!(
        post(&mut session, 2, "4last\x1e1"),
        [
            received("last"),
            Output::Close,
            payload(1, "6"),
            respond(2, Response::Ok),
            closed(CloseReason::TransportClose)
        ]
    );
}

#[test]
fn the_application_closes_by_the_poll_that_waits() {
    let mut session = open();
    give(&mut session, poll(1), at(1));

    let outputs = said(&mut session, Input::Command(Command::Close), at(2));

    assert_eq!(outputs, [Output::Close, payload(1, "1"), closed(CloseReason::ForcedClose)]);
}

#[test]
fn the_application_closes_by_the_poll_after_the_one_that_brings_what_it_sent() {
    let mut session = open();
    give(&mut session, send("bye"), at(1));
    let last_poll = Output::Wait { until: Some(at(31)), why: Waiting::LastPoll };
    assert_eq!(give(&mut session, Input::Command(Command::Close), at(1)), std::slice::from_ref(&last_poll));
    assert_eq!(give(&mut session, send("too late"), at(2)), std::slice::from_ref(&last_poll));
    assert_eq!(post(&mut session, 1, "4not heard"), [respond(1, Response::Ok)]);

    assert_eq!(give(&mut session, poll(2), at(5)), [payload(2, "4bye"), last_poll]);
    assert_eq!(
        said(&mut session, poll(3), at(5)),
        [Output::Close, payload(3, "1"), closed(CloseReason::ForcedClose)]
    );
}

#[test]
fn a_poll_that_was_just_answered_leaves_the_close_to_the_next() {
    let mut session = open();
    give(&mut session, poll(1), at(1));
    assert_eq!(said(&mut session, send("bye"), at(1)), [payload(1, "4bye")]);
    assert_eq!(said(&mut session, Input::Command(Command::Close), at(1)), []);

    assert_eq!(
        said(&mut session, poll(2), at(1)),
        [Output::Close, payload(2, "1"), closed(CloseReason::ForcedClose)]
    );
}

#[test]
fn a_client_that_says_goodbye_is_not_waited_for_to_hear_of_the_close() {
    let mut session = open();
    give(&mut session, send("bye"), at(1));
    give(&mut session, Input::Command(Command::Close), at(1));
    assert_eq!(said(&mut session, poll(1), at(1)), [payload(1, "4bye")]);

    assert_eq!(
        post(&mut session, 2, "1"),
        [Output::Close, respond(2, Response::Ok), closed(CloseReason::TransportClose)]
    );
}

#[test]
fn a_client_that_polls_no_more_is_not_waited_for_long() {
    let mut session = open();
    give(&mut session, Input::Command(Command::Close), at(1));

    assert_eq!(
        give(&mut session, Input::TimedOut, at(31)),
        [Output::Close, closed(CloseReason::ForcedClose), OVER]
    );
}

#[test]
fn an_upgrade_moves_what_is_unsent() {
    let mut session = probed();
    give(&mut session, send("by poll"), at(1));
    assert_eq!(said(&mut session, poll(1), at(1)), [payload(1, "4by poll")]);
    give(&mut session, send("unsent"), at(1));

    let outputs = said(&mut session, Input::Received(frame("5")), at(2));

    assert_eq!(outputs, [Output::Transmit(frame("4unsent"))]);
    assert_eq!(said(&mut session, send("next"), at(2)), [Output::Transmit(frame("4next"))]);
    assert_eq!(said(&mut session, Input::Received(frame("4up")), at(2)), [received("up")]);
    assert_eq!(said(&mut session, poll(2), at(2)), [respond(2, Response::BadRequest)]);
    assert_eq!(said(&mut session, request(3, Request::Posting), at(2)), [respond(3, Response::BadRequest)]);
    assert_eq!(
        said(&mut session, Input::Closed(TransportEnd::Close), at(3)),
        [closed(CloseReason::TransportClose)]
    );
}

#[test]
fn a_poll_that_waits_is_freed_every_100_ms_while_upgrading() {
    let mut session = probed();
    let noop = |millis| Time::from_start(Duration::from_millis(millis));
    assert_eq!(
        give(&mut session, poll(1), at(1)),
        [Output::Wait { until: Some(noop(1100)), why: Waiting::Noop }]
    );

    assert_eq!(said(&mut session, Input::TimedOut, noop(1100)), [payload(1, "6")]);
    assert_eq!(
        give(&mut session, poll(2), noop(1150)),
        [Output::Wait { until: Some(noop(1200)), why: Waiting::Noop }]
    );
}

#[test]
fn requests_under_way_at_an_upgrade_are_answered() {
    let mut session = probed();
    give(&mut session, poll(1), at(1));
    give(&mut session, request(2, Request::Posting), at(1));

    let outputs = said(&mut session, Input::Received(frame("5")), at(1));

    assert_eq!(outputs, [payload(1, "6"), respond(2, Response::BadRequest)]);
}

#[test]
fn a_probe_that_fails_leaves_polling_as_it_was() {
    for broken in
        [Input::Closed(TransportEnd::Error), Input::Received(frame("4hi")), Input::Received(frame("2"))]
    {
        let mut session = probed();
        assert!(!session.takes_websocket());

        let outputs = said(&mut session, broken.clone(), at(2));

        let transport_is_open = !matches!(broken, Input::Closed(_));
        assert_eq!(outputs, vec![Output::CloseProbe; usize::from(transport_is_open)]);
        assert!(session.takes_websocket(), "another may follow");
        give(&mut session, send("a"), at(2));
        assert_eq!(give(&mut session, poll(1), at(3)), [payload(1, "4a"), NEXT_PING]);
    }
}

#[test]
fn an_upgrade_may_take_ten_seconds() {
    let mut session = probed();

    assert_eq!(
        give(&mut session, Input::TimedOut, at(10)),
        [Output::Wait { until: Some(at(11)), why: Waiting::Upgrade }]
    );
    assert_eq!(give(&mut session, Input::TimedOut, at(11)), [Output::CloseProbe, NEXT_PING]);
}

#[test]
fn a_session_that_closes_while_its_client_upgrades_still_says_all() {
    let mut session = probed();
    give(&mut session, send("bye"), at(1));
    give(&mut session, Input::Command(Command::Close), at(1));

    assert_eq!(
        said(&mut session, Input::Received(frame("5")), at(2)),
        [Output::Transmit(frame("4bye")), Output::Close, closed(CloseReason::ForcedClose)]
    );
}

#[test]
fn a_session_that_was_opened_on_a_websocket_has_no_upgrade_and_takes_no_requests() {
    let mut session = ServerSession::new(handshake());
    let opened = said(&mut session, Input::Opened, Time::ZERO);

    assert_eq!(opened[0], Output::Transmit(Packet::Open(handshake()).encode()));
    assert!(!session.takes_websocket());
    assert_eq!(said(&mut session, poll(1), at(1)), [respond(1, Response::BadRequest)]);
}
