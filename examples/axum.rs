//! Socket.IO beside the routes of axum, on one port.
//!
//! `cargo run --example axum --features tower [ADDRESS]`, then connect any Socket.IO client to it: it echoes `echo`, and
//! tells everyone what is posted to `/announce`. Ctrl-C asks it to stop, and all clients are told.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::routing::{get, post};
use squall::io::ServerOptions;
use squall::{Env, Server, args};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let server = Server::new(&Env::tokio(), ServerOptions::default());
    server.on_connect(|socket| async move {
        socket.on("echo", |_socket, event| async move { event.ack.send(event.args) });
        socket.on("whoami", |socket, event| async move {
            let peer = socket.handshake().request.peer.map(|peer| peer.ip().to_string());
            event.ack.send(args![peer]);
        });
    });
    let layer =
        server.layer().with_peer(|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0));
    let app = Router::new()
        .route("/", get(|| async { "a route of axum\n" }))
        .route("/announce", post(announce))
        .with_state(server.clone())
        // Below it stand the routes that come before, in this order.
        .layer(layer);

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                // First: axum waits for open requests, and an open poll is one.
                server.shutdown(Duration::from_secs(5)).await;
            }
        })
        .await
}

async fn announce(State(server): State<Server>, news: String) -> &'static str {
    server.emit("news", args![news]);
    "told everyone\n"
}
