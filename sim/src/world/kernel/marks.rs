//! Bytes behind which something happens: counts what passes, and says behind which byte a connection is cut or a fault
//! begins.
//!
//! A mark waits for the first connection on which so many bytes pass, whether it is there already or still to come. Then it
//! is over. No time, no lock.

use std::collections::BTreeMap;

use super::frame::{ConnectionId, MachineId, Route};

/// The marks that no byte has reached yet.
#[derive(Default)]
pub(super) struct Marks(Vec<Mark>);

struct Mark {
    stretch: Stretch,
    after: u64,
    then: Then,
    passed: BTreeMap<ConnectionId, u64>,
}

/// Which bytes something is about.
#[derive(Debug, Clone)]
pub(in crate::world) struct Stretch {
    /// Those of these ways.
    pub(in crate::world) ways: Vec<(MachineId, MachineId)>,
    /// And of this connection, where there is one.
    pub(in crate::world) only: Option<ConnectionId>,
}

/// What happens behind a byte.
pub(super) enum Then {
    /// This fault cuts the connection.
    Cut(usize),
    /// This is called.
    Strike(Strike),
}

/// Called behind a byte, before the next one passes.
pub(in crate::world) type Strike = Box<dyn FnOnce() + Send>;

impl Marks {
    /// From now on these bytes count.
    pub(super) fn set(&mut self, stretch: Stretch, after: u64, then: Then) {
        self.0.push(Mark { stretch, after, then, passed: BTreeMap::new() });
    }

    /// So many bytes are about to pass. If there is a mark among them: how many of them pass up to it, and what happens then.
    pub(super) fn pass(&mut self, route: Route, bytes: usize) -> Option<(usize, Then)> {
        let mut passing = bytes as u64;
        let mut nearest = None;
        for (place, mark) in self.0.iter().enumerate().filter(|(_, mark)| mark.covers(route)) {
            let left = mark.after.saturating_sub(mark.passed.get(&route.connection).copied().unwrap_or(0));
            if left <= passing && (left < passing || nearest.is_none()) {
                passing = left;
                nearest = Some(place);
            }
        }
        for mark in self.0.iter_mut().filter(|mark| mark.covers(route)) {
            *mark.passed.entry(route.connection).or_default() += passing;
        }
        let mark = self.0.remove(nearest?);
        Some((usize::try_from(passing).unwrap_or(bytes), mark.then))
    }
}

impl Mark {
    fn covers(&self, route: Route) -> bool {
        let Stretch { ways, only } = &self.stretch;
        ways.contains(&(route.from, route.to)) && only.is_none_or(|only| only == route.connection)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::End;
    use super::*;

    const A: MachineId = MachineId(1);
    const B: MachineId = MachineId(0);

    fn all<const N: usize>(ways: [(MachineId, MachineId); N]) -> Stretch {
        Stretch { ways: ways.to_vec(), only: None }
    }

    /// Which fault cuts, and behind how many of the bytes.
    fn pass(marks: &mut Marks, route: Route, bytes: usize) -> Option<(usize, usize)> {
        match marks.pass(route, bytes)? {
            (passing, Then::Cut(fault)) => Some((fault, passing)),
            (_, Then::Strike(_)) => unreachable!("only cuts are set here"),
        }
    }

    fn up(serial: u32) -> Route {
        Route { connection: ConnectionId { dialer: A, serial }, from: A, to: B, end: End::Acceptor }
    }

    #[test]
    fn a_cut_comes_behind_exactly_so_many_bytes_of_its_way_on_one_connection_and_only_once() {
        let mut marks = Marks::default();
        marks.set(all([(A, B)]), 100, Then::Cut(4));

        assert_eq!(pass(&mut marks, up(1), 60), None);
        assert_eq!(pass(&mut marks, up(2), 60), None, "another connection counts for itself");
        assert_eq!(pass(&mut marks, up(1).back(), 60), None, "the other way does not count");
        assert_eq!(pass(&mut marks, up(1), 60), Some((4, 40)));
        assert_eq!(pass(&mut marks, up(1), 1000), None);
    }

    #[test]
    fn both_ways_count_together() {
        let mut marks = Marks::default();
        marks.set(all([(A, B), (B, A)]), 100, Then::Cut(0));

        assert_eq!(pass(&mut marks, up(1), 99), None);
        assert_eq!(pass(&mut marks, up(1).back(), 1), Some((0, 1)));
    }

    #[test]
    fn of_two_cuts_the_nearer_one_strikes_and_the_other_goes_on_counting() {
        let mut marks = Marks::default();
        marks.set(all([(A, B)]), 100, Then::Cut(0));
        marks.set(all([(A, B)]), 30, Then::Cut(1));

        assert_eq!(pass(&mut marks, up(1), 200), Some((1, 30)));
        assert_eq!(pass(&mut marks, up(1), 200), Some((0, 70)));
    }

    #[test]
    fn two_marks_at_one_byte_are_met_one_after_the_other() {
        let mut marks = Marks::default();
        marks.set(all([(A, B)]), 10, Then::Cut(0));
        marks.set(all([(A, B)]), 10, Then::Cut(1));

        assert_eq!(pass(&mut marks, up(1), 30), Some((0, 10)));
        assert_eq!(pass(&mut marks, up(1), 20), Some((1, 0)));
        assert_eq!(pass(&mut marks, up(1), 20), None);
    }

    #[test]
    fn where_it_is_about_one_connection_no_other_counts() {
        let mut marks = Marks::default();
        let only = Some(up(2).connection);
        marks.set(Stretch { ways: vec![(A, B)], only }, 10, Then::Cut(0));

        assert_eq!(pass(&mut marks, up(1), 30), None);
        assert_eq!(pass(&mut marks, up(2), 30), Some((0, 10)));
    }
}
