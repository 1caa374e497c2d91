//! Who is too large, too fast or too slow hurts only himself.

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::socket::{Args, DisconnectReason};

use super::net::STREAM_BYTES;
use super::*;

/// 10 kB.
fn large() -> Args {
    Args::from(vec![json!("x".repeat(10_000))])
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_closed_while_others_go_on() {
    let world = world(ServerOptions { max_outgoing_bytes: 200_000, ..ServerOptions::default() });
    let mut reasons = report_disconnects(&world.server);
    let mut slow = world.raw().await;
    let (_client, mut events) = world.connected().await;

    for sent in 0..100 {
        world.server.emit("news", Args::from(vec![json!(sent), json!("x".repeat(10_000))]));
        // Who reads gets each at once.
        assert_eq!(next_number(&mut events).await, sent);
    }

    assert_eq!(reasons.recv().await, Some(DisconnectReason::ForcedClose));
    let mut bytes = 0;
    while let Some(text) = slow.next().await {
        bytes += text.len();
    }
    assert!(bytes <= STREAM_BYTES, "what waited for it was dropped, not written: {bytes}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_for_nothing_but_its_turn_is_not_closed() {
    let world = world(ServerOptions { max_outgoing_bytes: 200_000, ..ServerOptions::default() });
    let (_client, mut events) = world.connected().await;

    for sent in 0..100 {
        for _ in 0..10 {
            world.server.emit("news", Args::from(vec![json!(sent), json!("x".repeat(10_000))]));
        }
        for _ in 0..10 {
            assert_eq!(next_number(&mut events).await, sent);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_awaits_writable_may_send_any_amount() {
    let world = world(ServerOptions { max_outgoing_bytes: 50_000, ..ServerOptions::default() });
    world.server.on_connect(|socket| async move {
        for sent in 0..500 {
            socket.emit("page", Args::from(vec![json!(sent), json!("x".repeat(10_000))]));
            socket.writable().await;
        }
    });
    let (_client, mut events) = world.connected().await;

    for expected in 0..500 {
        assert_eq!(next_number(&mut events).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn writable_ends_with_the_socket() {
    let world = world(ServerOptions { max_outgoing_bytes: 50_000, ..ServerOptions::default() });
    let mut reasons = report_disconnects(&world.server);
    let (sender, mut ended) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        let sender = sender.clone();
        async move {
            for _ in 0..5 {
                socket.emit("page", large());
            }
            socket.writable().await;
            sender.send(()).unwrap();
        }
    });
    let raw = world.raw().await;
    assert!(ended.try_recv().is_err(), "nobody has read");

    drop(raw);

    assert_eq!(ended.recv().await, Some(()));
    assert!(reasons.recv().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_still_heard() {
    let world = world(ServerOptions::default());
    let (sender, mut heard) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        let sender = sender.clone();
        async move {
            for _ in 0..50 {
                socket.emit("page", large());
            }
            socket.on("up", move |_socket, event| {
                sender.send(event.args.get::<u64>(0).unwrap()).unwrap();
                async {}
            });
        }
    });
    let mut raw = world.raw().await;

    for sent in 0..100 {
        raw.send(&format!("42[\"up\",{sent}]")).await;
        assert_eq!(heard.recv().await, Some(sent));
    }
}

#[tokio::test(start_paused = true)]
async fn an_oversized_message_closes_only_its_sender() {
    let world = world(ServerOptions { max_http_buffer_size: 20_000, ..ServerOptions::default() });
    echo(&world.server);
    let mut reasons = report_disconnects(&world.server);
    let (other, mut other_events) = world.connected().await;
    let mut raw = world.raw().await;
    raw.send(&format!("42[\"echo\",{:?}]", "x".repeat(19_000))).await;

    raw.send(&format!("42[\"echo\",{:?}]", "x".repeat(20_000))).await;

    match raw.0.next().await {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Size),
        end => panic!("closed with its reason, not {end:?}"),
    }
    assert_eq!(reasons.recv().await, Some(DisconnectReason::TransportError));
    assert!(other.emit_with_ack("echo", large(), None).await.is_ok());
    assert!(other_events.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn events_that_no_handler_keeps_up_with_close_their_sender() {
    let world = world(ServerOptions { max_incoming_bytes: 100_000, ..ServerOptions::default() });
    let (sender, mut seen) = mpsc::unbounded_channel();
    let env = world.env.clone();
    world.server.on_connect(move |socket| {
        let (sender, gone, env) = (sender.clone(), sender.clone(), env.clone());
        async move {
            socket.on("up", move |_socket, event| {
                let (sender, env) = (sender.clone(), env.clone());
                async move {
                    env.sleep(SECOND).await;
                    sender.send(event.args.get::<u64>(0).unwrap().to_string()).unwrap();
                }
            });
            socket.on_disconnect(|_socket, reason| async move { gone.send(reason.to_string()).unwrap() });
        }
    });
    let mut raw = world.raw().await;
    for sent in 0..12 {
        raw.send(&format!("42[\"up\",{sent},{:?}]", "x".repeat(10_000))).await;
    }

    // One is in its handler and ten wait, then comes the one that is too much.
    for expected in 0..11 {
        assert_eq!(seen.recv().await, Some(expected.to_string()), "what arrived before is dispatched");
    }
    assert_eq!(seen.recv().await.as_deref(), Some("forced close"));
    assert_eq!(raw.next().await, None);
}
