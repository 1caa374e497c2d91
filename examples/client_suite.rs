//! The server that the official client's own test suite talks to.
//!
//! The suite (`packages/socket.io-client/test` of `socketio/socket.io`: connection, socket, connection-state-recovery and
//! retry) expects its support server on port 3210; this is one that behaves the same, on `$PORT` where that is set.
//! README says how to run the suite against it.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use squall::io::{ConnectError, Incoming, ServerOptions};
use squall::socket::Recovery;
use squall::{Env, Server, Socket, args};
use tokio::net::TcpListener;

const PORT: u16 = 3210;
/// Before a session opens.
const ANSWER_DELAY: Duration = Duration::from_millis(10);
/// JSON has no dates: what arrives is the text.
const DATE: &str = "2024-02-29T12:00:00.000Z";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = match std::env::var("PORT") {
        Ok(port) => port.parse()?,
        Err(_) => PORT,
    };
    let mut options = ServerOptions { recovery: Some(Recovery::default()), ..ServerOptions::default() };
    options.heartbeat.ping_interval = Duration::from_secs(2);
    let env = Env::tokio();
    let server = Server::new(&env, options);
    // The suite has clients that give up at once: they must find no answer yet.
    server.allow_request(move |_request| {
        let delay = env.sleep(ANSWER_DELAY);
        async move {
            delay.await;
            Ok(())
        }
    });
    namespaces(&server);
    server.on_connect(|socket| async move {
        talk(&socket);
        send_bytes(&socket);
        take_bytes(&socket);
    });
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    server.serve(listener).await?;
    Ok(())
}

fn namespaces(server: &Server) {
    for name in ["/timeout_socket", "/valid", "/asd"] {
        server.of(name);
    }
    server.of("/foo").on_connect(|socket| async move { socket.on("getId", tell_id) });
    server.of("/abc").on_connect(|socket| async move { socket.emit("handshake", args![handshake(&socket)]) });
    server
        .of("/no")
        .use_middleware(|_socket| async { Err(ConnectError::new("Auth failed (custom namespace)")) });
}

fn handshake(socket: &Socket) -> Value {
    json!({ "auth": socket.auth(), "query": socket.handshake().request.query })
}

async fn tell_id(socket: Socket, event: Incoming) {
    event.ack.send(args![socket.id().as_str()]);
}

/// Events, acknowledgements, dates and texts.
fn talk(socket: &Socket) {
    socket.on("hi", |socket, _event| async move { socket.emit("hi", args![]) });
    socket.on("echo", |_socket, event| async move { event.ack.send(event.args) });
    socket.on("ack", |socket, _event| async move {
        // Not awaited here: the next event is heard whether or not this answer comes.
        socket.clone().spawn(async move {
            let Ok(answer) = socket.emit_with_ack("ack", args![], None).await else { return };
            if answer.get::<Value>(0).is_ok_and(|first| first == 5) {
                socket.emit("got it", args![]);
            }
        });
    });
    socket.on("getAckDate", |_socket, event| async move { event.ack.send(args![DATE]) });
    socket.on("getDate", |socket, _event| async move { socket.emit("takeDate", args![DATE]) });
    socket.on("getDateObj", |socket, _event| async move {
        socket.emit("takeDateObj", args![json!({ "date": DATE })]);
    });
    socket.on("getUtf8", |socket, _event| async move {
        for text in ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"]
        {
            socket.emit("takeUtf8", args![text]);
        }
    });
    socket.on("false", |socket, _event| async move { socket.emit("false", args![false]) });
    socket.on("getHandshake", |socket, event| async move { event.ack.send(args![handshake(&socket)]) });
    socket.on("getId", tell_id);
}

fn send_bytes(socket: &Socket) {
    let bytes = || args![Bytes::from_static(b"asdfasdf")];
    socket.on("doge", move |socket, _event| async move { socket.emit("doge", bytes()) });
    socket.on("getbin", move |socket, _event| async move { socket.emit("takebin", bytes()) });
}

/// Bytes among JSON.
#[derive(Deserialize)]
struct Letter {
    hello: String,
    #[serde(rename = "message")]
    _message: Bytes,
    goodbye: String,
}

impl Letter {
    fn is_as_sent(&self) -> bool {
        self.hello == "lol" && self.goodbye == "gotcha"
    }
}

fn take_bytes(socket: &Socket) {
    socket.on("buffa", |socket, event| async move {
        if event.args.get::<Bytes>(0).is_ok() {
            socket.emit("buffack", args![]);
        }
    });
    socket.on("jsonbuff", |socket, event| async move {
        if event.args.get::<Letter>(0).is_ok_and(|letter| letter.is_as_sent()) {
            socket.emit("jsonbuff-ack", args![]);
        }
    });
    // The second is answered where the first has come before.
    let first_came = Arc::new(AtomicBool::new(false));
    let came = first_came.clone();
    socket.on("abuff1", move |_socket, event| {
        came.store(event.args.get::<Bytes>(0).is_ok(), Ordering::Relaxed);
        async {}
    });
    socket.on("abuff2", move |socket, _event| {
        if first_came.load(Ordering::Relaxed) {
            socket.emit("abuff2-ack", args![]);
        }
        async {}
    });
}
