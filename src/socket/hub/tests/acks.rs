//! What the server asks of clients.

use super::*;

fn ask(socket: &Sid, emit: u64, timeout: Option<u64>) -> HubCommand {
    HubCommand::Emit {
        socket: socket.clone(),
        name: "a".into(),
        args: Args::none(),
        ack: Some((EmitId(emit), timeout.map(Duration::from_secs))),
        volatile: false,
    }
}

fn answer(id: u64) -> Packet {
    packet(Kind::Ack { id: AckId(id), args: args(&["ok"]) })
}

fn settled(emit: u64, result: Result<Args, AckError>) -> HubOutput {
    HubOutput::Event(HubEvent::Acked { emit: EmitId(emit), result })
}

#[test]
fn an_answer_is_heard_once_and_from_who_was_asked() {
    let mut hub = hub();
    let socket = join(&mut hub, ONE);
    join(&mut hub, TWO);

    assert_eq!(wire(&command(&mut hub, ask(&socket, 7, Some(5)))), [(ONE, r#"20["a"]"#)]);

    assert_eq!(until(&mut hub), Some(at(6)));
    assert_eq!(receive(&mut hub, TWO, answer(0)), [], "it was not asked");
    assert_eq!(receive(&mut hub, ONE, answer(1)), [], "never asked");
    assert_eq!(receive(&mut hub, ONE, answer(0)), [settled(7, Ok(args(&["ok"])))]);
    assert_eq!(receive(&mut hub, ONE, answer(0)), []);
    assert_eq!(until(&mut hub), None);
}

#[test]
fn a_late_answer_is_ignored() {
    let mut hub = hub();
    let socket = join(&mut hub, ONE);
    command(&mut hub, ask(&socket, 7, Some(5)));

    assert_eq!(give(&mut hub, HubInput::TimedOut, at(5)), [], "waking too early changes nothing");
    assert_eq!(give(&mut hub, HubInput::TimedOut, at(6)), [settled(7, Err(AckError::TimedOut))]);
    assert_eq!(receive(&mut hub, ONE, answer(0)), []);
}

#[test]
fn who_is_gone_will_not_answer() {
    let mut hub = hub();
    let socket = join(&mut hub, ONE);
    let other = join(&mut hub, TWO);
    command(&mut hub, ask(&socket, 1, None));
    command(&mut hub, ask(&other, 2, None));
    command(&mut hub, ask(&socket, 3, Some(9)));

    let outputs = receive(&mut hub, ONE, packet(Kind::Disconnect));

    let lost = |emit| settled(emit, Err(AckError::Disconnected));
    assert_eq!(
        outputs,
        [disconnected(&socket, DisconnectReason::ClientNamespaceDisconnect), lost(1), lost(3)]
    );
    assert_eq!(command(&mut hub, ask(&socket, 4, None)), [lost(4)]);
    assert_eq!(wire(&command(&mut hub, ask(&other, 5, None))), [(TWO, r#"23["a"]"#)]);
}
