//! Claims about the hub and one namespace; [`contract`] has those about any inputs whatever.

mod acks;
mod audiences;
mod contract;
mod namespaces;
mod recovery;
mod rooms;

use bytestring::ByteString;
use serde_json::json;

use super::super::testing::{args, at, counting, event, packet, text};
use super::super::{AckError, Args, DisconnectReason, Encoded, Kind, Namespace, Packet};
use super::*;
use crate::engine::CloseReason;

const ONE: ConnectionId = ConnectionId(1);
const TWO: ConnectionId = ConnectionId(2);
const THREE: ConnectionId = ConnectionId(3);

fn hub() -> Hub {
    Hub::new(counting(), Duration::from_secs(45))
}

/// Hands in one input; all outputs but the wait.
fn give(hub: &mut Hub, input: HubInput, now: Time) -> Vec<HubOutput> {
    hub.handle(input, now);
    let mut outputs = Vec::new();
    loop {
        match hub.poll_output() {
            HubOutput::Wait { .. } => return outputs,
            output @ (HubOutput::Transmit(..)
            | HubOutput::TransmitVolatile(..)
            | HubOutput::Close(_)
            | HubOutput::Persist(_)
            | HubOutput::Event(_)) => outputs.push(output),
        }
    }
}

fn receive(hub: &mut Hub, connection: ConnectionId, packet: Packet) -> Vec<HubOutput> {
    give(hub, HubInput::Received(connection, packet), at(1))
}

fn command(hub: &mut Hub, command: HubCommand) -> Vec<HubOutput> {
    give(hub, HubInput::Command(command), at(1))
}

fn emit(socket: &Sid) -> HubCommand {
    HubCommand::Emit {
        socket: socket.clone(),
        name: "a".into(),
        args: Args::none(),
        ack: None,
        volatile: false,
    }
}

/// To everyone in the main namespace.
fn broadcast(args: Args) -> HubCommand {
    let audience = Audience::all(Namespace::MAIN);
    HubCommand::Broadcast { audience, name: "a".into(), args, volatile: false }
}

/// Opens a connection and joins; the socket's id.
fn join(hub: &mut Hub, connection: ConnectionId) -> Sid {
    give(hub, HubInput::Opened(connection), at(0));
    let outputs = give(hub, HubInput::Received(connection, packet(Kind::Connect(None))), at(0));
    match outputs.last() {
        Some(HubOutput::Event(HubEvent::Connected { socket, .. })) => socket.clone(),
        other => panic!("joined, not {other:?}"),
    }
}

fn disconnected(socket: &Sid, reason: DisconnectReason) -> HubOutput {
    let rooms = BTreeSet::from([RoomName::from(socket)]);
    HubOutput::Event(HubEvent::Disconnected { socket: socket.clone(), reason, rooms })
}

/// What is transmitted, as text.
fn wire(outputs: &[HubOutput]) -> Vec<(ConnectionId, &str)> {
    let mut texts = Vec::new();
    for output in outputs {
        if let HubOutput::Transmit(connection, encoded) = output {
            texts.push((*connection, text(encoded)));
        }
    }
    texts
}

fn until(hub: &mut Hub) -> Option<Time> {
    let HubOutput::Wait { until } = hub.poll_output() else { panic!("outputs are left") };
    until
}

#[test]
fn a_client_that_connects_is_answered_with_its_id_and_then_announced() {
    let mut hub = hub();
    give(&mut hub, HubInput::Opened(ONE), at(0));

    let outputs = receive(&mut hub, ONE, packet(Kind::Connect(Some(json!({"token": 1})))));

    let socket = Sid::generate(&*counting(), 0);
    assert_eq!(wire(&outputs), [(ONE, format!("0{{\"sid\":\"{socket}\"}}").as_str())]);
    assert_eq!(
        outputs[1..],
        [HubOutput::Event(HubEvent::Connected {
            socket,
            connection: ONE,
            namespace: Namespace::MAIN,
            auth: json!({"token": 1}),
            recovered: None,
        })]
    );
    assert_eq!(until(&mut hub), None, "the connect timeout is off");
}

#[test]
fn a_namespace_that_does_not_exist_is_refused_and_the_connection_stays() {
    let mut hub = hub();
    give(&mut hub, HubInput::Opened(ONE), at(0));
    let other = Packet { namespace: Namespace::new("x"), kind: Kind::Connect(None) };

    assert_eq!(
        wire(&receive(&mut hub, ONE, other.clone())),
        [(ONE, r#"4/x,{"message":"Invalid namespace"}"#)]
    );
    assert_eq!(until(&mut hub), Some(at(45)), "a refusal is no reason to stay longer");

    join(&mut hub, TWO);
    assert_eq!(receive(&mut hub, TWO, other).len(), 1);
}

#[test]
fn what_is_out_of_turn_closes_the_connection() {
    let elsewhere = |kind| Packet { namespace: Namespace::new("x"), kind };
    let ack = || Kind::Ack { id: AckId(0), args: Args::none() };
    for stray in [event("a", &[], None), packet(ack()), packet(Kind::Disconnect), elsewhere(ack())] {
        let mut hub = hub();
        give(&mut hub, HubInput::Opened(ONE), at(0));
        assert_eq!(receive(&mut hub, ONE, stray.clone()), [HubOutput::Close(ONE)], "unjoined, {stray:?}");
        assert_eq!(until(&mut hub), None);
    }
    for stray in [packet(Kind::Connect(None)), packet(Kind::ConnectError(json!("no"))), elsewhere(ack())] {
        let mut hub = hub();
        let socket = join(&mut hub, ONE);
        let outputs = receive(&mut hub, ONE, stray.clone());
        assert_eq!(
            outputs,
            [disconnected(&socket, DisconnectReason::ForcedClose), HubOutput::Close(ONE)],
            "joined, {stray:?}"
        );
        assert_eq!(receive(&mut hub, ONE, event("late", &[], None)), [], "a closing connection is not heard");
        let closed = give(&mut hub, HubInput::Closed(ONE, CloseReason::ForcedClose), at(1));
        assert_eq!(closed, [], "a socket is disconnected once");
    }
}

#[test]
fn who_joins_nothing_in_time_is_closed() {
    let mut hub = hub();
    give(&mut hub, HubInput::Opened(ONE), at(0));
    give(&mut hub, HubInput::Opened(TWO), at(5));

    assert_eq!(give(&mut hub, HubInput::TimedOut, at(44)), [], "waking too early changes nothing");
    assert_eq!(give(&mut hub, HubInput::TimedOut, at(45)), [HubOutput::Close(ONE)]);
    assert_eq!(until(&mut hub), Some(at(50)));
    give(&mut hub, HubInput::Closed(TWO, CloseReason::TransportClose), at(46));
    assert_eq!(until(&mut hub), None);
}

#[test]
fn who_left_may_join_again_but_not_stay_for_ever() {
    let mut hub = hub();
    let first = join(&mut hub, ONE);

    let left = give(&mut hub, HubInput::Received(ONE, packet(Kind::Disconnect)), at(10));

    assert_eq!(left, [disconnected(&first, DisconnectReason::ClientNamespaceDisconnect)]);
    assert_eq!(until(&mut hub), Some(at(55)));
    let again = receive(&mut hub, ONE, packet(Kind::Connect(None)));
    assert_eq!(wire(&again).len(), 1);
    assert_eq!(until(&mut hub), None);
}

#[test]
fn the_end_of_a_connection_disconnects_its_socket_with_the_reason() {
    let mut hub = hub();
    let socket = join(&mut hub, ONE);

    let outputs = give(&mut hub, HubInput::Closed(ONE, CloseReason::PingTimeout), at(1));

    assert_eq!(outputs, [disconnected(&socket, DisconnectReason::PingTimeout)]);
}

#[test]
fn an_event_is_answered_once_and_only_if_asked() {
    let mut hub = hub();
    let socket = join(&mut hub, ONE);
    let answer = |id| HubCommand::Ack { socket: socket.clone(), id: AckId(id), args: args(&["ok"]) };

    let outputs = receive(&mut hub, ONE, event("a", &["b"], Some(7)));

    assert_eq!(
        outputs,
        [HubOutput::Event(HubEvent::Received {
            socket: socket.clone(),
            name: "a".into(),
            args: args(&["b"]),
            ack: Some(AckId(7)),
        })]
    );
    assert_eq!(command(&mut hub, answer(8)), [], "nobody asked");
    assert_eq!(wire(&command(&mut hub, answer(7))), [(ONE, r#"37["ok"]"#)]);
    assert_eq!(command(&mut hub, answer(7)), [], "answered already");
}

#[test]
fn a_broadcast_is_encoded_once_and_goes_in_the_order_of_connecting() {
    let mut hub = hub();
    join(&mut hub, THREE);
    join(&mut hub, ONE);
    give(&mut hub, HubInput::Opened(TWO), at(0));

    let outputs = command(&mut hub, broadcast(args(&["b"])));

    assert_eq!(wire(&outputs), [(THREE, r#"2["a","b"]"#), (ONE, r#"2["a","b"]"#)]);
    let [HubOutput::Transmit(_, first), HubOutput::Transmit(_, second)] = &outputs[..] else {
        unreachable!()
    };
    assert!(Arc::ptr_eq(first, second));
}

#[test]
fn an_emit_goes_to_one_socket() {
    let mut hub = hub();
    join(&mut hub, ONE);
    let socket = join(&mut hub, TWO);

    let outputs = command(&mut hub, emit(&socket));

    assert_eq!(wire(&outputs), [(TWO, r#"2["a"]"#)]);
}

#[test]
fn commands_for_sockets_that_are_gone_do_nothing() {
    let mut hub = hub();
    let socket = join(&mut hub, ONE);
    receive(&mut hub, ONE, event("a", &[], Some(0)));
    give(&mut hub, HubInput::Closed(ONE, CloseReason::TransportClose), at(1));

    for gone in [
        emit(&socket),
        HubCommand::Join { socket: socket.clone(), room: "a".into() },
        HubCommand::Leave { socket: socket.clone(), room: "a".into() },
        HubCommand::Admit(socket.clone()),
        HubCommand::Refuse { socket: socket.clone(), error: json!({}) },
        HubCommand::Ack { socket: socket.clone(), id: AckId(0), args: Args::none() },
        HubCommand::Close(socket.clone()),
        HubCommand::Disconnect { socket, close: true },
        broadcast(Args::none()),
        HubCommand::JoinAll { audience: Audience::all(Namespace::MAIN), rooms: vec!["a".into()] },
        HubCommand::LeaveAll { audience: Audience::all(Namespace::MAIN), rooms: vec!["a".into()] },
        HubCommand::DisconnectAll { audience: Audience::all(Namespace::MAIN), close: true },
    ] {
        assert_eq!(command(&mut hub, gone), []);
    }
}

#[test]
fn a_disconnect_follows_what_was_sent_before() {
    for (close, left) in [(false, vec![]), (true, vec![HubOutput::Close(ONE)])] {
        let mut hub = hub();
        let socket = join(&mut hub, ONE);

        let outputs = command(&mut hub, HubCommand::Disconnect { socket: socket.clone(), close });

        assert_eq!(wire(&outputs), [(ONE, "1")]);
        assert_eq!(outputs[1], disconnected(&socket, DisconnectReason::ServerNamespaceDisconnect));
        assert_eq!(outputs[2..], left);
        assert_eq!(until(&mut hub).is_some(), !close);
    }
}

#[test]
fn a_connection_is_closed_under_its_sockets_without_a_goodbye() {
    let mut hub = hub();
    let socket = join(&mut hub, ONE);

    let outputs = command(&mut hub, HubCommand::Close(socket.clone()));

    assert_eq!(outputs, [disconnected(&socket, DisconnectReason::ForcedClose), HubOutput::Close(ONE)]);
}

#[test]
fn a_shutdown_disconnects_everyone_and_refuses_who_comes() {
    let mut hub = hub();
    let second = join(&mut hub, TWO);
    let first = join(&mut hub, ONE);
    give(&mut hub, HubInput::Opened(THREE), at(0));

    let outputs = command(&mut hub, HubCommand::Shutdown);

    assert_eq!(
        outputs,
        [
            disconnected(&second, DisconnectReason::ServerShuttingDown),
            HubOutput::Close(TWO),
            disconnected(&first, DisconnectReason::ServerShuttingDown),
            HubOutput::Close(ONE),
            HubOutput::Close(THREE),
        ]
    );
    assert_eq!(give(&mut hub, HubInput::Opened(ConnectionId(4)), at(1)), [HubOutput::Close(ConnectionId(4))]);
    assert_eq!(until(&mut hub), None);
}
