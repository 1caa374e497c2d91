//! Every machine of a run with its disk, and the life that runs on it now, if one does.
//!
//! A life gets everything fresh but its name and its disk. What a user does while the client is down waits for the next
//! life, or is skipped, as the plan says of the client; the history has what is skipped. A client that comes back is first
//! told to connect if that is what its user last wanted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::env::env;
use super::hardware::{Hardware, Machines};
use super::kernel::Network;
use super::moment;
use super::net::ProcessNet;
use super::process::Process;
use super::timepiece::Timepiece;
use crate::app::{App, Machine, Probe};
use crate::disk::Disk;
use crate::history::{Kind, Recorder};
use crate::plan::{Act, Fault, FaultAct, Name, Plan, SERVER, WhileDead};

/// What each machine calls its database.
const DATABASE: &str = "chat.db";

/// What each machine calls that for sessions.
const SESSIONS: &str = "sessions.db";

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
    hardware: Arc<Hardware>,
    lives: u32,
    running: Option<Running>,
    /// Whether its user last asked to connect.
    wants_connection: bool,
    waiting: VecDeque<Act>,
}

struct Running {
    process: Arc<Process>,
    probe: Probe,
    /// None when it was asked to stop: a client's user is gone.
    acts: Option<mpsc::UnboundedSender<Act>>,
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
                hardware: Arc::new(Hardware::new(network, machine, disk, clock)),
                lives: 0,
                running: None,
                wants_connection: false,
                waiting: VecDeque::new(),
            };
            places.insert(name, place);
        }
        Ok(Self { plan, app, network: Arc::clone(network), recorder: recorder.clone(), places })
    }

    /// The machines, for what breaks them.
    pub(super) fn machines(&self) -> Machines {
        self.places.iter().map(|(name, place)| (Name::clone(name), Arc::clone(&place.hardware))).collect()
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
        let (acts, ops) = mpsc::unbounded_channel();
        let reconnects = std::iter::repeat_n(Act::Connect, usize::from(place.wants_connection));
        for act in reconnects.chain(std::mem::take(&mut place.waiting)) {
            place.wants_connection = wants_connection(&act).unwrap_or(place.wants_connection);
            drop(acts.send(act));
        }
        let main = {
            // The app may create timers before its future is polled.
            let _inside = process.host().enter();
            let _running = moment::enter(&process.identity);
            match &**name {
                SERVER => self.app.server(machine, self.plan, process.stopping()),
                _ => self.app.client(machine, self.plan, ops),
            }
        };
        process.run(main);
        place.running = Some(Running { process, probe, acts: Some(acts) });
    }

    /// A user does something.
    pub(super) fn act(&mut self, who: &Name, act: Act) {
        let Some(place) = self.places.get_mut(who) else { return };
        if act == Act::Reload && place.hardware.restart().is_some() {
            return;
        }
        match place.alive().and_then(|running| running.acts.as_ref()) {
            Some(acts) => {
                let wants = wants_connection(&act);
                // Where its main future no longer listens, there is no one to do it.
                drop(acts.send(act));
                place.wants_connection = wants.unwrap_or(place.wants_connection);
            }
            None => {
                match (self.plan.clients.get(who).map(|client| client.while_dead), wants_connection(&act)) {
                    (Some(WhileDead::Skip), Some(wants)) => place.wants_connection = wants,
                    (Some(WhileDead::Skip), None) => {
                        let skipped = Kind::Skipped { what: act.to_string() };
                        self.recorder.record(moment::now(), who, place.lives, 0, skipped);
                    }
                    (Some(WhileDead::Wait) | None, _) => place.waiting.push_back(act),
                }
            }
        }
    }

    /// Sees what has become of processes: starts whose next life is due, and lets go of users whose client was asked to stop.
    pub(super) fn catch_up(&mut self) {
        for running in self.places.values_mut().filter_map(|place| place.running.as_mut()) {
            if running.process.is_asked_to_stop() {
                running.acts = None;
            }
        }
        let due = self.places.iter().filter(|(_, place)| place.hardware.is_due());
        let due: Vec<Name> = due.map(|(name, _)| Name::clone(name)).collect();
        due.iter().for_each(|name| self.start(name));
    }

    /// Whether a process has ended whose place is to be taken.
    pub(super) fn is_to_take_over(&self) -> bool {
        self.places.values().any(|place| place.hardware.is_to_take_over())
    }

    /// Starts who is to take the place of a process that has ended. Says which faults are over with that.
    pub(super) fn take_over(&mut self) -> Vec<usize> {
        let over = self.places.values().flat_map(|place| place.hardware.take_over()).collect();
        self.catch_up();
        over
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
                let label = &running.process.identity.label;
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
