//! What the thread of a run knows of where it stands: the virtual time, and whose code is running.
//!
//! Set by the world between ticks and by every task as it is polled, so it is exact wherever code of a run can be.
//! Knows nothing of tokio and turmoil: the interposer reads it from inside libc calls.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static LABEL: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// What the walls of every run show at its start, since 1970: the first second of 2026, UTC.
pub(super) const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// Virtual time since the start of the run.
pub(super) fn now() -> Duration {
    NOW.get()
}

/// The date that goes with [`now`].
pub(super) fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + EPOCH + now()
}

/// Sets the virtual time. It may step back when a host's turn begins: hosts live through a tick one after another.
pub(super) fn set(now: Duration) {
    NOW.set(now);
}

/// The life of the process whose code is running, such as `alice#1`; none in the world's own code.
pub(super) fn label() -> Option<Arc<str>> {
    LABEL.try_with(|label| label.borrow().clone()).ok().flatten()
}

/// Says that a process's code runs until what is returned is dropped.
pub(super) fn enter(label: &Arc<str>) -> Entered {
    Entered { before: LABEL.replace(Some(Arc::clone(label))) }
}

/// See [`enter`].
#[must_use]
pub(super) struct Entered {
    before: Option<Arc<str>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        LABEL.replace(self.before.take());
    }
}
