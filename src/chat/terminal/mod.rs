//! The chat client for people at a terminal, and for pipes: lines in, messages out. Lines that begin with `/` are commands, such
//! as `/join ROOM`; `/help` lists them, and of a line that begins with `//` one `/` is said.

mod line;
mod place;
mod screen;

use std::future::Future;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use tokio::sync::mpsc;

use super::wire::DEFAULT_ROOM;
use super::{ChatClient, ChatEvent, ChatOptions};
use crate::engine::Time;
use crate::io::net::Connector;
use crate::io::{ConnectUrl, Env};
use crate::store::{OutboxStorage, Pending, StoreError};
use line::Line;
use screen::Screen;

/// After the last line, how long to wait for the next acknowledgement before leaving without it.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// What to chat with.
#[derive(Debug, Clone)]
pub struct TerminalOptions {
    /// The server.
    pub url: ConnectUrl,
    /// Put before each message, where it is given.
    pub name: Option<String>,
    /// The outbox; by default a file for this server in the user's data directory.
    pub outbox: Option<PathBuf>,
}

/// Why the client ended with an error.
#[derive(Debug, Error)]
pub enum TerminalError {
    /// The outbox cannot be used.
    #[error("failed to open the outbox {}: {source}; --outbox FILE names another", path.display())]
    Outbox {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The place for outboxes cannot be created.
    #[error("failed to create {}: {source}; --outbox FILE names another place", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no place for outboxes.
    #[error("neither XDG_DATA_HOME nor HOME says where to keep the outbox: give --outbox FILE")]
    NoHome,
    /// Every file that a client would use is used by another.
    #[error("too many clients talk to this server at once: close one, or give --outbox FILE")]
    TooManyClients,
    /// A message could not be kept.
    #[error("failed to keep a message: {0}; it was not sent")]
    NotKept(StoreError),
    /// The server does not serve this client; it was shown why.
    #[error("the server refuses this client")]
    Refused,
    /// The input ended, and not everything was delivered.
    #[error("{count} message(s) not delivered yet: kept in {}, and sent when the client runs again", outbox.display())]
    Undelivered {
        /// How many.
        count: usize,
        /// Where they are.
        outbox: PathBuf,
    },
    /// The server refused messages; it was shown which.
    #[error("{0} message(s) refused by the server")]
    Failed(usize),
    /// The terminal is gone.
    #[error("failed to write: {0}")]
    Output(#[from] io::Error),
    /// The input cannot be read.
    #[error("failed to read: {0}")]
    Input(io::Error),
}

/// Where lines come from and go to.
pub struct Streams<R, W> {
    /// The user's lines.
    pub input: R,
    /// The messages.
    pub messages: W,
    /// Remarks, such as that the connection is gone.
    pub remarks: W,
}

/// Chats until `stop`, or until the input has ended and everything is delivered. Empty lines are not sent.
///
/// # Errors
/// When something that the user said could not be delivered, or the client cannot work at all.
pub async fn run<C: Connector, R: AsyncBufRead + Unpin, W: Write>(
    env: &Env,
    connector: C,
    options: TerminalOptions,
    streams: Streams<R, W>,
    stop: impl Future<Output = ()>,
) -> Result<(), TerminalError> {
    let entropy = &env.entropy;
    let (mut outbox, path) = match options.outbox {
        Some(path) => (place::open_at(&path, entropy)?, path),
        None => {
            let directory = place::default_directory(|name| std::env::var_os(name).map(PathBuf::from))?;
            place::open_free(&directory, &options.url, entropy)?
        }
    };
    let broken = |source| TerminalError::Outbox { path: path.clone(), source };
    let left = outbox.pending().map_err(broken)?;
    let mut screen = Screen::new(streams.messages, streams.remarks, outbox.client_id());
    for Pending { id, content, room: _ } in left {
        screen.keep(id, content);
    }
    screen.remark(&format!("connecting to {}", options.url))?;
    let (client, events) =
        ChatClient::new(env, connector, options.url, ChatOptions::default(), outbox).await.map_err(broken)?;
    client.connect();
    let (name, room) = (options.name, DEFAULT_ROOM.to_owned());
    let session = Session { env, client, events, screen, name, room, path, failed: 0 };
    session.run(streams.input, stop).await
}

struct Session<'a, W> {
    env: &'a Env,
    client: ChatClient,
    events: mpsc::UnboundedReceiver<ChatEvent>,
    screen: Screen<W>,
    name: Option<String>,
    /// Where lines are said: the room that was joined last, of those that were not left.
    room: String,
    path: PathBuf,
    /// How many messages the server refused.
    failed: usize,
}

impl<W: Write> Session<'_, W> {
    async fn run(
        mut self,
        mut input: impl AsyncBufRead + Unpin,
        stop: impl Future<Output = ()>,
    ) -> Result<(), TerminalError> {
        tokio::pin!(stop);
        let mut line = Vec::new();
        // Set when the input has ended.
        let mut leave_at: Option<Time> = None;
        loop {
            if leave_at.is_some() && self.client.status().pending.is_empty() {
                return self.end().await;
            }
            let clock = &self.env.clock;
            tokio::select! {
                biased;
                () = &mut stop => return self.leave(),
                Some(event) = self.events.recv() => {
                    let settles = matches!(event, ChatEvent::Acknowledged { .. } | ChatEvent::Failed { .. });
                    if settles && leave_at.is_some() {
                        leave_at = Some(clock.monotonic() + LAST_WAIT);
                    }
                    self.on_event(&event)?;
                }
                read = input.read_until(b'\n', &mut line), if leave_at.is_none() => {
                    if read.map_err(TerminalError::Input)? == 0 {
                        leave_at = Some(clock.monotonic() + LAST_WAIT);
                    }
                    // At the end of the input too: a last line need not end.
                    self.on_line(&std::mem::take(&mut line)).await?;
                }
                () = clock.sleep_until(leave_at.unwrap_or_default()), if leave_at.is_some() => {
                    let count = self.client.status().pending.len();
                    return Err(TerminalError::Undelivered { count, outbox: self.path });
                }
            }
        }
    }

    async fn on_line(&mut self, line: &[u8]) -> Result<(), TerminalError> {
        let line = String::from_utf8_lossy(line);
        match line::read(line.trim_end_matches(['\r', '\n'])) {
            Line::Empty => {}
            Line::Say(words) => self.say(words).await?,
            Line::Join(room) => self.join(room)?,
            Line::Leave(room) => self.leave_room(room)?,
            Line::Rooms => self.show_rooms()?,
            Line::Help => line::HELP.iter().try_for_each(|line| self.screen.remark(line))?,
            Line::Wrong(why) => self.screen.remark(&why)?,
        }
        Ok(())
    }

    async fn say(&mut self, words: &str) -> Result<(), TerminalError> {
        let content = self.name.as_ref().map_or_else(|| words.to_owned(), |name| format!("{name}: {words}"));
        let id = self.client.say_in(&self.room, &content).await.map_err(TerminalError::NotKept)?;
        Ok(self.screen.said(id, content)?)
    }

    fn join(&mut self, room: &str) -> io::Result<()> {
        match self.client.join(room, None) {
            Ok(()) => {
                room.clone_into(&mut self.room);
                self.screen.hears(room);
                self.screen.remark(&format!("what you type is said in {room}"))
            }
            Err(error) => self.screen.remark(&error.message),
        }
    }

    fn leave_room(&mut self, room: &str) -> io::Result<()> {
        if !self.client.status().shown.contains_key(room) {
            return self.screen.remark(&format!("you are not in {room}"));
        }
        self.client.leave(room);
        if self.room == room {
            DEFAULT_ROOM.clone_into(&mut self.room);
            return self.screen.remark(&format!("what you type is said in {DEFAULT_ROOM}"));
        }
        Ok(())
    }

    fn show_rooms(&mut self) -> io::Result<()> {
        let rooms: Vec<String> = self.client.status().shown.into_keys().collect();
        let heard = if rooms.is_empty() { "none".to_owned() } else { rooms.join(", ") };
        self.screen.remark(&format!("rooms you hear: {heard}; what you type is said in {}", self.room))
    }

    fn on_event(&mut self, event: &ChatEvent) -> Result<(), TerminalError> {
        self.screen.show(event)?;
        match event {
            ChatEvent::Refused(_) => Err(TerminalError::Refused),
            ChatEvent::Failed { .. } => {
                self.failed += 1;
                Ok(())
            }
            ChatEvent::Connected
            | ChatEvent::Disconnected(_)
            | ChatEvent::GaveUp
            | ChatEvent::Message(_)
            | ChatEvent::Joined { .. }
            | ChatEvent::Left { .. }
            | ChatEvent::NotJoined { .. }
            | ChatEvent::Acknowledged { .. }
            | ChatEvent::OutboxBroken(_) => Ok(()),
        }
    }

    /// Everything is settled, and the next client must not send it again.
    async fn end(mut self) -> Result<(), TerminalError> {
        self.client.flush().await;
        while let Ok(event) = self.events.try_recv() {
            self.on_event(&event)?;
        }
        if self.failed == 0 { Ok(()) } else { Err(TerminalError::Failed(self.failed)) }
    }

    /// The user leaves the chat; what waits is kept, which is worth saying.
    fn leave(mut self) -> Result<(), TerminalError> {
        let waiting = self.client.status().pending.len();
        if waiting > 0 {
            let kept = format!("{waiting} message(s) kept in {}, to be sent next time", self.path.display());
            self.screen.remark(&kept)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;

    use crate::chat::tests::world::{World, url};
    use crate::io::Socket;
    use crate::io::env::{Blocking, BoxFuture};
    use crate::store::testing::inline_env;

    use super::*;

    /// Runs a terminal client over `input`; how it ended, and its messages and remarks.
    async fn chat(world: &World, input: &[u8]) -> (Result<(), TerminalError>, String, String) {
        chat_in(&inline_env(), world, input).await
    }

    async fn chat_in(env: &Env, world: &World, input: &[u8]) -> (Result<(), TerminalError>, String, String) {
        let (mut messages, mut remarks) = (Vec::new(), Vec::new());
        let streams = Streams { input, messages: &mut messages, remarks: &mut remarks };
        let outbox = Some(world.directory().join("terminal.db"));
        let options = TerminalOptions { url: url(), name: Some("ci".to_owned()), outbox };
        let ended = run(env, world.net.clone(), options, streams, pending()).await;
        // The task of the client that ended still has its outbox; this is its turn.
        tokio::task::yield_now().await;
        (ended, String::from_utf8(messages).unwrap(), String::from_utf8(remarks).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_is_delivered_line_by_line_before_the_client_leaves() {
        let world = World::new();
        let _server = world.serve_chat().await;
        let mut bob = world.person("bob").await;
        bob.client.connect();

        let (ended, messages, _) = chat(&world, b"one\r\n\ntwo \xff\nthree").await;

        ended.unwrap();
        assert_eq!(bob.read(3).await, ["ci: one", "ci: two \u{fffd}", "ci: three"]);
        assert!(messages.starts_with("> ci: one\n"), "{messages}");
    }

    #[tokio::test(start_paused = true)]
    async fn rooms_are_joined_said_in_and_left_by_commands() {
        let world = World::new();
        let _server = world.serve_chat().await;
        let mut bob = world.person("bob").await;
        bob.client.join("lobby", None).unwrap();
        bob.client.connect();
        bob.until(|event| matches!(event, ChatEvent::Joined { .. })).await;

        let input =
            b"one\n/join lobby\n/join \x1b\ntwo\n/rooms\n/leave lobby\n//three\n/leave lobby\n/nick\n";
        let (ended, messages, remarks) = chat(&world, input).await;

        ended.unwrap();
        assert_eq!(bob.read(3).await, ["ci: one", "ci: two", "ci: /three"]);
        assert!(messages.contains("> [lobby] ci: two\n"), "{messages}");
        for remark in [
            "-- what you type is said in lobby\n",
            "-- a room's name has",
            "-- rooms you hear: general, lobby; what you type is said in lobby\n",
            "-- what you type is said in general\n",
            "-- you are not in lobby\n",
            "-- there is no /nick",
        ] {
            assert!(remarks.contains(remark), "{remark} is not in {remarks}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_pipe_cannot_deliver_is_kept_and_said() {
        let world = World::new();

        let (ended, _, remarks) = chat(&world, b"one\n").await;
        assert!(matches!(ended, Err(TerminalError::Undelivered { count: 1, .. })), "{ended:?}");
        assert!(remarks.contains("-- offline (not connected) — 1 message waiting\n"), "{remarks}");

        let _server = world.serve_chat().await;
        let mut bob = world.person("bob").await;
        bob.client.connect();
        let (ended, ..) = chat(&world, b"two\n").await;
        ended.unwrap();
        assert_eq!(bob.read(2).await, ["ci: one", "ci: two"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_server_may_take_as_long_as_it_likes_while_it_acknowledges() {
        let world = World::new();
        let _server = world.serve(|server| {
            server.on_connect(|socket: Socket| async move {
                socket.on("chat message", |_, incoming| async move {
                    inline_env().sleep(Duration::from_secs(6)).await;
                    incoming.ack.send(Vec::new());
                });
            });
        });
        let (ended, ..) = chat(&world, b"one\ntwo\nthree\n").await;
        ended.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_message_is_an_error_in_the_end() {
        let world = World::new();
        let _server = world.serve_chat().await;
        let (ended, _, remarks) = chat(&world, &[b'x'; 70_000]).await;
        assert!(matches!(ended, Err(TerminalError::Failed(1))), "{ended:?}");
        assert!(remarks.contains("NOT DELIVERED: ci: xxx"), "{remarks}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_settled_is_out_of_the_outbox_when_the_client_leaves() {
        let world = World::new();
        let _server = world.serve_chat().await;
        let env = Env { blocking: Arc::new(SlowDisk(inline_env())), ..inline_env() };
        for input in [b"one".as_slice(), &[b'x'; 70_000]] {
            let _ended = chat_in(&env, &world, input).await;

            let mut outbox =
                place::open_at(&world.directory().join("terminal.db"), &inline_env().entropy).unwrap();
            assert_eq!(outbox.pending().unwrap(), []);
        }
    }

    /// Each job takes its time.
    struct SlowDisk(Env);

    impl Blocking for SlowDisk {
        fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
            let slowly = self.0.sleep(Duration::from_millis(10));
            Box::pin(async move {
                slowly.await;
                job();
            })
        }
    }
}
