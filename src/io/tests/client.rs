//! The client's API: handlers, what goes along with requests and CONNECT, how it stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::AsyncReadExt;

use crate::engine::Transport;
use crate::io::net::Listener;
use crate::socket::{AckError, Args, args};

use super::*;

/// Lines that handlers say.
fn console() -> (impl Fn(String) + Clone + Send + Sync + 'static, mpsc::UnboundedReceiver<String>) {
    let (sender, lines) = mpsc::unbounded_channel();
    (move |line| sender.send(line).unwrap(), lines)
}

/// Everything said so far, once all tasks have come to rest.
async fn said(lines: &mut mpsc::UnboundedReceiver<String>) -> Vec<String> {
    Env::tokio().sleep(Duration::from_millis(100)).await;
    std::iter::from_fn(|| lines.try_recv().ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn handlers_run_in_order_one_at_a_time() {
    let world = world(ServerOptions::default());
    world.server.on_connect(|socket| async move {
        for name in ["slow", "quick", "slow", "nobody's"] {
            socket.emit(name, args![]);
        }
    });
    let (client, _) = world.client();
    let (say, mut lines) = console();
    let line = |text: &'static str| {
        let say = say.clone();
        move |_: Client, event: crate::io::Received| {
            say(format!("{text} {}", event.name));
            async {}
        }
    };
    let env = world.env.clone();
    let done = say.clone();
    client.on("slow", move |_client, _event| {
        let (sleep, done) = (env.sleep(SECOND / 100), done.clone());
        async move {
            sleep.await;
            done("slept".to_owned());
        }
    });
    client.on("slow", line("second"));
    client.once("slow", line("once"));
    client.on("quick", line("only"));
    client.on("gone", line("never"));
    client.off("gone");
    client.on_any(line("any"));
    let connected = say.clone();
    client.on_connect(move |client| {
        connected(format!("connected {}", client.connected()));
        async {}
    });
    client.connect();

    assert_eq!(
        said(&mut lines).await,
        [
            "connected true",
            "any slow",
            "slept",
            "second slow",
            "once slow",
            "any quick",
            "only quick",
            "any slow",
            "slept",
            "second slow",
            "any nobody's"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_answers_once_and_may_wait_for_an_answer() {
    let world = world(ServerOptions::default());
    echo(&world.server);
    let (sender, mut answers) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        let sender = sender.clone();
        async move {
            let asking = socket.clone();
            socket.spawn(async move {
                sender.send(asking.emit_with_ack("ask", args![1], None).await.unwrap()).unwrap();
            });
        }
    });
    let (client, _) = world.client();
    client.on("ask", |client, event| async move {
        let echoed = client.emit_with_ack("echo", event.args, None).await.unwrap();
        event.answer.send(args!["first", echoed.get::<u32>(0).unwrap()]);
    });
    client.on("ask", |_client, event| async move { event.answer.send(args!["second"]) });

    client.connect();

    assert_eq!(answers.recv().await, Some(args!["first", 1]));
    assert!(client.emit_with_ack("echo", args![], None).await.is_ok(), "the second answer did no harm");
}

#[tokio::test(start_paused = true)]
async fn handlers_hear_the_life_of_a_connection() {
    let net = TestNet::default();
    let env = Env::tokio();
    let (client, _) = Client::new(&env, net.clone(), url(), ClientOptions::default()).unwrap();
    let (say, mut lines) = console();
    let (change, error, gone) = (say.clone(), say.clone(), say);
    client.on_change(move |_client, event| {
        let what = match event {
            Event::Connected { .. } => "connect".to_owned(),
            Event::ConnectError(_) => "connect_error".to_owned(),
            Event::ConnectFailed(why) => format!("reconnect_error {why}"),
            Event::Ping => "ping".to_owned(),
            Event::Reconnecting { attempt, .. } => format!("waits for {attempt}"),
            Event::ReconnectAttempt { attempt } => format!("reconnect_attempt {attempt}"),
            Event::Reconnected { attempts } => format!("reconnect {attempts}"),
            Event::ReconnectFailed => "reconnect_failed".to_owned(),
            Event::Disconnected(_) => "disconnect".to_owned(),
            Event::Received { .. } => "an event".to_owned(),
        };
        change(what);
        async {}
    });
    client.on_connect_error(move |client, why| {
        error(format!("connect_error {} active: {}", why["message"], client.active()));
        async {}
    });
    client.on_disconnect(move |_client, reason| {
        gone(reason.to_string());
        async {}
    });
    client.connect();
    Env::tokio().sleep(Duration::from_millis(100)).await;
    let world = World::on(net, ServerOptions::default());
    Env::tokio().sleep(5 * SECOND).await;
    client.disconnect();

    assert_eq!(
        said(&mut lines).await,
        [
            "reconnect_error failed to connect: connection refused",
            r#"connect_error "failed to connect: connection refused" active: true"#,
            "waits for 1",
            "reconnect_attempt 1",
            "reconnect 1",
            "connect",
            "disconnect",
            "io client disconnect",
        ]
    );
    drop(world);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_one_handler_is_not_the_end_of_the_client() {
    let world = world(ServerOptions::default());
    echo(&world.server);
    world.server.on_connect(|socket| async move { socket.emit("boom", args![]) });
    let (client, mut events) = world.client();
    client.on("boom", |_client, _event| async { panic!("on purpose") });
    client.connect();
    until_connected(&mut events).await;

    assert_eq!(client.emit_with_ack("echo", args![1], None).await, Ok(args![1]));
}

#[tokio::test(start_paused = true)]
async fn a_handle_with_handlers_disconnects_when_it_is_dropped() {
    let world = world(ServerOptions::default());
    let mut reasons = report_disconnects(&world.server);
    let (client, mut events) = world.client();
    client.on("a", |_client, _event| async {});
    client.connect();
    until_connected(&mut events).await;

    drop(client);

    assert_eq!(reasons.recv().await, Some(DisconnectReason::ClientNamespaceDisconnect));
}

#[tokio::test(start_paused = true)]
async fn what_is_emitted_is_heard_at_once() {
    let world = world(ServerOptions::default());
    let (client, _events) = world.client();
    let (say, mut lines) = console();
    client.on_any_outgoing(move |name, args| say(format!("{name} {:?}", args.values())));

    client.emit("a", args![1]);
    client.volatile().emit("b", args![]);
    assert!(client.emit_with_ack("c", args![], Some(SECOND)).await.is_err());
    client.off_any_outgoing();
    client.emit("d", args![]);

    assert_eq!(said(&mut lines).await, ["a [Number(1)]", "b []", "c []"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_volatile_leaves_only_while_nothing_waits_to_be_written() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let world = world(ServerOptions::default());
        let (sender, mut heard) = mpsc::unbounded_channel();
        world.server.on_connect(move |socket| {
            let sender = sender.clone();
            socket.on_any(move |_socket, event| {
                sender.send(event.name).unwrap();
                async {}
            });
            async {}
        });
        let options = ClientOptions { transports: vec![transport], ..ClientOptions::default() };
        let (client, mut events) = world.client_with(options);
        client.connect();
        until_connected(&mut events).await;
        world.env.sleep(SECOND).await;

        client.volatile().emit("nothing waits", args![]);
        client.volatile().emit("that one waits", args![]);
        client.emit("is kept", args![]);
        client.volatile().emit("that one waits, too", args![]);
        world.env.sleep(SECOND).await;
        client.volatile().emit("nothing waits again", args![]);

        for name in ["nothing waits", "is kept", "nothing waits again"] {
            assert_eq!(heard.recv().await.as_deref(), Some(name), "{transport}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_volatile_and_wants_an_answer_is_not_kept_for_later() {
    let world = world(ServerOptions::default());
    let (client, mut events) = world.client();
    let answer = client.volatile().emit_with_ack("c", args![], Some(SECOND)).await;
    assert_eq!(answer, Err(AckError::Disconnected));

    let (sender, mut heard) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        let sender = sender.clone();
        socket.on_any(move |_socket, event| {
            sender.send(event.name).unwrap();
            async {}
        });
        async {}
    });
    client.connect();
    until_connected(&mut events).await;
    client.emit("d", args![]);
    assert_eq!(heard.recv().await.as_deref(), Some("d"));
}

#[tokio::test(start_paused = true)]
async fn a_ping_of_the_server_is_heard() {
    let world = world(ServerOptions::default());
    let (_client, mut events) = world.connected().await;
    let before = world.env.clock.monotonic();

    assert_eq!(events.recv().await, Some(Event::Ping));

    assert_eq!(world.env.clock.monotonic().since(before), 25 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_function_is_asked_for_auth_at_each_connect() {
    let world = world(ServerOptions::default());
    world.server.on_connect(|socket| async move {
        let auth = socket.auth().clone();
        socket.emit("auth", vec![auth["token"].clone()]);
    });
    let (client, mut events) = world.client();
    let asked = Arc::new(AtomicU32::new(0));
    let env = world.env.clone();
    client.set_auth_with(move || {
        let token = asked.fetch_add(1, Ordering::Relaxed) + 1;
        let fetched = env.sleep(SECOND);
        async move {
            fetched.await;
            Some(json!({ "token": token }))
        }
    });

    for token in 1..=3 {
        client.connect();
        assert_eq!(next_number(&mut events).await, token);
        client.close_connection();
        assert_eq!(until_disconnected(&mut events).await, DisconnectReason::ForcedClose);
    }
    client.set_auth(Some(json!({ "token": 42 })));
    client.connect();
    assert_eq!(next_number(&mut events).await, 42);
}

#[tokio::test(start_paused = true)]
async fn query_and_headers_go_along_with_every_request() {
    for (transport, begins) in [
        (Transport::Polling, "GET /chat/?EIO=4&transport=polling&a%26=%3D%3Fb HTTP/1.1\r\n"),
        (Transport::WebSocket, "GET /chat/?EIO=4&transport=websocket&a%26=%3D%3Fb HTTP/1.1\r\n"),
    ] {
        let (env, net) = (Env::tokio(), TestNet::default());
        let mut listener = net.listen();
        let mut extra_headers = crate::io::http::HeaderMap::new();
        extra_headers.append("x-token", "one".parse().unwrap());
        extra_headers.append("x-token", "two".parse().unwrap());
        extra_headers.append("host", "elsewhere".parse().unwrap());
        let options = ClientOptions {
            path: "/chat/".to_owned(),
            query: vec![("a&".to_owned(), "=?b".to_owned())],
            extra_headers,
            transports: vec![transport],
            ..ClientOptions::default()
        };
        let (client, _events) = Client::new(&env, net, url(), options).unwrap();

        client.connect();

        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        let request = String::from_utf8(bytes[..length].to_vec()).unwrap().replace("X-Token", "x-token");
        assert!(request.starts_with(begins), "{request}");
        assert!(request.contains("x-token: one\r\nx-token: two\r\n"), "{request}");
        assert!(request.to_lowercase().contains("host: server:3000\r\n"), "{request}");
        assert!(!request.contains("elsewhere"), "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_knows_how_it_stands() {
    let world = world(ServerOptions::default());
    world.server.of("/other");
    world.server.on_connect(|socket| async move {
        socket.on("id", |socket, event| async move { event.ack.send(args![socket.id().as_str()]) });
    });
    let (client, mut events) = world.client();
    let (other, mut other_events) = client.of("other");
    assert_eq!((client.active(), client.connected(), client.id()), (false, false, None));

    client.connect();
    until_connected(&mut events).await;
    other.connect();
    until_connected(&mut other_events).await;

    let id = client.emit_with_ack("id", Args::none(), None).await.unwrap().get::<String>(0).unwrap();
    assert_eq!(client.id().unwrap().as_str(), id);
    assert_ne!(client.id(), other.id(), "an id is the namespace's");
    client.disconnect();
    until_disconnected(&mut events).await;
    assert_eq!((client.active(), client.connected(), client.id()), (false, false, None));
    assert!(other.active() && other.connected());
}
