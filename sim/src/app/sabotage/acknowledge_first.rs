//! What a database set up for speed does: the answer comes before the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use squall::Env;
use squall::chat::ChatLog;
use squall::store::{Appended, Draft, Log, LogOffset, StoreError, Stored};
use tokio::sync::mpsc;

/// A log that answers at once and commits a moment later, in order.
#[derive(Clone)]
pub(in crate::app) struct AcknowledgeFirst {
    log: Log,
    queue: mpsc::UnboundedSender<Draft>,
    promised: Arc<AtomicU64>,
}

/// How long the commits are behind the answers.
const BEHIND: Duration = Duration::from_millis(300);

impl AcknowledgeFirst {
    pub(in crate::app) fn new(env: &Env, log: Log) -> Self {
        let (queue, mut drafts) = mpsc::unbounded_channel::<Draft>();
        let promised = Arc::new(AtomicU64::new(log.head().0));
        let (behind, committing) = (env.clone(), log.clone());
        env.spawn(async move {
            while let Some(draft) = drafts.recv().await {
                behind.sleep(BEHIND).await;
                if committing.append(draft).await.is_err() {
                    return;
                }
            }
        });
        Self { log, queue, promised }
    }
}

impl ChatLog for AcknowledgeFirst {
    async fn append(&self, draft: Draft) -> Result<Appended, StoreError> {
        self.queue.send(draft).map_err(|_| StoreError::Closed)?;
        Ok(Appended::New(LogOffset(self.promised.fetch_add(1, Ordering::Relaxed) + 1)))
    }

    async fn read(&self, room: &str, after: LogOffset, limit: usize) -> Result<Vec<Arc<Stored>>, StoreError> {
        self.log.read(room, after, limit).await
    }

    fn head(&self) -> LogOffset {
        self.log.head()
    }

    async fn committed_beyond(&self, after: LogOffset) -> Result<(), StoreError> {
        self.log.committed_beyond(after).await
    }
}
