//! The async layer and the public API: drives the machines of [`crate::engine`] and [`crate::socket`] through [`Env`] and [`net`].
//!
//! Tasks: one for the hub, one a connection (reading never stops, so a heartbeat goes on beside a slow handler), one a
//! socket (its handlers run there in order), one a client. They speak by messages; none shares state with another.
//!
//! Knows nothing of what an event means, and no clock, thread, entropy or socket of the operating system but through
//! [`Env::tokio`] and [`net::TcpNet`].

mod client;
pub mod env;
pub mod net;
mod server;

pub use client::{Client, ClientOptions, ConnectUrl, Event, Status, UrlError};
pub use env::Env;
pub use server::{Ack, Incoming, Server, ServerOptions, Socket};
