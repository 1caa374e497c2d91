//! The chat client: keeps what the user says until the server has it, and shows what the server has, once and in order.
//!
//! [`outgoing`] and [`rooms`] decide, [`task`] does.

mod outgoing;
pub(super) mod rooms;
mod task;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::wire::{ChatError, DEFAULT_ROOM, check_room};
use crate::io::net::Connector;
use crate::io::{Client, ClientOptions, ConnectUrl, Env, Status};
use crate::socket::DisconnectReason;
use crate::store::{LogOffset, MessageId, OutboxStorage, Pending, StoreError};
use outgoing::Outgoing;
use rooms::Rooms;
use task::{Command, Link, Outbox, Progress, Task};

/// What a client does so that the server gets what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendMode {
    /// Until the server answers, in order, one message at a time, each under its id: the server has it exactly once, and in
    /// a later process too where the outbox is [`crate::store::SqliteOutbox`].
    Outbox,
    /// As the Socket.IO client's option `retries`: in order, one message at a time, again after each time without an answer.
    /// As in the official tutorial's seventh step, messages have no id: the server stores each one that arrives, so a
    /// message whose answer was lost is there twice. To be used with [`crate::store::MemoryOutbox`].
    Retry {
        /// How often a message is sent again before it is shown as failed.
        retries: u32,
    },
    /// As the Socket.IO client's `emit`: at once and once; while not connected, when it next is. A message without an answer
    /// is shown as failed, though it may have arrived. To be used with [`crate::store::MemoryOutbox`].
    Plain,
}

/// What a client does to see what it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiveMode {
    /// It says what it has seen, and gets what comes after: each message of its rooms once, in order.
    Resume,
    /// It never says what it has seen: when it connects, it gets what comes from then on.
    Live,
}

/// The options of a chat client.
#[derive(Debug, Clone)]
pub struct ChatOptions {
    /// The Socket.IO client's. `auth`, `retries` and `ack_timeout` are the chat's own.
    pub client: ClientOptions,
    /// How long to wait for an acknowledgement before a message is sent again; 10 s. From the outbox, while the connection
    /// stands, each time twice as long as the last, up to eight times this.
    pub ack_timeout: Duration,
    /// In which rooms it begins; [`DEFAULT_ROOM`] alone. With [`ReceiveMode::Resume`] they are read from the start.
    pub rooms: Vec<String>,
    /// How it sends; [`SendMode::Outbox`].
    pub send: SendMode,
    /// How it receives; [`ReceiveMode::Resume`].
    pub receive: ReceiveMode,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self {
            client: ClientOptions::default(),
            ack_timeout: Duration::from_secs(10),
            rooms: vec![DEFAULT_ROOM.to_owned()],
            send: SendMode::Outbox,
            receive: ReceiveMode::Resume,
        }
    }
}

/// A message as it is shown to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The chat room.
    pub room: String,
    /// Its place in the log.
    pub offset: LogOffset,
    /// Its id, where its sender gave one.
    pub id: Option<MessageId>,
    /// What was said.
    pub content: String,
}

/// What the user of a chat client sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent {
    /// The connection stands.
    Connected,
    /// The connection is gone.
    Disconnected(DisconnectReason),
    /// The server refuses this client, with its message, and disconnects it; [`ChatClient::connect`] tries again.
    Refused(String),
    /// The client has given up reconnecting; [`ChatClient::connect`] tries again.
    GaveUp,
    /// A message of a room, each once, in the order of the log.
    Message(Shown),
    /// A room is joined, as [`ChatClient::join`] asked; not said of [`ChatOptions::rooms`].
    Joined {
        /// Which.
        room: String,
        /// The log's last offset at joining: nothing at or before it is shown, unless it was asked for.
        offset: LogOffset,
    },
    /// A room is left: none of its messages after `offset` was shown, and none will be.
    Left {
        /// Which.
        room: String,
        /// Its last.
        offset: LogOffset,
    },
    /// The server refuses to let this client into a room.
    NotJoined {
        /// Which.
        room: String,
        /// Why.
        reason: String,
    },
    /// The server has a message of this user: it will never be lost. A later process says so again where the earlier one died
    /// before the outbox forgot the message.
    Acknowledged {
        /// Which.
        id: MessageId,
        /// Where; [`LogOffset::START`] from a server that does not say.
        offset: LogOffset,
    },
    /// The server will never take a message of this user; the outbox forgets it. Said again as
    /// [`ChatEvent::Acknowledged`] is.
    Failed {
        /// Which.
        id: MessageId,
        /// Why.
        reason: String,
    },
    /// The outbox cannot forget a message that is settled: a later process will send it again, which does no harm where
    /// the server has it.
    OutboxBroken(StoreError),
}

/// How a chat client stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatStatus {
    /// The connection.
    pub connection: Status,
    /// What waits to be acknowledged, oldest first.
    pub pending: Vec<Pending>,
    /// How often the oldest of it was sent.
    pub sends_of_oldest: u32,
    /// The rooms it is in, or will be when it connects, each with the last offset shown or where it begins; `None` where
    /// only the server knows yet.
    pub shown: BTreeMap<String, Option<LogOffset>>,
}

/// A chat client. A handle: cheap to clone. When the last clone is dropped, it disconnects.
#[derive(Clone)]
pub struct ChatClient {
    client: Client,
    commands: mpsc::UnboundedSender<Command>,
    progress: Arc<Mutex<Progress>>,
}

impl ChatClient {
    /// A client that has not connected, and what its user will see. What an earlier process left in the outbox is sent
    /// first.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub async fn new<C: Connector>(
        env: &Env,
        connector: C,
        url: ConnectUrl,
        options: ChatOptions,
        outbox: impl OutboxStorage,
    ) -> Result<(Self, mpsc::UnboundedReceiver<ChatEvent>), StoreError> {
        let outbox = Outbox::new(env, outbox);
        let left = outbox.run(OutboxStorage::pending).await?;
        let rooms = Rooms::new(options.receive, options.rooms);
        let client_options = ClientOptions { auth: None, retries: None, ack_timeout: None, ..options.client };
        let (client, events) = Client::new(env, connector, url, client_options)
            .expect("without retries, all options go together");
        let (commands, commanded) = mpsc::unbounded_channel();
        let (user, shown) = mpsc::unbounded_channel();
        let progress = Arc::new(Mutex::new(Progress { outgoing: Outgoing::new(options.send, left), rooms }));
        let known = Arc::clone(&progress);
        // Asked at each CONNECT, rather than told at each message: nothing is asked for that was shown by then.
        client.set_auth_with(move || {
            let auth = known.lock().expect("no one panics while holding it").rooms.auth();
            std::future::ready(Some(auth))
        });
        let task = Task {
            env: env.clone(),
            client: client.clone(),
            commands: commanded,
            events,
            user,
            outbox,
            progress: Arc::clone(&progress),
            ack_timeout: options.ack_timeout,
            link: Link::default(),
            in_flight: None,
            unordered: FuturesUnordered::new(),
            asked: None,
            resend_pause: None,
            catch_up_pause: None,
        };
        env.spawn(task.run());
        Ok((Self { client, commands, progress }, shown))
    }

    /// Connects now, and from then on by itself until [`ChatClient::disconnect`].
    pub fn connect(&self) {
        self.command(Command::Connect);
    }

    /// Keeps a message in the outbox, from where it is sent as soon as all before it are acknowledged; connected or not.
    /// The id is given when the outbox has it durably.
    ///
    /// # Errors
    /// When the outbox cannot keep it: it was not said.
    pub async fn say(&self, content: &str) -> Result<MessageId, StoreError> {
        self.say_in(DEFAULT_ROOM, content).await
    }

    /// As [`ChatClient::say`], in another room, whether this client is in it or not.
    ///
    /// # Errors
    /// As [`ChatClient::say`].
    pub async fn say_in(&self, room: &str, content: &str) -> Result<MessageId, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Say { room: room.to_owned(), content: content.to_owned(), answer });
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Joins a room, now or when the client connects: [`ChatEvent::Joined`] follows. Its messages are shown from then on, or
    /// after `since`; with [`ReceiveMode::Live`], `since` is not used. Stays joined when the connection breaks. Does nothing
    /// in a room that is joined.
    ///
    /// # Errors
    /// When no room can be called so.
    pub fn join(&self, room: &str, since: Option<LogOffset>) -> Result<(), ChatError> {
        check_room(room)?;
        self.command(Command::Join { room: room.to_owned(), since });
        Ok(())
    }

    /// Leaves a room: [`ChatEvent::Left`] follows, and then nothing of it. Does nothing in a room that is not joined.
    pub fn leave(&self, room: &str) {
        self.command(Command::Leave { room: room.to_owned() });
    }

    /// Disconnects and stays so until [`ChatClient::connect`]. The outbox is kept.
    pub fn disconnect(&self) {
        self.command(Command::Disconnect);
    }

    /// Waits until the outbox has forgotten what is settled, so that a process that ends after this leaves nothing to be sent
    /// again by the next. All events about it are there by then.
    pub async fn flush(&self) {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Flush { answer });
        answered.await.unwrap_or_default();
    }

    /// The Socket.IO client underneath: for namespaces of your own over the same connection ([`Client::of`]).
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How the client stands.
    pub fn status(&self) -> ChatStatus {
        let progress = self.progress.lock().expect("no one panics while holding it");
        ChatStatus {
            connection: self.client.status(),
            pending: progress.outgoing.pending().cloned().collect(),
            sends_of_oldest: progress.outgoing.sends_of_oldest(),
            shown: progress.rooms.positions(),
        }
    }

    /// The task ends before its handles only when the process dies, which is no one's concern any more.
    fn command(&self, command: Command) {
        drop(self.commands.send(command));
    }
}
