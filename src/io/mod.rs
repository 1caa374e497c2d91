//! The async layer and the public API: drives the machines of [`crate::engine`] and [`crate::socket`] through [`Env`] and [`net`].
//!
//! Tasks: one for the hub, one a connection (reading never stops, so a heartbeat goes on beside a slow handler), one a
//! socket (its handlers run there in order), one a client. They speak by messages; none shares state with another.
//!
//! Knows nothing of what an event means, and no clock, thread, entropy or socket of the operating system but through
//! [`Env::tokio`] and [`net::TcpNet`].

mod alarm;
mod client;
pub mod env;
mod flags;
mod link;
pub mod net;
mod readiness;
mod server;
#[cfg(test)]
mod tests;
mod websocket;

pub use client::{
    Answer, Client, ClientOptions, ConnectFailure, ConnectUrl, Event, Received, Status, UrlError,
};
pub use env::Env;
pub use flags::{Timeout, Volatile};
pub use hyper::http;
pub use server::{
    Ack, AcksMissing, Broadcast, ConnectError, CorsOptions, CorsOrigins, EngineServer, EngineSocket,
    EventError, Handshake, Incoming, IntoRooms, ParentNamespace, RequestInfo, Server, ServerNamespace,
    ServerOptions, ServerService, SessionStore, SessionStoreError, Socket,
};
#[cfg(feature = "tower")]
pub use server::{Layered, ServerLayer};

/// Names that Socket.IO keeps for itself: the peer would take such an event for an attack.
fn assert_not_reserved(name: &str) {
    assert!(!crate::socket::RESERVED_EVENTS.contains(&name), "{name:?} is a reserved event name");
}
