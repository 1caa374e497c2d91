//! What a socket tells of itself, and what the application keeps with it.

use std::sync::Mutex;

use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::io::Socket;
use crate::socket::{Args, args};

use super::*;

/// The sockets that connect.
fn sockets(server: &Server) -> mpsc::UnboundedReceiver<Socket> {
    let (sender, sockets) = mpsc::unbounded_channel();
    server.on_connect(move |socket| {
        sender.send(socket).unwrap();
        async {}
    });
    sockets
}

#[tokio::test(start_paused = true)]
async fn a_socket_knows_how_its_client_came() {
    let world = world(ServerOptions::default());
    let mut sockets = sockets(&world.server);
    let address = "ws://server:3000/socket.io/?EIO=4&transport=websocket&token=a%20b";
    let mut request = address.into_client_request().unwrap();
    request.headers_mut().insert("x-trace", "7".parse().unwrap());
    let before = world.env.clock.wall();

    let stream = world.net.connect("server", 3000).await.unwrap();
    let mut raw = Raw(client_async(request, stream).await.unwrap().0);
    raw.send(r#"40{"user":"alice"}"#).await;

    let socket = sockets.recv().await.unwrap();
    let handshake = socket.handshake();
    assert_eq!(handshake.auth, json!({ "user": "alice" }));
    assert_eq!(handshake.request.headers["x-trace"], "7");
    assert_eq!(handshake.request.query["token"], "a b");
    assert!(handshake.request.url.starts_with("/socket.io/?EIO=4&"));
    assert!(handshake.request.peer.is_some() && !handshake.request.secure);
    assert!(handshake.request.time >= before);
}

#[tokio::test(start_paused = true)]
async fn what_is_noted_about_a_socket_is_seen_by_whoever_finds_it() {
    let world = world(ServerOptions::default());
    let mut sockets = sockets(&world.server);
    let (_client, _events) = world.connected().await;
    let socket = sockets.recv().await.unwrap();
    assert_eq!(socket.data(), json!({}));

    socket.set_data(("alice", 7));

    let [found] = &world.server.fetch_sockets().await[..] else { panic!("one is connected") };
    assert_eq!(found.data(), json!(["alice", 7]));
}

#[tokio::test(start_paused = true)]
async fn a_handler_finds_what_the_server_keeps_for_it() {
    struct Greeting(&'static str);
    let world = world(ServerOptions::default());
    let server = world.server.clone().with_state(Greeting("hello")).with_state(Mutex::new(0_u64));
    server.on_connect(|socket| async move {
        socket.on("visit", |socket, event| async move {
            let count = socket.state::<Mutex<u64>>();
            *count.lock().unwrap() += 1;
            let visits = *count.lock().unwrap();
            event.ack.send(args![socket.state::<Greeting>().0, visits]);
        });
    });

    for visits in 1..=2_u64 {
        let (client, _events) = world.connected().await;
        let answer = client.emit_with_ack("visit", Args::none(), None).await;
        assert_eq!(answer, Ok(args!["hello", visits]));
    }
    assert_eq!(*server.state::<Mutex<u64>>().lock().unwrap(), 2);
}
