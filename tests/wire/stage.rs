//! The server of the official protocol suites on a network in memory and in virtual time, and a peer that writes and reads
//! every byte itself.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use squall::Env;
use squall::io::net::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use crate::protocol_suite;

pub(crate) use crate::protocol_suite::{ENGINE, PING_INTERVAL, PING_TIMEOUT, SOCKET};

/// A server that serves.
pub(crate) struct Stage {
    env: Env,
    streams: mpsc::UnboundedSender<DuplexStream>,
}

struct MemoryListener(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for MemoryListener {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))),
            None => std::future::pending().await,
        }
    }
}

impl Stage {
    /// The server of the suites.
    pub(crate) fn new() -> Self {
        let env = Env::tokio();
        let server = protocol_suite::of_the_suites(&env);
        let (streams, listener) = mpsc::unbounded_channel();
        env.spawn(
            async move { server.serve(MemoryListener(listener)).await.expect("the listener never fails") },
        );
        Self { env, streams }
    }

    /// A stream on which nothing was said.
    pub(crate) fn dial(&self) -> Http {
        let (ours, theirs) = duplex(64 << 10);
        self.streams.send(theirs).expect("the server listens");
        Http(ours)
    }

    /// Lets time pass.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.env.sleep(duration).await;
    }

    /// Sends a request on a stream of its own; its status and its body.
    pub(crate) async fn request(&self, method: &str, target: &str, body: &str) -> (u16, String) {
        let mut http = self.dial();
        http.start(method, target, body).await;
        http.answer().await
    }

    /// Opens a session by polling; the target of its later requests.
    pub(crate) async fn open(&self, path: &str) -> String {
        let target = format!("{path}?EIO=4&transport=polling");
        let (status, body) = self.request("GET", &target, "").await;
        assert_eq!(status, 200);
        let open = body.strip_prefix('0').expect("an open packet");
        let open: serde_json::Value = serde_json::from_str(open).expect("a handshake in JSON");
        format!("{target}&sid={}", open["sid"].as_str().expect("an id"))
    }

    /// Asks for a WebSocket, and gets it.
    pub(crate) async fn websocket(&self, target: &str) -> WebSocket {
        let mut http = self.dial();
        http.start_upgrade(target).await;
        let head = http.head().await;
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        WebSocket(http.0)
    }

    /// Opens a session on a WebSocket.
    pub(crate) async fn open_websocket(&self, path: &str) -> WebSocket {
        let mut socket = self.websocket(&format!("{path}?EIO=4&transport=websocket")).await;
        assert!(socket.text().await.starts_with('0'));
        socket
    }

    /// A WebSocket with a socket in the main namespace, whose first event was read.
    pub(crate) async fn connected(&self) -> WebSocket {
        let mut socket = self.open_websocket(SOCKET).await;
        socket.send("40").await;
        assert!(socket.text().await.starts_with("40{"));
        assert_eq!(socket.text().await, r#"42["auth",{}]"#);
        socket
    }
}

/// A stream that speaks HTTP.
pub(crate) struct Http(DuplexStream);

impl Http {
    pub(crate) async fn start(&mut self, method: &str, target: &str, body: &str) {
        let length = body.len();
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: server\r\nContent-Length: {length}\r\n\r\n{body}");
        self.0.write_all(request.as_bytes()).await.expect("the server reads");
    }

    pub(crate) async fn start_upgrade(&mut self, target: &str) {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.0.write_all(request.as_bytes()).await.expect("the server reads");
    }

    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("the server goes on"));
        }
        String::from_utf8(head).expect("a head of ASCII")
    }

    /// The status and the body of the next answer.
    pub(crate) async fn answer(&mut self) -> (u16, String) {
        let head = self.head().await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        self.0.read_exact(&mut body).await.expect("the server goes on");
        (head[9..12].parse().expect("a status"), String::from_utf8(body).expect("text"))
    }

    /// All that comes until the stream ends.
    pub(crate) async fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).await.expect("the server goes on");
        rest
    }
}

/// A frame of a WebSocket (RFC 6455 §5.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Close,
}

/// A stream that has become a WebSocket.
pub(crate) struct WebSocket(DuplexStream);

impl WebSocket {
    pub(crate) async fn send(&mut self, text: &str) {
        self.write(0x81, text.as_bytes()).await;
    }

    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) {
        self.write(0x82, bytes).await;
    }

    /// A whole message in one frame, masked with zeros.
    async fn write(&mut self, opcode: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).ok().filter(|&length| length < 126).expect("a short one");
        let mut frame = vec![opcode, 0x80 | length, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).await.expect("the server reads");
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        let opcode = self.0.read_u8().await.expect("the server goes on");
        let length = match self.0.read_u8().await.expect("the server goes on") {
            126 => self.0.read_u16().await.expect("the server goes on"),
            length => length.into(),
        };
        let mut payload = vec![0; length.into()];
        self.0.read_exact(&mut payload).await.expect("the server goes on");
        match opcode {
            0x81 => Frame::Text(String::from_utf8(payload).expect("text")),
            0x82 => Frame::Binary(payload),
            0x88 => Frame::Close,
            other => panic!("no server sends a frame that begins with {other:#x}"),
        }
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.frame().await {
            Frame::Text(text) => text,
            other @ (Frame::Binary(_) | Frame::Close) => panic!("a text, not {other:?}"),
        }
    }
}
