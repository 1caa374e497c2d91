//! Claims about sockets that are taken up again; [`any_cuts`] has the one that matters about any of them, [`contract`] those
//! about any inputs whatever.

mod any_cuts;
mod contract;
mod stored;

use serde_json::Value;

use super::super::super::Decoder;
use super::super::super::testing::text_of;
use super::*;

const KEPT: Duration = Duration::from_secs(120);

fn recovering(options: Recovery) -> Hub {
    let mut hub = hub();
    hub.recover(options);
    hub
}

/// What a client knows of its session.
#[derive(Debug, Clone, Default)]
struct Known {
    pid: Option<String>,
    sid: Option<String>,
    offset: Option<String>,
    /// The first arguments of the events that it got, in order.
    events: Vec<String>,
}

impl Known {
    fn auth(&self) -> Value {
        match (&self.pid, &self.offset) {
            (Some(pid), Some(offset)) => json!({ "pid": pid, "offset": offset }),
            (Some(pid), None) => json!({ "pid": pid }),
            (None, _) => json!({}),
        }
    }

    /// Takes what is transmitted on a connection; whether it says that the session is recovered.
    fn read(&mut self, connection: ConnectionId, outputs: &[HubOutput]) -> Option<bool> {
        let mut recovered = None;
        for output in outputs {
            let (HubOutput::Transmit(to, encoded) | HubOutput::TransmitVolatile(to, encoded)) = output else {
                continue;
            };
            if *to != connection {
                continue;
            }
            let packet = Decoder::default().receive(encoded[0].clone()).unwrap().unwrap();
            match packet.kind {
                Kind::Connect(Some(answer)) => {
                    let pid = answer["pid"].as_str().map(str::to_owned);
                    assert!(recovered.is_none() && pid.is_some(), "{}", text_of(encoded));
                    recovered = Some(pid == self.pid);
                    self.pid = pid;
                    self.sid = answer["sid"].as_str().map(str::to_owned);
                }
                Kind::Event { args, ack, .. } => {
                    self.events.extend(args.get::<String>(0).ok());
                    if ack.is_none() {
                        self.offset = Some(args.get(args.len() - 1).unwrap());
                    }
                }
                other @ (Kind::Connect(None)
                | Kind::Disconnect
                | Kind::Ack { .. }
                | Kind::ConnectError(_)) => {
                    panic!("not expected: {other:?}")
                }
            }
        }
        recovered
    }
}

fn ask(hub: &mut Hub, connection: ConnectionId, auth: Value, now: Time) -> Vec<HubOutput> {
    give(hub, HubInput::Opened(connection), now);
    give(hub, HubInput::Received(connection, packet(Kind::Connect(Some(auth)))), now)
}

/// Connects for the first time; the socket's id, and what its client knows.
fn begin(hub: &mut Hub, connection: ConnectionId) -> (Sid, Known) {
    let outputs = ask(hub, connection, json!({}), at(0));
    let mut known = Known::default();
    assert_eq!(known.read(connection, &outputs), Some(false));
    let Some(HubOutput::Event(HubEvent::Connected { socket, recovered: None, .. })) = outputs.last() else {
        panic!("connected, not {outputs:?}")
    };
    (socket.clone(), known)
}

fn say(text: &str) -> HubCommand {
    broadcast(args(&[text]))
}

fn cut(hub: &mut Hub, connection: ConnectionId) -> Vec<HubOutput> {
    give(hub, HubInput::Closed(connection, CloseReason::TransportClose), at(1))
}

/// The event with which a socket is taken up again.
fn recovered(outputs: &[HubOutput]) -> Option<(&Sid, Vec<String>)> {
    outputs.iter().find_map(|output| {
        if let HubOutput::Event(HubEvent::Connected { socket, recovered: Some(recovered), .. }) = output {
            let said = |(_, args): &(ByteString, Args)| {
                assert_eq!(args.len(), 1, "the offset is no argument");
                args.get(0).unwrap()
            };
            Some((socket, recovered.replayed.iter().map(said).collect()))
        } else {
            None
        }
    })
}

/// Whose sessions are over.
fn forgotten(outputs: &[HubOutput]) -> Vec<&Sid> {
    let mut sockets = Vec::new();
    for output in outputs {
        if let HubOutput::Event(HubEvent::Forgotten { socket }) = output {
            sockets.push(socket);
        }
    }
    sockets
}

#[test]
fn without_recovery_nothing_is_kept_and_nothing_is_added() {
    let mut hub = hub();
    let socket = join(&mut hub, ONE);
    assert_eq!(wire(&command(&mut hub, emit(&socket))), [(ONE, r#"2["a"]"#)]);
    cut(&mut hub, ONE);
    assert!(hub.members.is_empty());
}

#[test]
fn who_comes_back_gets_its_answer_then_what_it_missed_and_then_what_comes() {
    let mut hub = recovering(Recovery::default());
    let (socket, mut known) = begin(&mut hub, ONE);
    known.read(ONE, &command(&mut hub, say("1")));
    cut(&mut hub, ONE);
    assert_eq!(wire(&command(&mut hub, say("2"))), []);
    command(
        &mut hub,
        HubCommand::Emit {
            socket: socket.clone(),
            name: "a".into(),
            args: args(&["3"]),
            ack: None,
            volatile: false,
        },
    );

    let outputs = ask(&mut hub, TWO, known.auth(), at(2));

    let kinds: Vec<char> = wire(&outputs).iter().map(|(_, text)| text.chars().next().unwrap()).collect();
    assert_eq!(kinds, ['0', '2', '2']);
    assert_eq!(known.read(TWO, &outputs), Some(true));
    assert_eq!(recovered(&outputs), Some((&socket, vec!["2".to_owned(), "3".to_owned()])));
    known.read(TWO, &command(&mut hub, say("4")));
    assert_eq!(known.events, ["1", "2", "3", "4"]);
}

#[test]
fn who_has_heard_nothing_yet_misses_everything() {
    let mut hub = recovering(Recovery::default());
    let (_, mut known) = begin(&mut hub, ONE);
    command(&mut hub, say("1"));
    cut(&mut hub, ONE);

    let outputs = ask(&mut hub, TWO, json!({ "pid": known.pid }), at(2));

    assert_eq!(known.read(TWO, &outputs), Some(true));
    assert_eq!(known.events, ["1"]);
}

#[test]
fn an_offset_of_before_the_session_is_its_start() {
    let mut hub = recovering(Recovery::default());
    let (_, mut first) = begin(&mut hub, THREE);
    first.read(THREE, &command(&mut hub, say("before")));
    let (_, mut known) = begin(&mut hub, ONE);
    command(&mut hub, say("1"));

    let outputs = ask(&mut hub, TWO, json!({ "pid": known.pid, "offset": first.offset }), at(2));

    assert_eq!(known.read(TWO, &outputs), Some(true));
    assert_eq!(known.events, ["1"]);
}

#[test]
fn a_session_that_is_still_connected_is_parted_from_its_dead_connection() {
    let mut hub = recovering(Recovery::default());
    let (socket, mut known) = begin(&mut hub, ONE);
    command(&mut hub, say("1"));

    let outputs = ask(&mut hub, TWO, known.auth(), at(2));

    let gone = disconnected(&socket, DisconnectReason::TransportClose);
    assert_eq!(outputs[..2], [gone, HubOutput::Close(ONE)]);
    assert_eq!(known.read(TWO, &outputs), Some(true));
    // The server gives the dead connection up long after.
    cut(&mut hub, ONE);
    known.read(TWO, &command(&mut hub, say("2")));
    assert_eq!(known.events, ["1", "2"], "once recovered is not once and for all");
    assert_eq!(hub.members.len(), 1);
}

#[test]
fn what_is_sent_while_middlewares_run_is_not_missed() {
    let mut hub = recovering(Recovery::default());
    let (socket, mut known) = begin(&mut hub, ONE);
    command(&mut hub, HubCommand::Guard(Namespace::MAIN));
    cut(&mut hub, ONE);
    command(&mut hub, say("1"));
    let outputs = ask(&mut hub, TWO, known.auth(), at(2));
    let [HubOutput::Event(HubEvent::Asked { socket: asked, recovers, .. })] = &outputs[..] else {
        panic!("nothing is sent before the application has said yes: {outputs:?}")
    };
    assert_eq!(recovers.as_ref(), Some(&socket));
    command(&mut hub, say("2"));

    let outputs = command(&mut hub, HubCommand::Admit(asked.clone()));

    assert_eq!(known.read(TWO, &outputs), Some(true));
    assert_eq!(known.events, ["1", "2"]);
}

#[test]
fn middlewares_are_skipped_only_for_who_is_recovered() {
    let mut hub = recovering(Recovery { skip_middlewares: true, ..Recovery::default() });
    let (_, known) = begin(&mut hub, ONE);
    command(&mut hub, HubCommand::Guard(Namespace::MAIN));
    cut(&mut hub, ONE);

    assert!(recovered(&ask(&mut hub, TWO, known.auth(), at(2))).is_some());
    let outputs = ask(&mut hub, THREE, json!({ "pid": "invented" }), at(2));
    assert!(matches!(outputs[..], [HubOutput::Event(HubEvent::Asked { recovers: None, .. })]));
}

#[test]
fn who_is_refused_leaves_the_session_to_its_owner() {
    let mut hub = recovering(Recovery::default());
    let (_, mut known) = begin(&mut hub, ONE);
    command(&mut hub, HubCommand::Guard(Namespace::MAIN));
    let outputs = ask(&mut hub, TWO, known.auth(), at(2));
    let [HubOutput::Event(HubEvent::Asked { socket, .. })] = &outputs[..] else { panic!("{outputs:?}") };

    let outputs =
        command(&mut hub, HubCommand::Refuse { socket: socket.clone(), error: json!({"message": "no"}) });

    assert_eq!(wire(&outputs), [(TWO, r#"4{"message":"no"}"#)]);
    known.read(ONE, &command(&mut hub, say("1")));
    assert_eq!(known.events, ["1"]);
}

#[test]
fn who_was_thrown_out_while_it_was_asked_for_is_asked_about_anew_and_not_recovered() {
    let mut hub = recovering(Recovery::default());
    let (socket, known) = begin(&mut hub, ONE);
    command(&mut hub, HubCommand::Guard(Namespace::MAIN));
    let outputs = ask(&mut hub, TWO, known.auth(), at(2));
    let [HubOutput::Event(HubEvent::Asked { socket: asked, .. })] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    let asked = asked.clone();
    command(&mut hub, HubCommand::Disconnect { socket, close: false });

    let outputs = command(&mut hub, HubCommand::Admit(asked.clone()));

    let abandoned = HubOutput::Event(HubEvent::Abandoned { socket: asked });
    let [first, HubOutput::Event(HubEvent::Asked { socket: another, recovers: None, connection: TWO, .. })] =
        &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(*first, abandoned);
    let outputs = command(&mut hub, HubCommand::Admit(another.clone()));
    let connected = |output: &HubOutput| matches!(output, HubOutput::Event(HubEvent::Connected { socket, connection: TWO, recovered: None, .. }) if socket == another);
    assert!(outputs.iter().any(connected), "over the connection that it has: {outputs:?}");
}

#[test]
fn a_disconnect_by_either_side_ends_the_session() {
    let by_client = |_: &Sid| HubInput::Received(ONE, packet(Kind::Disconnect));
    let by_server =
        |socket: &Sid| HubInput::Command(HubCommand::Disconnect { socket: socket.clone(), close: false });
    let by_closing =
        |socket: &Sid| HubInput::Command(HubCommand::Disconnect { socket: socket.clone(), close: true });
    let garbled = |_: &Sid| HubInput::Closed(ONE, CloseReason::ParseError);
    let ways: [&dyn Fn(&Sid) -> HubInput; 4] = [&by_client, &by_server, &by_closing, &garbled];
    for way in ways {
        let mut hub = recovering(Recovery::default());
        let (socket, known) = begin(&mut hub, ONE);
        let outputs = give(&mut hub, way(&socket), at(1));
        assert_eq!(forgotten(&outputs), [&socket]);
        assert_eq!(recovered(&ask(&mut hub, TWO, known.auth(), at(2))), None);
    }
    let mut hub = recovering(Recovery::default());
    let (socket, known) = begin(&mut hub, ONE);
    assert_eq!(forgotten(&cut(&mut hub, ONE)), Vec::<&Sid>::new());
    assert_eq!(forgotten(&give(&mut hub, by_server(&socket), at(1))), [&socket]);
    assert_eq!(recovered(&ask(&mut hub, TWO, known.auth(), at(2))), None, "nor is who is away spared");
}

#[test]
fn a_session_ends_in_time_and_leaves_nothing_behind() {
    let mut hub = recovering(Recovery::default());
    let (socket, known) = begin(&mut hub, ONE);
    cut(&mut hub, ONE);
    assert_eq!(until(&mut hub), Some(at(1) + KEPT));

    let forgotten = HubOutput::Event(HubEvent::Forgotten { socket });
    assert_eq!(give(&mut hub, HubInput::TimedOut, at(1) + KEPT), [forgotten]);

    assert!(hub.members.is_empty() && hub.sessions.as_ref().unwrap().is_empty());
    assert!(hub.namespaces.values().all(|state| state.roster.is_empty()));
    assert_eq!(recovered(&ask(&mut hub, TWO, known.auth(), at(122))), None);
}

#[test]
fn what_is_old_is_forgotten_and_who_has_it_is_recovered_all_the_same() {
    let mut hub = recovering(Recovery::default());
    let (_, mut has) = begin(&mut hub, ONE);
    let (_, mut lacks) = begin(&mut hub, TWO);
    has.read(ONE, &command(&mut hub, say("1")));
    give(&mut hub, HubInput::TimedOut, at(1) + KEPT);
    let after = at(130);

    let outputs = ask(&mut hub, THREE, has.auth(), after);
    assert_eq!(has.read(THREE, &outputs), Some(true), "a quiet room is no reason to miss something");
    let outputs = ask(&mut hub, ConnectionId(4), lacks.auth(), after);
    assert_eq!(lacks.read(ConnectionId(4), &outputs), Some(false));
}

#[test]
fn who_has_missed_more_than_is_kept_is_not_recovered() {
    let mut hub = recovering(Recovery { max_bytes: 1000, ..Recovery::default() });
    let (_, mut known) = begin(&mut hub, ONE);
    cut(&mut hub, ONE);
    for _ in 0..20 {
        command(&mut hub, say("x"));
    }

    let outputs = ask(&mut hub, TWO, known.auth(), at(2));

    assert_eq!(known.read(TWO, &outputs), Some(false));
    assert_eq!(known.events, Vec::<String>::new());
}

#[test]
fn an_offset_that_no_event_had_is_refused() {
    let mut hub = recovering(Recovery::default());
    let (_, mut known) = begin(&mut hub, ONE);
    known.read(ONE, &command(&mut hub, say("1")));
    let offset = known.offset.clone().unwrap();
    let epoch = offset.split_once('.').unwrap().0;
    let wrong = [
        json!(1),
        json!(null),
        json!("1"),
        json!("x.1"),
        json!(format!("{epoch}.2")),
        json!(format!("{epoch}.+1")),
    ];
    for (n, wrong) in (10..).zip(wrong) {
        let outputs = ask(&mut hub, ConnectionId(n), json!({ "pid": known.pid, "offset": wrong }), at(2));
        assert_eq!(recovered(&outputs), None, "{wrong}");
    }
    assert!(recovered(&ask(&mut hub, TWO, known.auth(), at(2))).is_some());
}

#[test]
fn a_volatile_event_says_no_more_than_what_came_before_it() {
    let mut hub = recovering(Recovery::default());
    let (_, mut known) = begin(&mut hub, ONE);
    known.read(ONE, &command(&mut hub, say("1")));
    let audience = Audience::all(Namespace::MAIN);
    let volatile = HubCommand::Broadcast { audience, name: "a".into(), args: args(&["v"]), volatile: true };
    known.read(ONE, &command(&mut hub, volatile));
    command(&mut hub, say("2"));

    let outputs = ask(&mut hub, TWO, known.auth(), at(2));

    known.read(TWO, &outputs);
    assert_eq!(known.events, ["1", "v", "2"]);
}

#[test]
fn who_is_away_is_told_nothing_that_waits_for_an_answer() {
    let mut hub = recovering(Recovery::default());
    let (socket, mut known) = begin(&mut hub, ONE);
    cut(&mut hub, ONE);

    let ack = Some((EmitId(1), None));
    let asked = HubCommand::Emit { socket, name: "a".into(), args: args(&["q"]), ack, volatile: false };
    let outputs = command(&mut hub, asked);

    let acked = HubEvent::Acked { emit: EmitId(1), result: Err(AckError::Disconnected) };
    assert_eq!(outputs, [HubOutput::Event(acked)]);
    known.read(TWO, &ask(&mut hub, TWO, known.auth(), at(2)));
    assert_eq!(known.events, Vec::<String>::new());
}

#[test]
fn what_one_connection_sends_for_itself_does_not_come_through_the_next() {
    let mut hub = recovering(Recovery::default());
    let (socket, mut known) = begin(&mut hub, ONE);
    let here = |connection, text: &str| {
        let (socket, name, args) = (socket.clone(), "a".into(), args(&[text]));
        HubCommand::EmitOn { connection, socket, name, args }
    };
    cut(&mut hub, ONE);
    command(&mut hub, here(ONE, "1"));
    known.read(TWO, &ask(&mut hub, TWO, known.auth(), at(2)));

    known.read(TWO, &command(&mut hub, here(ONE, "late")));
    known.read(TWO, &command(&mut hub, here(TWO, "2")));

    assert_eq!(known.events, ["1", "2"]);
}

#[test]
fn rooms_are_those_of_the_moment_of_the_broadcast() {
    let mut hub = recovering(Recovery::default());
    let (socket, mut known) = begin(&mut hub, ONE);
    let to = |room: &str, text: &str| HubCommand::Broadcast {
        audience: Audience { to: [room.into()].into(), ..Audience::all(Namespace::MAIN) },
        name: "a".into(),
        args: args(&[text]),
        volatile: false,
    };
    command(&mut hub, HubCommand::Join { socket: socket.clone(), room: "r".into() });
    cut(&mut hub, ONE);
    command(&mut hub, to("r", "1"));
    command(&mut hub, HubCommand::Leave { socket: socket.clone(), room: "r".into() });
    command(&mut hub, to("r", "2"));
    command(&mut hub, HubCommand::Join { socket, room: "s".into() });
    command(&mut hub, to("s", "3"));

    known.read(TWO, &ask(&mut hub, TWO, known.auth(), at(2)));
    known.read(TWO, &command(&mut hub, to("s", "4")));

    assert_eq!(known.events, ["1", "3", "4"]);
}

#[test]
fn who_is_away_can_not_be_refused_any_more() {
    let mut hub = recovering(Recovery::default());
    let (socket, known) = begin(&mut hub, ONE);
    cut(&mut hub, ONE);

    let late = HubCommand::Refuse { socket: socket.clone(), error: json!({ "message": "no" }) };
    assert_eq!(command(&mut hub, late), []);

    let outputs = ask(&mut hub, TWO, known.auth(), at(2));
    assert_eq!(recovered(&outputs), Some((&socket, Vec::new())));
}
