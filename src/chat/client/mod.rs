//! The chat client: keeps what the user says until the server has it, and shows what the server has, once and in order.
//!
//! [`outgoing`] and [`incoming`] decide, [`task`] does.

mod incoming;
mod outgoing;
mod task;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::io::net::Connector;
use crate::io::{Client, ClientOptions, ConnectUrl, Env, Status};
use crate::socket::DisconnectReason;
use crate::store::{LogOffset, MessageId, OutboxStorage, Pending, StoreError};
use incoming::Incoming;
use outgoing::Outgoing;
use task::{Command, Link, Outbox, Progress, Task};

/// The options of a chat client.
#[derive(Debug, Clone)]
pub struct ChatOptions {
    /// The Socket.IO client's. `auth`, `retries` and `ack_timeout` are the chat's own.
    pub client: ClientOptions,
    /// How long to wait for an acknowledgement before a message is sent again; 10 s.
    pub ack_timeout: Duration,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { client: ClientOptions::default(), ack_timeout: Duration::from_secs(10) }
    }
}

/// A message as it is shown to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
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
    /// A message, each once, in the order of the log.
    Message(Shown),
    /// The server has a message of this user: it will never be lost.
    Acknowledged {
        /// Which.
        id: MessageId,
        /// Where; [`LogOffset::START`] from a server that does not say.
        offset: LogOffset,
    },
    /// The server will never take a message of this user; it is out of the outbox.
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
    /// The last offset shown; `None` before the first.
    pub shown: Option<LogOffset>,
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
        let incoming = Incoming::default();
        let auth = Some(task::auth(incoming.position()));
        let client_options = ClientOptions { auth, retries: None, ack_timeout: None, ..options.client };
        let (client, events) = Client::new(env, connector, url, client_options)
            .expect("without retries, all options go together");
        let (commands, commanded) = mpsc::unbounded_channel();
        let (user, shown) = mpsc::unbounded_channel();
        let progress = Arc::new(Mutex::new(Progress { outgoing: Outgoing::new(left), incoming }));
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
        let (answer, answered) = oneshot::channel();
        self.command(Command::Say { content: content.to_owned(), answer });
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Disconnects and stays so until [`ChatClient::connect`]. The outbox is kept.
    pub fn disconnect(&self) {
        self.command(Command::Disconnect);
    }

    /// How the client stands.
    pub fn status(&self) -> ChatStatus {
        let progress = self.progress.lock().expect("no one panics while holding it");
        ChatStatus {
            connection: self.client.status(),
            pending: progress.outgoing.pending().cloned().collect(),
            sends_of_oldest: progress.outgoing.sends_of_oldest(),
            shown: progress.incoming.shown(),
        }
    }

    /// The task ends before its handles only when the process dies, which is no one's concern any more.
    fn command(&self, command: Command) {
        drop(self.commands.send(command));
    }
}
