//! Where sessions are kept beyond the server's life: the seam, and the one task that owns what is behind it.
//!
//! In go batches from the hub's task, one at a time; out it hears that each is kept, or that the store has failed. Then no
//! more is kept, and what was kept is forgotten, so that no later server takes it for all there was.

use std::error::Error;
use std::sync::Weak;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use crate::io::Env;
use crate::socket::stored::{SessionBatch, StoredSessions};

use super::Shared;
use super::hub_task::ToHub;

/// How long to wait before a store that failed is asked again to forget.
const RETRY: Duration = Duration::from_secs(1);

/// Why a store cannot do what it was asked.
pub type SessionStoreError = Box<dyn Error + Send + Sync>;

/// Where sessions are kept: the seam. Called by one owner, inside [`crate::io::env::Blocking`]. Times are the wall clock's:
/// between the lives of a server there is no other.
pub trait SessionStore: Send + 'static {
    /// All that was kept; `None` where nothing ever was, or it was forgotten.
    ///
    /// # Errors
    /// When it cannot be read.
    fn load(&mut self, now: SystemTime) -> Result<Option<StoredSessions>, SessionStoreError>;

    /// Keeps a batch durably, all of it or nothing.
    ///
    /// # Errors
    /// When it may not be kept. It is not tried again.
    fn commit(&mut self, batch: &SessionBatch, now: SystemTime) -> Result<(), SessionStoreError>;

    /// Forgets everything, durably.
    ///
    /// # Errors
    /// When something may still be there.
    fn clear(&mut self) -> Result<(), SessionStoreError>;
}

/// A store that is idle.
type Idle = Box<dyn SessionStore>;

/// The owner of a store.
pub(super) struct Keeper {
    env: Env,
    store: Idle,
    /// Weak, so that the server ends with the last who uses it.
    shared: Weak<Shared>,
}

impl Keeper {
    pub(super) fn new(env: &Env, store: Idle, shared: Weak<Shared>) -> Self {
        Self { env: env.clone(), store, shared }
    }

    /// What the store has, and where to hand in what it is to keep. `None` where it has failed.
    pub(super) async fn open(self) -> Option<(Option<StoredSessions>, mpsc::UnboundedSender<SessionBatch>)> {
        let now = self.env.clock.wall();
        let (keeper, loaded) = self.ask(move |store| store.load(now)).await?;
        match loaded {
            Ok(stored) => {
                let (batches, received) = mpsc::unbounded_channel();
                keeper.env.clone().spawn(keeper.keep(received));
                Some((stored, batches))
            }
            Err(error) => {
                tracing::error!(%error, "sessions cannot be loaded: those of before are not recovered, and none is stored");
                keeper.env.clone().spawn(keeper.forget());
                None
            }
        }
    }

    /// Until the hub is no more, or the store has failed.
    async fn keep(mut self, mut batches: mpsc::UnboundedReceiver<SessionBatch>) {
        while let Some(batch) = batches.recv().await {
            let (id, now) = (batch.id, self.env.clock.wall());
            // Without an answer the process is dying.
            let Some((keeper, kept)) = self.ask(move |store| store.commit(&batch, now)).await else { return };
            self = keeper;
            match kept {
                Ok(()) => self.tell_hub(ToHub::Persisted(id)),
                Err(error) => {
                    tracing::error!(%error, "sessions are not stored any more: none is recovered after a restart");
                    self.tell_hub(ToHub::PersistFailed);
                    return self.forget().await;
                }
            }
        }
        self.close().await;
    }

    /// What the store has is not all any more.
    async fn forget(mut self) {
        loop {
            let Some((keeper, forgotten)) = self.ask(|store| store.clear()).await else { return };
            self = keeper;
            match forgotten {
                Ok(()) => return self.close().await,
                Err(error) => tracing::warn!(%error, "sessions that are out of date cannot be forgotten yet"),
            }
            if self.shared.strong_count() == 0 {
                return self.close().await;
            }
            self.env.sleep(RETRY).await;
        }
    }

    /// A database waits for its disk as it closes, so that is a job too.
    async fn close(self) {
        let Self { env, store, shared: _ } = self;
        env.run_blocking(|| drop(store)).await.unwrap_or_default();
    }

    async fn ask<T: Send + 'static>(
        self,
        job: impl FnOnce(&mut Idle) -> T + Send + 'static,
    ) -> Option<(Self, T)> {
        let Self { env, mut store, shared } = self;
        let job = move || {
            let answer = job(&mut store);
            (store, answer)
        };
        let (store, answer) = env.run_blocking(job).await?;
        Some((Self { env, store, shared }, answer))
    }

    fn tell_hub(&self, input: ToHub) {
        if let Some(shared) = self.shared.upgrade() {
            shared.tell_hub(input);
        }
    }
}
