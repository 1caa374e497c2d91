//! The one owner of the message log: takes what waits, commits it as one batch, answers in order.

use super::{Appended, Draft, LogOffset, MessageLog, StoreError, Stored};
use crate::io::Env;

/// The message log, for many tasks. A handle: cheap to clone.
#[derive(Clone)]
pub struct Log {}

impl Log {
    /// Spawns the committer of a storage.
    ///
    /// # Errors
    /// When the log's head cannot be read.
    pub async fn open(_env: &Env, _storage: impl MessageLog) -> Result<Self, StoreError> {
        todo!()
    }

    /// Stores a message. The answer comes after the commit: then the message survives the loss of power, and readers may
    /// see it.
    ///
    /// # Errors
    /// When it was not stored; trying again with the same id is safe.
    pub async fn append(&self, _draft: Draft) -> Result<Appended, StoreError> {
        todo!()
    }

    /// The first `limit` committed messages of a room after `after`, in order. What was committed lately comes from
    /// memory, older messages from the storage.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(
        &self,
        _room: &str,
        _after: LogOffset,
        _limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        todo!()
    }

    /// The last committed offset.
    pub fn head(&self) -> LogOffset {
        todo!()
    }

    /// Ends when the head is past `after`.
    ///
    /// # Errors
    /// When the committer is gone.
    pub async fn committed_beyond(&self, _after: LogOffset) -> Result<(), StoreError> {
        todo!()
    }
}
