//! What the official protocol test suites ask their server for: Engine.IO that echoes on `/engine.io/`, and Socket.IO with
//! the handlers that they know on `/socket.io/`.
//!
//! `PORT=3000 cargo run --example protocol_suite`, then `npx mocha test-suite.js` in `docs/engine.io-protocol/v4-test-suite`
//! and in `docs/socket.io-protocol/v5-test-suite` of the official repository.

use std::time::Duration;

use squall::engine::Heartbeat;
use squall::io::{EngineServer, ServerOptions};
use squall::{Env, Server, Socket};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let env = Env::tokio();
    let options = ServerOptions {
        heartbeat: Heartbeat {
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(200),
        },
        max_http_buffer_size: 1_000_000,
        connect_timeout: Duration::from_secs(1),
        ..ServerOptions::default()
    };

    let engine = EngineServer::new(&env, ServerOptions { path: "/engine.io/".to_owned(), ..options.clone() });
    engine.on_connection(|mut socket| async move {
        while let Ok(message) = socket.receive().await {
            socket.send(message);
        }
    });

    let server = Server::new(&env, options);
    server.attach(&engine);
    server.on_connect(|socket| async move {
        send_auth(&socket);
        socket.on("message", |socket, event| async move { socket.emit("message-back", event.args) });
        socket.on("message-with-ack", |_socket, event| async move { event.ack.send(event.args) });
    });
    server.of("/custom").on_connect(|socket| async move { send_auth(&socket) });

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned()).parse()?;
    // The suites dial `localhost`, which may be either; this takes both where the system maps the one into the other.
    let listener = tokio::net::TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    server.serve(listener).await?;
    Ok(())
}

fn send_auth(socket: &Socket) {
    socket.emit("auth", vec![socket.auth().clone()]);
}
