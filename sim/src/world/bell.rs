//! Wakes the loop of a run before its time: something has happened that it must see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use tokio::sync::Notify;

/// A handle: cheap to clone. However often it is rung before it is answered, it rings once.
#[derive(Clone, Default)]
pub(super) struct Bell {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    rings: AtomicBool,
    changed: Notify,
}

impl Bell {
    /// Something has happened.
    pub(super) fn ring(&self) {
        self.inner.ring();
    }

    /// The same for those who know no bells.
    pub(super) fn waker(&self) -> Waker {
        Arc::clone(&self.inner).into()
    }

    /// Stops ringing: who looks now sees all that it was rung for.
    pub(super) fn answer(&self) {
        self.inner.rings.store(false, Ordering::Relaxed);
    }

    pub(super) fn rings(&self) -> bool {
        self.inner.rings.load(Ordering::Relaxed)
    }

    /// Ends when it rings.
    pub(super) async fn heard(&self) {
        while !self.rings() {
            self.inner.changed.notified().await;
        }
    }
}

impl Inner {
    fn ring(&self) {
        if !self.rings.swap(true, Ordering::Relaxed) {
            self.changed.notify_one();
        }
    }
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn it_rings_until_it_is_answered_and_can_be_rung_again() {
        let bell = Bell::default();
        let mut context = Context::from_waker(Waker::noop());

        for _ in 0..2 {
            let mut heard = pin!(bell.heard());
            assert_eq!(heard.as_mut().poll(&mut context), Poll::Pending);
            bell.waker().wake();
            bell.ring();
            assert_eq!(heard.as_mut().poll(&mut context), Poll::Ready(()));
            assert!(bell.rings());
            bell.answer();
            assert!(!bell.rings());
        }
    }
}
