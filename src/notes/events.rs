//! Events and broadcasts: snippets 1 to 4 of [the notes](super).
//!
//! ## 1. Connecting and disconnecting
//!
//! Runs for each client that connects, and when it is gone.
//!
//! ```
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let console = stage.console;
//! io.on_connect(move |socket| async move {
//!     console.log("a user connected");
//!
//!     socket.on_disconnect(move |_socket, _reason| async move {
//!         console.log("user disconnected");
//!     });
//! });
//!
//! let (socket, _events) = stage.connect().await;
//! socket.disconnect();
//! assert_eq!(console.next().await, "a user connected");
//! assert_eq!(console.next().await, "user disconnected");
//! # Ok(())
//! # }
//! ```
//!
//! ## 2. To every client
//!
//! ```
//! use squall::args;
//! use squall::io::Event;
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let (_one, mut one_events) = stage.connect().await;
//! # let (_two, mut two_events) = stage.connect().await;
//! io.emit("hello", args!["world"]);
//!
//! for events in [&mut one_events, &mut two_events] {
//!     let Some(Event::Received { name, args, .. }) = events.recv().await else { panic!("nothing came") };
//!     assert_eq!((name.as_str(), args), ("hello", args!["world"]));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## 3. To every client but one
//!
//! A broadcast of a socket goes to all others.
//!
//! ```
//! use squall::args;
//! use squall::io::Event;
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! io.on_connect(|socket| async move {
//!     socket.broadcast().emit("hi", args![]);
//! });
//!
//! let (_first, mut first_events) = stage.connect().await;
//! let (_second, mut second_events) = stage.connect().await;
//! assert!(matches!(first_events.recv().await, Some(Event::Received { name, .. }) if name == "hi"));
//! assert!(second_events.try_recv().is_err(), "not to who came");
//! # Ok(())
//! # }
//! ```
//!
//! ## 4. A chat message to all
//!
//! The sender is one of them.
//!
//! ```
//! use squall::args;
//! use squall::io::Event;
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! io.on_connect(|socket| async move {
//!     socket.on("chat message", |socket, event| async move {
//!         socket.server().emit("chat message", event.args);
//!     });
//! });
//!
//! let (alice, mut alice_events) = stage.connect().await;
//! let (_bob, mut bob_events) = stage.connect().await;
//! alice.emit("chat message", args!["hello"]);
//! for events in [&mut alice_events, &mut bob_events] {
//!     let Some(Event::Received { args, .. }) = events.recv().await else { panic!("nothing came") };
//!     assert_eq!(args.get::<String>(0)?, "hello");
//! }
//! # Ok(())
//! # }
//! ```
