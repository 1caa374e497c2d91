//! The one owner of the message log: takes what waits, commits it as one batch, answers in order.
//!
//! Order, for each batch: commit, publish to readers, answer the senders. So a reader may see a message before its sender
//! hears of it, and neither before it is durable.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::batch::{Answer, Batch, Done, Request};
use super::published::Published;
use super::tail::Tail;
use super::{Appended, Draft, LogOffset, MessageLog, StoreError, Stored};
use crate::io::Env;
use crate::reached::reached;

/// How many requests one batch takes: large enough that a busy server syncs once for many messages, small enough that
/// the first of them need not wait long for the last.
const BATCH_MAX: usize = 512;

/// How many requests may wait before who asks has to wait, too.
const WAITING_MAX: usize = 4096;

/// The message log, for many tasks. A handle: cheap to clone.
#[derive(Clone)]
pub struct Log {
    requests: mpsc::Sender<Request>,
    published: Arc<Published>,
}

impl Log {
    /// Spawns the committer of a storage.
    ///
    /// # Errors
    /// When the log's head cannot be read.
    pub async fn open(env: &Env, mut storage: impl MessageLog) -> Result<Self, StoreError> {
        let opened = env.run_blocking(move || storage.head().map(|head| (storage, head))).await;
        let (storage, start) = opened.ok_or(StoreError::Closed)??;
        let (requests, received) = mpsc::channel(WAITING_MAX);
        let published = Arc::new(Published::new(start));
        let committer = Committer { env: env.clone(), requests: received, published: Arc::clone(&published) };
        env.spawn(committer.run(storage));
        Ok(Self { requests, published })
    }

    /// Stores a message. The answer comes after the commit: then the message survives the loss of power, and readers may
    /// see it.
    ///
    /// # Errors
    /// When it was not stored; trying again with the same id is safe.
    pub async fn append(&self, draft: Draft) -> Result<Appended, StoreError> {
        self.ask(|answer| Request::Append { draft, answer }).await
    }

    /// The first `limit` committed messages of a room after `after`, in order. What was committed lately comes from
    /// memory, older messages from the storage.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(
        &self,
        room: &str,
        after: LogOffset,
        limit: usize,
    ) -> Result<Vec<Arc<Stored>>, StoreError> {
        match self.published.tail(|tail| tail.read(room, after, limit)) {
            Some(page) => Ok(page),
            None => {
                reached!("store.read");
                self.ask(|answer| Request::Read { room: room.to_owned(), after, limit, answer }).await
            }
        }
    }

    /// The last committed offset.
    pub fn head(&self) -> LogOffset {
        self.published.tail(Tail::head)
    }

    /// Ends when the head is past `after`.
    ///
    /// # Errors
    /// When the committer is gone.
    pub async fn committed_beyond(&self, after: LogOffset) -> Result<(), StoreError> {
        self.published.beyond(after).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }
}

struct Committer {
    env: Env,
    requests: mpsc::Receiver<Request>,
    published: Arc<Published>,
}

impl Committer {
    /// Until the last handle is dropped, or the process dies.
    async fn run<S: MessageLog>(mut self, mut storage: S) {
        let mut waiting = Vec::new();
        while self.requests.recv_many(&mut waiting, BATCH_MAX).await > 0 {
            let batch = Batch::new(std::mem::take(&mut waiting));
            let job = move || {
                let done = batch.run(&mut storage);
                (storage, done)
            };
            // Without an answer the process is dying: dropped with this task, the waiters hear that the store is closed.
            let Some((returned, done)) = self.env.run_blocking(job).await else {
                tracing::error!("the message log is closed: its storage did not come back from a commit");
                return;
            };
            storage = returned;
            self.finish(done);
        }
    }

    fn finish(&self, done: Done) {
        if let Ok(appended) = &done.appended {
            self.publish(done.drafts, appended);
        }
        answer_appends(done.append_answers, done.appended);
        for (answer, page) in done.pages {
            hand_over(answer, page);
        }
    }

    fn publish(&self, drafts: Vec<Draft>, appended: &[Appended]) {
        let new = drafts.into_iter().zip(appended).filter_map(|(draft, appended)| {
            let Appended::New(offset) = *appended else { return None };
            let Draft { room, id, content, at: _ } = draft;
            Some(Stored { offset, room, id, content })
        });
        self.published.show(new);
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.published.close();
    }
}

fn answer_appends(answers: Vec<Answer<Appended>>, committed: Result<Vec<Appended>, StoreError>) {
    match committed {
        Ok(appended) => {
            debug_assert_eq!(answers.len(), appended.len(), "a storage says what became of each draft");
            if answers.len() > 1 {
                reached!("store.batched");
            }
            for (answer, appended) in answers.into_iter().zip(appended) {
                match appended {
                    Appended::New(_) => {}
                    Appended::Repeat(_) => reached!("store.repeat"),
                    Appended::Conflict => reached!("store.conflict"),
                }
                hand_over(answer, Ok(appended));
            }
        }
        Err(error) => {
            reached!("store.commit_failed");
            tracing::warn!(%error, messages = answers.len(), "a batch was not stored");
            for answer in answers {
                hand_over(answer, Err(error.clone()));
            }
        }
    }
}

/// Who asked may be gone; what was done stays done.
fn hand_over<T>(answer: Answer<T>, result: Result<T, StoreError>) {
    drop(answer.send(result));
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::SystemTime;

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use crate::store::testing::{DyingBlocking, inline_env, log_in_memory};
    use crate::store::{MessageId, SqliteLog};

    use super::*;

    fn draft(content: &str) -> Draft {
        let id = Some(MessageId(content.into()));
        Draft { room: "general".to_owned(), id, content: content.to_owned(), at: SystemTime::UNIX_EPOCH }
    }

    fn contents(page: &[Arc<Stored>]) -> Vec<&str> {
        page.iter().map(|message| message.content.as_str()).collect()
    }

    /// A storage that counts its batches and reads, and fails when told to.
    struct Watched {
        storage: SqliteLog,
        calls: Arc<Mutex<Vec<String>>>,
        fails: Arc<AtomicBool>,
    }

    impl Watched {
        fn new() -> (Self, Arc<Mutex<Vec<String>>>, Arc<AtomicBool>) {
            let (calls, fails) = (Arc::default(), Arc::default());
            (
                Self { storage: log_in_memory(), calls: Arc::clone(&calls), fails: Arc::clone(&fails) },
                calls,
                fails,
            )
        }

        fn called(&self, call: String) {
            self.calls.lock().unwrap().push(call);
        }
    }

    impl MessageLog for Watched {
        fn append(&mut self, batch: &[Draft]) -> Result<Vec<Appended>, StoreError> {
            self.called(format!("append {}", batch.len()));
            if self.fails.load(Ordering::Relaxed) {
                return Err(StoreError::Database("no space".to_owned()));
            }
            self.storage.append(batch)
        }

        fn read(&mut self, room: &str, after: LogOffset, limit: usize) -> Result<Vec<Stored>, StoreError> {
            self.called(format!("read after {after}"));
            self.storage.read(room, after, limit)
        }

        fn head(&mut self) -> Result<LogOffset, StoreError> {
            self.storage.head()
        }
    }

    #[tokio::test]
    async fn what_waits_is_committed_as_one_batch_and_answered_each() {
        let (watched, calls, _) = Watched::new();
        let log = Log::open(&inline_env(), watched).await.unwrap();

        let answers = join_all(["a", "b", "a", "c"].map(|content| log.append(draft(content)))).await;

        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        let expected = [
            Appended::New(LogOffset(1)),
            Appended::New(LogOffset(2)),
            Appended::Repeat(LogOffset(1)),
            Appended::New(LogOffset(3)),
        ];
        assert_eq!(answers, expected);
        assert_eq!(*calls.lock().unwrap(), ["append 4"]);
        assert_eq!(log.head(), LogOffset(3));
    }

    #[tokio::test]
    async fn what_is_acknowledged_can_be_read_at_once() {
        let log = Log::open(&inline_env(), log_in_memory()).await.unwrap();
        let sender = log.append(draft("a"));
        let reader = async {
            log.committed_beyond(LogOffset::START).await.unwrap();
            log.read("general", LogOffset::START, 10).await.unwrap()
        };

        sender.await.unwrap();
        let page = reader.now_or_never().expect("it was published before it was acknowledged");

        assert_eq!(contents(&page), ["a"]);
    }

    #[tokio::test]
    async fn recent_messages_come_from_memory_and_older_ones_from_the_storage() {
        let (mut watched, calls, _) = Watched::new();
        watched.storage.append(&[draft("old")]).unwrap();
        let log = Log::open(&inline_env(), watched).await.unwrap();
        log.append(draft("new")).await.unwrap();

        let recent = log.read("general", LogOffset(1), 10).await.unwrap();
        let all = log.read("general", LogOffset::START, 10).await.unwrap();

        assert_eq!((contents(&recent), contents(&all)), (vec!["new"], vec!["old", "new"]));
        assert_eq!(*calls.lock().unwrap(), ["append 1", "read after 0"]);
    }

    #[tokio::test]
    async fn an_error_reaches_every_waiter_of_its_batch_and_the_next_batch_works() {
        let (watched, _, fails) = Watched::new();
        let log = Log::open(&inline_env(), watched).await.unwrap();

        fails.store(true, Ordering::Relaxed);
        let refused = join_all(["a", "b"].map(|content| log.append(draft(content)))).await;
        assert_eq!(refused, vec![Err(StoreError::Database("no space".to_owned())); 2]);
        assert_eq!(log.head(), LogOffset::START);

        fails.store(false, Ordering::Relaxed);
        assert_eq!(log.append(draft("a")).await, Ok(Appended::New(LogOffset(1))));
    }

    #[tokio::test]
    async fn repeats_do_not_wake_who_waits_for_a_commit() {
        let log = Log::open(&inline_env(), log_in_memory()).await.unwrap();
        log.append(draft("a")).await.unwrap();
        let beyond = log.committed_beyond(LogOffset(1));
        tokio::pin!(beyond);

        log.append(draft("a")).await.unwrap();
        assert!(beyond.as_mut().now_or_never().is_none());

        log.append(draft("b")).await.unwrap();
        assert_eq!(beyond.await, Ok(()));
    }

    #[tokio::test]
    async fn a_process_that_dies_inside_a_commit_closes_the_log() {
        let blocking = Arc::new(DyingBlocking::default());
        let env = Env { blocking: blocking.clone(), ..inline_env() };
        let log = Log::open(&env, log_in_memory()).await.unwrap();

        blocking.die();

        assert_eq!(log.append(draft("a")).await, Err(StoreError::Closed));
        assert_eq!(log.committed_beyond(LogOffset::START).await, Err(StoreError::Closed));
        assert_eq!(log.append(draft("b")).await, Err(StoreError::Closed));
    }
}
