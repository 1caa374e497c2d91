//! What breaks, and how it heals: side by side, one match.

use std::time::Duration;

use super::kernel::{Impairment, MachineId, Network};
use super::roster::Roster;
use crate::disk::Trouble;
use crate::plan::{DiskSlow, Fault, FaultAct, Name, Pair, Path};

/// How long a process that is asked to stop may take; then it is killed, as service managers do.
pub(super) const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Which end of a fault has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    /// It heals.
    Ends,
    /// It begins.
    Begins,
    /// It asked a process to stop [`SHUTDOWN_GRACE`] ago.
    Insists,
}

/// Begins or ends the fault at `place` in the plan.
pub(super) fn apply(roster: &mut Roster<'_>, network: &Network, fault: &Fault, place: usize, moment: Moment) {
    let links = &network.links;
    let impose = |path: &Path, impairment: Impairment| {
        ways(network, path).into_iter().for_each(|way| links.impose(way, place, impairment));
    };
    let lift = |path: &Path| ways(network, path).into_iter().for_each(|way| links.lift(way, place));
    let both = |pair: &Pair| Path::Between(pair.between.clone());
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

        (FaultAct::HalfOpen(pair), Moment::Begins) => {
            if let Some((one, other)) = way(network, &pair.between) {
                network.sever(one, other, place);
            }
        }
        (FaultAct::HalfOpen(_), Moment::Ends) => {}

        (FaultAct::Reset(pair), Moment::Begins) => {
            if let Some((one, other)) = way(network, &pair.between) {
                links.touch_all(place, &network.reset(one, other));
            }
        }
        (FaultAct::Reset(_), Moment::Ends) => {}

        (FaultAct::Cut(cut), Moment::Begins) => {
            links.arm_cut(ways(network, &cut.path), place, cut.after.low);
        }
        (FaultAct::Cut(_), Moment::Ends) => {}

        (FaultAct::Kill(name), Moment::Begins) => links.touch_all(place, &roster.kill(name, place)),
        (FaultAct::Kill(name), Moment::Ends) => roster.revive(name, place),

        (FaultAct::Shutdown(name), Moment::Begins) => links.touch_all(place, &roster.shut_down(name, place)),
        (FaultAct::Shutdown(name), Moment::Insists) => roster.insist(name, place),
        (FaultAct::Shutdown(name), Moment::Ends) => roster.revive(name, place),

        (FaultAct::RollingRestart(name), Moment::Begins) => {
            links.touch_all(place, &roster.replace(name, place));
        }
        (FaultAct::RollingRestart(name), Moment::Insists) => roster.insist(name, place),
        // It ends when the next process begins, which the first one decides.
        (FaultAct::RollingRestart(_), Moment::Ends) => {}

        (FaultAct::Reload(name), Moment::Begins) => {
            let closed = roster.reload(name, fault.until.map(|_| place));
            match (closed.as_deref(), network.find(name)) {
                // Its memory is lost all the same.
                (Some([]), Some(machine)) => links.touch_process(place, machine, 1),
                (Some(closed), _) => links.touch_all(place, closed),
                (None, _) => {}
            }
        }
        (FaultAct::Reload(name), Moment::Ends) => roster.revive(name, place),

        (FaultAct::Pause(name), Moment::Begins) => roster.freeze(name, place),
        (FaultAct::Pause(name), Moment::Ends) => roster.thaw(name, place),

        (FaultAct::PowerOff(name), Moment::Begins) => roster.power_off(name, place),
        (FaultAct::PowerOff(name), Moment::Ends) => roster.power_on(name, place),

        (FaultAct::Crash(crash), Moment::Begins) => roster.arm_crash(crash, place),
        (FaultAct::Crash(crash), Moment::Ends) => roster.end_crash(crash, place),

        (FaultAct::DiskFull(name), Moment::Begins) => roster.trouble_disk(name, place, Trouble::Full),
        (FaultAct::DiskError(name), Moment::Begins) => roster.trouble_disk(name, place, Trouble::Error),
        (FaultAct::DiskSlow(slow), Moment::Begins) => {
            roster.trouble_disk(&slow.of, place, Trouble::Slow(slow.by));
        }
        (
            FaultAct::DiskFull(name)
            | FaultAct::DiskError(name)
            | FaultAct::DiskSlow(DiskSlow { of: name, .. }),
            Moment::Ends,
        ) => {
            // Each was counted as it came.
            let touched = roster.heal_disk(name, place);
            if let Some(machine) = network.find(name).filter(|_| touched > 0) {
                links.tell_touched(place, machine);
            }
        }

        (FaultAct::ClockSkew(skew), Moment::Begins) => {
            roster.clock(&skew.of).into_iter().for_each(|clock| clock.skew(place, skew.percent.low));
        }
        (FaultAct::ClockSkew(skew), Moment::Ends) => {
            roster.clock(&skew.of).into_iter().for_each(|clock| clock.unskew(place));
        }

        (FaultAct::ClockJump(jump), Moment::Begins) => {
            roster.clock(&jump.of).into_iter().for_each(|clock| clock.leap(place, jump.by.low, jump.back));
        }
        (FaultAct::ClockJump(jump), Moment::Ends) => {
            roster.clock(&jump.of).into_iter().for_each(|clock| clock.leap_back(place));
        }

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
            | FaultAct::Crash(_)
            | FaultAct::DiskFull(_)
            | FaultAct::DiskError(_)
            | FaultAct::DiskSlow(_)
            | FaultAct::ClockSkew(_)
            | FaultAct::ClockJump(_),
            Moment::Insists,
        ) => {}
    }
}

/// The directions that a path is.
fn ways(network: &Network, path: &Path) -> Vec<(MachineId, MachineId)> {
    match path {
        Path::Between(pair) => {
            way(network, pair).into_iter().flat_map(|(one, other)| [(one, other), (other, one)]).collect()
        }
        Path::OneWay(pair) => way(network, pair).into_iter().collect(),
    }
}

/// A plan that names what is not there is refused before the run.
fn way(network: &Network, [from, to]: &[Name; 2]) -> Option<(MachineId, MachineId)> {
    network.find(from).zip(network.find(to))
}
