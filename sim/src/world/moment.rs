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
    static INSIDE: RefCell<Option<Inside>> = const { RefCell::new(None) };
}

/// In whose code the thread is.
#[derive(Clone)]
struct Inside {
    label: Arc<str>,
    clock: Arc<Timepiece>,
}

/// What the walls of every run show at its start, since 1970: the first second of 2026, UTC.
pub(super) const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// Virtual time since the start of the run.
pub(super) fn now() -> Duration {
    NOW.get()
}

/// The time since the start of the run as the process has it whose code is running; true time in the world's own code.
pub(super) fn monotonic() -> Duration {
    clock().map_or_else(now, |clock| clock.monotonic())
}

/// The date that goes with [`now`], or the one that the process has whose code is running.
pub(super) fn wall() -> SystemTime {
    clock().map_or_else(|| SystemTime::UNIX_EPOCH + EPOCH + now(), |clock| clock.wall())
}

fn clock() -> Option<Arc<Timepiece>> {
    INSIDE.try_with(|inside| inside.borrow().as_ref().map(|inside| Arc::clone(&inside.clock))).ok().flatten()
}

/// Sets the virtual time. It may step back when a host's turn begins: hosts live through a tick one after another.
pub(super) fn set(now: Duration) {
    NOW.set(now);
}

/// The life of the process whose code is running, such as `alice#1`; none in the world's own code.
pub(super) fn label() -> Option<Arc<str>> {
    INSIDE.try_with(|inside| inside.borrow().as_ref().map(|inside| Arc::clone(&inside.label))).ok().flatten()
}

/// The process that a label names, and which life of it.
pub(super) fn who(label: &str) -> Option<(&str, u32)> {
    let (process, life) = label.split_once('#')?;
    Some((process, life.parse().ok()?))
}

/// Says that a process's code runs until what is returned is dropped.
pub(super) fn enter(label: &Arc<str>, clock: &Arc<Timepiece>) -> Entered {
    Entered { before: INSIDE.replace(Some(Inside { label: Arc::clone(label), clock: Arc::clone(clock) })) }
}

/// See [`enter`].
#[must_use]
pub(super) struct Entered {
    before: Option<Inside>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        INSIDE.replace(self.before.take());
    }
}
