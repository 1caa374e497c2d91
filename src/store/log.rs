//! The message log: what goes in, what comes out, and the seam behind which it is kept.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A message's place in the log: counted from one, without reuse. Zero is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogOffset(pub u64);

impl LogOffset {
    /// Before the first message.
    pub const START: Self = Self(0);
}

impl fmt::Display for LogOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What its sender calls a message (`clientOffset` on the wire): a repeat bears the same id. Everybody sees it, but only once
/// the message is stored: an id that cannot be guessed before cannot be taken by another sender.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub Arc<str>);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The chat room.
    pub room: String,
    /// Its id; without one it is never taken for a repeat.
    pub id: Option<MessageId>,
    /// What was said.
    pub content: String,
    /// When the server got it.
    pub at: SystemTime,
}

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is stored.
    New(LogOffset),
    /// Its id was known: the message is stored there already.
    Repeat(LogOffset),
    /// Its id is that of a message with another content or room. Nothing was stored.
    Conflict,
}

impl Appended {
    /// Where the message is; `None` where it is not.
    pub fn offset(self) -> Option<LogOffset> {
        match self {
            Self::New(offset) | Self::Repeat(offset) => Some(offset),
            Self::Conflict => None,
        }
    }
}

/// A message in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place.
    pub offset: LogOffset,
    /// The chat room.
    pub room: String,
    /// Its id.
    pub id: Option<MessageId>,
    /// What was said.
    pub content: String,
}

/// Why the store cannot do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// SQLite refused: no space, an I/O error, a damaged file.
    #[error("failed to use the database: {0}")]
    Database(String),
    /// The file was written by a newer Squall.
    #[error("database has schema version {found}, this program knows up to {known}: use a newer program")]
    TooNew {
        /// In the file.
        found: u32,
        /// In this program.
        known: u32,
    },
    /// Another process has it open.
    #[error("{0} is in use by another process")]
    Locked(String),
    /// The process is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// Where messages are kept: the seam. Called by one owner, inside [`crate::io::env::Blocking`].
pub trait MessageLog: Send + 'static {
    /// Stores a batch, all of it durably or nothing of it, and says what became of each draft, in order. A repeat within
    /// the batch is a repeat too.
    ///
    /// # Errors
    /// When nothing was stored.
    fn append(&mut self, batch: &[Draft]) -> Result<Vec<Appended>, StoreError>;

    /// The first `limit` messages of a room after `after`, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&mut self, room: &str, after: LogOffset, limit: usize) -> Result<Vec<Stored>, StoreError>;

    /// The last offset given to any message; [`LogOffset::START`] where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    fn head(&mut self) -> Result<LogOffset, StoreError>;
}
