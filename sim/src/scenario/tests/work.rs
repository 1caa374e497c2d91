//! Stories about clients' options, rooms, events, guarantees and expectations, and what is said to those that make no sense.

use super::*;

/// A sound story that says everything that can be said of clients and work under the strictest guarantee.
pub(crate) const ROOMS: &str = "\
name: rooms
about: Three clients with all that can be said of them do all that can be done.
guarantee: exactly_once
clients:
  alice: { transports: [polling, websocket], rooms: [general, lobby], ack_timeout: 5s }
  bob: { reconnection_attempts: 9, reconnection_delay: 500ms, reconnection_delay_max: 2s }
  carol: { reconnection: true, rooms: [] }
work:
  - { at: 1s, who: [bob, carol], do: { join: lobby } }
  - { at: 2s..3s, who: carol, do: { join: { room: general, since: 12 } } }
  - { at: 2s, who: alice, do: { say: { count: 3, room: lobby } } }
  - { at: 3s, who: bob, do: { emit: { count: 2, every: 10ms..1s, event: pixel, binary: 700, ack: true, room: lobby } } }
  - { at: 3s, who: bob, do: { emit: { count: 1, volatile: true } } }
  - { at: 4s, who: alice, do: { broadcast: { count: 2, room: general, except: [lobby], binary: 10, volatile: true } } }
  - { at: 5s, who: alice, do: { broadcast: { count: 1 } } }
  - { at: 6s, who: bob, do: { leave: lobby } }
  - { at: 7s, who: alice, do: reload }
  - { at: 8s, who: alice, do: wait }
expect: { broken: sender_reorder, counted: { lost: \"==0\", duplicate_delivery: \">=1\" }, reached: [chat.repeat] }
";

/// The same people, who promise less.
pub(crate) const LESS: &str = "\
name: less
about: Nobody has an outbox.
guarantee: at_most_once
clients:
  alice: { send: plain }
  bob: { send: retry, receive: live, retries: 5 }
  carol: { send: manual, retries: 0 }
work:
  - { at: 1s, who: [alice, bob, carol], do: { say: { count: 3 } } }
  - { at: 2s, who: alice, do: disconnect }
";

fn spoilt_rooms(good: &str, bad: &str) -> String {
    assert!(ROOMS.contains(good), "{good:?} is not in the story");
    errors(&ROOMS.replace("name: rooms", "name: bad").replace(good, bad))
}

fn spoilt_less(good: &str, bad: &str) -> String {
    assert!(LESS.contains(good), "{good:?} is not in the story");
    errors(&LESS.replace("name: less", "name: bad").replace(good, bad))
}

#[test]
fn the_stories_are_understood() {
    let rooms = parse("rooms.yaml", ROOMS).unwrap();
    assert_eq!(rooms.clients["alice"].transports, [Transport::Polling, Transport::Websocket]);
    assert_eq!(
        (rooms.clients["bob"].reconnection_attempts, rooms.clients["carol"].rooms.len()),
        (Some(9), 0)
    );
    assert_eq!(rooms.expect.broken, Some(Anomaly::SenderReorder));
    assert_eq!(rooms.expect.counted[&Anomaly::DuplicateDelivery].to_string(), ">=1");

    let less = parse("less.yaml", LESS).unwrap();
    assert_eq!(less.clients["bob"].receive, Receive::Live);
    assert_eq!((less.clients["bob"].retries, less.clients["alice"].retries), (5, 3));
}

tells! {
    a_guarantee_that_a_plain_sender_cannot_keep: spoilt_less("at_most_once", "exactly_once");
    a_guarantee_that_one_of_two_cannot_keep: spoilt_less("at_most_once", "at_least_once");
    a_guarantee_that_a_live_reader_cannot_keep: spoilt_rooms("rooms: []", "receive: live");
    retries_without_a_sender_that_retries: spoilt_less("send: plain }", "send: plain, retries: 2 }");
    retries_of_an_outbox: spoilt_rooms("rooms: []", "retries: 2");
    an_unknown_way_to_send: spoilt_less("send: manual", "send: carrier_pigeon");
    no_transport: spoilt_rooms("[polling, websocket]", "[]");
    a_transport_twice: spoilt_rooms("[polling, websocket]", "[polling, polling]");
    no_attempts: spoilt_rooms("reconnection_attempts: 9", "reconnection_attempts: 0");
    a_first_delay_longer_than_the_longest: spoilt_rooms("reconnection_delay: 500ms", "reconnection_delay: 3s");
    too_many_retries: spoilt_less("retries: 5", "retries: 5000");
    a_room_with_a_wrong_name: spoilt_rooms("{ join: lobby }", "{ join: The Lobby }");
    a_room_twice: spoilt_rooms("[general, lobby]", "[general, lobby, general]");
    a_room_in_which_nobody_ever_is: spoilt_rooms("count: 3, room: lobby", "count: 3, room: loby");
    an_exception_for_nobody: spoilt_rooms("except: [lobby]", "except: [cellar]");
    a_room_that_its_client_never_joins: spoilt_rooms("who: bob, do: { leave: lobby }", "who: carol, do: { leave: attic }");
    a_client_that_leaves_a_room_of_others: errors(&ROOMS
        .replace("name: rooms", "name: bad")
        .replace("[bob, carol], do: { join", "[carol], do: { join"));
    a_join_that_says_too_much: spoilt_rooms("since: 12", "since: 12, until: 14");
    a_join_of_a_list: spoilt_rooms("{ join: lobby }", "{ join: [lobby] }");
    an_event_that_means_something_else: spoilt_rooms("event: pixel", "event: disconnect");
    an_attachment_that_no_server_takes: spoilt_rooms("binary: 700", "binary: 7000000");
    nothing_said_without_an_id: spoilt_less("count: 3", "count: 3, bytes: 0");
    an_emit_without_count: spoilt_rooms("emit: { count: 1, volatile: true }", "emit: { volatile: true }");
    an_unknown_anomaly_is_guessed: spoilt_rooms("broken: sender_reorder", "broken: sender_order");
    a_count_of_an_unknown_anomaly: spoilt_rooms("counted: { lost:", "counted: { boredom:");
    a_comparison_that_is_none: spoilt_rooms("\"==0\"", "some");
}

#[test]
fn every_guarantee_has_options_that_keep_it() {
    for (guarantee, send, receive) in [
        ("exactly_once", "outbox", "resume"),
        ("at_least_once", "retry", "resume"),
        ("at_least_once", "manual", "resume"),
        ("at_least_once", "outbox", "resume"),
        ("at_most_once", "plain", "live"),
        ("at_most_once", "retry", "resume"),
    ] {
        let text = format!(
            "name: one\nabout: x\nguarantee: {guarantee}\nclients: {{ a: {{ send: {send}, receive: {receive} }} }}\n\
             work: [{{ at: 1s, who: a, do: {{ say: {{ count: 1 }} }} }}]\n"
        );
        parse("one.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    }
}

#[test]
fn only_who_is_owed_everything_must_come_back() {
    assert!(spoilt_less("at_most_once", "at_least_once").contains("may stay away for good"));
    assert!(parse("less.yaml", LESS).is_ok());
}
