//! Who hears a broadcast.

use super::*;

/// Three sockets, connected in the order three, one, two.
fn three() -> (Hub, [Sid; 3]) {
    let mut hub = hub();
    let sockets = [THREE, ONE, TWO].map(|connection| join(&mut hub, connection));
    (hub, sockets)
}

fn enter(hub: &mut Hub, socket: &Sid, room: &str) {
    assert_eq!(command(hub, HubCommand::Join { socket: socket.clone(), room: room.into() }), []);
}

fn hears(hub: &mut Hub, to: &[&str], except: &[&str]) -> Vec<ConnectionId> {
    let rooms = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
    let audience = Audience { namespace: Namespace::MAIN, to: rooms(to), except: rooms(except) };
    let name = ByteString::from_static("a");
    let outputs = command(hub, HubCommand::Broadcast { audience, name, args: Args::none(), volatile: false });
    wire(&outputs).into_iter().map(|(connection, _)| connection).collect()
}

#[test]
fn several_rooms_are_one_audience_that_hears_once_in_the_order_of_connecting() {
    let (mut hub, [three, one, two]) = three();
    for (socket, room) in [(&two, "x"), (&two, "y"), (&three, "y"), (&one, "z")] {
        enter(&mut hub, socket, room);
    }

    assert_eq!(hears(&mut hub, &["x", "y"], &[]), [THREE, TWO]);
    assert_eq!(hears(&mut hub, &["x", "y", "z"], &["x"]), [THREE, ONE]);
    assert_eq!(hears(&mut hub, &[], &["y"]), [ONE]);
    assert_eq!(hears(&mut hub, &["nowhere"], &[]), []);
}

#[test]
fn each_socket_is_in_the_room_of_its_id() {
    let (mut hub, [three, one, _two]) = three();

    assert_eq!(hears(&mut hub, &[one.as_str()], &[]), [ONE]);
    assert_eq!(hears(&mut hub, &[], &[three.as_str()]), [ONE, TWO]);
}

#[test]
fn who_left_a_room_or_is_gone_does_not_hear_it() {
    let (mut hub, [three, one, _two]) = three();
    enter(&mut hub, &three, "x");
    enter(&mut hub, &one, "x");

    command(&mut hub, HubCommand::Leave { socket: three, room: "x".into() });
    assert_eq!(hears(&mut hub, &["x"], &[]), [ONE]);
    give(&mut hub, HubInput::Closed(ONE, CloseReason::TransportClose), at(1));
    assert_eq!(hears(&mut hub, &["x"], &[]), []);

    join(&mut hub, ConnectionId(4));
    assert_eq!(hears(&mut hub, &["x"], &[]), [], "a new socket is in no room of an old one");
}

#[test]
fn what_is_volatile_is_left_to_the_driver() {
    let (mut hub, [three, ..]) = three();
    let volatile =
        HubCommand::Emit { socket: three, name: "a".into(), args: Args::none(), ack: None, volatile: true };

    assert!(matches!(command(&mut hub, volatile)[..], [HubOutput::TransmitVolatile(THREE, _)]));
    let audience = Audience::all(Namespace::MAIN);
    let name = ByteString::from_static("a");
    let outputs =
        command(&mut hub, HubCommand::Broadcast { audience, name, args: Args::none(), volatile: true });
    assert_eq!(outputs.len(), 3);
    assert!(outputs.iter().all(|output| matches!(output, HubOutput::TransmitVolatile(..))));
}
