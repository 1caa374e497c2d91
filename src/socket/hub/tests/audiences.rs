//! What is asked of many sockets at once.

use super::*;

fn survey(to: &[&str], timeout: Option<u64>) -> HubCommand {
    HubCommand::BroadcastWithAck {
        audience: in_rooms(to),
        name: "a".into(),
        args: Args::none(),
        emit: EmitId(7),
        timeout: timeout.map(Duration::from_secs),
    }
}

fn in_rooms(to: &[&str]) -> Audience {
    let to = to.iter().map(|&room| room.into()).collect();
    Audience { to, ..Audience::all(Namespace::MAIN) }
}

fn answer(hub: &mut Hub, connection: ConnectionId, id: u64, with: &str) -> Vec<HubOutput> {
    receive(hub, connection, packet(Kind::Ack { id: AckId(id), args: args(&[with]) }))
}

fn all_acked(answers: &[&str], missing: usize) -> HubOutput {
    let answers = answers.iter().map(|answer| args(&[answer])).collect();
    HubOutput::Event(HubEvent::AllAcked { emit: EmitId(7), answers, missing })
}

#[test]
fn a_broadcast_with_answers_is_one_packet_and_settled_by_the_last_answer() {
    let mut hub = hub();
    join(&mut hub, TWO);
    join(&mut hub, ONE);

    let outputs = command(&mut hub, survey(&[], Some(5)));

    assert_eq!(wire(&outputs), [(TWO, r#"20["a"]"#), (ONE, r#"20["a"]"#)]);
    let [HubOutput::Transmit(_, first), HubOutput::Transmit(_, second)] = &outputs[..] else {
        unreachable!()
    };
    assert!(Arc::ptr_eq(first, second));
    assert_eq!(answer(&mut hub, ONE, 0, "one"), []);
    assert_eq!(answer(&mut hub, ONE, 0, "again"), [], "each answers once");
    assert_eq!(answer(&mut hub, TWO, 0, "two"), [all_acked(&["one", "two"], 0)]);
    assert_eq!(until(&mut hub), None);
}

#[test]
fn at_the_timeout_the_answers_that_came_are_given() {
    let mut hub = hub();
    join(&mut hub, ONE);
    join(&mut hub, TWO);
    join(&mut hub, THREE);
    command(&mut hub, survey(&[], Some(5)));
    answer(&mut hub, TWO, 0, "two");

    assert_eq!(give(&mut hub, HubInput::TimedOut, at(6)), [all_acked(&["two"], 2)]);
    assert_eq!(answer(&mut hub, ONE, 0, "late"), []);
}

#[test]
fn who_goes_before_it_has_answered_is_not_waited_for() {
    let mut hub = hub();
    join(&mut hub, ONE);
    let gone = join(&mut hub, TWO);
    command(&mut hub, survey(&[], None));
    answer(&mut hub, ONE, 0, "one");

    let outputs = give(&mut hub, HubInput::Closed(TWO, CloseReason::PingTimeout), at(1));

    assert_eq!(outputs, [disconnected(&gone, DisconnectReason::PingTimeout), all_acked(&["one"], 0)]);
}

#[test]
fn where_no_one_hears_it_nothing_is_waited_for() {
    let mut hub = hub();
    join(&mut hub, ONE);

    assert_eq!(command(&mut hub, survey(&["nowhere"], Some(5))), [all_acked(&[], 0)]);
    let nowhere = HubCommand::BroadcastWithAck {
        audience: Audience::all(Namespace::new("nowhere")),
        name: "a".into(),
        args: Args::none(),
        emit: EmitId(7),
        timeout: None,
    };
    assert_eq!(command(&mut hub, nowhere), [all_acked(&[], 0)]);
}

#[test]
fn many_join_and_leave_at_once() {
    let mut hub = hub();
    let [one, two, three] = [ONE, TWO, THREE].map(|connection| join(&mut hub, connection));
    command(&mut hub, HubCommand::Join { socket: one.clone(), room: "x".into() });
    command(&mut hub, HubCommand::Join { socket: three.clone(), room: "x".into() });

    command(
        &mut hub,
        HubCommand::JoinAll { audience: in_rooms(&["x"]), rooms: vec!["y".into(), "z".into()] },
    );
    assert_eq!(hub.audience(&in_rooms(&["y"])), [one.clone(), three.clone()]);
    assert_eq!(hub.rooms(&one), BTreeSet::from([RoomName::from(&one), "x".into(), "y".into(), "z".into()]));
    assert_eq!(hub.rooms(&two), BTreeSet::from([RoomName::from(&two)]));

    let without_three = Audience { except: BTreeSet::from([RoomName::from(&three)]), ..in_rooms(&["x"]) };
    command(&mut hub, HubCommand::LeaveAll { audience: without_three, rooms: vec!["x".into(), "y".into()] });
    assert_eq!(hub.audience(&in_rooms(&["x", "y"])), [three]);
    assert_eq!(hub.audience(&in_rooms(&["z"])).len(), 2);
}

#[test]
fn many_are_disconnected_at_once_with_the_rooms_they_were_in() {
    for close in [false, true] {
        let mut hub = hub();
        let [one, _two, three] = [ONE, TWO, THREE].map(|connection| join(&mut hub, connection));
        command(
            &mut hub,
            HubCommand::JoinAll { audience: in_rooms(&[one.as_str()]), rooms: vec!["x".into()] },
        );
        command(&mut hub, HubCommand::Join { socket: three, room: "x".into() });

        let outputs = command(&mut hub, HubCommand::DisconnectAll { audience: in_rooms(&["x"]), close });

        assert_eq!(wire(&outputs), [(ONE, "1"), (THREE, "1")]);
        assert_eq!(outputs.contains(&HubOutput::Close(ONE)), close);
        let rooms = BTreeSet::from([RoomName::from(&one), "x".into()]);
        let reason = DisconnectReason::ServerNamespaceDisconnect;
        assert!(outputs.contains(&HubOutput::Event(HubEvent::Disconnected { socket: one, reason, rooms })));
        assert_eq!(hub.audience(&in_rooms(&[])).len(), 1);
    }
}
