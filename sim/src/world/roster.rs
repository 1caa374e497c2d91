//! Every machine of a run with its disk, and the life that runs on it now, if one does.
//!
//! A life gets everything fresh but its name and its disk. What a user does while the client is down waits for the next
//! life: its user sits before a dead screen and tries again. A client that comes back is first told to connect if that is
//! what its user last wanted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::env::env;
use super::hardware::Hardware;
use super::kernel::{Network, Route};
use super::moment;
use super::net::ProcessNet;
use super::process::Process;
use super::timepiece::Timepiece;
use crate::app::{App, Machine, Probe};
use crate::disk::{Disk, Trouble};
use crate::history::{Kind, Recorder};
use crate::plan::{Act, Crash, Fault, FaultAct, Name, Plan, SERVER};

/// What each machine calls its database.
const DATABASE: &str = "chat.db";

/// What each machine calls that for sessions.
const SESSIONS: &str = "sessions.db";

/// How a process ends that was asked to stop and did not.
const OVERDUE: &str = "killed: it did not shut down in time";

/// Every machine of a run.
pub(super) struct Roster<'a> {
    plan: &'a Plan,
    app: &'a (dyn App + Sync),
    network: Arc<Network>,
    recorder: Recorder,
    places: BTreeMap<Name, Place>,
}

/// One machine and who lives there.
struct Place {
    hardware: Hardware,
    lives: u32,
    running: Option<Running>,
    /// The faults that keep it down.
    down: Vec<usize>,
    /// Which life each fault asked to stop.
    asked: BTreeMap<usize, u32>,
    /// The faults that wait for its end to start the next one.
    replacing: Vec<usize>,
    /// Whether its user last asked to connect.
    wants_connection: bool,
    waiting: VecDeque<Act>,
}

struct Running {
    process: Arc<Process>,
    probe: Probe,
    /// None when it was asked to stop: a client's user is gone.
    acts: Option<mpsc::UnboundedSender<Act>>,
    stop: watch::Sender<bool>,
}

impl<'a> Roster<'a> {
    /// Every machine of the plan, with an empty disk. Nothing runs.
    ///
    /// # Errors
    /// When the network lacks one.
    pub(super) fn new(
        plan: &'a Plan,
        app: &'a (dyn App + Sync),
        network: &Arc<Network>,
        recorder: &Recorder,
    ) -> Result<Self, String> {
        let mut places = BTreeMap::new();
        for name in names(plan) {
            let machine = network.find(&name).ok_or_else(|| format!("the network has no machine {name}"))?;
            let disk = Disk::new(&name, plan.seed, plan.server.fsync);
            let skews = |fault: &Fault| matches!(&fault.what, FaultAct::ClockSkew(skew) if skew.of == name);
            let clock = Timepiece::new(network, machine, !plan.faults.iter().any(skews));
            let place = Place {
                hardware: Hardware::new(network, machine, disk, clock),
                lives: 0,
                running: None,
                down: Vec::new(),
                asked: BTreeMap::new(),
                replacing: Vec::new(),
                wants_connection: false,
                waiting: VecDeque::new(),
            };
            places.insert(name, place);
        }
        Ok(Self { plan, app, network: Arc::clone(network), recorder: recorder.clone(), places })
    }

    /// Starts every process: the server first.
    pub(super) fn start_all(&mut self) {
        for name in names(self.plan) {
            self.start(&name);
        }
    }

    fn start(&mut self, name: &Name) {
        let Some(place) = self.places.get_mut(name) else { return };
        place.lives += 1;
        let (machine, disk, clock) = (place.hardware.machine, &place.hardware.disk, &place.hardware.clock);
        let mount = disk.mount(place.lives);
        let (database, sessions) = (mount.uri(DATABASE), mount.uri(SESSIONS));
        let process =
            Arc::new(Process::new(name, place.lives, machine, &self.network, clock, mount, &self.recorder));
        place.hardware.run(&process);
        let probe = Probe::default();
        let machine = Machine {
            name: Name::clone(name),
            process: place.lives,
            env: env(&process, self.plan.seed, disk),
            now: moment::now,
            net: ProcessNet::new(&process),
            database,
            sessions,
            recorder: self.recorder.clone(),
            probe: probe.clone(),
        };
        self.recorder.record(moment::now(), name, place.lives, 0, Kind::Started);
        let (stop, stopping) = watch::channel(false);
        let (acts, ops) = mpsc::unbounded_channel();
        let reconnects = std::iter::repeat_n(Act::Connect, usize::from(place.wants_connection));
        for act in reconnects.chain(std::mem::take(&mut place.waiting)) {
            place.wants_connection = wants_connection(&act).unwrap_or(place.wants_connection);
            drop(acts.send(act));
        }
        let main = {
            // The app may create timers before its future is polled.
            let _inside = process.host().enter();
            let _running = moment::enter(&process.label, &process.clock);
            match &**name {
                SERVER => self.app.server(machine, self.plan, stopping),
                _ => self.app.client(machine, self.plan, ops),
            }
        };
        process.run(main);
        place.running = Some(Running { process, probe, acts: Some(acts), stop });
    }

    /// A user does something.
    pub(super) fn act(&mut self, who: &Name, act: Act) {
        if act == Act::Reload {
            drop(self.reload(who, None));
            return;
        }
        let Some(place) = self.places.get_mut(who) else { return };
        match place.alive().and_then(|running| running.acts.as_ref()) {
            Some(acts) => {
                let wants = wants_connection(&act);
                // Where its main future no longer listens, there is no one to do it.
                drop(acts.send(act));
                place.wants_connection = wants.unwrap_or(place.wants_connection);
            }
            None => place.waiting.push_back(act),
        }
    }

    /// A client's memory is gone, its disk is not: as when a page is loaded again. It starts again at once, or, where a
    /// fault keeps it down, at [`Roster::revive`]. Says which connections that closed; none at all where
    /// nothing runs, and so nothing was lost.
    pub(super) fn reload(&mut self, name: &Name, stays_down: Option<usize>) -> Option<Vec<Route>> {
        let place = self.places.get_mut(name)?;
        place.down.extend(stays_down);
        let closed = place.alive()?.process.end("reloaded");
        if place.down.is_empty() {
            self.start(name);
        }
        Some(closed)
    }

    /// A process is gone, and stays so until [`Roster::revive`]. Says which connections that closed.
    pub(super) fn kill(&mut self, name: &Name, fault: usize) -> Vec<Route> {
        let Some(place) = self.places.get_mut(name) else { return Vec::new() };
        place.down.push(fault);
        place.alive().map_or_else(Vec::new, |running| running.process.end("killed"))
    }

    /// A process stands still until [`Roster::thaw`]. The next life of it does not.
    pub(super) fn freeze(&self, name: &Name, fault: usize) {
        if let Some(running) = self.places.get(name).and_then(Place::alive) {
            running.process.freeze(fault);
        }
    }

    /// This fault holds a process no more.
    pub(super) fn thaw(&self, name: &Name, fault: usize) {
        if let Some(running) = self.places.get(name).and_then(Place::alive) {
            running.process.thaw(fault);
        }
    }

    /// A machine has no power until [`Roster::power_on`].
    pub(super) fn power_off(&mut self, name: &Name, fault: usize) {
        let Some(place) = self.places.get_mut(name) else { return };
        place.down.push(fault);
        place.hardware.lose_power(fault);
    }

    /// A machine has power again.
    pub(super) fn power_on(&mut self, name: &Name, fault: usize) {
        self.places.get(name).into_iter().for_each(|place| place.hardware.restore_power(fault));
        self.revive(name, fault);
    }

    /// A process will die in the midst of its work, and stay so until [`Roster::end_crash`].
    pub(super) fn arm_crash(&self, crash: &Crash, fault: usize) {
        self.places.get(&crash.of).into_iter().for_each(|place| place.hardware.arm(crash, fault));
    }

    /// Sees who has died in the midst of its work.
    pub(super) fn count_crashes(&mut self) {
        for place in self.places.values_mut() {
            place.down.extend(place.hardware.struck());
        }
    }

    /// Who has crashed is started again; who has not will not.
    pub(super) fn end_crash(&mut self, crash: &Crash, fault: usize) {
        let Some(place) = self.places.get(&crash.of) else { return };
        place.hardware.disk.disarm();
        if place.down.contains(&fault) {
            self.power_on(&crash.of, fault);
        }
    }

    /// From now on the disk of a machine is in trouble.
    pub(super) fn trouble_disk(&self, name: &Name, fault: usize, trouble: Trouble) {
        self.places.get(name).into_iter().for_each(|place| place.hardware.trouble_disk(fault, trouble));
    }

    /// The disk of a machine is out of this trouble. Says how many operations that touched.
    pub(super) fn heal_disk(&self, name: &Name, fault: usize) -> u64 {
        self.places.get(name).map_or(0, |place| place.hardware.disk.end(fault))
    }

    /// The clocks of a machine.
    pub(super) fn clock(&self, name: &Name) -> Option<&Timepiece> {
        self.places.get(name).map(|place| &*place.hardware.clock)
    }

    /// A process is asked to stop, and not started again until [`Roster::revive`]. Says which connections it has.
    pub(super) fn shut_down(&mut self, name: &Name, fault: usize) -> Vec<Route> {
        let Some(place) = self.places.get_mut(name) else { return Vec::new() };
        place.down.push(fault);
        let Some(running) = place.running.as_mut().filter(|running| !running.process.is_dead()) else {
            return Vec::new();
        };
        place.asked.insert(fault, running.process.life);
        running.process.expect_shutdown();
        running.acts = None;
        running.stop.send_replace(true);
        self.network.open(place.hardware.machine)
    }

    /// A process is asked to stop, and another takes its place as soon as it has. Says which connections it has.
    pub(super) fn replace(&mut self, name: &Name, fault: usize) -> Vec<Route> {
        if let Some(place) = self.places.get_mut(name) {
            place.replacing.push(fault);
        }
        self.shut_down(name, fault)
    }

    /// Whether a process has ended whose place is to be taken.
    pub(super) fn is_to_take_over(&self) -> bool {
        self.places.values().any(|place| place.alive().is_none() && !place.replacing.is_empty())
    }

    /// Starts who is to take the place of a process that has ended. Says which faults are over with that.
    pub(super) fn take_over(&mut self) -> Vec<usize> {
        let mut over = Vec::new();
        for (name, place) in &mut self.places {
            if place.alive().is_none() {
                over.extend(
                    std::mem::take(&mut place.replacing).into_iter().map(|fault| (Name::clone(name), fault)),
                );
            }
        }
        over.iter().for_each(|(name, fault)| self.revive(name, *fault));
        over.into_iter().map(|(_, fault)| fault).collect()
    }

    /// The life that this fault asked to stop has had its time: it is gone, if it still runs.
    pub(super) fn insist(&mut self, name: &Name, fault: usize) {
        let Some(place) = self.places.get_mut(name) else { return };
        let asked = place.asked.remove(&fault);
        if let Some(running) = place.alive().filter(|running| Some(running.process.life) == asked) {
            running.process.end(OVERDUE);
        }
    }

    /// A fault no longer keeps a process down: when the last one ends, it is started again.
    pub(super) fn revive(&mut self, name: &Name, fault: usize) {
        let Some(place) = self.places.get_mut(name) else { return };
        place.down.retain(|other| *other != fault);
        if !place.down.is_empty() {
            return;
        }
        if let Some(running) = place.alive() {
            running.process.end(OVERDUE);
        }
        self.start(name);
    }

    /// Writes into the digest how often the tasks of each process were polled since this was last called.
    pub(super) fn count_polls(&self) {
        for (name, place) in &self.places {
            if let Some(running) = &place.running {
                let polls = running.process.take_polls();
                if polls > 0 {
                    self.recorder.polls(moment::now(), name, running.process.life, polls);
                }
            }
        }
    }

    /// What each process waits for, or how it comes that it waits for nothing.
    pub(super) fn waits(&self) -> BTreeMap<Name, Vec<String>> {
        let waits = |name: &Name, place: &Place| match place.alive() {
            Some(running) => {
                let label = &running.process.label;
                running.probe.ask().into_iter().map(|line| format!("{label}: {line}")).collect()
            }
            None => vec![format!("{name}: is not running")],
        };
        self.places.iter().map(|(name, place)| (name.clone(), waits(name, place))).collect()
    }

    /// The run is over: no process does anything more.
    pub(super) fn silence(&self) {
        for running in self.places.values().filter_map(|place| place.running.as_ref()) {
            running.process.silence();
        }
    }
}

impl Place {
    fn alive(&self) -> Option<&Running> {
        self.running.as_ref().filter(|running| !running.process.is_dead())
    }
}

/// Every process of a plan: the server, then the clients by name.
pub(super) fn names(plan: &Plan) -> impl Iterator<Item = Name> {
    std::iter::once(Name::from(SERVER)).chain(plan.clients.keys().cloned())
}

/// What an act says of its user's wish to be connected.
fn wants_connection(act: &Act) -> Option<bool> {
    match act {
        Act::Connect => Some(true),
        Act::Disconnect => Some(false),
        Act::Join(_)
        | Act::Leave(_)
        | Act::Say(_)
        | Act::Emit(_)
        | Act::Broadcast(_)
        | Act::Reload
        | Act::Wait => None,
    }
}
