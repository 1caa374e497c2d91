//! Rooms, as users and as clients that are not ours see them.

use serde_json::{Value, json};

use crate::chat::{ChatEvent, ChatOptions, ReceiveMode, SendMode};
use crate::io::Socket;
use crate::store::LogOffset;

use super::world::{Person, World};

fn message(content: &str, offset: u64, room: &str, prev: u64) -> Value {
    json!(["chat message", [content, offset, { "room": room, "id": null, "prev": prev }]])
}

fn began(offset: u64, since: u64) -> Value {
    json!({ "offset": offset, "since": since })
}

fn in_room(content: &str, room: &str) -> Value {
    json!([content, null, { "room": room }])
}

async fn joined(person: &mut Person, room: &str) -> u64 {
    let is_it = |event: &ChatEvent| matches!(event, ChatEvent::Joined { room: joined, .. } if joined == room);
    let ChatEvent::Joined { offset, .. } = person.until(is_it).await else { panic!("it is a join") };
    offset.0
}

async fn left(person: &mut Person, room: &str) -> u64 {
    let is_it = |event: &ChatEvent| matches!(event, ChatEvent::Left { room: left, .. } if left == room);
    let ChatEvent::Left { offset, .. } = person.until(is_it).await else { panic!("it is a leave") };
    offset.0
}

#[tokio::test(start_paused = true)]
async fn a_room_is_heard_from_its_join_to_its_leave() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let mut raw = world.raw(json!({ "rooms": [] }));
    let speaker = world.raw(json!({ "rooms": [] }));
    assert_eq!(raw.hear().await, json!(["joined", [{}]]));
    speaker.send(in_room("before", "lobby")).await;

    assert_eq!(raw.ask("join", json!(["lobby"])).await, json!([began(1, 1)]));
    speaker.send(json!(["elsewhere"])).await;
    speaker.send(in_room("within", "lobby")).await;
    assert_eq!(raw.hear().await, message("within", 3, "lobby", 1));
    assert_eq!(raw.ask("join", json!(["lobby", { "since": 0 }])).await, json!([began(1, 1)]));
    assert_eq!(raw.ask("leave", json!(["lobby"])).await, json!([{ "offset": 3 }]));
    speaker.send(in_room("after", "lobby")).await;
    assert_eq!(raw.ask("leave", json!(["lobby"])).await, json!([{ "offset": 4 }]));

    assert_eq!(raw.ask("join", json!(["lobby", { "since": 1 }])).await, json!([began(4, 1)]));
    assert_eq!(raw.hear().await, message("within", 3, "lobby", 1));
    assert_eq!(raw.hear().await, message("after", 4, "lobby", 3));
}

#[tokio::test(start_paused = true)]
async fn a_connect_names_rooms_and_gets_each_from_its_own_offset() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let speaker = world.raw(json!({}));
    for (content, room) in [("1", "a"), ("2", "b"), ("3", "a"), ("4", "b"), ("5", "c")] {
        speaker.send(in_room(content, room)).await;
    }

    let mut each = world.raw(json!({ "rooms": { "a": 1, "b": 2, "c": null } }));
    assert_eq!(
        each.hear().await,
        json!(["joined", [{ "a": began(5, 1), "b": began(5, 2), "c": began(5, 5) }]])
    );
    assert_eq!(each.hear().await, message("3", 3, "a", 1));
    assert_eq!(each.hear().await, message("4", 4, "b", 2));

    let mut all = world.raw(json!({ "serverOffset": 3, "rooms": ["a", "b"] }));
    assert_eq!(all.hear().await, json!(["joined", [{ "a": began(5, 3), "b": began(5, 3) }]]));
    assert_eq!(all.hear().await, message("4", 4, "b", 3));

    speaker.send(in_room("6", "c")).await;
    assert_eq!(each.hear().await, message("6", 6, "c", 5));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_room_is_refused_and_so_is_one_too_many() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let raw = world.raw(json!({}));
    for (args, code) in [
        (json!([]), "bad_request"),
        (json!([""]), "bad_request"),
        (json!(["lobby", 3]), "bad_request"),
        (json!(["lobby", { "since": 1 }]), "unknown_offset"),
    ] {
        assert_eq!(raw.ask("join", args).await[0]["error"]["code"], code);
    }
    for n in 1..100 {
        assert_eq!(raw.ask("join", json!([format!("room {n}")])).await, json!([began(0, 0)]));
    }
    assert_eq!(raw.ask("join", json!(["one more"])).await[0]["error"]["code"], "too_many_rooms");
    raw.ask("leave", json!(["general"])).await;
    assert_eq!(raw.ask("join", json!(["one more"])).await, json!([began(0, 0)]));

    let names: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    let mut too_many = world.raw(json!({ "rooms": names }));
    assert_eq!(too_many.hear().await[1][0]["code"], "too_many_rooms");
}

#[tokio::test(start_paused = true)]
async fn a_room_with_a_long_history_does_not_keep_the_others_waiting() {
    let world = World::new();
    let mut storage = crate::store::testing::log_in_memory();
    let draft = |room: &str| crate::store::Draft {
        room: room.to_owned(),
        id: None,
        content: room.to_owned(),
        at: std::time::SystemTime::UNIX_EPOCH,
    };
    let mut drafts = vec![draft("long"); 1000];
    drafts.push(draft("short"));
    crate::store::MessageLog::append(&mut storage, &drafts).unwrap();
    let _server = world.serve_chat_on(storage).await;

    let mut raw = world.raw(json!({ "rooms": { "long": 0, "short": 0 } }));

    raw.hear().await;
    let mut before = 0;
    while raw.hear().await[1][0] != "short" {
        before += 1;
    }
    assert_eq!(before, 100, "a page");
}

#[tokio::test(start_paused = true)]
async fn people_hear_the_rooms_they_joined_online_and_offline() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let (mut alice, mut bob) = (world.person("alice").await, world.person("bob").await);
    alice.client.connect();
    bob.client.join("offline", None).unwrap();
    bob.client.connect();
    joined(&mut bob, "offline").await;
    bob.client.join("online", None).unwrap();
    joined(&mut bob, "online").await;

    for (room, content) in [("offline", "1"), ("online", "2"), ("general", "3"), ("elsewhere", "4")] {
        alice.client.say_in(room, content).await.unwrap();
    }

    assert_eq!(bob.read_for_a_minute().await, ["1", "2", "3"]);
    assert_eq!(alice.read_for_a_minute().await, ["3"]);
    let shown = bob.client.status().shown;
    assert_eq!(shown["online"], Some(LogOffset(2)));
    assert_eq!(shown["offline"], Some(LogOffset(1)));
}

#[tokio::test(start_paused = true)]
async fn disconnecting_is_not_leaving() {
    let world = World::new();
    let server = world.serve_chat().await;
    let (mut alice, mut bob) = (world.person("alice").await, world.person("bob").await);
    alice.client.connect();
    bob.client.connect();
    bob.client.join("lobby", None).unwrap();
    joined(&mut bob, "lobby").await;
    server.kill().await;
    alice.client.say_in("lobby", "while nobody listens").await.unwrap();
    let _server = world.serve_chat().await;
    alice.settle().await;

    assert_eq!(bob.read_for_a_minute().await, ["while nobody listens"]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_and_joins_at_once_hears_nothing_from_before() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let (mut alice, mut bob) = (world.person("alice").await, world.person("bob").await);
    bob.client.connect();
    bob.client.join("lobby", None).unwrap();
    joined(&mut bob, "lobby").await;
    bob.client.leave("lobby");
    assert_eq!(left(&mut bob, "lobby").await, 0);
    alice.client.connect();
    alice.client.say_in("lobby", "missed").await.unwrap();
    alice.settle().await;

    bob.client.join("lobby", None).unwrap();
    bob.client.leave("lobby");
    bob.client.join("lobby", None).unwrap();
    assert_eq!(left(&mut bob, "lobby").await, 1);
    assert_eq!(joined(&mut bob, "lobby").await, 1);
    bob.client.say_in("lobby", "own").await.unwrap();

    assert_eq!(bob.read_for_a_minute().await, ["own"]);
    bob.client.disconnect();
    bob.client.leave("lobby");
    assert_eq!(left(&mut bob, "lobby").await, 2);
}

#[tokio::test(start_paused = true)]
async fn who_receives_live_never_says_what_it_has_seen() {
    let world = World::new();
    let options = ChatOptions { receive: ReceiveMode::Live, ..ChatOptions::default() };
    let mut bob = world.person_with("bob", options).await;
    let mut alice = world.person("alice").await;
    let server = world.serve_chat().await;
    alice.client.connect();
    alice.say("before").await;
    alice.settle().await;
    bob.client.connect();
    bob.until(|event| *event == ChatEvent::Connected).await;
    bob.client.join("lobby", Some(LogOffset(0))).unwrap();
    joined(&mut bob, "lobby").await;
    alice.say("heard").await;
    assert_eq!(bob.read(1).await, ["heard"]);
    server.kill().await;
    alice.say("missed").await;

    let _server = world.serve_chat().await;
    alice.settle().await;
    bob.read_for_a_minute().await;
    alice.say("heard again").await;
    assert_eq!(bob.read_for_a_minute().await, ["heard again"]);
}

/// A server that stores each message and breaks the connection of whoever sent the first.
async fn with_a_lost_answer(send: SendMode) -> (Vec<Value>, Vec<ChatEvent>) {
    let world = World::new();
    let stored = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sent = stored.clone();
    let _server = world.serve(|server| {
        server.on_connect(move |socket: Socket| {
            let sent = sent.clone();
            socket.on("chat message", move |socket, incoming| {
                sent.lock().unwrap().push(incoming.args.values()[0].clone());
                let is_first = sent.lock().unwrap().len() == 1;
                async move { if is_first { socket.disconnect(true) } else { incoming.ack.send(Vec::new()) } }
            });
            std::future::ready(())
        });
    });
    let mut alice = world.person_with("alice", ChatOptions { send, ..ChatOptions::default() }).await;
    alice.client.connect();
    alice.until(|event| *event == ChatEvent::Connected).await;
    alice.say("a").await;
    alice.until(|event| matches!(event, ChatEvent::Disconnected(_))).await;
    alice.say("b").await;
    alice.client.connect();
    let mut settled = Vec::new();
    while settled.len() < 2 {
        let is_it =
            |event: &ChatEvent| matches!(event, ChatEvent::Acknowledged { .. } | ChatEvent::Failed { .. });
        settled.push(alice.until(is_it).await);
    }
    let stored = stored.lock().unwrap().clone();
    (stored, settled)
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_a_repeat_with_retries_and_a_failure_when_plain() {
    let (stored, settled) = with_a_lost_answer(SendMode::Retry { retries: 3 }).await;
    assert_eq!(stored, ["a", "a", "b"]);
    assert!(settled.iter().all(|event| matches!(event, ChatEvent::Acknowledged { .. })), "{settled:?}");

    let (stored, settled) = with_a_lost_answer(SendMode::Plain).await;
    assert_eq!(stored, ["a", "b"]);
    assert!(matches!(settled[..], [ChatEvent::Failed { .. }, ChatEvent::Acknowledged { .. }]), "{settled:?}");
}
