//! The chat client: keeps what the user says until the server has it, and shows what the server has, once and in order.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::io::net::Connector;
use crate::io::{ClientOptions, ConnectUrl, Env, Status};
use crate::socket::DisconnectReason;
use crate::store::{LogOffset, MessageId, OutboxStorage, Pending, StoreError};

/// The options of a chat client.
#[derive(Debug, Clone)]
pub struct ChatOptions {
    /// The Socket.IO client's. `auth` is the chat's own.
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
    /// The server refuses this client, with its message; [`ChatClient::connect`] tries again.
    Refused(String),
    /// The client has given up reconnecting; [`ChatClient::connect`] tries again.
    GaveUp,
    /// A message, each once, in the order of the log.
    Message(Shown),
    /// The server has a message of this user: it will never be lost.
    Acknowledged {
        /// Which.
        id: MessageId,
        /// Where.
        offset: LogOffset,
    },
    /// The server will never take a message of this user; it is out of the outbox.
    Failed {
        /// Which.
        id: MessageId,
        /// Why.
        reason: String,
    },
    /// The outbox cannot be kept: what is said from now on may be lost with the process.
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
pub struct ChatClient {}

impl ChatClient {
    /// A client that has not connected, and what its user will see. What an earlier process left in the outbox is sent
    /// first.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub async fn new<C: Connector>(
        _env: &Env,
        _connector: C,
        _url: ConnectUrl,
        _options: ChatOptions,
        _outbox: impl OutboxStorage,
    ) -> Result<(Self, mpsc::UnboundedReceiver<ChatEvent>), StoreError> {
        todo!()
    }

    /// Connects now, and from then on by itself until [`ChatClient::disconnect`].
    pub fn connect(&self) {
        todo!()
    }

    /// Keeps a message in the outbox, from where it is sent as soon as all before it are acknowledged; connected or not.
    /// The id is given when the outbox has it durably.
    ///
    /// # Errors
    /// When the outbox cannot keep it: it was not said.
    pub async fn say(&self, _content: &str) -> Result<MessageId, StoreError> {
        todo!()
    }

    /// Disconnects and stays so until [`ChatClient::connect`]. The outbox is kept.
    pub fn disconnect(&self) {
        todo!()
    }

    /// How the client stands.
    pub fn status(&self) -> ChatStatus {
        todo!()
    }
}
