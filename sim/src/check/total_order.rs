//! *Promise:* all observers agree on the order of any two messages of a room.
//!
//! *Checked:* an observer is the log, which sees messages as they are committed, or one life of a client, which sees them
//! as they are shown. In each room, each observer sees new offsets in rising order. Where that holds, and one offset holds
//! one message (`inconsistent_offset`), any two observers agree, so no cycle needs to be looked for. An offset seen again
//! is no new sighting; that it is seen again is a duplicate. Who joins a room from an earlier offset on begins anew.
//!
//! *Not checked, because:* the order of messages of different rooms, because it is not promised; the offset that an
//! acknowledgement names, because its sender has not seen a message there; a client's step back within one connection,
//! because that is `nonmonotonic_offset`'s.

use std::collections::BTreeMap;

use squall::store::LogOffset;

use super::ordered::Ordered;
use super::roll::{Entry, Room};
use super::table::{Lives, Table};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::TotalOrderDivergence`].
#[derive(Default)]
pub(super) struct TotalOrder<'r> {
    committed: BTreeMap<LogOffset, &'r Record>,
    /// Outlives the server's process.
    log: Table<Room, View<'r>>,
    clients: Lives<Table<Room, View<'r>>>,
    examined: u64,
    found: Option<Violation>,
}

/// What one observer has seen of one room.
#[derive(Default)]
struct View<'r> {
    seen: Ordered<LogOffset>,
    highest: Option<&'r Record>,
    /// The highest that each connection has brought.
    connections: BTreeMap<u32, LogOffset>,
}

impl<'r> Checker<'r> for TotalOrder<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::TotalOrderDivergence
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        if let Kind::Committed { offset, .. } = &entry.kind {
            self.examined += 1;
            let before = self.log.entry(entry.room).sees(entry.record, *offset, false);
            self.find(entry.record, before);
            self.committed.entry(*offset).or_insert(entry.record);
        } else if let Kind::Delivered { offset, .. } = &entry.kind {
            self.examined += 1;
            let view = self.clients.entry(entry.life()).entry(entry.room);
            let before = view.sees(entry.record, *offset, true);
            self.find(entry.record, before);
        } else if let Kind::Joined { since: Some(_), .. } = &entry.kind {
            self.clients.entry(entry.life()).remove(entry.room);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl<'r> View<'r> {
    /// New offsets rise: if this one does not, what was seen before it and is higher. Of a step back within a connection,
    /// where those count, nothing is said.
    fn sees(
        &mut self,
        record: &'r Record,
        offset: LogOffset,
        within_connections: bool,
    ) -> Option<&'r Record> {
        if !self.seen.insert(offset) {
            return None;
        }
        let on_this = self.connections.entry(record.session).or_insert(offset);
        let is_step_back = within_connections && *on_this > offset;
        *on_this = offset.max(*on_this);
        // The set has the new offset, so its last is no smaller, and `highest` is of the last one before.
        if self.seen.last() == Some(&offset) {
            self.highest = Some(record);
            return None;
        }
        self.highest.filter(|_| !is_step_back)
    }
}

impl<'r> TotalOrder<'r> {
    fn find(&mut self, record: &'r Record, highest: Option<&'r Record>) {
        let Some(highest) = highest.filter(|_| self.found.is_none()) else { return };
        let commits = [highest, record].into_iter().filter_map(|seen| self.commit_of(seen));
        let mut witness: Vec<Record> = commits.chain([highest, record]).cloned().collect();
        witness.sort_by_key(|record| record.step);
        witness.dedup();
        self.found = Some(Violation {
            anomaly: Anomaly::TotalOrderDivergence,
            says: format!("{} {} only after it {}", record.host, record.kind, highest.kind),
            step: record.step,
            witness,
        });
    }

    /// The record that put what was seen in its place.
    fn commit_of(&self, seen: &Record) -> Option<&'r Record> {
        let (Kind::Delivered { offset, .. } | Kind::Committed { offset, .. }) = &seen.kind else {
            return None;
        };
        self.committed.get(offset).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held};

    #[test]
    fn a_client_that_comes_back_and_shows_an_older_message_diverges() {
        let planted = Planted::new().say(ALICE).say(BOB).commit("alice-1", 1).commit("bob-1", 2);
        let planted = planted.ack(ALICE, "alice-1", 1).ack(BOB, "bob-1", 2);
        let planted = planted.show(ALICE, "alice-1", 1).show(ALICE, "bob-1", 2);
        let planted = planted.show(BOB, "bob-1", 2).disconnect(BOB).connect(BOB).show(BOB, "alice-1", 1);

        let violation = broken(Anomaly::TotalOrderDivergence, planted, &Ending::Settled);

        assert_eq!(
            violation.says,
            "bob delivered alice-1 at 1 of general only after it delivered bob-1 at 2 of general"
        );
        assert_eq!(violation.witness.len(), 4, "two commits and two deliveries");
    }

    #[test]
    fn a_log_that_fills_a_hole_diverges_from_its_own_order() {
        let planted = Planted::good().say(ALICE).say(BOB).commit("alice-3", 9).commit("bob-2", 8);
        let planted = planted.ack(ALICE, "alice-3", 9).ack(BOB, "bob-2", 8);
        let planted = [ALICE, BOB]
            .into_iter()
            .fold(planted, |planted, client| planted.show(client, "bob-2", 8).show(client, "alice-3", 9));
        broken(Anomaly::TotalOrderDivergence, planted, &Ending::Settled);
    }

    #[test]
    fn a_client_that_starts_again_sees_the_log_again() {
        let planted = Planted::good().restart(BOB).show(BOB, "alice-1", 1).show(BOB, "bob-1", 2);
        held(Anomaly::TotalOrderDivergence, planted);
    }
}
