//! Our server with clients that are not ours, and our client with servers that are not ours.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::chat::ChatEvent;
use crate::io::Socket;
use crate::socket::DisconnectReason;
use crate::store::LogOffset;

use super::world::World;

fn code_of(answer: &Value) -> &str {
    answer[0]["error"]["code"].as_str().unwrap_or_else(|| panic!("{answer} is no error"))
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_acknowledged_with_the_offset_it_has_and_shown_once() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let mut alice = world.person("alice").await;
    alice.client.connect();
    let raw = world.raw(json!({}));

    assert_eq!(raw.send(json!(["hi", "me-1"])).await, json!([{ "offset": 1 }]));
    assert_eq!(raw.send(json!(["hi", "me-1"])).await, json!([{ "offset": 1 }]));
    assert_eq!(raw.send(json!(["ho", "me-2"])).await, json!([{ "offset": 2 }]));

    assert_eq!(alice.read(2).await, ["hi", "ho"]);
    assert_eq!(alice.read_for_a_minute().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn who_sends_under_a_known_id_what_is_not_its_message_hears_of_a_conflict() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let mut alice = world.person("alice").await;
    alice.client.connect();
    let raw = world.raw(json!({}));
    raw.send(json!(["hi", "me-1"])).await;

    assert_eq!(code_of(&raw.send(json!(["ho", "me-1"])).await), "conflict");

    assert_eq!(alice.read_for_a_minute().await, ["hi"]);
}

#[tokio::test(start_paused = true)]
async fn ids_made_before_a_page_connected_are_not_repeats_of_each_other() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let raw = world.raw(json!({}));
    assert_eq!(raw.send(json!(["mine", "undefined-0"])).await, json!([{ "offset": 1 }]));
    assert_eq!(raw.send(json!(["yours", "undefined-0"])).await, json!([{ "offset": 2 }]));
}

#[tokio::test(start_paused = true)]
async fn each_message_says_what_came_before_it() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let mut from_start = world.raw(json!({ "serverOffset": 0 }));
    from_start.send(json!(["a", "me-1"])).await;
    let mut live = world.raw(json!({}));
    // Answered, so it is connected and its cursor stands.
    live.send(json!(["b"])).await;

    let message = |content: &str, offset: u64, id: Option<&str>, prev: u64| json!(["chat message", [content, offset, { "room": "general", "id": id, "prev": prev }]]);
    assert_eq!(from_start.hear().await, message("a", 1, Some("me-1"), 0));
    assert_eq!(from_start.hear().await, message("b", 2, None, 1));
    assert_eq!(live.hear().await, message("b", 2, None, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_refused_and_hurts_nobody() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let mut alice = world.person("alice").await;
    alice.client.connect();
    let raw = world.raw(json!({}));

    for (args, code) in [
        (json!([]), "bad_request"),
        (json!([{ "content": "hi" }, "me-1"]), "bad_request"),
        (json!(["hi", 7]), "bad_request"),
        (json!(["hi", "x".repeat(1000)]), "bad_request"),
        (json!(["hi", "me-1", { "room": "" }]), "bad_request"),
        (json!(["x".repeat(70_000), "me-1"]), "too_large"),
    ] {
        assert_eq!(code_of(&raw.send(args).await), code);
    }
    // No acknowledgement is asked for: the official tutorial's server dies of it.
    raw.client.emit("chat message", vec![json!("hi")]);
    raw.client.emit("chat message", vec![json!(null)]);
    raw.client.emit("another event", vec![json!(null)]);

    assert_eq!(raw.send(json!(["ho"])).await, json!([{ "offset": 2 }]));
    assert_eq!(alice.read(2).await, ["hi", "ho"]);
}

#[tokio::test(start_paused = true)]
async fn who_read_another_log_is_told_so_and_disconnected() {
    let world = World::new();
    let _server = world.serve_chat().await;
    for (auth, code) in [
        (json!({ "serverOffset": 1 }), "unknown_offset"),
        (json!({ "serverOffset": u64::MAX }), "unknown_offset"),
        (json!({ "serverOffset": "0" }), "bad_request"),
    ] {
        let mut raw = world.raw(auth);
        let error = raw.hear().await;
        assert_eq!((&error[0], &error[1][0]["code"]), (&json!("chat error"), &json!(code)));
        assert_eq!(raw.hear().await, "io server disconnect");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_tells_its_user_why_the_server_disconnects_it() {
    let world = World::new();
    let _server = world.serve(|server| {
        server.on_connect(|socket: Socket| async move {
            socket.emit("chat error", vec![json!({ "code": "unknown_offset", "message": "not this log" })]);
            socket.disconnect(false);
        });
    });
    let mut alice = world.person("alice").await;
    alice.client.connect();

    assert_eq!(alice.hear().await, ChatEvent::Connected);
    assert_eq!(alice.hear().await, ChatEvent::Refused("not this log".to_owned()));
    assert_eq!(alice.hear().await, ChatEvent::Disconnected(DisconnectReason::IoServerDisconnect));
}

/// What a server saw: the `serverOffset` of each connection, and what was sent.
type Seen = Arc<Mutex<Vec<Value>>>;

fn emit(socket: &Socket, content: &str, offset: u64, prev: u64) {
    let meta = json!({ "room": "general", "id": null, "prev": prev });
    socket.emit("chat message", vec![json!(content), json!(offset), meta]);
}

#[tokio::test(start_paused = true)]
async fn a_message_behind_a_gap_is_not_shown_before_what_is_missing() {
    let world = World::new();
    let seen = Seen::default();
    let connections = seen.clone();
    let _server = world.serve(|server| {
        server.on_connect(move |socket: Socket| {
            connections.lock().unwrap().push(socket.auth()["serverOffset"].clone());
            let is_first = connections.lock().unwrap().len() == 1;
            async move {
                if is_first {
                    emit(&socket, "one", 1, 0);
                    emit(&socket, "three", 3, 2);
                    emit(&socket, "four", 4, 3);
                } else {
                    emit(&socket, "two", 2, 1);
                    emit(&socket, "three", 3, 2);
                    emit(&socket, "four", 4, 3);
                }
            }
        });
    });
    let mut alice = world.person("alice").await;
    let clock = alice.process.env.clock.clone();
    let start = clock.monotonic();
    alice.client.connect();

    assert_eq!(alice.read(4).await, ["one", "two", "three", "four"]);
    assert_eq!(*seen.lock().unwrap(), [json!(0), json!(1)]);
    assert_eq!(clock.monotonic().since(start).as_millis(), 0, "the first time, at once");
}

#[tokio::test(start_paused = true)]
async fn a_server_with_a_gap_for_ever_is_not_asked_without_pause() {
    let world = World::new();
    let seen = Seen::default();
    let connections = seen.clone();
    let _server = world.serve(|server| {
        server.on_connect(move |socket: Socket| {
            connections.lock().unwrap().push(json!("connected"));
            async move { emit(&socket, "three", 3, 2) }
        });
    });
    let mut alice = world.person("alice").await;
    alice.client.connect();

    assert_eq!(alice.read_for_a_minute().await, [""; 0]);
    let connections = seen.lock().unwrap().len();
    assert!((3..10).contains(&connections), "{connections} connections in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_answer_is_sent_again_as_it_was_and_holds_up_the_next() {
    let world = World::new();
    let seen = Seen::default();
    let sent = seen.clone();
    let _server = world.serve(|server| {
        server.on_connect(move |socket: Socket| {
            let sent = sent.clone();
            socket.on("chat message", move |socket, incoming| {
                sent.lock().unwrap().push(json!(incoming.args.values()));
                let count = sent.lock().unwrap().len();
                async move {
                    match count {
                        1 => {}
                        2 => socket.disconnect(true),
                        _ => incoming.ack.send(vec![json!({ "offset": count })]),
                    }
                }
            });
            std::future::ready(())
        });
    });
    let mut alice = world.person("alice").await;
    let (first, second) = (alice.say("a").await, alice.say("b").await);
    alice.client.connect();
    alice.until(|event| matches!(event, ChatEvent::Disconnected(_))).await;
    alice.client.connect();
    alice.settle().await;

    let (first, second) = (json!(["a", first]), json!(["b", second]));
    assert_eq!(*seen.lock().unwrap(), [first.clone(), first.clone(), first, second]);
}

#[tokio::test(start_paused = true)]
async fn the_tutorials_server_acknowledges_without_an_offset_and_sends_no_predecessors() {
    let world = World::new();
    let _server = world.serve(|server| {
        let all = server.clone();
        server.on_connect(move |socket: Socket| {
            let all = all.clone();
            socket.on("chat message", move |_, incoming| {
                all.emit("chat message", vec![incoming.args.values()[0].clone(), json!(9)]);
                incoming.ack.send(Vec::new());
                std::future::ready(())
            });
            std::future::ready(())
        });
    });
    let mut alice = world.person("alice").await;
    let id = alice.say("hi").await;
    alice.client.connect();

    assert_eq!(alice.read(1).await, ["hi"]);
    assert_eq!(alice.hear().await, ChatEvent::Acknowledged { id, offset: LogOffset::START });
}
