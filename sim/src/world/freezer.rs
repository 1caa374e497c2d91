//! A process that stands still, as after SIGSTOP, and goes on, as after SIGCONT.
//!
//! In: which faults hold the process, and its tasks as they are about to run. Out: whether a task may run, and the wakers of
//! those that could not, in the order in which they were held. Its kernel does not stand still: it accepts connections, fills
//! buffers and lets timers expire, all of which the tasks find when they run again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;

/// Whether a process stands still, and what waits for it to go on.
#[derive(Default)]
pub(super) struct Freezer {
    /// Whether any fault holds it: asked at every poll.
    frozen: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The faults that hold it.
    by: Vec<usize>,
    /// The tasks that were to run since, each once.
    held: Vec<(u64, Waker)>,
}

impl Freezer {
    /// From now on nothing of it runs.
    pub(super) fn freeze(&self, fault: usize) {
        self.lock().by.push(fault);
        self.frozen.store(true, Ordering::Relaxed);
    }

    /// This fault holds it no more: when none does, all that was held is woken.
    pub(super) fn thaw(&self, fault: usize) {
        let mut state = self.lock();
        state.by.retain(|other| *other != fault);
        if state.by.is_empty() {
            self.frozen.store(false, Ordering::Relaxed);
            let held = std::mem::take(&mut state.held);
            drop(state);
            held.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }

    /// A task is to run. If it may not, which faults hold it back now: none where they have done so before.
    pub(super) fn hold(&self, task: u64, waker: &Waker) -> Option<Vec<usize>> {
        if !self.frozen.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.lock();
        if state.held.iter().any(|(held, _)| *held == task) {
            return Some(Vec::new());
        }
        state.held.push((task, waker.clone()));
        Some(state.by.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_when_the_last_fault_that_holds_it_ends() {
        let freezer = Freezer::default();
        freezer.freeze(1);
        freezer.freeze(2);

        assert_eq!(freezer.hold(7, Waker::noop()), Some(vec![1, 2]));
        assert_eq!(freezer.hold(7, Waker::noop()), Some(vec![]), "charged once");

        freezer.thaw(1);
        assert_eq!(freezer.hold(8, Waker::noop()), Some(vec![2]));
        freezer.thaw(2);
        assert_eq!(freezer.hold(7, Waker::noop()), None);
    }
}
