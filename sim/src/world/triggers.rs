//! When faults begin: at the time that the loop of the run sees to, or at once with something that happens, in the midst of it.
//!
//! In: the faults of the plan, and the places where something can happen: the history, disks, links. Out: faults that begin.
//! The loop hears of them afterwards, so that it can end them; it alone starts processes. What has not begun when the world
//! heals never does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::bell::Bell;
use super::faults::{self, Moment};
use super::hardware::Machines;
use super::kernel::Network;
use super::moment;
use crate::history::{Kind, Recorder};
use crate::plan::{EventTrigger, Fault, FaultAct, Name, Plan, Trigger};
use crate::scenario::WORLD;

/// The faults of a run.
pub(super) struct Triggers {
    faults: Vec<Fault>,
    network: Arc<Network>,
    machines: Machines,
    recorder: Recorder,
    bell: Bell,
    world: Name,
    /// Which wait for something.
    armed: Mutex<BTreeSet<usize>>,
    /// Which have begun since this was last asked, and when.
    begun: Mutex<Vec<(usize, Duration)>>,
    /// Which kind does nothing.
    #[cfg(test)]
    taken_out: Option<crate::plan::FaultKind>,
}

impl Triggers {
    pub(super) fn new(
        plan: &Plan,
        #[cfg(test)] options: &super::RunOptions,
        network: &Arc<Network>,
        machines: Machines,
        recorder: &Recorder,
    ) -> Arc<Self> {
        Arc::new(Self {
            faults: plan.faults.clone(),
            network: Arc::clone(network),
            machines,
            recorder: recorder.clone(),
            bell: network.bell.clone(),
            world: WORLD.into(),
            armed: Mutex::default(),
            begun: Mutex::default(),
            #[cfg(test)]
            taken_out: options.taken_out,
        })
    }

    /// From now on the fault at that place in the plan begins with what it waits for.
    pub(super) fn arm(self: &Arc<Self>, place: usize) {
        let Trigger::Event(event) = &self.faults[place].at else { return };
        self.armed().insert(place);
        // Who strikes holds nothing that would keep the run's world when the run is over.
        let triggers = Arc::downgrade(self);
        let strike = move || {
            if let Some(triggers) = triggers.upgrade().filter(|triggers| triggers.armed().remove(&place)) {
                triggers.begin(place, moment::now());
            }
        };
        match event {
            EventTrigger::Step(step) => self.recorder.strike_at(step.low, strike),
            EventTrigger::DiskOp(operation) => {
                if let Some(machine) = self.machines.get(&operation.of) {
                    machine.disk.strike_at(machine.disk.operations() + operation.nth.low, strike);
                }
            }
            EventTrigger::Byte(byte) => {
                if let Some(stretch) = faults::stretch(&self.network, &byte.path) {
                    self.network.links.strike_at(stretch, byte.nth.low, Box::new(strike));
                }
            }
        }
    }

    /// The world heals: what still waits for something never begins.
    pub(super) fn disarm(&self) {
        // Taken before anything is recorded: that record may be the step which one of them waits for.
        let armed = std::mem::take(&mut *self.armed());
        for place in armed {
            let what = self.faults[place].what.to_string();
            self.record(Kind::FaultDisarmed { fault: place, what });
        }
    }

    /// The fault begins, and is there when this returns.
    pub(super) fn begin(&self, place: usize, at: Duration) {
        let fault = &self.faults[place];
        self.record(Kind::FaultBegan { fault: place, what: fault.what.to_string() });
        self.play(place, Moment::Begins);
        let takes_no_time = matches!(
            fault.what,
            FaultAct::Reset(_) | FaultAct::HalfOpen(_) | FaultAct::Reload(_) | FaultAct::ClockJump(_)
        );
        if takes_no_time && fault.lasts.is_none() && !faults::ends_at_next_tick(fault) {
            self.record(Kind::FaultEnded { fault: place });
        }
        self.begun.lock().expect("no one panics while holding it").push((place, at));
        self.bell.ring();
    }

    /// The fault ends.
    pub(super) fn end(&self, place: usize) {
        self.play(place, Moment::Ends);
        self.record(Kind::FaultEnded { fault: place });
    }

    /// The run is over before the fault is: what it has touched is written all the same.
    pub(super) fn charge(&self, place: usize) {
        self.play(place, Moment::Ends);
    }

    /// The process that the fault asked to stop has had its time.
    pub(super) fn insist(&self, place: usize) {
        self.play(place, Moment::Insists);
    }

    /// Which have begun since this was last asked, and when.
    pub(super) fn begun(&self) -> Vec<(usize, Duration)> {
        std::mem::take(&mut *self.begun.lock().expect("no one panics while holding it"))
    }

    /// Writes a record that is no process's.
    pub(super) fn record(&self, kind: Kind) {
        self.recorder.record(moment::now(), &self.world, 0, 0, kind);
    }

    fn armed(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.armed.lock().expect("no one panics while holding it")
    }

    fn play(&self, place: usize, moment: Moment) {
        let fault = &self.faults[place];
        tracing::debug!(?moment, fault = place, what = ?fault.what, "fault");
        #[cfg(test)]
        if self.taken_out == Some(fault.what.kind()) {
            return;
        }
        faults::apply(&self.machines, &self.network, fault, place, moment);
    }
}
