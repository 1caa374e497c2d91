//! The way from one machine to another, and what faults of the plan do to it.
//!
//! Each direction stands for itself. Faults overlap: a link opens when the last fault that blocks it ends, delays add up,
//! each loss has its own chance, and the slowest cap rules. What each fault did is counted, so that one which touched
//! nothing can be told from one that did; that it touched a connection is written into the history, once a tick at most.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use super::super::bell::Bell;
use super::super::moment;
use super::frame::{ConnectionId, MachineId, Route};
use super::impairment::{Impairment, Imposed};
use super::marks::{Marks, Stretch, Strike, Then};
use crate::history::{Kind, Recorder};
use crate::plan::{Name, SERVER};
use crate::reach::Trail;
use crate::scenario::WORLD;
use crate::scenario::limits::TICK;

/// Every link of a run, and what faults did to them.
pub(in crate::world) struct Links {
    state: Mutex<State>,
    recorder: Recorder,
    trail: Trail,
    /// Rung when a cut has come.
    bell: Bell,
    names: Vec<Name>,
    world: Name,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) ways: BTreeMap<Way, Vec<Imposed>>,
    /// The connections whose paths are gone for good, and by which faults.
    severed: BTreeMap<ConnectionId, Vec<usize>>,
    marks: Marks,
    /// The faults whose cut has come and was not asked for yet.
    struck: Vec<usize>,
    changes: BTreeMap<Way, Arc<Notify>>,
    touched: BTreeMap<usize, u64>,
    /// When it was last written that a fault touched a connection.
    written: BTreeMap<(usize, ConnectionId), Duration>,
    /// What is still to be written: which fault touched whom.
    unwritten: Vec<(usize, Vec<Name>)>,
}

/// The state, and nobody else has it. What is to be written is written when it is free again: a record may set off a fault,
/// which changes links.
pub(super) struct Locked<'a> {
    links: &'a Links,
    /// None as it is dropped.
    state: Option<MutexGuard<'a, State>>,
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state.as_deref().expect("it is there until this is dropped")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_deref_mut().expect("it is there until this is dropped")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let unwritten = self.state.take().map(|mut state| std::mem::take(&mut state.unwritten));
        for (fault, processes) in unwritten.into_iter().flatten() {
            self.links.write_touched(fault, processes);
        }
    }
}

/// From which machine to which.
pub(super) type Way = (MachineId, MachineId);

/// Remembers which faults have been charged with holding one thing, so that each is charged once.
#[derive(Default)]
pub(super) struct Held(Vec<usize>);

/// For the faults.
impl Links {
    /// Links between machines of those names, all well.
    pub(super) fn new(names: Vec<Name>, recorder: Recorder, trail: Trail, bell: Bell) -> Self {
        Self { state: Mutex::default(), recorder, trail, bell, names, world: WORLD.into() }
    }

    /// From now on a fault does this to a way, or to the only connection that it is about.
    pub(in crate::world) fn impose(
        &self,
        way: Way,
        fault: usize,
        impairment: Impairment,
        only: Option<ConnectionId>,
    ) {
        let mut state = self.lock();
        let imposed = Imposed { fault, impairment, since: moment::now(), only, free_at: Duration::ZERO };
        state.ways.entry(way).or_default().push(imposed);
        // What waits already is held by this fault too.
        state.changed(way);
    }

    /// This fault does nothing to the way any more.
    pub(in crate::world) fn lift(&self, way: Way, fault: usize) {
        let mut state = self.lock();
        let Some(imposed) = state.ways.get_mut(&way) else { return };
        imposed.retain(|other| other.fault != fault);
        if imposed.is_empty() {
            state.ways.remove(&way);
        }
        state.changed(way);
    }

    /// Nothing of this connection ever passes again.
    pub(in crate::world) fn sever(&self, connection: ConnectionId, fault: usize) {
        self.lock().severed.entry(connection).or_default().push(fault);
    }

    /// The first connection on which so many bytes pass these ways is to be cut.
    pub(in crate::world) fn arm_cut(&self, stretch: Stretch, fault: usize, after: u64) {
        self.lock().marks.set(stretch, after, Then::Cut(fault));
    }

    /// When so many bytes have passed these ways on one connection, `strike` is called before the next one does.
    pub(in crate::world) fn strike_at(&self, stretch: Stretch, byte: u64, strike: Strike) {
        self.lock().marks.set(stretch, byte, Then::Strike(strike));
    }

    /// The faults whose cut has come since this was last asked.
    pub(in crate::world) fn struck(&self) -> Vec<usize> {
        std::mem::take(&mut self.lock().struck)
    }

    /// Says that a fault touched connections.
    pub(in crate::world) fn touch_all(&self, fault: usize, routes: &[Route]) {
        let mut state = self.lock();
        for route in routes {
            self.touch(&mut state, fault, *route);
        }
    }

    /// Says that a fault touched a process past its connections, so many times.
    pub(in crate::world) fn touch_process(&self, fault: usize, machine: MachineId, times: u64) {
        self.count(fault, machine, times);
        self.tell_touched(fault, machine);
    }

    /// Says that a fault touched something of a machine, so many times. It excuses nothing until [`Links::tell_touched`].
    pub(in crate::world) fn count(&self, fault: usize, machine: MachineId, times: u64) {
        *self.lock().touched.entry(fault).or_default() += times;
        self.trail.touched_process(moment::now(), fault, &self.name(machine));
    }

    /// Writes into the history that a fault touched a process, which was counted before.
    pub(in crate::world) fn tell_touched(&self, fault: usize, machine: MachineId) {
        self.write_touched(fault, vec![self.name(machine)]);
    }

    /// How often each fault touched traffic.
    pub(in crate::world) fn touched(&self) -> BTreeMap<usize, u64> {
        self.lock().touched.clone()
    }
}

/// For the paths.
impl Links {
    /// Whether something can pass now. If not, what blocks it is charged, once for each `held`.
    pub(super) fn is_open(&self, route: Route, held: &mut Held) -> bool {
        let mut state = self.lock();
        let blocking = blocks(state.met_by(route));
        let severing = state.severed.get(&route.connection).into_iter().flatten().copied();
        let faults: Vec<usize> = blocking.chain(severing).collect();
        for fault in &faults {
            if !held.0.contains(fault) {
                held.0.push(*fault);
                self.touch(&mut state, *fault, route);
            }
        }
        faults.is_empty()
    }

    /// Ends when the link is open.
    pub(super) async fn opened(&self, route: Route, held: &mut Held) {
        self.until(route.way(), || self.is_open(route, held)).await;
    }

    /// Ends when something holds that only a change of the way can make hold.
    pub(super) async fn until(&self, way: Way, mut holds: impl FnMut() -> bool) {
        let changes = Arc::clone(self.lock().changes.entry(way).or_default());
        loop {
            // Registered before looking, or a change in between would be missed.
            let mut change = std::pin::pin!(changes.notified());
            change.as_mut().enable();
            if holds() {
                return;
            }
            change.await;
        }
    }

    /// So many bytes are about to pass. If something happens behind one of them: how many pass before, and what.
    pub(super) fn pass(&self, route: Route, bytes: usize) -> Option<(usize, Then)> {
        let mut state = self.lock();
        let (passing, then) = state.marks.pass(route, bytes)?;
        if let Then::Cut(fault) = &then {
            self.touch(&mut state, *fault, route);
            state.struck.push(*fault);
            self.bell.ring();
        }
        Some((passing, then))
    }

    /// Says that a fault touched a connection.
    pub(super) fn touch(&self, state: &mut State, fault: usize, route: Route) {
        *state.touched.entry(fault).or_default() += 1;
        let now = moment::now();
        let written = state.written.get(&(fault, route.connection));
        if written.is_none_or(|written| now >= *written + TICK) {
            state.written.insert((fault, route.connection), now);
            let ConnectionId { dialer, serial } = route.connection;
            self.trail.touched_connection(now, fault, &self.name(dialer), serial);
            let mut processes: Vec<Name> = [route.from, route.to].map(|machine| self.name(machine)).into();
            // The client first.
            processes.sort_by_key(|name| **name == *SERVER);
            state.unwritten.push((fault, processes));
        }
    }

    fn write_touched(&self, fault: usize, processes: Vec<Name>) {
        self.recorder.record(moment::now(), &self.world, 0, 0, Kind::Touched { fault, processes });
    }

    fn name(&self, machine: MachineId) -> Name {
        Name::clone(&self.names[usize::from(machine.0)])
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        let state = self.state.lock().expect("no one panics while holding it");
        Locked { links: self, state: Some(state) }
    }
}

fn blocks<'a>(imposed: impl Iterator<Item = &'a Imposed>) -> impl Iterator<Item = usize> {
    imposed.filter(|imposed| imposed.impairment == Impairment::Block).map(|imposed| imposed.fault)
}

impl State {
    fn changed(&self, way: Way) {
        if let Some(changes) = self.changes.get(&way) {
            changes.notify_waiters();
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::frame::End;
    use super::*;

    pub(in super::super) const A: MachineId = MachineId(1);
    pub(in super::super) const B: MachineId = MachineId(0);

    pub(in super::super) fn links() -> Links {
        let recorder = Recorder::new();
        let trail = Trail::new(&recorder);
        Links::new(vec![SERVER.into(), "alice".into()], recorder, trail, Bell::default())
    }

    pub(in super::super) fn up(serial: u32) -> Route {
        Route { connection: ConnectionId { dialer: A, serial }, from: A, to: B, end: End::Acceptor }
    }

    #[test]
    fn a_link_opens_when_the_last_fault_that_blocks_it_ends() {
        let links = links();
        links.impose((A, B), 1, Impairment::Block, None);
        links.impose((A, B), 2, Impairment::Block, None);

        links.lift((A, B), 1);
        assert!(!links.is_open(up(1), &mut Held::default()));

        links.lift((A, B), 2);
        assert!(links.is_open(up(1), &mut Held::default()));
    }

    #[test]
    fn one_held_thing_is_charged_once_to_each_fault_that_held_it() {
        let links = links();
        links.impose((A, B), 7, Impairment::Block, None);
        let mut held = Held::default();
        assert!(!links.is_open(up(1), &mut held));
        links.impose((A, B), 8, Impairment::Block, None);
        assert!(!links.is_open(up(1), &mut held));
        assert!(!links.is_open(up(1), &mut held));

        assert_eq!(links.touched(), BTreeMap::from([(7, 1), (8, 1)]));
        assert!(links.is_open(up(1).back(), &mut held), "the other direction stands for itself");
    }

    #[test]
    fn a_severed_connection_passes_nothing_either_way_and_others_do() {
        let links = links();
        links.sever(up(1).connection, 0);

        assert!(!links.is_open(up(1), &mut Held::default()));
        assert!(!links.is_open(up(1).back(), &mut Held::default()));
        assert!(links.is_open(up(2), &mut Held::default()));
    }

    #[test]
    fn the_history_has_each_connection_that_was_touched_once_a_tick() {
        let links = links();
        links.touch_all(3, &[up(1), up(1), up(1).back(), up(2)]);
        moment::set(TICK);
        links.touch_all(3, &[up(1)]);
        moment::set(Duration::ZERO);

        let history = links.recorder.finish();

        let touched = Kind::Touched { fault: 3, processes: vec!["alice".into(), SERVER.into()] };
        assert_eq!(history.records.iter().map(|record| &record.kind).collect::<Vec<_>>(), [&touched; 3]);
        assert_eq!(links.touched(), BTreeMap::from([(3, 5)]));
    }
}
