//! The server that the official protocol suites ask for, with the options and handlers that they know.

use std::time::Duration;

use squall::engine::Heartbeat;
use squall::io::{EngineServer, ServerOptions};
use squall::{Env, Server, Socket};

/// How often it pings.
pub(crate) const PING_INTERVAL: Duration = Duration::from_millis(300);
/// How long it waits for a pong.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_millis(200);
/// Where Engine.IO is spoken alone.
pub(crate) const ENGINE: &str = "/engine.io/";
/// Where it is spoken below Socket.IO.
pub(crate) const SOCKET: &str = "/socket.io/";

/// One that listens nowhere yet.
pub(crate) fn of_the_suites(env: &Env) -> Server {
    let options = ServerOptions {
        path: SOCKET.to_owned(),
        heartbeat: Heartbeat { ping_interval: PING_INTERVAL, ping_timeout: PING_TIMEOUT },
        max_http_buffer_size: 1_000_000,
        connect_timeout: Duration::from_secs(1),
        ..ServerOptions::default()
    };
    let engine = EngineServer::new(env, ServerOptions { path: ENGINE.to_owned(), ..options.clone() });
    engine.on_connection(|mut socket| async move {
        while let Ok(message) = socket.receive().await {
            socket.send(message);
        }
    });
    let server = Server::new(env, options);
    server.attach(&engine);
    server.on_connect(|socket| async move {
        send_auth(&socket);
        socket.on("message", |socket, event| async move { socket.emit("message-back", event.args) });
        socket.on("message-with-ack", |_socket, event| async move { event.ack.send(event.args) });
    });
    server.of("/custom").on_connect(|socket| async move { send_auth(&socket) });
    server
}

fn send_auth(socket: &Socket) {
    socket.emit("auth", vec![socket.auth().clone()]);
}
