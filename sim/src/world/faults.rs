//! What breaks, and how it heals: side by side, one match.

use std::time::Duration;

use super::kernel::{MachineId, Network};
use super::roster::Roster;
use crate::plan::{Fault, FaultAct, Name, Path};

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
    let block = |way: (MachineId, MachineId)| network.links.block(way.0, way.1, place);
    let unblock = |way: (MachineId, MachineId)| network.links.unblock(way.0, way.1, place);
    match (&fault.what, moment) {
        (FaultAct::Stall(path), Moment::Begins) => ways(network, path).into_iter().for_each(block),
        (FaultAct::Stall(path), Moment::Ends) => ways(network, path).into_iter().for_each(unblock),

        (FaultAct::Partition(pair), Moment::Begins) => {
            both_ways(network, &pair.between).into_iter().for_each(block)
        }
        (FaultAct::Partition(pair), Moment::Ends) => {
            both_ways(network, &pair.between).into_iter().for_each(unblock)
        }

        (FaultAct::Reset(pair), Moment::Begins) => {
            if let Some((one, other)) = way(network, &pair.between) {
                network.links.touch(place, network.reset(one, other));
            }
        }
        (FaultAct::Reset(_), Moment::Ends) => {}

        (FaultAct::Kill(name), Moment::Begins) => network.links.touch(place, roster.kill(name, place)),
        (FaultAct::Kill(name), Moment::Ends) => roster.revive(name, place),

        (FaultAct::Shutdown(name), Moment::Begins) => {
            network.links.touch(place, roster.shut_down(name, place))
        }
        (FaultAct::Shutdown(name), Moment::Insists) => roster.insist(name, place),
        (FaultAct::Shutdown(name), Moment::Ends) => roster.revive(name, place),

        (
            FaultAct::Stall(_) | FaultAct::Partition(_) | FaultAct::Reset(_) | FaultAct::Kill(_),
            Moment::Insists,
        ) => {}
    }
}

/// The directions that a stall blocks.
fn ways(network: &Network, path: &Path) -> Vec<(MachineId, MachineId)> {
    match path {
        Path::Between(pair) => both_ways(network, pair),
        Path::OneWay(pair) => way(network, pair).into_iter().collect(),
    }
}

fn both_ways(network: &Network, pair: &[Name; 2]) -> Vec<(MachineId, MachineId)> {
    way(network, pair).into_iter().flat_map(|(one, other)| [(one, other), (other, one)]).collect()
}

/// A plan that names what is not there is refused before the run.
fn way(network: &Network, [from, to]: &[Name; 2]) -> Option<(MachineId, MachineId)> {
    network.find(from).zip(network.find(to))
}
