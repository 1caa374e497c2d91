//! From server to client, nothing missed: snippets 13 to 15 of [the notes](super).
//!
//! ## 13. Messages in a database
//!
//! The log answers when the message is durable. (Here the handler emits, as the tutorial's does. [`chat::serve`] does not:
//! what its clients see comes from the log itself, so that no handler can overtake another.)
//!
//! [`chat::serve`]: crate::chat::serve
//!
//! ```
//! use squall::args;
//! use squall::io::Event;
//! use squall::store::{Appended, Draft, Log, SqliteLog};
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let folder = tempfile::tempdir()?;
//! # let filename = folder.path().join("chat.db");
//! let log = Log::open(&stage.env, SqliteLog::open(&filename)?).await?;
//!
//! let env = stage.env.clone();
//! io.on_connect(move |socket| {
//!     let (log, env) = (log.clone(), env.clone());
//!     async move {
//!         socket.on("채팅 메세지", move |socket, event| {
//!             let (log, env) = (log.clone(), env.clone());
//!             async move {
//!                 let Ok(msg) = event.args.get::<String>(0) else { return };
//!                 let draft = Draft {
//!                     room: "general".to_owned(),
//!                     id: None,
//!                     content: msg.clone(),
//!                     at: env.clock.wall(),
//!                 };
//!                 // An error: it is not stored, and so not shown.
//!                 let Ok(Appended::New(offset)) = log.append(draft).await else { return };
//!                 socket.server().emit("채팅 메세지", args![msg, offset]);
//!             }
//!         });
//!     }
//! });
//!
//! let (socket, mut events) = stage.connect().await;
//! for (offset, msg) in [(1, "hello"), (2, "world")] {
//!     socket.emit("채팅 메세지", args![msg]);
//!     let Some(Event::Received { args, .. }) = events.recv().await else { panic!("nothing came") };
//!     assert_eq!(args, args![msg, offset]);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## 14. The client remembers what it has
//!
//! And says so whenever it connects. (An offset never goes back; the tutorial's may.)
//!
//! ```
//! use serde_json::json;
//! use squall::args;
//! use squall::io::{ClientOptions, Event};
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let console = stage.console;
//! # io.on_connect(move |socket| async move {
//! #     console.log(socket.auth());
//! #     socket.emit("chat message", args!["hello", 7]);
//! # });
//! let auth = Some(json!({ "serverOffset": 0 }));
//! let (socket, mut events) = stage.client(ClientOptions { auth, ..ClientOptions::default() })?;
//! socket.connect();
//!
//! let mut server_offset = 0;
//! while let Some(event) = events.recv().await {
//!     match event {
//!         Event::Received { name, args, .. } if name == "chat message" => {
//!             console.log(args.get::<String>(0)?);
//!             server_offset = server_offset.max(args.get::<u64>(1)?);
//!             socket.set_auth(Some(json!({ "serverOffset": server_offset })));
//! #           socket.disconnect();
//!         }
//!         Event::Disconnected(_) => break,
//!         _ => {}
//!     }
//! }
//! socket.connect();
//!
//! for expected in [r#"{"serverOffset":0}"#, "hello", r#"{"serverOffset":7}"#] {
//!     assert_eq!(console.next().await, expected);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## 15. The server sends what was missed
//!
//! (Between reading the log and the first live message of this snippet, a message may come twice or be missed. [`chat::serve`]
//! has one cursor a socket for both, and so no such seam.)
//!
//! [`chat::serve`]: crate::chat::serve
//!
//! ```
//! use serde_json::json;
//! use squall::args;
//! use squall::io::{ClientOptions, Event};
//! use squall::store::{Draft, Log, LogOffset, SqliteLog};
//!
//! # use squall::notes::stage::Stage;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (stage, io) = Stage::new();
//! # let storage = SqliteLog::with_connection(rusqlite::Connection::open_in_memory()?)?;
//! # let log = Log::open(&stage.env, storage).await?;
//! # for content in ["one", "two", "three"] {
//! #     let (room, content) = ("general".to_owned(), content.to_owned());
//! #     log.append(Draft { room, id: None, content, at: stage.env.clock.wall() }).await?;
//! # }
//! io.on_connect(move |socket| {
//!     let log = log.clone();
//!     async move {
//!         let mut offset = LogOffset(socket.auth()["serverOffset"].as_u64().unwrap_or(0));
//!         // An error: the client has kept its offset, and asks again when it connects again.
//!         while let Ok(page) = log.read("general", offset, 100).await
//!             && let Some(last) = page.last()
//!         {
//!             offset = last.offset;
//!             for row in &page {
//!                 socket.writable().await;
//!                 socket.emit("채팅 메세지", args![row.content, row.offset]);
//!             }
//!         }
//!     }
//! });
//!
//! let auth = Some(json!({ "serverOffset": 1 }));
//! let (socket, mut events) = stage.client(ClientOptions { auth, ..ClientOptions::default() })?;
//! socket.connect();
//! assert!(matches!(events.recv().await, Some(Event::Connected { .. })));
//! for expected in [args!["two", 2], args!["three", 3]] {
//!     let Some(Event::Received { args, .. }) = events.recv().await else { panic!("nothing came") };
//!     assert_eq!(args, expected);
//! }
//! # Ok(())
//! # }
//! ```
