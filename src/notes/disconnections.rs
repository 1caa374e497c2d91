//! Who is gone, and comes back: snippets 11 and 12 of [the notes](super).
//!
//! ## 11. Why a client is gone
//!
//! ```
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let console = stage.console;
//! io.on_connect(move |socket| async move {
//!     socket.on_disconnect(move |_socket, reason| async move {
//!         console.log(format!("Client disconnected: {reason}"));
//!     });
//! });
//!
//! let (socket, _events) = stage.connect().await;
//! socket.disconnect();
//! assert_eq!(console.next().await, "Client disconnected: client namespace disconnect");
//! # Ok(())
//! # }
//! ```
//!
//! ## 12. Reconnecting
//!
//! The names, defaults and meanings are the official client's.
//!
//! ```
//! use squall::io::{ClientOptions, Event};
//! use squall::socket::ReconnectOptions;
//! use std::time::Duration;
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let stage = Stage::without_server();
//! let options = ClientOptions {
//!     reconnect: ReconnectOptions {
//!         reconnection: true,
//!         reconnection_attempts: Some(5),
//!         reconnection_delay: Duration::from_millis(500),
//!         reconnection_delay_max: Duration::from_millis(1000),
//!         randomization_factor: 0.5,
//!     },
//!     ..ClientOptions::default()
//! };
//! let (socket, mut events) = stage.client(options)?;
//! socket.connect();
//!
//! // No one is there: it tries five times, then gives up.
//! let mut attempts = 0;
//! loop {
//!     match events.recv().await {
//!         Some(Event::ReconnectAttempt { .. }) => attempts += 1,
//!         Some(Event::ReconnectFailed) => break,
//!         other => assert!(matches!(other, Some(Event::ConnectFailed(_) | Event::Reconnecting { .. }))),
//!     }
//! }
//! assert_eq!(attempts, 5);
//! # Ok(())
//! # }
//! ```
