//! The client's outbox: what the user said and the server has not acknowledged.

use std::path::Path;

use super::{MessageId, StoreError};

/// A message that waits to be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id, fixed when the user said it.
    pub id: MessageId,
    /// The chat room.
    pub room: String,
    /// What was said.
    pub content: String,
}

/// Where an outbox is kept: the seam. Called by one owner, inside [`crate::io::env::Blocking`].
pub trait OutboxStorage: Send + 'static {
    /// Keeps a message under the next id of this client, durably: the client's persistent random id, `-`, and a counter
    /// that is never used twice, across restarts too.
    ///
    /// # Errors
    /// When it was not kept.
    fn push(&mut self, room: &str, content: &str) -> Result<MessageId, StoreError>;

    /// All that is kept, oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    fn pending(&mut self) -> Result<Vec<Pending>, StoreError>;

    /// Forgets a message: it is acknowledged, or was shown to the user as failed.
    ///
    /// # Errors
    /// When it is still there.
    fn remove(&mut self, id: &MessageId) -> Result<(), StoreError>;
}

/// An outbox in an SQLite file, locked against other processes.
pub struct SqliteOutbox {}

impl SqliteOutbox {
    /// Opens a file, or creates it with a fresh random client id.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it.
    pub fn open(_path: &Path, _entropy: &dyn crate::engine::Entropy) -> Result<Self, StoreError> {
        todo!()
    }

    /// Uses an open connection, such as one on another VFS.
    ///
    /// # Errors
    /// As [`SqliteOutbox::open`].
    pub fn with_connection(
        _connection: rusqlite::Connection,
        _entropy: &dyn crate::engine::Entropy,
    ) -> Result<Self, StoreError> {
        todo!()
    }
}

impl OutboxStorage for SqliteOutbox {
    fn push(&mut self, _room: &str, _content: &str) -> Result<MessageId, StoreError> {
        todo!()
    }

    fn pending(&mut self) -> Result<Vec<Pending>, StoreError> {
        todo!()
    }

    fn remove(&mut self, _id: &MessageId) -> Result<(), StoreError> {
        todo!()
    }
}
