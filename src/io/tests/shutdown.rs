//! A server that is asked to stop: what its clients hear, what it waits for, and for how long.
//!
//! What a client hears is what the official server's `io.close()` lets it hear (socket.io/lib/index.ts: it closes every
//! engine session, and sends no DISCONNECT): "transport close", after which it comes back by itself. "io server
//! disconnect" would keep it away.

use std::sync::Arc;

use crate::engine::Transport;
use crate::socket::{Args, DisconnectReason};

use super::polling::{RawHttp, probe};
use super::service::serve_by_hyper;
use super::*;
use crate::io::ConnectFailure;

#[tokio::test(start_paused = true)]
async fn a_shutdown_disconnects_everyone_after_what_was_sent_and_ends_serve() {
    let mut world = world(ServerOptions::default());
    let mut reasons = report_disconnects(&world.server);
    let (_client, mut events) = world.connected().await;
    let before = world.env.clock.monotonic();

    for sent in 0..100 {
        world.server.emit("last words", number(sent));
    }
    world.server.shutdown(10 * SECOND).await;

    assert!(world.env.clock.monotonic().since(before) < SECOND, "there was nothing to wait for");
    assert_eq!(reasons.try_recv(), Ok(DisconnectReason::ServerShuttingDown), "handlers have ended");
    for expected in 0..100 {
        assert_eq!(next_number(&mut events).await, expected);
    }
    assert_eq!(until_disconnected(&mut events).await, DisconnectReason::TransportClose);
    assert!(world.served.wait_for(|served| *served).await.is_ok());
    assert!(world.net.connect("server", 3000).await.is_err(), "the listener is gone");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_handlers_but_not_longer_than_its_grace() {
    for (work, waited) in [(3, 3), (60, 10)] {
        let world = world(ServerOptions::default());
        let env = world.env.clone();
        world.server.on_connect(move |socket| {
            let env = env.clone();
            async move {
                socket.on("work", move |_socket, event| {
                    let sleep = env.sleep(work * SECOND);
                    event.ack.send(Args::none());
                    sleep
                });
            }
        });
        let (client, _events) = world.connected().await;
        client.emit_with_ack("work", Args::none(), None).await.unwrap();
        let before = world.env.clock.monotonic();

        let newcomer = async {
            world.env.sleep(SECOND).await;
            world.net.connect("server", 3000).await.is_err()
        };
        let ((), refused) = tokio::join!(world.server.shutdown(10 * SECOND), newcomer);

        assert!(refused, "the listener is gone at once");
        assert_eq!(world.env.clock.monotonic().since(before).as_secs(), waited);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_not_held_by_a_peer_that_is_not_there() {
    let world = world(ServerOptions::default());
    let mut raw = world.raw().await;
    for _ in 0..10 {
        world.server.emit("page", vec![json!("x".repeat(10_000))]);
    }
    let before = world.env.clock.monotonic();

    world.server.shutdown(3 * SECOND).await;

    assert_eq!(world.env.clock.monotonic().since(before).as_secs(), 3);
    while raw.next().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_session_during_a_shutdown_gets_none() {
    let world = world(ServerOptions::default());
    let mut stream = world.net.connect("server", 3000).await.unwrap();
    world.env.sleep(SECOND).await;

    world.server.shutdown(5 * SECOND).await;

    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await.unwrap();
    assert!(answer.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_websocket_is_closed_by_its_own_handshake() {
    let world = world(ServerOptions::default());
    let mut raw = world.raw().await;
    let before = world.env.clock.monotonic();

    let ((), goodbye) = tokio::join!(world.server.shutdown(5 * SECOND), async {
        [raw.0.next().await.map(Result::unwrap), raw.0.next().await.map(Result::unwrap)]
    });

    assert_eq!(goodbye, [Some(Message::Close(None)), None], "no DISCONNECT, a close frame, the end");
    assert!(world.env.clock.monotonic().since(before) < SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_open_poll_is_answered_and_its_connection_ends() {
    let world = world(ServerOptions::default());
    let mut http = RawHttp::open(&world).await;
    let sid = http.join().await;
    http.start("GET", &sid, "").await;
    world.env.sleep(SECOND).await;
    let before = world.env.clock.monotonic();

    world.server.shutdown(5 * SECOND).await;

    assert!(world.env.clock.monotonic().since(before) < SECOND, "there was nothing to wait for");
    let (status, body, _) = http.answer().await;
    assert_eq!((status, body.as_str()), (200, "1"), "a close packet");
    assert!(http.has_ended().await);
}

#[tokio::test(start_paused = true)]
async fn who_polls_next_gets_what_was_sent_before_and_then_the_end() {
    let world = world(ServerOptions::default());
    let mut http = RawHttp::open(&world).await;
    let sid = http.join().await;
    world.server.emit("last words", number(1));
    world.server.emit("last words", number(2));

    let polls = async {
        world.env.sleep(SECOND).await;
        [http.get(&sid).await, http.get(&sid).await]
    };
    let before = world.env.clock.monotonic();
    let ((), polled) = tokio::join!(world.server.shutdown(5 * SECOND), polls);

    let words = "42[\"last words\",1]\u{1e}42[\"last words\",2]";
    assert_eq!(polled, [(200, words.to_owned()), (200, "1".to_owned())]);
    assert_eq!(
        world.env.clock.monotonic().since(before).as_secs(),
        1,
        "it waited for the polls and no longer"
    );
    assert!(http.has_ended().await);
}

#[tokio::test(start_paused = true)]
async fn who_polls_no_more_holds_a_shutdown_no_longer_than_its_grace() {
    let world = world(ServerOptions::default());
    let mut reasons = report_disconnects(&world.server);
    let mut http = RawHttp::open(&world).await;
    http.join().await;
    let before = world.env.clock.monotonic();

    world.server.shutdown(3 * SECOND).await;

    assert_eq!(world.env.clock.monotonic().since(before).as_secs(), 3);
    assert_eq!(reasons.recv().await, Some(DisconnectReason::ServerShuttingDown));
    assert!(http.has_ended().await);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_is_under_way_ends_with_its_session() {
    for completes in [true, false] {
        let world = world(ServerOptions::default());
        let mut http = RawHttp::open(&world).await;
        let sid = http.join().await;
        let mut socket = probe(&world, &sid).await;
        socket.send("2probe").await;
        assert_eq!(socket.next().await.as_deref(), Some("3probe"));
        world.server.emit("last words", number(1));
        let before = world.env.clock.monotonic();

        let client = async {
            if completes {
                socket.send("5").await;
                assert_eq!(socket.next().await.as_deref(), Some(r#"42["last words",1]"#));
            } else {
                assert_eq!(http.get(&sid).await, (200, r#"42["last words",1]"#.to_owned()));
                assert_eq!(http.get(&sid).await, (200, "1".to_owned()));
            }
            while let Some(Ok(last)) = socket.0.next().await {
                assert!(last.is_close(), "{last}");
            }
        };
        tokio::join!(world.server.shutdown(5 * SECOND), client);

        assert!(world.env.clock.monotonic().since(before) < SECOND, "completes: {completes}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_through_another_http_server_meanwhile_is_sent_away_and_holds_up_nothing() {
    let (env, net) = (Env::tokio(), TestNet::default());
    let server = Server::new(&env, ServerOptions::default());
    let working = env.clone();
    server.on_connect(move |socket| {
        let env = working.clone();
        async move {
            socket.on("work", move |_socket, event| {
                event.ack.send(Args::none());
                env.sleep(5 * SECOND)
            });
        }
    });
    serve_by_hyper(&env, &net, server.service());
    let (worker, _events) = Client::new(&env, net.clone(), url(), ClientOptions::default()).unwrap();
    worker.connect();
    worker.emit_with_ack("work", Args::none(), None).await.unwrap();
    let before = env.clock.monotonic();

    let newcomers = async {
        for transport in [Transport::Polling, Transport::WebSocket] {
            env.sleep(SECOND).await;
            let options = ClientOptions { transports: vec![transport], ..ClientOptions::default() };
            let (client, mut events) = Client::new(&env, net.clone(), url(), options).unwrap();
            client.connect();
            let status = if transport == Transport::Polling { 503 } else { 400 };
            let refused = Event::ConnectFailed(ConnectFailure::Status(status));
            assert_eq!(events.recv().await, Some(refused));
        }
    };
    let ((), ()) = tokio::join!(server.shutdown(60 * SECOND), newcomers);

    assert_eq!(env.clock.monotonic().since(before).as_secs(), 5, "it waited for the handler alone");
}

/// Without a shutdown, as after a panic elsewhere or `Runtime::shutdown_background`.
#[test]
fn a_server_whose_tasks_are_gone_lets_go_of_what_was_registered_though_that_holds_the_server() {
    let token = Arc::new(());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::new(&Env::tokio(), ServerOptions::default());
        let (held, kept) = (server.clone(), token.clone());
        server.on_connect(move |_socket| {
            let _both = (&held, &kept);
            std::future::ready(())
        });
        let (held, kept) = (server.clone(), token.clone());
        server.fallback(move |_request| {
            let _both = (&held, &kept);
            hyper::Response::new(bytes::Bytes::new())
        });
        tokio::task::yield_now().await;
    });
    assert_eq!(Arc::strong_count(&token), 3);

    drop(runtime);

    assert_eq!(Arc::strong_count(&token), 1, "nothing holds it any more");
}
