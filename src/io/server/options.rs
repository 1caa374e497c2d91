//! What can be set about a server.

use std::time::Duration;

use crate::engine::{Heartbeat, Transport};
use crate::socket::Recovery;

use super::cors::CorsOptions;

/// The options of a server. The names, defaults and meanings are the official server's where it has them.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The path of the endpoint, with or without a slash at its end; `/socket.io/`.
    pub path: String,
    /// How it notices that a client is gone; 25 s and 20 s.
    pub heartbeat: Heartbeat,
    /// The largest message it takes, in bytes, and the largest body of a POST; 1,000,000. A larger message ends its
    /// connection with "transport error". A larger body is refused, after which a client says goodbye: "transport close".
    pub max_http_buffer_size: usize,
    /// How long an upgrade from polling to a WebSocket may take before the WebSocket is closed and polling goes on; 10 s.
    pub upgrade_timeout: Duration,
    /// The transports that clients may use; both. Without the WebSocket, no upgrade is offered.
    pub transports: Vec<Transport>,
    /// Which pages of other origins may speak to the server; `None`: none, browsers refuse it.
    pub cors: Option<CorsOptions>,
    /// How long a connection may stay without joining a namespace; 45 s.
    pub connect_timeout: Duration,
    /// How many bytes may wait for one slow reader before its connection is dropped, with "forced close" as the reason its
    /// socket sees; 1 MiB. Each message counts 64 bytes more than it has. Not in the official server, which buffers
    /// without bound.
    pub max_outgoing_bytes: usize,
    /// How many bytes of events may wait for the handlers of one socket before its connection is dropped, with "forced
    /// close" as the reason; 1 MiB. What arrived before is still dispatched. Not in the official server, which buffers
    /// without bound.
    pub max_incoming_bytes: usize,
    /// How a client whose connection breaks takes up its socket where it was, and misses nothing: connection state
    /// recovery; `None`: it does not.
    ///
    /// Sessions live in memory, and a server that starts again knows none of before; but see
    /// [`Server::with_session_store`](super::Server::with_session_store).
    pub recovery: Option<Recovery>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            path: "/socket.io/".to_owned(),
            heartbeat: Heartbeat::default(),
            max_http_buffer_size: 1_000_000,
            upgrade_timeout: Duration::from_secs(10),
            transports: vec![Transport::Polling, Transport::WebSocket],
            cors: None,
            connect_timeout: Duration::from_secs(45),
            max_outgoing_bytes: 1 << 20,
            max_incoming_bytes: 1 << 20,
            recovery: None,
        }
    }
}
