//! Sees when a run no longer moves: runs go in, the seeds of those whose virtual time stands still come out.
//!
//! Code under test that loops without yielding stops its whole world, and nothing in that world can end it. Nor can this:
//! a thread cannot be killed. Whoever is told can only say so and leave the program.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::app::App;
use crate::plan::Plan;
use crate::world::{self, Outcome, RunOptions};

use super::LOOKS;

/// The runs that go on.
#[derive(Default)]
pub(super) struct Watchdog {
    runs: Mutex<Runs>,
}

#[derive(Default)]
struct Runs {
    begun: u64,
    /// By the order in which they began.
    going_on: BTreeMap<u64, Run>,
}

struct Run {
    seed: u64,
    /// Milliseconds of virtual time.
    progress: Arc<AtomicU64>,
    seen: u64,
    /// How many looks have seen the same.
    still: u32,
}

impl Watchdog {
    /// Watches the runs of some work while it goes on. `stuck` hears the seed of each that stands still for `patience`.
    pub(super) fn over<T>(
        patience: Duration,
        stuck: &(dyn Fn(u64) + Sync),
        work: impl FnOnce(&Self) -> T,
    ) -> T {
        let watchdog = Self::default();
        let (working, over) = channel::<()>();
        std::thread::scope(|scope| {
            let watched = &watchdog;
            scope.spawn(move || {
                while over.recv_timeout(patience / LOOKS) == Err(RecvTimeoutError::Timeout) {
                    watched.look().into_iter().for_each(stuck);
                }
            });
            let done = work(watched);
            drop(working);
            done
        })
    }

    /// Runs a plan to its end, watched.
    pub(super) fn run(&self, plan: &Plan, app: &dyn App, options: &RunOptions) -> Outcome {
        let progress = Arc::new(AtomicU64::new(0));
        let number = self.begin(plan.seed, &progress);
        let outcome = world::run_watched(plan, app, options, &progress);
        self.runs().going_on.remove(&number);
        outcome
    }

    fn begin(&self, seed: u64, progress: &Arc<AtomicU64>) -> u64 {
        let mut runs = self.runs();
        runs.begun += 1;
        let number = runs.begun;
        let run = Run { seed, progress: Arc::clone(progress), seen: 0, still: 0 };
        runs.going_on.insert(number, run);
        number
    }

    /// The seeds that have stood still for long enough at this look.
    fn look(&self) -> Vec<u64> {
        let mut stuck = Vec::new();
        for run in self.runs().going_on.values_mut() {
            let now = run.progress.load(Ordering::Relaxed);
            run.still = if now == run.seen { run.still + 1 } else { 0 };
            run.seen = now;
            if run.still == LOOKS {
                stuck.push(run.seed);
            }
        }
        stuck
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().expect("no one panics while holding it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(progress: &Arc<AtomicU64>) -> Watchdog {
        let watchdog = Watchdog::default();
        watchdog.begin(7, progress);
        watchdog
    }

    #[test]
    fn who_stands_still_for_all_looks_is_named_once() {
        let watchdog = watched(&Arc::default());
        let named: Vec<u64> = (0..3 * LOOKS).flat_map(|_| watchdog.look()).collect();
        assert_eq!(named, [7]);
    }

    #[test]
    fn who_moves_between_two_looks_is_not() {
        let progress = Arc::default();
        let watchdog = watched(&progress);
        for _ in 0..5 {
            let named: Vec<u64> = (1..LOOKS).flat_map(|_| watchdog.look()).collect();
            assert_eq!(named, [0; 0]);
            progress.fetch_add(10, Ordering::Relaxed);
            assert_eq!(watchdog.look(), [0; 0]);
        }
    }
}
