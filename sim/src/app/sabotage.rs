//! Bugs put in on purpose, each at a seam: a checker that cannot find them is blind.
//!
//! The first two are what the official tutorial does; the third is what a database set up for speed does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use squall::chat::ChatLog;
use squall::chat::wire::{CHAT_MESSAGE, DEFAULT_ROOM};
use squall::store::{Appended, Draft, Log, LogOffset, MessageId, MessageLog, StoreError, Stored};
use squall::{Env, Server, Socket};
use tokio::sync::mpsc;

use crate::check::Anomaly;
use crate::draw::{Stream, draw_duration};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Each handler broadcasts its message when its own commit completes, and completions overtake each other.
    HandlersEmit,
    /// A message is acknowledged before it is committed.
    AcknowledgeFirst,
    /// A repeat is stored as if it were new.
    SkipDuplicateCheck,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HandlersEmit, Self::AcknowledgeFirst, Self::SkipDuplicateCheck];

    /// As the command line names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HandlersEmit => "handlers-emit",
            Self::AcknowledgeFirst => "acknowledge-first",
            Self::SkipDuplicateCheck => "skip-duplicate-check",
        }
    }

    /// The promise that it breaks.
    pub fn breaks(self) -> Anomaly {
        match self {
            // What overtakes is shown, and what was overtaken is older than what is shown: it never will be.
            Self::HandlersEmit => Anomaly::Lost,
            Self::AcknowledgeFirst => Anomaly::AckWithoutCommit,
            Self::SkipDuplicateCheck => Anomaly::DuplicateCommit,
        }
    }
}

/// A message log that stores a repeat as if it were new: each message gets an id of its own, which readers do not see.
pub(super) struct SkipDuplicateCheck<L> {
    log: L,
    stored: u64,
}

/// Stands between a message's id and what makes it unique.
const SALT: char = '#';

impl<L: MessageLog> SkipDuplicateCheck<L> {
    pub(super) fn new(log: L) -> Self {
        Self { log, stored: 0 }
    }

    fn salted(&mut self, draft: &Draft) -> Result<Draft, StoreError> {
        // Offsets outlive a restart of the server, a counter alone would not.
        let head = self.log.head()?;
        self.stored += 1;
        let salted = |id: &MessageId| MessageId(format!("{id}{SALT}{head}.{}", self.stored));
        Ok(Draft { id: draft.id.as_ref().map(salted), ..draft.clone() })
    }
}

impl<L: MessageLog> MessageLog for SkipDuplicateCheck<L> {
    fn append(&mut self, batch: &[Draft]) -> Result<Vec<Appended>, StoreError> {
        let salted = batch.iter().map(|draft| self.salted(draft)).collect::<Result<Vec<_>, _>>()?;
        self.log.append(&salted)
    }

    fn read(&mut self, room: &str, after: LogOffset, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let unsalted = |id: MessageId| MessageId(id.0.split(SALT).next().unwrap_or_default().to_owned());
        let stored = self.log.read(room, after, limit)?;
        Ok(stored.into_iter().map(|message| Stored { id: message.id.map(unsalted), ..message }).collect())
    }

    fn head(&mut self) -> Result<LogOffset, StoreError> {
        self.log.head()
    }
}

/// A log that answers at once and commits a moment later, in order.
#[derive(Clone)]
pub(super) struct AcknowledgeFirst {
    log: Log,
    queue: mpsc::UnboundedSender<Draft>,
    promised: Arc<AtomicU64>,
}

/// How long the commits are behind the answers.
const BEHIND: Duration = Duration::from_millis(300);

impl AcknowledgeFirst {
    pub(super) fn new(env: &Env, log: Log) -> Self {
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

/// A chat server written as the official tutorial is: the log is read once at connect, and each handler broadcasts for
/// itself after its own commit.
#[derive(Clone)]
pub(super) struct HandlersEmit {
    env: Env,
    server: Server,
    log: Log,
    seed: u64,
    /// The highest offset that was broadcast.
    broadcast: Arc<Mutex<LogOffset>>,
}

impl HandlersEmit {
    pub(super) fn serve(env: &Env, server: &Server, log: &Log, seed: u64) {
        let (env, server, log) = (env.clone(), server.clone(), log.clone());
        let broadcast = Arc::new(Mutex::new(log.head()));
        let chat = Self { env, server: server.clone(), log, seed, broadcast };
        server.on_connect(move |socket| {
            let chat = chat.clone();
            async move {
                chat.replay(&socket).await;
                socket.on(CHAT_MESSAGE, move |_, incoming| {
                    let chat = chat.clone();
                    async move { chat.take(incoming).await }
                });
            }
        });
    }

    async fn replay(&self, socket: &Socket) {
        let from = socket.auth()["serverOffset"].as_u64().unwrap_or_default();
        let mut shown = LogOffset(from);
        for message in self.log.read(DEFAULT_ROOM, shown, usize::MAX).await.unwrap_or_default() {
            let meta = json!({ "room": message.room, "id": message.id, "prev": shown });
            socket.emit(CHAT_MESSAGE, vec![json!(message.content), json!(message.offset), meta]);
            shown = message.offset;
        }
    }

    async fn take(&self, incoming: squall::io::Incoming) {
        let (Ok(content), Ok(id)) = (incoming.args.get::<String>(0), incoming.args.get::<MessageId>(1))
        else {
            return;
        };
        let draft = Draft {
            room: DEFAULT_ROOM.to_owned(),
            id: Some(id.clone()),
            content: content.clone(),
            at: self.env.clock.wall(),
        };
        let Ok(appended) = self.log.append(draft).await else { return };
        if let Appended::New(offset) = appended {
            // What a slower continuation does: later commits overtake this one.
            let overtaken = draw_duration(
                Duration::ZERO..=Duration::from_millis(100),
                self.seed,
                Stream::Sabotage,
                "overtake",
                offset.0,
            );
            self.env.sleep(overtaken).await;
            self.broadcast(&content, &id, offset);
        }
        if let Some(offset) = appended.offset() {
            incoming.ack.send(vec![json!({ "offset": offset })]);
        }
    }

    fn broadcast(&self, content: &str, id: &MessageId, offset: LogOffset) {
        let mut broadcast = self.broadcast.lock().expect("no one panics while holding it");
        let meta = json!({ "room": DEFAULT_ROOM, "id": id, "prev": *broadcast });
        self.server.emit(CHAT_MESSAGE, vec![json!(content), json!(offset), meta]);
        *broadcast = offset.max(*broadcast);
    }
}
