//! Squall: a Socket.IO chat, server and client, that must not lose messages.
//!
//! Bytes become a chat in five layers; each knows only those before it:
//!
//! | layer | takes | gives |
//! |---|---|---|
//! | [`engine`] | WebSocket frames, HTTP requests, time | Engine.IO v4: a session with a heartbeat, on polling or a WebSocket, sans-IO |
//! | [`socket`] | engine messages | Socket.IO v5: namespaces, events, acknowledgements, reconnection, sans-IO |
//! | [`io`] | tokio streams | the public API: [`Server`], [`Socket`], [`Client`], driven through [`Env`] and [`io::net`] |
//! | [`store`] | SQLite | the message log and its one committer, the client's outbox |
//! | [`chat`] | all of the above | the chat, written on the public API as a user would write it |
//!
//! Any of them may say, with `reached!` of [`reached`], that a state or a rare branch was reached.
//!
//! | feature | gives |
//! |---|---|
//! | `chat` (default) | [`store`] and [`chat`], with SQLite |
//! | `cli` (default) | the program `squall`, and `chat` |
//! | `tls` | `io::net::tls`: `https://` and `wss://` for servers and clients, by rustls; flags of the program for it |
//! | `tower` | `Server::layer`, and `ServerService` as a service of tower: Socket.IO beside the routes of axum |
//!
//! The notes of the official tutorial, snippet by snippet, are in [`notes`].
//!
//! The same code runs in production and in the simulation: it takes clock, entropy, tasks and network from outside.
#![forbid(unsafe_code)]

#[cfg(feature = "chat")]
pub mod chat;
pub mod engine;
pub mod io;
#[cfg(feature = "chat")]
pub mod notes;
pub mod reached;
pub mod socket;
#[cfg(feature = "chat")]
pub mod store;

pub use io::{Client, Env, Server, Socket};
pub use socket::args;
