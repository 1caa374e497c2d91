//! What can be sent, answered, and to whom: snippets 5 to 10 of [the notes](super).
//!
//! ## 5. From client to server
//!
//! ```
//! use squall::args;
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let console = stage.console;
//! // Server:
//! io.on_connect(move |socket| async move {
//!     socket.on("hello", move |_socket, event| async move {
//!         let Ok(arg) = event.args.get::<String>(0) else { return };
//!         console.log(arg);
//!     });
//! });
//! # let (socket, _events) = stage.connect().await;
//! // Client:
//! socket.emit("hello", args!["world"]);
//!
//! assert_eq!(console.next().await, "world");
//! # Ok(())
//! # }
//! ```
//!
//! ## 6. From server to client
//!
//! ```
//! use squall::args;
//!
//! # use squall::io::ClientOptions;
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let console = stage.console;
//! // Server:
//! io.on_connect(|socket| async move {
//!     socket.emit("hello", args!["world"]);
//! });
//! # let (socket, _) = stage.client(ClientOptions::default())?;
//! // Client:
//! socket.on("hello", move |_socket, event| async move {
//!     let Ok(arg) = event.args.get::<String>(0) else { return };
//!     console.log(arg);
//! });
//! # socket.connect();
//!
//! assert_eq!(console.next().await, "world");
//! # Ok(())
//! # }
//! ```
//!
//! ## 7. Any data, from client to server
//!
//! Several arguments, of any type that serialises, with bytes anywhere in them.
//!
//! ```
//! use bytes::Bytes;
//! use serde::{Deserialize, Serialize};
//! use squall::args;
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Third {
//!     #[serde(rename = "3")]
//!     three: String,
//!     #[serde(rename = "5")]
//!     five: Bytes,
//! }
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let console = stage.console;
//! // Server:
//! io.on_connect(move |socket| async move {
//!     socket.on("hello", move |_socket, event| async move {
//!         console.log(format!("{:?}", event.args.get::<u32>(0)));
//!         console.log(format!("{:?}", event.args.get::<String>(1)));
//!         console.log(format!("{:?}", event.args.get::<Third>(2)));
//!     });
//! });
//! # let (socket, _events) = stage.connect().await;
//! // Client:
//! let third = Third { three: "4".to_owned(), five: Bytes::from_static(&[6]) };
//! socket.emit("hello", args![1, "2", third]);
//!
//! assert_eq!(console.next().await, "Ok(1)");
//! assert_eq!(console.next().await, "Ok(\"2\")");
//! assert_eq!(console.next().await, "Ok(Third { three: \"4\", five: b\"\\x06\" })");
//! # Ok(())
//! # }
//! ```
//!
//! ## 8. Any data, from server to client
//!
//! ```
//! use bytes::Bytes;
//! use serde::{Deserialize, Serialize};
//! use squall::args;
//! use squall::io::Event;
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Third {
//!     #[serde(rename = "3")]
//!     three: String,
//!     #[serde(rename = "5")]
//!     five: Bytes,
//! }
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! // Server:
//! io.on_connect(|socket| async move {
//!     let third = Third { three: "4".to_owned(), five: Bytes::from_static(&[6]) };
//!     socket.emit("hello", args![1, "2", third]);
//! });
//! # let (_socket, mut events) = stage.connect().await;
//! // Client:
//! let Some(Event::Received { args, .. }) = events.recv().await else { panic!("nothing came") };
//! assert_eq!(args.get::<u32>(0)?, 1);
//! assert_eq!(args.get::<String>(1)?, "2");
//! assert_eq!(args.get::<Third>(2)?, Third { three: "4".to_owned(), five: Bytes::from_static(&[6]) });
//! # Ok(())
//! # }
//! ```
//!
//! ## 9. Acknowledgements
//!
//! The server answers an event; the client waits for so long.
//!
//! ```
//! use serde_json::{Value, json};
//! use squall::args;
//! use std::time::Duration;
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let console = stage.console;
//! // Server:
//! io.on_connect(move |socket| async move {
//!     socket.on("request", move |_socket, event| async move {
//!         console.log(format!("{:?}", event.args.get::<Value>(0)));
//!         console.log(format!("{:?}", event.args.get::<String>(1)));
//!         event.ack.send(args![json!({ "status": "ok" })]);
//!     });
//! });
//! # let (socket, _events) = stage.connect().await;
//! // Client:
//! let request = args![json!({ "foo": "bar" }), "baz"];
//! match socket.timeout(Duration::from_millis(5000)).emit_with_ack("request", request).await {
//!     Err(error) => console.log(error),
//!     Ok(response) => console.log(&response.values()[0]["status"]),
//! }
//!
//! assert_eq!(console.next().await, "Ok(Object {\"foo\": String(\"bar\")})");
//! assert_eq!(console.next().await, "Ok(\"baz\")");
//! assert_eq!(console.next().await, "\"ok\"");
//! # Ok(())
//! # }
//! ```
//!
//! ## 10. Rooms
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
//!     socket.join("some room");
//!
//!     // To all in the room:
//!     socket.server().to("some room").emit("hello", args!["world"]);
//!
//!     // To all but those in the room:
//!     socket.server().except("some room").emit("hello", args!["world"]);
//!
//!     socket.leave("some room");
//! });
//!
//! // Who comes is in the room for a moment; who was there before is not.
//! let (_first, mut first_events) = stage.connect().await;
//! assert!(matches!(first_events.recv().await, Some(Event::Received { .. })), "in the room");
//! let (_second, mut second_events) = stage.connect().await;
//! assert!(matches!(second_events.recv().await, Some(Event::Received { .. })), "in the room");
//! assert!(matches!(first_events.recv().await, Some(Event::Received { .. })), "not in the room");
//! assert!(second_events.try_recv().is_err());
//! # Ok(())
//! # }
//! ```
