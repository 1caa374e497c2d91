//! From client to server, at least once and exactly once: snippets 16 to 20 of [the notes](super).
//!
//! ## 16. At least once, by hand
//!
//! Whoever sends several events so may see them arrive in another order.
//!
//! ```
//! use squall::{Client, args};
//! use std::time::Duration;
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let console = stage.console;
//! # io.on_connect(move |socket| async move {
//! #     let calls = std::sync::atomic::AtomicU32::new(0);
//! #     socket.on("hello", move |_socket, event| {
//! #         console.log(&event.args.values()[0]);
//! #         // The first answer never comes.
//! #         if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0 {
//! #             event.ack.send(args![]);
//! #         }
//! #         async {}
//! #     });
//! # });
//! async fn emit(socket: &Client, event: &str, arg: &str) {
//!     let timeout = Duration::from_millis(5000);
//!     while socket.timeout(timeout).emit_with_ack(event, args![arg]).await.is_err() {
//!         // No answer from the server: try again.
//!     }
//! }
//!
//! let (socket, _events) = stage.connect().await;
//! emit(&socket, "hello", "world").await;
//! assert_eq!(console.next().await, "\"world\"");
//! assert_eq!(console.next().await, "\"world\"");
//! # Ok(())
//! # }
//! ```
//!
//! ## 17. At least once, by options
//!
//! One event at a time, so that they keep their order.
//!
//! ```
//! use squall::args;
//! use squall::io::ClientOptions;
//! use std::time::Duration;
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let console = stage.console;
//! # io.on_connect(move |socket| async move {
//! #     let calls = std::sync::atomic::AtomicU32::new(0);
//! #     socket.on("hello", move |_socket, event| {
//! #         console.log(&event.args.values()[0]);
//! #         // Every second answer comes.
//! #         if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 == 1 {
//! #             event.ack.send(args![]);
//! #         }
//! #         async {}
//! #     });
//! # });
//! let (socket, _events) = stage.client(ClientOptions {
//!     ack_timeout: Some(Duration::from_millis(10_000)),
//!     retries: Some(3),
//!     ..ClientOptions::default()
//! })?;
//! socket.connect();
//!
//! socket.emit("hello", args!["world"]);
//! # socket.emit("hello", args!["again"]);
//! # for expected in ["world", "world", "again", "again"] {
//! #     assert_eq!(console.next().await, format!("{expected:?}"));
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! ## 18. The server acknowledges
//!
//! What is not acknowledged is sent again.
//!
//! ```
//! use squall::args;
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! io.on_connect(|socket| async move {
//!     socket.on("hello", |_socket, event| async move {
//!         // Once the event is handled:
//!         event.ack.send(args![]);
//!     });
//! });
//!
//! let (socket, _events) = stage.connect().await;
//! assert_eq!(socket.emit_with_ack("hello", args!["world"], None).await?, args![]);
//! # Ok(())
//! # }
//! ```
//!
//! ## 19. Exactly once: the client names its messages
//!
//! A name is fixed when the user submits, is never given twice, and survives the process: that is what an outbox is for. (The
//! tutorial takes the socket's id, which is `undefined` before the client connects, for all clients alike.)
//!
//! ```
//! use squall::chat::{ChatClient, ChatOptions};
//! use squall::store::{MessageId, SqliteOutbox};
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let stage = Stage::without_server();
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("outbox.db");
//! let outbox = SqliteOutbox::open(&path, stage.env.entropy.clone())?;
//! let (chat, _events) =
//!     ChatClient::new(&stage.env, stage.net(), stage.url(), ChatOptions::default(), outbox).await?;
//!
//! // Not connected, and already named.
//! let first = chat.say("hello").await?;
//! let second = chat.say("hello").await?;
//! assert_ne!(first, second);
//! let pending: Vec<MessageId> = chat.status().pending.into_iter().map(|message| message.id).collect();
//! assert_eq!(pending, [first, second]);
//! # Ok(())
//! # }
//! ```
//!
//! ## 20. Exactly once: the server knows the names
//!
//! A repeat is acknowledged and not stored again. [`chat::serve`] is this, with rooms, limits and one order for all.
//!
//! [`chat::serve`]: crate::chat::serve
//!
//! ```
//! use squall::args;
//! use squall::io::Event;
//! use squall::store::{Appended, Draft, Log, MessageId, SqliteLog};
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let storage = SqliteLog::with_connection(rusqlite::Connection::open_in_memory()?)?;
//! # let log = Log::open(&stage.env, storage).await?;
//! # let env = stage.env.clone();
//! io.on_connect(move |socket| {
//!     let (log, env) = (log.clone(), env.clone());
//!     async move {
//!         socket.on("채팅 메세지", move |socket, event| {
//!             let (log, env) = (log.clone(), env.clone());
//!             async move {
//!                 let (Ok(msg), Ok(client_offset)) = (event.args.get::<String>(0), event.args.get(1)) else {
//!                     return;
//!                 };
//!                 let draft = Draft {
//!                     room: "general".to_owned(),
//!                     id: Some(MessageId(client_offset)),
//!                     content: msg.clone(),
//!                     at: env.clock.wall(),
//!                 };
//!                 match log.append(draft).await {
//!                     Ok(Appended::New(offset)) => {
//!                         socket.server().emit("채팅 메세지", args![msg, offset]);
//!                         event.ack.send(args![]);
//!                     }
//!                     // It was stored already: the client need not try again.
//!                     Ok(Appended::Repeat(_)) => event.ack.send(args![]),
//!                     // No answer, so that the client tries again.
//!                     Ok(Appended::Conflict) | Err(_) => {}
//!                 }
//!             }
//!         });
//!     }
//! });
//!
//! let (socket, mut events) = stage.connect().await;
//! for _ in 0..2 {
//!     socket.emit_with_ack("채팅 메세지", args!["hello", "client-1"], None).await?;
//! }
//! # io.emit("end", args![]);
//! let Some(Event::Received { args, .. }) = events.recv().await else { panic!("nothing came") };
//! assert_eq!(args, args!["hello", 1]);
//! assert!(matches!(events.recv().await, Some(Event::Received { name, .. }) if name == "end"));
//! # Ok(())
//! # }
//! ```
