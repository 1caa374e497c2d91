//! The snippets of the official tutorial's notes, in Squall: one for one, in their order, each a test.
//!
//! What is `io` there is [`Server`](crate::Server) here, `io` in the snippets; what is `socket` is
//! [`Socket`](crate::Socket) on the server and [`Client`](crate::Client) in the client. A client hears what happens as a
//! stream of [`Event`](crate::io::Event)s. Handlers are asynchronous and take their arguments by type.
//!
//! Each snippet has a `stage`, with a server and its clients in one process, and a `console` whose lines it checks.
//!
//! 1. [`events`]: connecting and disconnecting; to every client; to every client but one; a chat message to all
//! 2. [`api`]: from client to server and back, any data, acknowledgements, rooms
//! 3. [`disconnections`]: why a client is gone; reconnecting
//! 4. [`server_delivery`]: messages in a database; the client remembers what it has; the server sends what was missed
//! 5. [`client_delivery`]: at least once, by hand and by options; exactly once

pub mod api;
pub mod client_delivery;
pub mod disconnections;
pub mod events;
pub mod server_delivery;
#[doc(hidden)]
pub mod stage;
