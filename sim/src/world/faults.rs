//! What breaks, and how it heals: side by side, one match.

use std::time::Duration;

use super::hardware::{Hardware, Machines};
use super::kernel::{ConnectionId, Impairment, MachineId, Network, Stretch};
use crate::disk::Trouble;
use crate::plan::{Connections, DiskSlow, Fault, FaultAct, Name, Pair, Path, SERVER, Ways, Which};

/// How long a process that is asked to stop may take; then it is killed, as service managers do.
pub(super) const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Which end of a fault has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// It begins.
    Begins,
    /// It heals.
    Ends,
    /// It asked a process to stop [`SHUTDOWN_GRACE`] ago.
    Insists,
}

/// Begins or ends the fault at `place` in the plan, at once, wherever the run stands.
pub(super) fn apply(machines: &Machines, network: &Network, fault: &Fault, place: usize, moment: Moment) {
    let links = &network.links;
    let impose = |path: &Path, impairment: Impairment| {
        let Some(Stretch { ways, only }) = stretch(network, path) else { return };
        ways.into_iter().for_each(|way| links.impose(way, place, impairment, only));
    };
    let lift = |path: &Path| ways(network, path).into_iter().for_each(|way| links.lift(way, place));
    // A plan that names what is not there is refused before the run.
    let on = |name: &Name, change: &dyn Fn(&Hardware)| {
        machines.get(name).into_iter().for_each(|machine| change(machine))
    };
    let both = |pair: &Pair| Path::between(pair.between.clone());
    match (&fault.what, moment) {
        (FaultAct::Delay(delay), Moment::Begins) => impose(&delay.path, Impairment::Delay(delay.by)),
        (FaultAct::Delay(delay), Moment::Ends) => lift(&delay.path),

        (FaultAct::Loss(loss), Moment::Begins) => impose(&loss.path, Impairment::Loss(loss.percent)),
        (FaultAct::Loss(loss), Moment::Ends) => lift(&loss.path),

        (FaultAct::Slow(slow), Moment::Begins) => impose(&slow.path, Impairment::Slow(slow.rate)),
        (FaultAct::Slow(slow), Moment::Ends) => lift(&slow.path),

        (FaultAct::Stall(path), Moment::Begins) => impose(path, Impairment::Block),
        (FaultAct::Stall(path), Moment::Ends) => lift(path),

        (FaultAct::Partition(pair), Moment::Begins) => impose(&both(pair), Impairment::Block),
        (FaultAct::Partition(pair), Moment::Ends) => lift(&both(pair)),

        (FaultAct::HalfOpen(some), Moment::Begins) => {
            if let Some(((one, other), only)) = connections(network, some) {
                network.sever(one, other, only, place);
            }
        }
        (FaultAct::HalfOpen(_), Moment::Ends) => {}

        (FaultAct::Reset(some), Moment::Begins) => {
            if let Some(((one, other), only)) = connections(network, some) {
                links.touch_all(place, &network.reset(one, other, only));
            }
        }
        (FaultAct::Reset(_), Moment::Ends) => {}

        (FaultAct::Cut(cut), Moment::Begins) => {
            if let Some(stretch) = stretch(network, &cut.path) {
                links.arm_cut(stretch, place, cut.after.low);
            }
        }
        (FaultAct::Cut(_), Moment::Ends) => {}

        (FaultAct::Kill(name), Moment::Begins) => on(name, &|machine| machine.kill(place)),
        (FaultAct::Kill(name), Moment::Ends) => on(name, &|machine| machine.revive(place)),

        (FaultAct::Shutdown(name), Moment::Begins) => on(name, &|machine| machine.shut_down(place)),
        (FaultAct::Shutdown(name), Moment::Insists) => on(name, &|machine| machine.insist(place)),
        (FaultAct::Shutdown(name), Moment::Ends) => on(name, &|machine| machine.revive(place)),

        (FaultAct::RollingRestart(name), Moment::Begins) => on(name, &|machine| machine.replace(place)),
        (FaultAct::RollingRestart(name), Moment::Insists) => on(name, &|machine| machine.insist(place)),
        // It ends when the next process begins, which the first one decides.
        (FaultAct::RollingRestart(_), Moment::Ends) => {}

        (FaultAct::Reload(name), Moment::Begins) => {
            on(name, &|machine| machine.reload(place, fault.lasts.is_some() || ends_at_next_tick(fault)));
        }
        (FaultAct::Reload(name), Moment::Ends) => on(name, &|machine| machine.revive(place)),

        (FaultAct::Pause(name), Moment::Begins) => on(name, &|machine| machine.freeze(place)),
        (FaultAct::Pause(name), Moment::Ends) => on(name, &|machine| machine.thaw(place)),

        (FaultAct::PowerOff(name), Moment::Begins) => on(name, &|machine| machine.lose_power(place)),
        (FaultAct::PowerOff(name), Moment::Ends) => on(name, &|machine| machine.restore_power(place)),

        (FaultAct::DiskFull(name), Moment::Begins) => {
            on(name, &|machine| machine.trouble_disk(place, Trouble::Full));
        }
        (FaultAct::DiskError(name), Moment::Begins) => {
            on(name, &|machine| machine.trouble_disk(place, Trouble::Error));
        }
        (FaultAct::DiskSlow(slow), Moment::Begins) => {
            on(&slow.of, &|machine| machine.trouble_disk(place, Trouble::Slow(slow.by)));
        }
        (
            FaultAct::DiskFull(name)
            | FaultAct::DiskError(name)
            | FaultAct::DiskSlow(DiskSlow { of: name, .. }),
            Moment::Ends,
        ) => on(name, &|machine| {
            // Each was counted as it came.
            let touched = machine.disk.end(place);
            if touched > 0 {
                links.tell_touched(place, machine.machine);
            }
        }),

        (FaultAct::ClockSkew(skew), Moment::Begins) => {
            on(&skew.of, &|machine| machine.clock.skew(place, skew.percent.low));
        }
        (FaultAct::ClockSkew(skew), Moment::Ends) => on(&skew.of, &|machine| machine.clock.unskew(place)),

        (FaultAct::ClockJump(jump), Moment::Begins) => {
            on(&jump.of, &|machine| machine.clock.leap(place, jump.by.low, jump.back));
        }
        (FaultAct::ClockJump(jump), Moment::Ends) => on(&jump.of, &|machine| machine.clock.leap_back(place)),

        (
            FaultAct::Delay(_)
            | FaultAct::Loss(_)
            | FaultAct::Slow(_)
            | FaultAct::Stall(_)
            | FaultAct::Partition(_)
            | FaultAct::HalfOpen(_)
            | FaultAct::Reset(_)
            | FaultAct::Cut(_)
            | FaultAct::Kill(_)
            | FaultAct::Reload(_)
            | FaultAct::Pause(_)
            | FaultAct::PowerOff(_)
            | FaultAct::DiskFull(_)
            | FaultAct::DiskError(_)
            | FaultAct::DiskSlow(_)
            | FaultAct::ClockSkew(_)
            | FaultAct::ClockJump(_),
            Moment::Insists,
        ) => {}
    }
}

/// Whether what takes no time ends at the next tick: only there does a process begin, and it may be gone within one.
pub(super) fn ends_at_next_tick(fault: &Fault) -> bool {
    matches!(fault.what, FaultAct::Reload(_)) && fault.lasts.is_none() && fault.at.time().is_none()
}

/// Where a path is now; nowhere where it is about a connection that is not there.
pub(super) fn stretch(network: &Network, path: &Path) -> Option<Stretch> {
    let only = only(network, path.ends(), path.connection)?;
    Some(Stretch { ways: ways(network, path), only })
}

/// The machines at both ends, and the only connection that it is about; nothing where that is not there.
fn connections(
    network: &Network,
    some: &Connections,
) -> Option<((MachineId, MachineId), Option<ConnectionId>)> {
    way(network, &some.between).zip(only(network, &some.between, some.connection))
}

/// The inner `None` is all of them.
fn only(network: &Network, ends: &[Name; 2], which: Option<Which>) -> Option<Option<ConnectionId>> {
    let Some(which) = which else { return Some(None) };
    let (one, other) = way(network, ends)?;
    match which {
        Which::Current => network.current(one, other).map(Some),
        // Only clients dial.
        Which::Nth(nth) => {
            let dialer = if *ends[0] == *SERVER { other } else { one };
            Some(Some(ConnectionId { dialer, serial: nth }))
        }
    }
}

/// The directions that a path is.
fn ways(network: &Network, path: &Path) -> Vec<(MachineId, MachineId)> {
    match &path.ways {
        Ways::Between(pair) => {
            way(network, pair).into_iter().flat_map(|(one, other)| [(one, other), (other, one)]).collect()
        }
        Ways::OneWay(pair) => way(network, pair).into_iter().collect(),
    }
}

/// A plan that names what is not there is refused before the run.
fn way(network: &Network, [from, to]: &[Name; 2]) -> Option<(MachineId, MachineId)> {
    network.find(from).zip(network.find(to))
}
