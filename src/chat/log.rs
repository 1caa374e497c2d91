//! What the chat server asks of its log: the asynchronous seam.
//!
//! In production it is [`Log`], with its committer. A simulation puts a log that cheats here, to see that it is found out.

use std::future::Future;
use std::sync::Arc;

use crate::store::{Appended, Draft, Log, LogOffset, StoreError, Stored};

/// A log of messages, for many tasks. A handle: cheap to clone.
pub trait ChatLog: Clone + Send + Sync + 'static {
    /// As [`Log::append`].
    fn append(&self, draft: Draft) -> impl Future<Output = Result<Appended, StoreError>> + Send;

    /// As [`Log::read`].
    fn read(
        &self,
        room: &str,
        after: LogOffset,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Arc<Stored>>, StoreError>> + Send;

    /// As [`Log::head`].
    fn head(&self) -> LogOffset;

    /// As [`Log::committed_beyond`].
    fn committed_beyond(&self, after: LogOffset) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl ChatLog for Log {
    async fn append(&self, draft: Draft) -> Result<Appended, StoreError> {
        Self::append(self, draft).await
    }

    async fn read(&self, room: &str, after: LogOffset, limit: usize) -> Result<Vec<Arc<Stored>>, StoreError> {
        Self::read(self, room, after, limit).await
    }

    fn head(&self) -> LogOffset {
        Self::head(self)
    }

    async fn committed_beyond(&self, after: LogOffset) -> Result<(), StoreError> {
        Self::committed_beyond(self, after).await
    }
}
