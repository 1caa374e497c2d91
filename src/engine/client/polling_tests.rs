//! A session that polls, and its upgrade.

use bytes::Bytes;
use bytestring::ByteString;

use crate::engine::testing::{at, drain, frame, handshake};
use crate::engine::{
    Answer, Ask, CloseReason, Command, Event, Handshake, Input, Message, Output, Packet, Sid, Time,
    Transport, TransportEnd, Waiting, payload,
};

use super::ClientSession;

const OVER: Output = Output::Wait { until: None, why: Waiting::Nothing };

fn give(session: &mut ClientSession, input: Input, now: Time) -> Vec<Output> {
    session.handle(input, now);
    drain(|| session.poll_output())
}

/// Without the wait at the end.
fn said(session: &mut ClientSession, input: Input) -> Vec<Output> {
    let mut outputs = give(session, input, at(1));
    outputs.pop();
    outputs
}

fn sid() -> Sid {
    handshake().sid
}

fn polled(body: &'static str) -> Input {
    Input::Answer(Answer::Polled(body.into()))
}

const POSTED: Input = Input::Answer(Answer::Posted);

fn poll() -> Output {
    Output::Ask(Ask::Poll(Some(sid())))
}

fn post(body: &'static str) -> Output {
    Output::Ask(Ask::Post(sid(), body.into()))
}

fn send(text: &str) -> Input {
    Input::Command(Command::Send(Message::text(text)))
}

fn closed(reason: CloseReason) -> Output {
    Output::Event(Event::Closed(reason))
}

fn opening(handshake: &Handshake) -> ByteString {
    payload::encode([Packet::Open(handshake.clone()).encode()])
}

/// Opened at 1 s, with a poll under way; the server offers an upgrade.
fn open(upgrade: bool, max_payload: u64) -> ClientSession {
    let mut session = ClientSession::polling(upgrade);
    let asked = [Output::Ask(Ask::Poll(None)), Output::Wait { until: None, why: Waiting::Handshake }];
    assert_eq!(drain(|| session.poll_output()), asked);
    let handshake = Handshake { upgrades: vec![Transport::WebSocket], max_payload, ..handshake() };
    let outputs = said(&mut session, Input::Answer(Answer::Polled(opening(&handshake))));
    let mut expected = vec![Output::Event(Event::Opened(handshake)), poll()];
    expected.extend(upgrade.then(|| Output::Ask(Ask::WebSocket(sid()))));
    assert_eq!(outputs, expected);
    session
}

/// Its probe has been asked about.
fn probing() -> ClientSession {
    let mut session = open(true, 1000);
    assert!(session.takes_websocket());
    assert_eq!(said(&mut session, Input::Opened), [Output::Transmit(frame("2probe"))]);
    assert!(!session.takes_websocket());
    session
}

#[test]
fn a_server_without_an_offer_is_polled_for_good() {
    let mut session = ClientSession::polling(true);
    drain(|| session.poll_output());

    let outputs = said(&mut session, Input::Answer(Answer::Polled(opening(&handshake()))));

    assert_eq!(outputs, [Output::Event(Event::Opened(handshake())), poll()]);
}

#[test]
fn a_poll_follows_a_poll() {
    let mut session = open(false, 1000);

    let outputs = said(&mut session, polled("4a\x1e4b"));

    let received = |text| Output::Event(Event::Received(Message::text(text)));
    assert_eq!(outputs, [received("a"), received("b"), poll()]);
}

#[test]
fn a_ping_by_poll_is_answered_by_post() {
    let mut session = open(false, 1000);

    assert_eq!(said(&mut session, polled("2")), [post("3"), Output::Event(Event::Pinged), poll()]);
}

#[test]
fn one_post_at_a_time() {
    let mut session = open(false, 1000);

    assert_eq!(said(&mut session, send("a")), [post("4a")]);
    assert_eq!(said(&mut session, send("b")), []);
    assert_eq!(said(&mut session, send("c")), []);
    assert_eq!(said(&mut session, POSTED), [post("4b\x1e4c")]);
    assert_eq!(said(&mut session, POSTED), []);
}

#[test]
fn a_body_is_no_larger_than_the_server_takes() {
    let mut session = open(false, 7);
    give(&mut session, send("first"), at(1));
    for text in ["aa", "bb", "cc"] {
        assert_eq!(said(&mut session, send(text)), []);
    }
    give(&mut session, Input::Command(Command::Send(Message::Binary(Bytes::from_static(&[0; 9])))), at(1));

    assert_eq!(said(&mut session, POSTED), [post("4aa\x1e4bb")]);
    assert_eq!(said(&mut session, POSTED), [post("4cc")]);
    assert_eq!(said(&mut session, POSTED), [post("bAAAAAAAAAAAA")], "the server may refuse it");
}

#[test]
fn a_request_that_fails_ends_the_session_and_the_server_is_told() {
    let mut session = open(false, 1000);
    give(&mut session, send("too large"), at(1));
    give(&mut session, send("lost"), at(1));

    assert_eq!(
        give(&mut session, Input::Answer(Answer::Failed), at(1)),
        [post("1"), Output::Close, closed(CloseReason::TransportError), OVER]
    );
}

#[test]
fn a_handshake_that_fails_leaves_no_one_to_be_told() {
    let mut session = ClientSession::polling(false);
    drain(|| session.poll_output());

    assert_eq!(
        give(&mut session, Input::Answer(Answer::Failed), at(1)),
        [Output::Close, closed(CloseReason::TransportError), OVER]
    );
}

#[test]
fn what_the_server_says_last_ends_the_session() {
    for (body, reason, goodbye) in [
        ("1", CloseReason::TransportClose, vec![]),
        ("9", CloseReason::TransportError, vec![post("1")]),
        ("", CloseReason::TransportError, vec![post("1")]),
    ] {
        let outputs = said(&mut open(false, 1000), polled(body));
        assert_eq!(outputs, [goodbye, vec![Output::Close, closed(reason)]].concat(), "for {body:?}");
    }
}

#[test]
fn closing_posts_what_was_sent_before() {
    let mut session = open(false, 1000);
    give(&mut session, send("under way"), at(1));
    give(&mut session, send("bye"), at(1));

    let outputs = said(&mut session, Input::Command(Command::Close));

    assert_eq!(outputs, [post("4bye\x1e1"), Output::Close, closed(CloseReason::ForcedClose)]);
}

#[test]
fn a_ping_timeout_posts_a_goodbye_and_no_more() {
    let mut session = open(false, 1000);
    give(&mut session, send("under way"), at(1));
    give(&mut session, send("lost"), at(1));

    let outputs = give(&mut session, Input::TimedOut, at(46));

    assert_eq!(outputs, [post("1"), Output::Close, closed(CloseReason::PingTimeout), OVER]);
}

#[test]
fn an_upgrade_waits_for_what_is_under_way() {
    let mut session = probing();
    give(&mut session, send("under way"), at(1));
    give(&mut session, send("unsent"), at(1));

    assert_eq!(said(&mut session, Input::Received(frame("3probe"))), []);
    assert_eq!(said(&mut session, POSTED), [], "no post follows while it pauses");
    let outputs = said(&mut session, polled("4last\x1e2"));

    let up = |text: &str| Output::Transmit(frame(text));
    let last = Output::Event(Event::Received(Message::text("last")));
    let pinged = Output::Event(Event::Pinged);
    assert_eq!(outputs, [last, pinged, up("5"), up("4unsent"), up("3"), Output::Ask(Ask::Hangup)]);
    assert_eq!(said(&mut session, send("next")), [up("4next")]);
    let end = Input::Closed(TransportEnd::Close);
    assert_eq!(said(&mut session, end), [closed(CloseReason::TransportClose)]);
}

#[test]
fn a_probe_that_cannot_be_opened_leaves_polling_as_it_was() {
    let mut session = open(true, 1000);

    assert_eq!(said(&mut session, Input::Closed(TransportEnd::Error)), []);

    assert_eq!(said(&mut session, polled("6")), [poll()], "and is not tried again");
}

#[test]
fn a_probe_with_a_wrong_answer_is_closed() {
    let mut session = probing();

    assert_eq!(said(&mut session, Input::Received(frame("3"))), [Output::CloseProbe]);

    assert_eq!(said(&mut session, polled("6")), [poll()]);
}

#[test]
fn polling_goes_on_where_it_paused_when_the_probe_breaks() {
    let mut session = probing();
    give(&mut session, Input::Received(frame("3probe")), at(1));
    give(&mut session, send("a"), at(1));
    give(&mut session, send("b"), at(1));

    let outputs = said(&mut session, Input::Closed(TransportEnd::Close));

    assert_eq!(outputs, [post("4a\x1e4b")], "the poll is still under way");
    assert_eq!(said(&mut session, polled("6")), [poll()]);
}
