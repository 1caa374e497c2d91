//! Several namespaces over one session.

use super::*;

fn admin() -> Namespace {
    Namespace::new("admin")
}

fn in_admin(manager: &mut Manager, command: ManagerCommand) -> Vec<ManagerOutput> {
    give(manager, ManagerInput::Command(admin(), command), at(1))
}

fn from_admin(manager: &mut Manager, kind: Kind) -> Vec<ManagerOutput> {
    receive(manager, Packet { namespace: admin(), kind }, at(1))
}

fn in_both(manager: &mut Manager) {
    in_admin(manager, connect());
    from_admin(manager, welcome().kind);
}

fn both() -> Manager {
    let mut manager = connected();
    in_both(&mut manager);
    manager
}

fn heard_in_admin(event: ManagerEvent) -> ManagerOutput {
    ManagerOutput::Event(admin(), event)
}

#[test]
fn a_namespace_joins_a_session_that_is_open() {
    let mut manager = connected();

    let auth = Some(json!({"token": 1}));
    let asked = in_admin(&mut manager, ManagerCommand::Connect { auth });

    assert_eq!(wire(&asked), [r#"0/admin,{"token":1}"#]);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Namespace));
    assert_eq!(in_admin(&mut manager, connect()), [], "it has asked");
    let sid = Sid::from_peer("socket");
    assert_eq!(
        from_admin(&mut manager, welcome().kind),
        [heard_in_admin(ManagerEvent::Connected { sid, recovered: false })]
    );
    assert_eq!(wire(&in_admin(&mut manager, emit("a"))), [r#"2/admin,["a"]"#]);
    assert_eq!(wire(&command(&mut manager, emit("b"), at(1))), [r#"2["b"]"#]);
}

#[test]
fn a_ping_is_heard_in_every_namespace_that_is_wanted() {
    let mut manager = both();
    let heard = [happened(ManagerEvent::Pinged), heard_in_admin(ManagerEvent::Pinged)];
    assert_eq!(give(&mut manager, ManagerInput::Pinged, at(1)), heard);

    in_admin(&mut manager, ManagerCommand::Disconnect);
    assert_eq!(give(&mut manager, ManagerInput::Pinged, at(2)), [happened(ManagerEvent::Pinged)]);

    command(&mut manager, ManagerCommand::Disconnect, at(2));
    assert_eq!(give(&mut manager, ManagerInput::Pinged, at(2)), [], "told to close");
}

#[test]
fn all_that_are_wanted_join_a_new_session_each_with_its_auth() {
    let mut manager = manager();
    command(&mut manager, connect(), at(0));
    assert_eq!(in_admin(&mut manager, ManagerCommand::Connect { auth: Some(json!({"a": 1})) }), []);

    assert_eq!(wire(&give(&mut manager, ManagerInput::Opened, at(1))), ["0", r#"0/admin,{"a":1}"#]);
}

#[test]
fn a_loss_is_told_in_every_namespace_and_all_come_back() {
    let mut manager = both();
    in_admin(&mut manager, emit_with_ack("sent", 1, None));

    let outputs = close(&mut manager, at(1));

    let lost = || ManagerEvent::Disconnected(DisconnectReason::TransportClose);
    let acked = ManagerEvent::Acked { emit: EmitId(1), result: Err(AckError::Disconnected) };
    let again = || ManagerEvent::Reconnecting { attempt: 1, at: at(2) };
    assert_eq!(
        outputs,
        [
            happened(lost()),
            heard_in_admin(lost()),
            heard_in_admin(acked),
            happened(again()),
            heard_in_admin(again()),
        ]
    );
    give(&mut manager, ManagerInput::TimedOut, at(2));
    assert_eq!(wire(&give(&mut manager, ManagerInput::Opened, at(2))), ["0", "0/admin,"]);
}

#[test]
fn the_last_one_to_leave_closes_the_session() {
    let mut manager = both();

    let left = in_admin(&mut manager, ManagerCommand::Disconnect);
    assert_eq!(wire(&left), ["1/admin,"]);
    assert_eq!(left[1..], [heard_in_admin(ManagerEvent::Disconnected(DisconnectReason::IoClientDisconnect))]);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Traffic));

    let last = receive(&mut manager, packet(Kind::Disconnect), at(1));
    assert_eq!(
        last,
        [ManagerOutput::Close, happened(ManagerEvent::Disconnected(DisconnectReason::IoServerDisconnect))]
    );
}

#[test]
fn a_refusal_concerns_its_namespace_alone() {
    let mut manager = connected();
    in_admin(&mut manager, connect());

    let why = json!({"message": "not you"});
    let outputs = from_admin(&mut manager, Kind::ConnectError(why.clone()));

    assert_eq!(outputs, [heard_in_admin(ManagerEvent::ConnectError(why))]);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Traffic));
    close(&mut manager, at(1));
    give(&mut manager, ManagerInput::TimedOut, at(2));
    assert_eq!(wire(&give(&mut manager, ManagerInput::Opened, at(2))), ["0"], "it does not ask again");
}

#[test]
fn who_leaves_before_it_is_answered_leaves_after_it() {
    let mut manager = connected();
    in_admin(&mut manager, connect());

    assert_eq!(in_admin(&mut manager, ManagerCommand::Disconnect), []);
    assert_eq!(from_admin(&mut manager, event("early", &[], None).kind), []);

    assert_eq!(wire(&from_admin(&mut manager, welcome().kind)), ["1/admin,"]);
    assert_eq!(wire(&in_admin(&mut manager, connect())), ["0/admin,"], "and may come again");
}

#[test]
fn who_changes_its_mind_before_it_is_answered_stays() {
    let mut manager = connected();
    in_admin(&mut manager, connect());
    in_admin(&mut manager, ManagerCommand::Disconnect);

    assert_eq!(in_admin(&mut manager, connect()), []);

    let sid = Sid::from_peer("socket");
    assert_eq!(
        from_admin(&mut manager, welcome().kind),
        [heard_in_admin(ManagerEvent::Connected { sid, recovered: false })]
    );
}

#[test]
fn a_server_that_breaks_the_protocol_in_one_namespace_loses_all() {
    let mut manager = connected();
    in_admin(&mut manager, connect());

    let outputs = from_admin(&mut manager, Kind::Connect(None));

    assert_eq!(
        outputs,
        [
            ManagerOutput::Close,
            happened(ManagerEvent::Disconnected(DisconnectReason::ParseError)),
            heard_in_admin(ManagerEvent::ConnectFailed(CloseReason::ParseError)),
        ]
    );
}
