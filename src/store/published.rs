//! What is committed, for those who read: in goes each batch, out come pages of what was committed lately, and word that
//! there is more.
//!
//! Promise: who waits for more is woken in the order in which they began to wait, so that no reader is left to chance.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

use super::tail::Tail;
use super::{LogOffset, StoreError, Stored};

/// The end of the log, and who waits there.
pub(super) struct Published {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    tail: Tail,
    /// Nothing will be committed any more.
    closed: bool,
}

impl Published {
    /// Of a log whose last offset is `head`.
    pub(super) fn new(head: LogOffset) -> Self {
        let state = State { tail: Tail::new(head), closed: false };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Shows messages that were just committed. Wakes no one where there are none.
    pub(super) fn show(&self, messages: impl Iterator<Item = Stored>) {
        let shown = messages.map(|message| self.lock().tail.push(message)).count();
        // Only now, when the tail has them: who is woken reads there.
        if shown > 0 {
            self.changed.notify_waiters();
        }
    }

    /// Nothing more will be shown.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// Lets look at the last messages.
    pub(super) fn tail<T>(&self, look: impl FnOnce(&Tail) -> T) -> T {
        look(&self.lock().tail)
    }

    /// Ends when the head is past `after`.
    ///
    /// # Errors
    /// When it never will be.
    pub(super) async fn beyond(&self, after: LogOffset) -> Result<(), StoreError> {
        loop {
            // Registered before looking, or a change in between would be missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let state = self.lock();
                if state.tail.head() > after {
                    return Ok(());
                }
                if state.closed {
                    return Err(StoreError::Closed);
                }
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::StreamExt;
    use futures_util::stream::FuturesUnordered;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_in_the_order_in_which_they_began_to() {
        let published = Arc::new(Published::new(LogOffset::START));
        let readers: FuturesUnordered<_> = (0..100)
            .map(|reader| {
                let published = Arc::clone(&published);
                async move { published.beyond(LogOffset::START).await.map(|()| reader) }
            })
            .collect();
        let read = readers.map(Result::unwrap).collect::<Vec<usize>>();
        let write = async {
            let message = Stored {
                offset: LogOffset(1),
                room: "general".to_owned(),
                id: None,
                content: "hello".to_owned(),
            };
            published.show(std::iter::once(message));
        };

        // All of them wait before anything is shown.
        let (woken, ()) = tokio::join!(biased; read, write);

        assert_eq!(woken, (0..100).collect::<Vec<_>>());
    }
}
