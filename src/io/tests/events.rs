//! Events, their order and their handlers.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::{Notify, mpsc};

use crate::engine::Heartbeat;
use crate::socket::{Args, DisconnectReason};

use super::*;

#[tokio::test(start_paused = true)]
async fn an_event_is_answered() {
    let world = world(ServerOptions::default());
    echo(&world.server);
    let (client, _events) = world.connected().await;

    let answer = client.emit_with_ack("echo", vec![json!("a"), json!({"b": [1]})], None).await;

    assert_eq!(answer, Ok(Args::from(vec![json!("a"), json!({"b": [1]})])));
}

#[tokio::test(start_paused = true)]
async fn events_that_no_one_handles_are_ignored() {
    let world = world(ServerOptions::default());
    let mut raw = world.raw().await;
    raw.send("429[\"nobody handles this\"]").await;
    raw.send("42[\"nor this\"]").await;
    world.server.emit("after", Args::none());

    assert_eq!(raw.next().await.as_deref(), Some("42[\"after\"]"));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_events_keep_their_order_both_ways() {
    let world = world(ServerOptions::default());
    world.server.on_connect(|socket| async move {
        socket.on("up", |socket, event| async move { socket.emit("down", event.args) });
    });
    let (client, mut events) = world.connected().await;

    for sent in 0..1000 {
        client.emit("up", number(sent));
    }

    for expected in 0..1000 {
        assert_eq!(next_number(&mut events).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_and_an_emit_of_one_task_keep_their_order() {
    let world = world(ServerOptions::default());
    let server = world.server.clone();
    world.server.on_connect(move |socket| {
        let server = server.clone();
        async move {
            for sent in 0..50 {
                server.emit("all", number(2 * sent));
                socket.emit("one", number(2 * sent + 1));
            }
        }
    });

    let (_client, mut events) = world.connected().await;

    for expected in 0..100 {
        assert_eq!(next_number(&mut events).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_of_one_socket_run_one_at_a_time() {
    let world = world(ServerOptions::default());
    let (sender, mut steps) = mpsc::unbounded_channel();
    let env = world.env.clone();
    world.server.on_connect(move |socket| {
        let (sender, env) = (sender.clone(), env.clone());
        async move {
            env.sleep(SECOND).await;
            sender.send("connect".to_owned()).unwrap();
            socket.on("step", move |_socket, event| {
                let (sender, env) = (sender.clone(), env.clone());
                async move {
                    let name: String = event.args.get(0).unwrap();
                    sender.send(format!("{name} begins")).unwrap();
                    env.sleep(SECOND).await;
                    sender.send(format!("{name} ends")).unwrap();
                }
            });
        }
    });
    let (client, _events) = world.client();
    client.connect();
    client.emit("step", vec![json!("one")]);
    client.emit("step", vec![json!("two")]);

    for expected in ["connect", "one begins", "one ends", "two begins", "two ends"] {
        assert_eq!(steps.recv().await.as_deref(), Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_a_disconnect_is_dispatched_before_it() {
    let world = world(ServerOptions::default());
    let (sender, mut seen) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        let (bye, gone) = (sender.clone(), sender.clone());
        async move {
            socket.on("bye", move |_socket, event| {
                bye.send(event.args.get::<String>(0).unwrap()).unwrap();
                async {}
            });
            socket
                .on_disconnect(move |_socket, reason| async move { gone.send(reason.to_string()).unwrap() });
        }
    });
    let (client, mut events) = world.connected().await;

    client.emit("bye", vec![json!("one")]);
    client.emit("bye", vec![json!("two")]);
    client.disconnect();

    assert_eq!(until_disconnected(&mut events).await, DisconnectReason::IoClientDisconnect);
    for expected in ["one", "two", "client namespace disconnect"] {
        assert_eq!(seen.recv().await.as_deref(), Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_server_disconnects_arrives_before_it() {
    for close in [false, true] {
        let world = world(ServerOptions::default());
        world.server.on_connect(move |socket| async move {
            for sent in 0..100 {
                socket.emit("down", number(sent));
            }
            socket.disconnect(close);
        });
        let (_client, mut events) = world.connected().await;

        for expected in 0..100 {
            assert_eq!(next_number(&mut events).await, expected);
        }
        assert_eq!(until_disconnected(&mut events).await, DisconnectReason::IoServerDisconnect);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_does_not_stop_the_heartbeat() {
    let world = world(ServerOptions::default());
    let env = world.env.clone();
    world.server.on_connect(move |socket| {
        let env = env.clone();
        async move {
            socket.on("slow", move |_socket, event| {
                let env = env.clone();
                async move {
                    env.sleep(300 * SECOND).await;
                    event.ack.send(Args::none());
                }
            });
        }
    });
    let (client, mut events) = world.connected().await;

    assert_eq!(client.emit_with_ack("slow", Args::none(), None).await, Ok(Args::none()));
    let heard = std::iter::from_fn(|| events.try_recv().ok());
    assert!(heard.into_iter().all(|event| event == Event::Ping), "it stayed connected");
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_noticed() {
    let heartbeat = Heartbeat { ping_interval: 10 * SECOND, ping_timeout: 5 * SECOND };
    let world = world(ServerOptions { heartbeat, ..ServerOptions::default() });
    let mut reasons = report_disconnects(&world.server);
    let before = world.env.clock.monotonic();
    let _raw = world.raw().await;

    assert_eq!(reasons.recv().await, Some(DisconnectReason::PingTimeout));
    assert_eq!(world.env.clock.monotonic().since(before).as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_loses_its_own_connection_only() {
    let world = world(ServerOptions::default());
    echo(&world.server);
    let mut reasons = report_disconnects(&world.server);
    world.server.on_connect(|socket| async move {
        socket.on("panic", |_socket, _event| async { panic!("on purpose") });
    });
    let (victim, mut victim_events) = world.connected().await;
    let (other, mut other_events) = world.connected().await;

    victim.emit("panic", Args::none());

    assert_eq!(until_disconnected(&mut victim_events).await, DisconnectReason::TransportClose);
    assert_eq!(reasons.recv().await, Some(DisconnectReason::ForcedClose), "its disconnect is still handled");
    until_connected(&mut victim_events).await;
    assert_eq!(
        victim.emit_with_ack("echo", number(1), None).await,
        Ok(Args::from(number(1))),
        "it came back"
    );
    assert_eq!(other.emit_with_ack("echo", number(2), None).await, Ok(Args::from(number(2))));
    assert!(other_events.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_a_socket_spawned_ends_with_it() {
    /// Tells when it is dropped.
    struct Guard(Arc<Notify>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let world = world(ServerOptions::default());
    let ended = Arc::new(Notify::new());
    let guard = ended.clone();
    world.server.on_connect(move |socket| {
        let guard = Guard(guard.clone());
        async move {
            socket.spawn(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            });
        }
    });
    let (client, _events) = world.connected().await;

    client.disconnect();

    ended.notified().await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_speak_socket_io_is_closed() {
    let world = world(ServerOptions::default());
    let mut reasons = report_disconnects(&world.server);
    for (frame, reason) in [
        ("4nonsense", DisconnectReason::ForcedClose),
        ("42[", DisconnectReason::ForcedClose),
        ("nonsense", DisconnectReason::ParseError),
        ("2", DisconnectReason::TransportError),
    ] {
        let mut raw = world.raw().await;

        raw.send(frame).await;

        assert_eq!(reasons.recv().await, Some(reason), "for {frame:?}");
        assert_eq!(raw.next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn who_joins_nothing_is_closed() {
    let world = world(ServerOptions::default());
    let before = world.env.clock.monotonic();
    let mut raw = world.raw_engine().await;

    while let Some(text) = raw.next().await {
        assert_eq!(text, "2");
        raw.send("3").await;
    }

    assert_eq!(world.env.clock.monotonic().since(before).as_secs(), 45);
}
