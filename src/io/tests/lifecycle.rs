//! Servers and clients come and go.

use crate::engine::Transport;
use crate::socket::{AckError, Args, DisconnectReason, ManagerWaiting};

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_emitted_while_the_server_is_away_arrives_when_it_is_back() {
    let first = world(ServerOptions::default());
    let (client, mut events) = first.connected().await;
    first.server.shutdown(SECOND).await;
    assert_eq!(until_disconnected(&mut events).await, DisconnectReason::TransportClose);
    for sent in 0..10 {
        client.emit("up", number(sent));
    }
    first.env.sleep(20 * SECOND).await;

    let second = World::on(first.net.clone(), ServerOptions::default());
    let (sender, mut received) = mpsc::unbounded_channel();
    second.server.on_connect(move |socket| {
        let sender = sender.clone();
        async move {
            socket.on("up", move |_socket, event| {
                sender.send(event.args.get::<u64>(0).unwrap()).unwrap();
                async {}
            });
        }
    });

    until_connected(&mut events).await;
    for expected in 0..10 {
        assert_eq!(received.recv().await, Some(expected));
    }
    assert!(client.status().connected);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_accepted_is_not_the_end_of_the_server() {
    let mut world = world(ServerOptions::default());
    world.net.fail_accept(std::io::ErrorKind::ConnectionAborted);
    world.net.fail_accept(std::io::ErrorKind::ConnectionReset);
    let (_client, _events) = world.connected().await;

    world.net.fail_accept(std::io::ErrorKind::InvalidInput);

    assert!(world.served.changed().await.is_ok());
    assert!(!*world.served.borrow(), "serve gives the error of a listener that has failed for good");
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_takes_the_client_with_it() {
    let world = world(ServerOptions::default());
    let (sender, mut received) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        let sender = sender.clone();
        async move {
            socket.on("up", move |_socket, event| {
                sender.send(event.args.get::<u64>(0).unwrap()).unwrap();
                async {}
            });
        }
    });
    let mut reasons = report_disconnects(&world.server);
    let (client, mut events) = world.connected().await;
    let clone = client.clone();
    drop(client);

    clone.emit("up", number(7));
    drop(clone);

    assert_eq!(received.recv().await, Some(7), "what was sent before arrives");
    assert_eq!(reasons.recv().await, Some(DisconnectReason::ClientNamespaceDisconnect));
    while let Some(event) = events.recv().await {
        assert_eq!(event, Event::Disconnected(DisconnectReason::IoClientDisconnect));
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_ends_an_attempt_too() {
    let env = Env::tokio();
    let (client, mut events) =
        Client::new(&env, TestNet::default(), url(), ClientOptions::default()).unwrap();
    client.connect();
    assert!(matches!(events.recv().await, Some(Event::ConnectFailed(_))));
    assert!(matches!(client.status().waiting, ManagerWaiting::Backoff { attempt: 1, .. }));

    drop(client);

    while events.recv().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_and_tried_again() {
    let net = TestNet::default();
    let listener = net.listen();
    let env = Env::tokio();
    let (client, mut events) = Client::new(&env, net, url(), ClientOptions::default()).unwrap();
    let before = env.clock.monotonic();
    client.connect();

    assert!(matches!(events.recv().await, Some(Event::ConnectFailed(_))));

    assert_eq!(env.clock.monotonic().since(before), ClientOptions::default().timeout);
    assert!(matches!(events.recv().await, Some(Event::Reconnecting { attempt: 1, .. })));
    drop(listener);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_an_error() {
    let world = world(ServerOptions::default());
    let (client, _events) = world.connected().await;

    let unanswered = client.emit_with_ack("nobody handles this", Args::none(), Some(SECOND)).await;
    assert_eq!(unanswered, Err(AckError::TimedOut));

    let broken = client.emit_with_ack("nobody handles this", Args::none(), None);
    let (broken, ()) = tokio::join!(broken, world.server.shutdown(SECOND));
    assert_eq!(broken, Err(AckError::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn a_client_can_come_and_go_and_change_its_auth() {
    let world = world(ServerOptions::default());
    world.server.on_connect(|socket| async move {
        let auth = socket.auth().clone();
        socket.emit("auth", vec![auth["user"].clone()]);
    });
    let (client, mut events) = world.client();
    for user in 1..=3 {
        client.set_auth(Some(json!({ "user": user })));
        client.connect();
        assert_eq!(next_number(&mut events).await, user);
        client.disconnect();
        assert_eq!(until_disconnected(&mut events).await, DisconnectReason::IoClientDisconnect);
        assert!(!client.status().connected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_speak_socket_io_is_left_and_tried_again() {
    let net = TestNet::default();
    let mut listener = net.listen();
    let env = Env::tokio();
    env.spawn(async move {
        loop {
            let (stream, _) = super::super::net::Listener::accept(&mut listener).await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            let open =
                r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
            for text in [open, r#"40{"sid":"s"}"#, "4nonsense"] {
                socket.send(Message::text(text)).await.unwrap();
            }
            while let Some(Ok(_)) = socket.next().await {}
        }
    });
    let options = ClientOptions { transports: vec![Transport::WebSocket], ..ClientOptions::default() };
    let (client, mut events) = Client::new(&env, net, url(), options).unwrap();
    client.connect();

    assert_eq!(until_disconnected(&mut events).await, DisconnectReason::ParseError);
    assert!(matches!(events.recv().await, Some(Event::Reconnecting { attempt: 1, .. })));
    until_connected(&mut events).await;
}
