//! Bytes on the wire. Here, both ways and with times: server and client machines in conversation. In `engine` and `socket`,
//! clause by clause: a server as the official protocol suites ask for it.

#[path = "wire/client_connection.rs"]
mod client_connection;
#[path = "wire/client_emits.rs"]
mod client_emits;
#[path = "wire/engine.rs"]
mod engine;
#[path = "wire/pair.rs"]
mod pair;
#[path = "../examples/protocol_suite/server.rs"]
mod protocol_suite;
#[path = "wire/scripted.rs"]
mod scripted;
#[path = "wire/socket.rs"]
mod socket;
#[path = "wire/stage.rs"]
mod stage;
#[path = "wire/transports.rs"]
mod transports;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use squall::args;
use squall::engine::{Message, Sid, Time};
use squall::socket::{
    AckId, Args, Audience, DisconnectReason, EmitId, HubCommand, HubEvent, ManagerCommand, ManagerEvent,
    ManagerOptions, Namespace, RoomName,
};

use pair::World;
use transports::Conversation;

const ALICE: usize = 0;
const BOB: usize = 1;
/// Longer than any answer takes, far shorter than a heartbeat.
const MOMENT: Duration = Duration::from_millis(100);
/// The interval and the timeout of a heartbeat.
const PATIENCE: Duration = Duration::from_secs(25 + 20);

fn args(values: &[Value]) -> Args {
    Args::from(values.to_vec())
}

fn connect() -> ManagerCommand {
    ManagerCommand::Connect { auth: None }
}

fn emit(name: &'static str, text: &str) -> ManagerCommand {
    ManagerCommand::Emit { name: name.into(), args: args(&[json!(text)]), ack: None, volatile: false }
}

fn ask(emit: u64, text: &str, timeout: Option<Duration>) -> ManagerCommand {
    ManagerCommand::Emit {
        name: "ask".into(),
        args: args(&[json!(text)]),
        ack: Some((EmitId(emit), timeout)),
        volatile: false,
    }
}

/// Connects a client; its socket's id.
fn join(world: &mut World, client: usize) -> Sid {
    world.client(client, connect());
    world.run_for(MOMENT);
    match &world.client_heard(client)[..] {
        [(_, ManagerEvent::Connected { sid, .. })] => sid.clone(),
        other => panic!("connected, not {other:?}"),
    }
}

fn events<E>(heard: Vec<(Time, E)>) -> Vec<E> {
    heard.into_iter().map(|(_, event)| event).collect()
}

#[test]
fn a_conversation_looks_like_the_protocol_says() {
    let mut world = World::new(&["alice", "bob"]);

    world.client(ALICE, ManagerCommand::Connect { auth: Some(json!({"serverOffset": 0})) });
    world.client(ALICE, emit("chat message", "typed before connecting"));
    world.run_for(MOMENT);
    let bob = join(&mut world, BOB);
    insta::assert_snapshot!(world.transcript(), @r#"
    0.000s alice > server: GET, upgrade to websocket
    0.010s server > alice: 101 switching protocols
    0.010s server > alice: 0{"sid":"AAAAAAAAAAAAAAAAAAAA","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
    0.020s alice > server: 40{"serverOffset":0}
    0.030s server > alice: 40{"sid":"AAAAAAAAAAEAAAAAAAAA"}
    0.040s alice > server: 42["chat message","typed before connecting"]
    0.100s bob > server: GET, upgrade to websocket
    0.110s server > bob: 101 switching protocols
    0.110s server > bob: 0{"sid":"AAAAAAAAAAIAAAAAAAAA","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
    0.120s bob > server: 40
    0.130s server > bob: 40{"sid":"AAAAAAAAAAMAAAAAAAAB"}
    "#);

    let heard = events(world.server_heard());
    let HubEvent::Connected { socket: alice, auth, .. } = &heard[0] else { panic!("{heard:?}") };
    assert_eq!(auth, &json!({"serverOffset": 0}));
    world.client(ALICE, ask(1, "are you there?", None));
    world.run_for(MOMENT);
    world.server(HubCommand::Ack { socket: alice.clone(), id: AckId(0), args: args(&[json!({"ok": true})]) });
    world.server(HubCommand::Broadcast {
        audience: Audience::all(Namespace::MAIN),
        name: "news".into(),
        args: args(&[json!("for all"), json!(1)]),
        volatile: false,
    });
    world.server(HubCommand::Emit {
        socket: bob.clone(),
        name: "news".into(),
        args: args(&[json!("for bob")]),
        ack: None,
        volatile: false,
    });
    world.run_for(MOMENT);
    insta::assert_snapshot!(world.transcript(), @r#"
    0.200s alice > server: 420["ask","are you there?"]
    0.300s server > alice: 430[{"ok":true}]
    0.300s server > alice: 42["news","for all",1]
    0.300s server > bob: 42["news","for all",1]
    0.300s server > bob: 42["news","for bob"]
    "#);

    world.server(HubCommand::Disconnect { socket: bob, close: false });
    world.run_for(MOMENT);
    world.run_for(Duration::from_secs(30));
    world.client(ALICE, ManagerCommand::Disconnect);
    world.run_for(MOMENT);
    insta::assert_snapshot!(world.transcript(), @r#"
    0.400s server > bob: 41
    0.410s bob > server: close frame
    25.010s server > alice: 2
    25.020s alice > server: 3
    30.500s alice > server: 41
    30.500s alice > server: close frame
    "#);
}

#[test]
fn bytes_follow_their_packet_both_ways() {
    let mut world = World::new(&["alice"]);
    let alice = join(&mut world, ALICE);
    world.transcript();
    world.server_heard();
    let (dot, dash) = (Bytes::from_static(&[0x06]), Bytes::from_static(&[0xff, 0x00]));

    world.client(
        ALICE,
        ManagerCommand::Emit {
            name: "hello".into(),
            args: args![1, "2", json!({"3": "4"}), dot, vec![&dash]],
            ack: Some((EmitId(1), None)),
            volatile: false,
        },
    );
    world.run_for(MOMENT);
    world.server(HubCommand::Ack { socket: alice, id: AckId(0), args: args![dash] });
    world.run_for(MOMENT);

    insta::assert_snapshot!(world.transcript(), @r#"
    0.100s alice > server: 452-0["hello",1,"2",{"3":"4"},{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]
    0.100s alice > server: binary [06]
    0.100s alice > server: binary [ff, 00]
    0.200s server > alice: 461-0[{"_placeholder":true,"num":0}]
    0.200s server > alice: binary [ff, 00]
    "#);
    let heard = events(world.server_heard());
    let [HubEvent::Received { args, .. }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(
        (args.get::<Bytes>(3).unwrap(), args.get::<Vec<Bytes>>(4).unwrap()),
        (dot, vec![dash.clone()])
    );
    let acked = ManagerEvent::Acked { emit: EmitId(1), result: Ok(args![dash]) };
    assert_eq!(events(world.client_heard(ALICE)), [acked]);
}

#[test]
fn namespaces_share_a_connection() {
    let mut world = World::new(&["alice"]);
    let admin = || Namespace::new("admin");
    world.server(HubCommand::Guard(admin()));
    join(&mut world, ALICE);
    world.transcript();
    world.server_heard();

    world.client_of(ALICE, admin(), ManagerCommand::Connect { auth: Some(json!({"token": 1})) });
    world.run_for(MOMENT);
    let heard = events(world.server_heard());
    let [HubEvent::Asked { socket, .. }] = &heard[..] else { panic!("{heard:?}") };
    let error = json!({"message": "not now", "data": {"retry": true}});
    world.server(HubCommand::Refuse { socket: socket.clone(), error });
    world.run_for(MOMENT);
    world.client_of(ALICE, admin(), connect());
    world.run_for(MOMENT);
    let heard = events(world.server_heard());
    let Some(HubEvent::Asked { socket, .. }) = heard.last() else { panic!("{heard:?}") };
    world.server(HubCommand::Emit {
        socket: socket.clone(),
        name: "question".into(),
        args: Args::none(),
        ack: Some((EmitId(1), None)),
        volatile: false,
    });
    world.server(HubCommand::Admit(socket.clone()));
    world.run_for(MOMENT);
    world.client_of(ALICE, admin(), ManagerCommand::Ack { id: AckId(0), args: args(&[json!("answer")]) });
    world.client_of(ALICE, Namespace::new("nowhere"), connect());
    world.client_of(ALICE, admin(), emit("hello", "world"));
    world.run_for(MOMENT);
    world.client_of(ALICE, admin(), ManagerCommand::Disconnect);
    world.run_for(MOMENT);

    insta::assert_snapshot!(world.transcript(), @r#"
    0.100s alice > server: 40/admin,{"token":1}
    0.200s server > alice: 44/admin,{"message":"not now","data":{"retry":true}}
    0.300s alice > server: 40/admin,
    0.400s server > alice: 40/admin,{"sid":"AAAAAAAAAAMAAAAAAAAC"}
    0.400s server > alice: 42/admin,0["question"]
    0.500s alice > server: 43/admin,0["answer"]
    0.500s alice > server: 40/nowhere,
    0.500s alice > server: 42/admin,["hello","world"]
    0.510s server > alice: 44/nowhere,{"message":"Invalid namespace"}
    0.600s alice > server: 41/admin,
    "#);
    let heard = events(world.server_heard());
    let acked = HubEvent::Acked { emit: EmitId(1), result: Ok(args(&[json!("answer")])) };
    assert!(heard.contains(&acked), "{heard:?}");
}

#[test]
fn auth_that_is_asked_for_is_new_at_each_connect() {
    let mut world = World::new(&["alice"]);
    world.client(ALICE, ManagerCommand::AskAuth(true));
    join(&mut world, ALICE);
    world.server(HubCommand::Shutdown);
    world.run_for(Duration::from_secs(1) + MOMENT);

    let connects: Vec<String> =
        world.transcript().lines().filter(|line| line.contains("> server: 40")).map(str::to_owned).collect();

    assert_eq!(
        connects,
        [r#"0.020s alice > server: 40{"asked":1}"#, r#"1.130s alice > server: 40{"asked":2}"#]
    );
}

#[test]
fn a_retry_looks_like_a_new_event_and_the_next_one_waits() {
    let retrying = ManagerOptions {
        retries: Some(1),
        ack_timeout: Some(Duration::from_secs(2)),
        ..ManagerOptions::default()
    };
    let mut world = World::with(&["alice"], retrying);
    let alice = join(&mut world, ALICE);
    world.transcript();

    for text in ["one", "two", "three"] {
        world.client(ALICE, emit("echo", text));
    }
    world.run_for(MOMENT);
    world.server(HubCommand::Ack { socket: alice.clone(), id: AckId(0), args: Args::none() });
    world.run_for(Duration::from_secs(3));
    world.server(HubCommand::Ack { socket: alice.clone(), id: AckId(2), args: Args::none() });
    world.run_for(Duration::from_secs(6));

    insta::assert_snapshot!(world.transcript(), @r#"
    0.100s alice > server: 420["echo","one"]
    0.200s server > alice: 430[]
    0.210s alice > server: 421["echo","two"]
    2.210s alice > server: 422["echo","two"]
    3.200s server > alice: 432[]
    3.210s alice > server: 423["echo","three"]
    5.210s alice > server: 424["echo","three"]
    "#);
}

#[test]
fn silence_looks_like_a_ping_without_a_pong() {
    let mut world = World::new(&["alice"]);
    join(&mut world, ALICE);
    world.run_for(Duration::from_secs(25));
    world.transcript();

    world.silence();
    world.run_for(PATIENCE);

    insta::assert_snapshot!(world.transcript(), @r#"
    50.030s server > alice: (lost) 2
    70.020s alice > server: (lost) close frame
    70.030s server > alice: (lost) close frame
    "#);
}

#[test]
fn a_shutdown_says_nothing_but_goodbye_to_the_transport() {
    let mut world = World::new(&["alice"]);
    join(&mut world, ALICE);
    world.transcript();

    world.server(HubCommand::Shutdown);
    world.run_for(Duration::from_secs(1) + MOMENT);

    insta::assert_snapshot!(world.transcript(), @r#"
    0.100s server > alice: close frame
    1.110s alice > server: GET, upgrade to websocket
    1.120s server > alice: 101 switching protocols
    1.120s server > alice: 0{"sid":"AAAAAAAAAAIAAAAAAAAA","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
    1.120s server > alice: close frame
    1.130s alice > server: 40
    "#);
}

#[test]
fn a_pair_connects_asks_answers_and_parts() {
    let mut world = World::new(&["alice"]);
    let alice = join(&mut world, ALICE);
    world.client(ALICE, ask(7, "why?", Some(Duration::from_secs(5))));
    world.run_for(MOMENT);
    world.server(HubCommand::Ack { socket: alice.clone(), id: AckId(0), args: args(&[json!("because")]) });
    world.run_for(MOMENT);
    world.client(ALICE, emit("last words", "bye"));
    world.client(ALICE, ManagerCommand::Disconnect);
    world.run_for(MOMENT);

    assert_eq!(
        events(world.client_heard(ALICE)),
        [
            ManagerEvent::Acked { emit: EmitId(7), result: Ok(args(&[json!("because")])) },
            ManagerEvent::Disconnected(DisconnectReason::IoClientDisconnect),
        ]
    );
    let heard = events(world.server_heard());
    let last_words = HubEvent::Received {
        socket: alice.clone(),
        name: "last words".into(),
        args: args(&[json!("bye")]),
        ack: None,
    };
    assert_eq!(
        heard[2..],
        [
            last_words,
            HubEvent::Disconnected {
                rooms: [RoomName::from(&alice)].into(),
                socket: alice,
                reason: DisconnectReason::ClientNamespaceDisconnect
            }
        ]
    );
}

#[test]
fn both_sides_of_a_silent_pipe_notice_in_time() {
    for quiet in [0, 10, 24, 25, 26, 49, 60] {
        let mut world = World::new(&["alice"]);
        join(&mut world, ALICE);
        world.run_for(Duration::from_secs(quiet));
        world.server_heard();

        world.silence();
        world.run_for(PATIENCE);

        let server = events(world.server_heard());
        assert!(
            matches!(server[..], [HubEvent::Disconnected { reason: DisconnectReason::PingTimeout, .. }]),
            "after {quiet} s the server heard {server:?}"
        );
        let mut client = events(world.client_heard(ALICE));
        client.retain(|event| *event != ManagerEvent::Pinged);
        assert!(
            matches!(client[..], [ManagerEvent::Disconnected(DisconnectReason::PingTimeout), ..]),
            "after {quiet} s the client heard {client:?}"
        );
    }
}

#[test]
fn what_is_said_in_an_outage_arrives_after_it_once() {
    let mut world = World::new(&["alice"]);
    join(&mut world, ALICE);
    world.silence();
    world.run_for(PATIENCE);
    world.client(ALICE, ask(1, "still there?", None));
    world.client(ALICE, ask(2, "given up in time", Some(Duration::from_secs(1))));
    world.run_for(Duration::from_secs(30));
    world.server_heard();
    world.client_heard(ALICE);

    world.heal();
    world.run_for(Duration::from_secs(30));

    let heard = events(world.server_heard());
    assert!(matches!(heard[..], [HubEvent::Connected { .. }, HubEvent::Received { .. }]), "{heard:?}");
    let HubEvent::Received { socket, args: said, ack: Some(id), .. } = &heard[1] else { panic!("{heard:?}") };
    assert_eq!(said, &args(&[json!("still there?")]));
    world.server(HubCommand::Ack { socket: socket.clone(), id: *id, args: Args::none() });
    world.run_for(MOMENT);
    let client = events(world.client_heard(ALICE));
    assert_eq!(client.last(), Some(&ManagerEvent::Acked { emit: EmitId(1), result: Ok(Args::none()) }));
}

#[test]
fn polling_looks_like_the_protocol_says() {
    let mut wire = Conversation::polling(false);
    wire.run_for(MOMENT);
    wire.client_sends(Message::text("a"));
    wire.client_sends(Message::Binary(vec![1, 2, 3, 4].into()));
    wire.client_sends(Message::text("b"));
    wire.run_for(MOMENT);
    wire.server_sends(Message::text("c"));
    wire.server_sends(Message::Binary(vec![1, 2, 3, 4].into()));
    wire.run_for(Duration::from_secs(25));
    wire.client_closes();
    wire.run_for(MOMENT);

    insta::assert_snapshot!(wire.transcript(), @r#"
    0.000s client: GET sid=
    0.010s server: 200 0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
    0.020s client: GET sid=abc
    0.100s client: POST sid=abc 4a
    0.110s server: 200 ok
    0.120s client: POST sid=abc bAQIDBA==\x1e4b
    0.130s server: 200 ok
    0.200s server: 200 4c
    0.210s client: GET sid=abc
    0.220s server: 200 bAQIDBA==
    0.230s client: GET sid=abc
    25.010s server: 200 2
    25.020s client: POST sid=abc 3
    25.020s client: GET sid=abc
    25.030s server: 200 ok
    25.200s client: POST sid=abc 1
    25.210s server: 200 6
    25.210s server: 200 ok
    "#);
}

#[test]
fn an_upgrade_looks_like_the_protocol_says() {
    let mut wire = Conversation::polling(true);
    wire.run_for(Duration::from_millis(45));
    wire.client_sends(Message::text("by post"));
    wire.server_sends(Message::text("by poll"));
    wire.server_sends(Message::text("by the next poll"));
    wire.run_for(Duration::from_millis(30));
    wire.client_sends(Message::text("waits"));
    wire.run_for(Duration::from_millis(95));
    wire.server_sends(Message::text("waits too"));
    wire.run_for(Duration::from_secs(25));

    insta::assert_snapshot!(wire.transcript(), @r#"
    0.000s client: GET sid=
    0.010s server: 200 0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
    0.020s client: GET sid=abc
    0.020s client: GET sid=abc, upgrade to websocket
    0.030s server: 101 switching protocols
    0.040s client: ws 2probe
    0.045s client: POST sid=abc 4by post
    0.045s server: 200 4by poll
    0.050s server: ws 3probe
    0.055s server: 200 ok
    0.055s client: GET sid=abc
    0.065s server: 200 4by the next poll
    0.075s client: ws 5
    0.075s client: ws 4waits
    0.170s server: ws 4waits too
    25.010s server: ws 2
    25.020s client: ws 3
    "#);
}
