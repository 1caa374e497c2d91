//! Several namespaces over one connection, and who is let in.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::io::ConnectError;
use crate::socket::{AckError, Args, args};

use super::*;

#[tokio::test(start_paused = true)]
async fn each_namespace_has_its_own_handlers_events_and_end() {
    let world = world(ServerOptions::default());
    echo(&world.server);
    let admin = world.server.of("admin");
    admin.on_connect(|socket| async move {
        socket.on("where", |socket, event| async move { event.ack.send(args![socket.namespace()]) });
    });
    let (client, mut events) = world.connected().await;
    let (in_admin, mut admin_events) = client.of("/admin");

    in_admin.connect();
    until_connected(&mut admin_events).await;
    world.server.emit("main", number(1));
    admin.emit("admin", number(2));

    assert_eq!(next_number(&mut events).await, 1);
    assert_eq!(next_number(&mut admin_events).await, 2);
    assert_eq!(in_admin.emit_with_ack("where", Args::none(), None).await, Ok(args!["/admin"]));
    in_admin.disconnect();
    assert_eq!(until_disconnected(&mut admin_events).await, DisconnectReason::IoClientDisconnect);
    assert!(!in_admin.status().connected && client.status().connected);
    assert_eq!(client.emit_with_ack("echo", number(3), None).await, Ok(Args::from(number(3))));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_does_not_exist_is_refused() {
    let world = world(ServerOptions::default());
    let (client, _events) = world.connected().await;
    let (nowhere, mut events) = client.of("/nowhere");

    nowhere.connect();

    assert_eq!(events.recv().await, Some(Event::ConnectError(json!({"message": "Invalid namespace"}))));
    assert!(client.status().connected);
}

#[tokio::test(start_paused = true)]
async fn middlewares_decide_one_after_another_before_the_client_is_answered() {
    let world = world(ServerOptions::default());
    let env = world.env.clone();
    let vault = world.server.of("/vault");
    vault.use_middleware(move |socket| {
        let env = env.clone();
        async move {
            env.sleep(SECOND).await;
            socket.emit("early", Args::none());
            socket.join("checked");
            match socket.auth()["token"].as_str() {
                Some("open sesame") => Ok(()),
                Some(_) => {
                    Err(ConnectError { message: "wrong token".into(), data: Some(json!({"code": 7})) })
                }
                None => Err(ConnectError::new("no token")),
            }
        }
    });
    vault.use_middleware(|socket| async move {
        assert_eq!(socket.auth()["token"], "open sesame", "the one before refused the others");
        Ok(())
    });
    let (client, mut events) = world.connected().await;
    let (inside, mut inside_events) = client.of("/vault");

    for (auth, answer) in [
        (None, json!({"message": "no token"})),
        (Some(json!({"token": "?"})), json!({"message": "wrong token", "data": {"code": 7}})),
    ] {
        inside.set_auth(auth);
        inside.connect();
        assert_eq!(inside_events.recv().await, Some(Event::ConnectError(answer)));
    }
    inside.set_auth(Some(json!({"token": "open sesame"})));
    inside.connect();
    assert!(matches!(inside_events.recv().await, Some(Event::Connected { .. })));
    assert!(matches!(inside_events.recv().await, Some(Event::Received { name, .. }) if name == "early"));
    vault.to("checked").emit("checked", number(1));
    assert_eq!(next_number(&mut inside_events).await, 1);
    assert!(events.try_recv().is_err(), "the main namespace heard nothing of it");
}

#[tokio::test(start_paused = true)]
async fn a_middleware_is_dropped_with_its_client() {
    /// Tells when it is dropped.
    struct Guard(Arc<Notify>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let world = world(ServerOptions::default());
    let (started, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (start, end) = (started.clone(), ended.clone());
    world.server.use_middleware(move |_socket| {
        let guard = Guard(end.clone());
        start.notify_one();
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    let (client, _events) = world.client();
    client.connect();
    started.notified().await;

    client.disconnect();

    ended.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_middleware_that_panics_loses_its_own_connection_only() {
    let world = world(ServerOptions::default());
    world.server.use_middleware(|socket| async move {
        assert!(socket.auth()["panic"].is_null(), "on purpose");
        Ok(())
    });
    let (_other, mut other_events) = world.connected().await;
    let (victim, mut events) = world.client();
    victim.set_auth(Some(json!({"panic": true})));

    victim.connect();

    assert!(matches!(events.recv().await, Some(Event::ConnectFailed(_))));
    assert!(other_events.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_wait_for_an_answer_of_its_client() {
    let world = world(ServerOptions::default());
    world.server.on_connect(|socket| async move {
        socket.on("ask me", |socket, event| async move {
            let answer = socket.timeout(5 * SECOND).emit_with_ack("question", Args::none()).await;
            event.ack.send(answer.unwrap());
        });
    });
    let (client, mut events) = world.connected().await;
    let answering = client.clone();
    world.env.spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Received { ack: Some(id), .. } = event {
                answering.ack(id, number(42));
            }
        }
    });

    assert_eq!(client.emit_with_ack("ask me", Args::none(), None).await, Ok(Args::from(number(42))));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_an_error() {
    let world = world(ServerOptions::default());
    let (sender, mut errors) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        let sender = sender.clone();
        async move {
            sender.send(socket.timeout(SECOND).emit_with_ack("a", Args::none()).await).unwrap();
            sender.send(socket.emit_with_ack("b", Args::none(), None).await).unwrap();
            sender.send(socket.emit_with_ack("c", Args::none(), None).await).unwrap();
        }
    });
    let (client, _events) = world.connected().await;

    assert_eq!(errors.recv().await, Some(Err(AckError::TimedOut)));
    client.disconnect();
    assert_eq!(errors.recv().await, Some(Err(AckError::Disconnected)));
    assert_eq!(errors.recv().await, Some(Err(AckError::Disconnected)), "nor is there anyone to ask");
}

/// Clients may ask for `/tenant-<name>` if they bring that name.
fn tenants(world: &World) -> crate::io::ParentNamespace {
    let env = world.env.clone();
    world.server.of_matching(move |name, auth| {
        let sleep = env.sleep(SECOND);
        async move {
            sleep.await;
            name.strip_prefix("/tenant-").is_some_and(|name| auth["name"] == name)
        }
    })
}

/// A client that asks for a namespace, and what it hears.
async fn ask_for(
    world: &World,
    name: &str,
    auth: serde_json::Value,
) -> (Client, Event, mpsc::UnboundedReceiver<Event>) {
    let (client, _events) = world.client();
    let (inside, mut events) = client.of(name);
    inside.set_auth(Some(auth));
    inside.connect();
    let first = events.recv().await.expect("the client lives");
    (inside, first, events)
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_matches_comes_to_be_when_a_client_asks_for_it() {
    let world = world(ServerOptions::default());
    let tenants = tenants(&world);
    tenants.use_middleware(|socket| async move {
        if socket.auth()["banned"] == true { Err(ConnectError::new("banned")) } else { Ok(()) }
    });
    tenants.on_connect(|socket| async move {
        socket.on("where", |socket, event| async move { event.ack.send(args![socket.namespace()]) });
        socket.nsp().emit("came", number(7));
    });

    let (a, connected, mut a_events) = ask_for(&world, "/tenant-a", json!({"name": "a"})).await;
    assert!(matches!(connected, Event::Connected { .. }));
    assert_eq!(a.emit_with_ack("where", Args::none(), None).await, Ok(args!["/tenant-a"]));
    let (b, connected, mut b_events) = ask_for(&world, "/tenant-b", json!({"name": "b"})).await;
    assert!(matches!(connected, Event::Connected { .. }));

    let children = tenants.children().await;
    assert_eq!(children.iter().map(|child| child.name()).collect::<Vec<_>>(), ["/tenant-a", "/tenant-b"]);
    children[0].emit("to a", number(1));
    children[1].emit("to b", number(2));
    for (events, own) in [(&mut a_events, 1), (&mut b_events, 2)] {
        assert_eq!((next_number(events).await, next_number(events).await), (7, own));
    }

    for (name, auth, error) in [
        ("/tenant-a", json!({"name": "b"}), "Invalid namespace"),
        ("/elsewhere", json!({"name": "a"}), "Invalid namespace"),
        ("/tenant-a", json!({"name": "a", "banned": true}), "banned"),
    ] {
        let (_client, heard, _events) = ask_for(&world, name, auth).await;
        assert_eq!(heard, Event::ConnectError(json!({ "message": error })));
    }
    drop((a, b));
    world.env.sleep(SECOND).await;
    assert_eq!(tenants.children().await.len(), 0, "they went with the last who was in them");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_with_handlers_of_its_own_is_not_matched_and_one_that_was_only_named_is() {
    let world = world(ServerOptions::default());
    let say = |what: u64| move |socket: crate::io::Socket| async move { socket.emit("hello", number(what)) };
    world.server.of("/own").on_connect(say(1));
    let named = world.server.of("/named");
    let first = world.server.of_matching(|name, _auth| async move { name == "/named" });
    let second = world.server.of_matching(|_name, auth| async move { auth["key"] == true });
    first.on_connect(say(2));
    second.on_connect(say(3));
    let silent = world.server.of("/silent");

    let key = json!({"key": true});
    for (name, auth, hello) in [("/own", &key, 1), ("/named", &key, 2), ("/other", &key, 3)] {
        let (_client, _connected, mut events) = ask_for(&world, name, auth.clone()).await;
        assert_eq!(next_number(&mut events).await, hello);
    }
    let (_client, connected, mut events) = ask_for(&world, silent.name(), json!({})).await;
    assert!(matches!(connected, Event::Connected { .. }), "it exists, though no one matches it");
    named.emit("for others", number(8));
    silent.emit("for it", number(9));
    assert_eq!(next_number(&mut events).await, 9);
}

#[tokio::test(start_paused = true)]
async fn who_goes_while_a_namespace_is_matched_leaves_nothing_behind() {
    let world = world(ServerOptions::default());
    let tenants = tenants(&world);
    let (sender, mut connected) = mpsc::unbounded_channel();
    tenants.on_connect(move |_socket| {
        sender.send(()).unwrap();
        async {}
    });
    let mut raw = world.raw_engine().await;
    raw.send(r#"40/tenant-a,{"name":"a"}"#).await;
    drop(raw);

    world.env.sleep(5 * SECOND).await;

    assert!(connected.try_recv().is_err());
    assert!(tenants.children().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_is_being_asked_about_does_not_hear_what_is_sent_to_all() {
    let world = world(ServerOptions::default());
    let env = world.env.clone();
    world.server.use_middleware(move |socket| {
        let env = env.clone();
        async move {
            socket.join("lobby");
            socket.emit("for it", number(1));
            env.sleep(3 * SECOND).await;
            socket.emit("for it", number(2));
            Ok(())
        }
    });
    let (client, mut events) = world.client();
    client.connect();
    world.env.sleep(SECOND).await;

    world.server.emit("too early", number(7));
    world.server.to("lobby").emit("too early", number(8));
    assert!(world.server.fetch_sockets().await.is_empty());
    until_connected(&mut events).await;
    world.server.to("lobby").emit("in time", number(3));

    for expected in 1..=3 {
        assert_eq!(next_number(&mut events).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_a_middleware_asked_comes_after_its_decision() {
    let world = world(ServerOptions::default());
    let (sender, mut answers) = mpsc::unbounded_channel();
    world.server.use_middleware(move |socket| {
        let (sender, asking) = (sender.clone(), socket.clone());
        async move {
            socket.spawn(async move {
                sender.send(asking.emit_with_ack("?", Args::none(), None).await).unwrap();
            });
            Ok(())
        }
    });
    let (client, mut events) = world.connected().await;
    let Some(Event::Received { ack: Some(id), .. }) = events.recv().await else { panic!("asked") };

    client.ack(id, number(7));

    assert_eq!(answers.recv().await, Some(Ok(args![7])));
}
