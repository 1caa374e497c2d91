//! A server behind an HTTP server that is not its own, and an endpoint of Engine.IO alone.

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::net::Listener;
use super::*;
use crate::engine::{CloseReason, Message as EngineMessage, Transport};
use crate::io::{EngineServer, ServerService};

/// hyper serves every stream on a network.
pub(super) fn serve_by_hyper(env: &Env, net: &TestNet, service: ServerService) {
    let mut listener = net.listen();
    let connections = env.clone();
    env.spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let service = service.clone().with_peer(peer);
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            connections.spawn(async move { drop(served.with_upgrades().await) });
        }
    });
}

#[tokio::test(start_paused = true)]
async fn clients_come_through_another_http_server_by_every_transport() {
    use Transport::{Polling, WebSocket};
    let (env, net) = (Env::tokio(), TestNet::default());
    let server = Server::new(&env, ServerOptions::default());
    echo(&server);
    serve_by_hyper(&env, &net, server.service());

    for transports in [vec![Polling], vec![WebSocket], vec![Polling, WebSocket]] {
        let options = ClientOptions { transports, ..ClientOptions::default() };
        let (client, mut events) = Client::new(&env, net.clone(), url(), options).unwrap();
        client.connect();
        until_connected(&mut events).await;
        for round in 0..3 {
            let answer = client.emit_with_ack("echo", number(round), None).await.unwrap();
            assert_eq!(answer.get::<u64>(0).unwrap(), round);
            env.sleep(30 * SECOND).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_another_http_server_drops_ends_its_session() {
    let (env, net) = (Env::tokio(), TestNet::default());
    let server = Server::new(&env, ServerOptions::default());
    let mut reasons = report_disconnects(&server);
    serve_by_hyper(&env, &net, server.service());
    let options = ClientOptions { transports: vec![Transport::Polling], ..ClientOptions::default() };
    let (client, mut events) = Client::new(&env, net.clone(), url(), options).unwrap();
    client.connect();
    until_connected(&mut events).await;
    env.sleep(SECOND).await;

    drop(client);

    assert!(reasons.recv().await.is_some());
}

/// Engine.IO alone, whose handler echoes and tells why each session ended.
fn engine(env: &Env, options: ServerOptions) -> (EngineServer, mpsc::UnboundedReceiver<CloseReason>) {
    let engine = EngineServer::new(env, options);
    let (sender, reasons) = mpsc::unbounded_channel();
    engine.on_connection(move |mut socket| {
        let sender = sender.clone();
        async move {
            loop {
                match socket.receive().await {
                    // Leaves, and so drops the socket.
                    Ok(message) if message == EngineMessage::text("leave") => return,
                    Ok(message) => socket.send(message),
                    Err(reason) => return sender.send(reason).unwrap(),
                }
            }
        }
    });
    (engine, reasons)
}

/// A network on which it is served alone.
fn serve(env: &Env, engine: &EngineServer) -> TestNet {
    let net = TestNet::default();
    let (serving, listener) = (engine.clone(), net.listen());
    env.spawn(async move { serving.serve(listener).await.unwrap() });
    net
}

async fn engine_client(net: &TestNet) -> Raw {
    let stream = net.connect("server", 3000).await.unwrap();
    let request = "ws://server:3000/socket.io/?EIO=4&transport=websocket";
    let mut raw = Raw(client_async(request, stream).await.unwrap().0);
    assert!(raw.next().await.is_some_and(|text| text.starts_with('0')));
    raw
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_its_handler_drops_it() {
    let env = Env::tokio();
    let (engine, _reasons) = engine(&env, ServerOptions::default());
    let net = serve(&env, &engine);
    let mut raw = engine_client(&net).await;
    raw.send("4last words").await;
    raw.send("4leave").await;

    assert_eq!(raw.next().await.as_deref(), Some("4last words"));
    assert_eq!(raw.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_handler_hears_why_its_session_is_over() {
    let env = Env::tokio();
    let (engine, mut reasons) = engine(&env, ServerOptions::default());
    let net = serve(&env, &engine);

    drop(engine_client(&net).await);
    assert_eq!(reasons.recv().await, Some(CloseReason::TransportClose));
    let _silent = engine_client(&net).await;
    assert_eq!(reasons.recv().await, Some(CloseReason::PingTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_floods_its_handler_is_closed() {
    let env = Env::tokio();
    let options = ServerOptions { max_incoming_bytes: 10_000, ..ServerOptions::default() };
    let engine = EngineServer::new(&env, options);
    engine.on_connection(|socket| async move {
        // Takes nothing, and holds its session.
        std::future::pending::<()>().await;
        drop(socket);
    });
    let net = serve(&env, &engine);
    let mut raw = engine_client(&net).await;
    for _ in 0..30 {
        // The server may have closed before the last one.
        drop(raw.0.send(Message::text("x".repeat(1000).replacen('x', "4", 1))).await);
    }

    assert_eq!(raw.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_what_is_attached_by_every_transport() {
    let world = world(ServerOptions::default());
    let options = ServerOptions { path: "/engine.io/".to_owned(), ..ServerOptions::default() };
    let (engine, mut reasons) = engine(&world.env, options);
    world.server.attach(&engine);
    let stream = world.net.connect("server", 3000).await.unwrap();
    let request = "ws://server:3000/engine.io/?EIO=4&transport=websocket";
    let mut raw = Raw(client_async(request, stream).await.unwrap().0);
    let mut polling = world.net.connect("server", 3000).await.unwrap();
    let request = "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: server\r\n\r\n";
    polling.write_all(request.as_bytes()).await.unwrap();
    let mut open = [0; 400];
    let read = polling.read(&mut open).await.unwrap();
    let open = String::from_utf8_lossy(&open[..read]).into_owned();
    let sid = open.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap();
    let poll = format!("GET /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: server\r\n\r\n");
    polling.write_all(poll.as_bytes()).await.unwrap();
    world.env.sleep(SECOND).await;
    let before = world.env.clock.monotonic();

    // To its last frame, so that the goodbye is answered.
    let goodbye = async { while raw.0.next().await.is_some() {} };
    tokio::join!(world.server.shutdown(10 * SECOND), goodbye);

    assert!(world.env.clock.monotonic().since(before) < SECOND, "there was nothing to wait for");
    for _ in 0..2 {
        assert_eq!(reasons.recv().await, Some(CloseReason::ForcedClose));
    }
    let mut goodbye = String::new();
    polling.read_to_string(&mut goodbye).await.unwrap();
    assert!(goodbye.ends_with("\r\n\r\n1"), "{goodbye}");
}
