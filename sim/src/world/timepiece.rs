//! The clocks of one machine: what its processes take for the time.
//!
//! In: true virtual time, and which faults make the clocks run wrong or show the wrong date. Out: a *monotonic* clock, which
//! every timer follows, and which runs at 98 to 102 % of true time and never jumps; and a *wall* clock, which runs with it and
//! may leap both ways. The clocks outlive the processes, and what a wrong pace has gained stays gained.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use super::host::Host;
use super::kernel::{MachineId, Network};
use super::moment;
use crate::scenario::limits::CLOCK_PERCENT;

/// The clocks of one machine.
pub(super) struct Timepiece {
    /// No fault of the plan makes it run wrong: then its monotonic clock needs no looking after.
    runs_true: bool,
    /// What a fault did is counted here, and is one of this machine.
    network: Arc<Network>,
    machine: MachineId,
    dials: Mutex<Dials>,
    /// Told when the pace changes: who sleeps looks again for how long.
    changed: Notify,
}

#[derive(Default)]
struct Dials {
    /// When the pace changed last, in true time, and what the monotonic clock showed then.
    since: Duration,
    shown: Duration,
    /// In percent of true time, by the faults that say so.
    paces: Vec<(usize, u64)>,
    leaps: Vec<Leap>,
}

/// By how much a fault has put the wall clock wrong.
struct Leap {
    fault: usize,
    by: Duration,
    back: bool,
}

impl Timepiece {
    /// Clocks that show true time. `runs_true` promises that [`Timepiece::skew`] is never called.
    pub(super) fn new(network: &Arc<Network>, machine: MachineId, runs_true: bool) -> Self {
        let (network, dials) = (Arc::clone(network), Mutex::default());
        Self { runs_true, network, machine, dials, changed: Notify::new() }
    }

    /// From now on both clocks run at so many percent of true time, and at what other faults say.
    pub(super) fn skew(&self, fault: usize, percent: u64) {
        self.change_pace(|paces| paces.push((fault, percent)));
    }

    /// This fault no longer changes the pace.
    pub(super) fn unskew(&self, fault: usize) {
        self.change_pace(|paces| paces.retain(|(other, _)| *other != fault));
    }

    fn change_pace(&self, change: impl FnOnce(&mut Vec<(usize, u64)>)) {
        let mut dials = self.dials();
        let now = moment::now();
        dials.shown = dials.monotonic(now);
        dials.since = now;
        change(&mut dials.paces);
        drop(dials);
        self.changed.notify_waiters();
    }

    /// The wall clock leaps.
    pub(super) fn leap(&self, fault: usize, by: Duration, back: bool) {
        self.dials().leaps.push(Leap { fault, by, back });
    }

    /// The wall clock leaps to where it would be without this fault.
    pub(super) fn leap_back(&self, fault: usize) {
        self.dials().leaps.retain(|leap| leap.fault != fault);
    }

    /// What the monotonic clock shows now, since the start of the run.
    pub(super) fn monotonic(&self) -> Duration {
        if self.runs_true {
            return moment::now();
        }
        self.dials_unless_held().map_or_else(moment::now, |dials| dials.monotonic(moment::now()))
    }

    /// What the wall clock shows now.
    pub(super) fn wall(&self) -> SystemTime {
        let mut wall = SystemTime::UNIX_EPOCH + moment::EPOCH + self.monotonic();
        let Some(dials) = self.dials_unless_held() else { return wall };
        for leap in &dials.leaps {
            wall = if leap.back { wall - leap.by } else { wall + leap.by };
            self.network.links.count(leap.fault, self.machine, 1);
        }
        wall
    }

    /// Ends when the monotonic clock has reached `until`, whatever becomes of its pace meanwhile.
    pub(super) fn sleep_until(
        self: &Arc<Self>,
        host: &Host,
        until: Duration,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (clock, host) = (Arc::clone(self), host.clone());
        async move {
            loop {
                // Registered before looking, or a change in between would be missed.
                let mut changed = pin!(clock.changed.notified());
                changed.as_mut().enable();
                let due = clock.dials().due(until);
                tokio::select! {
                    biased;
                    () = changed => {}
                    () = host.sleep_until(due) => break,
                }
            }
            // It took another time than it would have.
            for (fault, _) in &clock.dials().paces {
                clock.network.links.count(*fault, clock.machine, 1);
            }
        }
    }

    /// Whether who sleeps need not know of the pace.
    pub(super) fn runs_true(&self) -> bool {
        self.runs_true
    }

    /// A run is one thread. So whoever asks for the time while the dials are held is an allocator, which was called in the
    /// midst of it and looks how long ago something was given back. It is shown true time: to wait would be for ever.
    fn dials_unless_held(&self) -> Option<MutexGuard<'_, Dials>> {
        match self.dials.try_lock() {
            Ok(dials) => Some(dials),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(_)) => unreachable!("no one panics while holding it"),
        }
    }

    fn dials(&self) -> MutexGuard<'_, Dials> {
        self.dials.lock().expect("no one panics while holding it")
    }
}

impl Dials {
    /// Where faults overlap their errors add up, as far as clocks can be wrong.
    fn percent(&self) -> u128 {
        let fast: u64 = self.paces.iter().map(|(_, percent)| percent.saturating_sub(100)).sum();
        let slow: u64 = self.paces.iter().map(|(_, percent)| 100_u64.saturating_sub(*percent)).sum();
        let (least, most) = CLOCK_PERCENT.into_inner();
        u128::from((100 + fast).saturating_sub(slow).clamp(least, most))
    }

    fn monotonic(&self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.since).as_nanos();
        self.shown.saturating_add(nanoseconds(passed * self.percent() / 100))
    }

    /// The true time at which the monotonic clock shows `until`, at this pace.
    fn due(&self, until: Duration) -> Duration {
        let missing = until.saturating_sub(self.shown).as_nanos();
        self.since.saturating_add(nanoseconds((missing * 100).div_ceil(self.percent())))
    }
}

fn nanoseconds(nanoseconds: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::Recorder;
    use crate::plan::Backend;
    use crate::reach::Trail;
    use crate::units::SpanRange;
    use crate::world::backend;
    use crate::world::bell::Bell;
    use crate::world::kernel::Observers;
    use crate::world::seen::Witness;

    proptest! {
        #[test]
        fn a_clock_never_jumps_and_shows_what_is_waited_for_when_it_is_due(
            since in 0..100_000_000_000_u64,
            shown in 0..100_000_000_000_u64,
            percent in 98..=102_u64,
            later in 0..100_000_000_000_u64,
        ) {
            let [since, shown, later] = [since, shown, later].map(Duration::from_nanos);
            let dials = Dials { since, shown, paces: vec![(0, percent)], leaps: Vec::new() };

            prop_assert_eq!(dials.monotonic(since), shown);
            let due = dials.due(shown + later);
            prop_assert!(dials.monotonic(due) >= shown + later);
            prop_assert!(due == since || dials.monotonic(due - Duration::from_nanos(1)) < shown + later);
        }
    }

    #[test]
    fn errors_add_up_as_far_as_clocks_can_be_wrong() {
        let percent = |paces: &[u64]| {
            let paces = paces.iter().map(|percent| (0, *percent)).collect();
            Dials { paces, ..Dials::default() }.percent()
        };

        assert_eq!((percent(&[]), percent(&[101]), percent(&[98])), (100, 101, 98));
        assert_eq!((percent(&[102, 99]), percent(&[102, 102]), percent(&[98, 98])), (101, 102, 98));
    }

    #[test]
    fn who_asks_while_the_dials_are_held_is_shown_true_time_and_does_not_wait() {
        let (backend, carriers) = backend::start(Backend::Event, 1).unwrap();
        let recorder = Recorder::new();
        let observers = Observers {
            trail: Trail::new(&recorder),
            recorder,
            bell: Bell::default(),
            witness: Witness::default(),
        };
        let machines = vec![("alice".into(), 0)];
        let network = Network::new(1, SpanRange::default(), machines, backend.hosts(), carriers, observers);
        let clock = Timepiece::new(&network, MachineId(0), false);
        clock.skew(0, 102);
        clock.leap(1, Duration::from_secs(9), false);
        moment::set(Duration::from_secs(100));
        let wrong = (clock.monotonic(), clock.wall());

        let held = clock.dials();
        let asked = (clock.monotonic(), clock.wall());
        drop(held);

        let date = |since| SystemTime::UNIX_EPOCH + moment::EPOCH + Duration::from_secs(since);
        assert_eq!(asked, (Duration::from_secs(100), date(100)));
        assert_eq!(wrong, (Duration::from_secs(102), date(111)));
    }
}
