//! HTTP long-polling and the upgrade, between real clients and servers and byte by byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engine::Transport;

use super::*;

/// Counts the streams that a client has opened.
#[derive(Clone, Default)]
struct Counting(TestNet, Arc<AtomicUsize>);

impl Connector for Counting {
    type Stream = DuplexStream;

    async fn connect(&self, host: &str, port: u16) -> std::io::Result<DuplexStream> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.connect(host, port).await
    }
}

/// A connected client, and how many streams it has opened so far.
async fn client_on(
    world: &World,
    transports: &[Transport],
) -> (Client, mpsc::UnboundedReceiver<Event>, Arc<AtomicUsize>) {
    let net = Counting(world.net.clone(), Arc::default());
    let options = ClientOptions { transports: transports.to_vec(), ..ClientOptions::default() };
    let (client, mut events) = Client::new(&world.env, net.clone(), url(), options).unwrap();
    client.connect();
    until_connected(&mut events).await;
    (client, events, net.1)
}

/// A keep-alive connection whose requests the test writes itself.
pub(super) struct RawHttp(DuplexStream);

impl RawHttp {
    pub(super) async fn open(world: &World) -> Self {
        Self(world.net.connect("server", 3000).await.unwrap())
    }

    pub(super) async fn start(&mut self, method: &str, sid: &str, body: &str) {
        let request = format!(
            "{method} /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: server\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// The status and the body of the next answer, and its head.
    pub(super) async fn answer(&mut self) -> (u16, String, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap(), head)
    }

    pub(super) async fn get(&mut self, sid: &str) -> (u16, String) {
        self.start("GET", sid, "").await;
        let (status, body, _) = self.answer().await;
        (status, body)
    }

    pub(super) async fn post(&mut self, sid: &str, body: &str) -> (u16, String) {
        self.start("POST", sid, body).await;
        let (status, body, _) = self.answer().await;
        (status, body)
    }

    /// Whether the server sends nothing more, and ends the stream.
    pub(super) async fn has_ended(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]).await, Ok(0))
    }

    /// Opens a session with a socket in the main namespace; its id as a parameter.
    pub(super) async fn join(&mut self) -> String {
        let (status, open) = self.get("").await;
        assert_eq!(status, 200);
        let open: serde_json::Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        assert_eq!(open["upgrades"], json!(["websocket"]));
        let sid = format!("&sid={}", open["sid"].as_str().unwrap());
        assert_eq!(self.post(&sid, "40").await, (200, "ok".to_owned()));
        let (_, connected) = self.get(&sid).await;
        assert!(connected.starts_with("40{"), "{connected}");
        sid
    }
}

/// A WebSocket that names a session.
pub(super) async fn probe(world: &World, sid: &str) -> Raw {
    let stream = world.net.connect("server", 3000).await.unwrap();
    let request = format!("ws://server:3000/socket.io/?EIO=4&transport=websocket{sid}");
    Raw(client_async(request, stream).await.unwrap().0)
}

#[tokio::test(start_paused = true)]
async fn events_keep_their_order_across_an_upgrade() {
    let world = world(ServerOptions::default());
    let (sender, mut at_server) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        let sender = sender.clone();
        async move {
            socket.on("up", move |_socket, event| {
                let sender = sender.clone();
                async move { sender.send(event.args.get::<u64>(0).unwrap()).unwrap() }
            });
            for sent in 0..200 {
                socket.emit("down", number(sent));
                let env = Env::tokio();
                env.sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let (client, mut events, streams) = client_on(&world, &[Transport::Polling, Transport::WebSocket]).await;

    for sent in 0..200 {
        client.emit("up", number(sent));
        world.env.sleep(Duration::from_millis(1)).await;
    }

    for expected in 0..200 {
        assert_eq!(next_number(&mut events).await, expected);
        assert_eq!(at_server.recv().await, Some(expected));
    }
    world.env.sleep(60 * SECOND).await;
    assert!(client.status().connected);
    assert_eq!(
        streams.load(Ordering::Relaxed),
        3,
        "a GET's, a POST's and the WebSocket, and no more after it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_polls_stays_and_is_answered() {
    let world = world(ServerOptions::default());
    echo(&world.server);
    let mut reasons = report_disconnects(&world.server);
    let (client, mut events, _) = client_on(&world, &[Transport::Polling]).await;

    for round in 0..10 {
        world.env.sleep(30 * SECOND).await;
        let answer = client.emit_with_ack("echo", number(round), None).await.unwrap();
        assert_eq!(answer.get::<u64>(0).unwrap(), round);
    }
    client.disconnect();

    assert_eq!(reasons.recv().await, Some(DisconnectReason::ClientNamespaceDisconnect));
    assert_eq!(until_disconnected(&mut events).await, DisconnectReason::IoClientDisconnect);
}

#[tokio::test(start_paused = true)]
async fn answers_look_like_the_official_ones() {
    let world = world(ServerOptions::default());
    let mut http = RawHttp::open(&world).await;
    let sid = http.join().await;
    world.server.emit("news", number(1));

    http.start("GET", &sid, "").await;
    let (_, body, head) = http.answer().await;
    assert_eq!(body, r#"42["news",1]"#);
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=UTF-8\r\ncache-control: no-store\r\ncontent-length: 12\r\n\r\n"
    );
    http.start("POST", &sid, "3").await;
    let (_, _, head) = http.answer().await;
    assert_eq!(head, "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\n");
    let (status, body) = http.get("&sid=nobody").await;
    assert_eq!((status, &*body), (400, r#"{"code":1,"message":"Session ID unknown"}"#));
}

#[tokio::test(start_paused = true)]
async fn two_polls_at_once_end_the_session() {
    let world = world(ServerOptions::default());
    let mut reasons = report_disconnects(&world.server);
    let (mut first, mut second) = (RawHttp::open(&world).await, RawHttp::open(&world).await);
    let sid = first.join().await;
    first.start("GET", &sid, "").await;
    world.env.sleep(SECOND).await;

    assert_eq!(second.get(&sid).await.0, 400);

    let (status, body, _) = first.answer().await;
    assert_eq!((status, &*body), (200, "1"));
    assert_eq!(reasons.recv().await, Some(DisconnectReason::TransportError));
    assert_eq!(second.get(&sid).await.1, r#"{"code":1,"message":"Session ID unknown"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_not_read_and_leaves_the_session_to_its_client() {
    for announced in [true, false] {
        let world = world(ServerOptions { max_http_buffer_size: 1000, ..ServerOptions::default() });
        let mut reasons = report_disconnects(&world.server);
        let mut http = RawHttp::open(&world).await;
        let sid = http.join().await;
        let mut waiting = RawHttp::open(&world).await;
        waiting.start("GET", &sid, "").await;

        let length = if announced { "Content-Length: 1001" } else { "Transfer-Encoding: chunked" };
        let body = if announced { String::new() } else { format!("3e9\r\n{}\r\n", "x".repeat(1001)) };
        let request = format!(
            "POST /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: server\r\n{length}\r\n\r\n{body}"
        );
        http.0.write_all(request.as_bytes()).await.unwrap();

        assert_eq!(http.answer().await.0, 413);
        world.env.sleep(SECOND).await;
        assert!(reasons.try_recv().is_err(), "the session goes on");
        let mut other = RawHttp::open(&world).await;
        assert_eq!(other.post(&sid, "1").await, (200, "ok".to_owned()));
        let (status, body, _) = waiting.answer().await;
        assert_eq!((status, &*body), (200, "6"), "the poll waited all the time");
        assert_eq!(reasons.recv().await, Some(DisconnectReason::TransportClose));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_bytes_ends_the_session() {
    let world = world(ServerOptions::default());
    let mut reasons = report_disconnects(&world.server);
    let mut http = RawHttp::open(&world).await;
    let sid = http.join().await;
    let request = format!(
        "POST /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: server\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: 2\r\n\r\n42"
    );
    http.0.write_all(request.as_bytes()).await.unwrap();

    let (status, body, _) = http.answer().await;

    assert_eq!((status, &*body), (400, r#"{"code":3,"message":"Bad request"}"#));
    assert_eq!(reasons.recv().await, Some(DisconnectReason::TransportError));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_breaks_off_ends_the_session() {
    for (method, length) in [("GET", 0), ("POST", 10)] {
        let world = world(ServerOptions::default());
        let mut reasons = report_disconnects(&world.server);
        let mut http = RawHttp::open(&world).await;
        let sid = http.join().await;
        let request = format!(
            "{method} /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: server\r\nContent-Length: {length}\r\n\r\n"
        );
        http.0.write_all(request.as_bytes()).await.unwrap();
        world.env.sleep(SECOND).await;

        drop(http);

        assert_eq!(reasons.recv().await, Some(DisconnectReason::TransportError), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_takes_too_long_is_closed_and_polling_goes_on() {
    let world = world(ServerOptions { upgrade_timeout: 3 * SECOND, ..ServerOptions::default() });
    let mut http = RawHttp::open(&world).await;
    let sid = http.join().await;
    let before = world.env.clock.monotonic();
    let mut probe = probe(&world, &sid).await;
    probe.send("2probe").await;
    assert_eq!(probe.next().await.as_deref(), Some("3probe"));

    assert_eq!(http.get(&sid).await, (200, "6".to_owned()));
    assert_eq!(probe.next().await, None);

    assert_eq!(world.env.clock.monotonic().since(before).as_secs(), 3);
    world.server.emit("news", number(1));
    assert_eq!(http.get(&sid).await, (200, r#"42["news",1]"#.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn after_an_upgrade_requests_are_refused_and_other_websockets_closed() {
    let world = world(ServerOptions::default());
    let mut reasons = report_disconnects(&world.server);
    let mut http = RawHttp::open(&world).await;
    let sid = http.join().await;
    let mut first = probe(&world, &sid).await;
    first.send("2probe").await;
    assert_eq!(first.next().await.as_deref(), Some("3probe"));
    assert_eq!(probe(&world, &sid).await.next().await, None, "a second probe");
    world.server.emit("news", number(1));
    first.send("5").await;

    assert_eq!(first.next().await.as_deref(), Some(r#"42["news",1]"#));

    assert_eq!(http.get(&sid).await, (400, r#"{"code":3,"message":"Bad request"}"#.to_owned()));
    assert_eq!(probe(&world, &sid).await.next().await, None, "one that comes too late");
    world.server.emit("news", number(2));
    assert_eq!(first.next().await.as_deref(), Some(r#"42["news",2]"#));
    drop(first);
    assert_eq!(reasons.recv().await, Some(DisconnectReason::TransportClose));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_says_goodbye_to_who_polls() {
    let world = world(ServerOptions::default());
    let mut http = RawHttp::open(&world).await;
    let sid = http.join().await;
    http.start("GET", &sid, "").await;
    world.env.sleep(SECOND).await;
    let before = world.env.clock.monotonic();

    world.server.shutdown(10 * SECOND).await;

    let (status, body, _) = http.answer().await;
    assert_eq!((status, &*body), (200, "1"));
    assert!(world.env.clock.monotonic().since(before) < SECOND, "nobody else was waited for");
}

#[tokio::test(start_paused = true)]
async fn the_fallback_answers_what_is_not_the_endpoints() {
    use crate::io::http::{Response, StatusCode};
    let world = world(ServerOptions::default());
    world.server.fallback(|request| {
        let mut response = Response::new(request.uri().path().to_owned().into());
        *response.status_mut() = StatusCode::OK;
        response
    });
    for (method, path, begins, ends) in [
        ("GET", "/", "HTTP/1.1 200", "\r\n\r\n/"),
        ("GET", "/socket.io/socket.io.js", "HTTP/1.1 200", "\r\n\r\n/socket.io/socket.io.js"),
        ("HEAD", "/chat", "HTTP/1.1 200", "content-length: 5\r\n\r\n"),
        ("POST", "/", "HTTP/1.1 404", "\r\n\r\nNot found"),
        ("GET", "/socket.io/", "HTTP/1.1 400", r#"{"code":0,"message":"Transport unknown"}"#),
    ] {
        let mut stream = world.net.connect("server", 3000).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(begins) && answer.ends_with(ends), "{method} {path}: {answer}");
    }
}
