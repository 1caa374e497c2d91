//! A machine as what breaks it meets it: its kernel, its disk, its clocks, and the process that runs on it.
//!
//! A process may die in the midst of its own work, of what it asks its disk for or of what it has just done: then all of this
//! happens at once, inside that call. Only what begins a new life waits for the loop of the run, which asks whether one is due.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::kernel::{Impairment, MachineId, Network, Route};
use super::process::Process;
use super::timepiece::Timepiece;
use crate::disk::{Disk, Trouble};
use crate::plan::Name;

/// Every machine of a run, by its process's name.
pub(super) type Machines = BTreeMap<Name, Arc<Hardware>>;

/// How a process ends that was asked to stop and did not.
const OVERDUE: &str = "killed: it did not shut down in time";

/// One machine.
pub(super) struct Hardware {
    pub(super) machine: MachineId,
    pub(super) disk: Disk,
    pub(super) clock: Arc<Timepiece>,
    network: Arc<Network>,
    standing: Mutex<Standing>,
}

/// Who runs on a machine, and who keeps it from running.
#[derive(Default)]
struct Standing {
    /// The last life that began.
    process: Weak<Process>,
    /// The faults that keep it down.
    down: Vec<usize>,
    /// Which life each fault asked to stop.
    asked: BTreeMap<usize, u32>,
    /// The faults that wait for its end to start the next one.
    replacing: Vec<usize>,
    /// Whether another life is to begin.
    due: bool,
}

impl Hardware {
    pub(super) fn new(network: &Arc<Network>, machine: MachineId, disk: Disk, clock: Timepiece) -> Self {
        let clock = Arc::new(clock);
        Self { machine, disk, clock, network: Arc::clone(network), standing: Mutex::default() }
    }

    /// From now on this is the process that runs.
    pub(super) fn run(&self, process: &Arc<Process>) {
        let mut standing = self.standing();
        standing.process = Arc::downgrade(process);
        standing.due = false;
    }

    /// Whether another life is to begin now.
    pub(super) fn is_due(&self) -> bool {
        let standing = self.standing();
        standing.due && standing.down.is_empty()
    }

    /// The process is gone, and stays so until [`Hardware::revive`].
    pub(super) fn kill(&self, fault: usize) {
        self.standing().down.push(fault);
        if let Some(process) = self.alive() {
            self.touch(fault, &process.end("killed"));
        }
    }

    /// The memory of the process is gone, its disk is not: as when a page is loaded again. It starts again at once, or, where
    /// the fault has an end, at [`Hardware::revive`].
    pub(super) fn reload(&self, fault: usize, lasts: bool) {
        if lasts {
            self.standing().down.push(fault);
        }
        if let Some(closed) = self.restart() {
            self.touch(fault, &closed);
        }
    }

    /// The process is gone, and another begins as soon as nothing keeps it down. Says which connections that closed; none at
    /// all where nothing runs, and so nothing was lost.
    pub(super) fn restart(&self) -> Option<Vec<Route>> {
        let process = self.alive()?;
        let closed = process.end("reloaded");
        self.standing().due = true;
        Some(closed)
    }

    /// The process is asked to stop, and not started again until [`Hardware::revive`].
    pub(super) fn shut_down(&self, fault: usize) {
        self.standing().down.push(fault);
        let Some(process) = self.alive() else { return };
        self.standing().asked.insert(fault, process.life);
        process.ask_to_stop();
        self.network.links.touch_all(fault, &self.network.open(self.machine));
    }

    /// The process is asked to stop, and another takes its place as soon as it has.
    pub(super) fn replace(&self, fault: usize) {
        self.standing().replacing.push(fault);
        self.shut_down(fault);
    }

    /// The life that this fault asked to stop has had its time: it is gone, if it still runs.
    pub(super) fn insist(&self, fault: usize) {
        let asked = self.standing().asked.remove(&fault);
        if let Some(process) = self.alive().filter(|process| Some(process.life) == asked) {
            process.end(OVERDUE);
        }
    }

    /// Whether the process has ended and its place is to be taken.
    pub(super) fn is_to_take_over(&self) -> bool {
        self.alive().is_none() && !self.standing().replacing.is_empty()
    }

    /// Another is to take the place of the process that has ended. Says which faults are over with that.
    pub(super) fn take_over(&self) -> Vec<usize> {
        if self.alive().is_some() {
            return Vec::new();
        }
        let over = std::mem::take(&mut self.standing().replacing);
        over.iter().for_each(|fault| self.revive(*fault));
        over
    }

    /// A fault no longer keeps the process down: when the last one ends, another life is due.
    pub(super) fn revive(&self, fault: usize) {
        let mut standing = self.standing();
        standing.down.retain(|other| *other != fault);
        if !standing.down.is_empty() {
            return;
        }
        standing.due = true;
        drop(standing);
        if let Some(process) = self.alive() {
            process.end(OVERDUE);
        }
    }

    /// The process and the kernel are gone without a word, and so is what the disk had not synced, as far as the dice say.
    /// Nobody reaches the machine until [`Hardware::restore_power`].
    pub(super) fn lose_power(&self, fault: usize) {
        self.standing().down.push(fault);
        let gone = self.network.power_off(self.machine);
        for way in self.network.ways_of(self.machine) {
            self.network.links.impose(way, fault, Impairment::Block, None);
        }
        if let Some(process) = self.alive() {
            process.end("lost power");
        }
        self.disk.lose_power();
        self.touch(fault, &gone);
    }

    /// The machine has power again.
    pub(super) fn restore_power(&self, fault: usize) {
        for way in self.network.ways_of(self.machine) {
            self.network.links.lift(way, fault);
        }
        self.revive(fault);
    }

    /// The process stands still until [`Hardware::thaw`]. The next life of it does not.
    pub(super) fn freeze(&self, fault: usize) {
        self.alive().into_iter().for_each(|process| process.freeze(fault));
    }

    /// This fault holds the process no more.
    pub(super) fn thaw(&self, fault: usize) {
        self.alive().into_iter().for_each(|process| process.thaw(fault));
    }

    /// From now on the disk is in trouble.
    pub(super) fn trouble_disk(&self, fault: usize, trouble: Trouble) {
        let (network, machine) = (Arc::clone(&self.network), self.machine);
        self.disk.begin(fault, trouble, move || network.links.count(fault, machine, 1));
    }

    fn alive(&self) -> Option<Arc<Process>> {
        self.standing().process.upgrade().filter(|process| !process.is_dead())
    }

    /// Its memory is lost all the same where it had no connections.
    fn touch(&self, fault: usize, closed: &[Route]) {
        if closed.is_empty() {
            self.network.links.touch_process(fault, self.machine, 1);
        } else {
            self.network.links.touch_all(fault, closed);
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().expect("no one panics while holding it")
    }
}
