//! Sees when a run no longer moves: runs go in, the plans of those whose virtual time stands still come out.
//!
//! Code under test that loops without yielding stops its whole world, and nothing in that world can end it. Nor can this:
//! a thread cannot be killed. Whoever is told can only say so and leave the program.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::app::App;
use crate::plan::Plan;
use crate::world::{self, Outcome, RunOptions};

use super::{LOOKS, Watch};

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
    plan: Plan,
    /// Milliseconds of virtual time.
    progress: Arc<AtomicU64>,
    seen: u64,
    /// How many looks have seen the same.
    still: u32,
}

impl Watchdog {
    /// Watches the runs of some work while it goes on.
    pub(super) fn over<T>(watch: &Watch<'_>, work: impl FnOnce(&Self) -> T) -> T {
        let watchdog = Self::default();
        let (working, over) = channel::<()>();
        std::thread::scope(|scope| {
            let watched = &watchdog;
            scope.spawn(move || {
                while over.recv_timeout(watch.patience / LOOKS) == Err(RecvTimeoutError::Timeout) {
                    watched.look().iter().for_each(watch.stuck);
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
        let number = self.begin(plan, &progress);
        let outcome = world::run_watched(plan, app, options, &progress);
        self.runs().going_on.remove(&number);
        outcome
    }

    fn begin(&self, plan: &Plan, progress: &Arc<AtomicU64>) -> u64 {
        let mut runs = self.runs();
        runs.begun += 1;
        let number = runs.begun;
        let run = Run { plan: plan.clone(), progress: Arc::clone(progress), seen: 0, still: 0 };
        runs.going_on.insert(number, run);
        number
    }

    /// The plans whose runs have stood still for long enough at this look.
    fn look(&self) -> Vec<Plan> {
        let mut stuck = Vec::new();
        for run in self.runs().going_on.values_mut() {
            let now = run.progress.load(Ordering::Relaxed);
            run.still = if now == run.seen { run.still + 1 } else { 0 };
            run.seen = now;
            if run.still == LOOKS {
                stuck.push(run.plan.clone());
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
    use crate::check::planted::plan;

    fn watched(progress: &Arc<AtomicU64>) -> Watchdog {
        let watchdog = Watchdog::default();
        watchdog.begin(&Plan { seed: 7, ..plan() }, progress);
        watchdog
    }

    #[test]
    fn who_stands_still_for_all_looks_is_named_once() {
        let watchdog = watched(&Arc::default());
        let named: Vec<Plan> = (0..3 * LOOKS).flat_map(|_| watchdog.look()).collect();
        assert_eq!(named, [Plan { seed: 7, ..plan() }]);
    }

    #[test]
    fn who_moves_between_two_looks_is_not() {
        let progress = Arc::default();
        let watchdog = watched(&progress);
        for _ in 0..5 {
            let named: Vec<Plan> = (1..LOOKS).flat_map(|_| watchdog.look()).collect();
            assert_eq!(named, []);
            progress.fetch_add(10, Ordering::Relaxed);
            assert_eq!(watchdog.look(), []);
        }
    }
}
