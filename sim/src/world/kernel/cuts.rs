//! Where connections are to be cut: counts the bytes that pass, and says behind which one the RST comes.
//!
//! An armed cut waits for the first connection on which so many bytes pass, whether it is there already or still to come.
//! Then it is over. No time, no lock.

use std::collections::BTreeMap;

use super::frame::{ConnectionId, MachineId, Route};

/// The cuts that have not struck yet.
#[derive(Default)]
pub(super) struct Cuts(Vec<Cut>);

struct Cut {
    fault: usize,
    ways: Vec<(MachineId, MachineId)>,
    after: u64,
    passed: BTreeMap<ConnectionId, u64>,
}

impl Cuts {
    /// From now on the bytes of these ways count.
    pub(super) fn arm(&mut self, fault: usize, ways: Vec<(MachineId, MachineId)>, after: u64) {
        self.0.push(Cut { fault, ways, after, passed: BTreeMap::new() });
    }

    /// So many bytes are about to pass. If a cut strikes: which, and how many of them still do.
    pub(super) fn pass(&mut self, route: Route, bytes: usize) -> Option<(usize, usize)> {
        let mut passing = bytes as u64;
        let mut struck = None;
        for (place, cut) in self.0.iter().enumerate().filter(|(_, cut)| cut.covers(route)) {
            let left = cut.after - cut.passed.get(&route.connection).copied().unwrap_or(0);
            if left <= passing && (left < passing || struck.is_none()) {
                passing = left;
                struck = Some(place);
            }
        }
        for cut in self.0.iter_mut().filter(|cut| cut.covers(route)) {
            *cut.passed.entry(route.connection).or_default() += passing;
        }
        let cut = self.0.remove(struck?);
        Some((cut.fault, usize::try_from(passing).unwrap_or(bytes)))
    }
}

impl Cut {
    fn covers(&self, route: Route) -> bool {
        self.ways.contains(&(route.from, route.to))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::End;
    use super::*;

    const A: MachineId = MachineId(1);
    const B: MachineId = MachineId(0);

    fn up(serial: u32) -> Route {
        Route { connection: ConnectionId { dialer: A, serial }, from: A, to: B, end: End::Acceptor }
    }

    #[test]
    fn a_cut_comes_behind_exactly_so_many_bytes_of_its_way_on_one_connection_and_only_once() {
        let mut cuts = Cuts::default();
        cuts.arm(4, vec![(A, B)], 100);

        assert_eq!(cuts.pass(up(1), 60), None);
        assert_eq!(cuts.pass(up(2), 60), None, "another connection counts for itself");
        assert_eq!(cuts.pass(up(1).back(), 60), None, "the other way does not count");
        assert_eq!(cuts.pass(up(1), 60), Some((4, 40)));
        assert_eq!(cuts.pass(up(1), 1000), None);
    }

    #[test]
    fn both_ways_count_together() {
        let mut cuts = Cuts::default();
        cuts.arm(0, vec![(A, B), (B, A)], 100);

        assert_eq!(cuts.pass(up(1), 99), None);
        assert_eq!(cuts.pass(up(1).back(), 1), Some((0, 1)));
    }

    #[test]
    fn of_two_cuts_the_nearer_one_strikes_and_the_other_goes_on_counting() {
        let mut cuts = Cuts::default();
        cuts.arm(0, vec![(A, B)], 100);
        cuts.arm(1, vec![(A, B)], 30);

        assert_eq!(cuts.pass(up(1), 200), Some((1, 30)));
        assert_eq!(cuts.pass(up(1), 200), Some((0, 70)));
    }
}
