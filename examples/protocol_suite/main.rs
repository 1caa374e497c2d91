//! What the official protocol test suites ask their server for: Engine.IO that echoes on `/engine.io/`, and Socket.IO with
//! the handlers that they know on `/socket.io/`.
//!
//! `PORT=3000 cargo run --example protocol_suite`, then `npx mocha test-suite.js` in `docs/engine.io-protocol/v4-test-suite`
//! and in `docs/socket.io-protocol/v5-test-suite` of the official repository.

mod server;

use squall::Env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = server::of_the_suites(&Env::tokio());
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned()).parse()?;
    // The suites dial `localhost`, which may be either; this takes both where the system maps the one into the other.
    let listener = tokio::net::TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    server.serve(listener).await?;
    Ok(())
}
