//! Why a client was disconnected, and whether it comes back by itself: each row of the official documentation's table, seen
//! by the client.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engine::Transport;
use crate::io::net::Listener;
use crate::socket::Args;

use super::*;

/// What a peer does to a client that is connected to it by a WebSocket.
#[derive(Debug, Clone, Copy)]
enum Peer {
    /// It sends this.
    Says(&'static str),
    /// It ends the stream, without a close frame.
    Cuts,
    /// It sends nothing more, and reads on.
    IsSilent,
}

const OPEN: &str = r#"0{"sid":"s","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;
const WELCOME: &str = r#"40{"sid":"s"}"#;

/// A client of such a peer.
async fn client_of(peer: Peer) -> (Client, mpsc::UnboundedReceiver<Event>) {
    let (env, net) = (Env::tokio(), TestNet::default());
    let mut listener = net.listen();
    env.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        socket.send(Message::text(OPEN)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("40"));
        socket.send(Message::text(WELCOME)).await.unwrap();
        match peer {
            Peer::Says(text) => socket.send(Message::text(text)).await.unwrap(),
            Peer::Cuts => return,
            Peer::IsSilent => {}
        }
        while let Some(Ok(_)) = socket.next().await {}
    });
    connected_by(&env, net, Transport::WebSocket).await
}

/// A client of a peer that answers one poll. Then it ends the stream, or leaves the next poll open and answers the first
/// POST so.
async fn client_that_polls(answer_to_post: Option<&'static str>) -> (Client, mpsc::UnboundedReceiver<Event>) {
    let (env, net) = (Env::tokio(), TestNet::default());
    let mut listener = net.listen();
    env.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        let body = format!("{OPEN}\x1e{WELCOME}");
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        let Some(answer) = answer_to_post else { return };
        let (mut post, _) = listener.accept().await.unwrap();
        assert!(post.read(&mut [0; 1024]).await.unwrap() > 0);
        post.write_all(answer.as_bytes()).await.unwrap();
        // The poll stays open.
        std::future::pending::<()>().await;
    });
    connected_by(&env, net, Transport::Polling).await
}

async fn connected_by(
    env: &Env,
    net: TestNet,
    transport: Transport,
) -> (Client, mpsc::UnboundedReceiver<Event>) {
    let options = ClientOptions { transports: vec![transport], ..ClientOptions::default() };
    let (client, mut events) = Client::new(env, net, url(), options).unwrap();
    client.connect();
    until_connected(&mut events).await;
    (client, events)
}

/// A client of a real server, and the server.
async fn client_by(transport: Transport) -> (World, Client, mpsc::UnboundedReceiver<Event>) {
    let world = world(ServerOptions { max_http_buffer_size: 10_000, ..ServerOptions::default() });
    world.server.on_connect(|socket| async move {
        socket.on("out", |socket, _event| async move { socket.disconnect(false) });
        socket.on("hang up", |socket, _event| async move { socket.disconnect(true) });
    });
    let (client, events) = connected_by(&world.env, world.net.clone(), transport).await;
    (world, client, events)
}

/// The next disconnect has this reason, and the client comes back by itself or does not.
async fn assert_reason(
    what: &str,
    (client, events): (&Client, &mut mpsc::UnboundedReceiver<Event>),
    reason: &str,
    comes_back: bool,
) {
    assert_eq!(until_disconnected(events).await.as_str(), reason, "{what}");
    assert_eq!((client.active(), client.connected(), client.id()), (comes_back, false, None), "{what}");
    if comes_back {
        let next = events.recv().await;
        assert!(matches!(next, Some(Event::Reconnecting { attempt: 1, .. })), "{what}: {next:?}");
    } else {
        client.emit("kept in the send buffer", Args::none());
        Env::tokio().sleep(60 * SECOND).await;
        assert!(events.try_recv().is_err(), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_disconnects_on_purpose_stays_away() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let (_world, client, mut events) = client_by(transport).await;
        client.disconnect();
        assert_reason("the client leaves", (&client, &mut events), "io client disconnect", false).await;
        for event in ["out", "hang up"] {
            client.connect();
            until_connected(&mut events).await;
            client.emit(event, Args::none());
            assert_reason(event, (&client, &mut events), "io server disconnect", false).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_closes_the_connection_comes_back() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let (_world, client, mut events) = client_by(transport).await;
        client.close_connection();
        assert_reason("the client closes the engine", (&client, &mut events), "forced close", true).await;
        until_connected(&mut events).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_closed_upon_comes_back() {
    let (_world, client, mut events) = client_by(Transport::WebSocket).await;
    client.emit("too large", vec![json!("x".repeat(20_000))]);
    assert_reason("too large", (&client, &mut events), "transport close", true).await;
    until_connected(&mut events).await;

    for transport in [Transport::Polling, Transport::WebSocket] {
        let (world, client, mut events) = client_by(transport).await;
        world.server.shutdown(SECOND).await;
        assert_reason("the server shuts down", (&client, &mut events), "transport close", true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_does_has_a_reason() {
    for (peer, reason) in [
        (Peer::Cuts, "transport close"),
        (Peer::IsSilent, "ping timeout"),
        (Peer::Says("1"), "transport close"),
        (Peer::Says("4nonsense"), "parse error"),
        (Peer::Says("451-[\"a\",{\"_placeholder\":true,\"num\":1}]"), "parse error"),
        (Peer::Says("nonsense"), "transport error"),
    ] {
        let (client, mut events) = client_of(peer).await;
        assert_reason(&format!("{peer:?}"), (&client, &mut events), reason, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_is_an_error_of_the_transport() {
    let too_large = "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n";
    for (what, answer_to_post) in [("a cut", None), ("too large", Some(too_large))] {
        let (client, mut events) = client_that_polls(answer_to_post).await;
        assert_reason(what, (&client, &mut events), "transport error", true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_not_active_any_more() {
    let (world, client, _events) = client_by(Transport::WebSocket).await;
    let guarded = world.server.of("/guarded");
    guarded.use_middleware(|_socket| async { Err(crate::io::ConnectError::new("no")) });

    for (name, message) in [("/guarded", "no"), ("/nowhere", "Invalid namespace")] {
        let (refused, mut events) = client.of(name);
        refused.connect();
        assert_eq!(events.recv().await, Some(Event::ConnectError(json!({ "message": message }))));
        assert!(!refused.active() && client.active());
        Env::tokio().sleep(60 * SECOND).await;
        assert!(events.try_recv().is_err(), "it does not try again");
    }
}
