//! The loop of a run: what users do, what breaks and what heals, until nothing is owed or time is over.
//!
//! It sleeps until the plan has something for it, or until the bell rings: for a cut that has come, a process that has
//! ended, or, when all that is left is to wait for what is owed, a record. Where the backend ticks, ops and faults happen
//! at the first tick at or after their time. At one moment faults end before others begin, and users act last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::backend::{self, Backend};
use super::bell::Bell;
use super::faults::{SHUTDOWN_GRACE, ends_at_next_tick};
use super::host::Host;
use super::kernel::{Network, Observers};
use super::roster::{self, Roster};
use super::seen::{Seen, Witness};
use super::triggers::Triggers;
use super::wait_chain::wait_chain;
use super::{RunOptions, moment, panics};
use crate::app::App;
use crate::check::{Ending, Owed};
use crate::history::{Kind, Recorder};
use crate::plan::{self, FaultAct, Plan, SERVER};
use crate::reach::Trail;
use crate::scenario::limits::TICK;

/// How long nothing must have been owed before the run is over: time for a late duplicate to show itself.
const QUIET: Duration = Duration::from_secs(2);

/// How long the loop sleeps at most: who watches the run hears of it so often.
const BEAT: Duration = Duration::from_secs(1);

/// A run that goes on.
pub(super) struct Drive<'a> {
    plan: &'a Plan,
    roster: Roster<'a>,
    network: Arc<Network>,
    backend: Box<dyn Backend>,
    bell: Bell,
    recorder: Recorder,
    triggers: Arc<Triggers>,
    /// What is still to happen.
    schedule: BTreeSet<(Duration, Event)>,
    owed: Owed,
    observed: usize,
    settled_since: Option<Duration>,
    /// When the plan changes the world for the last time.
    last_change: Duration,
    /// When the last fault ended whose end the run decides.
    ended_at: Duration,
    /// When the next process of a rolling restart starts.
    takes_over_at: Option<Duration>,
    /// How far the run is, in milliseconds of virtual time, for who watches it.
    progress: &'a AtomicU64,
    pub(super) stray_tasks: u64,
}

/// Something of the plan. At one moment they happen in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A fault heals.
    Ends(usize),
    /// It begins.
    Begins(usize),
    /// It begins from now on with what it waits for.
    Arms(usize),
    /// It asked a process to stop [`SHUTDOWN_GRACE`] ago.
    Insists(usize),
    Op(usize),
    /// What has not begun yet never does.
    Heals,
}

impl<'a> Drive<'a> {
    /// Every process has started; no time has passed.
    ///
    /// # Errors
    /// When the backend or a disk fails.
    pub(super) fn start(
        plan: &'a Plan,
        app: &'a (dyn App + Sync),
        options: &RunOptions,
        (recorder, trail): (&Recorder, &Trail),
        progress: &'a AtomicU64,
    ) -> Result<Self, String> {
        let (backend, carriers) = backend::start(plan.backend, plan.seed)?;
        moment::set(backend.now());
        let bell = Bell::default();
        let witness = if options.seen { Witness::attentive() } else { Witness::default() };
        let machines = roster::names(plan).map(|name| {
            let place = if *name == *SERVER { backend.server_place() } else { backend.clients_place() };
            (name, place)
        });
        let network = Network::new(
            plan.seed,
            plan.network.latency,
            machines.collect(),
            backend.hosts(),
            carriers,
            Observers { recorder: recorder.clone(), trail: trail.clone(), bell: bell.clone(), witness },
        );
        let mut roster = Roster::new(plan, app, &network, recorder)?;
        let triggers = Triggers::new(
            plan,
            #[cfg(test)]
            options,
            &network,
            roster.machines(),
            recorder,
        );
        // Before anything happens.
        let from_the_start = |fault: &plan::Fault| fault.at.soonest().is_zero();
        (0..plan.faults.len())
            .filter(|place| from_the_start(&plan.faults[*place]))
            .for_each(|place| triggers.arm(place));
        roster.start_all();
        Ok(Self {
            plan,
            roster,
            network,
            backend,
            bell,
            recorder: recorder.clone(),
            triggers,
            schedule: schedule(plan),
            owed: Owed::new(plan),
            observed: 0,
            settled_since: None,
            last_change: last_change(plan),
            ended_at: Duration::ZERO,
            takes_over_at: None,
            progress,
            stray_tasks: 0,
        })
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// When the backend fails.
    pub(super) fn finish(&mut self) -> Result<Ending, String> {
        loop {
            // Before looking: what happens from now on rings again.
            self.bell.answer();
            let now = self.backend.now();
            moment::set(now);
            self.look();
            self.play(now);
            if let Some(ending) = self.ending(now) {
                self.charge_disks();
                return Ok(ending);
            }
            let until = self.sleeps_until(now);
            self.backend.run(until, &self.bell)?;
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.backend.now()
    }

    /// What processes saw at their ends of connections, if that was asked for.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.network.witness.take()
    }

    /// How often each fault of the plan touched traffic.
    pub(super) fn touched(&self) -> BTreeMap<usize, u64> {
        let mut touched: BTreeMap<usize, u64> = (0..self.plan.faults.len()).map(|fault| (fault, 0)).collect();
        touched.extend(self.network.links.touched());
        touched
    }

    /// From now on no process does anything more.
    pub(super) fn silence(&self) {
        self.roster.silence();
    }

    /// Sees what has happened since it last looked.
    fn look(&mut self) {
        self.progress.store(millis(self.backend.now()), Ordering::Relaxed);
        self.roster.count_polls();
        self.see_what_began();
        self.roster.catch_up();
        self.end_what_is_over();
        let strays: u64 = self.backend.hosts().iter().map(Host::strays).sum();
        self.stray_tasks = self.stray_tasks.max(strays);
    }

    /// What is due happens.
    fn play(&mut self, now: Duration) {
        while let Some((at, event)) = self.schedule.first().copied().filter(|(at, _)| *at <= now) {
            self.schedule.pop_first();
            match event {
                Event::Op(op) => self.roster.act(&self.plan.ops[op].who, self.plan.ops[op].act.clone()),
                Event::Begins(place) => self.triggers.begin(place, at),
                Event::Arms(place) => self.triggers.arm(place),
                Event::Heals => self.triggers.disarm(),
                Event::Ends(place) if self.plan.stays(place) => {
                    tracing::debug!(fault = place, "fault stays for good");
                }
                Event::Ends(place) => self.triggers.end(place),
                Event::Insists(place) => {
                    self.triggers.insist(place);
                    if self.roster.is_to_take_over() {
                        // The plan ended it, at a tick of its own.
                        self.takes_over_at = Some(self.backend.now());
                    }
                }
            }
            self.see_what_began();
            self.roster.catch_up();
        }
    }

    /// What has begun, in whatever way, ends in its time.
    fn see_what_began(&mut self) {
        for (place, at) in self.triggers.begun() {
            let fault = &self.plan.faults[place];
            // What begins in the midst of a tick ends at one: so both backends end it at the same moment.
            let begins_at_a_tick = fault.at.time().is_some();
            let tick = |time: Duration| if begins_at_a_tick { time } else { next_tick(time) };
            let lasting = fault.lasts.map(|lasts| tick(at + lasts.0));
            let end = lasting.or_else(|| ends_at_next_tick(fault).then(|| tick_after(at)));
            let end = end.map(|end| (end, Event::Ends(place)));
            let insists = (tick(at + SHUTDOWN_GRACE), Event::Insists(place));
            self.schedule.extend(end);
            self.schedule.extend(asks_to_stop(&fault.what).then_some(insists));
            let last = end.map_or(at, |(end, _)| end).max(last_of(&fault.what, at));
            self.last_change = self.last_change.max(last);
        }
    }

    /// What a disk suffers is charged when it ends; what stays for good has not been.
    fn charge_disks(&self) {
        for (place, fault) in self.plan.faults.iter().enumerate().filter(|(place, _)| self.plan.stays(*place))
        {
            if let FaultAct::DiskFull(_) | FaultAct::DiskError(_) | FaultAct::DiskSlow(_) = &fault.what {
                self.triggers.charge(place);
            }
        }
    }

    /// A cut is over when it has come, which the bytes decide; a rolling restart when the next process has started.
    fn end_what_is_over(&mut self) {
        let struck = self.network.links.struck();
        let replaced = self.take_over();
        for fault in struck.into_iter().chain(replaced) {
            self.ended_at = self.backend.now();
            self.triggers.record(Kind::FaultEnded { fault });
        }
    }

    /// Who takes the place of a process that has ended starts at the first tick after its end: so both backends start it at
    /// the same moment.
    fn take_over(&mut self) -> Vec<usize> {
        if !self.roster.is_to_take_over() {
            return Vec::new();
        }
        let now = self.backend.now();
        let at = *self.takes_over_at.get_or_insert(match self.plan.backend {
            // It ended since the last tick.
            plan::Backend::Turmoil => now,
            plan::Backend::Event => tick_after(now),
        });
        if now < at {
            return Vec::new();
        }
        self.takes_over_at = None;
        self.roster.take_over()
    }

    /// Whether the run is over, and how.
    fn ending(&mut self, now: Duration) -> Option<Ending> {
        let owed = &mut self.owed;
        self.observed = self.recorder.since(self.observed, |record| owed.observe(record));
        if !panics::none() {
            return Some(Ending::Unsettled { wait_chain: panics::so_far() });
        }
        let calm_since = self.calm_since();
        if now < calm_since {
            return None;
        }
        if self.owed.is_settled() {
            let since = *self.settled_since.get_or_insert(now);
            return (now >= since + QUIET).then_some(Ending::Settled);
        }
        self.settled_since = None;
        let out_of_time = now >= calm_since + self.plan.settle.0;
        out_of_time.then(|| Ending::Unsettled {
            wait_chain: wait_chain(self.plan, &self.owed, &self.roster, &self.recorder),
        })
    }

    /// When the loop must look again, if no bell rings before.
    fn sleeps_until(&self, now: Duration) -> Duration {
        let calm_since = self.calm_since();
        let ends = match self.settled_since {
            _ if now < calm_since => calm_since,
            Some(since) => since + QUIET,
            None => calm_since + self.plan.settle.0,
        };
        if now >= calm_since {
            // Any record may be the last that was owed, or owe another.
            self.recorder.wake_at_next(self.bell.waker());
        }
        let next = self.schedule.first().map_or(Duration::MAX, |(at, _)| *at);
        let takes_over = self.takes_over_at.unwrap_or(Duration::MAX);
        ends.min(next).min(takes_over).min(now + BEAT)
    }

    /// When the world was changed for the last time, as far as is known.
    fn calm_since(&self) -> Duration {
        self.last_change.max(self.ended_at)
    }
}

/// Everything that is to happen, as far as the plan knows when.
fn schedule(plan: &Plan) -> BTreeSet<(Duration, Event)> {
    let ops = plan.ops.iter().enumerate().map(|(place, op)| (op.at.0, Event::Op(place)));
    let faults = plan.faults.iter().enumerate().filter_map(|(place, fault)| match fault.at.time() {
        Some(at) => Some((at, Event::Begins(place))),
        None => Some((fault.at.soonest(), Event::Arms(place))).filter(|(since, _)| !since.is_zero()),
    });
    let heals = plan.heals.map(|heals| (heals.0, Event::Heals));
    ops.chain(faults).chain(heals).collect()
}

/// Whether a fault asks a process to stop, which it may take its time for.
fn asks_to_stop(fault: &FaultAct) -> bool {
    matches!(fault, FaultAct::Shutdown(_) | FaultAct::RollingRestart(_))
}

/// How long ago the last tick was, whether the backend ticks or not.
fn since_tick(now: Duration) -> Duration {
    now.saturating_sub(TICK * u32::try_from(now.as_nanos() / TICK.as_nanos()).unwrap_or(u32::MAX))
}

/// The first tick at or after a time.
fn next_tick(time: Duration) -> Duration {
    match since_tick(time) {
        Duration::ZERO => time,
        _ => tick_after(time),
    }
}

/// The first tick after a time.
fn tick_after(time: Duration) -> Duration {
    time.saturating_sub(since_tick(time)) + TICK
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// When the plan changes the world for the last time, as far as it knows.
fn last_change(plan: &Plan) -> Duration {
    let ops = plan.ops.iter().map(|op| op.at.0);
    let faults = plan.faults.iter();
    let faults = faults.map(|fault| fault.soonest_end().max(last_of(&fault.what, fault.at.soonest())));
    ops.chain(faults).max().unwrap_or_default()
}

/// By when a fault whose end the run decides is over at the latest, if it began at that time.
fn last_of(fault: &FaultAct, began: Duration) -> Duration {
    if matches!(fault, FaultAct::RollingRestart(_)) { began + SHUTDOWN_GRACE } else { began }
}
