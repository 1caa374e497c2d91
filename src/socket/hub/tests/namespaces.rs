//! Several namespaces, and who is let in.

use serde_json::Value;

use super::super::packets::NAMESPACES_MAX;
use super::*;

fn admin() -> Namespace {
    Namespace::new("admin")
}

fn to_admin(kind: Kind) -> Packet {
    Packet { namespace: admin(), kind }
}

fn open_hub(command_: HubCommand) -> Hub {
    let mut hub = hub();
    command(&mut hub, command_);
    give(&mut hub, HubInput::Opened(ONE), at(0));
    hub
}

/// Asks for a guarded namespace; the id it would have.
fn ask(hub: &mut Hub, auth: Value) -> Sid {
    let outputs = receive(hub, ONE, to_admin(Kind::Connect(Some(auth.clone()))));
    match &outputs[..] {
        [
            HubOutput::Event(HubEvent::Asked {
                socket,
                connection: ONE,
                namespace,
                auth: said,
                recovers: None,
            }),
        ] => {
            assert_eq!((namespace, said), (&admin(), &auth));
            socket.clone()
        }
        other => panic!("asked, not {other:?}"),
    }
}

fn guarded() -> (Hub, Sid) {
    let mut hub = open_hub(HubCommand::Guard(admin()));
    let socket = ask(&mut hub, json!({"token": 1}));
    (hub, socket)
}

fn abandoned(socket: &Sid) -> HubOutput {
    HubOutput::Event(HubEvent::Abandoned { socket: socket.clone() })
}

#[test]
fn a_connection_has_a_socket_in_each_namespace_it_joins() {
    let mut hub = open_hub(HubCommand::Create(admin()));
    receive(&mut hub, ONE, packet(Kind::Connect(None)));
    let outputs = receive(&mut hub, ONE, to_admin(Kind::Connect(None)));
    let [(ONE, answer)] = wire(&outputs)[..] else { panic!("{outputs:?}") };
    assert!(answer.starts_with("0/admin,{\"sid\":"), "{answer}");

    assert_eq!(wire(&command(&mut hub, broadcast(Args::none()))), [(ONE, r#"2["a"]"#)]);
    let audience = Audience::all(admin());
    let name = ByteString::from_static("a");
    let to_all =
        command(&mut hub, HubCommand::Broadcast { audience, name, args: Args::none(), volatile: false });
    assert_eq!(wire(&to_all), [(ONE, r#"2/admin,["a"]"#)]);
    let left = receive(&mut hub, ONE, to_admin(Kind::Disconnect));
    assert_eq!(left.len(), 1);
    assert_eq!(until(&mut hub), None, "the other one is still there");
    assert_eq!(receive(&mut hub, ONE, event("a", &[], None)).len(), 1);
}

#[test]
fn the_end_of_a_connection_is_that_of_all_its_sockets() {
    let mut hub = open_hub(HubCommand::Create(admin()));
    receive(&mut hub, ONE, packet(Kind::Connect(None)));
    receive(&mut hub, ONE, to_admin(Kind::Connect(None)));

    let outputs = receive(&mut hub, ONE, to_admin(Kind::Connect(None)));

    let disconnected = |output: &HubOutput| {
        matches!(
            output,
            HubOutput::Event(HubEvent::Disconnected { reason: DisconnectReason::ForcedClose, .. })
        )
    };
    assert_eq!(outputs.iter().filter(|output| disconnected(output)).count(), 2);
    assert_eq!(outputs.last(), Some(&HubOutput::Close(ONE)));
}

#[test]
fn a_guarded_namespace_answers_when_the_application_has_decided() {
    let (mut hub, socket) = guarded();
    assert_eq!(until(&mut hub), Some(at(45)), "asking is not joining");

    let outputs = command(&mut hub, HubCommand::Admit(socket.clone()));

    assert_eq!(wire(&outputs), [(ONE, format!("0/admin,{{\"sid\":\"{socket}\"}}").as_str())]);
    assert_eq!(
        outputs[1..],
        [HubOutput::Event(HubEvent::Connected {
            socket: socket.clone(),
            connection: ONE,
            namespace: admin(),
            auth: json!({"token": 1}),
            recovered: None,
        })]
    );
    assert_eq!(until(&mut hub), None);
    assert_eq!(command(&mut hub, HubCommand::Admit(socket.clone())), []);
    assert_eq!(command(&mut hub, HubCommand::Refuse { socket, error: json!({}) }), [], "it is in");
}

#[test]
fn who_is_refused_hears_why_and_may_ask_again() {
    let (mut hub, socket) = guarded();
    let error = json!({"message": "not you", "data": 7});

    let outputs = command(&mut hub, HubCommand::Refuse { socket: socket.clone(), error });

    assert_eq!(wire(&outputs), [(ONE, r#"4/admin,{"message":"not you","data":7}"#)]);
    assert_eq!(outputs[1..], [abandoned(&socket)]);
    assert_eq!(until(&mut hub), Some(at(45)));
    assert_ne!(ask(&mut hub, json!({})), socket);
}

#[test]
fn who_has_asked_waits_for_the_answer() {
    for early in [Kind::Connect(None), Kind::Disconnect, event("a", &[], None).kind] {
        let (mut hub, socket) = guarded();

        let outputs = receive(&mut hub, ONE, to_admin(early.clone()));

        assert_eq!(outputs, [abandoned(&socket), HubOutput::Close(ONE)], "{early:?}");
        assert_eq!(command(&mut hub, HubCommand::Admit(socket)), [], "too late");
    }
}

#[test]
fn who_goes_while_it_waits_is_abandoned() {
    let (mut hub, socket) = guarded();

    let outputs = give(&mut hub, HubInput::Closed(ONE, CloseReason::TransportClose), at(1));

    assert_eq!(outputs, [abandoned(&socket)]);
    assert_eq!(until(&mut hub), None);
}

#[test]
fn a_decision_that_takes_too_long_is_not_waited_for() {
    let (mut hub, socket) = guarded();

    assert_eq!(give(&mut hub, HubInput::TimedOut, at(45)), [abandoned(&socket), HubOutput::Close(ONE)]);
}

#[test]
fn what_is_emitted_and_joined_before_the_decision_takes_effect_after_it() {
    let (mut hub, socket) = guarded();
    let to_room = || {
        let (name, args) = (ByteString::from_static("b"), Args::none());
        let audience = Audience { to: BTreeSet::from(["x".into()]), ..Audience::all(admin()) };
        HubCommand::Broadcast { audience, name, args, volatile: false }
    };

    assert_eq!(command(&mut hub, emit(&socket)), []);
    assert_eq!(command(&mut hub, HubCommand::Join { socket: socket.clone(), room: "x".into() }), []);
    assert_eq!(command(&mut hub, to_room()), [], "it is not in");
    let HubCommand::Emit { name, args, ack, .. } = emit(&socket) else { unreachable!() };
    let volatile = HubCommand::Emit { socket: socket.clone(), name, args, ack, volatile: true };
    assert_eq!(command(&mut hub, volatile), [], "it could not leave at once");

    let outputs = command(&mut hub, HubCommand::Admit(socket));
    let texts: Vec<&str> = wire(&outputs).into_iter().map(|(_, text)| text).collect();
    assert!(texts[0].starts_with("0/admin,"));
    assert_eq!(texts[1..], [r#"2/admin,["a"]"#]);
    assert_eq!(wire(&command(&mut hub, to_room())), [(ONE, r#"2/admin,["b"]"#)]);
}

#[test]
fn closing_says_goodbye_in_every_namespace() {
    let mut hub = open_hub(HubCommand::Create(admin()));
    let outputs = receive(&mut hub, ONE, packet(Kind::Connect(None)));
    receive(&mut hub, ONE, to_admin(Kind::Connect(None)));
    let Some(HubOutput::Event(HubEvent::Connected { socket, .. })) = outputs.last() else {
        panic!("{outputs:?}")
    };

    let outputs = command(&mut hub, HubCommand::Disconnect { socket: socket.clone(), close: true });

    assert_eq!(wire(&outputs), [(ONE, "1"), (ONE, "1/admin,")]);
    assert_eq!(outputs.last(), Some(&HubOutput::Close(ONE)));
}

#[test]
fn a_namespace_that_is_asked_for_comes_to_be_when_someone_is_let_in_and_goes_with_the_last() {
    let mut hub = open_hub(HubCommand::GuardOthers);
    let socket = ask(&mut hub, json!({}));
    assert!(!hub.namespaces.contains_key(&admin()), "asking is not being in");

    command(&mut hub, HubCommand::Admit(socket));
    let second = receive(&mut hub, ONE, packet(Kind::Connect(None)));
    assert_eq!(wire(&second).len(), 1, "the main namespace is not asked about");
    assert_eq!(hub.audience(&Audience::all(admin())).len(), 1);

    receive(&mut hub, ONE, to_admin(Kind::Disconnect));
    assert!(!hub.namespaces.contains_key(&admin()));
    ask(&mut hub, json!({}));
}

#[test]
fn a_namespace_that_was_created_stays_though_no_one_is_in_it_and_is_asked_about() {
    for create in [HubCommand::Create(admin()), HubCommand::Guard(admin())] {
        let mut hub = open_hub(HubCommand::GuardOthers);
        let socket = ask(&mut hub, json!({}));
        command(&mut hub, HubCommand::Admit(socket));

        command(&mut hub, create);

        receive(&mut hub, ONE, to_admin(Kind::Disconnect));
        assert!(hub.namespaces.contains_key(&admin()));
        ask(&mut hub, json!({}));
    }
}

#[test]
fn a_connection_is_in_no_more_namespaces_than_it_may() {
    let mut hub = open_hub(HubCommand::GuardOthers);
    let connect = |hub: &mut Hub, number: usize| {
        let namespace = Namespace::new(&number.to_string());
        receive(hub, ONE, Packet { namespace, kind: Kind::Connect(None) })
    };
    for number in 0..NAMESPACES_MAX {
        assert!(matches!(connect(&mut hub, number)[..], [HubOutput::Event(HubEvent::Asked { .. })]));
    }

    let outputs = connect(&mut hub, NAMESPACES_MAX);

    assert_eq!(wire(&outputs), [(ONE, r#"4/1000,{"message":"Too many namespaces"}"#)]);
    let closed = give(&mut hub, HubInput::Closed(ONE, CloseReason::TransportClose), at(1));
    assert_eq!(closed.len(), NAMESPACES_MAX, "each is abandoned");
}
