//! What the thread of a run knows of where it stands: the virtual time, and whose code is running.
//!
//! Set by the world between ticks and by every task as it is polled, so it is exact wherever code of a run can be.
//! Knows nothing of backends: the interposer reads it from inside libc calls.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::timepiece::Timepiece;

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static INSIDE: RefCell<Option<Arc<Identity>>> = const { RefCell::new(None) };
}

/// Who one life of a process is to the code that it calls.
pub(super) struct Identity {
    /// Its name and which life it is: `alice#1`.
    pub(super) label: Arc<str>,
    /// Its machine's.
    pub(super) clock: Arc<Timepiece>,
}

/// What the walls of every run show at its start, since 1970: the first second of 2026, UTC.
pub(super) const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// Virtual time since the start of the run.
pub(super) fn now() -> Duration {
    NOW.get()
}

/// The time since the start of the run as the process has it whose code is running; true time in the world's own code.
pub(super) fn monotonic() -> Duration {
    inside(|identity| identity.clock.monotonic()).unwrap_or_else(now)
}

/// The date that goes with [`now`], or the one that the process has whose code is running.
pub(super) fn wall() -> SystemTime {
    inside(|identity| identity.clock.wall()).unwrap_or_else(|| SystemTime::UNIX_EPOCH + EPOCH + now())
}

/// Asks about the process whose code is running.
fn inside<T>(ask: impl FnOnce(&Identity) -> T) -> Option<T> {
    INSIDE.try_with(|inside| inside.borrow().as_deref().map(ask)).ok().flatten()
}

/// Sets the virtual time. It may step back when a host's turn begins: hosts live through a tick one after another.
pub(super) fn set(now: Duration) {
    NOW.set(now);
}

/// The life of the process whose code is running, such as `alice#1`; none in the world's own code.
pub(super) fn label() -> Option<Arc<str>> {
    inside(|identity| Arc::clone(&identity.label))
}

/// The process that a label names, and which life of it.
pub(super) fn who(label: &str) -> Option<(&str, u32)> {
    let (process, life) = label.split_once('#')?;
    Some((process, life.parse().ok()?))
}

/// Says that a process's code runs until what is returned is dropped.
pub(super) fn enter(identity: &Arc<Identity>) -> Entered {
    Entered { before: INSIDE.replace(Some(Arc::clone(identity))) }
}

/// See [`enter`].
#[must_use]
pub(super) struct Entered {
    before: Option<Arc<Identity>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        INSIDE.replace(self.before.take());
    }
}
