//! Claims about the manager and one namespace; [`contract`] has those about any inputs whatever.

mod asked;
mod contract;
mod namespaces;
mod retries;

use serde_json::json;

use super::super::testing::{args, at, counting, event, packet, text};
use super::super::{Kind, Namespace};
use super::*;

/// Attempts are made 1, 2, 4 and 5 s after the failure before.
fn without_jitter() -> ReconnectOptions {
    ReconnectOptions { randomization_factor: 0.0, ..ReconnectOptions::default() }
}

fn manager_of(options: ManagerOptions) -> Manager {
    Manager::new(options, counting()).unwrap()
}

fn manager_with(reconnect: ReconnectOptions) -> Manager {
    let reconnect = ReconnectOptions { randomization_factor: 0.0, ..reconnect };
    manager_of(ManagerOptions { reconnect, ..ManagerOptions::default() })
}

fn manager() -> Manager {
    manager_with(ReconnectOptions::default())
}

/// Hands in one input; all outputs but the wait.
fn give(manager: &mut Manager, input: ManagerInput, now: Time) -> Vec<ManagerOutput> {
    manager.handle(input, now);
    let mut outputs = Vec::new();
    while !manager.outputs.is_empty() {
        outputs.push(manager.poll_output());
    }
    outputs
}

fn command(manager: &mut Manager, command: ManagerCommand, now: Time) -> Vec<ManagerOutput> {
    give(manager, ManagerInput::Command(Namespace::MAIN, command), now)
}

fn receive(manager: &mut Manager, packet: Packet, now: Time) -> Vec<ManagerOutput> {
    give(manager, ManagerInput::Received(packet), now)
}

fn close(manager: &mut Manager, now: Time) -> Vec<ManagerOutput> {
    give(manager, ManagerInput::Closed(CloseReason::TransportClose), now)
}

fn connect() -> ManagerCommand {
    ManagerCommand::Connect { auth: None }
}

fn emit(name: &'static str) -> ManagerCommand {
    ManagerCommand::Emit {
        name: ByteString::from_static(name),
        args: Args::none(),
        ack: None,
        volatile: false,
    }
}

fn emit_with_ack(name: &'static str, emit: u64, timeout: Option<u64>) -> ManagerCommand {
    let timeout = timeout.map(Duration::from_secs);
    ManagerCommand::Emit {
        name: ByteString::from_static(name),
        args: Args::none(),
        ack: Some((EmitId(emit), timeout)),
        volatile: false,
    }
}

fn ack(id: u64) -> Packet {
    packet(Kind::Ack { id: AckId(id), args: args(&["ok"]) })
}

fn welcome() -> Packet {
    packet(Kind::Connect(Some(json!({"sid": "socket"}))))
}

/// Connects, or connects again.
fn join(manager: &mut Manager, now: Time) -> Vec<ManagerOutput> {
    command(manager, connect(), now);
    give(manager, ManagerInput::Opened, now);
    receive(manager, welcome(), now)
}

fn connected() -> Manager {
    let mut manager = manager();
    join(&mut manager, at(0));
    manager
}

fn happened(event: ManagerEvent) -> ManagerOutput {
    ManagerOutput::Event(Namespace::MAIN, event)
}

fn settled(emit: u64, result: Result<Args, AckError>) -> ManagerOutput {
    happened(ManagerEvent::Acked { emit: EmitId(emit), result })
}

fn reconnecting(attempt: u32, seconds: u64) -> ManagerOutput {
    happened(ManagerEvent::Reconnecting { attempt, at: at(seconds) })
}

fn wait(manager: &mut Manager) -> (Option<Time>, ManagerWaiting) {
    let ManagerOutput::Wait { until, why } = manager.poll_output() else { panic!("outputs are left") };
    (until, why)
}

/// What is transmitted, as text.
fn wire(outputs: &[ManagerOutput]) -> Vec<&str> {
    let mut texts = Vec::new();
    for output in outputs {
        if let ManagerOutput::Transmit(encoded) | ManagerOutput::TransmitVolatile(encoded) = output {
            texts.push(text(encoded));
        }
    }
    texts
}

#[test]
fn connecting_dials_then_asks_for_the_namespace_then_is_connected() {
    let mut manager = manager();
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Command));

    let auth = Some(json!({"token": 1}));
    assert_eq!(command(&mut manager, ManagerCommand::Connect { auth }, at(0)), [ManagerOutput::Dial]);
    assert_eq!(wait(&mut manager), (Some(at(20)), ManagerWaiting::Handshake));

    let opened = give(&mut manager, ManagerInput::Opened, at(1));
    assert_eq!(wire(&opened), [r#"0{"token":1}"#]);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Namespace));

    let outputs = receive(&mut manager, welcome(), at(2));
    assert_eq!(
        outputs,
        [happened(ManagerEvent::Connected { sid: Sid::from_peer("socket"), recovered: false })]
    );
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Traffic));
}

#[test]
fn connecting_twice_dials_once() {
    let mut manager = manager();
    command(&mut manager, connect(), at(0));

    assert_eq!(command(&mut manager, connect(), at(0)), []);
    give(&mut manager, ManagerInput::Opened, at(0));
    assert_eq!(command(&mut manager, connect(), at(0)), []);
    receive(&mut manager, welcome(), at(0));
    assert_eq!(command(&mut manager, connect(), at(0)), []);
}

#[test]
fn changed_auth_goes_along_at_the_next_connect() {
    let mut manager = connected();
    assert_eq!(command(&mut manager, ManagerCommand::SetAuth(Some(json!({"offset": 5}))), at(0)), []);
    close(&mut manager, at(1));
    give(&mut manager, ManagerInput::TimedOut, at(2));

    assert_eq!(wire(&give(&mut manager, ManagerInput::Opened, at(2))), [r#"0{"offset":5}"#]);
}

#[test]
fn an_attempt_that_takes_too_long_is_closed_and_made_again() {
    let mut manager = manager();
    command(&mut manager, connect(), at(0));
    assert_eq!(give(&mut manager, ManagerInput::TimedOut, at(19)), [], "waking too early changes nothing");

    let outputs = give(&mut manager, ManagerInput::TimedOut, at(20));

    assert_eq!(outputs, [ManagerOutput::Close, happened(ManagerEvent::ConnectTimedOut)]);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Closing));
    assert_eq!(give(&mut manager, ManagerInput::Opened, at(20)), [], "too late");
    assert_eq!(close(&mut manager, at(20)), [reconnecting(1, 21)], "failed once");
    assert_eq!(wait(&mut manager), (Some(at(21)), ManagerWaiting::Backoff { attempt: 1, at: at(21) }));
    let again = ManagerEvent::ReconnectAttempt { attempt: 1 };
    assert_eq!(give(&mut manager, ManagerInput::TimedOut, at(21)), [happened(again), ManagerOutput::Dial]);
    assert_eq!(
        give(&mut manager, ManagerInput::Opened, at(22))[0],
        happened(ManagerEvent::Reconnected { attempts: 1 })
    );
}

#[test]
fn attempts_back_off_until_the_namespace_answers() {
    let mut manager = manager();
    command(&mut manager, connect(), at(0));
    let failed = || happened(ManagerEvent::ConnectFailed(CloseReason::TransportClose));
    assert_eq!(close(&mut manager, at(0)), [failed(), reconnecting(1, 1)]);

    // An engine session that opens is no success yet.
    give(&mut manager, ManagerInput::TimedOut, at(1));
    give(&mut manager, ManagerInput::Opened, at(1));
    assert_eq!(close(&mut manager, at(1)), [failed(), reconnecting(2, 3)]);

    give(&mut manager, ManagerInput::TimedOut, at(3));
    give(&mut manager, ManagerInput::Opened, at(3));
    receive(&mut manager, welcome(), at(3));
    assert_eq!(
        close(&mut manager, at(4)),
        [happened(ManagerEvent::Disconnected(DisconnectReason::TransportClose)), reconnecting(1, 5)]
    );
}

#[test]
fn after_the_last_attempt_the_client_gives_up() {
    let mut manager =
        manager_with(ReconnectOptions { reconnection_attempts: Some(2), ..ReconnectOptions::default() });
    command(&mut manager, connect(), at(0));
    for second in [0, 1] {
        close(&mut manager, at(second));
        give(&mut manager, ManagerInput::TimedOut, at(10 * second + 10));
    }

    let outputs = close(&mut manager, at(30));

    assert_eq!(outputs.last(), Some(&happened(ManagerEvent::ReconnectFailed)));
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Command));
    assert_eq!(
        command(&mut manager, connect(), at(40)),
        [ManagerOutput::Dial],
        "unless it is told to connect"
    );
}

#[test]
fn without_reconnection_a_loss_is_the_end() {
    let mut manager = manager_with(ReconnectOptions { reconnection: false, ..ReconnectOptions::default() });
    join(&mut manager, at(0));

    assert_eq!(close(&mut manager, at(1)).len(), 1);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Command));
}

#[test]
fn an_end_that_is_meant_forgets_the_attempts() {
    let once = ReconnectOptions { reconnection_attempts: Some(1), ..ReconnectOptions::default() };
    let failed_once = || {
        let mut manager = manager_with(once.clone());
        command(&mut manager, connect(), at(0));
        close(&mut manager, at(0));
        manager
    };
    let given_up = {
        let mut manager = failed_once();
        give(&mut manager, ManagerInput::TimedOut, at(1));
        close(&mut manager, at(1));
        manager
    };
    let disconnected = {
        let mut manager = failed_once();
        command(&mut manager, ManagerCommand::Disconnect, at(0));
        manager
    };
    let refused = {
        let mut manager = failed_once();
        give(&mut manager, ManagerInput::TimedOut, at(1));
        give(&mut manager, ManagerInput::Opened, at(1));
        receive(&mut manager, packet(Kind::ConnectError(json!("no"))), at(1));
        close(&mut manager, at(1));
        manager
    };

    for mut manager in [given_up, disconnected, refused] {
        assert_eq!(command(&mut manager, connect(), at(9)), [ManagerOutput::Dial]);
        assert_eq!(close(&mut manager, at(9)).last(), Some(&reconnecting(1, 10)));
    }
}

#[test]
fn connecting_during_backoff_dials_at_once() {
    let mut manager = connected();
    close(&mut manager, at(1));

    assert_eq!(command(&mut manager, connect(), at(1)), [ManagerOutput::Dial]);
    assert_eq!(wait(&mut manager), (Some(at(21)), ManagerWaiting::Handshake));
}

#[test]
fn emits_wait_for_the_connection_and_keep_their_order() {
    let mut manager = manager();
    assert_eq!(command(&mut manager, emit("first"), at(0)), []);
    assert_eq!(command(&mut manager, emit_with_ack("second", 1, None), at(0)), []);

    let outputs = join(&mut manager, at(1));

    assert_eq!(
        outputs[0],
        happened(ManagerEvent::Connected { sid: Sid::from_peer("socket"), recovered: false })
    );
    assert_eq!(wire(&outputs[1..]), [r#"2["first"]"#, r#"20["second"]"#]);
    assert_eq!(wire(&command(&mut manager, emit_with_ack("third", 2, None), at(1))), [r#"21["third"]"#]);
}

#[test]
fn events_before_the_answer_are_heard_after_it() {
    let mut manager = manager();
    command(&mut manager, emit("buffered"), at(0));
    command(&mut manager, connect(), at(0));
    give(&mut manager, ManagerInput::Opened, at(0));
    assert_eq!(receive(&mut manager, event("early", &[], Some(4)), at(0)), []);

    let outputs = receive(&mut manager, welcome(), at(0));

    let early = ManagerEvent::Received { name: "early".into(), args: Args::none(), ack: Some(AckId(4)) };
    assert_eq!(outputs[1], happened(early));
    assert_eq!(wire(&outputs[2..]), [r#"2["buffered"]"#]);
    let answer = ManagerCommand::Ack { id: AckId(4), args: Args::none() };
    assert_eq!(wire(&command(&mut manager, answer, at(0))), ["34[]"]);
}

#[test]
fn an_answer_is_heard_once() {
    let mut manager = connected();
    command(&mut manager, emit_with_ack("a", 7, Some(5)), at(0));
    assert_eq!(wait(&mut manager).0, Some(at(5)));

    assert_eq!(receive(&mut manager, ack(0), at(1)), [settled(7, Ok(args(&["ok"])))]);
    assert_eq!(receive(&mut manager, ack(0), at(1)), []);
    assert_eq!(receive(&mut manager, ack(1), at(1)), [], "never asked");
    assert_eq!(wait(&mut manager).0, None);
}

#[test]
fn a_late_answer_is_ignored() {
    let mut manager = connected();
    command(&mut manager, emit_with_ack("a", 7, Some(5)), at(0));
    assert_eq!(give(&mut manager, ManagerInput::TimedOut, at(4)), []);
    assert_eq!(give(&mut manager, ManagerInput::TimedOut, at(5)), [settled(7, Err(AckError::TimedOut))]);

    assert_eq!(receive(&mut manager, ack(0), at(6)), []);
}

#[test]
fn an_emit_that_times_out_in_the_send_buffer_is_never_sent() {
    let mut manager = manager();
    command(&mut manager, emit_with_ack("gone", 1, Some(5)), at(0));
    command(&mut manager, emit_with_ack("kept", 2, Some(50)), at(0));

    assert_eq!(give(&mut manager, ManagerInput::TimedOut, at(5)), [settled(1, Err(AckError::TimedOut))]);

    assert_eq!(wire(&join(&mut manager, at(6))), [r#"21["kept"]"#]);
}

#[test]
fn a_loss_fails_what_was_sent_and_keeps_what_was_not() {
    let mut manager = connected();
    command(&mut manager, emit_with_ack("sent", 1, None), at(0));

    let outputs = close(&mut manager, at(1));
    command(&mut manager, emit_with_ack("kept", 2, None), at(1));

    assert_eq!(
        outputs[..2],
        [
            happened(ManagerEvent::Disconnected(DisconnectReason::TransportClose)),
            settled(1, Err(AckError::Disconnected))
        ]
    );
    command(&mut manager, connect(), at(1));
    assert_eq!(close(&mut manager, at(1)).len(), 2, "a failed attempt settles nothing");
    assert_eq!(wire(&join(&mut manager, at(2))), [r#"21["kept"]"#]);
    assert_eq!(receive(&mut manager, ack(0), at(2)), [], "an answer to the lost one");
    assert_eq!(receive(&mut manager, ack(1), at(2)), [settled(2, Ok(args(&["ok"])))]);
}

#[test]
fn the_server_is_answered_once_and_only_on_the_connection_it_asked_on() {
    let mut manager = connected();
    let answer = |manager: &mut Manager, id| {
        command(manager, ManagerCommand::Ack { id: AckId(id), args: args(&["ok"]) }, at(1))
    };
    receive(&mut manager, event("a", &[], Some(3)), at(0));
    receive(&mut manager, event("a", &[], Some(4)), at(0));

    assert_eq!(wire(&answer(&mut manager, 3)), [r#"33["ok"]"#]);
    assert_eq!(answer(&mut manager, 3), []);
    close(&mut manager, at(1));
    assert_eq!(answer(&mut manager, 4), []);
    join(&mut manager, at(1));
    assert_eq!(answer(&mut manager, 4), []);
}

#[test]
fn the_server_disconnects_for_good() {
    let mut manager = connected();

    let outputs = receive(&mut manager, packet(Kind::Disconnect), at(1));

    assert_eq!(
        outputs,
        [ManagerOutput::Close, happened(ManagerEvent::Disconnected(DisconnectReason::IoServerDisconnect))]
    );
    assert_eq!(receive(&mut manager, event("late", &[], None), at(1)), []);
    assert_eq!(close(&mut manager, at(1)), []);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Command));
}

#[test]
fn a_refusal_is_for_good() {
    let mut manager = manager();
    command(&mut manager, connect(), at(0));
    give(&mut manager, ManagerInput::Opened, at(0));

    let why = json!({"message": "not you"});
    let outputs = receive(&mut manager, packet(Kind::ConnectError(why.clone())), at(0));

    assert_eq!(outputs, [ManagerOutput::Close, happened(ManagerEvent::ConnectError(why))]);
    assert_eq!(close(&mut manager, at(1)), []);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Command));
}

#[test]
fn an_answer_that_is_none_fails_the_attempt() {
    for answer in [
        Kind::Connect(None),
        Kind::Connect(Some(json!({}))),
        Kind::Connect(Some(json!({"sid": 7}))),
        Kind::Disconnect,
    ] {
        let mut manager = manager();
        command(&mut manager, connect(), at(0));
        give(&mut manager, ManagerInput::Opened, at(0));

        let outputs = receive(&mut manager, packet(answer), at(0));

        assert_eq!(
            outputs,
            [ManagerOutput::Close, happened(ManagerEvent::ConnectFailed(CloseReason::ParseError))]
        );
        assert_eq!(close(&mut manager, at(0)), [reconnecting(1, 1)]);
    }
}

#[test]
fn disconnecting_leaves_after_what_was_sent_and_stays_so() {
    let mut manager = connected();
    command(&mut manager, emit_with_ack("sent", 1, None), at(0));

    let outputs = command(&mut manager, ManagerCommand::Disconnect, at(1));

    assert_eq!(wire(&outputs[..1]), ["1"]);
    assert_eq!(
        outputs[1..],
        [
            ManagerOutput::Close,
            happened(ManagerEvent::Disconnected(DisconnectReason::IoClientDisconnect)),
            settled(1, Err(AckError::Disconnected)),
        ]
    );
    assert_eq!(command(&mut manager, ManagerCommand::Disconnect, at(1)), []);
    assert_eq!(close(&mut manager, at(1)), []);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Command));
}

#[test]
fn disconnecting_before_the_answer_ends_the_attempt_in_silence() {
    for opened in [false, true] {
        let mut manager = manager();
        command(&mut manager, connect(), at(0));
        if opened {
            give(&mut manager, ManagerInput::Opened, at(0));
        }
        assert_eq!(command(&mut manager, ManagerCommand::Disconnect, at(0)), [ManagerOutput::Close]);
        assert_eq!(close(&mut manager, at(0)), []);
        assert_eq!(wait(&mut manager), (None, ManagerWaiting::Command));
    }
    let mut manager = connected();
    close(&mut manager, at(1));
    assert_eq!(command(&mut manager, ManagerCommand::Disconnect, at(1)), [], "during backoff");
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Command));
}

#[test]
fn connecting_while_closing_waits_for_the_end_of_the_old_session() {
    let mut manager = connected();
    command(&mut manager, ManagerCommand::Disconnect, at(1));

    assert_eq!(command(&mut manager, connect(), at(1)), []);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Closing));
    assert_eq!(close(&mut manager, at(2)), [ManagerOutput::Dial]);
}

#[test]
fn disconnecting_while_closing_calls_off_what_was_next() {
    let mut dialling = connected();
    command(&mut dialling, ManagerCommand::Disconnect, at(1));
    command(&mut dialling, connect(), at(1));
    let mut retrying = manager();
    command(&mut retrying, connect(), at(0));
    give(&mut retrying, ManagerInput::TimedOut, at(20));

    for mut manager in [dialling, retrying] {
        assert_eq!(command(&mut manager, ManagerCommand::Disconnect, at(21)), []);
        assert_eq!(close(&mut manager, at(21)), []);
        assert_eq!(wait(&mut manager), (None, ManagerWaiting::Command));
    }
}

#[test]
fn an_answer_before_the_namespace_has_answered_is_ignored() {
    let mut manager = manager();
    command(&mut manager, emit_with_ack("a", 1, None), at(0));
    command(&mut manager, connect(), at(0));
    give(&mut manager, ManagerInput::Opened, at(0));

    assert_eq!(receive(&mut manager, ack(0), at(0)), []);
}

#[test]
fn other_namespaces_are_not_heard() {
    let mut manager = connected();
    for kind in [Kind::Disconnect, Kind::Connect(None), Kind::ConnectError(json!("no"))] {
        assert_eq!(receive(&mut manager, Packet { namespace: Namespace::new("x"), kind }, at(1)), []);
    }
}
