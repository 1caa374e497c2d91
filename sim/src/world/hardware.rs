//! A machine as what breaks it meets it: its kernel, its disk, its clocks, and the process that runs on it.
//!
//! A process may die in the midst of its own work, of what it asks its disk for: then all of this happens at once, inside
//! that call, and the loop of the run hears of it afterwards.

use std::sync::{Arc, Mutex, Weak};

use super::kernel::{Impairment, MachineId, Network, Route};
use super::process::Process;
use super::timepiece::Timepiece;
use crate::disk::{Disk, Trouble};
use crate::plan::Crash;

/// A handle: cheap to clone.
#[derive(Clone)]
pub(super) struct Hardware {
    pub(super) machine: MachineId,
    pub(super) disk: Disk,
    pub(super) clock: Arc<Timepiece>,
    network: Arc<Network>,
    /// The last life that began.
    process: Arc<Mutex<Weak<Process>>>,
    /// The faults whose crash has come since this was last asked.
    struck: Arc<Mutex<Vec<usize>>>,
}

impl Hardware {
    pub(super) fn new(network: &Arc<Network>, machine: MachineId, disk: Disk, clock: Timepiece) -> Self {
        Self {
            machine,
            disk,
            clock: Arc::new(clock),
            network: Arc::clone(network),
            process: Arc::default(),
            struck: Arc::default(),
        }
    }

    /// From now on this is the process that runs.
    pub(super) fn run(&self, process: &Arc<Process>) {
        *self.process.lock().expect("no one panics while holding it") = Arc::downgrade(process);
    }

    /// The process is gone, in that way. Says which connections that closed.
    pub(super) fn end(&self, how: &str) -> Vec<Route> {
        let process = self.process.lock().expect("no one panics while holding it").upgrade();
        process.map_or_else(Vec::new, |process| process.end(how))
    }

    /// The process and the kernel are gone without a word, and so is what the disk had not synced, as far as the dice say.
    /// Nobody reaches the machine until [`Hardware::restore_power`].
    pub(super) fn lose_power(&self, fault: usize) {
        let gone = self.network.power_off(self.machine);
        for way in self.network.ways_of(self.machine) {
            self.network.links.impose(way, fault, Impairment::Block);
        }
        self.end("lost power");
        self.disk.lose_power();
        self.touch(fault, &gone);
    }

    /// The machine can be reached again.
    pub(super) fn restore_power(&self, fault: usize) {
        for way in self.network.ways_of(self.machine) {
            self.network.links.lift(way, fault);
        }
    }

    /// The process will die, or the machine lose power, in the midst of its work.
    pub(super) fn arm(&self, crash: &Crash, fault: usize) {
        let (hardware, power_off) = (self.clone(), crash.power_off);
        let last = self.disk.operations() + crash.after.low;
        self.disk.strike_at(last + 1, move || {
            if power_off {
                hardware.lose_power(fault);
            } else {
                let closed = hardware.end("killed");
                hardware.touch(fault, &closed);
            }
            hardware.struck.lock().expect("no one panics while holding it").push(fault);
        });
    }

    /// From now on the disk is in trouble.
    pub(super) fn trouble_disk(&self, fault: usize, trouble: Trouble) {
        let (network, machine) = (Arc::clone(&self.network), self.machine);
        self.disk.begin(fault, trouble, move || network.links.count(fault, machine, 1));
    }

    /// The faults whose crash has come since this was last asked.
    pub(super) fn struck(&self) -> Vec<usize> {
        std::mem::take(&mut *self.struck.lock().expect("no one panics while holding it"))
    }

    /// Its memory is lost all the same where it had no connections.
    fn touch(&self, fault: usize, closed: &[Route]) {
        if closed.is_empty() {
            self.network.links.touch_process(fault, self.machine, 1);
        } else {
            self.network.links.touch_all(fault, closed);
        }
    }
}
