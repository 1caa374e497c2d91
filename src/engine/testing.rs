//! What the tests of both sessions share.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::{
    Answer, Command, Event, Frame, Handshake, Heartbeat, Input, Message, Output, Packet, Request, RequestId,
    Sid, Time, TransportEnd, Waiting,
};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn at(seconds: u64) -> Time {
    Time::from_start(Duration::from_secs(seconds))
}

pub(super) fn frame(text: &str) -> Frame {
    Frame::Text(text.into())
}

/// Interval 25 s, timeout 20 s.
pub(super) fn handshake() -> Handshake {
    Handshake {
        sid: Sid::from_peer("sid"),
        upgrades: Vec::new(),
        heartbeat: Heartbeat::default(),
        max_payload: 1_000_000,
    }
}

/// All outputs up to the next wait, which comes last.
pub(super) fn drain(mut poll: impl FnMut() -> Output) -> Vec<Output> {
    let mut outputs = Vec::new();
    while !matches!(outputs.last(), Some(Output::Wait { .. })) {
        outputs.push(poll());
    }
    outputs
}

/// When to hand in [`Input::TimedOut`], if at all.
pub(super) fn deadline(wait: &Output) -> Option<Time> {
    if let Output::Wait { until, .. } = wait { *until } else { None }
}

/// Frames of every kind, right and wrong.
pub(super) fn arbitrary_frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        2 => Just(Packet::Open(handshake()).encode()),
        4 => "[0-7].{0,4}".prop_map(|text| frame(&text)),
        2 => Just(frame("3")),
        1 => ".{0,8}".prop_map(|text| frame(&text)),
        1 => proptest::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| Frame::Binary(Bytes::from(bytes))),
    ]
}

/// Inputs in any order, each with how many seconds passed before it; mostly opened first, else little happens.
pub(super) fn arbitrary_inputs() -> impl Strategy<Value = Vec<(Input, u32)>> {
    let body =
        proptest::collection::vec("[0-9b].{0,4}", 0..3).prop_map(|packets| packets.join("\x1e").into());
    let request = prop_oneof![
        3 => Just(Request::Polled),
        1 => Just(Request::Posting),
        2 => body.clone().prop_map(Request::Posted),
        1 => prop_oneof![Just(Request::TooLarge), Just(Request::Aborted)],
    ];
    let answer = prop_oneof![
        4 => body.prop_map(Answer::Polled),
        2 => Just(Answer::Posted),
        1 => Just(Answer::Failed),
    ];
    let input = prop_oneof![
        1 => Just(Input::Opened),
        4 => (0_u64..4, request).prop_map(|(id, request)| Input::Request(RequestId(id), request)),
        3 => answer.prop_map(Input::Answer),
        8 => arbitrary_frame().prop_map(Input::Received),
        1 => prop_oneof![Just(TransportEnd::Close), Just(TransportEnd::Error)].prop_map(Input::Closed),
        4 => Just(Input::TimedOut),
        2 => ".{0,4}".prop_map(|text| Input::Command(Command::Send(Message::text(&text)))),
        1 => Just(Input::Command(Command::Close)),
    ];
    (any::<bool>(), proptest::collection::vec((input, 0_u32..30), 0..40)).prop_map(
        |(open_first, mut inputs)| {
            if open_first {
                inputs.insert(0, (Input::Opened, 0));
                inputs.insert(1, (Input::Received(Packet::Open(handshake()).encode()), 0));
            }
            inputs
        },
    )
}

/// The promise of [`super`]: opened at most once, closed at most once, and then silence.
pub(super) fn assert_nothing_follows_closed(said: &[Output]) -> Result<(), TestCaseError> {
    let opened = said.iter().filter(|output| matches!(output, Output::Event(Event::Opened(_)))).count();
    prop_assert!(opened <= 1, "opened {opened} times");
    let closed = said.iter().position(|output| matches!(output, Output::Event(Event::Closed(_))));
    for after in said.iter().skip(closed.map_or(said.len(), |index| index + 1)) {
        prop_assert_eq!(after, &Output::Wait { until: None, why: Waiting::Nothing });
    }
    Ok(())
}
